//! Many seeds, and planted faults that must be noticed.

use crate::{
    founding::Founded,
    simulator::{Failure, Outcome, Planted, run},
};
use std::collections::BTreeMap;
use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Seeds of every test run. `QUORATE_SEEDS` asks for more, `QUORATE_FIRST_SEED` begins elsewhere: the two replay a failure.
const SEEDS: u64 = 2_000;
/// So many seeds are enough to find each planted fault, with a wide margin.
const SEEDS_TO_FIND: u64 = 2_000;

/// Every fault that the simulator can make. One that never happens protects nobody.
const FAULTS: [&str; 33] = [
    "another attempt",
    "another tenant's statement",
    "answer lost",
    "attempt used twice",
    "batch given up",
    "commit without quorum",
    "conflicting batches",
    "crafted batch driven through",
    "crafted proposal",
    "crash before persist",
    "crash between persist and send",
    "doubled voter",
    "evidence for another tenant",
    "evidence forged",
    "evidence replayed",
    "false alarm about a vote",
    "false statement",
    "follow from below",
    "hidden vote",
    "higher certificate hidden",
    "leaf altered",
    "link cut",
    "message doubled",
    "message lost",
    "message overtaken",
    "misbehaviour named",
    "new view",
    "old message sent anew",
    "sent again",
    "time",
    "vote for two heads",
    "wrong list",
    "wrong share",
];

fn founded() -> &'static Founded {
    static FOUNDED: OnceLock<Founded> = OnceLock::new();
    FOUNDED.get_or_init(Founded::new)
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests may ask for more of them"
)]
fn option(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number"))
    })
}

/// Runs seeds on every core until the range ends or `enough` says so.
fn run_seeds(
    tenant: &'static Founded,
    seeds: std::ops::Range<u64>,
    planted: Planted,
    enough: impl Fn(&Result<Outcome, Failure>) -> bool + Sync,
) -> Vec<Result<Outcome, Failure>> {
    let (next, end) = (AtomicU64::new(seeds.start), AtomicU64::new(seeds.end));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let work = || {
            let mut outcomes = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end.load(Ordering::Relaxed) {
                    return outcomes;
                }
                let outcome = run(tenant, seed, planted);
                if enough(&outcome) {
                    end.store(0, Ordering::Relaxed);
                }
                outcomes.push(outcome);
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

fn explain(failure: &Failure) -> String {
    let before = failure.trace.len().saturating_sub(60);
    format!(
        "seed {}: {}\n({before} events before)\n{}",
        failure.seed,
        failure.what,
        failure.trace[before..].join("\n")
    )
}

#[test]
fn every_invariant_holds_under_every_seed() {
    let first = option("QUORATE_FIRST_SEED", 0);
    let count = option("QUORATE_SEEDS", SEEDS);
    let outcomes = run_seeds(founded(), first..first + count, Planted::None, |_| false);
    assert_eq!(outcomes.len() as u64, count);
    let mut failures: Vec<&Failure> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    failures.sort_by_key(|failure| failure.seed);
    if let Some(failure) = failures.first() {
        let seeds: Vec<u64> = failures.iter().map(|failure| failure.seed).collect();
        panic!(
            "{} of {count} seeds fail: {seeds:?}\n{}",
            failures.len(),
            explain(failure)
        );
    }
    let (mut faults, mut tokens) = (BTreeMap::<&str, usize>::new(), 0);
    for outcome in outcomes.into_iter().flatten() {
        tokens += outcome.tokens;
        for (kind, count) in outcome.faults {
            *faults.entry(kind).or_default() += count;
        }
    }
    println!("{count} seeds, {tokens} tokens, {faults:#?}");
    assert!(tokens as u64 > count, "{tokens} tokens of {count} seeds are hardly any");
    if count >= SEEDS {
        let missing: Vec<_> = FAULTS.iter().filter(|kind| !faults.contains_key(*kind)).collect();
        assert!(missing.is_empty(), "these faults never happened: {missing:?}");
    }
}

/// The same machines and invariants over the scheme of three rounds, whose signatures cost a hundred times as much: one seed for fifty.
#[test]
fn every_invariant_holds_with_ecdsa_too() {
    let first = option("QUORATE_FIRST_SEED", 0);
    let count = (option("QUORATE_SEEDS", SEEDS) / 50).max(1);
    let outcomes = run_seeds(&crate::ecdsa::FOUNDED, first..first + count, Planted::None, |_| false);
    let (mut tokens, mut lies) = (0, BTreeMap::from(LIES.map(|kind| (kind, 0))));
    for outcome in outcomes {
        let outcome = outcome.unwrap_or_else(|failure| panic!("{}", explain(&failure)));
        tokens += outcome.tokens;
        for (kind, sum) in &mut lies {
            *sum += outcome.faults.get(kind).copied().unwrap_or(0);
        }
    }
    println!("{count} seeds, {tokens} tokens, {lies:?}");
    assert!(tokens as u64 > count, "{tokens} tokens");
    assert!(count < SEEDS / 50 || lies.values().all(|sum| *sum > 0), "{lies:?}");
}

/// What only the scheme of three rounds gives occasion for.
const LIES: [&str; 3] = ["wrong share", "lie in an envelope", "cheat banned"];

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| {
        run(founded(), seed, Planted::None)
            .map(|outcome| outcome.trace)
            .unwrap()
    };
    for seed in 0..20 {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
    assert_ne!(trace(0), trace(1), "a trace that no seed changes says nothing");
}

/// The fault is found under its own invariant by some seed, and that very seed is clean without the fault.
fn check_found(planted: Planted, invariants: &[&str]) {
    let outcomes = run_seeds(founded(), 0..SEEDS_TO_FIND, planted, Result::is_err);
    let failure = outcomes.into_iter().find_map(Result::err);
    let failure = failure.unwrap_or_else(|| panic!("{planted:?} was not found by {SEEDS_TO_FIND} seeds"));
    println!("{planted:?} found by seed {}: {}", failure.seed, failure.what);
    assert!(
        invariants.iter().any(|invariant| failure.what.starts_with(invariant)),
        "{planted:?} was found as something else: {}",
        explain(&failure)
    );
    assert!(run(founded(), failure.seed, Planted::None).is_ok());
}

#[test]
fn planted_lock_not_written_is_found() {
    check_found(Planted::LockNotWritten, &["S2", "S3", "S4"]);
}

#[test]
fn planted_vote_in_a_lower_view_is_found() {
    check_found(Planted::LowerView, &["S3", "S4", "S11"]);
}

#[test]
fn planted_kept_nonce_is_found() {
    check_found(Planted::NonceKept, &["S5"]);
}

#[test]
fn planted_certificate_with_a_doubled_voter_is_found() {
    check_found(Planted::DoubledVoter, &["S3"]);
}

#[test]
fn planted_leaf_that_is_not_rebuilt_is_found() {
    check_found(Planted::LeafNotCompared, &["S1", "S2"]);
}
