//! Every step of Web Authentication Level 3 §7.2 that a verifier of answers takes, as drafts that fail it: signed rightly, so that
//! nothing but the step refuses them. Three tests use the list: the steps, the other verifier, the vectors.

use crate::authenticator::{AT, BE, BS, CHALLENGE, Draft, HOST, ORIGIN, UP, UV, honest};
use base64::{
    Engine as _,
    engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use quorate_rules::Refusal;

/// One draft and what becomes of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) draft: Draft,
    /// `None` is good.
    pub(crate) refusal: Option<Refusal>,
    /// What webauthn-rs-core makes of it.
    pub(crate) theirs: Theirs,
}

/// How webauthn-rs-core 0.6.2 judges what these rules judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theirs {
    /// The same.
    Agrees,
    /// It accepts what is refused here.
    Accepts,
}
use Theirs::{Accepts, Agrees};

fn good(name: &'static str, draft: Draft) -> Case {
    Case {
        name,
        draft,
        refusal: None,
        theirs: Agrees,
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = good_answers();
    cases.extend(malformed_bounds());
    cases.extend(malformed_client_data());
    cases.extend(malformed_authenticator_data());
    cases.extend(wrong_statements());
    cases.extend(wrong_pages());
    cases.extend(wrong_authenticators());
    let mut names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name stands twice");
    cases
}

fn named(refusal: Refusal, list: Vec<(&'static str, Draft, Theirs)>) -> Vec<Case> {
    list.into_iter()
        .map(|(name, draft, theirs)| Case {
            name,
            draft,
            refusal: Some(refusal),
            theirs,
        })
        .collect()
}

/// Client data of exactly this many bytes.
fn client_data_of(bytes: usize) -> Draft {
    let bare = honest().with("extraData", "\"\"").client_json().len();
    honest().with("extraData", &format!("\"{}\"", "x".repeat(bytes - bare)))
}

/// Extension outputs of exactly this many bytes: `{"a": h'00…'}`, from 260 on.
fn outputs_of(bytes: usize) -> Vec<u8> {
    let length = u16::try_from(bytes - 6).unwrap();
    [
        &[0xa1, 0x61, b'a', 0x59][..],
        &length.to_be_bytes(),
        &vec![0; length.into()],
    ]
    .concat()
}

/// What registrations hold behind the counter: AAGUID, credential id with its length, COSE key.
fn attested_credential() -> Vec<u8> {
    let cose_key = hex::decode("a4010103272006215820").unwrap();
    [&[0; 16][..], &[0, 16], &[7; 16], &cose_key, &[9; 32]].concat()
}

fn good_answers() -> Vec<Case> {
    let hmac_secret = [&hex::decode("a16b686d61632d7365637265745830").unwrap()[..], &[0x5a; 48]].concat();
    vec![
        good("honest", honest()),
        good("synced passkey", honest().flags(UP | UV | BE | BS)),
        good("passkey that may be synced but is not", honest().flags(UP | UV | BE)),
        good("highest counter", honest().sign_count(u32::MAX)),
        good("reserved flag 0x02", honest().flags(UP | UV | 0x02)),
        good("reserved flag 0x20", honest().flags(UP | UV | 0x20)),
        good("crossOrigin absent", honest().without("crossOrigin")),
        good(
            "members of later specifications",
            honest()
                .with("extraData", "{\"type\":\"webauthn.create\"}")
                .with("androidPackageName", "\"com.example\"")
                .with("number", "-1.5e3"),
        ),
        good(
            "members in another order",
            honest().without("type").with("type", "\"webauthn.get\""),
        ),
        good(
            "white space and escapes",
            honest().client_data(
                String::from_utf8(honest().client_json())
                    .unwrap()
                    .replace(':', " :\n\t")
                    .replace("https :\n\t//id.example.org :\n\t", "https:\\/\\/id.example.org:")
                    .replace("webauthn.get", "webauthn\\u002eget"),
            ),
        ),
        good("extension output hmac-secret", honest().extensions(&hmac_secret)),
        good(
            "extension output uvm",
            honest().extensions(&hex::decode("a16375766d8183021904000a").unwrap()),
        ),
        good(
            "extension outputs uvm and credBlob",
            honest().extensions(&hex::decode("a26375766d81830204026863726564426c6f6240").unwrap()),
        ),
        good("empty map of extension outputs", honest().extensions(&[0xa0])),
        good("credential id of 1 byte", honest().credential_id(&[0])),
        good("credential id of 1023 bytes", honest().credential_id(&[0xff; 1023])),
        good("client data of 2048 bytes", client_data_of(2048)),
        good(
            "authenticator data of 1024 bytes",
            honest().extensions(&outputs_of(1024 - 37)),
        ),
    ]
}

fn malformed_bounds() -> Vec<Case> {
    named(
        Refusal::MalformedPasskey,
        vec![
            ("credential id of 0 bytes", honest().credential_id(&[]), Accepts),
            (
                "credential id of 1024 bytes",
                honest().credential_id(&[0xff; 1024]),
                Accepts,
            ),
            ("authenticator data of 0 bytes", honest().cut(37), Agrees),
            ("authenticator data of 36 bytes", honest().cut(1), Agrees),
            (
                "authenticator data of 1025 bytes",
                honest().extensions(&outputs_of(1025 - 37)),
                Accepts,
            ),
            ("client data of 0 bytes", honest().client_data(""), Agrees),
            ("client data of 2049 bytes", client_data_of(2049), Accepts),
        ],
    )
}

fn malformed_client_data() -> Vec<Case> {
    let json = honest().client_json();
    let text = String::from_utf8(json.clone()).unwrap();
    named(
        Refusal::MalformedPasskey,
        vec![
            (
                "client data are an array",
                honest().client_data(format!("[{text}]")),
                Agrees,
            ),
            (
                "client data are not JSON",
                honest().client_data("type=webauthn.get"),
                Agrees,
            ),
            (
                "client data go on behind the object",
                honest().client_data(format!("{text}{{}}")),
                Agrees,
            ),
            (
                "client data end early",
                honest().client_data(&json[..json.len() - 1]),
                Agrees,
            ),
            (
                "client data after a byte order mark",
                honest().client_data(format!("\u{feff}{text}")),
                Agrees,
            ),
            (
                "client data are not UTF-8",
                honest().client_data([&json[..json.len() - 1], b",\"a\":\"\xff\"}"].concat()),
                Agrees,
            ),
            ("half a surrogate pair", honest().again("a", "\"\\ud800\""), Agrees),
            ("a comment", honest().client_data(format!("/* */{text}")), Agrees),
            (
                "type stands twice, the second is right",
                honest()
                    .with("type", "\"webauthn.create\"")
                    .again("type", "\"webauthn.get\""),
                Agrees,
            ),
            (
                "type stands twice, the first is right",
                honest().again("type", "\"webauthn.create\""),
                Agrees,
            ),
            ("challenge stands twice", honest().again("challenge", "\"AA\""), Agrees),
            (
                "origin stands twice",
                honest().again("origin", "\"https://evil.example\""),
                Agrees,
            ),
            (
                "crossOrigin stands twice",
                honest().again("crossOrigin", "true"),
                Agrees,
            ),
            (
                "type stands twice, once escaped",
                honest().again("t\\u0079pe", "\"webauthn.get\""),
                Agrees,
            ),
            (
                "an unknown member stands twice",
                honest().again("a", "1").again("a", "1"),
                Accepts,
            ),
            (
                "token binding supported",
                honest().with("tokenBinding", "{\"status\":\"supported\"}"),
                Accepts,
            ),
            (
                "token binding present",
                honest().with("tokenBinding", "{\"status\":\"present\",\"id\":\"AA\"}"),
                Accepts,
            ),
            ("token binding null", honest().with("tokenBinding", "null"), Accepts),
            (
                "token binding unknown",
                honest().with("tokenBinding", "\"none\""),
                Agrees,
            ),
        ],
    )
}

fn malformed_authenticator_data() -> Vec<Case> {
    let attested = honest().flags(UP | UV | AT).tail(&attested_credential());
    let outputs = |text: &str| honest().extensions(&hex::decode(text).unwrap());
    named(
        Refusal::MalformedPasskey,
        vec![
            (
                "attested credential data as in a registration",
                attested.clone(),
                Accepts,
            ),
            (
                "attested credential data and extension outputs",
                attested.extensions(&[0xa0]),
                Accepts,
            ),
            (
                "attested credential flag without data",
                honest().flags(UP | UV | AT),
                Agrees,
            ),
            ("bytes behind the counter without a flag", honest().tail(&[0]), Accepts),
            (
                "a map behind the counter without a flag",
                honest().tail(&[0xa0]),
                Accepts,
            ),
            ("extension flag without outputs", outputs(""), Agrees),
            ("extension outputs end early", outputs("a16161"), Agrees),
            ("a byte behind the extension outputs", outputs("a000"), Accepts),
            ("a second map behind the extension outputs", outputs("a0a0"), Accepts),
            ("extension outputs are an array", outputs("80"), Agrees),
            ("extension outputs are null", outputs("f6"), Agrees),
            ("an extension's name is a number", outputs("a10102"), Agrees),
            ("an extension's name is not UTF-8", outputs("a161ff01"), Agrees),
            ("an extension stands twice", outputs("a26161f56161f4"), Accepts),
            ("extensions out of order", outputs("a26162f56161f4"), Accepts),
            ("extension outputs of indefinite length", outputs("bf6161f5ff"), Accepts),
            (
                "an extension output of indefinite length",
                outputs("a161615f4100ff"),
                Accepts,
            ),
            ("a number not in its shortest form", outputs("a161611801"), Accepts),
            ("a length not in its shortest form", outputs("a16161580100"), Accepts),
            ("a float", outputs("a16161f93c00"), Accepts),
            ("a tag", outputs("a16161c11a00000000"), Accepts),
            ("undefined", outputs("a16161f7"), Accepts),
            ("a number below -2^63", outputs("a161613b8000000000000000"), Agrees),
            ("maps and arrays five deep", outputs("a161618181818100"), Accepts),
            (
                "arrays two hundred deep",
                honest().extensions(&[&[0xa1, 0x61, b'a'][..], &[0x81; 200], &[0]].concat()),
                Agrees,
            ),
            (
                "a string longer than memory",
                outputs("a161617bffffffffffffffff61"),
                Agrees,
            ),
            ("backed up without being eligible", honest().flags(UP | UV | BS), Agrees),
        ],
    )
}

fn wrong_statements() -> Vec<Case> {
    let mut cases = named(
        Refusal::WrongCeremony,
        vec![
            (
                "type of a registration",
                honest().with("type", "\"webauthn.create\""),
                Agrees,
            ),
            ("type of a payment", honest().with("type", "\"payment.get\""), Agrees),
            ("type in capitals", honest().with("type", "\"WEBAUTHN.GET\""), Agrees),
            (
                "type with a NUL",
                honest().with("type", "\"webauthn.get\\u0000\""),
                Agrees,
            ),
            ("type absent", honest().without("type"), Agrees),
            ("type null", honest().with("type", "null"), Agrees),
            ("type an array", honest().with("type", "[\"webauthn.get\"]"), Agrees),
            (
                "Type in another case",
                honest().without("type").with("Type", "\"webauthn.get\""),
                Agrees,
            ),
        ],
    );
    let spelled = |engine: &GeneralPurpose, bytes: &[u8]| {
        let text = engine.encode(bytes);
        honest().with("challenge", &format!("\"{text}\""))
    };
    // The last of 43 characters carries four bits; lax decoders do not look at its two lowest.
    let right = URL_SAFE_NO_PAD.encode(CHALLENGE);
    let lax = format!("\"{}t\"", right.strip_suffix('s').unwrap());
    cases.extend(named(
        Refusal::WrongChallenge,
        vec![
            ("another challenge", spelled(&URL_SAFE_NO_PAD, &[0xfa; 32]), Agrees),
            ("challenge cut", spelled(&URL_SAFE_NO_PAD, &CHALLENGE[..31]), Agrees),
            ("challenge and more", spelled(&URL_SAFE_NO_PAD, &[0xfb; 33]), Agrees),
            ("challenge padded", spelled(&URL_SAFE, &CHALLENGE), Accepts),
            (
                "challenge in the other alphabet",
                spelled(&STANDARD_NO_PAD, &CHALLENGE),
                Agrees,
            ),
            (
                "challenge with other unused bits",
                honest().with("challenge", &lax),
                Agrees,
            ),
            ("challenge empty", honest().with("challenge", "\"\""), Agrees),
            ("challenge absent", honest().without("challenge"), Agrees),
            (
                "challenge an array of numbers",
                honest().with("challenge", &format!("{CHALLENGE:?}")),
                Agrees,
            ),
        ],
    ));
    cases
}

fn wrong_pages() -> Vec<Case> {
    let from = |origin: &str| honest().with("origin", &format!("\"{origin}\""));
    let mut cases = named(
        Refusal::WrongPageOrigin,
        vec![
            ("page of another site", from("https://evil.example"), Agrees),
            ("page of a subdomain", from("https://evil.id.example.org:8443"), Agrees),
            ("page of the parent domain", from("https://example.org:8443"), Agrees),
            ("page on another port", from("https://id.example.org:8444"), Agrees),
            ("page on the default port", from("https://id.example.org"), Agrees),
            ("page without TLS", from("http://id.example.org:8443"), Agrees),
            (
                "origin with a closing slash",
                from("https://id.example.org:8443/"),
                Accepts,
            ),
            ("origin with a path", from("https://id.example.org:8443/evil"), Accepts),
            ("origin with a user", from("https://evil@id.example.org:8443"), Accepts),
            ("origin in capitals", from("HTTPS://ID.EXAMPLE.ORG:8443"), Accepts),
            ("origin with a space", from(" https://id.example.org:8443"), Accepts),
            (
                "origin with a zero before the port",
                from("https://id.example.org:08443"),
                Accepts,
            ),
            (
                "origin with a closing dot",
                from("https://id.example.org.:8443"),
                Agrees,
            ),
            (
                "origin continued",
                from("https://id.example.org:8443.evil.example"),
                Agrees,
            ),
            ("an Android application", from("android:apk-key-hash:AAAA"), Agrees),
            ("origin null as text", from("null"), Agrees),
            ("origin null", honest().with("origin", "null"), Agrees),
            (
                "origin an array",
                honest().with("origin", &format!("[\"{ORIGIN}\"]")),
                Agrees,
            ),
            ("origin absent", honest().without("origin"), Agrees),
        ],
    );
    cases.extend(named(
        Refusal::CrossOrigin,
        vec![
            ("crossOrigin true", honest().with("crossOrigin", "true"), Accepts),
            ("crossOrigin null", honest().with("crossOrigin", "null"), Accepts),
            ("crossOrigin as text", honest().with("crossOrigin", "\"false\""), Agrees),
            ("crossOrigin zero", honest().with("crossOrigin", "0"), Agrees),
            (
                "framed by another site",
                honest()
                    .with("crossOrigin", "true")
                    .with("topOrigin", "\"https://evil.example\""),
                Accepts,
            ),
            (
                "topOrigin beside crossOrigin false",
                honest().with("topOrigin", "\"https://evil.example\""),
                Accepts,
            ),
            (
                "topOrigin without crossOrigin",
                honest()
                    .without("crossOrigin")
                    .with("topOrigin", "\"https://evil.example\""),
                Accepts,
            ),
            (
                "topOrigin is the issuer",
                honest().with("topOrigin", &format!("\"{ORIGIN}\"")),
                Accepts,
            ),
            ("topOrigin null", honest().with("topOrigin", "null"), Accepts),
        ],
    ));
    cases
}

fn wrong_authenticators() -> Vec<Case> {
    let mut cases = named(
        Refusal::WrongRpId,
        vec![
            ("RP ID of another site", honest().rp_id("evil.example"), Agrees),
            ("RP ID of the parent domain", honest().rp_id("example.org"), Agrees),
            ("RP ID of a subdomain", honest().rp_id(&format!("a.{HOST}")), Agrees),
            ("RP ID with the port", honest().rp_id(&format!("{HOST}:8443")), Agrees),
            ("RP ID is the origin (an AppID of U2F)", honest().rp_id(ORIGIN), Agrees),
            ("RP ID empty", honest().rp_id(""), Agrees),
        ],
    );
    cases.extend(named(
        Refusal::UserNotPresent,
        vec![
            ("nobody touched it", honest().flags(UV), Agrees),
            ("no flag at all", honest().flags(0), Agrees),
        ],
    ));
    cases.extend(named(
        Refusal::UserNotVerified,
        vec![
            ("touched by anybody", honest().flags(UP), Agrees),
            ("touched by anybody, synced", honest().flags(UP | BE | BS), Agrees),
        ],
    ));
    cases
}
