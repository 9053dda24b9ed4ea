//! A custodian's store: one transaction for each answer.

use quorate_store::{Changes, CustodianStore, StoreError};
use std::path::PathBuf;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("custodian.redb")
    }

    fn open(&self) -> CustodianStore {
        CustodianStore::open(&self.path()).unwrap()
    }
}

fn entries(from: u64, to: u64) -> Vec<(u64, Vec<u8>)> {
    (from..to)
        .map(|index| (index, format!("entry {index}").into_bytes()))
        .collect()
}

fn all(store: &CustodianStore) -> Vec<Vec<u8>> {
    store.entries(0, usize::MAX, usize::MAX).unwrap()
}

#[test]
fn a_new_store_is_empty() {
    let place = Place::new();
    let store = place.open();
    assert!(all(&store).is_empty());
    assert_eq!(store.record("state").unwrap(), None);
}

#[test]
fn entries_and_records_of_one_change_stand_together_and_after_a_new_start() {
    let place = Place::new();
    let store = place.open();
    let changes = Changes {
        truncate_from: None,
        entries: entries(0, 3),
        records: vec![("state", b"one".to_vec()), ("registry", vec![])],
    };
    store.apply(&changes).unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(all(&store).len(), 3);
    assert_eq!(store.record("state").unwrap(), Some(b"one".to_vec()));
    assert_eq!(store.record("registry").unwrap(), Some(vec![]), "empty is not absent");
    store
        .apply(&Changes {
            records: vec![("state", b"two".to_vec())],
            ..Changes::default()
        })
        .unwrap();
    assert_eq!(store.record("state").unwrap(), Some(b"two".to_vec()));
    assert_eq!(all(&store).len(), 3);
}

#[test]
fn what_is_dropped_is_dropped_before_anything_is_written() {
    let place = Place::new();
    let store = place.open();
    store
        .apply(&Changes {
            entries: entries(0, 6),
            ..Changes::default()
        })
        .unwrap();
    store
        .apply(&Changes {
            truncate_from: Some(2),
            entries: vec![(2, b"other".to_vec())],
            records: vec![],
        })
        .unwrap();
    assert_eq!(
        all(&store),
        [b"entry 0".to_vec(), b"entry 1".to_vec(), b"other".to_vec()]
    );
    let drop_from = |from| Changes {
        truncate_from: Some(from),
        ..Changes::default()
    };
    store.apply(&drop_from(3)).unwrap();
    assert_eq!(all(&store).len(), 3, "nothing stands there");
    store.apply(&drop_from(0)).unwrap();
    assert!(all(&store).is_empty());
}

#[test]
fn reading_ends_at_either_limit_and_always_gives_one() {
    let place = Place::new();
    let store = place.open();
    let entries = (0..10)
        .map(|index| (index, vec![u8::try_from(index).unwrap(); 100]))
        .collect();
    store
        .apply(&Changes {
            entries,
            ..Changes::default()
        })
        .unwrap();
    let count = |from: u64, limit: usize, bytes: usize| store.entries(from, limit, bytes).unwrap().len();
    assert_eq!(count(0, 4, usize::MAX), 4);
    assert_eq!(count(0, usize::MAX, 350), 3);
    assert_eq!(count(0, usize::MAX, 300), 3);
    assert_eq!(count(0, usize::MAX, 1), 1, "one at least, however large it is");
    assert_eq!(
        (count(0, 0, 1_000), count(10, 5, 1_000), count(u64::MAX, 5, 1_000)),
        (0, 0, 0)
    );
    assert_eq!(store.entries(9, 5, 1_000).unwrap(), [vec![9; 100]]);
}

#[test]
fn every_change_is_one_durable_commit() {
    let place = Place::new();
    let store = place.open();
    let before = store.fsyncs();
    store
        .apply(&Changes {
            truncate_from: Some(0),
            entries: entries(0, 100),
            records: vec![("state", vec![1]), ("registry", vec![2])],
        })
        .unwrap();
    let _ = (all(&store), store.record("state").unwrap());
    assert_eq!(store.fsyncs(), before + 1);
}

#[test]
fn two_owners_of_one_file_and_files_of_something_else_are_refused_in_words() {
    let place = Place::new();
    let _owner = place.open();
    let told = CustodianStore::open(&place.path()).err().unwrap();
    assert!(matches!(told, StoreError::InUse { .. }), "{told:?}");
    let other = place.0.path().join("notes.txt");
    let text = "something that somebody still needs\n".repeat(200);
    std::fs::write(&other, &text).unwrap();
    let told = CustodianStore::open(&other).err().unwrap();
    assert!(
        matches!(told, StoreError::Io { .. } | StoreError::Database { .. }),
        "{told:?}"
    );
    assert_eq!(std::fs::read_to_string(&other).unwrap(), text, "it is left as it was");
}
