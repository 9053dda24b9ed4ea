//! The registry: a fold over the log's entries, and nothing else. There is no other way to change a tenant.

mod people;

use crate::{
    RULES_VERSION, Refusal, TokenAlg,
    body::{DecisionBody, GenesisBody, KeysBody},
    canonical,
    cbor::{Array, Canonical, Malformed},
    decision::{Action, Proposal, check_approvals},
    domain,
    jwk::PublicJwk,
    leaf::EntryType,
    name::{ClientId, Issuer},
    quorum::QuorumRule,
    record::{AdminSet, ClientRecord, CustodianRecord, GatewayRecord, PendingRecord, Record, TenantRecord},
    token::SigningHeader,
    token_alg::BadTokenKey,
};
use minicbor::{Decode, Encode};
use quorate_tlog::{
    hash::{Hash, leaf_hash, sha256},
    proof,
    range::CompactRange,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// The state of a tenant just before an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry {
    records: BTreeMap<String, Stored>,
    root: Option<Hash>,
    signing: Option<TokenSigning>,
    next_effect_ms: Option<u64>,
    /// Hashes of all passkeys' public keys: none is ever registered twice.
    passkey_keys: BTreeSet<Hash>,
    /// Index of the last entry that was folded and changed something.
    last_change: Option<u64>,
}

/// The token key of the keys in force, read as the algorithm of genesis says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TokenSigning {
    key: PublicJwk,
    header: SigningHeader,
}

