//! Parsers: nothing makes them panic, and what they accept they write again byte by byte.

use crate::trees::{Tree, log_line, secret, signed, witness_line};
use proptest::{collection::vec, prelude::*, sample::Index};
use quorate_tlog::{
    checkpoint::{Checkpoint, Origin},
    cosignature::{self, Cosignature, MAX_TIME_S},
    hash::{Hash, leaf_hash},
    note::{self, KeyName, KeyType, MAX_NOTE, Note, NoteError, NoteSignature, VerifierKey},
    policy::Policy,
    proof,
    range::CompactRange,
    tile::{self, Tile, decode_bundle, encode_bundle},
    tlog_proof::TlogProof,
};

/// From the documentation of signed notes in Go's module system.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
/// The example of tlog-cosignature.
const SOFA: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

pub(crate) fn sample_note() -> Note {
    let text = Tree::of(12).checkpoint(12).text();
    Note::new(&text, vec![log_line(1, &text), witness_line(2, 1_700_000_000, &text)]).unwrap()
}

pub(crate) fn sample_proof() -> TlogProof {
    let tree = Tree::of(12);
    TlogProof::new(5, proof::inclusion(&tree, 5, 12).unwrap().unwrap(), sample_note()).unwrap()
}

pub(crate) fn sample_policy() -> String {
    let key = |seed| crate::trees::witness_key(seed);
    format!(
        "log {} https://log.example/\n# three custodians\n\twitness  a {}\nwitness b {} https://b.example\nwitness c {}\n\
         group g 2 a b c\nquorum g\n",
        crate::trees::log_key(1),
        key(2),
        key(3),
        key(4)
    )
}

/// Something valid with up to four bytes changed, put in or taken out; or nothing changed at all.
pub(crate) fn mangled(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        any::<u8>(),
        proptest::sample::select(&b"\n \t=+-0159xAaz/\xe2\x80\x94"[..])
    ];
    vec((any::<Index>(), 0..4u8, byte), 0..5).prop_map(move |edits| {
        let mut bytes = valid.clone();
        for (at, kind, byte) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes[at] ^= 1 << (byte % 8),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

fn check_note(bytes: &[u8]) {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.encode().as_bytes(), bytes);
    }
}

fn check_proof(bytes: &[u8]) {
    if let Ok(proof) = TlogProof::parse(bytes) {
        assert_eq!(proof.encode().as_bytes(), bytes);
    }
}

