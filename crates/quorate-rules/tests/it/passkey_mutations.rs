//! Nothing but what was signed holds: any change of any byte is refused, and no bytes make the verifier panic.

use crate::authenticator::{PASSKEYS, Passkey, honest, judged};
use proptest::prelude::*;
use quorate_rules::{
    cbor::{Array, Bytes, Canonical},
    webauthn::{Assertion, PasskeyKey},
};

/// The parts that the verifier reads and that a signature or a key holds together; the credential id is none of them.
#[derive(Debug, Clone, Copy)]
enum Part {
    AuthenticatorData,
    ClientData,
    Signature,
    Key,
}

const PARTS: [Part; 4] = [Part::AuthenticatorData, Part::ClientData, Part::Signature, Part::Key];

/// Changes the bytes of a part. Keys of fixed length take what is left of it.
fn change(part: Part, assertion: &mut Assertion, key: &mut PasskeyKey, change: impl FnOnce(&mut Vec<u8>)) {
    match part {
        Part::AuthenticatorData => change(&mut assertion.authenticator_data.0),
        Part::ClientData => change(&mut assertion.client_data.0),
        Part::Signature => change(&mut assertion.signature.0),
        Part::Key => match key {
            PasskeyKey::P256(Array(xy)) => fixed(xy, change),
            PasskeyKey::Ed25519(Array(x)) => fixed(x, change),
            PasskeyKey::Rsa(Bytes(n), Bytes(e)) => {
                let border = n.len();
                let mut both = [&n[..], e].concat();
                change(&mut both);
                *e = both.split_off(border.min(both.len()));
                *n = both;
            }
        },
    }
}

fn fixed<const N: usize>(bytes: &mut [u8; N], change: impl FnOnce(&mut Vec<u8>)) {
    let mut changed = bytes.to_vec();
    change(&mut changed);
    changed.resize(N, 0);
    bytes.copy_from_slice(&changed);
}

fn length(part: Part, assertion: &Assertion, key: &PasskeyKey) -> usize {
    let mut length = 0;
    change(part, &mut assertion.clone(), &mut key.clone(), |bytes| {
        length = bytes.len()
    });
    length
}

/// A good answer of each passkey; with extension outputs, so that their parser sees changes too.
fn answers() -> Vec<(Assertion, PasskeyKey)> {
    let outputs = hex::decode("a26375766d81830204026863726564426c6f6240").unwrap();
    let draft = honest().extensions(&outputs).sign_count(0x0102_0304);
    PASSKEYS
        .iter()
        .map(|passkey: &Passkey| (draft.signed(passkey), passkey.key()))
        .collect()
}

#[test]
fn every_bit_counts() {
    for (good, key) in answers() {
        assert!(judged(&good, &key).is_ok());
        for part in PARTS {
            for bit in 0..length(part, &good, &key) * 8 {
                let (mut assertion, mut other) = (good.clone(), key.clone());
                change(part, &mut assertion, &mut other, |bytes| {
                    bytes[bit / 8] ^= 1 << (bit % 8)
                });
                assert!(
                    judged(&assertion, &other).is_err(),
                    "bit {bit} of {part:?} under {key:?}"
                );
            }
        }
    }
}

#[test]
fn every_encoded_bit_of_an_answer_and_its_key_counts() {
    for (good, key) in answers() {
        let (answer, encoded_key) = (good.to_canonical(), key.to_canonical());
        for bit in 0..encoded_key.len() * 8 {
            let mut bytes = encoded_key.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = PasskeyKey::from_canonical(&bytes);
            assert!(
                read.is_err() || judged(&good, &read.unwrap()).is_err(),
                "bit {bit} of the key"
            );
        }
        for bit in 0..answer.len() * 8 {
            let mut bytes = answer.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = Assertion::from_canonical(&bytes)
                && judged(&read, &key).is_ok()
            {
                // The id says which key to take; whoever changes it gets another key or none.
                assert_ne!(read.credential_id, good.credential_id, "bit {bit} of the answer");
                assert_eq!(read.signature, good.signature);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_byte_exchanged_put_in_or_left_out_is_refused(
        which in 0..3usize,
        part in 0..4usize,
        at in any::<prop::sample::Index>(),
        by in any::<u8>(),
        how in 0..4u8,
    ) {
        let (good, key) = answers().swap_remove(which);
        let part = PARTS[part];
        let (mut assertion, mut other) = (good.clone(), key.clone());
        change(part, &mut assertion, &mut other, |bytes| {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = by,
                1 => bytes.insert(at, by),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        });
        prop_assume!((&assertion, &other) != (&good, &key));
        prop_assert!(judged(&assertion, &other).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_refused_and_never_panic(
        id in proptest::collection::vec(any::<u8>(), 0..40),
        authenticator_data in proptest::collection::vec(any::<u8>(), 0..200),
        client_data in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            ".*".prop_map(String::into_bytes),
        ],
        signature in proptest::collection::vec(any::<u8>(), 0..300),
        n in proptest::collection::vec(any::<u8>(), 0..300),
        e in proptest::collection::vec(any::<u8>(), 0..5),
        xy in any::<[u8; 32]>(),
    ) {
        let assertion = Assertion {
            credential_id: Bytes(id),
            authenticator_data: Bytes(authenticator_data),
            client_data: Bytes(client_data),
            signature: Bytes(signature),
        };
        let mut both = [0; 64];
        both[..32].copy_from_slice(&xy);
        let keys = [
            PasskeyKey::P256(Array(both)),
            PasskeyKey::Ed25519(Array(xy)),
            PasskeyKey::Rsa(Bytes(n), Bytes(e)),
        ];
        for key in keys.into_iter().chain(PASSKEYS.iter().map(Passkey::key)) {
            let _ = key.check();
            prop_assert!(judged(&assertion, &key).is_err());
            prop_assert!(!key.verify(&assertion.client_data, &assertion.signature));
        }
    }

    /// Here the signature holds, so that every byte behind the flags reaches the parsers.
    #[test]
    fn arbitrary_signed_bytes_never_panic(
        flags in any::<u8>(),
        tail in proptest::collection::vec(any::<u8>(), 0..80),
        client_data in proptest::collection::vec(any::<u8>(), 0..80),
        honest_page in any::<bool>(),
        which in 0..3usize,
    ) {
        let mut draft = honest().flags(flags).tail(&tail);
        if !honest_page {
            draft = draft.client_data(client_data);
        }
        let passkey = &PASSKEYS[which];
        let judgement = judged(&draft.signed(passkey), &passkey.key());
        prop_assert!(honest_page || judgement.is_err());
        if let Ok(answered) = judgement {
            prop_assert_eq!(flags & 0x05, 0x05);
            prop_assert_eq!(answered.backup_eligible, flags & 0x08 != 0);
            prop_assert_eq!(answered.backed_up, flags & 0x10 != 0);
            prop_assert!(answered.backup_eligible || !answered.backed_up);
        }
    }

    #[test]
    fn arbitrary_encodings_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Assertion::from_canonical(&bytes);
        let _ = PasskeyKey::from_canonical(&bytes);
    }
}
