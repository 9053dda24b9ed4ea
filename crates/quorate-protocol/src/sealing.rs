//! Sealing bodies to the tenant's auditors: one HPKE encapsulation (RFC 9180) carries a key per batch, and each body is sealed
//! under it by itself, so that one body can be erased without touching another.

use crate::{domain, message::Opening};
use aes_gcm::Aes256Gcm;
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
    tag::TagKey,
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

/// Seals an opening to the person that its token speaks for: `nonce[12] ‖ ciphertext`, AES-256-GCM under a key of this leaf alone.
pub fn seal_to_subject(
    subject: &TagKey,
    (log, index): (u64, u64),
    leaf: &Hash,
    opening: &Opening,
    rng: &mut (impl CryptoRng + RngCore),
) -> Option<Bytes> {
    // An index may be proposed anew with another body, so the nonce is drawn; the key is the leaf's own, so draws are few.
    let mut nonce = [0u8; 12];
    rng.fill_bytes(&mut nonce);
    let cipher = Aes256Gcm::new_from_slice(subject.body_key(log, index).as_ref()).ok()?;
    let plain = Zeroizing::new([&opening.salt.0[..], &opening.body].concat());
    let payload = Payload {
        msg: &plain,
        aad: leaf.as_bytes(),
    };
    let ciphertext = cipher.encrypt(&nonce.into(), payload).ok()?;
    Some(Bytes([&nonce[..], &ciphertext].concat()))
}

/// Opens what [`seal_to_subject`] sealed.
pub fn open_as_subject(
    subject: &TagKey,
    (log, index): (u64, u64),
    leaf: &Hash,
    sealed: &[u8],
) -> Result<Opening, DoesNotOpen> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<12>().ok_or(DoesNotOpen)?;
    let cipher = Aes256Gcm::new_from_slice(subject.body_key(log, index).as_ref()).map_err(|_| DoesNotOpen)?;
    let payload = Payload {
        msg: ciphertext,
        aad: leaf.as_bytes(),
    };
    let plain = Zeroizing::new(cipher.decrypt(nonce.into(), payload).map_err(|_| DoesNotOpen)?);
    let (salt, body) = plain.split_first_chunk::<32>().ok_or(DoesNotOpen)?;
    Ok(Opening {
        salt: Array(*salt),
        body: Bytes(body.to_vec()),
    })
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

    #[test]
    fn a_person_opens_only_what_is_sealed_to_her_for_that_leaf() {
        let (mine, other) = (TagKey::new([1; 32]), TagKey::new([2; 32]));
        let opening = Opening {
            salt: Array([1; 32]),
            body: Bytes(b"body".to_vec()),
        };
        let leaf = leaf_hash(b"leaf");
        let sealed = seal_to_subject(&mine, (1, 7), &leaf, &opening, &mut OsRng).unwrap();
        assert_eq!(open_as_subject(&mine, (1, 7), &leaf, &sealed), Ok(opening));
        assert_eq!(open_as_subject(&other, (1, 7), &leaf, &sealed), Err(DoesNotOpen));
        assert_eq!(open_as_subject(&mine, (1, 8), &leaf, &sealed), Err(DoesNotOpen));
        assert_eq!(open_as_subject(&mine, (2, 7), &leaf, &sealed), Err(DoesNotOpen));
        assert_eq!(
            open_as_subject(&mine, (1, 7), &leaf_hash(b"x"), &sealed),
            Err(DoesNotOpen)
        );
        assert_eq!(open_as_subject(&mine, (1, 7), &leaf, &sealed[..11]), Err(DoesNotOpen));
    }
}
