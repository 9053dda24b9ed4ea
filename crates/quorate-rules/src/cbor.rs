//! Deterministic CBOR (RFC 8949 §4.2): what is hashed, signed or sent has exactly one encoding.
//!
//! Types derive their encoding with integer-keyed maps in ascending order, so encoding is deterministic by construction;
//! decoding is made strict by encoding again and comparing.

use minicbor::{Decode, Encode};
use quorate_tlog::hash::Hash;

/// The bytes are not the one canonical encoding of the expected type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the canonical encoding of {what}")]
pub struct Malformed {
    /// What was expected there.
    pub what: &'static str,
}

/// A type with one canonical encoding.
pub trait Canonical: Encode<()> + for<'b> Decode<'b, ()> + Sized {
    /// Name used in [`Malformed`].
    const WHAT: &'static str;

    /// The canonical encoding.
    fn to_canonical(&self) -> Vec<u8> {
        // Writing to a `Vec` cannot fail, and no `Encode` of this workspace reports errors of its own.
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// Reads the canonical encoding and nothing else: trailing bytes, other integer widths, reordered or unknown members are
    /// refused, because encoding the value again must give the same bytes.
    fn from_canonical(bytes: &[u8]) -> Result<Self, Malformed> {
        let value: Self = minicbor::decode(bytes).map_err(|_| Malformed { what: Self::WHAT })?;
        if value.to_canonical() == bytes {
            Ok(value)
        } else {
            Err(Malformed { what: Self::WHAT })
        }
    }
}

/// Declares [`Canonical`] for types that derive `Encode` and `Decode`.
#[macro_export]
macro_rules! canonical {
    ($($type:ty => $what:literal),+ $(,)?) => {
        $(impl $crate::cbor::Canonical for $type { const WHAT: &'static str = $what; })+
    };
}

/// `#[cbor(with = "cbor::hash")]`: a 32-byte hash as a byte string.
pub mod hash {
    use super::Hash;
    use minicbor::{Decoder, Encoder};

    /// Writes the 32 bytes.
    pub fn encode<C, W: minicbor::encode::Write>(
        hash: &Hash,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(hash.as_bytes())?.ok()
    }

    /// Reads exactly 32 bytes.
    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Hash, minicbor::decode::Error> {
        let bytes: [u8; 32] = d
            .bytes()?
            .try_into()
            .map_err(|_| minicbor::decode::Error::message("expected 32 bytes"))?;
        Ok(Hash::from(bytes))
    }
}

/// A byte string of up to [`Bytes::MAX`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// Longest byte string that any message or body may hold: 4 MiB, a full batch with room to spare.
    pub const MAX: usize = 4 << 20;
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bytes({} bytes)", self.0.len())
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl<C> Encode<C> for Bytes {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Bytes {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?;
        if bytes.len() > Self::MAX {
            return Err(minicbor::decode::Error::message("byte string too long"));
        }
        Ok(Self(bytes.to_vec()))
    }
}

/// A byte string of exactly `N` bytes: keys, signatures, salts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Array<const N: usize>(pub [u8; N]);

impl<const N: usize> std::fmt::Debug for Array<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.0.iter().take(6) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…")
    }
}

impl<C, const N: usize> Encode<C> for Array<N> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C, const N: usize> Decode<'b, C> for Array<N> {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d
            .bytes()?
            .try_into()
            .map_err(|_| minicbor::decode::Error::message("byte string of another length"))?;
        Ok(Self(bytes))
    }
}

/// A text-keyed map in the order of RFC 8949 §4.2.1 (bytewise order of the encoded keys), for what parties outside this
/// program also build: grants.
#[derive(Default)]
pub struct TextMap(Vec<(Vec<u8>, Vec<u8>)>);

impl TextMap {
    /// Adds a member; an absent one is simply not added.
    pub fn put<T: Encode<()>>(&mut self, key: &str, value: T) -> &mut Self {
        let key = minicbor::to_vec(key).unwrap_or_default();
        self.0.push((key, minicbor::to_vec(value).unwrap_or_default()));
        self
    }

    /// Adds a member that is there only if it has a value.
    pub fn put_some<T: Encode<()>>(&mut self, key: &str, value: Option<T>) -> &mut Self {
        match value {
            Some(value) => self.put(key, value),
            None => self,
        }
    }

