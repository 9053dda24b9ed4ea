//! A gateway that is evil, with the enrolled gateway's own key, over a real link: every honest custodian refuses each attack under
//! its own [`Refusal`], and no share comes back.

use crate::committee::{Bench, CLIENT};
use quorate_gateway::{
    custodians::{ANSWER, AskError},
    tls,
};
use quorate_protocol::{
    Refusal, View,
    coordinator::Batch,
    message::{Commit, Follow, Hello, Outputs, Purpose, SignedOutputs, SignedPropose, Status, path},
    signed::Statement,
};
use quorate_rules::{
    Evidence, Leaf, TokenAlg,
    body::TokenBody,
    cbor::{Array, Bytes, Canonical},
    decision::Action,
    leaf::{Tag, commitment, token_hash},
};
use quorate_tlog::{hash::Hash, range::CompactRange};
use rand_core::OsRng;

const ALL: [u16; 4] = [1, 2, 3, 4];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The same attacks on a tenant of each algorithm: what custodians refuse does not depend on how they sign.
pub fn on_both(attack: impl AsyncFn(Bench)) {
    for alg in TokenAlg::ALL {
        runtime().block_on(async { attack(Bench::start_with(alg).await).await });
    }
}

/// Signers that include `number`.
fn signers_with(number: u16) -> Vec<u16> {
    let mut signers: Vec<u16> = ALL.into_iter().filter(|other| *other != number).take(2).collect();
    signers.push(number);
    signers.sort_unstable();
    signers
}

impl Bench {
    /// Every custodian refuses the changed proposal under this refusal.
    async fn refused(&self, batch: &Batch, change: impl Fn(&mut SignedPropose), expected: Refusal) {
        for number in ALL {
            let proposed = self.coordinator.propose(batch, 0, &signers_with(number));
            let mut message = proposed.message().clone();
            change(&mut message);
            self.fix_root(&mut message);
            let outcome = self.propose(number, &self.signed(message)).await;
            assert_eq!(outcome.err(), Some(expected), "custodian {number}");
        }
    }

    /// Root and size of what is proposed, so that the lie under test is the only one.
    fn fix_root(&self, message: &mut SignedPropose) {
        let mut range: CompactRange = self.coordinator.tip().range().clone();
        for entry in &message.proposal.entries {
            range.append(quorate_tlog::hash::leaf_hash(&entry.leaf.0));
        }
        if message.proposal.head.size == range.size() {
            message.proposal.head.root = range.root();
        }
    }

    /// A gateway that has forgotten the identifier proposes a second leaf for it; every signer remembers.
    async fn replayed(&mut self, used: Evidence) {
        self.enter_view().await;
        let mut batch = self.batch_of(used);
        let twice = (batch.first, Refusal::Replayed.code().to_owned());
        let proposed = self.coordinator.propose(&batch, 0, &[1, 2, 3]);
        for number in [1, 2, 3] {
            let voted = self.propose(number, proposed.message()).await.unwrap();
            assert_eq!(
                voted.refused.as_slice(),
                std::slice::from_ref(&twice),
                "custodian {number}"
            );
        }
        batch.placed.clear();
        assert!(self.complete(&batch, &[1, 2, 3]).await.tokens.is_empty());
    }

    /// The leaf stays as an attempt without a token: refused by every custodian under this refusal, with no commitment to it.
    async fn attempted(&mut self, evidence: Evidence, expected: Refusal) {
        let mut batch = self.batch();
        let first = batch.first;
        batch.entries[0].evidence = Some(evidence);
        let signers = [1, 2, 3];
        let proposed = self.coordinator.propose(&batch, 0, &signers);
        for number in signers {
            let voted = self.propose(number, proposed.message()).await.unwrap();
            assert_eq!(
                voted.refused,
                [(first, expected.code().to_owned())],
                "custodian {number}"
            );
            let outputs = Outputs::from_canonical(&voted.outputs.list).unwrap();
            assert!(outputs.items.iter().all(|item| item.purpose == Purpose::Checkpoint));
        }
        let signed = self.complete(&batch, &signers).await;
        assert!(signed.tokens.is_empty() && signed.checkpoint.is_some());
    }
}

