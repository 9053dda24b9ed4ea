//! The same trees, tiles and notes in other people's code.

use crate::trees::{ORIGIN, Tree, entry, log_key, log_line, secret};
use ct_merkle::{
    ConsistencyProof, InclusionProof,
    digest::{self, FixedOutput, HashMarker, Output, OutputSizeUser, Update, consts::U32},
    mem_backed_tree::MemoryBackedTree,
};
use proptest::prelude::*;
use quorate_tlog::{
    hash::sha256,
    note::{Note, VerifierKey},
    proof,
    tile::{self, Tile},
};
use std::collections::BTreeMap;

const SIZE: u64 = 700;

/// Stored hashes of the oracle, by its own numbering.
struct Stored(Vec<tlog_tiles::Hash>);

impl tlog_tiles::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes
            .iter()
            .map(|&index| self.0[usize::try_from(index).unwrap()])
            .collect())
    }
}

fn stored(size: u64) -> Stored {
    let mut stored = Stored(Vec::new());
    for i in 0..size {
        let new = tlog_tiles::stored_hashes(i, &entry(i), &stored).unwrap();
        stored.0.extend(new);
    }
    stored
}

fn plain(hashes: &[tlog_tiles::Hash]) -> Vec<[u8; 32]> {
    hashes.iter().map(|hash| hash.0).collect()
}

fn ours(hashes: &[quorate_tlog::hash::Hash]) -> Vec<[u8; 32]> {
    hashes.iter().map(|hash| *hash.as_bytes()).collect()
}

