//! A passkey's answer, verified as Web Authentication Level 3 §7.2 says.
//!
//! Every custodian runs this over the same bytes and takes nobody's word for the outcome. It is small and strict: what no client
//! of Level 3 sends is refused, and what is not under the signature is not looked at.

use crate::{
    Refusal, canonical,
    cbor::{Array, Bytes, Malformed},
    json::StrictObject,
    jwk::PublicJwk,
    name::Issuer,
};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use minicbor::{Decode, Encode};
use quorate_tlog::hash::sha256;

mod extensions;

/// Longest credential id in bytes: authenticators make none that is longer (§4, credential ID).
pub const MAX_CREDENTIAL_ID: usize = 1023;
/// Longest authenticator data in bytes; 37 of them always, the rest extension outputs, of which no page here asks for any.
pub const MAX_AUTHENTICATOR_DATA: usize = 1024;
/// Longest client data in bytes: challenge, origin and what clients may add, which is a sentence at most (§5.8.1).
pub const MAX_CLIENT_DATA: usize = 2048;
/// Longest signature in bytes: one of a 4096-bit RSA key.
pub const MAX_SIGNATURE: usize = 512;

/// What a passkey answered: `AuthenticatorAssertionResponse` (§5.2.2) and the id of the credential that made it.
///
/// The credential id is not under the signature: it says which registered key to verify with, and means nothing else. Whose
/// credential it is, is for the caller to look up.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Assertion {
    /// Id of the credential, 1 to [`MAX_CREDENTIAL_ID`] bytes.
    #[n(0)]
    pub credential_id: Bytes,
    /// Authenticator data (§6.1), 37 to [`MAX_AUTHENTICATOR_DATA`] bytes.
    #[n(1)]
    pub authenticator_data: Bytes,
    /// The client data's JSON exactly as it was signed (§5.8.1), at most [`MAX_CLIENT_DATA`] bytes.
    #[n(2)]
    pub client_data: Bytes,
    /// Signature over authenticator data ‖ SHA-256(client data), at most [`MAX_SIGNATURE`] bytes (§6.5.5).
    #[n(3)]
    pub signature: Bytes,
}

/// The public key of a passkey. Each kind verifies exactly one COSE algorithm, so that no algorithm is ever read from an answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum PasskeyKey {
    /// COSE −7, ES256: affine coordinates x ‖ y of a P-256 point.
    #[n(0)]
    P256(#[n(0)] Array<64>),
    /// COSE −8, EdDSA with Ed25519.
    #[n(1)]
    Ed25519(#[n(0)] Array<32>),
    /// COSE −257, RS256 (RFC 8812 §2): modulus and exponent, big-endian without leading zeros.
    #[n(2)]
    Rsa(#[n(0)] Bytes, #[n(1)] Bytes),
}
canonical!(Assertion => "passkey answer", PasskeyKey => "passkey key");

/// What an answer that holds says about the passkey itself.
///
/// A caller that remembers the passkey compares `backup_eligible` with what it was at registration: it never changes (§6.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The passkey may be copied to other devices (BE).
    pub backup_eligible: bool,
    /// It has been copied (BS).
    pub backed_up: bool,
    /// The authenticator's counter, 0 where it has none. A counter that fell is a signal, not a proof (§6.1.1): custodians see
    /// answers out of order, so it decides nothing here.
    pub sign_count: u32,
}

/// Verifies a passkey's answer to `challenge`, made on the issuer's own page, by a user who was present and verified.
///
/// The steps stand in the order of §7.2; the first that fails is the refusal. The steps before it about the credential and its
/// user, and the one after it about the counter, are the caller's, who keeps the registry.
pub fn verify(
    assertion: &Assertion,
    key: &PasskeyKey,
    challenge: &[u8; 32],
    issuer: &Issuer,
) -> Result<Answered, Refusal> {
    assertion.check_bounds()?;
    check_client_data(&assertion.client_data, challenge, issuer)?;
    let authenticator = AuthenticatorData::read(&assertion.authenticator_data).ok_or(Refusal::MalformedPasskey)?;
    let answered = authenticator.check(issuer)?;
    let client_data_hash = sha256(&[&assertion.client_data]);
    let signed = [&assertion.authenticator_data[..], client_data_hash.as_bytes()].concat();
    if key.verify(&signed, &assertion.signature) {
        Ok(answered)
    } else {
        Err(Refusal::BadSignature)
    }
}

impl Assertion {
    fn check_bounds(&self) -> Result<(), Refusal> {
        let fits = (1..=MAX_CREDENTIAL_ID).contains(&self.credential_id.len())
            && self.authenticator_data.len() <= MAX_AUTHENTICATOR_DATA
            && self.client_data.len() <= MAX_CLIENT_DATA
            && self.signature.len() <= MAX_SIGNATURE;
        if fits { Ok(()) } else { Err(Refusal::MalformedPasskey) }
    }
}

/// The client's half: what the browser saw. Members that this does not name are ignored, as §5.8.1 demands of everybody.
fn check_client_data(bytes: &[u8], challenge: &[u8; 32], issuer: &Issuer) -> Result<(), Refusal> {
    // A member that stands twice would be read one way here and another way elsewhere; a byte order mark is stripped by the UTF-8
    // decoding of §7.2 but written by no client. Both are refused.
    let client = StrictObject::parse(bytes).ok_or(Refusal::MalformedPasskey)?;
    // It would bind the answer to a TLS connection that no custodian sees, so a claim in it could not be checked. Level 3 keeps
    // the name so that it means nothing else, and expects nobody to send it.
    if client.get("tokenBinding").is_some() {
        return Err(Refusal::MalformedPasskey);
    }
    if client.text("type") != Some("webauthn.get") {
        return Err(Refusal::WrongCeremony);
    }
    // Compared as text: base64url of 32 bytes has several spellings that decode alike, and clients write only this one.
    if client.text("challenge") != Some(B64.encode(challenge).as_str()) {
        return Err(Refusal::WrongChallenge);
    }
    // Compared as text too: a URL parser would let other spellings, paths and default ports through (§13.4.9).
    if client.text("origin") != Some(issuer.as_str()) {
        return Err(Refusal::WrongPageOrigin);
    }
    // Clients write `topOrigin` only beside a true `crossOrigin`; on its own it is no better.
    let framed = client
        .get("crossOrigin")
        .is_some_and(|cross| cross.as_bool() != Some(false));
    if framed || client.get("topOrigin").is_some() {
        return Err(Refusal::CrossOrigin);
    }
    Ok(())
}

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED_CREDENTIAL: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

/// The authenticator's half (§6.1), read to its last byte.
struct AuthenticatorData<'a> {
    rp_id_hash: &'a [u8; 32],
    flags: u8,
    sign_count: u32,
}

