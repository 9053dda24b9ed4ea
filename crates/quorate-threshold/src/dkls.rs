//! Threshold ECDSA on P-256 after Doerner, Kondi, Lee and shelat (DKLs23, <https://eprint.iacr.org/2023/765>), by `dkls23-core`:
//! key generation in [`dkg`], the three signing rounds in [`signing`], the coordinator's part in [`aggregate`].
//!
//! Every pair of participants keeps oblivious-transfer correlations that all its signatures reuse. Who cheats in them may learn
//! something about them, so the library asks that such a party be banned for good: [`crate::SignError::Banned`].
//!
//! The library draws its randomness itself, from the thread's generator. [`fresh_randomness`] reseeds that from the operating
//! system before every step that draws, so that a process image that is restored or cloned repeats nothing.

mod aggregate;
mod curve;
mod dkg;
mod signing;
mod wire;

use crate::{
    group::{GroupKey, Identifier},
    round::RoundOutput,
    scheme::{AggregateError, BadShare, BadSignature, DkgContext, DkgError, DkgRound, KeyShare, Opened, Scheme},
    session::SignError,
};
use curve::Party;
use dkls23_core::protocols::PartyIndex;
use minicbor::{Decode, Encode, bytes::ByteSlice};
use rand_core::CryptoRngCore;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The scheme. Three rounds; signatures are ECDSA on P-256 with SHA-256 (RFC 7518 §3.4): `r ‖ s`, 64 bytes, s in its lower half.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dkls23P256;

/// Stable name, part of every group key.
const NAME: &str = "dkls23-secp256r1";
/// Longest encoded share, bytes: about 53 kB for every other participant, of whom there are 63 at most.
const SHARE_BYTES_MAX: usize = 4 << 20;

impl Scheme for Dkls23P256 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn rounds(&self) -> u8 {
        3
    }

    fn direct_bytes_max(&self) -> usize {
        wire::MESSAGE_BYTES_MAX
    }

    fn dkg_rounds(&self) -> u8 {
        3
    }

    fn read_share(&self, bytes: &[u8]) -> Result<Box<dyn KeyShare>, BadShare> {
        Ok(Box::new(DklsShare::decode(bytes)?))
    }

    fn begin_dkg(
        &self,
        context: &DkgContext,
        _: &mut dyn CryptoRngCore,
    ) -> Result<(Box<dyn DkgRound>, RoundOutput), DkgError> {
        dkg::begin(context)
    }

    fn aggregate(
        &self,
        group: &GroupKey,
        message: &[u8],
        outputs: &[BTreeMap<Identifier, Vec<u8>>],
    ) -> Result<Vec<u8>, AggregateError> {
        aggregate::aggregate(group, message, outputs)
    }

    fn verify(&self, group: &GroupKey, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let key = verifying_key(group).ok_or(BadSignature)?;
        if aggregate::verifies(&key, message, signature) {
            Ok(())
        } else {
            Err(BadSignature)
        }
    }
}

/// The key of a group of this scheme.
fn verifying_key(group: &GroupKey) -> Option<curve::Point> {
    if group.scheme() == NAME {
        curve::read_point(group.verifying_key())
    } else {
        None
    }
}

/// Takes new randomness from the operating system into the generator that the library draws from.
fn fresh_randomness() -> Option<()> {
    rand::rng().reseed().ok()
}

/// The library's number of a participant.
fn index(identifier: Identifier) -> Option<PartyIndex> {
    u8::try_from(identifier.get())
        .ok()
        .and_then(|number| PartyIndex::new(number).ok())
}

/// The participant of a number of the library's.
fn identifier(index: PartyIndex) -> Option<Identifier> {
    Identifier::new(u16::from(index.as_u8())).ok()
}

/// A share of a DKLs23 key: a point of the polynomial, and the correlations with every other participant.
struct DklsShare {
    identifier: Identifier,
    /// Shared with open sessions, so that there is one copy to wipe.
    party: Arc<Party>,
    group: GroupKey,
}

impl std::fmt::Debug for DklsShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DklsShare")
            .field("identifier", &self.identifier)
            .finish_non_exhaustive()
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Encoded<'a> {
    #[n(0)]
    identifier: u16,
    #[b(1)]
    party: &'a ByteSlice,
    #[b(2)]
    group: &'a ByteSlice,
}

impl DklsShare {
    /// Checks that the secret belongs to the group's verifying share of this identifier, and that there are well-formed correlations
    /// with exactly the other participants.
    fn new(identifier: Identifier, party: Party, group: GroupKey) -> Result<Self, BadShare> {
        let parameters = group.parameters();
        let me = index(identifier).ok_or(BadShare)?;
        let mut others = BTreeSet::new();
        for other in parameters.identifiers().filter(|other| *other != identifier) {
            others.insert(index(other).ok_or(BadShare)?);
        }
        let sound = party.party_index == me
            && u16::from(party.parameters.threshold) == parameters.threshold()
            && u16::from(party.parameters.share_count) == parameters.participants()
            && verifying_key(&group) == Some(party.pk)
            && group.verifying_share(identifier) == curve::public(&party.poly_point).as_deref()
            && party.mul_senders.keys().eq(others.iter())
            && party.mul_receivers.keys().eq(others.iter())
            && party.mul_senders.values().all(|sender| sender.check_state().is_ok())
            && party
                .mul_receivers
                .values()
                .all(|receiver| receiver.check_state(None).is_ok());
        if !sound {
            return Err(BadShare);
        }
        Ok(Self {
            identifier,
            party: Arc::new(party),
            group,
        })
    }

    /// Reads exactly what [`KeyShare::encode`] writes.
    fn decode(bytes: &[u8]) -> Result<Self, BadShare> {
        if bytes.len() > SHARE_BYTES_MAX {
            return Err(BadShare);
        }
        let encoded: Encoded<'_> = minicbor::decode(bytes).map_err(|_| BadShare)?;
        let identifier = Identifier::new(encoded.identifier).map_err(|_| BadShare)?;
        let party: Party = wire::read(encoded.party, SHARE_BYTES_MAX).ok_or(BadShare)?;
        let group = GroupKey::decode(encoded.group).map_err(|_| BadShare)?;
        let share = Self::new(identifier, party, group)?;
        if share.encode().as_slice() == bytes {
            Ok(share)
        } else {
            Err(BadShare)
        }
    }
}

impl KeyShare for DklsShare {
    fn identifier(&self) -> Identifier {
        self.identifier
    }

    fn group(&self) -> &GroupKey {
        &self.group
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Nothing reads back an empty share; and writing to memory cannot fail.
        let party = wire::write(self.party.as_ref(), SHARE_BYTES_MAX).unwrap_or_default();
        let group = self.group.encode();
        let encoded = Encoded {
            identifier: self.identifier.get(),
            party: party.as_slice().into(),
            group: group.as_slice().into(),
        };
        // Large enough from the start: a vector that grows leaves a copy of the secret behind.
        let room = party.len().saturating_add(group.len()).saturating_add(64);
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        match minicbor::encode(encoded, &mut *bytes) {
            Ok(()) => bytes,
            Err(_) => Zeroizing::default(),
        }
    }

    fn commit(
        &self,
        message: &[u8],
        signers: &BTreeSet<Identifier>,
        _: &mut dyn CryptoRngCore,
    ) -> Result<Opened, SignError> {
        signing::commit(self, message, signers)
    }
}
