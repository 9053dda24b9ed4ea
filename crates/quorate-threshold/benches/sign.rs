//! What one signature costs, next to `frost-core` in the same run. A token is about 900 bytes.

use criterion::{BatchSize, Criterion};
use frost_ed25519 as frost;
use quorate_threshold::{
    Dealt, DkgContext, FrostEd25519, Identifier, KeyShare, Opened, Parameters, Permit, Scheme, sign,
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

fn deal(parameters: Parameters) -> BTreeMap<Identifier, Dealt> {
    let (mut rounds, mut broadcasts) = (Vec::new(), BTreeMap::new());
    for me in parameters.identifiers() {
        let context = DkgContext {
            parameters,
            me,
            session: [7; 32],
        };
        let (round, broadcast) = FrostEd25519.begin_dkg(&context, &mut OsRng).expect("a sound context");
        rounds.push((me, round));
        broadcasts.insert(me, broadcast);
    }
    let (mut dealings, mut boxes) = (Vec::new(), BTreeMap::<_, BTreeMap<_, _>>::new());
    for (me, round) in rounds {
        let (dealing, deals) = round.deal(&broadcasts).expect("honest broadcasts");
        dealings.push((me, dealing));
        for (to, deal) in deals {
            boxes.entry(to).or_default().insert(me, deal);
        }
    }
    let mut finish = |me| boxes.remove(&me).expect("a box for everybody");
    dealings
        .into_iter()
        .map(|(me, dealing)| (me, dealing.finish(finish(me)).expect("honest deals")))
        .collect()
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
    let outputs = opened.iter().map(|(id, opened)| (*id, opened.output.clone())).collect();
    (opened, outputs)
}

fn answer(opened: Opened, seen: &Outputs) -> Vec<u8> {
    match sign(&Message, opened.session, seen) {
        Ok(quorate_threshold::Advance::Done(output)) => output,
        other => unreachable!("FROST has two rounds: {other:?}"),
    }
}

fn ours(criterion: &mut Criterion, t: u16, n: u16) {
    let dealt = deal(Parameters::new(t, n).expect("within bounds"));
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
    criterion.final_summary();
}
