//! A scheme of three rounds over the same seam: commitments are hidden behind a hash first and revealed second. It shows that
//! "k rounds" is not a word; the ECDSA scheme will look like it.

use crate::ceremony::{deal, id, run, shares};
use quorate_threshold::{
    Advance, AggregateError, Authorized, BadShare, DealsMade, Dealt, DkgContext, DkgDealing, DkgError, DkgRound,
    FrostEd25519, GroupKey, Identifier, KeyShare, Opened, Permit, Scheme, Session, SessionState, SignError, Step, sign,
};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

#[derive(Debug)]
pub struct CommitRevealFrost;

#[derive(Debug)]
struct Share(Box<dyn KeyShare>);
#[derive(Debug)]
struct Round(Box<dyn DkgRound>);
#[derive(Debug)]
struct Dealing(Box<dyn DkgDealing>);

/// Waits for all hashes, then reveals.
struct Hidden {
    opened: Opened,
}

/// Waits for all revealed commitments, checks them against the hashes, then signs.
struct Revealed {
    session: Session,
    hashes: BTreeMap<Identifier, Vec<u8>>,
}

struct Inner<'a>(&'a [u8]);

impl Permit for Inner<'_> {
    fn message(&self) -> &[u8] {
        self.0
    }
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

impl Scheme for CommitRevealFrost {
    fn name(&self) -> &'static str {
        "commit-reveal-frost"
    }
    fn rounds(&self) -> u8 {
        3
    }
    fn read_share(&self, bytes: &[u8]) -> Result<Box<dyn KeyShare>, BadShare> {
        Ok(Box::new(Share(FrostEd25519.read_share(bytes)?)))
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
        let liars: Vec<Identifier> = revealed
            .iter()
            .filter(|(signer, bytes)| hashes[signer] != digest(bytes))
            .map(|(signer, _)| *signer)
            .collect();
        if !liars.is_empty() {
            return Err(AggregateError::Misbehaved { culprits: liars });
        }
        FrostEd25519.aggregate(group, message, &[revealed.clone(), shares.clone()])
    }
    fn verify(
        &self,
        group: &GroupKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), quorate_threshold::BadSignature> {
        FrostEd25519.verify(group, message, signature)
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
        let dealt = self.0.finish(deals)?;
        Ok(Dealt {
            share: Box::new(Share(dealt.share)),
            ..dealt
        })
    }
}

impl KeyShare for Share {
    fn identifier(&self) -> Identifier {
        self.0.identifier()
    }
    fn group(&self) -> &GroupKey {
        self.0.group()
    }
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        self.0.encode()
    }
    fn commit(
        &self,
        message: &[u8],
        signers: &BTreeSet<Identifier>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Opened, SignError> {
        let opened = self.0.commit(message, signers, rng)?;
        let output = digest(&opened.output);
        let state = Box::new(Hidden { opened });
        let session = Session::new(self.identifier(), signers, message, state, &output)?;
        Ok(Opened { session, output })
    }
}

impl SessionState for Hidden {
    fn advance(self: Box<Self>, _: &Authorized<'_>, inputs: &BTreeMap<Identifier, Vec<u8>>) -> Result<Step, SignError> {
        let Opened { session, output } = self.opened;
        Ok(Step::Continue(
            Box::new(Revealed {
                session,
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
        for (signer, bytes) in inputs {
            if self.hashes[signer] != digest(bytes) {
                return Err(SignError::Malformed(*signer));
            }
        }
        match sign(&Inner(authorized.message()), self.session, inputs)? {
            Advance::Done(bytes) => Ok(Step::Done(bytes)),
            Advance::Continue(..) => Err(SignError::Inputs),
        }
    }
}

#[test]
fn three_rounds_run_over_the_same_seam() {
    let dealt = deal(&CommitRevealFrost, 3, 4);
    let mut rounds = BTreeSet::new();
    let signature = run(
        &CommitRevealFrost,
        &shares(&dealt, &[1, 3, 4]),
        b"m",
        &mut |round, _, _| drop(rounds.insert(round)),
    );
    assert_eq!(signature.unwrap().len(), 64);
    assert_eq!(rounds, BTreeSet::from([1, 2, 3]));
}

#[test]
fn a_commitment_that_was_not_hashed_first_gets_no_share() {
    let dealt = deal(&CommitRevealFrost, 2, 3);
    let outcome = run(
        &CommitRevealFrost,
        &shares(&dealt, &[1, 2]),
        b"m",
        &mut |round, from, bytes| {
            if round == 2 && from == id(2) {
                bytes[3] ^= 1;
            }
        },
    );
    assert!(outcome.is_err());
}
