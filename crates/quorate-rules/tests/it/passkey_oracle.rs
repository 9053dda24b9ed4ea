//! Another verifier judges the same answers: webauthn-rs-core 0.6.2, whose JSON, CBOR and signature code is not ours.
//!
//! What is accepted here it accepts too, and says the same of the passkey. Where it accepts more, the case says so
//! ([`Theirs::Accepts`]). It refuses more in two things, each with a test below: EdDSA, which it does not verify, and a counter
//! that did not rise.

use crate::{
    authenticator::{
        BE, CHALLENGE, Draft, HOST, ORIGIN, PASSKEYS, Passkey, Question, honest, judged, question, signed,
    },
    passkey_cases::{Theirs, cases},
    passkey_steps::ecdsa_spellings,
    passkey_vectors,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use proptest::{prelude::*, strategy::ValueTree as _};
use quorate_rules::{
    cbor::{Array, Bytes},
    webauthn::{Answered, Assertion, PasskeyKey},
};
use serde_json::json;
use webauthn_rs_core::{
    WebauthnCore,
    error::WebauthnError,
    proto::{
        AuthenticationState, AuthenticatorAssertionResponseRaw, COSEAlgorithm, COSEEC2Key, COSEKey, COSEKeyType,
        COSEOKPKey, COSERSAKey, Credential, CredentialV3, ECDSACurve, EDDSACurve, PublicKeyCredential,
        UserVerificationPolicy,
    },
};

/// The same question put to webauthn-rs-core. It compares BE with what it was at registration, which these rules leave to the
/// caller; so the registration says what the answer says.
fn theirs(
    question: &Question,
    assertion: &Assertion,
    key: &PasskeyKey,
    stored_count: u32,
) -> Result<Answered, WebauthnError> {
    let origin = serde_json::from_value(json!(question.issuer.as_str())).unwrap();
    let timeout = std::time::Duration::from_secs(60);
    let host = question.issuer.host();
    let core = WebauthnCore::new_unsafe_experts_only("Example", host, vec![origin], timeout, None, None);
    // Its own challenges are random; the state with ours is read from its stored form.
    let state: AuthenticationState = serde_json::from_value(json!({
        "credentials": [],
        "policy": "required",
        "challenge": B64.encode(question.challenge),
        "appid": null,
        "allow_backup_eligible_upgrade": false,
    }))
    .unwrap();
    let mut credential = Credential::from(CredentialV3 {
        cred_id: assertion.credential_id.to_vec(),
        cred: cose(key),
        counter: stored_count,
        verified: true,
        registration_policy: UserVerificationPolicy::Required,
    });
    credential.backup_eligible = assertion
        .authenticator_data
        .get(32)
        .is_some_and(|flags| flags & BE != 0);
    let response = PublicKeyCredential {
        id: B64.encode(&*assertion.credential_id),
        raw_id: assertion.credential_id.to_vec(),
        response: AuthenticatorAssertionResponseRaw {
            authenticator_data: assertion.authenticator_data.to_vec(),
            client_data_json: assertion.client_data.to_vec(),
            signature: assertion.signature.to_vec(),
            user_handle: None,
        },
        extensions: Default::default(),
        type_: "public-key".to_owned(),
    };
    let result = core.authenticate_single_credential(&response, &state, &credential)?;
    assert!(result.user_verified());
    Ok(Answered {
        backup_eligible: result.backup_eligible(),
        backed_up: result.backup_state(),
        sign_count: result.counter(),
    })
}

fn cose(key: &PasskeyKey) -> COSEKey {
    match key {
        PasskeyKey::P256(Array(xy)) => COSEKey {
            type_: COSEAlgorithm::ES256,
            key: COSEKeyType::EC_EC2(COSEEC2Key {
                curve: ECDSACurve::SECP256R1,
                x: xy[..32].to_vec(),
                y: xy[32..].to_vec(),
            }),
        },
        PasskeyKey::Ed25519(Array(x)) => COSEKey {
            type_: COSEAlgorithm::EDDSA,
            key: COSEKeyType::EC_OKP(COSEOKPKey {
                curve: EDDSACurve::ED25519,
                x: x.to_vec(),
            }),
        },
        PasskeyKey::Rsa(Bytes(n), Bytes(e)) => {
            let mut three = [0; 3];
            three[3 - e.len()..].copy_from_slice(e);
            COSEKey {
                type_: COSEAlgorithm::RS256,
                key: COSEKeyType::RSA(COSERSAKey { n: n.clone(), e: three }),
            }
        }
    }
}

/// What is accepted here is accepted there, with the same outcome; `None` where that cannot be asked.
fn agree(assertion: &Assertion, key: &PasskeyKey) -> Result<(), String> {
    let ours = judged(assertion, key);
    let theirs = theirs(&question(), assertion, key, 0);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) if ours == theirs => Ok(()),
        (Err(_), _) => Ok(()),
        // The last step is the only one that it cannot take: every other one held.
        (Ok(_), Err(WebauthnError::SshPublicKeyEDUnsupported)) if matches!(key, PasskeyKey::Ed25519(_)) => Ok(()),
        _ => Err(format!("ours {ours:?}, theirs {theirs:?}")),
    }
}

