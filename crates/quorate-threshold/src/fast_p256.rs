//! NIST P-256 (SP 800-186) for threshold ECDSA: the curve traits over a backend whose arithmetic is several times cheaper.
//!
//! The signing protocol is generic over its curve, and key generation spends nearly all its time on point multiplication. So
//! [`FastP256`] changes what those operations cost and nothing that goes over the wire: a point or a scalar has the same bytes
//! here as in the reference implementation, and the tests hold the two against each other.
//!
//! What the reference does in constant time is in constant time here: multiplication, inversion, selection, equality. The one
//! branch on a point asks whether it is the generator, which the protocol decides and no secret does.
use elliptic_curve::bigint::{Odd, U256};
use elliptic_curve::consts::U32;
use elliptic_curve::point::{PointCompaction, PointCompression};
use elliptic_curve::subtle::Choice;
use elliptic_curve::{Curve, CurveArithmetic, PrimeCurve, PrimeCurveArithmetic};

mod affine;
mod encoding;
mod hash;
mod ops;
mod point;
mod scalar;

pub use affine::AffinePoint;
pub use hash::FieldElement;
pub use point::ProjectivePoint;
pub use scalar::Scalar;

/// The order of the group, n of SP 800-186 section 3.2.1.3.
const ORDER_HEX: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// NIST P-256, also secp256r1 and prime256v1: y² = x³ - 3x + b over the 256-bit prime field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FastP256;

impl Curve for FastP256 {
    type FieldBytesSize = U32;
    type Uint = U256;
    const ORDER: Odd<U256> = Odd::<U256>::from_be_hex(ORDER_HEX);
}

impl PrimeCurve for FastP256 {}

impl CurveArithmetic for FastP256 {
    type AffinePoint = AffinePoint;
    type ProjectivePoint = ProjectivePoint;
    type Scalar = Scalar;
}

impl PrimeCurveArithmetic for FastP256 {
    type CurveGroup = ProjectivePoint;
}

impl PointCompression for FastP256 {
    const COMPRESS_POINTS: bool = true;
}

impl PointCompaction for FastP256 {
    const COMPACT_POINTS: bool = false;
}

/// 32 bytes of a field element or a scalar, big-endian (SEC 1, section 2.3.7).
type FieldBytes = elliptic_curve::FieldBytes<FastP256>;

/// The backend answers yes as all ones and no as zero.
fn choice_of(mask: u32) -> Choice {
    Choice::from(u8::from(mask & 1 == 1))
}

/// What the backend takes for yes and no.
fn mask_of(choice: Choice) -> u32 {
    u32::from(choice.unwrap_u8()).wrapping_neg()
}

/// The backend's integers are little-endian, those of SEC 1 big-endian.
fn reversed<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    bytes.reverse();
    bytes
}

#[cfg(test)]
mod tests;
