//! Identifiers, parameters and the public side of a threshold key.

use minicbor::{Decode, Encode, bytes::ByteVec};
use std::collections::BTreeMap;

/// Most participants of a key. Real committees have 3 to 15; the bound keeps every message of a DKG small.
const PARTICIPANTS_MAX: u16 = 64;
/// Longest verifying key or share, bytes: Ed25519 needs 32, a compressed P-256 point 33.
const POINT_BYTES_MAX: usize = 256;
/// Longest scheme name, bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest encoded group key, bytes: above what the other bounds allow, so that nothing longer is even looked at.
const ENCODED_BYTES_MAX: usize = 32 * 1024;

/// Not a valid identifier, parameter set or group key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct BadGroup(&'static str);

/// Identifier of a share (RFC 9591 §4.2; there any nonzero scalar): 1 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(u16);

impl Identifier {
    /// Refuses zero, which would name the key itself, and anything above 255.
    pub const fn new(number: u16) -> Result<Self, BadGroup> {
        if number >= 1 && number <= 255 {
            Ok(Self(number))
        } else {
            Err(BadGroup("identifier"))
        }
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
        if threshold >= 2 && threshold <= participants && participants <= PARTICIPANTS_MAX {
            Ok(Self {
                threshold,
                participants,
            })
        } else {
            Err(BadGroup("parameter set"))
        }
    }

    /// t: how many must sign.
    pub const fn threshold(self) -> u16 {
        self.threshold
    }

    /// n: how many hold a share.
    pub const fn participants(self) -> u16 {
        self.participants
    }

    /// All identifiers, 1 to n.
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
    /// Puts a group key together: exactly one verifying share for every identifier from 1 to n, no byte string empty or above its
    /// bound. What the points mean is the scheme's business.
    pub fn new(
        scheme: &str,
        parameters: Parameters,
        verifying_key: Vec<u8>,
        verifying_shares: BTreeMap<Identifier, Vec<u8>>,
    ) -> Result<Self, BadGroup> {
        let complete = verifying_shares.keys().copied().eq(parameters.identifiers());
        let bounded = |bytes: &[u8]| (1..=POINT_BYTES_MAX).contains(&bytes.len());
        let sound = bounded(&verifying_key) && verifying_shares.values().all(|share| bounded(share));
        if !complete || !sound || scheme.is_empty() || scheme.len() > NAME_BYTES_MAX {
            return Err(BadGroup("group key"));
        }
        Ok(Self {
            scheme: scheme.to_owned(),
            parameters,
            verifying_key,
            verifying_shares,
        })
    }

    /// Name of the scheme.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// t and n.
    pub const fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// The public key, in the scheme's own encoding: 32 bytes of RFC 8032 for FROST(Ed25519).
    pub fn verifying_key(&self) -> &[u8] {
        &self.verifying_key
    }

    /// A participant's verifying share, in the same encoding. `None` for a stranger.
    pub fn verifying_share(&self, identifier: Identifier) -> Option<&[u8]> {
        self.verifying_shares.get(&identifier).map(Vec::as_slice)
    }

    /// Deterministic CBOR: `[scheme, t, n, verifying key, [verifying share of 1, …, of n]]`.
    pub fn encode(&self) -> Vec<u8> {
        let encoded = Encoded {
            scheme: self.scheme.clone(),
            threshold: self.parameters.threshold,
            participants: self.parameters.participants,
            verifying_key: self.verifying_key.clone().into(),
            verifying_shares: self
                .verifying_shares
                .values()
                .map(|share| share.clone().into())
                .collect(),
        };
        // Writing to memory cannot fail; no decoder takes an empty string for a group key.
        minicbor::to_vec(&encoded).unwrap_or_default()
    }

    /// Reads exactly what [`GroupKey::encode`] writes: one group key has one encoding, since it is hashed and logged.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadGroup> {
        let bad = BadGroup("group key");
        if bytes.len() > ENCODED_BYTES_MAX {
            return Err(bad);
        }
        let encoded: Encoded = minicbor::decode(bytes).map_err(|_| bad)?;
        let parameters = Parameters::new(encoded.threshold, encoded.participants)?;
        let shares = parameters
            .identifiers()
            .zip(encoded.verifying_shares.into_iter().map(Vec::from))
            .collect();
        let group = Self::new(&encoded.scheme, parameters, encoded.verifying_key.into(), shares)?;
        if group.encode() == bytes { Ok(group) } else { Err(bad) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        for (number, good) in [(0, false), (1, true), (255, true), (256, false), (u16::MAX, false)] {
            assert_eq!(Identifier::new(number).is_ok(), good, "{number}");
        }
        for (t, n, good) in [
            (1, 3, false),
            (2, 1, false),
            (2, 2, true),
            (3, 2, false),
            (64, 64, true),
            (2, 65, false),
            (0, 0, false),
        ] {
            assert_eq!(Parameters::new(t, n).is_ok(), good, "{t} of {n}");
        }
    }

    #[test]
    fn the_largest_group_key_fits_the_bound() {
        let parameters = Parameters::new(64, 64).unwrap();
        let shares = parameters
            .identifiers()
            .map(|id| (id, vec![1; POINT_BYTES_MAX]))
            .collect();
        let name = "s".repeat(NAME_BYTES_MAX);
        let group = GroupKey::new(&name, parameters, vec![2; POINT_BYTES_MAX], shares).unwrap();
        assert_eq!(GroupKey::decode(&group.encode()), Ok(group));
    }

    #[test]
    fn other_encodings_of_a_group_key_are_refused() {
        let parameters = Parameters::new(2, 3).unwrap();
        let shares: BTreeMap<_, _> = parameters.identifiers().map(|id| (id, vec![1; 32])).collect();
        let group = GroupKey::new("s", parameters, vec![2; 32], shares.clone()).unwrap();
        let good = group.encode();
        let mut trailing = good.clone();
        trailing.push(0);
        // [ "s", 2, 3, … ]: threshold as a two-byte integer.
        let mut long_integer = good.clone();
        long_integer.splice(3..4, [0x18, 2]);
        // One verifying share too many, or one too few.
        let mut extra = good.clone();
        let at = good.len() - 3 * 34 - 1;
        assert_eq!(extra[at], 0x83);
        extra[at] = 0x84;
        extra.extend_from_slice(&[0x41, 1]);
        let mut fewer = good[..good.len() - 34].to_vec();
        fewer[at] = 0x82;
        assert_eq!(GroupKey::decode(&good), Ok(group));
        for bad in [
            trailing,
            long_integer,
            extra,
            fewer,
            vec![],
            vec![0; ENCODED_BYTES_MAX + 1],
        ] {
            assert_eq!(GroupKey::decode(&bad), Err(BadGroup("group key")));
        }
        for skip in 1..=3 {
            let missing = shares
                .iter()
                .filter(|(id, _)| id.get() != skip)
                .map(|(id, s)| (*id, s.clone()))
                .collect();
            assert!(GroupKey::new("s", parameters, vec![2; 32], missing).is_err());
        }
        assert!(GroupKey::new("", parameters, vec![2; 32], shares.clone()).is_err());
        assert!(GroupKey::new("s", parameters, vec![], shares).is_err());
    }
}
