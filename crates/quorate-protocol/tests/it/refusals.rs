//! Refusals that need no link: each named after the attack that it stops.

use crate::{
    founding::{FOUNDED_MS, Founded},
    four::{ATTEMPT, Four},
};
use quorate_protocol::{
    Head, QuorumCertificate, Refusal, View, Vote,
    coordinator::{Order, plain_entry},
    custodian::{CLOCK_MS, Peer},
    dkg::Round,
    equivocation::Equivocation,
    key_ring::Schemes,
    message::{Follow, Propose, SignedPropose},
    signed::Statement,
};
use quorate_rules::{
    TokenAlg,
    body::{GenesisBody, KeysBody},
    cbor::{Array, Bytes, Canonical},
    leaf::{EntryType, Leaf, commitment},
};
use quorate_tlog::hash::Hash;
use std::sync::OnceLock;

fn founded() -> &'static Founded {
    static FOUNDED: OnceLock<Founded> = OnceLock::new();
    FOUNDED.get_or_init(Founded::new)
}

/// The proposal, changed and signed anew as the enrolled gateway would.
fn changed(four: &Four<'_>, message: &SignedPropose, change: impl FnOnce(&mut Propose)) -> SignedPropose {
    let mut proposal = message.proposal.clone();
    change(&mut proposal);
    let signature = proposal.sign(&four.parties.gateways[0]);
    SignedPropose {
        proposal,
        signature,
        secrets: Vec::new(),
    }
}

/// Exchanges the body of an entry; the leaf commits to it.
fn exchange(proposal: &mut Propose, place: usize, body: Vec<u8>) {
    let entry = &mut proposal.entries[place];
    let opening = entry.opening.as_mut().unwrap();
    opening.body = Bytes(body);
    let mut leaf = Leaf::decode(&entry.leaf.0).unwrap();
    leaf.commit = commitment(&opening.salt.0, &opening.body);
    entry.leaf = Array(leaf.encode());
}

#[test]
fn a_custodian_that_has_not_heard_from_others_gives_no_vote_and_no_share() {
    let mut four = Four::at_work(founded());
    let batch = four.token();
    let proposed = four.coordinator.propose(&batch, 0, &[1, 2, 3]);
    let mut fresh = Four::start(founded());
    fresh.now_ms = four.now_ms;
    let outcome = fresh.propose(1, proposed.message()).err();
    assert_eq!(outcome, Some(Refusal::Joining));
    let certified = four.certify(proposed);
    let outcome = fresh.commit(1, &certified.message_for(1)).err();
    assert_eq!(outcome, Some(Refusal::Joining));
}

#[test]
fn backdated_tokens_are_refused() {
    let mut four = Four::at_work(founded());
    let batch = four.token();
    let proposed = four.coordinator.propose(&batch, 0, &[1, 2, 3]);
    four.now_ms += CLOCK_MS + 1;
    for number in [1, 2, 3] {
        let outcome = four.propose(number, proposed.message()).err();
        assert_eq!(outcome, Some(Refusal::TimeBehind), "custodian {number}");
    }
    four.now_ms -= 1;
    assert!(four.propose(1, proposed.message()).is_ok());
}

#[test]
fn tokens_are_not_signed_after_their_window_but_their_checkpoint_is() {
    let mut four = Four::at_work(founded());
    let batch = four.token();
    let index = batch.first;
    let proposed = four.coordinator.propose(&batch, 0, &[1, 2, 3]);
    let certified = four.certify(proposed);
    four.now_ms += CLOCK_MS + 1;
    for number in [1, 2, 3] {
        let step = four.commit(number, &certified.message_for(number)).unwrap();
        let committed = crate::founding::done(step, &mut four.disks[usize::from(number) - 1]);
        assert_eq!(committed.refused, [(index, Refusal::Late.code().to_owned())]);
        let outputs = quorate_protocol::message::Outputs::from_canonical(&committed.outputs.list).unwrap();
        assert!(
            outputs
                .items
                .iter()
                .all(|item| item.purpose == quorate_protocol::message::Purpose::Checkpoint)
        );
        assert_eq!(outputs.items.len(), 1);
    }
}