impl TokenSigning {
    fn read(alg: TokenAlg, keys: &KeysBody) -> Result<Self, BadTokenKey> {
        let key = alg.token_key(&keys.token_key)?;
        let kid = key.thumbprint();
        Ok(Self {
            key,
            header: SigningHeader { alg, kid },
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[n(0)]
    record: Record,
    #[n(1)]
    changed_at: u64,
    #[cbor(n(2), with = "crate::cbor::hash")]
    hash: Hash,
    #[n(3)]
    salt: Array<16>,
}

/// A record with the proof that it stands in a registry's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenRecord {
    /// Canonical record.
    pub record: Vec<u8>,
    /// Its salt.
    pub salt: [u8; 16],
    /// Its place among the records in the order of their keys.
    pub index: u64,
    /// Number of records.
    pub count: u64,
    /// RFC 6962 inclusion proof.
    pub proof: Vec<Hash>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct SavedRegistry {
    #[n(0)]
    records: Vec<Stored>,
    #[n(1)]
    last_change: Option<u64>,
}
canonical!(SavedRegistry => "registry");

/// An entry as the fold sees it.
#[derive(Debug, Clone, Copy)]
pub struct FoldEntry<'a> {
    /// Index in the log.
    pub index: u64,
    /// What it is.
    pub entry_type: EntryType,
    /// Time of its batch, milliseconds.
    pub time_ms: u64,
    /// Salt of its opening.
    pub salt: &'a [u8; 32],
    /// Canonical body.
    pub body: &'a [u8],
}

impl Registry {
    /// The registry before genesis: no record at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// RFC 6962 root over the salted records in the order of their keys.
    pub fn root(&self) -> Hash {
        self.root.unwrap_or_else(quorate_tlog::hash::empty_root)
    }

    /// Whether a waiting decision takes effect at this time.
    pub fn is_due(&self, time_ms: u64) -> bool {
        self.next_effect_ms.is_some_and(|effect| effect <= time_ms)
    }

    /// Lets waiting decisions take effect whose time has come, and forgets what was stopped and is dead by now; called once before each
    /// entry is judged or folded.
    pub fn advance(&mut self, index: u64, time_ms: u64) {
        while self.is_due(time_ms) {
            self.forget_stopped(time_ms);
            let due = self.pending().find(|pending| pending.effective_ms <= time_ms).cloned();
            if let Some(pending) = due {
                let decided = self.records.remove(&Record::Pending(pending.clone()).key());
                if let (Ok(proposal), Some(decided)) = (Proposal::from_canonical(&pending.proposal), decided) {
                    let action = self.keeping_stopped(proposal.action, decided.changed_at);
                    // What was sound when it was decided need not be any more: two that wait may want the same name.
                    if self.is_sound(&action, time_ms) {
                        self.take_effect(index, &action, &pending.salt.0);
                    }
                }
            }
            self.refresh();
        }
    }

    /// Folds one entry; token entries and ticks change nothing. Call [`Registry::advance`] first.
    pub fn apply(&mut self, entry: &FoldEntry<'_>) -> Result<(), Refusal> {
        match entry.entry_type {
            EntryType::Token | EntryType::Tick => return Ok(()),
            EntryType::Genesis => self.apply_genesis(entry),
            EntryType::Keys => self.apply_keys(entry),
            EntryType::Decision => self.apply_decision(entry),
            EntryType::Enrolment => self.apply_enrolment(entry),
            EntryType::Revocation => self.apply_revocation(entry),
            EntryType::Bulletin | EntryType::Rules | EntryType::Epoch => Err(Refusal::UnknownEntry),
        }?;
        self.last_change = Some(entry.index);
        Ok(())
    }

    fn apply_genesis(&mut self, entry: &FoldEntry<'_>) -> Result<(), Refusal> {
        if entry.index != 0 || !self.records.is_empty() {
            return Err(Refusal::UnknownEntry);
        }
        let genesis = GenesisBody::from_canonical(entry.body).map_err(|_| Refusal::WrongGenesis)?;
        check_genesis(&genesis)?;
        if genesis.rules > RULES_VERSION {
            return Err(Refusal::RulesVersion);
        }
        self.put(entry.index, entry.salt, Record::Rules(genesis.rules));
        self.put(entry.index, entry.salt, Record::Admins(genesis.admins));
        for gateway in genesis.gateways {
            self.put(entry.index, entry.salt, Record::Gateway(gateway));
        }
        for (number, custodian) in (1u16..).zip(genesis.custodians) {
            self.put(entry.index, entry.salt, Record::Custodian(number, custodian));
        }
        let tenant = TenantRecord {
            issuer: genesis.issuer,
            log: genesis.log,
            quorum: genesis.quorum,
            token_alg: genesis.token_alg,
            demo: genesis.demo,
            decision_delay_ms: genesis.decision_delay_ms,
            audit_key: genesis.audit_key,
        };
        self.put(entry.index, entry.salt, Record::Tenant(tenant));
        self.refresh();
        Ok(())
    }

    fn apply_keys(&mut self, entry: &FoldEntry<'_>) -> Result<(), Refusal> {
        // The first epoch stands right behind genesis; later epochs come with key rotation.
        if entry.index != 1 || self.keys().is_some() {
            return Err(Refusal::UnknownEntry);
        }
        let keys = KeysBody::from_canonical(entry.body).map_err(|_| Refusal::Malformed)?;
        let alg = self.tenant().ok_or(Refusal::UnknownEntry)?.token_alg;
        let signing = TokenSigning::read(alg, &keys).map_err(|_| Refusal::Malformed)?;
        let sound = keys.epoch == 1 && *keys.token_key != keys.log_key.0 && PublicJwk::Ed25519(keys.log_key).is_sound();
        if !sound {
            return Err(Refusal::Malformed);
        }
        self.signing = Some(signing);
        self.put(entry.index, entry.salt, Record::Keys(keys));
        self.refresh();
        Ok(())
    }

    fn apply_decision(&mut self, entry: &FoldEntry<'_>) -> Result<(), Refusal> {
        let body = DecisionBody::from_canonical(entry.body).map_err(|_| Refusal::InvalidProposal)?;
        let proposal = Proposal::from_canonical(&body.proposal).map_err(|_| Refusal::InvalidProposal)?;
        self.check_proposal(&proposal, entry.time_ms)?;
        let admins = self.admins().ok_or(Refusal::InvalidProposal)?;
        check_approvals(&proposal, &body.approvals, admins)?;
        let delay_ms = self.tenant().map_or(0, |tenant| tenant.decision_delay_ms);
        if delay_ms == 0 || proposal.action.only_stops() {
            self.take_effect(entry.index, &proposal.action, entry.salt);
        } else {
            let pending = PendingRecord {
                id: Array(*proposal.digest().as_bytes()),
                proposal: body.proposal,
                effective_ms: entry.time_ms.saturating_add(delay_ms),
                salt: Array(*entry.salt),
            };
            self.put(entry.index, entry.salt, Record::Pending(pending));
        }
        self.refresh();
        Ok(())
    }

    /// Everything about a proposal that does not depend on who approved it.
    pub fn check_proposal(&self, proposal: &Proposal, time_ms: u64) -> Result<(), Refusal> {
        let tenant = self.tenant().ok_or(Refusal::WrongTenant)?;
        if proposal.issuer != tenant.issuer || proposal.log != tenant.log {
            return Err(Refusal::WrongTenant);
        }
        if proposal.registry_root.0 != *self.root().as_bytes() {
            return Err(Refusal::StaleProposal);
        }
        let open_ms = proposal.expires_ms.saturating_sub(proposal.created_ms);
        if time_ms > proposal.expires_ms || open_ms > Proposal::MAX_OPEN_MS {
            return Err(Refusal::ProposalExpired);
        }
        if proposal.version == 1 && self.is_sound(&proposal.action, time_ms) {
            Ok(())
        } else {
            Err(Refusal::InvalidProposal)
        }
    }

    fn is_sound(&self, action: &Action, time_ms: u64) -> bool {
        match action {
            Action::PutClient(client) => client.check().is_ok() && self.interactive_client(&client.id).is_none(),
            Action::PutInteractiveClient(client, private) => self.may_put_interactive(client, private),
            Action::Invite(user, key, expires_ms) => self.may_invite(user, key, *expires_ms, time_ms),
            Action::SuspendUser(sub) => self.user(sub).is_some(),
            Action::StopPasskey(id) => self.passkey(id).is_some(),
            Action::SuspendClient(id) => self.client(id).is_some() || self.interactive_client(id).is_some(),
            Action::SetAdmins(set) => set.check().is_ok(),
            Action::PutGateway(gateway) => PublicJwk::Ed25519(gateway.link_key).is_sound(),
            // The last gateway cannot be stopped by one administrator: nobody could then log its successor.
            Action::RemoveGateway(name) => {
                self.gateways().any(|g| &g.name != name) && self.gateways().any(|g| &g.name == name)
            }
            Action::ActivateRules(version) => (1..=RULES_VERSION).contains(version),
            Action::Cancel(id) => self.pending().any(|pending| pending.id == *id),
        }
    }

    /// The action of a decision that waited since this index; what one administrator stopped meanwhile stays stopped, until a decision
    /// that knows of it says otherwise.
    fn keeping_stopped(&self, mut action: Action, decided_at: u64) -> Action {
        let stopped = |key: String| {
            self.records.get(&key).is_some_and(|stored| {
                let suspended = match &stored.record {
                    Record::Client(client) => client.suspended,
                    Record::InteractiveClient(client) => client.suspended,
                    Record::User(user) => user.suspended,
                    _ => false,
                };
                suspended && stored.changed_at > decided_at
            })
        };
        match &mut action {
            Action::PutClient(client) => client.suspended |= stopped(format!("client/{}", client.id)),
            Action::PutInteractiveClient(client, _) => client.suspended |= stopped(format!("client/{}", client.id)),
            Action::Invite(user, ..) => user.suspended |= stopped(format!("user/{}", user.sub)),
            _ => {}
        }
        action
    }

    fn take_effect(&mut self, index: u64, action: &Action, salt: &[u8; 32]) {
        match action {
            Action::PutClient(client) => self.put(index, salt, Record::Client(client.clone())),
            Action::SuspendClient(id) => {
                if let Some(client) = self.client(id) {
                    let stopped = ClientRecord {
                        suspended: true,
                        ..client.clone()
                    };
                    self.put(index, salt, Record::Client(stopped));
                }
                if let Some(client) = self.interactive_client(id) {
                    let mut stopped = client.clone();
                    stopped.suspended = true;
                    self.put(index, salt, Record::InteractiveClient(stopped));
                }
            }
            Action::PutInteractiveClient(client, private) => {
                self.put(index, salt, Record::InteractiveClient(client.clone()));
                self.put(index, salt, Record::ClientPrivate(private.clone()));
            }
            Action::Invite(user, key, expires_ms) => self.invite(index, salt, user, key, *expires_ms),
            Action::SuspendUser(sub) => self.suspend_user(index, salt, sub),
            Action::StopPasskey(id) => self.stop_passkey(index, salt, id),
            Action::SetAdmins(set) => self.put(index, salt, Record::Admins(set.clone())),
            Action::PutGateway(gateway) => self.put(index, salt, Record::Gateway(gateway.clone())),
            Action::RemoveGateway(name) => {
                self.records.remove(&format!("gateway/{name}"));
            }
            Action::ActivateRules(version) => self.put(index, salt, Record::Rules(*version)),
            Action::Cancel(id) => {
                let waiting = self.pending().find(|pending| pending.id == *id).cloned();
                if let Some(pending) = waiting {
                    self.records.remove(&Record::Pending(pending).key());
                }
            }
        }
    }

    fn put(&mut self, index: u64, entry_salt: &[u8; 32], record: Record) {
        let key = record.key();
        let digest = sha256(&[domain::RECORD_SALT, entry_salt, key.as_bytes()]);
        let salt = digest.as_bytes().first_chunk::<16>().copied().unwrap_or_default();
        let hash = record_hash(&salt, &key, &record.to_canonical());
        if let Record::Credential(credential) = &record {
            self.passkey_keys.insert(people::key_digest(&credential.key));
        }
        self.records.insert(
            key,
            Stored {
                record,
                changed_at: index,
                hash,
                salt: Array(salt),
            },
        );
    }

    fn refresh(&mut self) {
        self.root = Some(CompactRange::root_of(self.records.values().map(|stored| stored.hash)));
        let effects = self.pending().map(|pending| pending.effective_ms);
        self.next_effect_ms = effects.chain(self.stopped().map(|stopped| stopped.until_ms)).min();
    }
}

/// Keeping between starts.
impl Registry {
    /// Canonical bytes of the whole registry, for a custodian's own disk: they hold tag keys, so they are no more public than
    /// the registry itself.
    pub fn to_saved(&self) -> Vec<u8> {
        SavedRegistry {
            records: self.records.values().cloned().collect(),
            last_change: self.last_change,
        }
        .to_canonical()
    }

    /// Reads exactly what [`Registry::to_saved`] wrote.
    pub fn from_saved(bytes: &[u8]) -> Result<Self, Malformed> {
        let saved = SavedRegistry::from_canonical(bytes)?;
        let mut registry = Self {
            last_change: saved.last_change,
            ..Self::new()
        };
        for stored in saved.records {
            let key = stored.record.key();
            // One registry has one encoding: a record that stood twice would silently replace the first.
            if registry.records.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(Malformed {
                    what: SavedRegistry::WHAT,
                });
            }
            if let Record::Credential(credential) = &stored.record {
                registry.passkey_keys.insert(people::key_digest(&credential.key));
            }
            registry.records.insert(key, stored);
        }
        if let Some(keys) = registry.keys() {
            let other = Malformed {
                what: SavedRegistry::WHAT,
            };
            let alg = registry.tenant().ok_or(other)?.token_alg;
            registry.signing = Some(TokenSigning::read(alg, keys).map_err(|_| other)?);
        }
        if !registry.records.is_empty() {
            registry.refresh();
        }
        Ok(registry)
    }
}

/// Reading.
impl Registry {
    fn record(&self, key: &str) -> Option<&Record> {
        self.records.get(key).map(|stored| &stored.record)
    }

