//! The key shares of one custodian. They come from a sealed file and go to no other place; the database never sees one.

use crate::message::{MAX_BATCH, MAX_MESSAGE};
use minicbor::{Decode, Encode};
use quorate_rules::{
    Refusal, TokenAlg,
    body::KeysBody,
    canonical,
    cbor::{Bytes, Canonical},
};
use quorate_threshold::{KeyShare, Scheme};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// This custodian's shares of both keys of one DKG.
pub struct Shares {
    /// Share of the token key.
    pub token: Box<dyn KeyShare>,
    /// Share of the log key.
    pub log: Box<dyn KeyShare>,
}

/// Token and log scheme of a tenant. The log key is always FROST Ed25519; the token scheme follows the tenant's algorithm.
#[derive(Debug, Clone)]
pub struct Schemes {
    /// Signs tokens.
    pub token: Arc<dyn Scheme>,
    /// Signs checkpoints.
    pub log: Arc<dyn Scheme>,
}

impl Schemes {
    /// The schemes of a tenant whose tokens are signed with this algorithm.
    pub fn of(alg: TokenAlg) -> Self {
        let frost: Arc<dyn Scheme> = Arc::new(quorate_threshold::FrostEd25519);
        let token: Arc<dyn Scheme> = match alg {
            TokenAlg::EdDsa => Arc::clone(&frost),
            TokenAlg::Es256 => Arc::new(quorate_threshold::Dkls23P256),
        };
        Self { token, log: frost }
    }

    /// Most tokens that one batch may hold where `threshold` custodians sign: what they send each other alone must fit into messages.
    pub fn tokens_at_most(&self, threshold: u16) -> usize {
        let others = usize::from(threshold.saturating_sub(1));
        let per_token = self.token.direct_bytes_max().saturating_mul(others);
        // An eighth is left for lists, votes and seals. A sign-in takes two tokens, so there is always room for as many.
        let room = MAX_MESSAGE.saturating_sub(MAX_MESSAGE.div_euclid(8));
        room.checked_div(per_token).unwrap_or(MAX_BATCH).clamp(2, MAX_BATCH)
    }
}

/// All shares that this custodian may still need, by the transcript of their DKG.
pub struct KeyRing {
    schemes: Schemes,
    shares: BTreeMap<[u8; 32], Shares>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({} key pairs)", self.shares.len())
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct EncodedShares {
    #[n(0)]
    token: Bytes,
    #[n(1)]
    log: Bytes,
}
canonical!(EncodedShares => "key shares");

impl KeyRing {
    /// A ring without keys.
    pub const fn new(schemes: Schemes) -> Self {
        Self {
            schemes,
            shares: BTreeMap::new(),
        }
    }

    /// The schemes in use.
    pub const fn schemes(&self) -> &Schemes {
        &self.schemes
    }

    /// Adds shares as they were sealed.
    pub fn load(&mut self, transcript: [u8; 32], bytes: &Zeroizing<Vec<u8>>) -> Result<(), Refusal> {
        let mut encoded = EncodedShares::from_canonical(bytes).map_err(|_| Refusal::Malformed)?;
        let token = self
            .schemes
            .token
            .read_share(&encoded.token)
            .map_err(|_| Refusal::Malformed);
        let log = self
            .schemes
            .log
            .read_share(&encoded.log)
            .map_err(|_| Refusal::Malformed);
        encoded.token.0.zeroize();
        encoded.log.0.zeroize();
        self.add(
            transcript,
            Shares {
                token: token?,
                log: log?,
            },
        );
        Ok(())
    }

    /// Adds freshly dealt shares.
    pub fn add(&mut self, transcript: [u8; 32], shares: Shares) {
        self.shares.insert(transcript, shares);
    }

    /// Encoded shares for the sealed file.
    pub fn encode(shares: &Shares) -> Zeroizing<Vec<u8>> {
        let mut encoded = EncodedShares {
            token: Bytes(shares.token.encode().to_vec()),
            log: Bytes(shares.log.encode().to_vec()),
        };
        let bytes = Zeroizing::new(encoded.to_canonical());
        encoded.token.0.zeroize();
        encoded.log.0.zeroize();
        bytes
    }

    /// The shares of the keys that this entry publishes.
    pub fn shares(&self, keys: &KeysBody) -> Option<&Shares> {
        self.shares.get(&keys.transcript.0)
    }

    /// Whether a keys entry is exactly the outcome of a DKG that this custodian finished.
    pub fn is_mine(&self, keys: &KeysBody) -> bool {
        self.shares(keys).is_some_and(|shares| {
            let (token, log) = (shares.token.group(), shares.log.group());
            token.encode() == keys.token_group.0
                && log.encode() == keys.log_group.0
                && token.verifying_key() == keys.token_key.0
                && log.verifying_key() == keys.log_key.0
                && keys.epoch == 1
        })
    }

    /// Transcripts of finished DKGs.
    pub fn waiting(&self) -> impl Iterator<Item = [u8; 32]> {
        self.shares.keys().copied()
    }

    /// Drops every share but those of the certified keys. Returns whether any was dropped.
    pub fn retire_but(&mut self, keys: Option<&KeysBody>) -> bool {
        let Some(keys) = keys else { return false };
        let before = self.shares.len();
        if self.shares.contains_key(&keys.transcript.0) {
            self.shares.retain(|transcript, _| *transcript == keys.transcript.0);
        }
        self.shares.len() != before
    }
}
