//! FROST(Ed25519, SHA-512) (RFC 9591): key generation by `frost-core`, the two signing rounds in [`round1`] and [`round2`], the
//! coordinator's part in [`aggregate`].

mod aggregate;
mod ciphersuite;
mod dkg;
mod round1;
mod round2;
#[cfg(test)]
mod vectors;

use crate::{
    group::{GroupKey, Identifier},
    round::RoundOutput,
    scheme::{AggregateError, BadShare, BadSignature, DkgContext, DkgError, DkgRound, KeyShare, Opened, Scheme},
    session::{Session, SignError},
};
use ciphersuite::Point;
use curve25519_dalek::{EdwardsPoint, Scalar};
use minicbor::{Decode, Encode, bytes::ByteSlice};
use rand_core::CryptoRngCore;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The scheme. Two rounds; signatures verify as plain Ed25519 (RFC 8032).
#[derive(Debug, Clone, Copy, Default)]
pub struct FrostEd25519;

/// Stable name, part of every group key.
const NAME: &str = "frost-ed25519";
/// Longest encoded share, bytes: 64 verifying shares of 34 bytes and a little.
const SHARE_BYTES_MAX: usize = 4 * 1024;

impl Scheme for FrostEd25519 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn rounds(&self) -> u8 {
        2
    }

    fn dkg_rounds(&self) -> u8 {
        2
    }

    fn read_share(&self, bytes: &[u8]) -> Result<Box<dyn KeyShare>, BadShare> {
        Ok(Box::new(FrostShare::decode(bytes)?))
    }

    fn begin_dkg(
        &self,
        context: &DkgContext,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Box<dyn DkgRound>, RoundOutput), DkgError> {
        dkg::begin(context, rng)
    }

    fn aggregate(
        &self,
        group: &GroupKey,
        message: &[u8],
        outputs: &[BTreeMap<Identifier, Vec<u8>>],
    ) -> Result<Vec<u8>, AggregateError> {
        aggregate::aggregate(group, message, outputs)
    }

    fn verify(&self, group: &GroupKey, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let key = verifying_key(group).ok_or(BadSignature)?;
        if aggregate::verifies(&key, message, signature) {
            Ok(())
        } else {
            Err(BadSignature)
        }
    }
}

/// The 32 bytes of a group key of this scheme.
fn verifying_key(group: &GroupKey) -> Option<[u8; 32]> {
    if group.scheme() == NAME {
        group.verifying_key().try_into().ok()
    } else {
        None
    }
}

/// A nonzero scalar that is wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
struct SecretScalar(Scalar);

impl SecretScalar {
    /// Reads 32 bytes, canonical and nonzero.
    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = Zeroizing::new(<[u8; 32]>::try_from(bytes).ok()?);
        let secret = Self(Option::from(Scalar::from_canonical_bytes(*bytes))?);
        (secret.0 != Scalar::ZERO).then_some(secret)
    }
}

/// A share of a FROST key.
struct FrostShare {
    identifier: Identifier,
    /// Shared with open sessions, so that there is one copy to wipe.
    secret: Arc<SecretScalar>,
    group: GroupKey,
    verifying_key: [u8; 32],
    /// `x_j / (x_j − x_i)` for every other participant: λ of any signer set is a product of these (RFC 9591 §4.2), without the
    /// inversion that would cost as much as a fixed-base multiplication in every signature.
    ratios: BTreeMap<Identifier, Scalar>,
}

impl std::fmt::Debug for FrostShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrostShare")
            .field("identifier", &self.identifier)
            .finish_non_exhaustive()
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Encoded<'a> {
    #[n(0)]
    identifier: u16,
    #[b(1)]
    secret: &'a ByteSlice,
    #[b(2)]
    group: &'a ByteSlice,
}

impl FrostShare {
    /// Checks that the secret belongs to the group's verifying share of this identifier, and that the group's key is a point of
    /// prime order.
    fn new(identifier: Identifier, secret: SecretScalar, group: GroupKey) -> Result<Self, BadShare> {
        let public = EdwardsPoint::mul_base(&secret.0).compress();
        let key = verifying_key(&group)
            .filter(|key| Point::read_checked(key).is_some())
            .ok_or(BadShare)?;
        if group.verifying_share(identifier) != Some(public.as_bytes()) {
            return Err(BadShare);
        }
        let others = group.parameters().identifiers().filter(|other| *other != identifier);
        let ratios = others.map(|other| (other, round2::ratio(identifier, other))).collect();
        Ok(Self {
            identifier,
            secret: Arc::new(secret),
            group,
            verifying_key: key,
            ratios,
        })
    }

    /// Reads exactly what [`KeyShare::encode`] writes.
    fn decode(bytes: &[u8]) -> Result<Self, BadShare> {
        if bytes.len() > SHARE_BYTES_MAX {
            return Err(BadShare);
        }
        let encoded: Encoded<'_> = minicbor::decode(bytes).map_err(|_| BadShare)?;
        let identifier = Identifier::new(encoded.identifier).map_err(|_| BadShare)?;
        let secret = SecretScalar::read(encoded.secret).ok_or(BadShare)?;
        let group = GroupKey::decode(encoded.group).map_err(|_| BadShare)?;
        let share = Self::new(identifier, secret, group)?;
        if share.encode().as_slice() == bytes {
            Ok(share)
        } else {
            Err(BadShare)
        }
    }

    /// λ of this share in a signer set (RFC 9591 §4.2). `None` if a signer is not of the group.
    fn lagrange(&self, signers: &BTreeSet<Identifier>) -> Option<Scalar> {
        signers
            .iter()
            .filter(|signer| **signer != self.identifier)
            .map(|signer| self.ratios.get(signer))
            .product()
    }
}

impl KeyShare for FrostShare {
    fn identifier(&self) -> Identifier {
        self.identifier
    }

    fn group(&self) -> &GroupKey {
        &self.group
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (secret, group) = (Zeroizing::new(self.secret.0.to_bytes()), self.group.encode());
        let encoded = Encoded {
            identifier: self.identifier.get(),
            secret: secret.as_slice().into(),
            group: group.as_slice().into(),
        };
        // Large enough from the start: a vector that grows leaves a copy of the secret behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(SHARE_BYTES_MAX));
        match minicbor::encode(encoded, &mut *bytes) {
            Ok(()) => bytes,
            // Writing to memory cannot fail; and nothing reads back an empty share.
            Err(_) => Zeroizing::default(),
        }
    }

    fn commit(
        &self,
        message: &[u8],
        signers: &BTreeSet<Identifier>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Opened, SignError> {
        let enough = signers.len() >= usize::from(self.group.parameters().threshold());
        if !enough || !signers.contains(&self.identifier) {
            return Err(SignError::Signers);
        }
        let signer = round2::Signer {
            identifier: self.identifier,
            secret: Arc::clone(&self.secret),
            lagrange: self.lagrange(signers).ok_or(SignError::Signers)?,
            verifying_key: self.verifying_key,
        };
        let (nonces, commitments, output) = round1::commit(&self.secret, rng)?;
        let state = Box::new(round2::Committed::new(signer, nonces, commitments));
        let session = Session::new(self.identifier, signers, message, state, &output)?;
        Ok(Opened {
            session,
            output: RoundOutput::broadcast(output),
        })
    }
}
