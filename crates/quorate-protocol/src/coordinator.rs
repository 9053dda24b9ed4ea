//! The gateway's side of a batch: it proposes and gathers, and decides nothing. Each phase is a type that the next one consumes:
//! [`Batch`] → [`Proposed`] → [`Certified`] → [`Signed`].

mod build;
mod combine;
mod view;

use crate::{
    Committee, Head, QuorumCertificate, View,
    attempt::AttemptContext,
    batch::Seen,
    envelope::Envelope,
    key_ring::Schemes,
    message::{Commit, Propose, ProposedEntry, SignedNewView, SignedPropose, Voted},
    signed::Statement,
    tip::Tip,
};
use ed25519_dalek::SigningKey;
use quorate_rules::{
    Grant, Refusal, TokenEntry,
    client_secret::SecretPart,
    grant::TokenKind,
    name::{ClientId, Issuer, PartyName},
};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

pub use build::{Order, TokenOrder, plain_entry};
pub use combine::{Combined, Dispute, Job, Signed, Token};
pub use view::{Entered, NewViewRound};

/// A custodian did what none does that runs this protocol; it is always named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("custodian {custodian} misbehaved: {what}")]
pub struct Misbehaved {
    /// Its number.
    pub custodian: u16,
    /// What it did.
    pub what: Misdeed,
}

/// What a custodian did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misdeed {
    /// Its vote does not verify.
    #[error("its vote does not verify")]
    BadVote,
    /// Its list of outputs is not signed by it, or not of this attempt.
    #[error("its list of outputs does not verify")]
    BadOutputs,
    /// Its signature share is wrong.
    #[error("its signature share is wrong")]
    BadShare,
    /// Every signer set that failed had it in it, and the one that did not fail had not.
    #[error("signatures fail with it and succeed without it")]
    Spoils,
    /// Its statement does not verify or names a certificate that does not.
    #[error("its statement does not verify")]
    BadStatement,
}

/// What a gateway needs to propose: who it is, where the log stands, which view it leads.
pub struct Coordinator {
    committee: Committee,
    schemes: Schemes,
    name: PartyName,
    key: SigningKey,
    tip: Tip,
    certificate: Option<QuorumCertificate>,
    view: View,
    new_view: Vec<SignedNewView>,
    seen: Seen,
    /// Identifiers of dropped batches, and their deaths: custodians saw the evidence, so it is good only for whoever sent it then.
    shown: BTreeMap<[u8; 32], u64>,
}

/// A batch that was judged early and built, not yet proposed.
#[derive(Debug)]
pub struct Batch {
    /// View and parent under which it was built.
    pub view: View,
    parent: Option<QuorumCertificate>,
    new_view: Vec<SignedNewView>,
    /// Tip after the batch.
    pub tip: Tip,
    /// Batch time, milliseconds.
    pub time_ms: u64,
    /// Index of the first entry.
    pub first: u64,
    /// Entries as they will be proposed.
    pub entries: Vec<ProposedEntry>,
    tokens: BTreeMap<u64, Placed>,
    secrets: BTreeMap<u64, PresentedSecret>,
    /// Which order stands at which index.
    pub placed: BTreeMap<u64, usize>,
    /// Orders that were refused before anything was proposed.
    pub refused: Vec<(usize, Refusal)>,
    /// Orders that did not fit and may come in the next batch.
    pub left: Vec<usize>,
}

/// A token at its place.
#[derive(Debug)]
struct Placed {
    grant: Grant,
    kind: TokenKind,
    entry: TokenEntry,
}

/// A client secret as it was presented; each custodian gets its own part of it.
#[derive(Clone)]
pub struct PresentedSecret {
    /// The secret.
    pub secret: Arc<Zeroizing<String>>,
    /// The client that presented it.
    pub client: ClientId,
}

impl std::fmt::Debug for PresentedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PresentedSecret(of {}, redacted)", self.client)
    }
}

impl Batch {
    /// Certificate of the head that the batch extends; none for the first.
    pub const fn parent(&self) -> Option<&QuorumCertificate> {
        self.parent.as_ref()
    }

