//! Signed notes (C2SP signed-note v1.0.0): a text, a blank line, and signature lines.

use crate::hash::sha256;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use std::fmt;

/// Largest note that is read, bytes: room for many post-quantum signature lines.
pub const MAX_NOTE: usize = 512 * 1024;
/// Most signature lines that are read; the specification asks for at least 16.
pub const MAX_SIGNATURES: usize = 64;

/// Why a note or key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is not a signed note.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// A key is not a verifier key of a known form.
    #[error("not a verifier key: {0}")]
    BadKey(&'static str),
    /// A known key's signature does not verify: the whole note is refused.
    #[error("the signature by {0} does not verify")]
    BadSignature(String),
    /// No signature is by a known key.
    #[error("no signature by a known key")]
    NoKnownKey,
}

/// What a key signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// 0x01: Ed25519 over the text.
    Ed25519,
    /// 0x04: Ed25519 cosignature with a timestamp.
    Cosignature,
}

/// The name and public key that verify a note, as written in a vkey.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: String,
    key_type: KeyType,
    public: [u8; 32],
}

impl VerifierKey {
    /// A log key: type 0x01.
    pub fn ed25519(name: &str, public: &[u8; 32]) -> Result<Self, NoteError> {
        Self::new(name, KeyType::Ed25519, public)
    }

    /// A cosigner's key: type 0x04.
    pub fn cosigner(name: &str, public: &[u8; 32]) -> Result<Self, NoteError> {
        Self::new(name, KeyType::Cosignature, public)
    }

    fn new(name: &str, key_type: KeyType, public: &[u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::BadKey("the name is empty or has spaces or a plus sign"));
        }
        VerifyingKey::from_bytes(public).map_err(|_| NoteError::BadKey("not an Ed25519 point"))?;
        Ok(Self {
            name: name.to_owned(),
            key_type,
            public: *public,
        })
    }

    /// Reads a vkey: `name+hex(key id)+base64(type ‖ public key)`.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, rest) = text
            .split_once('+')
            .ok_or(NoteError::BadKey("three parts joined by plus signs"))?;
        let (id, key) = rest
            .split_once('+')
            .ok_or(NoteError::BadKey("three parts joined by plus signs"))?;
        let key = STANDARD
            .decode(key)
            .map_err(|_| NoteError::BadKey("the key is not base64"))?;
        let (kind, public) = key.split_first().ok_or(NoteError::BadKey("the key is empty"))?;
        let key_type = match kind {
            0x01 => KeyType::Ed25519,
            0x04 => KeyType::Cosignature,
            _ => {
                return Err(NoteError::BadKey(
                    "a type other than Ed25519 (1) or its cosignature (4)",
                ));
            }
        };
        let public = public
            .try_into()
            .map_err(|_| NoteError::BadKey("an Ed25519 key has 32 bytes"))?;
        let key = Self::new(name, key_type, public)?;
        if hex(&key.key_id()) == id {
            Ok(key)
        } else {
            Err(NoteError::BadKey("the key id is of another key"))
        }
    }

    /// Name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs with.
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The public key.
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// First four bytes of `SHA-256(name ‖ 0x0A ‖ type ‖ public key)`.
    pub fn key_id(&self) -> [u8; 4] {
        let digest = sha256(&[self.name.as_bytes(), b"\n", &[self.type_byte()], &self.public]);
        digest.as_bytes().first_chunk::<4>().copied().unwrap_or_default()
    }

    const fn type_byte(&self) -> u8 {
        match self.key_type {
            KeyType::Ed25519 => 0x01,
            KeyType::Cosignature => 0x04,
        }
    }

    /// A signature by this key, as a line of a note.
    pub fn signature(&self, bytes: &[u8]) -> NoteSignature {
        NoteSignature {
            name: self.name.clone(),
            key_id: self.key_id(),
            bytes: bytes.to_vec(),
        }
    }

    fn verify(&self, text: &str, signature: &[u8]) -> bool {
        match self.key_type {
            KeyType::Ed25519 => verify_ed25519(&self.public, text.as_bytes(), signature),
            KeyType::Cosignature => crate::cosignature::verify(&self.public, text, signature).is_some(),
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.type_byte()][..], &self.public].concat();
        write!(f, "{}+{}+{}", self.name, hex(&self.key_id()), STANDARD.encode(key))
    }
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// Key id.
    pub key_id: [u8; 4],
    /// Signature, in the form of the key's type.
    pub bytes: Vec<u8>,
}

