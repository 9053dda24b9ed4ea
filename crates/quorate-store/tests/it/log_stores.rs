//! The checks of every [`LogStore`]. A new backend is one more module at the end.

use quorate_store::{Append, AppendError, Expiring, Head, LogStore, MemoryLog, RedbLog, StoreError, Taken};
use std::sync::Barrier;

pub(crate) fn head(view: u64, size: u64) -> Head {
    Head {
        view,
        size,
        root: [u8::try_from(size % 251).unwrap(); 32],
    }
}

pub(crate) fn taken(key: &str, index: u64, expires_ms: u64) -> Taken {
    Taken {
        key: key.into(),
        index,
        expires_ms,
    }
}

pub(crate) fn item(key: &str, value: &str, expires_ms: u64) -> Expiring {
    Expiring {
        key: key.into(),
        value: value.into(),
        expires_ms,
    }
}

/// Entries `from` to `to`, each saying which it is.
pub(crate) fn append(from: u64, to: u64, keys: Vec<Taken>) -> Append {
    Append {
        head: head(1, to),
        entries: (from..to).map(|index| format!("entry {index}").into_bytes()).collect(),
        taken: keys,
        records: vec![("newest".to_owned(), to.to_be_bytes().to_vec())],
    }
}

/// Everything that can be seen of a store.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    head: Option<Head>,
    entries: Vec<Vec<u8>>,
    newest: Option<Vec<u8>>,
    other: Option<Vec<u8>>,
    tables: Vec<Vec<Expiring>>,
}

pub(crate) fn see(store: &dyn LogStore) -> Seen {
    Seen {
        head: store.head().unwrap(),
        entries: store.entries(0, usize::MAX).unwrap(),
        newest: store.record("newest").unwrap(),
        other: store.record("other").unwrap(),
        tables: ["a", "ab", "b"]
            .map(|table| store.list_expiring(table).unwrap())
            .to_vec(),
    }
}

fn moved(outcome: Result<(), AppendError>) -> Option<Head> {
    match outcome {
        Err(AppendError::HeadMoved { found }) => found,
        other => panic!("{other:?}"),
    }
}

fn already(outcome: Result<(), AppendError>) -> Vec<Vec<u8>> {
    match outcome {
        Err(AppendError::AlreadyTaken { keys }) => keys,
        other => panic!("{other:?}"),
    }
}

/// Three entries, of which the last two took a key each, a record, and an item in each of two tables.
fn filled(store: &dyn LogStore) -> Head {
    let keys = vec![taken("one", 1, 1_000), taken("two", 2, 2_000)];
    store.append(None, &append(0, 3, keys)).unwrap();
    store.set_records(&[("other", b"value".to_vec())]).unwrap();
    store.put_expiring("a", &item("key", "of a", 1_500)).unwrap();
    store.put_expiring("ab", &item("key", "of ab", 2_500)).unwrap();
    head(1, 3)
}

fn nothing_is_in_an_empty_store(store: &dyn LogStore) {
    assert_eq!(store.head().unwrap(), None);
    assert!(store.entries(0, 10).unwrap().is_empty());
    assert_eq!(store.record("newest").unwrap(), None);
    assert!(store.list_expiring("a").unwrap().is_empty());
    assert_eq!(store.take_expiring("a", b"key").unwrap(), None);
    assert_eq!(store.sweep(u64::MAX).unwrap(), 0);
    assert_eq!(moved(store.truncate(Some(&head(1, 1)), None)), None);
    assert_eq!(moved(store.append(Some(&head(1, 0)), &append(0, 1, vec![]))), None);
    assert_eq!(store.head().unwrap(), None);
}

