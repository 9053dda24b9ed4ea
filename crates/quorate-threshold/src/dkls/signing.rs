//! One signer's three rounds. Phases 1 and 2 give every other signer a secret message; phase 3 gives everybody this signer's part of
//! the signature, of which the coordinator needs no secret to make the whole.

use super::{
    DklsShare,
    curve::{Curve, Party},
    fresh_randomness, identifier, index,
    wire::{self, MESSAGE_BYTES_MAX},
};
use crate::{
    group::Identifier,
    round::{RoundInputs, RoundOutput},
    scheme::Opened,
    session::{Authorized, Session, SessionState, SignError, Step},
};
use dkls23_core::protocols::{
    Abort, AbortKind, AbortReason, PartyIndex,
    signing::{
        KeepPhase1to2, KeepPhase2to3, SignData, TransmitPhase1to2, TransmitPhase2to3, UniqueKeep1to2, UniqueKeep2to3,
    },
};
use elliptic_curve::ff::PrimeField;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Phase 1: multiplications begun with every other signer, and a commitment to the nonce.
pub(super) fn commit(share: &DklsShare, message: &[u8], signers: &BTreeSet<Identifier>) -> Result<Opened, SignError> {
    // The library signs with exactly t.
    let exact = signers.len() == usize::from(share.group.parameters().threshold());
    let known = signers
        .iter()
        .all(|signer| share.group.verifying_share(*signer).is_some());
    if !exact || !known || !signers.contains(&share.identifier) {
        return Err(SignError::Signers);
    }
    let others = signers.iter().filter(|signer| **signer != share.identifier);
    let digest: [u8; 32] = Sha256::digest(message).into();
    let data = SignData {
        sign_id: digest.to_vec(),
        counterparties: others
            .map(|other| index(*other).ok_or(SignError::Signers))
            .collect::<Result<_, _>>()?,
        message_hash: digest,
    };
    fresh_randomness().ok_or(SignError::Randomness)?;
    let (unique, kept, sent) = share.party.sign_phase1(&data).map_err(|abort| blame(&abort))?;
    let output = directs(sent.iter().map(|message| (message.parties.receiver, message)))?;
    let state = Begun {
        party: Arc::clone(&share.party),
        data,
        unique,
        kept,
    };
    let session = Session::new(share.identifier, signers, message, Box::new(state), &output.broadcast)?;
    Ok(Opened { session, output })
}

/// Between phases 1 and 2.
struct Begun {
    party: Arc<Party>,
    data: SignData,
    unique: UniqueKeep1to2<Curve>,
    kept: BTreeMap<PartyIndex, KeepPhase1to2<Curve>>,
}

/// Between phases 2 and 3.
struct Multiplied {
    party: Arc<Party>,
    data: SignData,
    unique: UniqueKeep2to3<Curve>,
    kept: BTreeMap<PartyIndex, KeepPhase2to3<Curve>>,
}

impl SessionState for Begun {
    fn advance(self: Box<Self>, _: &Authorized<'_>, inputs: &RoundInputs) -> Result<Step, SignError> {
        let Self {
            party,
            data,
            unique,
            kept,
        } = *self;
        let received: Vec<TransmitPhase1to2> =
            read_all(&party, &data, inputs, |message: &TransmitPhase1to2| &message.parties)?;
        fresh_randomness().ok_or(SignError::Randomness)?;
        let (unique, kept, sent) = party
            .sign_phase2(&data, unique, kept, &received)
            .map_err(|abort| blame(&abort))?;
        let output = directs(sent.iter().map(|message| (message.parties.receiver, message)))?;
        let state = Multiplied {
            party,
            data,
            unique,
            kept,
        };
        Ok(Step::Continue(Box::new(state), output))
    }
}

impl SessionState for Multiplied {
    /// The output is `x(R) ‖ u ‖ w`: 96 bytes, of which the signature is `x(R)` and the quotient of the sums.
    fn advance(self: Box<Self>, _: &Authorized<'_>, inputs: &RoundInputs) -> Result<Step, SignError> {
        let Self {
            party,
            data,
            unique,
            kept,
        } = *self;
        let received: Vec<TransmitPhase2to3<Curve>> =
            read_all(&party, &data, inputs, |message: &TransmitPhase2to3<Curve>| {
                &message.parties
            })?;
        let (x, part) = party
            .sign_phase3(&data, unique, kept, &received)
            .map_err(|abort| blame(&abort))?;
        let x = hex::decode(x).map_err(|_| SignError::Inputs)?;
        Ok(Step::Done(
            [x.as_slice(), part.u.to_repr().as_slice(), part.w.to_repr().as_slice()].concat(),
        ))
    }
}

/// Encodes one message for each other signer.
fn directs<'a, T: serde::Serialize + 'a>(
    messages: impl Iterator<Item = (PartyIndex, &'a T)>,
) -> Result<RoundOutput, SignError> {
    let mut directs = BTreeMap::new();
    for (to, message) in messages {
        let bytes: Zeroizing<Vec<u8>> = wire::write(message, MESSAGE_BYTES_MAX).ok_or(SignError::Inputs)?;
        directs.insert(identifier(to).ok_or(SignError::Inputs)?, bytes);
    }
    Ok(RoundOutput {
        broadcast: Vec::new(),
        directs,
    })
}

/// One message from each other signer, whose name in it must be the one of whoever sent it.
fn read_all<T: serde::de::DeserializeOwned>(
    party: &Party,
    data: &SignData,
    inputs: &RoundInputs,
    parties: impl Fn(&T) -> &dkls23_core::protocols::PartiesMessage,
) -> Result<Vec<T>, SignError> {
    let others: BTreeSet<Identifier> = data
        .counterparties
        .iter()
        .filter_map(|other| identifier(*other))
        .collect();
    // Silence is refused as a lie is: whoever came this far signed that this is all it has to say.
    if let Some(silent) = others.iter().find(|other| !inputs.directs.contains_key(other)) {
        return Err(SignError::Malformed(*silent));
    }
    if !inputs.directs_are_from(others.into_iter()) {
        return Err(SignError::Inputs);
    }
    if let Some((from, _)) = inputs.broadcasts.iter().find(|(_, bytes)| !bytes.is_empty()) {
        return Err(SignError::Malformed(*from));
    }
    let mut messages = Vec::new();
    for (from, bytes) in &inputs.directs {
        let message: T = wire::read(bytes, MESSAGE_BYTES_MAX).ok_or(SignError::Malformed(*from))?;
        let named = parties(&message);
        if Some(named.sender) != index(*from) || named.receiver != party.party_index {
            return Err(SignError::Malformed(*from));
        }
        messages.push(message);
    }
    Ok(messages)
}

/// Whom an abort of the library's is about, and how bad it is.
fn blame(abort: &Abort) -> SignError {
    if let AbortKind::BanCounterparty(cheat) = abort.kind {
        return identifier(cheat).map_or(SignError::Inputs, SignError::Banned);
    }
    match abort.reason {
        AbortReason::SessionBindingMismatch { counterparty }
        | AbortReason::CommitmentMismatch { counterparty }
        | AbortReason::TrivialInstancePoint { counterparty } => {
            identifier(counterparty).map_or(SignError::Inputs, SignError::Malformed)
        }
        AbortReason::PolynomialInconsistency => SignError::Unattributed,
        _ => SignError::Inputs,
    }
}
