//! Every decoder: never panics, takes exactly what its encoder writes, and nothing that merely looks like it.

use crate::ceremony::{Message, Outputs, Pedersen as _, begin_all, deal, id, sign};
use proptest::prelude::*;
use quorate_threshold::{Dealt, DkgContext, FrostEd25519, GroupKey, Identifier, Parameters, Scheme, SignError};
use rand_core::OsRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

static DEALT: LazyLock<BTreeMap<Identifier, Dealt>> = LazyLock::new(|| deal(&FrostEd25519, 2, 3));

#[test]
fn no_altered_share_reads_back_as_the_same_group() {
    let share = &DEALT[&id(2)].share;
    let bytes = share.encode();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.to_vec();
            altered[at] ^= 1 << bit;
            if let Ok(read) = FrostEd25519.read_share(&altered) {
                // Secret and identifier are tied to the own verifying share; only what the group says of others can change.
                assert_ne!(read.group(), share.group());
                assert_eq!(
                    read.group().verifying_share(id(2)),
                    share.group().verifying_share(id(2))
                );
                assert_eq!(read.encode().as_slice(), altered);
            }
        }
    }
    for length in 0..bytes.len() {
        assert!(FrostEd25519.read_share(&bytes[..length]).is_err());
    }
    assert!(FrostEd25519.read_share(&[bytes.as_slice(), &[0]].concat()).is_err());
    assert!(FrostEd25519.read_share(&vec![0; 1 << 20]).is_err());
}

#[test]
fn a_share_whose_group_key_is_not_in_the_group_is_refused() {
    let share = &DEALT[&id(2)].share;
    let group = share.group();
    let mut decoder_input = share.encode().to_vec();
    let at = decoder_input.len() - group.encode().len();
    let mut refused = 0;
    for point in curve25519_dalek::constants::EIGHT_TORSION {
        let shares = group
            .parameters()
            .identifiers()
            .map(|id| (id, group.verifying_share(id).unwrap().to_vec()))
            .collect();
        let key = point.compress().as_bytes().to_vec();
        let bad = GroupKey::new("frost-ed25519", group.parameters(), key, shares)
            .unwrap()
            .encode();
        assert_eq!(bad.len(), decoder_input.len() - at);
        decoder_input.truncate(at);
        decoder_input.extend(bad);
        refused += u8::from(FrostEd25519.read_share(&decoder_input).is_err());
    }
    assert_eq!(refused, 8);
    decoder_input.truncate(at);
    decoder_input.extend(group.encode());
    assert!(FrostEd25519.read_share(&decoder_input).is_ok());
}

/// Bytes, or a good encoding with some bytes overwritten.
fn near(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let patches = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let patched = (patches, 0usize..4, any::<bool>()).prop_map(move |(patches, end, longer)| {
        let mut bytes = good.clone();
        patches.iter().for_each(|(at, byte)| *at.get_mut(&mut bytes) = *byte);
        bytes.resize(if longer { bytes.len() + end } else { bytes.len() - end }, 0);
        bytes
    });
    prop_oneof![patched, proptest::collection::vec(any::<u8>(), 0..400)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn shares(bytes in near(DEALT[&id(1)].share.encode().to_vec())) {
        if let Ok(share) = FrostEd25519.read_share(&bytes) {
            prop_assert_eq!(share.encode().to_vec(), bytes);
        }
    }

    #[test]
    fn group_keys(bytes in near(DEALT[&id(1)].group.encode())) {
        if let Ok(group) = GroupKey::decode(&bytes) {
            prop_assert_eq!(group.encode(), bytes);
        }
    }

    #[test]
    fn commitments(bytes in near(vec![0x22; 64])) {
        let signers = BTreeSet::from([id(1), id(2)]);
        let opened = DEALT[&id(1)].share.commit(b"m", &signers, &mut OsRng).unwrap();
        let inputs = BTreeMap::from([(id(1), opened.output.broadcast), (id(2), bytes.clone())]);
        let outcome = sign(&Message(b"m".to_vec()), opened.session, &inputs).map(|_| ());
        let halves_are_points = bytes.len() == 64 && bytes.chunks(32).all(is_usable_point);
        prop_assert_eq!(outcome, if halves_are_points { Ok(()) } else { Err(SignError::Malformed(id(2))) });
    }

    #[test]
    fn signature_shares(bytes in near(vec![0x11; 64])) {
        let signers = BTreeSet::from([id(1), id(2)]);
        let commit = |number| DEALT[&id(number)].share.commit(b"m", &signers, &mut OsRng).unwrap().output.broadcast;
        let commitments: Outputs = [1, 2].map(|number| (id(number), commit(number))).into();
        let shares = [1, 2].map(|number| (id(number), bytes.clone())).into();
        prop_assert!(FrostEd25519.aggregate(&DEALT[&id(1)].group, b"m", &[commitments, shares]).is_err());
    }

    #[test]
    fn signatures(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        prop_assert!(FrostEd25519.verify(&DEALT[&id(1)].group, b"m", &bytes).is_err());
    }

    #[test]
    fn broadcasts(bytes in near(begin_all(&FrostEd25519, 2, 3).1.remove(&id(2)).unwrap())) {
        let (mut rounds, mut broadcasts) = begin_all(&FrostEd25519, 2, 3);
        broadcasts.insert(id(2), bytes.clone());
        if let Ok((_, deals)) = rounds.remove(&id(1)).unwrap().deal(&broadcasts) {
            prop_assert_eq!(deals.len(), 2);
            prop_assert_eq!(bytes.len(), broadcasts[&id(1)].len());
        }
    }

    #[test]
    fn deals(bytes in near(vec![0; 37])) {
        let context = |me| DkgContext { parameters: Parameters::new(2, 2).unwrap(), me: id(me), session: [0; 32] };
        let (one, b1) = FrostEd25519.begin_dkg(&context(1), &mut OsRng).unwrap();
        let (_, b2) = FrostEd25519.begin_dkg(&context(2), &mut OsRng).unwrap();
        let (dealing, _) = one.deal(&BTreeMap::from([(id(1), b1.broadcast), (id(2), b2.broadcast)])).unwrap();
        let outcome = dealing.finish(BTreeMap::from([(id(2), bytes.into())]));
        prop_assert_eq!(outcome.unwrap_err(), quorate_threshold::DkgError::Culprit(id(2)));
    }
}

/// RFC 8032 decoding by other means: re-encoding gives the same bytes, and eight times the point is not the identity.
fn is_usable_point(bytes: &[u8]) -> bool {
    let decoded = curve25519_dalek::edwards::CompressedEdwardsY::from_slice(bytes)
        .unwrap()
        .decompress();
    decoded.is_some_and(|point| point.compress().as_bytes() == bytes && !point.is_small_order())
}
