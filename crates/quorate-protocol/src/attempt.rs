//! Signing attempts: sessions that live in memory only, for one head, one attempt and one signer set, and are consumed by use
//! (PROTOCOL §6).

use crate::{
    Committee, Head, Quorum, View,
    envelope::{self, Envelope, EnvelopeKey},
    message::{Accusation, Commit, Direct, Directs, Output, Outputs, OutputsText, Purpose, SignedOutputs, Voted},
    permit::{self, CheckpointPermit, GrantedToken, TokenPermit},
    signed::Statement,
    tip::Logged,
};
use ed25519_dalek::SigningKey;
use quorate_rules::{
    Refusal,
    cbor::{Bytes, Canonical},
};
use quorate_threshold::{Advance, Identifier, KeyShare, RoundInputs, RoundOutput, Session, SignError};
use quorate_tlog::hash::{Hash, sha256};
use rand_core::{CryptoRng, RngCore};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::{Zeroize, Zeroizing};

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

    /// Where an envelope of this round belongs: all that its sender signs but the list.
    pub fn place(&self, round: u8) -> Vec<u8> {
        self.text(round, &[]).to_canonical()
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

/// Who signs, and how it signs and seals what it sends to the other signers.
pub struct Signer<'a> {
    /// Its number.
    pub number: u16,
    /// Its identity key.
    pub identity: &'a SigningKey,
    /// Its envelope key.
    pub envelope: &'a EnvelopeKey,
    /// Whose members' envelope keys it seals to.
    pub committee: &'a Committee,
}

/// What one custodian gives in one round: a signed list for all, and envelopes for single others.
pub struct Sent {
    /// The list.
    pub outputs: SignedOutputs,
    /// The envelopes that it names.
    pub envelopes: Vec<Envelope>,
}

/// What one custodian answers in a later trip.
pub struct Advanced {
    /// Its outputs of the next round.
    pub sent: Sent,
    /// Tokens that are signed no more.
    pub refused: Vec<(u64, Refusal)>,
    /// Whose outputs could not be used.
    pub accused: BTreeSet<Accusation>,
    /// The attempt, where the scheme has further rounds.
    pub rest: Option<OpenAttempt>,
}

/// Gathers what the sessions of one attempt give in one round.
#[derive(Default)]
struct Gathered {
    items: Vec<Output>,
    directs: BTreeMap<u16, Vec<Direct>>,
}

impl Gathered {
    fn take(&mut self, purpose: Purpose, digest: Hash, output: RoundOutput) {
        self.items.push(Output {
            purpose,
            digest,
            bytes: Bytes(output.broadcast),
        });
        for (to, bytes) in output.directs {
            let bytes = Bytes(bytes.to_vec());
            self.directs
                .entry(to.get())
                .or_default()
                .push(Direct { purpose, bytes });
        }
    }

    /// Drops what belongs to any other signature.
    fn keep_only(&mut self, purpose: Purpose) {
        self.items.retain(|item| item.purpose == purpose);
        for directs in self.directs.values_mut() {
            directs.retain(|direct| direct.purpose == purpose);
        }
        self.directs.retain(|_, directs| !directs.is_empty());
    }

