//! A tenant whose tokens are ES256: the same messages, with envelopes between custodians, and what comes of lies in them.

use crate::{
    founding::{Founded, done},
    four::Four,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use quorate_protocol::{
    attempt::AttemptContext,
    coordinator::{Batch, Certified, Dispute, Job, Signed},
    envelope::Envelope,
    message::{Accusation, Commit, Committed, Outputs, SignedOutputs},
};
use quorate_rules::{Refusal, TokenAlg, cbor::Canonical};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Key generation costs a second, so all tests begin with copies of one tenant.
pub static FOUNDED: LazyLock<Founded> = LazyLock::new(|| Founded::with(TokenAlg::Es256));

const SIGNERS: [u16; 3] = [1, 2, 3];

/// A batch of one token, certified, on its way to be signed by [`SIGNERS`].
fn certified(four: &mut Four<'_>, attempt: u16, signers: &[u16]) -> (Batch, Certified) {
    let batch = four.token();
    let proposed = four.coordinator.propose(&batch, attempt, signers);
    let certified = four.certify(proposed);
    (batch, certified)
}

/// One custodian's answer, written.
fn answer(four: &mut Four<'_>, number: u16, message: &Commit) -> Result<Committed, Refusal> {
    let step = four.commit(number, message)?;
    Ok(done(step, &mut four.disks[usize::from(number) - 1]))
}

/// All signers' answers to the newest commit.
fn answers(four: &mut Four<'_>, certified: &Certified) -> BTreeMap<u16, Committed> {
    let signers = certified.signers().to_vec();
    signers
        .into_iter()
        .map(|number| (number, answer(four, number, &certified.message_for(number)).unwrap()))
        .collect()
}

fn finish(four: &Four<'_>, batch: &Batch, certified: &Certified, later: &[BTreeMap<u16, Committed>]) -> Signed {
    let jobs = certified.jobs(&four.coordinator, batch, later).unwrap();
    certified.finish(batch, jobs.iter().map(Job::run).collect(), later)
}

fn banned(four: &Four<'_>, number: u16) -> Vec<u16> {
    four.custodians[usize::from(number) - 1].banned().collect()
}

#[test]
fn es256_tokens_and_ed25519_checkpoints_come_from_one_batch() {
    let mut four = Four::at_work(&FOUNDED);
    let batch = four.token();
    let signed = four.complete(&batch);
    assert!(
        signed.checkpoint.is_some() && signed.misbehaved.is_empty() && signed.disputes.is_empty() && !signed.spoilt
    );
    let [token] = signed.tokens.as_slice() else {
        panic!("{} tokens", signed.tokens.len())
    };
    let (text, signature) = token.jwt.rsplit_once('.').unwrap();
    let header = B64.decode(text.split('.').next().unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["alg"], "ES256");
    let key = four.coordinator.tip().registry().token_key().unwrap();
    assert!(key.verify(text.as_bytes(), &B64.decode(signature).unwrap()));
    assert!(four.custodians.iter().all(|custodian| custodian.open_attempts() == 0));
}

/// The carrier changes what it carries in every way that it can: nobody blames anybody, nothing is used up, and the honest message works.
#[test]
fn a_gateway_that_flips_a_bit_makes_nobody_ban_anybody() {
    let mut four = Four::at_work(&FOUNDED);
    let (batch, mut certified) = certified(&mut four, 0, &SIGNERS);
    four.coordinator.advance(&batch, certified.certificate.clone());
    let (mut later, mut refused) = (Vec::new(), 0);
    loop {
        for number in SIGNERS {
            let good = certified.message_for(number);
            let mut check = |change: &dyn Fn(&mut Commit)| {
                let mut message = good.clone();
                change(&mut message);
                assert_ne!(message, good);
                assert_eq!(answer(&mut four, number, &message).err(), Some(Refusal::WrongEnvelope));
                assert!(banned(&four, number).is_empty());
                refused += 1;
            };
            if good.envelopes.is_empty() {
                continue;
            }
            for place in [0, 1] {
                let length = good.envelopes[place].sealed.len();
                for part in 0..24 {
                    check(&|m| m.envelopes[place].sealed.0[length * part / 24] ^= 1 << (part % 8));
                }
                check(&|m| m.envelopes[place].sealed.0.truncate(length - 1));
                check(&|m| drop(m.envelopes.remove(place)));
                check(&|m| m.envelopes.push(m.envelopes[place].clone()));
                check(&|m| m.envelopes[place].to = 4);
                check(&|m| m.envelopes[place].from = m.envelopes[1 - place].from);
            }
            check(&|m| m.envelopes.clear());
        }
        let all = answers(&mut four, &certified);
        assert!(all.values().all(|committed| committed.accused.is_empty()));
        let unfinished = certified.next_round(&four.coordinator, &all);
        later.push(all);
        if !unfinished {
            break;
        }
    }
    assert_eq!(
        (later.len(), refused),
        (2, 2 * 3 * (2 * 29 + 1)),
        "both rounds with envelopes"
    );
    assert_eq!(finish(&four, &batch, &certified, &later).tokens.len(), 1);
}

fn context(commit: &Commit, epoch: u32) -> AttemptContext {
    AttemptContext {
        origin: commit.origin.clone(),
        epoch,
        view: commit.certificate.view,
        head: commit.certificate.head,
        attempt: commit.attempt,
        signers: commit.lists.iter().map(|list| list.custodian).collect(),
    }
}

/// Custodian 2 seals something else to custodian 1 in this round, and signs that.
fn lie(four: &mut Four<'_>, message: &mut Commit, change: impl Fn(&mut Vec<u8>)) {
    lie_at(four, message, 1, change);
}

/// The same, sealed for keys of this epoch.
fn lie_at(four: &mut Four<'_>, message: &mut Commit, epoch: u32, change: impl Fn(&mut Vec<u8>)) {
    let key = four.parties.identity(1).envelope;
    let honest = message
        .envelopes
        .iter()
        .position(|envelope| envelope.from == 2)
        .unwrap();
    let mut plain = message.envelopes[honest]
        .open(&key, &context(message, 1).place(message.round))
        .unwrap()
        .to_vec();
    change(&mut plain);
    let committee = &four.parties.committee;
    let false_one = Envelope::seal(
        committee,
        (2, 1),
        &context(message, epoch).place(message.round),
        &plain,
        &mut four.rng,
    )
    .unwrap();
    let list = message.lists.iter().position(|list| list.custodian == 2).unwrap();
    let mut outputs = Outputs::from_canonical(&message.lists[list].list).unwrap();
    let named = outputs.enclosed.iter_mut().find(|enclosed| enclosed.to == 1).unwrap();
    *named = false_one.enclosed();
    message.envelopes[honest] = false_one;
    message.lists[list] = resign(message, &outputs);
}

fn resign(message: &Commit, outputs: &Outputs) -> SignedOutputs {
    context(message, 1).sign(2, &FOUNDED.identity(2).key, message.round, outputs)
}

/// One token of which custodian 2 lies to custodian 1 in `round`; what 1 says of it, once its answer is written.
fn accused(four: &mut Four<'_>, round: u8, change: impl Fn(&mut Vec<u8>)) -> Vec<Accusation> {
    let (batch, mut certified) = certified(four, 0, &SIGNERS);
    four.coordinator.advance(&batch, certified.certificate.clone());
    for _ in 1..round {
        let all = answers(four, &certified);
        assert!(certified.next_round(&four.coordinator, &all));
    }
    let mut message = certified.message_for(1);
    assert_eq!(message.round, round);
    lie(four, &mut message, change);
    answer(four, 1, &message).unwrap().accused
}

#[test]
fn a_liar_in_each_round_is_named_by_whom_it_lied_to() {
    let one = |banned| vec![Accusation { custodian: 2, banned }];
    for round in [1, 2] {
        let mut four = Four::at_work(&FOUNDED);
        assert_eq!(
            accused(&mut four, round, Vec::clear),
            one(false),
            "round {round}: nothing"
        );
        assert!(banned(&four, 1).is_empty());
        assert_eq!(
            accused(&mut Four::at_work(&FOUNDED), round, |plain| plain.push(0)),
            one(false)
        );
    }
    // In round 3 it gives the coordinator a false output, which shows in the whole only; the next set finds out (the gateway's tests).
    let mut four = Four::at_work(&FOUNDED);
    let (batch, mut certified) = certified(&mut four, 0, &SIGNERS);
    let first = answers(&mut four, &certified);
    assert!(certified.next_round(&four.coordinator, &first));
    let message = certified.message_for(2);
    let mut last = answers(&mut four, &certified);
    let mut outputs = Outputs::from_canonical(&last[&2].outputs.list).unwrap();
    outputs.items[0].bytes.0[40] ^= 1;
    let context_round = Commit {
        round: message.round + 1,
        ..message
    };
    last.get_mut(&2).unwrap().outputs = resign(&context_round, &outputs);
    assert_eq!(certified.check(&four.parties.committee, 2, &last[&2]), Ok(()));
    let signed = finish(&four, &batch, &certified, &[first, last]);
    assert!(signed.spoilt && signed.tokens.is_empty() && signed.checkpoint.is_some());
    assert!(signed.misbehaved.is_empty() && signed.disputes.is_empty());
}

#[test]
fn a_banned_party_never_signs_again_with_whom_it_cheated() {
    let mut four = Four::at_work(&FOUNDED);
    // Inside what the oblivious transfers carry: past the names and the points, before the salt.
    let caught = accused(&mut four, 2, |plain| {
        let middle = plain.len() / 2;
        plain[middle] ^= 0x10;
    });
    assert_eq!(
        caught,
        [Accusation {
            custodian: 2,
            banned: true
        }]
    );
    assert_eq!(banned(&four, 1), [2]);
    assert_eq!(
        four.disks[0].saved_state().unwrap().bans.len(),
        1,
        "durable before anybody hears of it"
    );

    let size = four.coordinator.tip().head().size;
    four.follow(4, size - 1);
    // The custodian dies and starts from its disk.
    let mut disk = four.disks[0].clone();
    four.custodians[0] = four.parties.start(1, &mut disk, &mut four.rng);
    four.disks[0] = disk;
    four.join();
    four.enter_view();
    assert_eq!(banned(&four, 1), [2]);
    assert_eq!(four.custodian(1).status().banned, [2]);
    let batch = four.token();
    let together = four.coordinator.propose(&batch, 0, &SIGNERS);
    let outcome = four.propose(1, &together.message_for(1)).err();
    assert_eq!(outcome, Some(Refusal::BannedSigner));
    // Without it, all goes on; and others, whom it did not cheat, may sign with it.
    for signers in [[1, 3, 4], [2, 3, 4]] {
        let proposed = four.coordinator.propose(&batch, signers[0], &signers);
        let mut certified = four.certify(proposed);
        let first = answers(&mut four, &certified);
        assert!(certified.next_round(&four.coordinator, &first));
        let last = answers(&mut four, &certified);
        assert_eq!(
            finish(&four, &batch, &certified, &[first, last]).tokens.len(),
            1,
            "{signers:?}"
        );
    }
}

/// Every answer to a false multiplication may teach the cheat something, so it gets one guess and not one for each token and attempt.
#[test]
fn one_lie_ends_every_token_and_every_open_attempt_with_the_liar() {
    let mut four = Four::at_work(&FOUNDED);
    let orders: Vec<_> = (0..3).map(|_| four.order()).collect();
    let batch = four.coordinator.build(&orders, four.now_ms, &mut four.rng);
    assert_eq!(batch.tokens(), 3);
    let proposed = [0, 1].map(|attempt| four.coordinator.propose(&batch, attempt, &SIGNERS));
    let [mut first, second] = proposed.map(|proposed| four.certify(proposed));
    let all = answers(&mut four, &first);
    assert!(first.next_round(&four.coordinator, &all));
    let mut message = first.message_for(1);
    // In the multiplications of the first token, and of no other.
    lie(&mut four, &mut message, |plain| {
        let at = plain.len() / 6;
        plain[at] ^= 0x10;
    });
    let answered = answer(&mut four, 1, &message).unwrap();
    assert!(answered.accused.iter().all(|accusation| accusation.banned) && answered.accused.len() == 1);
    let outputs = Outputs::from_canonical(&answered.outputs.list).unwrap();
    assert_eq!(
        (outputs.items.len(), answered.envelopes.len()),
        (0, 0),
        "nothing for the honest tokens either"
    );
    let open = answer(&mut four, 1, &second.message_for(1)).err();
    assert_eq!(open, Some(Refusal::BannedSigner), "an attempt that was open before");
}

/// Keys of another epoch have other shares, so nothing of theirs may be mixed in; and whoever is behind is no cheat.
#[test]
fn lists_and_envelopes_of_another_epoch_are_refused_and_blame_nobody() {
    let mut four = Four::at_work(&FOUNDED);
    let (batch, mut certified) = certified(&mut four, 0, &SIGNERS);
    let mut later = Vec::new();
    loop {
        let good = certified.message_for(1);
        let of_2 = good.lists.iter().position(|list| list.custodian == 2).unwrap();
        let outputs = Outputs::from_canonical(&good.lists[of_2].list).unwrap();
        for epoch in [0, 2] {
            // The whole list of custodian 2, signed as one of another epoch.
            let mut stale = good.clone();
            stale.lists[of_2] = context(&good, epoch).sign(2, &FOUNDED.identity(2).key, good.round, &outputs);
            let outcome = answer(&mut four, 1, &stale).err();
            assert_eq!(outcome, Some(Refusal::WrongCommitments), "round {}", good.round);
        }
        assert!(banned(&four, 1).is_empty());
        let all = answers(&mut four, &certified);
        assert!(all.values().all(|committed| committed.accused.is_empty()));
        // The coordinator takes no stale answer either.
        let mut stale = all[&2].clone();
        let outputs = Outputs::from_canonical(&stale.outputs.list).unwrap();
        stale.outputs = context(&good, 2).sign(2, &FOUNDED.identity(2).key, good.round + 1, &outputs);
        assert!(certified.check(&four.parties.committee, 2, &stale).is_err());
        let unfinished = certified.next_round(&four.coordinator, &all);
        later.push(all);
        if !unfinished {
            break;
        }
    }
    assert_eq!(
        finish(&four, &batch, &certified, &later).tokens.len(),
        1,
        "nothing was used up"
    );
    // A part that was sealed under another epoch opens nowhere: its sender is disputed, and not banned.
    let mut four = Four::at_work(&FOUNDED);
    let (_, certified) = self::certified(&mut four, 0, &SIGNERS);
    let mut message = certified.message_for(1);
    lie_at(&mut four, &mut message, 2, |_| {});
    let accused = answer(&mut four, 1, &message).unwrap().accused;
    assert_eq!(
        accused,
        [Accusation {
            custodian: 2,
            banned: false
        }]
    );
    assert!(banned(&four, 1).is_empty());
}

#[test]
fn a_dispute_names_both_and_spoils_nothing_else() {
    let mut four = Four::at_work(&FOUNDED);
    let (batch, mut certified) = certified(&mut four, 0, &SIGNERS);
    let mut first = BTreeMap::new();
    for number in SIGNERS {
        let mut message = certified.message_for(number);
        if number == 1 {
            lie(&mut four, &mut message, Vec::clear);
        }
        // Custodian 1 got another list of 2's than the others; nobody but the two of them knows.
        first.insert(number, answer(&mut four, number, &message).unwrap());
    }
    let unfinished = certified.next_round(&four.coordinator, &first);
    assert!(!unfinished, "custodian 1 has no part in the token any more");
    let signed = finish(&four, &batch, &certified, &[first]);
    let dispute = Dispute {
        by: 1,
        custodian: 2,
        banned: false,
    };
    assert_eq!(signed.disputes.into_iter().collect::<Vec<_>>(), [dispute]);
    assert!(signed.tokens.is_empty() && !signed.spoilt && signed.misbehaved.is_empty());
}

#[test]
fn a_dropped_signer_restarts_with_another_set() {
    let mut four = Four::at_work(&FOUNDED);
    for dropped_in in [1, 2] {
        let (batch, mut certified) = certified(&mut four, 0, &SIGNERS);
        for _ in 1..dropped_in {
            let all = answers(&mut four, &certified);
            assert!(certified.next_round(&four.coordinator, &all));
        }
        for number in [1, 2] {
            answer(&mut four, number, &certified.message_for(number)).unwrap();
        }
        // Custodian 3 is gone. The same batch, another set, fresh sessions.
        let proposed = four.coordinator.propose(&batch, 1, &[1, 2, 4]);
        let mut again = four.certify(proposed);
        let first = answers(&mut four, &again);
        assert!(again.next_round(&four.coordinator, &first));
        let last = answers(&mut four, &again);
        let signed = finish(&four, &batch, &again, &[first, last]);
        assert_eq!(
            (signed.tokens.len(), signed.spoilt),
            (1, false),
            "dropped in round {dropped_in}"
        );
        four.coordinator.advance(&batch, again.certificate.clone());
        four.follow(3, batch.first);
    }
}

#[test]
fn more_tokens_than_the_messages_can_carry_are_no_batch() {
    let mut four = Four::at_work(&FOUNDED);
    let most = four.coordinator.schemes().tokens_at_most(3);
    assert!((16..=64).contains(&most), "{most}");
    let orders: Vec<_> = (0..=most).map(|_| four.order()).collect();
    let batch = four.coordinator.build(&orders, four.now_ms, &mut four.rng);
    assert_eq!((batch.entries.len(), batch.left.as_slice()), (most, &[most][..]));
}
