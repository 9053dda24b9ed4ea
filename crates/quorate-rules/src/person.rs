//! Records of people and of the clients that people sign in to.

use crate::{
    canonical,
    cbor::{Array, Bytes, Malformed},
    claim::Claim,
    client_secret::SecretHashes,
    domain,
    name::{Audience, ClientId, DisplayName, Email, GroupName, Label, Scope, Subject, Username},
    record::{ClientKey, ClientRecord},
    redirect::RedirectUri,
    tag::TagKey,
    webauthn::PasskeyKey,
};
use minicbor::{Decode, Encode};
use quorate_tlog::hash::{Hash, sha256};

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct UserRecord {
    /// Subject identifier; never changes and is never given to anybody else.
    #[n(0)]
    pub sub: Subject,
    /// `preferred_username`; unique in the tenant.
    #[n(1)]
    pub username: Username,
    /// `name`; the user name where absent.
    #[n(2)]
    pub name: Option<DisplayName>,
    /// `email`
    #[n(3)]
    pub email: Option<Email>,
    /// Whether the tenant vouches for the address.
    #[n(4)]
    pub email_verified: bool,
    /// `groups`, in the order that relying parties see.
    #[n(5)]
    pub groups: Vec<GroupName>,
    /// Key of the tags of this person's leaves, made by the page at the first enrolment; absent before.
    #[n(6)]
    pub tag_key: Option<TagKey>,
    /// Whether the account was stopped.
    #[n(7)]
    pub suspended: bool,
}

impl UserRecord {
    /// Most groups of one person.
    pub const MAX_GROUPS: usize = 64;
    /// Most passkeys of one person.
    pub const MAX_PASSKEYS: usize = 16;

    /// Checks what the types do not.
    pub fn check(&self) -> Result<(), Malformed> {
        let distinct: std::collections::BTreeSet<_> = self.groups.iter().collect();
        if self.groups.len() <= Self::MAX_GROUPS && distinct.len() == self.groups.len() {
            Ok(())
        } else {
            Err(Malformed { what: "user record" })
        }
    }
}

/// An invitation to enrol a passkey: whoever has the seed of its key may, once.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct InvitationRecord {
    /// Ed25519 public key.
    #[n(0)]
    pub key: Array<32>,
    /// Whose passkey it will be.
    #[n(1)]
    pub sub: Subject,
    /// User name, for the page.
    #[n(2)]
    pub username: Username,
    /// Name, for the page.
    #[n(3)]
    pub name: Option<DisplayName>,
    /// After this time it is over, milliseconds.
    #[n(4)]
    pub expires_ms: u64,
}

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CredentialRecord {
    /// Credential id.
    #[n(0)]
    pub id: Bytes,
    /// Whose it is.
    #[n(1)]
    pub sub: Subject,
    /// Its public key.
    #[n(2)]
    pub key: PasskeyKey,
    /// What its owner calls it.
    #[n(3)]
    pub label: Label,
    /// When it was enrolled, milliseconds.
    #[n(4)]
    pub enrolled_ms: u64,
    /// Whether it was stopped. The record stays, so that it is never enrolled again.
    #[n(5)]
    pub revoked: bool,
}

/// Digest of a credential id, for the key of its record.
pub fn credential_digest(id: &[u8]) -> Hash {
    sha256(&[domain::CREDENTIAL, id])
}

/// What kind of application a client is (RFC 6749 §2.1, RFC 8252).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ApplicationType {
    /// On a server.
    #[n(0)]
    Web,
    /// On the user's own device: loopback redirects with any port.
    #[n(1)]
    Native,
    /// In the browser.
    #[n(2)]
    SinglePage,
}

/// How a client proves itself when it redeems a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ClientAuthentication {
    /// Not at all: a public client.
    #[n(0)]
    None,
    /// With a signed assertion (RFC 7523).
    #[n(1)]
    PrivateKeyJwt,
    /// With a secret, in the header or in the form (RFC 6749 §2.3.1).
    #[n(2)]
    ClientSecret,
}

/// Whether a client may do without PKCE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Pkce {
    /// It must send a challenge.
    #[n(0)]
    Required,
    /// Its own authentication is the lock; noticing an injected code is left to its `nonce` check.
    #[n(1)]
    Optional,
}

