//! The fast rounds against `frost-core`: with the same share and the same randomness, every commitment, share and signature must
//! come out bit for bit the same.

use crate::ceremony::{Message, Outputs, deal, id, sign};
use frost_ed25519 as frost;
use proptest::prelude::*;
use quorate_threshold::{Advance, Dealt, FrostEd25519, GroupKey, Identifier, KeyShare, Scheme};
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha512};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// SHA-512 in counter mode: the same bytes for both implementations.
struct Repeatable(u64, u64);

impl RngCore for Repeatable {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }
    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        for chunk in dest.chunks_mut(64) {
            let block = Sha512::new()
                .chain_update(self.0.to_be_bytes())
                .chain_update(self.1.to_be_bytes())
                .finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
            self.1 += 1;
        }
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl CryptoRng for Repeatable {}

static COMMITTEES: LazyLock<Vec<BTreeMap<Identifier, Dealt>>> = LazyLock::new(|| {
    [(2, 2), (2, 3), (3, 4), (3, 5), (5, 7)]
        .map(|(t, n)| deal(&FrostEd25519, t, n))
        .into()
});

fn theirs(id: Identifier) -> frost::Identifier {
    frost::Identifier::try_from(id.get()).unwrap()
}

/// The same share as `frost-core` keeps it, by way of the encoding: `[identifier, secret, group key]`.
fn key_package(share: &dyn KeyShare) -> frost::keys::KeyPackage {
    let bytes = share.encode();
    let mut decoder = minicbor::Decoder::new(&bytes);
    assert_eq!(
        (decoder.array().unwrap(), decoder.u16().unwrap()),
        (Some(3), share.identifier().get())
    );
    let secret = frost::keys::SigningShare::deserialize(decoder.bytes().unwrap()).unwrap();
    let verifying_key = frost::VerifyingKey::deserialize(share.group().verifying_key()).unwrap();
    let threshold = share.group().parameters().threshold();
    frost::keys::KeyPackage::new(
        theirs(share.identifier()),
        secret,
        secret.into(),
        verifying_key,
        threshold,
    )
}

fn public_package(group: &GroupKey) -> frost::keys::PublicKeyPackage {
    let share = |id| frost::keys::VerifyingShare::deserialize(group.verifying_share(id).unwrap()).unwrap();
    let shares = group
        .parameters()
        .identifiers()
        .map(|id| (theirs(id), share(id)))
        .collect();
    let key = frost::VerifyingKey::deserialize(group.verifying_key()).unwrap();
    frost::keys::PublicKeyPackage::new(shares, key, Some(group.parameters().threshold()))
}

/// The wire carries `D/8 ‖ E/8`; `frost-core` has `D` and `E`.
fn eightfold(bytes: &[u8]) -> Vec<u8> {
    let point = |bytes| {
        curve25519_dalek::edwards::CompressedEdwardsY::from_slice(bytes)
            .unwrap()
            .decompress()
            .unwrap()
    };
    bytes
        .chunks(32)
        .flat_map(|half| point(half).mul_by_cofactor().compress().to_bytes())
        .collect()
}

