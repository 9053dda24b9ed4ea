//! What a custodian counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start of the process; read by the gateway's `/metrics` and by an own port.
#[derive(Debug, Default)]
pub struct Counters {
    /// Proposals answered with a vote.
    pub votes: AtomicU64,
    /// Commits answered with shares.
    pub commits: AtomicU64,
    /// Messages refused.
    pub refusals: AtomicU64,
    /// Connections made to a gateway.
    pub connections: AtomicU64,
    /// Durable transactions.
    pub fsyncs: AtomicU64,
    /// Size of the certified log.
    pub size: AtomicU64,
    /// View entered.
    pub view: AtomicU64,
    /// Whether it votes.
    pub voting: AtomicU64,
    /// Custodians with which it never signs again under the keys in force.
    pub banned: AtomicU64,
}

impl Counters {
    /// Names and values; documented in `docs/OPERATING.md`.
    pub fn read(&self) -> [(&'static str, u64); 9] {
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        [
            ("votes_total", load(&self.votes)),
            ("commits_total", load(&self.commits)),
            ("refusals_total", load(&self.refusals)),
            ("connections_total", load(&self.connections)),
            ("fsyncs_total", load(&self.fsyncs)),
            ("log_size", load(&self.size)),
            ("view", load(&self.view)),
            ("voting", load(&self.voting)),
            ("banned", load(&self.banned)),
        ]
    }

    /// `name value` lines for the gateway.
    pub fn lines(&self) -> String {
        self.read()
            .iter()
            .map(|(name, value)| format!("{name} {value}\n"))
            .collect()
    }

    /// Prometheus text of an own port.
    pub fn prometheus(&self, number: u16) -> String {
        self.read()
            .iter()
            .map(|(name, value)| format!("quorate_custodian_{name}{{custodian=\"{number}\"}} {value}\n"))
            .collect()
    }
}
