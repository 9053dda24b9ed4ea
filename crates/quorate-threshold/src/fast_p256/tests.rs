//! The reference implementation is the oracle: every operation gives the same bytes here and there.
use std::collections::BTreeMap;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use dkls23_core::curve::DklsCurve;
use dkls23_core::protocols::signing::{Broadcast3to4, SignData, TransmitPhase1to2, TransmitPhase2to3};
use dkls23_core::protocols::{Parameters, Party, PartyIndex};
use dkls23_core::{DkgSession, EcdsaSignature, SignSession};
use elliptic_curve::array::Array;
use elliptic_curve::bigint::{ArrayEncoding, U256};
use elliptic_curve::consts::U48;
use elliptic_curve::ff::{Field, PrimeField};
use elliptic_curve::group::GroupEncoding;
use elliptic_curve::ops::{LinearCombination, MulByGeneratorVartime, Reduce, ReduceNonZero};
use elliptic_curve::point::AffineCoordinates;
use elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use elliptic_curve::scalar::IsHigh;
use elliptic_curve::sec1::{FromSec1Point, Sec1Point, ToSec1Point};
use elliptic_curve::subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use elliptic_curve::zeroize::Zeroize;
use elliptic_curve::{CurveAffine, CurveArithmetic, CurveGroup, Generate, Group, NonZeroScalar};
use hash2curve::GroupDigest;
use p256::NistP256;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2_11::{Digest, Sha256};

use super::{AffinePoint, FastP256, FieldBytes, ProjectivePoint, Scalar};

type OracleScalar = p256::Scalar;
type OraclePoint = p256::ProjectivePoint;

const ORDER: &str = super::ORDER_HEX;

/// The order plus a small number, as 32 bytes.
fn near_order(offset: i64) -> [u8; 32] {
    let order = U256::from_be_hex(ORDER);
    let offset_abs = U256::from_u64(offset.unsigned_abs());
    let sum = if offset < 0 {
        order.wrapping_sub(&offset_abs)
    } else {
        order.wrapping_add(&offset_abs)
    };
    sum.to_be_byte_array().0
}

fn small(value: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[31] = value;
    bytes
}

fn half_order(offset: u64) -> [u8; 32] {
    (U256::from_be_hex(ORDER).shr_vartime(1))
        .wrapping_add(&U256::from_u64(offset))
        .to_be_byte_array()
        .0
}

fn edges() -> Vec<[u8; 32]> {
    let mut edges: Vec<[u8; 32]> = [0, 1, 2, 3].map(small).to_vec();
    edges.extend([-2, -1, 0, 1, 2].map(near_order));
    edges.extend([0, 1, 2].map(half_order));
    edges.push([0xff; 32]);
    edges
}

/// Any 32 bytes, and often an edge of the scalar field.
fn words() -> impl Strategy<Value = [u8; 32]> {
    prop_oneof![3 => any::<[u8; 32]>(), 1 => proptest::sample::select(edges())]
}

fn scalars(bytes: &[u8; 32]) -> (Scalar, OracleScalar) {
    let bytes = FieldBytes::from(*bytes);
    (
        Scalar::reduce(&bytes),
        <OracleScalar as Reduce<FieldBytes>>::reduce(&bytes),
    )
}

fn points(bytes: &[u8; 32]) -> (ProjectivePoint, OraclePoint) {
    let (scalar, oracle) = scalars(bytes);
    (ProjectivePoint::generator() * scalar, OraclePoint::GENERATOR * oracle)
}

#[track_caller]
fn same_scalar(scalar: Scalar, oracle: OracleScalar) {
    assert_eq!(scalar.to_bytes(), oracle.to_bytes());
}

#[track_caller]
fn same_point(point: ProjectivePoint, oracle: OraclePoint) {
    assert_eq!(point.to_affine().to_bytes(), oracle.to_affine().to_bytes());
    assert_eq!(bool::from(point.is_identity()), bool::from(oracle.is_identity()));
}

#[track_caller]
fn same_option(option: Option<Scalar>, oracle: Option<OracleScalar>) {
    assert_eq!(
        option.map(|scalar| scalar.to_bytes()),
        oracle.map(|scalar| scalar.to_bytes())
    );
}

