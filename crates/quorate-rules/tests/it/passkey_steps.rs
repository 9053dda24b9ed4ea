//! Each step of §7.2, and each kind of key and signature, has an answer that fails nothing else.

use crate::{
    authenticator::{CHALLENGE, PASSKEYS, Passkey, honest, judged, signed},
    passkey_cases::cases,
};
use quorate_rules::{
    Refusal,
    cbor::{Array, Bytes, Canonical},
    name::Issuer,
    webauthn::{Answered, PasskeyKey, verify},
};

/// Runs every case of this refusal with a passkey of each algorithm.
fn check(expected: Option<Refusal>) {
    let cases: Vec<_> = cases().into_iter().filter(|case| case.refusal == expected).collect();
    assert!(!cases.is_empty());
    for case in cases {
        for passkey in &*PASSKEYS {
            let judgement = judged(&case.draft.signed(passkey), &passkey.key());
            assert_eq!(judgement.err(), expected, "{}", case.name);
        }
    }
}

#[test]
fn honest_answers_hold_and_say_what_the_passkey_is() {
    check(None);
    let passkey = &PASSKEYS[0];
    let answered = |flags, count| judged(&honest().flags(flags).sign_count(count).signed(passkey), &passkey.key());
    let expected = |backup_eligible, backed_up, sign_count| {
        Ok(Answered {
            backup_eligible,
            backed_up,
            sign_count,
        })
    };
    assert_eq!(answered(0x05, 0), expected(false, false, 0));
    assert_eq!(answered(0x0d, 1), expected(true, false, 1));
    assert_eq!(answered(0x1d, u32::MAX), expected(true, true, u32::MAX));
}

#[test]
fn what_parsers_could_read_two_ways_is_refused() {
    check(Some(Refusal::MalformedPasskey));
    // A signature longer than any key makes is not even looked at.
    let mut assertion = honest().signed(&PASSKEYS[0]);
    assertion.signature = Bytes(vec![0; 513]);
    assert_eq!(judged(&assertion, &PASSKEYS[0].key()), Err(Refusal::MalformedPasskey));
}

#[test]
fn a_registration_or_a_payment_is_no_answer() {
    check(Some(Refusal::WrongCeremony));
}

#[test]
fn an_answer_to_something_else_is_refused() {
    check(Some(Refusal::WrongChallenge));
}

#[test]
fn an_answer_on_another_page_is_refused() {
    check(Some(Refusal::WrongPageOrigin));
}

#[test]
fn an_answer_in_a_frame_is_refused() {
    check(Some(Refusal::CrossOrigin));
}

#[test]
fn an_answer_for_another_site_is_refused() {
    check(Some(Refusal::WrongRpId));
}

#[test]
fn an_answer_that_nobody_gave_is_refused() {
    check(Some(Refusal::UserNotPresent));
}

#[test]
fn an_answer_by_whoever_holds_the_device_is_refused() {
    check(Some(Refusal::UserNotVerified));
}

#[test]
fn an_issuer_on_localhost_is_answered_too() {
    let page = "http://localhost:8410";
    let draft = honest().rp_id("localhost").with("origin", &format!("\"{page}\""));
    for passkey in &*PASSKEYS {
        let assertion = draft.signed(passkey);
        assert!(verify(&assertion, &passkey.key(), &CHALLENGE, &Issuer::new(page).unwrap()).is_ok());
    }
}

#[test]
fn a_signature_by_another_key_or_over_other_bytes_is_refused() {
    for passkey in &*PASSKEYS {
        let other = match passkey {
            Passkey::P256(_) => hex::decode(
                "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
            )
            .map(|generator| PasskeyKey::P256(Array(generator.try_into().unwrap()))),
            Passkey::Ed25519(_) => hex::decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
                .map(|x| PasskeyKey::Ed25519(Array(x.try_into().unwrap()))),
            Passkey::Rsa(_) => Ok(Passkey::rsa(aws_lc_rs::rsa::KeySize::Rsa2048).key()),
        }
        .unwrap();
        assert!(other.check().is_ok());
        let good = honest().signed(passkey);
        assert_eq!(judged(&good, &other), Err(Refusal::BadSignature));
        // The signature of the same passkey over its next answer.
        let mut spliced = good.clone();
        spliced.signature = honest().sign_count(1).signed(passkey).signature;
        assert_eq!(judged(&spliced, &passkey.key()), Err(Refusal::BadSignature));
        // Over the client data themselves instead of their hash.
        let mut unhashed = good.clone();
        unhashed.signature = Bytes(passkey.sign(&[&good.authenticator_data[..], &good.client_data].concat()));
        assert_eq!(judged(&unhashed, &passkey.key()), Err(Refusal::BadSignature));
        let mut none = good;
        none.signature = Bytes(Vec::new());
        assert_eq!(judged(&none, &passkey.key()), Err(Refusal::BadSignature));
    }
}

