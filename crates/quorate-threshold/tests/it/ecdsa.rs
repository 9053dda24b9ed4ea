//! DKLs23 over P-256: keys and signatures that a stock ECDSA verifier takes, and who is named when somebody lies.

use crate::ceremony::{Message, deal, exchange, id, run_dkg, shares, subsets};
use quorate_threshold::{
    Advance, AggregateError, BadSignature, Dealt, DkgError, Dkls23P256, Identifier, KeyShare, RoundInputs, RoundOutput,
    Scheme, Session, SignError, sign,
};
use rand_core::OsRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Key generation costs seconds, so most tests share one committee: 3 of 4.
static DEALT: LazyLock<BTreeMap<Identifier, Dealt>> = LazyLock::new(|| deal(&Dkls23P256, 3, 4));

/// What came of one signature: the coordinator's outcome, and every signer's refusal.
struct Outcome {
    signature: Result<Vec<u8>, AggregateError>,
    refusals: BTreeMap<Identifier, SignError>,
}

/// Signs; the output of any round may be changed before the others see it.
fn run(
    shares: &BTreeMap<Identifier, &dyn KeyShare>,
    message: &[u8],
    tamper: &mut dyn FnMut(u8, Identifier, &mut RoundOutput),
) -> Outcome {
    let signers: BTreeSet<Identifier> = shares.keys().copied().collect();
    let (mut sessions, mut outputs) = (BTreeMap::<Identifier, Session>::new(), BTreeMap::new());
    for (me, share) in shares {
        let opened = share.commit(message, &signers, &mut OsRng).unwrap();
        sessions.insert(*me, opened.session);
        outputs.insert(*me, opened.output);
    }
    let (mut rounds, mut refusals) = (Vec::new(), BTreeMap::new());
    for round in 1..=3 {
        outputs
            .iter_mut()
            .for_each(|(from, output)| tamper(round, *from, output));
        rounds.push(
            outputs
                .iter()
                .map(|(me, output)| (*me, output.broadcast.clone()))
                .collect::<BTreeMap<_, _>>(),
        );
        let mut next = BTreeMap::new();
        for (me, inputs) in exchange(outputs) {
            let Some(session) = sessions.remove(&me) else { continue };
            match sign(&Message(message.to_vec()), session, &inputs) {
                Ok(Advance::Continue(session, output)) => {
                    sessions.insert(me, session);
                    next.insert(me, output);
                }
                Ok(Advance::Done(bytes)) => drop(next.insert(me, RoundOutput::broadcast(bytes))),
                Err(refusal) => drop(refusals.insert(me, refusal)),
            }
        }
        outputs = next;
    }
    let group = shares.values().next().unwrap().group();
    Outcome {
        signature: Dkls23P256.aggregate(group, message, &rounds),
        refusals,
    }
}

/// What a stock verifier says: RustCrypto's, which shares no code with the check in the scheme.
fn accepts(dealt: &Dealt, message: &[u8], signature: &[u8]) -> bool {
    use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier};
    let sec1 = [&[4], dealt.group.verifying_key()].concat();
    let key = VerifyingKey::from_sec1_bytes(&sec1).unwrap();
    key.verify(message, &Signature::from_slice(signature).unwrap()).is_ok()
}

#[test]
fn every_quorum_signs_and_stock_ecdsa_accepts() {
    for quorum in subsets(3, 4) {
        let outcome = run(&shares(&DEALT, &quorum), b"message", &mut |_, _, _| {});
        let signature = outcome.signature.unwrap();
        assert!(outcome.refusals.is_empty());
        assert!(accepts(&DEALT[&id(1)], b"message", &signature));
        assert!(!accepts(&DEALT[&id(1)], b"another", &signature));
        let group = &DEALT[&id(1)].group;
        assert_eq!(Dkls23P256.verify(group, b"message", &signature), Ok(()));
        assert_eq!(Dkls23P256.verify(group, b"another", &signature), Err(BadSignature));
        assert_eq!(
            Dkls23P256.verify(group, b"message", &signature[..63]),
            Err(BadSignature)
        );
    }
}

#[test]
fn participants_agree_on_group_and_transcript() {
    for dealt in DEALT.values() {
        assert_eq!(
            (&dealt.group, dealt.transcript),
            (&DEALT[&id(1)].group, DEALT[&id(1)].transcript)
        );
        assert_eq!(dealt.share.group(), &dealt.group);
    }
    assert_eq!(DEALT[&id(1)].group.verifying_key().len(), 64);
}

