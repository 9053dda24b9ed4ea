//! Whatever single bit of a valid note or proof is changed, it does not verify any more.

use crate::{
    formats::{sample_note, sample_proof},
    trees::{entry, log_key, witness_key},
};
use quorate_tlog::{
    checkpoint::Checkpoint,
    note::{Note, VerifierKey},
    policy::{Draft, Policy},
    tlog_proof::TlogProof,
};

fn policy() -> Policy {
    let mut draft = Draft::new();
    draft
        .log(log_key(1), None)
        .unwrap()
        .witness("w", witness_key(2), None)
        .unwrap()
        .quorum("w")
        .unwrap();
    draft.finish().unwrap()
}

fn each_flip(bytes: &[u8], mut check: impl FnMut(&[u8], usize)) {
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        check(&changed, bit);
    }
}

#[test]
fn no_note_with_a_flipped_bit_is_verified_by_all_its_keys() {
    let known = [log_key(1), witness_key(2)];
    let verified =
        |bytes: &[u8]| Note::parse(bytes).is_ok_and(|note| note.verify(&known).is_ok_and(|keys| keys.len() == 2));
    let bytes = sample_note().encode().into_bytes();
    assert!(verified(&bytes));
    each_flip(&bytes, |changed, bit| assert!(!verified(changed), "bit {bit}"));
}

#[test]
fn no_checkpoint_with_a_flipped_bit_satisfies_the_policy() {
    let policy = policy();
    let check = |bytes: &[u8]| Note::parse(bytes).ok().and_then(|note| policy.check(&note).ok());
    let bytes = sample_note().encode().into_bytes();
    assert_eq!(check(&bytes), Checkpoint::parse(sample_note().text()).ok());
    each_flip(&bytes, |changed, bit| assert_eq!(check(changed), None, "bit {bit}"));
}

#[test]
fn no_proof_with_a_flipped_bit_proves_the_entry() {
    let policy = policy();
    let proves = |bytes: &[u8]| TlogProof::parse(bytes).is_ok_and(|proof| proof.verify(&entry(5), &policy).is_ok());
    let bytes = sample_proof().encode().into_bytes();
    assert!(proves(&bytes));
    each_flip(&bytes, |changed, bit| assert!(!proves(changed), "bit {bit}"));
    each_flip(&entry(5), |changed, bit| {
        assert!(sample_proof().verify(changed, &policy).is_err(), "bit {bit}")
    });
}

#[test]
fn no_key_with_a_flipped_bit_verifies_the_note() {
    let note = sample_note();
    each_flip(log_key(1).to_string().as_bytes(), |changed, bit| {
        let key = std::str::from_utf8(changed)
            .ok()
            .and_then(|text| VerifierKey::parse(text).ok());
        assert!(key.is_none_or(|key| note.verify(&[key]).is_err()), "bit {bit}");
    });
}