    /// The tenant's own record; absent before genesis.
    pub fn tenant(&self) -> Option<&TenantRecord> {
        match self.record("tenant")? {
            Record::Tenant(tenant) => Some(tenant),
            _ => None,
        }
    }

    /// The issuer string; absent before genesis.
    pub fn issuer(&self) -> Option<&Issuer> {
        self.tenant().map(|tenant| &tenant.issuer)
    }

    /// Custodians, threshold, malicious bound; absent before genesis.
    pub fn quorum(&self) -> Option<QuorumRule> {
        self.tenant().map(|tenant| tenant.quorum)
    }

    /// The custodian of this number, from 1.
    pub fn custodian(&self, number: u16) -> Option<&CustodianRecord> {
        match self.record(&format!("custodian/{number:05}"))? {
            Record::Custodian(_, custodian) => Some(custodian),
            _ => None,
        }
    }

    /// The administrators in force.
    pub fn admins(&self) -> Option<&AdminSet> {
        match self.record("admins")? {
            Record::Admins(set) => Some(set),
            _ => None,
        }
    }

    /// The client of this identifier.
    pub fn client(&self, id: &ClientId) -> Option<&ClientRecord> {
        match self.record(&format!("client/{id}"))? {
            Record::Client(client) => Some(client),
            _ => None,
        }
    }

