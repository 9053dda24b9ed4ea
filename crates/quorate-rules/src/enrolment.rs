//! Enrolment: a person's passkey enters the registry, by an invitation or by a passkey that is there already (PROTOCOL §8).

use crate::{
    Refusal,
    anchor::Anchor,
    canonical,
    cbor::{Array, Bytes, Canonical},
    domain,
    jwk::PublicJwk,
    name::{Issuer, Label},
    tag::TagKey,
    webauthn::{Assertion, PasskeyKey},
};
use minicbor::{Decode, Encode};
use quorate_tlog::hash::sha256;

/// What is signed: exactly one of invitation and `by` stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EnrolmentStatement {
    /// Format version, 1.
    #[n(0)]
    pub version: u8,
    /// The tenant.
    #[n(1)]
    pub issuer: Issuer,
    /// Public key of the invitation.
    #[n(2)]
    pub invitation: Option<Array<32>>,
    /// Credential id of the user's passkey that adds this one.
    #[n(3)]
    pub by: Option<Bytes>,
    /// Credential id of the new passkey.
    #[n(4)]
    pub credential_id: Bytes,
    /// Its public key.
    #[n(5)]
    pub key: PasskeyKey,
    /// Key of the person's tags, the `user.id` of all of the person's passkeys.
    #[n(6)]
    pub user_key: TagKey,
    /// What its owner calls it.
    #[n(7)]
    pub label: Label,
    /// Not before this head.
    #[n(8)]
    pub anchor: Anchor,
}

/// Body of an enrolment entry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EnrolmentBody {
    /// Canonical statement.
    #[n(0)]
    pub statement: Bytes,
    /// Signature by the invitation's seed.
    #[n(1)]
    pub seed_signature: Option<Array<64>>,
    /// Answer of the passkey that adds this one.
    #[n(2)]
    pub tap: Option<Assertion>,
    /// Answer of the new passkey.
    #[n(3)]
    pub credential: Assertion,
}

canonical!(EnrolmentStatement => "enrolment statement", EnrolmentBody => "enrolment");

impl EnrolmentStatement {
    /// What an invitation's seed signs.
    pub fn message(&self) -> Vec<u8> {
        [domain::ENROL, &self.to_canonical()].concat()
    }

    /// What passkeys sign as their challenge.
    pub fn challenge(&self) -> [u8; 32] {
        *sha256(&[domain::ENROL, &self.to_canonical()]).as_bytes()
    }
}

impl EnrolmentBody {
    /// Reads the statement.
    pub fn read_statement(&self) -> Result<EnrolmentStatement, Refusal> {
        EnrolmentStatement::from_canonical(&self.statement).map_err(|_| Refusal::WrongEnrolment)
    }

    /// Checks what the statement's signers prove, whoever they are.
    pub(crate) fn verify(&self, statement: &EnrolmentStatement, by: Enroller<'_>) -> Result<(), Refusal> {
        let challenge = statement.challenge();
        let sound = statement.version == 1
            && statement.key.check().is_ok()
            && self.credential.credential_id == statement.credential_id;
        if !sound {
            return Err(Refusal::WrongEnrolment);
        }
        crate::webauthn::verify(&self.credential, &statement.key, &challenge, &statement.issuer)?;
        match (by, &self.seed_signature, &self.tap) {
            (Enroller::Invitation(key), Some(signature), None) => {
                if !PublicJwk::Ed25519(*key).verify(&statement.message(), &signature.0) {
                    return Err(Refusal::WrongEnrolment);
                }
            }
            (Enroller::Passkey(id, key), None, Some(tap)) if tap.credential_id == *id => {
                crate::webauthn::verify(tap, key, &challenge, &statement.issuer)?;
            }
            _ => return Err(Refusal::WrongEnrolment),
        }
        Ok(())
    }
}

/// Who lets a passkey in.
pub(crate) enum Enroller<'a> {
    /// The seed of an invitation, by its public key.
    Invitation(&'a Array<32>),
    /// A passkey of the same user.
    Passkey(&'a Bytes, &'a PasskeyKey),
}
