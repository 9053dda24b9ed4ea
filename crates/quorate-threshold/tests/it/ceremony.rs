//! Runs a whole DKG and whole signatures in one process, as the protocol does between processes.

use quorate_threshold::{
    Advance, AggregateError, Dealt, DkgContext, DkgError, DkgRound, DkgStep, Identifier, KeyShare, Parameters, Permit,
    RoundInputs, RoundOutput, Scheme, Session, SignError,
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
pub(crate) fn begin(scheme: &dyn Scheme, (t, n): (u16, u16), me: u16) -> (Box<dyn DkgRound>, RoundOutput) {
    let context = DkgContext {
        parameters: Parameters::new(t, n).unwrap(),
        me: id(me),
        session: [7; 32],
    };
    scheme.begin_dkg(&context, &mut OsRng).unwrap()
}

/// All participants' first steps, of a scheme whose first round is all broadcast.
pub(crate) fn begin_all(scheme: &dyn Scheme, t: u16, n: u16) -> (BTreeMap<Identifier, Box<dyn DkgRound>>, Outputs) {
    let (mut rounds, mut broadcasts) = (BTreeMap::new(), BTreeMap::new());
    for me in 1..=n {
        let (round, output) = begin(scheme, (t, n), me);
        rounds.insert(id(me), round);
        broadcasts.insert(id(me), output.broadcast);
    }
    (rounds, broadcasts)
}

/// The rounds of FROST's key generation by the names that they have there.
pub(crate) trait Pedersen {
    /// Takes broadcasts, gives deals.
    fn deal(self, broadcasts: &Outputs) -> Result<(Box<dyn DkgRound>, Deals), DkgError>;
    /// Takes deals, gives the key.
    fn finish(self, deals: Deals) -> Result<Dealt, DkgError>;
}

impl Pedersen for Box<dyn DkgRound> {
    fn deal(self, broadcasts: &Outputs) -> Result<(Box<dyn DkgRound>, Deals), DkgError> {
        match self.advance(&RoundInputs::broadcasts(broadcasts.clone()))? {
            DkgStep::Continue(dealing, output) => Ok((dealing, output.directs)),
            DkgStep::Done(_) => panic!("a round too early"),
        }
    }

    fn finish(self, directs: Deals) -> Result<Dealt, DkgError> {
        let inputs = RoundInputs {
            broadcasts: BTreeMap::new(),
            directs,
        };
        match self.advance(&inputs)? {
            DkgStep::Done(dealt) => Ok(dealt),
            DkgStep::Continue(..) => panic!("a round too many"),
        }
    }
}

/// All participants' second steps of FROST: their states, and the deals by recipient, then by dealer.
pub(crate) fn deal_all(
    rounds: BTreeMap<Identifier, Box<dyn DkgRound>>,
    broadcasts: &Outputs,
) -> (BTreeMap<Identifier, Box<dyn DkgRound>>, BTreeMap<Identifier, Deals>) {
    let (mut dealings, mut boxes) = (BTreeMap::new(), BTreeMap::<_, Deals>::new());
    for (me, round) in rounds {
        let (dealing, deals) = round.deal(broadcasts).unwrap();
        dealings.insert(me, dealing);
        for (to, deal) in deals {
            boxes.entry(to).or_default().insert(me, deal);
        }
    }
    (dealings, boxes)
}

/// What each party sees of what all gave: every broadcast, and the direct messages for it.
pub(crate) fn exchange(outputs: BTreeMap<Identifier, RoundOutput>) -> BTreeMap<Identifier, RoundInputs> {
    let broadcasts: Outputs = outputs
        .iter()
        .map(|(from, output)| (*from, output.broadcast.clone()))
        .collect();
    let mut seen: BTreeMap<Identifier, RoundInputs> = outputs
        .keys()
        .map(|me| (*me, RoundInputs::broadcasts(broadcasts.clone())))
        .collect();
    for (from, output) in outputs {
        for (to, direct) in output.directs {
            if let Some(inputs) = seen.get_mut(&to) {
                inputs.directs.insert(from, direct);
            }
        }
    }
    seen
}

/// A whole DKG, of which the outputs of any round may be changed on their way: round, participant, output.
pub(crate) fn run_dkg(
    scheme: &dyn Scheme,
    (t, n): (u16, u16),
    tamper: &mut dyn FnMut(u8, Identifier, &mut RoundOutput),
) -> BTreeMap<Identifier, Result<Dealt, DkgError>> {
    let (mut rounds, mut outputs) = (BTreeMap::new(), BTreeMap::new());
    for me in 1..=n {
        let (round, output) = begin(scheme, (t, n), me);
        rounds.insert(id(me), round);
        outputs.insert(id(me), output);
    }
    let mut results = BTreeMap::new();
    for number in 1..=scheme.dkg_rounds() {
        outputs
            .iter_mut()
            .for_each(|(from, output)| tamper(number, *from, output));
        let (mut rest, mut next) = (BTreeMap::new(), BTreeMap::new());
        for (me, inputs) in exchange(outputs) {
            let Some(round) = rounds.remove(&me) else { continue };
            match round.advance(&inputs) {
                Ok(DkgStep::Continue(round, output)) => {
                    rest.insert(me, round);
                    next.insert(me, output);
                }
                Ok(DkgStep::Done(dealt)) => drop(results.insert(me, Ok(dealt))),
                Err(error) => drop(results.insert(me, Err(error))),
            }
        }
        (rounds, outputs) = (rest, next);
    }
    assert!(rounds.is_empty(), "more rounds than the scheme says");
    results
}

/// A whole DKG of honest participants.
pub(crate) fn deal(scheme: &dyn Scheme, t: u16, n: u16) -> BTreeMap<Identifier, Dealt> {
    let dealt = run_dkg(scheme, (t, n), &mut |_, _, _| {});
    dealt.into_iter().map(|(me, dealt)| (me, dealt.unwrap())).collect()
}

/// [`quorate_threshold::sign`] with inputs of which nothing is secret.
pub(crate) fn sign(permit: &impl Permit, session: Session, broadcasts: &Outputs) -> Result<Advance, SignError> {
    quorate_threshold::sign(permit, session, &RoundInputs::broadcasts(broadcasts.clone()))
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
        outputs[0].insert(*me, opened.output.broadcast);
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
                    next.insert(me, bytes.broadcast);
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