/// A note: text and signatures, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// A note of this text, which ends in a line feed.
    pub fn new(text: &str, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        check_text(text)?;
        if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Malformed("1 to 64 signatures"));
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// Reads a note.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::Malformed("larger than 512 KiB"));
        }
        let all = std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("not UTF-8"))?;
        let at = all
            .rfind("\n\n")
            .ok_or(NoteError::Malformed("no empty line before the signatures"))?;
        let (text, rest) = all
            .split_at_checked(at.saturating_add(1))
            .ok_or(NoteError::Malformed("no text"))?;
        let lines = rest.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let lines = lines.ok_or(NoteError::Malformed("the last line does not end"))?;
        let signatures = lines.split('\n').map(parse_line).collect::<Result<Vec<_>, _>>()?;
        Self::new(text, signatures)
    }

    /// The note as it is published.
    pub fn encode(&self) -> String {
        let mut out = format!("{}\n", self.text);
        for signature in &self.signatures {
            let blob = [&signature.key_id[..], &signature.bytes].concat();
            out.push_str(&format!("— {} {}\n", signature.name, STANDARD.encode(blob)));
        }
        out
    }

    /// The text, with its last line feed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, as they stand.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The known keys whose signatures verify, each once. Lines of unknown keys are passed over; a bad signature by a known key
    /// refuses the note.
    pub fn verify<'k>(&self, known: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut verified: Vec<&VerifierKey> = Vec::new();
        for signature in &self.signatures {
            let key = known
                .iter()
                .find(|key| key.name == signature.name && key.key_id() == signature.key_id);
            let Some(key) = key else { continue };
            if !key.verify(&self.text, &signature.bytes) {
                return Err(NoteError::BadSignature(key.name.clone()));
            }
            if !verified.contains(&key) {
                verified.push(key);
            }
        }
        if verified.is_empty() {
            Err(NoteError::NoKnownKey)
        } else {
            Ok(verified)
        }
    }
}

pub(crate) fn verify_ed25519(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(public) else {
        return false;
    };
    let Ok(signature) = Signature::from_slice(signature) else {
        return false;
    };
    key.verify_strict(message, &signature).is_ok()
}

fn parse_line(line: &str) -> Result<NoteSignature, NoteError> {
    let rest = line
        .strip_prefix("— ")
        .ok_or(NoteError::Malformed("a signature line starts with an em dash"))?;
    let (name, blob) = rest
        .split_once(' ')
        .ok_or(NoteError::Malformed("a signature line has a name and base64"))?;
    if !is_name(name) {
        return Err(NoteError::Malformed("a key name is empty or has spaces or a plus sign"));
    }
    let blob = STANDARD
        .decode(blob)
        .map_err(|_| NoteError::Malformed("a signature is not base64"))?;
    let (key_id, bytes) = blob
        .split_first_chunk::<4>()
        .ok_or(NoteError::Malformed("a signature is too short"))?;
    if bytes.is_empty() {
        return Err(NoteError::Malformed("a signature is too short"));
    }
    Ok(NoteSignature {
        name: name.to_owned(),
        key_id: *key_id,
        bytes: bytes.to_vec(),
    })
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("the text does not end in a line feed"));
    }
    if text.chars().any(|c| u32::from(c) < 0x20 && c != '\n') {
        return Err(NoteError::Malformed("the text has control characters"));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c == '+' || u32::from(c) < 0x20)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
