//! Bodies: what a leaf commits to. They lie beside the log, token bodies sealed to the tenant's audit key.

use crate::{
    TokenAlg, canonical,
    cbor::{Array, Bytes},
    decision::Approval,
    name::Issuer,
    quorum::QuorumRule,
    record::{AdminSet, CustodianRecord, GatewayRecord},
};
use minicbor::{Decode, Encode};

/// The founding document of a tenant: entry 0 of its log. Whoever pins its hash pins the committee.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GenesisBody {
    /// Issuer string; never changes.
    #[n(0)]
    pub issuer: Issuer,
    /// Number of the log that this genesis opens.
    #[n(1)]
    pub log: u64,
    /// Whether the tenant is a demonstration, which may do without delays and with one administrator on the same disk.
    #[n(2)]
    pub demo: bool,
    /// Custodians, threshold and malicious bound.
    #[n(3)]
    pub quorum: QuorumRule,
    /// JWS algorithm of tokens; never changes.
    #[n(4)]
    pub token_alg: TokenAlg,
    /// The custodians, numbered from 1 in this order.
    #[n(5)]
    pub custodians: Vec<CustodianRecord>,
    /// The administrators and how many of them it takes.
    #[n(6)]
    pub admins: AdminSet,
    /// The gateways that may ask for shares.
    #[n(7)]
    pub gateways: Vec<GatewayRecord>,
    /// HPKE public key (X25519) to which token bodies are sealed.
    #[n(8)]
    pub audit_key: Array<32>,
    /// How long a widening decision waits before it takes effect, milliseconds; zero only with `demo`.
    #[n(9)]
    pub decision_delay_ms: u64,
    /// Rules version in force from the start.
    #[n(10)]
    pub rules: u16,
    /// When the document was made, milliseconds.
    #[n(11)]
    pub created_ms: u64,
    /// Random bytes, so that no two tenants have one genesis.
    #[n(12)]
    pub nonce: Array<32>,
}

/// Public keys of one epoch and the transcript of their DKG.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct KeysBody {
    /// Key epoch, counted from 1.
    #[n(0)]
    pub epoch: u32,
    /// Encoded group key (public) of the token key.
    #[n(1)]
    pub token_group: Bytes,
    /// Encoded group key (public) of the log key.
    #[n(2)]
    pub log_group: Bytes,
    /// Public token key; [`TokenAlg::token_key`] of the genesis' algorithm reads it, and [`crate::Registry::token_key`] is what it read.
    #[n(3)]
    pub token_key: Bytes,
    /// Public log key, Ed25519.
    #[n(4)]
    pub log_key: Array<32>,
    /// Hash of the DKG transcripts of both keys.
    #[n(5)]
    pub transcript: Array<32>,
}

/// A decision: a proposal and the approvals that carry it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DecisionBody {
    /// Canonical bytes of the proposal, exactly as signed.
    #[n(0)]
    pub proposal: Bytes,
    /// Approvals of distinct administrators.
    #[n(1)]
    pub approvals: Vec<Approval>,
}

/// Canonical body of a tick: an empty map.
pub const TICK: &[u8] = &[0xa0];

/// What a token leaf commits to.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TokenBody {
    /// JWT claims set, the exact payload bytes.
    #[n(0)]
    pub claims: Bytes,
    /// Digest of the evidence.
    #[n(1)]
    pub evidence_digest: Array<32>,
    /// Canonical grant.
    #[n(2)]
    pub grant: Bytes,
}

canonical!(GenesisBody => "genesis", KeysBody => "keys", DecisionBody => "decision", TokenBody => "token body");
