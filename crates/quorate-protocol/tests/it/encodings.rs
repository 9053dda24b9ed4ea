//! Everything that travels or is kept: canonical or refused, and what was signed cannot be changed in the smallest way.

use crate::{
    founding::{FOUNDED_MS, Founded, done},
    four::{ATTEMPT, Four},
    mangled::{cbor, each_small_change, mangled},
};
use proptest::{collection::vec, prelude::*};
use quorate_protocol::{
    Head, QuorumCertificate, View, Vote,
    coordinator::{NewViewRound, Order, TokenOrder},
    custodian::{Custodian, Saved},
    dkg::{Begin, Finished, Given, Part, Round, SignedFinished, SignedPart},
    envelope::{Enclosed, Envelope},
    equivocation::Equivocation,
    key_ring::{KeyRing, Schemes},
    message::{
        AskPeer, Commit, Committed, EnterView, Fetch, Fetched, Follow, Hello, Join, LogEntry, MAX_MESSAGE,
        MAX_TRACEPARENT, NewView, Opening, Outputs, OutputsText, PeerStatement, Propose, Refused, SignedNewView,
        SignedPeerStatement, SignedPropose, Status, Voted, read,
    },
    saved::{HeldVote, SavedState},
    sealing::{self, SealedBody},
    signed::Statement,
    vote::VoteText,
};
use quorate_rules::{
    Refusal, TokenAlg,
    cbor::{Array, Bytes, Canonical},
};
use quorate_tlog::hash::{Hash, sha256};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::OnceLock;

/// Reads the bytes as a message: they are its one canonical encoding, or they are refused. Says whether they were read.
type Parser = fn(&[u8]) -> bool;

fn parse<T: Canonical + Debug>(bytes: &[u8]) -> bool {
    match read::<T>(bytes) {
        Ok(value) => {
            assert_eq!(value.to_canonical(), bytes, "{}: {value:?}", T::WHAT);
            true
        }
        Err(refusal) => {
            assert_eq!(refusal, Refusal::Malformed);
            false
        }
    }
}

macro_rules! parsers {
    ($($of:ty),+ $(,)?) => { &[$((<$of>::WHAT, parse::<$of>)),+] };
}

const PARSERS: &[(&str, Parser)] = parsers![
    AskPeer,
    Begin,
    Commit,
    Committed,
    Enclosed,
    EnterView,
    Envelope,
    Equivocation,
    Fetch,
    Fetched,
    Finished,
    Follow,
    Given,
    Head,
    HeldVote,
    Hello,
    Join,
    LogEntry,
    NewView,
    Opening,
    Outputs,
    OutputsText,
    Part,
    PeerStatement,
    Propose,
    QuorumCertificate,
    Refused,
    Round,
    SavedState,
    SealedBody,
    SignedFinished,
    SignedNewView,
    SignedPart,
    SignedPeerStatement,
    SignedPropose,
    Status,
    Vote,
    VoteText,
    Voted,
];

/// Private to the crate, so they are reached through what reads them: [`Custodian::dkg_finish`], [`KeyRing::load`] and
/// [`Custodian::commit`].
const INNER: [&str; 3] = ["dkg plain deal", "key shares", "directs"];

fn founded() -> &'static Founded {
    static FOUNDED: OnceLock<Founded> = OnceLock::new();
    FOUNDED.get_or_init(Founded::new)
}

/// Real messages, by the name of their type.
#[derive(Default)]
struct Heard(Vec<(&'static str, Vec<u8>)>);

impl Heard {
    fn hear<T: Canonical>(&mut self, message: &T) {
        self.0.push((T::WHAT, message.to_canonical()));
    }
}

fn real() -> &'static [(&'static str, Vec<u8>)] {
    static REAL: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    REAL.get_or_init(|| {
        let mut heard = Heard::default();
        hear_founding(&mut heard);
        hear_batches(&mut heard);
        heard.0
    })
}

