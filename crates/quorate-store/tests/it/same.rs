//! Whatever is asked of them in whatever order, all log stores give the same answers and hold the same.

use crate::log_stores::{Seen, append, head, item, see, taken};
use proptest::prelude::*;
use quorate_store::{AppendError, Head, LogStore, MemoryLog, RedbLog};
use std::path::Path;

#[derive(Debug, Clone)]
enum Ask {
    /// Entries; keys of a small alphabet with their expiry; whether the head is the expected one.
    Append(u64, Vec<(u8, u64)>, bool),
    /// How many entries stay, out of ten; whether the head is the expected one.
    Truncate(u64, bool),
    Put(u8, u8, u64),
    Take(u8, u8),
    Sweep(u64),
    Record(bool, u8),
    Reopen,
}

fn ask() -> impl Strategy<Value = Ask> {
    let right = || prop::bool::weighted(0.9);
    let keys = prop::collection::vec((0..6u8, 0..40u64), 0..3);
    prop_oneof![
        6 => (0..4u64, keys, right()).prop_map(|(count, keys, right)| Ask::Append(count, keys, right)),
        2 => (0..=10u64, right()).prop_map(|(tenths, right)| Ask::Truncate(tenths, right)),
        2 => (0..3u8, 0..3u8, 0..40u64).prop_map(|(table, key, expires)| Ask::Put(table, key, expires)),
        1 => (0..3u8, 0..3u8).prop_map(|(table, key)| Ask::Take(table, key)),
        1 => (0..50u64).prop_map(Ask::Sweep),
        1 => (any::<bool>(), any::<u8>()).prop_map(|(which, value)| Ask::Record(which, value)),
        1 => Just(Ask::Reopen),
    ]
}

fn told(outcome: Result<(), AppendError>) -> String {
    match outcome {
        Ok(()) => "done".to_owned(),
        Err(AppendError::HeadMoved { found }) => format!("moved {found:?}"),
        Err(AppendError::AlreadyTaken { mut keys }) => {
            keys.sort();
            format!("taken {keys:?}")
        }
        Err(AppendError::Store(error)) => panic!("{error}"),
    }
}

/// Asks one store; the answer as text, so that two can be compared.
fn answer(store: &dyn LogStore, ask: &Ask, step: u64) -> String {
    let table = |table: u8| ["a", "ab", "b"][usize::from(table)];
    let key = |key: u8| ["", "k", "kk"][usize::from(key)];
    let now = store.head().unwrap();
    let size = now.map_or(0, |head| head.size);
    let wrong = Head {
        view: u64::MAX,
        ..head(0, size)
    };
    let expected = |right: bool| if right { now } else { Some(wrong) };
    match ask {
        Ask::Append(count, keys, right) => {
            let keys = keys
                .iter()
                .map(|(key, expires)| taken(&format!("key {key}"), size, *expires));
            let mut append = append(size, size + count, keys.collect());
            append.head.view = step;
            told(store.append(expected(*right).as_ref(), &append))
        }
        Ask::Truncate(tenths, right) => {
            let to = size * tenths / 10;
            let to = (to > 0).then_some(Head {
                view: step,
                ..head(0, to)
            });
            told(store.truncate(expected(*right).as_ref(), to.as_ref()))
        }
        Ask::Put(place, name, expires) => {
            let item = item(key(*name), &step.to_string(), *expires);
            store.put_expiring(table(*place), &item).unwrap();
            "put".to_owned()
        }
        Ask::Take(place, name) => format!(
            "{:?}",
            store.take_expiring(table(*place), key(*name).as_bytes()).unwrap()
        ),
        Ask::Sweep(now_ms) => format!("swept {}", store.sweep(*now_ms).unwrap()),
        Ask::Record(which, value) => {
            let name = if *which { "newest" } else { "other" };
            store.set_records(&[(name, vec![*value])]).unwrap();
            "set".to_owned()
        }
        Ask::Reopen => "reopened".to_owned(),
    }
}

fn open(path: &Path) -> RedbLog {
    RedbLog::open(path).unwrap()
}

proptest! {
    // Each case has a file of its own and some twenty durable commits.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn all_log_stores_give_the_same_answers(asked in prop::collection::vec(ask(), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.redb");
        let (memory, mut file) = (MemoryLog::default(), Some(open(&path)));
        for (step, ask) in (1..).zip(&asked) {
            if matches!(ask, Ask::Reopen) {
                drop(file.take());
                file = Some(open(&path));
            }
            let redb: &dyn LogStore = file.as_ref().unwrap();
            prop_assert_eq!(answer(&memory, ask, step), answer(redb, ask, step), "{:?}", ask);
            let (one, other): (Seen, Seen) = (see(&memory), see(redb));
            prop_assert_eq!(one, other, "after {:?}", ask);
        }
    }
}