#[test]
fn a_stored_share_signs_with_those_that_were_not_and_no_altered_one_is_read() {
    let bytes = DEALT[&id(2)].share.encode();
    let read = Dkls23P256.read_share(&bytes).unwrap();
    let mut signers = shares(&DEALT, &[1, 4]);
    signers.insert(id(2), read.as_ref());
    let signature = run(&signers, b"m", &mut |_, _, _| {}).signature.unwrap();
    assert!(accepts(&DEALT[&id(1)], b"m", &signature));
    assert!(Dkls23P256.read_share(&bytes[..bytes.len() - 1]).is_err());
    assert!(Dkls23P256.read_share(&[bytes.as_slice(), &[0]].concat()).is_err());
    assert!(Dkls23P256.read_share(&[]).is_err());
    // The secret scalar and whose share it is stand near the beginning; every bit there is checked.
    for at in 0..64 {
        let mut altered = bytes.to_vec();
        altered[at] ^= 1;
        let harmless = Dkls23P256
            .read_share(&altered)
            .is_ok_and(|read| read.encode().as_slice() == altered.as_slice());
        // Only the name of the session is not checked against anything; shares whose sessions differ do not sign together.
        assert!(!harmless || at > 8, "byte {at}");
    }
}

/// Changes one direct message by a function, and expects its recipient's refusal to name the sender.
fn check_lie(round: u8, change: impl Fn(&mut Vec<u8>)) -> SignError {
    let mut fired = 0;
    let outcome = run(&shares(&DEALT, &[1, 2, 3]), b"m", &mut |at, from, output| {
        if at == round && from == id(2) {
            change(output.directs.get_mut(&id(1)).unwrap());
            fired += 1;
        }
    });
    assert_eq!(fired, 1);
    assert!(outcome.signature.is_err());
    outcome.refusals[&id(1)]
}

#[test]
fn a_liar_in_round_one_or_two_is_named_and_some_lies_ban() {
    for round in [1, 2] {
        for change in [|bytes: &mut Vec<u8>| bytes.clear(), |bytes: &mut Vec<u8>| bytes.push(0)] {
            assert_eq!(check_lie(round, change), SignError::Malformed(id(2)), "round {round}");
        }
        // A message for somebody else.
        assert_eq!(
            check_lie(round, |bytes| bytes[1] = 3),
            SignError::Malformed(id(2)),
            "round {round}"
        );
    }
    let mut bans = 0;
    for round in [1, 2] {
        for part in 1..40 {
            let outcome = check_lie(round, |bytes| {
                let at = bytes.len() * part / 40;
                bytes[at] ^= 0x10;
            });
            match outcome {
                SignError::Banned(named) | SignError::Malformed(named) => assert_eq!(named, id(2)),
                // What one says of oneself to each alone shows only in the sum.
                SignError::Unattributed => assert_eq!(round, 2),
                other => panic!("round {round}, part {part}: {other:?}"),
            }
            bans += u32::from(matches!(outcome, SignError::Banned(_)));
        }
    }
    assert!(
        bans > 10,
        "{bans} bans: lies inside the oblivious transfers are the dangerous ones"
    );
}

#[test]
fn a_liar_in_the_last_round_spoils_the_signature_of_its_set_only() {
    for place in [40, 70] {
        let lie = &mut |round: u8, from: Identifier, output: &mut RoundOutput| {
            if round == 3 && from == id(2) {
                output.broadcast[place] ^= 1;
            }
        };
        for (signers, spoilt) in [(&[1, 2, 3][..], true), (&[1, 2, 4], true), (&[1, 3, 4], false)] {
            let outcome = run(&shares(&DEALT, signers), b"m", lie);
            let expected = spoilt.then_some(AggregateError::Unattributed);
            assert_eq!(outcome.signature.err(), expected, "{signers:?}");
        }
    }
    // Malformed is another matter, and so is a false nonce point, which the others' claims stand against.
    let outcome = run(&shares(&DEALT, &[1, 2, 3]), b"m", &mut |round, from, output| {
        if round == 3 && from == id(2) {
            output.broadcast[64..].fill(0xff);
        }
    });
    assert_eq!(
        outcome.signature.err(),
        Some(AggregateError::Misbehaved { culprits: vec![id(2)] })
    );
    let outcome = run(&shares(&DEALT, &[1, 2, 3]), b"m", &mut |round, from, output| {
        if round == 3 && from == id(2) {
            output.broadcast[0] ^= 1;
        }
    });
    assert!(accepts(&DEALT[&id(1)], b"m", &outcome.signature.unwrap()));
}

