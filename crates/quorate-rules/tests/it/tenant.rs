//! A tenant with two clients, one of each kind of key; everything from seeds.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::{Signer, SigningKey};
use quorate_rules::{
    Evidence, Grant, QuorumRule, RULES_VERSION, Refusal, Registry, TokenAlg,
    anchor::{Heads, Past},
    body::{DecisionBody, GenesisBody, KeysBody},
    cbor::{Array, Bytes, Canonical},
    decision::{Action, Approval, Proposal},
    judge::{Presented, judge},
    jwk::PublicJwk,
    leaf::EntryType,
    name::{Audience, ClientId, DisplayName, Issuer, PartyName, Scope},
    record::{Admin, AdminSet, ClientKey, ClientRecord, CustodianRecord, GatewayRecord},
    registry::FoldEntry,
    tag::TagKey,
};

pub const ISSUER: &str = "https://issuer.example";
/// Client with an Ed25519 key under a `kid` of its own, and a second key, so that assertions must name one.
pub const TWO_KEYS: &str = "two-keys";
/// Client with the P-256 key of RFC 7515 appendix A.3.
pub const P256: &str = "p256";
pub const TIME_MS: u64 = 1_800_000_000_000;
pub const SALT: [u8; 32] = [0x5a; 32];

pub fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn public(seed: u8) -> Array<32> {
    Array(secret(seed).verifying_key().to_bytes())
}

pub fn issuer() -> Issuer {
    Issuer::new(ISSUER).unwrap()
}

