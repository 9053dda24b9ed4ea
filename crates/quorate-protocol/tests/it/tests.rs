//! Many seeds, and planted faults that must be noticed.

use crate::{
    founding::Founded,
    simulator::{Failure, Outcome, Planted, run},
};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const SEEDS: u64 = 2_000;
const THREADS: usize = 2;

fn founded() -> &'static Founded {
    static FOUNDED: OnceLock<Founded> = OnceLock::new();
    FOUNDED.get_or_init(Founded::new)
}

fn explain(failure: &Failure) -> String {
    let (last, before) = failure.trace.len().checked_sub(60).map_or((&failure.trace[..], 0), |from| (&failure.trace[from..], from));
    format!("seed {}: {}\n({before} events before)\n{}", failure.seed, failure.what, last.join("\n"))
}

#[test]
fn simulator_seeds() {
    let next = AtomicU64::new(0);
    let outcomes: Vec<Result<Outcome, Failure>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = Vec::new();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= SEEDS {
                            return done;
                        }
                        done.push(run(founded(), seed, Planted::None));
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let mut failures: Vec<&Failure> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    failures.sort_by_key(|failure| failure.seed);
    if let Some(first) = failures.first() {
        let mut kinds = BTreeMap::<&str, Vec<u64>>::new();
        for failure in &failures {
            kinds.entry(failure.what.get(..12).unwrap_or(&failure.what)).or_default().push(failure.seed);
        }
        panic!("{} of {SEEDS} seeds fail: {kinds:?}\n{}", failures.len(), explain(first));
    }
    let (mut faults, mut tokens) = (BTreeMap::<&str, usize>::new(), 0);
    for outcome in outcomes.into_iter().flatten() {
        tokens += outcome.tokens;
        for (kind, count) in outcome.faults {
            *faults.entry(kind).or_default() += count;
        }
    }
    println!("{SEEDS} seeds, {tokens} tokens, {faults:#?}");
}
