//! Key generation with proof of possession (PedPop), by `frost-core`'s `keys::dkg`, made strict about bytes and blame.

use super::{FrostShare, NAME, SecretScalar};
use crate::{
    domain,
    group::{GroupKey, Identifier},
    scheme::{DealsMade, Dealt, DkgContext, DkgDealing, DkgError, DkgRound},
};
use frost_ed25519 as frost;
use frost_ed25519::keys::dkg;
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
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
) -> Result<(Box<dyn DkgRound>, Vec<u8>), DkgError> {
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
            let package = read_broadcast(bytes, own.len()).ok_or(DkgError::Culprit(*from))?;
            packages.insert(identifier(*from)?, package);
        }
        let (secret, deals) = dkg::part2(secret, &packages).map_err(|error| blame(&context, &error))?;
        let mut plain = BTreeMap::new();
        for to in context.parameters.identifiers().filter(|to| *to != context.me) {
            let deal = deals.get(&identifier(to)?).ok_or(DkgError::Unexpected)?;
            plain.insert(to, Zeroizing::new(deal.serialize().map_err(|_| DkgError::Unexpected)?));
        }
        let dealing = Dealing {
            context,
            broadcasts: broadcasts.clone(),
            packages,
            secret,
        };
        Ok((Box::new(dealing), plain))
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

impl DkgDealing for Dealing {
    fn finish(self: Box<Self>, deals: BTreeMap<Identifier, Zeroizing<Vec<u8>>>) -> Result<Dealt, DkgError> {
        let Self {
            context,
            broadcasts,
            packages,
            secret,
        } = *self;
        let others = context.parameters.identifiers().filter(|from| *from != context.me);
        if !deals.keys().copied().eq(others) {
            return Err(DkgError::Unexpected);
        }
        let mut read = BTreeMap::new();
        for (from, bytes) in &deals {
            read.insert(identifier(*from)?, read_deal(bytes).ok_or(DkgError::Culprit(*from))?);
        }
        let (key, public) = dkg::part3(&secret, &packages, &read).map_err(|error| blame(&context, &error))?;
        let group = group_key(&context, &public)?;
        let secret = Zeroizing::new(key.signing_share().serialize());
        let secret = SecretScalar::read(&secret).ok_or(DkgError::Unexpected)?;
        let share = FrostShare::new(context.me, secret, group.clone()).map_err(|_| DkgError::Unexpected)?;
        let transcript = transcript(&context, &broadcasts, &group);
        Ok(Dealt {
            share: Box::new(share),
            group,
            transcript,
        })
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

/// Everything of variable length has its length before it, so that no two runs hash the same bytes.
fn transcript(context: &DkgContext, broadcasts: &BTreeMap<Identifier, Vec<u8>>, group: &GroupKey) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix(domain::DKG_TRANSCRIPT);
    let mut add = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    add(&context.session);
    add(NAME.as_bytes());
    add(&context.parameters.threshold().to_be_bytes());
    add(&context.parameters.participants().to_be_bytes());
    for (from, bytes) in broadcasts {
        add(&from.get().to_be_bytes());
        add(bytes);
    }
    add(&group.encode());
    hasher.finalize().into()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::Parameters;

    /// Each part by itself: a real run would change the group key along with almost anything.
    #[test]
    fn every_part_of_a_run_is_in_its_transcript() {
        let id = |number| Identifier::new(number).unwrap();
        let digest = |(t, n), session, sent: [&[u8]; 2], key| {
            let parameters = Parameters::new(t, n).unwrap();
            // Always of two participants, so that t and n show by themselves.
            let shares = BTreeMap::from([(id(1), vec![1; 32]), (id(2), vec![1; 32])]);
            let group = GroupKey::new(NAME, Parameters::new(2, 2).unwrap(), vec![key; 32], shares);
            let context = DkgContext {
                parameters,
                me: id(1),
                session: [session; 32],
            };
            let broadcasts = [id(1), id(2)].into_iter().zip(sent.map(<[u8]>::to_vec)).collect();
            transcript(&context, &broadcasts, &group.unwrap())
        };
        let digests = [
            digest((2, 3), 0, [b"ab", b"c"], 0),
            digest((3, 3), 0, [b"ab", b"c"], 0),
            digest((2, 4), 0, [b"ab", b"c"], 0),
            digest((2, 3), 1, [b"ab", b"c"], 0),
            digest((2, 3), 0, [b"a", b"bc"], 0),
            digest((2, 3), 0, [b"ab", b"d"], 0),
            digest((2, 3), 0, [b"ab", b"c"], 1),
        ];
        let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
    }
}
