//! Points in projective coordinates, in which sums need no inversion.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "operators of a group are total: every sum and multiple is a point again"
)]
use core::ops::Add;

use crrl::field::GFp256;
use crrl::p256::Point;
use elliptic_curve::group::GroupEncoding;
use elliptic_curve::group::cofactor::CofactorGroup;
use elliptic_curve::group::prime::{PrimeCurve, PrimeGroup};
use elliptic_curve::ops::{LinearCombination, MulByGeneratorVartime};
use elliptic_curve::point::NonIdentity;
use elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use elliptic_curve::sec1::{CompressedPoint, FromSec1Point, Sec1Point, ToSec1Point};
use elliptic_curve::subtle::{Choice, ConditionallySelectable, ConstantTimeEq, CtOption};
use elliptic_curve::zeroize::DefaultIsZeroes;
use elliptic_curve::{CurveAffine, CurveGroup, Error, Generate, Group, ctutils};

use super::ops::{assigning, constant_time, folding, negation, vartime};
use super::{AffinePoint, FastP256, Scalar, choice_of, mask_of};

/// A point as (X : Y : Z). One point has many such triples: equality compares the points, and bytes are those of the affine
/// coordinates.
#[derive(Clone, Copy, Debug)]
pub struct ProjectivePoint(pub(super) Point);

impl ProjectivePoint {
    /// The point at infinity.
    pub const IDENTITY: Self = Self(Point::NEUTRAL);
    /// The base point G.
    pub const GENERATOR: Self = Self(Point::BASE);

    fn sum_of(&self, other: &Self) -> Self {
        Self(self.0 + other.0)
    }

    fn difference_of(&self, other: &Self) -> Self {
        Self(self.0 - other.0)
    }

    fn sum_with_affine(&self, other: &AffinePoint) -> Self {
        Self(self.0 + other.0)
    }

    fn difference_with_affine(&self, other: &AffinePoint) -> Self {
        Self(self.0 - other.0)
    }

    fn negated(&self) -> Self {
        Self(-self.0)
    }

    fn times(&self, scalar: &Scalar) -> Self {
        Self(self.0 * scalar.0)
    }
}

assigning!(
    Add,
    add,
    AddAssign,
    add_assign,
    ProjectivePoint,
    ProjectivePoint,
    ProjectivePoint::sum_of
);
assigning!(
    Sub,
    sub,
    SubAssign,
    sub_assign,
    ProjectivePoint,
    ProjectivePoint,
    ProjectivePoint::difference_of
);
assigning!(
    Add,
    add,
    AddAssign,
    add_assign,
    ProjectivePoint,
    AffinePoint,
    ProjectivePoint::sum_with_affine
);
assigning!(
    Sub,
    sub,
    SubAssign,
    sub_assign,
    ProjectivePoint,
    AffinePoint,
    ProjectivePoint::difference_with_affine
);
assigning!(
    Mul,
    mul,
    MulAssign,
    mul_assign,
    ProjectivePoint,
    Scalar,
    ProjectivePoint::times
);
vartime!(ProjectivePoint, ProjectivePoint::times);
negation!(ProjectivePoint, ProjectivePoint::negated);
folding!(Sum, sum, ProjectivePoint, ProjectivePoint::IDENTITY, Add::add);
constant_time!(ProjectivePoint);

impl Default for ProjectivePoint {
    fn default() -> Self {
        Self::IDENTITY
    }
}

impl DefaultIsZeroes for ProjectivePoint {}

impl ConstantTimeEq for ProjectivePoint {
    fn ct_eq(&self, other: &Self) -> Choice {
        choice_of(self.0.equals(other.0))
    }
}

impl ConditionallySelectable for ProjectivePoint {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self(Point::select(&a.0, &b.0, mask_of(choice)))
    }
}

impl Group for ProjectivePoint {
    type Scalar = Scalar;

    fn try_random<R: TryRng + ?Sized>(rng: &mut R) -> Result<Self, R::Error> {
        AffinePoint::try_random(rng).map(Self::from)
    }

    fn identity() -> Self {
        Self::IDENTITY
    }

