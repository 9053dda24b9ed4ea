//! Envelopes from one custodian to another through a gateway that is not trusted: HPKE to the recipient (RFC 9180), with their place in
//! the protocol as associated data. The digest of each stands in what its sender signs. So the gateway can neither read, alter, exchange
//! nor replay one; it can lose one, which is seen before anything is used up; and what an envelope holds is its sender's word.

use crate::{Committee, domain};
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256 as Kem,
};
use minicbor::{Decode, Encode};
use quorate_rules::{
    Refusal, canonical,
    cbor::{self, Bytes},
};
use quorate_tlog::hash::{Hash, sha256};
use rand_core::{CryptoRng, RngCore};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// An envelope on its way.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Envelope {
    /// Who sealed it.
    #[n(0)]
    pub from: u16,
    /// Who can open it.
    #[n(1)]
    pub to: u16,
    /// HPKE encapsulation and ciphertext.
    #[n(2)]
    pub sealed: Bytes,
}

/// Names an envelope in what its sender signs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Enclosed {
    /// Who can open it.
    #[n(0)]
    pub to: u16,
    /// SHA-256 of the sealed bytes.
    #[cbor(n(1), with = "cbor::hash")]
    pub digest: Hash,
}

canonical!(Envelope => "envelope", Enclosed => "enclosed");

impl Envelope {
    /// Seals from one custodian to another. `place` says where in the protocol; it must differ wherever an envelope must not fit.
    pub fn seal(
        committee: &Committee,
        (from, to): (u16, u16),
        place: &[u8],
        plain: &[u8],
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Option<Self> {
        let recipient = committee.custodian(to)?;
        let sealed = seal(&recipient.envelope_key.0, plain, &associated(place, from, to), rng)?;
        Some(Self { from, to, sealed })
    }

    /// What its sender signs of it.
    pub fn enclosed(&self) -> Enclosed {
        Enclosed {
            to: self.to,
            digest: sha256(&[&self.sealed]),
        }
    }

    /// Opens it; `None` if its sender sealed something else, or to somebody else.
    pub fn open(&self, key: &EnvelopeKey, place: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        key.open(&self.sealed, &associated(place, self.from, self.to))
    }
}

/// Finds the envelope that `from` signed for `to`. None, if it signed none. One that it signed and that is missing or altered is the
/// carrier's fault, and refused before its contents can be held against anybody.
pub fn find<'a>(
    envelopes: &'a [Envelope],
    (from, to): (u16, u16),
    enclosed: &[Enclosed],
) -> Result<Option<&'a Envelope>, Refusal> {
    let mut signed = enclosed.iter().filter(|enclosed| enclosed.to == to);
    let Some(named) = signed.next() else {
        return Ok(None);
    };
    let mut carried = envelopes
        .iter()
        .filter(|envelope| envelope.from == from && envelope.to == to);
    match (carried.next(), carried.next()) {
        (Some(envelope), None) if envelope.enclosed() == *named => Ok(Some(envelope)),
        _ => Err(Refusal::WrongEnvelope),
    }
}

fn associated(place: &[u8], from: u16, to: u16) -> Vec<u8> {
    [place, &from.to_be_bytes(), &to.to_be_bytes()].concat()
}

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

    /// Opens sealed bytes; `None` if they were not sealed to this key with this associated data.
    fn open(&self, envelope: &[u8], associated_data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
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
fn seal(
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
