//! `vectors/passkey.json` and `vectors/passkey-w3c.json`: answers that every implementation of these rules judges alike.
//!
//! `QUORATE_WRITE_VECTORS=1 cargo test -p quorate-rules` writes the first one anew, with new keys.

use crate::{
    authenticator::{CHALLENGE, ORIGIN, PASSKEYS, Question, honest},
    passkey_cases::cases,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use quorate_rules::{
    Refusal,
    cbor::{Bytes, Canonical},
    name::Issuer,
    webauthn::{Answered, Assertion, PasskeyKey, verify},
};
use quorate_tlog::hash::sha256;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: Vec<String>,
    rows: Vec<Row>,
}

/// Bytes are base64url without padding.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    issuer: String,
    challenge: String,
    /// COSE algorithm.
    alg: i32,
    /// Canonical CBOR of the key.
    key: String,
    credential_id: String,
    authenticator_data: String,
    client_data: String,
    signature: String,
    /// Canonical CBOR of the four.
    tap: String,
    /// Whether the signature alone verifies, whatever else is wrong.
    signature_holds: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answered: Option<RowAnswered>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowAnswered {
    backup_eligible: bool,
    backed_up: bool,
    sign_count: u32,
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(file)
}

fn bytes(text: &str) -> Vec<u8> {
    B64.decode(text).unwrap()
}

const fn algorithm(key: &PasskeyKey) -> i32 {
    match key {
        PasskeyKey::P256(_) => -7,
        PasskeyKey::Ed25519(_) => -8,
        PasskeyKey::Rsa(..) => -257,
    }
}

fn signature_holds(assertion: &Assertion, key: &PasskeyKey) -> bool {
    let hash = sha256(&[&assertion.client_data]);
    key.verify(
        &[&assertion.authenticator_data[..], hash.as_bytes()].concat(),
        &assertion.signature,
    )
}

/// A row as it was read.
pub(crate) struct Judged {
    pub(crate) name: String,
    pub(crate) question: Question,
    pub(crate) assertion: Assertion,
    pub(crate) key: PasskeyKey,
    pub(crate) expected: Result<Answered, Refusal>,
    signature_holds: bool,
}

/// Reads a file; whatever is written twice in a row must be the same both times.
pub(crate) fn read(file: &str) -> Vec<Judged> {
    let file: File = serde_json::from_slice(&std::fs::read(path(file)).unwrap()).unwrap();
    let rows = file.rows.into_iter().map(|row| {
        let key = PasskeyKey::from_canonical(&bytes(&row.key)).unwrap();
        assert_eq!(row.alg, algorithm(&key), "{}", row.name);
        let assertion = Assertion {
            credential_id: Bytes(bytes(&row.credential_id)),
            authenticator_data: Bytes(bytes(&row.authenticator_data)),
            client_data: Bytes(bytes(&row.client_data)),
            signature: Bytes(bytes(&row.signature)),
        };
        let tap = Assertion::from_canonical(&bytes(&row.tap));
        assert_eq!(tap.as_ref(), Ok(&assertion), "{}", row.name);
        let expected = match (row.refusal, row.answered) {
            (Some(code), None) => Err(Refusal::from_code(&code).unwrap()),
            (None, Some(answered)) => Ok(Answered {
                backup_eligible: answered.backup_eligible,
                backed_up: answered.backed_up,
                sign_count: answered.sign_count,
            }),
            _ => panic!("{} says both or neither", row.name),
        };
        Judged {
            question: Question {
                issuer: Issuer::new(row.issuer).unwrap(),
                challenge: bytes(&row.challenge).try_into().unwrap(),
            },
            name: row.name,
            assertion,
            key,
            expected,
            signature_holds: row.signature_holds,
        }
    });
    rows.collect()
}

/// Checks every row of a file; gives the refusals that stand in it.
fn check(file: &str) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for row in read(file) {
        assert_eq!(
            signature_holds(&row.assertion, &row.key),
            row.signature_holds,
            "{}",
            row.name
        );
        let Question { issuer, challenge } = &row.question;
        let judgement = verify(&row.assertion, &row.key, challenge, issuer);
        assert_eq!(judgement, row.expected, "{}", row.name);
        refusals.extend(judgement.err());
    }
    refusals
}