    /// All clients.
    pub fn clients(&self) -> impl Iterator<Item = &ClientRecord> {
        self.records.values().filter_map(|stored| match &stored.record {
            Record::Client(client) => Some(client),
            _ => None,
        })
    }

    /// All enrolled gateways.
    pub fn gateways(&self) -> impl Iterator<Item = &GatewayRecord> {
        self.records.values().filter_map(|stored| match &stored.record {
            Record::Gateway(gateway) => Some(gateway),
            _ => None,
        })
    }

    /// Decisions that wait for their time.
    pub fn pending(&self) -> impl Iterator<Item = &PendingRecord> {
        self.records.values().filter_map(|stored| match &stored.record {
            Record::Pending(pending) => Some(pending),
            _ => None,
        })
    }

    /// Public keys in force; absent before the keys entry.
    pub fn keys(&self) -> Option<&KeysBody> {
        self.records.values().rev().find_map(|stored| match &stored.record {
            Record::Keys(keys) => Some(keys),
            _ => None,
        })
    }

    /// `alg` and `kid` of tokens; absent before the keys entry.
    pub fn signing_header(&self) -> Option<&SigningHeader> {
        self.signing.as_ref().map(|signing| &signing.header)
    }

    /// The key under which tokens verify: sound, and of the algorithm that genesis names; absent before the keys entry.
    pub fn token_key(&self) -> Option<&PublicJwk> {
        self.signing.as_ref().map(|signing| &signing.key)
    }

