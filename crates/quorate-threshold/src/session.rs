//! Sessions: one signature in the making by one signer. The nonces in it are used once, because using consumes it.

use crate::{
    domain,
    group::Identifier,
    round::{RoundInputs, RoundOutput},
};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Permission to sign exactly one message. This crate cannot tell a good reason from a bad one, so the protocol implements this for
/// private-field types only, which it makes after its last check.
pub trait Permit {
    /// The bytes that may be signed.
    fn message(&self) -> &[u8];
}

/// Why a session gave nothing. The session is gone all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The signer set is not one that this share can sign with: too few, a stranger in it, or this share missing from it.
    #[error("not a signer set of this group with this share in it")]
    Signers,
    /// The permit is for another message than the session was opened for. Stops a coordinator that swaps messages between rounds.
    #[error("the permit is for another message")]
    Message,
    /// The inputs are not exactly the signers', or the own one is not byte for byte what was sent. Stops a coordinator that
    /// splices sessions.
    #[error("the inputs are not exactly what the signers sent")]
    Inputs,
    /// Another signer's input is malformed, or contradicts what it sent before. Another attempt with it is safe.
    #[error("the input of signer {} is malformed", .0.get())]
    Malformed(Identifier),
    /// Another signer cheated in a way that teaches it something about lasting secrets of this share (in DKLs23: about the oblivious
    /// transfers that every signature reuses). This share must never again take part in a signature with it.
    #[error("signer {} cheated and must be banned", .0.get())]
    Banned(Identifier),
    /// The signers' inputs contradict each other, and nothing in them says whose is wrong.
    #[error("the signers' inputs contradict each other")]
    Unattributed,
    /// The generator that the caller passed gave no randomness. No nonce is made without.
    #[error("no randomness for a nonce")]
    Randomness,
}

/// What a round gives.
#[derive(Debug)]
pub enum Advance {
    /// Another round follows: the session, and what the others must see.
    Continue(Session, RoundOutput),
    /// The last output: a signature share.
    Done(Vec<u8>),
}

/// One signature in the making: bound to one message, one signer set and what this signer broadcast last. Neither `Clone` nor
/// serialisable, since whoever can repeat a nonce can compute the share from the answers; dropped, its nonces are wiped.
pub struct Session {
    me: Identifier,
    signers: BTreeSet<Identifier>,
    message: [u8; 32],
    sent: Vec<u8>,
    state: Box<dyn SessionState>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("me", &self.me)
            .field("signers", &self.signers)
            .finish_non_exhaustive()
    }
}

/// A scheme's part of a session: what it must remember from one round to the next. Holds secrets, so it wipes itself on drop.
pub trait SessionState: Send {
    /// Uses the nonces. `inputs` holds the last broadcast of each signer of the session, the own one included, and direct inputs from
    /// none but the other signers; only [`sign`] can make the [`Authorized`] that this takes.
    fn advance(self: Box<Self>, authorized: &Authorized<'_>, inputs: &RoundInputs) -> Result<Step, SignError>;
}

/// What a scheme's state gives.
pub enum Step {
    /// Next state and output.
    Continue(Box<dyn SessionState>, RoundOutput),
    /// Last output.
    Done(Vec<u8>),
}

/// Proof that [`sign`] checked permit, message and inputs.
pub struct Authorized<'a> {
    message: &'a [u8],
}

impl Authorized<'_> {
    /// The message to be signed.
    pub const fn message(&self) -> &[u8] {
        self.message
    }
}

impl Session {
    /// Binds a scheme's state to message, signers and the first broadcast. For implementors of [`crate::KeyShare::commit`]; refuses
    /// ([`SignError::Signers`]) a signer set without `me`.
    pub fn new(
        me: Identifier,
        signers: &BTreeSet<Identifier>,
        message: &[u8],
        state: Box<dyn SessionState>,
        broadcast: &[u8],
    ) -> Result<Self, SignError> {
        if !signers.contains(&me) {
            return Err(SignError::Signers);
        }
        Ok(Self {
            me,
            signers: signers.clone(),
            message: digest(message),
            sent: broadcast.to_vec(),
            state,
        })
    }
}

/// Uses a session: the only way to a signature share. `inputs` are all signers' last outputs, the own broadcast byte for byte as
/// sent. Whatever the outcome, the session and its nonces are gone.
pub fn sign(permit: &impl Permit, session: Session, inputs: &RoundInputs) -> Result<Advance, SignError> {
    let Session {
        me,
        signers,
        message,
        sent,
        state,
    } = session;
    // Asked once: a permit that changes its mind between check and use must not matter.
    let permitted = permit.message();
    if digest(permitted) != message {
        return Err(SignError::Message);
    }
    let strangers = inputs.directs.keys().any(|from| *from == me || !signers.contains(from));
    if !inputs.broadcasts.keys().eq(signers.iter()) || inputs.broadcasts.get(&me) != Some(&sent) || strangers {
        return Err(SignError::Inputs);
    }
    Ok(match state.advance(&Authorized { message: permitted }, inputs)? {
        Step::Continue(state, output) => Advance::Continue(
            Session {
                me,
                signers,
                message,
                sent: output.broadcast.clone(),
                state,
            },
            output,
        ),
        Step::Done(output) => Advance::Done(output),
    })
}

fn digest(message: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix(domain::SESSION_MESSAGE)
        .chain_update(message)
        .finalize()
        .into()
}
