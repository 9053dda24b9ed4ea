//! One task for each link: says hello, helps a custodian to join, and brings it whatever was certified without it.

use crate::{
    custodians::{ANSWER, AskError, Custodians},
    ledger::{LedgerError, read_entries},
    publish::Published,
    sequencer::Seen,
};
use bytes::Bytes;
use quorate_protocol::{
    Head, QuorumCertificate,
    message::{AskPeer, Follow, Hello, Join, LogEntry, MAX_TRANSFER, SignedPeerStatement, Standing, Status, path},
};
use quorate_rules::cbor::Canonical;
use quorate_store::LogStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often a custodian that is not asked to sign gets what was certified meanwhile.
const FEED: Duration = Duration::from_millis(150);
/// How often everyone is asked where it stands.
const HELLO: Duration = Duration::from_secs(2);
/// Pause before asking others about a joining custodian again.
const JOIN: Duration = Duration::from_millis(100);
/// Bytes of entries in one `follow`.
const FOLLOW_BYTES: usize = 3 << 20;

/// A custodian could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// It did not take the entries.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The own copy.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It holds a head that is on no branch of this log.
    #[error("it holds a head that is not on this log")]
    OffBranch,
    /// Too far behind for one message, and nothing is published yet to prove a part against.
    #[error("the part that it lacks is not published yet")]
    NotPublished,
}

/// What a shepherd works with.
#[derive(Clone)]
pub struct Flock {
    /// The links.
    pub custodians: Arc<Custodians>,
    /// The own copy of the log.
    pub store: Arc<dyn LogStore>,
    /// The published log, for proofs.
    pub published: Arc<Published>,
    /// The certified log as seen from outside.
    pub seen: watch::Receiver<Seen>,
}

/// Tends one link until it is lost.
pub async fn tend(mut flock: Flock, number: u16) {
    loop {
        match greet(&flock, number).await {
            Err(AskError::Gone(_)) => return,
            Err(error) => {
                tracing::debug!(custodian = number, %error, "no greeting");
                tokio::time::sleep(JOIN).await;
                continue;
            }
            Ok(status) if status.standing == Standing::Joining => {
                help_to_join(&flock, &status).await;
                tokio::time::sleep(JOIN).await;
                continue;
            }
            Ok(_) => {}
        }
        let next_hello = tokio::time::Instant::now() + HELLO;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(next_hello) => break,
                changed = flock.seen.changed() => if changed.is_err() { return },
            }
            tokio::time::sleep(FEED).await;
            let seen = flock.seen.borrow_and_update().clone();
            let behind = flock.custodians.certified(number).is_some_and(|head| head != seen.head);
            if behind {
                match bring_up_from(&flock, number, &seen).await {
                    Ok(()) => {}
                    Err(FollowError::Ask(AskError::Gone(_))) => return,
                    Err(error) => {
                        tracing::debug!(custodian = number, %error, "not brought up");
                        break;
                    }
                }
            }
        }
    }
}

async fn greet(flock: &Flock, number: u16) -> Result<Status, AskError> {
    let hello = Hello {
        origin: flock.custodians.committee().origin().to_owned(),
    };
    let status: Status = flock
        .custodians
        .ask(number, path::HELLO, Bytes::from(hello.to_canonical()), ANSWER)
        .await?;
    if status.custodian != number {
        return Err(AskError::Unreadable(number));
    }
    flock.custodians.take_status(number, status.clone());
    Ok(status)
}

async fn help_to_join(flock: &Flock, status: &Status) {
    let number = status.custodian;
    let ask = AskPeer {
        about: number,
        challenge: status.challenge,
    };
    let body = Bytes::from(ask.to_canonical());
    let needed = usize::from(flock.custodians.committee().rule().threshold().saturating_sub(1));
    let mut statements: Vec<SignedPeerStatement> = Vec::new();
    for other in flock.custodians.linked().into_iter().filter(|other| *other != number) {
        if let Ok(signed) = flock
            .custodians
            .ask(other, path::PEER, body.clone(), Duration::from_secs(1))
            .await
        {
            statements.push(signed);
        }
    }
    if statements.len() < needed {
        return;
    }
    let join = Bytes::from(Join { statements }.to_canonical());
    match flock.custodians.ask::<Status>(number, path::JOIN, join, ANSWER).await {
        Ok(status) => {
            if status.standing == Standing::Amnesic {
                tracing::error!(
                    custodian = number,
                    "its disk was rolled back: it follows and never votes; rejoin it by decision"
                );
            }
            flock.custodians.take_status(number, status);
        }
        Err(error) => tracing::warn!(custodian = number, %error, "cannot join"),
    }
}

