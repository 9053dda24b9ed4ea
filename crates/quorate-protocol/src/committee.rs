//! The committee of one tenant, as its genesis names it.

use ed25519_dalek::VerifyingKey;
use quorate_rules::{
    QuorumRule, Refusal,
    body::GenesisBody,
    cbor::{Array, Canonical},
    record::CustodianRecord,
    registry::check_genesis,
};
use quorate_tlog::hash::{Hash, sha256};

/// Who votes and signs for one log; pinned by every party through the bytes of genesis.
#[derive(Debug, Clone)]
pub struct Committee {
    genesis: Vec<u8>,
    body: GenesisBody,
    origin: String,
    identities: Vec<VerifyingKey>,
}

impl Committee {
    /// Reads and checks canonical genesis bytes.
    pub fn from_genesis(bytes: &[u8]) -> Result<Self, Refusal> {
        let body = GenesisBody::from_canonical(bytes).map_err(|_| Refusal::WrongGenesis)?;
        check_genesis(&body)?;
        let identities = body
            .custodians
            .iter()
            .map(|custodian| VerifyingKey::from_bytes(&custodian.identity_key.0).map_err(|_| Refusal::WrongGenesis))
            .collect::<Result<_, _>>()?;
        let origin = body.issuer.log_origin(body.log);
        Ok(Self {
            genesis: bytes.to_vec(),
            body,
            origin,
            identities,
        })
    }

    /// Canonical bytes of genesis.
    pub fn genesis(&self) -> &[u8] {
        &self.genesis
    }

    /// SHA-256 of genesis, the tenant's name in every cryptographic context.
    pub fn genesis_hash(&self) -> Hash {
        sha256(&[&self.genesis])
    }

    /// The founding document.
    pub const fn body(&self) -> &GenesisBody {
        &self.body
    }

    /// Origin of the log (C2SP tlog-checkpoint).
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Number of the log.
    pub const fn log(&self) -> u64 {
        self.body.log
    }

    /// n, t, f.
    pub const fn rule(&self) -> QuorumRule {
        self.body.quorum
    }

    /// HPKE key of the tenant's auditors.
    pub const fn audit_key(&self) -> &Array<32> {
        &self.body.audit_key
    }

    /// Numbers of all custodians, from 1.
    pub fn numbers(&self) -> impl Iterator<Item = u16> + use<> {
        1..=self.body.quorum.custodians()
    }

    /// The custodian of this number, from 1.
    pub fn custodian(&self, number: u16) -> Option<&CustodianRecord> {
        self.body.custodians.get(usize::from(number.checked_sub(1)?))
    }

    /// Identity key of the custodian of this number.
    pub fn identity(&self, number: u16) -> Option<&VerifyingKey> {
        self.identities.get(usize::from(number.checked_sub(1)?))
    }

    /// The custodian with this identity key.
    pub fn number_of(&self, identity: &[u8; 32]) -> Option<u16> {
        (1u16..)
            .zip(&self.identities)
            .find(|(_, key)| key.as_bytes() == identity)
            .map(|(number, _)| number)
    }
}
