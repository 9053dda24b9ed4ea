//! Bodies, proposals and records: canonical or refused; a signed decision that was changed decides nothing.

use crate::{
    mangled::{cbor, each_small_change, mangled},
    people,
    tenant::{
        SALT, TIME_MS, actions, decision, entry, founded, genesis, genesis_of, good_assertions, judged, keys, keys_of,
        proposal, registry, waiting,
    },
};
use proptest::{collection::vec, prelude::*};
use quorate_rules::{
    Evidence, Jti, QuorumRule, Refusal, Registry, TokenAlg,
    body::{DecisionBody, GenesisBody, KeysBody, TICK, TokenBody},
    cbor::{Array, Bytes, Canonical},
    decision::{Action, Approval, Proposal},
    enrolment::{EnrolmentBody, EnrolmentStatement},
    grant::TokenKind,
    leaf::EntryType,
    name::ClientId,
    record::{PendingRecord, Record, TenantRecord},
    registry::check_genesis,
    revocation::RevocationBody,
    token::{Position, TokenEntry},
};
use quorate_tlog::hash::Hash;
use std::fmt::Debug;

/// Reads the bytes as one type: they are its one canonical encoding, or they are refused. Says whether they were read.
type Parser = fn(&[u8]) -> bool;

fn parse<T: Canonical + Debug + PartialEq>(bytes: &[u8]) -> bool {
    match T::from_canonical(bytes) {
        Ok(value) => {
            assert_eq!(value.to_canonical(), bytes, "{}: {value:?}", T::WHAT);
            assert!(!format!("{value:?}").is_empty());
            true
        }
        Err(refused) => {
            assert_eq!(refused.what, T::WHAT);
            false
        }
    }
}

fn parse_registry(bytes: &[u8]) -> bool {
    match Registry::from_saved(bytes) {
        Ok(registry) => {
            assert_eq!(
                registry.to_saved(),
                bytes,
                "a registry that is written otherwise than it was read"
            );
            let _ = (registry.root(), registry.keys(), registry.admins(), registry.rules());
            true
        }
        Err(_) => false,
    }
}

const PARSERS: [(&str, Parser); 13] = [
    (GenesisBody::WHAT, parse::<GenesisBody>),
    (KeysBody::WHAT, parse::<KeysBody>),
    (DecisionBody::WHAT, parse::<DecisionBody>),
    (TokenBody::WHAT, parse::<TokenBody>),
    (Proposal::WHAT, parse::<Proposal>),
    (Approval::WHAT, parse::<Approval>),
    (Record::WHAT, parse::<Record>),
    (QuorumRule::WHAT, parse::<QuorumRule>),
    (Evidence::WHAT, parse::<Evidence>),
    (EnrolmentBody::WHAT, parse::<EnrolmentBody>),
    (EnrolmentStatement::WHAT, parse::<EnrolmentStatement>),
    (RevocationBody::WHAT, parse::<RevocationBody>),
    ("registry", parse_registry),
];

fn parser(what: &str) -> Parser {
    PARSERS.iter().find(|(name, _)| *name == what).unwrap().1
}

fn token_entry() -> TokenEntry {
    let (assertion, _) = &good_assertions()[0];
    let registry = registry();
    let grant = judged(&registry, &Evidence::ClientKey(assertion.clone()), TIME_MS).unwrap();
    let at = Position {
        log: 1,
        index: 4,
        time_ms: TIME_MS,
        registry_root: registry.root(),
    };
    TokenEntry::build(
        &grant,
        TokenKind::Access,
        &at,
        registry.signing_header().unwrap(),
        &SALT,
    )
}

fn records() -> Vec<Record> {
    let genesis = genesis(60_000);
    let waiting = waiting();
    let pending: PendingRecord = waiting.pending().next().unwrap().clone();
    vec![
        Record::Tenant(TenantRecord {
            issuer: genesis.issuer.clone(),
            log: 1,
            quorum: genesis.quorum,
            token_alg: genesis.token_alg,
            demo: false,
            decision_delay_ms: 60_000,
            audit_key: genesis.audit_key,
        }),
        Record::Custodian(4, genesis.custodians[3].clone()),
        Record::Admins(genesis.admins.clone()),
        Record::Gateway(genesis.gateways[0].clone()),
        Record::Keys(keys()),
        Record::Client(crate::tenant::p256_client()),
        Record::Rules(1),
        Record::Pending(pending),
    ]
    .into_iter()
    .chain(people::records())
    .collect()
}

