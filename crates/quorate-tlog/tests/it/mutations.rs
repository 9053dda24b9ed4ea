//! Whatever small thing of a valid note, proof, key, policy, range or tile is changed, it does not say the same any more.

use crate::{
    formats::{mangled, sample_note, sample_policy, sample_proof},
    trees::{Tree, entry, log_key, secret, witness_key},
};
use proptest::{collection::vec, prelude::*};
use quorate_tlog::{
    checkpoint::Checkpoint,
    cosignature,
    hash::{Hash, leaf_hash},
    note::{Note, VerifierKey},
    policy::{Draft, Policy},
    proof,
    range::CompactRange,
    tile::{self, FULL_TILE_BYTES, Tile, TileReader, decode_bundle, encode_bundle},
    tlog_proof::TlogProof,
};
use std::collections::BTreeMap;

fn policy() -> Policy {
    let mut draft = Draft::new();
    draft
        .log(log_key(1), None)
        .unwrap()
        .witness("w", witness_key(2), None)
        .unwrap()
        .quorum("w")
        .unwrap();
    draft.finish().unwrap()
}

/// Every flipped bit, every proper beginning, every byte left out and every byte doubled, with what was done.
fn each_small_change(bytes: &[u8], mut check: impl FnMut(&[u8], &str)) {
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        for bit in 0..8 {
            changed[at] = bytes[at] ^ (1 << bit);
            check(&changed, &format!("bit {bit} of byte {at}"));
        }
        changed[at] = bytes[at];
        check(&bytes[..at], &format!("cut to {at}"));
        changed.remove(at);
        if changed != bytes {
            check(&changed, &format!("without byte {at}"));
        }
        changed.insert(at, bytes[at]);
        changed.insert(at, bytes[at]);
        check(&changed, &format!("byte {at} twice"));
    }
}

#[test]
fn no_note_that_was_changed_is_verified_by_all_its_keys() {
    let known = [log_key(1), witness_key(2)];
    let verified =
        |bytes: &[u8]| Note::parse(bytes).is_ok_and(|note| note.verify(&known).is_ok_and(|keys| keys.len() == 2));
    let bytes = sample_note().encode().into_bytes();
    assert!(verified(&bytes));
    each_small_change(&bytes, |changed, what| assert!(!verified(changed), "{what}"));
}

#[test]
fn no_checkpoint_that_was_changed_satisfies_the_policy() {
    let policy = policy();
    let check = |bytes: &[u8]| Note::parse(bytes).ok().and_then(|note| policy.check(&note).ok());
    let bytes = sample_note().encode().into_bytes();
    assert_eq!(check(&bytes), Checkpoint::parse(sample_note().text()).ok());
    each_small_change(&bytes, |changed, what| assert_eq!(check(changed), None, "{what}"));
}

#[test]
fn no_proof_that_was_changed_proves_the_entry() {
    let policy = policy();
    let proves = |bytes: &[u8]| TlogProof::parse(bytes).is_ok_and(|proof| proof.verify(&entry(5), &policy).is_ok());
    let bytes = sample_proof().encode().into_bytes();
    assert!(proves(&bytes));
    each_small_change(&bytes, |changed, what| assert!(!proves(changed), "{what}"));
    each_small_change(&entry(5), |changed, what| {
        assert!(sample_proof().verify(changed, &policy).is_err(), "{what}")
    });
}

#[test]
fn no_key_that_was_changed_is_read() {
    for key in [log_key(1), witness_key(2)] {
        let text = key.to_string();
        assert_eq!(VerifierKey::parse(&text), Ok(key));
        each_small_change(text.as_bytes(), |changed, what| {
            let key = std::str::from_utf8(changed).map(VerifierKey::parse);
            assert!(key.is_err() || key.is_ok_and(|key| key.is_err()), "{what}");
        });
    }
}

