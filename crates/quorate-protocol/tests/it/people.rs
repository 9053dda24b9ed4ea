//! What time, sessions, keys and restarts do to a person's sign-in, with a clock that the test holds.

use crate::{
    disk::Disk,
    founding::{FOUNDED_MS, Founded},
    four::Four,
    passkey::{Passkey, SessionKey},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::{Signer, SigningKey};
use quorate_protocol::{
    Refusal,
    coordinator::{Batch, Order, Signed, TokenOrder},
    message::LogEntry,
    sealing::open_as_subject,
};
use quorate_rules::{
    Evidence, Leaf,
    anchor::{Anchor, WINDOW_MS},
    authorization::{Acr, Authorization, ClaimsRequest, code_hash},
    cbor::{Array, Bytes, Canonical},
    claim::Claim,
    decision::Action,
    enrolment::{EnrolmentBody, EnrolmentStatement},
    evidence::{Answer, ClientProof, Redemption, SignIn, Tap},
    grant::TokenKind,
    json::StrictObject,
    jwk::PublicJwk,
    name::{ClientId, DisplayName, Email, GroupName, Issuer, Label, Scope, Subject, Username},
    person::{
        ApplicationType, ClientAuthentication, ClientPrivateRecord, InteractiveClientRecord, Pkce, Stopped, UserRecord,
        credential_digest,
    },
    redirect::RedirectUri,
    revocation::{RevocationBody, RevocationStatement},
    sign_in::SESSION_MS,
    tag::TagKey,
};
use quorate_tlog::hash::sha256;
use std::sync::OnceLock;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CLIENT_TAG: [u8; 32] = [3; 32];
const USER_TAG: [u8; 32] = [4; 32];

fn founded() -> &'static Founded {
    static FOUNDED: OnceLock<Founded> = OnceLock::new();
    FOUNDED.get_or_init(Founded::new)
}

fn issuer() -> Issuer {
    founded().committee.body().issuer.clone()
}

/// A person with a passkey, and a client that she may sign in to silently.
struct Ada {
    four: Four<'static>,
    passkey: Passkey,
    anchor: Anchor,
    codes: u8,
}

impl Ada {
    fn enrolled() -> Self {
        let mut ada = Self {
            four: Four::at_work(founded()),
            passkey: Passkey::new(&issuer(), b"ada's laptop"),
            anchor: Anchor {
                size: 0,
                root: quorate_tlog::hash::empty_root(),
                sig: Array([0; 64]),
            },
            codes: 0,
        };
        let (record, private) = client();
        ada.decide(Action::PutInteractiveClient(record, private));
        let seed = SigningKey::from_bytes(&[6; 32]);
        let expires_ms = ada.four.now_ms + 3_600_000;
        ada.decide(Action::Invite(
            user(),
            Array(seed.verifying_key().to_bytes()),
            expires_ms,
        ));
        ada.tick();
        let statement = EnrolmentStatement {
            version: 1,
            issuer: issuer(),
            invitation: Some(Array(seed.verifying_key().to_bytes())),
            by: None,
            credential_id: ada.passkey.id(),
            key: ada.passkey.key(),
            user_key: TagKey::new(USER_TAG),
            label: Label::new("laptop").unwrap(),
            anchor: ada.anchor,
        };
        let body = EnrolmentBody {
            seed_signature: Some(Array(seed.sign(&statement.message()).to_bytes())),
            tap: None,
            credential: ada.passkey.answer(&statement.challenge()),
            statement: Bytes(statement.to_canonical()),
        };
        ada.complete(&[Order::Enrolment(body)]);
        ada.tick();
        ada
    }

    fn decide(&mut self, action: Action) {
        let decision = self
            .four
            .parties
            .decision(self.four.coordinator.tip(), self.four.now_ms, action);
        self.complete(&[Order::Decision(decision)]);
    }

