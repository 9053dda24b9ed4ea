//! What a person authorises: the grant map of PROTOCOL §3, as the page builds and signs it.

use crate::{
    Refusal,
    anchor::Anchor,
    cbor::{Array, Bytes, TextMap, TextMembers},
    claim::Claim,
    domain,
    leaf::Class,
    name::{Audience, ClientId, Issuer, Scope, Subject},
    redirect::RedirectUri,
};
use quorate_tlog::hash::{Hash, sha256};
use std::collections::BTreeSet;

/// The grant as it was read: canonical, every member within its bounds. Nobody vouches for it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The issuer that the page belongs to.
    pub issuer: Issuer,
    /// The client that sent the browser.
    pub client_id: ClientId,
    /// Where the code goes, as the request named it.
    pub redirect_uri: RedirectUri,
    /// Scope that is granted.
    pub scope: Scope,
    /// Audience of the access token (RFC 8707).
    pub resource: Option<Audience>,
    /// The client's nonce.
    pub nonce: Option<String>,
    /// S256 challenge (RFC 7636), 43 characters.
    pub code_challenge: Option<String>,
    /// Hash of the code.
    pub code_hash: [u8; 32],
    /// Thumbprint of the key that the tokens are bound to (RFC 9449 §10), 43 characters.
    pub dpop_jkt: Option<String>,
    /// Classes, by their `acr`, of which the evidence must be one; in the client's order of preference, each once.
    pub acr: Option<Vec<Acr>>,
    /// Claims asked for one by one.
    pub claims: ClaimsRequest,
    /// Longest time since the tap, seconds.
    pub max_age_s: Option<u64>,
    /// The only subject that may answer.
    pub sub: Option<Subject>,
    /// Session key: P-256, x ‖ y.
    pub session: Option<[u8; 64]>,
    /// The device's clock, seconds; decides nothing.
    pub issued_s: u64,
    /// Not before this head.
    pub anchor: Anchor,
}

/// A class of evidence that a request may demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acr {
    /// A tap.
    Passkey,
    /// A tap, or a session that a tap began.
    Session,
}

impl Acr {
    const ALL: [Self; 2] = [Self::Passkey, Self::Session];

    const fn class(self) -> Class {
        match self {
            Self::Passkey => Class::Passkey,
            Self::Session => Class::Session,
        }
    }

    /// Whether evidence of this class is of the demanded one.
    pub fn is(self, class: Class) -> bool {
        self.class() == class
    }
}

/// The `claims` parameter (OpenID Connect Core §5.5), as far as there are such claims here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimsRequest {
    /// For the ID token.
    pub id_token: BTreeSet<Claim>,
    /// For userinfo.
    pub userinfo: BTreeSet<Claim>,
}

impl Authorization {
    /// Longest encoding, bytes.
    pub const MAX: usize = 4096;
    /// Longest nonce, bytes.
    pub const MAX_NONCE: usize = 512;

