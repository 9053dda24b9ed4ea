//! The second gateway, enrolled like the first, when it lies: it may send anything that it can put together.

use super::{Ask, Simulator, Told};
use crate::{founding::gateway_name, invariants::Violation};
use quorate_protocol::{
    QuorumCertificate, View, Vote,
    envelope::Envelope,
    message::{
        Commit, EnterView, Follow, Outputs, Propose, ProposedEntry, SignedNewView, SignedOutputs, SignedPropose,
    },
    signed::Statement,
};
use quorate_rules::{
    cbor::{Array, Canonical},
    leaf::Leaf,
};

const LIAR: usize = 1;

impl Simulator {
    pub fn lie_as_gateway(&mut self) -> Result<(), Violation> {
        match self.rng.below(100) {
            0..12 => {
                if let Some(ask) = self.rng.pick(&self.pool.asks).cloned() {
                    self.fault("old message sent anew");
                    let to = self.rng.signers(2);
                    self.send(LIAR, 0, &to, &ask);
                }
            }
            12..32 => self.send_crafted(),
            32..42 => return self.drive_crafted(),
            42..58 => self.send_conflicting(),
            58..82 => self.send_commit(),
            82..95 => self.send_follow(),
            _ => return self.speak_as_neighbour(),
        }
        Ok(())
    }

    fn any_view(&mut self) -> View {
        let views: Vec<View> = self
            .custodians
            .iter()
            .flatten()
            .map(|custodian| custodian.view())
            .collect();
        let view = self.rng.pick(&views).copied().unwrap_or(View(1));
        if self.rng.percent(15) {
            View(view.0.saturating_sub(1))
        } else {
            view
        }
    }

    fn statements(&mut self, view: View) -> Vec<SignedNewView> {
        let all: Vec<_> = self
            .pool
            .statements
            .get(&view)
            .into_iter()
            .flat_map(|by| by.values().cloned())
            .collect();
        let mut chosen = all.clone();
        while chosen.len() > 3 {
            let place = self.rng.below(chosen.len());
            chosen.remove(place);
        }
        chosen
    }

    /// A batch on any certified head, in any view, for any attempt.
    fn craft(&mut self) -> Option<Propose> {
        let view = self.any_view();
        let mut fitting: Vec<QuorumCertificate> = self.pool.certificates.clone();
        if self.rng.percent(60) {
            let highest = fitting.iter().max_by_key(|certificate| certificate.rank())?.clone();
            fitting = vec![highest];
        } else {
            self.fault("higher certificate hidden");
        }
        let parent = self.rng.pick(&fitting)?.clone();
        let tip = self.watch.blocks.get(&parent.head)?.tip.clone();
        let coordinator = self.founded.coordinator(LIAR, tip.clone(), Some(parent.clone()));
        let orders = self.orders();
        let batch = coordinator.build(&orders, self.now_ms, &mut self.rng);
        if batch.entries.is_empty() {
            return None;
        }
        let mut entries = batch.entries.clone();
        let mut head = batch.head();
        if self.rng.percent(20) {
            self.fault("leaf altered");
            alter(&mut entries, self.rng.percent(50));
            head = self.watch.register(&tip, batch.time_ms, &entries);
        } else {
            self.watch.register(&tip, batch.time_ms, &entries);
        }
        let attempt = self.rng.below(3) as u16;
        Some(Propose {
            origin: self.founded.committee.origin().to_owned(),
            view,
            new_view: self.statements(view),
            parent: Some(parent),
            time_ms: batch.time_ms,
            entries,
            head,
            attempt,
            signers: self.rng.signers(3),
            gateway: gateway_name(LIAR),
        })
    }

    fn signed(&self, proposal: Propose) -> Ask {
        let signature = proposal.sign(&self.founded.gateways[LIAR]);
        Ask::Propose(SignedPropose {
            proposal,
            signature,
            secrets: Vec::new(),
        })
    }

