//! The scheme of three rounds, run as the protocol will run it.

use crate::{
    ceremony::{Message, Outputs, deal, id, run, run_honest, shares, sign},
    commit_reveal::{CommitRevealFrost, Hidden, NAME},
};
use quorate_threshold::{Advance, AggregateError, BadSignature, FrostEd25519, Identifier, Scheme, Session, SignError};
use rand_core::OsRng;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn three_rounds_run_over_the_same_seam() {
    let dealt = deal(&CommitRevealFrost, 3, 4);
    let group = &dealt[&id(1)].group;
    let mut seen = BTreeSet::new();
    let count: &mut dyn FnMut(u8, Identifier, &mut Vec<u8>) = &mut |round, from, bytes| {
        seen.insert((round, from.get(), bytes.len()));
    };
    let signature = run(&CommitRevealFrost, &shares(&dealt, &[1, 3, 4]), b"m", count).unwrap();
    assert_eq!(CommitRevealFrost.verify(group, b"m", &signature), Ok(()));
    assert_eq!(CommitRevealFrost.verify(group, b"n", &signature), Err(BadSignature));
    let expected = [(1, 32), (2, 64), (3, 64)]
        .into_iter()
        .flat_map(|(round, length)| [1, 3, 4].map(|signer| (round, signer, length)));
    assert_eq!(seen, expected.collect());
}

#[test]
fn stored_shares_keep_the_scheme() {
    let dealt = deal(&CommitRevealFrost, 2, 3);
    let read = CommitRevealFrost.read_share(&dealt[&id(1)].share.encode()).unwrap();
    assert_eq!((read.group().scheme(), read.group()), (NAME, &dealt[&id(2)].group));
    let mut signers = shares(&dealt, &[3]);
    signers.insert(id(1), read.as_ref());
    assert!(run_honest(&CommitRevealFrost, &signers, b"m").is_ok());
    let outcome = FrostEd25519.aggregate(&dealt[&id(1)].group, b"m", &[BTreeMap::new(), BTreeMap::new()]);
    assert_eq!(outcome, Err(AggregateError::Group));
}

#[test]
fn lies_in_each_round_give_no_signature() {
    let dealt = deal(&CommitRevealFrost, 2, 3);
    let check = |round, expected| {
        let mut fired = 0;
        let outcome = run(
            &CommitRevealFrost,
            &shares(&dealt, &[1, 2]),
            b"m",
            &mut |at, from, bytes| {
                if at == round && from == id(2) {
                    bytes[3] ^= 1;
                    fired += 1;
                }
            },
        );
        assert_eq!((outcome, fired), (Err(expected), 1));
    };
    // In rounds 1 and 2 signer 1 sees a hash that does not fit, and gives no share.
    check(1, AggregateError::Incomplete);
    check(2, AggregateError::Incomplete);
    check(3, AggregateError::Misbehaved { culprits: vec![id(2)] });
}

#[test]
fn each_round_checks_permit_and_inputs_anew() {
    let dealt = deal(&CommitRevealFrost, 2, 3);
    let signers = BTreeSet::from([id(1), id(2)]);
    let middle = || {
        let [a, b] = [1, 2].map(|n| dealt[&id(n)].share.commit(b"m", &signers, &mut OsRng).unwrap());
        let hashes = BTreeMap::from([(id(1), a.output.broadcast), (id(2), b.output.broadcast)]);
        let [a, b] = [a.session, b.session].map(|session| match sign(&Message(b"m".to_vec()), session, &hashes) {
            Ok(Advance::Continue(session, output)) => (session, output),
            other => panic!("{other:?}"),
        });
        (a.0, BTreeMap::from([(id(1), a.1.broadcast), (id(2), b.1.broadcast)]))
    };
    let check = |permit: &[u8], change: &dyn Fn(&mut Outputs), expected: Option<SignError>| {
        let (session, mut inputs) = middle();
        change(&mut inputs);
        let outcome = sign(&Message(permit.to_vec()), session, &inputs);
        assert_eq!(outcome.err(), expected);
    };
    check(b"m", &|_| {}, None);
    check(b"n", &|_| {}, Some(SignError::Message));
    check(
        b"m",
        &|inputs| inputs.get_mut(&id(1)).unwrap()[0] ^= 1,
        Some(SignError::Inputs),
    );
    check(b"m", &|inputs| drop(inputs.remove(&id(2))), Some(SignError::Inputs));
    check(
        b"m",
        &|inputs| drop(inputs.insert(id(3), vec![])),
        Some(SignError::Inputs),
    );
    check(
        b"m",
        &|inputs| inputs.get_mut(&id(2)).unwrap()[0] ^= 1,
        Some(SignError::Malformed(id(2))),
    );
}

#[test]
fn a_session_is_one_of_its_signers() {
    let dealt = deal(&CommitRevealFrost, 2, 3);
    let signers = BTreeSet::from([id(1), id(2)]);
    for (me, expected) in [(1, None), (3, Some(SignError::Signers))] {
        let opened = dealt[&id(1)].share.commit(b"m", &signers, &mut OsRng).unwrap();
        let outcome = Session::new(id(me), &signers, b"m", Box::new(Hidden(opened)), &[]);
        assert_eq!(outcome.err(), expected);
    }
}
