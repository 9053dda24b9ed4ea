//! FROST(Ed25519): signing, and every way in which it must fail.

use crate::ceremony::{Message, Outputs, deal, id, run, run_honest, shares, sign, subsets};
use quorate_threshold::{
    Advance, AggregateError, BadSignature, Dealt, FrostEd25519, GroupKey, Identifier, Scheme, SignError,
};
use rand_core::OsRng;
use std::collections::{BTreeMap, BTreeSet};

/// What a stock verifier says.
fn accepts(group: &GroupKey, message: &[u8], signature: &[u8]) -> bool {
    let key = ed25519_dalek::VerifyingKey::from_bytes(group.verifying_key().try_into().unwrap()).unwrap();
    key.verify_strict(message, &ed25519_dalek::Signature::from_slice(signature).unwrap())
        .is_ok()
}

/// Both rounds of these signers: commitments and shares.
fn outputs(dealt: &BTreeMap<Identifier, Dealt>, signers: &[u16], message: &[u8]) -> [Outputs; 2] {
    let set: BTreeSet<Identifier> = signers.iter().map(|number| id(*number)).collect();
    let (mut sessions, mut commitments, mut shares) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for signer in &set {
        let opened = dealt[signer].share.commit(message, &set, &mut OsRng).unwrap();
        sessions.push((*signer, opened.session));
        commitments.insert(*signer, opened.output.broadcast);
    }
    for (signer, session) in sessions {
        let Advance::Done(share) = sign(&Message(message.to_vec()), session, &commitments).unwrap() else {
            panic!("FROST has two rounds")
        };
        shares.insert(signer, share);
    }
    [commitments, shares]
}

/// Changes bytes on their way.
type Change<'a> = &'a dyn Fn(&mut Vec<u8>);

fn misbehaved(culprits: &[u16]) -> Result<Vec<u8>, AggregateError> {
    Err(AggregateError::Misbehaved {
        culprits: culprits.iter().map(|number| id(*number)).collect(),
    })
}

#[test]
fn every_quorum_signs_and_stock_ed25519_accepts() {
    for (t, n, sets) in [(2, 3, 3), (3, 4, 4), (5, 7, 21)] {
        let dealt = deal(&FrostEd25519, t, n);
        let group = &dealt[&id(1)].group;
        let quorums = subsets(t, n);
        assert_eq!(quorums.len(), sets);
        for signers in quorums {
            let signature = run_honest(&FrostEd25519, &shares(&dealt, &signers), b"message").unwrap();
            assert!(accepts(group, b"message", &signature));
            assert!(!accepts(group, b"another", &signature));
        }
    }
}

#[test]
fn more_than_a_quorum_signs_too() {
    let dealt = deal(&FrostEd25519, 2, 4);
    let signature = run_honest(&FrostEd25519, &shares(&dealt, &[1, 2, 3, 4]), b"message").unwrap();
    assert!(accepts(&dealt[&id(1)].group, b"message", &signature));
}

#[test]
fn verify_is_what_a_strict_verifier_does() {
    let dealt = deal(&FrostEd25519, 2, 3);
    let group = &dealt[&id(1)].group;
    let good = run_honest(&FrostEd25519, &shares(&dealt, &[1, 3]), b"m").unwrap();
    let check = |message: &[u8], signature: &[u8], expected| {
        assert_eq!(FrostEd25519.verify(group, message, signature), expected);
    };
    check(b"m", &good, Ok(()));
    check(b"n", &good, Err(BadSignature));
    check(b"m", &good[..63], Err(BadSignature));
    check(b"m", &[good.as_slice(), &[0]].concat(), Err(BadSignature));
    check(
        b"m",
        &[&good[..32], &add_order(&good[32..])].concat(),
        Err(BadSignature),
    );
    let other = deal(&FrostEd25519, 2, 3);
    assert_eq!(
        FrostEd25519.verify(&other[&id(1)].group, b"m", &good),
        Err(BadSignature)
    );
}

/// The same scalar, not reduced: 2²⁵² + 27742317777372353535851937790883648493 added.
fn add_order(scalar: &[u8]) -> Vec<u8> {
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0;
    let add = |(a, b): (&u8, &u8)| {
        let sum = u16::from(*a) + u16::from(*b) + carry;
        carry = sum >> 8;
        sum as u8
    };
    scalar.iter().zip(&order).map(add).collect()
}