#[test]
fn every_case_is_judged_alike_or_differs_as_it_says() {
    let mut wrong = Vec::new();
    for case in cases() {
        for passkey in &*PASSKEYS {
            let (assertion, key) = (case.draft.signed(passkey), passkey.key());
            let ours = judged(&assertion, &key);
            let theirs = theirs(&question(), &assertion, &key, 0);
            // EdDSA: it says so at its last step, the signature, which shows that every step before it held.
            let accepts = match (&theirs, passkey) {
                (Err(error), Passkey::Ed25519(_)) => matches!(error, WebauthnError::SshPublicKeyEDUnsupported),
                _ => theirs.is_ok(),
            };
            let expected = match case.theirs {
                Theirs::Agrees => ours.is_ok(),
                Theirs::Accepts => true,
            };
            if accepts != expected {
                wrong.push(format!("{}: ours {ours:?}, theirs {theirs:?}", case.name));
            }
            assert!(case.theirs == Theirs::Agrees || ours.is_err(), "{}", case.name);
            wrong.extend(
                agree(&assertion, &key)
                    .err()
                    .map(|what| format!("{}: {what}", case.name)),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_counter_that_did_not_rise_decides_nothing_here() {
    let passkey = &PASSKEYS[0];
    let assertion = honest().sign_count(5).signed(passkey);
    assert_eq!(
        judged(&assertion, &passkey.key()).map(|answered| answered.sign_count),
        Ok(5)
    );
    assert!(theirs(&question(), &assertion, &passkey.key(), 4).is_ok());
    assert!(matches!(
        theirs(&question(), &assertion, &passkey.key(), 5),
        Err(WebauthnError::CredentialPossibleCompromise)
    ));
}

#[test]
fn the_specifications_own_answers_differ_where_they_are_framed_and_where_keys_are_weak() {
    let mut accepted = Vec::new();
    for row in passkey_vectors::read("passkey-w3c.json") {
        let theirs = theirs(&row.question, &row.assertion, &row.key, 0);
        match row.expected {
            Ok(answered) => assert_eq!(theirs.unwrap(), answered, "{}", row.name),
            Err(_) if theirs.is_ok() => accepted.push(row.name),
            Err(_) => {}
        }
    }
    assert_eq!(
        accepted,
        [
            "W3C none.ES256.crossOrigin",
            "W3C none.ES256.topOrigin",
            "RSA modulus of 1886 bits",
            "RSA modulus of 5420 bits",
            "RSA exponent 17",
        ]
    );
}

#[test]
fn ecdsa_spellings_are_judged_alike() {
    let passkey = &PASSKEYS[0];
    let good = honest().signed(passkey);
    for (what, signature, expected) in ecdsa_spellings(&good.signature) {
        let mut assertion = good.clone();
        assertion.signature = Bytes(signature);
        let theirs = theirs(&question(), &assertion, &passkey.key(), 0);
        assert_eq!(theirs.is_ok(), expected, "{what}: {theirs:?}");
    }
}

#[test]
fn eddsa_is_judged_by_another_library() {
    let passkey = &PASSKEYS[1];
    let PasskeyKey::Ed25519(Array(x)) = passkey.key() else {
        unreachable!()
    };
    let another = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, x);
    for at in 0..64 {
        let message = [u8::try_from(at).unwrap(); 69];
        let mut signature = passkey.sign(&message);
        assert!(passkey.key().verify(&message, &signature) && another.verify(&message, &signature).is_ok());
        signature[at] ^= 1;
        assert!(!passkey.key().verify(&message, &signature) && another.verify(&message, &signature).is_err());
    }
}

/// Members that tests exchange, with values that hold, that do not, and that only one of two parsers might take.
fn member() -> impl Strategy<Value = (String, String)> {
    let value = prop_oneof![
        Just("\"webauthn.get\"".to_owned()),
        Just("\"webauthn.create\"".to_owned()),
        Just(format!("\"{}\"", B64.encode(CHALLENGE))),
        Just(format!("\"{ORIGIN}\"")),
        Just(format!("\"{ORIGIN}/\"")),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
        Just("{\"status\":\"supported\"}".to_owned()),
        Just("1e400".to_owned()),
        Just("-0.0".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("[[],{}]".to_owned()),
        Just("\"\\ud83d\\ude00\"".to_owned()),
        "\"[a-z]{0,6}\"",
    ];
    let name = prop_oneof![
        Just("type".to_owned()),
        Just("challenge".to_owned()),
        Just("origin".to_owned()),
        Just("crossOrigin".to_owned()),
        Just("topOrigin".to_owned()),
        Just("tokenBinding".to_owned()),
        Just("type_".to_owned()),
        Just("cross_origin".to_owned()),
        "[a-z]{0,3}",
    ];
    (name, value)
}

/// What may stand behind the counter.
fn tail() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "",
        "a0",
        "a000",
        "a1616100",
        "a16161f5",
        "a16161f7",
        "a16161f93c00",
        "a161614100",
        "a16161a10126",
        "a16161a12601",
        "a2616100616200",
        "a2616200616100",
        "a16375766d8183021904000a",
        "a161618181818100",
        "bf616100ff",
        "a1016100",
        "a1c0616100",
        "a16161c100",
        "a1616139ffff",
        "a161613bffffffffffffffff",
        "a161611bffffffffffffffff",
        "a26161006161 00",
    ];
    let known: Vec<Vec<u8>> = known
        .iter()
        .map(|text| hex::decode(text.replace(' ', "")).unwrap())
        .collect();
    prop_oneof![
        prop::sample::select(known),
        proptest::collection::vec(any::<u8>(), 0..12),
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| [&[0xa1, 0x61, b'a'][..], &bytes].concat()),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let flags = prop_oneof![
        3 => Just(0x05u8),
        3 => prop::sample::select(vec![0x85u8, 0x9d, 0xa7]),
        1 => any::<u8>(),
    ];
    let members = proptest::collection::vec((member(), any::<bool>()), 0..2);
    (
        flags,
        any::<u32>(),
        tail(),
        members,
        prop::sample::select(vec![HOST, HOST, HOST, "example.org"]),
    )
        .prop_map(|(flags, count, tail, members, rp_id)| {
            let mut draft = honest().flags(flags).sign_count(count).rp_id(rp_id);
            if flags & 0x80 != 0 || count % 4 == 0 {
                draft = draft.tail(&tail);
            }
            members.into_iter().fold(draft, |draft, ((name, value), again)| {
                if again {
                    draft.again(&name, &value)
                } else {
                    draft.with(&name, &value)
                }
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn whatever_is_put_together_is_judged_no_laxer(draft in draft(), which in 0..3usize) {
        let passkey = &PASSKEYS[which];
        prop_assert_eq!(agree(&draft.signed(passkey), &passkey.key()), Ok(()));
    }

    /// Bytes exchanged before signing: the parsers see them, and the signature holds.
    #[test]
    fn whatever_is_exchanged_under_the_signature_is_judged_no_laxer(
        exchanged in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..4),
        which in 0..3usize,
    ) {
        let passkey = &PASSKEYS[which];
        let draft = honest().with("extraData", "\"é\"").extensions(&hex::decode("a26375766d81830204026863726564426c6f6240").unwrap());
        let (mut authenticator_data, mut client_data) = (draft.authenticator_data(), draft.client_json());
        for (at, by, client) in exchanged {
            let bytes = if client { &mut client_data } else { &mut authenticator_data };
            let at = at.index(bytes.len());
            bytes[at] = by;
        }
        let assertion = signed(&[7; 16], authenticator_data, client_data, passkey);
        prop_assert_eq!(agree(&assertion, &passkey.key()), Ok(()));
    }

    /// Signatures of no honest authenticator.
    #[test]
    fn whatever_is_exchanged_in_a_signature_is_judged_no_laxer(
        exchanged in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
        which in prop::sample::select(vec![0, 2usize]),
    ) {
        let passkey = &PASSKEYS[which];
        let mut assertion = honest().signed(passkey);
        for (at, by) in exchanged {
            let at = at.index(assertion.signature.len());
            assertion.signature.0[at] = by;
        }
        prop_assert_eq!(agree(&assertion, &passkey.key()), Ok(()));
    }
}

#[test]
fn honest_drafts_reach_the_end() {
    // The properties above would hold of a verifier that refuses everything.
    let mut accepted = 0;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..500 {
        let draft = draft().new_tree(&mut runner).unwrap().current();
        accepted += usize::from(judged(&draft.signed(&PASSKEYS[0]), &PASSKEYS[0].key()).is_ok());
    }
    assert!(accepted > 50, "{accepted}");
}
