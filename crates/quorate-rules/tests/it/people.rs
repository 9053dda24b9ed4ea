//! A tenant with people: real records, actions, bodies and evidence of every kind that they bring.

use crate::tenant::{SALT, TIME_MS, decision, entry, issuer, public, registry, secret};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::Signer;
use quorate_rules::{
    Evidence, Registry,
    anchor::Anchor,
    authorization::{Acr, Authorization, ClaimsRequest, code_hash},
    cbor::{Array, Bytes, Canonical},
    claim::Claim,
    client_secret::SecretHashes,
    decision::Action,
    enrolment::{EnrolmentBody, EnrolmentStatement},
    evidence::{Answer, ClientProof, Redemption, SignIn, Tap},
    leaf::EntryType,
    name::{ClientId, DisplayName, Email, GroupName, Label, Scope, Subject, Username},
    person::{
        ApplicationType, ClientAuthentication, ClientPrivateRecord, CredentialRecord, InteractiveClientRecord,
        InvitationRecord, Pkce, Stopped, StoppedRecord, UserRecord, credential_digest,
    },
    record::Record,
    redirect::RedirectUri,
    revocation::{RevocationBody, RevocationStatement},
    tag::TagKey,
    webauthn::{Assertion, PasskeyKey},
};
use quorate_tlog::hash::{Hash, sha256};

const PASSKEY: u8 = 61;
const SEED: u8 = 62;
const NEXT_SEED: u8 = 63;

pub fn user() -> UserRecord {
    UserRecord {
        sub: Subject::from_random([1; 16]),
        username: Username::new("ada").unwrap(),
        name: Some(DisplayName::new("Ada Lovelace").unwrap()),
        email: Some(Email::new("ada@example.org").unwrap()),
        email_verified: true,
        groups: vec![GroupName::new("engine").unwrap()],
        tag_key: None,
        suspended: false,
    }
}

pub fn interactive() -> (InteractiveClientRecord, ClientPrivateRecord) {
    let record = InteractiveClientRecord {
        id: ClientId::new("vault").unwrap(),
        name: DisplayName::new("Vault").unwrap(),
        application_type: ApplicationType::Web,
        redirect_uris: vec![RedirectUri::new("https://vault.example/cb").unwrap()],
        post_logout_redirect_uris: vec![RedirectUri::new("https://vault.example/").unwrap()],
        scope: Scope::parse("openid profile email").unwrap(),
        resources: vec!["https://files.example".parse().unwrap()],
        authentication: ClientAuthentication::ClientSecret,
        keys: Vec::new(),
        pkce: Pkce::Optional,
        silent: true,
        id_token_claims: vec![Claim::Email, Claim::Name],
        access_token_claims: vec![Claim::Groups],
        token_lifetime_s: 300,
        suspended: false,
    };
    let private = ClientPrivateRecord {
        id: record.id.clone(),
        tag_key: TagKey::new([5; 32]),
        secret: Some(SecretHashes::of("secret", &issuer(), &record.id)),
    };
    (record, private)
}

fn anchor() -> Anchor {
    Anchor {
        size: 3,
        root: Hash::from([7; 32]),
        sig: Array([8; 64]),
    }
}

fn answer(challenge: &[u8; 32]) -> Assertion {
    let client_data = format!(
        "{{\"type\":\"webauthn.get\",\"challenge\":\"{}\",\"origin\":\"{}\"}}",
        B64.encode(challenge),
        issuer()
    );
    let rp_id = sha256(&[issuer().host().as_bytes()]);
    let authenticator_data = [rp_id.as_bytes(), &[0x05][..], &[0; 4]].concat();
    let message = [&authenticator_data[..], sha256(&[client_data.as_bytes()]).as_bytes()].concat();
    Assertion {
        credential_id: Bytes(b"ada's laptop".to_vec()),
        authenticator_data: Bytes(authenticator_data),
        client_data: Bytes(client_data.into_bytes()),
        signature: Bytes(secret(PASSKEY).sign(&message).to_bytes().to_vec()),
    }
}

pub fn enrolment() -> EnrolmentBody {
    let statement = EnrolmentStatement {
        version: 1,
        issuer: issuer(),
        invitation: Some(public(SEED)),
        by: None,
        credential_id: Bytes(b"ada's laptop".to_vec()),
        key: PasskeyKey::Ed25519(public(PASSKEY)),
        user_key: TagKey::new([4; 32]),
        label: Label::new("laptop").unwrap(),
        anchor: anchor(),
    };
    EnrolmentBody {
        seed_signature: Some(Array(secret(SEED).sign(&statement.message()).to_bytes())),
        tap: None,
        credential: answer(&statement.challenge()),
        statement: Bytes(statement.to_canonical()),
    }
}

