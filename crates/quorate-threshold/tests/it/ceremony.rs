//! Runs a whole DKG and whole signatures in one process, as the protocol does between processes.

use quorate_threshold::{
    Advance, AggregateError, Dealt, DkgContext, Identifier, KeyShare, Parameters, Permit, Scheme, sign,
};
use rand_core::OsRng;
use std::collections::{BTreeMap, BTreeSet};

pub struct Message(pub Vec<u8>);

impl Permit for Message {
    fn message(&self) -> &[u8] {
        &self.0
    }
}

pub fn id(number: u16) -> Identifier {
    Identifier::new(number).unwrap()
}

pub fn deal(scheme: &dyn Scheme, t: u16, n: u16) -> BTreeMap<Identifier, Dealt> {
    let parameters = Parameters::new(t, n).unwrap();
    let (mut rounds, mut broadcasts) = (BTreeMap::new(), BTreeMap::new());
    for me in parameters.identifiers() {
        let context = DkgContext {
            parameters,
            me,
            session: [7; 32],
        };
        let (round, broadcast) = scheme.begin_dkg(&context, &mut OsRng).unwrap();
        rounds.insert(me, round);
        broadcasts.insert(me, broadcast);
    }
    let mut dealings = BTreeMap::new();
    let mut boxes: BTreeMap<Identifier, BTreeMap<Identifier, _>> = BTreeMap::new();
    for (me, round) in rounds {
        let (dealing, deals) = round.deal(&broadcasts).unwrap();
        dealings.insert(me, dealing);
        for (to, deal) in deals {
            boxes.entry(to).or_default().insert(me, deal);
        }
    }
    dealings
        .into_iter()
        .map(|(me, dealing)| (me, dealing.finish(boxes.remove(&me).unwrap()).unwrap()))
        .collect()
}

/// Signs with these signers; `tamper` may change any output of any round on its way (round, signer, bytes).
pub fn run(
    scheme: &dyn Scheme,
    dealt: &BTreeMap<Identifier, &dyn KeyShare>,
    message: &[u8],
    tamper: &mut dyn FnMut(u8, Identifier, &mut Vec<u8>),
) -> Result<Vec<u8>, AggregateError> {
    let signers: BTreeSet<Identifier> = dealt.keys().copied().collect();
    let (mut sessions, mut outputs) = (BTreeMap::new(), vec![BTreeMap::new()]);
    for (me, share) in dealt {
        let opened = share.commit(message, &signers, &mut OsRng).unwrap();
        sessions.insert(*me, opened.session);
        outputs[0].insert(*me, opened.output);
    }
    for round in 1..scheme.rounds() {
        let last = outputs.last().unwrap().clone();
        let (mut next, mut rest) = (BTreeMap::new(), BTreeMap::new());
        for (me, session) in sessions {
            let mut seen = last.clone();
            for (from, bytes) in &mut seen {
                if *from != me {
                    tamper(round, *from, bytes);
                }
            }
            match sign(&Message(message.to_vec()), session, &seen) {
                Ok(Advance::Continue(session, bytes)) => {
                    rest.insert(me, session);
                    next.insert(me, bytes);
                }
                Ok(Advance::Done(bytes)) => {
                    next.insert(me, bytes);
                }
                Err(_) => {}
            }
        }
        sessions = rest;
        outputs.push(next);
    }
    for (from, bytes) in outputs.last_mut().unwrap() {
        tamper(scheme.rounds(), *from, bytes);
    }
    let group = dealt.values().next().unwrap().group();
    scheme.aggregate(group, message, &outputs)
}

pub fn shares<'a>(dealt: &'a BTreeMap<Identifier, Dealt>, signers: &[u16]) -> BTreeMap<Identifier, &'a dyn KeyShare> {
    signers
        .iter()
        .map(|number| (id(*number), dealt[&id(*number)].share.as_ref()))
        .collect()
}
