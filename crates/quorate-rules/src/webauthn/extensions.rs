//! Extension outputs in authenticator data (Web Authentication Level 3 §6.1), in the canonical CBOR of authenticators (CTAP 2.2 §8).
//!
//! No page here asks for an extension, so no output means anything: this reads them only to know where they end. Whatever a
//! lenient reader would end elsewhere, or read two ways, is refused.

/// Deepest nesting of arrays and maps, the outer map counted (CTAP 2.2 §8).
const MAX_DEPTH: usize = 4;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;

/// Whether the bytes are exactly one canonical map from texts to values.
pub(super) fn is_one_map(bytes: &[u8]) -> bool {
    let Some((MAP, pairs, rest)) = head(bytes) else {
        return false;
    };
    let is_text = |key: &[u8]| head(key).is_some_and(|(major, ..)| major == TEXT);
    map(rest, pairs, MAX_DEPTH, is_text).is_some_and(<[u8]>::is_empty)
}

/// What follows the first item. `depth` is how many levels may still open.
fn item(bytes: &[u8], depth: usize) -> Option<&[u8]> {
    let (major, argument, rest) = head(bytes)?;
    match major {
        UNSIGNED => Some(rest),
        // From −1 to −2^63: what is below fits no signed integer, and readers part ways over it.
        NEGATIVE => i64::try_from(argument).ok().map(|_| rest),
        BYTES => rest.get(usize::try_from(argument).ok()?..),
        TEXT => {
            let (text, rest) = rest.split_at_checked(usize::try_from(argument).ok()?)?;
            std::str::from_utf8(text).ok().map(|_| rest)
        }
        ARRAY => {
            let depth = depth.checked_sub(1)?;
            // Each turn takes at least one byte or ends, so a large count costs no more than the bytes that came.
            (0..argument).try_fold(rest, |rest, _| item(rest, depth))
        }
        MAP => map(rest, argument, depth, |key| {
            head(key).is_some_and(|(major, ..)| major <= TEXT)
        }),
        // False, true and null. Tags are forbidden by CTAP, floats and other simple values are in no extension's output.
        SIMPLE if (20..=22).contains(&argument) => Some(rest),
        _ => None,
    }
}

/// What follows the pairs of a map. Keys ascend bytewise by their encoding, which also keeps any from standing twice.
fn map(bytes: &[u8], pairs: u64, depth: usize, is_key: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    let depth = depth.checked_sub(1)?;
    let mut rest = bytes;
    let mut before: &[u8] = &[];
    for _ in 0..pairs {
        let value = item(rest, depth)?;
        let key = rest.get(..rest.len().checked_sub(value.len())?)?;
        if key <= before || !is_key(key) {
            return None;
        }
        before = key;
        rest = item(value, depth)?;
    }
    Some(rest)
}

/// Major type, argument and what follows; indefinite lengths and arguments that are not in their shortest form are none.
fn head(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (major, short) = (first >> 5, first & 0x1f);
    let (argument, least, rest) = match short {
        0..=23 => return Some((major, u64::from(short), rest)),
        24 => {
            let (byte, rest) = rest.split_first()?;
            (u64::from(*byte), 24, rest)
        }
        25 => {
            let (bytes, rest) = rest.split_first_chunk::<2>()?;
            (u64::from(u16::from_be_bytes(*bytes)), 1 << 8, rest)
        }
        26 => {
            let (bytes, rest) = rest.split_first_chunk::<4>()?;
            (u64::from(u32::from_be_bytes(*bytes)), 1 << 16, rest)
        }
        27 => {
            let (bytes, rest) = rest.split_first_chunk::<8>()?;
            (u64::from_be_bytes(*bytes), 1 << 32, rest)
        }
        _ => return None,
    };
    (argument >= least).then_some((major, argument, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(hex_text: &str, expected: bool) {
        assert_eq!(is_one_map(&hex::decode(hex_text).unwrap()), expected, "{hex_text}");
    }

    #[test]
    fn outputs_of_real_authenticators_are_read() {
        check("a0", true);
        check(&format!("a16b686d61632d7365637265745830{}", "07".repeat(48)), true); // hmac-secret
        check("a16375766d8183021904000a", true); // uvm [[2, 1024, 10]]
        check("a26375766d81830204026863726564426c6f6240", true); // uvm and credBlob
        check("a1646175746ef5", true);
        check("a161613b7fffffffffffffff", true);
        check("a161611bffffffffffffffff", true);
    }

    #[test]
    fn what_has_another_reading_is_refused() {
        for (bytes, why) in [
            ("", "nothing"),
            ("80", "an array"),
            ("a1", "a pair that is not there"),
            ("a000", "a byte after the end"),
            ("bf6161f5ff", "indefinite length"),
            ("a161615f4100ff", "chunked byte string"),
            ("b80161 61f5", "a count not in its shortest form"),
            ("a1616118 01", "a number not in its shortest form"),
            ("a16161190001", "a number not in its shortest form"),
            ("a161611a00000001", "a number not in its shortest form"),
            ("a161611b0000000000000001", "a number not in its shortest form"),
            ("a26161f56161f4", "a key that stands twice"),
            ("a26162f56161f4", "keys out of order"),
            ("a2626161f56162f4", "a longer key before a shorter one"),
            ("a101f5", "a number as an extension's name"),
            ("a161ff00", "a name that is not UTF-8"),
            ("a16161f7", "undefined"),
            ("a161613b8000000000000000", "a number below -2^63"),
            ("a16161f90000", "a float"),
            ("a16161c000", "a tag"),
            ("a161615a7fffffff00", "a string longer than what is there"),
            ("a161615bffffffffffffffff00", "a string longer than memory"),
            ("a161619bffffffffffffffff00", "an array longer than memory"),
            ("a161618181818100", "five levels"),
            ("a16161a1a00000", "a map as a key"),
            ("ff", "a break"),
        ] {
            assert!(!is_one_map(&hex::decode(bytes.replace(' ', "")).unwrap()), "{why}");
        }
        check("a1616181818100", true); // four levels
        check("a16161a3010203262001", true); // a COSE key: 1, 3, −1 ascend by their encoding
    }

    proptest! {
        #[test]
        fn anything_is_read_without_panic_and_ends_once(bytes in proptest::collection::vec(any::<u8>(), 0..64), tail in any::<u8>()) {
            let mut map = vec![0xa1, 0x61, b'a'];
            map.extend(&bytes);
            if is_one_map(&map) {
                map.push(tail);
                prop_assert!(!is_one_map(&map));
            }
            is_one_map(&bytes);
        }
    }
}