#[test]
fn a_dropped_signer_costs_its_set_and_another_set_signs() {
    let outcome = run(&shares(&DEALT, &[1, 2, 3]), b"m", &mut |round, from, output| {
        if round == 2 && from == id(3) {
            output.directs.clear();
        }
    });
    assert_eq!(outcome.signature.err(), Some(AggregateError::Incomplete));
    assert_eq!(outcome.refusals[&id(1)], SignError::Malformed(id(3)));
    assert!(
        run(&shares(&DEALT, &[1, 2, 4]), b"m", &mut |_, _, _| {})
            .signature
            .is_ok()
    );
}

#[test]
fn signer_sets_that_a_share_cannot_sign_with_are_refused() {
    for (me, signers, good) in [
        (1, &[1, 2, 3][..], true),
        (1, &[1, 2, 3, 4], false),
        (1, &[1, 2], false),
        (4, &[1, 2, 3], false),
        (1, &[1, 2, 5], false),
        (1, &[1, 2, 255], false),
    ] {
        let set: BTreeSet<Identifier> = signers.iter().map(|number| id(*number)).collect();
        let refusal = DEALT[&id(me)].share.commit(b"m", &set, &mut OsRng).err();
        assert_eq!(refusal, (!good).then_some(SignError::Signers), "{me} in {signers:?}");
    }
}

#[test]
fn sessions_are_bound_to_message_signers_and_attempt() {
    let signers = BTreeSet::from([id(1), id(2), id(3)]);
    let open = |number: u16, message: &[u8]| DEALT[&id(number)].share.commit(message, &signers, &mut OsRng).unwrap();
    let check = |permit: &[u8], theirs: &[u8], expected: Option<SignError>| {
        let mut own = open(1, b"m");
        let mut inputs = RoundInputs::broadcasts(signers.iter().map(|signer| (*signer, Vec::new())).collect());
        for other in [2, 3] {
            let mut opened = open(other, if other == 2 { theirs } else { b"m" });
            inputs
                .directs
                .insert(id(other), opened.output.directs.remove(&id(1)).unwrap());
        }
        own.output.directs.clear();
        assert_eq!(sign(&Message(permit.to_vec()), own.session, &inputs).err(), expected);
    };
    check(b"m", b"m", None);
    check(b"n", b"m", Some(SignError::Message));
    check(b"m", b"n", Some(SignError::Malformed(id(2))));
}

#[test]
fn a_bad_dealer_is_named_or_shows_in_the_sum() {
    let check = |round: u8, change: &dyn Fn(&mut RoundOutput), expected: &[DkgError]| {
        let mut fired = 0;
        // Three, because any two points lie on a line.
        let dealt = run_dkg(&Dkls23P256, (2, 3), &mut |at, from, output| {
            if at == round && from == id(2) {
                change(output);
                fired += 1;
            }
        });
        assert_eq!(fired, 1);
        let error = dealt[&id(1)].as_ref().unwrap_err();
        assert!(expected.contains(error), "round {round}: {error:?}");
    };
    let named = &[DkgError::Culprit(id(2))];
    let to_one =
        |change: fn(&mut Vec<u8>)| move |output: &mut RoundOutput| change(output.directs.get_mut(&id(1)).unwrap());
    check(1, &to_one(|bytes| bytes.fill(0xff)), named);
    check(1, &to_one(|bytes| bytes[31] ^= 1), &[DkgError::Contradiction]);
    check(
        1,
        &|output| output.broadcast.push(1),
        &[DkgError::Culprit(id(2)), DkgError::Unexpected],
    );
    let named_or_not = &[DkgError::Culprit(id(2)), DkgError::Contradiction];
    check(2, &to_one(|bytes| bytes[10] ^= 1), named_or_not);
    check(3, &|output| output.broadcast[9] ^= 1, named_or_not);
    check(3, &to_one(|bytes| bytes.push(0)), named);
    check(3, &|output| output.directs.clear(), &[DkgError::Unexpected]);
}

#[test]
fn shares_of_two_key_generations_do_not_mix_and_nobody_is_banned() {
    let (one, two) = (deal(&Dkls23P256, 2, 2), deal(&Dkls23P256, 2, 2));
    let mut mixed = shares(&one, &[1]);
    mixed.insert(id(2), two[&id(2)].share.as_ref());
    let outcome = run(&mixed, b"m", &mut |_, _, _| {});
    assert!(outcome.signature.is_err());
    assert_eq!(outcome.refusals[&id(1)], SignError::Malformed(id(2)));
    assert_eq!(outcome.refusals[&id(2)], SignError::Malformed(id(1)));
}