fn theirs(hashes: &[quorate_tlog::hash::Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().map(|hash| tlog_tiles::Hash(*hash.as_bytes())).collect()
}

#[test]
fn tlog_tiles_makes_the_same_trees_proofs_and_tile_contents() {
    let (tree, stored) = (Tree::of(SIZE), stored(SIZE));
    for size in (1..=SIZE).step_by(13).chain([255, 256, 257, 512, 513]) {
        let root = tlog_tiles::tree_hash(size, &stored).unwrap();
        assert_eq!(&root.0, tree.root(size).as_bytes());
        for index in (0..size).step_by(7).chain([size - 1]) {
            let path = proof::inclusion(&tree, index, size).unwrap().unwrap();
            assert_eq!(
                plain(&tlog_tiles::prove_record(size, index, &stored).unwrap()),
                ours(&path)
            );
            let leaf = tlog_tiles::record_hash(&entry(index));
            tlog_tiles::check_record(&theirs(&path), size, root, index, leaf).unwrap();
        }
        for old in (1..=size).step_by(11).chain([size]) {
            let path = proof::consistency(&tree, old, size).unwrap().unwrap();
            assert_eq!(plain(&tlog_tiles::prove_tree(size, old, &stored).unwrap()), ours(&path));
            let old_root = tlog_tiles::Hash(*tree.root(old).as_bytes());
            tlog_tiles::check_tree(&theirs(&path), size, root, old, old_root).unwrap();
        }
        for tile in tile::tiles_for(size / 2, size) {
            let other = tlog_tiles::Tile::new(8, tile.level.unwrap(), tile.index, u32::from(tile.width), false);
            assert_eq!(
                tile::tile_bytes(&tree, &tile).unwrap(),
                other.read_data(&stored).unwrap(),
                "{tile}"
            );
        }
    }
}

proptest! {
    #[test]
    fn tlog_tiles_publishes_the_same_tiles(old in 0u64..1 << 40, more in 0u64..1 << 18) {
        let new = old + more;
        let expected: Vec<String> = tlog_tiles::Tile::new_tiles(8, old, new).iter().map(|tile| tile.path()).collect();
        let tiles = tile::tiles_for(old, new);
        let paths: Vec<String> = tiles.iter().map(|tile| tile.path().replacen("tile/", "tile/8/", 1)).collect();
        prop_assert_eq!(paths, expected);
        for tile in tiles {
            prop_assert_eq!(Tile::parse_path(&tile.path()), Ok(tile));
        }
        let bottom = tile::tiles_for(old, new).into_iter().filter(|tile| tile.level == Some(0));
        let entries: Vec<Tile> = bottom.map(|tile| Tile { level: None, ..tile }).collect();
        prop_assert_eq!(tile::entries_tiles_for(old, new), entries);
    }

    // The oracle panics at a width of zero, which is therefore left to the unit test.
    #[test]
    fn tlog_tiles_reads_the_same_paths(path in r"tile/(0|1|7|9|entries)/(x[0-9]{3}/){0,4}[0-9]{3}(\.p/[1-9][0-9]{0,2})?") {
        let other = tlog_tiles::Tile::from_path(&path.replacen("tile/", "tile/8/", 1).replace("entries", "data"));
        let other = other.ok().filter(|tile| tile.level() < 8);
        let own = Tile::parse_path(&path).ok();
        prop_assert_eq!(own.map(|tile| (tile.index, u32::from(tile.width))),
            other.filter(|tile| tile.level_index() >> (56 - 8 * tile.level()) == 0).map(|tile| (tile.level_index(), tile.width())));
    }
}

/// SHA-256 as the oracle's generation of traits wants it. It collects its input and hashes at the end.
#[derive(Default, Clone)]
struct Sha256(Vec<u8>);

impl HashMarker for Sha256 {}

impl Update for Sha256 {
    fn update(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

impl OutputSizeUser for Sha256 {
    type OutputSize = U32;
}

impl FixedOutput for Sha256 {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(sha256(&[&self.0]).as_bytes());
    }
}

#[test]
fn ct_merkle_makes_and_accepts_the_same_proofs() {
    let sizes = (1..200).step_by(9).chain([64, 65, 128]);
    let all = Tree::of(200);
    for size in sizes {
        let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        (0..size).for_each(|i| other.push(entry(i)));
        let root = other.root();
        assert_eq!(root.as_bytes().as_slice(), all.root(size).as_bytes());
        for index in 0..size {
            let path = ours(&proof::inclusion(&all, index, size).unwrap().unwrap()).concat();
            assert_eq!(other.prove_inclusion(usize::try_from(index).unwrap()).as_bytes(), path);
            let proof = InclusionProof::<Sha256>::try_from_bytes(path).unwrap();
            root.verify_inclusion(&entry(index), index, &proof).unwrap();
        }
        for old in 1..=size {
            let path = ours(&proof::consistency(&all, old, size).unwrap().unwrap()).concat();
            let added = usize::try_from(size - old).unwrap();
            assert_eq!(other.prove_consistency(added).as_bytes(), path, "{old} to {size}");
            let proof = ConsistencyProof::<Sha256>::try_from_bytes(path).unwrap();
            let digest = digest::Output::<Sha256>::try_from(&all.root(old).as_bytes()[..]).unwrap();
            root.verify_consistency(&ct_merkle::RootHash::new(digest, old), &proof)
                .unwrap();
        }
    }
}

#[test]
fn signed_note_accepts_our_notes_and_keys() {
    let key = log_key(7);
    let text = "issuer.example/log/1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\nand more\n";
    let note = Note::new(text, vec![log_line(7, text)]).unwrap();
    let verifier = signed_note::StandardVerifier::new(&key.to_string()).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    let other = signed_note::Note::from_bytes(note.encode().as_bytes()).unwrap();
    let (verified, unverified) = other.verify(&known).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
    assert_eq!(other.text(), text.as_bytes());
    let dalek = signed_note::new_ed25519_verifier_key(ORIGIN, &secret(7).verifying_key());
    assert_eq!(VerifierKey::parse(&dalek).unwrap(), key);
}

#[test]
fn we_accept_the_notes_and_keys_of_signed_note() {
    let (skey, vkey) = signed_note::generate_key(&mut rand_core::OsRng, "PeterNeumann");
    let signer = signed_note::StandardSigner::new(&skey).unwrap();
    let mut other = signed_note::Note::new("è\n\nsera\n".as_bytes(), &[]).unwrap();
    other.add_sigs(&[&signer]).unwrap();
    let key = VerifierKey::parse(&vkey).unwrap();
    assert_eq!(key.to_string(), vkey);
    let note = Note::parse(&other.to_bytes()).unwrap();
    assert_eq!(note.verify(std::slice::from_ref(&key)), Ok(vec![&key]));
    assert_eq!(note.encode().as_bytes(), other.to_bytes());
}

proptest! {
    #[test]
    fn signed_note_reads_the_same_notes(bytes in crate::formats::mangled(crate::formats::sample_note().encode().into_bytes())) {
        let own = Note::parse(&bytes);
        match signed_note::Note::from_bytes(&bytes) {
            Ok(other) => {
                let note = own.unwrap();
                prop_assert_eq!(note.text().as_bytes(), other.text());
                prop_assert_eq!(note.encode().into_bytes(), other.to_bytes());
            }
            Err(_) => prop_assert!(own.is_err()),
        }
    }
}

#[test]
fn tiles_are_enough_to_prove_what_the_tree_proves() {
    let tree = Tree::of(70_000);
    let tiles: BTreeMap<Tile, Vec<u8>> = tile::tiles_for(0, 70_000)
        .into_iter()
        .map(|tile| (tile, tile::tile_bytes(&tree, &tile).unwrap()))
        .collect();
    let fetched = std::cell::RefCell::new(Vec::new());
    let reader = tile::TileReader::new(70_000, |tile: &Tile| {
        fetched.borrow_mut().push(*tile);
        tiles.get(tile).cloned().ok_or("missing")
    });
    assert_eq!(proof::root(&reader, 70_000).unwrap(), tree.root(70_000));
    for index in [0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999] {
        fetched.borrow_mut().clear();
        let path = proof::inclusion(&reader, index, 70_000).unwrap();
        assert_eq!(path, proof::inclusion(&tree, index, 70_000).unwrap());
        let mut seen = fetched.borrow().clone();
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count, "a tile was fetched twice for {index}: {seen:?}");
    }
    let old = proof::consistency(&reader, 66_000, 70_000).unwrap();
    assert_eq!(old, proof::consistency(&tree, 66_000, 70_000).unwrap());
}
