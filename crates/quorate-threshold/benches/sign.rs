//! What one signature costs, next to `frost-core` in the same run. A token is about 900 bytes.

use criterion::{BatchSize, Criterion};
use frost_ed25519 as frost;
use quorate_threshold::{
    Advance, Dealt, DkgContext, DkgStep, Dkls23P256, FrostEd25519, Identifier, KeyShare, Opened, Parameters, Permit,
    RoundInputs, RoundOutput, Scheme, sign,
};
use rand_core::OsRng;
use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

const MESSAGE: [u8; 900] = [0x5a; 900];

struct Message;

impl Permit for Message {
    fn message(&self) -> &[u8] {
        &MESSAGE
    }
}

type Outputs = BTreeMap<Identifier, Vec<u8>>;

/// What each party sees of what all gave.
fn exchange(outputs: BTreeMap<Identifier, RoundOutput>) -> BTreeMap<Identifier, RoundInputs> {
    let broadcasts: Outputs = outputs
        .iter()
        .map(|(from, output)| (*from, output.broadcast.clone()))
        .collect();
    let mut seen: BTreeMap<_, _> = outputs
        .keys()
        .map(|me| (*me, RoundInputs::broadcasts(broadcasts.clone())))
        .collect();
    for (from, output) in outputs {
        for (to, direct) in output.directs {
            seen.get_mut(&to).expect("a participant").directs.insert(from, direct);
        }
    }
    seen
}

fn deal(scheme: &dyn Scheme, parameters: Parameters) -> BTreeMap<Identifier, Dealt> {
    let (mut rounds, mut outputs) = (BTreeMap::new(), BTreeMap::new());
    for me in parameters.identifiers() {
        let context = DkgContext {
            parameters,
            me,
            session: [7; 32],
        };
        let (round, output) = scheme.begin_dkg(&context, &mut OsRng).expect("a sound context");
        rounds.insert(me, round);
        outputs.insert(me, output);
    }
    let mut dealt = BTreeMap::new();
    while !outputs.is_empty() {
        let mut next = BTreeMap::new();
        for (me, inputs) in exchange(outputs) {
            let round = rounds.remove(&me).expect("a participant");
            match round.advance(&inputs).expect("honest participants") {
                DkgStep::Continue(round, output) => {
                    rounds.insert(me, round);
                    next.insert(me, output);
                }
                DkgStep::Done(done) => drop(dealt.insert(me, done)),
            }
        }
        outputs = next;
    }
    dealt
}

/// A whole ECDSA signature: all rounds of all signers, and the coordinator's part. What one token costs all processes together.
fn ecdsa(criterion: &mut Criterion, t: u16, n: u16) {
    let dealt = deal(&Dkls23P256, Parameters::new(t, n).expect("within bounds"));
    let signers: BTreeSet<Identifier> = dealt.keys().copied().take(usize::from(t)).collect();
    let group = &dealt.values().next().expect("n is not zero").group;
    let mut bench = criterion.benchmark_group(format!("{t}-of-{n}"));
    bench.sample_size(20);
    bench.bench_function("ecdsa, all signers", |bencher| {
        bencher.iter(|| {
            let (mut sessions, mut outputs) = (BTreeMap::new(), BTreeMap::new());
            for id in &signers {
                let opened = dealt[id]
                    .share
                    .commit(&MESSAGE, &signers, &mut OsRng)
                    .expect("a sound signer set");
                sessions.insert(*id, opened.session);
                outputs.insert(*id, opened.output);
            }
            let mut broadcasts = Vec::new();
            let mut last = Outputs::new();
            while !outputs.is_empty() {
                broadcasts.push(
                    outputs
                        .iter()
                        .map(|(id, output)| (*id, output.broadcast.clone()))
                        .collect::<Outputs>(),
                );
                let mut next = BTreeMap::new();
                for (id, inputs) in exchange(outputs) {
                    let session = sessions.remove(&id).expect("a signer");
                    match sign(&Message, session, &inputs).expect("honest signers") {
                        Advance::Continue(session, output) => {
                            sessions.insert(id, session);
                            next.insert(id, output);
                        }
                        Advance::Done(output) => drop(last.insert(id, output)),
                    }
                }
                outputs = next;
            }
            broadcasts.push(std::mem::take(&mut last));
            Dkls23P256
                .aggregate(group, &MESSAGE, &broadcasts)
                .expect("honest parts")
        });
    });
    bench.finish();
}

/// Opens a session at every signer: the sessions, and what all of them see.
fn open(
    dealt: &BTreeMap<Identifier, Dealt>,
    signers: &BTreeSet<Identifier>,
) -> (BTreeMap<Identifier, Opened>, Outputs) {
    let commit = |id| {
        dealt[id]
            .share
            .commit(&MESSAGE, signers, &mut OsRng)
            .expect("a sound signer set")
    };
    let opened: BTreeMap<_, _> = signers.iter().map(|id| (*id, commit(id))).collect();
    let outputs = opened
        .iter()
        .map(|(id, opened)| (*id, opened.output.broadcast.clone()))
        .collect();
    (opened, outputs)
}

