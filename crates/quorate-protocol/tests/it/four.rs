//! Four custodians and an honest gateway in one thread, without loss or delay: for tests of one thing at a time.

use crate::{
    disk::Disk,
    founding::{FOUNDED_MS, Founded, done},
    generator::Generator,
};
use quorate_protocol::{
    QuorumCertificate,
    coordinator::{Batch, Certified, Coordinator, NewViewRound, Order, Proposed, Signed, TokenOrder},
    custodian::{Custodian, Peer},
    dkg::{Begin, Given, Round, SignedFinished},
    message::{AskPeer, Commit, Committed, Follow, Hello, Join, LogEntry, SignedPropose, Voted},
    step::Step,
    tip::Tip,
};
use quorate_rules::{
    Refusal,
    cbor::{Array, Canonical},
};
use std::collections::BTreeMap;

pub const ATTEMPT: Array<16> = Array([1; 16]);

pub struct Four<'a> {
    pub parties: &'a Founded,
    pub custodians: Vec<Custodian>,
    pub disks: Vec<Disk>,
    pub coordinator: Coordinator,
    pub peer: Peer,
    pub rng: Generator,
    pub now_ms: u64,
}

impl<'a> Four<'a> {
    /// From what the parties' disks hold; nobody has joined yet.
    pub fn start(parties: &'a Founded) -> Self {
        let mut rng = Generator::new("four", 0);
        let mut disks = parties.disks.clone();
        let custodians = (1..=4)
            .zip(&mut disks)
            .map(|(number, disk)| parties.start(number, disk, &mut rng))
            .collect();
        let certificate = (parties.tip.head().size > 0).then(|| parties.certificate.clone());
        Self {
            parties,
            custodians,
            disks,
            coordinator: parties.coordinator(0, parties.tip.clone(), certificate),
            peer: parties.peer(0),
            rng,
            now_ms: FOUNDED_MS + 1_000,
        }
    }

    /// From a founded tenant's disks, joined, and in a view of its own.
    pub fn at_work(parties: &'a Founded) -> Self {
        let mut four = Self::start(parties);
        four.join();
        four.enter_view();
        four
    }

    pub fn custodian(&mut self, number: u16) -> &mut Custodian {
        &mut self.custodians[usize::from(number) - 1]
    }

    fn origin(&self) -> String {
        self.parties.committee.origin().to_owned()
    }

    pub fn join(&mut self) {
        for place in 0..4 {
            let hello = Hello { origin: self.origin() };
            let challenge = self.custodians[place].hello(self.peer, &hello).unwrap().challenge;
            let about = place as u16 + 1;
            let others = self.custodians.iter().filter(|other| other.number() != about);
            let statements = others
                .map(|other| other.state_about(self.peer, &AskPeer { about, challenge }).unwrap())
                .collect();
            let step = self.custodians[place].join(self.peer, &Join { statements }).unwrap();
            done(step, &mut self.disks[place]);
        }
    }

    pub fn enter_view(&mut self) {
        let highest = self.custodians.iter().map(Custodian::view).max();
        let mut round = NewViewRound::begin(highest);
        for (custodian, disk) in self.custodians.iter_mut().zip(&mut self.disks) {
            let step = custodian
                .enter_view(self.peer, &round.message(&self.parties.committee))
                .unwrap();
            round
                .take(&self.parties.committee, custodian.number(), done(step, disk))
                .unwrap();
        }
        let entered = round.finish(&self.parties.committee).unwrap();
        let tip = self.coordinator.tip().clone();
        assert!(self.coordinator.lead(entered, tip, Default::default()).is_ok());
    }

    /// What every custodian gives in round 1 of a key generation.
    pub fn begin(&mut self) -> Vec<Given> {
        let begin = Begin {
            origin: self.origin(),
            attempt: ATTEMPT,
        };
        let (peer, rng) = (self.peer, &mut self.rng);
        let given = self
            .custodians
            .iter_mut()
            .map(|custodian| custodian.dkg_begin(peer, &begin, rng).unwrap());
        given.collect()
    }

    /// What one custodian gives in the next round, or why it does not.
    pub fn round(&mut self, number: u16, message: &Round) -> Result<Given, Refusal> {
        let place = usize::from(number) - 1;
        self.custodians[place].dkg_round(self.peer, message, &mut self.rng)
    }

    /// What every custodian gives in the next round.
    pub fn next(&mut self, given: &[Given]) -> Vec<Given> {
        (1..=4)
            .map(|number| self.round(number, &Round::for_one(number, given)).unwrap())
            .collect()
    }

    /// What every custodian gives in the last round.
    pub fn last_round(&mut self) -> Vec<Given> {
        let schemes = self.coordinator.schemes().clone();
        let mut given = self.begin();
        for _ in 1..schemes.token.dkg_rounds().max(schemes.log.dkg_rounds()) {
            given = self.next(&given);
        }
        given
    }

    pub fn finish(&mut self, number: u16, message: &Round) -> Result<SignedFinished, Refusal> {
        let place = usize::from(number) - 1;
        let step = self.custodians[place].dkg_finish(self.peer, message)?;
        Ok(done(step, &mut self.disks[place]))
    }

