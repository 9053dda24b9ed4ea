//! The one algorithm of an issuer: genesis names it, the keys entry must fit it, and headers and signatures follow it.

use crate::tenant::{
    SALT, TIME_MS, founded_by, genesis_of, good_assertions, judged, keys, keys_of, public, registry_of, sign_ed25519,
    sign_p256, token_key,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use quorate_rules::{
    Evidence, Refusal, Registry, TokenAlg,
    body::{GenesisBody, KeysBody},
    cbor::{Bytes, Canonical},
    grant::TokenKind,
    json::StrictObject,
    jws::UnverifiedJws,
    token::{Position, TokenEntry},
};

const BOTH: [TokenAlg; 2] = TokenAlg::ALL;

pub(crate) fn other(alg: TokenAlg) -> TokenAlg {
    match alg {
        TokenAlg::EdDsa => TokenAlg::Es256,
        TokenAlg::Es256 => TokenAlg::EdDsa,
    }
}

pub(crate) fn sign(alg: TokenAlg, input: &[u8]) -> Vec<u8> {
    match alg {
        TokenAlg::EdDsa => sign_ed25519(41)(input),
        TokenAlg::Es256 => sign_p256(input),
    }
}

fn check_name(text: &str, expected: Option<TokenAlg>) {
    assert_eq!(text.parse::<TokenAlg>().ok(), expected, "{text:?}");
    // The genesis of an older release with this text in its place.
    let genesis = genesis_of(TokenAlg::EdDsa).to_canonical();
    let (at, _) = genesis
        .windows(6)
        .enumerate()
        .find(|(_, w)| *w == b"\x65EdDSA")
        .unwrap();
    let text = minicbor::to_vec(text).unwrap();
    let changed = [&genesis[..at], &text, &genesis[at + 6..]].concat();
    let read = GenesisBody::from_canonical(&changed)
        .ok()
        .map(|genesis| genesis.token_alg);
    assert_eq!(read, expected);
}

#[test]
fn genesis_names_one_of_two_algorithms_by_the_text_of_headers() {
    for alg in BOTH {
        check_name(alg.name(), Some(alg));
        assert_eq!(alg.to_string(), alg.name());
    }
    for text in [
        "",
        "none",
        "HS256",
        "RS256",
        "PS256",
        "ES384",
        "ES512",
        "ES256K",
        "Ed25519",
        "eddsa",
        "EDDSA",
        "es256",
        "ES256 ",
        "EdDSA\0",
        "EdDSA ES256",
    ] {
        check_name(text, None);
    }
    let told = "RS256".parse::<TokenAlg>().unwrap_err().to_string();
    assert!(told.contains("\"EdDSA\" or \"ES256\""), "{told}");
}

fn check_keys(alg: TokenAlg, token_key: Vec<u8>, expected: Result<(), Refusal>) {
    let token_key = Bytes(token_key);
    let outcome = founded_by(&genesis_of(alg), &KeysBody { token_key, ..keys() });
    assert_eq!(outcome.map(drop), expected, "{alg}");
}

#[test]
fn a_keys_entry_of_the_other_algorithm_is_refused() {
    for alg in BOTH {
        check_keys(alg, token_key(alg), Ok(()));
        check_keys(alg, token_key(other(alg)), Err(Refusal::Malformed));
    }
}

#[test]
fn a_token_key_that_is_no_sound_point_is_refused() {
    let p256 = token_key(TokenAlg::Es256);
    let off_curve = |at: usize| {
        let mut bytes = p256.clone();
        bytes[at] ^= 1;
        bytes
    };
    let es256 = [
        off_curve(0),
        off_curve(31),
        off_curve(32),
        off_curve(63),
        [&p256[32..], &p256[..32]].concat(),
        vec![0; 64],
        vec![0xff; 64],
        // SEC 1 spellings of the same point: with its first byte, and compressed.
        [&[4][..], &p256].concat(),
        [&[3][..], &p256[..32]].concat(),
        p256[..63].to_vec(),
        Vec::new(),
    ];
    for bytes in es256 {
        check_keys(TokenAlg::Es256, bytes, Err(Refusal::Malformed));
    }
    let ed = token_key(TokenAlg::EdDsa);
    let mut identity = vec![0; 32];
    identity[0] = 1;
    for bytes in [
        identity,
        vec![0; 32],
        vec![2; 32],
        ed[..31].to_vec(),
        [&ed[..], &[0]].concat(),
        Vec::new(),
    ] {
        check_keys(TokenAlg::EdDsa, bytes, Err(Refusal::Malformed));
    }
    // One key, one role: whoever signs checkpoints signs no token.
    check_keys(TokenAlg::EdDsa, keys().log_key.0.to_vec(), Err(Refusal::Malformed));
}

fn token_of(registry: &Registry) -> TokenEntry {
    let (assertion, _) = &good_assertions()[0];
    let grant = judged(registry, &Evidence::ClientKey(assertion.clone()), TIME_MS).unwrap();
    let at = Position {
        log: 1,
        index: 4,
        time_ms: TIME_MS,
        registry_root: registry.root(),
    };
    let header = registry.signing_header().unwrap();
    TokenEntry::build(&grant, TokenKind::Access, &at, header, &SALT)
}

pub(crate) fn token_of_alg(alg: TokenAlg) -> TokenEntry {
    token_of(&registry_of(alg))
}

fn check_header(alg: TokenAlg, expected_kid: &str) {
    let registry = registry_of(alg);
    assert_eq!(registry.token_key().unwrap().alg(), alg.name());
    let entry = token_of(&registry);
    let (header, _) = entry.signing_input.split_once('.').unwrap();
    let header = StrictObject::parse(&B64.decode(header).unwrap()).unwrap();
    assert_eq!(header.text("alg"), Some(alg.name()));
    assert_eq!(header.text("kid"), Some(expected_kid));
    assert_eq!(header.text("typ"), Some("at+jwt"));
}

#[test]
fn the_header_of_a_token_names_the_algorithm_and_the_key_of_its_issuer() {
    check_header(
        TokenAlg::EdDsa,
        &quorate_rules::jwk::PublicJwk::Ed25519(public(41)).thumbprint(),
    );
    // RFC 7638 thumbprint of the key of RFC 7515 appendix A.3.
    check_header(TokenAlg::Es256, "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
}

fn check_signature(issuer: TokenAlg, token: &str, expected: Result<(), Refusal>) {
    let registry = registry_of(issuer);
    let verified = UnverifiedJws::parse(token).and_then(|jws| jws.verify(registry.token_key().unwrap()));
    assert_eq!(verified.map(drop), expected, "{token}");
}

#[test]
fn a_token_that_names_another_algorithm_than_its_issuer_is_refused_whatever_signed_it() {
    for alg in BOTH {
        let entry = token_of_alg(alg);
        let good = entry.compact(&sign(alg, entry.signing_input.as_bytes()));
        check_signature(alg, &good, Ok(()));
        check_signature(other(alg), &good, Err(Refusal::WrongAlgorithm));
        let (_, payload) = entry.signing_input.split_once('.').unwrap();
        for name in ["none", "HS256", "RS256", other(alg).name(), ""] {
            let header = B64.encode(format!(r#"{{"alg":"{name}","typ":"at+jwt"}}"#));
            let input = format!("{header}.{payload}");
            for signature in [
                sign(alg, input.as_bytes()),
                sign(other(alg), input.as_bytes()),
                Vec::new(),
            ] {
                let confused = format!("{input}.{}", B64.encode(signature));
                check_signature(alg, &confused, Err(Refusal::WrongAlgorithm));
            }
        }
    }
}

/// An ECDSA signature r ‖ s as X.509 writes it.
pub(crate) fn asn1(fixed: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let half: Vec<u8> = half.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = if half[0] >= 0x80 { vec![0] } else { vec![] };
        [vec![2, (half.len() + sign.len()) as u8], sign, half].concat()
    };
    let body = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
    [vec![0x30, body.len() as u8], body].concat()
}

#[test]
fn an_ecdsa_signature_in_asn1_is_no_jws_signature() {
    let entry = token_of_alg(TokenAlg::Es256);
    let fixed = sign(TokenAlg::Es256, entry.signing_input.as_bytes());
    check_signature(TokenAlg::Es256, &entry.compact(&fixed), Ok(()));
    check_signature(
        TokenAlg::Es256,
        &entry.compact(&asn1(&fixed)),
        Err(Refusal::BadSignature),
    );
}

#[test]
fn a_saved_registry_keeps_its_algorithm_and_one_whose_key_was_exchanged_is_refused() {
    for alg in BOTH {
        let registry = registry_of(alg);
        let saved = registry.to_saved();
        assert_eq!(Registry::from_saved(&saved), Ok(registry));
        let (own, alien) = (encoded(token_key(alg)), encoded(token_key(other(alg))));
        let (at, _) = saved.windows(own.len()).enumerate().find(|(_, w)| **w == own).unwrap();
        let changed = [&saved[..at], &alien, &saved[at + own.len()..]].concat();
        assert!(Registry::from_saved(&changed).is_err(), "{alg}");
    }
}

fn encoded(bytes: Vec<u8>) -> Vec<u8> {
    minicbor::to_vec(Bytes(bytes)).unwrap()
}

fn check_length(alg: TokenAlg, expected: usize) {
    let keys = keys_of(alg);
    assert_eq!(keys.token_key.len(), expected);
    assert_eq!(KeysBody::from_canonical(&keys.to_canonical()), Ok(keys));
}

#[test]
fn a_keys_entry_holds_32_bytes_for_eddsa_and_64_for_es256() {
    check_length(TokenAlg::EdDsa, 32);
    check_length(TokenAlg::Es256, 64);
}
