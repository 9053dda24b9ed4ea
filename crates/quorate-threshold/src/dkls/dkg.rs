//! Key generation (Protocol 9.1 of <https://eprint.iacr.org/2023/602>, as DKLs23 asks for), with the initialisation of the
//! correlations that signatures reuse. Three rounds: points of the polynomials; commitments; proofs and oblivious transfers.

use super::{
    DklsShare, NAME,
    curve::{self, Curve, Scalar},
    fresh_randomness, identifier, index,
    wire::{self, DEAL_BYTES_MAX},
};
use crate::{
    group::{GroupKey, Identifier},
    round::{RoundInputs, RoundOutput},
    scheme::{Dealt, DkgContext, DkgError, DkgRound, DkgStep},
    transcript::transcript,
};
use dkls23_core::{
    DkgSession,
    protocols::{
        Abort, AbortReason, Parameters, PartiesMessage, PartyIndex, PublicKeyPackage,
        dkg::{
            BroadcastDerivationPhase2to4, BroadcastDerivationPhase3to4, ProofCommitment, TransmitInitMulPhase3to4,
            TransmitInitZeroSharePhase2to4, TransmitInitZeroSharePhase3to4,
        },
    },
    utilities::hashes::HashOutput,
    utilities::proofs::DLogProof,
};
use elliptic_curve::ff::PrimeField;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use zeroize::{Zeroize, Zeroizing};

/// Longest broadcast, bytes.
const BROADCAST_BYTES_MAX: usize = 8 * 1024;

/// Broadcast of round 2: commitments, opened in round 3.
#[derive(Serialize, Deserialize)]
struct Commitments {
    proof: HashOutput,
    derivation: BroadcastDerivationPhase2to4,
}

/// Broadcast of round 3.
#[derive(Serialize, Deserialize)]
struct Openings {
    proof: DLogProof<Curve>,
    derivation: BroadcastDerivationPhase3to4,
}

/// Direct message of round 3.
#[derive(Serialize, Deserialize)]
struct Initialisation {
    zero: TransmitInitZeroSharePhase3to4,
    multiplication: TransmitInitMulPhase3to4<Curve>,
}

/// What a participant has and has seen so far.
struct Ceremony {
    context: DkgContext,
    session: DkgSession<Curve>,
    /// Broadcasts of the rounds so far, for the transcript.
    seen: Vec<BTreeMap<Identifier, Vec<u8>>>,
    /// The own broadcast of the last round.
    sent: Vec<u8>,
}

/// Has sent points of its polynomial, and holds the one at its own number.
struct Shared(Ceremony, Zeroizing<Scalar>);
/// Has sent commitments.
struct Committed(Ceremony, ProofCommitment<Curve>);
/// Has opened them; holds the others' commitments.
struct Opened {
    ceremony: Ceremony,
    own: ProofCommitment<Curve>,
    commitments: BTreeMap<Identifier, Commitments>,
    zero: Vec<TransmitInitZeroSharePhase2to4>,
}

macro_rules! shows_the_context_only {
    ($($state:ident: $ceremony:tt),*) => {$(
        impl std::fmt::Debug for $state {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($state)).field("context", &self.$ceremony.context).finish_non_exhaustive()
            }
        }
    )*};
}
shows_the_context_only!(Shared: 0, Committed: 0, Opened: ceremony);

/// Phase 1: a random polynomial, and its value at every participant's number.
pub(super) fn begin(context: &DkgContext) -> Result<(Box<dyn DkgRound>, RoundOutput), DkgError> {
    let byte = |number: u16| u8::try_from(number).map_err(|_| DkgError::Unexpected);
    let parameters = context.parameters;
    let numbers = Parameters::new(byte(parameters.threshold())?, byte(parameters.participants())?);
    let me = index(context.me).filter(|_| context.me.get() <= parameters.participants());
    let (Ok(numbers), Some(me)) = (numbers, me) else {
        return Err(DkgError::Unexpected);
    };
    let session = DkgSession::new(numbers, me, context.session.to_vec());
    fresh_randomness().ok_or(DkgError::Unexpected)?;
    let points: Zeroizing<Vec<Scalar>> = Zeroizing::new(session.phase1());
    let (mut directs, mut own) = (BTreeMap::new(), None);
    for (to, point) in parameters.identifiers().zip(points.iter()) {
        if to == context.me {
            own = Some(Zeroizing::new(*point));
        } else {
            directs.insert(to, Zeroizing::new(point.to_repr().to_vec()));
        }
    }
    let ceremony = Ceremony {
        context: context.clone(),
        session,
        seen: Vec::new(),
        sent: Vec::new(),
    };
    let output = RoundOutput {
        broadcast: Vec::new(),
        directs,
    };
    Ok((Box::new(Shared(ceremony, own.ok_or(DkgError::Unexpected)?)), output))
}

