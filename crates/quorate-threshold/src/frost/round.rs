//! The two signing rounds of RFC 9591 §5, byte-identical to `frost-core` (which the tests hold it to), with what costs most done
//! once: points keep their encodings, and commitments travel as `D/8`, `E/8`, so that multiplying by the cofactor on arrival
//! gives points of prime order by construction, at a fraction of the price of checking it.

use super::SecretScalar;
use crate::{
    group::{GroupKey, Identifier},
    scheme::AggregateError,
    session::{Authorized, SessionState, SignError, Step},
};
use curve25519_dalek::{
    EdwardsPoint, Scalar,
    edwards::CompressedEdwardsY,
    traits::{IsIdentity, VartimeMultiscalarMul},
};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha512};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Context string of the ciphersuite (RFC 9591 §6.1).
const CONTEXT: &[u8] = b"FROST-ED25519-SHA512-v1";

/// What a signer signs with.
pub(super) struct SignerKey {
    pub(super) identifier: Identifier,
    pub(super) secret: Arc<SecretScalar>,
    pub(super) lagrange: Scalar,
    pub(super) verifying_key: [u8; 32],
}

/// A nonce pair; wiped when dropped, consumed when used.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Nonces {
    hiding: Scalar,
    binding: Scalar,
}

/// A signer's commitments: points and their encodings.
#[derive(Clone, Copy)]
struct Commitments {
    hiding: EdwardsPoint,
    binding: EdwardsPoint,
    encoded: [[u8; 32]; 2],
}

/// The state between round 1 and round 2.
pub(super) struct Committed {
    key: SignerKey,
    nonces: Nonces,
    commitments: Commitments,
}

/// Round 1 (RFC 9591 §5.1).
pub(super) fn commit(key: SignerKey, rng: &mut dyn CryptoRngCore) -> (Committed, Vec<u8>) {
    let nonces =
        Nonces { hiding: nonce(&key.secret, rng), binding: nonce(&key.secret, rng) };
    let eighth = Scalar::from(8u8).invert();
    let [hiding, binding] =
        [nonces.hiding, nonces.binding].map(|nonce| EdwardsPoint::mul_base(&(nonce * eighth)));
    let output = [hiding.compress().to_bytes(), binding.compress().to_bytes()].concat();
    let commitments = Commitments::from_eighths(&hiding, &binding);
    (Committed { key, nonces, commitments }, output)
}

/// `nonce_generate` (RFC 9591 §4.1): hedged with the share, so that a weak generator alone gives nothing away.
fn nonce(secret: &SecretScalar, rng: &mut dyn CryptoRngCore) -> Scalar {
    let mut random = Zeroizing::new([0u8; 32]);
    rng.fill_bytes(random.as_mut());
    let encoded = Zeroizing::new(secret.0.to_bytes());
    hash_to_scalar(&[CONTEXT, b"nonce", random.as_ref(), encoded.as_ref()])
}

impl SessionState for Committed {
    /// Round 2 (RFC 9591 §5.2). The output is the share, then the group commitment that it is for.
    fn advance(
        self: Box<Self>,
        authorized: &Authorized<'_>,
        inputs: &BTreeMap<Identifier, Vec<u8>>,
    ) -> Result<Step, SignError> {
        let Self { key, nonces, commitments } = *self;
        let mut list = BTreeMap::new();
        for (signer, bytes) in inputs {
            let theirs = if *signer == key.identifier {
                commitments
            } else {
                Commitments::read(bytes).ok_or(SignError::Malformed(*signer))?
            };
            list.insert(*signer, theirs);
        }
        let round = Round::new(&key.verifying_key, authorized.message(), &list);
        let rho = round.binding_factors.get(&key.identifier).ok_or(SignError::Inputs)?;
        let share = Zeroizing::new(
            nonces.hiding + nonces.binding * rho + key.lagrange * key.secret.0 * round.challenge,
        );
        Ok(Step::Done([share.to_bytes(), round.group_commitment].concat()))
    }
}

