//! What administrators ask the gateway: proposals with their approvals, and what is not public. The gateway decides nothing here
//! either; it keeps proposals until enough approvals are there for the custodians to accept.

use minicbor::{Decode, Encode};
use quorate_protocol::Refusal;
use quorate_rules::{
    Registry,
    body::DecisionBody,
    canonical,
    cbor::{Array, Canonical},
    decision::{Approval, Proposal, check_approvals},
    domain,
    jwk::PublicJwk,
    name::PartyName,
};
use quorate_store::{Expiring, LogStore, StoreError};
use quorate_tlog::hash::sha256;

/// Table of proposals that wait for approvals.
const TABLE: &str = "proposals";
/// How far an administrator's clock may be off.
const CLOCK_MS: u64 = 60_000;

/// What an administrator signs to read or submit: `Authorization: Quorate-Admin <name> <time ms> <hex signature>`.
#[derive(Debug, Encode, Decode)]
#[cbor(map)]
pub struct AdminRequest {
    /// HTTP method.
    #[n(0)]
    pub method: String,
    /// Path.
    #[n(1)]
    pub path: String,
    /// Time, milliseconds.
    #[n(2)]
    pub time_ms: u64,
    /// SHA-256 of the body.
    #[n(3)]
    pub body: Array<32>,
    /// Issuer, so that no request works at another tenant.
    #[n(4)]
    pub issuer: String,
}
canonical!(AdminRequest => "admin request");

impl AdminRequest {
    /// The request that is signed.
    pub fn new(method: &str, path: &str, time_ms: u64, body: &[u8], issuer: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            time_ms,
            body: Array(*sha256(&[body]).as_bytes()),
            issuer: issuer.to_owned(),
        }
    }

    /// The exact bytes.
    pub fn message(&self) -> Vec<u8> {
        [domain::ADMIN_REQUEST, &self.to_canonical()].concat()
    }
}

/// Checks the header; the administrator's name, if it is one of this tenant.
pub fn authenticate(
    registry: &Registry,
    header: &str,
    (method, path, body): (&str, &str, &[u8]),
    now_ms: u64,
) -> Option<PartyName> {
    let mut words = header.strip_prefix("Quorate-Admin ")?.split(' ');
    let (name, time, signature) = (words.next()?, words.next()?, words.next()?);
    let name = PartyName::new(name).ok()?;
    let time_ms: u64 = time.parse().ok()?;
    if time_ms.abs_diff(now_ms) > CLOCK_MS || words.next().is_some() {
        return None;
    }
    let admin = registry.admins()?.find(&name)?;
    let request = AdminRequest::new(method, path, time_ms, body, registry.issuer()?.as_str());
    let signature = hex::decode(signature).ok()?;
    PublicJwk::Ed25519(admin.key)
        .verify(&request.message(), &signature)
        .then_some(name)
}

/// A proposal with the approvals so far.
#[derive(Debug, Clone)]
pub struct Open {
    /// Hex digest.
    pub id: String,
    /// Proposal and approvals.
    pub body: DecisionBody,
    /// The proposal, read.
    pub proposal: Proposal,
}

/// A proposal or approval was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Refused by the rules that the custodians will apply.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// No such proposal.
    #[error("there is no open proposal of this id; it may be logged, expired or withdrawn")]
    Unknown,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes a new proposal.
pub fn put(store: &dyn LogStore, registry: &Registry, bytes: &[u8], now_ms: u64) -> Result<Open, AdminError> {
    let proposal = Proposal::from_canonical(bytes).map_err(|_| AdminError::Refused(Refusal::InvalidProposal))?;
    registry
        .check_proposal(&proposal, now_ms)
        .map_err(AdminError::Refused)?;
    let body = DecisionBody {
        proposal: bytes.to_vec().into(),
        approvals: Vec::new(),
    };
    save(store, &proposal, &body)?;
    Ok(open(proposal, body))
}

/// All open proposals.
pub fn list(store: &dyn LogStore) -> Result<Vec<Open>, AdminError> {
    let items = store.list_expiring(TABLE)?;
    Ok(items.iter().filter_map(|item| read(&item.value)).collect())
}

/// One open proposal.
pub fn get(store: &dyn LogStore, id: &str) -> Result<Open, AdminError> {
    list(store)?
        .into_iter()
        .find(|open| open.id == id)
        .ok_or(AdminError::Unknown)
}

/// Adds an approval; a second one of the same administrator replaces the first.
pub fn approve(store: &dyn LogStore, registry: &Registry, id: &str, approval: Approval) -> Result<Open, AdminError> {
    let mut known = get(store, id)?;
    let admins = registry.admins().ok_or(AdminError::Refused(Refusal::BadApproval))?;
    match check_approvals(&known.proposal, std::slice::from_ref(&approval), admins) {
        Ok(()) | Err(Refusal::TooFewApprovals) => {}
        Err(refusal) => return Err(AdminError::Refused(refusal)),
    }
    known.body.approvals.retain(|other| other.admin != approval.admin);
    known.body.approvals.push(approval);
    save(store, &known.proposal, &known.body)?;
    Ok(known)
}

/// Whether the approvals suffice.
pub fn is_carried(open: &Open, registry: &Registry) -> bool {
    registry
        .admins()
        .is_some_and(|admins| check_approvals(&open.proposal, &open.body.approvals, admins).is_ok())
}

/// Removes a proposal: it is logged, or nobody wants it.
pub fn remove(store: &dyn LogStore, id: &str) -> Result<(), AdminError> {
    let key = hex::decode(id).map_err(|_| AdminError::Unknown)?;
    store.take_expiring(TABLE, &key)?;
    Ok(())
}

fn save(store: &dyn LogStore, proposal: &Proposal, body: &DecisionBody) -> Result<(), StoreError> {
    let key = proposal.digest().as_bytes().to_vec();
    let item = Expiring {
        key,
        value: body.to_canonical(),
        expires_ms: proposal.expires_ms,
    };
    store.put_expiring(TABLE, &item)
}

fn read(bytes: &[u8]) -> Option<Open> {
    let body = DecisionBody::from_canonical(bytes).ok()?;
    let proposal = Proposal::from_canonical(&body.proposal).ok()?;
    Some(open(proposal, body))
}

fn open(proposal: Proposal, body: DecisionBody) -> Open {
    Open {
        id: hex::encode(proposal.digest().as_bytes()),
        body,
        proposal,
    }
}