fn appends_stand_in_order_with_their_head_and_records(store: &dyn LogStore) {
    store.append(None, &append(0, 3, vec![])).unwrap();
    store.append(Some(&head(1, 3)), &append(3, 4, vec![])).unwrap();
    // A head may move without an entry: another view, or a record that goes with it.
    let mut view = append(4, 4, vec![]);
    view.head.view = 2;
    store.append(Some(&head(1, 4)), &view).unwrap();
    assert_eq!(store.head().unwrap(), Some(head(2, 4)));
    let all: Vec<Vec<u8>> = (0..4).map(|index| format!("entry {index}").into_bytes()).collect();
    assert_eq!(store.entries(0, usize::MAX).unwrap(), all);
    assert_eq!(store.record("newest").unwrap(), Some(4u64.to_be_bytes().to_vec()));
}

fn entries_are_read_from_any_place_and_at_most_so_many(store: &dyn LogStore) {
    store.append(None, &append(0, 300, vec![])).unwrap();
    let read = |from: u64, limit: usize| store.entries(from, limit).unwrap();
    assert_eq!(read(255, 2), [b"entry 255".to_vec(), b"entry 256".to_vec()]);
    assert_eq!(read(299, 10), [b"entry 299".to_vec()]);
    assert_eq!(read(0, 300).len(), 300);
    for (from, limit) in [(0, 0), (300, 1), (u64::MAX, usize::MAX)] {
        assert!(read(from, limit).is_empty(), "{from}, {limit}");
    }
}

fn another_expected_head_changes_nothing(store: &dyn LogStore) {
    let found = filled(store);
    let before = see(store);
    let others = [
        None,
        Some(head(2, 3)),
        Some(head(0, 3)),
        Some(head(1, 2)),
        Some(Head { root: [9; 32], ..found }),
    ];
    for wrong in &others {
        let mut more = append(3, 5, vec![taken("three", 3, 9_000)]);
        more.records.push(("other".to_owned(), b"changed".to_vec()));
        assert_eq!(moved(store.append(wrong.as_ref(), &more)), Some(found));
        assert_eq!(moved(store.truncate(wrong.as_ref(), Some(&head(1, 1)))), Some(found));
        assert_eq!(moved(store.truncate(wrong.as_ref(), None)), Some(found));
        assert_eq!(see(store), before, "{wrong:?}");
    }
    // The key of the refused appends was not taken, and those of the entries still are.
    let keys = vec![taken("one", 3, 9_000), taken("two", 3, 9_000)];
    assert_eq!(
        already(store.append(Some(&found), &append(3, 4, keys))),
        [b"one", b"two"]
    );
    store
        .append(Some(&found), &append(3, 4, vec![taken("three", 3, 9_000)]))
        .unwrap();
}

fn a_taken_key_refuses_the_whole_append(store: &dyn LogStore) {
    let found = filled(store);
    let before = see(store);
    let keys = vec![taken("new", 3, 9_000), taken("two", 4, 9_000)];
    assert_eq!(already(store.append(Some(&found), &append(3, 5, keys))), [b"two"]);
    assert_eq!(see(store), before);
    // What was free before it is free after it.
    store
        .append(Some(&found), &append(3, 4, vec![taken("new", 3, 9_000)]))
        .unwrap();
    assert_eq!(
        already(store.append(Some(&head(1, 4)), &append(4, 5, vec![taken("new", 4, 9_000)]))),
        [b"new"]
    );
}

fn a_key_stands_once_within_one_append_too(store: &dyn LogStore) {
    let twice = vec![taken("key", 0, 9_000), taken("other", 1, 9_000), taken("key", 1, 9_000)];
    assert_eq!(already(store.append(None, &append(0, 2, twice))), [b"key"]);
    assert_eq!(store.head().unwrap(), None);
    store.append(None, &append(0, 1, vec![taken("key", 0, 9_000)])).unwrap();
}

