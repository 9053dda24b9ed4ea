//! Key generation with proof of possession (PedPop), by `frost-core`'s `keys::dkg`, made strict about bytes and blame.

use super::{FrostShare, NAME, SecretScalar};
use crate::{
    group::{GroupKey, Identifier},
    round::{RoundInputs, RoundOutput},
    scheme::{Dealt, DkgContext, DkgError, DkgRound, DkgStep},
    transcript::transcript,
};
use frost_ed25519 as frost;
use frost_ed25519::keys::dkg;
use rand_core::CryptoRngCore;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Bytes of a deal: `frost-core`'s header (version, ciphersuite) and one scalar.
const DEAL_BYTES: usize = 37;

/// Has broadcast; holds the own polynomial.
struct Broadcast {
    context: DkgContext,
    own: Vec<u8>,
    secret: dkg::round1::SecretPackage,
}

/// Has dealt; holds the own share of the own polynomial.
struct Dealing {
    context: DkgContext,
    broadcasts: BTreeMap<Identifier, Vec<u8>>,
    packages: BTreeMap<frost::Identifier, dkg::round1::Package>,
    secret: dkg::round2::SecretPackage,
}

impl std::fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broadcast")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Dealing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dealing")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

pub(super) fn begin(
    context: &DkgContext,
    rng: &mut dyn CryptoRngCore,
) -> Result<(Box<dyn DkgRound>, RoundOutput), DkgError> {
    let (n, t) = (context.parameters.participants(), context.parameters.threshold());
    if context.me.get() > n {
        return Err(DkgError::Unexpected);
    }
    let (secret, package) = dkg::part1(identifier(context.me)?, n, t, rng).map_err(|_| DkgError::Unexpected)?;
    let own = package.serialize().map_err(|_| DkgError::Unexpected)?;
    let round = Broadcast {
        context: context.clone(),
        own: own.clone(),
        secret,
    };
    Ok((Box::new(round), RoundOutput::broadcast(own)))
}

impl DkgRound for Broadcast {
    fn advance(self: Box<Self>, inputs: &RoundInputs) -> Result<DkgStep, DkgError> {
        let Self { context, own, secret } = *self;
        let RoundInputs { broadcasts, directs } = inputs;
        let expected = context.parameters.identifiers();
        let complete = broadcasts.keys().copied().eq(expected) && directs.is_empty();
        if !complete || broadcasts.get(&context.me) != Some(&own) {
            return Err(DkgError::Unexpected);
        }
        let mut packages = BTreeMap::new();
        for (from, bytes) in broadcasts.iter().filter(|(from, _)| **from != context.me) {
            let package = read_broadcast(bytes, own.len()).ok_or(DkgError::Culprit(*from))?;
            packages.insert(identifier(*from)?, package);
        }
        let (secret, deals) = dkg::part2(secret, &packages).map_err(|error| blame(&context, &error))?;
        let mut directs = BTreeMap::new();
        for to in context.parameters.identifiers().filter(|to| *to != context.me) {
            let deal = deals.get(&identifier(to)?).ok_or(DkgError::Unexpected)?;
            directs.insert(to, Zeroizing::new(deal.serialize().map_err(|_| DkgError::Unexpected)?));
        }
        let dealing = Dealing {
            context,
            broadcasts: broadcasts.clone(),
            packages,
            secret,
        };
        let output = RoundOutput {
            broadcast: Vec::new(),
            directs,
        };
        Ok(DkgStep::Continue(Box::new(dealing), output))
    }
}

/// Packages of one t are equally long, so the own one's length bounds theirs before anything is read, and a commitment vector of
/// another length, which would change the threshold, must hide behind trailing bytes. Those, and other second encodings, are found
/// by encoding again; `frost-core` overlooks them.
fn read_broadcast(bytes: &[u8], length: usize) -> Option<dkg::round1::Package> {
    if bytes.len() != length {
        return None;
    }
    let package = dkg::round1::Package::deserialize(bytes).ok()?;
    (package.serialize().ok()? == bytes).then_some(package)
}

impl DkgRound for Dealing {
    fn advance(self: Box<Self>, inputs: &RoundInputs) -> Result<DkgStep, DkgError> {
        let Self {
            context,
            broadcasts,
            packages,
            secret,
        } = *self;
        let others = context.parameters.identifiers().filter(|from| *from != context.me);
        // The broadcasts of this round are empty, and which they are says nothing; only the protocol above binds them.
        if !inputs.directs_are_from(others) || inputs.broadcasts.values().any(|bytes| !bytes.is_empty()) {
            return Err(DkgError::Unexpected);
        }
        let mut read = BTreeMap::new();
        for (from, bytes) in &inputs.directs {
            read.insert(identifier(*from)?, read_deal(bytes).ok_or(DkgError::Culprit(*from))?);
        }
        let (key, public) = dkg::part3(&secret, &packages, &read).map_err(|error| blame(&context, &error))?;
        let group = group_key(&context, &public)?;
        let secret = Zeroizing::new(key.signing_share().serialize());
        let secret = SecretScalar::read(&secret).ok_or(DkgError::Unexpected)?;
        let share = FrostShare::new(context.me, secret, group.clone()).map_err(|_| DkgError::Unexpected)?;
        let transcript = transcript(&context, NAME, &[broadcasts], &group);
        Ok(DkgStep::Done(Dealt {
            share: Box::new(share),
            group,
            transcript,
        }))
    }
}

/// Every field of a deal has a fixed length, so the length alone rules out second encodings.
fn read_deal(bytes: &[u8]) -> Option<dkg::round2::Package> {
    if bytes.len() == DEAL_BYTES {
        dkg::round2::Package::deserialize(bytes).ok()
    } else {
        None
    }
}

fn group_key(context: &DkgContext, public: &frost::keys::PublicKeyPackage) -> Result<GroupKey, DkgError> {
    let mut shares = BTreeMap::new();
    for id in context.parameters.identifiers() {
        let share = public
            .verifying_shares()
            .get(&identifier(id)?)
            .ok_or(DkgError::Unexpected)?;
        shares.insert(id, share.serialize().map_err(|_| DkgError::Unexpected)?);
    }
    let verifying_key = public.verifying_key().serialize().map_err(|_| DkgError::Unexpected)?;
    GroupKey::new(NAME, context.parameters, verifying_key, shares).map_err(|_| DkgError::Unexpected)
}

fn identifier(id: Identifier) -> Result<frost::Identifier, DkgError> {
    frost::Identifier::try_from(id.get()).map_err(|_| DkgError::Unexpected)
}

fn blame(context: &DkgContext, error: &frost::Error) -> DkgError {
    let culprits = error.culprits();
    let named = context
        .parameters
        .identifiers()
        .find(|id| identifier(*id).is_ok_and(|id| culprits.contains(&id)));
    named.map_or(DkgError::Unexpected, DkgError::Culprit)
}