    /// Makes the keys; returns the canonical keys entry.
    pub fn generate(&mut self) -> Vec<u8> {
        let given = self.last_round();
        let mut keys = Vec::new();
        for number in 1..=4 {
            let finished = self.finish(number, &Round::for_one(number, &given)).unwrap();
            keys = finished.finished.keys.to_canonical();
        }
        keys
    }

    /// Genesis and keys, then the client: the tips and their certificates.
    pub fn found(&mut self) -> Vec<(Tip, QuorumCertificate)> {
        self.now_ms = FOUNDED_MS;
        self.join();
        let keys = self.generate();
        self.enter_view();
        let first = self.coordinator.build_first(keys, self.now_ms, &mut self.rng).unwrap();
        self.complete(&first);
        let founded = self.certified();
        let decision = self.parties.client_decision(self.coordinator.tip());
        let batch = self.build(Order::Decision(decision));
        self.complete(&batch);
        vec![founded, self.certified()]
    }

    fn certified(&self) -> (Tip, QuorumCertificate) {
        (
            self.coordinator.tip().clone(),
            self.coordinator.certificate().unwrap().clone(),
        )
    }

    pub fn build(&mut self, order: Order) -> Batch {
        let batch = self.coordinator.build(&[order], self.now_ms, &mut self.rng);
        assert!(batch.refused.is_empty(), "{:?}", batch.refused);
        batch
    }

    /// Leaves of the log, as every custodian holds them.
    pub fn leaves(&self, indices: &[u64]) -> BTreeMap<u64, Vec<u8>> {
        let held = |index: &u64| {
            let entry = LogEntry::from_canonical(self.disks[0].entries.get(index)?).unwrap();
            Some((*index, entry.leaf.0.to_vec()))
        };
        indices.iter().filter_map(held).collect()
    }

    /// A batch of one good token.
    pub fn token(&mut self) -> Batch {
        let order = self.order();
        self.build(order)
    }

    /// An order of one good token.
    pub fn order(&mut self) -> Order {
        let jti = crate::founding::fresh(&mut self.rng);
        let evidence = self
            .parties
            .evidence(&self.parties.client, (&jti, crate::founding::ISSUER), self.now_ms);
        Order::Token(TokenOrder::of(evidence))
    }

    pub fn propose(&mut self, number: u16, message: &SignedPropose) -> Result<Voted, Refusal> {
        let place = usize::from(number) - 1;
        let leaves = self.leaves(&quorate_protocol::batch::wanted(&message.proposal));
        let step = self.custodians[place].propose(self.peer, message, (self.now_ms, &leaves), &mut self.rng)?;
        Ok(done(step, &mut self.disks[place]))
    }

    /// One custodian's answer to a commit, not yet written.
    pub fn commit(&mut self, number: u16, message: &Commit) -> Result<Step<Committed>, Refusal> {
        let place = usize::from(number) - 1;
        self.custodians[place].commit(self.peer, message, self.now_ms, &mut self.rng)
    }

    pub fn certify(&mut self, proposed: Proposed) -> Certified {
        let votes: BTreeMap<u16, Voted> = proposed
            .signers()
            .to_vec()
            .into_iter()
            .map(|number| {
                let voted = self.propose(number, &proposed.message_for(number)).unwrap();
                proposed.check(&self.parties.committee, number, &voted).unwrap();
                (number, voted)
            })
            .collect();
        proposed.certify(&votes)
    }

    /// Custodians 1 to 3 sign in as many rounds as the schemes take, the fourth follows.
    pub fn complete(&mut self, batch: &Batch) -> Signed {
        let proposed = self.coordinator.propose(batch, 0, &[1, 2, 3]);
        let mut certified = self.certify(proposed);
        let from = self.coordinator.tip().head().size;
        self.coordinator.advance(batch, certified.certificate.clone());
        let mut later = Vec::new();
        loop {
            let mut answers = BTreeMap::new();
            for (number, place) in (1..=3).zip(0..) {
                let step = self.commit(number, &certified.message_for(number)).unwrap();
                let committed = done(step, &mut self.disks[place]);
                certified.check(&self.parties.committee, number, &committed).unwrap();
                answers.insert(number, committed);
            }
            let unfinished = certified.next_round(&self.coordinator, &answers);
            later.push(answers);
            if !unfinished {
                break;
            }
        }
        let jobs = certified.jobs(&self.coordinator, batch, &later).unwrap();
        let combined = jobs.iter().map(quorate_protocol::coordinator::Job::run).collect();
        self.follow(4, from);
        certified.finish(batch, combined, &later)
    }

    /// Tells a custodian what was certified above `from`.
    pub fn follow(&mut self, number: u16, from: u64) {
        let certificate = self.coordinator.certificate().unwrap().clone();
        let limit = certificate.head.size - from;
        let last = from + limit - 1;
        let disk = self.disks.iter().find(|disk| disk.entries.contains_key(&last)).unwrap();
        let entries = (from..=last)
            .map(|index| LogEntry::from_canonical(&disk.entries[&index]).unwrap())
            .map(LogEntry::for_others)
            .collect();
        let follow = Follow {
            origin: self.origin(),
            from,
            entries,
            certificate,
            consistency: Vec::new(),
        };
        let place = usize::from(number) - 1;
        let step = self.custodians[place].follow(self.peer, &follow).unwrap();
        done(step, &mut self.disks[place]);
    }
}
