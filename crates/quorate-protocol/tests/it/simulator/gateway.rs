//! An honest gateway, which gives up, tries again and deposes the other whenever the seed says so.

use super::{Ask, Simulator, Told};
use crate::{
    founding::{Founded, ISSUER, fresh},
    invariants::Violation,
};
use ed25519_dalek::SigningKey;
use quorate_protocol::{
    Head, Refusal,
    coordinator::{Batch, Certified, Coordinator, NewViewRound, Order, Proposed, TokenOrder},
    message::{Committed, Follow, Voted},
};
use std::collections::BTreeMap;

pub enum Phase {
    Idle,
    Entering(NewViewRound),
    Proposing(Batch, u16, Proposed, BTreeMap<u16, Voted>),
    /// With the answers to the rounds before, and those to the one that is asked for now.
    Committing(
        Batch,
        Certified,
        Vec<BTreeMap<u16, Committed>>,
        BTreeMap<u16, Committed>,
    ),
}

pub struct Gateway {
    pub coordinator: Coordinator,
    pub phase: Phase,
    pub operation: u64,
    deposed: bool,
}

impl Gateway {
    pub fn new(founded: &'static Founded, gateway: usize) -> Self {
        Self {
            coordinator: founded.coordinator(gateway, founded.tip.clone(), Some(founded.certificate.clone())),
            phase: Phase::Idle,
            operation: 0,
            deposed: true,
        }
    }
}

impl Simulator {
    fn next_operation(&mut self, gateway: usize) -> u64 {
        self.operations += 1;
        self.gateways[gateway].operation = self.operations;
        self.operations
    }

    pub fn nudge(&mut self, gateway: usize) {
        let patient = !matches!(self.gateways[gateway].phase, Phase::Idle) && !self.rng.percent(self.roughness);
        if patient && !self.queue.is_empty() {
            return;
        }
        match std::mem::replace(&mut self.gateways[gateway].phase, Phase::Idle) {
            Phase::Idle if self.gateways[gateway].deposed || self.rng.percent(8 * self.roughness / 100) => {
                self.begin_view(gateway)
            }
            Phase::Idle if self.rng.percent(30) => {
                let number = 1 + self.rng.below(4) as u16;
                if let Some(ask) = self.follow_for(number, self.gateways[gateway].coordinator.tip().head()) {
                    self.send(gateway, 0, &[number], &ask);
                }
            }
            Phase::Idle => {
                let orders = self.orders();
                let batch = self.gateways[gateway]
                    .coordinator
                    .build(&orders, self.now_ms, &mut self.rng);
                if !batch.entries.is_empty() {
                    self.propose(gateway, batch, 0);
                }
            }
            Phase::Proposing(batch, attempt, ..) if self.rng.percent(40) => {
                self.fault("another attempt");
                self.propose(gateway, batch, attempt + 1);
            }
            phase if self.rng.percent(70) => self.send_again(gateway, phase),
            _ => {
                self.fault("batch given up");
                self.gateways[gateway].deposed = self.rng.percent(60);
            }
        }
    }

    pub fn begin_view(&mut self, gateway: usize) {
        let known: Vec<_> = self
            .custodians
            .iter()
            .flatten()
            .map(|custodian| custodian.view())
            .collect();
        let round = NewViewRound::begin(known);
        let ask = Ask::Enter(round.message(&self.founded.committee));
        let operation = self.next_operation(gateway);
        self.gateways[gateway].phase = Phase::Entering(round);
        self.gateways[gateway].deposed = false;
        self.fault("new view");
        self.send(gateway, operation, &[1, 2, 3, 4], &ask);
    }

    /// One or two tokens; some on old evidence, some on none that is good.
    pub fn orders(&mut self) -> Vec<Order> {
        let count = 1 + usize::from(self.rng.percent(25));
        (0..count).map(|_| self.order()).collect()
    }

