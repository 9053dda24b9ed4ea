//! Public keys as JSON: what is read is a sound point, and other people's code reads the same key.

use crate::{
    mangled::{each_small_change, mangled},
    tenant::{p256, public},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use proptest::{collection::vec, prelude::*};
use quorate_rules::{
    cbor::Array,
    jwk::{BadJwk, PublicJwk},
};

fn samples() -> Vec<Vec<u8>> {
    let plain = |key: &PublicJwk| key.to_json().into_bytes();
    let ed = PublicJwk::Ed25519(public(1));
    let bare = format!(r#"{{"kty":"OKP", "crv":"Ed25519", "x":"{}"}}"#, B64.encode(public(2).0));
    vec![plain(&ed), plain(&p256().1), bare.into_bytes()]
}

/// What is read is sound, is written as it was read, and is the same key for the stock reader.
fn check(text: &[u8]) -> Option<PublicJwk> {
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let key = PublicJwk::parse(text).ok()?;
    assert!(key.is_sound());
    assert_eq!(PublicJwk::parse(key.to_json().as_bytes()), Ok(key.clone()));
    let stock: Jwk = serde_json::from_str(&key.to_json()).unwrap();
    assert!(jsonwebtoken::DecodingKey::from_jwk(&stock).is_ok());
    assert_eq!(stock.thumbprint(ThumbprintHash::SHA256).unwrap(), key.thumbprint());
    assert_eq!(stock.common.key_id, Some(key.thumbprint()));
    Some(key)
}

#[test]
fn real_keys_after_any_small_change_are_other_keys_or_none() {
    for text in samples() {
        let good = check(&text).unwrap();
        let (mut same, mut other, mut refused) = (0, 0, 0);
        each_small_change(&text, |changed| match check(changed) {
            Some(key) if key == good => same += 1,
            Some(_) => other += 1,
            None => refused += 1,
        });
        // Only members that are not looked at (`kid`, `use`) and white space may change without changing the key; about half of all
        // x coordinates are points of Ed25519, hardly any pair is one of P-256.
        assert!(refused > 0, "{same} {other} {refused}");
        let is_ed = matches!(good, PublicJwk::Ed25519(_));
        assert_eq!(other > 0, is_ed, "{same} {other} {refused}");
    }
}

#[test]
fn coordinates_have_one_form() {
    let x = B64.encode(public(1).0);
    let jwk = |x: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#);
    assert!(PublicJwk::parse(jwk(&x).as_bytes()).is_ok());
    let standard = base64::engine::general_purpose::STANDARD.encode([0xfb; 32]);
    let mut loose = x.clone();
    let last = loose.pop().unwrap();
    // The last of 43 characters carries two bits that are no part of the 32 bytes.
    loose.push(char::from_u32(u32::from(last) + 1).unwrap());
    for bad in [
        format!("{x}="),
        x[1..].to_owned(),
        format!("A{x}"),
        standard,
        loose,
        String::new(),
        format!(" {x}"),
    ] {
        assert_eq!(PublicJwk::parse(jwk(&bad).as_bytes()), Err(BadJwk), "{bad}");
    }
}

#[test]
fn private_members_are_never_kept() {
    let d = B64.encode([0x77; 32]);
    let text = format!(
        r#"{{"kty":"OKP","crv":"Ed25519","x":"{}","d":"{d}"}}"#,
        B64.encode(public(1).0)
    );
    let key = PublicJwk::parse(text.as_bytes()).unwrap();
    assert!(!key.to_json().contains(&d) && !format!("{key:?}").contains(&d));
}

#[test]
fn a_key_verifies_nothing_of_the_other_kind() {
    let ed = PublicJwk::Ed25519(public(1));
    let message = b"message";
    let by_ed = (crate::tenant::sign_ed25519(1))(message);
    let by_p256 = crate::tenant::sign_p256(message);
    assert!(ed.verify(message, &by_ed) && p256().1.verify(message, &by_p256));
    assert!(!ed.verify(message, &by_p256) && !p256().1.verify(message, &by_ed));
    for (key, good) in [(&ed, &by_ed), (&p256().1, &by_p256)] {
        each_small_change(good, |changed| assert!(!key.verify(message, changed), "{changed:02x?}"));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_keys_only_if_they_are_sound(bytes in vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn mangled_keys_are_read_soundly_or_refused(bytes in mangled(samples())) {
        check(&bytes);
    }

    #[test]
    fn arbitrary_coordinates_are_read_exactly_when_they_are_points(x in any::<[u8; 32]>(), y in any::<[u8; 32]>()) {
        let ed = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, B64.encode(x));
        prop_assert_eq!(check(ed.as_bytes()).is_some(), PublicJwk::Ed25519(Array(x)).is_sound());
        let ec = format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#, B64.encode(x), B64.encode(y));
        prop_assert_eq!(check(ec.as_bytes()), None, "a random pair is no point");
    }
}
