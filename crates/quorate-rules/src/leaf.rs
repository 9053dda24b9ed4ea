//! The public leaf of the log: fixed size, no name in clear (LOG.md, Entries).

use crate::domain;
use quorate_tlog::hash::{Hash, leaf_hash, sha256};

/// What an entry is; a verifier refuses types that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EntryType {
    /// The tenant's founding document; entry 0.
    Genesis = 1,
    /// Public keys of one key epoch, with the transcript of their DKG.
    Keys = 2,
    /// A change of the registry, approved k-of-m.
    Decision = 3,
    /// A user's passkey.
    Enrolment = 4,
    /// One token.
    Token = 5,
    /// A token, session or credential that is stopped.
    Revocation = 6,
    /// A statement of the committee.
    Bulletin = 7,
    /// Nothing but the time.
    Tick = 8,
    /// Activation of a rules version.
    Rules = 9,
    /// A change of the committee.
    Epoch = 10,
}

impl EntryType {
    /// The type with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Genesis,
            2 => Self::Keys,
            3 => Self::Decision,
            4 => Self::Enrolment,
            5 => Self::Token,
            6 => Self::Revocation,
            7 => Self::Bulletin,
            8 => Self::Tick,
            9 => Self::Rules,
            10 => Self::Epoch,
            _ => return None,
        })
    }

    /// The name used in documents and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Keys => "keys",
            Self::Decision => "decision",
            Self::Enrolment => "enrolment",
            Self::Token => "token",
            Self::Revocation => "revocation",
            Self::Bulletin => "bulletin",
            Self::Tick => "tick",
            Self::Rules => "rules",
            Self::Epoch => "epoch",
        }
    }
}

/// Class of evidence behind an entry (PROTOCOL §4), strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// No evidence of a class: not a token.
    None = 0,
    /// A WebAuthn assertion.
    Passkey = b'A',
    /// A session key of the page.
    Session = b'B',
    /// A client's own key, `private_key_jwt`.
    ClientKey = b'C',
    /// A DPoP-bound refresh.
    DpopRefresh = b'D',
    /// An upstream provider's ID token.
    Upstream = b'E',
    /// A bearer secret.
    Bearer = b'F',
}

impl Class {
    /// The class with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::None,
            b'A' => Self::Passkey,
            b'B' => Self::Session,
            b'C' => Self::ClientKey,
            b'D' => Self::DpopRefresh,
            b'E' => Self::Upstream,
            b'F' => Self::Bearer,
            _ => return None,
        })
    }

    /// The value of `acr` in tokens of this class.
    pub const fn acr(self) -> &'static str {
        match self {
            Self::None => "urn:quorate:none",
            Self::Passkey => "urn:quorate:passkey",
            Self::Session => "urn:quorate:session",
            Self::ClientKey => "urn:quorate:client-key",
            Self::DpopRefresh => "urn:quorate:dpop-refresh",
            Self::Upstream => "urn:quorate:upstream",
            Self::Bearer => "urn:quorate:bearer",
        }
    }

    /// The values of `amr` in tokens of this class (RFC 8176 §2).
    pub const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Passkey => &["hwk", "user"],
            Self::Session | Self::ClientKey | Self::DpopRefresh => &["pop"],
            Self::None | Self::Upstream | Self::Bearer => &[],
        }
    }
}

/// A tag that only the holder of a client's or subject's key can recognise; all zero where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tag(pub [u8; 16]);

/// One public leaf, 139 bytes: version, type, time (u64be ms), registry root, token hash, commitment, class, subject tag,
/// client tag. There is no other digest of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// What the entry is.
    pub entry_type: EntryType,
    /// Time of the whole batch, milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// Root of the registry just before this entry.
    pub registry_root: Hash,
    /// Hash of the JWS signing input; zero for entries that are no token.
    pub token_hash: Hash,
    /// Commitment to salt and body.
    pub commit: Hash,
    /// Class of evidence.
    pub class: Class,
    /// Tag under the subject's key.
    pub subject_tag: Tag,
    /// Tag under the client's key.
    pub client_tag: Tag,
}

