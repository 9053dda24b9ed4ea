//! Identifiers, parameters and the public side of a threshold key.

use minicbor::{Decode, Encode, bytes::ByteVec};
use std::collections::BTreeMap;

/// Not a valid identifier, parameter set or group key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct BadGroup(pub(crate) &'static str);

/// Identifier of a share (RFC 9591 §4.2): 1 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(u16);

impl Identifier {
    /// Checks the bounds.
    pub const fn new(number: u16) -> Result<Self, BadGroup> {
        if number >= 1 && number <= 255 { Ok(Self(number)) } else { Err(BadGroup("identifier")) }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Threshold `t` and participants `n`, 2 ≤ t ≤ n ≤ 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    threshold: u16,
    participants: u16,
}

impl Parameters {
    /// Checks the bounds.
    pub const fn new(threshold: u16, participants: u16) -> Result<Self, BadGroup> {
        if threshold >= 2 && threshold <= participants && participants <= 64 {
            Ok(Self { threshold, participants })
        } else {
            Err(BadGroup("parameter set"))
        }
    }

    /// t
    pub const fn threshold(self) -> u16 {
        self.threshold
    }

    /// n
    pub const fn participants(self) -> u16 {
        self.participants
    }

    /// All identifiers.
    pub fn identifiers(self) -> impl Iterator<Item = Identifier> {
        (1..=self.participants).map(Identifier)
    }
}

/// A group key, all public: the key that verifiers use, and every participant's verifying share for finding a cheater.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey {
    scheme: String,
    parameters: Parameters,
    verifying_key: Vec<u8>,
    verifying_shares: BTreeMap<Identifier, Vec<u8>>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Encoded {
    #[n(0)]
    scheme: String,
    #[n(1)]
    threshold: u16,
    #[n(2)]
    participants: u16,
    #[n(3)]
    verifying_key: ByteVec,
    #[n(4)]
    verifying_shares: Vec<ByteVec>,
}

impl GroupKey {
    /// Puts a group key together; one verifying share for every identifier from 1 to n.
    pub fn new(
        scheme: &str,
        parameters: Parameters,
        verifying_key: Vec<u8>,
        verifying_shares: BTreeMap<Identifier, Vec<u8>>,
    ) -> Result<Self, BadGroup> {
        let complete = verifying_shares.keys().copied().eq(parameters.identifiers());
        let bounded = verifying_key.len() <= 256 && verifying_shares.values().all(|share| share.len() <= 256);
        if !complete || !bounded || scheme.is_empty() || scheme.len() > 64 {
            return Err(BadGroup("group key"));
        }
        Ok(Self { scheme: scheme.to_owned(), parameters, verifying_key, verifying_shares })
    }

    /// Name of the scheme.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// t and n.
    pub const fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// The public key, in the scheme's own encoding.
    pub fn verifying_key(&self) -> &[u8] {
        &self.verifying_key
    }

    /// A participant's verifying share.
    pub fn verifying_share(&self, identifier: Identifier) -> Option<&[u8]> {
        self.verifying_shares.get(&identifier).map(Vec::as_slice)
    }

    /// Canonical CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let encoded = Encoded {
            scheme: self.scheme.clone(),
            threshold: self.parameters.threshold,
            participants: self.parameters.participants,
            verifying_key: self.verifying_key.clone().into(),
            verifying_shares: self.verifying_shares.values().map(|share| share.clone().into()).collect(),
        };
        minicbor::to_vec(&encoded).unwrap_or_default()
    }

    /// Reads exactly what [`GroupKey::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadGroup> {
        let bad = BadGroup("group key");
        if bytes.len() > 64 * 1024 {
            return Err(bad);
        }
        let encoded: Encoded = minicbor::decode(bytes).map_err(|_| bad)?;
        let parameters = Parameters::new(encoded.threshold, encoded.participants)?;
        let shares = parameters.identifiers().zip(encoded.verifying_shares.into_iter().map(Vec::from)).collect();
        let group = Self::new(&encoded.scheme, parameters, encoded.verifying_key.into(), shares)?;
        if group.encode() == bytes { Ok(group) } else { Err(bad) }
    }
}
