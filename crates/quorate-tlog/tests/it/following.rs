//! Followers: they accept exactly the log's growth, in whatever steps it comes.

use crate::trees::{ORIGIN, Tree, entry, log_key, log_line, signed, witness_line};
use proptest::{collection::vec, prelude::*};
use quorate_tlog::{
    checkpoint::{Checkpoint, Origin},
    follow::{FollowError, Follower},
    hash::{empty_root, leaf_hash},
    note::{Note, NoteError},
    proof,
};

fn follower() -> Follower {
    Follower::new(Origin::new(ORIGIN).unwrap(), log_key(1))
}

fn entries(from: u64, to: u64) -> Vec<Vec<u8>> {
    (from..to).map(entry).collect()
}

fn at(tree: &Tree, size: u64) -> Follower {
    follower()
        .advance(&entries(0, size), &signed(&tree.checkpoint(size)))
        .unwrap()
}

proptest! {
    #[test]
    fn steps_do_not_matter(steps in vec(0u64..40, 1..12)) {
        let tree = Tree::of(steps.iter().sum());
        let (mut follower, mut size) = (follower(), 0);
        for step in steps {
            let note = signed(&tree.checkpoint(size + step));
            follower = follower.advance(&entries(size, size + step), &note).unwrap();
            size += step;
            prop_assert_eq!(follower.range().root(), tree.root(size));
            prop_assert_eq!(follower.held(), Some(&note));
        }
        prop_assert_eq!(follower.range(), &proof::frontier(&tree, size).unwrap());
    }
}

#[test]
fn two_roots_at_one_size_are_told_with_both_notes() {
    let tree = Tree::of(9);
    let follower = at(&tree, 9);
    let fork = signed(&Checkpoint {
        root: leaf_hash(b"fork"),
        ..tree.checkpoint(9)
    });
    let expected = FollowError::SplitView {
        held: Box::new(signed(&tree.checkpoint(9))),
        offered: Box::new(fork.clone()),
    };
    assert_eq!(follower.advance(&entries(0, 0), &fork), Err(expected.clone()));
    assert_eq!(follower.advance(&entries(9, 11), &fork), Err(expected));
    // A note that the log has not signed is no evidence against it.
    let forged = Note::new(fork.text(), vec![log_line(2, fork.text())]).unwrap();
    assert_eq!(
        follower.advance(&entries(0, 0), &forged),
        Err(FollowError::Note(NoteError::NoKnownKey))
    );
}

#[test]
fn entries_that_lead_elsewhere_are_refused_and_the_follower_stays() {
    let tree = Tree::of(12);
    let follower = at(&tree, 9);
    let before = follower.clone();
    let note = signed(&tree.checkpoint(12));
    let mut swapped = entries(9, 12);
    swapped.swap(0, 1);
    assert!(matches!(
        follower.advance(&swapped, &note),
        Err(FollowError::Root { .. })
    ));
    let gap = |needed, given| Err(FollowError::Gap { needed, given });
    assert_eq!(follower.advance(&entries(9, 11), &note), gap(3, 2));
    assert_eq!(follower.advance(&entries(8, 12), &note), gap(3, 4));
    let older = signed(&tree.checkpoint(8));
    assert_eq!(
        follower.advance(&entries(0, 0), &older),
        Err(FollowError::Shrinks { held: 9, offered: 8 })
    );
    assert_eq!(follower, before);
    assert!(follower.advance(&entries(9, 12), &note).is_ok());
}

#[test]
fn other_logs_keys_and_texts_are_refused() {
    let tree = Tree::of(3);
    let other = Checkpoint {
        origin: Origin::new("issuer.example/log/2").unwrap(),
        ..tree.checkpoint(3)
    };
    assert_eq!(
        follower().advance(&entries(0, 3), &signed(&other)),
        Err(FollowError::Origin)
    );
    let text = tree.checkpoint(3).text();
    let stranger = Note::new(&text, vec![log_line(5, &text)]).unwrap();
    assert_eq!(
        follower().advance(&entries(0, 3), &stranger),
        Err(FollowError::Note(NoteError::NoKnownKey))
    );
    let witnessed = Note::new(&text, vec![witness_line(1, 1, &text)]).unwrap();
    assert_eq!(
        follower().advance(&entries(0, 3), &witnessed),
        Err(FollowError::Note(NoteError::NoKnownKey))
    );
    let chat = Note::new("hello\n", vec![log_line(1, "hello\n")]).unwrap();
    assert!(matches!(
        follower().advance(&entries(0, 3), &chat),
        Err(FollowError::Checkpoint(_))
    ));
    let odd = Checkpoint {
        size: 0,
        root: tree.root(3),
        ..tree.checkpoint(3)
    };
    let expected = FollowError::Root {
        computed: empty_root(),
        offered: odd.clone(),
    };
    assert_eq!(follower().advance(&entries(0, 0), &signed(&odd)), Err(expected));
}

#[test]
fn more_signatures_on_the_same_head_are_taken() {
    let tree = Tree::of(5);
    let text = tree.checkpoint(5).text();
    let cosigned = Note::new(&text, vec![log_line(1, &text), witness_line(2, 77, &text)]).unwrap();
    let next = at(&tree, 5).advance(&entries(0, 0), &cosigned).unwrap();
    assert_eq!(next.held(), Some(&cosigned));
    assert_eq!(next.range(), at(&tree, 5).range());
}

#[test]
fn a_follower_resumes_only_from_what_fits() {
    let tree = Tree::of(12);
    let follower = at(&tree, 9);
    let resume = |size: u64, note: &Note| {
        let range = proof::frontier(&tree, size).unwrap();
        Follower::resume(follower.origin().clone(), follower.key().clone(), range, note.clone())
    };
    assert_eq!(resume(9, &signed(&tree.checkpoint(9))), Ok(follower.clone()));
    assert!(matches!(
        resume(9, &signed(&tree.checkpoint(8))),
        Err(FollowError::Shrinks { .. })
    ));
    assert!(matches!(
        resume(9, &signed(&tree.checkpoint(10))),
        Err(FollowError::Gap { .. })
    ));
    let fork = Checkpoint {
        root: leaf_hash(b"fork"),
        ..tree.checkpoint(9)
    };
    assert!(matches!(resume(9, &signed(&fork)), Err(FollowError::Root { .. })));
    let next = follower
        .advance(&entries(9, 12), &signed(&tree.checkpoint(12)))
        .unwrap();
    assert_eq!(next.range().root(), tree.root(12));
}
