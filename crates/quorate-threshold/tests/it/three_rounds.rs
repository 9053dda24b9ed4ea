//! A scheme of three rounds over the same seam: every signer first sends a hash of its commitments, reveals them when it holds all
//! hashes, and signs when it holds all commitments. So nobody chooses nonces after seeing the others'. The ECDSA scheme, which has
//! as many rounds, will stand behind the same traits.

use crate::ceremony::{Message, Outputs, deal, id, run, run_honest, shares};
use quorate_threshold::{
    Advance, AggregateError, Authorized, BadShare, BadSignature, DealsMade, Dealt, DkgContext, DkgDealing, DkgError,
    DkgRound, FrostEd25519, GroupKey, Identifier, KeyShare, Opened, Permit, Scheme, Session, SessionState, SignError,
    Step, sign,
};
use rand_core::{CryptoRngCore, OsRng};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// The scheme: FROST(Ed25519) with a round of hashes before it.
#[derive(Debug)]
pub(crate) struct CommitRevealFrost;

const NAME: &str = "commit-reveal-frost";

/// A FROST share with the group key under this scheme's name.
#[derive(Debug)]
struct Share {
    frost: Box<dyn KeyShare>,
    group: GroupKey,
}

#[derive(Debug)]
struct Round(Box<dyn DkgRound>);
#[derive(Debug)]
struct Dealing(Box<dyn DkgDealing>);

/// Has sent a hash; waits for all hashes, then reveals.
struct Hidden(Opened);

/// Has revealed; waits for all commitments, checks them against the hashes, then signs.
struct Revealed {
    frost: Session,
    hashes: BTreeMap<Identifier, Vec<u8>>,
}

struct Authorised<'a>(&'a [u8]);

impl Permit for Authorised<'_> {
    fn message(&self) -> &[u8] {
        self.0
    }
}

/// Binds the signer too, so that nobody can hash another's commitments as its own.
fn hash(signer: Identifier, commitments: &[u8]) -> Vec<u8> {
    let prefix = Sha256::new_with_prefix(b"quorate/test/commit-reveal/v1\0").chain_update(signer.get().to_be_bytes());
    prefix.chain_update(commitments).finalize().to_vec()
}

fn rename(group: &GroupKey, scheme: &str) -> Option<GroupKey> {
    let shares: BTreeMap<_, _> = group
        .parameters()
        .identifiers()
        .map(|id| Some((id, group.verifying_share(id)?.to_vec())))
        .collect::<Option<_>>()?;
    GroupKey::new(scheme, group.parameters(), group.verifying_key().to_vec(), shares).ok()
}

/// The group key as FROST knows it.
fn unwrap(group: &GroupKey) -> Option<GroupKey> {
    if group.scheme() == NAME {
        rename(group, FrostEd25519.name())
    } else {
        None
    }
}

impl Share {
    fn new(frost: Box<dyn KeyShare>) -> Option<Self> {
        let group = rename(frost.group(), NAME)?;
        Some(Self { frost, group })
    }
}

impl Scheme for CommitRevealFrost {
    fn name(&self) -> &'static str {
        NAME
    }

    fn rounds(&self) -> u8 {
        3
    }

    fn read_share(&self, bytes: &[u8]) -> Result<Box<dyn KeyShare>, BadShare> {
        Ok(Box::new(Share::new(FrostEd25519.read_share(bytes)?).ok_or(BadShare)?))
    }

    fn begin_dkg(
        &self,
        context: &DkgContext,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Box<dyn DkgRound>, Vec<u8>), DkgError> {
        let (round, broadcast) = FrostEd25519.begin_dkg(context, rng)?;
        Ok((Box::new(Round(round)), broadcast))
    }

    fn aggregate(
        &self,
        group: &GroupKey,
        message: &[u8],
        outputs: &[BTreeMap<Identifier, Vec<u8>>],
    ) -> Result<Vec<u8>, AggregateError> {
        let [hashes, revealed, shares] = outputs else {
            return Err(AggregateError::Incomplete);
        };
        let group = unwrap(group).ok_or(AggregateError::Group)?;
        if !hashes.keys().eq(revealed.keys()) {
            return Err(AggregateError::Incomplete);
        }
        let lies = revealed
            .iter()
            .filter(|(signer, bytes)| hashes.get(signer) != Some(&hash(**signer, bytes)));
        let culprits: Vec<Identifier> = lies.map(|(signer, _)| *signer).collect();
        if !culprits.is_empty() {
            return Err(AggregateError::Misbehaved { culprits });
        }
        FrostEd25519.aggregate(&group, message, &[revealed.clone(), shares.clone()])
    }

    fn verify(&self, group: &GroupKey, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        FrostEd25519.verify(&unwrap(group).ok_or(BadSignature)?, message, signature)
    }
}