    /// One envelope for each other signer that gets anything, whatever the number of signatures.
    fn send(
        self,
        signer: &Signer<'_>,
        context: &AttemptContext,
        round: u8,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Sent, Refusal> {
        let place = context.place(round);
        let mut envelopes = Vec::new();
        for (to, items) in self.directs {
            let mut directs = Directs { items };
            let plain = Zeroizing::new(directs.to_canonical());
            directs.items.iter_mut().for_each(|direct| direct.bytes.0.zeroize());
            let envelope = Envelope::seal(signer.committee, (signer.number, to), &place, &plain, rng);
            envelopes.push(envelope.ok_or(Refusal::WrongSigners)?);
        }
        let outputs = Outputs {
            items: self.items,
            enclosed: envelopes.iter().map(Envelope::enclosed).collect(),
        };
        Ok(Sent {
            outputs: context.sign(signer.number, signer.identity, round, &outputs),
            envelopes,
        })
    }
}

/// What the other signers gave this one alone, by signature; and who sealed what cannot be read.
#[derive(Default)]
struct Opened {
    directs: BTreeMap<Purpose, BTreeMap<Identifier, Zeroizing<Vec<u8>>>>,
    unreadable: BTreeSet<u16>,
}

impl OpenAttempt {
    /// Opens one session per token and one for the checkpoint: round 1.
    pub fn open(
        context: AttemptContext,
        keys: &AttemptKeys<'_>,
        signer: &Signer<'_>,
        (tokens, now_ms): (Vec<Logged<GrantedToken>>, u64),
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<(Self, Vec<Envelope>), Refusal> {
        let signers = identifiers(&context.signers)?;
        let mut signings = BTreeMap::new();
        let mut gathered = Gathered::default();
        let mut begin = |purpose, key: &dyn KeyShare, message: &[u8], token| -> Result<(), Refusal> {
            let opened = key.commit(message, &signers, rng).map_err(|_| Refusal::WrongSigners)?;
            let digest = sha256(&[message]);
            gathered.take(purpose, digest, opened.output);
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
        let Sent { outputs, envelopes } = gathered.send(signer, &context, 1, rng)?;
        let open = Self {
            context,
            opened_ms: now_ms,
            round: 1,
            sent: outputs,
            signings,
        };
        Ok((open, envelopes))
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
    /// what it sent; and exactly the envelopes that they name for this one. Nothing is used up by this.
    pub fn read_lists(
        &self,
        committee: &Committee,
        me: u16,
        commit: &Commit,
    ) -> Result<BTreeMap<u16, Outputs>, Refusal> {
        let named: Vec<u16> = commit.lists.iter().map(|list| list.custodian).collect();
        if named != self.context.signers || commit.round != self.round || !commit.lists.contains(&self.sent) {
            return Err(Refusal::WrongCommitments);
        }
        let mut lists = BTreeMap::new();
        let mut found = 0usize;
        for signed in &commit.lists {
            let outputs = self.context.verify(committee, self.round, signed)?;
            let envelope = envelope::find(&commit.envelopes, (signed.custodian, me), &outputs.enclosed)?;
            found = found.saturating_add(usize::from(envelope.is_some()));
            lists.insert(signed.custodian, outputs);
        }
        if found == commit.envelopes.len() {
            Ok(lists)
        } else {
            Err(Refusal::WrongEnvelope)
        }
    }

    /// Opens what the other signers sealed to this one. What cannot be read is its sender's fault: it signed the very bytes.
    fn open_envelopes(&self, signer: &Signer<'_>, envelopes: &[Envelope]) -> Opened {
        let place = self.context.place(self.round);
        let mut opened = Opened::default();
        for envelope in envelopes {
            let plain = envelope.open(signer.envelope, &place);
            let directs = plain.and_then(|plain| Directs::from_canonical(&plain).ok());
            let (Some(directs), Ok(from)) = (directs, Identifier::new(envelope.from)) else {
                opened.unreadable.insert(envelope.from);
                continue;
            };
            for Direct { purpose, bytes } in directs.items {
                opened
                    .directs
                    .entry(purpose)
                    .or_default()
                    .insert(from, Zeroizing::new(bytes.0));
            }
        }
        opened
    }

    /// Uses every session whose signature all signers take part in; `late` refuses tokens, not the checkpoint. Sessions are gone
    /// afterwards, whatever came of them.
    pub fn advance(
        self,
        (lists, envelopes): (&BTreeMap<u16, Outputs>, &[Envelope]),
        quorum: &Quorum,
        signer: &Signer<'_>,
        late: bool,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Advanced, Refusal> {
        let mut opened = self.open_envelopes(signer, envelopes);
        let Self {
            context,
            opened_ms,
            round,
            signings,
            ..
        } = self;
        let round = round.checked_add(1).ok_or(Refusal::NoSuchAttempt)?;
        let mut by_purpose = index_outputs(lists)?;
        let (mut gathered, mut refused, mut rest) = (Gathered::default(), Vec::new(), BTreeMap::new());
        let blamed = |custodian| Accusation {
            custodian,
            banned: false,
        };
        let mut accused: BTreeSet<Accusation> = opened.unreadable.iter().copied().map(blamed).collect();
        let mut banned = false;
        for (purpose, Signing { session, digest, token }) in signings {
            if let (true, Purpose::Token(index)) = (late, purpose) {
                refused.push((index, Refusal::Late));
                continue;
            }
            // All tokens of a batch have the same signers: one that was caught at one gets no second guess at another.
            if banned && purpose != Purpose::Checkpoint {
                continue;
            }
            // A signer that refused this token, or built other bytes, has no part in it: then nobody gives a share.
            let broadcasts = by_purpose
                .remove(&(purpose, digest))
                .filter(|all| all.len() == lists.len());
            let Some(broadcasts) = broadcasts else { continue };
            let inputs = RoundInputs {
                broadcasts,
                directs: opened.directs.remove(&purpose).unwrap_or_default(),
            };
            let advanced = match &token {
                Some(token) => permit::advance(&TokenPermit::new(token, quorum)?, session, &inputs),
                None => {
                    let permit = CheckpointPermit::new(&context.origin, context.head, quorum)?;
                    permit::advance(&permit, session, &inputs)
                }
            };
            match advanced {
                Ok(Advance::Done(bytes)) => gathered.take(purpose, digest, RoundOutput::broadcast(bytes)),
                Ok(Advance::Continue(session, output)) => {
                    gathered.take(purpose, digest, output);
                    rest.insert(purpose, Signing { session, digest, token });
                }
                // No share for this signature; the coordinator sees whose it is.
                Err(SignError::Malformed(who)) => drop(accused.insert(blamed(who.get()))),
                Err(SignError::Banned(who)) => {
                    banned = true;
                    gathered.keep_only(Purpose::Checkpoint);
                    rest.retain(|purpose, _| *purpose == Purpose::Checkpoint);
                    accused.insert(Accusation {
                        custodian: who.get(),
                        banned: true,
                    });
                }
                Err(_) => {}
            }
        }
        let sent = gathered.send(signer, &context, round, rng)?;
        let rest = (!rest.is_empty()).then(|| Self {
            context,
            opened_ms,
            round,
            sent: sent.outputs.clone(),
            signings: rest,
        });
        Ok(Advanced {
            sent,
            refused,
            accused,
            rest,
        })
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
