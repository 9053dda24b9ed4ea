//! The test vectors of RFC 9591 appendix E.1 (FROST(Ed25519, SHA-512), 2-of-3, signers 1 and 3), through the public interface.

use super::{FrostEd25519, FrostShare, NAME, SecretScalar, round1};
use crate::{Advance, GroupKey, Identifier, KeyShare, Opened, Parameters, Permit, RoundInputs, Scheme, sign};
use curve25519_dalek::EdwardsPoint;
use rand_core::{CryptoRng, RngCore};
use std::collections::{BTreeMap, BTreeSet};

const VERIFYING_KEY: &str = "15d21ccd7ee42959562fc8aa63224c8851fb3ec85a3faf66040d380fb9738673";
const SIGNATURE: &str = "154fb694ee7fcb37bf2381d94488c2a84b03b3352ad085feca81ad26d45852b7\
                         ecfe971ce4da95c4a95db93ac376b053897fca212ef85f99cf696bffeb178f07";

/// participant_share of participants 1 to 3.
const SHARES: [&str; 3] = [
    "929dcc590407aae7d388761cddb0c0db6f5627aea8e217f4a033f2ec83d93509",
    "a91e66e012e4364ac9aaa405fcafd370402d9859f7b6685c07eed76bf409e80d",
    "d3cb090a075eb154e82fdb4b3cb507f110040905468bb9c46da8bdea643a9a02",
];