fn row(name: String, assertion: &Assertion, key: &PasskeyKey, refusal: Option<Refusal>) -> Row {
    let data = &assertion.authenticator_data;
    let answered = || RowAnswered {
        backup_eligible: data[32] & 0x08 != 0,
        backed_up: data[32] & 0x10 != 0,
        sign_count: u32::from_be_bytes(data[33..37].try_into().unwrap()),
    };
    Row {
        name,
        issuer: ORIGIN.to_owned(),
        challenge: B64.encode(CHALLENGE),
        alg: algorithm(key),
        key: B64.encode(key.to_canonical()),
        credential_id: B64.encode(&*assertion.credential_id),
        authenticator_data: B64.encode(&**data),
        client_data: B64.encode(&*assertion.client_data),
        signature: B64.encode(&*assertion.signature),
        tap: B64.encode(assertion.to_canonical()),
        signature_holds: signature_holds(assertion, key),
        refusal: refusal.map(|refusal| refusal.code().to_owned()),
        answered: refusal.is_none().then(answered),
    }
}

/// Good answers and forged ones under every algorithm, every other case under one: the algorithm decides nothing about them.
fn written() -> File {
    let mut rows = Vec::new();
    for passkey in &*PASSKEYS {
        let key = passkey.key();
        let good = honest().signed(passkey);
        let alg = algorithm(&key);
        rows.push(row(format!("honest, algorithm {alg}"), &good, &key, None));
        let mut forged = good.clone();
        forged.signature = honest().sign_count(1).signed(passkey).signature;
        rows.push(row(
            format!("signature of another answer, algorithm {alg}"),
            &forged,
            &key,
            Some(Refusal::BadSignature),
        ));
        let mut empty = good;
        empty.signature = Bytes::default();
        rows.push(row(
            format!("no signature, algorithm {alg}"),
            &empty,
            &key,
            Some(Refusal::BadSignature),
        ));
    }
    let passkey = &PASSKEYS[0];
    let key = passkey.key();
    rows.extend(
        cases()
            .into_iter()
            .filter(|case| case.name != "honest")
            .map(|case| row(case.name.to_owned(), &case.draft.signed(passkey), &key, case.refusal)),
    );
    let about = [
        "Answers of passkeys, good ones and one or more for each step of Web Authentication Level 3, section 7.2, each with the refusal that it must meet.",
        "challenge is what had to be signed, issuer the page. key is the registered key in canonical CBOR: [0, [x and y]], [1, [x]] or [2, [n, e]]. tap is the answer in canonical CBOR. Bytes are base64url without padding.",
        "A row has either refusal, the code, or answered. signature_holds says whether the signature alone verifies under the key, whatever else is wrong.",
    ];
    File {
        about: about.map(str::to_owned).to_vec(),
        rows,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests may ask for new vectors"
)]
fn asked_to_write() -> bool {
    std::env::var("QUORATE_WRITE_VECTORS").is_ok()
}

#[test]
fn every_row_is_judged_as_it_says() {
    if asked_to_write() {
        let text = serde_json::to_string_pretty(&written()).unwrap();
        std::fs::write(path("passkey.json"), text + "\n").unwrap();
    }
    let refusals = check("passkey.json");
    for refusal in [
        Refusal::MalformedPasskey,
        Refusal::WrongCeremony,
        Refusal::WrongChallenge,
        Refusal::WrongPageOrigin,
        Refusal::CrossOrigin,
        Refusal::WrongRpId,
        Refusal::UserNotPresent,
        Refusal::UserNotVerified,
        Refusal::BadSignature,
    ] {
        assert!(refusals.contains(&refusal), "no row is refused as {refusal}");
    }
}

#[test]
fn the_specifications_own_answers_are_judged_as_they_should_be() {
    assert_eq!(check("passkey-w3c.json").len(), 14);
}