/// What all signers compute alike from message and commitments.
struct Round {
    binding_factors: BTreeMap<Identifier, Scalar>,
    group_commitment: [u8; 32],
    challenge: Scalar,
}

impl Round {
    fn new(verifying_key: &[u8; 32], message: &[u8], list: &BTreeMap<Identifier, Commitments>) -> Self {
        let binding_factors = binding_factors(verifying_key, message, list);
        let hiding: EdwardsPoint = list.values().map(|commitments| commitments.hiding).sum();
        let bindings = list.values().map(|commitments| commitments.binding);
        let group = hiding + EdwardsPoint::vartime_multiscalar_mul(binding_factors.values(), bindings);
        let group_commitment = group.compress().to_bytes();
        let challenge = challenge(&group_commitment, verifying_key, message);
        Self { binding_factors, group_commitment, challenge }
    }
}

/// RFC 9591 §4.4.
fn binding_factors(
    verifying_key: &[u8; 32],
    message: &[u8],
    list: &BTreeMap<Identifier, Commitments>,
) -> BTreeMap<Identifier, Scalar> {
    let mut encoded = Vec::with_capacity(list.len().saturating_mul(96));
    for (signer, commitments) in list {
        encoded.extend_from_slice(&encode_identifier(*signer));
        encoded.extend_from_slice(commitments.encoded.as_flattened());
    }
    let message_hash = hash(&[CONTEXT, b"msg", message]);
    let list_hash = hash(&[CONTEXT, b"com", &encoded]);
    list.keys()
        .map(|signer| {
            let input: [&[u8]; 6] =
                [CONTEXT, b"rho", verifying_key, &message_hash, &list_hash, &encode_identifier(*signer)];
            (*signer, hash_to_scalar(&input))
        })
        .collect()
}

/// RFC 9591 §5.3 and §5.4. The group commitment comes with the shares: whether it is right shows in the signature, and only if that
/// does not verify is anything recomputed, to find who is to blame.
pub(super) fn aggregate(
    group: &GroupKey,
    message: &[u8],
    outputs: &[BTreeMap<Identifier, Vec<u8>>],
) -> Result<Vec<u8>, AggregateError> {
    let [commitments, shares] = outputs else { return Err(AggregateError::Incomplete) };
    let enough = shares.len() >= usize::from(group.parameters().threshold());
    if !enough || !commitments.keys().eq(shares.keys()) {
        return Err(AggregateError::Incomplete);
    }
    let verifying_key: [u8; 32] = group.verifying_key().try_into().map_err(|_| AggregateError::Incomplete)?;
    let mut sum = Scalar::ZERO;
    let mut claimed = None;
    let mut malformed = Vec::new();
    for (signer, bytes) in shares {
        match read_share(bytes) {
            Some((share, commitment)) => {
                sum += share;
                claimed = claimed.or(Some(commitment));
            }
            None => malformed.push(*signer),
        }
    }
    if let (true, Some(commitment)) = (malformed.is_empty(), claimed) {
        let signature = [commitment, sum.to_bytes()].concat();
        if verifies(&verifying_key, message, &signature) {
            return Ok(signature);
        }
    }
    recompute(group, &verifying_key, message, commitments, shares)
}

/// The slow path: recomputes the group commitment, and checks share by share if the signature still does not verify.
fn recompute(
    group: &GroupKey,
    verifying_key: &[u8; 32],
    message: &[u8],
    commitments: &BTreeMap<Identifier, Vec<u8>>,
    shares: &BTreeMap<Identifier, Vec<u8>>,
) -> Result<Vec<u8>, AggregateError> {
    let mut list = BTreeMap::new();
    let mut culprits = Vec::new();
    for (signer, bytes) in commitments {
        match Commitments::read(bytes) {
            Some(read) => {
                list.insert(*signer, read);
            }
            None => culprits.push(*signer),
        }
    }
    if !culprits.is_empty() {
        return Err(AggregateError::Misbehaved { culprits });
    }
    let signers: BTreeSet<Identifier> = list.keys().copied().collect();
    let round = Round::new(verifying_key, message, &list);
    let mut sum = Scalar::ZERO;
    for (signer, bytes) in shares {
        let good = read_share(bytes).filter(|(share, _)| {
            sum += share;
            share_verifies(group, &round, &list, (*signer, &signers), share)
        });
        if good.is_none() {
            culprits.push(*signer);
        }
    }
    let signature = [round.group_commitment, sum.to_bytes()].concat();
    if culprits.is_empty() && verifies(verifying_key, message, &signature) {
        return Ok(signature);
    }
    Err(AggregateError::Misbehaved { culprits })
}

