//! Signing attempts: sessions that live in memory only, for one head, one attempt and one signer set, and are consumed by use
//! (PROTOCOL §6).

use crate::{
    Committee, Head, Quorum, View,
    message::{Commit, Output, Outputs, OutputsText, Purpose, SignedOutputs, Voted},
    permit::{self, CheckpointPermit, GrantedToken, TokenPermit},
    signed::Statement,
    tip::Logged,
};
use ed25519_dalek::SigningKey;
use quorate_rules::{
    Refusal,
    cbor::{Bytes, Canonical},
};
use quorate_threshold::{Advance, Identifier, KeyShare, Session};
use quorate_tlog::hash::{Hash, sha256};
use rand_core::{CryptoRng, RngCore};
use std::collections::{BTreeMap, BTreeSet};

/// Where an attempt stands in the protocol, which every list of outputs is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptContext {
    /// Origin of the log.
    pub origin: String,
    /// Key epoch.
    pub epoch: u32,
    /// View.
    pub view: View,
    /// Head to be signed.
    pub head: Head,
    /// Attempt, from 0.
    pub attempt: u16,
    /// Signer set, ascending.
    pub signers: Vec<u16>,
}

impl AttemptContext {
    fn text(&self, round: u8, list: &[u8]) -> OutputsText {
        OutputsText {
            origin: self.origin.clone(),
            epoch: self.epoch,
            view: self.view,
            head: self.head,
            attempt: self.attempt,
            signers: self.signers.clone(),
            round,
            list: sha256(&[list]),
        }
    }

    /// Signs this custodian's list.
    pub fn sign(&self, custodian: u16, identity: &SigningKey, round: u8, outputs: &Outputs) -> SignedOutputs {
        let list = outputs.to_canonical();
        let signature = self.text(round, &list).sign(identity);
        SignedOutputs {
            custodian,
            list: Bytes(list),
            signature,
        }
    }

    /// Verifies a custodian's list and reads it.
    pub fn verify(&self, committee: &Committee, round: u8, signed: &SignedOutputs) -> Result<Outputs, Refusal> {
        let key = committee.identity(signed.custodian).ok_or(Refusal::WrongCommitments)?;
        if !self.text(round, &signed.list).is_signed_by(key, &signed.signature) {
            return Err(Refusal::WrongCommitments);
        }
        let outputs = Outputs::from_canonical(&signed.list).map_err(|_| Refusal::WrongCommitments)?;
        let ascending = outputs
            .items
            .iter()
            .zip(outputs.items.iter().skip(1))
            .all(|(a, b)| a.purpose < b.purpose);
        if ascending {
            Ok(outputs)
        } else {
            Err(Refusal::WrongCommitments)
        }
    }
}

/// One signature in the making.
struct Signing {
    session: Session,
    digest: Hash,
    token: Option<Logged<GrantedToken>>,
}

/// An open attempt: neither `Clone` nor encodable, because its sessions hold nonces.
pub struct OpenAttempt {
    context: AttemptContext,
    opened_ms: u64,
    round: u8,
    sent: SignedOutputs,
    signings: BTreeMap<Purpose, Signing>,
}

/// The keys that an attempt uses.
pub struct AttemptKeys<'a> {
    /// Share of the token key.
    pub token: &'a dyn KeyShare,
    /// Share of the log key.
    pub log: &'a dyn KeyShare,
}

/// What one custodian answers in a later trip.
pub struct Advanced {
    /// Its outputs of the next round.
    pub outputs: SignedOutputs,
    /// Tokens that are signed no more.
    pub refused: Vec<(u64, Refusal)>,
    /// The attempt, where the scheme has further rounds.
    pub rest: Option<OpenAttempt>,
}

