//! Evil gateway, evil page, evil client: whatever they do with a person's tap, over a real link and with the enrolled gateway's key,
//! every custodian refuses it under its own [`Refusal`], and no share of a token comes back.

use crate::{committee::Bench, evil_gateway};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::{Signer, SigningKey};
use quorate::{
    client::{private, single_page},
    clock,
    soft_passkey::SoftPasskey,
};
use quorate_protocol::{
    Refusal,
    coordinator::{Batch, Order, PresentedSecret, TokenOrder},
    message::{Outputs, Purpose, path},
};
use quorate_rules::{
    Evidence,
    anchor::Anchor,
    authorization::{Authorization, ClaimsRequest, code_hash},
    cbor::{Array, Bytes, Canonical},
    client_secret::SecretPart,
    decision::Action,
    enrolment::{EnrolmentBody, EnrolmentStatement},
    evidence::{Answer, ClientProof, Redemption, SignIn},
    name::{ClientId, DisplayName, Issuer, Label, Scope, Subject, Username},
    person::{ClientAuthentication, InteractiveClientRecord, UserRecord, credential_digest},
    redirect::RedirectUri,
    tag::TagKey,
    webauthn::Assertion,
};
use quorate_tlog::hash::{Hash, sha256};
use rand_core::OsRng;
use std::sync::Arc;
use zeroize::Zeroizing;

const CODE: [u8; 32] = [7; 32];
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const SECRET: &str = "a secret of thirty-two random bytes";
const SIGNERS: [u16; 3] = [1, 2, 3];
const USER_KEY: TagKey = TagKey::new([9; 32]);

/// The same on a tenant of each algorithm.
fn on_both(attack: impl AsyncFn(People)) {
    evil_gateway::on_both(async |bench: Bench| attack(People::of(bench).await).await);
}

/// A committee with a person and three clients: `app` and `other` are public, `vault` has a secret and may sign in silently.
struct People {
    bench: Bench,
    passkey: SoftPasskey,
    sub: Subject,
    anchor: Anchor,
}

