//! A founded tenant: four custodians, 3 of which sign, two gateways, one client. Made once and copied for every run.

use crate::{disk::Disk, generator::Generator};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::{Signer, SigningKey};
use quorate_protocol::{
    Committee, QuorumCertificate, View,
    coordinator::{Batch, Coordinator, NewViewRound, Order},
    custodian::{Custodian, Identity, Peer},
    dkg::{Begin, Broadcasts, Deals},
    envelope::EnvelopeKey,
    key_ring::Schemes,
    message::{AskPeer, Hello, Join},
    sealing::generate_audit_key,
    step::Step,
    tip::Tip,
};
use quorate_rules::{
    Evidence, QuorumRule, RULES_VERSION,
    body::{DecisionBody, GenesisBody},
    cbor::{Array, Canonical},
    decision::{Action, Approval, Proposal},
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
    pub client: SigningKey,
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
            token_alg: "EdDSA".to_owned(),
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
        let mut founded = Self {
            committee,
            neighbour,
            gateways,
            identities,
            envelopes,
            client,
            disks: vec![Disk::default(); 4],
            tip: Tip::empty(),
            certificate: QuorumCertificate {
                view: View(0),
                head: quorate_protocol::Head::empty(),
                votes: Vec::new(),
            },
            certified: Vec::new(),
        };
        founded.found(&admin, &mut rng);
        founded
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
            Schemes::frost(),
            (gateway_name(gateway), self.gateways[gateway].clone()),
            (tip, certificate),
            Default::default(),
        )
    }

    pub fn start(&self, number: u16, disk: &mut Disk, rng: &mut Generator) -> Custodian {
        let step = Custodian::restore(
            self.identity(number),
            self.committee.clone(),
            disk.keys(),
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

    fn found(&mut self, admin: &SigningKey, rng: &mut Generator) {
        let mut disks = self.disks.clone();
        let mut custodians: Vec<Custodian> = (1..=4)
            .map(|number| self.start(number, &mut disks[usize::from(number) - 1], rng))
            .collect();
        let peer = self.peer(0);
        let origin = self.committee.origin().to_owned();
        for place in 0..4 {
            let challenge = custodians[place]
                .hello(peer, &Hello { origin: origin.clone() })
                .unwrap()
                .challenge;
            let about = place as u16 + 1;
            let statements = (0..4)
                .filter(|other| *other != place)
                .map(|other| {
                    custodians[other]
                        .state_about(peer, &AskPeer { about, challenge })
                        .unwrap()
                })
                .collect();
            let step = custodians[place].join(peer, &Join { statements }).unwrap();
            done(step, &mut disks[place]);
        }
        let attempt = Array([1; 16]);
        let begin = Begin { origin, attempt };
        let all = custodians
            .iter_mut()
            .map(|c| c.dkg_begin(peer, &begin, rng).unwrap())
            .collect();
        let broadcasts = Broadcasts { all };
        let dealt: Vec<Deals> = custodians
            .iter_mut()
            .map(|c| c.dkg_deal(peer, &broadcasts, rng).unwrap())
            .collect();
        let mut keys = Vec::new();
        for (custodian, disk) in custodians.iter_mut().zip(&mut disks) {
            let deals = dealt
                .iter()
                .flat_map(|made| &made.deals)
                .filter(|deal| deal.to == custodian.number())
                .cloned()
                .collect();
            let step = custodian.dkg_finish(peer, &Deals { attempt, deals }).unwrap();
            keys = done(step, disk).finished.keys.to_canonical();
        }
        let mut coordinator = self.coordinator(0, Tip::empty(), None);
        let mut round = NewViewRound::begin([View(0)]);
        for (custodian, disk) in custodians.iter_mut().zip(&mut disks) {
            let step = custodian.enter_view(peer, &round.message(&self.committee)).unwrap();
            round
                .take(&self.committee, custodian.number(), done(step, disk))
                .unwrap();
        }
        let entered = round.finish(&self.committee).unwrap();
        assert!(coordinator.lead(entered, Tip::empty(), Default::default()).is_ok());
        let first = coordinator.build_first(keys, FOUNDED_MS, rng).unwrap();
        self.complete(&mut coordinator, &first, (&mut custodians, &mut disks), rng);
        let decision = self.client_decision(admin, coordinator.tip());
        let batch = coordinator.build(&[Order::Decision(decision)], FOUNDED_MS, rng);
        assert!(batch.refused.is_empty());
        self.complete(&mut coordinator, &batch, (&mut custodians, &mut disks), rng);
        self.tip = coordinator.tip().clone();
        self.certificate = coordinator.certificate().unwrap().clone();
        self.disks = disks;
    }

    fn client_decision(&self, admin: &SigningKey, tip: &Tip) -> DecisionBody {
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
        let proposal = Proposal {
            version: 1,
            issuer: self.committee.body().issuer.clone(),
            log: 1,
            registry_root: Array(*tip.registry().root().as_bytes()),
            created_ms: FOUNDED_MS,
            expires_ms: FOUNDED_MS + 60_000,
            action: Action::PutClient(record),
        };
        let signature = Array(admin.sign(proposal.digest().as_bytes()).to_bytes());
        DecisionBody {
            proposal: proposal.to_canonical().into(),
            approvals: vec![Approval {
                admin: PartyName::new("admin").unwrap(),
                signature,
            }],
        }
    }

    /// All four vote... three sign, the fourth follows.
    fn complete(
        &mut self,
        coordinator: &mut Coordinator,
        batch: &Batch,
        (custodians, disks): (&mut [Custodian], &mut [Disk]),
        rng: &mut Generator,
    ) {
        let peer = self.peer(0);
        let proposed = coordinator.propose(batch, 0, &[1, 2, 3]);
        let mut answers = BTreeMap::new();
        for place in 0..3 {
            let step = custodians[place]
                .propose(peer, proposed.message(), FOUNDED_MS, rng)
                .unwrap();
            answers.insert(place as u16 + 1, done(step, &mut disks[place]));
        }
        let certified = proposed.certify(&answers);
        let from = coordinator.tip().head().size;
        coordinator.advance(batch, certified.certificate.clone());
        self.certified
            .push((coordinator.tip().clone(), certified.certificate.clone()));
        for place in 0..3 {
            let step = custodians[place].commit(peer, certified.message(), FOUNDED_MS).unwrap();
            done(step, &mut disks[place]);
        }
        let entries = (from..batch.head().size)
            .map(|index| quorate_protocol::message::LogEntry::from_canonical(&disks[0].entries[&index]).unwrap())
            .map(quorate_protocol::message::LogEntry::for_others)
            .collect();
        let follow = quorate_protocol::message::Follow {
            origin: self.committee.origin().to_owned(),
            from,
            entries,
            certificate: certified.certificate.clone(),
            consistency: Vec::new(),
        };
        let step = custodians[3].follow(peer, &follow).unwrap();
        done(step, &mut disks[3]);
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
