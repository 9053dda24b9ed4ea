//! What the process forbids itself before it reads a key: core dumps, being traced, gaining privileges.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core dump of this process, no tracing by others of the same user, no new privileges; Storm-0558's key may have left by a dump.
pub fn process() -> std::io::Result<()> {
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_no_new_privs(true)?;
    Ok(())
}

/// Makes a file-size limit an error of the write that meets it, like a full disk, instead of the death of the process.
pub fn limits_are_errors() -> std::io::Result<()> {
    let signal = tokio::signal::unix::SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    // Whoever has asked for a signal once is not killed by it any more, also after the listener is dropped.
    tokio::signal::unix::signal(signal).map(drop)
}