fn invitation(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn user(number: u8, name: &str) -> UserRecord {
    UserRecord {
        sub: Subject::from_random([number; 16]),
        username: Username::new(name).unwrap(),
        name: Some(DisplayName::new("Ada Lovelace").unwrap()),
        email: None,
        email_verified: false,
        groups: Vec::new(),
        tag_key: None,
        suspended: false,
    }
}

impl People {
    async fn of(mut bench: Bench) -> Self {
        let issuer = bench.committee.body().issuer.clone();
        for (id, secret) in [("app", None), ("other", None), ("vault", Some(SECRET))] {
            let record = InteractiveClientRecord {
                silent: secret.is_some(),
                authentication: match secret {
                    Some(_) => ClientAuthentication::ClientSecret,
                    None => ClientAuthentication::None,
                },
                ..single_page(id, id, &format!("https://{id}.example/cb"), "openid profile email").unwrap()
            };
            let private = private(&record.id, &issuer, secret);
            bench.decide(Action::PutInteractiveClient(record, private)).await;
        }
        let ada = user(1, "ada");
        let sub = ada.sub.clone();
        bench.decide(invite(ada, 1)).await;
        let passkey = SoftPasskey::generate(&issuer).unwrap();
        let anchor = tick(&mut bench).await;
        let mut people = Self {
            bench,
            passkey,
            sub,
            anchor,
        };
        let body = people.enrolment(|_| {}, &invitation(1));
        people.log(Order::Enrolment(body)).await.unwrap();
        people.anchor = tick(&mut people.bench).await;
        people
    }

    fn issuer(&self) -> Issuer {
        self.bench.committee.body().issuer.clone()
    }

    /// An entry that everybody folds.
    async fn log(&mut self, order: Order) -> Result<(), Refusal> {
        let batch = self.bench.coordinator.build(&[order], clock::now_ms(), &mut OsRng);
        if let Some((_, refusal)) = batch.refused.first() {
            return Err(*refusal);
        }
        self.bench.complete(&batch, &SIGNERS).await;
        Ok(())
    }

    /// A good enrolment of the person's passkey, but for what the test changes before it is signed.
    fn enrolment(&self, change: impl FnOnce(&mut EnrolmentStatement), seed: &SigningKey) -> EnrolmentBody {
        let mut statement = EnrolmentStatement {
            version: 1,
            issuer: self.issuer(),
            invitation: Some(Array(seed.verifying_key().to_bytes())),
            by: None,
            credential_id: self.passkey.id(),
            key: self.passkey.public_key(),
            user_key: USER_KEY,
            label: Label::new("laptop").unwrap(),
            anchor: self.anchor,
        };
        change(&mut statement);
        EnrolmentBody {
            seed_signature: Some(Array(seed.sign(&statement.message()).to_bytes())),
            tap: None,
            credential: self.passkey.answer(&statement.challenge()).unwrap(),
            statement: Bytes(statement.to_canonical()),
        }
    }

    fn grant(&self, client: &str) -> Authorization {
        Authorization {
            issuer: self.issuer(),
            client_id: ClientId::new(client).unwrap(),
            redirect_uri: RedirectUri::new(format!("https://{client}.example/cb")).unwrap(),
            scope: Scope::parse("openid profile").unwrap(),
            resource: None,
            nonce: Some("nonce".to_owned()),
            code_challenge: Some(B64.encode(sha256(&[VERIFIER.as_bytes()]).as_bytes())),
            code_hash: code_hash(&CODE),
            dpop_jkt: None,
            acr: None,
            claims: ClaimsRequest::default(),
            max_age_s: None,
            sub: None,
            session: None,
            issued_s: clock::now_ms() / 1000,
            anchor: self.anchor,
        }
    }

    fn tap(&self, grant: &Authorization) -> Assertion {
        self.passkey.answer(&grant.challenge()).unwrap()
    }

    /// The order of a good sign-in, so that the gateway builds a batch that is good but for what the test puts into it.
    fn good(&self, client: &str) -> (Order, Authorization) {
        let mut grant = self.grant(client);
        // One tap, one code: every good sign-in has its own.
        let mut code = CODE;
        rand_core::RngCore::fill_bytes(&mut OsRng, &mut code);
        grant.code_hash = code_hash(&code);
        let mut redemption = redemption(&grant);
        redemption.code = Array(code);
        let tap = self.tap(&grant);
        let secret = (client == "vault").then(|| PresentedSecret {
            secret: Arc::new(Zeroizing::new(SECRET.to_owned())),
            client: grant.client_id.clone(),
        });
        if secret.is_some() {
            redemption.client = ClientProof::Secret;
        }
        let order = TokenOrder {
            secret,
            ..TokenOrder::of(evidence(grant.canonical(), tap, redemption))
        };
        (Order::Token(order), grant)
    }

    fn batch(&self, client: &str) -> Batch {
        let (order, _) = self.good(client);
        let batch = self.bench.coordinator.build(&[order], clock::now_ms(), &mut OsRng);
        assert!(batch.refused.is_empty(), "{:?}", batch.refused);
        assert_eq!(batch.entries.len(), 2, "access token and ID token");
        batch
    }

    /// Both leaves stay as attempts without a token: every custodian refuses the evidence, and commits to no signature for it.
    async fn attempted(&mut self, what: &str, evidence: Evidence, expected: Refusal) {
        let mut batch = self.batch("app");
        batch.entries[0].evidence = Some(evidence);
        self.attempt(what, (&batch, &[1, 2, 3, 4]), expected).await;
    }

    async fn attempt(&mut self, what: &str, (batch, judges): (&Batch, &[u16]), expected: Refusal) {
        let first = batch.first;
        for number in judges.iter().copied() {
            let signers: Vec<u16> = (1..=4).filter(|other| *other != number % 4 + 1).collect();
            let proposed = self.bench.coordinator.propose(batch, number, &signers);
            let voted = self
                .bench
                .propose(number, &proposed.message_for(number))
                .await
                .unwrap_or_else(|refusal| panic!("{what}: custodian {number} refused the batch: {refusal}"));
            let code = expected.code().to_owned();
            assert_eq!(
                voted.refused,
                [(first, code.clone()), (first + 1, code)],
                "{what}: custodian {number}"
            );
            let outputs = Outputs::from_canonical(&voted.outputs.list).unwrap();
            assert!(
                outputs.items.iter().all(|item| item.purpose == Purpose::Checkpoint),
                "{what}: custodian {number} took part in a signature"
            );
        }
        self.bench.enter_view().await;
    }

    /// Every custodian refuses the whole batch.
    async fn spoiled(&self, what: &str, good: Order, body: Vec<u8>, expected: Refusal) {
        let batch = self.bench.coordinator.build(&[good], clock::now_ms(), &mut OsRng);
        assert!(batch.refused.is_empty(), "{what}: {:?}", batch.refused);
        for number in SIGNERS {
            let mut message = self.bench.coordinator.propose(&batch, 0, &SIGNERS).message().clone();
            let entry = &mut message.proposal.entries[0];
            let opening = entry.opening.as_mut().unwrap();
            opening.body = Bytes(body.clone());
            let mut leaf = quorate_rules::Leaf::decode(&entry.leaf.0).unwrap();
            leaf.commit = quorate_rules::leaf::commitment(&opening.salt.0, &opening.body);
            entry.leaf = Array(leaf.encode());
            let outcome = self.bench.propose(number, &self.bench.signed(message)).await;
            assert_eq!(outcome.err(), Some(expected), "{what}: custodian {number}");
        }
    }
}

fn invite(user: UserRecord, seed: u8) -> Action {
    let key = Array(invitation(seed).verifying_key().to_bytes());
    Action::Invite(user, key, clock::now_ms() + 3_600_000)
}

/// A leaf after the last change, and its certified head.
async fn tick(bench: &mut Bench) -> Anchor {
    let batch = bench.coordinator.build(&[Order::Tick], clock::now_ms(), &mut OsRng);
    assert!(batch.refused.is_empty(), "{:?}", batch.refused);
    let signed = bench.complete(&batch, &SIGNERS).await;
    Anchor {
        size: batch.head().size,
        root: batch.head().root,
        sig: Array(signed.checkpoint.unwrap().try_into().unwrap()),
    }
}

fn redemption(grant: &Authorization) -> Redemption {
    Redemption {
        code: Array(CODE),
        code_verifier: Some(VERIFIER.to_owned()),
        redirect_uri: Some(grant.redirect_uri.to_string()),
        client: ClientProof::None,
        dpop: None,
    }
}

fn evidence(grant: Vec<u8>, tap: Assertion, redemption: Redemption) -> Evidence {
    let sign_in = SignIn {
        grant: Bytes(grant),
        answer: Answer::Passkey(tap),
    };
    Evidence::SignIn(sign_in, redemption)
}

/// What a gateway would rather have had the person confirm.
type Change = Box<dyn Fn(&mut Authorization)>;

#[test]
fn a_tap_for_one_request_is_good_for_no_other() {
    on_both(async |mut people: People| {
        let honest = people.grant("app");
        let tap = people.tap(&honest);
        let changes: [(&str, Change); 9] = [
            (
                "swapped client",
                Box::new(|g| {
                    g.client_id = ClientId::new("other").unwrap();
                    g.redirect_uri = RedirectUri::new("https://other.example/cb").unwrap();
                }),
            ),
            ("swapped nonce", Box::new(|g| g.nonce = Some("another".to_owned()))),
            ("nonce removed", Box::new(|g| g.nonce = None)),
            (
                "wider scope",
                Box::new(|g| g.scope = Scope::parse("openid profile email").unwrap()),
            ),
            (
                "swapped PKCE challenge",
                Box::new(|g| g.code_challenge = Some("A".repeat(43))),
            ),
            ("swapped DPoP key", Box::new(|g| g.dpop_jkt = Some("A".repeat(43)))),
            (
                "two codes from one tap",
                Box::new(|g| g.code_hash = code_hash(&[8; 32])),
            ),
            ("a session slipped in", Box::new(|g| g.session = Some([1; 64]))),
            ("a later time", Box::new(|g| g.issued_s += 1)),
        ];
        for (what, change) in changes {
            let mut grant = honest.clone();
            change(&mut grant);
            let evidence = evidence(grant.canonical(), tap.clone(), redemption(&grant));
            people.attempted(what, evidence, Refusal::WrongChallenge).await;
        }
    });
}

#[test]
fn a_page_or_gateway_that_asks_for_too_much_gets_no_token_even_with_a_tap() {
    on_both(async |mut people: People| {
        let other = SoftPasskey::generate(&people.issuer()).unwrap();
        type Change = Box<dyn Fn(&mut Authorization)>;
        let cases: [(&str, Change, Refusal); 14] = [
            (
                "unregistered redirect URI",
                Box::new(|g| g.redirect_uri = RedirectUri::new("https://app.example/cb2").unwrap()),
                Refusal::WrongRedirectUri,
            ),
            (
                "look-alike redirect URI",
                Box::new(|g| g.redirect_uri = RedirectUri::new("https://app.example.evil.test/cb").unwrap()),
                Refusal::WrongRedirectUri,
            ),
            (
                "scope beyond the record",
                Box::new(|g| g.scope = Scope::parse("openid groups").unwrap()),
                Refusal::ScopeNotRegistered,
            ),
            (
                "no scope at all",
                Box::new(|g| g.scope = Scope::default()),
                Refusal::ScopeNotRegistered,
            ),
            (
                "claims beyond the record",
                Box::new(|g| g.claims.id_token = [quorate_rules::claim::Claim::Groups].into()),
                Refusal::ScopeNotRegistered,
            ),
            (
                "another audience",
                Box::new(|g| g.resource = Some("https://files.example".parse().unwrap())),
                Refusal::ResourceNotRegistered,
            ),
            (
                "PKCE downgrade",
                Box::new(|g| g.code_challenge = None),
                Refusal::PkceRequired,
            ),
            (
                "another tenant's grant",
                Box::new(|g| g.issuer = Issuer::new("https://other.example").unwrap()),
                Refusal::WrongIssuer,
            ),
            (
                "unknown client",
                Box::new(|g| g.client_id = ClientId::new("nobody").unwrap()),
                Refusal::UnknownClient,
            ),
            (
                "a machine's client id",
                Box::new(|g| g.client_id = ClientId::new(crate::committee::CLIENT).unwrap()),
                Refusal::UnknownClient,
            ),
            (
                "another subject demanded",
                Box::new(|g| g.sub = Some(Subject::from_random([5; 16]))),
                Refusal::WrongUser,
            ),
            (
                "anchor at another root",
                Box::new(|g| g.anchor.root = Hash::from([1; 32])),
                Refusal::UnknownAnchor,
            ),
            (
                "anchor nobody signed",
                Box::new(|g| g.anchor.sig = Array([1; 64])),
                Refusal::UnknownAnchor,
            ),
            (
                "anchor beyond the log",
                Box::new(|g| g.anchor.size += 1000),
                Refusal::UnknownAnchor,
            ),
        ];
        for (what, change, expected) in cases {
            let mut grant = people.grant("app");
            change(&mut grant);
            let evidence = evidence(grant.canonical(), people.tap(&grant), redemption(&grant));
            people.attempted(what, evidence, expected).await;
        }
        let grant = people.grant("app");
        let stranger = other.answer(&grant.challenge()).unwrap();
        let evidence_of = |tap| evidence(grant.canonical(), tap, redemption(&grant));
        people
            .attempted(
                "a passkey that nobody enrolled",
                evidence_of(stranger.clone()),
                Refusal::UnknownCredential,
            )
            .await;
        let impostor = Assertion {
            credential_id: people.passkey.id(),
            ..stranger
        };
        people
            .attempted(
                "another passkey under an enrolled id",
                evidence_of(impostor),
                Refusal::BadSignature,
            )
            .await;
        let mut bytes = grant.canonical();
        let at = bytes.windows(8).position(|window| window == b"https://").unwrap();
        bytes[at..at + 8].copy_from_slice(b"javascri");
        people
            .attempted(
                "a scheme that runs",
                evidence(bytes, people.tap(&grant), redemption(&grant)),
                Refusal::MalformedGrant,
            )
            .await;
    });
}

#[test]
fn answers_of_a_passkey_to_another_site_or_ceremony_are_refused() {
    on_both(async |mut people: People| {
        let grant = people.grant("app");
        let challenge = grant.challenge();
        let origin = people.issuer().to_string();
        let honest = people.passkey.client_data("webauthn.get", &challenge);
        let with = |from: &str, to: &str| {
            assert!(honest.contains(from), "{honest}");
            honest.replace(from, to)
        };
        let cases = [
            (
                "another origin",
                with(&origin, "https://evil.example"),
                0x05,
                Refusal::WrongPageOrigin,
            ),
            (
                "a sub-domain",
                with("localhost:9", "sub.localhost:9"),
                0x05,
                Refusal::WrongPageOrigin,
            ),
            (
                "a cross-origin frame",
                with("\"crossOrigin\":false", "\"crossOrigin\":true"),
                0x05,
                Refusal::CrossOrigin,
            ),
            (
                "a frame's top origin",
                with(
                    "\"crossOrigin\":false",
                    "\"crossOrigin\":false,\"topOrigin\":\"https://evil.example\"",
                ),
                0x05,
                Refusal::CrossOrigin,
            ),
            (
                "another ceremony",
                with("webauthn.get", "webauthn.create"),
                0x05,
                Refusal::WrongCeremony,
            ),
            (
                "a payment",
                with("webauthn.get", "payment.get"),
                0x05,
                Refusal::WrongCeremony,
            ),
            ("nobody verified", honest.clone(), 0x01, Refusal::UserNotVerified),
            ("nobody present", honest.clone(), 0x04, Refusal::UserNotPresent),
        ];
        for (what, client_data, flags, expected) in cases {
            let tap = people.passkey.answer_with(&client_data, flags).unwrap();
            let evidence = evidence(grant.canonical(), tap, redemption(&grant));
            people.attempted(what, evidence, expected).await;
        }
        // A credential of another tenant on the same kind of authenticator: its RP ID and its origin are others.
        let elsewhere = SoftPasskey::generate(&Issuer::new("http://127.0.0.1:9").unwrap()).unwrap();
        let mut tap = elsewhere.answer_with(&honest, 0x05).unwrap();
        tap.credential_id = people.passkey.id();
        people
            .attempted(
                "another RP ID",
                evidence(grant.canonical(), tap, redemption(&grant)),
                Refusal::WrongRpId,
            )
            .await;
    });
}

#[test]
fn a_code_is_redeemed_only_by_who_holds_verifier_and_credential() {
    on_both(async |mut people: People| {
        let grant = people.grant("app");
        let tap = people.tap(&grant);
        type Change = Box<dyn Fn(&mut Redemption)>;
        let cases: [(&str, Change, Refusal); 9] = [
            (
                "another code",
                Box::new(|r| r.code = Array([8; 32])),
                Refusal::WrongCode,
            ),
            (
                "verifier missing",
                Box::new(|r| r.code_verifier = None),
                Refusal::WrongVerifier,
            ),
            (
                "verifier of another flow",
                Box::new(|r| r.code_verifier = Some("A".repeat(43))),
                Refusal::WrongVerifier,
            ),
            (
                "the challenge as verifier",
                Box::new(|r| r.code_verifier = Some(B64.encode(sha256(&[VERIFIER.as_bytes()]).as_bytes()))),
                Refusal::WrongVerifier,
            ),
            (
                "verifier too short",
                Box::new(|r| r.code_verifier = Some("x".to_owned())),
                Refusal::WrongVerifier,
            ),
            (
                "redirect URI missing",
                Box::new(|r| r.redirect_uri = None),
                Refusal::WrongRedirectUri,
            ),
            (
                "another redirect URI",
                Box::new(|r| r.redirect_uri = Some("https://other.example/cb".to_owned())),
                Refusal::WrongRedirectUri,
            ),
            (
                "a secret for a client without one",
                Box::new(|r| r.client = ClientProof::Secret),
                Refusal::WrongClientAuthentication,
            ),
            (
                "a DPoP proof that nobody asked for",
                Box::new(|r| r.dpop = Some("a.b.c".to_owned())),
                Refusal::WrongDpopProof,
            ),
        ];
        for (what, change, expected) in cases {
            let mut redemption = redemption(&grant);
            change(&mut redemption);
            people
                .attempted(what, evidence(grant.canonical(), tap.clone(), redemption), expected)
                .await;
        }
        // A confidential client's code without its secret, as a public client, or with a guess.
        let grant = people.grant("vault");
        let tap = people.tap(&grant);
        people
            .attempted(
                "no proof for a client with a secret",
                evidence(grant.canonical(), tap.clone(), redemption(&grant)),
                Refusal::WrongClientAuthentication,
            )
            .await;
        let with_secret = Redemption {
            client: ClientProof::Secret,
            ..redemption(&grant)
        };
        people
            .attempted(
                "a secret that the gateway withholds",
                evidence(grant.canonical(), tap, with_secret),
                Refusal::WrongClientAuthentication,
            )
            .await;
        secrets_of_others(&mut people).await;
        // A DPoP-bound grant without a proof.
        let mut grant = people.grant("app");
        grant.dpop_jkt = Some("A".repeat(43));
        people
            .attempted(
                "no DPoP proof",
                evidence(grant.canonical(), people.tap(&grant), redemption(&grant)),
                Refusal::WrongDpopProof,
            )
            .await;
    });
}

/// Every custodian takes its own part of a secret, and no other's.
async fn secrets_of_others(people: &mut People) {
    let batch = people.batch("vault");
    let (first, issuer) = (batch.first, people.issuer());
    let client = ClientId::new("vault").unwrap();
    for number in SIGNERS {
        let parts = [
            (
                "another custodian's part",
                SecretPart::derive(SECRET, &issuer, &client, number % 4 + 1),
            ),
            ("a guess", SecretPart::derive("guess", &issuer, &client, number)),
        ];
        for (attempt, (what, part)) in (0..).zip(parts) {
            let mut message = people
                .bench
                .coordinator
                .propose(&batch, attempt, &SIGNERS)
                .message()
                .clone();
            message.secrets = vec![(first, part)];
            let voted = people.bench.propose(number, &message).await.unwrap();
            let code = Refusal::WrongSecret.code().to_owned();
            assert_eq!(
                voted.refused,
                [(first, code.clone()), (first + 1, code)],
                "{what}: custodian {number}"
            );
        }
    }
    people.bench.enter_view().await;
}

#[test]
fn a_redemption_is_logged_once_also_by_a_gateway_that_forgets() {
    on_both(async |mut people: People| {
        let (order, _) = people.good("app");
        let orders = [order];
        let batch = people.bench.coordinator.build(&orders, clock::now_ms(), &mut OsRng);
        let signed = people.bench.complete(&batch, &SIGNERS).await;
        assert_eq!(signed.tokens.len(), 2, "access token and ID token");
        people.bench.enter_view().await;
        let again = people.bench.coordinator.build(&orders, clock::now_ms(), &mut OsRng);
        assert!(again.refused.is_empty(), "the gateway has forgotten");
        // Who signed remembers; two quorums share an honest one of these, and a token takes every signer's share.
        people
            .attempt("redeemed twice", (&again, &SIGNERS), Refusal::Replayed)
            .await;
    });
}

#[test]
fn invitations_are_used_once_and_for_the_key_that_was_signed() {
    on_both(async |mut people: People| {
        let used = people.enrolment(|_| {}, &invitation(1));
        assert_eq!(
            people.log(Order::Enrolment(used.clone())).await,
            Err(Refusal::UnknownInvitation)
        );
        people.bench.decide(invite(user(2, "grace"), 2)).await;
        people.anchor = tick(&mut people.bench).await;
        let new = SoftPasskey::generate(&people.issuer()).unwrap();
        let first = std::mem::replace(&mut people.passkey, new);
        let second_key = |s: &mut EnrolmentStatement| s.user_key = TagKey::new([8; 32]);
        let good = people.enrolment(second_key, &invitation(2));
        let order = || Order::Enrolment(good.clone());
        people
            .spoiled("used twice", order(), used.to_canonical(), Refusal::UnknownInvitation)
            .await;

        let thief = SoftPasskey::generate(&people.issuer()).unwrap();
        let mut statement = good.read_statement().unwrap();
        (statement.credential_id, statement.key) = (thief.id(), thief.public_key());
        let swapped = EnrolmentBody {
            statement: Bytes(statement.to_canonical()),
            credential: thief.answer(&statement.challenge()).unwrap(),
            ..good.clone()
        };
        people
            .spoiled("swapped key", order(), swapped.to_canonical(), Refusal::WrongEnrolment)
            .await;
        let unsigned = EnrolmentBody {
            seed_signature: None,
            ..good.clone()
        };
        people
            .spoiled("no seed", order(), unsigned.to_canonical(), Refusal::WrongEnrolment)
            .await;
        let of_another = people.enrolment(
            |s| s.issuer = Issuer::new("https://other.example").unwrap(),
            &invitation(2),
        );
        people
            .spoiled(
                "another tenant's",
                order(),
                of_another.to_canonical(),
                Refusal::WrongIssuer,
            )
            .await;
        let stale = people.enrolment(|s| s.anchor.size += 100, &invitation(2));
        people
            .spoiled("foreign anchor", order(), stale.to_canonical(), Refusal::UnknownAnchor)
            .await;
        let tag = people.enrolment(|s| s.user_key = USER_KEY, &invitation(2));
        people
            .spoiled(
                "another person's tag key",
                order(),
                tag.to_canonical(),
                Refusal::WrongEnrolment,
            )
            .await;

        // The first person's authenticator, claimed by the second.
        people.passkey = first;
        let taken = people.enrolment(second_key, &invitation(2));
        people
            .spoiled(
                "a passkey that is taken",
                order(),
                taken.to_canonical(),
                Refusal::CredentialTaken,
            )
            .await;
        people.log(order()).await.unwrap();
        assert_eq!(people.bench.coordinator.tip().registry().users().count(), 2);
    });
}

#[test]
fn what_changed_since_the_anchor_is_not_consented_to() {
    on_both(async |mut people: People| {
        let grant = people.grant("app");
        let sign_in = evidence(grant.canonical(), people.tap(&grant), redemption(&grant));
        // The client is changed after the person looked.
        let issuer = people.issuer();
        let record = single_page("app", "Renamed", "https://app.example/cb", "openid profile email").unwrap();
        let private = private(&record.id, &issuer, None);
        people.bench.decide(Action::PutInteractiveClient(record, private)).await;
        people.anchor = tick(&mut people.bench).await;
        people
            .attempted("a client that changed", sign_in, Refusal::StaleRegistry)
            .await;
    });
}

#[test]
fn stopping_needs_one_and_bites_at_once_whatever_the_anchor_says() {
    on_both(async |mut people: People| {
        let sign_in = |people: &People, client: &str| {
            let grant = people.grant(client);
            evidence(grant.canonical(), people.tap(&grant), redemption(&grant))
        };
        let passkey = Array(*credential_digest(&people.passkey.id()).as_bytes());
        let cases = [
            (
                "a suspended client",
                "app",
                Action::SuspendClient(ClientId::new("app").unwrap()),
                Refusal::ClientSuspended,
            ),
            (
                "a suspended user",
                "other",
                Action::SuspendUser(people.sub.clone()),
                Refusal::UserSuspended,
            ),
            (
                "a stopped passkey",
                "other",
                Action::StopPasskey(passkey),
                Refusal::CredentialRevoked,
            ),
        ];
        for (what, client, action, expected) in cases {
            let tapped_before = sign_in(&people, client);
            people.bench.decide(action).await;
            people.bench.attempted_by(what, tapped_before, expected).await;
        }
    });
}

impl Bench {
    /// A machine's batch that carries a person's evidence: every signer judges the evidence first.
    async fn attempted_by(&mut self, what: &str, evidence: Evidence, expected: Refusal) {
        let mut batch = self.batch();
        batch.entries[0].evidence = Some(evidence);
        let proposed = self.coordinator.propose(&batch, 0, &SIGNERS);
        for number in SIGNERS {
            let voted = self.propose(number, proposed.message()).await.unwrap();
            let refused = [(batch.first, expected.code().to_owned())];
            assert_eq!(voted.refused, refused, "{what}: custodian {number}");
        }
        self.enter_view().await;
    }
}

#[test]
fn a_gateway_does_not_learn_another_custodians_part_of_a_secret_from_a_custodian() {
    on_both(async |people: People| {
        let batch = people.batch("vault");
        let proposed = people.bench.coordinator.propose(&batch, 0, &SIGNERS);
        let messages: Vec<Vec<u8>> = SIGNERS
            .iter()
            .map(|number| proposed.message_for(*number).to_canonical())
            .collect();
        let (issuer, client) = (people.issuer(), ClientId::new("vault").unwrap());
        for (place, number) in SIGNERS.iter().enumerate() {
            let part = minicbor::to_vec(SecretPart::derive(SECRET, &issuer, &client, *number)).unwrap();
            for (other, message) in messages.iter().enumerate() {
                let holds = message.windows(part.len()).any(|window| window == part);
                assert_eq!(
                    holds,
                    place == other,
                    "part of {number} in the message of {}",
                    SIGNERS[other]
                );
            }
            let voted: quorate_protocol::message::Voted = people
                .bench
                .ask(*number, path::PROPOSE, &proposed.message_for(*number))
                .await
                .unwrap();
            assert!(voted.refused.is_empty());
        }
    });
}
