//! Every fault ends: then a new token must come out.

use super::{Ask, Simulator, Told, gateway::Phase};
use crate::{
    founding::{ISSUER, fresh},
    invariants::Violation,
};
use quorate_protocol::{
    coordinator::{Order, TokenOrder},
    custodian::Custodian,
    message::Standing,
};

impl Simulator {
    pub fn heal(&mut self) -> Result<(), Violation> {
        self.trace.push("faults end".to_owned());
        self.queue.clear();
        self.now_ms += 1_000;
        for number in 1..=4 {
            if self.custodian(number).is_none() {
                self.start(number)?;
            }
        }
        for number in 1..=4 {
            self.join(number, false)?;
        }
        let voting: Vec<u16> = (1..=4)
            .filter(|number| {
                self.custodians[usize::from(*number) - 1]
                    .as_ref()
                    .is_some_and(|custodian| custodian.standing() == Standing::Voting)
            })
            .collect();
        let Some(signers) = self.signers_among(&voting) else {
            return if self.alarms > 0 {
                self.fault("stopped by false alarms");
                Ok(())
            } else {
                Err(format!("progress: of {voting:?}, who vote, no three sign together"))
            };
        };
        self.gateways[0].phase = Phase::Idle;
        self.begin_view(0);
        let entering: Vec<_> = std::mem::take(&mut self.queue);
        for packet in entering {
            if let Some(told) = self.answer(0, packet.custodian, &packet.ask, false)? {
                self.heard(0, (packet.custodian, packet.operation), told)?;
            }
        }
        let head = self.gateways[0].coordinator.tip().head();
        for number in &voting {
            if let Some(ask) = self.follow_for(*number, head) {
                self.answer(0, *number, &ask, false)?;
            }
        }
        self.issue(&signers)
    }

    /// Three of whom none has banned another.
    fn signers_among(&self, voting: &[u16]) -> Option<Vec<u16>> {
        let banned_by = |number: u16| {
            self.custodians[usize::from(number) - 1]
                .iter()
                .flat_map(Custodian::banned)
        };
        let sets = (1..=4).map(|without| (1..=4).filter(|number| *number != without).collect::<Vec<u16>>());
        let together = |set: &Vec<u16>| {
            set.iter()
                .all(|number| voting.contains(number) && !banned_by(*number).any(|cheat| set.contains(&cheat)))
        };
        sets.rev().find(together)
    }

    fn issue(&mut self, signers: &[u16]) -> Result<(), Violation> {
        let founded = self.founded;
        let jti = fresh(&mut self.rng);
        let order = Order::Token(TokenOrder::of(founded.evidence(
            &founded.client,
            (&jti, ISSUER),
            self.now_ms,
        )));
        let before = self.tokens;
        let batch = self.gateways[0].coordinator.build(&[order], self.now_ms, &mut self.rng);
        let proposed = self.gateways[0].coordinator.propose(&batch, 0, signers);
        let tip = self.gateways[0].coordinator.tip().clone();
        self.watch.register(&tip, batch.time_ms, &batch.entries);
        let ask = Ask::Propose(proposed.message().clone());
        self.operations += 1;
        let operation = self.operations;
        self.gateways[0].operation = operation;
        self.gateways[0].phase = Phase::Proposing(batch, 0, proposed, Default::default());
        for number in signers {
            match self.answer(0, *number, &ask, false)? {
                Some(told @ Told::Voted(_)) => self.heard(0, (*number, operation), told)?,
                other => {
                    return Err(format!(
                        "progress: custodian {number} answers the proposal with {other:?}"
                    ));
                }
            }
        }
        // One round of commits after the other, until the scheme has no more.
        while !self.queue.is_empty() {
            for packet in std::mem::take(&mut self.queue) {
                if let Some(told) = self.answer(0, packet.custodian, &packet.ask, false)? {
                    self.heard(0, (packet.custodian, packet.operation), told)?;
                }
            }
        }
        if self.tokens == before + 1 {
            Ok(())
        } else {
            Err("progress: no token after all faults ended".to_owned())
        }
    }
}