struct Vector {
    signer: u16,
    randomness: [&'static str; 2],
    nonces: [&'static str; 2],
    commitments: [&'static str; 2],
    share: &'static str,
}

const VECTORS: [Vector; 2] = [
    Vector {
        signer: 1,
        randomness: [
            "06894e04ee4aceec8619d5f6a0a180e2f47194d2ac306cba586b555e7c48d765",
            "40d6f879ff22e22409f7d808fed81f37118e7d3e4af71c0f44c60207553bcbce",
        ],
        nonces: [
            "ef6599dea4010581a72b3018c37c29a4341d7cab0773e8687ca74dcf14009701",
            "2baadfa0c69aa60d517ad4751de372a73f9d89cfc39026601f18458cdec12605",
        ],
        commitments: [
            "9b116f12589591a7e23fe8048059ab10ab48e67739e7a2fb3890f61a7999478c",
            "c39b66b7dfccb122da24f13587f9a08c4347cae70046ca15169adf90ba65854d",
        ],
        share: "60997f0142e43e8005027fe5ab7447dac00d22c2d7ddd9571a02613ba7d81c08",
    },
    Vector {
        signer: 3,
        randomness: [
            "fa5d950626782aade9e33fa781376d4888c2d1de7c37518bc248eb818ed0cdde",
            "7459a4d14ded0e365b085271be8dc6600d5b88f3978a2174297ffa32001a5afc",
        ],
        nonces: [
            "80f8d9a4b8f9366e1a0b618107c907cd3ee29fa9bb40b4691cc1bde696240005",
            "2610b664a5a187b4855e87d2ff485bebdf043dc2f161fcd4854cd01dc0276404",
        ],
        commitments: [
            "e679a2a971748ccfaabead4dbe8ac1def61275c186c79d471e1e45091ad1e687",
            "b2a942478453fabb6bd3181c56ba657413447b4136e1daea2484d396d1a516b3",
        ],
        share: "79390e78bc59699c7af831f8f5fb478ec871a85f561a8641b5670ac4443f720f",
    },
];

/// Yields the given bytes and then fails.
struct Given(Vec<u8>);

impl RngCore for Given {
    fn next_u32(&mut self) -> u32 {
        not_drawn()
    }
    fn next_u64(&mut self) -> u64 {
        not_drawn()
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.try_fill_bytes(dest).unwrap();
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        if dest.len() > self.0.len() {
            return Err(std::num::NonZeroU32::new(rand_core::Error::CUSTOM_START)
                .unwrap()
                .into());
        }
        dest.copy_from_slice(&self.0.drain(..dest.len()).collect::<Vec<_>>());
        Ok(())
    }
}

impl CryptoRng for Given {}

fn not_drawn() -> ! {
    panic!("nonces are drawn as bytes")
}

impl Vector {
    fn generator(&self) -> Given {
        Given(
            self.randomness
                .iter()
                .flat_map(|random| hex::decode(random).unwrap())
                .collect(),
        )
    }
}

struct Test;

impl Permit for Test {
    fn message(&self) -> &[u8] {
        b"test"
    }
}

fn id(number: u16) -> Identifier {
    Identifier::new(number).unwrap()
}

fn secret(number: u16) -> SecretScalar {
    SecretScalar::read(&hex::decode(SHARES[usize::from(number) - 1]).unwrap()).unwrap()
}

fn group() -> GroupKey {
    let share = |number| EdwardsPoint::mul_base(&secret(number).0).compress().to_bytes().to_vec();
    let shares = (1..=3).map(|number| (id(number), share(number))).collect();
    GroupKey::new(
        NAME,
        Parameters::new(2, 3).unwrap(),
        hex::decode(VERIFYING_KEY).unwrap(),
        shares,
    )
    .unwrap()
}

#[test]
fn nonces_and_commitments_are_the_rfcs() {
    for vector in &VECTORS {
        let (nonces, commitments, _) = round1::commit(&secret(vector.signer), &mut vector.generator()).unwrap();
        let nonces = [nonces.hiding, nonces.binding].map(|nonce| hex::encode(nonce.to_bytes()));
        let commitments = [commitments.hiding, commitments.binding].map(|point| hex::encode(point.encoded()));
        assert_eq!(nonces, vector.nonces);
        assert_eq!(commitments, vector.commitments);
    }
}

#[test]
fn shares_and_signature_are_the_rfcs() {
    let signers: BTreeSet<_> = VECTORS.iter().map(|vector| id(vector.signer)).collect();
    let (mut sessions, mut commitments, mut shares) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for vector in &VECTORS {
        let share = FrostShare::new(id(vector.signer), secret(vector.signer), group()).unwrap();
        let Opened { session, output } = share.commit(b"test", &signers, &mut vector.generator()).unwrap();
        sessions.push((vector, session));
        commitments.insert(id(vector.signer), output.broadcast);
    }
    for (vector, session) in sessions {
        let Advance::Done(output) = sign(&Test, session, &RoundInputs::broadcasts(commitments.clone())).unwrap() else {
            panic!("two rounds")
        };
        assert_eq!(hex::encode(&output[..32]), vector.share);
        shares.insert(id(vector.signer), output);
    }
    let signature = FrostEd25519
        .aggregate(&group(), b"test", &[commitments, shares])
        .unwrap();
    assert_eq!(hex::encode(&signature), SIGNATURE);
    assert_eq!(FrostEd25519.verify(&group(), b"test", &signature), Ok(()));
}

#[test]
fn without_randomness_there_is_no_nonce() {
    let share = FrostShare::new(id(1), secret(1), group()).unwrap();
    let mut generator = VECTORS[0].generator();
    generator.0.truncate(63);
    let outcome = share.commit(b"test", &BTreeSet::from([id(1), id(2)]), &mut generator);
    assert_eq!(outcome.unwrap_err(), crate::SignError::Randomness);
}

#[test]
fn nothing_secret_is_shown() {
    let share = FrostShare::new(id(1), secret(1), group()).unwrap();
    let (nonces, ..) = round1::commit(&secret(1), &mut VECTORS[0].generator()).unwrap();
    assert_eq!(format!("{share:?}"), "FrostShare { identifier: Identifier(1), .. }");
    assert_eq!(format!("{nonces:?}"), "Nonces { .. }");
}

#[test]
fn secrets_are_canonical_and_not_zero() {
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    for bad in [&[0; 32][..], &order, &[0xff; 32], &[1; 31], &[1; 33], &[]] {
        assert!(SecretScalar::read(bad).is_none(), "{bad:?}");
    }
    assert!(SecretScalar::read(&[1; 32]).is_some());
}
