//! Trust policies (C2SP tlog-policy): which logs are known, which witnesses, and how many of them must have cosigned a checkpoint.

use crate::{
    checkpoint::{BadCheckpoint, Checkpoint},
    cosignature::Cosignature,
    note::{KeyType, Note, NoteError, VerifierKey},
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Largest policy file that is read, bytes: every log and witness may have an ML-DSA key of 1.8 kB.
pub const MAX_POLICY: usize = 1024 * 1024;
/// Most logs, witnesses and groups (each) that are read; the specification recommends at least 32.
pub const MAX_OF_A_KIND: usize = 256;

/// Name of the quorum that asks for no witness; nothing else may bear it.
const NONE: &str = "none";

/// A policy file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    /// Too large, or octets that the specification excludes.
    #[error("not a policy file: {0}")]
    Malformed(&'static str),
    /// A line is of none of the four forms.
    #[error("line {0} is no log, witness, group or quorum line")]
    Line(usize),
    /// A key is malformed.
    #[error("a verifier key is malformed")]
    Key(#[source] NoteError),
    /// A key's type is not one that signs checkpoints (for a log) or cosigns them (for a witness).
    #[error("the key of {0} has the wrong type for its role")]
    KeyRole(String),
    /// One public key stands in two lines, under whatever names: it would count twice.
    #[error("the public key of {0} stands in two lines")]
    DuplicateKey(String),
    /// A name is `none`, empty, or has spaces or control characters.
    #[error("{0:?} cannot be a name")]
    Name(String),
    /// A name is defined twice.
    #[error("{0} is defined twice")]
    DuplicateName(String),
    /// A group or quorum refers to a name that no earlier line defines.
    #[error("{0} is not defined on an earlier line")]
    Undefined(String),
    /// A name is a member twice, of one group or of two: its witnesses would count in two ways.
    #[error("{0} is a member twice")]
    MemberTwice(String),
    /// A group's threshold is not a number from 1 to its members, `all` or `any`, or it has no members.
    #[error("the threshold of group {0} is not between one and its members")]
    Threshold(String),
    /// Not exactly one quorum line.
    #[error("a policy has exactly one quorum line")]
    Quorum,
}

/// A checkpoint does not satisfy a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A signature does not verify, or none is by a known key.
    #[error("the note is not signed as the policy asks")]
    Note(#[from] NoteError),
    /// The text is no checkpoint.
    #[error("the note is no checkpoint")]
    Checkpoint(#[from] BadCheckpoint),
    /// No listed log whose name is the checkpoint's origin has signed it.
    #[error("not signed by a listed log of its origin")]
    NotByLog,
    /// The witnesses that cosigned do not satisfy the quorum.
    #[error("the quorum of witnesses is not reached")]
    NoQuorum,
}

/// A log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its key, whose name is the log's origin.
    pub key: VerifierKey,
    /// Where it answers.
    pub url: Option<String>,
}

/// A witness line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Name within the policy.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// Where it answers.
    pub url: Option<String>,
}

/// How many members of a group must have witnessed a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// At least this many, from 1 to all.
    AtLeast(usize),
    /// Every one.
    All,
    /// At least one.
    Any,
}

/// A group line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name within the policy.
    pub name: String,
    /// How many members it takes.
    pub threshold: Threshold,
    /// Witnesses and earlier groups.
    pub members: Vec<String>,
}

/// A policy under construction, line by line; each line is checked against those before it.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<String>,
    members: BTreeSet<String>,
}

/// A policy: logs, witnesses, groups and the quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: String,
}

/// A checkpoint that satisfies a policy, and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// For each witness (by its name in the policy) that cosigned it: its latest time, seconds since 1970 UTC.
    pub witnesses: BTreeMap<String, u64>,
}

impl Draft {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a log. Its key is of type 0x01 or 0x06 and named as the log's origin.
    pub fn log(&mut self, key: VerifierKey, url: Option<&str>) -> Result<&mut Self, BadPolicy> {
        if !matches!(key.key_type(), KeyType::Ed25519 | KeyType::MlDsa44) {
            return Err(BadPolicy::KeyRole(key.name().to_string()));
        }
        self.check_new_key(&key)?;
        check_room(self.logs.len())?;
        self.logs.push(Log {
            key,
            url: check_url(url)?,
        });
        Ok(self)
    }

    /// Adds a witness. Its key is of type 0x04 or 0x06.
    pub fn witness(&mut self, name: &str, key: VerifierKey, url: Option<&str>) -> Result<&mut Self, BadPolicy> {
        if !matches!(key.key_type(), KeyType::Cosignature | KeyType::MlDsa44) {
            return Err(BadPolicy::KeyRole(key.name().to_string()));
        }
        self.check_new_name(name)?;
        self.check_new_key(&key)?;
        check_room(self.witnesses.len())?;
        self.witnesses.push(Witness {
            name: name.to_owned(),
            key,
            url: check_url(url)?,
        });
        Ok(self)
    }