fn change_leaf(message: &mut SignedPropose, change: impl FnOnce(&mut Leaf)) {
    let mut leaf = Leaf::decode(&message.proposal.entries[0].leaf.0).unwrap();
    change(&mut leaf);
    message.proposal.entries[0].leaf = Array(leaf.encode());
}

/// Rewrites claims consistently: body, commitment and token hash all fit the lie.
fn change_claims(message: &mut SignedPropose, from: &str, to: &str) {
    let opening = message.proposal.entries[0].opening.as_mut().unwrap();
    let mut body = TokenBody::from_canonical(&opening.body).unwrap();
    let claims = String::from_utf8(body.claims.0.clone()).unwrap();
    assert!(claims.contains(from), "{claims}");
    body.claims = Bytes(claims.replace(from, to).into_bytes());
    opening.body = Bytes(body.to_canonical());
    let (salt, body) = (opening.salt.0, opening.body.0.clone());
    change_leaf(message, |leaf| {
        leaf.commit = commitment(&salt, &body);
        leaf.token_hash = token_hash(b"whatever the evil gateway signs for");
    });
}

#[test]
fn altered_claims_leaves_and_openings_are_refused() {
    on_both(async |mut bench: Bench| {
        let other = quorate::client::machine("other", "read", bench.client.public().clone()).unwrap();
        bench.decide(Action::PutClient(other)).await;
        let batch = bench.batch();
        for (from, to) in [
            ("\"client_id\":\"service\"", "\"client_id\":\"other\""),
            ("\"scope\":\"read write\"", "\"scope\":\"admin\""),
            ("\"aud\":\"http://localhost:9\"", "\"aud\":\"https://victim.example\""),
            ("\"acr\":\"urn:quorate:client-key\"", "\"acr\":\"urn:quorate:passkey\""),
            ("\"exp\":", "\"exp\":9"),
            ("\"sub\":\"service\"", "\"sub\":\"root\""),
        ] {
            bench
                .refused(&batch, |m| change_claims(m, from, to), Refusal::LeafMismatch)
                .await;
        }
        let check = |change: fn(&mut Leaf), expected| (change, expected);
        for (change, expected) in [
            check(|leaf| leaf.client_tag = Tag([7; 16]), Refusal::LeafMismatch),
            check(|leaf| leaf.subject_tag = Tag([7; 16]), Refusal::LeafMismatch),
            check(|leaf| leaf.class = quorate_rules::Class::Passkey, Refusal::LeafMismatch),
            check(|leaf| leaf.time_ms += 1, Refusal::WrongLeafTime),
            check(
                |leaf| leaf.registry_root = Hash::from([3; 32]),
                Refusal::WrongRegistryRoot,
            ),
            check(
                |leaf| leaf.entry_type = quorate_rules::EntryType::Tick,
                Refusal::UnknownEntry,
            ),
            check(
                |leaf| leaf.entry_type = quorate_rules::EntryType::Genesis,
                Refusal::UnknownEntry,
            ),
        ] {
            bench.refused(&batch, |m| change_leaf(m, change), expected).await;
        }
        bench
            .refused(
                &batch,
                |m| m.proposal.entries[0].opening = None,
                Refusal::OpeningWithheld,
            )
            .await;
        bench
            .refused(
                &batch,
                |m| m.proposal.entries[0].evidence = None,
                Refusal::OpeningWithheld,
            )
            .await;
        let other_salt = |m: &mut SignedPropose| m.proposal.entries[0].opening.as_mut().unwrap().salt = Array([9; 32]);
        bench.refused(&batch, other_salt, Refusal::OpeningMismatch).await;
        bench
            .refused(&batch, |m| m.proposal.head.size += 1, Refusal::RootMismatch)
            .await;
        assert_eq!(bench.shares_given.get(), 0);
    });
}

