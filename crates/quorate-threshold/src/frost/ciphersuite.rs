//! Hash functions, encodings and points of FROST(Ed25519, SHA-512) (RFC 9591 §6.1).

use crate::group::Identifier;
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY, traits::IsIdentity};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

/// Context string of the ciphersuite.
const CONTEXT: &[u8] = b"FROST-ED25519-SHA512-v1";

/// H1 for all binding factors of one signature: they share all of the input but the identifier, so it is hashed once.
pub(super) struct BindingHash(Sha512);

impl BindingHash {
    /// Takes what all binding factors share.
    pub(super) fn new(verifying_key: &[u8; 32], message_hash: &[u8; 64], list_hash: &[u8; 64]) -> Self {
        let prefix = Sha512::new_with_prefix(CONTEXT).chain_update(b"rho");
        Self(
            prefix
                .chain_update(verifying_key)
                .chain_update(message_hash)
                .chain_update(list_hash),
        )
    }

    /// The binding factor of one signer.
    pub(super) fn of(&self, signer: Identifier) -> Scalar {
        Scalar::from_hash(self.0.clone().chain_update(encode_identifier(signer)))
    }
}

/// H2, the challenge: as in RFC 8032, so without context string.
pub(super) fn challenge(group_commitment: &[u8; 32], verifying_key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new_with_prefix(group_commitment)
        .chain_update(verifying_key)
        .chain_update(message);
    Scalar::from_hash(hash)
}

/// H3: a nonce from 32 random bytes, hedged with the share.
pub(super) fn nonce(random: &[u8; 32], share: &Scalar) -> Scalar {
    let share = Zeroizing::new(share.to_bytes());
    let hash = Sha512::new_with_prefix(CONTEXT)
        .chain_update(b"nonce")
        .chain_update(random)
        .chain_update(share.as_slice());
    let wide: Zeroizing<[u8; 64]> = Zeroizing::new(hash.finalize().into());
    Scalar::from_bytes_mod_order_wide(&wide)
}

/// H4, for the message.
pub(super) fn hash_message(message: &[u8]) -> [u8; 64] {
    Sha512::new_with_prefix(CONTEXT)
        .chain_update(b"msg")
        .chain_update(message)
        .finalize()
        .into()
}

/// H5, for the encoded commitment list.
pub(super) fn hash_commitments(encoded: &[u8]) -> [u8; 64] {
    Sha512::new_with_prefix(CONTEXT)
        .chain_update(b"com")
        .chain_update(encoded)
        .finalize()
        .into()
}

/// `SerializeScalar` of an identifier.
pub(super) fn encode_identifier(identifier: Identifier) -> [u8; 32] {
    Scalar::from(identifier.get()).to_bytes()
}

/// A point of the prime-order group, not the identity, with its encoding: compressing costs an inversion, so it is done once.
#[derive(Clone, Copy)]
pub(super) struct Point {
    element: EdwardsPoint,
    encoded: [u8; 32],
}

impl Point {
    /// The point that is eight times this one. Of prime order whatever `eighth` is; `None` if `eighth` is of small order.
    pub(super) fn eightfold(eighth: &EdwardsPoint) -> Option<Self> {
        let element = eighth.mul_by_cofactor();
        (!element.is_identity()).then(|| Self {
            element,
            encoded: element.compress().to_bytes(),
        })
    }

    /// `DeserializeElement`: the canonical encoding of a point of prime order. Costs a scalar multiplication, so it is for keys,
    /// not for what comes with every signature.
    pub(super) fn read_checked(encoded: &[u8]) -> Option<Self> {
        let encoded: [u8; 32] = encoded.try_into().ok()?;
        let element = CompressedEdwardsY(encoded).decompress()?;
        let sound = element.is_torsion_free() && !element.is_identity() && element.compress().0 == encoded;
        sound.then_some(Self { element, encoded })
    }

    /// The point.
    pub(super) const fn element(&self) -> &EdwardsPoint {
        &self.element
    }

    /// Its encoding.
    pub(super) const fn encoded(&self) -> &[u8; 32] {
        &self.encoded
    }
}
