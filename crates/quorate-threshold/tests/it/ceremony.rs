//! Runs a whole DKG and whole signatures in one process, as the protocol does between processes.

use quorate_threshold::{
    Advance, AggregateError, DealsMade, Dealt, DkgContext, DkgDealing, DkgRound, Identifier, KeyShare, Parameters,
    Permit, Scheme, sign,
};
use rand_core::OsRng;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// Outputs or broadcasts of one round.
pub(crate) type Outputs = BTreeMap<Identifier, Vec<u8>>;
/// Deals by recipient or by dealer.
pub(crate) type Deals = BTreeMap<Identifier, Zeroizing<Vec<u8>>>;

/// Permits whatever it holds.
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Permit for Message {
    fn message(&self) -> &[u8] {
        &self.0
    }
}

pub(crate) fn id(number: u16) -> Identifier {
    Identifier::new(number).unwrap()
}

/// One participant's first step.
pub(crate) fn begin(scheme: &dyn Scheme, (t, n): (u16, u16), me: u16) -> (Box<dyn DkgRound>, Vec<u8>) {
    let context = DkgContext {
        parameters: Parameters::new(t, n).unwrap(),
        me: id(me),
        session: [7; 32],
    };
    scheme.begin_dkg(&context, &mut OsRng).unwrap()
}

/// All participants' first steps.
pub(crate) fn begin_all(scheme: &dyn Scheme, t: u16, n: u16) -> (BTreeMap<Identifier, Box<dyn DkgRound>>, Outputs) {
    let (mut rounds, mut broadcasts) = (BTreeMap::new(), BTreeMap::new());
    for me in 1..=n {
        let (round, broadcast) = begin(scheme, (t, n), me);
        rounds.insert(id(me), round);
        broadcasts.insert(id(me), broadcast);
    }
    (rounds, broadcasts)
}

/// All participants' second steps: their states, and the deals by recipient, then by dealer.
pub(crate) fn deal_all(
    rounds: BTreeMap<Identifier, Box<dyn DkgRound>>,
    broadcasts: &Outputs,
) -> (BTreeMap<Identifier, Box<dyn DkgDealing>>, BTreeMap<Identifier, Deals>) {
    let (mut dealings, mut boxes) = (BTreeMap::new(), BTreeMap::<_, Deals>::new());
    for (me, round) in rounds {
        let (dealing, deals): DealsMade = round.deal(broadcasts).unwrap();
        dealings.insert(me, dealing);
        for (to, deal) in deals {
            boxes.entry(to).or_default().insert(me, deal);
        }
    }
    (dealings, boxes)
}

/// A whole DKG of honest participants.
pub(crate) fn deal(scheme: &dyn Scheme, t: u16, n: u16) -> BTreeMap<Identifier, Dealt> {
    let (rounds, broadcasts) = begin_all(scheme, t, n);
    let (dealings, mut boxes) = deal_all(rounds, &broadcasts);
    dealings
        .into_iter()
        .map(|(me, dealing)| (me, dealing.finish(boxes.remove(&me).unwrap()).unwrap()))
        .collect()
}

/// Changes any output of any round on its way: round, signer, bytes.
pub(crate) type Tamper<'a> = &'a mut dyn FnMut(u8, Identifier, &mut Vec<u8>);

/// Signs with these shares. A signer that refuses drops out, and then there is no signature.
pub(crate) fn run(
    scheme: &dyn Scheme,
    shares: &BTreeMap<Identifier, &dyn KeyShare>,
    message: &[u8],
    tamper: Tamper<'_>,
) -> Result<Vec<u8>, AggregateError> {
    let signers: BTreeSet<Identifier> = shares.keys().copied().collect();
    let (mut sessions, mut outputs) = (BTreeMap::new(), vec![BTreeMap::new()]);
    for (me, share) in shares {
        let opened = share.commit(message, &signers, &mut OsRng).unwrap();
        sessions.insert(*me, opened.session);
        outputs[0].insert(*me, opened.output);
    }
    for round in 1..scheme.rounds() {
        let last = outputs.last().unwrap().clone();
        let (mut next, mut rest) = (BTreeMap::new(), BTreeMap::new());
        for (me, session) in sessions {
            let mut seen = last.clone();
            for (from, bytes) in seen.iter_mut().filter(|(from, _)| **from != me) {
                tamper(round, *from, bytes);
            }
            match sign(&Message(message.to_vec()), session, &seen) {
                Ok(Advance::Continue(session, bytes)) => {
                    rest.insert(me, session);
                    next.insert(me, bytes);
                }
                Ok(Advance::Done(bytes)) => drop(next.insert(me, bytes)),
                Err(_) => {}
            }
        }
        sessions = rest;
        outputs.push(next);
    }
    for (from, bytes) in outputs.last_mut().unwrap() {
        tamper(scheme.rounds(), *from, bytes);
    }
    let group = shares.values().next().unwrap().group();
    scheme.aggregate(group, message, &outputs)
}

/// Signs with these shares, nobody interfering.
pub(crate) fn run_honest(
    scheme: &dyn Scheme,
    shares: &BTreeMap<Identifier, &dyn KeyShare>,
    message: &[u8],
) -> Result<Vec<u8>, AggregateError> {
    run(scheme, shares, message, &mut |_, _, _| {})
}

/// The shares of some of the participants.
pub(crate) fn shares<'a>(
    dealt: &'a BTreeMap<Identifier, Dealt>,
    signers: &[u16],
) -> BTreeMap<Identifier, &'a dyn KeyShare> {
    signers
        .iter()
        .map(|number| (id(*number), dealt[&id(*number)].share.as_ref()))
        .collect()
}

/// Every set of t out of n.
pub(crate) fn subsets(t: u16, n: u16) -> Vec<Vec<u16>> {
    let members = |mask: u32| {
        (1..=n)
            .filter(move |number| mask >> (number - 1) & 1 == 1)
            .collect::<Vec<_>>()
    };
    (0u32..1 << n)
        .filter(|mask| mask.count_ones() == u32::from(t))
        .map(members)
        .collect()
}