    /// Adds a group of witnesses and groups that are defined already.
    pub fn group(&mut self, name: &str, threshold: Threshold, members: &[&str]) -> Result<&mut Self, BadPolicy> {
        self.check_new_name(name)?;
        check_room(self.groups.len())?;
        let is_possible = match threshold {
            Threshold::AtLeast(k) => (1..=members.len()).contains(&k),
            Threshold::All | Threshold::Any => !members.is_empty(),
        };
        if !is_possible {
            return Err(BadPolicy::Threshold(name.to_owned()));
        }
        let mut taken = self.members.clone();
        for &member in members {
            if !self.defines(member) {
                return Err(BadPolicy::Undefined(member.to_owned()));
            }
            if !taken.insert(member.to_owned()) {
                return Err(BadPolicy::MemberTwice(member.to_owned()));
            }
        }
        self.members = taken;
        let members = members.iter().map(|&member| member.to_owned()).collect();
        self.groups.push(Group {
            name: name.to_owned(),
            threshold,
            members,
        });
        Ok(self)
    }

    /// Sets the quorum, once: a witness or group that is defined already, or `none`.
    pub fn quorum(&mut self, name: &str) -> Result<&mut Self, BadPolicy> {
        if name != NONE && !self.defines(name) {
            return Err(BadPolicy::Undefined(name.to_owned()));
        }
        match self.quorum.replace(name.to_owned()) {
            None => Ok(self),
            Some(_) => Err(BadPolicy::Quorum),
        }
    }

    /// The policy; it needs a quorum.
    pub fn finish(self) -> Result<Policy, BadPolicy> {
        let quorum = self.quorum.ok_or(BadPolicy::Quorum)?;
        Ok(Policy {
            logs: self.logs,
            witnesses: self.witnesses,
            groups: self.groups,
            quorum,
        })
    }

    fn defines(&self, name: &str) -> bool {
        self.witnesses.iter().any(|witness| witness.name == name) || self.groups.iter().any(|group| group.name == name)
    }

    fn check_new_name(&self, name: &str) -> Result<(), BadPolicy> {
        let is_word = !name.is_empty() && !name.bytes().any(is_blank_or_control);
        if !is_word || name == NONE {
            return Err(BadPolicy::Name(name.to_owned()));
        }
        if self.defines(name) {
            Err(BadPolicy::DuplicateName(name.to_owned()))
        } else {
            Ok(())
        }
    }

    /// The same public key under another name or type is the same key, and a log does not witness itself.
    fn check_new_key(&self, key: &VerifierKey) -> Result<(), BadPolicy> {
        let logs = self.logs.iter().map(|log| &log.key);
        let mut keys = logs.chain(self.witnesses.iter().map(|witness| &witness.key));
        if keys.any(|other| other.public() == key.public()) {
            return Err(BadPolicy::DuplicateKey(key.name().to_string()));
        }
        Ok(())
    }

    fn line(&mut self, number: usize, words: &[&str]) -> Result<(), BadPolicy> {
        match *words {
            ["log", key] => self.log(read_key(key)?, None)?,
            ["log", key, url] => self.log(read_key(key)?, Some(url))?,
            ["witness", name, key] => self.witness(name, read_key(key)?, None)?,
            ["witness", name, key, url] => self.witness(name, read_key(key)?, Some(url))?,
            ["group", name, threshold, ref members @ ..] => {
                let threshold = read_threshold(threshold).ok_or_else(|| BadPolicy::Threshold(name.to_owned()))?;
                self.group(name, threshold, members)?
            }
            ["quorum", name] => self.quorum(name)?,
            _ => return Err(BadPolicy::Line(number)),
        };
        Ok(())
    }
}

impl Policy {
    /// Reads a policy file: UTF-8, every line ended by a line feed.
    pub fn parse(text: &str) -> Result<Self, BadPolicy> {
        if text.len() > MAX_POLICY {
            return Err(BadPolicy::Malformed("larger than 1 MiB"));
        }
        if text
            .bytes()
            .any(|byte| is_control(byte) && byte != b'\t' && byte != b'\n')
        {
            return Err(BadPolicy::Malformed("control characters other than tab and line feed"));
        }
        // A file cut short could otherwise name another quorum.
        let body = text
            .strip_suffix('\n')
            .ok_or(BadPolicy::Malformed("the last line does not end"))?;
        let mut draft = Draft::new();
        for (number, line) in (1usize..).zip(body.split('\n')) {
            let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            if words.first().is_some_and(|word| !word.starts_with('#')) {
                draft.line(number, &words)?;
            }
        }
        draft.finish()
    }

    /// The logs.
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// The groups, each after its members.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Name of the witness or group that must have cosigned; `None` if no cosignature is asked for.
    pub fn quorum(&self) -> Option<&str> {
        (self.quorum != NONE).then_some(self.quorum.as_str())
    }