fn answer(opened: Opened, seen: &Outputs) -> Vec<u8> {
    match sign(&Message, opened.session, &RoundInputs::broadcasts(seen.clone())) {
        Ok(Advance::Done(output)) => output,
        other => unreachable!("FROST has two rounds: {other:?}"),
    }
}

fn ours(criterion: &mut Criterion, t: u16, n: u16) {
    let dealt = deal(&FrostEd25519, Parameters::new(t, n).expect("within bounds"));
    let signers: BTreeSet<Identifier> = dealt.keys().copied().take(usize::from(t)).collect();
    let first = dealt.values().next().expect("n is not zero");
    let share: &dyn KeyShare = first.share.as_ref();
    let mut group = criterion.benchmark_group(format!("{t}-of-{n}"));
    group.bench_function("commit", |bencher| {
        bencher.iter(|| {
            share
                .commit(black_box(&MESSAGE), &signers, &mut OsRng)
                .expect("a sound signer set")
        });
    });
    group.bench_function("sign", |bencher| {
        let fresh = || {
            let (mut opened, outputs) = open(&dealt, &signers);
            (opened.remove(&share.identifier()).expect("a signer"), outputs)
        };
        bencher.iter_batched(fresh, |(opened, seen)| answer(opened, &seen), BatchSize::SmallInput);
    });
    let (opened, commitments) = open(&dealt, &signers);
    let shares: Outputs = opened
        .into_iter()
        .map(|(id, opened)| (id, answer(opened, &commitments)))
        .collect();
    let mut outputs = [commitments, shares];
    group.bench_function("aggregate", |bencher| {
        bencher.iter(|| {
            FrostEd25519
                .aggregate(&first.group, &MESSAGE, black_box(&outputs))
                .expect("honest shares")
        });
    });
    outputs[1].values_mut().next_back().expect("a share")[0] ^= 1;
    group.bench_function("aggregate, last signer cheats", |bencher| {
        bencher.iter(|| {
            FrostEd25519
                .aggregate(&first.group, &MESSAGE, black_box(&outputs))
                .expect_err("a cheater")
        });
    });
    group.finish();
}

/// The same work by `frost-core`: a signer reads the other commitments, then signs; the coordinator reads all commitments and
/// shares, then aggregates.
fn theirs(criterion: &mut Criterion, t: u16, n: u16) {
    let ids = frost::keys::IdentifierList::Default;
    let (shares, public) = frost::keys::generate_with_dealer(n, t, ids, OsRng).expect("within bounds");
    let keys: BTreeMap<_, frost::keys::KeyPackage> = shares
        .into_iter()
        .take(usize::from(t))
        .map(|(id, share)| (id, share.try_into().expect("an honest dealer")))
        .collect();
    let (me, key) = keys.iter().next().expect("t is not zero");
    let mut group = criterion.benchmark_group(format!("{t}-of-{n}"));
    group.bench_function("commit (frost-core)", |bencher| {
        bencher.iter(|| {
            let (nonces, commitments) = frost::round1::commit(key.signing_share(), &mut OsRng);
            (nonces, commitments.serialize().expect("never the identity"))
        });
    });
    let (mut nonces, mut wire, mut points) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (id, key) in &keys {
        let (own, commitments) = frost::round1::commit(key.signing_share(), &mut OsRng);
        nonces.insert(*id, own);
        wire.insert(*id, commitments.serialize().expect("never the identity"));
        points.insert(*id, commitments);
    }
    let read = |skip: Option<&frost::Identifier>| {
        let parse = |(id, bytes): (&frost::Identifier, &Vec<u8>)| {
            let own = skip == Some(id);
            let read = || frost::round1::SigningCommitments::deserialize(black_box(bytes)).expect("honest bytes");
            (*id, if own { points[id] } else { read() })
        };
        frost::SigningPackage::new(wire.iter().map(parse).collect(), &MESSAGE)
    };
    group.bench_function("sign (frost-core)", |bencher| {
        bencher.iter(|| {
            frost::round2::sign(&read(Some(me)), &nonces[me], key)
                .expect("a sound package")
                .serialize()
        });
    });
    let package = read(None);
    let shares: BTreeMap<_, _> = keys
        .iter()
        .map(|(id, key)| {
            (
                *id,
                frost::round2::sign(&package, &nonces[id], key)
                    .expect("a sound package")
                    .serialize(),
            )
        })
        .collect();
    group.bench_function("aggregate (frost-core)", |bencher| {
        bencher.iter(|| {
            let parse = |bytes: &Vec<u8>| frost::round2::SignatureShare::deserialize(bytes).expect("honest bytes");
            let shares = shares.iter().map(|(id, bytes)| (*id, parse(bytes))).collect();
            let signature = frost::aggregate(&read(None), &shares, &public).expect("honest shares");
            signature.serialize().expect("never the identity")
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (t, n) in [(2, 3), (3, 4), (5, 7)] {
        ours(&mut criterion, t, n);
        theirs(&mut criterion, t, n);
    }
    for (t, n) in [(2, 3), (3, 4), (3, 5), (5, 7)] {
        ecdsa(&mut criterion, t, n);
    }
    criterion.final_summary();
}
