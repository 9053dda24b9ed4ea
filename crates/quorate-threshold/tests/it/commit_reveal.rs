//! A scheme of three rounds over the same seam: every signer first sends a hash of its commitments, reveals them when it holds all
//! hashes, and signs when it holds all commitments. So nobody chooses nonces after seeing the others'.

use quorate_threshold::{
    Advance, AggregateError, Authorized, BadShare, BadSignature, Dealt, DkgContext, DkgError, DkgRound, DkgStep,
    FrostEd25519, GroupKey, Identifier, KeyShare, Opened, Permit, RoundInputs, RoundOutput, Scheme, Session,
    SessionState, SignError, Step, sign,
};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// The scheme: FROST(Ed25519) with a round of hashes before it.
#[derive(Debug)]
pub(crate) struct CommitRevealFrost;

pub(crate) const NAME: &str = "commit-reveal-frost";

/// A FROST share with the group key under this scheme's name.
#[derive(Debug)]
struct Share {
    frost: Box<dyn KeyShare>,
    group: GroupKey,
}

#[derive(Debug)]
struct Round(Box<dyn DkgRound>);

/// Has sent a hash; waits for all hashes, then reveals.
pub(crate) struct Hidden(pub(crate) Opened);

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

    fn dkg_rounds(&self) -> u8 {
        FrostEd25519.dkg_rounds()
    }

    fn read_share(&self, bytes: &[u8]) -> Result<Box<dyn KeyShare>, BadShare> {
        Ok(Box::new(Share::new(FrostEd25519.read_share(bytes)?).ok_or(BadShare)?))
    }

    fn begin_dkg(
        &self,
        context: &DkgContext,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Box<dyn DkgRound>, RoundOutput), DkgError> {
        let (round, output) = FrostEd25519.begin_dkg(context, rng)?;
        Ok((Box::new(Round(round)), output))
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
    fn advance(self: Box<Self>, inputs: &RoundInputs) -> Result<DkgStep, DkgError> {
        let Dealt { share, transcript, .. } = match self.0.advance(inputs)? {
            DkgStep::Continue(round, output) => return Ok(DkgStep::Continue(Box::new(Self(round)), output)),
            DkgStep::Done(dealt) => dealt,
        };
        let share = Share::new(share).ok_or(DkgError::Unexpected)?;
        let group = share.group.clone();
        let transcript = Sha256::new_with_prefix(b"quorate/test/commit-reveal-dkg/v1\0").chain_update(transcript);
        Ok(DkgStep::Done(Dealt {
            share: Box::new(share),
            group,
            transcript: transcript.finalize().into(),
        }))
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
        let output = RoundOutput::broadcast(hash(self.identifier(), &opened.output.broadcast));
        let state = Box::new(Hidden(opened));
        let session = Session::new(self.identifier(), signers, message, state, &output.broadcast)?;
        Ok(Opened { session, output })
    }
}

impl SessionState for Hidden {
    fn advance(self: Box<Self>, _: &Authorized<'_>, inputs: &RoundInputs) -> Result<Step, SignError> {
        if let Some((signer, _)) = inputs.broadcasts.iter().find(|(_, hash)| hash.len() != 32) {
            return Err(SignError::Malformed(*signer));
        }
        let Opened { session, output } = self.0;
        Ok(Step::Continue(
            Box::new(Revealed {
                frost: session,
                hashes: inputs.broadcasts.clone(),
            }),
            output,
        ))
    }
}

impl SessionState for Revealed {
    fn advance(self: Box<Self>, authorized: &Authorized<'_>, inputs: &RoundInputs) -> Result<Step, SignError> {
        if let Some((signer, _)) = inputs
            .broadcasts
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
