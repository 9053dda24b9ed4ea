//! Token requests (RFC 6749 §3.2, §4.1.3, §4.4.2), read strictly: who asks, and for what.

use crate::oauth::{OAuthError, told};
use base64::{Engine as _, engine::general_purpose};
use quorate_rules::{
    client_assertion,
    name::{ClientId, Scope},
};
use zeroize::Zeroizing;

/// The only assertion type of `private_key_jwt` (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Most parameters of a form; OAuth knows fewer.
const MAX_PARAMETERS: usize = 64;
/// Longest parameter that is read, bytes.
const MAX_PARAMETER: usize = 8 * 1024;
/// Longest `Authorization` header that is read, bytes.
const MAX_AUTHORIZATION: usize = 1024;

/// A form without doubled parameters (RFC 6749 §3.2). A parameter without a value counts as absent.
#[derive(Debug, Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body of type `application/x-www-form-urlencoded`.
    pub fn read(content_type: &str, body: &[u8]) -> Result<Self, OAuthError> {
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        if !content_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(invalid("the body must be application/x-www-form-urlencoded"));
        }
        let pairs = serde_urlencoded::from_bytes(body).map_err(|_| invalid("the body is not a form"))?;
        Self::of_pairs(pairs)
    }

    /// Checks that no parameter stands twice or is too long.
    pub fn of_pairs(pairs: Vec<(String, String)>) -> Result<Self, OAuthError> {
        // Each is compared with each.
        if pairs.len() > MAX_PARAMETERS {
            return Err(invalid("there are too many parameters"));
        }
        for (at, (name, value)) in pairs.iter().enumerate() {
            if pairs.iter().skip(at + 1).any(|(other, _)| other == name) {
                return Err(invalid(&format!("the parameter {} stands twice", printable(name))));
            }
            if value.len() > MAX_PARAMETER {
                return Err(invalid(&format!("the parameter {} is too long", printable(name))));
            }
        }
        Ok(Self(pairs))
    }

    /// A parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}

/// A token request.
#[derive(Debug)]
pub enum TokenRequest {
    /// `client_credentials`
    Machine(MachineRequest),
    /// `authorization_code`
    Code(Box<CodeRequest>),
}

/// A machine asks for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineRequest {
    /// The client's assertion.
    pub assertion: String,
    /// Scope asked for beside the assertion.
    pub scope: Option<Scope>,
    /// Audience asked for (RFC 8707).
    pub resource: Option<String>,
}

/// A client redeems a code.
#[derive(Debug)]
pub struct CodeRequest {
    /// The code.
    pub code: [u8; 32],
    /// PKCE verifier.
    pub code_verifier: Option<String>,
    /// As in the authorization request.
    pub redirect_uri: Option<String>,
    /// Who asks.
    pub client: ClientId,
    /// How the client proves it.
    pub proof: Proof,
    /// Audience asked for once more (RFC 8707 §2.2).
    pub resource: Option<String>,
}

/// A client's proof of itself.
#[derive(Clone)]
pub enum Proof {
    /// None.
    Public,
    /// A signed assertion.
    Assertion(String),
    /// A secret, in the header or in the form.
    Secret(Zeroizing<String>),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Public => "Proof::Public",
            Self::Assertion(_) => "Proof::Assertion(redacted)",
            Self::Secret(_) => "Proof::Secret(redacted)",
        })
    }
}

/// Reads the request; `authorization` is the header of that name.
pub fn read(form: &Form, authorization: Option<&str>) -> Result<TokenRequest, OAuthError> {
    match form.get("grant_type") {
        None => Err(invalid("grant_type is missing")),
        Some("client_credentials") => machine(form, authorization.is_some()).map(TokenRequest::Machine),
        Some("authorization_code") => code(form, authorization).map(|request| TokenRequest::Code(Box::new(request))),
        Some(_) => Err(OAuthError::new(
            "unsupported_grant_type",
            "this server grants authorization_code and client_credentials",
        )),
    }
}

