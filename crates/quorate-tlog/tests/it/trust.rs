//! Policies: what the file may say, and who must have signed.

use crate::{
    formats::sample_proof,
    trees::{ORIGIN, Tree, entry, log_key, log_line, secret, witness_key, witness_line},
};
use ed25519_dalek::Signer;
use quorate_tlog::{
    checkpoint::{Checkpoint, Origin},
    note::{Note, NoteError, NoteSignature, VerifierKey},
    policy::{BadPolicy, Draft, MAX_OF_A_KIND, Policy, PolicyError, Threshold},
    proof::ProofError,
    tlog_proof::{BadTlogProof, HEADER, NotProved, TlogProof},
};

/// The example of the specification: two of three X and one of three Y.
fn example() -> Policy {
    let mut text = format!("log {}\n\n", log_key(1));
    for (seed, name) in (2..).zip(["X1", "X2", "X3", "Y1", "Y2", "Y3"]) {
        text.push_str(&format!("witness {name} {}\n", witness_key(seed)));
    }
    text.push_str("group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n");
    text.push_str("group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n");
    Policy::parse(&text).unwrap()
}

fn text() -> String {
    Tree::of(4).checkpoint(4).text()
}

fn note(lines: Vec<NoteSignature>) -> Note {
    Note::new(&text(), lines).unwrap()
}

#[test]
fn every_subset_of_witnesses_counts_as_the_groups_say() {
    let policy = example();
    assert_eq!(Policy::parse(&policy.to_string()).as_ref(), Ok(&policy));
    for subset in 0u8..64 {
        let cosigners = (0u8..6)
            .filter(|i| subset >> i & 1 == 1)
            .map(|i| witness_line(i + 2, 1000 + u64::from(i), &text()));
        let lines = [log_line(1, &text())].into_iter().chain(cosigners).collect();
        let is_enough = (subset & 0b000_111).count_ones() >= 2 && subset & 0b111_000 != 0;
        let expected = if is_enough {
            Ok(Tree::of(4).checkpoint(4))
        } else {
            Err(PolicyError::NoQuorum)
        };
        assert_eq!(policy.check(&note(lines)), expected, "{subset:06b}");
    }
}

#[test]
fn a_witness_with_many_lines_counts_once_and_with_its_latest_time() {
    let policy = example();
    let (a, y) = (|time| witness_line(2, time, &text()), witness_line(5, 7, &text()));
    let lines = vec![log_line(1, &text()), a(5), a(9), a(6), y.clone()];
    assert_eq!(policy.check(&note(lines.clone())), Err(PolicyError::NoQuorum));
    let vouched = policy
        .examine(&note([lines, vec![witness_line(3, 8, &text())]].concat()))
        .unwrap();
    let times: Vec<(&str, u64)> = vouched
        .witnesses
        .iter()
        .map(|(name, time)| (name.as_str(), *time))
        .collect();
    assert_eq!(times, [("X1", 9), ("X2", 8), ("Y1", 7)]);
    // The same for the keys that a note reports.
    let known = [witness_key(2)];
    assert_eq!(note(vec![a(5), a(9)]).verify(&known).unwrap().len(), 1);
}

#[test]
fn one_bad_line_of_a_listed_key_refuses_the_note_and_unknown_lines_do_not() {
    let policy = example();
    let good = |more: NoteSignature| {
        note(vec![
            log_line(1, &text()),
            more,
            witness_line(2, 1, &text()),
            witness_line(3, 1, &text()),
            witness_line(5, 1, &text()),
        ])
    };
    assert!(policy.check(&good(witness_line(99, 1, &text()))).is_ok());
    // Another key's id under a listed name, and a listed id under another name, are unknown.
    let listed = witness_line(4, 1, "other\n");
    assert!(
        policy
            .check(&good(NoteSignature {
                key_id: [0; 4],
                ..listed.clone()
            }))
            .is_ok()
    );
    assert!(
        policy
            .check(&good(NoteSignature {
                name: witness_key(99).key_name().clone(),
                ..listed.clone()
            }))
            .is_ok()
    );
    let bad = NoteError::BadSignature(witness_key(4).key_name().clone());
    assert_eq!(policy.check(&good(listed)), Err(PolicyError::Note(bad)));
    let bad_log = log_line(1, "other\n");
    assert!(matches!(
        policy.check(&good(bad_log)),
        Err(PolicyError::Note(NoteError::BadSignature(_)))
    ));
}

