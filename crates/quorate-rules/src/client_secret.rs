//! Client secrets, of which every custodian sees only a part of its own (PROTOCOL §4, class F): whoever taps one custodian learns nothing
//! that another would take.

use crate::{
    Refusal, domain,
    name::{ClientId, Issuer},
};
use hkdf::Hkdf;
use minicbor::{Decode, Encode};
use quorate_tlog::hash::sha256;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Custodian identifiers that secrets have parts for.
pub const PARTS: u16 = crate::QuorumRule::MAX_CUSTODIANS;

/// One custodian's part of a presented secret.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(transparent)]
pub struct SecretPart(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl SecretPart {
    /// The part of custodian `number`, from 1.
    pub fn derive(secret: &str, issuer: &Issuer, client: &ClientId, number: u16) -> Self {
        let context = minicbor::to_vec((issuer.as_str(), client.as_str(), number)).unwrap_or_default();
        let mut part = [0; 32];
        // 32 bytes are within what HKDF-SHA-256 can expand to.
        let _ = Hkdf::<Sha256>::new(None, secret.as_bytes())
            .expand_multi_info(&[domain::CLIENT_SECRET, &context], &mut part);
        Self(part)
    }

    fn hash(&self) -> [u8; 32] {
        *sha256(&[domain::CLIENT_SECRET_PART, &self.0]).as_bytes()
    }
}

impl std::fmt::Debug for SecretPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretPart(redacted)")
    }
}

/// Hashes of all parts of one secret, 32 bytes each, for identifiers 1 to [`PARTS`].
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct SecretHashes(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>);

impl SecretHashes {
    /// The hashes of a new secret, which must be random: a short one could be found from its hashes.
    pub fn of(secret: &str, issuer: &Issuer, client: &ClientId) -> Self {
        let hashes = (1..=PARTS).flat_map(|number| SecretPart::derive(secret, issuer, client, number).hash());
        Self(hashes.collect())
    }

    /// Whether there is a hash for every identifier.
    pub fn is_complete(&self) -> bool {
        self.0.len() == usize::from(PARTS).saturating_mul(32)
    }

    /// Whether this is the part of custodian `number`.
    pub fn check(&self, number: u16, part: &SecretPart) -> Result<(), Refusal> {
        let place = usize::from(number).checked_sub(1).ok_or(Refusal::WrongSecret)?;
        let hash = self.0.chunks_exact(32).nth(place).ok_or(Refusal::WrongSecret)?;
        if bool::from(part.hash().as_slice().ct_eq(hash)) {
            Ok(())
        } else {
            Err(Refusal::WrongSecret)
        }
    }
}

impl std::fmt::Debug for SecretHashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretHashes({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_good_for_one_custodian_of_one_tenant_and_client() {
        let issuer = Issuer::new("https://id.example").unwrap();
        let (client, other) = (ClientId::new("app").unwrap(), ClientId::new("other").unwrap());
        let hashes = SecretHashes::of("secret", &issuer, &client);
        assert!(hashes.is_complete());
        for number in 1..=PARTS {
            let part = SecretPart::derive("secret", &issuer, &client, number);
            assert_eq!(hashes.check(number, &part), Ok(()));
            assert_eq!(hashes.check(number % PARTS + 1, &part), Err(Refusal::WrongSecret));
        }
        for wrong in [
            SecretPart::derive("Secret", &issuer, &client, 1),
            SecretPart::derive("secret", &Issuer::new("https://other.example").unwrap(), &client, 1),
            SecretPart::derive("secret", &issuer, &other, 1),
        ] {
            assert_eq!(hashes.check(1, &wrong), Err(Refusal::WrongSecret));
        }
        let part = SecretPart::derive("secret", &issuer, &client, 1);
        assert_eq!(hashes.check(0, &part), Err(Refusal::WrongSecret));
        assert_eq!(hashes.check(PARTS + 1, &part), Err(Refusal::WrongSecret));
        assert_eq!(format!("{part:?}"), "SecretPart(redacted)");
    }
}