/// A client that people sign in to. Public: pages read it with its proof.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct InteractiveClientRecord {
    /// Client identifier.
    #[n(0)]
    pub id: ClientId,
    /// Name, as the page shows it.
    #[n(1)]
    pub name: DisplayName,
    /// Kind of application.
    #[n(2)]
    pub application_type: ApplicationType,
    /// Where codes may go.
    #[n(3)]
    pub redirect_uris: Vec<RedirectUri>,
    /// Where the browser may go after signing out.
    #[n(4)]
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Scope that it may be granted.
    #[n(5)]
    pub scope: Scope,
    /// Audiences that it may ask for besides the issuer.
    #[n(6)]
    pub resources: Vec<Audience>,
    /// How it proves itself.
    #[n(7)]
    pub authentication: ClientAuthentication,
    /// Keys that may sign its assertions.
    #[n(8)]
    pub keys: Vec<ClientKey>,
    /// Whether it may do without PKCE.
    #[n(9)]
    pub pkce: Pkce,
    /// Whether a session may sign in to it without a tap.
    #[n(10)]
    pub silent: bool,
    /// Claims that its ID tokens hold, as far as the scope asks for them.
    #[n(11)]
    pub id_token_claims: Vec<Claim>,
    /// Claims that its access tokens for other audiences hold, as far as the scope asks for them.
    #[n(12)]
    pub access_token_claims: Vec<Claim>,
    /// Life of its tokens, seconds.
    #[n(13)]
    pub token_lifetime_s: u32,
    /// Whether it was stopped.
    #[n(14)]
    pub suspended: bool,
}

impl InteractiveClientRecord {
    /// Most redirect URIs, and most audiences.
    pub const MAX_LIST: usize = 32;

    /// Checks what the types do not: bounds, and that proof and PKCE fit.
    pub fn check(&self) -> Result<(), Malformed> {
        let keys = match self.authentication {
            ClientAuthentication::PrivateKeyJwt => ClientRecord::are_sound(&self.keys),
            ClientAuthentication::None | ClientAuthentication::ClientSecret => self.keys.is_empty(),
        };
        let sound = keys
            && Subject::new(self.id.as_str()).is_err()
            && (1..=Self::MAX_LIST).contains(&self.redirect_uris.len())
            && self.post_logout_redirect_uris.len() <= Self::MAX_LIST
            && self.resources.len() <= Self::MAX_LIST
            && !self.scope.is_empty()
            && ascends(&self.id_token_claims)
            && ascends(&self.access_token_claims)
            && ClientRecord::LIFETIME_S.contains(&self.token_lifetime_s)
            && (self.pkce == Pkce::Required || self.authentication != ClientAuthentication::None);
        if sound {
            Ok(())
        } else {
            Err(Malformed {
                what: "interactive client record",
            })
        }
    }

    /// Whether a request may name this redirect URI.
    pub fn admits(&self, asked: &RedirectUri) -> bool {
        let any_port = self.application_type == ApplicationType::Native;
        self.redirect_uris.iter().any(|known| known.admits(asked, any_port))
    }
}

fn ascends(claims: &[Claim]) -> bool {
    claims.iter().zip(claims.iter().skip(1)).all(|(a, b)| a < b)
}

/// What only custodians, gateway and the client itself know of an interactive client.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ClientPrivateRecord {
    /// Client identifier.
    #[n(0)]
    pub id: ClientId,
    /// Key of its tags.
    #[n(1)]
    pub tag_key: TagKey,
    /// Hashes of the parts of its secret, if it has one.
    #[n(2)]
    pub secret: Option<SecretHashes>,
}

/// What was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Stopped {
    /// Every token of the grant whose code came back, by its identifier.
    #[n(0)]
    Code(#[n(0)] Array<32>),
    /// A token that its owner stopped. Only leaves say whose a token is and which, and a leaf of refused evidence says what it likes: an
    /// identifier stops nobody else's.
    #[n(1)]
    Token(#[n(0)] Subject, #[n(1)] Array<32>),
    /// A session of its owner, by its identifier.
    #[n(2)]
    Session(#[n(0)] Subject, #[n(1)] String),
}

/// Something that was stopped, remembered as long as it could be used.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StoppedRecord {
    /// What.
    #[n(0)]
    pub what: Stopped,
    /// After this time it is dead anyway, milliseconds.
    #[n(1)]
    pub until_ms: u64,
}

canonical!(UserRecord => "user record", InteractiveClientRecord => "interactive client record", CredentialRecord => "credential record");
