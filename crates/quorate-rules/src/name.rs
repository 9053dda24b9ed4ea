//! Names that appear in tokens, records and messages, each with its bounds.

use minicbor::{Decode, Decoder, Encode, Encoder};
use std::fmt;
use std::net::Ipv6Addr;

/// The text is not a name of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {rule}")]
pub struct BadName {
    kind: &'static str,
    rule: &'static str,
}

impl BadName {
    pub(crate) const fn new(kind: &'static str, rule: &'static str) -> Self {
        Self { kind, rule }
    }
}

/// The texts of a checked name: display, CBOR, reading.
macro_rules! checked_text {
    ($name:ident, $kind:literal) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::new(d.str()?).map_err(|_| minicbor::decode::Error::message($kind))
            }
        }
    };
}

pub(crate) use checked_text;

macro_rules! names {
    ($($(#[doc = $doc:literal])+ $name:ident, $kind:literal, $max:literal, $rule:literal, $allowed:expr;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks the text against this name's alphabet and length.
            pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
                let text = text.into();
                let allowed: fn(char) -> bool = $allowed;
                if text.is_empty() || text.len() > $max || !text.chars().all(allowed) {
                    return Err(BadName { kind: $kind, rule: $rule });
                }
                Ok(Self(text))
            }
        }
        checked_text!($name, $kind);
    )+};
}

names! {
    /// Client identifier (RFC 6749 §2.2), narrowed to characters that mean nothing in URLs, paths and tag keys.
    ClientId, "client id", 64, "1 to 64 of A-Z a-z 0-9 . _ ~ -",
        |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-');
    /// Identifier of an administrator, a custodian or a gateway.
    PartyName, "party name", 64, "1 to 64 of a-z 0-9 . -",
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    /// One scope token (RFC 6749 §3.3).
    ScopeToken, "scope token", 64, "1 to 64 printable ASCII characters except space, quote and backslash",
        |c| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    /// Audience of an access token (RFC 8707: an absolute URI; RFC 7519: any string without control characters).
    Audience, "audience", 256, "1 to 256 printable ASCII characters except space, quote and backslash",
        |c| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    /// User name (`preferred_username`): what a person is called here.
    Username, "user name", 64, "1 to 64 bytes without spaces, control characters, line separators and direction marks",
        |c| !c.is_whitespace() && !c.is_control() && !is_layout(c);
    /// Group that a person belongs to, as relying parties read it.
    GroupName, "group", 128, "1 to 128 bytes without control characters, line separators and direction marks",
        |c| !c.is_control() && !is_layout(c);
    /// What a person calls a passkey.
    Label, "label", 64, "1 to 64 bytes without control characters, line separators and direction marks",
        |c| !c.is_control() && !is_layout(c);
    /// What people read; never compared, never in a token's `sub`. It stands in the normative text of proposals, so it must not end a line,
    /// steer a terminal (U+009B does, too) or turn the direction of the words around it.
    DisplayName, "display name", 128, "1 to 128 bytes without control characters, line separators and direction marks",
        |c| !c.is_control() && !is_layout(c);
}

/// Line and paragraph separators, and the characters that change the direction of text (Unicode TR 9).
const fn is_layout(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Subject identifier of a person (`sub`): opaque, never re-assigned, and of a form that no client id has.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

impl Subject {
    /// Characters behind the prefix: 16 bytes in base32.
    const LEN: usize = 26;
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

    /// Checks the form: `u-` and 26 of a-z 2-7.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        let sound = text
            .strip_prefix("u-")
            .is_some_and(|rest| rest.len() == Self::LEN && rest.bytes().all(|b| Self::ALPHABET.contains(&b)));
        if sound {
            Ok(Self(text))
        } else {
            Err(BadName {
                kind: "subject",
                rule: "u- and 26 of a-z 2-7",
            })
        }
    }

    /// The subject of 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        let digits = (0..Self::LEN as u32).rev().map(|place| {
            let digit = number.checked_shr(place.saturating_mul(5)).unwrap_or(0) & 31;
            let digit = usize::try_from(digit).unwrap_or(0);
            char::from(Self::ALPHABET.get(digit).copied().unwrap_or(b'a'))
        });
        Self(
            std::iter::once("u-".to_owned())
                .chain(digits.map(String::from))
                .collect(),
        )
    }
}
checked_text!(Subject, "subject");

/// E-mail address, as relying parties read it: one `@` with something on both sides, printable ASCII.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

impl Email {
    /// Checks the form; whether the address exists is for whoever vouches for it.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        let sound = text.len() <= 254
            && text.bytes().all(|b| b.is_ascii_graphic())
            && text
                .split_once('@')
                .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'));
        if sound {
            Ok(Self(text))
        } else {
            Err(BadName {
                kind: "e-mail address",
                rule: "name@host, at most 254 printable ASCII characters",
            })
        }
    }
}
checked_text!(Email, "e-mail address");

/// The issuer identifier (RFC 8414 §2): scheme and authority only — no path, query or fragment, not even a closing slash.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Issuer(String);

