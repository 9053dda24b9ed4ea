//! Signed notes (C2SP signed-note v1.0.0): a text, a blank line, and signature lines.

use crate::{cosignature, hash::sha256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use std::fmt;

/// Largest note that is read, bytes: room for [`MAX_SIGNATURES`] post-quantum signature lines.
pub const MAX_NOTE: usize = 512 * 1024;
/// Most signature lines that are read; the specification asks for at least 16.
pub const MAX_SIGNATURES: usize = 64;
/// Longest key name, bytes: the ML-DSA cosignature message has one byte for its length.
pub const MAX_NAME: usize = 255;

/// Bytes of an ML-DSA-44 public key (FIPS 204 §4).
const ML_DSA_44_PUBLIC: usize = 1312;

/// Why a note or key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is not a signed note.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// It is not a verifier key of a known form.
    #[error("not a verifier key: {0}")]
    BadKey(&'static str),
    /// A key name is empty, too long, or has spaces, control characters or a plus sign.
    #[error("not a key name")]
    BadName,
    /// A known key's signature does not verify: the whole note is refused.
    #[error("the signature by {0} does not verify")]
    BadSignature(KeyName),
    /// Two different known keys have one name and key id, so nobody can say whose signature it is.
    #[error("two known keys share the name {0} and a key id")]
    Ambiguous(KeyName),
    /// A known key is of a type whose signatures cannot be verified here.
    #[error("signatures of the type of {0} cannot be verified")]
    Unsupported(KeyName),
    /// No signature is by a known key.
    #[error("no signature by a known key")]
    NoKnownKey,
}

/// Name of a key: 1 to [`MAX_NAME`] bytes, without Unicode spaces, control characters and plus signs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Checks the name.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        if is_name(&text) {
            Ok(Self(text))
        } else {
            Err(NoteError::BadName)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// 0x01: Ed25519 over the text.
    Ed25519,
    /// 0x04: Ed25519 cosignature with a time (see [`cosignature`]).
    Cosignature,
    /// 0x06: ML-DSA-44 cosignature with a time. Read and written, not verified.
    MlDsa44,
}

impl KeyType {
    /// The assigned signature type identifier.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
            Self::MlDsa44 => 0x06,
        }
    }

    /// Whether [`Note::verify`] can check its signatures.
    pub const fn is_supported(self) -> bool {
        !matches!(self, Self::MlDsa44)
    }
}

/// A public key in the form of its type. Ed25519 keys are points of the curve, not of small order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Public {
    Ed25519([u8; 32]),
    Cosignature([u8; 32]),
    MlDsa44(Box<[u8; ML_DSA_44_PUBLIC]>),
}

/// The name and public key that verify a note, as written in a vkey.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: KeyName,
    public: Public,
    key_id: [u8; 4],
}

impl VerifierKey {
    /// A log's key: type 0x01. Refuses bad names, and bytes that are no point of the curve or one of small order.
    pub fn ed25519(name: &str, public: &[u8; 32]) -> Result<Self, NoteError> {
        check_point(public)?;
        Self::new(name, Public::Ed25519(*public))
    }

    /// A cosigner's key: type 0x04. Refuses what [`VerifierKey::ed25519`] refuses.
    pub fn cosigner(name: &str, public: &[u8; 32]) -> Result<Self, NoteError> {
        check_point(public)?;
        Self::new(name, Public::Cosignature(*public))
    }

    fn ml_dsa_44(name: &str, public: &[u8]) -> Result<Self, NoteError> {
        let public = public.to_vec().try_into();
        let public = public.map_err(|_| NoteError::BadKey("an ML-DSA-44 key has 1312 bytes"))?;
        Self::new(name, Public::MlDsa44(public))
    }

    fn new(name: &str, public: Public) -> Result<Self, NoteError> {
        let name = KeyName::new(name)?;
        let key_id = key_id(&name, public.key_type(), public.bytes());
        Ok(Self { name, public, key_id })
    }