#[test]
fn the_log_must_sign_and_be_the_log_of_the_origin() {
    let mut draft = Draft::new();
    let elsewhere = VerifierKey::ed25519("elsewhere.example/log", &secret(9).verifying_key().to_bytes()).unwrap();
    draft
        .log(log_key(1), Some("https://log.example"))
        .unwrap()
        .log(elsewhere.clone(), None)
        .unwrap();
    draft
        .witness("w", witness_key(2), None)
        .unwrap()
        .quorum("none")
        .unwrap();
    let policy = draft.finish().unwrap();
    assert_eq!(policy.quorum(), None);
    assert!(policy.check(&note(vec![log_line(1, &text())])).is_ok());
    assert_eq!(
        policy.check(&note(vec![witness_line(2, 1, &text())])),
        Err(PolicyError::NotByLog)
    );
    let foreign = elsewhere.signature(&secret(9).sign(text().as_bytes()).to_bytes());
    assert_eq!(policy.check(&note(vec![foreign])), Err(PolicyError::NotByLog));
    assert_eq!(
        policy.check(&note(vec![log_line(8, &text())])),
        Err(PolicyError::Note(NoteError::NoKnownKey))
    );
    let chat = Note::new("hello\n", vec![log_line(1, "hello\n")]).unwrap();
    assert!(matches!(policy.check(&chat), Err(PolicyError::Checkpoint(_))));
    // A cosignature says less than a log's signature: the same key and name with type 4 is another key.
    let cosigned = VerifierKey::cosigner(ORIGIN, &secret(1).verifying_key().to_bytes()).unwrap();
    let blob = quorate_tlog::cosignature::sign(&secret(1), 5, &text())
        .unwrap()
        .encode();
    assert!(policy.check(&note(vec![cosigned.signature(&blob)])).is_err());
    // Without a log nothing satisfies a policy.
    let empty = Policy::parse("quorum none\n").unwrap();
    assert_eq!(
        empty.check(&note(vec![log_line(1, &text())])),
        Err(PolicyError::Note(NoteError::NoKnownKey))
    );
}

#[test]
fn post_quantum_keys_stand_in_a_policy_but_never_count() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let key = [&[6u8][..], &[9; 1312]].concat();
    let id = quorate_tlog::hash::sha256(&[b"pq.example\n", &key]);
    let vkey = format!(
        "pq.example+{}+{}",
        hex::encode(&id.as_bytes()[..4]),
        STANDARD.encode(&key)
    );
    let text_of = |quorum| {
        format!(
            "log {}\nwitness a {}\nwitness pq {vkey}\ngroup g any a pq\nquorum {quorum}\n",
            log_key(1),
            witness_key(2)
        )
    };
    let line = VerifierKey::parse(&vkey).unwrap().signature(&[0; 2428]);
    let both = note(vec![log_line(1, &text()), line.clone(), witness_line(2, 1, &text())]);
    let without = note(vec![log_line(1, &text()), line]);
    assert!(Policy::parse(&text_of("g")).unwrap().check(&both).is_ok());
    assert_eq!(
        Policy::parse(&text_of("g")).unwrap().check(&without),
        Err(PolicyError::NoQuorum)
    );
    assert_eq!(
        Policy::parse(&text_of("pq")).unwrap().check(&both),
        Err(PolicyError::NoQuorum)
    );
}