fn truncation_frees_the_keys_of_what_it_drops(store: &dyn LogStore) {
    let found = filled(store);
    let to = Head { view: 7, ..head(1, 2) };
    store.truncate(Some(&found), Some(&to)).unwrap();
    assert_eq!(store.head().unwrap(), Some(to));
    assert_eq!(
        store.entries(0, 10).unwrap(),
        [b"entry 0".to_vec(), b"entry 1".to_vec()]
    );
    assert_eq!(
        store.record("other").unwrap(),
        Some(b"value".to_vec()),
        "records are no entries"
    );
    assert_eq!(store.list_expiring("a").unwrap().len(), 1);
    assert_eq!(
        already(store.append(Some(&to), &append(2, 3, vec![taken("one", 2, 9_000)]))),
        [b"one"]
    );
    store
        .append(Some(&to), &append(2, 3, vec![taken("two", 2, 9_000)]))
        .unwrap();
    assert_eq!(store.entries(2, 10).unwrap(), [b"entry 2".to_vec()]);
}

fn truncation_to_nothing_is_the_beginning(store: &dyn LogStore) {
    let found = filled(store);
    store.truncate(Some(&found), None).unwrap();
    assert_eq!((store.head().unwrap(), store.entries(0, 10).unwrap().len()), (None, 0));
    filled(store);
    assert_eq!(store.entries(0, 10).unwrap().len(), 3);
}

fn truncation_to_the_same_size_only_moves_the_head(store: &dyn LogStore) {
    let found = filled(store);
    let to = head(9, 3);
    store.truncate(Some(&found), Some(&to)).unwrap();
    assert_eq!(
        (store.head().unwrap(), store.entries(0, 10).unwrap().len()),
        (Some(to), 3)
    );
    let keys = vec![taken("one", 3, 9_000), taken("two", 3, 9_000)];
    assert_eq!(already(store.append(Some(&to), &append(3, 4, keys))).len(), 2);
}

fn sweeping_removes_what_is_dead_and_nothing_else(store: &dyn LogStore) {
    let found = filled(store);
    // A key or item lives up to and including the millisecond that it names.
    assert_eq!(store.sweep(1_000).unwrap(), 0);
    assert_eq!(
        already(store.append(Some(&found), &append(3, 4, vec![taken("one", 3, 9_000)]))),
        [b"one"]
    );
    assert_eq!(store.sweep(1_001).unwrap(), 1, "the key of entry 1");
    assert_eq!(store.sweep(1_501).unwrap(), 1, "the item of a");
    assert_eq!(store.list_expiring("a").unwrap(), []);
    assert_eq!(store.list_expiring("ab").unwrap(), [item("key", "of ab", 2_500)]);
    assert_eq!(
        already(store.append(Some(&found), &append(3, 4, vec![taken("two", 3, 9_000)]))),
        [b"two"]
    );
    store
        .append(Some(&found), &append(3, 4, vec![taken("one", 3, 9_000)]))
        .unwrap();
    assert_eq!(store.sweep(u64::MAX).unwrap(), 3);
    assert_eq!(store.entries(0, 10).unwrap().len(), 4, "entries never expire");
    assert_eq!(store.record("other").unwrap(), Some(b"value".to_vec()));
    let keys = vec![taken("one", 4, u64::MAX), taken("two", 4, 0)];
    store.append(Some(&head(1, 4)), &append(4, 5, keys)).unwrap();
    assert_eq!(store.sweep(u64::MAX).unwrap(), 1, "a key may live for ever");
}

fn tables_are_apart_and_their_items_in_order(store: &dyn LogStore) {
    // Name and key run together would be the same for these two.
    store.put_expiring("a", &item("bc", "1", 10)).unwrap();
    store.put_expiring("ab", &item("c", "2", 10)).unwrap();
    for key in ["b", "\u{0}", "", "ba", "a"] {
        store.put_expiring("b", &item(key, key, 10)).unwrap();
    }
    let keys = |table: &str| -> Vec<Vec<u8>> {
        let items = store.list_expiring(table).unwrap();
        items.into_iter().map(|item| item.key).collect()
    };
    assert_eq!(keys("a"), [b"bc"]);
    assert_eq!(keys("ab"), [b"c"]);
    assert_eq!(keys("b"), [&b""[..], b"\0", b"a", b"b", b"ba"]);
    assert!(keys("").is_empty() && keys("abc").is_empty());
}

