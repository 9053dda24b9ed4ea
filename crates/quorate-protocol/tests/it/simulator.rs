//! Four custodians, two gateways and the network between them, all moved by one seed.

mod adversary;
mod gateway;
mod healing;

use crate::{
    disk::Disk,
    founding::{FOUNDED_MS, Founded},
    generator::Generator,
    invariants::{Violation, Watch},
};
use gateway::Gateway;
use quorate_protocol::{
    Head, QuorumCertificate, Refusal, View, Vote,
    attempt::AttemptContext,
    custodian::{Custodian, Switches},
    envelope::Envelope,
    message::{
        AskPeer, Commit, Committed, EnterView, Follow, Hello, Join, NewView, Outputs, SignedNewView, SignedOutputs,
        SignedPropose, Standing, Status, Voted,
    },
    signed::Statement,
    step::Step,
};
use quorate_rules::{Evidence, cbor::Canonical};
use quorate_tlog::hash::sha256;
use std::collections::BTreeMap;
use std::convert::Infallible;

/// A fault that is built in, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    None,
    LockNotWritten,
    LowerView,
    NonceKept,
    DoubledVoter,
    LeafNotCompared,
}

#[derive(Debug, Clone)]
pub enum Ask {
    Enter(EnterView),
    Propose(SignedPropose),
    Commit(Commit),
    Follow(Follow),
}

#[derive(Debug, Clone)]
pub enum Told {
    Entered(SignedNewView),
    Voted(Voted),
    Committed(Committed),
    Status(Status),
    Refused(Refusal),
}

impl Told {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Entered(message) => message.to_canonical(),
            Self::Voted(message) => message.to_canonical(),
            Self::Committed(message) => message.to_canonical(),
            Self::Status(message) => message.to_canonical(),
            Self::Refused(refusal) => refusal.code().as_bytes().to_vec(),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Entered(m) => format!(
                "entered with lock {:?}",
                m.statement.certificate.as_ref().map(QuorumCertificate::rank)
            ),
            Self::Voted(m) => format!("voted, refused {:?}", m.refused),
            Self::Committed(m) => format!(
                "signed {}",
                Outputs::from_canonical(&m.outputs.list).map_or(0, |o| o.items.len())
            ),
            Self::Status(m) => format!("follows to {}", m.certified),
            Self::Refused(refusal) => format!("refused {}", refusal.code()),
        }
    }
}

impl Ask {
    fn name(&self) -> String {
        match self {
            Self::Enter(m) => format!("enter view {}", m.view),
            Self::Propose(m) => format!(
                "propose {} in view {} on {:?}, attempt {} by {:?}",
                m.proposal.head,
                m.proposal.view,
                m.proposal.parent.as_ref().map(QuorumCertificate::rank),
                m.proposal.attempt,
                m.proposal.signers
            ),
            Self::Commit(m) => format!(
                "commit {} of view {}, attempt {}",
                m.certificate.head, m.certificate.view, m.attempt
            ),
            Self::Follow(m) => format!(
                "follow from {} to {} of view {}",
                m.from, m.certificate.head, m.certificate.view
            ),
        }
    }
}

pub struct Packet {
    gateway: usize,
    custodian: u16,
    operation: u64,
    ask: Ask,
}

/// What anybody on the network has seen, from which a liar makes new messages.
#[derive(Default)]
pub struct Pool {
    certificates: Vec<QuorumCertificate>,
    statements: BTreeMap<View, BTreeMap<u16, SignedNewView>>,
    votes: BTreeMap<(View, Head), BTreeMap<u16, Vote>>,
    lists: BTreeMap<(View, Head, u16), BTreeMap<u16, SignedOutputs>>,
    envelopes: Vec<Envelope>,
    evidence: Vec<Evidence>,
    asks: Vec<Ask>,
}

pub struct Simulator {
    founded: &'static Founded,
    planted: Planted,
    rng: Generator,
    now_ms: u64,
    custodians: Vec<Option<Custodian>>,
    disks: Vec<Disk>,
    gateways: [Gateway; 2],
    lying_gateway: bool,
    /// How many of a hundred possible faults happen: calm runs get far, rough ones get into every corner.
    roughness: usize,
    queue: Vec<Packet>,
    pool: Pool,
    watch: Watch,
    operations: u64,
    alarms: usize,
    pub faults: BTreeMap<&'static str, usize>,
    pub tokens: usize,
    /// What the liar told as its outputs, and what its machine made.
    truths: Vec<(SignedOutputs, SignedOutputs)>,
    pub trace: Vec<String>,
}