#[test]
fn wrong_shares_name_their_signers() {
    let dealt = deal(&FrostEd25519, 3, 5);
    for liars in [&[1][..], &[4], &[5], &[1, 4], &[4, 5], &[1, 4, 5]] {
        let mut fired = 0;
        // Another byte for each: lies that cancel out are no lie, see below.
        let mut lie = |round, from: Identifier, bytes: &mut Vec<u8>| {
            if round == 2 && liars.contains(&from.get()) {
                bytes[usize::from(from.get())] ^= 1;
                fired += 1;
            }
        };
        let outcome = run(&FrostEd25519, &shares(&dealt, &[1, 4, 5]), b"m", &mut lie);
        assert_eq!(fired, liars.len());
        assert_eq!(outcome, misbehaved(liars));
    }
}

/// Only the sum counts. What two signers shift between them changes nothing, and the signature is as good as any.
#[test]
fn lies_that_cancel_out_are_harmless() {
    let dealt = deal(&FrostEd25519, 2, 3);
    let group = &dealt[&id(1)].group;
    let [commitments, mut shares] = outputs(&dealt, &[1, 2], b"m");
    let honest = FrostEd25519
        .aggregate(group, b"m", &[commitments.clone(), shares.clone()])
        .unwrap();
    for (signer, shift) in [(1, curve25519_dalek::Scalar::ONE), (2, -curve25519_dalek::Scalar::ONE)] {
        let share = shares.get_mut(&id(signer)).unwrap();
        let scalar = curve25519_dalek::Scalar::from_bytes_mod_order(share[..32].try_into().unwrap());
        share[..32].copy_from_slice(&(scalar + shift).to_bytes());
    }
    assert_eq!(FrostEd25519.aggregate(group, b"m", &[commitments, shares]), Ok(honest));
}

#[test]
fn malformed_outputs_name_their_signers() {
    let dealt = deal(&FrostEd25519, 2, 3);
    let group = &dealt[&id(1)].group;
    let [commitments, shares] = outputs(&dealt, &[1, 2], b"m");
    let not_reduced = |bytes: &mut Vec<u8>| *bytes = [&add_order(&bytes[..32]), &bytes[32..]].concat();
    let changes: [Change<'_>; 4] = [
        &|bytes| bytes.clear(),
        &|bytes| bytes.truncate(63),
        &|bytes| bytes.push(0),
        &not_reduced,
    ];
    for change in changes {
        let mut changed = shares.clone();
        change(changed.get_mut(&id(2)).unwrap());
        let outcome = FrostEd25519.aggregate(group, b"m", &[commitments.clone(), changed]);
        assert_eq!(outcome, misbehaved(&[2]));
    }
    // A commitment shows only if the signature fails; then it is what is wrong.
    let (mut commitments, mut shares) = (commitments, shares);
    commitments.insert(id(1), vec![0; 64]);
    shares.get_mut(&id(2)).unwrap()[0] ^= 1;
    assert_eq!(
        FrostEd25519.aggregate(group, b"m", &[commitments, shares]),
        misbehaved(&[1])
    );
}

#[test]
fn false_group_commitments_do_not_spoil_good_shares() {
    let dealt = deal(&FrostEd25519, 3, 4);
    for liars in [&[1][..], &[1, 2], &[1, 2, 3]] {
        let mut fired = 0;
        let outcome = run(
            &FrostEd25519,
            &shares(&dealt, &[1, 2, 3]),
            b"m",
            &mut |round, from, bytes| {
                if round == 2 && liars.contains(&from.get()) {
                    bytes[40] ^= 1;
                    fired += 1;
                }
            },
        );
        assert_eq!(fired, liars.len());
        assert!(accepts(&dealt[&id(1)].group, b"m", &outcome.unwrap()));
    }
}

#[test]
fn a_coordinator_that_shows_differing_commitments_gets_no_signature() {
    let dealt = deal(&FrostEd25519, 2, 3);
    let foreign = outputs(&dealt, &[1, 2], b"m")[0][&id(2)].clone();
    let outcome = run(
        &FrostEd25519,
        &shares(&dealt, &[1, 2]),
        b"m",
        &mut |round, from, bytes| {
            if round == 1 && from == id(2) {
                bytes.clone_from(&foreign);
            }
        },
    );
    // By the shares alone a signer looks guilty: that is why the protocol has every signer sign what it was shown.
    assert!(matches!(outcome, Err(AggregateError::Misbehaved { culprits }) if !culprits.is_empty()));
}