#[test]
fn evidence_that_is_not_good_gets_a_leaf_but_no_token() {
    on_both(async |mut bench: Bench| {
        let now = quorate::clock::now_ms() / 1000;
        let other = quorate::client_key::ClientKey::generate("EdDSA").unwrap();
        bench
            .decide(Action::PutClient(
                quorate::client::machine("other", "read", other.public().clone()).unwrap(),
            ))
            .await;

        let used = bench.evidence();
        let batch = bench.batch_of(used.clone());
        assert_eq!(bench.complete(&batch, &[1, 2, 3]).await.tokens.len(), 1);
        bench.replayed(used).await;
        let cases: Vec<(Evidence, Refusal)> = vec![
            (
                bench.evidence_with(|c| c["aud"] = "http://localhost:9/token".into()),
                Refusal::WrongAudience,
            ),
            (
                bench.evidence_with(|c| c["aud"] = vec!["http://localhost:9"].into()),
                Refusal::WrongAudience,
            ),
            (bench.evidence_with(|c| c["iat"] = (now - 120).into()), Refusal::Expired),
            (bench.evidence_with(|c| c["exp"] = (now - 1).into()), Refusal::Expired),
            (
                bench.evidence_with(|c| {
                    c["iat"] = (now + 120).into();
                    c["exp"] = (now + 150).into();
                }),
                Refusal::FromTheFuture,
            ),
            (
                bench.evidence_with(|c| c["nbf"] = (now + 120).into()),
                Refusal::FromTheFuture,
            ),
            (
                bench.evidence_with(|c| drop(c.as_object_mut().unwrap().remove("jti"))),
                Refusal::MissingClaim,
            ),
            (
                bench.evidence_with(|c| drop(c.as_object_mut().unwrap().remove("iat"))),
                Refusal::MissingClaim,
            ),
            (bench.evidence_with(|c| c["iat"] = 1.5.into()), Refusal::MissingClaim),
            (
                bench.evidence_with(|c| c["sub"] = "other".into()),
                Refusal::WrongSubject,
            ),
            (
                bench.evidence_with(|c| {
                    c["iss"] = "other".into();
                    c["sub"] = "other".into();
                }),
                Refusal::UnknownKey,
            ),
            (
                bench.evidence_with(|c| {
                    c["iss"] = "nobody".into();
                    c["sub"] = "nobody".into();
                }),
                Refusal::UnknownClient,
            ),
            (
                bench.evidence_with(|c| c["scope"] = "read admin".into()),
                Refusal::ScopeNotRegistered,
            ),
            (Evidence::ClientKey("a.b.c".to_owned()), Refusal::MalformedAssertion),
            (Evidence::ClientKey("x".repeat(9000)), Refusal::Oversize),
            (tampered(&bench), Refusal::BadSignature),
            (with_header(&bench, "alg", "none".into()), Refusal::WrongAlgorithm),
            (with_header(&bench, "alg", "HS256".into()), Refusal::WrongAlgorithm),
            (with_header(&bench, "alg", "ES256".into()), Refusal::WrongAlgorithm),
            (with_header(&bench, "typ", "at+jwt".into()), Refusal::WrongType),
            (with_header(&bench, "crit", vec!["exp"].into()), Refusal::WrongType),
        ];
        for (evidence, expected) in cases {
            bench.attempted(evidence, expected).await;
        }
        bench.decide(Action::SuspendClient(CLIENT.parse().unwrap())).await;
        let suspended = bench.evidence();
        let batch = bench
            .coordinator
            .build(&[Bench::order(suspended)], quorate::clock::now_ms(), &mut OsRng);
        assert_eq!(batch.refused, [(0, Refusal::ClientSuspended)]);
    });
}