#[test]
fn the_log_is_not_filled_with_ticks() {
    let mut four = Four::at_work(founded());
    // The last leaf is a decision; one tick may follow it at once, so that pages can prove what it changed.
    let batch = four.build(Order::Tick);
    assert!(four.complete(&batch).checkpoint.is_some());
    let refused = four
        .coordinator
        .build(&[Order::Tick], four.now_ms + 1_000, &mut four.rng);
    assert_eq!(
        refused.refused,
        [(0, Refusal::TickTooSoon)],
        "an honest gateway does not propose it"
    );
    let batch = four.token();
    let honest = four.coordinator.propose(&batch, 0, &[1, 2, 3]).message().clone();
    let soon = changed(&four, &honest, |proposal| {
        let registry_root = Leaf::decode(&proposal.entries[0].leaf.0).unwrap().registry_root;
        let tick = quorate_rules::body::TICK.to_vec();
        proposal.entries = vec![plain_entry(
            EntryType::Tick,
            proposal.time_ms,
            registry_root,
            [1; 32],
            tick,
        )];
    });
    for number in [1, 2, 3] {
        let outcome = four.propose(number, &soon).err();
        assert_eq!(outcome, Some(Refusal::TickTooSoon), "a second after the last leaf");
    }
    four.now_ms += quorate_protocol::batch::TICK_MS + 1;
    let batch = four.build(Order::Tick);
    assert!(four.complete(&batch).checkpoint.is_some());
}

