//! Key generation with proof of possession (PedPop), as in `frost-core`'s `keys::dkg`.

use super::{FrostShare, NAME, SecretScalar};
use crate::{
    domain,
    group::{GroupKey, Identifier},
    scheme::{DealsMade, Dealt, DkgContext, DkgDealing, DkgError, DkgRound},
};
use curve25519_dalek::Scalar;
use frost_ed25519 as frost;
use frost_ed25519::keys::dkg;
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

struct Broadcast {
    context: DkgContext,
    own: Vec<u8>,
    secret: dkg::round1::SecretPackage,
}

struct Dealing {
    context: DkgContext,
    broadcasts: BTreeMap<Identifier, Vec<u8>>,
    packages: BTreeMap<frost::Identifier, dkg::round1::Package>,
    secret: dkg::round2::SecretPackage,
}

pub(super) fn begin(
    context: &DkgContext,
    rng: &mut dyn CryptoRngCore,
) -> Result<(Box<dyn DkgRound>, Vec<u8>), DkgError> {
    let (n, t) = (context.parameters.participants(), context.parameters.threshold());
    let (secret, package) =
        dkg::part1(identifier(context.me)?, n, t, rng).map_err(|_| DkgError::Unexpected)?;
    let own = package.serialize().map_err(|_| DkgError::Unexpected)?;
    let round = Broadcast { context: context.clone(), own: own.clone(), secret };
    Ok((Box::new(round), own))
}

impl DkgRound for Broadcast {
    fn deal(self: Box<Self>, broadcasts: &BTreeMap<Identifier, Vec<u8>>) -> Result<DealsMade, DkgError> {
        let Self { context, own, secret } = *self;
        let expected = context.parameters.identifiers();
        if !broadcasts.keys().copied().eq(expected) || broadcasts.get(&context.me) != Some(&own) {
            return Err(DkgError::Unexpected);
        }
        let mut packages = BTreeMap::new();
        for (from, bytes) in broadcasts.iter().filter(|(from, _)| **from != context.me) {
            let package = dkg::round1::Package::deserialize(bytes).map_err(|_| DkgError::Culprit(*from))?;
            packages.insert(identifier(*from)?, package);
        }
        let (secret, deals) = dkg::part2(secret, &packages).map_err(|error| blame(&context, &error))?;
        let mut sealed = BTreeMap::new();
        for to in context.parameters.identifiers().filter(|to| *to != context.me) {
            let deal = deals.get(&identifier(to)?).ok_or(DkgError::Unexpected)?;
            sealed.insert(to, Zeroizing::new(deal.serialize().map_err(|_| DkgError::Unexpected)?));
        }
        let dealing = Dealing { context, broadcasts: broadcasts.clone(), packages, secret };
        Ok((Box::new(dealing), sealed))
    }
}

impl DkgDealing for Dealing {
    fn finish(self: Box<Self>, deals: BTreeMap<Identifier, Zeroizing<Vec<u8>>>) -> Result<Dealt, DkgError> {
        let Self { context, broadcasts, packages, secret } = *self;
        let others = context.parameters.identifiers().filter(|from| *from != context.me);
        if !deals.keys().copied().eq(others) {
            return Err(DkgError::Unexpected);
        }
        let mut read = BTreeMap::new();
        for (from, bytes) in &deals {
            let deal = dkg::round2::Package::deserialize(bytes).map_err(|_| DkgError::Culprit(*from))?;
            read.insert(identifier(*from)?, deal);
        }
        let (key, public) = dkg::part3(&secret, &packages, &read).map_err(|error| blame(&context, &error))?;
        let group = group_key(&context, &public)?;
        let secret = Zeroizing::new(key.signing_share().serialize());
        let scalar: [u8; 32] = secret.as_slice().try_into().map_err(|_| DkgError::Unexpected)?;
        let scalar = Option::<Scalar>::from(Scalar::from_canonical_bytes(scalar)).ok_or(DkgError::Unexpected)?;
        let share = FrostShare::new(context.me, SecretScalar(scalar), group.clone()).map_err(|_| DkgError::Unexpected)?;
        let transcript = transcript(&context, &broadcasts, &group);
        Ok(Dealt { share: Box::new(share), group, transcript })
    }
}

fn group_key(context: &DkgContext, public: &frost::keys::PublicKeyPackage) -> Result<GroupKey, DkgError> {
    let mut shares = BTreeMap::new();
    for id in context.parameters.identifiers() {
        let share = public.verifying_shares().get(&identifier(id)?).ok_or(DkgError::Unexpected)?;
        shares.insert(id, share.serialize().map_err(|_| DkgError::Unexpected)?);
    }
    let verifying_key = public.verifying_key().serialize().map_err(|_| DkgError::Unexpected)?;
    GroupKey::new(NAME, context.parameters, verifying_key, shares).map_err(|_| DkgError::Unexpected)
}

fn transcript(context: &DkgContext, broadcasts: &BTreeMap<Identifier, Vec<u8>>, group: &GroupKey) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(domain::DKG_TRANSCRIPT);
    hasher.update(context.session);
    for (from, bytes) in broadcasts {
        hasher.update(from.get().to_be_bytes());
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    }
    hasher.update(group.encode());
    hasher.finalize().into()
}

fn identifier(id: Identifier) -> Result<frost::Identifier, DkgError> {
    frost::Identifier::try_from(id.get()).map_err(|_| DkgError::Unexpected)
}

fn blame(context: &DkgContext, error: &frost::Error) -> DkgError {
    let culprits = error.culprits();
    let named = context.parameters.identifiers().find(|id| identifier(*id).is_ok_and(|id| culprits.contains(&id)));
    named.map_or(DkgError::Unexpected, DkgError::Culprit)
}