/// A good assertion under another header; who signed it is not even looked at.
fn with_header(bench: &Bench, member: &str, value: serde_json::Value) -> Evidence {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let Evidence::ClientKey(assertion) = bench.evidence() else {
        unreachable!("a machine")
    };
    let (header, rest) = assertion.split_once('.').unwrap();
    let mut header: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header[member] = value;
    Evidence::ClientKey(format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string())))
}

fn tampered(bench: &Bench) -> Evidence {
    let Evidence::ClientKey(mut assertion) = bench.evidence() else {
        unreachable!("a machine")
    };
    let last = assertion.pop().unwrap();
    let at = assertion.len() - 8;
    assertion.push(last);
    let flipped = if assertion.as_bytes()[at] == b'A' { "B" } else { "A" };
    assertion.replace_range(at..=at, flipped);
    Evidence::ClientKey(assertion)
}

#[test]
fn decisions_by_a_minority_or_on_another_state_spoil_the_batch() {
    on_both(async |bench: Bench| {
        let record = quorate::client::machine("new", "read", bench.client.public().clone()).unwrap();
        let good = bench.decision(Action::PutClient(record));
        let order = quorate_protocol::coordinator::Order::Decision(good.clone());
        let batch = bench.coordinator.build(&[order], quorate::clock::now_ms(), &mut OsRng);
        let put = |m: &mut SignedPropose, body: Vec<u8>| {
            let salt = m.proposal.entries[0].opening.as_ref().unwrap().salt.0;
            m.proposal.entries[0].opening.as_mut().unwrap().body = Bytes(body.clone());
            change_leaf(m, |leaf| leaf.commit = commitment(&salt, &body));
        };
        let mut none = good.clone();
        none.approvals.clear();
        bench
            .refused(&batch, |m| put(m, none.to_canonical()), Refusal::TooFewApprovals)
            .await;
        let mut twice = good.clone();
        twice.approvals.push(twice.approvals[0].clone());
        bench
            .refused(&batch, |m| put(m, twice.to_canonical()), Refusal::DoubledApproval)
            .await;
        let mut forged = good.clone();
        forged.approvals[0].signature.0[0] ^= 1;
        bench
            .refused(&batch, |m| put(m, forged.to_canonical()), Refusal::BadApproval)
            .await;
        bench
            .refused(&batch, |m| put(m, b"nonsense".to_vec()), Refusal::InvalidProposal)
            .await;
        let change = |change: fn(&mut quorate_rules::decision::Proposal)| {
            let mut proposal = quorate_rules::decision::Proposal::from_canonical(&good.proposal).unwrap();
            change(&mut proposal);
            let mut body = good.clone();
            body.proposal = proposal.to_canonical().into();
            body.to_canonical()
        };
        let stale = change(|p| p.registry_root = Array([1; 32]));
        bench
            .refused(&batch, |m| put(m, stale.clone()), Refusal::StaleProposal)
            .await;
        let expired = change(|p| p.expires_ms = 1);
        bench
            .refused(&batch, |m| put(m, expired.clone()), Refusal::ProposalExpired)
            .await;
        let foreign = change(|p| p.issuer = "https://other.example".parse_issuer());
        bench
            .refused(&batch, |m| put(m, foreign.clone()), Refusal::WrongTenant)
            .await;
        assert_eq!(bench.shares_given.get(), 0);
    });
}

trait ParseIssuer {
    fn parse_issuer(self) -> quorate_rules::name::Issuer;
}

impl ParseIssuer for &str {
    fn parse_issuer(self) -> quorate_rules::name::Issuer {
        quorate_rules::name::Issuer::new(self).unwrap()
    }
}