#[test]
fn each_rule_of_the_file_is_enforced() {
    let (log, a, b) = (log_key(1), witness_key(2), witness_key(3));
    let twin = VerifierKey::cosigner("twin.example", &secret(2).verifying_key().to_bytes()).unwrap();
    let own = VerifierKey::cosigner("own.example", &secret(1).verifying_key().to_bytes()).unwrap();
    let start = format!("log {log}\nwitness a {a}\nwitness b {b}\n");
    let check = |rest: &str, expected: BadPolicy| {
        assert_eq!(Policy::parse(&format!("{start}{rest}")), Err(expected), "{rest:?}");
    };
    let name = |text: &str| text.to_owned();
    check("", BadPolicy::Quorum);
    check("quorum a\nquorum a\n", BadPolicy::Quorum);
    check("quorum a\nquorum none\n", BadPolicy::Quorum);
    check("quorum c\n", BadPolicy::Undefined(name("c")));
    check("quorum A\n", BadPolicy::Undefined(name("A")));
    check(
        "group g any a h\ngroup h any b\nquorum g\n",
        BadPolicy::Undefined(name("h")),
    );
    check("group g any g\nquorum g\n", BadPolicy::Undefined(name("g")));
    check("group g any none\nquorum g\n", BadPolicy::Undefined(name("none")));
    check("group g all a a\nquorum g\n", BadPolicy::MemberTwice(name("a")));
    check(
        "group g all a b\ngroup h any a\nquorum g\n",
        BadPolicy::MemberTwice(name("a")),
    );
    check("group a any b\nquorum a\n", BadPolicy::DuplicateName(name("a")));
    check("group none any b\nquorum none\n", BadPolicy::Name(name("none")));
    for k in ["0", "3", "+1", "01", "-1", "ALL", ""] {
        check(
            &format!("group g {k}  a b\nquorum g\n"),
            BadPolicy::Threshold(name("g")),
        );
    }
    check("group g any\nquorum g\n", BadPolicy::Threshold(name("g")));
    check(
        &format!("witness a {}\nquorum a\n", witness_key(4)),
        BadPolicy::DuplicateName(name("a")),
    );
    check(
        &format!("witness c {a}\nquorum a\n"),
        BadPolicy::DuplicateKey(name(a.name())),
    );
    check(
        &format!("witness c {twin}\nquorum a\n"),
        BadPolicy::DuplicateKey(name("twin.example")),
    );
    check(
        &format!("witness c {own}\nquorum a\n"),
        BadPolicy::DuplicateKey(name("own.example")),
    );
    check(&format!("log {log}\nquorum a\n"), BadPolicy::DuplicateKey(name(ORIGIN)));
    check(
        &format!("witness c {}\nquorum a\n", log_key(5)),
        BadPolicy::KeyRole(name(ORIGIN)),
    );
    check(
        &format!("log {}\nquorum a\n", witness_key(5)),
        BadPolicy::KeyRole(name("witness5.example")),
    );
    check(
        "log x+y+z\nquorum a\n",
        BadPolicy::Key(NoteError::BadKey("the key is not base64")),
    );
    check("quorum a b\n", BadPolicy::Line(4));
    check("\n # fine\nsurprise\nquorum a\n", BadPolicy::Line(6));
    check("log\nquorum a\n", BadPolicy::Line(4));
    check("quorum a", BadPolicy::Malformed("the last line does not end"));
    for byte in ['\r', '\0', '\u{7f}'] {
        check(
            &format!("quorum a{byte}\n"),
            BadPolicy::Malformed("control characters other than tab and line feed"),
        );
    }
    // Only space and tab are blanks: any other character, even a Unicode space, is part of the name.
    check("quorum\u{a0}a\n", BadPolicy::Line(4));
    let good = format!("{start}\tgroup  g 1 a\t b \n\n   #quorum b\nquorum g\n");
    assert_eq!(
        Policy::parse(&good).unwrap().groups()[0].threshold,
        Threshold::AtLeast(1)
    );
    assert!(Policy::parse(&format!("#{}\n{good}", "x".repeat(1 << 20))).is_err());
}

#[test]
fn a_draft_takes_256_of_a_kind_and_leaves_nothing_of_what_it_refused() {
    let mut draft = Draft::new();
    draft.witness("a", witness_key(2), None).unwrap();
    assert!(draft.group("g", Threshold::All, &["a", "a"]).is_err());
    assert!(draft.witness("b b", witness_key(3), None).is_err());
    assert!(draft.witness("b", witness_key(3), Some("http://x y")).is_err());
    draft.witness("b", witness_key(3), Some("http://x")).unwrap();
    draft
        .group("g", Threshold::All, &["a", "b"])
        .unwrap()
        .quorum("g")
        .unwrap();
    let mut member = "g".to_owned();
    for i in 1..MAX_OF_A_KIND {
        let next = format!("g{i}");
        draft.group(&next, Threshold::Any, &[&member]).unwrap();
        member = next;
    }
    assert!(draft.group("more", Threshold::Any, &[&member]).is_err());
    let policy = draft.finish().unwrap();
    assert_eq!(policy.witnesses().len(), 2);
    assert_eq!(Policy::parse(&policy.to_string()), Ok(policy));
}

