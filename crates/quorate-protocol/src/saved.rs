//! What a custodian keeps between starts, besides its entries and its sealed shares.

use crate::{Head, QuorumCertificate, View, tip::Tip};
use minicbor::{Decode, Encode};
use quorate_rules::{
    canonical,
    cbor::{Array, Bytes},
};
use quorate_tlog::range::CompactRange;

/// The state record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SavedState {
    /// Format version, 1.
    #[n(0)]
    pub version: u8,
    /// Grows with every start.
    #[n(1)]
    pub incarnation: u64,
    /// View entered.
    #[n(2)]
    pub view: View,
    /// Newest vote.
    #[n(3)]
    pub last_vote: Option<LastVote>,
    /// Highest certificate: the lock.
    #[n(4)]
    pub lock: Option<QuorumCertificate>,
    /// Tip below the certified one; the registry record is its registry.
    #[n(5)]
    pub settled: SavedTip,
    /// Certified tip.
    #[n(6)]
    pub certified: SavedTip,
    /// Size of the head voted for on top of it, if any.
    #[n(7)]
    pub tentative: Option<u64>,
    /// Newest vote held from each custodian.
    #[n(8)]
    pub newest: Vec<HeldVote>,
    /// Whether the disk was found rolled back: for good.
    #[n(9)]
    pub amnesic: bool,
    /// Custodians with which this one never signs again, for good.
    #[n(10)]
    pub bans: Vec<Ban>,
}

/// Another custodian cheated in a multiplication (DKLs23), and may have learned something of what this custodian's share of one key
/// rests on. With enough such answers it could learn the share, so there are no more: only new keys end a ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ban {
    /// Who cheated.
    #[n(0)]
    pub custodian: u16,
    /// Transcript of the DKG whose token key it is about.
    #[n(1)]
    pub transcript: Array<32>,
    /// Head whose tokens were being signed.
    #[n(2)]
    pub head: Head,
}

/// A custodian's own newest vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LastVote {
    /// In which view.
    #[n(0)]
    pub view: View,
    /// For which head.
    #[n(1)]
    pub head: Head,
    /// Whether that head turned out not to be on the certified branch.
    #[n(2)]
    pub dropped: bool,
}

/// A tip without its registry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SavedTip {
    /// Encoded compact range.
    #[n(0)]
    pub range: Bytes,
    /// Time of the last leaf, milliseconds.
    #[n(1)]
    pub time_ms: u64,
}

impl SavedState {
    /// Size of the settled head: the entries needed for a start begin there.
    pub fn settled_size(&self) -> Option<u64> {
        CompactRange::decode(&self.settled.range).ok().map(|range| range.size())
    }
}

impl From<&Tip> for SavedTip {
    fn from(tip: &Tip) -> Self {
        Self {
            range: Bytes(tip.range().encode()),
            time_ms: tip.time_ms(),
        }
    }
}

/// The newest vote that this custodian holds from another.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HeldVote {
    /// Who voted.
    #[n(0)]
    pub custodian: u16,
    /// In which view.
    #[n(1)]
    pub view: View,
    /// For which head.
    #[n(2)]
    pub head: Head,
}

canonical!(SavedState => "custodian state", HeldVote => "held vote");