/// `z·B = D + ρ·E + c·λ·Y` (RFC 9591 §5.4).
fn share_verifies(
    group: &GroupKey,
    round: &Round,
    list: &BTreeMap<Identifier, Commitments>,
    (signer, signers): (Identifier, &BTreeSet<Identifier>),
    share: &Scalar,
) -> bool {
    let parts = (
        group.verifying_share(signer).and_then(|bytes| CompressedEdwardsY::from_slice(bytes).ok()?.decompress()),
        round.binding_factors.get(&signer),
        list.get(&signer),
        lagrange(signer, signers),
    );
    let (Some(public), Some(rho), Some(commitments), Some(lagrange)) = parts else { return false };
    EdwardsPoint::mul_base(share) == commitments.hiding + commitments.binding * rho + public * (round.challenge * lagrange)
}

impl Commitments {
    fn from_eighths(hiding: &EdwardsPoint, binding: &EdwardsPoint) -> Self {
        let (hiding, binding) = (hiding.mul_by_cofactor(), binding.mul_by_cofactor());
        let encoded = [hiding.compress().to_bytes(), binding.compress().to_bytes()];
        Self { hiding, binding, encoded }
    }

    /// Reads `D/8 ‖ E/8`. The identity, and so every point of small order, is refused.
    fn read(bytes: &[u8]) -> Option<Self> {
        let ([hiding, binding], []) = bytes.as_chunks::<32>() else { return None };
        let point = |bytes: &[u8; 32]| {
            // Decompression would reduce a y of p or more: one point, one encoding.
            let canonical = !matches!(bytes, [0xed..=0xff, middle @ .., 0x7f | 0xff] if middle.iter().all(|b| *b == 0xff));
            canonical.then(|| CompressedEdwardsY(*bytes).decompress()).flatten()
        };
        let commitments = Self::from_eighths(&point(hiding)?, &point(binding)?);
        let sound = !commitments.hiding.is_identity() && !commitments.binding.is_identity();
        sound.then_some(commitments)
    }
}

/// λ of RFC 9591 §4.2 at zero. `None` if the signer is not in the set.
pub(super) fn lagrange(signer: Identifier, signers: &BTreeSet<Identifier>) -> Option<Scalar> {
    if !signers.contains(&signer) {
        return None;
    }
    let own = Scalar::from(signer.get());
    let (mut numerator, mut denominator) = (Scalar::ONE, Scalar::ONE);
    for other in signers.iter().filter(|other| **other != signer) {
        let other = Scalar::from(other.get());
        numerator *= other;
        denominator *= other - own;
    }
    Some(numerator * denominator.invert())
}

fn read_share(bytes: &[u8]) -> Option<(Scalar, [u8; 32])> {
    let ([share, commitment], []) = bytes.as_chunks::<32>() else { return None };
    Some((Option::from(Scalar::from_canonical_bytes(*share))?, *commitment))
}

fn verifies(verifying_key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(verifying_key) else { return false };
    let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
    key.verify_strict(message, &signature).is_ok()
}

fn challenge(group_commitment: &[u8; 32], verifying_key: &[u8; 32], message: &[u8]) -> Scalar {
    hash_to_scalar(&[group_commitment, verifying_key, message])
}

fn encode_identifier(identifier: Identifier) -> [u8; 32] {
    Scalar::from(identifier.get()).to_bytes()
}

fn hash(parts: &[&[u8]]) -> [u8; 64] {
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn hash_to_scalar(parts: &[&[u8]]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&hash(parts))
}