#[test]
fn shares_before_the_log_holds_the_leaf_are_refused() {
    on_both(async |bench: Bench| {
        let batch = bench.batch();
        let signers = [1, 2, 3];
        let certified = bench
            .certify(bench.coordinator.propose(&batch, 0, &signers), &signers)
            .await;
        // Each signer gets its own envelopes, where the scheme has any.
        let check = async |change: &dyn Fn(&mut Commit), expected: Refusal| {
            for number in signers {
                let mut message = certified.message_for(number);
                change(&mut message);
                assert_eq!(
                    bench.commit(number, &message).await.err(),
                    Some(expected),
                    "custodian {number}"
                );
            }
        };
        check(&|m| m.certificate.votes.clear(), Refusal::QuorumTooSmall).await;
        check(&|m| m.certificate.votes.truncate(2), Refusal::QuorumTooSmall).await;
        check(
            &|m| m.certificate.votes[2] = m.certificate.votes[1].clone(),
            Refusal::DoubledVoter,
        )
        .await;
        check(&|m| m.certificate.votes[0].signature.0[5] ^= 1, Refusal::BadVote).await;
        check(&|m| m.certificate.votes[0].custodian = 4, Refusal::BadVote).await;
        check(&|m| m.certificate.head.root = Hash::from([1; 32]), Refusal::BadVote).await;
        check(&|m| m.certificate.view = View(9), Refusal::BadVote).await;
        // A real certificate, but of the head before: a QC for another root.
        let before = bench.coordinator.certificate().unwrap().clone();
        check(&|m| m.certificate = before.clone(), Refusal::QuorumForAnotherHead).await;
        check(&|m| m.attempt = 1, Refusal::NoSuchAttempt).await;
        check(&|m| m.origin = "other.example/log/1".to_owned(), Refusal::WrongOrigin).await;
        check(&|m| m.lists.truncate(2), Refusal::WrongCommitments).await;
        check(&|m| m.lists[1] = m.lists[0].clone(), Refusal::WrongCommitments).await;
        check(&|m| m.round = 2, Refusal::WrongCommitments).await;
        // Exchanged commitments: another signer's list under its own name but without its signature.
        for number in signers {
            let other = signers.iter().position(|signer| *signer != number).unwrap();
            let mut message = certified.message_for(number);
            let mut list = Outputs::from_canonical(&message.lists[other].list).unwrap();
            list.items.last_mut().unwrap().bytes.0[0] ^= 1;
            message.lists[other] = SignedOutputs {
                list: Bytes(list.to_canonical()),
                ..message.lists[other].clone()
            };
            assert_eq!(
                bench.commit(number, &message).await.err(),
                Some(Refusal::WrongCommitments)
            );
        }
        assert_eq!(bench.shares_given.get(), 0, "no share for any of these");
        // The honest commit still works, once; the nonces are gone then, and so is the attempt where no further round follows.
        let again = match bench.coordinator.schemes().token.rounds() {
            2 => Refusal::NoSuchAttempt,
            _ => Refusal::WrongCommitments,
        };
        for number in signers {
            assert!(bench.commit(number, &certified.message_for(number)).await.is_ok());
            assert_eq!(
                bench.commit(number, &certified.message_for(number)).await.err(),
                Some(again),
                "reused commitments"
            );
        }
        assert_eq!(bench.shares_given.get(), 6);
    });
}