    /// Rules version in force.
    pub fn rules(&self) -> u16 {
        match self.record("rules") {
            Some(Record::Rules(version)) => *version,
            _ => 0,
        }
    }

    /// Index of the last entry that was folded and changed something; leaves before and at it name an older root.
    pub const fn last_change(&self) -> Option<u64> {
        self.last_change
    }

    /// Index of the entry that last changed the record of this key.
    pub fn changed_at(&self, key: &str) -> Option<u64> {
        self.records.get(key).map(|stored| stored.changed_at)
    }

    /// Index of the entry that last changed this client's record.
    pub fn client_changed_at(&self, id: &ClientId) -> Option<u64> {
        self.changed_at(&format!("client/{id}"))
    }

    /// A record that pages may read, with its proof; none if there is no such record, or it is not for pages.
    pub fn prove(&self, key: &str) -> Option<ProvenRecord> {
        let stored = self.records.get(key).filter(|stored| stored.record.is_public())?;
        let index = u64::try_from(
            self.records
                .range::<str, _>((Bound::Unbounded, Bound::Excluded(key)))
                .count(),
        )
        .ok()?;
        let count = u64::try_from(self.records.len()).ok()?;
        let leaves: Vec<Hash> = self.records.values().map(|stored| stored.hash).collect();
        Some(ProvenRecord {
            record: stored.record.to_canonical(),
            salt: stored.salt.0,
            index,
            count,
            proof: inclusion_in(&leaves, index)?,
        })
    }
}

fn inclusion_in(leaves: &[Hash], index: u64) -> Option<Vec<Hash>> {
    let size = u64::try_from(leaves.len()).ok()?;
    proof::inclusion(&proof::LeafHashes(leaves), index, size).ok()?
}

/// RFC 6962 leaf hash of a record in the registry tree.
pub fn record_hash(salt: &[u8; 16], key: &str, record: &[u8]) -> Hash {
    leaf_hash(&[domain::RECORD, salt, key.as_bytes(), &[0], record].concat())
}

/// Checks a founding document by itself.
pub fn check_genesis(genesis: &GenesisBody) -> Result<(), Refusal> {
    let n = genesis.custodians.len();
    let distinct = |f: fn(&CustodianRecord) -> Vec<u8>| {
        genesis
            .custodians
            .iter()
            .map(f)
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            == n
    };
    let sound = genesis
        .quorum
        .checked()
        .is_ok_and(|rule| usize::from(rule.custodians()) == n)
        && genesis.log >= 1
        && genesis.rules >= 1
        && genesis.admins.check().is_ok()
        && (genesis.demo || genesis.decision_delay_ms > 0)
        && (1..=16).contains(&genesis.gateways.len())
        && genesis
            .gateways
            .iter()
            .all(|gateway| PublicJwk::Ed25519(gateway.link_key).is_sound())
        && distinct(|custodian| custodian.identity_key.0.to_vec())
        && distinct(|custodian| custodian.cosigner_key.0.to_vec())
        && distinct(|custodian| custodian.envelope_key.0.to_vec())
        && distinct(|custodian| custodian.name.as_str().as_bytes().to_vec())
        && genesis.custodians.iter().all(|custodian| {
            PublicJwk::Ed25519(custodian.identity_key).is_sound()
                && PublicJwk::Ed25519(custodian.cosigner_key).is_sound()
                && custodian.identity_key != custodian.cosigner_key
        });
    if sound { Ok(()) } else { Err(Refusal::WrongGenesis) }
}