fn check_text(text: &str) {
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.text(), text);
    }
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(line) = NoteSignature::parse(text) {
        assert_eq!(line.to_string(), text);
    }
    if let Ok(tile) = Tile::parse_path(text) {
        assert_eq!(tile.path(), text);
    }
    if let Ok(policy) = Policy::parse(text) {
        assert_eq!(Policy::parse(&policy.to_string()), Ok(policy));
    }
    if let Some(hash) = Hash::from_base64(text) {
        assert_eq!(hash.to_base64(), text);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_strictly_or_refused(bytes in vec(any::<u8>(), 0..300), width in any::<u16>()) {
        check_note(&bytes);
        check_proof(&bytes);
        check_text(&String::from_utf8_lossy(&bytes));
        if let Ok(range) = CompactRange::decode(&bytes) {
            prop_assert_eq!(range.encode(), bytes.clone());
        }
        if let Ok(found) = Cosignature::parse(&bytes) {
            prop_assert_eq!(found.encode().to_vec(), bytes.clone());
        }
        if let Ok(entries) = decode_bundle(&bytes, width % 300) {
            prop_assert_eq!(encode_bundle(entries.iter().map(Vec::as_slice)), Ok(bytes));
        }
    }

    #[test]
    fn almost_valid_notes_are_read_strictly_or_refused(bytes in mangled(sample_note().encode().into_bytes())) {
        check_note(&bytes);
        for line in String::from_utf8_lossy(&bytes).lines() {
            check_text(line);
        }
    }

    #[test]
    fn almost_valid_proofs_are_read_strictly_or_refused(
        bytes in mangled(sample_proof().with_extra(b"extra".to_vec()).unwrap().encode().into_bytes())
    ) {
        check_proof(&bytes);
    }

    #[test]
    fn almost_valid_texts_are_read_strictly_or_refused(
        checkpoint in mangled(Tree::of(12).checkpoint(12).text().into_bytes()),
        key in mangled(PETER.into()),
        path in mangled(b"tile/0/x001/x234/067.p/17".to_vec()),
        policy in mangled(sample_policy().into_bytes()),
    ) {
        for bytes in [checkpoint, key, path, policy] {
            check_text(&String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn ranges_of_any_leaves_round_trip(leaves in vec(any::<[u8; 32]>(), 0..100), cut in any::<Index>()) {
        let mut range = CompactRange::new();
        leaves.iter().for_each(|leaf| range.append(Hash::from(*leaf)));
        let bytes = range.encode();
        prop_assert!(CompactRange::decode(&bytes[..cut.index(bytes.len())]).is_err());
        prop_assert_eq!(CompactRange::decode(&bytes), Ok(range));
    }

    #[test]
    fn bundles_of_any_entries_round_trip(entries in vec(vec(any::<u8>(), 0..40), 1..=256)) {
        let bytes = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
        let width = u16::try_from(entries.len()).unwrap();
        prop_assert!(decode_bundle(&bytes, width + 1).is_err() && decode_bundle(&bytes, width - 1).is_err());
        prop_assert_eq!(decode_bundle(&bytes, width), Ok(entries));
    }
}

#[test]
fn the_samples_are_valid_so_that_the_properties_say_something() {
    assert_eq!(Note::parse(sample_note().encode().as_bytes()), Ok(sample_note()));
    let proof = sample_proof().with_extra(b"extra".to_vec()).unwrap();
    assert_eq!(TlogProof::parse(proof.encode().as_bytes()), Ok(proof));
    let policy = Policy::parse(&sample_policy()).unwrap();
    assert_eq!(
        (policy.logs().len(), policy.witnesses().len(), policy.groups().len()),
        (1, 3, 1)
    );
}

#[test]
fn the_note_of_the_go_documentation_verifies() {
    let key: VerifierKey = PETER.parse().unwrap();
    assert_eq!(
        (key.name(), key.key_id(), key.key_type()),
        ("PeterNeumann", [0xc7, 0x4f, 0x20, 0xa3], KeyType::Ed25519)
    );
    assert_eq!(note::key_id(key.key_name(), key.key_type(), key.public()), key.key_id());
    let note = Note::parse(PETER_NOTE.as_bytes()).unwrap();
    assert_eq!(note.verify(std::slice::from_ref(&key)), Ok(vec![&key]));
    assert_eq!(note.encode(), PETER_NOTE);
}

#[test]
fn the_cosigned_checkpoint_of_the_specification_is_read() {
    let note = Note::parse(SOFA.as_bytes()).unwrap();
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    assert_eq!(
        (checkpoint.origin.as_str(), checkpoint.size),
        ("example.com/behind-the-sofa", 20_852_163)
    );
    let found = Cosignature::parse(&note.signatures()[1].bytes).unwrap();
    assert_eq!(found.time_s(), 1_679_315_147);
    assert_eq!(note.signatures()[1].key_id, [0x8d, 0x66, 0xcf, 0x3f]);
    let message = cosignature::message(found.time_s(), note.text());
    assert_eq!(
        String::from_utf8(message).unwrap(),
        "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    );
}

#[test]
fn the_tree_of_70000_has_the_tiles_that_the_specification_counts() {
    let tiles = tile::tiles_for(0, 70_000);
    let at = |level| tiles.iter().filter(move |tile| tile.level == Some(level));
    assert_eq!(at(0).filter(|tile| tile.is_full()).count(), 273);
    assert_eq!(at(0).next_back(), Some(&Tile::of_hashes(0, 273, 112)));
    assert_eq!(
        at(1).copied().collect::<Vec<_>>(),
        [Tile::of_hashes(1, 0, 256), Tile::of_hashes(1, 1, 17)]
    );
    assert_eq!(at(2).copied().collect::<Vec<_>>(), [Tile::of_hashes(2, 0, 1)]);
    assert_eq!(at(3).count(), 0);
    assert_eq!(
        tile::tiles_for(0, 256),
        [Tile::of_hashes(0, 0, 256), Tile::of_hashes(1, 0, 1)]
    );
    assert!(tile::tiles_between(5, 5).is_empty() && tile::tiles_between(6, 5).is_empty());
}

#[test]
fn checkpoints_in_other_forms_are_refused() {
    let check = |text: &str, is_good: bool| assert_eq!(Checkpoint::parse(text).is_ok(), is_good, "{text:?}");
    let root = leaf_hash(b"").to_base64();
    check(&format!("a\n7\n{root}\n"), true);
    check(&format!("a\n0\n{root}\n"), true);
    for size in ["07", "+7", "-1", "", " 7", "18446744073709551616", "7a"] {
        check(&format!("a\n{size}\n{root}\n"), false);
    }
    for origin in ["", "a b", "a+b", "a\tb", "a\u{2003}b", &"a".repeat(256)] {
        check(&format!("{origin}\n7\n{root}\n"), false);
        assert!(Origin::new(origin).is_err() && KeyName::new(origin).is_err());
    }
    check(&format!("a\n7\n{root}\nextension\n"), false);
    check(&format!("a\n7\n{root}\n\n"), false);
    check(&format!("a\n7\n{root}"), false);
    check(&format!("a\n7\n{}\n", &root[1..]), false);
    check("a\n7\n", false);
}

#[test]
fn notes_in_other_forms_are_refused() {
    let good = sample_note().encode();
    let check = |text: String| assert!(Note::parse(text.as_bytes()).is_err(), "{text:?}");
    check(good.trim_end().to_owned());
    check(format!("{good}\n"));
    check(good.replace("— ", "- "));
    check(good.replace('\n', "\r\n"));
    check(good.replacen("\n12\n", "\n1\u{7}2\n", 1));
    check(good.replacen("\n\n", "\n", 1));
    check(good.split_once("\n\n").unwrap().0.to_owned() + "\n\n");
    check("— a AAAAAAA=\n".to_owned());
    assert_eq!(Note::parse(b"\xff\n\n"), Err(NoteError::Malformed("not UTF-8")));
    assert!(Note::new("no line feed", vec![log_line(1, "")]).is_err());
    assert!(Note::new("a\n", Vec::new()).is_err());
    // The text may have empty lines: the last one splits.
    let note = signed(&Tree::of(3).checkpoint(3));
    let odd = Note::new("\n\na\n\n", note.signatures().to_vec()).unwrap();
    assert_eq!(Note::parse(odd.encode().as_bytes()), Ok(odd));
}

#[test]
fn sixteen_signatures_are_read_and_sixty_five_are_not() {
    let text = "a\n";
    let lines = |count: usize| Note::new(text, vec![log_line(1, text); count]);
    let raw = |count: usize| format!("{text}\n{}", format!("{}\n", log_line(1, text)).repeat(count));
    for count in [1, 16, 64] {
        assert_eq!(Note::parse(raw(count).as_bytes()), lines(count));
        assert!(lines(count).is_ok());
    }
    assert!(lines(65).is_err() && Note::parse(raw(65).as_bytes()).is_err());
    assert!(Note::parse(&vec![b'\n'; MAX_NOTE + 1]).is_err());
    assert!(Note::new(&"a\n".repeat(MAX_NOTE / 2), vec![log_line(1, text)]).is_err());
    // Room for as many post-quantum cosignatures.
    let line = NoteSignature {
        name: KeyName::new("a").unwrap(),
        key_id: [0; 4],
        bytes: vec![1; 2428],
    };
    assert!(Note::new(text, vec![line; 64]).is_ok());
}

#[test]
fn keys_of_other_types_and_weak_keys_are_refused() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let vkey = |kind: u8, key: &[u8]| {
        let id = quorate_tlog::hash::sha256(&[b"a\n", &[kind], key]);
        format!(
            "a+{}+{}",
            hex::encode(&id.as_bytes()[..4]),
            STANDARD.encode([&[kind], key].concat())
        )
    };
    let good = secret(1).verifying_key().to_bytes();
    assert!(VerifierKey::parse(&vkey(1, &good)).is_ok() && VerifierKey::parse(&vkey(4, &good)).is_ok());
    for kind in [0, 2, 3, 5, 0xff] {
        assert!(VerifierKey::parse(&vkey(kind, &good)).is_err());
    }
    // The neutral element, which verifies a signature of zeros over anything, and bytes that are no point.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    for bad in [neutral, [0; 32], [2; 32]] {
        assert!(VerifierKey::ed25519("a", &bad).is_err(), "{bad:?}");
        assert!(VerifierKey::parse(&vkey(4, &bad)).is_err());
    }
    assert!(VerifierKey::parse(&vkey(1, &good[1..])).is_err());
    assert!(VerifierKey::parse(&vkey(1, &good).replacen("a+", "b+", 1)).is_err());
    let lattice = VerifierKey::parse(&vkey(6, &[9; 1312])).unwrap();
    assert_eq!(
        (lattice.key_type(), lattice.to_string()),
        (KeyType::MlDsa44, vkey(6, &[9; 1312]))
    );
    assert!(VerifierKey::parse(&vkey(6, &[9; 1311])).is_err());
    let note = Note::new("a\n", vec![lattice.signature(&[0; 2428])]).unwrap();
    assert_eq!(
        note.verify(std::slice::from_ref(&lattice)),
        Err(NoteError::Unsupported(lattice.key_name().clone()))
    );
}

#[test]
fn cosignatures_bound_their_time() {
    let text = "a\n";
    let key = secret(3);
    let public = key.verifying_key().to_bytes();
    let blob = cosignature::sign(&key, MAX_TIME_S, text).unwrap().encode();
    assert_eq!(cosignature::verify(&public, text, &blob), Some(MAX_TIME_S));
    assert!(cosignature::sign(&key, MAX_TIME_S + 1, text).is_err());
    assert!(Cosignature::parse(&[0xff; 72]).is_err() && Cosignature::parse(&blob[1..]).is_err());
    assert_eq!(cosignature::verify(&public, "b\n", &blob), None);
    let mut later = blob;
    later[7] ^= 1;
    assert_eq!(cosignature::verify(&public, text, &later), None);
    let line = note::signature_line(&crate::trees::witness_key(3), &blob);
    assert_eq!(NoteSignature::parse(line.trim_end()).unwrap().bytes, blob);
}