#[test]
fn a_key_of_one_algorithm_takes_no_signature_of_another() {
    for passkey in &*PASSKEYS {
        for other in &*PASSKEYS {
            let holds = judged(&honest().signed(passkey), &other.key()).is_ok();
            assert_eq!(holds, passkey.key() == other.key());
        }
    }
}

/// Order of P-256, big-endian.
const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

fn minus(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let (mut out, mut borrow) = ([0; 32], 0);
    for i in (0..32).rev() {
        let difference = i16::from(a[i]) - i16::from(b[i]) - borrow;
        borrow = i16::from(difference < 0);
        out[i] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    out
}

/// An INTEGER in its one DER encoding.
fn integer(value: &[u8]) -> Vec<u8> {
    let start = value.iter().position(|byte| *byte != 0).unwrap_or(value.len() - 1);
    let sign: &[u8] = if value[start] >= 0x80 { &[0] } else { &[] };
    let body = [sign, &value[start..]].concat();
    [&[2, u8::try_from(body.len()).unwrap()][..], &body].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[0x30, u8::try_from(body.len()).unwrap()][..], &body].concat()
}

/// r and s of a DER signature.
fn r_and_s(der: &[u8]) -> ([u8; 32], [u8; 32]) {
    let read = |at: usize| {
        let length = usize::from(der[at + 1]);
        let body = &der[at + 2..at + 2 + length];
        let body = body.strip_prefix(&[0]).filter(|rest| rest.len() == 32).unwrap_or(body);
        let mut out = [0; 32];
        out[32 - body.len()..].copy_from_slice(body);
        (out, at + 2 + length)
    };
    let (r, next) = read(2);
    (r, read(next).0)
}

/// A signature by the first passkey in its one encoding, its twin, which is as good, and what else could be made of them.
pub(crate) fn ecdsa_spellings(der: &[u8]) -> Vec<(&'static str, Vec<u8>, bool)> {
    let (r, s) = r_and_s(der);
    let n: [u8; 32] = hex::decode(N).unwrap().try_into().unwrap();
    let (ri, si) = (integer(&r), integer(&s));
    assert_eq!(sequence(&[&ri, &si]), der, "the authenticator writes DER");
    let padded = |value: &[u8; 32]| [&[2, 34, 0, 0][..], value].concat();
    let negative = [&[2, 32][..], &minus(&[0; 32], &r)].concat();
    vec![
        ("as it should be", der.to_vec(), true),
        (
            "s exchanged for n - s",
            sequence(&[&ri, &integer(&minus(&n, &s))]),
            true,
        ),
        ("r and s as in JWS", [r, s].concat(), false),
        ("a byte behind it", [der, &[0]].concat(), false),
        ("a byte inside behind s", sequence(&[&ri, &si, &[0]]), false),
        ("cut", der[..der.len() - 1].to_vec(), false),
        ("length in long form", [&[0x30, 0x81], &der[1..]].concat(), false),
        ("indefinite length", [&[0x30, 0x80], &der[2..], &[0, 0]].concat(), false),
        ("r with zeros before it", sequence(&[&padded(&r), &si]), false),
        ("s with zeros before it", sequence(&[&ri, &padded(&s)]), false),
        ("r and s exchanged", sequence(&[&si, &ri]), false),
        ("a set instead of a sequence", [&[0x31], &der[1..]].concat(), false),
        ("r zero", sequence(&[&integer(&[0]), &si]), false),
        ("s zero", sequence(&[&ri, &integer(&[0])]), false),
        ("both zero", sequence(&[&integer(&[0]), &integer(&[0])]), false),
        ("s is the order", sequence(&[&ri, &integer(&n)]), false),
        ("r negative", sequence(&[&negative, &si]), false),
    ]
}

#[test]
fn ecdsa_signatures_have_one_encoding() {
    let passkey = &PASSKEYS[0];
    let good = honest().signed(passkey);
    for (what, signature, expected) in ecdsa_spellings(&good.signature) {
        let mut assertion = good.clone();
        assertion.signature = Bytes(signature);
        let judgement = judged(&assertion, &passkey.key());
        assert_eq!(judgement.err(), (!expected).then_some(Refusal::BadSignature), "{what}");
    }
}

/// Order of the Ed25519 group, little-endian.
const L: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