#[test]
fn a_proof_needs_the_right_entry_index_and_policy() {
    let tree = Tree::of(12);
    let path = quorate_tlog::proof::inclusion(&tree, 5, 12).unwrap().unwrap();
    let policy = Policy::parse(&format!("log {}\nquorum none\n", log_key(1))).unwrap();
    let proof = sample_proof();
    assert_eq!(proof.verify(&entry(5), &policy), Ok(tree.checkpoint(12)));
    assert_eq!(
        proof.verify(&entry(6), &policy),
        Err(NotProved::Inclusion(ProofError::Root))
    );
    let at = |index| TlogProof::new(index, path.clone(), proof.note().clone()).unwrap();
    assert_eq!(
        at(12).verify(&entry(5), &policy),
        Err(NotProved::Inclusion(ProofError::Range))
    );
    assert_eq!(
        at(4).verify(&entry(5), &policy),
        Err(NotProved::Inclusion(ProofError::Root))
    );
    let strict = format!("log {}\nwitness w {}\nquorum w\n", log_key(1), witness_key(3));
    let strict = Policy::parse(&strict).unwrap();
    assert_eq!(
        proof.verify(&entry(5), &strict),
        Err(NotProved::Policy(PolicyError::NoQuorum))
    );
    let extra = proof.clone().with_extra(b"anything".to_vec()).unwrap();
    assert_eq!(extra.verify(&entry(5), &policy), Ok(tree.checkpoint(12)));
    assert_eq!(extra.unauthenticated_extra(), Some(&b"anything"[..]));
    assert!(proof.clone().with_extra(vec![0; 256 * 1024 + 1]).is_err());
    // The largest of everything is still read.
    let large = proof.clone().with_extra(vec![0; 256 * 1024]).unwrap();
    assert_eq!(TlogProof::parse(large.encode().as_bytes()), Ok(large));
    assert!(TlogProof::new(0, vec![tree.leaf(0); 65], proof.note().clone()).is_err());
    let chat = Note::new("hello\n", vec![log_line(1, "hello\n")]).unwrap();
    assert!(matches!(
        TlogProof::new(0, Vec::new(), chat),
        Err(BadTlogProof::Checkpoint(_))
    ));
}

#[test]
fn proofs_in_other_forms_are_refused() {
    let proof = sample_proof().with_extra(b"e".to_vec()).unwrap().encode();
    assert!(proof.starts_with(&format!("{HEADER}\nextra ZQ==\nindex 5\n")));
    let check = |text: String| assert!(TlogProof::parse(text.as_bytes()).is_err(), "{text}");
    check(proof.replacen("@v1", "@v2", 1));
    check(proof.replacen("index 5", "index 05", 1));
    check(proof.replacen("index 5", "index", 1));
    check(proof.replacen("extra ZQ==\nindex 5\n", "index 5\nextra ZQ==\n", 1));
    check(proof.replacen("extra ZQ==", "extra ZQ", 1));
    check(proof.replacen("extra ZQ==", "extra ZR==", 1));
    check(proof.replacen("extra ZQ==\n", "extra ZQ==\nextra ZQ==\n", 1));
    check(proof.replacen("\n\n", "\n\n\n", 1));
    check(format!("\n{proof}"));
    let one = Checkpoint {
        origin: Origin::new(ORIGIN).unwrap(),
        size: 1,
        root: Tree::of(1).root(1),
    };
    let alone = TlogProof::new(0, Vec::new(), crate::trees::signed(&one)).unwrap();
    assert_eq!(TlogProof::parse(alone.encode().as_bytes()), Ok(alone));
}
