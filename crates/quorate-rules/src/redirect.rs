//! Redirect URIs (RFC 6749 §3.1.2, RFC 8252 §7): compared as strings, with one exception for loopback ports.

use crate::name::{BadName, checked_text};
use minicbor::{Decode, Decoder, Encode, Encoder};
use std::fmt;

/// A redirect URI that a page may navigate to: `https:`, `http:` on a loopback name, or a private-use scheme with a dot in it, which
/// belongs to whoever owns that domain (RFC 8252 §7.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RedirectUri(String);

/// Loopback names, which never leave the device.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl RedirectUri {
    /// Longest redirect URI, bytes.
    pub const MAX: usize = 512;

    /// Checks the form; there is no fragment, no user information and nothing that browsers would rewrite.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        let plain = |b: u8| {
            b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#')
        };
        let sound = text.len() <= Self::MAX && text.bytes().all(plain) && has_sound_target(&text);
        if sound {
            Ok(Self(text))
        } else {
            Err(BadName::new(
                "redirect URI",
                "https://…, http:// on localhost, 127.0.0.1 or [::1], or a private-use scheme that contains a dot; no fragment, no user name",
            ))
        }
    }

    /// Whether a request may name `asked` where this is registered: the same string, or, for applications on the user's own device,
    /// the same loopback address with any port (RFC 8252 §7.3).
    pub fn admits(&self, asked: &Self, any_loopback_port: bool) -> bool {
        if self == asked {
            return true;
        }
        match (split_loopback(&self.0), split_loopback(&asked.0)) {
            (Some((host, rest)), Some((asked_host, asked_rest))) => {
                any_loopback_port && host == asked_host && rest == asked_rest
            }
            _ => false,
        }
    }
}

fn has_sound_target(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix("https://") {
        return host_of(authority(rest)).is_some();
    }
    if let Some(rest) = text.strip_prefix("http://") {
        return host_of(authority(rest)).is_some_and(|host| LOOPBACK.contains(&host));
    }
    text.split_once(':').is_some_and(|(scheme, rest)| {
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-');
        scheme.contains('.')
            && scheme.bytes().all(letters)
            && scheme.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
            && !rest.is_empty()
    })
}

/// What stands between `//` and the path, query or end.
fn authority(rest: &str) -> &str {
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// The host of `host[:port]` in lower case; none if there is a user name, an empty or odd host, or no number for a port.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let sound = match literal {
        Some(address) => address
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b':' | b'.')),
        None => host
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_')),
    };
    let sound_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port));
    (!host.is_empty() && sound && sound_port).then_some(host)
}

/// Host, and everything behind the port, of an `http:` URI on a loopback name.
fn split_loopback(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let authority = authority(rest);
    Some((host_of(authority)?, rest.strip_prefix(authority)?))
}

checked_text!(RedirectUri, "redirect URI");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_no_page_may_go_to_cannot_be_registered() {
        for good in [
            "https://app.example/cb",
            "https://app.example:8443/cb?x=1",
            "http://localhost:9/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:80/",
            "com.example.app:/cb",
            "com.example.app://cb",
        ] {
            assert!(RedirectUri::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "javascript:alert(1)",
            "JAVASCRIPT:alert(1)",
            "data:text/html,x",
            "java.script",
            "http://app.example/cb",
            "http://localhost.evil.test/cb",
            "http://127.0.0.1.evil.test/",
            "http://localhost@evil.test/cb",
            "https://user@evil.test/",
            "https://evil.test@@app.example/",
            "https://app.example\\@evil.test/",
            "https://app.example/cb#x",
            "https:///cb",
            "https://",
            "https://APP.example/cb",
            "https://app.example:x/cb",
            "https://app.example:080/cb",
            "https://app.example/a b",
            "https://app.example/\tcb",
            "https://åpp.example/",
            "file:///etc/passwd",
            "com.example.app:",
            ".app:/x",
        ] {
            assert!(RedirectUri::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_loopback_ports_are_free_and_only_for_native_clients() {
        let check = |registered: &str, asked: &str, native: bool, expected: bool| {
            let (registered, asked) = (RedirectUri::new(registered).unwrap(), RedirectUri::new(asked).unwrap());
            assert_eq!(
                registered.admits(&asked, native),
                expected,
                "{registered} {asked} {native}"
            );
        };
        check("https://a.example/cb", "https://a.example/cb", false, true);
        check("https://a.example/cb", "https://a.example/cb/", false, false);
        check("https://a.example/cb", "https://a.example/cb?x", true, false);
        check("https://a.example/cb", "https://a.example:444/cb", true, false);
        check("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", true, true);
        check("http://127.0.0.1:1/cb", "http://127.0.0.1:5000/cb", true, true);
        check("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", false, false);
        check("http://127.0.0.1/cb", "http://localhost:5000/cb", true, false);
        check("http://127.0.0.1/cb", "http://127.0.0.1:5000/other", true, false);
        check("http://[::1]/cb", "http://[::1]:5000/cb", true, true);
        check("http://localhost/cb", "http://localhost:5000/cb", true, true);
    }
}
