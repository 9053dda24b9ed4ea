//! `docs/spec/examples.md`: one tenant's first four entries byte by byte. Each value is recomputed here from its parts and compared with
//! what the machines made, before it is written down.

use crate::{
    founding::{CLIENT, Founded, ISSUER},
    four::Four,
    written,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::VerifyingKey;
use minicbor::{Decoder, data::Type};
use quorate_protocol::{
    coordinator::{Order, TokenOrder},
    domain as protocol_domain,
    message::{LogEntry, Opening, Propose, SignedPropose},
    permit::checkpoint_text,
    signed::Statement,
    vote::VoteText,
};
use quorate_rules::{
    Jti, Registry,
    body::{TICK, TokenBody},
    cbor::Canonical,
    domain,
    leaf::{Leaf, commitment, token_hash},
    name::ClientId,
    record::Record,
    tag::TagKey,
};
use quorate_tlog::{
    hash::{Hash, leaf_hash, sha256},
    note::{Note, VerifierKey},
    range::CompactRange,
    tile::{Tile, encode_bundle},
};
use std::fmt::Write;

const ASSERTION_JTI: &str = "example-1";

/// A document in the making.
#[derive(Default)]
struct Page(String);

impl Page {
    /// Paragraphs, broken at 120 characters.
    fn text(&mut self, text: &str) -> &mut Self {
        for paragraph in text.split("\n\n") {
            let mut width = 0;
            for word in paragraph.split_whitespace() {
                let length = word.chars().count();
                if width > 0 {
                    let fits = width + 1 + length <= 120;
                    self.0.push(if fits { ' ' } else { '\n' });
                    width = if fits { width + 1 } else { 0 };
                }
                self.0.push_str(word);
                width += length;
            }
            self.0.push_str("\n\n");
        }
        self
    }

    fn block(&mut self, lines: impl AsRef<str>) -> &mut Self {
        let _ = write!(self.0, "```\n{}\n```\n\n", lines.as_ref().trim_end());
        self
    }

    /// Named parts, each with its bytes.
    fn bytes(&mut self, parts: &[(&str, &[u8])]) -> &mut Self {
        let width = parts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let mut lines = String::new();
        for (name, bytes) in parts {
            for (row, piece) in bytes.chunks(32).enumerate() {
                let name = if row == 0 { name } else { "" };
                let _ = writeln!(lines, "{name:width$}  {}", hex::encode(piece));
            }
        }
        self.block(lines)
    }
}

/// A domain string as it is written in Rust, C and Python.
fn quoted(domain: &[u8]) -> String {
    let text = std::str::from_utf8(domain).unwrap();
    format!("\"{}\\0\"", text.strip_suffix('\0').unwrap())
}

/// The tenant of the examples after genesis, keys and its client's registration, and the proposal for its first token.
struct Example {
    registry: Registry,
    /// Genesis, keys, decision.
    entries: Vec<LogEntry>,
    salts: Vec<[u8; 32]>,
    proposal: SignedPropose,
    checkpoint: Note,
    identity: VerifyingKey,
    vote: (VoteText, [u8; 64]),
}

fn example() -> Example {
    let parties = Founded::frost();
    let mut four = Four::start(&parties);
    four.found();
    let registry = four.coordinator.tip().registry().clone();
    let evidence = parties.evidence(&parties.client, (ASSERTION_JTI, ISSUER), four.now_ms);
    let batch = four.build(Order::Token(TokenOrder::of(evidence)));
    let proposal = four.coordinator.propose(&batch, 0, &[1, 2, 3]).message().clone();
    let voted = four.propose(1, &proposal).unwrap();
    let text = VoteText {
        origin: parties.committee.origin().to_owned(),
        view: proposal.proposal.view,
        head: proposal.proposal.head,
    };
    let identity = *parties.committee.identity(1).unwrap();
    assert!(text.is_signed_by(&identity, &voted.vote.signature));
    let signed = four.complete(&batch).checkpoint.unwrap();
    let log_key = registry.keys().unwrap().log_key.0;
    let key = VerifierKey::ed25519(parties.committee.origin(), &log_key).unwrap();
    let note = checkpoint_text(parties.committee.origin(), proposal.proposal.head).unwrap();
    let checkpoint = Note::new(&note, vec![key.signature(&signed)]).unwrap();
    assert_eq!(checkpoint.verify(std::slice::from_ref(&key)), Ok(vec![&key]));
    let entries: Vec<LogEntry> = (0..3)
        .map(|index| LogEntry::from_canonical(&four.disks[0].entries[&index]).unwrap())
        .collect();
    let salts = entries
        .iter()
        .map(|entry| entry.opening.as_ref().unwrap().salt.0)
        .collect();
    Example {
        registry,
        entries,
        salts,
        proposal,
        checkpoint,
        identity,
        vote: (text, voted.vote.signature.0),
    }
}

impl Example {
    fn token(&self) -> (Leaf, &Opening) {
        let entry = &self.proposal.proposal.entries[0];
        (Leaf::decode(&entry.leaf.0).unwrap(), entry.opening.as_ref().unwrap())
    }
}

#[test]
fn the_examples_of_the_specification_are_what_the_code_does() {
    let example = example();
    let mut page = Page::default();
    introduction(&mut page, &example);
    commitments(&mut page, &example);
    records(&mut page, &example);
    identifiers(&mut page, &example);
    tokens(&mut page, &example);
    tags(&mut page, &example);
    leaves(&mut page, &example);
    votes(&mut page, &example);
    proposals(&mut page, &example);
    publication(&mut page, &example);
    written::check("docs/spec/examples.md", &format!("{}\n", page.0.trim_end()));
}

fn introduction(page: &mut Page, example: &Example) {
    page.text(
        "# Examples\n\nWritten by `crates/quorate-protocol/tests/it/spec_examples.rs`, which recomputes every value from its parts. ‖ joins bytes; \
         numbers are big-endian; long byte strings are broken after 32 bytes.",
    );
    let tenant = example.registry.tenant().unwrap();
    page.text(&format!(
        "The tenant: issuer `{}`, log {}, 3 of 4 custodians, client `{CLIENT}`. Its log: 0 genesis, 1 keys, 2 the decision that registers the \
         client, 3 the client's first token.",
        tenant.issuer, tenant.log
    ));
}

fn commitments(page: &mut Page, example: &Example) {
    let (leaf, opening) = example.token();
    let commit = sha256(&[domain::ENTRY, &opening.salt.0, &opening.body]);
    assert_eq!(
        (commit, commit),
        (leaf.commit, commitment(&opening.salt.0, &opening.body))
    );
    page.text(&format!(
        "## Commitment\n\n`commit = SHA-256({} ‖ salt[32] ‖ body)`. The body of a tick under a salt of 32 bytes 07:",
        quoted(domain::ENTRY)
    ));
    page.bytes(&[
        ("input", &[domain::ENTRY, &[7; 32], TICK].concat()),
        ("commit", commitment(&[7; 32], TICK).as_bytes()),
    ]);
    page.text("The body of the token (entry 3) under its own salt:");
    page.bytes(&[
        ("salt", &opening.salt.0),
        ("body", &opening.body),
        ("commit", commit.as_bytes()),
    ]);
}

fn records(page: &mut Page, example: &Example) {
    let registry = &example.registry;
    let genesis = 0;
    let (keys, decision) = (1, 2);
    let mut all = vec![
        (genesis, Record::Tenant(registry.tenant().unwrap().clone())),
        (genesis, Record::Admins(registry.admins().unwrap().clone())),
        (genesis, Record::Rules(registry.rules())),
        (keys, Record::Keys(registry.keys().unwrap().clone())),
    ];
    all.extend((1..=4).map(|number| {
        (
            genesis,
            Record::Custodian(number, registry.custodian(number).unwrap().clone()),
        )
    }));
    all.extend(
        registry
            .gateways()
            .map(|gateway| (genesis, Record::Gateway(gateway.clone()))),
    );
    all.extend(
        registry
            .clients()
            .map(|client| (decision, Record::Client(client.clone()))),
    );
    all.sort_by_key(|(_, record)| record.key());
    let hashed: Vec<(String, usize, Vec<u8>, Hash)> = all
        .iter()
        .map(|(entry, record)| {
            let input = record_input(&example.salts[*entry], record);
            let hash = leaf_hash(&input);
            (record.key(), *entry, input, hash)
        })
        .collect();
    let root = CompactRange::root_of(hashed.iter().map(|(.., hash)| *hash));
    assert_eq!(root, registry.root());
    let (key, entry, input, hash) = hashed.iter().find(|(key, ..)| key == "gateway/gateway-1").unwrap();
    page.text(&format!(
        "## Registry record\n\n`leaf = {} ‖ salt[16] ‖ key ‖ 0 ‖ record`, `salt = SHA-256({} ‖ entry salt ‖ key)[..16]`, `hash = SHA-256(0 ‖ \
         leaf)`. The record `{key}`, which entry {entry} put there:",
        quoted(domain::RECORD),
        quoted(domain::RECORD_SALT)
    ));
    page.bytes(&[
        ("entry salt", &example.salts[*entry]),
        ("leaf", input),
        ("hash", hash.as_bytes()),
    ]);
    page.text("The registry before entry 3: every record by its key, the entry that changed it last, and its hash; and the RFC 6962 root over the hashes in this order.");
    let width = hashed.iter().map(|(key, ..)| key.len()).max().unwrap();
    let mut lines = String::new();
    for (key, entry, _, hash) in &hashed {
        let _ = writeln!(lines, "{key:width$}  {entry}  {}", hex::encode(hash.as_bytes()));
    }
    let _ = writeln!(lines, "{:width$}     {}", "root", hex::encode(root.as_bytes()));
    page.block(lines);
}

fn record_input(entry_salt: &[u8; 32], record: &Record) -> Vec<u8> {
    let key = record.key();
    let salt = sha256(&[domain::RECORD_SALT, entry_salt, key.as_bytes()]);
    [
        domain::RECORD,
        &salt.as_bytes()[..16],
        key.as_bytes(),
        &[0],
        &record.to_canonical(),
    ]
    .concat()
}

fn identifiers(page: &mut Page, example: &Example) {
    let identity = minicbor::to_vec((CLIENT, ASSERTION_JTI)).unwrap();
    let input = [domain::JTI, b"C", &identity].concat();
    let jti = Jti::of_client_assertion(&ClientId::new(CLIENT).unwrap(), ASSERTION_JTI);
    assert_eq!(sha256(&[&input]).as_bytes(), jti.as_bytes());
    let claims = claims(example);
    assert!(claims.contains(&format!("\"jti\":\"{jti}\"")), "{claims}");
    page.text(&format!(
        "## Token identifier\n\n`jti = base64url(SHA-256({} ‖ \"C\" ‖ CBOR[client id, assertion jti]))`, for the client `{CLIENT}` and its assertion \
         `{ASSERTION_JTI}`:",
        quoted(domain::JTI)
    ));
    page.bytes(&[("CBOR", &identity), ("input", &input), ("SHA-256", jti.as_bytes())]);
    page.block(jti.to_string());
}

fn claims(example: &Example) -> String {
    let (_, opening) = example.token();
    let body = TokenBody::from_canonical(&opening.body).unwrap();
    String::from_utf8(body.claims.0).unwrap()
}

fn tokens(page: &mut Page, example: &Example) {
    let header = example.registry.signing_header().unwrap();
    let protected = format!(r#"{{"alg":"{}","kid":"{}","typ":"at+jwt"}}"#, header.alg, header.kid);
    let claims = claims(example);
    let input = format!("{}.{}", B64.encode(&protected), B64.encode(&claims));
    let (leaf, _) = example.token();
    let hash = sha256(&[domain::TOKEN, input.as_bytes()]);
    assert_eq!((hash, hash), (leaf.token_hash, token_hash(input.as_bytes())));
    page.text(&format!(
        "## Token hash\n\n`token_hash = SHA-256({} ‖ JWS signing input)`. Protected header, claims and signing input of entry 3:",
        quoted(domain::TOKEN)
    ));
    page.block(protected).block(claims).block(input);
    page.bytes(&[("token_hash", hash.as_bytes())]);
}

fn tags(page: &mut Page, example: &Example) {
    let key = [9; 32];
    let input = [domain::TAG, &1u64.to_be_bytes(), &3u64.to_be_bytes()].concat();
    let tag = TagKey::new(key).tag(1, 3);
    let (leaf, _) = example.token();
    assert_eq!(leaf.client_tag, tag);
    let client = example.registry.client(&ClientId::new(CLIENT).unwrap()).unwrap();
    assert_eq!(client.tag_key.danger_bytes(), &key);
    page.text(&format!(
        "## Tag\n\n`tag = HMAC-SHA-256(key, {} ‖ u64be log ‖ u64be index)[..16]`, for log 1, index 3:",
        quoted(domain::TAG)
    ));
    page.bytes(&[("key", &key), ("input", &input), ("tag", &tag.0)]);
}

fn leaves(page: &mut Page, example: &Example) {
    let (leaf, _) = example.token();
    let bytes = leaf.encode();
    assert_eq!(leaf.registry_root, example.registry.root());
    page.text("## Leaf\n\nThe 139 bytes of entry 3, member by member, and its RFC 6962 leaf hash `SHA-256(0 ‖ leaf)`:");
    let members = [
        ("version", 1),
        ("type", 1),
        ("time_ms", 8),
        ("registry_root", 32),
        ("token_hash", 32),
        ("commit", 32),
        ("class", 1),
        ("subject_tag", 16),
        ("client_tag", 16),
    ];
    let (mut parts, mut rest) = (Vec::new(), &bytes[..]);
    for (name, length) in members {
        let (member, more) = rest.split_at(length);
        parts.push((name, member));
        rest = more;
    }
    assert!(rest.is_empty());
    let hash = leaf.hash();
    parts.push(("leaf hash", hash.as_bytes()));
    page.bytes(&parts);
}

fn votes(page: &mut Page, example: &Example) {
    let (text, signature) = &example.vote;
    let message = text.message();
    assert_eq!(message, [protocol_domain::VOTE, &text.to_canonical()].concat());
    page.text(&format!(
        "## Vote\n\nCustodian 1 signs `{} ‖ CBOR{{0: origin, 1: view, 2: head}}` with its identity key (Ed25519); a head is `{{0: size, 1: root}}`. View {}, \
         size {}:",
        quoted(protocol_domain::VOTE),
        text.view,
        text.head.size
    ));
    page.bytes(&[
        ("identity key", example.identity.as_bytes()),
        ("signed bytes", &message),
        ("signature", signature),
    ]);
}

fn proposals(page: &mut Page, example: &Example) {
    let bytes = example.proposal.to_canonical();
    let signed = example.proposal.proposal.message();
    let text = example.proposal.proposal.to_canonical();
    assert_eq!(signed, [protocol_domain::PROPOSE, &text].concat());
    assert_eq!(Propose::from_canonical(&text).unwrap(), example.proposal.proposal);
    page.text(&format!(
        "## Proposal\n\nThe message that proposes entry 3, {} bytes of CBOR: members by their numbers; of longer byte strings the length and the first \
         bytes. The gateway signs `{} ‖ member 0`. Members that have nothing to say are absent.\n\nOf the proposal: 0 origin, 1 view, 2 \
         certificate of the parent, 3 new-view statements, 4 time in milliseconds, 5 entries, 6 head after the batch, 7 attempt, 8 signers, 9 \
         gateway. Of an entry: 0 leaf, 1 opening (0 salt, 1 body), 2 evidence (2 client key), 3 trace context. Of a certificate: 0 view, 1 \
         head (0 size, 1 root), 2 votes (0 custodian, 1 signature).",
        bytes.len(),
        quoted(protocol_domain::PROPOSE)
    ));
    let mut lines = String::new();
    let mut decoder = Decoder::new(&bytes);
    outline(&mut decoder, 0, "", &mut lines);
    assert_eq!(decoder.position(), bytes.len());
    page.block(lines);
}

/// One line for each item, nested ones further in.
fn outline(decoder: &mut Decoder<'_>, depth: usize, name: &str, lines: &mut String) {
    let indent = "  ".repeat(depth);
    let mut say = |what: String| {
        let _ = writeln!(lines, "{indent}{name}{what}");
    };
    match decoder.datatype().unwrap() {
        Type::Map => {
            let count = decoder.map().unwrap().unwrap();
            say(format!("map of {count}"));
            for _ in 0..count {
                let key = decoder.u64().unwrap();
                outline(decoder, depth + 1, &format!("{key}: "), lines);
            }
        }
        Type::Array => {
            let count = decoder.array().unwrap().unwrap();
            say(format!("array of {count}"));
            for _ in 0..count {
                outline(decoder, depth + 1, "- ", lines);
            }
        }
        Type::Bytes => {
            let bytes = decoder.bytes().unwrap();
            let more = if bytes.len() > 8 { "…" } else { "" };
            say(format!(
                "{} bytes {}{more}",
                bytes.len(),
                hex::encode(&bytes[..bytes.len().min(8)])
            ));
        }
        Type::String => {
            let text = decoder.str().unwrap();
            let start: String = text.chars().take(24).collect();
            let more = if start.len() < text.len() { "…" } else { "" };
            say(format!("{} characters \"{start}{more}\"", text.len()));
        }
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => say(decoder.u64().unwrap().to_string()),
        other => panic!("{other} in a proposal"),
    }
}

fn publication(page: &mut Page, example: &Example) {
    let mut leaves: Vec<Vec<u8>> = example.entries.iter().map(|entry| entry.leaf.0.to_vec()).collect();
    leaves.push(example.proposal.proposal.entries[0].leaf.0.to_vec());
    let root = CompactRange::root_of(leaves.iter().map(|leaf| leaf_hash(leaf)));
    assert_eq!(root, example.proposal.proposal.head.root);
    let keys = example.registry.keys().unwrap();
    let note = &example.checkpoint;
    page.text("## Checkpoint\n\nThe note that is published for the log of four entries; the log key signs the three lines of its text:");
    page.bytes(&[("log key", &keys.log_key.0), ("root", root.as_bytes())]);
    page.block(note.encode());
    let tile = Tile::of_entries(0, 4);
    let bundle = encode_bundle(leaves.iter().map(Vec::as_slice)).unwrap();
    page.text(&format!(
        "## Entries tile\n\n`{tile}` holds `u16be length ‖ leaf` for each leaf: {} bytes, of which these are the first entry and the beginning of the \
         second:",
        bundle.len()
    ));
    let (length, rest) = bundle.split_at(2);
    let (genesis, rest) = rest.split_at(Leaf::LEN);
    page.bytes(&[
        ("length", length),
        ("genesis", genesis),
        ("length", &rest[..2]),
        ("keys …", &rest[2..34]),
    ]);
}
