//! Points and scalars as byte strings of a serialisation format: what the reference implementation's binary form is, too.
use core::fmt;

use elliptic_curve::CurveAffine;
use elliptic_curve::ff::PrimeField;
use elliptic_curve::group::GroupEncoding;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AffinePoint, FieldBytes, Scalar};

/// Bytes of a compressed point; a scalar has one fewer.
const LEN_MAX: usize = 33;
/// SEC 1, section 2.3.3: the point at infinity is one zero byte.
const IDENTITY: [u8; 1] = [0];

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Decoding {
            parse: scalar,
            wanted: "32 bytes of an integer below the group order",
        })
    }
}

impl Serialize for AffinePoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if bool::from(self.is_identity()) {
            serializer.serialize_bytes(&IDENTITY)
        } else {
            serializer.serialize_bytes(&self.to_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for AffinePoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Decoding {
            parse: point,
            wanted: "33 bytes of a compressed point, or one zero byte",
        })
    }
}

fn scalar(bytes: &[u8]) -> Option<Scalar> {
    let bytes = <[u8; 32]>::try_from(bytes).ok()?;
    Scalar::from_repr(FieldBytes::from(bytes)).into_option()
}

fn point(bytes: &[u8]) -> Option<AffinePoint> {
    if bytes == IDENTITY {
        return Some(AffinePoint::IDENTITY);
    }
    AffinePoint::from_compressed(bytes.try_into().ok()?).into_option()
}

/// Reads one byte string, which formats without byte strings hand over byte by byte.
struct Decoding<T> {
    parse: fn(&[u8]) -> Option<T>,
    wanted: &'static str,
}

impl<'de, T> Visitor<'de> for Decoding<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        (self.parse)(bytes).ok_or_else(|| E::custom(format_args!("not {}", self.wanted)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        let mut bytes = Vec::with_capacity(LEN_MAX);
        while let Some(byte) = items.next_element::<u8>()? {
            // Longer than any value: the parser will say no, and no peer makes us keep more.
            if bytes.len() > LEN_MAX {
                break;
            }
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}
