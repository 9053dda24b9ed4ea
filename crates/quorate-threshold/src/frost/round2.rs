//! The signer's second round (RFC 9591 §4.2 to §4.6, §5.2): the same shares, bit for bit, as `frost-core` computes, which the
//! tests hold it to. Points keep their encodings, and variable-time arithmetic touches public values only.
#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        reason = "scalar and group arithmetic is modular: it cannot overflow"
    )
)]

use super::{
    SecretScalar,
    ciphersuite::{self, BindingHash},
    round1::{Commitments, Nonces},
};
use crate::{
    group::Identifier,
    round::RoundInputs,
    session::{Authorized, SessionState, SignError, Step},
};
use curve25519_dalek::{EdwardsPoint, Scalar, traits::VartimeMultiscalarMul};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a signer signs with.
pub(super) struct Signer {
    pub(super) identifier: Identifier,
    pub(super) secret: Arc<SecretScalar>,
    pub(super) lagrange: Scalar,
    pub(super) verifying_key: [u8; 32],
}

/// The state between round 1 and round 2.
pub(super) struct Committed {
    signer: Signer,
    nonces: Nonces,
    commitments: Commitments,
}

impl Committed {
    pub(super) const fn new(signer: Signer, nonces: Nonces, commitments: Commitments) -> Self {
        Self {
            signer,
            nonces,
            commitments,
        }
    }
}

impl SessionState for Committed {
    /// `sign` (RFC 9591 §5.2). The output is the share, then the encoded group commitment that it is for, which saves the
    /// coordinator computing that once more.
    fn advance(self: Box<Self>, authorized: &Authorized<'_>, inputs: &RoundInputs) -> Result<Step, SignError> {
        let Self {
            signer,
            nonces,
            commitments,
        } = *self;
        if let Some(from) = inputs.directs.keys().next() {
            return Err(SignError::Malformed(*from));
        }
        let mut list = BTreeMap::new();
        for (from, bytes) in &inputs.broadcasts {
            // The own input is byte for byte what was sent, so it need not be read again.
            let own = (*from == signer.identifier).then_some(commitments);
            list.insert(
                *from,
                own.or_else(|| Commitments::read(bytes))
                    .ok_or(SignError::Malformed(*from))?,
            );
        }
        let joint = Joint::new(&signer.verifying_key, authorized.message(), &list);
        let share = signature_share(&signer, nonces, &joint).ok_or(SignError::Inputs)?;
        Ok(Step::Done([share.to_bytes(), joint.group_commitment].concat()))
    }
}

/// `z = d + ρ·e + λ·s·c` in constant time. The nonces end here. `None` if the signer has no part in `joint`.
fn signature_share(signer: &Signer, nonces: Nonces, joint: &Joint) -> Option<Scalar> {
    let binding_factor = joint.binding_factors.get(&signer.identifier)?;
    Some(nonces.hiding + nonces.binding * binding_factor + signer.lagrange * signer.secret.0 * joint.challenge)
}

/// What all signers and the coordinator compute alike from key, message and commitments.
pub(super) struct Joint {
    pub(super) binding_factors: BTreeMap<Identifier, Scalar>,
    pub(super) group_commitment: [u8; 32],
    pub(super) challenge: Scalar,
}

impl Joint {
    /// Group commitment (RFC 9591 §4.5) and challenge (§4.6).
    pub(super) fn new(verifying_key: &[u8; 32], message: &[u8], list: &BTreeMap<Identifier, Commitments>) -> Self {
        let binding_factors = binding_factors(verifying_key, message, list);
        let hiding: EdwardsPoint = list.values().map(|commitments| commitments.hiding.element()).sum();
        let bindings = list.values().map(|commitments| commitments.binding.element());
        let sum = hiding + EdwardsPoint::vartime_multiscalar_mul(binding_factors.values(), bindings);
        let group_commitment = sum.compress().to_bytes();
        let challenge = ciphersuite::challenge(&group_commitment, verifying_key, message);
        Self {
            binding_factors,
            group_commitment,
            challenge,
        }
    }
}

