//! Client assertions: what is not byte for byte what the client signed is refused, and what is accepted a stock verifier accepts too.

use crate::{
    mangled::{each_small_change, mangled},
    tenant::{
        ISSUER, P256, TIME_MS, TWO_KEYS, good_assertions, issuer, judged, jws, p256, public, registry, sign_ed25519,
        sign_p256,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use proptest::{prelude::*, sample::select};
use quorate_rules::{
    Evidence, Refusal,
    client_assertion::{self, ClientAssertion, claimed_client},
    jwk::PublicJwk,
    jws::{MAX_JWS, UnverifiedJws},
    name::Scope,
    record::ClientRecord,
};
use std::collections::BTreeMap;

fn verify(assertion: &str, client: &ClientRecord) -> Result<ClientAssertion, Refusal> {
    client_assertion::verify(assertion, (&client.id, &client.keys), &issuer())
}

/// The stock verifier, as a server would set it up; times are judged elsewhere, against the batch.
fn stock(assertion: &str, client: &ClientRecord) -> Result<BTreeMap<String, serde_json::Value>, String> {
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let named = jsonwebtoken::decode_header(assertion)
        .map_err(|error| error.to_string())?
        .kid;
    let key = match named {
        Some(kid) => client.keys.iter().find(|key| key.is_named(&kid)),
        None => client.keys.first(),
    };
    let jwk = key.ok_or("no such key")?.jwk.to_json();
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_str(&jwk).unwrap();
    let algorithm = match &client.keys[0].jwk {
        PublicJwk::Ed25519(_) => jsonwebtoken::Algorithm::EdDSA,
        PublicJwk::P256(_) => jsonwebtoken::Algorithm::ES256,
    };
    let mut validation = jsonwebtoken::Validation::new(algorithm);
    validation.validate_exp = false;
    validation.set_audience(&[ISSUER]);
    validation.set_issuer(&[client.id.as_str()]);
    validation.sub = Some(client.id.to_string());
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    let read = jsonwebtoken::decode(assertion, &key, &validation).map_err(|error| error.to_string())?;
    Ok(read.claims)
}

#[test]
fn both_verifiers_accept_the_good_ones() {
    for (assertion, client) in good_assertions() {
        let ours = verify(&assertion, &client).unwrap();
        assert_eq!(stock(&assertion, &client).unwrap()["jti"], ours.jti);
        assert_eq!(claimed_client(&assertion), Ok(client.id.clone()));
        assert_eq!((ours.issued_ms, ours.dies_ms), (TIME_MS, TIME_MS + 60_000));
        assert_eq!(ours.scope.map(|scope| scope.to_string()).as_deref(), Some("files.read"));
    }
}

#[test]
fn no_assertion_verifies_after_any_small_change() {
    let registry = registry();
    for (assertion, client) in good_assertions() {
        each_small_change(assertion.as_bytes(), |changed| {
            let Ok(changed) = std::str::from_utf8(changed) else {
                return;
            };
            assert!(verify(changed, &client).is_err(), "{changed}");
            assert!(stock(changed, &client).is_err(), "{changed}");
            let evidence = Evidence::ClientKey(changed.to_owned());
            assert!(judged(&registry, &evidence, TIME_MS).is_err(), "{changed}");
        });
    }
}

/// The other form of an ECDSA signature, (r, n − s), which anybody can make.
#[test]
fn a_mirrored_p256_signature_is_the_same_assertion_and_cannot_be_used_twice() {
    let (_, (assertion, client)) = <[_; 2]>::into(good_assertions());
    let (input, signature) = assertion.rsplit_once('.').unwrap();
    let mut signature = B64.decode(signature).unwrap();
    let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
    let mut borrow = 0i16;
    for at in (0..32).rev() {
        let digit = i16::from(order[at]) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(digit < 0);
        signature[32 + at] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    let mirrored = format!("{input}.{}", B64.encode(signature));
    assert_ne!(mirrored, assertion);
    assert_eq!(verify(&mirrored, &client), verify(&assertion, &client));
    let grant = |text: &str| judged(&registry(), &Evidence::ClientKey(text.to_owned()), TIME_MS).unwrap();
    assert_eq!(
        grant(&mirrored).jti(),
        grant(&assertion).jti(),
        "it stands in the log once"
    );
}

#[test]
fn public_vectors_verify() {
    // RFC 7515 appendix A.3 and RFC 8037 appendix A.4.
    let es256 = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
        DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let claims = UnverifiedJws::parse(es256).unwrap().verify(&p256().1).unwrap();
    assert_eq!(
        (claims.text("iss"), claims.integer("exp")),
        (Some("joe"), Some(1_300_819_380))
    );
    let key = PublicJwk::parse(br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#);
    let eddsa = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
        hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let (input, signature) = eddsa.rsplit_once('.').unwrap();
    let key = key.unwrap();
    assert!(key.verify(input.as_bytes(), &B64.decode(signature).unwrap()));
    assert!(!p256().1.verify(input.as_bytes(), &B64.decode(signature).unwrap()));
    // Its payload is no JSON object, so it is no assertion.
    assert_eq!(UnverifiedJws::parse(eddsa).err(), Some(Refusal::MalformedAssertion));
}

/// One member as it is written, and whether an assertion with it is good.
#[derive(Debug, Clone)]
struct Said {
    text: String,
    good: bool,
}

/// Members of one name: those that are good, and those that are not. An empty text leaves the member out.
fn said(good: &[&str], bad: &[&str]) -> impl Strategy<Value = Said> + use<> {
    let of = |texts: &[&str], good: bool| -> Vec<Said> {
        let said = |text: &&str| Said {
            text: (*text).to_owned(),
            good,
        };
        texts.iter().map(said).collect()
    };
    // Good ones are more frequent, or else hardly any assertion would be good.
    prop_oneof![12 => select(of(good, true)), 1 => select(of(bad, false))]
}

fn object(members: &[&Said]) -> String {
    let members: Vec<&str> = members
        .iter()
        .map(|said| said.text.as_str())
        .filter(|text| !text.is_empty())
        .collect();
    format!("{{{}}}", members.join(","))
}

/// An assertion that the client really signed, with all kinds of contents; whether it is good by the rules, member by member.
fn signed(client: &'static str) -> impl Strategy<Value = (String, bool)> {
    let id = client;
    let name = |member: &str| -> (Vec<String>, Vec<String>) {
        (
            vec![format!(r#""{member}":"{id}""#)],
            vec![
                String::new(),
                format!(r#""{member}":"other""#),
                format!(r#""{member}":["{id}"]"#),
                format!(r#""{member}":null"#),
                format!(r#""{member}":"{id}","{member}":"{id}""#),
            ],
        )
    };
    let strings = |(good, bad): (Vec<String>, Vec<String>)| {
        let of = |texts: &[String]| -> Vec<String> { texts.to_vec() };
        let (good, bad) = (of(&good), of(&bad));
        said(
            &good.iter().map(String::as_str).collect::<Vec<_>>(),
            &bad.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    };
    let audience = said(
        &[r#""aud":"https://issuer.example""#],
        &[
            "",
            r#""aud":["https://issuer.example"]"#,
            r#""aud":["https://issuer.example","https://other.example"]"#,
            r#""aud":"https://issuer.example/""#,
            r#""aud":"https://issuer.example/token""#,
            r#""aud":"HTTPS://issuer.example""#,
        ],
    );
    let long = "j".repeat(128);
    let (longest, longer) = (format!(r#""jti":"{long}""#), format!(r#""jti":"{long}j""#));
    let jti = said(
        &[r#""jti":"a""#, &longest, r#""jti":"\u00fc \ud83d\ude00""#],
        &["", r#""jti":"""#, &longer, r#""jti":7"#],
    );
    let time = |member: &str, optional: bool| {
        let mut good = vec![format!(r#""{member}":1800000000"#), format!(r#""{member}":0"#)];
        let mut bad: Vec<String> = [
            "1800000000.0",
            "-1",
            "1.8e9",
            "\"1800000000\"",
            "18446744073709551615",
            "null",
        ]
        .iter()
        .map(|value| format!(r#""{member}":{value}"#))
        .collect();
        if optional { &mut good } else { &mut bad }.push(String::new());
        strings((good, bad))
    };
    let scope = said(
        &[
            "",
            r#""scope":"files.read""#,
            r#""scope":"files.write files.read""#,
            r#""scope":"""#,
        ],
        &[
            r#""scope":["files.read"]"#,
            r#""scope":"files.read  files.write""#,
            r#""scope":"a\"b""#,
        ],
    );
    let more = said(
        &["", r#""more":{"deep":[1,{"deeper":null}]}"#, r#""amr":["hwk"]"#],
        &[r#""more":1,"more":1"#, r#""more":"#, r#""more":"\ud800""#],
    );
    let (kids, foreign): (&[&str], &[&str]) = if client == TWO_KEYS {
        (&[r#""kid":"own-name""#], &["", r#""kid":"other""#, r#""kid":7"#])
    } else {
        (
            &["", r#""kid":"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U""#],
            &[r#""kid":"own-name""#, r#""kid":"""#],
        )
    };
    let (algorithm, others): (&[&str], &[&str]) = if client == TWO_KEYS {
        (
            &[r#""alg":"EdDSA""#],
            &[
                r#""alg":"ES256""#,
                r#""alg":"Ed25519""#,
                r#""alg":"none""#,
                r#""alg":"eddsa""#,
                "",
            ],
        )
    } else {
        (
            &[r#""alg":"ES256""#],
            &[
                r#""alg":"EdDSA""#,
                r#""alg":"ES384""#,
                r#""alg":"none""#,
                r#""alg":"HS256""#,
                "",
            ],
        )
    };
    let typ = said(
        &[
            "",
            r#""typ":"JWT""#,
            r#""typ":"jwt""#,
            r#""typ":"client-authentication+jwt""#,
        ],
        &[r#""typ":"at+jwt""#, r#""typ":"dpop+jwt""#, r#""typ":7"#, r#""typ":"""#],
    );
    // A key in the header is nobody's key, whoever signed with it.
    let x = B64.encode(public(99).0);
    let own_key = format!(r#""jwk":{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#);
    let critical = said(&["", &own_key], &[r#""crit":["exp"]"#, r#""crit":[]"#]);
    let header = (said(algorithm, others), typ, said(kids, foreign), critical);
    let claims = (
        strings(name("iss")),
        strings(name("sub")),
        audience,
        jti,
        time("iat", false),
        time("exp", false),
        time("nbf", true),
        scope,
        more,
    );
    (header, claims).prop_map(
        move |((alg, typ, kid, crit), (iss, sub, aud, jti, iat, exp, nbf, scope, more))| {
            let header = [&alg, &typ, &kid, &crit];
            let claims = [&iss, &sub, &aud, &jti, &iat, &exp, &nbf, &scope, &more];
            let good = header.iter().chain(&claims).all(|said| said.good);
            let (header, claims) = (object(&header), object(&claims));
            let signed = if client == TWO_KEYS {
                jws(&header, &claims, sign_ed25519(51))
            } else {
                jws(&header, &claims, sign_p256)
            };
            (signed, good)
        },
    )
}

fn check_signed((assertion, good): (String, bool), client: &ClientRecord) {
    let ours = verify(&assertion, client);
    assert_eq!(ours.is_ok(), good, "{:?}", ours.as_ref().err());
    if let Ok(ours) = ours {
        let claims = stock(&assertion, client).unwrap_or_else(|told| panic!("the stock verifier says {told}"));
        assert_eq!(claims["jti"], ours.jti);
        assert_eq!(claims["iat"].as_u64(), Some(ours.issued_ms / 1000));
        assert!(ours.dies_ms <= ours.issued_ms + 60_000 && ours.dies_ms <= claims["exp"].as_u64().unwrap() * 1000);
        let scope = claims
            .get("scope")
            .map(|scope| Scope::parse(scope.as_str().unwrap()).unwrap());
        assert_eq!(scope, ours.scope);
        let judged = judged(&registry(), &Evidence::ClientKey(assertion), ours.issued_ms);
        let narrower = ours.scope.is_none_or(|scope| scope.is_within(&client.scope));
        let alive = ours.valid_from_ms <= ours.issued_ms + 30_000 && ours.issued_ms < ours.dies_ms;
        assert_eq!(judged.is_ok(), narrower && alive, "{:?}", judged.err());
    }
}

proptest! {
    #[test]
    fn what_a_client_signs_with_ed25519_is_good_exactly_when_each_member_is(signed in signed(TWO_KEYS)) {
        check_signed(signed, &crate::tenant::two_keys());
    }

    #[test]
    fn what_a_client_signs_with_p256_is_good_exactly_when_each_member_is(signed in signed(P256)) {
        check_signed(signed, &crate::tenant::p256_client());
    }

    #[test]
    fn arbitrary_text_is_no_assertion(text in any::<String>(), parts in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,3}") {
        for text in [&text, &parts] {
            let _ = (UnverifiedJws::parse(text).is_ok(), claimed_client(text));
            for (_, client) in good_assertions() {
                prop_assert!(verify(text, &client).is_err() && stock(text, &client).is_err());
            }
        }
    }

    #[test]
    fn mangled_assertions_verify_only_unchanged(bytes in mangled(good_assertions().map(|(text, _)| text.into_bytes()).to_vec())) {
        let text = String::from_utf8_lossy(&bytes);
        for (_, client) in good_assertions() {
            // Signing with P-256 is not deterministic: whoever was asked for another one has another signature, but the same claims.
            let (ours, stock) = (verify(&text, &client), stock(&text, &client));
            prop_assert_eq!(ours.is_ok(), stock.is_ok());
            if let Ok(ours) = ours {
                prop_assert_eq!(ours.jti, "j-1");
                prop_assert!(text.split('.').count() == 3);
            }
        }
    }

    #[test]
    fn mangled_headers_and_claims_never_verify_under_the_old_signature(
        header in mangled(vec![br#"{"alg":"ES256"}"#.to_vec(), br#"{"alg":"none"}"#.to_vec()]),
        claims in mangled(vec![good_claims(), br#"{"iss":"p256","sub":"p256","scope":"files.write"}"#.to_vec()]),
    ) {
        let [_, (good, client)] = good_assertions();
        let parts: Vec<&str> = good.split('.').collect();
        let other = format!("{}.{}.{}", B64.encode(&header), B64.encode(&claims), parts[2]);
        let same = B64.decode(parts[0]).unwrap() == header && B64.decode(parts[1]).unwrap() == claims;
        prop_assert_eq!(verify(&other, &client).is_ok(), same);
        prop_assert_eq!(stock(&other, &client).is_ok(), same);
    }
}

fn good_claims() -> Vec<u8> {
    let [_, (good, _)] = good_assertions();
    B64.decode(good.split('.').nth(1).unwrap()).unwrap()
}

#[test]
fn an_assertion_may_have_8_kib_and_no_more() {
    let [(_, client), _] = good_assertions();
    let padded = |length: usize| {
        let claims = format!(
            r#"{{"iss":"{TWO_KEYS}","sub":"{TWO_KEYS}","aud":"{ISSUER}","jti":"j","iat":1800000000,"exp":1800000060,"pad":"{}"}}"#,
            "x".repeat(length)
        );
        jws(r#"{"alg":"EdDSA","kid":"own-name"}"#, &claims, sign_ed25519(51))
    };
    let fits = (0..MAX_JWS)
        .rev()
        .map(padded)
        .find(|text| text.len() <= MAX_JWS)
        .unwrap();
    assert!(verify(&fits, &client).is_ok());
    let longer = (0..MAX_JWS).map(padded).find(|text| text.len() > MAX_JWS).unwrap();
    assert_eq!(verify(&longer, &client), Err(Refusal::Oversize));
    assert_eq!(claimed_client(&longer), Err(Refusal::Oversize));
}
