//! Integers modulo the group order n.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "operators of a finite field wrap around its order by definition and cannot overflow"
)]
use core::cmp::Ordering;
use core::fmt;
use core::ops::{Add, Mul};

use crrl::p256::Scalar as Residue;
use elliptic_curve::array::Array;
use elliptic_curve::bigint::{ArrayEncoding, U256};
use elliptic_curve::consts::U48;
use elliptic_curve::ff::{Field, PrimeField, helpers};
use elliptic_curve::ops::{Invert, Reduce, ReduceNonZero, Retrieve};
use elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use elliptic_curve::scalar::{FromUintUnchecked, IsHigh};
use elliptic_curve::subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater, CtOption};
use elliptic_curve::zeroize::DefaultIsZeroes;
use elliptic_curve::{Curve, Generate};

use super::ops::{assigning, constant_time, folding, negation};
use super::{FastP256, FieldBytes, ORDER_HEX, choice_of, mask_of, reversed};

/// An integer modulo n. Serialises as a string of 32 bytes, big-endian; n and more are refused.
#[derive(Clone, Copy)]
pub struct Scalar(pub(super) Residue);

/// The largest scalar that counts as low: (n - 1) / 2.
const HALF_ORDER: U256 = FastP256::ORDER.as_ref().shr_vartime(1);

impl Scalar {
    /// 32 bytes, big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> FieldBytes {
        FieldBytes::from(reversed(self.0.encode32()))
    }

    /// The value modulo n, of any 256-bit integer: n < 2^256 < 2n.
    fn reduced(bytes: &FieldBytes) -> Self {
        Self(Residue::decode_reduce(&reversed(bytes.0)))
    }

    fn sum_of(&self, other: &Self) -> Self {
        Self(self.0 + other.0)
    }

    fn difference_of(&self, other: &Self) -> Self {
        Self(self.0 - other.0)
    }

    fn product_of(&self, other: &Self) -> Self {
        Self(self.0 * other.0)
    }

    fn negated(&self) -> Self {
        Self(-self.0)
    }
}

elliptic_curve::scalar_impls!(FastP256, Scalar);
assigning!(Add, add, AddAssign, add_assign, Scalar, Scalar, Scalar::sum_of);
assigning!(Sub, sub, SubAssign, sub_assign, Scalar, Scalar, Scalar::difference_of);
assigning!(Mul, mul, MulAssign, mul_assign, Scalar, Scalar, Scalar::product_of);
negation!(Scalar, Scalar::negated);
folding!(Sum, sum, Scalar, Scalar::ZERO, Add::add);
folding!(Product, product, Scalar, Scalar::ONE, Mul::mul);
constant_time!(Scalar);

impl Default for Scalar {
    fn default() -> Self {
        Self::ZERO
    }
}

impl DefaultIsZeroes for Scalar {}

/// Most scalars of the protocol are secret, so none is printed.
impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scalar(..)")
    }
}

impl AsRef<Scalar> for Scalar {
    fn as_ref(&self) -> &Scalar {
        self
    }
}

impl ConstantTimeEq for Scalar {
    fn ct_eq(&self, other: &Self) -> Choice {
        choice_of(self.0.equals(other.0))
    }
}

impl ConditionallySelectable for Scalar {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self(Residue::select(&a.0, &b.0, mask_of(choice)))
    }
}

/// By value, not in constant time.
impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By value, not in constant time.
impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        self.to_bytes().cmp(&other.to_bytes())
    }
}

impl Field for Scalar {
    const ZERO: Self = Self(Residue::ZERO);
    const ONE: Self = Self(Residue::ONE);

    /// Uniform by rejection: how often it draws depends on the values thrown away, never on the one kept.
    fn try_random<R: TryRng + ?Sized>(rng: &mut R) -> Result<Self, R::Error> {
        let mut bytes = FieldBytes::default();
        loop {
            rng.try_fill_bytes(&mut bytes)?;
            if let Some(scalar) = Self::from_repr(bytes).into_option() {
                return Ok(scalar);
            }
        }
    }

    fn square(&self) -> Self {
        Self(self.0.square())
    }

    fn double(&self) -> Self {
        Self(self.0.mul2())
    }

    fn invert(&self) -> CtOption<Self> {
        CtOption::new(Self(Residue::ONE / self.0), !self.is_zero())
    }

    fn sqrt_ratio(num: &Self, div: &Self) -> (Choice, Self) {
        helpers::sqrt_ratio_generic(num, div)
    }

    fn sqrt(&self) -> CtOption<Self> {
        // (t - 1) / 2, where n - 1 = 2^4 * t and t is odd; limbs from the least significant.
        helpers::sqrt_tonelli_shanks(
            self,
            [
                0x279d_ce56_17e3_192a,
                0xfde7_37d5_6d38_bcf4,
                0x07ff_ffff_ffff_ffff,
                0x07ff_ffff_f800_0000,
            ],
        )
    }
}

impl PrimeField for Scalar {
    type Repr = FieldBytes;