fn items_are_replaced_and_taken_once(store: &dyn LogStore) {
    store.put_expiring("a", &item("key", "old", 10)).unwrap();
    store.put_expiring("a", &item("key", "new", 20)).unwrap();
    assert_eq!(store.list_expiring("a").unwrap(), [item("key", "new", 20)]);
    assert_eq!(store.take_expiring("b", b"key").unwrap(), None);
    assert_eq!(store.take_expiring("a", b"ke").unwrap(), None);
    assert_eq!(store.take_expiring("a", b"key").unwrap(), Some(item("key", "new", 20)));
    assert_eq!(store.take_expiring("a", b"key").unwrap(), None);
}

fn records_are_replaced_and_do_not_touch_the_head(store: &dyn LogStore) {
    let found = filled(store);
    store
        .set_records(&[("head", vec![1]), ("other", vec![]), ("", vec![2])])
        .unwrap();
    assert_eq!(store.head().unwrap(), Some(found));
    assert_eq!(store.record("head").unwrap(), Some(vec![1]));
    assert_eq!(store.record("other").unwrap(), Some(vec![]), "empty is not absent");
    assert_eq!(store.record("").unwrap(), Some(vec![2]));
    store.set_records(&[("head", vec![3]), ("head", vec![4])]).unwrap();
    assert_eq!(store.record("head").unwrap(), Some(vec![4]), "the last one stands");
    store.set_records(&[]).unwrap();
}

fn empty_and_large_values_are_kept(store: &dyn LogStore) {
    let large = vec![0x5a; 3 << 20];
    let all = Append {
        head: head(1, 3),
        entries: vec![vec![], large.clone(), vec![0]],
        taken: vec![taken("", 0, 10)],
        records: vec![("other".to_owned(), large.clone())],
    };
    store.append(None, &all).unwrap();
    assert_eq!(store.entries(0, 10).unwrap(), all.entries);
    assert_eq!(store.record("other").unwrap(), Some(large));
    assert_eq!(
        already(store.append(Some(&head(1, 3)), &append(3, 4, vec![taken("", 3, 10)]))),
        [b""]
    );
}

fn of_many_writers_on_one_head_exactly_one_wins(store: &dyn LogStore) {
    const WRITERS: u64 = 8;
    let start = Barrier::new(usize::try_from(WRITERS).unwrap());
    for round in 0..5 {
        let expected = store.head().unwrap();
        let outcomes: Vec<bool> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (start, expected) = (&start, &expected);
                    scope.spawn(move || {
                        let mut mine = append(
                            round,
                            round + 1,
                            vec![taken(&format!("{round} {writer}"), round, 9_000)],
                        );
                        mine.head.view = writer;
                        mine.entries[0] = writer.to_be_bytes().to_vec();
                        start.wait();
                        store.append(expected.as_ref(), &mine).is_ok()
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|won| **won).count(), 1, "{outcomes:?}");
        let winner = outcomes.iter().position(|won| *won).unwrap() as u64;
        assert_eq!(store.head().unwrap().unwrap().view, winner);
        assert_eq!(store.entries(round, 10).unwrap(), [winner.to_be_bytes().to_vec()]);
    }
}

/// A test of each check for each backend.
macro_rules! every_backend {
    ($($check:ident),+ $(,)?) => {
        mod memory {
            $(#[test]
            fn $check() {
                super::$check(&super::MemoryLog::default());
            })+
        }

        mod redb {
            $(#[test]
            fn $check() {
                let directory = tempfile::tempdir().unwrap();
                super::$check(&super::RedbLog::open(&directory.path().join("log.redb")).unwrap());
            })+
        }
    };
}