fn machine(form: &Form, authorization: bool) -> Result<MachineRequest, OAuthError> {
    if authorization || form.get("client_secret").is_some() {
        return Err(client(
            "authenticate with private_key_jwt; secrets are not accepted for this grant",
        ));
    }
    let (assertion, _) = assertion(form)?;
    let scope = form.get("scope").map(Scope::parse).transpose();
    let scope = scope.map_err(|error| OAuthError::new("invalid_scope", error.to_string()))?;
    Ok(MachineRequest {
        assertion,
        scope,
        resource: form.get("resource").map(str::to_owned),
    })
}

/// The assertion, and the client that it names; `client_id` is unnecessary, but where it stands it must name the same (RFC 7521 §4.2).
fn assertion(form: &Form) -> Result<(String, ClientId), OAuthError> {
    if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(client(&format!("client_assertion_type must be {ASSERTION_TYPE}")));
    }
    let assertion = form
        .get("client_assertion")
        .ok_or_else(|| client("client_assertion is missing"))?;
    let claimed = client_assertion::claimed_client(assertion).map_err(told)?;
    if form.get("client_id").is_some_and(|id| id != claimed.as_str()) {
        return Err(client("client_id is not the client of the assertion"));
    }
    Ok((assertion.to_owned(), claimed))
}

fn code(form: &Form, authorization: Option<&str>) -> Result<CodeRequest, OAuthError> {
    let (client, proof) = who(form, authorization)?;
    let code = form.get("code").ok_or_else(|| invalid("code is missing"))?;
    // A code of another form is simply not one of ours.
    let code = general_purpose::URL_SAFE_NO_PAD
        .decode(code)
        .ok()
        .and_then(|code| code.try_into().ok());
    let code = code.ok_or_else(|| OAuthError::new("invalid_grant", "there is no such code"))?;
    let copy = |name: &str| form.get(name).map(str::to_owned);
    Ok(CodeRequest {
        code,
        code_verifier: copy("code_verifier"),
        redirect_uri: copy("redirect_uri"),
        client,
        proof,
        resource: copy("resource"),
    })
}

/// One proof and no more (RFC 6749 §2.3).
fn who(form: &Form, authorization: Option<&str>) -> Result<(ClientId, Proof), OAuthError> {
    let proofs = usize::from(authorization.is_some())
        + usize::from(form.get("client_secret").is_some())
        + usize::from(form.get("client_assertion").is_some());
    if proofs > 1 {
        return Err(invalid("prove the client in one way only"));
    }
    let id = |text: &str| ClientId::new(text).map_err(|_| client("there is no such client"));
    if let Some(header) = authorization {
        let basic = basic(header);
        let (name, secret) =
            basic.ok_or_else(|| client("the Authorization header is not Basic with a client id and a secret"))?;
        if form.get("client_id").is_some_and(|id| *id != *name) {
            return Err(client("client_id is not the client of the Authorization header"));
        }
        return Ok((id(&name)?, Proof::Secret(secret)));
    }
    if form.get("client_assertion").is_some() {
        let (assertion, claimed) = assertion(form)?;
        return Ok((claimed, Proof::Assertion(assertion)));
    }
    let name = form.get("client_id").ok_or_else(|| client("client_id is missing"))?;
    let proof = match form.get("client_secret") {
        Some(secret) => Proof::Secret(Zeroizing::new(secret.to_owned())),
        None => Proof::Public,
    };
    Ok((id(name)?, proof))
}

/// `Basic` with both halves form-encoded (RFC 6749 §2.3.1).
fn basic(header: &str) -> Option<(String, Zeroizing<String>)> {
    if header.len() > MAX_AUTHORIZATION {
        return None;
    }
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(String::from_utf8(general_purpose::STANDARD.decode(encoded.trim()).ok()?).ok()?);
    let (name, secret) = decoded.split_once(':')?;
    Some((form_decode(name)?, Zeroizing::new(form_decode(secret)?)))
}

fn form_decode(text: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&format!("x={}", text.replace('&', "%26"))).ok()?;
    pairs.into_iter().next().map(|(_, value)| value)
}

fn invalid(what: &str) -> OAuthError {
    OAuthError::new("invalid_request", what)
}