    /// Reads the one canonical encoding.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > Self::MAX {
            return Err(Refusal::Oversize);
        }
        let grant = Self::members(bytes).ok_or(Refusal::MalformedGrant)?;
        if grant.canonical() == bytes {
            Ok(grant)
        } else {
            Err(Refusal::MalformedGrant)
        }
    }

    fn members(bytes: &[u8]) -> Option<Self> {
        let map = TextMembers::read(bytes)?;
        if map.need::<u8>("v")? != 1 {
            return None;
        }
        let digest = |key| {
            map.may::<&str>(key)?
                .map_or(Some(None), |text| is_digest(text).then(|| Some(text.to_owned())))
        };
        let nonce = map.may::<&str>("nonce")?;
        if nonce.is_some_and(|nonce| nonce.is_empty() || nonce.len() > Self::MAX_NONCE) {
            return None;
        }
        Some(Self {
            issuer: map.need("iss")?,
            client_id: map.need("client_id")?,
            redirect_uri: map.need("redirect_uri")?,
            scope: map.need("scope")?,
            resource: map.may("resource")?,
            nonce: nonce.map(str::to_owned),
            code_challenge: digest("code_challenge")?,
            code_hash: map.need::<Array<32>>("code_hash")?.0,
            dpop_jkt: digest("dpop_jkt")?,
            acr: map
                .may::<&str>("acr")?
                .map_or(Some(None), |text| read_acr(text).map(Some))?,
            claims: map
                .raw("claims")
                .map_or(Some(ClaimsRequest::default()), ClaimsRequest::read)?,
            max_age_s: map.may("max_age")?,
            sub: map.may("sub")?,
            session: map.may::<Array<64>>("session")?.map(|key| key.0),
            issued_s: map.need("iat")?,
            anchor: read_anchor(map.raw("anchor")?)?,
        })
    }

    /// The canonical bytes.
    pub fn canonical(&self) -> Vec<u8> {
        let mut map = TextMap::default();
        map.put("v", 1u8)
            .put("iss", &self.issuer)
            .put("client_id", &self.client_id)
            .put("redirect_uri", &self.redirect_uri)
            .put("scope", &self.scope)
            .put_some("resource", self.resource.as_ref())
            .put_some("nonce", self.nonce.as_deref())
            .put_some("code_challenge", self.code_challenge.as_deref())
            .put("code_hash", Array(self.code_hash))
            .put_some("dpop_jkt", self.dpop_jkt.as_deref())
            .put_some("acr", self.acr.as_deref().map(write_acr).as_deref())
            .put_some("max_age", self.max_age_s)
            .put_some("sub", self.sub.as_ref())
            .put_some("session", self.session.map(Array))
            .put("iat", self.issued_s);
        if self.claims != ClaimsRequest::default() {
            map.put_raw("claims", self.claims.canonical());
        }
        let mut anchor = TextMap::default();
        anchor
            .put("size", self.anchor.size)
            .put("root", Array(*self.anchor.root.as_bytes()))
            .put("sig", self.anchor.sig);
        map.put_raw("anchor", anchor.into_canonical());
        map.into_canonical()
    }

    /// What a passkey signs as its challenge.
    pub fn challenge(&self) -> [u8; 32] {
        *sha256(&[domain::GRANT, &self.canonical()]).as_bytes()
    }

    /// What a session key signs.
    pub fn session_message(&self) -> Vec<u8> {
        [domain::SESSION_GRANT, &self.canonical()].concat()
    }

    /// Whether tokens of this grant include an ID token.
    pub fn wants_id_token(&self) -> bool {
        self.scope.holds("openid")
    }
}

/// Hash of a code: what the grant names before anybody has the code.
pub fn code_hash(code: &[u8; 32]) -> [u8; 32] {
    *sha256(&[domain::CODE, code]).as_bytes()
}