#[test]
fn a_policy_that_was_cut_or_whose_keys_were_changed_is_not_read() {
    let text = sample_policy();
    let read = |bytes: &[u8]| {
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| Policy::parse(text).ok())
    };
    assert!(read(text.as_bytes()).is_some());
    for length in 0..text.len() {
        assert_eq!(read(&text.as_bytes()[..length]), None, "cut to {length}");
    }
    for key in [log_key(1), witness_key(2), witness_key(3), witness_key(4)].map(|key| key.to_string()) {
        let (before, after) = text.split_once(&key).unwrap();
        each_small_change(key.as_bytes(), |changed, what| {
            let all = [before.as_bytes(), changed, after.as_bytes()].concat();
            assert_eq!(read(&all), None, "{what} of {key}");
        });
    }
}

#[test]
fn a_range_that_was_changed_is_another_head_or_none() {
    let mut range = CompactRange::new();
    (0..13).for_each(|i| range.append(leaf_hash(&entry(i))));
    let mut read = 0;
    each_small_change(&range.encode(), |changed, what| {
        if let Ok(other) = CompactRange::decode(changed) {
            read += 1;
            assert_ne!((other.size(), other.root()), (range.size(), range.root()), "{what}");
        }
    });
    // A flipped bit of the size asks for another number of hashes, so only those of the hashes are read.
    assert_eq!(read, 3 * 32 * 8);
}

#[test]
fn no_cosignature_that_was_changed_verifies() {
    let (key, text) = (secret(2), Tree::of(12).checkpoint(12).text());
    let public = key.verifying_key().to_bytes();
    let blob = cosignature::sign(&key, 1_700_000_000, &text).unwrap().encode();
    assert_eq!(cosignature::verify(&public, &text, &blob), Some(1_700_000_000));
    each_small_change(&blob, |changed, what| {
        assert_eq!(cosignature::verify(&public, &text, changed), None, "{what}");
    });
    each_small_change(text.as_bytes(), |changed, what| {
        if let Ok(changed) = std::str::from_utf8(changed) {
            assert_eq!(cosignature::verify(&public, changed, &blob), None, "{what}");
        }
    });
}

#[test]
fn proofs_with_a_changed_hash_prove_nothing() {
    let tree = Tree::of(21);
    let inclusion = proof::inclusion(&tree, 9, 21).unwrap().unwrap();
    let consistency = proof::consistency(&tree, 13, 21).unwrap().unwrap();
    let with = |path: &[Hash], place: usize, bytes: &[u8]| {
        let hash = <[u8; 32]>::try_from(bytes).ok().map(Hash::from);
        let mut path = path.to_vec();
        hash.map(|hash| {
            path[place] = hash;
            path
        })
    };
    for (place, hash) in inclusion.iter().enumerate() {
        each_small_change(hash.as_bytes(), |changed, what| {
            if let Some(path) = with(&inclusion, place, changed) {
                assert!(
                    proof::verify_inclusion(tree.leaf(9), 9, 21, &path, tree.root(21)).is_err(),
                    "{what}"
                );
            }
        });
    }
    for (place, hash) in consistency.iter().enumerate() {
        each_small_change(hash.as_bytes(), |changed, what| {
            if let Some(path) = with(&consistency, place, changed) {
                assert!(
                    proof::verify_consistency(13, tree.root(13), 21, tree.root(21), &path).is_err(),
                    "{what}"
                );
            }
        });
    }
}

/// What a reader makes of tiles that somebody else keeps: the root, and a proof for each of some leaves.
fn read_tiles(tiles: &BTreeMap<Tile, Vec<u8>>, size: u64) -> (Option<Hash>, Vec<Option<Vec<Hash>>>) {
    let reader = TileReader::new(size, |tile: &Tile| tiles.get(tile).cloned().ok_or("missing"));
    let proofs = [0, 255, 256, size - 1].map(|index| proof::inclusion(&reader, index, size).ok().flatten());
    (proof::root(&reader, size).ok(), proofs.to_vec())
}

