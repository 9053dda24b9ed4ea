//! The coordinator's part (RFC 9591 §5.3, §5.4): sum the shares, verify the signature as everybody else will, and only if that
//! fails look for who is to blame.
#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        reason = "scalar and group arithmetic is modular: it cannot overflow"
    )
)]

use super::{
    ciphersuite::Point,
    round1::Commitments,
    round2::{self, Joint},
    verifying_key,
};
use crate::{
    group::{GroupKey, Identifier},
    scheme::AggregateError,
};
use curve25519_dalek::{EdwardsPoint, Scalar, traits::VartimeMultiscalarMul};
use std::collections::{BTreeMap, BTreeSet};

/// The outputs of one round.
type Outputs = BTreeMap<Identifier, Vec<u8>>;

/// A signer's second output: its share, and the group commitment that it says the share is for.
#[derive(Clone, Copy)]
struct Share {
    scalar: Scalar,
    claimed: [u8; 32],
}

impl Share {
    /// Refuses another length and a scalar that is not canonical.
    fn read(bytes: &[u8]) -> Option<Self> {
        let ([scalar, claimed], []) = bytes.as_chunks::<32>() else {
            return None;
        };
        Some(Self {
            scalar: Option::from(Scalar::from_canonical_bytes(*scalar))?,
            claimed: *claimed,
        })
    }
}

/// Combines commitments and shares. The group commitment is the one that most signers claim: if it is wrong the signature does not
/// verify, so nobody is trusted with it, and computing it anew from the commitments is left to the case that somebody lied.
pub(super) fn aggregate(group: &GroupKey, message: &[u8], outputs: &[Outputs]) -> Result<Vec<u8>, AggregateError> {
    let [commitments, shares] = outputs else {
        return Err(AggregateError::Incomplete);
    };
    let key = verifying_key(group).ok_or(AggregateError::Group)?;
    let enough = shares.len() >= usize::from(group.parameters().threshold());
    let members = shares.keys().all(|signer| group.verifying_share(*signer).is_some());
    if !enough || !members || !commitments.keys().eq(shares.keys()) {
        return Err(AggregateError::Incomplete);
    }
    let shares = read_all(shares, Share::read)?;
    let sum: Scalar = shares.values().map(|share| share.scalar).sum();
    if let Some(claimed) = most_claimed(&shares) {
        let signature = [claimed, sum.to_bytes()].concat();
        if verifies(&key, message, &signature) {
            return Ok(signature);
        }
    }
    let joint_parts = read_all(commitments, Commitments::read)?;
    let joint = Joint::new(&key, message, &joint_parts);
    let signature = [joint.group_commitment, sum.to_bytes()].concat();
    if verifies(&key, message, &signature) {
        return Ok(signature);
    }
    Err(blame(group, &joint, &joint_parts, &shares))
}

/// Reads every signer's output, or names all whose output cannot be read.
fn read_all<T>(
    outputs: &Outputs,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<BTreeMap<Identifier, T>, AggregateError> {
    let (mut good, mut culprits) = (BTreeMap::new(), Vec::new());
    for (signer, bytes) in outputs {
        match read(bytes) {
            Some(value) => drop(good.insert(*signer, value)),
            None => culprits.push(*signer),
        }
    }
    if culprits.is_empty() {
        Ok(good)
    } else {
        Err(AggregateError::Misbehaved { culprits })
    }
}

/// The group commitment that most signers claim, so that a lone liar does not even cost the time to find the lie.
fn most_claimed(shares: &BTreeMap<Identifier, Share>) -> Option<[u8; 32]> {
    let mut votes: BTreeMap<[u8; 32], u16> = BTreeMap::new();
    for share in shares.values() {
        let count = votes.entry(share.claimed).or_default();
        *count = count.saturating_add(1);
    }
    votes
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(claimed, _)| claimed)
}

/// Checks every share by itself (`verify_signature_share`, RFC 9591 §5.3) to name whoever spoilt the signature (§5.4).
fn blame(
    group: &GroupKey,
    joint: &Joint,
    commitments: &BTreeMap<Identifier, Commitments>,
    shares: &BTreeMap<Identifier, Share>,
) -> AggregateError {
    let signers: BTreeSet<Identifier> = shares.keys().copied().collect();
    let mut culprits = Vec::new();
    for (signer, share) in shares {
        let public = group.verifying_share(*signer).and_then(Point::read_checked);
        let parts = (public, joint.binding_factors.get(signer), commitments.get(signer));
        let (Some(public), Some(binding_factor), Some(commitments)) = parts else {
            return AggregateError::Group;
        };
        // z·B = D + ρ·E + c·λ·Y
        let factor = joint.challenge * round2::lagrange(*signer, &signers);
        let points = [commitments.binding.element(), public.element()];
        let expected =
            commitments.hiding.element() + EdwardsPoint::vartime_multiscalar_mul([binding_factor, &factor], points);
        if EdwardsPoint::mul_base(&share.scalar) != expected {
            culprits.push(*signer);
        }
    }
    // Good shares make a good signature, unless the verifying shares are not those of the verifying key.
    if culprits.is_empty() {
        AggregateError::Group
    } else {
        AggregateError::Misbehaved { culprits }
    }
}

/// RFC 8032 §5.1.7, strictly: cofactorless, canonical scalar, no point of small order. What the strictest verifier accepts, all do.
pub(super) fn verifies(verifying_key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(verifying_key) else {
        return false;
    };
    let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else {
        return false;
    };
    key.verify_strict(message, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::Verifier;

    /// Under a key of small order anybody can sign: a lax verifier accepts, so a strict one has to be asked.
    #[test]
    fn keys_of_small_order_sign_nothing() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let forged = [
            EdwardsPoint::mul_base(&Scalar::from(5u8)).compress().to_bytes(),
            Scalar::from(5u8).to_bytes(),
        ];
        let signature = ed25519_dalek::Signature::from_slice(forged.as_flattened()).unwrap();
        assert!(
            ed25519_dalek::VerifyingKey::from_bytes(&identity)
                .unwrap()
                .verify(b"m", &signature)
                .is_ok()
        );
        assert!(!verifies(&identity, b"m", forged.as_flattened()));
    }

    #[test]
    fn the_majority_claim_is_tried() {
        for (claims, expected) in [
            (&[][..], None),
            (&[7, 9, 9], Some(9)),
            (&[9, 7, 9], Some(9)),
            (&[9, 9, 10], Some(9)),
        ] {
            let share = |claim: &u8| Share {
                scalar: Scalar::ONE,
                claimed: [*claim; 32],
            };
            let shares = (1..)
                .map(|number| Identifier::new(number).unwrap())
                .zip(claims.iter().map(share))
                .collect();
            assert_eq!(most_claimed(&shares), expected.map(|claim| [claim; 32]));
        }
    }
}