    /// Head after the batch.
    pub fn head(&self) -> Head {
        self.tip.head()
    }

    /// Identifier and death of the evidence of each token, by index.
    pub fn identifiers(&self) -> impl Iterator<Item = (u64, [u8; 32], u64)> + '_ {
        // One grant, one identifier: it stands with the first of its tokens.
        self.tokens
            .iter()
            .filter(|(_, placed)| placed.kind == TokenKind::Access)
            .map(|(index, placed)| (*index, *placed.grant.jti().as_bytes(), placed.grant.dies_ms()))
    }

    /// How many tokens are to be signed.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The grant of the token at this index.
    pub fn grant_at(&self, index: u64) -> Option<&Grant> {
        self.tokens.get(&index).map(|placed| &placed.grant)
    }
}

/// A batch that was proposed to one signer set.
pub struct Proposed {
    message: SignedPropose,
    context: AttemptContext,
    issuer: Issuer,
    secrets: BTreeMap<u64, PresentedSecret>,
}

/// A batch under a certificate, on its way to be signed.
pub struct Certified {
    /// The certificate.
    pub certificate: QuorumCertificate,
    context: AttemptContext,
    /// The commit message but for the envelopes, of which every signer gets its own.
    commit: Commit,
    envelopes: Vec<Envelope>,
    round1: Vec<crate::message::SignedOutputs>,
    /// Leaves that stay as attempts without a token, with who refused and why.
    pub refused: BTreeMap<u64, (u16, String)>,
}

impl Coordinator {
    /// A coordinator for a log whose certified tip is known. It must enter a view before it proposes.
    pub fn new(
        committee: Committee,
        schemes: Schemes,
        (name, key): (PartyName, SigningKey),
        (tip, certificate): (Tip, Option<QuorumCertificate>),
        seen: Seen,
    ) -> Self {
        Self {
            committee,
            schemes,
            name,
            key,
            tip,
            certificate,
            view: View(0),
            new_view: Vec::new(),
            seen,
            shown: BTreeMap::new(),
        }
    }

    /// The committee.
    pub const fn committee(&self) -> &Committee {
        &self.committee
    }

    /// Certified tip.
    pub const fn tip(&self) -> &Tip {
        &self.tip
    }

    /// Certificate of the tip.
    pub const fn certificate(&self) -> Option<&QuorumCertificate> {
        self.certificate.as_ref()
    }

    /// View that it leads; 0 before the first.
    pub const fn view(&self) -> View {
        self.view
    }

    /// The schemes in use.
    pub const fn schemes(&self) -> &Schemes {
        &self.schemes
    }

    /// Proposes a batch to a signer set.
    pub fn propose(&self, batch: &Batch, attempt: u16, signers: &[u16]) -> Proposed {
        let proposal = Propose {
            origin: self.committee.origin().to_owned(),
            view: batch.view,
            parent: batch.parent.clone(),
            new_view: batch.new_view.clone(),
            time_ms: batch.time_ms,
            entries: batch.entries.clone(),
            head: batch.head(),
            attempt,
            signers: signers.to_vec(),
            gateway: self.name.clone(),
        };
        let context = AttemptContext {
            origin: proposal.origin.clone(),
            epoch: batch.tip.registry().keys().map_or(0, |keys| keys.epoch),
            view: batch.view,
            head: batch.head(),
            attempt,
            signers: signers.to_vec(),
        };
        let signature = proposal.sign(&self.key);
        Proposed {
            message: SignedPropose {
                proposal,
                signature,
                secrets: Vec::new(),
            },
            context,
            issuer: self.committee.body().issuer.clone(),
            secrets: batch.secrets.clone(),
        }
    }

    /// Notes identifiers and their deaths that custodians may have seen in a batch which came to nothing. A custodian could copy evidence,
    /// break the batch and bring the evidence itself: from now on only an order that is [`TokenOrder::shown`] may use it.
    pub fn note_shown(&mut self, identifiers: impl IntoIterator<Item = ([u8; 32], u64)>) {
        self.shown.extend(identifiers);
    }