    fn order(&mut self) -> Order {
        let founded = self.founded;
        let jti = fresh(&mut self.rng);
        let good = founded.evidence(&founded.client, (&jti, ISSUER), self.now_ms);
        let (mut evidence, mut judged) = (good.clone(), None);
        match self.rng.below(100) {
            0..15 => {
                if let Some(old) = self.rng.pick(&self.pool.evidence) {
                    evidence = old.clone();
                    self.fault("evidence replayed");
                }
            }
            15..22 => {
                self.fault("evidence forged");
                let grant = crate::founding::judged(founded.tip.registry(), &good, self.now_ms).unwrap();
                judged = Some((founded.tip.registry().root(), grant));
                let wrong = if self.rng.percent(50) {
                    (SigningKey::from_bytes(&[1; 32]), ISSUER)
                } else {
                    self.fault("evidence for another tenant");
                    (founded.client.clone(), founded.neighbour.body().issuer.as_str())
                };
                evidence = founded.evidence(&wrong.0, (&jti, wrong.1), self.now_ms);
            }
            _ => self.pool.evidence.push(good),
        }
        Order::Token(TokenOrder {
            judged,
            ..TokenOrder::of(evidence)
        })
    }

    fn propose(&mut self, gateway: usize, batch: Batch, attempt: u16) {
        let signers = self.rng.signers(3);
        let coordinator = &self.gateways[gateway].coordinator;
        let proposed = coordinator.propose(&batch, attempt, &signers);
        self.watch
            .register(&coordinator.tip().clone(), batch.time_ms, &batch.entries);
        let ask = Ask::Propose(proposed.message().clone());
        let operation = self.next_operation(gateway);
        self.send(gateway, operation, &signers, &ask);
        self.gateways[gateway].phase = Phase::Proposing(batch, attempt, proposed, BTreeMap::new());
    }

    fn send_again(&mut self, gateway: usize, phase: Phase) {
        self.fault("sent again");
        let (ask, to) = match &phase {
            Phase::Idle => return,
            Phase::Entering(round) => (Ask::Enter(round.message(&self.founded.committee)), vec![1, 2, 3, 4]),
            Phase::Proposing(_, _, proposed, answers) => (
                Ask::Propose(proposed.message().clone()),
                proposed
                    .signers()
                    .iter()
                    .copied()
                    .filter(|n| !answers.contains_key(n))
                    .collect(),
            ),
            Phase::Committing(_, certified, _, answers) => {
                let operation = self.gateways[gateway].operation;
                let waiting = certified.signers().iter().filter(|n| !answers.contains_key(n));
                let asks: Vec<_> = waiting.map(|n| (*n, Ask::Commit(certified.message_for(*n)))).collect();
                self.gateways[gateway].phase = phase;
                return asks
                    .iter()
                    .for_each(|(n, ask)| self.send(gateway, operation, &[*n], ask));
            }
        };
        let operation = self.gateways[gateway].operation;
        self.gateways[gateway].phase = phase;
        self.send(gateway, operation, &to, &ask);
    }

    /// Asks every signer for its outputs of the next round.
    fn commit(&mut self, gateway: usize, batch: Batch, certified: Certified, later: Vec<BTreeMap<u16, Committed>>) {
        let operation = self.next_operation(gateway);
        for number in certified.signers().to_vec() {
            let ask = Ask::Commit(certified.message_for(number));
            self.send(gateway, operation, &[number], &ask);
        }
        self.gateways[gateway].phase = Phase::Committing(batch, certified, later, BTreeMap::new());
    }

    /// What brings a custodian up to a certified head, from the highest of its heads on that branch.
    pub fn follow_for(&mut self, number: u16, head: Head) -> Option<Ask> {
        let certificate = self
            .pool
            .certificates
            .iter()
            .filter(|c| c.head == head)
            .max_by_key(|c| c.view)?
            .clone();
        let status = self.custodians[usize::from(number) - 1].as_ref()?.status();
        [status.certified, status.settled].into_iter().find_map(|base| {
            let entries = self
                .watch
                .entries_between(base, head)
                .filter(|entries| !entries.is_empty())?;
            Some(Ask::Follow(Follow {
                origin: self.founded.committee.origin().to_owned(),
                from: base.size,
                entries,
                certificate: certificate.clone(),
                consistency: Vec::new(),
            }))
        })
    }

