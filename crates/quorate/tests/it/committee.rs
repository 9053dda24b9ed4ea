//! Four custodian processes and a gateway that the test plays: the enrolled gateway's key, a real link, any message.

use crate::system::QUORATE;
use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use quorate::{
    client::machine,
    client_key::ClientKey,
    clock,
    layout::{Layout, TenantFile},
    tenant,
};
use quorate_gateway::custodians::{ANSWER, AskError, Custodians, accept};
use quorate_protocol::{
    Committee, Refusal, View,
    coordinator::{Batch, Certified, Coordinator, NewViewRound, Order, Proposed, Signed, TokenOrder},
    dkg::{Begin, Given, Round, SignedFinished},
    key_ring::Schemes,
    message::{AskPeer, Commit, Committed, EnterView, Hello, Join, SignedNewView, SignedPropose, Status, Voted, path},
    tip::Tip,
};
use quorate_rules::{
    Evidence, TokenAlg,
    body::DecisionBody,
    cbor::{Array, Canonical},
    decision::{Action, Approval, Proposal},
    name::PartyName,
};
use rand_core::{OsRng, RngCore};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

pub const CLIENT: &str = "service";

/// The committee, and everything that its enrolled gateway knows.
pub struct Bench {
    pub committee: Committee,
    pub custodians: Arc<Custodians>,
    pub coordinator: Coordinator,
    pub gateway: SigningKey,
    pub admin: SigningKey,
    pub client: ClientKey,
    pub layout: Layout,
    pub shares_given: std::cell::Cell<usize>,
    children: BTreeMap<u16, Child>,
    _directory: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        for child in self.children.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Bench {
    /// Founded log of EdDSA tokens, one client with an EdDSA key, view 1 led by the test.
    pub async fn start() -> Self {
        Self::start_with(TokenAlg::EdDsa).await
    }

    /// The same of tokens of this algorithm.
    pub async fn start_with(token_alg: TokenAlg) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(&directory.path().join("data"));
        std::fs::create_dir_all(layout.root()).unwrap();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let link = listener.local_addr().unwrap().port();
        let file = TenantFile {
            issuer: "http://localhost:9".to_owned(),
            gateway: "http://localhost:10".to_owned(),
            port: 9,
            custodians: 4,
            threshold: 3,
            faulty: 1,
            token_alg,
            demo: true,
        };
        tenant::make(&layout, &file).unwrap();
        tenant::configure(&layout, &file, |_| link).unwrap();
        let committee = Committee::from_genesis(&std::fs::read(layout.genesis()).unwrap()).unwrap();
        let gateway =
            SigningKey::from_bytes(&quorate_custodian::files::read_key(&layout.gateway().join("link.key")).unwrap());
        let admin = tenant::read_admin_key(&layout.admin_key()).unwrap();
        let custodians = Custodians::new(committee.clone());
        let (on_link, _links) = tokio::sync::mpsc::unbounded_channel();
        let (key, accepting) = (gateway.clone(), Arc::clone(&custodians));
        #[expect(
            clippy::disallowed_methods,
            reason = "links are accepted until the test's runtime ends"
        )]
        tokio::task::spawn(async move { accept(listener, key, accepting, on_link).await });
        std::mem::forget(_links);
        let identity = (PartyName::new(tenant::GATEWAY).unwrap(), gateway.clone());
        let coordinator = Coordinator::new(
            committee.clone(),
            Schemes::of(committee.body().token_alg),
            identity,
            (Tip::empty(), None),
            Default::default(),
        );
        let client = ClientKey::generate("EdDSA").unwrap();
        let mut bench = Self {
            committee,
            custodians,
            coordinator,
            gateway,
            admin,
            client,
            layout,
            shares_given: std::cell::Cell::new(0),
            children: BTreeMap::new(),
            _directory: directory,
        };
        for number in 1..=4 {
            bench.spawn(number);
        }
        bench.linked(&[1, 2, 3, 4]).await;
        bench.join_all().await;
        bench.enter_view().await;
        bench.found().await;
        let record = machine(CLIENT, "read write", bench.client.public().clone()).unwrap();
        bench.decide(Action::PutClient(record)).await;
        bench
    }

    pub fn spawn(&mut self, number: u16) {
        let child = Command::new(QUORATE)
            .args(["--log-level", "info", "custodian-of-up", "--end-with-stdin", "--config"])
            .arg(self.layout.custodian(number).join("custodian.toml"))
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.children.insert(number, child);
    }

    pub fn kill(&mut self, number: u16) {
        let mut child = self.children.remove(&number).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub async fn linked(&self, numbers: &[u16]) {
        for _ in 0..400 {
            if numbers.iter().all(|number| self.custodians.linked().contains(number)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("not linked: {:?}", self.custodians.linked());
    }

    pub async fn unlinked(&self, number: u16) {
        for _ in 0..400 {
            if !self.custodians.linked().contains(&number) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{number} is still linked");
    }

    pub async fn ask<R: Canonical>(
        &self,
        number: u16,
        path: &'static str,
        message: &impl Canonical,
    ) -> Result<R, Refusal> {
        self.ask_bytes(number, path, message.to_canonical()).await
    }

    pub async fn ask_bytes<R: Canonical>(&self, number: u16, path: &'static str, bytes: Vec<u8>) -> Result<R, Refusal> {
        match self.custodians.ask(number, path, Bytes::from(bytes), ANSWER).await {
            Ok(reply) => Ok(reply),
            Err(AskError::Refused { refusal, .. }) => Err(refusal),
            Err(other) => panic!("custodian {number} on {path}: {other}"),
        }
    }

    pub async fn status(&self, number: u16) -> Status {
        self.ask(
            number,
            path::HELLO,
            &Hello {
                origin: self.committee.origin().to_owned(),
            },
        )
        .await
        .unwrap()
    }

    pub async fn join(&self, number: u16) -> Status {
        let status = self.status(number).await;
        let ask = AskPeer {
            about: number,
            challenge: status.challenge,
        };
        let mut statements = Vec::new();
        for other in (1..=4).filter(|other| *other != number && self.custodians.linked().contains(other)) {
            statements.push(self.ask(other, path::PEER, &ask).await.unwrap());
        }
        self.ask(number, path::JOIN, &Join { statements }).await.unwrap()
    }

    pub async fn join_all(&self) {
        for number in 1..=4 {
            self.join(number).await;
        }
    }

    pub async fn statements(&self, view: View, of: &[u16]) -> Vec<SignedNewView> {
        let message = EnterView {
            origin: self.committee.origin().to_owned(),
            view,
        };
        let mut statements = Vec::new();
        for number in of {
            statements.push(self.ask(*number, path::NEW_VIEW, &message).await.unwrap());
        }
        statements
    }

    pub async fn enter_view(&mut self) {
        self.enter_view_above(self.coordinator.view()).await;
    }

    /// Leads a view above this one; what this gateway remembered of used identifiers is forgotten with the old view.
    pub async fn enter_view_above(&mut self, view: View) {
        let mut round = NewViewRound::begin([view]);
        for statement in self.statements(round.view(), &[1, 2, 3, 4]).await {
            round
                .take(&self.committee, statement.statement.custodian, statement)
                .unwrap();
        }
        let entered = round.finish(&self.committee).unwrap();
        let tip = self.coordinator.tip().clone();
        assert!(
            self.coordinator.lead(entered, tip, Default::default()).is_ok(),
            "the tip is the highest certified head"
        );
    }

    async fn found(&mut self) {
        let mut attempt = [0; 16];
        OsRng.fill_bytes(&mut attempt);
        let begin = Begin {
            origin: self.committee.origin().to_owned(),
            attempt: Array(attempt),
        };
        let mut given: Vec<Given> = Vec::new();
        for number in 1..=4 {
            given.push(self.ask(number, path::DKG_BEGIN, &begin).await.unwrap());
        }
        let schemes = self.coordinator.schemes().clone();
        for _ in 1..schemes.token.dkg_rounds().max(schemes.log.dkg_rounds()) {
            let mut next = Vec::new();
            for number in 1..=4 {
                let round = Round::for_one(number, &given);
                next.push(self.ask(number, path::DKG_ROUND, &round).await.unwrap());
            }
            given = next;
        }
        let mut keys = Vec::new();
        for number in 1..=4 {
            let round = Round::for_one(number, &given);
            let finished: SignedFinished = self.ask(number, path::DKG_FINISH, &round).await.unwrap();
            keys = finished.finished.keys.to_canonical();
        }
        let batch = self.coordinator.build_first(keys, clock::now_ms(), &mut OsRng).unwrap();
        assert!(self.complete(&batch, &[1, 2, 3]).await.checkpoint.is_some());
    }

    /// A decision with the administrator's approval, as an order.
    pub fn decision(&self, action: Action) -> DecisionBody {
        let now_ms = clock::now_ms();
        let proposal = Proposal {
            version: 1,
            issuer: self.committee.body().issuer.clone(),
            log: 1,
            registry_root: Array(*self.coordinator.tip().registry().root().as_bytes()),
            created_ms: now_ms,
            expires_ms: now_ms + 60_000,
            action,
        };
        let signature = Array(self.admin.sign(proposal.digest().as_bytes()).to_bytes());
        let approvals = vec![Approval {
            admin: PartyName::new(tenant::ADMIN).unwrap(),
            signature,
        }];
        DecisionBody {
            proposal: proposal.to_canonical().into(),
            approvals,
        }
    }

    pub async fn decide(&mut self, action: Action) {
        let order = Order::Decision(self.decision(action));
        let batch = self.coordinator.build(&[order], clock::now_ms(), &mut OsRng);
        assert!(batch.refused.is_empty(), "{:?}", batch.refused);
        self.complete(&batch, &[1, 2, 3]).await;
    }

    pub fn evidence(&self) -> Evidence {
        self.evidence_with(|_| {})
    }

    /// An assertion whose claims the test may change before it is signed by the registered key.
    pub fn evidence_with(&self, change: impl FnOnce(&mut serde_json::Value)) -> Evidence {
        let now = clock::now_ms() / 1000;
        let mut jti = [0u8; 12];
        OsRng.fill_bytes(&mut jti);
        let mut claims = serde_json::json!({
            "iss": CLIENT, "sub": CLIENT, "aud": self.committee.body().issuer.as_str(), "jti": hex::encode(jti),
            "iat": now, "exp": now + 60,
        });
        change(&mut claims);
        Evidence::ClientKey(self.client.sign(&claims).unwrap())
    }

    pub fn order(evidence: Evidence) -> Order {
        Order::Token(TokenOrder::of(evidence))
    }

    /// A batch of one good token.
    pub fn batch(&self) -> Batch {
        self.batch_of(self.evidence())
    }

    pub fn batch_of(&self, evidence: Evidence) -> Batch {
        let batch = self
            .coordinator
            .build(&[Self::order(evidence)], clock::now_ms(), &mut OsRng);
        assert!(batch.refused.is_empty(), "{:?}", batch.refused);
        batch
    }

    /// Signs a changed proposal as the enrolled gateway would.
    pub fn signed(&self, mut message: SignedPropose) -> SignedPropose {
        use quorate_protocol::signed::Statement;
        message.signature = message.proposal.sign(&self.gateway);
        message
    }

    pub async fn propose(&self, number: u16, message: &SignedPropose) -> Result<Voted, Refusal> {
        self.ask(number, path::PROPOSE, message).await
    }

    /// Asks for shares; every share of a token that comes back is counted.
    pub async fn commit(&self, number: u16, message: &Commit) -> Result<Committed, Refusal> {
        let outcome: Result<Committed, Refusal> = self.ask(number, path::COMMIT, message).await;
        if let Ok(committed) = &outcome {
            let outputs = quorate_protocol::message::Outputs::from_canonical(&committed.outputs.list).unwrap();
            self.shares_given.set(self.shares_given.get() + outputs.items.len());
        }
        outcome
    }

    /// Votes of the signers for a batch.
    pub async fn certify(&self, proposed: Proposed, signers: &[u16]) -> Certified {
        let mut answers = BTreeMap::new();
        for number in signers {
            let voted = self.propose(*number, proposed.message()).await.unwrap();
            proposed.check(&self.committee, *number, &voted).unwrap();
            answers.insert(*number, voted);
        }
        proposed.certify(&answers)
    }

    /// Everything, honestly.
    pub async fn complete(&mut self, batch: &Batch, signers: &[u16]) -> Signed {
        let proposed = self.coordinator.propose(batch, 0, signers);
        let mut certified = self.certify(proposed, signers).await;
        self.coordinator.advance(batch, certified.certificate.clone());
        let mut later = Vec::new();
        loop {
            let mut answers = BTreeMap::new();
            for number in signers {
                let message = certified.message_for(*number);
                let committed: Committed = self.ask(*number, path::COMMIT, &message).await.unwrap();
                certified.check(&self.committee, *number, &committed).unwrap();
                answers.insert(*number, committed);
            }
            let unfinished = certified.next_round(&self.coordinator, &answers);
            later.push(answers);
            if !unfinished {
                break;
            }
        }
        let combined = certified
            .jobs(&self.coordinator, batch, &later)
            .unwrap()
            .iter()
            .map(|job| job.run())
            .collect();
        let signed = certified.finish(batch, combined, &later);
        assert!(signed.misbehaved.is_empty() && signed.disputes.is_empty() && !signed.spoilt);
        self.bring_up(4).await;
        signed
    }

    /// Tells a custodian what was certified without it.
    pub async fn bring_up(&self, number: u16) {
        if !self.custodians.linked().contains(&number) {
            return;
        }
        let status = self.status(number).await;
        let Some(certificate) = self.coordinator.certificate() else {
            return;
        };
        if status.certified == certificate.head {
            return;
        }
        // Another custodian has the entries.
        let from = status.certified.size;
        let fetch = quorate_protocol::message::Fetch {
            origin: self.committee.origin().to_owned(),
            from,
            limit: certificate.head.size - from,
        };
        let holder = (1..=4)
            .find(|other| *other != number && self.custodians.linked().contains(other))
            .unwrap();
        let fetched: quorate_protocol::message::Fetched = self.ask(holder, path::FETCH, &fetch).await.unwrap();
        let follow = quorate_protocol::message::Follow {
            origin: self.committee.origin().to_owned(),
            from,
            entries: fetched.entries,
            certificate: certificate.clone(),
            consistency: Vec::new(),
        };
        let status: Status = self.ask(number, path::FOLLOW, &follow).await.unwrap();
        assert_eq!(status.certified, certificate.head);
    }
}