    /// Reads a vkey, exactly as `Display` writes it: `name+hex8(key id)+base64(type ‖ public key)`.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let three = NoteError::BadKey("three parts joined by plus signs");
        let (name, rest) = text.split_once('+').ok_or(three.clone())?;
        let (id, key) = rest.split_once('+').ok_or(three)?;
        if key.len() > ML_DSA_44_PUBLIC * 2 {
            return Err(NoteError::BadKey("the key is too long"));
        }
        let key = STANDARD.decode(key);
        let key = key.map_err(|_| NoteError::BadKey("the key is not base64"))?;
        let (kind, public) = key.split_first().ok_or(NoteError::BadKey("the key is empty"))?;
        let point = || {
            public
                .try_into()
                .map_err(|_| NoteError::BadKey("an Ed25519 key has 32 bytes"))
        };
        let key = match kind {
            0x01 => Self::ed25519(name, point()?),
            0x04 => Self::cosigner(name, point()?),
            0x06 => Self::ml_dsa_44(name, public),
            _ => Err(NoteError::BadKey("a type other than 1, 4 and 6")),
        }?;
        if hex8(key.key_id) == id {
            Ok(key)
        } else {
            Err(NoteError::BadKey("the key id is of another key"))
        }
    }

    /// Name of the key, as text.
    pub fn name(&self) -> &str {
        &self.name.0
    }

    /// Name of the key.
    pub const fn key_name(&self) -> &KeyName {
        &self.name
    }

    /// What it signs with.
    pub const fn key_type(&self) -> KeyType {
        self.public.key_type()
    }

    /// The public key: 32 bytes for Ed25519 and its cosignatures, 1312 for ML-DSA-44.
    pub fn public(&self) -> &[u8] {
        self.public.bytes()
    }

    /// First four bytes of `SHA-256(name ‖ 0x0A ‖ type ‖ public key)`.
    pub const fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// A signature by this key, as a line of a note. The bytes have the form of the key's type: an Ed25519 signature of 64 bytes, or
    /// [`cosignature::Cosignature::encode`].
    pub fn signature(&self, bytes: &[u8]) -> NoteSignature {
        NoteSignature {
            name: self.name.clone(),
            key_id: self.key_id,
            bytes: bytes.to_vec(),
        }
    }

    /// Whether a line claims to be by this key.
    pub(crate) fn is_of(&self, line: &NoteSignature) -> bool {
        self.key_id == line.key_id && self.name == line.name
    }

    fn verify(&self, text: &str, signature: &[u8]) -> Result<(), NoteError> {
        let holds = match &self.public {
            Public::Ed25519(public) => verify_ed25519(public, text.as_bytes(), signature),
            Public::Cosignature(public) => cosignature::verify(public, text, signature).is_some(),
            Public::MlDsa44(_) => return Err(NoteError::Unsupported(self.name.clone())),
        };
        if holds {
            Ok(())
        } else {
            Err(NoteError::BadSignature(self.name.clone()))
        }
    }
}

impl Public {
    const fn key_type(&self) -> KeyType {
        match self {
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::Cosignature(_) => KeyType::Cosignature,
            Self::MlDsa44(_) => KeyType::MlDsa44,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(public) | Self::Cosignature(public) => public,
            Self::MlDsa44(public) => public.as_slice(),
        }
    }
}

/// Key id as signed-note recommends it: the first four bytes of `SHA-256(name ‖ 0x0A ‖ type ‖ public key)`.
pub fn key_id(name: &KeyName, key_type: KeyType, public: &[u8]) -> [u8; 4] {
    let digest = sha256(&[name.0.as_bytes(), b"\n", &[key_type.byte()], public]);
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.key_type().byte()], self.public()].concat();
        write!(f, "{}+{}+{}", self.name, hex8(self.key_id), STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "VerifierKey({}+{}, {:?})",
            self.name,
            hex8(self.key_id),
            self.key_type()
        )
    }
}

impl std::str::FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        Self::parse(text)
    }
}

/// One signature line, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: KeyName,
    /// Key id.
    pub key_id: [u8; 4],
    /// Signature, in the form of the key's type; not empty.
    pub bytes: Vec<u8>,
}

impl NoteSignature {
    /// Reads a line without its line feed, exactly as `Display` writes it: `— name base64(key id ‖ signature)`.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let bad = NoteError::Malformed;
        let rest = line
            .strip_prefix("— ")
            .ok_or(bad("a signature line starts with an em dash"))?;
        let (name, blob) = rest
            .split_once(' ')
            .ok_or(bad("a signature line has a name and base64"))?;
        let name = KeyName::new(name)?;
        let blob = STANDARD.decode(blob).map_err(|_| bad("a signature is not base64"))?;
        let (key_id, bytes) = blob.split_first_chunk::<4>().ok_or(bad("a signature is too short"))?;
        if bytes.is_empty() {
            return Err(bad("a signature is too short"));
        }
        Ok(Self {
            name,
            key_id: *key_id,
            bytes: bytes.to_vec(),
        })
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [&self.key_id[..], &self.bytes].concat();
        write!(f, "— {} {}", self.name, STANDARD.encode(blob))
    }
}