    fn generator() -> Self {
        Self::GENERATOR
    }

    fn is_identity(&self) -> Choice {
        choice_of(self.0.isneutral())
    }

    fn double(&self) -> Self {
        Self(self.0.double())
    }

    fn mul_by_generator(scalar: &Scalar) -> Self {
        Self(Point::mulgen(&scalar.0))
    }
}

impl CurveGroup for ProjectivePoint {
    type Affine = AffinePoint;

    fn to_affine(&self) -> AffinePoint {
        let (x, y, z) = self.0.to_projective();
        // The backend's inverse of zero is zero, so that the identity becomes (0, 0), which is off the curve: the setter then
        // leaves the identity in place, in the same time.
        let inverse = GFp256::ONE / z;
        let mut point = Point::NEUTRAL;
        let _on_curve = point.set_affine(x * inverse, y * inverse);
        AffinePoint(point)
    }

    fn batch_normalize(points: &[Self], affine: &mut [AffinePoint]) {
        for (point, affine) in points.iter().zip(affine) {
            *affine = point.to_affine();
        }
    }
}

/// The group has prime order, so every point is in the subgroup (cofactor 1).
impl CofactorGroup for ProjectivePoint {
    type Subgroup = Self;

    fn clear_cofactor(&self) -> Self {
        *self
    }

    fn into_subgroup(self) -> CtOption<Self> {
        CtOption::new(self, Choice::from(1))
    }

    fn is_torsion_free(&self) -> Choice {
        Choice::from(1)
    }
}

impl PrimeGroup for ProjectivePoint {}
impl PrimeCurve for ProjectivePoint {}

impl LinearCombination<[(Self, Scalar)]> for ProjectivePoint {}
impl<const N: usize> LinearCombination<[(Self, Scalar); N]> for ProjectivePoint {}

impl MulByGeneratorVartime for ProjectivePoint {
    fn mul_by_generator_vartime(scalar: &Scalar) -> Self {
        Self::mul_by_generator(scalar)
    }

    fn mul_by_generator_and_mul_add_vartime(a: &Scalar, b: &Scalar, point: &Self) -> Self {
        Self(point.0.mul_add_mulgen_vartime(&b.0, &a.0))
    }
}

impl Generate for ProjectivePoint {
    fn try_generate_from_rng<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, R::Error> {
        AffinePoint::try_random(rng).map(Self::from)
    }
}

impl GroupEncoding for ProjectivePoint {
    type Repr = CompressedPoint<FastP256>;

    fn from_bytes(bytes: &Self::Repr) -> CtOption<Self> {
        AffinePoint::from_bytes(bytes).map(Self::from)
    }

    fn from_bytes_unchecked(bytes: &Self::Repr) -> CtOption<Self> {
        Self::from_bytes(bytes)
    }

    fn to_bytes(&self) -> Self::Repr {
        self.to_affine().to_bytes()
    }
}

impl FromSec1Point<FastP256> for ProjectivePoint {
    fn from_sec1_point(point: &Sec1Point<FastP256>) -> ctutils::CtOption<Self> {
        AffinePoint::from_sec1_point(point).map(Self::from)
    }
}

impl ToSec1Point<FastP256> for ProjectivePoint {
    fn to_sec1_point(&self, compress: bool) -> Sec1Point<FastP256> {
        self.to_affine().to_sec1_point(compress)
    }
}

impl From<AffinePoint> for ProjectivePoint {
    fn from(point: AffinePoint) -> Self {
        point.to_curve()
    }
}

impl From<&AffinePoint> for ProjectivePoint {
    fn from(point: &AffinePoint) -> Self {
        point.to_curve()
    }
}

impl From<NonIdentity<ProjectivePoint>> for ProjectivePoint {
    fn from(point: NonIdentity<ProjectivePoint>) -> Self {
        point.to_point()
    }
}

impl TryFrom<ProjectivePoint> for NonIdentity<ProjectivePoint> {
    type Error = Error;

    fn try_from(point: ProjectivePoint) -> Result<Self, Error> {
        NonIdentity::new(point).into_option().ok_or(Error)
    }
}