/// The bytes are no leaf of a version and type that this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a leaf of a known version and type")]
pub struct BadLeaf;

impl Leaf {
    /// Bytes of an encoded leaf.
    pub const LEN: usize = 139;
    /// First byte of every leaf of this format.
    pub const VERSION: u8 = 1;

    /// The leaf as it stands in the log.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let parts: [&[u8]; 9] = [
            &[Self::VERSION, self.entry_type as u8],
            &self.time_ms.to_be_bytes(),
            self.registry_root.as_bytes(),
            self.token_hash.as_bytes(),
            self.commit.as_bytes(),
            &[self.class as u8],
            &self.subject_tag.0,
            &self.client_tag.0,
            &[],
        ];
        let mut out = [0u8; Self::LEN];
        for (slot, byte) in out.iter_mut().zip(parts.iter().flat_map(|part| part.iter())) {
            *slot = *byte;
        }
        out
    }

    /// Reads a leaf; anything but [`Leaf::LEN`] bytes of this version and a known type and class is refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadLeaf> {
        let mut rest = bytes;
        let [version, kind] = take(&mut rest)?;
        let time_ms = u64::from_be_bytes(take(&mut rest)?);
        let registry_root = Hash::from(take::<32>(&mut rest)?);
        let token_hash = Hash::from(take::<32>(&mut rest)?);
        let commit = Hash::from(take::<32>(&mut rest)?);
        let [class] = take(&mut rest)?;
        let subject_tag = Tag(take(&mut rest)?);
        let client_tag = Tag(take(&mut rest)?);
        if version != Self::VERSION || !rest.is_empty() {
            return Err(BadLeaf);
        }
        Ok(Self {
            entry_type: EntryType::from_code(kind).ok_or(BadLeaf)?,
            time_ms,
            registry_root,
            token_hash,
            commit,
            class: Class::from_code(class).ok_or(BadLeaf)?,
            subject_tag,
            client_tag,
        })
    }

    /// RFC 6962 leaf hash of the encoded leaf.
    pub fn hash(&self) -> Hash {
        leaf_hash(&self.encode())
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BadLeaf> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(BadLeaf)?;
    *rest = tail;
    Ok(*head)
}

/// Commitment of a leaf to its salt and body.
pub fn commitment(salt: &[u8; 32], body: &[u8]) -> Hash {
    sha256(&[domain::ENTRY, salt, body])
}

/// Token hash of a leaf: over the JWS signing input.
pub fn token_hash(signing_input: &[u8]) -> Hash {
    sha256(&[domain::TOKEN, signing_input])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example() -> Leaf {
        Leaf {
            entry_type: EntryType::Token,
            time_ms: 0x0102_0304_0506_0708,
            registry_root: Hash::from([1; 32]),
            token_hash: Hash::from([2; 32]),
            commit: Hash::from([3; 32]),
            class: Class::ClientKey,
            subject_tag: Tag([4; 16]),
            client_tag: Tag([5; 16]),
        }
    }

    #[test]
    fn layout_is_the_documented_one() {
        let bytes = example().encode();
        assert_eq!(&bytes[..10], &[1, 5, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(
            (bytes[10], bytes[42], bytes[74], bytes[106], bytes[107], bytes[123]),
            (1, 2, 3, b'C', 4, 5)
        );
        assert_eq!(Leaf::decode(&bytes), Ok(example()));
    }

    #[test]
    fn unknown_versions_types_classes_and_lengths_are_refused() {
        let good = example().encode();
        for (at, value) in [(0, 2), (1, 0), (1, 11), (106, b'G')] {
            let mut bad = good;
            bad[at] = value;
            assert_eq!(Leaf::decode(&bad), Err(BadLeaf));
        }
        assert_eq!(Leaf::decode(&good[..138]), Err(BadLeaf));
        assert_eq!(Leaf::decode(&[&good[..], &[0]].concat()), Err(BadLeaf));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_back(bytes in proptest::collection::vec(any::<u8>(), Leaf::LEN)) {
            if let Ok(leaf) = Leaf::decode(&bytes) {
                prop_assert_eq!(&leaf.encode()[..], &bytes[..]);
            }
        }
    }
}