fn hear_founding(heard: &mut Heard) {
    let parties = Founded::frost();
    let origin = parties.committee.origin().to_owned();
    let mut four = Four::start(&parties);
    let peer = four.peer;
    let hello = Hello { origin: origin.clone() };
    heard.hear(&hello);
    let status = four.custodian(1).hello(peer, &hello).unwrap();
    heard.hear(&status);
    let ask = AskPeer {
        about: 1,
        challenge: status.challenge,
    };
    heard.hear(&ask);
    let states = |four: &mut Four<'_>, number| four.custodian(number).state_about(peer, &ask).unwrap();
    let statements: Vec<_> = [2, 3, 4].map(|number| states(&mut four, number)).to_vec();
    heard.hear(&statements[0]);
    heard.hear(&statements[0].statement);
    heard.hear(&Join { statements });
    four.join();
    heard.hear(&Begin {
        origin,
        attempt: ATTEMPT,
    });
    let first = four.begin();
    let given = four.next(&first);
    heard.hear(&given[0]);
    heard.hear(&given[0].part);
    heard.hear(&given[0].part.part);
    heard.hear(&given[0].envelopes[0]);
    heard.hear(&given[0].envelopes[0].enclosed());
    for number in 1..=4 {
        let round = Round::for_one(number, &given);
        heard.hear(&round);
        let finished = four.finish(number, &round).unwrap();
        heard.hear(&finished);
        heard.hear(&finished.finished);
    }
}

fn hear_batches(heard: &mut Heard) {
    let mut four = Four::at_work(founded());
    let peer = four.peer;
    let round = NewViewRound::begin([four.custodian(1).view()]);
    let enter = round.message(&founded().committee);
    heard.hear(&enter);
    let step = four.custodian(4).enter_view(peer, &enter).unwrap();
    let entered = done(step, &mut four.disks[3]);
    heard.hear(&entered);
    heard.hear(&entered.statement);

    let batch = traced_token(&mut four);
    let proposed = four.coordinator.propose(&batch, 0, &[1, 2, 3]);
    heard.hear(proposed.message());
    heard.hear(&proposed.message().proposal);
    let voted = four.propose(1, proposed.message()).unwrap();
    heard.hear(&voted);
    heard.hear(&voted.vote);
    heard.0.push((Outputs::WHAT, voted.outputs.list.0.clone()));
    let message = &proposed.message().proposal;
    heard.hear(&VoteText {
        origin: message.origin.clone(),
        view: message.view,
        head: message.head,
    });
    heard.hear(&OutputsText {
        origin: message.origin.clone(),
        epoch: 1,
        view: message.view,
        head: message.head,
        attempt: message.attempt,
        signers: message.signers.clone(),
        round: 1,
        list: sha256(&[&voted.outputs.list]),
    });
    let certified = four.certify(proposed);
    heard.hear(&certified.message_for(1));
    heard.hear(&certified.certificate);
    heard.hear(&certified.certificate.head);
    let step = four.commit(1, &certified.message_for(1)).unwrap();
    heard.hear(&done(step, &mut four.disks[0]));
    heard.0.push((SavedState::WHAT, four.disks[0].state.clone().unwrap()));
    heard.hear(&four.disks[0].saved_state().unwrap().newest[0]);
    hear_entries(heard, &four, certified.certificate.clone());
    heard.hear(&Refused {
        code: Refusal::Late.code().to_owned(),
        view: View(7),
    });
    heard.hear(&equivocation());
}