/// RFC 7515 appendix A.3.1.
pub fn p256() -> (EcdsaKeyPair, PublicJwk) {
    let part = |text: &str| B64.decode(text).unwrap();
    let secret = part("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
    let (x, y) = (
        part("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
        part("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
    );
    let point = [&x[..], &y].concat();
    let sec1 = [&[4u8][..], &point].concat();
    let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &secret, &sec1).unwrap();
    (pair, PublicJwk::P256(Array(point.try_into().unwrap())))
}

pub fn genesis(decision_delay_ms: u64) -> GenesisBody {
    GenesisBody {
        issuer: issuer(),
        log: 1,
        demo: true,
        quorum: QuorumRule::new(4, 3, 1).unwrap(),
        token_alg: TokenAlg::EdDsa,
        custodians: (1..=4)
            .map(|number| CustodianRecord {
                name: PartyName::new(format!("custodian-{number}")).unwrap(),
                identity_key: public(number),
                cosigner_key: public(number + 10),
                envelope_key: Array([number; 32]),
            })
            .collect(),
        admins: AdminSet {
            k: 2,
            admins: (31..=33)
                .map(|seed| Admin {
                    name: PartyName::new(format!("admin-{seed}")).unwrap(),
                    key: public(seed),
                })
                .collect(),
        },
        gateways: vec![
            GatewayRecord {
                name: PartyName::new("gateway-1").unwrap(),
                link_key: public(21),
            },
            GatewayRecord {
                name: PartyName::new("gateway-2").unwrap(),
                link_key: public(22),
            },
        ],
        audit_key: Array([9; 32]),
        decision_delay_ms,
        rules: RULES_VERSION,
        created_ms: TIME_MS,
        nonce: Array([7; 32]),
    }
}

/// A genesis of this algorithm.
pub fn genesis_of(token_alg: TokenAlg) -> GenesisBody {
    GenesisBody {
        token_alg,
        ..genesis(0)
    }
}

/// Public token key of a tenant of this algorithm, as a keys entry holds it.
pub fn token_key(alg: TokenAlg) -> Vec<u8> {
    match (alg, p256().1) {
        (TokenAlg::Es256, PublicJwk::P256(Array(xy))) => xy.to_vec(),
        _ => public(41).0.to_vec(),
    }
}

/// Keys of a tenant of this algorithm.
pub fn keys_of(alg: TokenAlg) -> KeysBody {
    KeysBody {
        token_key: Bytes(token_key(alg)),
        ..keys()
    }
}

pub fn keys() -> KeysBody {
    KeysBody {
        epoch: 1,
        token_group: Bytes(vec![1; 40]),
        log_group: Bytes(vec![2; 40]),
        token_key: Bytes(token_key(TokenAlg::EdDsa)),
        log_key: public(42),
        transcript: Array([3; 32]),
    }
}

pub fn two_keys() -> ClientRecord {
    ClientRecord {
        id: ClientId::new(TWO_KEYS).unwrap(),
        name: DisplayName::new("Zwei Schlüssel").unwrap(),
        keys: vec![
            ClientKey {
                jwk: PublicJwk::Ed25519(public(51)),
                kid: Some("own-name".to_owned()),
            },
            ClientKey {
                jwk: PublicJwk::Ed25519(public(52)),
                kid: None,
            },
        ],
        scope: Scope::parse("files.read files.write").unwrap(),
        audience: Some(Audience::new("https://files.example").unwrap()),
        token_lifetime_s: 300,
        sender_constrained: true,
        tag_key: TagKey::new([8; 32]),
        suspended: false,
    }
}

pub fn p256_client() -> ClientRecord {
    ClientRecord {
        id: ClientId::new(P256).unwrap(),
        name: DisplayName::new("P-256").unwrap(),
        keys: vec![ClientKey {
            jwk: p256().1,
            kid: None,
        }],
        scope: Scope::parse("files.read files.write").unwrap(),
        audience: None,
        token_lifetime_s: 60,
        sender_constrained: false,
        tag_key: TagKey::new([6; 32]),
        suspended: false,
    }
}

/// One of each kind of [`Action`] that this registry would take.
pub fn actions(registry: &Registry) -> Vec<Action> {
    let mut actions = vec![
        Action::PutClient(two_keys()),
        Action::SetAdmins(genesis(0).admins),
        Action::PutGateway(GatewayRecord {
            name: PartyName::new("gateway-3").unwrap(),
            link_key: public(23),
        }),
        Action::RemoveGateway(PartyName::new("gateway-1").unwrap()),
        Action::ActivateRules(RULES_VERSION),
    ];
    actions.extend(
        registry
            .clients()
            .map(|client| Action::SuspendClient(client.id.clone())),
    );
    if registry.users().next().is_some() {
        actions.extend(crate::people::actions());
    }
    actions.extend(registry.pending().map(|pending| Action::Cancel(pending.id)));
    actions
}

pub fn proposal(registry: &Registry, action: Action) -> Proposal {
    Proposal {
        version: 1,
        issuer: issuer(),
        log: 1,
        registry_root: Array(*registry.root().as_bytes()),
        created_ms: TIME_MS,
        expires_ms: TIME_MS + 60_000,
        action,
    }
}

/// The decision with the approvals of two of the three administrators.
pub fn decision(registry: &Registry, action: Action) -> DecisionBody {
    let proposal = proposal(registry, action);
    let approve = |seed: u8| Approval {
        admin: PartyName::new(format!("admin-{seed}")).unwrap(),
        signature: Array(secret(seed).sign(proposal.digest().as_bytes()).to_bytes()),
    };
    DecisionBody {
        proposal: Bytes(proposal.to_canonical()),
        approvals: vec![approve(31), approve(33)],
    }
}

pub fn entry(index: u64, entry_type: EntryType, body: &[u8]) -> FoldEntry<'_> {
    FoldEntry {
        index,
        entry_type,
        time_ms: TIME_MS,
        salt: &SALT,
        body,
    }
}

/// Genesis and keys.
pub fn founded(decision_delay_ms: u64) -> Registry {
    founded_by(&genesis(decision_delay_ms), &keys()).unwrap()
}

/// What these two make.
pub fn founded_by(genesis: &GenesisBody, keys: &KeysBody) -> Result<Registry, Refusal> {
    let mut registry = Registry::new();
    registry.apply(&entry(0, EntryType::Genesis, &genesis.to_canonical()))?;
    registry.apply(&entry(1, EntryType::Keys, &keys.to_canonical()))?;
    Ok(registry)
}

/// Genesis, keys and both clients.
pub fn registry() -> Registry {
    registry_of(TokenAlg::EdDsa)
}

/// The same of a tenant of this algorithm.
pub fn registry_of(alg: TokenAlg) -> Registry {
    let mut registry = founded_by(&genesis_of(alg), &keys_of(alg)).unwrap();
    for (index, client) in (2..).zip([two_keys(), p256_client()]) {
        let body = decision(&registry, Action::PutClient(client)).to_canonical();
        registry.apply(&entry(index, EntryType::Decision, &body)).unwrap();
    }
    registry
}

/// A registry in which a decision waits.
pub fn waiting() -> Registry {
    let mut registry = founded(60_000);
    let body = decision(&registry, Action::PutClient(two_keys())).to_canonical();
    registry.apply(&entry(2, EntryType::Decision, &body)).unwrap();
    assert_eq!(registry.pending().count(), 1);
    registry
}

/// A compact JWS of exactly these texts.
pub fn jws(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let input = format!("{}.{}", B64.encode(header), B64.encode(claims));
    let signature = sign(input.as_bytes());
    format!("{input}.{}", B64.encode(signature))
}

pub fn sign_ed25519(seed: u8) -> impl Fn(&[u8]) -> Vec<u8> {
    move |input| secret(seed).sign(input).to_bytes().to_vec()
}

pub fn sign_p256(input: &[u8]) -> Vec<u8> {
    p256().0.sign(&SystemRandom::new(), input).unwrap().as_ref().to_vec()
}

/// A good assertion of each client, with its record.
pub fn good_assertions() -> [(String, ClientRecord); 2] {
    let claims = |client: &str| {
        format!(
            r#"{{"iss":"{client}","sub":"{client}","aud":"{ISSUER}","jti":"j-1","iat":{},"exp":{},"scope":"files.read"}}"#,
            TIME_MS / 1000,
            TIME_MS / 1000 + 60
        )
    };
    let header = r#"{"alg":"EdDSA","kid":"own-name","typ":"client-authentication+jwt"}"#;
    [
        (jws(header, &claims(TWO_KEYS), sign_ed25519(51)), two_keys()),
        (jws(r#"{"alg":"ES256"}"#, &claims(P256), sign_p256), p256_client()),
    ]
}

/// Judges a machine's evidence, which asks nothing of the past.
pub fn judged(registry: &Registry, evidence: &Evidence, batch_ms: u64) -> Result<Grant, Refusal> {
    let (heads, leaves) = (Heads::default(), Default::default());
    let past = Past {
        heads: &heads,
        leaves: &leaves,
    };
    judge(registry, &past, Presented::without_secret(evidence), batch_ms)
}
