//! Why something is refused: one closed list for the whole product (PROTOCOL §10).

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident => $code:literal),+ $(,)?) => {
        /// A refusal whose fault lies with the asker. Each variant says which attack it stops; [`Refusal::code`] is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
        #[error("{}", self.code())]
        pub enum Refusal { $($(#[doc = $doc])+ $name),+ }

        impl Refusal {
            /// Every refusal, for the test that looks for refusals without a test.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable name of this refusal in messages, logs and metrics.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// The refusal with this code, if there is one.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|refusal| refusal.code() == code)
            }
        }
    };
}

refusals! {
    /// The assertion is no JWS of three base64url parts with JSON objects, has duplicate members, or is too long: parser confusion.
    MalformedAssertion => "malformed_assertion",
    /// No client of this name stands in the registry: tokens for clients that nobody registered.
    UnknownClient => "unknown_client",
    /// The client was suspended: use of a client that was stopped.
    ClientSuspended => "client_suspended",
    /// The assertion names no key of this client: key injection by `kid`, `jwk`, `jku` or `x5u`.
    UnknownKey => "unknown_key",
    /// The header's `alg` is not the registered key's: algorithm confusion, `none`, HMAC with a public key.
    WrongAlgorithm => "wrong_algorithm",
    /// The header demands an extension (`crit`) or is of another `typ`: one kind of token used as another.
    WrongType => "wrong_type",
    /// The signature does not verify under the registered key: forged or altered assertion.
    BadSignature => "bad_signature",
    /// `iss` and `sub` are not both this client: one client's assertion used by another.
    WrongSubject => "wrong_subject",
    /// `aud` is not the issuer string alone (RFC 10070): an assertion made for another server, or for several.
    WrongAudience => "wrong_audience",
    /// `iat`, `exp` or `jti` is missing or out of bounds: an assertion that could live for ever.
    MissingClaim => "missing_claim",
    /// The batch is after the assertion's death, min(exp, iat + 60 s): replay of an old assertion.
    Expired => "expired",
    /// The batch is more than 30 s before `iat`, or before `nbf`: assertions stockpiled for later.
    FromTheFuture => "from_the_future",
    /// Its `jti` stands in the log already: replay within the assertion's life.
    Replayed => "replayed",
    /// The evidence was in a batch that came to nothing, and this is not the request that brought it: a custodian that copied it, broke the
    /// batch, and brings it itself.
    AlreadyShown => "already_shown",
    /// The assertion asks for a scope that the client's record does not hold: widening.
    ScopeNotRegistered => "scope_not_registered",

    /// The authenticator data or the client data of a passkey's answer cannot be read, are out of bounds or contradict themselves,
    /// a member stands twice, or they hold what an answer never holds: parser confusion, bytes of one ceremony in another.
    MalformedPasskey => "malformed_passkey",
    /// The client data's `type` is not `webauthn.get`: a registration, or a payment, passed off as an answer.
    WrongCeremony => "wrong_ceremony",
    /// The passkey signed another challenge: an answer to something else, or an old answer, replayed.
    WrongChallenge => "wrong_challenge",
    /// The page whose script asked the passkey is not of the issuer's origin: phishing, a subdomain that was taken over.
    WrongPageOrigin => "wrong_page_origin",
    /// The page stood in a frame of another site: taps that the user gave to something else on the screen.
    CrossOrigin => "cross_origin",
    /// The passkey is for another RP ID than the issuer's host: an answer made for another site, or for a parent domain.
    WrongRpId => "wrong_rp_id",
    /// Nobody touched the authenticator: answers made silently, by malware beside it.
    UserNotPresent => "user_not_present",
    /// The authenticator did not check who touched it: a stolen or borrowed authenticator.
    UserNotVerified => "user_not_verified",
    /// The grant is not the canonical map of this version, or a member is out of bounds: parser confusion.
    MalformedGrant => "malformed_grant",
    /// The grant names another issuer: one tenant's tap used at another.
    WrongIssuer => "wrong_issuer",
    /// The redirect URI is not registered, or is not the same in grant and request: codes sent elsewhere.
    WrongRedirectUri => "wrong_redirect_uri",
    /// The audience asked for is not one of the client's: tokens for other services.
    ResourceNotRegistered => "resource_not_registered",
    /// The anchor is no certified head of this custodian's own log: grants on a false history.
    UnknownAnchor => "unknown_anchor",
    /// The anchor is more than 300 s before the batch: taps stored up for later.
    StaleAnchor => "stale_anchor",
    /// The anchor is after the batch: taps for a time to come.
    AnchorAhead => "anchor_ahead",
    /// A record that the grant relies on changed after its anchor: consent to something that is no more.
    StaleRegistry => "stale_registry",
    /// No passkey of this id is registered: credentials that nobody enrolled.
    UnknownCredential => "unknown_credential",
    /// The passkey was stopped: use of a lost authenticator.
    CredentialRevoked => "credential_revoked",
    /// The user was suspended: use of an account that was stopped.
    UserSuspended => "user_suspended",
    /// The grant demands another subject than the passkey's: one account answered for another.
    WrongUser => "wrong_user",
    /// The evidence is of a weaker class than client or grant demands: silent sign-in where a tap is due.
    WeakEvidence => "weak_evidence",
    /// The tap is older than `max_age` allows: an old sign-in passed off as a new one.
    AuthenticationTooOld => "authentication_too_old",
    /// The session key was authorised more than 8 h ago, or by a tap that names another key: sessions without end.
    SessionExpired => "session_expired",
    /// The session was stopped: use of a session that its owner ended.
    SessionRevoked => "session_revoked",
    /// The code does not have the hash that the grant names: guessed or exchanged codes.
    WrongCode => "wrong_code",
    /// The verifier is missing, or does not match the challenge, or answers none: intercepted codes (RFC 7636).
    WrongVerifier => "wrong_verifier",
    /// The grant has no code challenge and the client may not do without: PKCE downgrade.
    PkceRequired => "pkce_required",
    /// The client's own authentication is missing, or is not of the registered kind: codes of one client redeemed by another.
    WrongClientAuthentication => "wrong_client_authentication",
    /// The part of the client secret does not have the registered hash: guessed secrets.
    WrongSecret => "wrong_secret",
    /// The DPoP proof is missing, unasked for, stale, or by another key than the grant names (RFC 9449).
    WrongDpopProof => "wrong_dpop_proof",
    /// There is no such invitation, or it was used or is over: invitations used twice, or hoarded.
    UnknownInvitation => "unknown_invitation",
    /// The statement is not signed by the invitation's seed or the user's own passkey: a key slipped in by whoever carries it.
    WrongEnrolment => "wrong_enrolment",
    /// The passkey or its key is registered already: one authenticator claimed by two.
    CredentialTaken => "credential_taken",
    /// The revocation opens no token of the one who signs it: stopping other people's tokens.
    WrongRevocation => "wrong_revocation",
    /// The token is stopped already: filling the log.
    AlreadyRevoked => "already_revoked",

    /// A leaf is not the one that the custodian builds itself: altered client, scope, audience, lifetime, claims or tags.
    LeafMismatch => "leaf_mismatch",
    /// A leaf's time is not the batch's: backdating within a batch.
    WrongLeafTime => "wrong_leaf_time",
    /// A leaf names another registry root than the fold before it: judging by an older registry.
    WrongRegistryRoot => "wrong_registry_root",
    /// An entry came without its opening: entries that nobody could ever read.
    OpeningWithheld => "opening_withheld",
    /// Salt and body do not open the leaf's commitment: a body exchanged after the fact.
    OpeningMismatch => "opening_mismatch",
    /// The entry type is not known, or not allowed at this place: effects outside the rules.
    UnknownEntry => "unknown_entry",
    /// The first batch is not exactly this tenant's genesis and the keys of a DKG that this custodian finished: key substitution.
    WrongGenesis => "wrong_genesis",
    /// The keys entry does not carry this custodian's own DKG transcript: a key made elsewhere.
    WrongTranscript => "wrong_transcript",
    /// The proposal cannot be read or has contents out of bounds: registry poisoning.
    InvalidProposal => "invalid_proposal",
    /// Too few valid approvals of distinct administrators: change by a minority.
    TooFewApprovals => "too_few_approvals",
    /// One administrator's approval stands twice: counting one as two.
    DoubledApproval => "doubled_approval",
    /// An approval is by no administrator of this tenant or its signature is bad: forged approval.
    BadApproval => "bad_approval",
    /// The proposal was made for another tenant: decisions carried across tenants.
    WrongTenant => "wrong_tenant",
    /// The registry changed since the proposal was approved: deciding on one state, changing another.
    StaleProposal => "stale_proposal",
    /// The proposal's time is over: hoarded approvals.
    ProposalExpired => "proposal_expired",
    /// A tick less than 20 s after the leaf before it: filling the log with nothing.
    TickTooSoon => "tick_too_soon",
    /// The rules version in force is newer than this program: building bytes by old rules.
    RulesVersion => "rules_version",

    /// The message is not canonical, misses a member or names custodians that do not exist: parser confusion.
    Malformed => "malformed",
    /// The message or a part of it is larger than its bound: exhaustion.
    Oversize => "oversize",
    /// The peer or the signature on the proposal is not the enrolled gateway's: shares for strangers.
    NotTheGateway => "not_the_gateway",
    /// The message names another log: one tenant's statements used at another.
    WrongOrigin => "wrong_origin",
    /// The view is lower than one that this custodian has entered: a deposed gateway.
    LowerView => "lower_view",
    /// This custodian voted for another head in this view: a fork.
    ConflictingHead => "conflicting_head",
    /// The parent certificate is lower than this custodian's lock: forking off below a locked head.
    ParentBelowLock => "parent_below_lock",
    /// The parent is not a head that this custodian holds: it must follow first.
    ParentUnknown => "parent_unknown",
    /// A new view came without statements of a quorum: taking over unseen.
    NewViewMissing => "new_view_missing",
    /// A statement in the new view names a higher certificate than the parent: hiding a locked head.
    NewViewHidesHigher => "new_view_hides_higher",
    /// The batch is earlier than the head before it: time running backwards.
    TimeBackwards => "time_backwards",
    /// The batch is more than 30 s ahead of this custodian's clock: post-dated tokens.
    TimeAhead => "time_ahead",
    /// The batch is more than 30 s behind this custodian's clock: backdated tokens.
    TimeBehind => "time_behind",
    /// The proposed size or root is not what this custodian computes from its own log and these entries: a leaf not in the log.
    RootMismatch => "root_mismatch",
    /// The batch is empty or has more entries than allowed.
    BatchBounds => "batch_bounds",
    /// The signer set is not `t` distinct custodians with this one among them.
    WrongSigners => "wrong_signers",
    /// The commit came without a certificate of `t` votes: a share before the log.
    QuorumTooSmall => "quorum_too_small",
    /// One custodian's vote stands twice in a certificate: counting one as two.
    DoubledVoter => "doubled_voter",
    /// A vote in a certificate does not verify, or is by no custodian of this tenant.
    BadVote => "bad_vote",
    /// The certificate is for another root, size or view than the head to be signed.
    QuorumForAnotherHead => "quorum_for_another_head",
    /// There is no open attempt for this head: never proposed here, already answered, or gone with a restart. Stops second use of nonces.
    NoSuchAttempt => "no_such_attempt",
    /// The round-1 lists are not exactly the signers', one is altered or not signed by its custodian: reused or exchanged commitments.
    WrongCommitments => "wrong_commitments",
    /// An envelope that another signer signed is missing, or is not the one that it signed: a carrier that flips a bit, so that honest
    /// custodians take each other for cheats.
    WrongEnvelope => "wrong_envelope",
    /// The signer set holds a custodian that once cheated this one in a multiplication: with every further signature it could learn more
    /// of this custodian's share.
    BannedSigner => "banned_signer",
    /// The evidence was good for this batch but its window has passed by now: late signing.
    Late => "late",
    /// The custodian has not yet heard from enough others to vote: rollback of its disk.
    Joining => "joining",
    /// Others hold a vote of this custodian that it does not know: its disk was rolled back; it never votes again.
    Amnesic => "amnesic",
    /// The DKG message is for another attempt, by a stranger, or does not open: substituted deals.
    WrongDkgMessage => "wrong_dkg_message",
    /// Two statements of one custodian or gateway exclude each other: proof of equivocation.
    Equivocation => "equivocation",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_read_back() {
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::from_code(refusal.code()), Some(*refusal));
        }
        assert_eq!(Refusal::from_code("no such code"), None);
    }
}