/// A signature as a line of a note, line feed included: what a witness answers (C2SP tlog-witness).
pub fn signature_line(key: &VerifierKey, signature: &[u8]) -> String {
    format!("{}\n", key.signature(signature))
}

/// A note: text and signatures, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// A note of this text, which ends in a line feed and has no other control characters, with 1 to [`MAX_SIGNATURES`] signatures
    /// that are not empty; at most [`MAX_NOTE`] bytes as it is published.
    pub fn new(text: &str, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        check_text(text)?;
        if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Malformed("1 to 64 signatures"));
        }
        if signatures.iter().any(|line| line.bytes.is_empty()) {
            return Err(NoteError::Malformed("a signature is too short"));
        }
        let note = Self {
            text: text.to_owned(),
            signatures,
        };
        if note.encode().len() > MAX_NOTE {
            return Err(NoteError::Malformed("larger than 512 KiB"));
        }
        Ok(note)
    }

    /// Reads a note, exactly as [`Note::encode`] writes it.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::Malformed("larger than 512 KiB"));
        }
        let all = std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("not UTF-8"))?;
        let at = all
            .rfind("\n\n")
            .ok_or(NoteError::Malformed("no empty line before the signatures"))?;
        let parts = all.split_at_checked(at.saturating_add(1));
        let (text, rest) = parts.ok_or(NoteError::Malformed("no text"))?;
        let lines = rest.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let lines = lines.ok_or(NoteError::Malformed("the last line does not end"))?;
        // One line more than allowed is enough for `new` to refuse the note, so that no more are decoded.
        let lines = lines.split('\n').take(MAX_SIGNATURES + 1);
        Self::new(text, lines.map(NoteSignature::parse).collect::<Result<_, _>>()?)
    }

    /// The note as it is published.
    pub fn encode(&self) -> String {
        let mut out = format!("{}\n", self.text);
        for line in &self.signatures {
            out.push_str(&format!("{line}\n"));
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

    /// The known keys whose signatures verify, each once however many lines it has, in the order of the lines. Lines of unknown keys
    /// are passed over.
    ///
    /// # Errors
    /// `BadSignature` if one line of a known key does not verify, whatever the others do; `Unsupported` if a line is by a known key
    /// of a type that cannot be verified; `Ambiguous` if a line could be by two known keys; `NoKnownKey` if none is by a known key.
    pub fn verify<'k>(&self, known: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut verified: Vec<&VerifierKey> = Vec::new();
        for line in &self.signatures {
            let mut matching = known.iter().filter(|key| key.is_of(line));
            let Some(key) = matching.next() else { continue };
            if matching.any(|other| other != key) {
                return Err(NoteError::Ambiguous(key.name.clone()));
            }
            key.verify(&self.text, &line.bytes)?;
            if !verified.contains(&key) {
                verified.push(key);
            }
        }
        if verified.is_empty() {
            return Err(NoteError::NoKnownKey);
        }
        Ok(verified)
    }
}

/// Ed25519 (RFC 8032) without cofactor and without points of small order, so that a signature has one form only.
pub(crate) fn verify_ed25519(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(public) else {
        return false;
    };
    let Ok(signature) = Signature::from_slice(signature) else {
        return false;
    };
    key.verify_strict(message, &signature).is_ok()
}

fn check_point(public: &[u8; 32]) -> Result<(), NoteError> {
    let key = VerifyingKey::from_bytes(public).map_err(|_| NoteError::BadKey("not an Ed25519 point"))?;
    if key.is_weak() {
        return Err(NoteError::BadKey("an Ed25519 point of small order"));
    }
    Ok(())
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

/// Key names and origins have the same form.
pub(crate) fn is_name(text: &str) -> bool {
    let is_bad = |c: char| c.is_whitespace() || c == '+' || u32::from(c) < 0x20;
    !text.is_empty() && text.len() <= MAX_NAME && !text.chars().any(is_bad)
}

fn hex8(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}
