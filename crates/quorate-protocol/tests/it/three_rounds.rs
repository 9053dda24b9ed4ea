//! *k* rounds are not a word: a tenant whose token scheme takes three runs through the same messages.

use crate::{
    commit_reveal::{CommitRevealFrost, NAME},
    founding::Founded,
    four::Four,
};
use quorate_protocol::key_ring::Schemes;
use quorate_rules::{Refusal, TokenAlg};
use quorate_threshold::{FrostEd25519, GroupKey, Scheme};
use std::sync::Arc;

fn schemes() -> Schemes {
    Schemes {
        token: Arc::new(CommitRevealFrost),
        log: Arc::new(FrostEd25519),
    }
}

#[test]
fn tokens_of_three_rounds_and_checkpoints_of_two_come_from_one_batch() {
    let parties = Founded::parties(schemes(), TokenAlg::EdDsa);
    let mut four = Four::start(&parties);
    four.found();
    let keys = four.coordinator.tip().registry().keys().unwrap().clone();
    let group = GroupKey::decode(&keys.token_group).unwrap();
    assert_eq!(group.scheme(), NAME);
    for _ in 0..3 {
        let batch = four.token();
        let signed = four.complete(&batch);
        assert!(signed.checkpoint.is_some() && signed.misbehaved.is_empty() && signed.refused.is_empty());
        let [token] = signed.tokens.as_slice() else {
            panic!("{} tokens", signed.tokens.len())
        };
        let (text, signature) = token.jwt.rsplit_once('.').unwrap();
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(CommitRevealFrost.verify(&group, text.as_bytes(), &signature).is_ok());
        assert!(four.custodians.iter().all(|custodian| custodian.open_attempts() == 0));
    }
}

#[test]
fn no_round_is_answered_twice_or_before_its_turn() {
    let parties = Founded::parties(schemes(), TokenAlg::EdDsa);
    let mut four = Four::start(&parties);
    four.found();
    let batch = four.token();
    let proposed = four.coordinator.propose(&batch, 0, &[1, 2, 3]);
    let mut certified = four.certify(proposed);
    let first = certified.message_for(1);
    let mut skipped = first.clone();
    skipped.round += 1;
    let outcome = four.commit(1, &skipped).err();
    assert_eq!(outcome, Some(Refusal::WrongCommitments), "round 3 before round 2");

    let mut revealed = std::collections::BTreeMap::new();
    for number in [1, 2, 3] {
        let step = four.commit(number, &first).unwrap();
        revealed.insert(
            number,
            crate::founding::done(step, &mut four.disks[usize::from(number) - 1]),
        );
    }
    let outcome = four.commit(1, &first).err();
    assert_eq!(outcome, Some(Refusal::WrongCommitments), "round 2 once more");
    assert!(certified.next_round(&four.coordinator, &revealed));
    let third = certified.message_for(1);
    for number in [1, 2, 3] {
        assert!(four.commit(number, &third).is_ok());
        let again = four.commit(number, &third).err();
        assert_eq!(again, Some(Refusal::NoSuchAttempt), "round 3 once more");
        assert_eq!(four.custodian(number).open_attempts(), 0);
    }
}
