//! Records of the registry: what a tenant's decisions have made of it.

use crate::{
    TokenAlg,
    body::KeysBody,
    canonical,
    cbor::{Array, Bytes, Malformed},
    jwk::PublicJwk,
    name::{Audience, ClientId, DisplayName, Issuer, PartyName, Scope, Subject},
    person::credential_digest,
    quorum::QuorumRule,
    tag::TagKey,
};
use minicbor::{Decode, Encode};

pub use crate::person::{
    ClientPrivateRecord, CredentialRecord, InteractiveClientRecord, InvitationRecord, Stopped, StoppedRecord,
    UserRecord,
};

/// One record; its key orders the registry tree.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Record {
    /// Issuer, quorum, algorithm, policy.
    #[n(0)]
    Tenant(#[n(0)] TenantRecord),
    /// One custodian by number, from 1.
    #[n(1)]
    Custodian(#[n(0)] u16, #[n(1)] CustodianRecord),
    /// Who may decide.
    #[n(2)]
    Admins(#[n(0)] AdminSet),
    /// A gateway that may ask for shares.
    #[n(3)]
    Gateway(#[n(0)] GatewayRecord),
    /// Public keys in force.
    #[n(4)]
    Keys(#[n(0)] KeysBody),
    /// A client.
    #[n(5)]
    Client(#[n(0)] ClientRecord),
    /// Rules version in force.
    #[n(6)]
    Rules(#[n(0)] u16),
    /// A decision that waits for its time.
    #[n(7)]
    Pending(#[n(0)] PendingRecord),
    /// A client that people sign in to; stands where a machine's record would, so that no client is both.
    #[n(8)]
    InteractiveClient(#[n(0)] InteractiveClientRecord),
    /// What only custodians and gateway know of such a client.
    #[n(9)]
    ClientPrivate(#[n(0)] ClientPrivateRecord),
    /// A person.
    #[n(10)]
    User(#[n(0)] UserRecord),
    /// An invitation that was not used yet.
    #[n(11)]
    Invitation(#[n(0)] InvitationRecord),
    /// A passkey.
    #[n(12)]
    Credential(#[n(0)] CredentialRecord),
    /// Tokens or a session that were stopped.
    #[n(13)]
    Stopped(#[n(0)] StoppedRecord),
}
canonical!(Record => "registry record");

impl Record {
    /// Key of the record: kind, slash, name.
    pub fn key(&self) -> String {
        match self {
            Self::Tenant(_) => "tenant".to_owned(),
            Self::Custodian(number, _) => format!("custodian/{number:05}"),
            Self::Admins(_) => "admins".to_owned(),
            Self::Gateway(gateway) => format!("gateway/{}", gateway.name),
            Self::Keys(keys) => format!("keys/{:010}", keys.epoch),
            Self::Client(client) => format!("client/{}", client.id),
            Self::Rules(_) => "rules".to_owned(),
            Self::Pending(pending) => format!("pending/{}", hex(&pending.id.0)),
            Self::InteractiveClient(client) => format!("client/{}", client.id),
            Self::ClientPrivate(client) => format!("client-private/{}", client.id),
            Self::User(user) => format!("user/{}", user.sub),
            Self::Invitation(invitation) => format!("invitation/{}", hex(&invitation.key.0)),
            Self::Credential(credential) => credential_key(&credential.id),
            Self::Stopped(stopped) => stopped_key(&stopped.what),
        }
    }

    /// Whether pages may read the record with its proof: it says nothing that its reader must not know.
    pub const fn is_public(&self) -> bool {
        matches!(self, Self::InteractiveClient(_) | Self::Invitation(_))
    }
}

/// Key of a passkey's record.
pub(crate) fn credential_key(id: &[u8]) -> String {
    format!("credential/{}", hex(credential_digest(id).as_bytes()))
}

/// Key of the record of something that was stopped.
pub(crate) fn stopped_key(what: &Stopped) -> String {
    match what {
        Stopped::Code(jti) => format!("stopped/code/{}", hex(&jti.0)),
        Stopped::Token(sub, jti) => format!("stopped/token/{sub}/{}", hex(&jti.0)),
        Stopped::Session(sub, sid) => format!("stopped/session/{sub}/{sid}"),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the tenant is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TenantRecord {
    /// Issuer string.
    #[n(0)]
    pub issuer: Issuer,
    /// Number of the log.
    #[n(1)]
    pub log: u64,
    /// Custodians, threshold, malicious bound.
    #[n(2)]
    pub quorum: QuorumRule,
    /// JWS algorithm of tokens.
    #[n(3)]
    pub token_alg: TokenAlg,
    /// Whether it is a demonstration.
    #[n(4)]
    pub demo: bool,
    /// Delay of widening decisions, milliseconds.
    #[n(5)]
    pub decision_delay_ms: u64,
    /// HPKE public key (X25519) of the tenant's auditors.
    #[n(6)]
    pub audit_key: Array<32>,
}

/// The public keys of one custodian; one key, one role.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CustodianRecord {
    /// Name, for people and alarms.
    #[n(0)]
    pub name: PartyName,
    /// Ed25519: link, votes, statements.
    #[n(1)]
    pub identity_key: Array<32>,
    /// Ed25519: C2SP cosignatures.
    #[n(2)]
    pub cosigner_key: Array<32>,
    /// X25519: HPKE envelopes from other custodians.
    #[n(3)]
    pub envelope_key: Array<32>,
}

/// The administrators: `k` of them decide.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AdminSet {
    /// How many distinct approvals a widening decision takes; more than half.
    #[n(0)]
    pub k: u16,
    /// The administrators.
    #[n(1)]
    pub admins: Vec<Admin>,
}

/// One administrator.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Admin {
    /// Name, for people.
    #[n(0)]
    pub name: PartyName,
    /// Ed25519 key that signs approvals.
    #[n(1)]
    pub key: Array<32>,
}

impl AdminSet {
    /// Most administrators of one tenant.
    pub const MAX: usize = 32;

    /// Checks k, names and keys: 1 ≤ k ≤ m, 2k > m, all distinct, no weak key.
    pub fn check(&self) -> Result<(), Malformed> {
        let m = self.admins.len();
        let k = usize::from(self.k);
        let distinct = |f: fn(&Admin) -> Vec<u8>| {
            self.admins
                .iter()
                .map(f)
                .collect::<std::collections::BTreeSet<_>>()
                .len()
                == m
        };
        let sound = k >= 1
            && k <= m
            && k.saturating_mul(2) > m
            && m <= Self::MAX
            && distinct(|admin| admin.name.as_str().as_bytes().to_vec())
            && distinct(|admin| admin.key.0.to_vec())
            && self.admins.iter().all(|admin| PublicJwk::Ed25519(admin.key).is_sound());
        if sound {
            Ok(())
        } else {
            Err(Malformed {
                what: "administrator set",
            })
        }
    }

    /// The administrator of this name.
    pub fn find(&self, name: &PartyName) -> Option<&Admin> {
        self.admins.iter().find(|admin| &admin.name == name)
    }
}

/// A gateway: it has no authority, but only to an enrolled one does a custodian give a share.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GatewayRecord {
    /// Name, for people and alarms.
    #[n(0)]
    pub name: PartyName,
    /// Ed25519: link and signature on proposals.
    #[n(1)]
    pub link_key: Array<32>,
}

/// One client key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ClientKey {
    /// The public key.
    #[n(0)]
    pub jwk: PublicJwk,
    /// The `kid` that the client's own software sends, where it is not the thumbprint.
    #[n(1)]
    pub kid: Option<String>,
}

impl ClientKey {
    /// Whether a `kid` header names this key: by its registered name or its RFC 7638 thumbprint.
    pub fn is_named(&self, kid: &str) -> bool {
        self.kid.as_deref() == Some(kid) || self.jwk.thumbprint() == kid
    }
}

/// A client that speaks for itself (machine). Interactive clients are another kind; no client is both.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ClientRecord {
    /// Client identifier.
    #[n(0)]
    pub id: ClientId,
    /// Name, for people.
    #[n(1)]
    pub name: DisplayName,
    /// Keys that may sign its assertions.
    #[n(2)]
    pub keys: Vec<ClientKey>,
    /// Scope of every token that it gets.
    #[n(3)]
    pub scope: Scope,
    /// The one audience of its tokens; the issuer where absent.
    #[n(4)]
    pub audience: Option<Audience>,
    /// Life of its tokens, seconds.
    #[n(5)]
    pub token_lifetime_s: u32,
    /// Whether its tokens are bound to its registered key (`cnf`, RFC 7800).
    #[n(6)]
    pub sender_constrained: bool,
    /// Key of its tags.
    #[n(7)]
    pub tag_key: TagKey,
    /// Whether it was stopped.
    #[n(8)]
    pub suspended: bool,
}

impl ClientRecord {
    /// Shortest and longest life of a token, seconds.
    pub const LIFETIME_S: std::ops::RangeInclusive<u32> = 30..=86_400;
    /// Life of a token where nothing else was decided, seconds.
    pub const DEFAULT_LIFETIME_S: u32 = 300;

    /// Whether there are 1 to 8 keys, all of which can verify.
    pub(crate) fn are_sound(keys: &[ClientKey]) -> bool {
        let names_fit = |key: &ClientKey| key.kid.as_ref().is_none_or(|kid| (1..=64).contains(&kid.len()));
        (1..=8).contains(&keys.len()) && keys.iter().all(|key| key.jwk.is_sound() && names_fit(key))
    }

    /// Checks what the types do not; no client id has the form of a subject, so that neither is taken for the other.
    pub fn check(&self) -> Result<(), Malformed> {
        let sound = Self::are_sound(&self.keys)
            && Subject::new(self.id.as_str()).is_err()
            && Self::LIFETIME_S.contains(&self.token_lifetime_s);
        if sound {
            Ok(())
        } else {
            Err(Malformed { what: "client record" })
        }
    }
}

/// A decision that was approved and waits.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PendingRecord {
    /// Digest of the proposal.
    #[n(0)]
    pub id: Array<32>,
    /// Canonical proposal.
    #[n(1)]
    pub proposal: Bytes,
    /// It takes effect at the first entry whose time reaches this, milliseconds.
    #[n(2)]
    pub effective_ms: u64,
    /// Salt of the entry that decided it; salts what it will change.
    #[n(3)]
    pub salt: Array<32>,
}
