//! A custodian sees all of a person's evidence. None of it is worth anything at the public endpoints.

use crate::{
    person::{Person, SignedIn},
    system::System,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use quorate::founding::DEMO_APPLICATION;
use quorate_rules::{client_secret::SecretPart, name::ClientId};
use serde_json::Value;

fn refused(what: &str, (status, body): (u16, String), expected: (u16, &str)) {
    let body: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{what}: {body}"));
    assert_eq!(
        (status, body["error"].as_str()),
        (expected.0, Some(expected.1)),
        "{what}: {body}"
    );
    assert!(
        body.get("access_token").is_none() && body.get("id_token").is_none(),
        "{what}"
    );
}

#[test]
fn a_custodian_gets_nothing_for_the_evidence_that_it_saw() {
    let system = System::start();
    let person = Person::enrol(&system);

    let told = person.enrol_again().unwrap_err().to_string();
    assert!(told.contains("unknown_invitation"), "the enrolment again: {told}");

    // A client with a secret: the custodian knows grant, tap, code, verifier and its own part of the secret.
    let fresh = person.sign_in();
    let client = ClientId::new(DEMO_APPLICATION).unwrap();
    let part = minicbor::to_vec(SecretPart::derive(&person.secret, person.page.issuer(), &client, 2)).unwrap();
    let part = B64.encode(&part[2..]);
    refused(
        "its part of the secret",
        person.redeem(&fresh, Some(&part)),
        (401, "invalid_client"),
    );
    refused("no secret", person.redeem(&fresh, None), (401, "invalid_client"));
    let (status, body) = person.redeem(&fresh, Some(&person.secret));
    assert_eq!(status, 200, "the client itself still gets its tokens: {body}");
    refused(
        "its part, afterwards",
        person.redeem(&fresh, Some(&part)),
        (401, "invalid_client"),
    );

    // A client that has nothing but its verifier: the code is spent, whoever brings it, and handing it over anew makes no new one.
    let spent = person.sign_in_to_account();
    let (status, body) = person.redeem(&spent, None);
    assert_eq!(status, 200, "{body}");
    refused("the code again", person.redeem(&spent, None), (400, "invalid_grant"));
    let _ = person.hand_over(&spent.grant, &spent.tap);
    refused(
        "the same grant handed over again",
        person.redeem(&spent, None),
        (400, "invalid_grant"),
    );

    // The tap under a code of the custodian's own.
    let own = person.sign_in_to_account();
    let mut grant = own.grant.clone();
    grant.code_hash = fresh.grant.code_hash;
    assert!(
        person.hand_over(&grant, &spent.tap).is_err(),
        "a tap belongs to its grant"
    );
    let stolen = SignedIn {
        grant,
        tap: spent.tap,
        authorised: fresh.authorised,
    };
    refused(
        "the tap under another code",
        person.redeem(&stolen, None),
        (400, "invalid_grant"),
    );
}