impl<'a> AuthenticatorData<'a> {
    /// Reads 32 bytes of RP ID hash, the flags, the counter and, where the flags say so, one map of extension outputs.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (rp_id_hash, rest) = bytes.split_first_chunk::<32>()?;
        let (flags, rest) = rest.split_first()?;
        let (sign_count, rest) = rest.split_first_chunk::<4>()?;
        let read = Self {
            rp_id_hash,
            flags: *flags,
            sign_count: u32::from_be_bytes(*sign_count),
        };
        // §6.1: an assertion never holds attested credential data. Bytes of one ceremony do not pass for the other's.
        if read.has(ATTESTED_CREDENTIAL) {
            return None;
        }
        // Outputs that nobody asked for mean nothing and must be borne (§7.2), but they are one map that ends where the data end.
        let whole = if read.has(EXTENSIONS) {
            extensions::is_one_map(rest)
        } else {
            rest.is_empty()
        };
        whole.then_some(read)
    }

    /// The two bits reserved for later use (0x02, 0x20) are borne: Level 3 gave meaning to two that Level 2 had reserved, and
    /// whoever refused those locked good passkeys out. They are under the signature and grant nothing.
    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn check(&self, issuer: &Issuer) -> Result<Answered, Refusal> {
        // The RP ID is the issuer's host and no parent of it: a passkey of the whole domain is nobody's here.
        if self.rp_id_hash != sha256(&[issuer.host().as_bytes()]).as_bytes() {
            return Err(Refusal::WrongRpId);
        }
        if !self.has(USER_PRESENT) {
            return Err(Refusal::UserNotPresent);
        }
        if !self.has(USER_VERIFIED) {
            return Err(Refusal::UserNotVerified);
        }
        // §6.1.3: what may not be backed up is not backed up. An authenticator that says so contradicts itself.
        if self.has(BACKED_UP) && !self.has(BACKUP_ELIGIBLE) {
            return Err(Refusal::MalformedPasskey);
        }
        Ok(Answered {
            backup_eligible: self.has(BACKUP_ELIGIBLE),
            backed_up: self.has(BACKED_UP),
            sign_count: self.sign_count,
        })
    }
}

/// The only RSA exponent, 65537. TPMs and platform authenticators make no other, small ones have a history of forgeries against
/// sloppy padding checks, and large ones cost the verifier time.
const RSA_EXPONENT: &[u8] = &[1, 0, 1];

impl PasskeyKey {
    /// Whether signatures may be checked against this key: a point on its curve, for Ed25519 of large order and in its one
    /// spelling; an odd RSA modulus of 2048 to 4096 bits, exponent 65537, both without leading zeros.
    pub fn check(&self) -> Result<(), Malformed> {
        let sound = match self {
            Self::P256(xy) => PublicJwk::P256(*xy).is_sound(),
            Self::Ed25519(x) => PublicJwk::Ed25519(*x).is_sound() && is_canonical(x),
            Self::Rsa(n, e) => {
                let top = n.first().map_or(8, |byte| byte.leading_zeros());
                let bits = n.len().saturating_mul(8).saturating_sub(top as usize);
                let odd = n.last().is_some_and(|byte| byte & 1 == 1);
                top < 8 && (2048..=4096).contains(&bits) && odd && e[..] == *RSA_EXPONENT
            }
        };
        let bad = Malformed { what: "passkey key" };
        sound.then_some(()).ok_or(bad)
    }

    /// Verifies a signature of this key's one algorithm over `message`; false for a key that [`check`](Self::check) refuses.
    ///
    /// ECDSA signatures (ASN.1 DER, in their one encoding) come in pairs, s and n − s, and authenticators make both: whoever
    /// needs an identifier of an answer takes it from what was signed, never from the signature.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        if self.check().is_err() {
            return false;
        }
        match self {
            Self::P256(xy) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, PublicJwk::P256(*xy).sec1())
                .verify(message, signature)
                .is_ok(),
            Self::Ed25519(x) => PublicJwk::Ed25519(*x).verify(message, signature),
            Self::Rsa(n, e) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
        }
    }
}

/// RFC 8032 §5.1.3 demands y < p; the library also reads y + p. One key in two spellings would count as two passkeys.
fn is_canonical(Array(x): &Array<32>) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(x).is_ok_and(|key| key.to_edwards().compress().as_bytes() == x)
}
