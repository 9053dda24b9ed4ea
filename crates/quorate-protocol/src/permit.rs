//! Permits: the only values that let [`quorate_threshold::sign`] use a key share, and the only call of it.

use crate::{Head, Quorum, tip::Logged};
use quorate_rules::{Grant, Refusal, TokenEntry};
use quorate_threshold::{Advance, Permit, RoundInputs, Session, SignError};
use quorate_tlog::checkpoint::{Checkpoint, Origin};

/// A token whose grant was judged good, on its way into the log.
#[derive(Debug)]
pub struct GrantedToken {
    /// The judged grant.
    pub grant: Grant,
    /// Leaf, body and signing input that this custodian built.
    pub entry: TokenEntry,
}

/// Permission to sign one token: judged, in one's own log, and held durably by a quorum.
pub(crate) struct TokenPermit<'a> {
    signing_input: &'a str,
}

impl<'a> TokenPermit<'a> {
    pub(crate) fn new(token: &'a Logged<GrantedToken>, quorum: &Quorum) -> Result<Self, Refusal> {
        if quorum.head() != token.head() {
            return Err(Refusal::QuorumForAnotherHead);
        }
        Ok(Self {
            signing_input: &token.item().entry.signing_input,
        })
    }
}

impl Permit for TokenPermit<'_> {
    fn message(&self) -> &[u8] {
        self.signing_input.as_bytes()
    }
}

/// Permission to sign the checkpoint of one's own head, held durably by a quorum.
pub(crate) struct CheckpointPermit {
    text: String,
}

impl CheckpointPermit {
    pub(crate) fn new(origin: &str, own: Head, quorum: &Quorum) -> Result<Self, Refusal> {
        if quorum.head() != own {
            return Err(Refusal::QuorumForAnotherHead);
        }
        Ok(Self {
            text: checkpoint_text(origin, own)?,
        })
    }
}

impl Permit for CheckpointPermit {
    fn message(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Note text of a head's checkpoint (C2SP tlog-checkpoint): what the log key signs.
pub fn checkpoint_text(origin: &str, head: Head) -> Result<String, Refusal> {
    let origin = Origin::new(origin).map_err(|_| Refusal::WrongOrigin)?;
    Ok(Checkpoint {
        origin,
        size: head.size,
        root: head.root,
    }
    .text())
}

/// The one call of [`quorate_threshold::sign`].
pub(crate) fn advance(permit: &impl Permit, session: Session, inputs: &RoundInputs) -> Result<Advance, SignError> {
    quorate_threshold::sign(permit, session, inputs)
}