    fn complete(&mut self, orders: &[Order]) -> Signed {
        self.four.now_ms += 10;
        let batch = self
            .four
            .coordinator
            .build(orders, self.four.now_ms, &mut self.four.rng);
        assert!(batch.refused.is_empty(), "{:?}", batch.refused);
        let signed = self.four.complete(&batch);
        let head = batch.head();
        self.anchor = Anchor {
            size: head.size,
            root: head.root,
            sig: Array(signed.checkpoint.clone().unwrap().try_into().unwrap()),
        };
        signed
    }

    /// A leaf that changes nothing, so that what changed last can be shown.
    fn tick(&mut self) {
        self.complete(&[Order::Tick]);
    }

    fn grant(&mut self) -> (Authorization, [u8; 32]) {
        self.codes += 1;
        let code = [self.codes; 32];
        let grant = Authorization {
            issuer: issuer(),
            client_id: ClientId::new("files").unwrap(),
            redirect_uri: RedirectUri::new("https://files.example/cb").unwrap(),
            scope: Scope::parse("openid profile email groups").unwrap(),
            resource: None,
            nonce: Some("n".to_owned()),
            code_challenge: Some(B64.encode(sha256(&[VERIFIER.as_bytes()]).as_bytes())),
            code_hash: code_hash(&code),
            dpop_jkt: None,
            acr: None,
            claims: ClaimsRequest::default(),
            max_age_s: None,
            sub: None,
            session: None,
            issued_s: self.four.now_ms / 1000,
            anchor: self.anchor,
        };
        (grant, code)
    }

    fn tapped(&self, grant: &Authorization) -> Tap {
        Tap {
            grant: Bytes(grant.canonical()),
            assertion: self.passkey.answer(&grant.challenge()),
        }
    }

    fn by_tap(&self, (grant, code): (&Authorization, [u8; 32])) -> Evidence {
        let Tap {
            grant: bytes,
            assertion,
        } = self.tapped(grant);
        let sign_in = SignIn {
            grant: bytes,
            answer: Answer::Passkey(assertion),
        };
        Evidence::SignIn(sign_in, redemption(grant, code))
    }

    fn order(&self, evidence: Evidence) -> Order {
        let leaves = evidence.asks_for_leaf().map(|index| self.four.leaves(&[index]));
        Order::Token(TokenOrder {
            leaves: leaves.unwrap_or_default(),
            ..TokenOrder::of(evidence)
        })
    }

    /// Gateway and every signer agree that the evidence is not good.
    fn refused(&mut self, what: &str, evidence: Evidence, expected: Refusal) {
        let order = self.order(evidence.clone());
        let batch = self
            .four
            .coordinator
            .build(&[order], self.four.now_ms, &mut self.four.rng);
        assert_eq!(batch.refused, [(0, expected)], "{what}: the gateway, early");
        let carrier = self.four.token();
        let message = self.four.coordinator.propose(&carrier, 0, &[1, 2, 3]).message().clone();
        let mut proposal = message.proposal;
        proposal.entries[0].evidence = Some(evidence);
        let signature = quorate_protocol::signed::Statement::sign(&proposal, &self.four.parties.gateways[0]);
        let message = quorate_protocol::message::SignedPropose {
            proposal,
            signature,
            secrets: Vec::new(),
        };
        for number in [1, 2, 3] {
            let voted = self.four.propose(number, &message).unwrap();
            let refused = [(carrier.first, expected.code().to_owned())];
            assert_eq!(voted.refused, refused, "{what}: custodian {number}");
        }
        self.four.enter_view();
    }

    fn issued(&mut self, evidence: Evidence) -> Vec<(TokenKind, StrictObject)> {
        let order = self.order(evidence);
        let signed = self.complete(&[order]);
        signed
            .tokens
            .iter()
            .map(|token| (token.kind, claims(&token.jwt)))
            .collect()
    }
}