/// Binding factors (RFC 9591 §4.3, §4.4).
fn binding_factors(
    verifying_key: &[u8; 32],
    message: &[u8],
    list: &BTreeMap<Identifier, Commitments>,
) -> BTreeMap<Identifier, Scalar> {
    let mut encoded = Vec::with_capacity(list.len().saturating_mul(96));
    for (signer, commitments) in list {
        encoded.extend_from_slice(&ciphersuite::encode_identifier(*signer));
        encoded.extend_from_slice(commitments.hiding.encoded());
        encoded.extend_from_slice(commitments.binding.encoded());
    }
    let message_hash = ciphersuite::hash_message(message);
    let hash = BindingHash::new(verifying_key, &message_hash, &ciphersuite::hash_commitments(&encoded));
    list.keys().map(|signer| (*signer, hash.of(*signer))).collect()
}

/// `x_other / (x_other − x_own)`: one factor of λ. The two must differ.
pub(super) fn ratio(own: Identifier, other: Identifier) -> Scalar {
    let (own, other) = (Scalar::from(own.get()), Scalar::from(other.get()));
    other * (other - own).invert()
}

/// λ of a signer in a signer set (RFC 9591 §4.2), for the coordinator, which has no share to keep factors with.
pub(super) fn lagrange(signer: Identifier, signers: &BTreeSet<Identifier>) -> Scalar {
    let own = Scalar::from(signer.get());
    let others = || {
        signers
            .iter()
            .filter(|other| **other != signer)
            .map(|other| Scalar::from(other.get()))
    };
    let (numerator, denominator): (Scalar, Scalar) = (others().product(), others().map(|other| other - own).product());
    numerator * denominator.invert()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frost::round1;
    use rand_core::OsRng;

    fn id(number: u16) -> Identifier {
        Identifier::new(number).unwrap()
    }

    /// Why a session is consumed by its use: the answers to three messages under one nonce pair are three linear equations in
    /// d, e and s.
    #[test]
    fn three_uses_of_one_nonce_pair_give_the_share_away() {
        let secret = Scalar::random(&mut OsRng);
        let signers = BTreeSet::from([id(1), id(2)]);
        let lagrange = lagrange(id(1), &signers);
        let verifying_key = EdwardsPoint::mul_base(&secret).compress().to_bytes();
        let signer = Signer {
            identifier: id(1),
            secret: Arc::new(SecretScalar(secret)),
            lagrange,
            verifying_key,
        };
        let (nonces, own, _) = round1::commit(&signer.secret, &mut OsRng).unwrap();
        let (_, theirs, _) = round1::commit(&SecretScalar(Scalar::random(&mut OsRng)), &mut OsRng).unwrap();
        let list = BTreeMap::from([(id(1), own), (id(2), theirs)]);
        let equation = |message: &[u8]| {
            let joint = Joint::new(&signer.verifying_key, message, &list);
            let stolen = Nonces {
                hiding: nonces.hiding,
                binding: nonces.binding,
            };
            let answer = signature_share(&signer, stolen, &joint).unwrap();
            (joint.binding_factors[&id(1)], lagrange * joint.challenge, answer)
        };
        // z = d + ρe + ks: differences remove d, then elimination removes e.
        let ((r1, k1, z1), (r2, k2, z2), (r3, k3, z3)) = (equation(b"one"), equation(b"two"), equation(b"three"));
        let numerator = (z2 - z1) * (r3 - r1) - (z3 - z1) * (r2 - r1);
        let denominator = (k2 - k1) * (r3 - r1) - (k3 - k1) * (r2 - r1);
        assert_eq!(numerator * denominator.invert(), secret);
    }

    #[test]
    fn the_signers_lagrange_coefficient_is_the_coordinators() {
        let signers: BTreeSet<_> = [2, 5, 7, 255].map(id).into();
        for own in &signers {
            let product: Scalar = signers
                .iter()
                .filter(|other| *other != own)
                .map(|other| ratio(*own, *other))
                .product();
            assert_eq!(product, lagrange(*own, &signers));
        }
    }

    #[test]
    fn lagrange_coefficients_interpolate_at_zero() {
        let (a, b, c) = (
            Scalar::random(&mut OsRng),
            Scalar::random(&mut OsRng),
            Scalar::random(&mut OsRng),
        );
        let at = |x: Identifier| a + Scalar::from(x.get()) * (b + Scalar::from(x.get()) * c);
        for numbers in [[1, 2, 3], [2, 5, 7], [1, 64, 255]] {
            let signers: BTreeSet<_> = numbers.into_iter().map(id).collect();
            let sum: Scalar = signers
                .iter()
                .map(|signer| lagrange(*signer, &signers) * at(*signer))
                .sum();
            assert_eq!(sum, a);
        }
    }
}
