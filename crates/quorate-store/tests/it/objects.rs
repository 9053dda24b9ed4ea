//! Objects by path: immutable ones are made once, others are replaced whole, and no path leads anywhere else.

use proptest::prelude::*;
use quorate_store::{DirectoryObjects, Objects, StoreError, objects::Created};
use std::path::{Path, PathBuf};

struct Place {
    directory: tempfile::TempDir,
    objects: DirectoryObjects,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let objects = DirectoryObjects::open(&directory.path().join("public/of/a/log")).unwrap();
        Self { directory, objects }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("public/of/a/log")
    }

    /// Every file below the test's own directory, relative to the objects.
    fn files(&self) -> Vec<String> {
        fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, files)
                } else {
                    files.push(path)
                }
            }
        }
        let mut files = Vec::new();
        collect(self.directory.path(), &mut files);
        let root = self.root();
        let name = |path: PathBuf| path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
        let mut names: Vec<String> = files.into_iter().map(name).collect();
        names.sort();
        names
    }
}

#[test]
fn an_immutable_object_is_made_once_and_compared_afterwards() {
    let place = Place::new();
    let create = |bytes: &[u8]| place.objects.create("tile/0/x001/234.p/17", bytes);
    assert_eq!(create(b"tile").unwrap(), Created::New);
    assert_eq!(create(b"tile").unwrap(), Created::Same);
    for other in [&b"tilf"[..], b"tile ", b"til", b""] {
        let told = create(other).unwrap_err();
        assert!(matches!(told, StoreError::Differs { .. }), "{told:?}");
    }
    assert_eq!(
        place.objects.get("tile/0/x001/234.p/17", 100).unwrap(),
        Some(b"tile".to_vec())
    );
    assert_eq!(place.files(), ["tile/0/x001/234.p/17"]);
}

#[test]
fn an_object_that_is_replaced_is_whole_at_all_times() {
    let place = Place::new();
    let (old, new) = (vec![b'o'; 200_000], vec![b'n'; 300_000]);
    place.objects.replace("checkpoint", &old).unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut olds, mut news) = (0, 0);
            while news == 0 {
                let found = place
                    .objects
                    .get("checkpoint", 1 << 20)
                    .unwrap()
                    .expect("it is always there");
                assert!(found == old || found == new, "{} bytes of a mixture", found.len());
                if found == old { olds += 1 } else { news += 1 }
            }
            olds
        });
        place.objects.replace("checkpoint", &new).unwrap();
        let _ = reader.join().unwrap();
    });
    assert_eq!(place.files(), ["checkpoint"], "nothing half-written stays");
}

#[test]
fn objects_are_read_within_their_bound() {
    let place = Place::new();
    place.objects.create("object", &[1; 100]).unwrap();
    assert_eq!(
        place.objects.get("object", 100).unwrap().map(|bytes| bytes.len()),
        Some(100)
    );
    assert!(matches!(
        place.objects.get("object", 99).unwrap_err(),
        StoreError::Damaged { .. }
    ));
    assert_eq!(place.objects.get("other", 100).unwrap(), None);
    assert_eq!(place.objects.get("object-too/deep", 100).unwrap(), None);
    place.objects.create("empty", b"").unwrap();
    assert_eq!(place.objects.get("empty", 0).unwrap(), Some(vec![]));
}

#[test]
fn bad_paths_are_refused_by_every_call_and_leave_no_trace() {
    let place = Place::new();
    place.objects.create("tile/entries/000", b"x").unwrap();
    let long = "a".repeat(513);
    let deep = "a/".repeat(257);
    let bad = [
        "",
        "/",
        "a//b",
        "/a",
        "a/",
        ".",
        "..",
        "a/.",
        "a/..",
        "../a",
        "a/../b",
        "..a",
        "a/..b",
        "a b",
        "a\\b",
        "a\0b",
        "a:b",
        "ü",
        "a\n",
        "~",
        "a~",
        "%2e%2e",
        "a?b",
        "/etc/passwd",
        &long,
        &deep,
    ];
    for path in bad {
        let refused = |error: StoreError| matches!(error, StoreError::BadPath(told) if told == path);
        assert!(refused(place.objects.create(path, b"x").unwrap_err()), "{path:?}");
        assert!(refused(place.objects.replace(path, b"x").unwrap_err()), "{path:?}");
        assert!(refused(place.objects.get(path, 10).unwrap_err()), "{path:?}");
    }
    assert_eq!(place.files(), ["tile/entries/000"]);
    // An object is no directory, and a directory no object.
    assert!(place.objects.create("tile/entries/000/1", b"x").is_err());
    assert!(place.objects.create("tile/entries", b"x").is_err());
    assert!(place.objects.replace("tile/entries", b"x").is_err());
    assert!(place.objects.get("tile/entries", 10).is_err());
    assert_eq!(place.files(), ["tile/entries/000"]);
}

#[test]
fn no_object_has_the_name_of_a_file_in_the_making() {
    let place = Place::new();
    for path in ["checkpoint.new", "checkpoint.tmp", "checkpoint.part"] {
        place.objects.create(path, b"an object like any other").unwrap();
    }
    place.objects.replace("checkpoint", b"newer").unwrap();
    place.objects.replace("checkpoint", b"newest").unwrap();
    for path in ["checkpoint.new", "checkpoint.tmp", "checkpoint.part"] {
        assert_eq!(
            place.objects.get(path, 100).unwrap().as_deref(),
            Some(&b"an object like any other"[..]),
            "{path} was written over"
        );
    }
    assert_eq!(place.files().len(), 4);
}

#[test]
fn objects_are_there_when_the_directory_is_opened_again() {
    let place = Place::new();
    place.objects.create("tile/0/000", b"tile").unwrap();
    let again = DirectoryObjects::open(&place.root()).unwrap();
    assert_eq!(again.create("tile/0/000", b"tile").unwrap(), Created::Same);
    assert!(again.create("tile/0/000", b"other").is_err());
}

proptest! {
    #[test]
    fn any_path_is_refused_or_leads_below_the_directory(
        path in "[a-b./\\\\~ :\\-_]{0,12}|(\\.{0,3}[a-z]{0,3}\\.{0,3}/){0,4}[a-z.]{0,4}|\\PC{0,10}"
    ) {
        let place = Place::new();
        match place.objects.create(&path, b"object") {
            Ok(created) => {
                prop_assert_eq!(created, Created::New);
                prop_assert_eq!(place.files(), vec![path.clone()]);
                prop_assert_eq!(place.objects.get(&path, 10).unwrap(), Some(b"object".to_vec()));
            }
            Err(StoreError::BadPath(told)) => {
                prop_assert_eq!(told, path);
                prop_assert!(place.files().is_empty());
            }
            Err(error) => prop_assert!(false, "{:?}: {:?}", path, error),
        }
    }
}