#[test]
fn eddsa_signatures_have_one_spelling() {
    let passkey = &PASSKEYS[1];
    let good = honest().signed(passkey);
    let l = hex::decode(L).unwrap();
    let mut other = good.signature.to_vec();
    let mut carry = 0u16;
    for (byte, add) in other[32..].iter_mut().zip(l) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    let mut assertion = good;
    assertion.signature = Bytes(other);
    assert_eq!(judged(&assertion, &passkey.key()), Err(Refusal::BadSignature));
}

#[test]
fn weak_and_doubled_keys_are_refused_and_verify_nothing() {
    let malformed = |what: &str, key: PasskeyKey| assert!(key.check().is_err(), "{what}");
    let mut one = [0; 32];
    one[0] = 1;
    malformed("the neutral element", PasskeyKey::Ed25519(Array(one)));
    // Under a key of small order R = neutral, S = 0 is a signature of everything, for verifiers that are not strict.
    let of_everything = [&one[..], &[0; 32]].concat();
    assert!(!PasskeyKey::Ed25519(Array(one)).verify(b"anything", &of_everything));
    malformed("a point of order 4", PasskeyKey::Ed25519(Array([0; 32])));

    // y and y + p are one point: 2^255 − 19 + y for y from 0 to 18.
    let mut twins = 0;
    for y in 2..19u8 {
        let (mut lowest, mut spelled) = ([0; 32], [0xff; 32]);
        lowest[0] = y;
        (spelled[0], spelled[31]) = (0xed + y, 0x7f);
        if PasskeyKey::Ed25519(Array(lowest)).check().is_ok() {
            malformed("y not below p", PasskeyKey::Ed25519(Array(spelled)));
            twins += 1;
        }
    }
    assert!(twins > 0);

    malformed("no point of P-256", PasskeyKey::P256(Array([0; 64])));
    let PasskeyKey::P256(Array(mut xy)) = PASSKEYS[0].key() else {
        unreachable!()
    };
    xy[63] ^= 1;
    malformed("a point off the curve", PasskeyKey::P256(Array(xy)));
}

#[test]
fn rsa_keys_are_of_2048_to_4096_bits_with_exponent_65537() {
    let e = [1, 0, 1];
    let check = |what: &str, n: Vec<u8>, e: &[u8], expected: bool| {
        let key = PasskeyKey::Rsa(Bytes(n), Bytes(e.to_vec()));
        assert_eq!(key.check().is_ok(), expected, "{what}");
    };
    let modulus = |first: u8, bytes: usize, last: u8| {
        let mut n = vec![0x55; bytes];
        (n[0], n[bytes - 1]) = (first, last);
        n
    };
    check("2047 bits", modulus(0x7f, 256, 1), &e, false);
    check("2048 bits", modulus(0x80, 256, 1), &e, true);
    check("2049 bits", modulus(0x01, 257, 1), &e, true);
    check("4096 bits", modulus(0xff, 512, 1), &e, true);
    check("4097 bits", modulus(0x01, 513, 1), &e, false);
    check(
        "2048 bits after a zero",
        [vec![0], modulus(0x80, 256, 1)].concat(),
        &e,
        false,
    );
    check("4088 bits after a zero", modulus(0x00, 512, 1), &e, false);
    check("an even modulus", modulus(0x80, 256, 2), &e, false);
    check("no modulus", Vec::new(), &e, false);
    check("exponent 3", modulus(0x80, 256, 1), &[3], false);
    check("exponent 1", modulus(0x80, 256, 1), &[1], false);
    check("exponent after a zero", modulus(0x80, 256, 1), &[0, 1, 0, 1], false);
    check("no exponent", modulus(0x80, 256, 1), &[], false);
    for size in [aws_lc_rs::rsa::KeySize::Rsa3072, aws_lc_rs::rsa::KeySize::Rsa4096] {
        let passkey = Passkey::rsa(size);
        assert!(judged(&honest().signed(&passkey), &passkey.key()).is_ok());
    }
}

#[test]
fn an_answer_and_its_key_have_one_encoding() {
    for passkey in &*PASSKEYS {
        let key = passkey.key();
        assert_eq!(PasskeyKey::from_canonical(&key.to_canonical()).as_ref(), Ok(&key));
        let assertion = signed(&[1], vec![2], vec![3], passkey);
        let bytes = assertion.to_canonical();
        assert_eq!(bytes[..10], [0xa4, 0, 0x41, 1, 1, 0x41, 2, 2, 0x41, 3]);
        assert_eq!(
            quorate_rules::webauthn::Assertion::from_canonical(&bytes),
            Ok(assertion)
        );
    }
    let PasskeyKey::P256(_) = PASSKEYS[0].key() else {
        unreachable!()
    };
    let bytes = PASSKEYS[0].key().to_canonical();
    assert_eq!(bytes[..5], [0x82, 0, 0x81, 0x58, 64]);
}