    /// The checkpoint, if a listed log of its origin has signed the note and the quorum of witnesses has cosigned it.
    pub fn check(&self, note: &Note) -> Result<Checkpoint, PolicyError> {
        self.examine(note).map(|vouched| vouched.checkpoint)
    }

    /// As [`Policy::check`], and says which witnesses cosigned when, so that the caller can ask for fresh ones. A witness counts
    /// once, however many lines it has. Keys that cannot be verified here (ML-DSA) never count; a bad signature by any other listed
    /// key refuses the note.
    pub fn examine(&self, note: &Note) -> Result<Vouched, PolicyError> {
        let logs = self.logs.iter().map(|log| &log.key);
        let listed = logs.chain(self.witnesses.iter().map(|witness| &witness.key));
        let known: Vec<VerifierKey> = listed.filter(|key| key.key_type().is_supported()).cloned().collect();
        let verified = note.verify(&known)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        let is_signer = |log: &Log| log.key.name() == checkpoint.origin.as_str() && verified.contains(&&log.key);
        if !self.logs.iter().any(is_signer) {
            return Err(PolicyError::NotByLog);
        }
        let mut witnesses = BTreeMap::new();
        for witness in self.witnesses.iter().filter(|witness| verified.contains(&&witness.key)) {
            witnesses.insert(witness.name.clone(), latest_time(note, &witness.key));
        }
        let is_reached = self
            .quorum()
            .is_none_or(|quorum| self.satisfied(&witnesses).contains(quorum));
        if is_reached {
            Ok(Vouched { checkpoint, witnesses })
        } else {
            Err(PolicyError::NoQuorum)
        }
    }

    /// Names of the witnesses and groups that have witnessed.
    fn satisfied<'a>(&'a self, witnesses: &'a BTreeMap<String, u64>) -> BTreeSet<&'a str> {
        let mut satisfied: BTreeSet<&str> = witnesses.keys().map(String::as_str).collect();
        // Members of a group are defined before it, so one pass in order is enough.
        for group in &self.groups {
            let count = group
                .members
                .iter()
                .filter(|member| satisfied.contains(member.as_str()))
                .count();
            let needed = match group.threshold {
                Threshold::AtLeast(k) => k,
                Threshold::All => group.members.len(),
                Threshold::Any => 1,
            };
            if count >= needed {
                satisfied.insert(&group.name);
            }
        }
        satisfied
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = |url: &Option<String>| url.as_ref().map_or_else(String::new, |url| format!(" {url}"));
        for log in &self.logs {
            writeln!(f, "log {}{}", log.key, url(&log.url))?;
        }
        for witness in &self.witnesses {
            writeln!(f, "witness {} {}{}", witness.name, witness.key, url(&witness.url))?;
        }
        for group in &self.groups {
            writeln!(
                f,
                "group {} {} {}",
                group.name,
                group.threshold,
                group.members.join(" ")
            )?;
        }
        writeln!(f, "quorum {}", self.quorum)
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(k) => write!(f, "{k}"),
            Self::All => f.write_str("all"),
            Self::Any => f.write_str("any"),
        }
    }
}

impl std::str::FromStr for Policy {
    type Err = BadPolicy;

    fn from_str(text: &str) -> Result<Self, BadPolicy> {
        Self::parse(text)
    }
}

fn latest_time(note: &Note, key: &VerifierKey) -> u64 {
    let lines = note.signatures().iter().filter(|line| key.is_of(line));
    lines
        .filter_map(|line| Cosignature::parse(&line.bytes).ok())
        .map(|found| found.time_s())
        .max()
        .unwrap_or(0)
}

fn read_key(word: &str) -> Result<VerifierKey, BadPolicy> {
    VerifierKey::parse(word).map_err(BadPolicy::Key)
}

fn read_threshold(word: &str) -> Option<Threshold> {
    match word {
        "all" => Some(Threshold::All),
        "any" => Some(Threshold::Any),
        _ => word
            .parse()
            .ok()
            .filter(|k: &usize| k.to_string() == word)
            .map(Threshold::AtLeast),
    }
}

fn check_url(url: Option<&str>) -> Result<Option<String>, BadPolicy> {
    match url {
        Some(url) if url.is_empty() || url.bytes().any(is_blank_or_control) => Err(BadPolicy::Malformed(
            "a URL is empty or has spaces or control characters",
        )),
        other => Ok(other.map(str::to_owned)),
    }
}

fn check_room(taken: usize) -> Result<(), BadPolicy> {
    if taken < MAX_OF_A_KIND {
        Ok(())
    } else {
        Err(BadPolicy::Malformed("more than 256 lines of a kind"))
    }
}

const fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

const fn is_blank_or_control(byte: u8) -> bool {
    is_control(byte) || byte == b' '
}
