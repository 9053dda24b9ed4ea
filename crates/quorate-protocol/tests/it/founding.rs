//! A founded tenant: four custodians, 3 of which sign, two gateways, one client. Made once and copied for every run.

use crate::{disk::Disk, four::Four, generator::Generator};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::{Signer, SigningKey};
use quorate_protocol::{
    Committee, QuorumCertificate, View,
    coordinator::Coordinator,
    custodian::{Custodian, Identity, Peer},
    envelope::EnvelopeKey,
    key_ring::Schemes,
    sealing::generate_audit_key,
    step::Step,
    tip::Tip,
};
use quorate_rules::{
    Evidence, Grant, QuorumRule, RULES_VERSION, Refusal, Registry, TokenAlg,
    anchor::{Heads, Past},
    body::{DecisionBody, GenesisBody},
    cbor::{Array, Canonical},
    decision::{Action, Approval, Proposal},
    judge::{Presented, judge},
    jwk::PublicJwk,
    name::{ClientId, DisplayName, Issuer, PartyName, Scope},
    record::{self, Admin, AdminSet, ClientRecord, CustodianRecord, GatewayRecord},
    tag::TagKey,
};
use rand_core::RngCore;
use std::collections::BTreeMap;
use std::convert::Infallible;

pub const CLIENT: &str = "service";
pub const ISSUER: &str = "https://issuer.example";
pub const FOUNDED_MS: u64 = 1_800_000_000_000;

pub struct Founded {
    pub committee: Committee,
    /// Another tenant with the very same parties.
    pub neighbour: Committee,
    pub gateways: [SigningKey; 2],
    pub identities: Vec<[u8; 32]>,
    envelopes: Vec<[u8; 32]>,
    admin: SigningKey,
    pub client: SigningKey,
    schemes: Schemes,
    pub disks: Vec<Disk>,
    pub tip: Tip,
    pub certificate: QuorumCertificate,
    /// Every tip before the founded one, so that any of them can be extended.
    pub certified: Vec<(Tip, QuorumCertificate)>,
}

pub fn gateway_name(gateway: usize) -> PartyName {
    PartyName::new(format!("gateway-{}", gateway + 1)).unwrap()
}

fn key(rng: &mut Generator) -> SigningKey {
    SigningKey::generate(rng)
}

impl Founded {
    pub fn new() -> Self {
        Self::with(TokenAlg::EdDsa)
    }

    /// A founded tenant whose tokens are signed with this algorithm.
    pub fn with(alg: TokenAlg) -> Self {
        let mut founded = Self::parties(Schemes::of(alg), alg);
        founded.found();
        founded
    }

    /// Everyone of a tenant that signs with FROST, before anything is founded.
    pub fn frost() -> Self {
        Self::parties(Schemes::of(TokenAlg::EdDsa), TokenAlg::EdDsa)
    }

    /// Everyone, before anything is founded.
    pub fn parties(schemes: Schemes, alg: TokenAlg) -> Self {
        let mut rng = Generator::new("founding", 0);
        let identities: Vec<_> = (0..4).map(|_| key(&mut rng).to_bytes()).collect();
        let envelopes: Vec<_> = (0..4)
            .map(|_| *EnvelopeKey::generate(&mut rng).danger_bytes())
            .collect();
        let gateways = [key(&mut rng), key(&mut rng)];
        let (admin, client) = (key(&mut rng), key(&mut rng));
        let (_, audit_key) = generate_audit_key(&mut rng);
        let genesis = |issuer: &str| GenesisBody {
            issuer: Issuer::new(issuer).unwrap(),
            log: 1,
            demo: true,
            quorum: QuorumRule::new(4, 3, 1).unwrap(),
            token_alg: alg,
            custodians: (0..4)
                .map(|place| CustodianRecord {
                    name: PartyName::new(format!("custodian-{}", place + 1)).unwrap(),
                    identity_key: Array(SigningKey::from_bytes(&identities[place]).verifying_key().to_bytes()),
                    cosigner_key: Array(
                        SigningKey::from_bytes(&[place as u8 + 1; 32])
                            .verifying_key()
                            .to_bytes(),
                    ),
                    envelope_key: Array(EnvelopeKey::from_bytes(envelopes[place]).public()),
                })
                .collect(),
            admins: AdminSet {
                k: 1,
                admins: vec![Admin {
                    name: PartyName::new("admin").unwrap(),
                    key: Array(admin.verifying_key().to_bytes()),
                }],
            },
            gateways: (0..2)
                .map(|gateway| GatewayRecord {
                    name: gateway_name(gateway),
                    link_key: Array(gateways[gateway].verifying_key().to_bytes()),
                })
                .collect(),
            audit_key: Array(audit_key),
            decision_delay_ms: 0,
            rules: RULES_VERSION,
            created_ms: FOUNDED_MS,
            nonce: Array([7; 32]),
        };
        let committee = Committee::from_genesis(&genesis(ISSUER).to_canonical()).unwrap();
        let neighbour = Committee::from_genesis(&genesis("https://neighbour.example").to_canonical()).unwrap();
        Self {
            committee,
            neighbour,
            gateways,
            identities,
            envelopes,
            admin,
            client,
            schemes,
            disks: vec![Disk::default(); 4],
            tip: Tip::empty(),
            certificate: QuorumCertificate {
                view: View(0),
                head: quorate_protocol::Head::empty(),
                votes: Vec::new(),
            },
            certified: Vec::new(),
        }
    }

