//! Points in affine coordinates: what is kept, compared, hashed and sent.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "operators of a group are total: every sum and multiple is a point again"
)]
use core::fmt;

use crrl::field::GFp256;
use crrl::p256::Point;
use elliptic_curve::group::GroupEncoding;
use elliptic_curve::point::{AffineCoordinates, DecompressPoint, NonIdentity};
use elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use elliptic_curve::sec1::{CompressedPoint, Coordinates, FromSec1Point, Sec1Point, ToSec1Point};
use elliptic_curve::subtle::{Choice, ConditionallySelectable, ConstantTimeEq, CtOption};
use elliptic_curve::zeroize::DefaultIsZeroes;
use elliptic_curve::{CurveAffine, CurveGroup, Error, Generate, ctutils};

use super::ops::{binary, constant_time, negation, vartime};
use super::{FastP256, FieldBytes, ProjectivePoint, Scalar, choice_of, mask_of, reversed};

/// A point as (x, y), or the identity. Serialises as a string of 33 bytes, compressed (SEC 1, section 2.3.3), the identity as one zero byte;
/// every other form, and an x that no point has, is refused.
///
/// Holds Z = 1, or 0 for the identity, so that its coordinates cost no inversion and the way back into the group is free.
#[derive(Clone, Copy)]
pub struct AffinePoint(pub(super) Point);

/// First byte of the compressed form of a point with even y; with odd y it is one more.
const COMPRESSED_EVEN: u8 = 2;
/// Bytes of a compressed point: the first tells y's parity, the rest is x.
const COMPRESSED_LEN: usize = 33;

impl AffinePoint {
    /// The point at infinity.
    pub const IDENTITY: Self = Self(Point::NEUTRAL);
    /// The base point G.
    pub const GENERATOR: Self = Self(Point::BASE);

    /// x and y; both zero for the identity, which has none.
    fn coordinates(&self) -> (GFp256, GFp256) {
        let (x, y, z) = self.0.to_projective();
        (x, GFp256::select(&y, &GFp256::ZERO, z.iszero()))
    }

    pub(super) fn from_compressed(bytes: &[u8; COMPRESSED_LEN]) -> CtOption<Self> {
        let mut point = Point::NEUTRAL;
        let valid = point.set_decode(bytes);
        CtOption::new(Self(point), choice_of(valid))
    }

    pub(super) fn try_random<R: TryRng + ?Sized>(rng: &mut R) -> Result<Self, R::Error> {
        let mut x = FieldBytes::default();
        let mut sign = [0u8; 1];
        loop {
            rng.try_fill_bytes(&mut x)?;
            rng.try_fill_bytes(&mut sign)?;
            let [sign] = sign;
            if let Some(point) = Self::decompress(&x, Choice::from(sign & 1)).into_option() {
                return Ok(point);
            }
        }
    }

    fn negated(&self) -> Self {
        Self(-self.0)
    }

    /// Most multiples that the protocol takes are of the generator, for which the backend has tables.
    fn times(&self, scalar: &Scalar) -> ProjectivePoint {
        if *self == Self::GENERATOR {
            ProjectivePoint(Point::mulgen(&scalar.0))
        } else {
            ProjectivePoint(self.0 * scalar.0)
        }
    }
}

binary!(Mul, mul, AffinePoint, Scalar, ProjectivePoint, AffinePoint::times);
vartime!(AffinePoint, AffinePoint::times);
negation!(AffinePoint, AffinePoint::negated);
constant_time!(AffinePoint);

impl Default for AffinePoint {
    fn default() -> Self {
        Self::IDENTITY
    }
}

impl DefaultIsZeroes for AffinePoint {}

impl fmt::Debug for AffinePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AffinePoint(")?;
        for byte in self.to_bytes() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

impl ConstantTimeEq for AffinePoint {
    fn ct_eq(&self, other: &Self) -> Choice {
        let ((x, y, z), (other_x, other_y, other_z)) = (self.0.to_projective(), other.0.to_projective());
        choice_of(x.equals(other_x) & y.equals(other_y) & z.equals(other_z))
    }
}

impl ConditionallySelectable for AffinePoint {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self(Point::select(&a.0, &b.0, mask_of(choice)))
    }
}

impl AffineCoordinates for AffinePoint {
    type FieldRepr = FieldBytes;

    fn from_coordinates(x: &FieldBytes, y: &FieldBytes) -> CtOption<Self> {
        let (x, x_canonical) = GFp256::decode32(&reversed(x.0));
        let (y, y_canonical) = GFp256::decode32(&reversed(y.0));
        let mut point = Point::NEUTRAL;
        let on_curve = point.set_affine(x, y);
        CtOption::new(Self(point), choice_of(x_canonical & y_canonical & on_curve))
    }

