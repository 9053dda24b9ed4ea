//! Names: one alphabet each, one form each, and nothing in them that changes what people see around them.

use proptest::{prelude::*, sample::select};
use quorate_rules::{
    cbor::Malformed,
    name::{Audience, ClientId, DisplayName, Issuer, PartyName, Scope, ScopeToken},
};
use quorate_tlog::{checkpoint::Origin, note::KeyName};

/// Text with many characters that have a meaning somewhere.
fn text() -> impl Strategy<Value = String> {
    let special = select(
        " \t\n\r\0\u{7f}\u{85}\u{9b}\u{a0}\u{ad}\u{200d}\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}\"\\/:@?#[]%+.,~_-aZ09üß😀"
            .chars()
            .collect::<Vec<_>>(),
    );
    let letter = prop_oneof![3 => select(('a'..='z').collect::<Vec<_>>()), 2 => special, 1 => any::<char>()];
    proptest::collection::vec(letter, 0..70).prop_map(|letters| letters.into_iter().collect())
}

/// Read and written is the same, as text and as CBOR; CBOR of a text that is no name is refused.
macro_rules! check {
    ($kind:ty, $text:expr) => {{
        let text: &str = $text;
        let encoded = minicbor::to_vec(text).unwrap();
        let decoded = minicbor::decode::<$kind>(&encoded);
        let read = <$kind>::new(text);
        assert_eq!(read.is_ok(), decoded.is_ok(), "{text:?}");
        if let Ok(name) = &read {
            assert_eq!(name.to_string(), text);
            assert_eq!(name.as_str(), text);
            assert_eq!(minicbor::to_vec(name).unwrap(), encoded);
            assert_eq!(&decoded.unwrap(), name);
        }
        read.is_ok()
    }};
}

fn is_ascii_word(text: &str, max: usize, allowed: &str) -> bool {
    (1..=max).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || allowed.contains(c))
}