    fn send_crafted(&mut self) {
        let Some(proposal) = self.craft() else { return };
        self.fault("crafted proposal");
        let signers = proposal.signers.clone();
        let ask = self.signed(proposal);
        self.send(LIAR, 0, &signers, &ask);
    }

    /// A crafted batch driven through both trips at once, while nobody else gets a word in.
    fn drive_crafted(&mut self) -> Result<(), Violation> {
        let Some(proposal) = self.craft() else { return Ok(()) };
        self.fault("crafted batch driven through");
        let (view, head, attempt) = (proposal.view, proposal.head, proposal.attempt);
        let signers = proposal.signers.clone();
        let ask = self.signed(proposal);
        let (mut votes, mut lists, mut envelopes) = (Vec::new(), Vec::new(), Vec::new());
        for number in &signers {
            if let Some(Told::Voted(voted)) = self.answer(LIAR, *number, &ask, true)? {
                votes.push(voted.vote);
                lists.push(voted.outputs);
                envelopes.extend(voted.envelopes);
            }
        }
        let certificate = QuorumCertificate { view, head, votes };
        for round in 1.. {
            let mut next = (Vec::new(), Vec::new());
            for number in &signers {
                let own = envelopes.iter().filter(|envelope: &&Envelope| envelope.to == *number);
                let commit = Commit {
                    origin: self.founded.committee.origin().to_owned(),
                    certificate: certificate.clone(),
                    attempt,
                    round,
                    lists: lists.clone(),
                    envelopes: own.cloned().collect(),
                };
                if let Some(Told::Committed(committed)) = self.answer(LIAR, *number, &Ask::Commit(commit), true)? {
                    next.0.push(committed.outputs);
                    next.1.extend(committed.envelopes);
                }
            }
            (lists, envelopes) = next;
            if envelopes.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Two batches in one place, each to other custodians; or one attempt used for two signer sets.
    fn send_conflicting(&mut self) {
        let Some(one) = self.craft() else { return };
        let Some(mut other) = self.craft() else { return };
        if self.rng.percent(30) {
            self.fault("attempt used twice");
            other = Propose {
                signers: other.signers,
                ..one.clone()
            };
        } else {
            self.fault("conflicting batches");
            let tip = self.watch.blocks[&one.parent.as_ref().unwrap().head].tip.clone();
            if other.parent.as_ref().map(|parent| parent.head) != one.parent.as_ref().map(|parent| parent.head) {
                return;
            }
            (other.view, other.new_view) = (one.view, one.new_view.clone());
            self.watch.register(&tip, other.time_ms, &other.entries);
        }
        for proposal in [one, other] {
            let signers = proposal.signers.clone();
            let ask = self.signed(proposal);
            self.send(LIAR, 0, &signers, &ask);
        }
    }

    /// A commit from what was overheard, with or without a quorum behind it.
    fn send_commit(&mut self) {
        let keys: Vec<_> = self.pool.lists.keys().copied().collect();
        let Some((view, head, attempt)) = self.rng.pick(&keys).copied() else {
            return;
        };
        let lists: Vec<_> = self.pool.lists[&(view, head, attempt)].values().cloned().collect();
        let mut votes: Vec<Vote> = self.pool.votes[&(view, head)].values().cloned().collect();
        votes.truncate(3);
        if votes.len() < 3 || self.rng.percent(30) {
            self.fault("commit without quorum");
            if self.rng.percent(50) {
                votes.truncate(2);
            } else {
                votes.truncate(1);
                votes = vec![votes[0].clone(); 3];
                self.fault("doubled voter");
            }
        }
        let commit = Commit {
            origin: self.founded.committee.origin().to_owned(),
            certificate: QuorumCertificate { view, head, votes },
            attempt,
            round: 1,
            lists,
            envelopes: Vec::new(),
        };
        let to: Vec<u16> = commit.lists.iter().map(|list| list.custodian).collect();
        for number in to {
            let own = self.pool.envelopes.iter().filter(|envelope| envelope.to == number);
            let (commit, lists) = (commit.clone(), &commit.lists);
            let named = |envelope: &&Envelope| lists.iter().any(|list| names(list, envelope));
            let envelopes = own.filter(named).cloned().collect();
            self.send(LIAR, 0, &[number], &Ask::Commit(Commit { envelopes, ..commit }));
        }
    }

    /// Entries under any certificate, from any head that the custodian holds.
    fn send_follow(&mut self) {
        let number = 1 + self.rng.below(4) as u16;
        let Some(certificate) = self.rng.pick(&self.pool.certificates).cloned() else {
            return;
        };
        let Some(custodian) = self.custodians[usize::from(number) - 1].as_ref() else {
            return;
        };
        let status = custodian.status();
        let base = if self.rng.percent(70) {
            status.settled
        } else {
            status.certified
        };
        let Some(entries) = self.watch.entries_between(base, certificate.head) else {
            return;
        };
        self.fault("follow from below");
        let ask = Ask::Follow(Follow {
            origin: self.founded.committee.origin().to_owned(),
            from: base.size,
            entries,
            certificate,
            consistency: Vec::new(),
        });
        self.send(LIAR, 0, &[number], &ask);
    }

    /// S10: what was said for another tenant is nothing here, though the very same keys said it.
    fn speak_as_neighbour(&mut self) -> Result<(), Violation> {
        let number = 1 + self.rng.below(4) as u16;
        let neighbour = &self.founded.neighbour;
        let origin = neighbour.origin().to_owned();
        let ask = match self.rng.below(3) {
            0 => Ask::Enter(EnterView {
                origin,
                view: View(1 << 30),
            }),
            1 => {
                let Some(proposal) = self.craft() else { return Ok(()) };
                let new_view = (1..=4)
                    .map(|by| {
                        let statement = quorate_protocol::message::NewView {
                            origin: origin.clone(),
                            view: View(1 << 30),
                            custodian: by,
                            certificate: None,
                            head: proposal.head,
                        };
                        let signature = statement.sign(&self.founded.identity(by).key);
                        SignedNewView { statement, signature }
                    })
                    .collect();
                self.signed(Propose {
                    view: View(1 << 30),
                    new_view,
                    ..proposal
                })
            }
            _ => {
                let Some(proposal) = self.craft() else { return Ok(()) };
                let view = View(1 << 30);
                let votes = (1..=4)
                    .map(|by| Vote::cast(by, &self.founded.identity(by).key, &origin, view, proposal.head))
                    .collect();
                let Some(Ask::Follow(follow)) = Some(Ask::Follow(Follow {
                    origin: self.founded.committee.origin().to_owned(),
                    from: 0,
                    entries: Vec::new(),
                    certificate: QuorumCertificate {
                        view,
                        head: proposal.head,
                        votes,
                    },
                    consistency: Vec::new(),
                })) else {
                    return Ok(());
                };
                Ask::Follow(follow)
            }
        };
        self.fault("another tenant's statement");
        match self.answer(LIAR, number, &ask, false)? {
            None | Some(Told::Refused(_)) => Ok(()),
            Some(told) => Err(format!(
                "S10: custodian {number} takes another tenant's statement: {}",
                told.name()
            )),
        }
    }
}

fn alter(entries: &mut [ProposedEntry], hash: bool) {
    for entry in entries {
        let mut leaf = Leaf::decode(&entry.leaf.0).unwrap();
        if hash {
            leaf.token_hash = quorate_tlog::hash::Hash::from([5; 32]);
        } else {
            leaf.client_tag = Default::default();
        }
        entry.leaf = Array(leaf.encode());
    }
}

/// Whether a list names this envelope.
fn names(list: &SignedOutputs, envelope: &Envelope) -> bool {
    let outputs = Outputs::from_canonical(&list.list).unwrap();
    list.custodian == envelope.from && outputs.enclosed.contains(&envelope.enclosed())
}
