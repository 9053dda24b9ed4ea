//! Sealing bodies to the tenant's auditors: one HPKE encapsulation (RFC 9180) carries a key per batch, and each body is sealed
//! under it by itself, so that one body can be erased without touching another.

use crate::{domain, message::Opening};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256 as Kem,
};
use minicbor::{Decode, Encode};
use quorate_rules::{
    canonical,
    cbor::{Array, Bytes, Canonical},
};
use quorate_tlog::hash::Hash;
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

/// One sealed body with the wrapped key of its batch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SealedBody {
    /// HPKE encapsulated key.
    #[n(0)]
    pub encapsulated: Array<32>,
    /// Batch key, sealed to the audit key.
    #[n(1)]
    pub wrapped_key: Bytes,
    /// Canonical [`Opening`], sealed under the batch key; the nonce is the index.
    #[n(2)]
    pub ciphertext: Bytes,
}
canonical!(SealedBody => "sealed body", Opening => "opening");

/// The sealed body does not open: another key, another leaf, or altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed body does not open under this audit key for this leaf")]
pub struct DoesNotOpen;

/// Seals the bodies of one batch.
pub struct BodySealer {
    encapsulated: Array<32>,
    wrapped_key: Bytes,
    cipher: XChaCha20Poly1305,
}

impl BodySealer {
    /// Draws a batch key and wraps it for the auditors. `None` if the audit key is no X25519 point.
    pub fn new(audit_key: &[u8; 32], rng: &mut (impl CryptoRng + RngCore)) -> Option<Self> {
        let recipient = <Kem as hpke::Kem>::PublicKey::from_bytes(audit_key).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut());
        let (encapsulated, wrapped_key) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Kem, _>(
            &OpModeS::Base,
            &recipient,
            domain::BODY_KEY,
            key.as_ref(),
            &[],
            rng,
        )
        .ok()?;
        let encapsulated = encapsulated.to_bytes().as_slice().try_into().ok()?;
        let cipher = XChaCha20Poly1305::new(key.as_ref().into());
        Some(Self {
            encapsulated: Array(encapsulated),
            wrapped_key: Bytes(wrapped_key),
            cipher,
        })
    }

    /// Seals one opening to its leaf.
    pub fn seal(&self, index: u64, leaf: &Hash, opening: &Opening) -> Option<SealedBody> {
        let plain = Zeroizing::new(opening.to_canonical());
        let aad = associated_data(index, leaf);
        let payload = Payload { msg: &plain, aad: &aad };
        let ciphertext = self.cipher.encrypt(&nonce(index), payload).ok()?;
        Some(SealedBody {
            encapsulated: self.encapsulated,
            wrapped_key: self.wrapped_key.clone(),
            ciphertext: Bytes(ciphertext),
        })
    }
}

/// Opens one sealed body with the tenant's audit key (32 bytes, X25519).
pub fn open(audit_secret: &[u8; 32], index: u64, leaf: &Hash, sealed: &SealedBody) -> Result<Opening, DoesNotOpen> {
    let secret = <Kem as hpke::Kem>::PrivateKey::from_bytes(audit_secret).map_err(|_| DoesNotOpen)?;
    let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(&sealed.encapsulated.0).map_err(|_| DoesNotOpen)?;
    let key = Zeroizing::new(
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &OpModeR::Base,
            &secret,
            &encapsulated,
            domain::BODY_KEY,
            &sealed.wrapped_key,
            &[],
        )
        .map_err(|_| DoesNotOpen)?,
    );
    let cipher = XChaCha20Poly1305::new_from_slice(&key).map_err(|_| DoesNotOpen)?;
    let aad = associated_data(index, leaf);
    let payload = Payload {
        msg: &sealed.ciphertext.0,
        aad: &aad,
    };
    let plain = Zeroizing::new(cipher.decrypt(&nonce(index), payload).map_err(|_| DoesNotOpen)?);
    Opening::from_canonical(&plain).map_err(|_| DoesNotOpen)
}

/// Makes an audit key pair: secret and public, X25519.
pub fn generate_audit_key(rng: &mut (impl CryptoRng + RngCore)) -> (Zeroizing<[u8; 32]>, [u8; 32]) {
    let (secret, public) = Kem::gen_keypair(rng);
    let bytes = |slice: &[u8]| slice.try_into().unwrap_or([0; 32]);
    (
        Zeroizing::new(bytes(secret.to_bytes().as_slice())),
        bytes(public.to_bytes().as_slice()),
    )
}

fn nonce(index: u64) -> XNonce {
    // The key is fresh for every batch, and an index stands once in it: a nonce is never used twice.
    let mut nonce = [0u8; 24];
    for (slot, byte) in nonce.iter_mut().zip(index.to_be_bytes()) {
        *slot = byte;
    }
    nonce.into()
}

fn associated_data(index: u64, leaf: &Hash) -> Vec<u8> {
    [domain::BODY, &index.to_be_bytes(), leaf.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_tlog::hash::leaf_hash;
    use rand_core::OsRng;

    #[test]
    fn opens_only_for_its_leaf_index_and_key() {
        let (secret, public) = generate_audit_key(&mut OsRng);
        let (other, _) = generate_audit_key(&mut OsRng);
        let opening = Opening {
            salt: Array([1; 32]),
            body: Bytes(b"body".to_vec()),
        };
        let leaf = leaf_hash(b"leaf");
        let sealed = BodySealer::new(&public, &mut OsRng)
            .unwrap()
            .seal(7, &leaf, &opening)
            .unwrap();
        assert_eq!(open(&secret, 7, &leaf, &sealed), Ok(opening));
        assert_eq!(open(&secret, 8, &leaf, &sealed), Err(DoesNotOpen));
        assert_eq!(open(&secret, 7, &leaf_hash(b"other"), &sealed), Err(DoesNotOpen));
        assert_eq!(open(&other, 7, &leaf, &sealed), Err(DoesNotOpen));
        let mut altered = sealed.clone();
        altered.ciphertext.0[0] ^= 1;
        assert_eq!(open(&secret, 7, &leaf, &altered), Err(DoesNotOpen));
    }
}