fn client(what: &str) -> OAuthError {
    OAuthError::new("invalid_client", what)
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn request(pairs: &[(&str, &str)], authorization: Option<&str>) -> Result<TokenRequest, OAuthError> {
        read(&Form::of_pairs(form(pairs))?, authorization)
    }

    fn check(pairs: &[(&str, &str)], expected: &str) {
        assert_eq!(request(pairs, None).unwrap_err().error, expected, "{pairs:?}");
    }

    /// Unverified, of client `app`.
    fn assertion_of_app() -> String {
        let part = |text: &str| general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.AAAA", part("{}"), part(r#"{"iss":"app"}"#))
    }

    #[test]
    fn requests_are_read_strictly() {
        check(&[], "invalid_request");
        check(&[("grant_type", "password")], "unsupported_grant_type");
        check(
            &[
                ("grant_type", "client_credentials"),
                ("grant_type", "client_credentials"),
            ],
            "invalid_request",
        );
        check(&[("grant_type", "client_credentials")], "invalid_client");
        let assertion = assertion_of_app();
        let typed = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
        ];
        check(&typed, "invalid_client");
        let full = [&typed[..], &[("client_assertion", assertion.as_str())]].concat();
        check(&[&full[..], &[("client_secret", "s")]].concat(), "invalid_client");
        check(&[&full[..], &[("client_id", "other")]].concat(), "invalid_client");
        check(&[&full[..], &[("scope", "a  b")]].concat(), "invalid_scope");
        assert!(matches!(request(&full, None), Ok(TokenRequest::Machine(_))));
        assert!(request(&full, Some("Basic YTpi")).is_err());
    }

    #[test]
    fn a_client_proves_itself_once_and_as_one() {
        let code = general_purpose::URL_SAFE_NO_PAD.encode([7; 32]);
        let base = [("grant_type", "authorization_code"), ("code", code.as_str())];
        let with = |more: &[(&'static str, &'static str)], header: Option<&str>| {
            let more: Vec<(&str, &str)> = more.to_vec();
            match request(&[&base[..], &more].concat(), header) {
                Ok(TokenRequest::Code(request)) => Ok((request.client.to_string(), request.proof)),
                Ok(TokenRequest::Machine(_)) => panic!("another grant"),
                Err(error) => Err(error.error),
            }
        };
        // "app:a b%&" form-encoded, then base64.
        let header = format!("Basic {}", general_purpose::STANDARD.encode("app:a+b%25%26"));
        let (id, proof) = with(&[], Some(&header)).unwrap();
        assert!(id == "app" && matches!(proof, Proof::Secret(secret) if secret.as_str() == "a b%&"));
        let (_, proof) = with(&[("client_id", "app"), ("client_secret", "s")], None).unwrap();
        assert!(matches!(proof, Proof::Secret(_)));
        let (_, proof) = with(&[("client_id", "app")], None).unwrap();
        assert!(matches!(proof, Proof::Public));
        assert_eq!(with(&[], None).err(), Some("invalid_client"));
        assert_eq!(
            with(&[("client_id", "other")], Some(&header)).err(),
            Some("invalid_client")
        );
        assert_eq!(
            with(&[("client_secret", "s")], Some(&header)).err(),
            Some("invalid_request")
        );
        assert_eq!(with(&[], Some("Bearer x")).err(), Some("invalid_client"));
        assert_eq!(with(&[("client_id", "a b")], None).err(), Some("invalid_client"));
        check(
            &[("grant_type", "authorization_code"), ("client_id", "a"), ("code", "x")],
            "invalid_grant",
        );
        check(
            &[("grant_type", "authorization_code"), ("client_id", "a")],
            "invalid_request",
        );
    }

    proptest! {
        #[test]
        fn reading_anything_never_panics(
            pairs in proptest::collection::vec((".*", ".*"), 0..6),
            authorization in proptest::option::of(".*"),
        ) {
            if let Ok(form) = Form::of_pairs(pairs) {
                let _ = read(&form, authorization.as_deref());
            }
        }
    }
}
