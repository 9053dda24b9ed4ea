//! Sessions: one signature in the making by one signer. The nonces in it are used once, because using consumes it.

use crate::{group::Identifier, scheme::BadShare};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Permission to sign exactly one message. Only the protocol makes one.
pub trait Permit {
    /// The bytes that may be signed.
    fn message(&self) -> &[u8];
}

/// Why a session gave nothing. The session is gone all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The signer set is not one that this share can sign with.
    #[error("not a signer set of this group with this share in it")]
    Signers,
    /// The permit is for another message than the session was opened for.
    #[error("the permit is for another message")]
    Message,
    /// The inputs are not exactly the signers', or the own one was altered.
    #[error("the inputs are not exactly what the signers sent")]
    Inputs,
    /// Another signer's input is malformed.
    #[error("the input of signer {} is malformed", .0.get())]
    Malformed(Identifier),
}

/// What a round gives.
#[derive(Debug)]
pub enum Advance {
    /// Another round follows: the session, and what the others must see.
    Continue(Session, Vec<u8>),
    /// The last output: a signature share.
    Done(Vec<u8>),
}

/// One signature in the making. Neither `Clone` nor serialisable; dropped, its nonces are wiped.
pub struct Session {
    me: Identifier,
    signers: BTreeSet<Identifier>,
    message: [u8; 32],
    sent: Vec<u8>,
    state: Box<dyn SessionState>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session {{ me: {:?}, .. }}", self.me)
    }
}

/// A scheme's part of a session.
pub trait SessionState: Send {
    /// Uses the nonces. [`Authorized`] can be made by [`sign`] only.
    fn advance(
        self: Box<Self>,
        authorized: &Authorized<'_>,
        inputs: &BTreeMap<Identifier, Vec<u8>>,
    ) -> Result<Step, SignError>;
}

/// What a scheme's state gives.
pub enum Step {
    /// Next state and output.
    Continue(Box<dyn SessionState>, Vec<u8>),
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
    /// Binds a scheme's state to message, signers and the first output.
    pub fn new(
        me: Identifier,
        signers: &BTreeSet<Identifier>,
        message: &[u8],
        state: Box<dyn SessionState>,
        output: &[u8],
    ) -> Result<Self, BadShare> {
        if !signers.contains(&me) {
            return Err(BadShare);
        }
        Ok(Self { me, signers: signers.clone(), message: Sha256::digest(message).into(), sent: output.to_vec(), state })
    }
}

/// Uses a session: the only way to a signature share. `inputs` are all signers' last outputs, the own one byte for byte as sent.
pub fn sign(
    permit: &impl Permit,
    session: Session,
    inputs: &BTreeMap<Identifier, Vec<u8>>,
) -> Result<Advance, SignError> {
    let Session { me, signers, message, sent, state } = session;
    let digest: [u8; 32] = Sha256::digest(permit.message()).into();
    if digest != message {
        return Err(SignError::Message);
    }
    if !inputs.keys().eq(signers.iter()) || inputs.get(&me) != Some(&sent) {
        return Err(SignError::Inputs);
    }
    let authorized = Authorized { message: permit.message() };
    Ok(match state.advance(&authorized, inputs)? {
        Step::Continue(state, output) => {
            Advance::Continue(Session { me, signers, message, sent: output.clone(), state }, output)
        }
        Step::Done(output) => Advance::Done(output),
    })
}