fn hear_entries(heard: &mut Heard, four: &Four<'_>, certificate: QuorumCertificate) {
    let origin = founded().committee.origin().to_owned();
    let entries: Vec<LogEntry> = four.disks[0]
        .entries
        .values()
        .map(|bytes| LogEntry::from_canonical(bytes).unwrap())
        .collect();
    entries.iter().for_each(|entry| heard.hear(entry));
    let opening = entries.iter().find_map(|entry| entry.opening.clone()).unwrap();
    heard.hear(&opening);
    let sealed = entries.iter().find_map(|entry| entry.sealed.clone()).unwrap();
    heard.0.push((SealedBody::WHAT, sealed.0));
    let from = entries.len() as u64 - 1;
    heard.hear(&Fetch {
        origin: origin.clone(),
        from,
        limit: 1,
    });
    let last = entries.last().unwrap().clone().for_others();
    heard.hear(&Fetched {
        entries: vec![last.clone()],
    });
    heard.hear(&Follow {
        origin,
        from,
        entries: vec![last],
        certificate,
        consistency: vec![Array([1; 32])],
    });
}

/// A batch of one good token that carries a trace context.
fn traced_token(four: &mut Four<'_>) -> quorate_protocol::coordinator::Batch {
    let jti = crate::founding::fresh(&mut four.rng);
    let evidence = founded().evidence(&founded().client, (&jti, crate::founding::ISSUER), four.now_ms);
    four.build(Order::Token(TokenOrder {
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        ..TokenOrder::of(evidence)
    }))
}

fn equivocation() -> Equivocation {
    let certificate = |root: u8| {
        let (view, head) = (
            View(3),
            Head {
                size: 9,
                root: Hash::from([root; 32]),
            },
        );
        let cast = |number| {
            Vote::cast(
                number,
                &founded().identity(number).key,
                founded().committee.origin(),
                view,
                head,
            )
        };
        QuorumCertificate {
            view,
            head,
            votes: [1, 2, 4].map(cast).to_vec(),
        }
    };
    Equivocation::between(&certificate(1), &certificate(2)).unwrap()
}

fn real_of<T: Canonical>() -> T {
    let (_, bytes) = real().iter().rev().find(|(what, _)| *what == T::WHAT).unwrap();
    T::from_canonical(bytes).unwrap()
}

#[test]
fn every_message_of_this_crate_is_tried_and_has_a_real_one() {
    let tried: BTreeSet<&str> = PARSERS.iter().map(|(what, _)| *what).collect();
    assert_eq!(tried.len(), PARSERS.len());
    let heard: BTreeSet<&str> = real().iter().map(|(what, _)| *what).collect();
    assert_eq!(heard, tried, "real messages");
    let mut declared = BTreeSet::new();
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap() {
        let path = file.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        for block in text.split("canonical!(").skip(1) {
            let names = block.split(")").next().unwrap().split('"').skip(1).step_by(2);
            declared.extend(names.map(str::to_owned));
        }
    }
    let known: BTreeSet<String> = tried.iter().chain(&INNER).map(|what| (*what).to_owned()).collect();
    assert_eq!(declared, known, "messages declared in src");
}

#[test]
fn real_messages_after_any_small_change_are_read_strictly_or_refused() {
    for (what, bytes) in real() {
        let parse = PARSERS.iter().find(|(name, _)| name == what).unwrap().1;
        assert!(parse(bytes), "{what}");
        let (mut read, mut refused) = (0, 0);
        each_small_change(bytes, |changed| if parse(changed) { read += 1 } else { refused += 1 });
        assert!(read > 0 && refused > 0, "{what}: {read} read, {refused} refused");
    }
}

#[test]
fn no_message_is_larger_than_its_bound() {
    let refused = |bytes: &[u8]| read::<Hello>(bytes).err();
    let hello = |length: usize| {
        Hello {
            origin: "x".repeat(length),
        }
        .to_canonical()
    };
    let room = MAX_MESSAGE - (hello(MAX_MESSAGE).len() - MAX_MESSAGE);
    assert!(read::<Hello>(&hello(room)).is_ok() && hello(room).len() == MAX_MESSAGE);
    assert_eq!(refused(&hello(room + 1)), Some(Refusal::Oversize));
}

