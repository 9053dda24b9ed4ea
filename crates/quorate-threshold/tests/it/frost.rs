//! FROST(Ed25519): what RFC 9591 demands, and what `frost-core` computes.

use crate::ceremony::{Message, deal, id, run, shares};
use frost_ed25519 as frost;
use proptest::prelude::*;
use quorate_threshold::{AggregateError, DkgContext, FrostEd25519, GroupKey, Parameters, Scheme, SignError, sign};
use rand_core::OsRng;
use std::collections::{BTreeMap, BTreeSet};

fn accepts(group: &GroupKey, message: &[u8], signature: &[u8]) -> bool {
    let key = ed25519_dalek::VerifyingKey::from_bytes(group.verifying_key().try_into().unwrap()).unwrap();
    key.verify_strict(message, &ed25519_dalek::Signature::from_slice(signature).unwrap())
        .is_ok()
}

#[test]
fn every_quorum_signs_and_stock_ed25519_accepts() {
    for (t, n) in [(2, 3), (3, 4), (5, 7)] {
        let dealt = deal(&FrostEd25519, t, n);
        let group = &dealt[&id(1)].group;
        assert!(
            dealt
                .values()
                .all(|d| d.group == *group && d.transcript == dealt[&id(1)].transcript)
        );
        for skip in 1..=n {
            let signers: Vec<u16> = (1..=n).filter(|i| *i != skip).take(usize::from(t)).collect();
            let signature = run(&FrostEd25519, &shares(&dealt, &signers), b"message", &mut |_, _, _| {}).unwrap();
            assert!(accepts(group, b"message", &signature));
            assert!(!accepts(group, b"another", &signature));
        }
    }
}

#[test]
fn a_wrong_share_names_its_signer() {
    let dealt = deal(&FrostEd25519, 3, 4);
    let mut fired = false;
    let outcome = run(
        &FrostEd25519,
        &shares(&dealt, &[1, 2, 4]),
        b"m",
        &mut |round, from, bytes| {
            if round == 2 && from == id(2) {
                bytes[0] ^= 1;
                fired = true;
            }
        },
    );
    assert!(fired);
    assert_eq!(outcome, Err(AggregateError::Misbehaved { culprits: vec![id(2)] }));
}

#[test]
fn a_false_group_commitment_of_one_signer_does_not_spoil_good_shares() {
    let dealt = deal(&FrostEd25519, 3, 4);
    let outcome = run(
        &FrostEd25519,
        &shares(&dealt, &[1, 2, 3]),
        b"m",
        &mut |round, from, bytes| {
            if round == 2 && from == id(1) {
                bytes[40] ^= 1;
            }
        },
    );
    assert!(accepts(&dealt[&id(1)].group, b"m", &outcome.unwrap()));
}

#[test]
fn commitments_of_small_order_or_bad_encoding_are_refused() {
    let mut identity = [0u8; 32];
    identity[0] = 1;
    let mut order_two = [0xffu8; 32];
    order_two[0] = 0xec;
    order_two[31] = 0x7f;
    let mut beyond_p = [0xffu8; 32];
    beyond_p[0] = 0xee;
    beyond_p[31] = 0x7f;
    let dealt = deal(&FrostEd25519, 2, 3);
    for bad in [identity, order_two, beyond_p] {
        let signers = BTreeSet::from([id(1), id(2)]);
        let opened = dealt[&id(1)].share.commit(b"m", &signers, &mut OsRng).unwrap();
        let theirs = [bad, bad].concat();
        let inputs = BTreeMap::from([(id(1), opened.output), (id(2), theirs)]);
        let refused = sign(&Message(b"m".to_vec()), opened.session, &inputs).unwrap_err();
        assert_eq!(refused, SignError::Malformed(id(2)));
    }
}

#[test]
fn sessions_are_bound_to_message_signers_and_own_commitment() {
    let dealt = deal(&FrostEd25519, 2, 3);
    let signers = BTreeSet::from([id(1), id(2)]);
    let open = |number| dealt[&id(number)].share.commit(b"m", &signers, &mut OsRng).unwrap();
    let check = |permit: &[u8], change: &dyn Fn(&mut BTreeMap<_, Vec<u8>>), expected| {
        let (a, b) = (open(1), open(2));
        let mut inputs = BTreeMap::from([(id(1), a.output), (id(2), b.output)]);
        change(&mut inputs);
        assert_eq!(
            sign(&Message(permit.to_vec()), a.session, &inputs).unwrap_err(),
            expected
        );
    };
    check(b"other", &|_| {}, SignError::Message);
    check(
        b"m",
        &|inputs| inputs.get_mut(&id(1)).unwrap()[0] ^= 1,
        SignError::Inputs,
    );
    check(b"m", &|inputs| drop(inputs.remove(&id(2))), SignError::Inputs);
    check(
        b"m",
        &|inputs| drop(inputs.insert(id(3), vec![0; 64])),
        SignError::Inputs,
    );
    let outsider = dealt[&id(3)].share.commit(b"m", &signers, &mut OsRng);
    assert_eq!(outsider.err(), Some(SignError::Signers));
    let too_few = dealt[&id(1)].share.commit(b"m", &BTreeSet::from([id(1)]), &mut OsRng);
    assert_eq!(too_few.err(), Some(SignError::Signers));
}

#[test]
fn shares_of_two_dkgs_do_not_mix_and_the_stranger_is_named() {
    let (one, two) = (deal(&FrostEd25519, 2, 3), deal(&FrostEd25519, 2, 3));
    let mixed = BTreeMap::from([(id(1), one[&id(1)].share.as_ref()), (id(2), two[&id(2)].share.as_ref())]);
    let outcome = run(&FrostEd25519, &mixed, b"m", &mut |_, _, _| {});
    assert_eq!(outcome, Err(AggregateError::Misbehaved { culprits: vec![id(2)] }));
}

