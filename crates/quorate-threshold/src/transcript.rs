//! The transcript of a DKG: what all participants must have seen alike.

use crate::{
    domain,
    group::{GroupKey, Identifier},
    scheme::DkgContext,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Digest of session, scheme, parameters, the broadcasts of every round and the key. Everything of variable length has its length
/// before it, so that no two runs hash the same bytes.
pub(crate) fn transcript(
    context: &DkgContext,
    scheme: &str,
    rounds: &[BTreeMap<Identifier, Vec<u8>>],
    group: &GroupKey,
) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix(domain::DKG_TRANSCRIPT);
    let mut add = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    add(&context.session);
    add(scheme.as_bytes());
    add(&context.parameters.threshold().to_be_bytes());
    add(&context.parameters.participants().to_be_bytes());
    for broadcasts in rounds {
        for (from, bytes) in broadcasts {
            add(&from.get().to_be_bytes());
            add(bytes);
        }
    }
    add(&group.encode());
    hasher.finalize().into()
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
            let group = GroupKey::new("scheme", Parameters::new(2, 2).unwrap(), vec![key; 32], shares);
            let context = DkgContext {
                parameters,
                me: id(1),
                session: [session; 32],
            };
            let broadcasts = [id(1), id(2)].into_iter().zip(sent.map(<[u8]>::to_vec)).collect();
            transcript(&context, "scheme", &[broadcasts], &group.unwrap())
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