#[test]
fn a_first_batch_of_other_parties_or_other_keys_is_refused() {
    let parties = Founded::frost();
    let mut four = Four::start(&parties);
    four.now_ms = FOUNDED_MS;
    four.join();
    let keys = four.generate();
    four.enter_view();
    let first = four
        .coordinator
        .build_first(keys.clone(), FOUNDED_MS, &mut four.rng)
        .unwrap();
    let honest = four.coordinator.propose(&first, 0, &[1, 2, 3]).message().clone();
    let mut theirs = GenesisBody::from_canonical(parties.committee.genesis()).unwrap();
    theirs.admins.admins[0].key = Array([9; 32]);
    let mut elsewhere = KeysBody::from_canonical(&keys).unwrap();
    elsewhere.transcript = Array([9; 32]);
    let mut swapped = KeysBody::from_canonical(&keys).unwrap();
    let token_key = swapped.token_key.to_vec().try_into().unwrap();
    swapped.token_key = Bytes(swapped.log_key.0.to_vec());
    swapped.log_key = Array(token_key);
    type Change<'a> = Box<dyn Fn(&mut Propose) + 'a>;
    let attacks: [(&str, Change<'_>, Refusal); 5] = [
        (
            "another administrator",
            Box::new(|p| exchange(p, 0, theirs.to_canonical())),
            Refusal::WrongGenesis,
        ),
        (
            "a genesis of another tenant",
            Box::new(|p| exchange(p, 0, parties.neighbour.genesis().to_vec())),
            Refusal::WrongGenesis,
        ),
        ("no keys", Box::new(|p| drop(p.entries.pop())), Refusal::WrongGenesis),
        (
            "keys made elsewhere",
            Box::new(|p| exchange(p, 1, elsewhere.to_canonical())),
            Refusal::WrongTranscript,
        ),
        (
            "the log key as token key",
            Box::new(|p| exchange(p, 1, swapped.to_canonical())),
            Refusal::WrongTranscript,
        ),
    ];
    for (attack, change, expected) in attacks {
        let message = changed(&four, &honest, change);
        for number in [1, 2, 3] {
            let outcome = four.propose(number, &message).err();
            assert_eq!(outcome, Some(expected), "{attack}, custodian {number}");
        }
    }
    assert!(four.propose(1, &honest).is_ok(), "the honest one stands");
}

#[test]
fn a_tenant_under_newer_rules_is_not_founded_by_an_older_program() {
    let parties = Founded::frost();
    let mut four = Four::start(&parties);
    four.join();
    let keys = four.generate();
    let mut newer = GenesisBody::from_canonical(parties.committee.genesis()).unwrap();
    newer.rules += 1;
    let committee = quorate_protocol::Committee::from_genesis(&newer.to_canonical()).unwrap();
    let coordinator = quorate_protocol::coordinator::Coordinator::new(
        committee,
        Schemes::of(TokenAlg::EdDsa),
        (crate::founding::gateway_name(0), parties.gateways[0].clone()),
        (quorate_protocol::tip::Tip::empty(), None),
        Default::default(),
    );
    let outcome = coordinator.build_first(keys, FOUNDED_MS, &mut four.rng).err();
    assert_eq!(outcome, Some(Refusal::RulesVersion));
}

/// Begins a key generation and hands custodian 1 an altered first round.
fn refused_first_round(attack: &str, change: impl FnOnce(&mut Round, &Four<'_>)) {
    let parties = Founded::frost();
    let mut four = Four::start(&parties);
    four.join();
    let mut round = Round::for_one(1, &four.begin());
    change(&mut round, &four);
    let outcome = four.round(1, &round).err();
    assert_eq!(outcome, Some(Refusal::WrongDkgMessage), "{attack}");
}

#[test]
fn altered_missing_doubled_or_foreign_broadcasts_end_the_key_generation() {
    let sign = |round: &mut Round, four: &Four<'_>, number: u16| {
        let signed = &mut round.parts[usize::from(number) - 1];
        signed.signature = signed.part.sign(&four.parties.identity(number).key);
    };
    refused_first_round("one missing", |r, _| drop(r.parts.pop()));
    refused_first_round("one doubled", |r, _| r.parts[3] = r.parts[2].clone());
    refused_first_round("two exchanged", |r, _| r.parts.swap(1, 2));
    refused_first_round("altered on the way", |r, _| r.parts[1].part.token.0[40] ^= 1);
    refused_first_round("of another attempt", |r, four| {
        r.parts[1].part.attempt = Array([2; 16]);
        sign(r, four, 2);
    });
    refused_first_round("of another round", |r, four| {
        r.parts[1].part.round = 2;
        sign(r, four, 2);
    });
    refused_first_round("in another's name", |r, four| {
        r.parts[1].signature = r.parts[1].part.sign(&four.parties.identity(3).key);
    });
    refused_first_round("the own one exchanged", |r, four| {
        r.parts[0].part.log = r.parts[1].part.log.clone();
        sign(r, four, 1);
    });
    refused_first_round("another's commitments as its own", |r, four| {
        r.parts[1].part.token = r.parts[2].part.token.clone();
        sign(r, four, 2);
    });
}

/// Runs a key generation up to the deals and hands altered ones to custodian 1.
fn refused_deals(attack: &str, expected: Refusal, change: impl FnOnce(&mut Round, &Round)) {
    let parties = Founded::frost();
    let mut four = Four::start(&parties);
    four.join();
    let given = four.last_round();
    let (good, of_two) = (Round::for_one(1, &given), Round::for_one(2, &given));
    let mut round = good.clone();
    change(&mut round, &of_two);
    assert_eq!(four.finish(1, &round).err(), Some(expected), "{attack}");
    assert!(four.disks[0].shares.is_empty(), "{attack}: nothing was sealed");
    let again = four.finish(1, &good).err();
    assert_eq!(again, Some(Refusal::WrongDkgMessage), "the ceremony is over");
}

#[test]
fn altered_missing_doubled_or_foreign_deals_end_the_key_generation() {
    let carried = Refusal::WrongEnvelope;
    refused_deals("one missing", carried, |r, _| drop(r.envelopes.pop()));
    refused_deals("one doubled", carried, |r, _| r.envelopes.push(r.envelopes[1].clone()));
    refused_deals("one in another's place", carried, |r, _| {
        r.envelopes[2] = r.envelopes[1].clone()
    });
    refused_deals("altered on the way", carried, |r, _| r.envelopes[1].sealed.0[50] ^= 1);
    refused_deals("made for another", carried, |r, of_two| {
        r.envelopes[1] = of_two.envelopes[1].clone()
    });
    refused_deals("its address exchanged", carried, |r, of_two| {
        r.envelopes[1] = of_two.envelopes[1].clone();
        r.envelopes[1].to = 1;
    });
    refused_deals("of another attempt", Refusal::WrongDkgMessage, |r, _| {
        r.parts[1].part.attempt = Array([2; 16]);
    });
}

#[test]
fn a_dealer_that_showed_others_another_broadcast_is_found_out() {
    // Custodian 2 deals having seen other broadcasts than custodian 1: what it signs names their digest.
    let parties = Founded::frost();
    let mut four = Four::start(&parties);
    four.join();
    let shown_to_one = four.begin();
    let of_one = four.round(1, &Round::for_one(1, &shown_to_one)).unwrap();
    // A second ceremony of the same attempt: 3 broadcasts something else, which only 2 and 4 see.
    let begin = quorate_protocol::dkg::Begin {
        origin: parties.committee.origin().to_owned(),
        attempt: ATTEMPT,
    };
    let (peer, mut rng) = (four.peer, four.rng.clone());
    let mut shown_to_others = shown_to_one.clone();
    shown_to_others[2] = four.custodian(3).dkg_begin(peer, &begin, &mut rng).unwrap();
    let mut given = vec![of_one];
    for number in [2, 3, 4] {
        given.push(four.round(number, &Round::for_one(number, &shown_to_others)).unwrap());
    }
    let for_one = Round::for_one(1, &given);
    assert_eq!(four.finish(1, &for_one).err(), Some(Refusal::WrongDkgMessage));
}

#[test]
fn a_stranger_gets_no_answer_in_a_key_generation_and_no_second_one_begins_on_a_founded_log() {
    let begin = quorate_protocol::dkg::Begin {
        origin: founded().committee.origin().to_owned(),
        attempt: ATTEMPT,
    };
    let mut four = Four::at_work(founded());
    let (peer, mut rng) = (four.peer, four.rng.clone());
    let stranger = four.custodian(1).dkg_begin(Peer([8; 32]), &begin, &mut rng).err();
    assert_eq!(stranger, Some(Refusal::NotTheGateway));
    let second = four.custodian(1).dkg_begin(peer, &begin, &mut rng).err();
    assert_eq!(second, Some(Refusal::WrongDkgMessage));
}

#[test]
fn two_certificates_of_one_view_stop_the_custodian_and_name_who_voted_twice() {
    let mut four = Four::at_work(founded());
    let batch = four.token();
    assert_eq!(four.complete(&batch).tokens.len(), 1);
    let honest = four.coordinator.certificate().unwrap().clone();
    let other = Head {
        size: honest.head.size,
        root: Hash::from([3; 32]),
    };
    let forked = certificate(&four, honest.view, other, &[1, 2, 4]);
    let follow = Follow {
        origin: founded().committee.origin().to_owned(),
        from: honest.head.size,
        entries: Vec::new(),
        certificate: forked.clone(),
        consistency: Vec::new(),
    };
    let next = four.token();
    let next = four.coordinator.propose(&next, 0, &[1, 2, 3]).message().clone();
    let on_the_fork = changed(&four, &next, |proposal| proposal.parent = Some(forked.clone()));
    let (peer, proof) = (four.peer, Equivocation::between(&honest, &forked).unwrap());
    for number in [1, 2, 3, 4] {
        if number < 4 {
            let outcome = four.propose(number, &on_the_fork).err();
            assert_eq!(outcome, Some(Refusal::Equivocation), "custodian {number}");
        } else {
            let outcome = four.custodian(number).follow(peer, &follow).err();
            assert_eq!(outcome, Some(Refusal::Equivocation), "who only follows sees it, too");
        }
        assert_eq!(four.custodian(number).equivocation(), Some(&proof), "kept as evidence");
    }
    assert_eq!(proof.culprits(&founded().committee), Ok(vec![1, 2]));
    let read = Equivocation::from_canonical(&proof.to_canonical()).unwrap();
    assert_eq!(read, proof);
    assert_eq!(Equivocation::between(&honest, &honest), None);
    let later = certificate(&four, honest.view.next(), other, &[1, 2, 4]);
    assert_eq!(
        Equivocation::between(&honest, &later),
        None,
        "a later view may overtake"
    );
    let innocent = Equivocation {
        first: honest.clone(),
        second: later,
    };
    assert_eq!(innocent.culprits(&founded().committee), Err(Refusal::Malformed));
}

/// A certificate that these custodians voted for, whatever it certifies.
fn certificate(four: &Four<'_>, view: View, head: Head, voters: &[u16]) -> QuorumCertificate {
    let origin = four.parties.committee.origin();
    let vote = |number: &u16| Vote::cast(*number, &four.parties.identity(*number).key, origin, view, head);
    QuorumCertificate {
        view,
        head,
        votes: voters.iter().map(vote).collect(),
    }
}

#[test]
fn nobody_signs_on_top_of_a_log_that_it_does_not_hold() {
    let mut four = Four::at_work(founded());
    let batch = four.token();
    let from = four.coordinator.tip().head().size;
    let proposed = four.coordinator.propose(&batch, 0, &[1, 2, 3]);
    let certified = four.certify(proposed);
    four.coordinator.advance(&batch, certified.certificate.clone());
    let next = four.token();
    let next = four.coordinator.propose(&next, 0, &[1, 2, 4]);
    let outcome = four.propose(4, next.message()).err();
    assert_eq!(outcome, Some(Refusal::ParentUnknown), "the fourth has not followed");
    four.follow(4, from);
    assert!(four.propose(4, next.message()).is_ok());
}