impl DkgRound for Round {
    fn deal(self: Box<Self>, broadcasts: &BTreeMap<Identifier, Vec<u8>>) -> Result<DealsMade, DkgError> {
        let (dealing, deals) = self.0.deal(broadcasts)?;
        Ok((Box::new(Dealing(dealing)), deals))
    }
}

impl DkgDealing for Dealing {
    fn finish(self: Box<Self>, deals: BTreeMap<Identifier, Zeroizing<Vec<u8>>>) -> Result<Dealt, DkgError> {
        let Dealt { share, transcript, .. } = self.0.finish(deals)?;
        let share = Share::new(share).ok_or(DkgError::Unexpected)?;
        let group = share.group.clone();
        let transcript = Sha256::new_with_prefix(b"quorate/test/commit-reveal-dkg/v1\0").chain_update(transcript);
        Ok(Dealt {
            share: Box::new(share),
            group,
            transcript: transcript.finalize().into(),
        })
    }
}

impl KeyShare for Share {
    fn identifier(&self) -> Identifier {
        self.frost.identifier()
    }

    fn group(&self) -> &GroupKey {
        &self.group
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        self.frost.encode()
    }

    fn commit(
        &self,
        message: &[u8],
        signers: &BTreeSet<Identifier>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Opened, SignError> {
        let opened = self.frost.commit(message, signers, rng)?;
        let output = hash(self.identifier(), &opened.output);
        let session = Session::new(self.identifier(), signers, message, Box::new(Hidden(opened)), &output)?;
        Ok(Opened { session, output })
    }
}

impl SessionState for Hidden {
    fn advance(self: Box<Self>, _: &Authorized<'_>, inputs: &BTreeMap<Identifier, Vec<u8>>) -> Result<Step, SignError> {
        if let Some((signer, _)) = inputs.iter().find(|(_, hash)| hash.len() != 32) {
            return Err(SignError::Malformed(*signer));
        }
        let Opened { session, output } = self.0;
        Ok(Step::Continue(
            Box::new(Revealed {
                frost: session,
                hashes: inputs.clone(),
            }),
            output,
        ))
    }
}

impl SessionState for Revealed {
    fn advance(
        self: Box<Self>,
        authorized: &Authorized<'_>,
        inputs: &BTreeMap<Identifier, Vec<u8>>,
    ) -> Result<Step, SignError> {
        if let Some((signer, _)) = inputs
            .iter()
            .find(|(id, bytes)| self.hashes.get(id) != Some(&hash(**id, bytes)))
        {
            return Err(SignError::Malformed(*signer));
        }
        match sign(&Authorised(authorized.message()), self.frost, inputs)? {
            Advance::Done(bytes) => Ok(Step::Done(bytes)),
            Advance::Continue(..) => Err(SignError::Inputs),
        }
    }
}

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
        let hashes = BTreeMap::from([(id(1), a.output), (id(2), b.output)]);
        let [a, b] = [a.session, b.session].map(|session| match sign(&Message(b"m".to_vec()), session, &hashes) {
            Ok(Advance::Continue(session, output)) => (session, output),
            other => panic!("{other:?}"),
        });
        (a.0, BTreeMap::from([(id(1), a.1), (id(2), b.1)]))
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
