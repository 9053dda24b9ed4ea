//! People: a real browser with virtual passkeys, and stock relying parties, against a whole system (`tests/browser`).

use crate::system::{QUORATE, System};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn people_sign_in_with_a_browser() {
    let system = System::start();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(root.join("tests/browser/run"))
        .env("ISSUER", &system.issuer)
        .env("GATEWAY", &system.gateway)
        .env("DEMO", &system.demo)
        .env("INVITATION", &system.invitation)
        .env("DATA_DIR", system.layout_dir())
        .env("QUORATE", QUORATE)
        .env("SCREENSHOTS", screenshots(&root))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let (told, complaints) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    for line in told.lines().filter(|line| line.starts_with("left out ")) {
        println!("{line}");
    }
    let left_out = told.lines().any(|line| line.starts_with("left out browser:"));
    assert!(
        output.status.success(),
        "{told}{complaints}\nlogs: {}",
        if left_out { String::new() } else { system.logs() }
    );
    // Silence is a failure: the tests ran, or it was said why they did not.
    let ran = told.lines().any(|line| line.ends_with("fail 0"));
    assert!(left_out || ran, "{told}{complaints}");
}

/// Where pictures of the pages go: the caller's choice, or below the target directory.
fn screenshots(root: &Path) -> std::path::PathBuf {
    match std::env::var_os("SCREENSHOTS") {
        Some(place) => place.into(),
        None => std::path::absolute(root.join("target/screenshots")).expect("a path"),
    }
}