#[test]
fn a_trace_context_is_carried_within_its_bound() {
    let mut four = Four::at_work(founded());
    let batch = traced_token(&mut four);
    let proposed = four.coordinator.propose(&batch, 0, &[1, 2, 3]);
    let with = |trace: String| {
        let mut proposal = proposed.message().proposal.clone();
        assert_eq!(proposal.entries[0].traceparent.as_ref().map(String::len), Some(55));
        proposal.entries[0].traceparent = Some(trace);
        let signature = proposal.sign(&founded().gateways[0]);
        SignedPropose {
            proposal,
            signature,
            secrets: Vec::new(),
        }
    };
    let outcome = four.propose(1, &with("t".repeat(MAX_TRACEPARENT + 1))).err();
    assert_eq!(outcome, Some(Refusal::Oversize));
    assert!(four.propose(1, &with("t".repeat(MAX_TRACEPARENT))).is_ok());
}

#[test]
fn deep_nesting_and_absurd_lengths_are_refused_at_once() {
    let unknown = [0xa1, 0x18, 0x63];
    let long = |major: u8| [&[(major << 5) | 27][..], &u64::MAX.to_be_bytes(), &[0; 64]].concat();
    for (what, parse) in PARSERS {
        for opener in [0x81, 0x9f, 0xa1, 0xbf, 0xc1] {
            let deep = [&unknown[..], &vec![opener; MAX_MESSAGE / 8], &[0]].concat();
            assert!(!parse(&deep), "{what}");
        }
        for major in 2..=5 {
            for member in 0..12 {
                assert!(!parse(&[vec![0xa1, member], long(major)].concat()), "{what}");
            }
        }
    }
}

#[test]
fn a_changed_certificate_or_proof_convinces_nobody() {
    let committee = &founded().committee;
    let certificate: QuorumCertificate = real_of();
    assert!(certificate.verify(committee).is_ok());
    each_small_change(&certificate.to_canonical(), |changed| {
        if let Ok(other) = QuorumCertificate::from_canonical(changed) {
            assert!(other.verify(committee).is_err(), "{other:?}");
        }
    });
    let proof = equivocation();
    assert_eq!(proof.culprits(committee), Ok(vec![1, 2, 4]));
    each_small_change(&proof.to_canonical(), |changed| {
        if let Ok(other) = Equivocation::from_canonical(changed) {
            assert!(other.culprits(committee).is_err(), "{other:?}");
        }
    });
}

#[test]
fn a_changed_proposal_is_refused_and_the_good_one_is_answered_afterwards() {
    let mut four = Four::at_work(founded());
    let batch = traced_token(&mut four);
    let proposed = four.coordinator.propose(&batch, 0, &[1, 2, 3]);
    let good = proposed.message().to_canonical();
    let before = four.disks[0].state.clone();
    let mut judged = 0;
    each_small_change(&good, |changed| {
        if let Ok(message) = read::<SignedPropose>(changed) {
            judged += 1;
            assert!(four.propose(1, &message).is_err(), "{message:?}");
        }
    });
    assert!(judged > 1_000, "{judged} changed messages were judged");
    assert_eq!(four.disks[0].state, before, "nothing was voted for");
    assert!(four.propose(1, proposed.message()).is_ok());
}

#[test]
fn a_changed_commit_gives_no_share_and_uses_no_nonce() {
    let mut four = Four::at_work(founded());
    let batch = traced_token(&mut four);
    let proposed = four.coordinator.propose(&batch, 0, &[1, 2, 3]);
    let certified = four.certify(proposed);
    let good = certified.message_for(1);
    let mut judged = 0;
    each_small_change(&good.to_canonical(), |changed| {
        if let Ok(message) = read::<Commit>(changed) {
            judged += 1;
            assert!(four.commit(1, &message).is_err(), "{message:?}");
        }
    });
    assert!(judged > 1_000, "{judged} changed messages were judged");
    assert_eq!(four.custodian(1).open_attempts(), 1);
    assert!(four.commit(1, &good).is_ok());
}