impl OpenAttempt {
    /// Opens one session per token and one for the checkpoint: round 1.
    pub fn open(
        context: AttemptContext,
        keys: &AttemptKeys<'_>,
        (custodian, identity): (u16, &SigningKey),
        (tokens, now_ms): (Vec<Logged<GrantedToken>>, u64),
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Self, Refusal> {
        let signers = identifiers(&context.signers)?;
        let mut signings = BTreeMap::new();
        let mut items = Vec::new();
        let mut begin = |purpose, key: &dyn KeyShare, message: &[u8], token| -> Result<(), Refusal> {
            let opened = key.commit(message, &signers, rng).map_err(|_| Refusal::WrongSigners)?;
            let digest = sha256(&[message]);
            items.push(Output {
                purpose,
                digest,
                bytes: Bytes(opened.output),
            });
            signings.insert(
                purpose,
                Signing {
                    session: opened.session,
                    digest,
                    token,
                },
            );
            Ok(())
        };
        for token in tokens {
            let message = token.item().entry.signing_input.clone();
            begin(
                Purpose::Token(token.index()),
                keys.token,
                message.as_bytes(),
                Some(token),
            )?;
        }
        let checkpoint = permit::checkpoint_text(&context.origin, context.head)?;
        begin(Purpose::Checkpoint, keys.log, checkpoint.as_bytes(), None)?;
        let sent = context.sign(custodian, identity, 1, &Outputs { items });
        Ok(Self {
            context,
            opened_ms: now_ms,
            round: 1,
            sent,
            signings,
        })
    }

    /// Where this attempt stands.
    pub const fn context(&self) -> &AttemptContext {
        &self.context
    }

    /// When it was opened, milliseconds.
    pub const fn opened_ms(&self) -> u64 {
        self.opened_ms
    }

    /// Round whose outputs were sent last.
    pub const fn round(&self) -> u8 {
        self.round
    }

    /// Outputs sent last.
    pub const fn sent(&self) -> &SignedOutputs {
        &self.sent
    }

    /// Reads the signers' lists of the last round: exactly the signers, each signed by its custodian, this one's own byte for byte
    /// what it sent.
    pub fn read_lists(&self, committee: &Committee, commit: &Commit) -> Result<BTreeMap<u16, Outputs>, Refusal> {
        let named: Vec<u16> = commit.lists.iter().map(|list| list.custodian).collect();
        if named != self.context.signers || commit.round != self.round || !commit.lists.contains(&self.sent) {
            return Err(Refusal::WrongCommitments);
        }
        commit
            .lists
            .iter()
            .map(|signed| Ok((signed.custodian, self.context.verify(committee, self.round, signed)?)))
            .collect()
    }

    /// Uses every session whose signature all signers take part in; `late` refuses tokens, not the checkpoint. Sessions are gone
    /// afterwards, whatever came of them.
    pub fn advance(
        self,
        lists: &BTreeMap<u16, Outputs>,
        quorum: &Quorum,
        (custodian, identity): (u16, &SigningKey),
        late: bool,
    ) -> Result<Advanced, Refusal> {
        let Self {
            context,
            opened_ms,
            round,
            signings,
            ..
        } = self;
        let round = round.checked_add(1).ok_or(Refusal::NoSuchAttempt)?;
        let by_purpose = index_outputs(lists)?;
        let (mut items, mut refused, mut rest) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (purpose, signing) in signings {
            let Signing { session, digest, token } = signing;
            if let (true, Purpose::Token(index)) = (late, purpose) {
                refused.push((index, Refusal::Late));
                continue;
            }
            // A signer that refused this token, or built other bytes, has no part in it: then nobody gives a share.
            let Some(inputs) = by_purpose
                .get(&(purpose, digest))
                .filter(|inputs| inputs.len() == lists.len())
            else {
                continue;
            };
            let advanced = match &token {
                Some(token) => permit::advance(&TokenPermit::new(token, quorum)?, session, inputs),
                None => {
                    let permit = CheckpointPermit::new(&context.origin, context.head, quorum)?;
                    permit::advance(&permit, session, inputs)
                }
            };
            match advanced {
                Ok(Advance::Done(bytes)) => items.push(Output {
                    purpose,
                    digest,
                    bytes: Bytes(bytes),
                }),
                Ok(Advance::Continue(session, bytes)) => {
                    items.push(Output {
                        purpose,
                        digest,
                        bytes: Bytes(bytes),
                    });
                    rest.insert(purpose, Signing { session, digest, token });
                }
                // Another signer's output is malformed. No share for this signature; the coordinator sees whose it is.
                Err(_) => {}
            }
        }
        let outputs = context.sign(custodian, identity, round, &Outputs { items });
        let rest = (!rest.is_empty()).then(|| Self {
            context,
            opened_ms,
            round,
            sent: outputs.clone(),
            signings: rest,
        });
        Ok(Advanced { outputs, refused, rest })
    }
}

/// The answer to a proposal, kept for its retransmission; the nonces are not.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Digest of the proposal.
    pub proposal: Hash,
    /// The answer.
    pub voted: Voted,
}

type ByPurpose = BTreeMap<(Purpose, Hash), BTreeMap<Identifier, Vec<u8>>>;

fn index_outputs(lists: &BTreeMap<u16, Outputs>) -> Result<ByPurpose, Refusal> {
    let mut by_purpose = ByPurpose::new();
    for (custodian, outputs) in lists {
        let identifier = Identifier::new(*custodian).map_err(|_| Refusal::WrongSigners)?;
        for item in &outputs.items {
            by_purpose
                .entry((item.purpose, item.digest))
                .or_default()
                .insert(identifier, item.bytes.0.clone());
        }
    }
    Ok(by_purpose)
}

fn identifiers(signers: &[u16]) -> Result<BTreeSet<Identifier>, Refusal> {
    signers
        .iter()
        .map(|number| Identifier::new(*number).map_err(|_| Refusal::WrongSigners))
        .collect()
}