/// Brings a custodian to the head of a certificate in one message, while the sequencer waits for it.
pub async fn bring_up(
    custodians: &Custodians,
    store: &Arc<dyn LogStore>,
    number: u16,
    certificate: &QuorumCertificate,
) -> Result<(), FollowError> {
    let hello = Hello {
        origin: custodians.committee().origin().to_owned(),
    };
    let status: Status = custodians
        .ask(number, path::HELLO, Bytes::from(hello.to_canonical()), ANSWER)
        .await?;
    let gap = certificate.head.size.saturating_sub(status.certified.size);
    let store = Arc::clone(store);
    let from = status.certified.size;
    let entries = tokio::task::block_in_place(|| read_bounded(store.as_ref(), from, gap))?;
    if entries.len() as u64 != gap {
        return Err(FollowError::NotPublished);
    }
    let follow = Follow {
        origin: custodians.committee().origin().to_owned(),
        from,
        entries,
        certificate: certificate.clone(),
        consistency: Vec::new(),
    };
    let status: Status = custodians
        .ask(number, path::FOLLOW, Bytes::from(follow.to_canonical()), ANSWER)
        .await?;
    custodians.take_status(number, status);
    Ok(())
}

/// Brings a custodian to the certified head, and to the one below it first: then it can sign the certified head, if its turn comes.
async fn bring_up_from(flock: &Flock, number: u16, seen: &Seen) -> Result<(), FollowError> {
    let mut status = greet(flock, number).await?;
    for certificate in [&seen.parent, &seen.certificate].into_iter().flatten() {
        status = bring_up_to(flock, number, status, certificate).await?;
    }
    Ok(())
}

/// Brings a custodian to the head of a certificate, in as many messages as it takes; from its certified head, or from the one below
/// it if that turned out to be overtaken.
async fn bring_up_to(
    flock: &Flock,
    number: u16,
    mut status: Status,
    certificate: &QuorumCertificate,
) -> Result<Status, FollowError> {
    let mut from_settled = false;
    while status.certified != certificate.head && status.certified.size <= certificate.head.size {
        let base: Head = if from_settled { status.settled } else { status.certified };
        let gap = certificate.head.size.saturating_sub(base.size);
        let entries = tokio::task::block_in_place(|| read_bounded(flock.store.as_ref(), base.size, gap))?;
        let reached = base.size + entries.len() as u64;
        let (certificate, consistency) = if reached == certificate.head.size {
            (certificate.clone(), Vec::new())
        } else {
            let part = tokio::task::block_in_place(|| flock.published.prove_prefix(reached));
            part.ok_or(FollowError::NotPublished)?
        };
        let origin = flock.custodians.committee().origin().to_owned();
        let follow = Follow {
            origin,
            from: base.size,
            entries,
            certificate,
            consistency,
        };
        let body = Bytes::from(follow.to_canonical());
        match flock.custodians.ask::<Status>(number, path::FOLLOW, body, ANSWER).await {
            Ok(next) => {
                from_settled = false;
                if next.certified == status.certified {
                    break;
                }
                status = next;
                flock.custodians.take_status(number, status.clone());
            }
            Err(AskError::Refused { .. }) if !from_settled => from_settled = true,
            Err(AskError::Refused { .. }) => return Err(FollowError::OffBranch),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(status)
}

fn read_bounded(store: &dyn LogStore, from: u64, count: u64) -> Result<Vec<LogEntry>, LedgerError> {
    let limit = usize::try_from(count).unwrap_or(usize::MAX).min(MAX_TRANSFER);
    let mut bytes = 0usize;
    let mut entries = read_entries(store, from, limit)?;
    let fitting = entries
        .iter()
        .take_while(|entry| {
            bytes += entry.to_canonical().len();
            bytes <= FOLLOW_BYTES
        })
        .count();
    entries.truncate(fitting.max(1));
    Ok(entries.into_iter().map(LogEntry::for_others).collect())
}
