//! Joining after a start: what others hold of this custodian's votes shows whether its disk was rolled back (PROTOCOL §7).

use super::{Custodian, Peer};
use crate::{
    message::{AskPeer, Join, PeerStatement, SignedPeerStatement, Standing, Status},
    signed::Statement,
    step::{Change, Step},
};
use quorate_rules::{Refusal, cbor::Array};
use std::collections::BTreeSet;

impl Custodian {
    /// States the newest vote that it holds of another; also while joining itself, from disk.
    pub fn state_about(&self, peer: Peer, message: &AskPeer) -> Result<SignedPeerStatement, Refusal> {
        self.check_peer(peer, self.committee.origin())?;
        let statement = PeerStatement {
            origin: self.committee.origin().to_owned(),
            by: self.identity.number,
            about: message.about,
            challenge: message.challenge,
            newest: self.newest.get(&message.about).map(|held| (held.view, held.head)),
        };
        let signature = statement.sign(&self.identity.key);
        Ok(SignedPeerStatement { statement, signature })
    }

    /// Hears from `t − 1` others. A vote of its own that it does not know means that its disk was rolled back: then it follows
    /// and never votes again.
    pub fn join(&mut self, peer: Peer, message: &Join) -> Result<Step<Status>, Refusal> {
        self.check_peer(peer, self.committee.origin())?;
        if self.standing != Standing::Joining {
            return Ok(Step::new(Change::default(), self.status()));
        }
        let mut heard = BTreeSet::new();
        let mut forgotten = false;
        let own = self
            .last_vote
            .map_or((crate::View(0), 0), |vote| (vote.view, vote.head.size));
        for signed in &message.statements {
            let statement = &signed.statement;
            let key = self.committee.identity(statement.by).ok_or(Refusal::Malformed)?;
            let for_me = statement.origin == self.committee.origin()
                && statement.about == self.identity.number
                && statement.by != self.identity.number
                && statement.challenge == Array(self.challenge);
            if !for_me {
                return Err(Refusal::WrongOrigin);
            }
            if !statement.is_signed_by(key, &signed.signature) {
                return Err(Refusal::BadVote);
            }
            if !heard.insert(statement.by) {
                return Err(Refusal::DoubledVoter);
            }
            forgotten |= statement.newest.is_some_and(|(view, head)| (view, head.size) > own);
        }
        // One statement of a forgotten vote suffices against voting; for voting it takes t − 1 that know of none.
        if forgotten {
            self.standing = Standing::Amnesic;
            self.attempts.clear();
        } else if heard.len() >= usize::from(self.committee.rule().threshold().saturating_sub(1)) {
            self.standing = Standing::Voting;
        } else {
            return Err(Refusal::QuorumTooSmall);
        }
        Ok(Step::new(self.state_change(), self.status()))
    }
}
