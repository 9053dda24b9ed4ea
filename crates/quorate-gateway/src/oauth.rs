//! The token endpoint's words (RFC 6749 §5.2; RFC 8707): refusals told exactly.

use crate::token_request::MachineRequest;
use axum::http::StatusCode;
use quorate_rules::Refusal;
use serde::Serialize;

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
    /// An error of this code, with the status that belongs to it.
    pub fn new(error: &'static str, description: impl Into<String>) -> Self {
        let status = match error {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "invalid_token" => StatusCode::UNAUTHORIZED,
            "insufficient_scope" | "refused" => StatusCode::FORBIDDEN,
            "code_taken" => StatusCode::CONFLICT,
            "unknown_record" => StatusCode::NOT_FOUND,
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

/// What stands beside the assertion is not signed by the client, so it can neither widen nor narrow: it must be what the client's
/// record, or the assertion itself, says.
pub fn check_unsigned(request: &MachineRequest, granted: &quorate_rules::Grant) -> Result<(), OAuthError> {
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
    let grant = |what: &str| OAuthError::new("invalid_grant", what);
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
        Refusal::AlreadyShown => {
            grant("this was tried before, and nothing came of it; sign in again, or sign a new assertion")
        }
        Refusal::ScopeNotRegistered => {
            OAuthError::new("invalid_scope", "the assertion asks for a scope that is not registered")
        }
        Refusal::MalformedPasskey => grant("the passkey's answer cannot be read; sign in again"),
        Refusal::WrongCeremony => grant("the passkey answered to something other than signing in"),
        Refusal::WrongChallenge => grant("the passkey answered to another request; sign in again"),
        Refusal::WrongPageOrigin => grant("the page that asked the passkey is not this issuer's"),
        Refusal::CrossOrigin => grant("the page that asked the passkey was framed by another site"),
        Refusal::WrongRpId => grant("the passkey belongs to another site"),
        Refusal::UserNotPresent => grant("nobody touched the passkey; sign in again"),
        Refusal::UserNotVerified => {
            grant("the passkey did not verify its user; sign in again with PIN, fingerprint or face")
        }
        Refusal::WrongSecret | Refusal::WrongClientAuthentication => {
            client("this client must prove itself as it is registered, and the proof must be right")
        }
        Refusal::WrongVerifier => grant("code_verifier does not match the code_challenge"),
        Refusal::WrongDpopProof => OAuthError::new(
            "invalid_dpop_proof",
            "the DPoP proof is missing, unasked for, stale or by another key",
        ),
        Refusal::MalformedGrant
        | Refusal::WrongIssuer
        | Refusal::WrongRedirectUri
        | Refusal::ResourceNotRegistered
        | Refusal::UnknownAnchor
        | Refusal::StaleAnchor
        | Refusal::AnchorAhead
        | Refusal::StaleRegistry
        | Refusal::UnknownCredential
        | Refusal::CredentialRevoked
        | Refusal::UserSuspended
        | Refusal::WrongUser
        | Refusal::WeakEvidence
        | Refusal::AuthenticationTooOld
        | Refusal::SessionExpired
        | Refusal::SessionRevoked
        | Refusal::WrongCode
        | Refusal::PkceRequired
        | Refusal::UnknownInvitation
        | Refusal::WrongEnrolment
        | Refusal::CredentialTaken
        | Refusal::WrongRevocation
        | Refusal::AlreadyRevoked => grant(&format!(
            "the authorization does not hold ({}); sign in again",
            refusal.code()
        )),
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
        | Refusal::WrongEnvelope
        | Refusal::BannedSigner
        | Refusal::Joining
        | Refusal::Amnesic
        | Refusal::WrongDkgMessage
        | Refusal::Equivocation => OAuthError::unavailable("the custodians could not sign; try again"),
    }
}