every_backend!(
    nothing_is_in_an_empty_store,
    appends_stand_in_order_with_their_head_and_records,
    entries_are_read_from_any_place_and_at_most_so_many,
    another_expected_head_changes_nothing,
    a_taken_key_refuses_the_whole_append,
    a_key_stands_once_within_one_append_too,
    truncation_frees_the_keys_of_what_it_drops,
    truncation_to_nothing_is_the_beginning,
    truncation_to_the_same_size_only_moves_the_head,
    sweeping_removes_what_is_dead_and_nothing_else,
    tables_are_apart_and_their_items_in_order,
    items_are_replaced_and_taken_once,
    records_are_replaced_and_do_not_touch_the_head,
    empty_and_large_values_are_kept,
    of_many_writers_on_one_head_exactly_one_wins,
);

#[test]
fn everything_is_there_when_the_file_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let store = RedbLog::open(&path).unwrap();
    let found = filled(&store);
    let before = see(&store);
    drop(store);
    let store = RedbLog::open(&path).unwrap();
    assert_eq!(see(&store), before);
    let keys = vec![taken("one", 3, 9_000), taken("two", 3, 9_000)];
    assert_eq!(already(store.append(Some(&found), &append(3, 4, keys))).len(), 2);
    store.truncate(Some(&found), Some(&head(1, 2))).unwrap();
    drop(store);
    let store = RedbLog::open(&path).unwrap();
    assert_eq!(store.head().unwrap(), Some(head(1, 2)));
    store
        .append(Some(&head(1, 2)), &append(2, 3, vec![taken("two", 2, 9_000)]))
        .unwrap();
}

#[test]
fn two_owners_of_one_file_and_files_of_something_else_are_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let _owner = RedbLog::open(&path).unwrap();
    let told = RedbLog::open(&path).err().unwrap();
    assert!(matches!(told, StoreError::InUse { .. }), "{told:?}");
    assert!(told.to_string().contains("in use by another process"), "{told}");
    let other = directory.path().join("notes.txt");
    let text = "something that somebody still needs\n".repeat(200);
    std::fs::write(&other, &text).unwrap();
    let told = RedbLog::open(&other).err().unwrap();
    assert!(
        matches!(told, StoreError::Io { .. } | StoreError::Database { .. }),
        "{told:?}"
    );
    assert_eq!(std::fs::read_to_string(&other).unwrap(), text, "it is left as it was");
    assert!(RedbLog::open(&directory.path().join("missing/log.redb")).is_err());
}

#[test]
fn every_write_is_one_durable_commit() {
    let directory = tempfile::tempdir().unwrap();
    let store = RedbLog::open(&directory.path().join("log.redb")).unwrap();
    let mut before = store.fsyncs();
    let mut count = |what: &str, write: &dyn Fn(&RedbLog)| {
        write(&store);
        assert_eq!(store.fsyncs(), before + 1, "{what}");
        before += 1;
    };
    count("append", &|store| store.append(None, &append(0, 2, vec![])).unwrap());
    count("records", &|store| store.set_records(&[("a", vec![1])]).unwrap());
    count("item", &|store| store.put_expiring("a", &item("k", "v", 1)).unwrap());
    count("take", &|store| drop(store.take_expiring("a", b"k").unwrap()));
    count("truncate", &|store| {
        store.truncate(Some(&head(1, 2)), Some(&head(1, 1))).unwrap()
    });
    let refused = store.append(None, &append(0, 2, vec![]));
    assert!(
        refused.is_err() && store.fsyncs() == before,
        "a refused append writes nothing"
    );
    assert_eq!(see(&store).entries.len(), 1);
    let reads = store.fsyncs();
    let _ = (see(&store), store.fsyncs());
    assert_eq!(store.fsyncs(), reads, "reading writes nothing");
}