    /// What an honest gateway does about a refusal: brings the custodian up to its head, or begins anew when it was deposed.
    fn refused(&mut self, gateway: usize, number: u16, refusal: Refusal) {
        match refusal {
            Refusal::ParentUnknown => {
                let head = self.gateways[gateway].coordinator.tip().head();
                if let Some(ask) = self.follow_for(number, head) {
                    self.send(gateway, 0, &[number], &ask);
                }
            }
            Refusal::LowerView => self.gateways[gateway].deposed = true,
            _ => {}
        }
        if self.gateways[gateway].deposed {
            self.gateways[gateway].phase = Phase::Idle;
        }
    }

    pub fn heard(&mut self, gateway: usize, (number, operation): (u16, u64), told: Told) -> Result<(), Violation> {
        let founded = self.founded;
        if self.gateways[gateway].operation != operation {
            return Ok(());
        }
        if let Told::Refused(refusal) = told {
            self.refused(gateway, number, refusal);
            return Ok(());
        }
        match std::mem::replace(&mut self.gateways[gateway].phase, Phase::Idle) {
            Phase::Entering(mut round) => {
                if let Told::Entered(signed) = told
                    && round.take(&founded.committee, number, signed).is_err()
                {
                    self.fault("misbehaviour named");
                }
                if !round.is_complete(&founded.committee) {
                    self.gateways[gateway].phase = Phase::Entering(round);
                    return Ok(());
                }
                let entered = round.finish(&founded.committee).unwrap();
                let head = entered.highest.as_ref().unwrap().head;
                let tip = self.watch.blocks[&head].tip.clone();
                assert!(
                    self.gateways[gateway]
                        .coordinator
                        .lead(entered, tip, Default::default())
                        .is_ok()
                );
            }
            Phase::Proposing(batch, attempt, proposed, mut answers) => {
                match told {
                    Told::Voted(voted) if proposed.check(&founded.committee, number, &voted).is_ok() => {
                        answers.insert(number, voted);
                    }
                    _ => {}
                }
                if answers.len() < 3 {
                    self.gateways[gateway].phase = Phase::Proposing(batch, attempt, proposed, answers);
                    return Ok(());
                }
                let certified = proposed.certify(&answers);
                self.gateways[gateway]
                    .coordinator
                    .advance(&batch, certified.certificate.clone());
                self.commit(gateway, batch, certified, Vec::new());
            }
            Phase::Committing(batch, mut certified, mut later, mut answers) => {
                match told {
                    Told::Committed(answer) if certified.check(&founded.committee, number, &answer).is_ok() => {
                        answers.insert(number, answer);
                    }
                    _ => {}
                }
                if answers.len() < 3 {
                    self.gateways[gateway].phase = Phase::Committing(batch, certified, later, answers);
                    return Ok(());
                }
                let unfinished = certified.next_round(&self.gateways[gateway].coordinator, &answers);
                later.push(answers);
                if !unfinished {
                    return self.combine(gateway, &batch, &certified, &later);
                }
                self.commit(gateway, batch, certified, later);
            }
            Phase::Idle => {}
        }
        Ok(())
    }

    fn combine(
        &mut self,
        gateway: usize,
        batch: &Batch,
        certified: &Certified,
        later: &[BTreeMap<u16, Committed>],
    ) -> Result<(), Violation> {
        let coordinator = &self.gateways[gateway].coordinator;
        let jobs = certified.jobs(coordinator, batch, later).unwrap();
        let signed = certified.finish(batch, jobs.iter().map(|job| job.run()).collect(), later);
        self.tokens += signed.tokens.len();
        self.trace
            .push(format!("{} tokens at {}", signed.tokens.len(), batch.head()));
        for named in &signed.misbehaved {
            if !self.is_liar(named.custodian) {
                return Err(format!("custodian {} is blamed, but honest", named.custodian));
            }
        }
        for dispute in &signed.disputes {
            if !self.is_liar(dispute.custodian) && !self.is_liar(dispute.by) {
                return Err(format!("{dispute:?}, but both are honest"));
            }
            self.fault(if dispute.banned {
                "cheat banned"
            } else {
                "misbehaviour named"
            });
        }
        if !signed.misbehaved.is_empty() {
            self.fault("misbehaviour named");
        }
        Ok(())
    }
}
