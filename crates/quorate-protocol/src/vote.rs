//! Votes and certificates (PROTOCOL §5).

use crate::{Committee, Head, View, domain, signed::Statement};
use ed25519_dalek::SigningKey;
use minicbor::{Decode, Encode};
use quorate_rules::{Refusal, canonical, cbor::Array};
use std::collections::BTreeSet;

/// What a vote says, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct VoteText {
    /// Origin of the log.
    #[n(0)]
    pub origin: String,
    /// View.
    #[n(1)]
    pub view: View,
    /// Head.
    #[n(2)]
    pub head: Head,
}

impl Statement for VoteText {
    const DOMAIN: &'static [u8] = domain::VOTE;
}

/// One custodian's vote for a head in a view, both named by what carries it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Vote {
    /// Number of the custodian.
    #[n(0)]
    pub custodian: u16,
    /// Its identity signature over [`VoteText`].
    #[n(1)]
    pub signature: Array<64>,
}

impl Vote {
    /// Votes. What is voted for must be durable first.
    pub fn cast(custodian: u16, identity: &SigningKey, origin: &str, view: View, head: Head) -> Self {
        let text = VoteText {
            origin: origin.to_owned(),
            view,
            head,
        };
        Self {
            custodian,
            signature: text.sign(identity),
        }
    }

    /// Verifies the vote.
    pub fn verify(&self, committee: &Committee, view: View, head: Head) -> Result<(), Refusal> {
        let text = VoteText {
            origin: committee.origin().to_owned(),
            view,
            head,
        };
        let key = committee.identity(self.custodian).ok_or(Refusal::BadVote)?;
        if text.is_signed_by(key, &self.signature) {
            Ok(())
        } else {
            Err(Refusal::BadVote)
        }
    }
}

/// `t` votes for one head in one view, in ascending order of custodians; not yet verified.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct QuorumCertificate {
    /// View.
    #[n(0)]
    pub view: View,
    /// Head.
    #[n(1)]
    pub head: Head,
    /// Votes of distinct custodians.
    #[n(2)]
    pub votes: Vec<Vote>,
}

canonical!(VoteText => "vote text", Vote => "vote", QuorumCertificate => "quorum certificate");

impl QuorumCertificate {
    /// Rank of certificates: view first, then size.
    pub const fn rank(&self) -> (View, u64) {
        (self.view, self.head.size)
    }

    /// Verifies the votes alone, for a simulator that plants this fault.
    #[doc(hidden)]
    pub fn danger_verify_votes(&self, committee: &Committee) -> Result<Quorum, Refusal> {
        for vote in &self.votes {
            vote.verify(committee, self.view, self.head)?;
        }
        Ok(Quorum {
            certificate: self.clone(),
        })
    }

    /// Verifies `t` votes of distinct custodians: the only way to a [`Quorum`].
    pub fn verify(&self, committee: &Committee) -> Result<Quorum, Refusal> {
        let rule = committee.rule();
        if self.votes.len() > usize::from(rule.custodians()) {
            return Err(Refusal::DoubledVoter);
        }
        let mut voters = BTreeSet::new();
        for vote in &self.votes {
            if !voters.insert(vote.custodian) {
                return Err(Refusal::DoubledVoter);
            }
        }
        if voters.len() < usize::from(rule.threshold()) {
            return Err(Refusal::QuorumTooSmall);
        }
        for vote in &self.votes {
            vote.verify(committee, self.view, self.head)?;
        }
        Ok(Quorum {
            certificate: self.clone(),
        })
    }
}

/// Rank of a certificate that may be absent: none is the lowest.
pub fn rank(certificate: Option<&QuorumCertificate>) -> (View, u64) {
    certificate.map_or((View(0), 0), QuorumCertificate::rank)
}

/// A verified certificate. Made only by [`QuorumCertificate::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    certificate: QuorumCertificate,
}

impl Quorum {
    /// The head that the quorum holds durably.
    pub const fn head(&self) -> Head {
        self.certificate.head
    }

    /// The view in which it voted.
    pub const fn view(&self) -> View {
        self.certificate.view
    }

    /// The certificate.
    pub const fn certificate(&self) -> &QuorumCertificate {
        &self.certificate
    }
}