/// Real ones of every kind, with the name of their type.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let (full, waiting) = (registry(), waiting());
    let mut samples = vec![
        (GenesisBody::WHAT, genesis(0).to_canonical()),
        (KeysBody::WHAT, keys().to_canonical()),
        (KeysBody::WHAT, keys_of(TokenAlg::Es256).to_canonical()),
        (GenesisBody::WHAT, genesis_of(TokenAlg::Es256).to_canonical()),
        (Record::WHAT, Record::Keys(keys_of(TokenAlg::Es256)).to_canonical()),
        (TokenBody::WHAT, token_entry().body),
        (QuorumRule::WHAT, genesis(0).quorum.to_canonical()),
        ("registry", full.to_saved()),
        ("registry", waiting.to_saved()),
        ("registry", Registry::new().to_saved()),
    ];
    let peopled = people::peopled();
    samples.push(("registry", peopled.to_saved()));
    for of in [&full, &waiting, &peopled] {
        for action in actions(of) {
            let body = decision(of, action.clone());
            samples.push((Proposal::WHAT, proposal(of, action).to_canonical()));
            samples.push((Approval::WHAT, body.approvals[0].to_canonical()));
            samples.push((DecisionBody::WHAT, body.to_canonical()));
        }
    }
    samples.extend(records().iter().map(|record| (Record::WHAT, record.to_canonical())));
    let evidence = good_assertions().map(|(assertion, _)| Evidence::ClientKey(assertion).to_canonical());
    samples.extend(evidence.map(|bytes| (Evidence::WHAT, bytes)));
    samples.extend(people::evidence().map(|evidence| (Evidence::WHAT, evidence.to_canonical())));
    samples.extend(people::revocations().map(|body| (RevocationBody::WHAT, body.to_canonical())));
    let enrolment = people::enrolment();
    samples.push((EnrolmentStatement::WHAT, enrolment.statement.0.clone()));
    samples.push((EnrolmentBody::WHAT, enrolment.to_canonical()));
    samples
}

#[test]
fn every_parser_reads_real_ones_so_that_the_properties_say_something() {
    let samples = samples();
    for (what, bytes) in &samples {
        assert!(parser(what)(bytes), "{what}");
    }
    for (what, _) in PARSERS {
        assert!(samples.iter().any(|(name, _)| *name == what), "no real {what}");
    }
    // Every kind of action and record stands among them, so that a new kind is noticed.
    let all = [actions(&registry()), actions(&waiting()), actions(&people::peopled())].concat();
    let kinds: std::collections::BTreeSet<u8> = all
        .iter()
        .map(|action| match action {
            Action::PutClient(_) => 0,
            Action::SuspendClient(_) => 1,
            Action::SetAdmins(_) => 2,
            Action::PutGateway(_) => 3,
            Action::RemoveGateway(_) => 4,
            Action::ActivateRules(_) => 5,
            Action::Cancel(_) => 6,
            Action::PutInteractiveClient(..) => 7,
            Action::Invite(..) => 8,
            Action::SuspendUser(_) => 9,
            Action::StopPasskey(_) => 10,
        })
        .collect();
    assert_eq!(kinds.len(), 11);
    assert_eq!(records().len(), 14);
}

#[test]
fn real_ones_after_any_small_change_are_read_strictly_or_refused() {
    for (what, bytes) in samples() {
        let parse = parser(what);
        let mut read = 0;
        each_small_change(&bytes, |changed| read += usize::from(parse(changed)));
        // A changed key or number is another valid value: strictness does not come from refusing everything.
        assert!(read > 0 || bytes.len() < 4, "{what}: nothing but the original is read");
    }
}

#[test]
fn records_of_a_saved_registry_stand_in_order_and_once() {
    let saved = registry().to_saved();
    let (head, records, tail) = saved_parts(&saved);
    let write = |records: &[&[u8]]| {
        let count = u8::try_from(records.len()).unwrap();
        assert!(count < 24, "the length still fits the initial byte");
        [head, &[0x80 | count], &records.concat(), tail].concat()
    };
    let all: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    assert_eq!(write(&all), saved);
    let mut exchanged = all.clone();
    exchanged.swap(0, 1);
    assert!(
        Registry::from_saved(&write(&exchanged)).is_err(),
        "two records in the wrong order"
    );
    let mut doubled = all.clone();
    doubled.insert(0, all[0]);
    assert!(Registry::from_saved(&write(&doubled)).is_err(), "one record twice");
    // One record less is another registry, with another root.
    let fewer = Registry::from_saved(&write(&all[1..])).unwrap();
    assert_ne!(fewer.root(), registry().root());
}

/// What stands before the array of records, each encoded record, and what stands behind them.
fn saved_parts(saved: &[u8]) -> (&[u8], Vec<Vec<u8>>, &[u8]) {
    let mut decoder = minicbor::Decoder::new(saved);
    assert_eq!(decoder.map().unwrap(), Some(2));
    assert_eq!(decoder.u8().unwrap(), 0);
    let start = decoder.position();
    let count = decoder.array().unwrap().unwrap();
    let records = (0..count)
        .map(|_| {
            let from = decoder.position();
            decoder.skip().unwrap();
            saved[from..decoder.position()].to_vec()
        })
        .collect::<Vec<_>>();
    (&saved[..start], records, &saved[decoder.position()..])
}