/// Genesis, keys, clients of both kinds, and a person with a passkey.
pub fn peopled() -> Registry {
    let mut registry = registry();
    let (record, private) = interactive();
    let actions = [
        Action::PutInteractiveClient(record, private),
        Action::Invite(user(), public(SEED), TIME_MS + 3_600_000),
    ];
    for (index, action) in (4..).zip(actions) {
        let body = decision(&registry, action).to_canonical();
        registry.apply(&entry(index, EntryType::Decision, &body)).unwrap();
    }
    registry
        .apply(&entry(6, EntryType::Enrolment, &enrolment().to_canonical()))
        .unwrap();
    registry
}

pub fn actions() -> Vec<Action> {
    let (record, private) = interactive();
    vec![
        Action::PutInteractiveClient(
            InteractiveClientRecord {
                silent: false,
                ..record
            },
            private,
        ),
        Action::Invite(user(), public(NEXT_SEED), TIME_MS + 3_600_000),
        Action::SuspendUser(user().sub),
        Action::StopPasskey(Array(*credential_digest(b"ada's laptop").as_bytes())),
    ]
}

pub fn records() -> Vec<Record> {
    let (record, private) = interactive();
    vec![
        Record::InteractiveClient(record),
        Record::ClientPrivate(private),
        Record::User(UserRecord {
            tag_key: Some(TagKey::new([4; 32])),
            ..user()
        }),
        Record::Invitation(InvitationRecord {
            key: public(SEED),
            sub: user().sub,
            username: user().username,
            name: user().name,
            expires_ms: TIME_MS,
        }),
        Record::Credential(CredentialRecord {
            id: Bytes(b"ada's laptop".to_vec()),
            sub: user().sub,
            key: PasskeyKey::Ed25519(public(PASSKEY)),
            label: Label::new("laptop").unwrap(),
            enrolled_ms: TIME_MS,
            revoked: false,
        }),
        Record::Stopped(StoppedRecord {
            what: Stopped::Code(Array([1; 32])),
            until_ms: TIME_MS,
        }),
    ]
}

fn grant() -> Authorization {
    Authorization {
        issuer: issuer(),
        client_id: ClientId::new("vault").unwrap(),
        redirect_uri: RedirectUri::new("https://vault.example/cb").unwrap(),
        scope: Scope::parse("openid email").unwrap(),
        resource: Some("https://files.example".parse().unwrap()),
        nonce: Some("n".to_owned()),
        code_challenge: Some("A".repeat(43)),
        code_hash: code_hash(&[1; 32]),
        dpop_jkt: Some("B".repeat(43)),
        acr: Some(vec![Acr::Passkey]),
        claims: ClaimsRequest {
            id_token: [Claim::Email].into(),
            userinfo: [Claim::Name].into(),
        },
        max_age_s: Some(60),
        sub: Some(user().sub),
        session: Some([2; 64]),
        issued_s: TIME_MS / 1000,
        anchor: anchor(),
    }
}

/// Evidence of both classes.
pub fn evidence() -> [Evidence; 2] {
    let grant = grant();
    let bytes = Bytes(grant.canonical());
    let assertion = answer(&grant.challenge());
    let redemption = |client| Redemption {
        code: Array([1; 32]),
        code_verifier: Some("v".repeat(43)),
        redirect_uri: Some(grant.redirect_uri.to_string()),
        client,
        dpop: Some("a.b.c".to_owned()),
    };
    let tap = Tap {
        grant: bytes.clone(),
        assertion: assertion.clone(),
    };
    let of = |answer, client| {
        let grant = bytes.clone();
        Evidence::SignIn(SignIn { grant, answer }, redemption(client))
    };
    [
        of(Answer::Passkey(assertion), ClientProof::Secret),
        of(
            Answer::Session(Array([3; 64]), tap),
            ClientProof::Assertion("a.b.c".to_owned()),
        ),
    ]
}

pub fn revocations() -> [RevocationBody; 2] {
    let statement = RevocationStatement {
        version: 1,
        issuer: issuer(),
        index: 7,
        salt: Array(SALT),
        body: Bytes(vec![1, 2, 3]),
        anchor: anchor(),
    };
    let tap = answer(&statement.challenge());
    [
        RevocationBody::ByOwner(Bytes(statement.to_canonical()), tap),
        RevocationBody::ReusedCode(Bytes(grant().canonical()), Bytes(b"id".to_vec()), Array([1; 32])),
    ]
}