    const MODULUS: &'static str = ORDER_HEX;
    const NUM_BITS: u32 = 256;
    const CAPACITY: u32 = 255;
    const TWO_INV: Self = Self(Residue::w64be(
        0x7fff_ffff_8000_0000,
        0x7fff_ffff_ffff_ffff,
        0xde73_7d56_d38b_cf42,
        0x79dc_e561_7e31_92a9,
    ));
    const MULTIPLICATIVE_GENERATOR: Self = Self(Residue::w64be(0, 0, 0, 7));
    const S: u32 = 4;
    const ROOT_OF_UNITY: Self = Self(Residue::w64be(
        0xffc9_7f06_2a77_0992,
        0xba80_7ace_842a_3dfc,
        0x1546_cad0_0437_8daf,
        0x0592_d7fb_b41e_6602,
    ));
    const ROOT_OF_UNITY_INV: Self = Self(Residue::w64be(
        0xa0a6_6a55_62d4_6f2a,
        0xc645_fa04_5813_1cae,
        0xe3ac_117c_794c_4137,
        0x379c_7f06_57c7_3764,
    ));
    const DELTA: Self = Self(Residue::w64be(0, 0, 0, 33_232_930_569_601));

    fn from_repr(bytes: FieldBytes) -> CtOption<Self> {
        let (residue, canonical) = Residue::decode32(&reversed(bytes.0));
        CtOption::new(Self(residue), choice_of(canonical))
    }

    fn to_repr(&self) -> FieldBytes {
        self.to_bytes()
    }

    fn is_odd(&self) -> Choice {
        let [least, ..] = self.0.encode32();
        Choice::from(least & 1)
    }
}

impl Generate for Scalar {
    fn try_generate_from_rng<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, R::Error> {
        Self::try_random(rng)
    }
}

impl Invert for Scalar {
    type Output = CtOption<Self>;

    fn invert(&self) -> CtOption<Self> {
        Field::invert(self)
    }

    fn invert_vartime(&self) -> CtOption<Self> {
        Field::invert(self)
    }
}

impl IsHigh for Scalar {
    fn is_high(&self) -> Choice {
        self.retrieve().ct_gt(&HALF_ORDER)
    }
}

impl Retrieve for Scalar {
    type Output = U256;

    fn retrieve(&self) -> U256 {
        U256::from_be_byte_array(self.to_bytes())
    }
}

impl FromUintUnchecked for Scalar {
    type Uint = U256;

    /// Reduces, so that not even an integer out of range makes a scalar that is none.
    fn from_uint_unchecked(uint: U256) -> Self {
        Self::reduce(&uint)
    }
}

impl Reduce<U256> for Scalar {
    fn reduce(uint: &U256) -> Self {
        Self::reduced(&uint.to_be_byte_array())
    }
}

impl Reduce<FieldBytes> for Scalar {
    fn reduce(bytes: &FieldBytes) -> Self {
        Self::reduced(bytes)
    }
}

/// RFC 9380, section 5.3: 48 bytes make the bias of the reduction negligible.
impl Reduce<Array<u8, U48>> for Scalar {
    fn reduce(bytes: &Array<u8, U48>) -> Self {
        Self(Residue::decode_reduce(&reversed(bytes.0)))
    }
}

impl ReduceNonZero<U256> for Scalar {
    fn reduce_nonzero(uint: &U256) -> Self {
        // The value modulo n - 1, and one more; like n itself, n - 1 is more than half of 2^256.
        let order_less_one = FastP256::ORDER.as_ref().wrapping_sub(&U256::ONE);
        let over = !uint.ct_gt(&order_less_one.wrapping_sub(&U256::ONE));
        let reduced = U256::conditional_select(&uint.wrapping_sub(&order_less_one), uint, over);
        Self::reduce(&reduced.wrapping_add(&U256::ONE))
    }
}

impl ReduceNonZero<FieldBytes> for Scalar {
    fn reduce_nonzero(bytes: &FieldBytes) -> Self {
        Self::reduce_nonzero(&U256::from_be_byte_array(*bytes))
    }
}

impl From<u32> for Scalar {
    fn from(value: u32) -> Self {
        Self(Residue::from_u32(value))
    }
}

impl From<u64> for Scalar {
    fn from(value: u64) -> Self {
        Self(Residue::from_u64(value))
    }
}

impl From<u128> for Scalar {
    fn from(value: u128) -> Self {
        Self(Residue::from_u128(value))
    }
}

impl From<Scalar> for FieldBytes {
    fn from(scalar: Scalar) -> Self {
        scalar.to_bytes()
    }
}

impl From<&Scalar> for FieldBytes {
    fn from(scalar: &Scalar) -> Self {
        scalar.to_bytes()
    }
}

impl From<Scalar> for U256 {
    fn from(scalar: Scalar) -> Self {
        scalar.retrieve()
    }
}

impl From<&Scalar> for U256 {
    fn from(scalar: &Scalar) -> Self {
        scalar.retrieve()
    }
}