impl DkgRound for Shared {
    fn advance(self: Box<Self>, inputs: &RoundInputs) -> Result<DkgStep, DkgError> {
        let Self(mut ceremony, own) = *self;
        ceremony.take(inputs, |bytes| bytes.is_empty())?;
        let mut points = Zeroizing::new(vec![*own]);
        for (from, bytes) in &inputs.directs {
            points.push(curve::read_scalar(bytes).ok_or(DkgError::Culprit(*from))?);
        }
        fresh_randomness().ok_or(DkgError::Unexpected)?;
        let (proof, zero, derivation) = ceremony.session.phase2(&points).map_err(|abort| blame(&abort))?;
        let commitments = Commitments {
            proof: proof.commitment,
            derivation,
        };
        let output = ceremony.give(
            &commitments,
            zero.iter().map(|message| (message.parties.receiver, message)),
        )?;
        Ok(DkgStep::Continue(Box::new(Committed(ceremony, proof)), output))
    }
}

impl DkgRound for Committed {
    fn advance(self: Box<Self>, inputs: &RoundInputs) -> Result<DkgStep, DkgError> {
        let Self(mut ceremony, own) = *self;
        let commitments: BTreeMap<Identifier, Commitments> = ceremony.read_broadcasts(inputs)?;
        let zero = ceremony.read_directs(inputs, |message: &TransmitInitZeroSharePhase2to4| &message.parties)?;
        fresh_randomness().ok_or(DkgError::Unexpected)?;
        let (seeds, multiplications, derivation) = ceremony.session.phase3().map_err(|abort| blame(&abort))?;
        let openings = Openings {
            proof: own.proof.clone(),
            derivation,
        };
        let mut messages = Vec::new();
        for (zero, multiplication) in seeds.into_iter().zip(multiplications) {
            let to = zero.parties.receiver;
            messages.push((to, Initialisation { zero, multiplication }));
        }
        let output = ceremony.give(&openings, messages.iter().map(|(to, message)| (*to, message)))?;
        for (_, message) in &mut messages {
            message.zero.seed.zeroize();
        }
        Ok(DkgStep::Continue(
            Box::new(Opened {
                ceremony,
                own,
                commitments,
                zero,
            }),
            output,
        ))
    }
}

impl DkgRound for Opened {
    fn advance(self: Box<Self>, inputs: &RoundInputs) -> Result<DkgStep, DkgError> {
        let Self {
            mut ceremony,
            own,
            commitments,
            zero,
        } = *self;
        let openings: BTreeMap<Identifier, Openings> = ceremony.read_broadcasts(inputs)?;
        let initialisations = ceremony.read_directs(inputs, |message: &Initialisation| &message.zero.parties)?;
        let (mut seeds, mut multiplications) = (Vec::new(), Vec::new());
        for Initialisation { zero, multiplication } in initialisations {
            let from = identifier(zero.parties.sender).ok_or(DkgError::Unexpected)?;
            let alike = multiplication.parties.sender == zero.parties.sender
                && multiplication.parties.receiver == zero.parties.receiver;
            if !alike {
                return Err(DkgError::Culprit(from));
            }
            seeds.push(zero);
            multiplications.push(multiplication);
        }
        let (mut proofs, mut committed, mut opened) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for ((from, commitment), opening) in commitments.into_iter().zip(openings.into_values()) {
            let number = index(from).ok_or(DkgError::Unexpected)?;
            if commitment.derivation.sender_index != number || opening.derivation.sender_index != number {
                return Err(DkgError::Culprit(from));
            }
            proofs.push(ProofCommitment {
                index: number,
                proof: opening.proof,
                commitment: commitment.proof,
            });
            committed.insert(number, commitment.derivation);
            opened.insert(number, opening.derivation);
        }
        drop(own);
        let Ceremony {
            context, session, seen, ..
        } = ceremony;
        fresh_randomness().ok_or(DkgError::Unexpected)?;
        let (party, public) = session
            .phase4(&proofs, &zero, &seeds, &multiplications, &committed, &opened, |_| {
                String::new()
            })
            .map_err(|abort| blame(&abort))?;
        let group = group_key(&context, &public)?;
        let share = DklsShare::new(context.me, party, group.clone()).map_err(|_| DkgError::Unexpected)?;
        let transcript = transcript(&context, NAME, &seen, &group);
        Ok(DkgStep::Done(Dealt {
            share: Box::new(share),
            group,
            transcript,
        }))
    }
}