/// Bytes from a list, over and over: what is drawn from it depends on nothing else.
struct Drawn(u64);

impl TryRng for Drawn {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64().map(|word| word as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Ok(mixed ^ (mixed >> 27))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for byte in bytes {
            *byte = (self.try_next_u64()? >> 56) as u8;
        }
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}

fn check_scalar(bytes: &[u8; 32]) {
    let (scalar, oracle) = scalars(bytes);
    same_scalar(scalar, oracle);
    same_scalar(-scalar, -oracle);
    same_scalar(scalar.square(), oracle.square());
    same_scalar(scalar.double(), oracle.double());
    same_scalar(scalar.cube(), oracle.cube());
    same_option(Field::invert(&scalar).into_option(), oracle.invert().into_option());
    assert_eq!(bool::from(scalar.is_high()), bool::from(oracle.is_high()));
    assert_eq!(bool::from(scalar.is_odd()), bool::from(PrimeField::is_odd(&oracle)));
    assert_eq!(bool::from(scalar.is_zero()), bool::from(Field::is_zero(&oracle)));
    let repr = FieldBytes::from(*bytes);
    same_option(
        Scalar::from_repr(repr).into_option(),
        OracleScalar::from_repr(repr).into_option(),
    );
    let uint = U256::from_be_byte_array(repr);
    same_scalar(Scalar::reduce(&uint), <OracleScalar as Reduce<U256>>::reduce(&uint));
    same_scalar(
        Scalar::reduce_nonzero(&uint),
        <OracleScalar as ReduceNonZero<U256>>::reduce_nonzero(&uint),
    );
    assert_eq!(U256::from(scalar), U256::from(oracle));
    assert_eq!(
        scalar.sqrt().is_some().unwrap_u8(),
        Field::sqrt(&oracle).is_some().unwrap_u8()
    );
    if let Some(root) = scalar.sqrt().into_option() {
        assert_eq!(root.square(), scalar);
    }
    assert_eq!(
        Option::<NonZeroScalar<FastP256>>::from(NonZeroScalar::new(scalar)).is_some(),
        scalar != Scalar::ZERO
    );
    // The bytes on the wire are the oracle's, and what it refuses is refused.
    let encoded = postcard::to_allocvec(&scalar).unwrap();
    assert_eq!(encoded, postcard::to_allocvec(&oracle).unwrap());
    assert_eq!(postcard::from_bytes::<Scalar>(&encoded).unwrap(), scalar);
    let given = [&[32], &bytes[..]].concat();
    assert_eq!(
        postcard::from_bytes::<Scalar>(&given).is_ok(),
        postcard::from_bytes::<OracleScalar>(&given).is_ok()
    );
}

#[test]
fn edges_of_the_scalar_field() {
    for bytes in edges() {
        check_scalar(&bytes);
    }
    assert!(
        Scalar::from_repr(FieldBytes::from(near_order(-1)))
            .is_some()
            .unwrap_u8()
            == 1
    );
    assert!(Scalar::from_repr(FieldBytes::from(near_order(0))).is_some().unwrap_u8() == 0);
    assert_eq!(Scalar::reduce(&FieldBytes::from(near_order(1))), Scalar::ONE);
    assert_eq!(Scalar::ZERO.cmp(&Scalar::ONE), core::cmp::Ordering::Less);
}

#[test]
fn constants_of_the_scalar_field() {
    same_scalar(Scalar::TWO_INV, OracleScalar::TWO_INV);
    same_scalar(Scalar::MULTIPLICATIVE_GENERATOR, OracleScalar::MULTIPLICATIVE_GENERATOR);
    same_scalar(Scalar::ROOT_OF_UNITY, OracleScalar::ROOT_OF_UNITY);
    same_scalar(Scalar::ROOT_OF_UNITY_INV, OracleScalar::ROOT_OF_UNITY_INV);
    same_scalar(Scalar::DELTA, OracleScalar::DELTA);
    assert_eq!(Scalar::MODULUS, OracleScalar::MODULUS);
    assert_eq!(Scalar::TWO_INV.double(), Scalar::ONE);
    assert_eq!(Scalar::ROOT_OF_UNITY * Scalar::ROOT_OF_UNITY_INV, Scalar::ONE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_scalar(bytes in words()) {
        check_scalar(&bytes);
    }

    #[test]
    fn two_scalars(a in words(), b in words(), choice: bool) {
        let ((a, oracle_a), (b, oracle_b)) = (scalars(&a), scalars(&b));
        same_scalar(a + b, oracle_a + oracle_b);
        same_scalar(a - b, oracle_a - oracle_b);
        same_scalar(a * b, oracle_a * oracle_b);
        same_scalar([a, b].iter().sum(), [oracle_a, oracle_b].iter().sum());
        same_scalar([a, b].iter().product(), [oracle_a, oracle_b].iter().product());
        let mut assigned = a;
        assigned += b;
        assigned *= &a;
        assigned -= b;
        same_scalar(assigned, (oracle_a + oracle_b) * oracle_a - oracle_b);
        prop_assert_eq!(a.cmp(&b), oracle_a.cmp(&oracle_b));
        prop_assert_eq!(a == b, oracle_a == oracle_b);
        let choice = Choice::from(u8::from(choice));
        same_scalar(
            Scalar::conditional_select(&a, &b, choice),
            OracleScalar::conditional_select(&oracle_a, &oracle_b, choice),
        );
    }

    #[test]
    fn integers_as_scalars(small: u32, medium: u64, large: u128, wide: [[u8; 16]; 3]) {
        same_scalar(Scalar::from(small), OracleScalar::from(small));
        same_scalar(Scalar::from(medium), OracleScalar::from(medium));
        same_scalar(Scalar::from(large), OracleScalar::from(large));
        let wide = Array::<u8, U48>::try_from(wide.as_flattened()).unwrap();
        same_scalar(Scalar::reduce(&wide), <OracleScalar as Reduce<Array<u8, U48>>>::reduce(&wide));
    }
}

fn check_encodings(point: ProjectivePoint, oracle: OraclePoint) {
    let (affine, oracle_affine) = (point.to_affine(), oracle.to_affine());
    assert_eq!(affine.x(), oracle_affine.x());
    assert_eq!(affine.y(), oracle_affine.y());
    assert_eq!(bool::from(affine.x_is_odd()), bool::from(oracle_affine.x_is_odd()));
    assert_eq!(bool::from(affine.y_is_odd()), bool::from(oracle_affine.y_is_odd()));
    for compress in [false, true] {
        let encoded = affine.to_sec1_point(compress);
        assert_eq!(encoded.as_bytes(), oracle_affine.to_sec1_point(compress).as_bytes());
        assert_eq!(AffinePoint::from_sec1_point(&encoded).into_option(), Some(affine));
    }
    assert_eq!(AffinePoint::from_bytes(&affine.to_bytes()).into_option(), Some(affine));
    assert_eq!(
        ProjectivePoint::from_bytes(&point.to_bytes()).into_option(),
        Some(point)
    );
    let from_coordinates = AffinePoint::from_coordinates(&affine.x(), &affine.y()).into_option();
    assert_eq!(
        from_coordinates.is_some(),
        !bool::from(affine.is_identity()),
        "the identity has no coordinates"
    );
    let serialised = postcard::to_allocvec(&affine).unwrap();
    assert_eq!(serialised, postcard::to_allocvec(&oracle_affine).unwrap());
    assert_eq!(postcard::from_bytes::<AffinePoint>(&serialised).unwrap(), affine);
}

fn check_two_points(a: &[u8; 32], b: &[u8; 32], k: &[u8; 32]) {
    let ((p, oracle_p), (q, oracle_q)) = (points(a), points(b));
    let (k, oracle_k) = scalars(k);
    same_point(p, oracle_p);
    same_point(-p, -oracle_p);
    same_point(p.double(), oracle_p.double());
    same_point(p + q, oracle_p + oracle_q);
    same_point(p - q, oracle_p - oracle_q);
    same_point(p + q.to_affine(), oracle_p + oracle_q.to_affine());
    same_point(p - q.to_affine(), oracle_p - oracle_q.to_affine());
    same_point(p * k, oracle_p * oracle_k);
    same_point(p.to_affine() * k, oracle_p.to_affine() * oracle_k);
    same_point(k * p.to_affine(), oracle_p * oracle_k);
    same_point(AffinePoint::GENERATOR * k, OraclePoint::GENERATOR * oracle_k);
    same_point(ProjectivePoint::mul_by_generator(&k), OraclePoint::GENERATOR * oracle_k);
    let (l, oracle_l) = (k.double() + Scalar::ONE, oracle_k.double() + OracleScalar::ONE);
    let combined = oracle_p * oracle_k + oracle_q * oracle_l;
    same_point(ProjectivePoint::lincomb(&[(p, k), (q, l)]), combined);
    same_point(ProjectivePoint::lincomb([(p, k), (q, l)].as_slice()), combined);
    same_point(
        ProjectivePoint::mul_by_generator_and_mul_add_vartime(&k, &l, &p),
        OraclePoint::GENERATOR * oracle_k + oracle_p * oracle_l,
    );
    same_point((-p.to_affine()).to_curve(), -oracle_p);
    assert_eq!(p == q, oracle_p == oracle_q);
    assert_eq!(p.to_affine() == q.to_affine(), oracle_p == oracle_q);
    let mut normalised = [AffinePoint::IDENTITY; 2];
    ProjectivePoint::batch_normalize(&[p, q], &mut normalised);
    assert_eq!(normalised, [p.to_affine(), q.to_affine()]);
    for choice in [0, 1].map(Choice::from) {
        let selected = OraclePoint::conditional_select(&oracle_p, &oracle_q, choice);
        same_point(ProjectivePoint::conditional_select(&p, &q, choice), selected);
        same_point(
            AffinePoint::conditional_select(&p.to_affine(), &q.to_affine(), choice).to_curve(),
            selected,
        );
    }
    check_encodings(p, oracle_p);
}

#[test]
fn points_at_the_edges() {
    // Among them the identity, the generator, equal points, opposite points and multiples by zero, one and n - 1.
    for a in [small(0), small(1), small(2), near_order(-1)] {
        for b in [small(0), small(1), near_order(-1)] {
            for k in [small(0), small(1), small(2), near_order(-1)] {
                check_two_points(&a, &b, &k);
            }
        }
    }
    let zeroed = |mut point: ProjectivePoint| {
        point.zeroize();
        point
    };
    assert_eq!(zeroed(ProjectivePoint::GENERATOR), ProjectivePoint::IDENTITY);
    assert!(bool::from(AffinePoint::default().ct_eq(&AffinePoint::IDENTITY)));
    assert!(elliptic_curve::point::NonIdentity::try_from(AffinePoint::IDENTITY).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn two_points(a in words(), b in words(), k in words()) {
        check_two_points(&a, &b, &k);
    }

    /// Any first byte, any x: the same are refused and the same read, but for the compact form.
    #[test]
    fn compressed_bytes(tag in 0_u8..8, x in words()) {
        let bytes = [&[tag], &x[..]].concat();
        let repr = <p256::AffinePoint as GroupEncoding>::Repr::try_from(&bytes[..]).unwrap();
        let oracle = p256::AffinePoint::from_bytes(&repr).into_option().filter(|_| tag != 5);
        let point = AffinePoint::from_bytes(&repr).into_option();
        prop_assert_eq!(point.map(|point| point.to_bytes()), oracle.map(|point| point.to_bytes()));
        let serialised = [&[33], &bytes[..]].concat();
        let read = postcard::from_bytes::<AffinePoint>(&serialised).ok();
        let expected = point.filter(|_| tag != 0);
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn points_from_coordinates(x in words(), y in words()) {
        let (x, y) = (FieldBytes::from(x), FieldBytes::from(y));
        let oracle = p256::AffinePoint::from_coordinates(&x, &y).into_option();
        let point = AffinePoint::from_coordinates(&x, &y).into_option();
        prop_assert_eq!(point.map(|point| point.to_bytes()), oracle.map(|point| point.to_bytes()));
    }

    #[test]
    fn hashing_to_the_curve(message in any::<Vec<u8>>(), tag in "[a-z]{1,40}") {
        let (message, tag): (&[&[u8]], &[&[u8]]) = (&[&message], &[tag.as_bytes(), b"-with-"]);
        same_point(
            FastP256::hash_from_bytes(message, tag).unwrap(),
            NistP256::hash_from_bytes(message, tag).unwrap(),
        );
        same_point(
            FastP256::encode_from_bytes(message, tag).unwrap(),
            NistP256::encode_from_bytes(message, tag).unwrap(),
        );
    }

    #[test]
    fn random_values(seed: u64) {
        same_scalar(Scalar::random(&mut Drawn(seed)), OracleScalar::random(&mut Drawn(seed)));
        same_point(ProjectivePoint::random(&mut Drawn(seed)), OraclePoint::random(&mut Drawn(seed)));
        let affine = AffinePoint::generate_from_rng(&mut Drawn(seed));
        prop_assert_eq!(affine.to_bytes(), p256::AffinePoint::generate_from_rng(&mut Drawn(seed)).to_bytes());
    }
}

#[test]
fn the_exceptional_case_of_the_map_to_the_curve() {
    // u = 0 makes the denominator zero (RFC 9380, section 6.6.2); the prime itself reduces to the same.
    const PRIME: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    for element in [[0; 32], U256::from_be_hex(PRIME).to_be_byte_array().0] {
        let mut wide = Array::<u8, U48>::default();
        wide[16..].copy_from_slice(&element);
        type OracleElement = <NistP256 as hash2curve::MapToCurve>::FieldElement;
        let oracle = <NistP256 as hash2curve::MapToCurve>::map_to_curve(OracleElement::reduce(&wide));
        let point = <FastP256 as hash2curve::MapToCurve>::map_to_curve(super::FieldElement::reduce(&wide));
        same_point(point, oracle);
    }
}

#[test]
fn refused_serialisations() {
    let point = AffinePoint::GENERATOR.to_bytes();
    for length in [0, 1, 2, 32, 34, 65] {
        let mut bytes = vec![length];
        bytes.extend(point.iter().copied().chain([0; 32]).take(usize::from(length)));
        assert!(
            postcard::from_bytes::<AffinePoint>(&bytes).is_err(),
            "a point of {length} bytes"
        );
        if length != 32 {
            assert!(
                postcard::from_bytes::<Scalar>(&bytes).is_err(),
                "a scalar of {length} bytes"
            );
        }
    }
    assert_eq!(
        postcard::from_bytes::<AffinePoint>(&[1, 0]).unwrap(),
        AffinePoint::IDENTITY
    );
    let uncompressed = AffinePoint::GENERATOR.to_sec1_point(false);
    assert!(postcard::from_bytes::<AffinePoint>(&[&[65], uncompressed.as_bytes()].concat()).is_err());
    let mut compact = [0; 33];
    compact.copy_from_slice(&point);
    compact[0] = 5;
    let compact = Sec1Point::<FastP256>::from_bytes(compact).unwrap();
    assert!(AffinePoint::from_sec1_point(&compact).into_option().is_none());
}

#[test]
fn no_scalar_is_printed() {
    assert_eq!(format!("{:?}", Scalar::from(1234_u64)), "Scalar(..)");
}

fn index(index: u8) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

/// Key generation, every message delivered.
fn key<C: DklsCurve>(threshold: u8, share_count: u8) -> Vec<Party<C>> {
    let parameters = Parameters { threshold, share_count };
    let mut sessions: Vec<_> = (1..=share_count)
        .map(|i| DkgSession::<C>::new(parameters.clone(), index(i), vec![7; 32]))
        .collect();
    let rows: Vec<Vec<C::Scalar>> = sessions.iter().map(DkgSession::phase1).collect();
    let (mut commitments, mut zero_2, mut chain_2) = (vec![], vec![], BTreeMap::new());
    for (i, session) in sessions.iter_mut().enumerate() {
        let fragments: Vec<_> = rows.iter().map(|row| row[i]).collect();
        let (commitment, zero, chain) = session.phase2(&fragments).unwrap();
        commitments.push(commitment);
        zero_2.extend(zero);
        chain_2.insert(index(i as u8 + 1), chain);
    }
    let (mut zero_3, mut mul_3, mut chain_3) = (vec![], vec![], BTreeMap::new());
    for (i, session) in sessions.iter_mut().enumerate() {
        let (zero, mul, chain) = session.phase3().unwrap();
        zero_3.extend(zero);
        mul_3.extend(mul);
        chain_3.insert(index(i as u8 + 1), chain);
    }
    let finished = sessions.into_iter().enumerate().map(|(i, session)| {
        let me = index(i as u8 + 1);
        let zero_2: Vec<_> = zero_2
            .iter()
            .filter(|message| message.parties.receiver == me)
            .cloned()
            .collect();
        let zero_3: Vec<_> = zero_3
            .iter()
            .filter(|message| message.parties.receiver == me)
            .cloned()
            .collect();
        let mul_3: Vec<_> = mul_3
            .iter()
            .filter(|message| message.parties.receiver == me)
            .cloned()
            .collect();
        let done = session.phase4(&commitments, &zero_2, &zero_3, &mul_3, &chain_2, &chain_3, |_| {
            String::new()
        });
        done.unwrap_or_else(|abort| panic!("{}", abort.description())).0
    });
    finished.collect()
}

/// Through the bytes, from the type of one curve to that of another.
fn carried<From: Serialize, To: Serialize + DeserializeOwned>(from: &From) -> To {
    let bytes = postcard::to_allocvec(from).unwrap();
    let to: To = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(postcard::to_allocvec(&to).unwrap(), bytes);
    to
}

/// One signature by two parties, each over a curve type of its own: what one sends is what the other reads.
fn signature<A, B>(a: &Party<A>, b: &Party<B>, message_hash: [u8; 32]) -> EcdsaSignature
where
    A: DklsCurve + CurveArithmetic<AffinePoint: Serialize + DeserializeOwned, Scalar: Serialize + DeserializeOwned>,
    B: DklsCurve + CurveArithmetic<AffinePoint: Serialize + DeserializeOwned, Scalar: Serialize + DeserializeOwned>,
{
    let data = |other| SignData {
        sign_id: vec![9; 32],
        counterparties: vec![other],
        message_hash,
    };
    let (mut at_a, to_b) = SignSession::new(a, data(b.party_index)).unwrap();
    let (mut at_b, to_a) = SignSession::new(b, data(a.party_index)).unwrap();
    let (to_a, to_b) = (
        carried::<_, Vec<TransmitPhase1to2>>(&to_a),
        carried::<_, Vec<TransmitPhase1to2>>(&to_b),
    );
    let (from_a, from_b) = (at_a.phase2(&to_a).unwrap(), at_b.phase2(&to_b).unwrap());
    let share_a = at_a.phase3(&carried::<_, Vec<TransmitPhase2to3<A>>>(&from_b)).unwrap();
    let share_b = at_b.phase3(&carried::<_, Vec<TransmitPhase2to3<B>>>(&from_a)).unwrap();
    let (b_as_a, a_as_b) = (
        carried::<_, Broadcast3to4<A>>(&share_b),
        carried::<_, Broadcast3to4<B>>(&share_a),
    );
    let signature = at_a.phase4(&[share_a, b_as_a], false).unwrap();
    assert_eq!(at_b.phase4(&[a_as_b, share_b], false).unwrap().s, signature.s);
    signature
}

#[test]
fn a_key_and_its_signatures() {
    let parties = key::<FastP256>(2, 2);
    let message = b"a token's signing input";
    let hash: [u8; 32] = Sha256::digest(message).into();
    let oracles: Vec<Party<NistP256>> = parties.iter().map(carried).collect();
    let public = parties[0].pk.to_sec1_point(false);
    let signatures = [
        signature(&parties[0], &parties[1], hash),
        signature(&parties[0], &oracles[1], hash),
        signature(&oracles[0], &parties[1], hash),
    ];
    for signature in signatures {
        let bytes = [signature.r, signature.s].concat();
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(public.as_bytes()).unwrap();
        key.verify_prehash(&hash, &p256::ecdsa::Signature::from_slice(&bytes).unwrap())
            .unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public.as_bytes())
            .verify(message, &bytes)
            .unwrap();
    }
}
