//! The coordinator's part: `s = Σw / Σu`, and the signature verified as everybody else will.
#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        reason = "scalar arithmetic is modular: it cannot overflow"
    )
)]

use super::{
    curve::{self, Curve, Point, Scalar},
    verifying_key,
};
use crate::{
    group::{GroupKey, Identifier},
    scheme::AggregateError,
};
use dkls23_core::protocols::signing::verify_ecdsa_signature;
use elliptic_curve::{
    FieldBytes,
    ff::{Field, PrimeField},
    ops::Reduce,
    scalar::IsHigh,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A signer's last output.
struct Part {
    x: [u8; 32],
    u: Scalar,
    w: Scalar,
}

impl Part {
    /// Refuses another length and scalars that are not canonical.
    fn read(bytes: &[u8]) -> Option<Self> {
        let ([x, u, w], []) = bytes.as_chunks::<32>() else {
            return None;
        };
        Some(Self {
            x: *x,
            u: curve::read_scalar(u)?,
            w: curve::read_scalar(w)?,
        })
    }
}

/// Combines the last outputs. Those of the rounds before must be of the same signers, and hold nothing for the coordinator.
pub(super) fn aggregate(
    group: &GroupKey,
    message: &[u8],
    outputs: &[BTreeMap<Identifier, Vec<u8>>],
) -> Result<Vec<u8>, AggregateError> {
    let [first, second, last] = outputs else {
        return Err(AggregateError::Incomplete);
    };
    let key = verifying_key(group).ok_or(AggregateError::Group)?;
    let exact = last.len() == usize::from(group.parameters().threshold());
    let members = last.keys().all(|signer| group.verifying_share(*signer).is_some());
    if !exact || !members || !first.keys().eq(last.keys()) || !second.keys().eq(last.keys()) {
        return Err(AggregateError::Incomplete);
    }
    let mut parts = BTreeMap::new();
    let mut culprits: Vec<Identifier> = Vec::new();
    for (signer, bytes) in last {
        match Part::read(bytes) {
            Some(part) => drop(parts.insert(*signer, part)),
            None => culprits.push(*signer),
        }
    }
    if !culprits.is_empty() {
        return Err(AggregateError::Misbehaved { culprits });
    }
    let (u, w) = (
        parts.values().map(|part| part.u).sum(),
        parts.values().map(|part| part.w).sum(),
    );
    // Honest signers name one and the same nonce point. Who names another cannot spoil the signature by that alone.
    let points: BTreeSet<[u8; 32]> = parts.values().map(|part| part.x).collect();
    let mut candidates = points.iter().filter_map(|x| signature(x, u, w));
    candidates
        .find(|signature| verifies(&key, message, signature))
        .ok_or(AggregateError::Unattributed)
}

/// `r ‖ s`, with s in its lower half, so that no third party can turn one signature into another.
fn signature(x: &[u8; 32], u: Scalar, w: Scalar) -> Option<Vec<u8>> {
    let r = <Scalar as Reduce<FieldBytes<Curve>>>::reduce(&(*x).into());
    let s = w * Option::<Scalar>::from(u.invert())?;
    let s = if bool::from(s.is_high()) { -s } else { s };
    Some([r.to_repr().as_slice(), s.to_repr().as_slice()].concat())
}

/// FIPS 186-5 §6.4.2 over SHA-256 of the message.
pub(super) fn verifies(key: &Point, message: &[u8], signature: &[u8]) -> bool {
    let ([r, s], []) = signature.as_chunks::<32>() else {
        return false;
    };
    let digest: [u8; 32] = Sha256::digest(message).into();
    verify_ecdsa_signature::<Curve>(&digest, key, &hex::encode(r), &hex::encode(s))
}