#[test]
fn forks_deposed_gateways_and_hidden_certificates_are_refused() {
    on_both(async |mut bench: Bench| {
        let (one, two) = (bench.batch(), bench.batch());
        assert_ne!(one.head(), two.head());
        for number in ALL {
            let signers = signers_with(number);
            assert!(
                bench
                    .propose(number, bench.coordinator.propose(&one, 0, &signers).message())
                    .await
                    .is_ok()
            );
            let other = bench
                .propose(number, bench.coordinator.propose(&two, 0, &signers).message())
                .await;
            assert_eq!(other.err(), Some(Refusal::ConflictingHead));
        }
        // A certificate for the first head, known to the gateway and locked at one custodian only.
        let signers = [1, 2, 3];
        let certified = bench
            .certify(bench.coordinator.propose(&one, 1, &signers), &signers)
            .await;
        assert!(bench.commit(1, &certified.message_for(1)).await.is_ok());
        let given = bench.shares_given.get();

        let below = bench.coordinator.propose(&two, 0, &[1, 2, 4]);
        assert_eq!(
            bench.propose(1, below.message()).await.err(),
            Some(Refusal::ParentBelowLock)
        );
        // A new view that hides it: custodian 1's own statement names the higher certificate.
        let view = bench.coordinator.view().next();
        let statements = bench.statements(view, &ALL).await;
        let in_view = |change: &dyn Fn(&mut SignedPropose)| {
            let mut message = bench.coordinator.propose(&two, 0, &[1, 2, 4]).message().clone();
            message.proposal.view = view;
            change(&mut message);
            bench.signed(message)
        };
        let all_of_them = in_view(&|m| m.proposal.new_view = statements.clone());
        for number in [1, 2, 4] {
            let expected = bench.propose(number, &all_of_them).await.err();
            assert_eq!(expected, Some(Refusal::NewViewHidesHigher), "custodian {number}");
        }
        let missing = in_view(&|m| m.proposal.new_view = statements[1..3].to_vec());
        let doubled = in_view(&|m| {
            m.proposal.new_view = vec![statements[1].clone(), statements[2].clone(), statements[2].clone()]
        });
        let none = in_view(&|m| m.proposal.new_view.clear());
        let forged = in_view(&|m| {
            let mut statements = statements.clone();
            statements[0].statement.certificate = None;
            m.proposal.new_view = statements;
        });
        for number in [2, 4] {
            assert_eq!(
                bench.propose(number, &missing).await.err(),
                Some(Refusal::NewViewMissing)
            );
            assert_eq!(bench.propose(number, &doubled).await.err(), Some(Refusal::DoubledVoter));
            assert_eq!(bench.propose(number, &none).await.err(), Some(Refusal::NewViewMissing));
            assert_eq!(
                bench.propose(number, &forged).await.err(),
                Some(Refusal::NewViewMissing)
            );
        }
        // The deposed gateway is fenced off: lower view, in both trips.
        let deposed = bench.coordinator.propose(&one, 2, &[1, 2, 4]);
        for number in [1, 2, 4] {
            assert_eq!(
                bench.propose(number, deposed.message()).await.err(),
                Some(Refusal::LowerView)
            );
        }
        assert_eq!(
            bench.commit(2, &certified.message_for(2)).await.err(),
            Some(Refusal::LowerView)
        );
        assert_eq!(bench.shares_given.get(), given);
        let again: Result<quorate_protocol::message::SignedNewView, _> = bench
            .ask(
                1,
                path::NEW_VIEW,
                &quorate_protocol::message::EnterView {
                    origin: bench.committee.origin().to_owned(),
                    view,
                },
            )
            .await;
        assert_eq!(again.err(), Some(Refusal::LowerView));

        // Taking the highest certificate, the log goes on from the locked head.
        bench.coordinator.advance(&one, certified.certificate.clone());
        bench.enter_view_above(view).await;
        for number in [2, 3, 4] {
            bench.bring_up(number).await;
        }
        let batch = bench.batch();
        assert_eq!(bench.complete(&batch, &[1, 2, 3]).await.tokens.len(), 1);
    });
}

#[test]
fn second_leaf_of_one_identifier_is_refused_also_within_a_batch_and_after_a_restart() {
    on_both(async |mut bench: Bench| {
        let used = bench.evidence();
        let batch = bench.batch_of(used.clone());
        bench.complete(&batch, &[1, 2, 3]).await;
        for number in [1, 2, 3] {
            bench.kill(number);
            bench.unlinked(number).await;
            bench.spawn(number);
            bench.linked(&[number]).await;
        }
        for number in ALL {
            bench.join(number).await;
        }
        bench.replayed(used).await;
    });
}