    /// Adds a member that is encoded already.
    pub fn put_raw(&mut self, key: &str, value: Vec<u8>) -> &mut Self {
        let key = minicbor::to_vec(key).unwrap_or_default();
        self.0.push((key, value));
        self
    }

    /// The canonical bytes.
    pub fn into_canonical(mut self) -> Vec<u8> {
        self.0.sort();
        let mut out = Vec::new();
        // Writing to a `Vec` cannot fail.
        let _ = minicbor::Encoder::new(&mut out).map(self.0.len() as u64);
        for (key, value) in &self.0 {
            out.extend_from_slice(key);
            out.extend_from_slice(value);
        }
        out
    }
}

/// Members of a text-keyed map, each still encoded. Whether the whole was canonical shows when the value is encoded again.
pub struct TextMembers<'a>(pub(crate) std::collections::BTreeMap<&'a str, &'a [u8]>);

impl<'a> TextMembers<'a> {
    /// Most members that a map may have.
    const MAX: u64 = 32;

    /// Splits a map of definite length into its members; a doubled one is refused, and so is anything after the map.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut decoder = minicbor::Decoder::new(bytes);
        let count = decoder.map().ok()??;
        if count > Self::MAX {
            return None;
        }
        let mut members = std::collections::BTreeMap::new();
        for _ in 0..count {
            let key = decoder.str().ok()?;
            let start = decoder.position();
            decoder.skip().ok()?;
            if members.insert(key, bytes.get(start..decoder.position())?).is_some() {
                return None;
            }
        }
        (decoder.position() == bytes.len()).then_some(Self(members))
    }

    /// A member that must be there.
    pub fn need<T: Decode<'a, ()>>(&self, key: &str) -> Option<T> {
        minicbor::decode(self.0.get(key)?).ok()
    }

    /// A member that may be absent; `None` if it is there and is no such value.
    pub fn may<T: Decode<'a, ()>>(&self, key: &str) -> Option<Option<T>> {
        match self.0.get(key) {
            None => Some(None),
            Some(bytes) => minicbor::decode(bytes).ok().map(Some),
        }
    }

    /// The encoded bytes of a member.
    pub fn raw(&self, key: &str) -> Option<&'a [u8]> {
        self.0.get(key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[cbor(map)]
    struct Example {
        #[n(0)]
        number: u64,
        #[n(1)]
        optional: Option<u64>,
        #[n(2)]
        bytes: Bytes,
    }
    canonical!(Example => "example");

    #[test]
    fn absent_members_are_absent_and_members_ascend() {
        let value = Example {
            number: 1,
            optional: None,
            bytes: vec![7].into(),
        };
        assert_eq!(value.to_canonical(), [0xa2, 0, 1, 2, 0x41, 7]);
        assert_eq!(Example::from_canonical(&[0xa2, 0, 1, 2, 0x41, 7]), Ok(value));
    }

    #[test]
    fn other_encodings_of_the_same_value_are_refused() {
        let refused: &[&[u8]] = &[
            &[0xa2, 0, 0x18, 1, 2, 0x41, 7],       // integer not in its shortest form
            &[0xa2, 2, 0x41, 7, 0, 1],             // members out of order
            &[0xbf, 0, 1, 2, 0x41, 7, 0xff],       // indefinite length
            &[0xa3, 0, 1, 1, 0xf6, 2, 0x41, 7],    // null instead of absent
            &[0xa3, 0, 1, 2, 0x41, 7, 9, 9],       // unknown member
            &[0xa2, 0, 1, 2, 0x41, 7, 0],          // trailing byte
            &[0xa2, 0, 1, 2, 0x5f, 0x41, 7, 0xff], // chunked byte string
        ];
        for bytes in refused {
            assert!(Example::from_canonical(bytes).is_err(), "{bytes:02x?}");
        }
    }

    #[test]
    fn text_maps_sort_by_encoded_key() {
        let mut map = TextMap::default();
        map.put("scope", "a").put("v", 1u8).put("iss", "x");
        assert_eq!(
            map.into_canonical(),
            [
                &[0xa3, 0x61, b'v', 1, 0x63][..],
                b"iss",
                &[0x61, b'x', 0x65],
                b"scope",
                &[0x61, b'a']
            ]
            .concat()
        );
    }
}