#[test]
fn an_equivocating_dealer_leaves_differing_transcripts() {
    let parameters = Parameters::new(2, 3).unwrap();
    let begin = |me| {
        FrostEd25519
            .begin_dkg(
                &DkgContext {
                    parameters,
                    me,
                    session: [1; 32],
                },
                &mut OsRng,
            )
            .unwrap()
    };
    let (one, b1) = begin(id(1));
    let (two, b2) = begin(id(2));
    let (liar_a, b3a) = begin(id(3));
    let (liar_b, b3b) = begin(id(3));
    let shown_to_one = BTreeMap::from([(id(1), b1.clone()), (id(2), b2.clone()), (id(3), b3a)]);
    let shown_to_two = BTreeMap::from([(id(1), b1), (id(2), b2), (id(3), b3b)]);
    let (one, one_deals) = one.deal(&shown_to_one).unwrap();
    let (two, two_deals) = two.deal(&shown_to_two).unwrap();
    let (_, a_deals) = liar_a.deal(&shown_to_one).unwrap();
    let (_, b_deals) = liar_b.deal(&shown_to_two).unwrap();
    let one = one
        .finish(BTreeMap::from([
            (id(2), two_deals[&id(1)].clone()),
            (id(3), a_deals[&id(1)].clone()),
        ]))
        .unwrap();
    let two = two
        .finish(BTreeMap::from([
            (id(1), one_deals[&id(2)].clone()),
            (id(3), b_deals[&id(2)].clone()),
        ]))
        .unwrap();
    assert_ne!(one.transcript, two.transcript);
    assert_ne!(one.group, two.group);
}

#[test]
fn stored_shares_read_back_and_altered_ones_do_not() {
    let dealt = deal(&FrostEd25519, 2, 3);
    let bytes = dealt[&id(2)].share.encode();
    let read = FrostEd25519.read_share(&bytes).unwrap();
    assert_eq!((read.identifier(), read.group()), (id(2), &dealt[&id(2)].group));
    for at in 0..bytes.len() {
        let mut altered = bytes.to_vec();
        altered[at] ^= 1;
        if let Ok(share) = FrostEd25519.read_share(&altered) {
            // Only what the group key says of others can change without the share noticing.
            assert_ne!(share.group(), read.group());
        }
    }
}

/// Wire commitments carry `D/8`; frost-core wants `D`.
fn to_frost(bytes: &[u8]) -> frost::round1::SigningCommitments {
    let point = |bytes: &[u8]| {
        let eighth = curve25519_dalek::edwards::CompressedEdwardsY::from_slice(bytes)
            .unwrap()
            .decompress()
            .unwrap();
        frost::round1::NonceCommitment::deserialize(eighth.mul_by_cofactor().compress().as_bytes()).unwrap()
    };
    frost::round1::SigningCommitments::new(point(&bytes[..32]), point(&bytes[32..]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// frost-core accepts each of our shares, and combines them to the very signature that we combine.
    #[test]
    fn frost_core_agrees_on_every_share(message in proptest::collection::vec(any::<u8>(), 0..2000), skip in 1u16..=4) {
        let dealt = deal(&FrostEd25519, 3, 4);
        let numbers: Vec<u16> = (1..=4).filter(|number| *number != skip).collect();
        let signers: BTreeSet<_> = numbers.iter().map(|number| id(*number)).collect();
        let (mut sessions, mut wire) = (BTreeMap::new(), BTreeMap::new());
        for signer in &signers {
            let opened = dealt[signer].share.commit(&message, &signers, &mut OsRng).unwrap();
            sessions.insert(*signer, opened.session);
            wire.insert(*signer, opened.output);
        }
        let theirs = |i: quorate_threshold::Identifier| frost::Identifier::try_from(i.get()).unwrap();
        let commitments = wire.iter().map(|(i, bytes)| (theirs(*i), to_frost(bytes))).collect();
        let package = frost::SigningPackage::new(commitments, &message);
        let group = &dealt[&id(1)].group;
        let verifying_shares = (1..=4)
            .map(|number| (theirs(id(number)), frost::keys::VerifyingShare::deserialize(group.verifying_share(id(number)).unwrap()).unwrap()))
            .collect();
        let verifying_key = frost::VerifyingKey::deserialize(group.verifying_key()).unwrap();
        let public = frost::keys::PublicKeyPackage::new(verifying_shares, verifying_key, Some(3));
        let (mut ours, mut frosts) = (BTreeMap::new(), BTreeMap::new());
        for (signer, session) in sessions {
            let quorate_threshold::Advance::Done(bytes) = sign(&Message(message.clone()), session, &wire).unwrap() else {
                panic!("FROST has two rounds");
            };
            frosts.insert(theirs(signer), frost::round2::SignatureShare::deserialize(&bytes[..32]).unwrap());
            ours.insert(signer, bytes);
        }
        let expected = frost::aggregate(&package, &frosts, &public).unwrap();
        let signature = FrostEd25519.aggregate(group, &message, &[wire, ours]).unwrap();
        prop_assert_eq!(expected.serialize().unwrap(), signature);
    }

    #[test]
    fn decoders_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = FrostEd25519.read_share(&bytes);
        if let Ok(group) = GroupKey::decode(&bytes) {
            prop_assert_eq!(group.encode(), bytes);
        }
    }
}