#[test]
fn times_sizes_signers_and_origins_out_of_bounds_are_refused() {
    on_both(async |bench: Bench| {
        let build = |now_ms: u64| {
            bench
                .coordinator
                .build(&[Bench::order(bench.evidence())], now_ms, &mut OsRng)
        };
        let now_ms = quorate::clock::now_ms();
        let ahead = build(now_ms + 29_000);
        bench
            .refused(
                &ahead,
                |m| {
                    m.proposal.time_ms += 20_000;
                    change_leaf(m, |leaf| leaf.time_ms += 20_000)
                },
                Refusal::TimeAhead,
            )
            .await;
        let batch = bench.batch();
        bench
            .refused(&batch, |m| m.proposal.time_ms = 1, Refusal::TimeBackwards)
            .await;
        bench
            .refused(
                &batch,
                |m| m.proposal.origin = "other.example/log/1".to_owned(),
                Refusal::WrongOrigin,
            )
            .await;
        bench
            .refused(&batch, |m| m.proposal.signers = vec![1, 2], Refusal::WrongSigners)
            .await;
        bench
            .refused(&batch, |m| m.proposal.signers = vec![1, 2, 2], Refusal::WrongSigners)
            .await;
        bench
            .refused(&batch, |m| m.proposal.signers = vec![1, 2, 3, 4], Refusal::WrongSigners)
            .await;
        bench
            .refused(&batch, |m| m.proposal.signers = vec![2, 3, 9], Refusal::WrongSigners)
            .await;
        bench
            .refused(&batch, |m| m.proposal.entries.clear(), Refusal::BatchBounds)
            .await;
        let many = |m: &mut SignedPropose| {
            let entry = m.proposal.entries[0].clone();
            m.proposal.entries = vec![entry; 257];
        };
        bench.refused(&batch, many, Refusal::BatchBounds).await;
        bench
            .refused(
                &batch,
                |m| m.proposal.gateway = "gateway-2".parse().unwrap(),
                Refusal::NotTheGateway,
            )
            .await;
        for number in ALL {
            let mut unsigned = bench
                .coordinator
                .propose(&batch, 0, &signers_with(number))
                .message()
                .clone();
            unsigned.signature.0[0] ^= 1;
            assert_eq!(
                bench.propose(number, &unsigned).await.err(),
                Some(Refusal::NotTheGateway)
            );
            let garbage: Result<Status, _> = bench.ask_bytes(number, path::HELLO, vec![0xff; 100]).await;
            assert_eq!(garbage.err(), Some(Refusal::Malformed));
            let foreign: Result<Status, _> = bench
                .ask(
                    number,
                    path::HELLO,
                    &Hello {
                        origin: "x/log/1".to_owned(),
                    },
                )
                .await;
            assert_eq!(foreign.err(), Some(Refusal::WrongOrigin));
            for path in [
                path::PROPOSE,
                path::COMMIT,
                path::FOLLOW,
                path::JOIN,
                path::NEW_VIEW,
                path::DKG_BEGIN,
                path::FETCH,
            ] {
                let garbage: Result<Status, _> = bench.ask_bytes(number, path, b"\xa1\x00\x00".to_vec()).await;
                assert_eq!(garbage.err(), Some(Refusal::Malformed), "{path}");
                // More than a message may have is turned away unread, and the link lives on.
                let oversize = vec![0; quorate_protocol::message::MAX_MESSAGE + 1].into();
                let outcome: Result<Status, _> = bench.custodians.ask(number, path, oversize, ANSWER).await;
                assert!(matches!(outcome, Err(AskError::Unreadable(_))), "{path}: {outcome:?}");
            }
        }
        assert_eq!(bench.shares_given.get(), 0);
    });
}

