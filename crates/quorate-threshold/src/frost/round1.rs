//! Nonces and commitments (RFC 9591 §4.1, §5.1), with a cheaper way to send a commitment.
//!
//! RFC 9591 §6.1 makes the receiver check that a point is of prime order, which costs more than all else in an exchange of
//! commitments. So the wire carries `D/8` and `E/8`, and the receiver multiplies by the cofactor 8: what comes out has prime order
//! by construction, and is `D` and `E` for honest senders. (Adding a point of small order to `D/8` changes bytes, not `D`; whoever
//! does it commits to the same.) The commitments themselves, and so everything that is hashed and signed, are the RFC's.
#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        reason = "scalar and group arithmetic is modular: it cannot overflow"
    )
)]

use super::{
    SecretScalar,
    ciphersuite::{self, Point},
};
use crate::session::SignError;
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY};
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 8⁻¹ modulo the group order, little-endian.
const EIGHTH: [u8; 32] = [
    0x79, 0x2f, 0xdc, 0xe2, 0x29, 0xe5, 0x06, 0x61, 0xd0, 0xda, 0x1c, 0x7d, 0xb3, 0x9d, 0xd3, 0x07, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x06,
];

/// p = 2²⁵⁵ − 19, little-endian: what a canonical y is below.
const PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    prime
};

/// A nonce pair: wiped when dropped, not `Clone`, consumed when used.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Nonces {
    pub(super) hiding: Scalar,
    pub(super) binding: Scalar,
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

/// A signer's commitments to its nonces.
#[derive(Clone, Copy)]
pub(super) struct Commitments {
    pub(super) hiding: Point,
    pub(super) binding: Point,
}

/// `commit` (RFC 9591 §5.1): nonces, commitments, and `D/8 ‖ E/8` for the wire. One fixed-base multiplication for each nonce.
pub(super) fn commit(
    share: &SecretScalar,
    rng: &mut dyn CryptoRngCore,
) -> Result<(Nonces, Commitments, Vec<u8>), SignError> {
    let nonces = Nonces {
        hiding: nonce(share, rng)?,
        binding: nonce(share, rng)?,
    };
    let eighth = Scalar::from_bytes_mod_order(EIGHTH);
    let [hiding, binding] =
        [&nonces.hiding, &nonces.binding].map(|nonce| EdwardsPoint::mul_base(&Zeroizing::new(nonce * eighth)));
    let output = [hiding.compress().to_bytes(), binding.compress().to_bytes()].concat();
    // A nonce of zero has no commitment; a generator that yields one is broken.
    let commitments = Commitments::from_eighths(&hiding, &binding).ok_or(SignError::Randomness)?;
    Ok((nonces, commitments, output))
}

/// `nonce_generate` (RFC 9591 §4.1): hedged with the share, so that a weak generator alone gives nothing away.
fn nonce(share: &SecretScalar, rng: &mut dyn CryptoRngCore) -> Result<Scalar, SignError> {
    let mut random = Zeroizing::new([0u8; 32]);
    rng.try_fill_bytes(random.as_mut()).map_err(|_| SignError::Randomness)?;
    Ok(ciphersuite::nonce(&random, &share.0))
}

impl Commitments {
    fn from_eighths(hiding: &EdwardsPoint, binding: &EdwardsPoint) -> Option<Self> {
        Some(Self {
            hiding: Point::eightfold(hiding)?,
            binding: Point::eightfold(binding)?,
        })
    }

    /// Reads `D/8 ‖ E/8`. Refuses another length, what is not a point or not its canonical encoding, and points of small order.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let ([hiding, binding], []) = bytes.as_chunks::<32>() else {
            return None;
        };
        Self::from_eighths(&decompress(hiding)?, &decompress(binding)?)
    }
}

/// RFC 8032 §5.1.3. The library would reduce a y of p or more.
fn decompress(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let mut y = *bytes;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    let canonical = y.iter().rev().lt(PRIME.iter().rev());
    if canonical {
        CompressedEdwardsY(*bytes).decompress()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    #[test]
    fn an_eighth_times_eight_is_one() {
        assert_eq!(Scalar::from_bytes_mod_order(EIGHTH) * Scalar::from(8u8), Scalar::ONE);
        assert_eq!(Scalar::from_bytes_mod_order(EIGHTH).to_bytes(), EIGHTH);
    }

    #[test]
    fn what_arrives_is_what_was_committed_to() {
        let (nonces, own, output) = commit(&SecretScalar(Scalar::from(7u8)), &mut OsRng).unwrap();
        let read = Commitments::read(&output).unwrap();
        for (point, nonce) in [(read.hiding, nonces.hiding), (read.binding, nonces.binding)] {
            assert_eq!(point.encoded(), EdwardsPoint::mul_base(&nonce).compress().as_bytes());
            assert_eq!(point.element().compress().as_bytes(), point.encoded());
            assert!(Point::read_checked(point.encoded()).is_some());
        }
        assert_eq!(own.hiding.encoded(), read.hiding.encoded());
        assert_eq!(own.binding.encoded(), read.binding.encoded());
    }

    #[test]
    fn a_torsion_component_changes_nothing() {
        let (_, own, output) = commit(&SecretScalar(Scalar::from(7u8)), &mut OsRng).unwrap();
        let eighth = decompress(output[..32].try_into().unwrap()).unwrap();
        for torsion in curve25519_dalek::constants::EIGHT_TORSION {
            let shifted = [(eighth + torsion).compress().as_bytes(), &output[32..]].concat();
            assert_eq!(
                Commitments::read(&shifted).unwrap().hiding.encoded(),
                own.hiding.encoded()
            );
        }
    }

    #[test]
    fn bad_commitments_are_refused() {
        let (_, _, good) = commit(&SecretScalar(Scalar::from(7u8)), &mut OsRng).unwrap();
        let refused = |half: &[u8]| {
            Commitments::read(&[half, &good[32..]].concat()).is_none()
                && Commitments::read(&[&good[..32], half].concat()).is_none()
        };
        for torsion in curve25519_dalek::constants::EIGHT_TORSION {
            assert!(refused(torsion.compress().as_bytes()), "small order");
        }
        for above in 0..=0x12u8 {
            for sign in [0, 0x80] {
                let mut encoding = PRIME;
                encoding[0] += above;
                encoding[31] |= sign;
                assert!(refused(&encoding), "y is p or more");
            }
        }
        let not_on_curve = (2..=255u8).map(|y| [[y].as_slice(), &[0; 31]].concat());
        assert!(not_on_curve.filter(|bytes| refused(bytes)).count() > 100);
        for length in [0, 1, 32, 63, 65, 96, 128] {
            assert!(Commitments::read(&good.iter().copied().cycle().take(length).collect::<Vec<_>>()).is_none());
        }
        assert!(Commitments::read(&good).is_some());
    }
}
