//! The token endpoint's words (RFC 6749 §3.2, §5; RFC 7521 §4.2; RFC 8707): requests read strictly, refusals told exactly.

use axum::http::StatusCode;
use quorate_rules::{Refusal, client_assertion, name::Scope};
use serde::Serialize;

/// The only assertion type of `private_key_jwt` (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An OAuth error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthError {
    /// HTTP status.
    pub status: StatusCode,
    /// Registered code.
    pub error: &'static str,
    /// What happened and what to do.
    pub description: String,
}

/// Its body (RFC 6749 §5.2).
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// Registered code.
    pub error: &'a str,
    /// What happened and what to do.
    pub error_description: &'a str,
}

impl OAuthError {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        let status = match error {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "temporarily_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        Self {
            status,
            error,
            description: description.into(),
        }
    }

    /// There is no quorum, or too much is waiting.
    pub fn unavailable(description: &str) -> Self {
        Self::new("temporarily_unavailable", description)
    }
}

/// The body is no form.
pub fn bad_form(what: &str) -> OAuthError {
    OAuthError::new("invalid_request", what)
}

/// A token request as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The client's assertion.
    pub assertion: String,
    /// Scope asked for beside the assertion.
    pub scope: Option<Scope>,
    /// Audience asked for (RFC 8707).
    pub resource: Option<String>,
}

/// Longest parameter that is read, bytes.
const MAX_PARAMETER: usize = 8 * 1024;

/// Reads the form. Parameters must not stand twice (RFC 6749 §3.2); unknown ones are ignored.
pub fn read_request(form: &[(String, String)], authorization: bool) -> Result<TokenRequest, OAuthError> {
    let invalid = |what: &str| OAuthError::new("invalid_request", what);
    for (at, (name, value)) in form.iter().enumerate() {
        if form.iter().skip(at + 1).any(|(other, _)| other == name) {
            return Err(invalid(&format!("the parameter {} stands twice", printable(name))));
        }
        if value.len() > MAX_PARAMETER {
            return Err(invalid(&format!("the parameter {} is too long", printable(name))));
        }
    }
    // RFC 6749 §3.1: a parameter without a value counts as absent.
    let get = |name: &str| {
        form.iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value)
    };
    match get("grant_type").map(String::as_str) {
        None => return Err(invalid("grant_type is missing")),
        Some("client_credentials") => {}
        Some(_) => {
            return Err(OAuthError::new(
                "unsupported_grant_type",
                "this server grants client_credentials",
            ));
        }
    }
    if authorization || get("client_secret").is_some() {
        return Err(OAuthError::new(
            "invalid_client",
            "authenticate with private_key_jwt; secrets are not accepted here",
        ));
    }
    if get("client_assertion_type").map(String::as_str) != Some(ASSERTION_TYPE) {
        return Err(OAuthError::new(
            "invalid_client",
            format!("client_assertion_type must be {ASSERTION_TYPE}"),
        ));
    }
    let assertion =
        get("client_assertion").ok_or_else(|| OAuthError::new("invalid_client", "client_assertion is missing"))?;
    if let Some(id) = get("client_id") {
        // RFC 7521 §4.2: unnecessary, but if it stands there it must name the same client.
        let claimed = client_assertion::claimed_client(assertion).map_err(told)?;
        if claimed.as_str() != id {
            return Err(OAuthError::new(
                "invalid_client",
                "client_id is not the client of the assertion",
            ));
        }
    }
    let scope = get("scope").map(|scope| Scope::parse(scope)).transpose();
    let scope = scope.map_err(|error| OAuthError::new("invalid_scope", error.to_string()))?;
    Ok(TokenRequest {
        assertion: assertion.clone(),
        scope,
        resource: get("resource").cloned(),
    })
}

/// What stands beside the assertion is not signed by the client, so it can neither widen nor narrow: it must be what the client's
/// record, or the assertion itself, says.
pub fn check_unsigned(request: &TokenRequest, granted: &quorate_rules::Grant) -> Result<(), OAuthError> {
    if request
        .resource
        .as_ref()
        .is_some_and(|resource| resource != granted.audience().as_str())
    {
        let what = format!("the audience of this client is {}", granted.audience());
        return Err(OAuthError::new("invalid_target", what));
    }
    match &request.scope {
        None => Ok(()),
        Some(scope) if scope == granted.scope() => Ok(()),
        Some(scope) if scope.is_within(granted.scope()) => Err(OAuthError::new(
            "invalid_scope",
            format!(
                "the scope of this client is \"{}\"; to get less, put a scope claim into the assertion, under your signature",
                granted.scope()
            ),
        )),
        Some(_) => Err(OAuthError::new(
            "invalid_scope",
            format!("the scope of this client is \"{}\"", granted.scope()),
        )),
    }
}

