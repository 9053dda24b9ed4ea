//! Key generation: honest runs agree, every lie is seen, and the liar is named where one is to blame.

use crate::ceremony::{Pedersen as _, begin, begin_all, deal, deal_all, id, run_honest, shares};
use quorate_threshold::{DkgContext, DkgError, FrostEd25519, Identifier, KeyShare, Parameters, Scheme};
use rand_core::OsRng;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn honest_participants_agree_on_group_and_transcript() {
    let mut transcripts = BTreeSet::new();
    for (t, n) in [(2, 2), (2, 3), (3, 4), (5, 7)] {
        let dealt = deal(&FrostEd25519, t, n);
        let first = &dealt[&id(1)];
        for (me, dealt) in &dealt {
            assert_eq!((dealt.share.identifier(), dealt.share.group()), (*me, &dealt.group));
            assert_eq!((&dealt.group, dealt.transcript), (&first.group, first.transcript));
        }
        assert_eq!(
            (first.group.scheme(), first.group.parameters()),
            ("frost-ed25519", Parameters::new(t, n).unwrap())
        );
        assert!(transcripts.insert(first.transcript));
    }
}

#[test]
fn the_session_is_in_the_transcript() {
    let parameters = Parameters::new(2, 2).unwrap();
    let context = |me, session| DkgContext {
        parameters,
        me: id(me),
        session,
    };
    // Participant 1 believes in another session than participant 2, who got the same bytes.
    let (one, b1) = FrostEd25519.begin_dkg(&context(1, [1; 32]), &mut OsRng).unwrap();
    let (two, b2) = FrostEd25519.begin_dkg(&context(2, [2; 32]), &mut OsRng).unwrap();
    let broadcasts = BTreeMap::from([(id(1), b1.broadcast), (id(2), b2.broadcast)]);
    let ((one, to_two), (two, to_one)) = (one.deal(&broadcasts).unwrap(), two.deal(&broadcasts).unwrap());
    let one = one.finish(BTreeMap::from([(id(2), to_one[&id(1)].clone())])).unwrap();
    let two = two.finish(BTreeMap::from([(id(1), to_two[&id(2)].clone())])).unwrap();
    assert_eq!(one.group, two.group);
    assert_ne!(one.transcript, two.transcript);
}

#[test]
fn an_equivocating_dealer_leaves_differing_transcripts() {
    let (one, b1) = begin(&FrostEd25519, (2, 3), 1);
    let (two, b2) = begin(&FrostEd25519, (2, 3), 2);
    let (liar_a, b3a) = begin(&FrostEd25519, (2, 3), 3);
    let (liar_b, b3b) = begin(&FrostEd25519, (2, 3), 3);
    let shown_to_one = BTreeMap::from([
        (id(1), b1.broadcast.clone()),
        (id(2), b2.broadcast.clone()),
        (id(3), b3a.broadcast),
    ]);
    let shown_to_two = BTreeMap::from([(id(1), b1.broadcast), (id(2), b2.broadcast), (id(3), b3b.broadcast)]);
    let (one, one_deals) = one.deal(&shown_to_one).unwrap();
    let (two, two_deals) = two.deal(&shown_to_two).unwrap();
    let (_, a_deals) = liar_a.deal(&shown_to_one).unwrap();
    let (_, b_deals) = liar_b.deal(&shown_to_two).unwrap();
    let for_one = BTreeMap::from([(id(2), two_deals[&id(1)].clone()), (id(3), a_deals[&id(1)].clone())]);
    let for_two = BTreeMap::from([(id(1), one_deals[&id(2)].clone()), (id(3), b_deals[&id(2)].clone())]);
    let (one, two) = (one.finish(for_one).unwrap(), two.finish(for_two).unwrap());
    assert_ne!(one.transcript, two.transcript);
    assert_ne!(one.group, two.group);
}

#[test]
fn bad_deals_name_their_dealer() {
    type Change = fn(&mut Vec<u8>);
    let changes: [Change; 6] = [
        |deal| deal[5] ^= 1,
        |deal| deal[0] ^= 1,
        |deal| deal[1] ^= 1,
        |deal| deal[5..].fill(0xff),
        |deal| deal.push(0),
        |deal| deal.truncate(36),
    ];
    for change in changes {
        let (rounds, broadcasts) = begin_all(&FrostEd25519, 3, 4);
        let (mut dealings, mut boxes) = deal_all(rounds, &broadcasts);
        let mut deals = boxes.remove(&id(1)).unwrap();
        change(deals.get_mut(&id(3)).unwrap());
        let outcome = dealings.remove(&id(1)).unwrap().finish(deals);
        assert_eq!(outcome.unwrap_err(), DkgError::Culprit(id(3)));
        // Nobody else is hurt.
        for (me, dealing) in dealings {
            assert!(dealing.finish(boxes.remove(&me).unwrap()).is_ok());
        }
    }
}

#[test]
fn a_deal_made_for_somebody_else_names_its_dealer() {
    let (rounds, broadcasts) = begin_all(&FrostEd25519, 2, 3);
    let (mut dealings, mut boxes) = deal_all(rounds, &broadcasts);
    let misdirected = boxes[&id(2)][&id(3)].clone();
    let mut deals = boxes.remove(&id(1)).unwrap();
    deals.insert(id(3), misdirected);
    assert_eq!(
        dealings.remove(&id(1)).unwrap().finish(deals).unwrap_err(),
        DkgError::Culprit(id(3))
    );
}

