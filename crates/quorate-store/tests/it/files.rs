//! Single files: whole or not at all, secrets for their owner only.

use quorate_store::{
    StoreError,
    file::{Durability, read_bounded, write_secret, write_whole},
};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_secret_is_its_owners_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seal.key");
    write_secret(&path, b"secret").unwrap();
    assert_eq!(mode(&path), 0o600);
    write_secret(&path, b"another").unwrap();
    assert_eq!(
        (mode(&path), std::fs::read(&path).unwrap()),
        (0o600, b"another".to_vec())
    );
    // One that everybody could read is so no more once it holds a secret.
    let open = directory.path().join("open.key");
    write_whole(&open, b"public", Durability::Now).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    write_secret(&open, b"secret").unwrap();
    assert_eq!(mode(&open), 0o600);
    // Nor does what a killed process left lend its mode, or its place, to a secret.
    let (left, elsewhere) = (
        directory.path().join("seal.key~new"),
        directory.path().join("elsewhere"),
    );
    std::fs::write(&left, b"half of something").unwrap();
    std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o666)).unwrap();
    write_secret(&path, b"secret").unwrap();
    assert_eq!((mode(&path), left.exists()), (0o600, false));
    std::fs::write(&elsewhere, b"").unwrap();
    std::os::unix::fs::symlink(&elsewhere, &left).unwrap();
    write_secret(&path, b"secret").unwrap();
    assert_eq!(
        (std::fs::read(&elsewhere).unwrap(), std::fs::read(&path).unwrap()),
        (vec![], b"secret".to_vec())
    );
}

#[test]
fn a_write_that_fails_leaves_the_file_that_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("occupied");
    std::fs::create_dir(&path).unwrap();
    for durability in [Durability::Now, Durability::Later] {
        let told = write_whole(&path, b"bytes", durability).unwrap_err();
        assert!(matches!(told, StoreError::Io { .. }), "{told:?}");
    }
    let left: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left, std::slice::from_ref(&path), "nothing half-written stays");
    let missing = directory.path().join("missing/file");
    assert!(write_whole(&missing, b"bytes", Durability::Now).is_err() && !missing.exists());
}

#[test]
fn reading_takes_no_more_than_it_may() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    assert_eq!(read_bounded(&path, 10).unwrap(), None);
    write_whole(&path, &[7; 10], Durability::Later).unwrap();
    assert_eq!(read_bounded(&path, 10).unwrap(), Some(vec![7; 10]));
    assert!(matches!(
        read_bounded(&path, 9).unwrap_err(),
        StoreError::Damaged { .. }
    ));
    // It has no length, and no end either.
    assert!(matches!(
        read_bounded(Path::new("/dev/zero"), 1000).unwrap_err(),
        StoreError::Damaged { .. }
    ));
    assert!(read_bounded(directory.path(), 10).is_err());
}
