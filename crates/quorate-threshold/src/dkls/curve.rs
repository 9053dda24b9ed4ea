//! The curve that the library runs over, and how its points stand in group keys: `x ‖ y`, 64 bytes, as in a JWK (RFC 7518 §6.2.1).

use elliptic_curve::{
    CurveArithmetic,
    sec1::{FromSec1Point, Sec1Point, ToSec1Point},
};
use zeroize::Zeroizing;

/// NIST P-256.
pub(super) type Curve = crate::fast_p256::FastP256;
/// An integer modulo the group order.
pub(super) type Scalar = <Curve as CurveArithmetic>::Scalar;
/// A point in affine coordinates.
pub(super) type Point = <Curve as CurveArithmetic>::AffinePoint;
/// A participant after key generation.
pub(super) type Party = dkls23_core::protocols::Party<Curve>;

/// SEC 1 §2.3.3: an uncompressed point begins with this byte.
const UNCOMPRESSED: u8 = 4;

/// `x ‖ y`. `None` for the point at infinity, which is nobody's key.
pub(super) fn write_point(point: &Point) -> Option<Vec<u8>> {
    let encoded = point.to_sec1_point(false);
    match encoded.as_bytes().split_first() {
        Some((&UNCOMPRESSED, coordinates)) => Some(coordinates.to_vec()),
        _ => None,
    }
}

/// Reads `x ‖ y`. `None` for another length and for what is not on the curve.
pub(super) fn read_point(bytes: &[u8]) -> Option<Point> {
    if bytes.len() != 64 {
        return None;
    }
    let encoded = Sec1Point::<Curve>::from_bytes([&[UNCOMPRESSED], bytes].concat()).ok()?;
    Option::from(Point::from_sec1_point(&encoded))
}

/// The public side of a secret scalar, as [`write_point`] writes it.
#[cfg_attr(
    not(test),
    expect(clippy::arithmetic_side_effects, reason = "group arithmetic cannot overflow")
)]
pub(super) fn public(secret: &Scalar) -> Option<Vec<u8>> {
    use elliptic_curve::group::{Curve as _, CurveAffine};
    write_point(&(Point::generator() * secret).to_affine())
}

/// Reads 32 bytes, canonical.
pub(super) fn read_scalar(bytes: &[u8]) -> Option<Scalar> {
    use elliptic_curve::ff::PrimeField;
    let bytes = Zeroizing::new(<[u8; 32]>::try_from(bytes).ok()?);
    Option::from(Scalar::from_repr((*bytes).into()))
}
