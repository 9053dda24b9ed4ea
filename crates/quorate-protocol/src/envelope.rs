//! Envelopes from one custodian to another through a gateway that is not trusted: HPKE to the recipient (RFC 9180), signed by
//! the sender, so that the gateway can neither read nor alter one, and a complaint can be attributed.

use crate::domain;
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256 as Kem,
};
use quorate_rules::cbor::Bytes;
use rand_core::{CryptoRng, RngCore};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A custodian's own HPKE key pair.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct EnvelopeKey {
    secret: [u8; 32],
}

impl std::fmt::Debug for EnvelopeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnvelopeKey(redacted)")
    }
}

impl EnvelopeKey {
    /// Draws a new key.
    pub fn generate(rng: &mut (impl CryptoRng + RngCore)) -> Self {
        let (secret, _) = Kem::gen_keypair(rng);
        Self {
            secret: secret.to_bytes().as_slice().try_into().unwrap_or([0; 32]),
        }
    }

    /// Reads the 32 secret bytes.
    pub const fn from_bytes(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// The secret bytes, for the file that keeps them.
    pub const fn danger_bytes(&self) -> &[u8; 32] {
        &self.secret
    }

    /// The public key that genesis names.
    pub fn public(&self) -> [u8; 32] {
        <Kem as hpke::Kem>::PrivateKey::from_bytes(&self.secret)
            .ok()
            .and_then(|secret| Kem::sk_to_pk(&secret).to_bytes().as_slice().try_into().ok())
            .unwrap_or([0; 32])
    }

    /// Opens an envelope; `None` if it was not sealed to this key with this associated data.
    pub fn open(&self, envelope: &[u8], associated_data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (encapsulated, ciphertext) = envelope.split_at_checked(32)?;
        let secret = <Kem as hpke::Kem>::PrivateKey::from_bytes(&self.secret).ok()?;
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &OpModeR::Base,
            &secret,
            &encapsulated,
            domain::ENVELOPE,
            ciphertext,
            associated_data,
        )
        .ok()
        .map(Zeroizing::new)
    }
}

/// Seals to a recipient's public key. `None` if that is no X25519 point.
pub fn seal(
    recipient: &[u8; 32],
    plain: &[u8],
    associated_data: &[u8],
    rng: &mut (impl CryptoRng + RngCore),
) -> Option<Bytes> {
    let recipient = <Kem as hpke::Kem>::PublicKey::from_bytes(recipient).ok()?;
    let (encapsulated, ciphertext) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Kem, _>(
        &OpModeS::Base,
        &recipient,
        domain::ENVELOPE,
        plain,
        associated_data,
        rng,
    )
    .ok()?;
    Some(Bytes([encapsulated.to_bytes().as_slice(), &ciphertext].concat()))
}
