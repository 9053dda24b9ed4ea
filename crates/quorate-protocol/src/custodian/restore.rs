//! Starting: from nothing, or from what the last run made durable.

use super::{Custodian, Identity};
use crate::{
    Committee, QuorumCertificate, View,
    batch::{self, Seen},
    dkg::Ceremony,
    key_ring::KeyRing,
    message::{LogEntry, Standing},
    saved::{SavedState, SavedTip},
    step::{Change, Step},
    tip::Tip,
};
use quorate_rules::{
    Leaf, Refusal, Registry,
    anchor::{HeadAt, Heads},
    cbor::Canonical,
};
use quorate_tlog::{hash::Hash, range::CompactRange};
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was found on disk.
#[derive(Debug, Default)]
pub struct Saved {
    /// The state record.
    pub state: Option<Vec<u8>>,
    /// The registry record.
    pub registry: Option<Vec<u8>>,
    /// The entries above the settled head.
    pub tail: Vec<LogEntry>,
    /// What is still alive of the entries of the last [`super::REPLAY_WINDOW_MS`], in order.
    pub remembered: Vec<Remembered>,
}

/// What a custodian needs of an old entry: the identifier whose evidence may still be alive, and the head that ends there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    index: u64,
    time_ms: u64,
    identifier: Option<([u8; 32], u64)>,
    root: Option<Hash>,
}

impl Remembered {
    /// What is alive of an entry at `now_ms`, the time of the newest leaf; none if nothing is.
    pub fn of(index: u64, entry: &LogEntry, now_ms: u64) -> Option<Self> {
        let leaf = Leaf::decode(&entry.leaf.0).ok()?;
        let identifier = entry.jti.map(|jti| jti.0).zip(entry.dies_ms);
        let identifier = identifier.filter(|(_, dies_ms)| *dies_ms >= now_ms);
        let root = entry.root.map(|root| Hash::from(root.0));
        (identifier.is_some() || root.is_some()).then_some(Self {
            index,
            time_ms: leaf.time_ms,
            identifier,
            root,
        })
    }

    /// The heads among them up to this size.
    pub fn heads(remembered: &[Self], size: u64) -> Heads {
        let mut heads = Heads::default();
        for one in remembered.iter().filter(|one| one.index < size) {
            if let Some(root) = one.root {
                heads.push(HeadAt {
                    size: one.index.saturating_add(1),
                    root,
                    time_ms: one.time_ms,
                });
            }
        }
        heads
    }

    /// The identifiers among them.
    pub fn seen(remembered: &[Self]) -> Seen {
        let mut seen = Seen::default();
        for one in remembered {
            if let Some((jti, dies_ms)) = one.identifier {
                seen.insert(jti, one.index, dies_ms);
            }
        }
        seen
    }
}

/// A custodian as it starts; persisting the step makes the new incarnation durable before anybody hears of it.
pub type Restored = Step<Custodian>;

impl Custodian {
    /// Starts a custodian; it joins first. What is on disk and does not fit together is refused: [`Refusal::Malformed`], or whatever
    /// judging the saved entries anew says.
    pub fn restore(
        identity: Identity,
        committee: Committee,
        keys: KeyRing,
        saved: &Saved,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Restored, Refusal> {
        let mut challenge = [0; 32];
        rng.fill_bytes(&mut challenge);
        let mut custodian = Self {
            switches: super::Switches::default(),
            ceremony: Ceremony::idle(),
            equivocation: None,
            bans: Vec::new(),
            identity,
            keys,
            standing: Standing::Joining,
            incarnation: 1,
            challenge,
            view: View(0),
            last_vote: None,
            lock: None,
            settled: Tip::empty(),
            certified: Tip::empty(),
            tentative: None,
            saved_registry: Arc::new(Registry::new()),
            newest: BTreeMap::new(),
            seen: Seen::default(),
            attempts: BTreeMap::new(),
            committee,
        };
        if let Some(state) = &saved.state {
            let state = SavedState::from_canonical(state).map_err(|_| Refusal::Malformed)?;
            custodian.load(&state, saved)?;
        }
        let change = Change {
            state: Some(custodian.saved_state().to_canonical()),
            ..Change::default()
        };
        Ok(Step::new(change, custodian))
    }

    fn load(&mut self, state: &SavedState, saved: &Saved) -> Result<(), Refusal> {
        if state.version != 1 {
            return Err(Refusal::Malformed);
        }
        let registry = match &saved.registry {
            Some(bytes) => Arc::new(Registry::from_saved(bytes).map_err(|_| Refusal::Malformed)?),
            None => Arc::new(Registry::new()),
        };
        self.incarnation = state.incarnation.checked_add(1).ok_or(Refusal::Malformed)?;
        self.standing = if state.amnesic {
            Standing::Amnesic
        } else {
            Standing::Joining
        };
        self.bans.clone_from(&state.bans);
        self.view = state.view;
        self.last_vote = state.last_vote;
        self.newest = state.newest.iter().map(|held| (held.custodian, held.clone())).collect();
        let range = range_of(&state.settled)?;
        let heads = Remembered::heads(&saved.remembered, range.size());
        self.settled = Tip::from_parts(range, Arc::clone(&registry), state.settled.time_ms, heads);
        self.saved_registry = registry;
        self.certified = self.replay(&self.settled, range_of(&state.certified)?.size(), saved)?;
        if SavedTip::from(&self.certified) != state.certified {
            return Err(Refusal::Malformed);
        }
        self.lock = check_lock(&self.committee, state.lock.clone(), &self.certified)?;
        self.load_tail(state, saved)
    }

    fn load_tail(&mut self, state: &SavedState, saved: &Saved) -> Result<(), Refusal> {
        if let Some(size) = state.tentative {
            let tip = self.replay(&self.certified, size, saved)?;
            if self.last_vote.is_none_or(|vote| tip.head() != vote.head) {
                return Err(Refusal::Malformed);
            }
            self.tentative = Some(tip);
        }
        self.seen = Remembered::seen(&saved.remembered);
        Ok(())
    }

    /// The tip of `size` on top of `base`, from the saved entries.
    fn replay(&self, base: &Tip, size: u64, saved: &Saved) -> Result<Tip, Refusal> {
        let offset = |index: u64| {
            index
                .checked_sub(self.settled.head().size)
                .and_then(|offset| usize::try_from(offset).ok())
        };
        let from = base.head().size;
        if from == size {
            return Ok(base.clone());
        }
        let (Some(first), Some(end)) = (offset(from), offset(size)) else {
            return Err(Refusal::Malformed);
        };
        let entries = saved.tail.get(first..end).ok_or(Refusal::Malformed)?;
        batch::follow(base, &self.committee, entries)
    }
}

fn range_of(saved: &SavedTip) -> Result<CompactRange, Refusal> {
    CompactRange::decode(&saved.range).map_err(|_| Refusal::Malformed)
}

fn check_lock(
    committee: &Committee,
    lock: Option<QuorumCertificate>,
    certified: &Tip,
) -> Result<Option<QuorumCertificate>, Refusal> {
    let Some(lock) = lock else { return Ok(None) };
    // While it follows in pieces a custodian may hold less than its lock or more than it, but at one size it is the same head.
    let quorum = lock.verify(committee).map_err(|_| Refusal::Malformed)?;
    let same_size = quorum.head().size == certified.head().size;
    if same_size && quorum.head() != certified.head() {
        Err(Refusal::Malformed)
    } else {
        Ok(Some(lock))
    }
}