fn check(committee: usize, choice: &[u16], message: &[u8], seed: u64) {
    let dealt = &COMMITTEES[committee % COMMITTEES.len()];
    let group = &dealt[&id(1)].group;
    let (t, n) = (
        usize::from(group.parameters().threshold()),
        group.parameters().participants(),
    );
    let mut signers: BTreeSet<Identifier> = choice.iter().map(|number| id(number % n + 1)).collect();
    signers.extend(
        (1..=n)
            .map(id)
            .filter(|id| !signers.contains(id))
            .take(t.saturating_sub(signers.len()))
            .collect::<Vec<_>>(),
    );
    let (mut sessions, mut wire) = (BTreeMap::new(), Outputs::new());
    let (mut nonces, mut commitments) = (BTreeMap::new(), BTreeMap::new());
    for (at, signer) in (0u64..).zip(&signers) {
        let share = dealt[signer].share.as_ref();
        let randomness = || Repeatable(seed, at << 32);
        let opened = share.commit(message, &signers, &mut randomness()).unwrap();
        let (nonce, commitment) = frost::round1::commit(key_package(share).signing_share(), &mut randomness());
        let encoded = [commitment.hiding(), commitment.binding()]
            .map(|point| point.serialize().unwrap())
            .concat();
        assert_eq!(eightfold(&opened.output.broadcast), encoded);
        sessions.insert(*signer, opened.session);
        wire.insert(*signer, opened.output.broadcast);
        nonces.insert(*signer, nonce);
        commitments.insert(theirs(*signer), commitment);
    }
    let package = frost::SigningPackage::new(commitments, message);
    let (mut ours, mut expected) = (Outputs::new(), BTreeMap::new());
    for (signer, session) in sessions {
        let Advance::Done(output) = sign(&Message(message.to_vec()), session, &wire).unwrap() else {
            panic!("FROST has two rounds")
        };
        let share =
            frost::round2::sign(&package, &nonces[&signer], &key_package(dealt[&signer].share.as_ref())).unwrap();
        assert_eq!(output[..32], share.serialize());
        ours.insert(signer, output);
        expected.insert(theirs(signer), share);
    }
    let expected = frost::aggregate(&package, &expected, &public_package(group))
        .unwrap()
        .serialize()
        .unwrap();
    // By the claimed group commitment, and by the one computed anew because every claim is false.
    let mut false_claims = ours.clone();
    false_claims.values_mut().for_each(|output| output[32] ^= 1);
    for shares in [ours, false_claims] {
        assert_eq!(
            FrostEd25519.aggregate(group, message, &[wire.clone(), shares]).unwrap(),
            expected
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_commitment_share_and_signature_is_frost_cores(
        committee in any::<usize>(),
        choice in proptest::collection::vec(any::<u16>(), 0..9),
        message in proptest::collection::vec(any::<u8>(), 0..2000),
        seed in any::<u64>(),
    ) {
        check(committee, &choice, &message, seed);
    }
}

/// Who is blamed for a wrong share is who `frost-core` blames.
#[test]
fn blame_falls_on_whom_frost_core_blames() {
    let dealt = &COMMITTEES[2];
    let (group, message) = (&dealt[&id(1)].group, b"m");
    let signers: BTreeSet<Identifier> = [1, 2, 4].map(id).into();
    let (mut sessions, mut wire, mut commitments) = (Vec::new(), Outputs::new(), BTreeMap::new());
    for signer in &signers {
        let opened = dealt[signer]
            .share
            .commit(message, &signers, &mut Repeatable(9, u64::from(signer.get())))
            .unwrap();
        let points = eightfold(&opened.output.broadcast);
        let point = |at: usize| frost::round1::NonceCommitment::deserialize(&points[at..at + 32]).unwrap();
        commitments.insert(
            theirs(*signer),
            frost::round1::SigningCommitments::new(point(0), point(32)),
        );
        sessions.push((*signer, opened.session));
        wire.insert(*signer, opened.output.broadcast);
    }
    let package = frost::SigningPackage::new(commitments, message);
    let (mut ours, mut parsed) = (Outputs::new(), BTreeMap::new());
    for (signer, session) in sessions {
        let Ok(Advance::Done(mut output)) = sign(&Message(message.to_vec()), session, &wire) else {
            panic!()
        };
        if signer != id(2) {
            output[usize::from(signer.get())] ^= 0x10;
        }
        parsed.insert(
            theirs(signer),
            frost::round2::SignatureShare::deserialize(&output[..32]).unwrap(),
        );
        ours.insert(signer, output);
    }
    let every = frost::CheaterDetection::AllCheaters;
    let expected = frost::aggregate_custom(&package, &parsed, &public_package(group), every)
        .unwrap_err()
        .culprits();
    let outcome = FrostEd25519.aggregate(group, message, &[wire, ours]);
    let Err(quorate_threshold::AggregateError::Misbehaved { culprits }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(culprits, [id(1), id(4)]);
    assert_eq!(culprits.into_iter().map(theirs).collect::<Vec<_>>(), expected);
}