impl Ceremony {
    /// Checks that the inputs are one broadcast of every participant, the own one as sent, and one direct message of every other; and
    /// keeps the broadcasts for the transcript.
    fn take(&mut self, inputs: &RoundInputs, sound: impl Fn(&[u8]) -> bool) -> Result<(), DkgError> {
        let everybody = || self.context.parameters.identifiers();
        let complete = inputs.broadcasts.keys().copied().eq(everybody())
            && inputs.broadcasts.get(&self.context.me) == Some(&self.sent)
            && inputs.directs_are_from(everybody().filter(|from| *from != self.context.me));
        if !complete {
            return Err(DkgError::Unexpected);
        }
        if let Some((from, _)) = inputs.broadcasts.iter().find(|(_, bytes)| !sound(bytes)) {
            return Err(DkgError::Culprit(*from));
        }
        self.seen.push(inputs.broadcasts.clone());
        Ok(())
    }

    fn read_broadcasts<T: Serialize + DeserializeOwned>(
        &mut self,
        inputs: &RoundInputs,
    ) -> Result<BTreeMap<Identifier, T>, DkgError> {
        self.take(inputs, |_| true)?;
        let mut read = BTreeMap::new();
        for (from, bytes) in &inputs.broadcasts {
            let value: T = wire::read(bytes, BROADCAST_BYTES_MAX).ok_or(DkgError::Culprit(*from))?;
            // What everybody hashes has one encoding.
            if wire::write(&value, bytes.len()).is_none_or(|again| *again != *bytes) {
                return Err(DkgError::Culprit(*from));
            }
            read.insert(*from, value);
        }
        Ok(read)
    }

    /// Direct messages whose names are those of sender and recipient.
    fn read_directs<T: DeserializeOwned>(
        &self,
        inputs: &RoundInputs,
        parties: impl Fn(&T) -> &PartiesMessage,
    ) -> Result<Vec<T>, DkgError> {
        let mut read = Vec::new();
        for (from, bytes) in &inputs.directs {
            let message: T = wire::read(bytes, DEAL_BYTES_MAX).ok_or(DkgError::Culprit(*from))?;
            let named = parties(&message);
            if Some(named.sender) != index(*from) || Some(named.receiver) != index(self.context.me) {
                return Err(DkgError::Culprit(*from));
            }
            read.push(message);
        }
        Ok(read)
    }

    fn give<'a, T: Serialize + 'a>(
        &mut self,
        broadcast: &impl Serialize,
        messages: impl Iterator<Item = (PartyIndex, &'a T)>,
    ) -> Result<RoundOutput, DkgError> {
        let broadcast = wire::write(broadcast, BROADCAST_BYTES_MAX)
            .ok_or(DkgError::Unexpected)?
            .to_vec();
        let mut directs = BTreeMap::new();
        for (to, message) in messages {
            let bytes = wire::write(message, DEAL_BYTES_MAX).ok_or(DkgError::Unexpected)?;
            directs.insert(identifier(to).ok_or(DkgError::Unexpected)?, bytes);
        }
        self.sent.clone_from(&broadcast);
        Ok(RoundOutput { broadcast, directs })
    }
}

fn group_key(context: &DkgContext, public: &PublicKeyPackage<Curve>) -> Result<GroupKey, DkgError> {
    let mut shares = BTreeMap::new();
    for id in context.parameters.identifiers() {
        let share = index(id).and_then(|number| public.verifying_share(number));
        let share = share.and_then(curve::write_point).ok_or(DkgError::Unexpected)?;
        shares.insert(id, share);
    }
    let key = curve::write_point(public.verifying_key()).ok_or(DkgError::Unexpected)?;
    GroupKey::new(NAME, context.parameters, key, shares).map_err(|_| DkgError::Unexpected)
}

/// Whom an abort of the library's is about. A point of a polynomial that lies off it shows in the sum only.
fn blame(abort: &Abort) -> DkgError {
    let culprit = match abort.reason {
        AbortReason::ProofVerificationFailed { counterparty }
        | AbortReason::CommitmentMismatch { counterparty }
        | AbortReason::MultiplicationVerificationFailed { counterparty, .. }
        | AbortReason::OtConsistencyCheckFailed { counterparty }
        | AbortReason::ZeroShareDecommitFailed { counterparty }
        | AbortReason::ChainCodeCommitmentFailed { party: counterparty } => identifier(counterparty),
        _ => None,
    };
    culprit.map_or(DkgError::Contradiction, DkgError::Culprit)
}