#[test]
fn outputs_that_do_not_belong_together_are_the_coordinators_mistake() {
    let dealt = deal(&FrostEd25519, 2, 3);
    let group = &dealt[&id(1)].group;
    let good = outputs(&dealt, &[1, 2], b"m");
    let check = |change: &dyn Fn(&mut Vec<Outputs>)| {
        let mut rounds = good.to_vec();
        change(&mut rounds);
        assert_eq!(
            FrostEd25519.aggregate(group, b"m", &rounds),
            Err(AggregateError::Incomplete)
        );
    };
    check(&|rounds| rounds.clear());
    check(&|rounds| drop(rounds.pop()));
    check(&|rounds| rounds.push(BTreeMap::new()));
    check(&|rounds| drop(rounds[0].remove(&id(1))));
    check(&|rounds| drop(rounds[1].remove(&id(1))));
    check(&|rounds| rounds.iter_mut().for_each(|round| drop(round.remove(&id(1)))));
    check(&|rounds| {
        rounds
            .iter_mut()
            .for_each(|round| drop(round.insert(id(4), vec![0; 64])))
    });
}

#[test]
fn a_group_key_that_contradicts_itself_blames_nobody() {
    let (dealt, other) = (deal(&FrostEd25519, 2, 3), deal(&FrostEd25519, 2, 3));
    let (group, other) = (&dealt[&id(1)].group, &other[&id(1)].group);
    let good = outputs(&dealt, &[1, 2], b"m");
    let build = |scheme: &str, key: &GroupKey, garbled: bool| {
        let share = |id| {
            if garbled {
                vec![0xff; 32]
            } else {
                group.verifying_share(id).unwrap().to_vec()
            }
        };
        let shares = group.parameters().identifiers().map(|id| (id, share(id))).collect();
        GroupKey::new(scheme, group.parameters(), key.verifying_key().to_vec(), shares).unwrap()
    };
    assert!(
        FrostEd25519
            .aggregate(&build("frost-ed25519", group, false), b"m", &good)
            .is_ok()
    );
    let mut bad = good.clone();
    bad[1].get_mut(&id(1)).unwrap()[0] ^= 1;
    for (group, outputs) in [
        (build("other", group, false), &good),
        (build("frost-ed25519", group, true), &bad),
    ] {
        assert_eq!(
            FrostEd25519.aggregate(&group, b"m", outputs),
            Err(AggregateError::Group)
        );
    }
    // Shares for one key under the verifying key of another: every share is wrong for that key's challenge.
    let outcome = FrostEd25519.aggregate(&build("frost-ed25519", other, false), b"m", &good);
    assert_eq!(outcome, misbehaved(&[1, 2]));
}

#[test]
fn commitments_of_small_order_or_bad_encoding_are_refused() {
    let identity = [&[1][..], &[0; 31]].concat();
    let order_two = [&[0xec][..], &[0xff; 30], &[0x7f]].concat();
    let order_four = vec![0; 32];
    let beyond_p = [&[0xee][..], &[0xff; 30], &[0x7f]].concat();
    let not_on_curve = [&[2][..], &[0; 31]].concat();
    let dealt = deal(&FrostEd25519, 2, 3);
    let signers = BTreeSet::from([id(1), id(2)]);
    for bad in [
        identity,
        order_two,
        order_four,
        beyond_p,
        not_on_curve,
        vec![],
        vec![9; 31],
        vec![9; 33],
    ] {
        for place in [0, 1] {
            let opened = dealt[&id(1)].share.commit(b"m", &signers, &mut OsRng).unwrap();
            let good = dealt[&id(2)]
                .share
                .commit(b"m", &signers, &mut OsRng)
                .unwrap()
                .output
                .broadcast;
            let theirs = if place == 0 {
                [&bad, &good[32..]].concat()
            } else {
                [&good[..32], &bad].concat()
            };
            let inputs = BTreeMap::from([(id(1), opened.output.broadcast), (id(2), theirs)]);
            let refused = sign(&Message(b"m".to_vec()), opened.session, &inputs).unwrap_err();
            assert_eq!(refused, SignError::Malformed(id(2)));
        }
    }
}