#[test]
fn changed_statements_let_nobody_join_or_lead() {
    let mut four = Four::start(founded());
    let peer = four.peer;
    let hello = Hello {
        origin: founded().committee.origin().to_owned(),
    };
    let challenge = four.custodian(1).hello(peer, &hello).unwrap().challenge;
    let ask = AskPeer { about: 1, challenge };
    let statements: Vec<_> = [2, 3]
        .map(|number| four.custodian(number).state_about(peer, &ask).unwrap())
        .to_vec();
    let good = Join { statements };
    each_small_change(&good.to_canonical(), |changed| {
        if let Ok(message) = read::<Join>(changed) {
            assert!(four.custodian(1).join(peer, &message).is_err(), "{message:?}");
        }
    });
    assert!(four.custodian(1).join(peer, &good).is_ok());

    let mut four = Four::at_work(founded());
    let round = NewViewRound::begin([four.custodian(1).view()]);
    let enter = round.message(&founded().committee);
    let step = four.custodian(1).enter_view(peer, &enter).unwrap();
    let signed = done(step, &mut four.disks[0]);
    each_small_change(&signed.to_canonical(), |changed| {
        if let Ok(message) = read::<SignedNewView>(changed) {
            let mut round = NewViewRound::begin([View(enter.view.0 - 1)]);
            assert_eq!(round.message(&founded().committee), enter);
            assert!(
                round.take(&founded().committee, 1, message.clone()).is_err(),
                "{message:?}"
            );
        }
    });
}

#[test]
fn a_changed_sealed_body_does_not_open() {
    let (secret, public) = sealing::generate_audit_key(&mut crate::generator::Generator::new("audit", 1));
    let sealer = sealing::BodySealer::new(&public, &mut crate::generator::Generator::new("sealer", 1)).unwrap();
    let opening: Opening = real_of();
    let leaf = Hash::from([3; 32]);
    let sealed = sealer.seal(5, &leaf, &opening).unwrap();
    assert_eq!(sealing::open(&secret, 5, &leaf, &sealed), Ok(opening));
    each_small_change(&sealed.to_canonical(), |changed| {
        if let Ok(other) = SealedBody::from_canonical(changed) {
            assert!(sealing::open(&secret, 5, &leaf, &other).is_err(), "{other:?}");
        }
    });
}

/// A dealer that was let into the ceremony may seal anything to another: it is refused, and nobody's process ends.
fn deals_of(contents: &[u8]) -> Refusal {
    let parties = parties();
    let mut four = Four::start(parties);
    four.join();
    let mut given = four.last_round();
    let place = [parties.committee.genesis_hash().as_bytes(), &ATTEMPT.0[..], &[2]].concat();
    let of_two = &mut given[1];
    let envelope = Envelope::seal(&parties.committee, (2, 1), &place, contents, &mut four.rng).unwrap();
    of_two.envelopes[0] = envelope;
    of_two.part.part.enclosed[0] = of_two.envelopes[0].enclosed();
    of_two.part.signature = of_two.part.part.sign(&parties.identity(2).key);
    four.finish(1, &Round::for_one(1, &given)).unwrap_err()
}

fn parties() -> &'static Founded {
    static PARTIES: OnceLock<Founded> = OnceLock::new();
    PARTIES.get_or_init(Founded::frost)
}

#[test]
fn a_deal_of_anything_else_is_refused() {
    let empty = [0xa2, 0, 0x40, 1, 0x40];
    let many = [&[0xa2, 0, 0x5a, 0, 4, 0, 1][..], &[1; 0x4_0001], &[1, 0x40]].concat();
    for contents in [&b""[..], &[0xa0], &empty, &many, &[0xa2, 1, 0x40, 0, 0x40]] {
        assert_eq!(deals_of(contents), Refusal::WrongDkgMessage);
    }
}