fn claims(jwt: &str) -> StrictObject {
    StrictObject::parse(&B64.decode(jwt.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn redemption(grant: &Authorization, code: [u8; 32]) -> Redemption {
    Redemption {
        code: Array(code),
        code_verifier: Some(VERIFIER.to_owned()),
        redirect_uri: Some(grant.redirect_uri.to_string()),
        client: ClientProof::None,
        dpop: None,
    }
}

fn client() -> (InteractiveClientRecord, ClientPrivateRecord) {
    let record = InteractiveClientRecord {
        id: ClientId::new("files").unwrap(),
        name: DisplayName::new("Files").unwrap(),
        application_type: ApplicationType::SinglePage,
        redirect_uris: vec![RedirectUri::new("https://files.example/cb").unwrap()],
        post_logout_redirect_uris: Vec::new(),
        scope: Scope::parse("openid profile email groups").unwrap(),
        resources: vec!["https://api.example".parse().unwrap()],
        authentication: ClientAuthentication::None,
        keys: Vec::new(),
        pkce: Pkce::Required,
        silent: true,
        id_token_claims: vec![Claim::Email],
        access_token_claims: vec![Claim::Groups],
        token_lifetime_s: 300,
        suspended: false,
    };
    let private = ClientPrivateRecord {
        id: record.id.clone(),
        tag_key: TagKey::new(CLIENT_TAG),
        secret: None,
    };
    (record, private)
}

fn user() -> UserRecord {
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

#[test]
fn custodians_derive_every_claim_from_registry_grant_and_place() {
    let mut ada = Ada::enrolled();
    let (grant, code) = ada.grant();
    let now_s = ada.four.now_ms / 1000;
    let tokens = ada.issued(ada.by_tap((&grant, code)));
    let [(TokenKind::Access, access), (TokenKind::Id, id)] = tokens.as_slice() else {
        panic!("{} tokens", tokens.len())
    };
    let sub = user().sub.to_string();
    for token in [access, id] {
        assert_eq!(token.text("sub"), Some(sub.as_str()));
        assert_eq!(token.text("acr"), Some("urn:quorate:passkey"));
        assert_eq!(token.text("sid"), access.text("sid"));
        assert!(token.integer("auth_time").unwrap().abs_diff(now_s) <= 1);
    }
    assert_eq!(access.text("aud"), Some(issuer().as_str()));
    assert_eq!(
        access.text("email"),
        Some("ada@example.org"),
        "an access token for the issuer is what userinfo repeats"
    );
    assert_eq!(access.text("preferred_username"), Some("ada"));
    assert_eq!((id.text("aud"), id.text("nonce")), (Some("files"), Some("n")));
    assert_eq!(
        (id.text("email"), id.text("name")),
        (Some("ada@example.org"), None),
        "only what the record puts there"
    );
    assert!(id.text("jti").is_none() && access.text("jti").is_some());

    let (mut grant, code) = ada.grant();
    grant.resource = Some("https://api.example".parse().unwrap());
    grant.claims.id_token = [Claim::Name].into();
    let tokens = ada.issued(ada.by_tap((&grant, code)));
    assert_eq!(tokens[0].1.text("aud"), Some("https://api.example"));
    assert!(tokens[0].1.get("email").is_none() && tokens[0].1.get("groups").is_some());
    assert_eq!(tokens[1].1.text("name"), Some("Ada Lovelace"));

    let (mut grant, code) = ada.grant();
    grant.scope = Scope::parse("profile").unwrap();
    assert_eq!(
        ada.issued(ada.by_tap((&grant, code))).len(),
        1,
        "no ID token without openid"
    );
}

#[test]
fn the_person_finds_and_opens_her_leaves_and_nobody_elses() {
    let mut ada = Ada::enrolled();
    let (grant, code) = ada.grant();
    ada.issued(ada.by_tap((&grant, code)));
    let machine = ada.four.token();
    ada.four.complete(&machine);
    let (mine, other) = (TagKey::new(USER_TAG), TagKey::new([5; 32]));
    let mut found = Vec::new();
    for (index, bytes) in &ada.four.disks[0].entries {
        let entry = LogEntry::from_canonical(bytes).unwrap();
        let leaf = Leaf::decode(&entry.leaf.0).unwrap();
        assert_ne!(leaf.subject_tag, other.tag(1, *index));
        if leaf.subject_tag == mine.tag(1, *index) {
            let sealed = entry.for_subject.unwrap();
            let opening = open_as_subject(&mine, (1, *index), &leaf.hash(), &sealed).unwrap();
            assert_eq!(
                quorate_rules::leaf::commitment(&opening.salt.0, &opening.body),
                leaf.commit
            );
            assert!(open_as_subject(&other, (1, *index), &leaf.hash(), &sealed).is_err());
            found.push(*index);
        } else {
            assert!(entry.for_subject.is_none());
        }
    }
    assert_eq!(found.len(), 2);
    assert_eq!(found[0] + 1, found[1]);
}

#[test]
fn taps_are_not_stored_up() {
    let mut ada = Ada::enrolled();
    let (grant, code) = ada.grant();
    let tap = ada.by_tap((&grant, code));
    let begun_ms = ada.four.now_ms;
    ada.four.now_ms = begun_ms + WINDOW_MS - 1_000;
    ada.refused(
        "the window is open, the code is another",
        ada.by_tap((&grant, [99; 32])),
        Refusal::WrongCode,
    );
    ada.four.now_ms = begun_ms + WINDOW_MS + 1;
    ada.refused("five minutes later", tap, Refusal::StaleAnchor);
    // A head of the time to come is none that anybody holds.
    let (mut ahead, _) = ada.grant();
    ahead.anchor.size += 1;
    ada.refused("an anchor ahead", ada.by_tap((&ahead, code)), Refusal::UnknownAnchor);
}

#[test]
fn a_session_signs_in_where_policy_allows_and_no_longer_than_eight_hours() {
    let mut ada = Ada::enrolled();
    let key = SessionKey::new();
    let (mut grant, code) = ada.grant();
    grant.session = Some(key.public());
    let tap = ada.tapped(&grant);
    let first = ada.issued(ada.by_tap((&grant, code)));
    let began_s = ada.four.now_ms / 1000;

    let silent = |ada: &mut Ada, change: &dyn Fn(&mut Authorization), signer: &SessionKey, tap: &Tap| {
        let (mut grant, code) = ada.grant();
        grant.session = Some(key.public());
        change(&mut grant);
        let answer = Answer::Session(signer.sign(&grant.session_message()), tap.clone());
        let sign_in = SignIn {
            grant: Bytes(grant.canonical()),
            answer,
        };
        Evidence::SignIn(sign_in, redemption(&grant, code))
    };
    // An hour later, long after the tap's own anchor left everybody's memory.
    ada.four.now_ms += 3_600_000;
    ada.tick();
    let evidence = silent(&mut ada, &|_| {}, &key, &tap);
    let tokens = ada.issued(evidence);
    assert_eq!(tokens[1].1.text("acr"), Some("urn:quorate:session"));
    assert_eq!(tokens[1].1.text("sid"), first[1].1.text("sid"));
    assert!(
        tokens[1].1.integer("auth_time").unwrap().abs_diff(began_s) <= 1,
        "the tap's time, not this one's"
    );

    let evidence = silent(&mut ada, &|_| {}, &SessionKey::new(), &tap);
    ada.refused("another key", evidence, Refusal::BadSignature);
    let evidence = silent(
        &mut ada,
        &|grant| grant.session = Some(SessionKey::new().public()),
        &key,
        &tap,
    );
    ada.refused("a key that no tap authorised", evidence, Refusal::SessionExpired);
    let evidence = silent(&mut ada, &|grant| grant.acr = Some(vec![Acr::Passkey]), &key, &tap);
    ada.refused("where a tap is due", evidence, Refusal::WeakEvidence);
    let evidence = silent(&mut ada, &|grant| grant.max_age_s = Some(600), &key, &tap);
    ada.refused("older than max_age", evidence, Refusal::AuthenticationTooOld);
    let mut forged = tap.clone();
    forged.assertion = ada.passkey.answer(&[1; 32]);
    let evidence = silent(&mut ada, &|_| {}, &key, &forged);
    ada.refused("a tap for something else", evidence, Refusal::WrongChallenge);

    // The client may no longer; then it may again, and time runs out.
    let (mut record, private) = client();
    record.silent = false;
    ada.decide(Action::PutInteractiveClient(record, private));
    ada.tick();
    let evidence = silent(&mut ada, &|_| {}, &key, &tap);
    ada.refused("where policy does not allow", evidence, Refusal::WeakEvidence);
    let (record, private) = client();
    ada.decide(Action::PutInteractiveClient(record, private));
    ada.four.now_ms = FOUNDED_MS + SESSION_MS + 60_000;
    ada.tick();
    let evidence = silent(&mut ada, &|_| {}, &key, &tap);
    ada.refused("eight hours later", evidence, Refusal::SessionExpired);
}

#[test]
fn the_owner_stops_a_token_and_its_session_and_nobody_elses() {
    let mut ada = Ada::enrolled();
    let key = SessionKey::new();
    let (mut grant, code) = ada.grant();
    grant.session = Some(key.public());
    let tap = ada.tapped(&grant);
    let tokens = ada.issued(ada.by_tap((&grant, code)));
    let index: u64 = tokens[0]
        .1
        .text("tlx")
        .unwrap()
        .split_once('/')
        .unwrap()
        .1
        .parse()
        .unwrap();
    let entry = LogEntry::from_canonical(&ada.four.disks[0].entries[&index]).unwrap();
    let leaf = Leaf::decode(&entry.leaf.0).unwrap();
    let opening = open_as_subject(
        &TagKey::new(USER_TAG),
        (1, index),
        &leaf.hash(),
        &entry.for_subject.unwrap(),
    )
    .unwrap();
    let statement = RevocationStatement {
        version: 1,
        issuer: issuer(),
        index,
        salt: opening.salt,
        body: opening.body,
        anchor: ada.anchor,
    };
    let signed = |ada: &Ada, statement: &RevocationStatement| {
        let tap = ada.passkey.answer(&statement.challenge());
        let body = RevocationBody::ByOwner(Bytes(statement.to_canonical()), tap);
        Order::Revocation(body, ada.four.leaves(&[statement.index]))
    };
    let mut wrong = statement.clone();
    wrong.salt = Array([0; 32]);
    let mut elsewhere = statement.clone();
    elsewhere.index += 1;
    for (what, statement) in [("another salt", wrong), ("another leaf", elsewhere)] {
        let order = signed(&ada, &statement);
        let batch = ada.four.coordinator.build(&[order], ada.four.now_ms, &mut ada.four.rng);
        assert_eq!(batch.refused, [(0, Refusal::WrongRevocation)], "{what}");
    }
    let order = signed(&ada, &statement);
    ada.complete(&[order]);
    let registry = ada.four.coordinator.tip().registry();
    let jti = quorate_rules::Jti::parse(tokens[0].1.text("jti").unwrap()).unwrap();
    assert!(registry.is_token_stopped(&user().sub, &jti, None));
    // A leaf says what it likes where its evidence was refused: an identifier alone stops nobody else's.
    let (eve, sid) = (Subject::from_random([2; 16]), tokens[0].1.text("sid"));
    assert!(sid.is_some() && !registry.is_token_stopped(&eve, &jti, sid));
    let order = signed(&ada, &statement);
    let batch = ada.four.coordinator.build(&[order], ada.four.now_ms, &mut ada.four.rng);
    assert_eq!(batch.refused, [(0, Refusal::AlreadyRevoked)]);

    ada.tick();
    let (mut grant, code) = ada.grant();
    grant.session = Some(key.public());
    let answer = Answer::Session(key.sign(&grant.session_message()), tap);
    let sign_in = SignIn {
        grant: Bytes(grant.canonical()),
        answer,
    };
    ada.refused(
        "a session that was stopped",
        Evidence::SignIn(sign_in, redemption(&grant, code)),
        Refusal::SessionRevoked,
    );

    // Forgotten when it could not be used anyway.
    ada.four.now_ms += 30 * 3_600_000;
    ada.tick();
    assert!(
        !ada.four
            .coordinator
            .tip()
            .registry()
            .is_token_stopped(&user().sub, &jti, None)
    );
}

#[test]
fn a_code_that_comes_back_stops_its_own_tokens_and_no_others() {
    let mut ada = Ada::enrolled();
    let (grant, code) = ada.grant();
    let tokens = ada.issued(ada.by_tap((&grant, code)));
    let reused = |code| {
        let body = RevocationBody::ReusedCode(Bytes(grant.canonical()), Bytes(b"ada's laptop".to_vec()), Array(code));
        Order::Revocation(body, Default::default())
    };
    let batch = ada
        .four
        .coordinator
        .build(&[reused([77; 32])], ada.four.now_ms, &mut ada.four.rng);
    assert_eq!(
        batch.refused,
        [(0, Refusal::WrongCode)],
        "who does not have the code stops nothing"
    );
    ada.complete(&[reused(code)]);
    let jti = quorate_rules::Jti::parse(tokens[0].1.text("jti").unwrap()).unwrap();
    assert!(
        ada.four
            .coordinator
            .tip()
            .registry()
            .is_stopped(&Stopped::Code(Array(*jti.as_bytes())))
    );
}

/// A DPoP proof for the token endpoint.
fn proof(signer: &SigningKey, typ: &str, issued_ms: u64) -> String {
    let public = PublicJwk::Ed25519(Array(signer.verifying_key().to_bytes()));
    let jwk: serde_json::Value = serde_json::from_str(&public.to_json()).unwrap();
    let header = serde_json::json!({ "typ": typ, "alg": "EdDSA", "jwk": jwk });
    let claims = serde_json::json!({ "htm": "POST", "htu": "https://gw/token", "jti": "j", "iat": issued_ms / 1000 });
    let input = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
    format!("{input}.{}", B64.encode(signer.sign(input.as_bytes()).to_bytes()))
}

#[test]
fn a_dpop_bound_grant_takes_a_fresh_proof_by_its_key_alone() {
    let mut ada = Ada::enrolled();
    let key = SigningKey::from_bytes(&[8; 32]);
    let jwk = PublicJwk::Ed25519(Array(key.verifying_key().to_bytes()));
    let with = |ada: &mut Ada, proof: Option<String>| {
        let (mut grant, code) = ada.grant();
        grant.dpop_jkt = Some(jwk.thumbprint());
        let Evidence::SignIn(sign_in, mut redemption) = ada.by_tap((&grant, code)) else {
            unreachable!("a person")
        };
        redemption.dpop = proof;
        Evidence::SignIn(sign_in, redemption)
    };
    let now_ms = ada.four.now_ms;
    let stranger = SigningKey::from_bytes(&[9; 32]);
    let cases = [
        ("no proof", None),
        ("another key", Some(proof(&stranger, "dpop+jwt", now_ms))),
        ("another type", Some(proof(&key, "JWT", now_ms))),
        ("an old proof", Some(proof(&key, "dpop+jwt", now_ms - 120_000))),
        ("a proof for later", Some(proof(&key, "dpop+jwt", now_ms + 120_000))),
        ("no JWT", Some("a.b.c".to_owned())),
    ];
    for (what, proof) in cases {
        let evidence = with(&mut ada, proof);
        ada.refused(what, evidence, Refusal::WrongDpopProof);
    }
    let good = proof(&key, "dpop+jwt", ada.four.now_ms);
    let evidence = with(&mut ada, Some(good));
    let tokens = ada.issued(evidence);
    let cnf = tokens[0].1.get("cnf").unwrap();
    assert_eq!(cnf["jkt"], jwk.thumbprint().as_str());
}

#[test]
fn a_restarted_custodian_knows_anchors_and_used_codes() {
    let mut ada = Ada::enrolled();
    let (grant, code) = ada.grant();
    let used = ada.by_tap((&grant, code));
    ada.issued(used.clone());
    let before = ada.anchor;
    for number in 1..=4u16 {
        let disk: &mut Disk = &mut ada.four.disks[usize::from(number) - 1];
        let restarted = ada.four.parties.start(number, disk, &mut ada.four.rng);
        assert_eq!(
            restarted.certified().heads().at(before.size).map(|head| head.root),
            Some(before.root)
        );
        ada.four.custodians[usize::from(number) - 1] = restarted;
    }
    ada.four.join();
    ada.four.enter_view();
    let (grant, code) = ada.grant();
    let tokens = ada.issued(ada.by_tap((&grant, code)));
    assert_eq!(tokens.len(), 2, "the anchor of before is still an anchor");
    ada.four.enter_view();
    let order = ada.order(used);
    let batch: Batch = ada.four.coordinator.build(&[order], ada.four.now_ms, &mut ada.four.rng);
    assert!(batch.refused.is_empty(), "this gateway has forgotten");
    let proposed = ada.four.coordinator.propose(&batch, 0, &[1, 2, 3]);
    for number in [1, 2, 3] {
        let voted = ada.four.propose(number, proposed.message()).unwrap();
        assert!(voted.refused.iter().all(|(_, code)| code == Refusal::Replayed.code()) && voted.refused.len() == 2);
    }
}

/// A gateway that forgot brings this evidence; every one of these custodians refuses it.
fn replayed(ada: &mut Ada, evidence: Evidence, asked: &[u16]) {
    ada.four.enter_view();
    let order = ada.order(evidence);
    let batch = ada.four.build(order);
    let proposed = ada.four.coordinator.propose(&batch, 0, &[1, 2, 3]);
    for number in asked {
        let voted = ada.four.propose(*number, proposed.message()).unwrap();
        let replayed = |(_, code): &(u64, String)| code == Refusal::Replayed.code();
        assert!(
            voted.refused.len() == 2 && voted.refused.iter().all(replayed),
            "custodian {number}: {:?}",
            voted.refused
        );
    }
}

#[test]
fn a_code_is_spent_as_long_as_it_lives_also_for_whoever_brings_a_newer_proof() {
    let mut ada = Ada::enrolled();
    let key = SigningKey::from_bytes(&[8; 32]);
    let (mut grant, code) = ada.grant();
    grant.dpop_jkt = Some(PublicJwk::Ed25519(Array(key.verifying_key().to_bytes())).thumbprint());
    let Evidence::SignIn(sign_in, mut redemption) = ada.by_tap((&grant, code)) else {
        unreachable!("a person")
    };
    redemption.dpop = Some(proof(&key, "dpop+jwt", ada.four.now_ms));
    ada.issued(Evidence::SignIn(sign_in.clone(), redemption.clone()));

    // The first proof is dead and swept, the sign-in is not.
    ada.four.now_ms += 150_000;
    ada.tick();
    redemption.dpop = Some(proof(&key, "dpop+jwt", ada.four.now_ms));
    replayed(&mut ada, Evidence::SignIn(sign_in, redemption), &[1, 2, 3]);
}

#[test]
fn nobody_makes_a_custodian_forget_a_code_by_sending_it_the_bare_leaf() {
    let mut ada = Ada::enrolled();
    let (grant, code) = ada.grant();
    let used = ada.by_tap((&grant, code));
    let first = ada.four.coordinator.tip().head().size;
    ada.issued(used.clone());
    // The next head is certified without custodian 1, who then gets both batches at once.
    ada.four.now_ms += 30_000;
    let batch = ada.four.build(Order::Tick);
    let proposed = ada.four.coordinator.propose(&batch, 0, &[2, 3, 4]);
    let certified = ada.four.certify(proposed);
    ada.four.coordinator.advance(&batch, certified.certificate);
    ada.four.follow(1, first);
    assert_eq!(ada.four.custodian(1).certified().head(), batch.head());
    replayed(&mut ada, used.clone(), &[1]);

    let restarted = {
        let four = &mut ada.four;
        four.parties.start(1, &mut four.disks[0], &mut four.rng)
    };
    *ada.four.custodian(1) = restarted;
    ada.four.join();
    replayed(&mut ada, used, &[1]);
}

#[test]
fn evidence_of_a_batch_that_came_to_nothing_is_good_for_whoever_sent_it_and_nobody_else() {
    let mut ada = Ada::enrolled();
    let (grant, code) = ada.grant();
    let order = ada.order(ada.by_tap((&grant, code)));
    let batch = ada.four.build(order.clone());
    let proposed = ada.four.coordinator.propose(&batch, 0, &[1, 2, 3]);
    for number in [1, 2, 3] {
        assert!(ada.four.propose(number, proposed.message()).unwrap().refused.is_empty());
    }
    // The batch is broken: who has seen the code now brings it to the gateway itself.
    assert!(ada.four.coordinator.abandon(&batch));
    ada.four.enter_view();
    let now_ms = ada.four.now_ms;
    let copied = ada
        .four
        .coordinator
        .build(std::slice::from_ref(&order), now_ms, &mut ada.four.rng);
    assert_eq!(copied.refused, [(0, Refusal::AlreadyShown)]);

    // The sender has waited. That the custodians voted for it at another place is no replay.
    let Order::Token(mut waited) = order else {
        unreachable!("a token")
    };
    waited.shown = true;
    let (grant, code) = ada.grant();
    let other = ada.order(ada.by_tap((&grant, code)));
    let signed = ada.complete(&[other, Order::Token(waited)]);
    assert_eq!(signed.tokens.len(), 4, "{:?}", signed.refused);
}

#[test]
fn who_lost_every_passkey_is_invited_anew_and_who_has_one_keeps_the_tag_key() {
    let mut ada = Ada::enrolled();
    let invited = |ada: &mut Ada, seed: u8, passkey: &Passkey, tag: [u8; 32]| {
        let seed = SigningKey::from_bytes(&[seed; 32]);
        let key = Array(seed.verifying_key().to_bytes());
        let expires_ms = ada.four.now_ms + 3_600_000;
        ada.decide(Action::Invite(user(), key, expires_ms));
        ada.tick();
        let statement = EnrolmentStatement {
            version: 1,
            issuer: issuer(),
            invitation: Some(key),
            by: None,
            credential_id: passkey.id(),
            key: passkey.key(),
            user_key: TagKey::new(tag),
            label: Label::new("phone").unwrap(),
            anchor: ada.anchor,
        };
        Order::Enrolment(EnrolmentBody {
            seed_signature: Some(Array(seed.sign(&statement.message()).to_bytes())),
            tap: None,
            credential: passkey.answer(&statement.challenge()),
            statement: Bytes(statement.to_canonical()),
        })
    };
    let phone = Passkey::new(&issuer(), b"ada's phone");
    let order = invited(&mut ada, 7, &phone, [9; 32]);
    let batch = ada.four.coordinator.build(&[order], ada.four.now_ms, &mut ada.four.rng);
    assert_eq!(
        batch.refused,
        [(0, Refusal::WrongEnrolment)],
        "the laptop still finds its tokens by the old key"
    );

    let laptop = credential_digest(&ada.passkey.id());
    ada.decide(Action::StopPasskey(Array(*laptop.as_bytes())));
    let order = invited(&mut ada, 8, &phone, [9; 32]);
    ada.complete(&[order]);
    ada.tick();
    ada.passkey = phone;
    let (grant, code) = ada.grant();
    assert_eq!(ada.issued(ada.by_tap((&grant, code))).len(), 2);
}