#[test]
fn sessions_are_bound_to_message_signers_and_own_commitment() {
    let dealt = deal(&FrostEd25519, 2, 3);
    let signers = BTreeSet::from([id(1), id(2)]);
    let open = |number| dealt[&id(number)].share.commit(b"m", &signers, &mut OsRng).unwrap();
    let check = |permit: &[u8], change: &dyn Fn(&mut Outputs), expected: Option<SignError>| {
        let (a, b) = (open(1), open(2));
        let mut inputs = BTreeMap::from([(id(1), a.output.broadcast), (id(2), b.output.broadcast)]);
        change(&mut inputs);
        assert_eq!(sign(&Message(permit.to_vec()), a.session, &inputs).err(), expected);
    };
    check(b"m", &|_| {}, None);
    check(b"other", &|_| {}, Some(SignError::Message));
    check(b"", &|_| {}, Some(SignError::Message));
    check(b"m\0", &|_| {}, Some(SignError::Message));
    for bit in [0, 255, 300, 511] {
        check(
            b"m",
            &|inputs| inputs.get_mut(&id(1)).unwrap()[bit / 8] ^= 1 << (bit % 8),
            Some(SignError::Inputs),
        );
    }
    check(
        b"m",
        &|inputs| inputs.get_mut(&id(1)).unwrap().push(0),
        Some(SignError::Inputs),
    );
    check(
        b"m",
        &|inputs| drop(inputs.insert(id(1), open(1).output.broadcast)),
        Some(SignError::Inputs),
    );
    check(b"m", &|inputs| drop(inputs.remove(&id(1))), Some(SignError::Inputs));
    check(b"m", &|inputs| drop(inputs.remove(&id(2))), Some(SignError::Inputs));
    check(
        b"m",
        &|inputs| drop(inputs.insert(id(3), open(2).output.broadcast)),
        Some(SignError::Inputs),
    );
    let swapped = |inputs: &mut Outputs| {
        let theirs = inputs.remove(&id(2)).unwrap();
        inputs.insert(id(3), theirs);
    };
    check(b"m", &swapped, Some(SignError::Inputs));
}

#[test]
fn signer_sets_that_a_share_cannot_sign_with_are_refused() {
    let dealt = deal(&FrostEd25519, 2, 3);
    for (me, signers, good) in [
        (1, &[1, 2][..], true),
        (1, &[1, 2, 3], true),
        (3, &[1, 2], false),
        (1, &[1], false),
        (1, &[], false),
        (1, &[1, 4], false),
        (1, &[1, 2, 255], false),
    ] {
        let set: BTreeSet<Identifier> = signers.iter().map(|number| id(*number)).collect();
        let refusal = dealt[&id(me)].share.commit(b"m", &set, &mut OsRng).err();
        assert_eq!(refusal, (!good).then_some(SignError::Signers), "{me} in {signers:?}");
    }
}

#[test]
fn shares_of_two_dkgs_do_not_mix_and_the_stranger_is_named() {
    let (one, two) = (deal(&FrostEd25519, 3, 4), deal(&FrostEd25519, 3, 4));
    for stale in 1..=3 {
        let mut mixed = shares(&one, &[1, 2, 3]);
        mixed.insert(id(stale), two[&id(stale)].share.as_ref());
        let (dealt, message) = (&one[&id(4)].group, b"m");
        let set = mixed.keys().copied().collect();
        let opened: Vec<_> = mixed
            .iter()
            .map(|(me, share)| (*me, share.commit(message, &set, &mut OsRng).unwrap()))
            .collect();
        let commitments: Outputs = opened
            .iter()
            .map(|(me, opened)| (*me, opened.output.broadcast.clone()))
            .collect();
        let answer = |session| match sign(&Message(message.to_vec()), session, &commitments) {
            Ok(Advance::Done(bytes)) => bytes,
            other => panic!("{other:?}"),
        };
        let answers = opened
            .into_iter()
            .map(|(me, opened)| (me, answer(opened.session)))
            .collect();
        let outcome = FrostEd25519.aggregate(dealt, message, &[commitments, answers]);
        assert_eq!(outcome, misbehaved(&[stale]));
    }
}
