//! What parsers are fed with: valid bytes after every small change, and bytes that are shaped like CBOR. The protocol's tests use it too.

use proptest::{collection::vec, prelude::*, sample::Index};

/// Every flipped bit, every proper beginning, every byte left out, every byte doubled. None of them is what it was made from.
pub fn each_small_change(valid: &[u8], mut check: impl FnMut(&[u8])) {
    for at in 0..valid.len() {
        let mut changed = valid.to_vec();
        for bit in 0..8 {
            changed[at] = valid[at] ^ (1 << bit);
            check(&changed);
        }
        changed[at] = valid[at];
        check(&valid[..at]);
        changed.remove(at);
        if changed != valid {
            check(&changed);
        }
        changed.insert(at, valid[at]);
        changed.insert(at, valid[at]);
        check(&changed);
    }
}

/// One of these with up to four bytes changed, put in or taken out, and sometimes a piece of another put over its own bytes.
pub fn mangled(valid: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<Index>(), 0..5u8, any::<u8>());
    let splice = proptest::option::weighted(0.3, (any::<Index>(), any::<Index>(), 1..40usize));
    (any::<Index>(), any::<Index>(), vec(edit, 0..5), splice).prop_map(move |(which, other, edits, splice)| {
        let mut bytes = valid[which.index(valid.len())].clone();
        for (at, kind, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes[at] ^= 1 << (byte % 8),
                3 => bytes.truncate(at),
                _ => drop(bytes.remove(at)),
            }
        }
        let other = &valid[other.index(valid.len())];
        if let Some((from, to, length)) = splice.filter(|_| !bytes.is_empty() && !other.is_empty()) {
            let (from, to) = (from.index(other.len()), to.index(bytes.len()));
            let piece = &other[from..other.len().min(from + length)];
            bytes.splice(to..bytes.len().min(to + length), piece.iter().copied());
        }
        bytes
    })
}

/// Bytes shaped like CBOR: small maps with integer keys, as all messages and bodies are, with members of any type, now and then
/// longer, indefinite or with a wrong length.
pub fn cbor() -> impl Strategy<Value = Vec<u8>> {
    let length = proptest::sample::select(vec![0usize, 1, 16, 32, 48, 64, 139]);
    let bytes = (length, any::<u8>(), 2..=3u8)
        .prop_map(|(length, fill, major)| [head(major, length as u64, 0), vec![fill & 0x7f; length]].concat());
    let number =
        (0..=1u8, prop_oneof![0..32u64, any::<u64>()], 0..5u8).prop_map(|(major, n, width)| head(major, n, width));
    let simple = (0xe0..=0xffu8).prop_map(|byte| vec![byte]);
    let leaf = prop_oneof![4 => bytes, 4 => number, 1 => simple];
    leaf.prop_recursive(4, 64, 12, |inner| {
        let array = (vec(inner.clone(), 0..6), -1..=1i64, any::<bool>())
            .prop_map(|(items, wrong, open)| container(4, items.len() as u64, wrong, open, items.concat()));
        let member = (0..16u64, inner.clone());
        let map = (vec(member, 0..12), -1..=1i64, any::<bool>(), any::<bool>()).prop_map(
            |(mut members, wrong, open, sorted)| {
                if sorted {
                    members.sort_by_key(|(key, _)| *key);
                    members.dedup_by_key(|(key, _)| *key);
                }
                let count = members.len() as u64;
                let items: Vec<u8> = members
                    .into_iter()
                    .flat_map(|(key, value)| [head(0, key, 0), value].concat())
                    .collect();
                container(5, count, wrong, open, items)
            },
        );
        let tagged = (any::<u64>(), inner).prop_map(|(tag, item)| [head(6, tag, 0), item].concat());
        prop_oneof![3 => array, 6 => map, 1 => tagged]
    })
}

/// Mostly a definite container of the right length, sometimes one item more or fewer than it says, sometimes an indefinite one.
fn container(major: u8, count: u64, wrong: i64, open: bool, items: Vec<u8>) -> Vec<u8> {
    match (open, wrong) {
        (true, 1) => [vec![(major << 5) | 31], items, vec![0xff]].concat(),
        (true, _) => [head(major, count, 0), items].concat(),
        (false, wrong) => [head(major, count.saturating_add_signed(wrong), 0), items].concat(),
    }
}

/// Initial bytes of an item; `width` 1 to 4 asks for longer forms than the shortest where they fit.
fn head(major: u8, argument: u64, width: u8) -> Vec<u8> {
    let shortest = match argument {
        0..=23 => 0,
        24..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 3,
        _ => 4,
    };
    let wide = argument.to_be_bytes();
    match shortest.max(width) {
        0 => vec![(major << 5) | wide[7]],
        1 => vec![(major << 5) | 24, wide[7]],
        2 => [&[(major << 5) | 25], &wide[6..]].concat(),
        3 => [&[(major << 5) | 26], &wide[4..]].concat(),
        _ => [&[(major << 5) | 27], &wide[..]].concat(),
    }
}
