//! Documents that tests write: the file says exactly what the code does, or the test fails. The command line's tests use it too.

use std::path::Path;

#[expect(
    clippy::disallowed_methods,
    reason = "whoever changed something on purpose lets the document be written anew"
)]
fn is_writing() -> bool {
    std::env::var("QUORATE_WRITE_SPEC").is_ok_and(|value| value == "1")
}

/// Compares the document below the root of the repository with what it must say, or writes it with `QUORATE_WRITE_SPEC=1`.
pub fn check(document: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document);
    if is_writing() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = found
        .lines()
        .zip(expected.lines())
        .position(|(found, expected)| found != expected);
    let line = differs.unwrap_or_else(|| found.lines().count().min(expected.lines().count()));
    assert!(
        found == expected,
        "{document} is not what it must be from line {}:\n  it says     {:?}\n  it must say {:?}\n\
         If this change is meant, run the test with QUORATE_WRITE_SPEC=1 and commit the document with it.",
        line + 1,
        found.lines().nth(line),
        expected.lines().nth(line),
    );
}