/// How a run ended well.
pub struct Outcome {
    pub faults: BTreeMap<&'static str, usize>,
    pub tokens: usize,
    pub trace: [u8; 32],
}

/// How a run ended badly.
#[derive(Debug)]
pub struct Failure {
    pub seed: u64,
    pub what: Violation,
    pub trace: Vec<String>,
}

const EVENTS: usize = 90;

/// One run.
pub fn run(founded: &'static Founded, seed: u64, planted: Planted) -> Result<Outcome, Failure> {
    let mut simulator = Simulator::new(founded, seed, planted);
    match simulator.go() {
        Ok(()) => Ok(Outcome {
            faults: simulator.faults,
            tokens: simulator.tokens,
            trace: *sha256(&[simulator.trace.join("\n").as_bytes()]).as_bytes(),
        }),
        Err(what) => Err(Failure {
            seed,
            what,
            trace: simulator.trace,
        }),
    }
}

impl Simulator {
    fn new(founded: &'static Founded, seed: u64, planted: Planted) -> Self {
        let mut rng = Generator::new("simulator", seed);
        let liar = rng.percent(50).then(|| 1 + rng.below(4) as u16);
        let lying_gateway = rng.percent(60);
        let roughness = if rng.percent(50) { 100 } else { 15 };
        let gateways = [0, 1].map(|gateway| Gateway::new(founded, gateway));
        let certificates = founded
            .certified
            .iter()
            .map(|(_, certificate)| certificate.clone())
            .collect();
        Self {
            founded,
            planted,
            rng,
            now_ms: FOUNDED_MS + 1_000,
            custodians: vec![None, None, None, None],
            disks: founded.disks.clone(),
            gateways,
            lying_gateway,
            roughness,
            queue: Vec::new(),
            pool: Pool {
                certificates,
                ..Pool::default()
            },
            watch: Watch::new(founded, liar),
            operations: 0,
            alarms: 0,
            faults: BTreeMap::new(),
            tokens: 0,
            truths: Vec::new(),
            trace: Vec::new(),
        }
    }

    fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// A number below 100 that is small more seldom in calm runs.
    fn chance(&mut self) -> usize {
        self.rng.below(100 * 100 / self.roughness)
    }

    fn go(&mut self) -> Result<(), Violation> {
        for number in 1..=4 {
            self.start(number)?;
        }
        for number in 1..=4 {
            self.join(number, false)?;
        }
        for _ in 0..EVENTS {
            self.event()?;
        }
        self.heal()
    }

    fn event(&mut self) -> Result<(), Violation> {
        match self.rng.below(100) {
            0..58 if !self.queue.is_empty() => self.deliver_any(),
            0..76 => {
                let gateway = usize::from(self.rng.percent(30 * self.roughness / 100));
                self.nudge(gateway);
                Ok(())
            }
            76..90 if self.lying_gateway => self.lie_as_gateway(),
            90..93 => {
                self.now_ms += 1 + self.rng.below(12_000) as u64;
                self.fault("time");
                Ok(())
            }
            93..95 => {
                let number = 1 + self.rng.below(4) as u16;
                if let Some(custodian) = self.custodian(number) {
                    custodian.drop_attempts();
                    self.fault("link cut");
                }
                Ok(())
            }
            _ => {
                let number = 1 + self.rng.below(4) as u16;
                if self.custodian(number).is_none() {
                    self.start(number)?;
                    self.join(number, true)
                } else {
                    self.join(number, true)
                }
            }
        }
    }

    fn custodian(&mut self, number: u16) -> Option<&mut Custodian> {
        self.custodians[usize::from(number) - 1].as_mut()
    }

    fn is_liar(&self, number: u16) -> bool {
        self.watch.liar == Some(number)
    }

    fn start(&mut self, number: u16) -> Result<(), Violation> {
        let place = usize::from(number) - 1;
        let before = self.disks[place].saved_state();
        let mut custodian = self.founded.start(number, &mut self.disks[place], &mut self.rng);
        custodian.danger_switch_off(Switches {
            any_view: self.planted == Planted::LowerView,
            any_voters: self.planted == Planted::DoubledVoter,
            any_leaf: self.planted == Planted::LeafNotCompared,
        });
        self.trace.push(format!("custodian {number} starts"));
        self.custodians[place] = Some(custodian);
        self.watch.written(number, before.as_ref(), &self.disks[place])
    }