    /// Notes that this batch came to nothing; false if it is certified after all.
    pub fn abandon(&mut self, batch: &Batch) -> bool {
        let dropped = self.tip.head() != batch.head();
        if dropped {
            self.note_shown(batch.identifiers().map(|(_, jti, dies_ms)| (jti, dies_ms)));
        }
        dropped
    }

    /// Takes the batch as certified: it is the tip from now on, whatever becomes of its signatures.
    pub fn advance(&mut self, batch: &Batch, certificate: QuorumCertificate) {
        for (index, jti, dies_ms) in batch.identifiers() {
            self.seen.insert(jti, index, dies_ms);
        }
        self.seen.sweep(batch.time_ms);
        self.shown.retain(|_, dies_ms| *dies_ms >= batch.time_ms);
        self.tip = batch.tip.clone();
        self.certificate = Some(certificate);
        self.new_view.clear();
    }
}

impl Proposed {
    /// The message that all signers get, but for their own parts of client secrets.
    pub const fn message(&self) -> &SignedPropose {
        &self.message
    }

    /// The message for one signer, with its own parts of client secrets.
    pub fn message_for(&self, signer: u16) -> SignedPropose {
        let part = |presented: &PresentedSecret| {
            SecretPart::derive(&presented.secret, &self.issuer, &presented.client, signer)
        };
        let secrets = self.secrets.iter().map(|(index, presented)| (*index, part(presented)));
        SignedPropose {
            secrets: secrets.collect(),
            ..self.message.clone()
        }
    }

    /// Whether the message is the same for every signer.
    pub fn is_for_all(&self) -> bool {
        self.secrets.is_empty()
    }

    /// The signer set.
    pub fn signers(&self) -> &[u16] {
        &self.context.signers
    }

    /// Checks one signer's answer as it comes in.
    pub fn check(&self, committee: &Committee, custodian: u16, voted: &Voted) -> Result<(), Misbehaved> {
        let misbehaved = |what| Misbehaved { custodian, what };
        if voted.vote.custodian != custodian
            || voted
                .vote
                .verify(committee, self.context.view, self.context.head)
                .is_err()
        {
            return Err(misbehaved(Misdeed::BadVote));
        }
        if voted.outputs.custodian != custodian || self.context.verify(committee, 1, &voted.outputs).is_err() {
            return Err(misbehaved(Misdeed::BadOutputs));
        }
        Ok(())
    }

    /// Gathers the checked answers of all signers into a certificate and the commit message.
    pub fn certify(self, answers: &BTreeMap<u16, Voted>) -> Certified {
        let head = self.context.head;
        let votes = answers.values().map(|voted| voted.vote.clone()).collect();
        let certificate = QuorumCertificate {
            view: self.context.view,
            head,
            votes,
        };
        let lists: Vec<_> = answers.values().map(|voted| voted.outputs.clone()).collect();
        let mut refused = BTreeMap::new();
        for (custodian, voted) in answers {
            for (index, code) in &voted.refused {
                refused.entry(*index).or_insert_with(|| (*custodian, code.clone()));
            }
        }
        let commit = Commit {
            origin: self.context.origin.clone(),
            certificate: certificate.clone(),
            attempt: self.context.attempt,
            round: 1,
            lists: lists.clone(),
            envelopes: Vec::new(),
        };
        let envelopes = answers.values().flat_map(|voted| voted.envelopes.iter().cloned());
        Certified {
            certificate,
            context: self.context,
            commit,
            envelopes: envelopes.collect(),
            round1: lists,
            refused,
        }
    }
}

impl Certified {
    /// The message for one signer, with the envelopes for it.
    pub fn message_for(&self, signer: u16) -> Commit {
        let envelopes = self.envelopes.iter().filter(|envelope| envelope.to == signer);
        Commit {
            envelopes: envelopes.cloned().collect(),
            ..self.commit.clone()
        }
    }

    /// Whether the message is the same for every signer.
    pub fn is_for_all(&self) -> bool {
        self.envelopes.is_empty()
    }

    /// The signer set.
    pub fn signers(&self) -> &[u16] {
        &self.context.signers
    }
}