#[test]
fn a_tile_that_was_changed_proves_nothing_that_is_not_so() {
    const SIZE: u64 = 300;
    let tree = Tree::of(SIZE);
    let honest: BTreeMap<Tile, Vec<u8>> = tile::tiles_for(0, SIZE)
        .into_iter()
        .map(|tile| (tile, tile::tile_bytes(&tree, &tile).unwrap()))
        .collect();
    assert_eq!(honest.len(), 3);
    let (root, proofs) = read_tiles(&honest, SIZE);
    assert_eq!(root, Some(tree.root(SIZE)));
    for (place, bytes) in &honest {
        // One bit of each hash, and every length but the right one.
        let mut others: Vec<Vec<u8>> = (0..bytes.len())
            .step_by(31)
            .map(|at| {
                let mut changed = bytes.clone();
                changed[at] ^= 0x10;
                changed
            })
            .collect();
        others.extend((0..bytes.len()).step_by(17).map(|length| bytes[..length].to_vec()));
        others.push([&bytes[..], &[0]].concat());
        others.push(vec![0; FULL_TILE_BYTES + 32]);
        for other in others {
            let mut tiles = honest.clone();
            tiles.insert(*place, other);
            let (other_root, other_proofs) = read_tiles(&tiles, SIZE);
            for ((index, proof), honest) in [0, 255, 256, SIZE - 1].into_iter().zip(other_proofs).zip(&proofs) {
                let Some(path) = proof.filter(|proof| Some(proof) != honest.as_ref()) else {
                    continue;
                };
                let leaf = tree.leaf(index);
                assert!(
                    proof::verify_inclusion(leaf, index, SIZE, &path, tree.root(SIZE)).is_err(),
                    "{place}"
                );
            }
            // The root is made of level 0's last tile and of level 1, whose bytes all matter to it.
            let matters = *place != Tile::of_hashes(0, 0, 256);
            assert!(!matters || other_root != Some(tree.root(SIZE)), "{place}");
        }
    }
    // A wider tile in the place of a partial one is the same tile.
    let mut tiles = honest.clone();
    let partial = Tile::of_hashes(0, 1, 44);
    let wider = [&tiles[&partial][..], &[9; 32]].concat();
    tiles.insert(partial, wider);
    assert_eq!(read_tiles(&tiles, SIZE), (root, proofs));
}

proptest! {
    #[test]
    fn a_bundle_that_was_changed_has_other_entries_or_is_refused(
        entries in vec(vec(any::<u8>(), 0..20), 1..=20),
        edit in any::<prop::sample::Index>(),
    ) {
        let bytes = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
        let width = u16::try_from(entries.len()).unwrap();
        let at = edit.index(bytes.len());
        each_small_change(&bytes[at..(at + 1)], |changed, what| {
            let all = [&bytes[..at], changed, &bytes[at + 1..]].concat();
            if all == bytes {
                return;
            }
            if let Ok(other) = decode_bundle(&all, width) {
                assert_ne!(&other, &entries, "{what}");
                assert_eq!(encode_bundle(other.iter().map(Vec::as_slice)), Ok(all));
            }
        });
    }

    #[test]
    fn a_mangled_note_or_proof_vouches_only_for_what_was_signed(
        note in mangled(sample_note().encode().into_bytes()),
        proof in mangled(sample_proof().encode().into_bytes()),
    ) {
        let honest = Tree::of(12).checkpoint(12);
        if let Ok(checkpoint) = Note::parse(&note).map_err(drop).and_then(|note| policy().check(&note).map_err(drop)) {
            prop_assert_eq!(&checkpoint, &honest);
        }
        if let Ok(proof) = TlogProof::parse(&proof) {
            for index in 0..12 {
                let holds = proof.verify(&entry(index), &policy());
                prop_assert!(holds.is_err() || (index == 5 && proof.index() == 5 && holds == Ok(honest.clone())));
            }
        }
    }
}
