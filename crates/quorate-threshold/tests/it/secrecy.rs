//! What holds secrets shows none and cannot be copied.

use crate::ceremony::{begin_all, deal, deal_all, id};
use quorate_threshold::{FrostEd25519, Scheme, Session};
use rand_core::OsRng;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Whether a text shows four bytes in a row of a secret, as hex or as a list.
fn shows(text: &str, secret: &[u8]) -> bool {
    let text: String = text.to_lowercase().split_whitespace().collect();
    secret.windows(4).any(|window| {
        let list = window.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        text.contains(&hex::encode(window)) || text.contains(&list)
    })
}

fn check(value: &dyn Debug, secrets: &[Vec<u8>]) {
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(secrets.iter().all(|secret| !shows(&text, secret)), "{text}");
    }
}

/// The secret scalar in an encoded share.
fn secret_of(share: &[u8]) -> Vec<u8> {
    let mut decoder = minicbor::Decoder::new(share);
    decoder.array().unwrap();
    decoder.u16().unwrap();
    decoder.bytes().unwrap().to_vec()
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let secret: Vec<u8> = (100..132).collect();
    for text in [
        format!("{secret:?}"),
        format!("{secret:#?}"),
        hex::encode(&secret),
        hex::encode_upper(&secret),
    ] {
        assert!(shows(&text, &secret));
    }
    assert!(!shows("FrostShare { identifier: Identifier(1), .. }", &secret));
}

#[test]
fn shares_and_sessions_show_nothing_secret() {
    let dealt = deal(&FrostEd25519, 2, 3);
    let secrets: Vec<_> = dealt.values().map(|dealt| secret_of(&dealt.share.encode())).collect();
    let signers = BTreeSet::from([id(1), id(2)]);
    for number in [1, 2] {
        let dealt = &dealt[&id(number)];
        check(&dealt, &secrets);
        check(&dealt.share, &secrets);
        check(&FrostEd25519.read_share(&dealt.share.encode()).unwrap(), &secrets);
        let opened = dealt.share.commit(b"m", &signers, &mut OsRng).unwrap();
        check(&opened, &secrets);
        let shown = format!("{:?}", opened.session);
        assert_eq!(
            shown,
            format!("Session {{ me: Identifier({number}), signers: {{Identifier(1), Identifier(2)}}, .. }}")
        );
    }
}

#[test]
fn errors_show_nothing_of_the_bytes_they_are_about() {
    let dealt = deal(&FrostEd25519, 2, 3);
    let mut bytes = dealt[&id(1)].share.encode().to_vec();
    let secret = secret_of(&bytes);
    bytes.push(0);
    let error = FrostEd25519.read_share(&bytes).unwrap_err();
    check(&error, &[secret]);
    assert_eq!(error.to_string(), "not a key share of this scheme");
}

#[test]
fn dkg_states_show_nothing_secret() {
    let (rounds, broadcasts) = begin_all(&FrostEd25519, 2, 3);
    for (me, round) in &rounds {
        let shown = format!("{round:?}");
        assert!(
            shown.starts_with("Broadcast { context: DkgContext {") && shown.ends_with("}, .. }"),
            "{me:?}: {shown}"
        );
    }
    let (dealings, boxes) = deal_all(rounds, &broadcasts);
    let secrets: Vec<_> = boxes
        .values()
        .flat_map(|deals| deals.values().map(|deal| deal[5..].to_vec()))
        .collect();
    assert_eq!(secrets.len(), 6);
    for dealing in dealings.values() {
        check(dealing, &secrets);
    }
}

/// Compiles only while a type is not `Clone`: else `_` could be either marker.
macro_rules! assert_not_clone {
    ($($type:ty),+) => {$({
        trait Ambiguous<Marker> {
            fn witness() {}
        }
        struct IsClone;
        impl<T: ?Sized> Ambiguous<()> for T {}
        impl<T: ?Sized + Clone> Ambiguous<IsClone> for T {}
        <$type as Ambiguous<_>>::witness();
    })+};
}

#[test]
fn secrets_cannot_be_cloned() {
    assert_not_clone!(
        Session,
        quorate_threshold::Opened,
        quorate_threshold::Advance,
        quorate_threshold::Dealt,
        Box<dyn quorate_threshold::KeyShare>,
        Box<dyn quorate_threshold::DkgRound>
    );
}
