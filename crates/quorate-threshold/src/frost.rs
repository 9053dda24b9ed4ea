//! FROST(Ed25519, SHA-512) (RFC 9591): key generation and key packages by `frost-core`, the two signing rounds in [`round`].

mod dkg;
mod round;

use crate::{
    group::{GroupKey, Identifier},
    scheme::{AggregateError, BadShare, DkgContext, DkgError, DkgRound, KeyShare, Opened, Scheme},
    session::{Session, SignError},
};
use curve25519_dalek::{EdwardsPoint, Scalar};
use minicbor::{Decode, Encode, bytes::ByteVec};
use rand_core::CryptoRngCore;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The scheme. Two rounds; signatures verify as plain Ed25519 (RFC 8032).
#[derive(Debug, Clone, Copy, Default)]
pub struct FrostEd25519;

/// Stable name.
const NAME: &str = "frost-ed25519";

impl Scheme for FrostEd25519 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn rounds(&self) -> u8 {
        2
    }

    fn read_share(&self, bytes: &[u8]) -> Result<Box<dyn KeyShare>, BadShare> {
        Ok(Box::new(FrostShare::decode(bytes)?))
    }

    fn begin_dkg(
        &self,
        context: &DkgContext,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Box<dyn DkgRound>, Vec<u8>), DkgError> {
        dkg::begin(context, rng)
    }

    fn aggregate(
        &self,
        group: &GroupKey,
        message: &[u8],
        outputs: &[BTreeMap<Identifier, Vec<u8>>],
    ) -> Result<Vec<u8>, AggregateError> {
        round::aggregate(group, message, outputs)
    }
}

/// A scalar that is wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct SecretScalar(Scalar);

/// A share of a FROST key.
struct FrostShare {
    identifier: Identifier,
    secret: Arc<SecretScalar>,
    group: GroupKey,
    /// Lagrange coefficient of the signer set used last: public, and the same for a whole batch.
    lagrange: Mutex<Option<(BTreeSet<Identifier>, Scalar)>>,
}

impl std::fmt::Debug for FrostShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FrostShare {{ identifier: {:?}, .. }}", self.identifier)
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct EncodedShare {
    #[n(0)]
    identifier: u16,
    #[n(1)]
    secret: ByteVec,
    #[n(2)]
    group: ByteVec,
}

impl FrostShare {
    /// Checks that the secret belongs to the group's verifying share of this identifier.
    fn new(identifier: Identifier, secret: SecretScalar, group: GroupKey) -> Result<Self, BadShare> {
        let public = EdwardsPoint::mul_base(&secret.0).compress();
        if group.scheme() != NAME || group.verifying_share(identifier) != Some(public.as_bytes()) {
            return Err(BadShare);
        }
        Ok(Self { identifier, secret: Arc::new(secret), group, lagrange: Mutex::new(None) })
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadShare> {
        if bytes.len() > 64 * 1024 {
            return Err(BadShare);
        }
        let mut encoded: EncodedShare = minicbor::decode(bytes).map_err(|_| BadShare)?;
        let secret = Option::<Scalar>::from(
            encoded.secret.as_slice().try_into().map(Scalar::from_canonical_bytes).map_err(|_| BadShare)?,
        );
        encoded.secret.zeroize();
        let identifier = Identifier::new(encoded.identifier).map_err(|_| BadShare)?;
        let group = GroupKey::decode(&encoded.group).map_err(|_| BadShare)?;
        Self::new(identifier, SecretScalar(secret.ok_or(BadShare)?), group)
    }

    fn lagrange(&self, signers: &BTreeSet<Identifier>) -> Result<Scalar, SignError> {
        let mut cached = self.lagrange.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((set, coefficient)) = cached.as_ref() {
            if set == signers {
                return Ok(*coefficient);
            }
        }
        let coefficient = round::lagrange(self.identifier, signers).ok_or(SignError::Signers)?;
        *cached = Some((signers.clone(), coefficient));
        Ok(coefficient)
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
        let mut encoded = EncodedShare {
            identifier: self.identifier.get(),
            secret: self.secret.0.to_bytes().to_vec().into(),
            group: self.group.encode().into(),
        };
        let bytes = Zeroizing::new(minicbor::to_vec(&encoded).unwrap_or_default());
        encoded.secret.zeroize();
        bytes
    }

    fn commit(
        &self,
        message: &[u8],
        signers: &BTreeSet<Identifier>,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Opened, SignError> {
        let known = signers.iter().all(|signer| self.group.verifying_share(*signer).is_some());
        let enough = signers.len() >= usize::from(self.group.parameters().threshold());
        if !known || !enough || !signers.contains(&self.identifier) {
            return Err(SignError::Signers);
        }
        let lagrange = self.lagrange(signers)?;
        let verifying_key = self.group.verifying_key().try_into().map_err(|_| SignError::Signers)?;
        let key = round::SignerKey {
            identifier: self.identifier,
            secret: Arc::clone(&self.secret),
            lagrange,
            verifying_key,
        };
        let (state, output) = round::commit(key, rng);
        let session = Session::new(self.identifier, signers, message, Box::new(state), &output)
            .map_err(|_| SignError::Signers)?;
        Ok(Opened { session, output })
    }
}
