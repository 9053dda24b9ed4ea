//! RFC 9380: hashing to P-256, suites P256_XMD:SHA-256_SSWU_RO_ and _NU_ (section 8.2).
//!
//! Key generation hashes to the curve for each of its 256 base oblivious transfers with every other party, so the map is written
//! over the backend's field and takes one inversion and one square root.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "operators of a finite field wrap around its order by definition and cannot overflow"
)]
use crrl::field::GFp256;
use crrl::p256::Point;
use elliptic_curve::array::Array;
use elliptic_curve::consts::{U16, U48};
use elliptic_curve::ops::Reduce;
use elliptic_curve::subtle::Choice;
use hash2curve::{ExpandMsgXmd, GroupDigest, MapToCurve};

use super::{FastP256, ProjectivePoint, mask_of, reversed};

/// An integer modulo the field prime, as it comes out of `hash_to_field` (RFC 9380, section 5.2).
#[derive(Clone, Copy, Debug)]
pub struct FieldElement(GFp256);

impl Default for FieldElement {
    fn default() -> Self {
        Self(GFp256::ZERO)
    }
}

impl Reduce<Array<u8, U48>> for FieldElement {
    fn reduce(bytes: &Array<u8, U48>) -> Self {
        Self(GFp256::decode_reduce(&reversed(bytes.0)))
    }
}

/// b of the curve equation.
const B: GFp256 = GFp256::w64be(
    0x5ac6_35d8_aa3a_93e7,
    0xb3eb_bd55_7698_86bc,
    0x651d_06b0_cc53_b0f6,
    0x3bce_3c3e_27d2_604b,
);
/// -B / A, which is b / 3.
const B_OVER_3: GFp256 = GFp256::w64be(
    0x7397_6747_e368_dbf8,
    0x3bf9_3f1c_7cdd_823e,
    0xcc5f_023b_441b_e5a7,
    0x6944_bebf_629b_756e,
);
/// B / (Z * A), which is b / 30: x of the exceptional case.
const B_OVER_30: GFp256 = GFp256::w64be(
    0xa528_bd86_96bd_af99,
    0x6c65_b982_d949_59d3,
    0x146f_e6a0_2069_3090,
    0xbdba_1313_2375_f224,
);

/// Whether the least significant bit of the canonical integer is set (RFC 9380, section 4.1), as the backend's mask.
fn sgn0(element: GFp256) -> u32 {
    let [least, ..] = element.encode32();
    u32::from(least & 1).wrapping_neg()
}

/// The simplified map of Shallue, van de Woestijne and Ulas (RFC 9380, section 6.6.2), A = -3, Z = -10.
fn map_to_point(u: GFp256) -> Point {
    let tv1 = -(u.square() * GFp256::from_u32(10));
    let tv2 = tv1.square() + tv1;
    let ordinary = B_OVER_3 * (GFp256::ONE + GFp256::ONE / tv2);
    let x1 = GFp256::select(&ordinary, &B_OVER_30, tv2.iszero());
    let gx1 = x1 * (x1.square() - GFp256::from_u32(3)) + B;
    let x2 = tv1 * x1;
    let gx2 = x2 * (x2.square() - GFp256::from_u32(3)) + B;
    // Exactly one of the two is a square unless both are (RFC 9380, section 6.6.1), so that one root is always found.
    let not_square = mask_of(Choice::from(u8::from(gx1.legendre() < 0)));
    let x = GFp256::select(&x1, &x2, not_square);
    let (y, _found) = GFp256::select(&gx1, &gx2, not_square).sqrt();
    let y = GFp256::select(&y, &-y, sgn0(u) ^ sgn0(y));
    let mut point = Point::NEUTRAL;
    let _on_curve = point.set_affine(x, y);
    point
}

impl MapToCurve for FastP256 {
    type SecurityLevel = U16;
    type FieldElement = FieldElement;
    type Length = U48;

    fn map_to_curve(element: FieldElement) -> ProjectivePoint {
        ProjectivePoint(map_to_point(element.0))
    }
}

impl GroupDigest for FastP256 {
    const HASH_TO_CURVE_ID: &[u8] = b"P256_XMD:SHA-256_SSWU_RO_";
    const ENCODE_TO_CURVE_ID: &[u8] = b"P256_XMD:SHA-256_SSWU_NU_";

    type ExpandMsg = ExpandMsgXmd<sha2_11::Sha256>;
}