/// Characters that end a line, move the cursor or turn the direction of what stands around them.
fn changes_its_surroundings(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

proptest! {
    #[test]
    fn each_kind_of_name_has_its_own_alphabet(text in text()) {
        prop_assert_eq!(check!(ClientId, &text), is_ascii_word(&text, 64, "._~-"));
        let lower = !text.chars().any(|c| c.is_ascii_uppercase());
        prop_assert_eq!(check!(PartyName, &text), lower && is_ascii_word(&text, 64, ".-"));
        let graphic = |max: usize| {
            (1..=max).contains(&text.len()) && text.chars().all(|c| ('!'..='~').contains(&c) && c != '"' && c != '\\')
        };
        prop_assert_eq!(check!(ScopeToken, &text), graphic(64));
        prop_assert_eq!(check!(Audience, &text), graphic(256));
        let plain = !text.is_empty() && text.len() <= 128 && !text.chars().any(changes_its_surroundings);
        prop_assert_eq!(check!(DisplayName, &text), plain, "{:?}", text);
    }

    #[test]
    fn issuers_are_a_scheme_and_an_authority_in_one_form(text in issuer_text()) {
        let is_issuer = check!(Issuer, &text);
        if is_issuer {
            let issuer = Issuer::new(text.clone()).unwrap();
            let (scheme, authority) = text.split_once("://").unwrap();
            prop_assert!(scheme == "https" || scheme == "http");
            prop_assert_eq!(issuer.authority(), authority);
            prop_assert!(!authority.contains(['/', '?', '#', '@', '%']) && authority.to_lowercase() == authority);
            // The log's name is made of it, and verifiers must be able to read that name.
            let origin = issuer.log_origin(u64::MAX);
            prop_assert!(Origin::new(origin.clone()).is_ok() && KeyName::new(origin).is_ok());
            // Audience of tokens where the client has none.
            prop_assert!(Audience::new(text.clone()).is_ok());
            // A socket address or a name with a port, as the standard library sees it.
            let (host, port) = match authority.rsplit_once(':') {
                Some((host, port)) if !port.contains(']') => (host, Some(port)),
                _ => (authority, None),
            };
            prop_assert!(port.is_none_or(|port| port.parse::<u16>().is_ok()), "{}", text);
            let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            match literal {
                Some(literal) => prop_assert!(literal.parse::<std::net::Ipv6Addr>().is_ok(), "{}", text),
                None => prop_assert!(is_ascii_word(host, 200, ".-"), "{}", text),
            }
            if scheme == "http" {
                prop_assert!(["localhost", "127.0.0.1", "[::1]"].contains(&host));
            }
        }
    }

    #[test]
    fn scopes_are_sets(text in "[ab\" ]{0,8}|([a-c] ){0,4}[a-c]") {
        let read = Scope::parse(&text);
        let words: Vec<&str> = text.split(' ').collect();
        let good = text.is_empty() || words.iter().all(|word| !word.is_empty() && !word.contains('"'));
        prop_assert_eq!(read.is_ok(), good, "{:?}", text);
        let encoded = minicbor::to_vec(text.as_str()).unwrap();
        prop_assert_eq!(minicbor::decode::<Scope>(&encoded).is_ok(), good);
        if let Ok(scope) = read {
            let written = scope.to_string();
            prop_assert_eq!(Scope::parse(&written), Ok(scope.clone()));
            prop_assert!(scope.is_within(&scope) && Scope::default().is_within(&scope));
            prop_assert_eq!(scope.is_empty(), text.is_empty());
            let mut unique: Vec<&str> = written.split(' ').collect();
            let count = unique.len();
            unique.dedup();
            prop_assert!(unique.is_sorted() && unique.len() == count);
        }
    }
}

fn issuer_text() -> impl Strategy<Value = String> {
    let scheme = select(vec!["https://", "https://", "http://", "HTTPS://", "ftp://", ""]);
    let host = prop_oneof![
        select(vec![
            "localhost",
            "127.0.0.1",
            "[::1]",
            "[1:2:3:4:5:6:7:8]",
            "[",
            "]",
            "[]",
            "[x]",
            "a[b]",
            "::1",
            "a:b",
            "a..b",
            "-"
        ]),
        select(vec![
            "id.example.org",
            "ID.example.org",
            "xn--bcher-kva.example",
            "bücher.example",
            "",
            "user@host",
            "a%41"
        ]),
    ];
    let host = prop_oneof![4 => host.prop_map(str::to_owned), 1 => "[a-z0-9.:\\[\\]-]{0,12}"];
    let port = select(vec![
        "", "", ":443", ":8410", ":0", ":08", ":65536", ":", ":80:80", ":+80", ":x",
    ]);
    let rest = select(vec!["", "", "", "", "/", "/path", "?q", "#f", " ", "\n"]);
    (scheme, host, port, rest).prop_map(|(scheme, host, port, rest)| format!("{scheme}{host}{port}{rest}"))
}

#[test]
fn a_scope_holds_64_tokens_and_no_more() {
    let tokens = |count: usize| (0..count).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
    assert!(Scope::parse(&tokens(Scope::MAX)).is_ok());
    assert!(Scope::parse(&tokens(Scope::MAX + 1)).is_err());
}

#[test]
fn names_that_people_read_may_be_in_any_language() {
    for good in ["Straßenbahn", "مكتب", "株式会社", "می‌خواهم", "👩‍🚀 Team", "a b"] {
        assert!(DisplayName::new(good).is_ok(), "{good}");
    }
    assert!(DisplayName::new("ü".repeat(64)).is_ok() && DisplayName::new("ü".repeat(65)).is_err());
}

#[test]
fn a_refused_name_says_what_it_should_have_been() {
    let told = ClientId::new("a b").unwrap_err().to_string();
    assert_eq!(told, "not a valid client id: 1 to 64 of A-Z a-z 0-9 . _ ~ -");
    let unread = Malformed { what: "genesis" }.to_string();
    assert_eq!(unread, "not the canonical encoding of genesis");
}