    /// Collects the others' statements and hands them over; the lying one may lie.
    fn join(&mut self, number: u16, lies: bool) -> Result<(), Violation> {
        let peer = self.founded.peer(0);
        let origin = self.founded.committee.origin().to_owned();
        let Some(custodian) = self.custodian(number) else {
            return Ok(());
        };
        let status = custodian.hello(peer, &Hello { origin }).unwrap();
        if status.standing != Standing::Joining {
            return Ok(());
        }
        let ask = AskPeer {
            about: number,
            challenge: status.challenge,
        };
        let (mut statements, mut alarm) = (Vec::new(), false);
        for other in (1..=4).filter(|other| *other != number) {
            let Some(custodian) = self.custodian(other) else {
                continue;
            };
            let mut signed = custodian.state_about(peer, &ask).unwrap();
            if lies && self.is_liar(other) && self.rng.percent(40) {
                signed.statement.newest = None;
                if self.rng.percent(10) {
                    alarm = true;
                    signed.statement.newest = Some((View(1 << 40), Head::empty()));
                    self.fault("false alarm about a vote");
                } else {
                    self.fault("hidden vote");
                }
                signed.signature = signed.statement.sign(&self.founded.identity(other).key);
            }
            statements.push(signed);
        }
        let Some(mut custodian) = self.custodians[usize::from(number) - 1].take() else {
            return Ok(());
        };
        let joined = custodian.join(peer, &Join { statements });
        self.custodians[usize::from(number) - 1] = Some(custodian);
        let Ok(step) = joined else { return Ok(()) };
        let status = self.persist(number, step, true)?;
        self.trace.push(format!("custodian {number} is {:?}", status.standing));
        match (status.standing, alarm) {
            // A liar's votes that it never wrote down come back to it.
            (Standing::Amnesic, _) if self.is_liar(number) => Ok(()),
            (Standing::Amnesic, false) => Err(format!("S11: custodian {number} takes its own disk for rolled back")),
            (Standing::Amnesic, true) => {
                self.alarms += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn persist<R>(&mut self, number: u16, step: Step<R>, really: bool) -> Result<R, Violation> {
        let disk = &mut self.disks[usize::from(number) - 1];
        let before = disk.saved_state();
        let Ok(reply) = step.persist(|change| {
            if really {
                disk.write(change);
            }
            Ok::<_, Infallible>(())
        });
        self.watch
            .written(number, before.as_ref(), &self.disks[usize::from(number) - 1])?;
        Ok(reply)
    }

    /// Any message, in any order; some are lost on the way there or back, some come twice.
    fn deliver_any(&mut self) -> Result<(), Violation> {
        let place = self.rng.below(self.queue.len());
        let packet = self.queue.swap_remove(place);
        match self.chance() {
            0..6 => {
                self.fault("message lost");
                return Ok(());
            }
            6..12 => {
                self.fault("message doubled");
                let Packet {
                    gateway,
                    custodian,
                    operation,
                    ref ask,
                } = packet;
                self.queue.push(Packet {
                    gateway,
                    custodian,
                    operation,
                    ask: ask.clone(),
                });
            }
            _ => {}
        }
        if place + 1 < self.queue.len() {
            self.fault("message overtaken");
        }
        let Packet {
            gateway,
            custodian,
            operation,
            ask,
        } = packet;
        let Some(told) = self.answer(gateway, custodian, &ask, true)? else {
            return Ok(());
        };
        if self.chance() < 6 {
            self.fault("answer lost");
            return Ok(());
        }
        self.heard(gateway, (custodian, operation), told)
    }

    /// One custodian takes one message, and possibly dies of it.
    pub fn answer(&mut self, gateway: usize, number: u16, ask: &Ask, faults: bool) -> Result<Option<Told>, Violation> {
        let place = usize::from(number) - 1;
        let Some(mut custodian) = self.custodians[place].take() else {
            return Ok(None);
        };
        let peer = self.founded.peer(gateway);
        let view_before = custodian.view();
        custodian.expire_attempts(self.now_ms);
        let outcome = match &self.believed(number, ask) {
            Ask::Enter(m) => custodian.enter_view(peer, m).map(|step| step.map(Told::Entered)),
            Ask::Propose(m) if self.planted == Planted::NonceKept => {
                let mut kept = Generator::new("kept", u64::from(number));
                custodian
                    .propose(peer, m, (self.now_ms, &BTreeMap::new()), &mut kept)
                    .map(|step| step.map(Told::Voted))
            }
            Ask::Propose(m) => custodian
                .propose(peer, m, (self.now_ms, &BTreeMap::new()), &mut self.rng)
                .map(|step| step.map(Told::Voted)),
            Ask::Commit(m) => custodian
                .commit(peer, m, self.now_ms, &mut self.rng)
                .map(|step| step.map(Told::Committed)),
            Ask::Follow(m) => custodian.follow(peer, m).map(|step| step.map(Told::Status)),
        };
        let told = match outcome {
            Err(refusal) => {
                if custodian.equivocation().is_some() && self.planted == Planted::None {
                    return Err(format!("S3: custodian {number} holds a proof of equivocation"));
                }
                Told::Refused(refusal)
            }
            Ok(step) => {
                let crash = if faults { self.chance() } else { 100 };
                if crash < 3 {
                    self.fault("crash before persist");
                    self.trace
                        .push(format!("custodian {number}: {}: dies before it writes", ask.name()));
                    return Ok(None);
                }
                let unwritten = self.planted == Planted::LockNotWritten && matches!(ask, Ask::Commit(_));
                let told = self.persist(number, step, !unwritten)?;
                if crash < 6 {
                    self.fault("crash between persist and send");
                    self.trace
                        .push(format!("custodian {number}: {}: dies before it answers", ask.name()));
                    return Ok(None);
                }
                told
            }
        };
        if !self.is_liar(number) && custodian.banned().any(|cheat| !self.is_liar(cheat)) {
            return Err(format!("custodian {number} banned an honest one"));
        }
        self.custodians[place] = Some(custodian);
        let told = if faults && self.is_liar(number) {
            self.lie_as_custodian(number, ask, told)
        } else {
            told
        };
        let line = format!(
            "custodian {number}, gateway {}: {}: {} [{}]",
            gateway + 1,
            ask.name(),
            told.name(),
            hex::encode(&sha256(&[&told.bytes()]).as_bytes()[..6])
        );
        self.trace.push(line);
        if !self.is_liar(number) {
            match (ask, &told) {
                (Ask::Propose(m), Told::Voted(voted)) => {
                    self.watch
                        .voted(number, (&m.proposal, voted), (view_before, &self.disks[place]))?;
                }
                (Ask::Commit(m), Told::Committed(committed)) => {
                    self.watch.committed(number, (m, committed), &self.disks[place])?;
                }
                _ => {}
            }
        }
        self.overhear(ask, &told);
        Ok(Some(told))
    }

    fn overhear(&mut self, ask: &Ask, told: &Told) {
        match (ask, told) {
            (Ask::Propose(m), Told::Voted(voted)) => {
                let (view, head) = (m.proposal.view, m.proposal.head);
                let number = voted.vote.custodian;
                let votes = self.pool.votes.entry((view, head)).or_default();
                votes.insert(number, voted.vote.clone());
                if votes.len() >= 3 {
                    let votes = votes.values().take(3).cloned().collect();
                    let certificate = QuorumCertificate { view, head, votes };
                    if !self.pool.certificates.iter().any(|c| (c.view, c.head) == (view, head)) {
                        self.pool.certificates.push(certificate);
                    }
                }
                let lists = self.pool.lists.entry((view, head, m.proposal.attempt)).or_default();
                lists.insert(number, voted.outputs.clone());
                self.pool.envelopes.extend(voted.envelopes.iter().cloned());
            }
            (_, Told::Entered(signed)) => {
                let statements = self.pool.statements.entry(signed.statement.view).or_default();
                statements.insert(signed.statement.custodian, signed.clone());
            }
            _ => {}
        }
    }

    /// What the lying custodian says instead.
    fn lie_as_custodian(&mut self, number: u16, ask: &Ask, told: Told) -> Told {
        let key = self.founded.identity(number).key;
        let origin = self.founded.committee.origin().to_owned();
        match (ask, told) {
            (Ask::Propose(m), Told::Refused(_)) if self.rng.percent(60) => {
                self.fault("vote for two heads");
                let outputs = context(&m.proposal).sign(
                    number,
                    &key,
                    1,
                    &Outputs {
                        items: Vec::new(),
                        enclosed: Vec::new(),
                    },
                );
                let vote = Vote::cast(number, &key, &origin, m.proposal.view, m.proposal.head);
                Told::Voted(Voted {
                    vote,
                    outputs,
                    refused: Vec::new(),
                    envelopes: Vec::new(),
                })
            }
            (Ask::Propose(m), Told::Voted(mut voted)) if !voted.envelopes.is_empty() && self.rng.percent(20) => {
                let context = context(&m.proposal);
                self.lie_in_an_envelope(number, (&context, 1), &mut voted.outputs, &mut voted.envelopes);
                Told::Voted(voted)
            }
            (Ask::Commit(m), Told::Committed(mut committed))
                if !committed.envelopes.is_empty() && self.rng.percent(40) =>
            {
                let round = (&commit_context(m), m.round + 1);
                self.lie_in_an_envelope(number, round, &mut committed.outputs, &mut committed.envelopes);
                Told::Committed(committed)
            }
            (Ask::Propose(m), Told::Voted(mut voted)) if self.rng.percent(25) => {
                self.fault("wrong list");
                let mut outputs = Outputs::from_canonical(&voted.outputs.list).unwrap();
                if self.rng.percent(50) {
                    outputs.items.pop();
                } else if let Some(item) = outputs.items.iter_mut().find(|item| !item.bytes.is_empty()) {
                    let place = self.rng.below(item.bytes.0.len());
                    item.bytes.0[place] ^= 1;
                }
                voted.outputs = context(&m.proposal).sign(number, &key, 1, &outputs);
                Told::Voted(voted)
            }
            (Ask::Commit(m), Told::Committed(mut committed)) if self.rng.percent(50) => {
                self.fault("wrong share");
                let mut outputs = Outputs::from_canonical(&committed.outputs.list).unwrap();
                for item in &mut outputs.items {
                    // The first byte is of a FROST share, the middle one of the sums that an ECDSA signature comes of.
                    let middle = item.bytes.len() / 2;
                    for at in [0, middle] {
                        if let Some(byte) = item.bytes.0.get_mut(at) {
                            *byte ^= 1;
                        }
                    }
                }
                committed.outputs = commit_context(m).sign(number, &key, m.round + 1, &outputs);
                Told::Committed(committed)
            }
            (Ask::Enter(m), _) if self.rng.percent(50) => {
                self.fault("false statement");
                let certificate = self
                    .rng
                    .pick(&self.pool.certificates)
                    .cloned()
                    .filter(|_| m.view.0 % 2 == 0);
                let statement = NewView {
                    origin,
                    view: m.view,
                    custodian: number,
                    certificate,
                    head: Head::empty(),
                };
                let signature = statement.sign(&key);
                Told::Entered(SignedNewView { statement, signature })
            }
            (_, told) => told,
        }
    }

    /// Seals to one other signer nothing, or a false part of its multiplications; its own machine goes on from what it made itself.
    fn lie_in_an_envelope(
        &mut self,
        number: u16,
        (context, round): (&AttemptContext, u8),
        signed: &mut SignedOutputs,
        envelopes: &mut [Envelope],
    ) {
        let founded = self.founded;
        let place = context.place(round);
        let chosen = self.rng.below(envelopes.len());
        let envelope = &mut envelopes[chosen];
        let to = envelope.to;
        let mut plain = envelope.open(&founded.identity(to).envelope, &place).unwrap().to_vec();
        if self.rng.percent(50) {
            plain.clear();
        } else {
            let middle = plain.len() / 2;
            plain[middle] ^= 0x10;
        }
        *envelope = Envelope::seal(&founded.committee, (number, to), &place, &plain, &mut self.rng).unwrap();
        let mut outputs = Outputs::from_canonical(&signed.list).unwrap();
        let mut named = outputs.enclosed.iter_mut();
        *named.find(|enclosed| enclosed.to == to).unwrap() = envelope.enclosed();
        let told = context.sign(number, &founded.identity(number).key, round, &outputs);
        let truth = std::mem::replace(signed, told.clone());
        self.truths.push((told, truth));
        self.fault("lie in an envelope");
    }

    /// What a custodian's own machine is given: the liar's finds in every message what it made itself, and not what was told.
    fn believed(&self, number: u16, ask: &Ask) -> Ask {
        let mut ask = ask.clone();
        if self.is_liar(number)
            && let Ask::Commit(m) = &mut ask
        {
            for list in &mut m.lists {
                if let Some((_, truth)) = self.truths.iter().find(|(told, _)| told == list) {
                    *list = truth.clone();
                }
            }
        }
        ask
    }

    fn send(&mut self, gateway: usize, operation: u64, to: &[u16], ask: &Ask) {
        self.pool.asks.push(ask.clone());
        for custodian in to {
            self.queue.push(Packet {
                gateway,
                custodian: *custodian,
                operation,
                ask: ask.clone(),
            });
        }
    }
}

fn commit_context(m: &Commit) -> AttemptContext {
    AttemptContext {
        origin: m.origin.clone(),
        epoch: 1,
        view: m.certificate.view,
        head: m.certificate.head,
        attempt: m.attempt,
        signers: m.lists.iter().map(|list| list.custodian).collect(),
    }
}

fn context(proposal: &quorate_protocol::message::Propose) -> AttemptContext {
    AttemptContext {
        origin: proposal.origin.clone(),
        epoch: 1,
        view: proposal.view,
        head: proposal.head,
        attempt: proposal.attempt,
        signers: proposal.signers.clone(),
    }
}