/// 43 characters of base64url: a SHA-256 digest.
fn is_digest(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn read_acr(text: &str) -> Option<Vec<Acr>> {
    let one = |name: &str| Acr::ALL.into_iter().find(|acr| acr.class().acr() == name);
    let acr: Vec<Acr> = text.split(' ').map(one).collect::<Option<_>>()?;
    let distinct: BTreeSet<_> = acr.iter().collect();
    (distinct.len() == acr.len()).then_some(acr)
}

fn write_acr(acr: &[Acr]) -> String {
    let names: Vec<&str> = acr.iter().map(|acr| acr.class().acr()).collect();
    names.join(" ")
}

fn read_anchor(bytes: &[u8]) -> Option<Anchor> {
    let map = TextMembers::read(bytes)?;
    Some(Anchor {
        size: map.need("size")?,
        root: Hash::from(map.need::<Array<32>>("root")?.0),
        sig: map.need("sig")?,
    })
}

impl ClaimsRequest {
    fn read(bytes: &[u8]) -> Option<Self> {
        let map = TextMembers::read(bytes)?;
        let names = |key| -> Option<BTreeSet<Claim>> {
            Some(map.may::<Vec<Claim>>(key)?.unwrap_or_default().into_iter().collect())
        };
        Some(Self {
            id_token: names("id_token")?,
            userinfo: names("userinfo")?,
        })
    }

    fn canonical(&self) -> Vec<u8> {
        let list = |claims: &BTreeSet<Claim>| (!claims.is_empty()).then(|| claims.iter().copied().collect::<Vec<_>>());
        let mut map = TextMap::default();
        map.put_some("id_token", list(&self.id_token))
            .put_some("userinfo", list(&self.userinfo));
        map.into_canonical()
    }
}

/// Encoded bytes as evidence carries them.
impl From<&Authorization> for Bytes {
    fn from(grant: &Authorization) -> Self {
        Self(grant.canonical())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn example() -> Authorization {
        Authorization {
            issuer: Issuer::new("https://id.example").unwrap(),
            client_id: ClientId::new("app").unwrap(),
            redirect_uri: RedirectUri::new("https://app.example/cb").unwrap(),
            scope: Scope::parse("openid profile").unwrap(),
            resource: None,
            nonce: Some("n-0S6_WzA2Mj".to_owned()),
            code_challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()),
            code_hash: code_hash(&[7; 32]),
            dpop_jkt: None,
            acr: None,
            claims: ClaimsRequest::default(),
            max_age_s: None,
            sub: None,
            session: None,
            issued_s: 1_795_000_000,
            anchor: Anchor {
                size: 3,
                root: Hash::from([1; 32]),
                sig: Array([2; 64]),
            },
        }
    }

    fn full() -> Authorization {
        Authorization {
            resource: Some(Audience::new("https://files.example").unwrap()),
            dpop_jkt: Some("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".to_owned()),
            acr: Some(vec![Acr::Session, Acr::Passkey]),
            claims: ClaimsRequest {
                id_token: BTreeSet::from([Claim::Email, Claim::Groups]),
                userinfo: BTreeSet::from([Claim::Name]),
            },
            max_age_s: Some(600),
            sub: Some(Subject::from_random([3; 16])),
            session: Some([4; 64]),
            ..example()
        }
    }

    #[test]
    fn every_member_is_read_back() {
        for grant in [example(), full()] {
            assert_eq!(Authorization::read(&grant.canonical()), Ok(grant));
        }
        assert_ne!(example().challenge(), full().challenge());
    }

    #[test]
    fn other_versions_unknown_members_and_other_forms_are_refused() {
        let good = example().canonical();
        let members = |change: &dyn Fn(&mut TextMap)| {
            let map = TextMembers::read(&good).unwrap();
            let mut copy = TextMap::default();
            for (key, value) in &map.0 {
                copy.put_raw(key, value.to_vec());
            }
            change(&mut copy);
            copy.into_canonical()
        };
        assert!(Authorization::read(&members(&|_| {})).is_ok());
        let cases: [(&str, Vec<u8>); 5] = [
            (
                "unknown member",
                members(&|map| {
                    map.put("extra", 1u8);
                }),
            ),
            (
                "doubled member",
                members(&|map| {
                    map.put("v", 1u8);
                }),
            ),
            (
                "null for absent",
                members(&|map| {
                    map.put_raw("sub", vec![0xf6]);
                }),
            ),
            (
                "empty claims",
                members(&|map| {
                    map.put_raw("claims", vec![0xa0]);
                }),
            ),
            ("trailing byte", [good.clone(), vec![0]].concat()),
        ];
        for (what, bytes) in cases {
            assert_eq!(Authorization::read(&bytes), Err(Refusal::MalformedGrant), "{what}");
        }
        let long = Authorization {
            nonce: Some("x".repeat(Authorization::MAX_NONCE + 1)),
            ..example()
        };
        assert_eq!(Authorization::read(&long.canonical()), Err(Refusal::MalformedGrant));
        assert_eq!(
            Authorization::read(&[0; Authorization::MAX + 1]),
            Err(Refusal::Oversize)
        );
    }

    proptest! {
        #[test]
        fn reading_anything_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Authorization::read(&bytes);
        }

        #[test]
        fn an_altered_grant_is_refused_or_another_grant(at in 0usize..600, bit in 0u8..8) {
            let mut bytes = full().canonical();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(read) = Authorization::read(&bytes) {
                prop_assert_ne!(read.challenge(), full().challenge());
                prop_assert_eq!(read.canonical(), bytes);
            }
        }
    }
}