impl Issuer {
    /// Accepts `https://host[:port]`, and `http://` for loopback names only.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        const RULE: &str = "https://host[:port] in lower case without path or closing slash, the port only where it is not the scheme's own (http:// only for localhost, 127.0.0.1, [::1])";
        let text = text.into();
        let bad = BadName {
            kind: "issuer",
            rule: RULE,
        };
        let (authority, plain) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(authority), _) => (authority, false),
            (None, Some(authority)) => (authority, true),
            (None, None) => return Err(bad),
        };
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
        if authority.is_empty() || authority.len() > 200 || !authority.bytes().all(allowed) {
            return Err(bad);
        }
        // Browsers leave a scheme's own port out of an origin: a passkey's answer would never name an issuer that spells it.
        let own_port = if plain { ":80" } else { ":443" };
        let host = match authority.rsplit_once(':') {
            Some(_) if authority.ends_with(own_port) => return Err(bad),
            Some((host, port)) if port.parse::<u16>().is_ok_and(|p| p != 0 && p.to_string() == port) => host,
            Some((_, _)) if !authority.ends_with(']') => return Err(bad),
            _ => authority,
        };
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match literal {
            Some(literal) => literal.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains([':', '[', ']']),
        };
        if !is_host || (plain && !matches!(host, "localhost" | "127.0.0.1" | "[::1]")) {
            return Err(bad);
        }
        Ok(Self(text))
    }

    /// Host and port, without the scheme.
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Host without port, as a page's origin spells it: the RP ID of the tenant's passkeys (Web Authentication Level 3 §4). An
    /// IPv6 address keeps its brackets; browsers take no address for an RP ID anyway, `localhost` is what they take.
    pub fn host(&self) -> &str {
        let authority = self.authority();
        match authority.rsplit_once(':') {
            // After the last colon of an address stands its bracket, never a port alone.
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        }
    }

    /// Origin of the tenant's log number `number` (C2SP tlog-checkpoint): `<host[:port]>/log/<number>`.
    pub fn log_origin(&self, number: u64) -> String {
        format!("{}/log/{number}", self.authority())
    }
}

checked_text!(Issuer, "issuer");

/// A set of scope tokens, sorted and unique; its text form is separated by single spaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope(std::collections::BTreeSet<ScopeToken>);

impl Scope {
    /// Most tokens in one scope.
    pub const MAX: usize = 64;

    /// Reads `scope` as clients send it: tokens separated by single spaces, any order, repeated ones counted once.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let set = text
            .split(' ')
            .map(ScopeToken::new)
            .collect::<Result<std::collections::BTreeSet<_>, _>>()?;
        if set.len() > Self::MAX {
            return Err(BadName {
                kind: "scope",
                rule: "at most 64 tokens",
            });
        }
        Ok(Self(set))
    }

    /// Whether every token of this scope is in the other.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Whether this token is in the scope.
    pub fn holds(&self, token: &str) -> bool {
        self.0.iter().any(|known| known.as_str() == token)
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, token) in self.0.iter().enumerate() {
            write!(f, "{}{token}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl<C> Encode<C> for Scope {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Scope {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::parse(d.str()?).map_err(|_| minicbor::decode::Error::message("scope"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers() {
        let check = |text: &str, good: bool| assert_eq!(Issuer::new(text).is_ok(), good, "{text}");
        check("https://id.example.org", true);
        check("http://localhost:8410", true);
        check("http://127.0.0.1:8410", true);
        check("http://[::1]:8410", true);
        check("http://[::1]", true);
        check("http://id.example.org", false);
        check("https://id.example.org/", false);
        check("https://id.example.org/a", false);
        check("https://ID.example.org", false);
        check("https://id.example.org:0", false);
        check("https://id.example.org:08", false);
        check("https://id.example.org:443", false);
        check("http://localhost:80", false);
        check("https://id.example.org:80", true);
        check("https://u@id.example.org", false);
        check("https://", false);
        check("", false);
        assert_eq!(
            Issuer::new("http://localhost:8410").unwrap().log_origin(1),
            "localhost:8410/log/1"
        );
    }

    #[test]
    fn the_host_has_no_scheme_and_no_port() {
        for (issuer, host) in [
            ("https://id.example.org", "id.example.org"),
            ("https://id.example.org:8443", "id.example.org"),
            ("http://localhost:8410", "localhost"),
            ("http://127.0.0.1:8410", "127.0.0.1"),
            ("http://[::1]:8410", "[::1]"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(Issuer::new(issuer).unwrap().host(), host, "{issuer}");
        }
    }

    #[test]
    fn subjects_are_opaque_and_of_one_form() {
        let subject = Subject::from_random([0xff; 16]);
        assert_eq!(subject.as_str(), "u-h7777777777777777777777777");
        assert_eq!(Subject::from_random([0; 16]).as_str(), "u-aaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_eq!(Subject::new(subject.to_string()), Ok(subject));
        for bad in [
            "u-",
            "",
            "demo-service",
            "u-AAAAAAAAAAAAAAAAAAAAAAAAAA",
            "u-aaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(Subject::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_have_two_sides() {
        assert!(Email::new("ada@example.org").is_ok());
        for bad in ["", "ada", "@example.org", "ada@", "a@b@c", "a b@c", "a\n@c"] {
            assert!(Email::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scopes_sort_and_refuse_empty_tokens() {
        assert_eq!(Scope::parse("b a b").unwrap().to_string(), "a b");
        assert!(Scope::parse("a  b").is_err());
        assert!(Scope::parse(" a").is_err());
        assert!(Scope::parse("a\"b").is_err());
        assert!(Scope::parse("a").unwrap().is_within(&Scope::parse("a b").unwrap()));
    }
}
