//! Proofs of equivocation: two statements that exclude each other, checkable by anyone who has genesis.

use crate::{Committee, QuorumCertificate};
use minicbor::{Decode, Encode};
use quorate_rules::{Refusal, canonical};

/// Two certificates of one view for different heads of one size. At least `2t − n` custodians signed both; the proof names them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Equivocation {
    /// One certificate.
    #[n(0)]
    pub first: QuorumCertificate,
    /// The other.
    #[n(1)]
    pub second: QuorumCertificate,
}
canonical!(Equivocation => "equivocation");

impl Equivocation {
    /// The proof, if these two exclude each other.
    pub fn between(first: &QuorumCertificate, second: &QuorumCertificate) -> Option<Self> {
        let exclude = first.view == second.view && first.head.size == second.head.size && first.head != second.head;
        exclude.then(|| Self {
            first: first.clone(),
            second: second.clone(),
        })
    }

    /// Verifies the proof and names the custodians that voted for both.
    pub fn culprits(&self, committee: &Committee) -> Result<Vec<u16>, Refusal> {
        self.first.verify(committee)?;
        self.second.verify(committee)?;
        if Self::between(&self.first, &self.second).is_none() {
            return Err(Refusal::Malformed);
        }
        let voters = |certificate: &QuorumCertificate| -> Vec<u16> {
            certificate.votes.iter().map(|vote| vote.custodian).collect()
        };
        let second = voters(&self.second);
        Ok(voters(&self.first)
            .into_iter()
            .filter(|voter| second.contains(voter))
            .collect())
    }
}