    pub fn identity(&self, number: u16) -> Identity {
        let place = usize::from(number) - 1;
        Identity {
            number,
            key: SigningKey::from_bytes(&self.identities[place]),
            envelope: EnvelopeKey::from_bytes(self.envelopes[place]),
        }
    }

    pub fn peer(&self, gateway: usize) -> Peer {
        Peer(self.gateways[gateway].verifying_key().to_bytes())
    }

    pub fn coordinator(&self, gateway: usize, tip: Tip, certificate: Option<QuorumCertificate>) -> Coordinator {
        Coordinator::new(
            self.committee.clone(),
            self.schemes.clone(),
            (gateway_name(gateway), self.gateways[gateway].clone()),
            (tip, certificate),
            Default::default(),
        )
    }

    pub fn start(&self, number: u16, disk: &mut Disk, rng: &mut Generator) -> Custodian {
        let step = Custodian::restore(
            self.identity(number),
            self.committee.clone(),
            disk.keys(self.schemes.clone()),
            &disk.read(),
            rng,
        )
        .unwrap_or_else(|refusal| panic!("custodian {number} cannot start: {refusal:?}"));
        done(step, disk)
    }

    /// An assertion by this key.
    pub fn evidence(&self, signer: &SigningKey, (jti, audience): (&str, &str), now_ms: u64) -> Evidence {
        let now = now_ms / 1000;
        let header = serde_json::json!({ "alg": "EdDSA", "typ": "JWT" });
        let claims = serde_json::json!({
            "iss": CLIENT, "sub": CLIENT, "aud": audience, "jti": jti, "iat": now, "exp": now + 60,
        });
        let input = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        let signature = signer.sign(input.as_bytes()).to_bytes();
        Evidence::ClientKey(format!("{input}.{}", B64.encode(signature)))
    }

    fn found(&mut self) {
        let mut four = Four::start(self);
        let (certified, disks) = (four.found(), four.disks);
        (self.tip, self.certificate) = certified.last().unwrap().clone();
        (self.certified, self.disks) = (certified, disks);
    }

    /// The decision that registers the client.
    pub fn client_decision(&self, tip: &Tip) -> DecisionBody {
        let record = ClientRecord {
            id: ClientId::new(CLIENT).unwrap(),
            name: DisplayName::new(CLIENT).unwrap(),
            keys: vec![record::ClientKey {
                jwk: PublicJwk::Ed25519(Array(self.client.verifying_key().to_bytes())),
                kid: None,
            }],
            scope: Scope::parse("read").unwrap(),
            audience: None,
            token_lifetime_s: ClientRecord::DEFAULT_LIFETIME_S,
            sender_constrained: false,
            tag_key: TagKey::new([9; 32]),
            suspended: false,
        };
        self.decision(tip, FOUNDED_MS, Action::PutClient(record))
    }

    /// A decision of the one administrator.
    pub fn decision(&self, tip: &Tip, now_ms: u64, action: Action) -> DecisionBody {
        let proposal = Proposal {
            version: 1,
            issuer: self.committee.body().issuer.clone(),
            log: 1,
            registry_root: Array(*tip.registry().root().as_bytes()),
            created_ms: now_ms,
            expires_ms: now_ms + 60_000,
            action,
        };
        let signature = Array(self.admin.sign(proposal.digest().as_bytes()).to_bytes());
        DecisionBody {
            proposal: proposal.to_canonical().into(),
            approvals: vec![Approval {
                admin: PartyName::new("admin").unwrap(),
                signature,
            }],
        }
    }
}

/// Makes a step durable and takes its answer.
pub fn done<R>(step: Step<R>, disk: &mut Disk) -> R {
    let Ok(reply) = step.persist(|change| {
        disk.write(change);
        Ok::<_, Infallible>(())
    });
    reply
}

/// Thirty-two bytes as text, unlike any before.
pub fn fresh(rng: &mut Generator) -> String {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    B64.encode(bytes)
}

/// Judges a machine's evidence, which asks nothing of the past.
pub fn judged(registry: &Registry, evidence: &Evidence, batch_ms: u64) -> Result<Grant, Refusal> {
    let (heads, leaves) = (Heads::default(), BTreeMap::new());
    let past = Past {
        heads: &heads,
        leaves: &leaves,
    };
    judge(registry, &past, Presented::without_secret(evidence), batch_ms)
}
