//! The person path's bytes, held to `vectors/person.json`, which a third program wrote and to which the pages are held, too.

use quorate_protocol::sealing::open_as_subject;
use quorate_rules::{
    Refusal,
    anchor::Anchor,
    authorization::{Acr, Authorization, ClaimsRequest, code_hash},
    cbor::{Array, Bytes, Canonical},
    claim::Claim,
    enrolment::EnrolmentStatement,
    name::{ClientId, Issuer, Label, Scope},
    redirect::RedirectUri,
    registry::record_hash,
    revocation::RevocationStatement,
    sign_in::sid,
    tag::TagKey,
    webauthn::PasskeyKey,
};
use quorate_tlog::hash::Hash;
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../vectors/person.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn counting<const N: usize>() -> [u8; N] {
    std::array::from_fn(|at| u8::try_from(at).unwrap())
}

fn anchor() -> Anchor {
    Anchor {
        size: 70_000,
        root: Hash::from(counting::<32>()),
        sig: Array(counting::<64>()),
    }
}

fn issuer() -> Issuer {
    Issuer::new("https://id.example.org").unwrap()
}

fn least() -> Authorization {
    Authorization {
        issuer: issuer(),
        client_id: ClientId::new("web").unwrap(),
        redirect_uri: RedirectUri::new("https://app.example.org/cb").unwrap(),
        scope: Scope::parse("openid").unwrap(),
        resource: None,
        nonce: None,
        code_challenge: None,
        code_hash: code_hash(&[7; 32]),
        dpop_jkt: None,
        acr: None,
        claims: ClaimsRequest::default(),
        max_age_s: None,
        sub: None,
        session: Some([9; 64]),
        issued_s: 1_795_650_000,
        anchor: anchor(),
    }
}

#[test]
fn grants_have_the_bytes_that_pages_write() {
    let vectors = vectors();
    let digest = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE".to_owned();
    let most = Authorization {
        scope: Scope::parse("email groups openid profile").unwrap(),
        resource: Some("https://api.example.org".parse().unwrap()),
        nonce: Some("n-ü".to_owned()),
        code_challenge: Some(digest.clone()),
        dpop_jkt: Some(digest),
        acr: Some(vec![Acr::Passkey, Acr::Session]),
        claims: ClaimsRequest {
            id_token: [Claim::Email, Claim::Name].into(),
            userinfo: [Claim::Groups].into(),
        },
        max_age_s: Some(0),
        sub: Some("u-aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap()),
        ..least()
    };
    let one = Authorization {
        claims: ClaimsRequest {
            id_token: Default::default(),
            userinfo: [Claim::Email].into(),
        },
        max_age_s: Some(300),
        ..least()
    };
    for (name, grant) in [("least", least()), ("most", most), ("one_claims_member", one)] {
        let expected = &vectors[name];
        assert_eq!(hex::encode(grant.canonical()), expected["canonical"], "{name}");
        assert_eq!(hex::encode(grant.challenge()), expected["challenge"], "{name}");
        assert_eq!(
            hex::encode(grant.session_message()),
            expected["session_message"],
            "{name}"
        );
        assert_eq!(Authorization::read(&bytes(&expected["canonical"])), Ok(grant), "{name}");
    }
    assert_eq!(hex::encode(code_hash(&[7; 32])), vectors["code_hash"]);
    assert_eq!(sid(&[9; 64]), vectors["sid"]);
}

#[test]
fn each_refused_grant_is_refused_by_its_own_name() {
    let vectors = vectors();
    let refused = vectors["refused"].as_array().unwrap();
    assert!(refused.len() >= 25);
    for row in refused {
        let expected = Refusal::from_code(row["refusal"].as_str().unwrap()).unwrap();
        let outcome = Authorization::read(&bytes(&row["grant"]));
        assert_eq!(outcome.err(), Some(expected), "{}", row["what"]);
    }
}

#[test]
fn statements_have_the_bytes_that_pages_write() {
    let vectors = vectors();
    let invited = EnrolmentStatement {
        version: 1,
        issuer: issuer(),
        invitation: Some(Array([2; 32])),
        by: None,
        credential_id: Bytes(vec![4; 16]),
        key: PasskeyKey::P256(Array([5; 64])),
        user_key: TagKey::new([6; 32]),
        label: Label::new("Schlüssel").unwrap(),
        anchor: anchor(),
    };
    let added = EnrolmentStatement {
        invitation: None,
        by: Some(Bytes(vec![3; 20])),
        ..invited.clone()
    };
    for (name, statement) in [("enrolment_by_invitation", invited), ("enrolment_by_passkey", added)] {
        assert_eq!(
            hex::encode(statement.to_canonical()),
            vectors[name]["canonical"],
            "{name}"
        );
        assert_eq!(hex::encode(statement.challenge()), vectors[name]["challenge"], "{name}");
    }
    let revocation = RevocationStatement {
        version: 1,
        issuer: issuer(),
        index: 123_456,
        salt: Array([3; 32]),
        body: Bytes(vec![0xa0]),
        anchor: anchor(),
    };
    assert_eq!(
        hex::encode(revocation.to_canonical()),
        vectors["revocation"]["canonical"]
    );
    assert_eq!(hex::encode(revocation.challenge()), vectors["revocation"]["challenge"]);
}

#[test]
fn tags_sealed_openings_and_record_leaves_have_the_bytes_that_pages_read() {
    let vectors = vectors();
    let subject = TagKey::new([8; 32]);
    assert_eq!(hex::encode(subject.tag(1, 313).0), vectors["tag"]);
    let leaf = Hash::from([11; 32]);
    let opened = open_as_subject(&subject, (1, 313), &leaf, &bytes(&vectors["sealed"])).unwrap();
    assert_eq!((opened.salt.0, opened.body.0), ([12; 32], vec![0xa0]));
    let hash = record_hash(&[14; 16], "client/web", &bytes(&vectors["record"]));
    assert_eq!(hex::encode(hash.as_bytes()), vectors["record_leaf"]);
}