    fn x(&self) -> FieldBytes {
        FieldBytes::from(reversed(self.coordinates().0.encode32()))
    }

    fn y(&self) -> FieldBytes {
        FieldBytes::from(reversed(self.coordinates().1.encode32()))
    }

    fn x_is_odd(&self) -> Choice {
        let [least, ..] = self.coordinates().0.encode32();
        Choice::from(least & 1)
    }

    fn y_is_odd(&self) -> Choice {
        let [least, ..] = self.coordinates().1.encode32();
        Choice::from(least & 1)
    }
}

impl CurveAffine for AffinePoint {
    type Curve = ProjectivePoint;
    type Scalar = Scalar;

    fn identity() -> Self {
        Self::IDENTITY
    }

    fn generator() -> Self {
        Self::GENERATOR
    }

    fn is_identity(&self) -> Choice {
        choice_of(self.0.isneutral())
    }

    fn to_curve(&self) -> ProjectivePoint {
        ProjectivePoint(self.0)
    }
}

impl DecompressPoint<FastP256> for AffinePoint {
    fn decompress(x: &FieldBytes, y_is_odd: Choice) -> CtOption<Self> {
        let mut bytes = [0; COMPRESSED_LEN];
        let (first, rest) = bytes.split_at_mut(1);
        first.fill(COMPRESSED_EVEN | y_is_odd.unwrap_u8());
        rest.copy_from_slice(x);
        Self::from_compressed(&bytes)
    }
}

/// Compressed, with 33 zero bytes for the identity. The compact form (first byte 5), which the reference implementation also
/// reads here, is refused: nothing writes it, and a point has one encoding.
impl GroupEncoding for AffinePoint {
    type Repr = CompressedPoint<FastP256>;

    fn from_bytes(bytes: &Self::Repr) -> CtOption<Self> {
        let identity = bytes.0.ct_eq(&[0; COMPRESSED_LEN]);
        let point = Self::from_compressed(&bytes.0);
        let valid = point.is_some() | identity;
        // Where nothing was decoded, the default is the identity already.
        CtOption::new(point.unwrap_or(Self::IDENTITY), valid)
    }

    fn from_bytes_unchecked(bytes: &Self::Repr) -> CtOption<Self> {
        Self::from_bytes(bytes)
    }

    fn to_bytes(&self) -> Self::Repr {
        let mut bytes = [0; COMPRESSED_LEN];
        let (first, rest) = bytes.split_at_mut(1);
        let tag = COMPRESSED_EVEN | self.y_is_odd().unwrap_u8();
        first.fill(u8::conditional_select(&tag, &0, self.is_identity()));
        rest.copy_from_slice(&self.x());
        bytes.into()
    }
}

impl FromSec1Point<FastP256> for AffinePoint {
    /// The compact form is refused, as in [`GroupEncoding`].
    fn from_sec1_point(point: &Sec1Point<FastP256>) -> ctutils::CtOption<Self> {
        match point.coordinates() {
            Coordinates::Identity => ctutils::CtOption::some(Self::IDENTITY),
            Coordinates::Compact { .. } => ctutils::CtOption::none(),
            Coordinates::Compressed { x, y_is_odd } => Self::decompress(x, Choice::from(u8::from(y_is_odd))).into(),
            Coordinates::Uncompressed { x, y } => Self::from_coordinates(x, y).into(),
        }
    }
}

impl ToSec1Point<FastP256> for AffinePoint {
    fn to_sec1_point(&self, compress: bool) -> Sec1Point<FastP256> {
        let point = Sec1Point::<FastP256>::from_affine_coordinates(&self.x(), &self.y(), compress);
        ctutils::CtSelect::ct_select(&point, &Sec1Point::<FastP256>::identity(), self.is_identity().into())
    }
}

impl Generate for AffinePoint {
    fn try_generate_from_rng<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, R::Error> {
        Self::try_random(rng)
    }
}

impl From<ProjectivePoint> for AffinePoint {
    fn from(point: ProjectivePoint) -> Self {
        point.to_affine()
    }
}

impl From<&ProjectivePoint> for AffinePoint {
    fn from(point: &ProjectivePoint) -> Self {
        point.to_affine()
    }
}

impl From<NonIdentity<AffinePoint>> for AffinePoint {
    fn from(point: NonIdentity<AffinePoint>) -> Self {
        point.to_point()
    }
}

impl TryFrom<AffinePoint> for NonIdentity<AffinePoint> {
    type Error = Error;

    fn try_from(point: AffinePoint) -> Result<Self, Error> {
        NonIdentity::new(point).into_option().ok_or(Error)
    }
}