#[test]
fn a_changed_decision_decides_nothing() {
    for before in [registry(), waiting(), people::peopled()] {
        for action in actions(&before) {
            let body = decision(&before, action.clone());
            let mut after = before.clone();
            after
                .apply(&entry(4, EntryType::Decision, &body.to_canonical()))
                .unwrap();
            // Putting the same administrators or rules in force changes no record; everything else moves the root.
            let same = matches!(
                action,
                Action::SetAdmins(_) | Action::ActivateRules(_) | Action::PutClient(_)
            );
            assert!(same || after.root() != before.root(), "{action:?}");
            each_small_change(&body.to_canonical(), |changed| {
                let mut registry = before.clone();
                let outcome = registry.apply(&entry(4, EntryType::Decision, changed));
                assert!(outcome.is_err(), "{action:?}: {changed:02x?}");
                assert_eq!(registry, before, "a refused entry leaves everything as it was");
            });
        }
    }
}

#[test]
fn a_changed_genesis_is_another_tenant_or_none() {
    let good = genesis(0).to_canonical();
    let mut taken = 0;
    each_small_change(&good, |changed| {
        let mut registry = Registry::new();
        match registry.apply(&entry(0, EntryType::Genesis, changed)) {
            Ok(()) => {
                taken += 1;
                let body = GenesisBody::from_canonical(changed).unwrap();
                assert_ne!(body, genesis(0));
                assert!(check_genesis(&body).is_ok() && registry.tenant().is_some());
            }
            Err(refusal) => {
                assert!(
                    matches!(refusal, Refusal::WrongGenesis | Refusal::RulesVersion),
                    "{refusal:?}"
                );
                assert_eq!(registry, Registry::new());
            }
        }
    });
    assert!(taken > 0);
    assert_eq!(founded(0).issuer().unwrap().as_str(), crate::tenant::ISSUER);
}

#[test]
fn deep_nesting_and_absurd_lengths_are_refused_at_once() {
    let deep = [vec![0xa1, 0x18, 0x63], vec![0x81; 1 << 20], vec![0]].concat();
    let open = [vec![0xa1, 0x18, 0x63], vec![0x9f; 1 << 20]].concat();
    let tagged = [vec![0xa1, 0x18, 0x63], vec![0xc1; 1 << 20], vec![0]].concat();
    let long = |major: u8| [&[(major << 5) | 27][..], &u64::MAX.to_be_bytes(), &[0; 64]].concat();
    for (what, parse) in PARSERS {
        for bytes in [&deep, &open, &tagged] {
            assert!(!parse(bytes), "{what}");
        }
        for major in 2..=5 {
            assert!(!parse(&long(major)), "{what}");
            for member in 0..12 {
                assert!(!parse(&[vec![0xa1, member], long(major)].concat()), "{what}");
            }
        }
    }
}

#[test]
fn identifiers_keep_the_border_between_client_and_assertion() {
    let of = |client: &str, jti: &str| Jti::of_client_assertion(&ClientId::new(client).unwrap(), jti);
    assert_ne!(of("ab", "c"), of("a", "bc"));
    assert_eq!(of("ab", "c"), of("ab", "c"));
}

fn check_all(bytes: &[u8]) {
    for (_, parse) in PARSERS {
        parse(bytes);
    }
    for entry_type in [
        EntryType::Genesis,
        EntryType::Keys,
        EntryType::Decision,
        EntryType::Tick,
    ] {
        for index in [0, 1, 2] {
            let _ = Registry::new().apply(&entry(index, entry_type, bytes));
        }
        let mut registry = founded(0);
        let outcome = registry.apply(&entry(2, entry_type, bytes));
        assert_eq!(outcome.is_ok(), entry_type == EntryType::Tick);
        assert_eq!(registry, founded(0));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_strictly_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        check_all(&bytes);
    }

    #[test]
    fn bytes_shaped_like_cbor_are_read_strictly_or_refused(bytes in cbor()) {
        check_all(&bytes);
    }

    #[test]
    fn mangled_ones_are_read_strictly_or_refused(
        bytes in mangled(samples().into_iter().map(|(_, bytes)| bytes).collect())
    ) {
        for (_, parse) in PARSERS {
            parse(&bytes);
        }
        if let Ok(proposal) = Proposal::from_canonical(&bytes) {
            // The text is the people's view of a proposal: one line for each thing said, and the digest of all of it.
            let text = proposal.render();
            prop_assert!(text.starts_with("Quorate proposal "));
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        }
    }

    #[test]
    fn any_value_is_read_as_it_was_written(
        epoch in any::<u32>(), group in vec(any::<u8>(), 0..80), token_key in vec(any::<u8>(), 0..80),
        key in any::<[u8; 32]>(), claims in vec(any::<u8>(), 0..80),
    ) {
        let keys = KeysBody {
            epoch,
            token_group: Bytes(group.clone()),
            log_group: Bytes(group.clone()),
            token_key: Bytes(token_key.clone()),
            log_key: Array(key),
            transcript: Array(*Hash::from(key).as_bytes()),
        };
        prop_assert_eq!(KeysBody::from_canonical(&keys.to_canonical()), Ok(keys));
        let body = TokenBody { claims: Bytes(claims), evidence_digest: Array(key), grant: Bytes(group) };
        prop_assert_eq!(TokenBody::from_canonical(&body.to_canonical()), Ok(body));
    }
}

#[test]
fn a_tick_is_the_empty_map() {
    assert_eq!(minicbor::Decoder::new(TICK).map().unwrap(), Some(0));
    assert_eq!(TICK.len(), 1);
}