/// A refusal in OAuth's words: one match without wildcard, so that a new refusal must find its place here.
pub fn told(refusal: Refusal) -> OAuthError {
    let client = |what: &str| OAuthError::new("invalid_client", what);
    // RFC 6749 §5.2: what the user gave does not hold; nothing is wrong with the client.
    let passkey = |what: &str| OAuthError::new("invalid_grant", what);
    match refusal {
        Refusal::MalformedAssertion => client("client_assertion is not a signed JWT"),
        Refusal::Oversize => client("client_assertion is too long"),
        // One answer for clients that do not exist and for those that may not: nobody learns which names are taken.
        Refusal::UnknownClient | Refusal::ClientSuspended | Refusal::UnknownKey | Refusal::BadSignature => {
            client("the client or its key is not registered here, or the signature does not verify")
        }
        Refusal::WrongAlgorithm => client("the alg of the assertion is not that of the registered key"),
        Refusal::WrongType => client("the typ of the assertion is not JWT, or it demands an extension"),
        Refusal::WrongSubject => client("iss and sub must both be the client id"),
        Refusal::WrongAudience => client("aud must be the issuer string alone, not an endpoint and not an array"),
        Refusal::MissingClaim => client("iat, exp (whole numbers) and jti (1 to 128 characters) are required"),
        Refusal::Expired => client("the assertion is dead: it lives 60 seconds at most; check the clock"),
        Refusal::FromTheFuture => client("the assertion is from the future; check the clock"),
        Refusal::Replayed => client("this assertion was used already; sign a new one for each request"),
        Refusal::ScopeNotRegistered => {
            OAuthError::new("invalid_scope", "the assertion asks for a scope that is not registered")
        }
        Refusal::MalformedPasskey => passkey("the passkey's answer cannot be read; sign in again"),
        Refusal::WrongCeremony => passkey("the passkey answered to something other than signing in"),
        Refusal::WrongChallenge => passkey("the passkey answered to another request; sign in again"),
        Refusal::WrongPageOrigin => passkey("the page that asked the passkey is not this issuer's"),
        Refusal::CrossOrigin => passkey("the page that asked the passkey was framed by another site"),
        Refusal::WrongRpId => passkey("the passkey belongs to another site"),
        Refusal::UserNotPresent => passkey("nobody touched the passkey; sign in again"),
        Refusal::UserNotVerified => {
            passkey("the passkey did not verify its user; sign in again with PIN, fingerprint or face")
        }
        Refusal::Late => OAuthError::unavailable("signing took too long; try again with a new assertion"),
        Refusal::LeafMismatch
        | Refusal::WrongLeafTime
        | Refusal::WrongRegistryRoot
        | Refusal::OpeningWithheld
        | Refusal::OpeningMismatch
        | Refusal::UnknownEntry
        | Refusal::WrongGenesis
        | Refusal::WrongTranscript
        | Refusal::InvalidProposal
        | Refusal::TooFewApprovals
        | Refusal::DoubledApproval
        | Refusal::BadApproval
        | Refusal::WrongTenant
        | Refusal::StaleProposal
        | Refusal::ProposalExpired
        | Refusal::TickTooSoon
        | Refusal::RulesVersion
        | Refusal::Malformed
        | Refusal::NotTheGateway
        | Refusal::WrongOrigin
        | Refusal::LowerView
        | Refusal::ConflictingHead
        | Refusal::ParentBelowLock
        | Refusal::ParentUnknown
        | Refusal::NewViewMissing
        | Refusal::NewViewHidesHigher
        | Refusal::TimeBackwards
        | Refusal::TimeAhead
        | Refusal::TimeBehind
        | Refusal::RootMismatch
        | Refusal::BatchBounds
        | Refusal::WrongSigners
        | Refusal::QuorumTooSmall
        | Refusal::DoubledVoter
        | Refusal::BadVote
        | Refusal::QuorumForAnotherHead
        | Refusal::NoSuchAttempt
        | Refusal::WrongCommitments
        | Refusal::Joining
        | Refusal::Amnesic
        | Refusal::WrongDkgMessage
        | Refusal::Equivocation => OAuthError::unavailable("the custodians could not sign; try again"),
    }
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

    fn check(pairs: &[(&str, &str)], expected: &str) {
        assert_eq!(
            read_request(&form(pairs), false).unwrap_err().error,
            expected,
            "{pairs:?}"
        );
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
        let typed = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
        ];
        check(&typed, "invalid_client");
        check(
            &[&typed[..], &[("client_secret", "s"), ("client_assertion", "x")]].concat(),
            "invalid_client",
        );
        check(
            &[&typed[..], &[("client_assertion", "x"), ("client_id", "a")]].concat(),
            "invalid_client",
        );
        check(
            &[&typed[..], &[("client_assertion", "x"), ("scope", "a  b")]].concat(),
            "invalid_scope",
        );
        assert!(read_request(&form(&[&typed[..], &[("client_assertion", "x")]].concat()), false).is_ok());
    }

    proptest! {
        #[test]
        fn reading_anything_never_panics(pairs in proptest::collection::vec((".*", ".*"), 0..6), basic in any::<bool>()) {
            let _ = read_request(&pairs, basic);
        }
    }
}
