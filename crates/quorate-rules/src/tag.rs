//! Tags: how a client or subject finds its own leaves, and nobody else links two (LOG.md, Entries).

use crate::{domain, leaf::Tag};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use minicbor::{Decode, Encode};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A client's or subject's tag key: 32 bytes, known to its holder, the custodians and the gateway.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(transparent)]
pub struct TagKey(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl TagKey {
    /// Wraps 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the key's holder.
    pub const fn danger_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA-256 over domain, log number and index (both u64be), cut to 16 bytes.
    pub fn tag(&self, log: u64, index: u64) -> Tag {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return Tag::default(); // HMAC takes keys of any length.
        };
        mac.update(domain::TAG);
        mac.update(&log.to_be_bytes());
        mac.update(&index.to_be_bytes());
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        digest.first_chunk::<16>().map_or_else(Tag::default, |head| Tag(*head))
    }

    /// The key that seals the body of one leaf to this key's holder: HKDF-SHA-256 over domain, log number and index.
    pub fn body_key(&self, log: u64, index: u64) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        // 32 bytes are within what HKDF-SHA-256 can expand to.
        let info = [domain::SUBJECT_BODY, &log.to_be_bytes(), &index.to_be_bytes()];
        let _ = Hkdf::<Sha256>::new(None, &self.0).expand_multi_info(&info, key.as_mut());
        key
    }
}

impl std::fmt::Debug for TagKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TagKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_differ_by_key_log_and_index() {
        let (a, b) = (TagKey::new([1; 32]), TagKey::new([2; 32]));
        let tags = [a.tag(1, 5), b.tag(1, 5), a.tag(2, 5), a.tag(1, 6)];
        for (i, x) in tags.iter().enumerate() {
            assert!(tags.iter().skip(i + 1).all(|y| x != y));
        }
        assert_eq!(a.tag(1, 5), a.tag(1, 5));
        assert_eq!(format!("{a:?}"), "TagKey(redacted)");
    }
}