/// Changes participant 2's broadcast as participant 1 sees it, and expects 1's refusal.
fn check_broadcast(change: impl Fn(&mut Vec<u8>), expected: DkgError) {
    let (mut rounds, mut broadcasts) = begin_all(&FrostEd25519, 2, 3);
    change(broadcasts.get_mut(&id(2)).unwrap());
    assert_eq!(rounds.remove(&id(1)).unwrap().deal(&broadcasts).unwrap_err(), expected);
}

#[test]
fn bad_broadcasts_name_their_dealer() {
    // Header (5), number of coefficients (1), two points (64), proof of knowledge.
    const POINTS: usize = 6;
    let culprit = || DkgError::Culprit(id(2));
    check_broadcast(Vec::clear, culprit());
    check_broadcast(|bytes| bytes.push(0), culprit());
    check_broadcast(|bytes| bytes.truncate(bytes.len() - 1), culprit());
    check_broadcast(|bytes| bytes[0] = 1, culprit());
    check_broadcast(|bytes| bytes[1] ^= 1, culprit());
    check_broadcast(|bytes| *bytes.last_mut().unwrap() ^= 1, culprit());
    check_broadcast(|bytes| bytes.resize(1 << 20, 0), culprit());
    for point in curve25519_dalek::constants::EIGHT_TORSION {
        for place in [POINTS, POINTS + 32] {
            let encoded = point.compress();
            check_broadcast(
                |bytes| bytes[place..place + 32].copy_from_slice(encoded.as_bytes()),
                culprit(),
            );
        }
    }
    // A point of mixed order is not in the group either.
    let torsion = curve25519_dalek::constants::EIGHT_TORSION[1];
    check_broadcast(
        |bytes| {
            let point = curve25519_dalek::edwards::CompressedEdwardsY::from_slice(&bytes[POINTS..POINTS + 32]);
            let mixed = point.unwrap().decompress().unwrap() + torsion;
            bytes[POINTS..POINTS + 32].copy_from_slice(mixed.compress().as_bytes());
        },
        culprit(),
    );
    // Fewer coefficients lower the threshold, more raise it: both with the bytes of another run, and hidden in trailing bytes.
    let fewer_and_padding = |bytes: &mut Vec<u8>| {
        assert_eq!(bytes[5], 2);
        bytes[5] = 1;
        let point: Vec<u8> = bytes.drain(POINTS + 32..POINTS + 64).collect();
        bytes.extend(point);
    };
    check_broadcast(fewer_and_padding, culprit());
    let (_, of_higher_threshold) = begin(&FrostEd25519, (3, 3), 2);
    check_broadcast(|bytes| bytes.clone_from(&of_higher_threshold.broadcast), culprit());
}

#[test]
fn a_broadcast_of_another_dealer_does_not_pass_as_ones_own() {
    let (mut rounds, mut broadcasts) = begin_all(&FrostEd25519, 2, 3);
    let copied = broadcasts[&id(3)].clone();
    broadcasts.insert(id(2), copied);
    assert_eq!(
        rounds.remove(&id(1)).unwrap().deal(&broadcasts).unwrap_err(),
        DkgError::Culprit(id(2))
    );
}

#[test]
fn sets_that_are_not_the_participants_blame_nobody() {
    type Change = fn(&mut BTreeMap<Identifier, Vec<u8>>);
    let changes: [Change; 4] = [
        |broadcasts| drop(broadcasts.remove(&id(3))),
        |broadcasts| drop(broadcasts.insert(id(4), vec![1])),
        |broadcasts| drop(broadcasts.remove(&id(1))),
        |broadcasts| broadcasts.get_mut(&id(1)).unwrap()[10] ^= 1,
    ];
    for change in changes {
        let (mut rounds, mut broadcasts) = begin_all(&FrostEd25519, 2, 3);
        change(&mut broadcasts);
        assert_eq!(
            rounds.remove(&id(1)).unwrap().deal(&broadcasts).unwrap_err(),
            DkgError::Unexpected
        );
    }
    for missing in [true, false] {
        let (rounds, broadcasts) = begin_all(&FrostEd25519, 2, 3);
        let (mut dealings, mut boxes) = deal_all(rounds, &broadcasts);
        let mut deals = boxes.remove(&id(1)).unwrap();
        if missing {
            deals.remove(&id(2));
        } else {
            deals.insert(id(1), vec![0; 37].into());
        }
        assert_eq!(
            dealings.remove(&id(1)).unwrap().finish(deals).unwrap_err(),
            DkgError::Unexpected
        );
    }
}

#[test]
fn a_stranger_cannot_begin() {
    let context = DkgContext {
        parameters: Parameters::new(2, 3).unwrap(),
        me: id(4),
        session: [0; 32],
    };
    assert_eq!(
        FrostEd25519.begin_dkg(&context, &mut OsRng).unwrap_err(),
        DkgError::Unexpected
    );
}

#[test]
fn a_share_that_was_stored_signs_with_those_that_were_not() {
    let dealt = deal(&FrostEd25519, 2, 3);
    let read = FrostEd25519.read_share(&dealt[&id(2)].share.encode()).unwrap();
    assert_eq!((read.identifier(), read.group()), (id(2), &dealt[&id(2)].group));
    let mut signers = shares(&dealt, &[1]);
    signers.insert(id(2), read.as_ref() as &dyn KeyShare);
    let signature = run_honest(&FrostEd25519, &signers, b"m").unwrap();
    assert_eq!(FrostEd25519.verify(&dealt[&id(3)].group, b"m", &signature), Ok(()));
}