#[test]
fn a_changed_state_or_share_is_refused_or_started_from_but_never_a_panic() {
    let parties = founded();
    let disk = &parties.disks[0];
    let (state, registry) = (disk.state.clone().unwrap(), disk.registry.clone().unwrap());
    let mut rng = crate::generator::Generator::new("restore", 0);
    let (mut started, mut refused) = (0, 0);
    let mut start = |state: &[u8], registry: &[u8]| {
        let saved = Saved {
            state: Some(state.to_vec()),
            registry: Some(registry.to_vec()),
            ..disk.read()
        };
        let ring = KeyRing::new(Schemes::of(TokenAlg::EdDsa));
        match Custodian::restore(parties.identity(1), parties.committee.clone(), ring, &saved, &mut rng) {
            Ok(_) => started += 1,
            Err(_) => refused += 1,
        }
    };
    each_small_change(&state, |changed| start(changed, &registry));
    each_small_change(&registry, |changed| start(&state, changed));
    // A view or an incarnation may be any number; most other bytes are held together by hashes and signatures.
    assert!(started > 0 && refused > started, "{started} started, {refused} refused");
    let keys = parties.tip.registry().keys().unwrap();
    for (transcript, bytes) in &disk.shares {
        let mine = |bytes: &[u8]| {
            let mut ring = KeyRing::new(Schemes::of(TokenAlg::EdDsa));
            ring.load(*transcript, &bytes.to_vec().into()).is_ok() && ring.is_mine(keys)
        };
        assert!(mine(bytes));
        each_small_change(bytes, |changed| {
            assert!(!mine(changed), "a share that was changed is none of the certified keys");
        });
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_strictly_or_refused(bytes in vec(any::<u8>(), 0..400)) {
        for (_, parse) in PARSERS {
            parse(&bytes);
        }
        let mut ring = KeyRing::new(Schemes::of(TokenAlg::EdDsa));
        prop_assert!(ring.load([1; 32], &bytes.into()).is_err());
    }

    #[test]
    fn bytes_shaped_like_cbor_are_read_strictly_or_refused(bytes in cbor()) {
        for (_, parse) in PARSERS {
            parse(&bytes);
        }
        let mut ring = KeyRing::new(Schemes::of(TokenAlg::EdDsa));
        prop_assert!(ring.load([1; 32], &bytes.into()).is_err());
    }

    #[test]
    fn mangled_messages_are_read_strictly_or_refused(
        bytes in mangled(real().iter().map(|(_, bytes)| bytes.clone()).collect())
    ) {
        for (_, parse) in PARSERS {
            parse(&bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn deals_of_arbitrary_contents_are_refused(
        contents in prop_oneof![vec(any::<u8>(), 0..200), cbor(), vec(any::<u8>(), 0..90).prop_map(plain_deal)]
    ) {
        prop_assert_eq!(deals_of(&contents), Refusal::WrongDkgMessage);
    }
}

/// Encoded like a deal, with these bytes for both keys.
fn plain_deal(bytes: Vec<u8>) -> Vec<u8> {
    #[derive(minicbor::Encode)]
    #[cbor(map)]
    struct Plain {
        #[n(0)]
        token: Bytes,
        #[n(1)]
        log: Bytes,
    }
    let plain = Plain {
        token: Bytes(bytes.clone()),
        log: Bytes(bytes),
    };
    minicbor::to_vec(plain).unwrap()
}

#[test]
fn the_real_messages_are_of_the_tenant_that_is_tested() {
    let propose: SignedPropose = real_of();
    assert!(propose.proposal.time_ms >= FOUNDED_MS);
    let enter: EnterView = real_of();
    assert_eq!(enter.origin, founded().committee.origin());
    let signed: SignedFinished = real_of();
    let key = *parties().committee.identity(4).unwrap();
    assert!(signed.finished.is_signed_by(&key, &signed.signature));
    let statement: SignedPeerStatement = real_of();
    assert_eq!(statement.statement, real_of::<PeerStatement>());
    assert_eq!(real_of::<Given>().part.part, real_of::<Part>());
    assert_eq!(real_of::<Envelope>().enclosed(), real_of::<Enclosed>());
    assert_eq!(real_of::<Voted>().vote, real_of::<Vote>());
}