#[test]
fn a_head_of_another_tenant_and_an_uncertified_branch_are_not_followed() {
    on_both(async |bench: Bench| {
        let stranger = Bench::start().await;
        let foreign = stranger.coordinator.certificate().unwrap().clone();
        let follow = |certificate: quorate_protocol::QuorumCertificate| Follow {
            origin: bench.committee.origin().to_owned(),
            from: 0,
            entries: Vec::new(),
            certificate,
            consistency: Vec::new(),
        };
        let mut raised = bench.coordinator.certificate().unwrap().clone();
        raised.head.size += 1;
        for number in ALL {
            let outcome: Result<Status, _> = bench.ask(number, path::FOLLOW, &follow(foreign.clone())).await;
            assert_eq!(outcome.err(), Some(Refusal::BadVote), "signed head of another tenant");
            let outcome: Result<Status, _> = bench.ask(number, path::FOLLOW, &follow(raised.clone())).await;
            assert_eq!(outcome.err(), Some(Refusal::BadVote));
        }
    });
}

#[test]
fn nobody_but_the_enrolled_gateway_is_asked_and_nobody_but_custodians_is_let_in() {
    runtime().block_on(async {
        // A stranger in the gateway's place: custodians dial it, see another key, and end the handshake.
        let bench = Bench::start().await;
        let impostor = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        let identities = ALL
            .into_iter()
            .map(|n| (*bench.committee.identity(n).unwrap().as_bytes(), n))
            .collect();
        let acceptor =
            tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls::server(&impostor, identities).unwrap()));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let identity = quorate_custodian::files::read_key(&bench.layout.custodian(1).join("identity.key")).unwrap();
        let identity = ed25519_dalek::SigningKey::from_bytes(&identity);
        let dial = async |config: rustls::ClientConfig| {
            let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            let name = rustls::pki_types::ServerName::try_from("gateway.invalid").unwrap();
            tokio_rustls::TlsConnector::from(std::sync::Arc::new(config))
                .connect(name, tcp)
                .await
        };
        #[expect(clippy::disallowed_methods, reason = "joined below")]
        let accepting = tokio::task::spawn(async move {
            let mut outcomes = Vec::new();
            for _ in 0..2 {
                let (tcp, _) = listener.accept().await.unwrap();
                outcomes.push(acceptor.accept(tcp).await.is_ok());
            }
            outcomes
        });
        let enrolled = bench.gateway.verifying_key().to_bytes();
        let outcome = dial(quorate_custodian::tls::client(&identity, &enrolled).unwrap()).await;
        assert!(outcome.unwrap_err().to_string().contains("not the enrolled gateway"));
        // A stranger in a custodian's place, at a gateway that it knows.
        let nobody = ed25519_dalek::SigningKey::from_bytes(&[6; 32]);
        let config = quorate_custodian::tls::client(&nobody, &impostor.verifying_key().to_bytes()).unwrap();
        let _ = dial(config).await;
        assert_eq!(accepting.await.unwrap(), [false, false]);
    });
}

#[test]
fn a_custodian_whose_disk_was_rolled_back_never_votes_again() {
    on_both(async |mut bench: Bench| {
        let place = bench.layout.custodian(1).join("custodian.redb");
        bench.kill(1);
        bench.unlinked(1).await;
        let old = std::fs::read(&place).unwrap();
        bench.spawn(1);
        bench.linked(&[1]).await;
        bench.join(1).await;
        bench.enter_view().await;
        let batch = bench.batch();
        bench.complete(&batch, &[1, 2, 3]).await;
        bench.kill(1);
        bench.unlinked(1).await;
        std::fs::write(&place, old).unwrap();
        bench.spawn(1);
        bench.linked(&[1]).await;
        let status = bench.join(1).await;
        assert_eq!(status.standing, quorate_protocol::message::Standing::Amnesic);
        let batch = bench.batch();
        let proposed = bench.coordinator.propose(&batch, 0, &[1, 2, 3]);
        assert_eq!(bench.propose(1, proposed.message()).await.err(), Some(Refusal::Amnesic));
        assert!(
            proposed
                .message()
                .proposal
                .is_signed_by(&bench.gateway.verifying_key(), &proposed.message().signature)
        );
    });
}
