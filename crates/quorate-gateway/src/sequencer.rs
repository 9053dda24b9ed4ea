//! The sequencer: one task that owns the log. It takes what arrived while the last batch was in flight, builds a batch, appends it
//! durably, proposes it, and hands out what the custodians signed.

mod signers;
mod signing;
mod takeover;

use crate::{
    clock,
    custodians::Custodians,
    ledger::{Ledger, LedgerError},
};
use quorate_protocol::{
    Head, QuorumCertificate, View,
    coordinator::{Batch, Coordinator, Order, Signed, Token},
    message::MAX_BATCH,
};
use quorate_rules::{Registry, anchor::Heads};
use rand_core::{OsRng, RngCore};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Requests that may wait for a batch; one more is told to come back.
pub const QUEUE: usize = 1024;
/// A request that found no quorum for this long is told to come back.
const PATIENCE_MS: u64 = 3_000;
/// How often a head that nobody has signed is looked at.
const TICK: Duration = Duration::from_millis(500);
/// First and longest pause of a gateway that another one deposed: two that fight for the view at every request would get nothing done.
const STAND_BACK: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// Pause between attempts to find a quorum.
const RETRY: Duration = Duration::from_millis(100);

/// Something asked for.
pub struct Request {
    /// What.
    pub order: Order,
    /// When it came, milliseconds.
    pub since_ms: u64,
    /// Where the outcome goes.
    pub reply: oneshot::Sender<Reply>,
}

impl Request {
    /// A request of now, and where its outcome comes.
    pub fn of(order: Order) -> (Self, oneshot::Receiver<Reply>) {
        let (reply, outcome) = oneshot::channel();
        let request = Self {
            order,
            since_ms: clock::now_ms(),
            reply,
        };
        (request, outcome)
    }
}

/// What became of a request.
#[derive(Debug)]
pub enum Reply {
    /// All tokens of one grant, in the order of their leaves.
    Tokens(Vec<Token>),
    /// The entry stands in the log, at this index.
    Logged(u64),
    /// Refused, by this code.
    Refused(String),
    /// There is no quorum at the moment.
    Unavailable,
}

/// What everybody else in the gateway may see of the log.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Fold of the certified log.
    pub registry: Arc<Registry>,
    /// Recent heads, which anchors may name.
    pub heads: Arc<Heads>,
    /// Certified head.
    pub head: Head,
    /// Time of its last leaf, milliseconds.
    pub time_ms: u64,
    /// Its certificate.
    pub certificate: Option<QuorumCertificate>,
    /// Certificate of the head that it extends, if both are of the view led: whoever follows must stop there first, because only a
    /// custodian that holds the parent can sign the head once more.
    pub parent: Option<QuorumCertificate>,
    /// View led; 0 while there is none.
    pub view: View,
    /// Whether enough custodians are linked and vote: requests are taken, and wait while a view is being entered.
    pub quorum: bool,
    /// Whether a view is led, so that requests are served at once.
    pub ready: bool,
    /// Rounds of the key generation under way that are done, and how many there are.
    pub generating: Option<(u8, u8)>,
}

/// A head signed by the log key.
#[derive(Debug, Clone)]
pub struct SignedHead {
    /// The head.
    pub head: Head,
    /// The log key's signature over its checkpoint.
    pub signature: Vec<u8>,
    /// Its certificate.
    pub certificate: QuorumCertificate,
    /// Fold of the log up to it.
    pub registry: Arc<Registry>,
}

/// Why a batch ended.
enum Ended {
    /// The view is lost: another gateway leads, or too few answered.
    ViewLost,
    /// The gateway's own copy failed.
    Fatal(LedgerError),
}

impl From<LedgerError> for Ended {
    fn from(error: LedgerError) -> Self {
        Self::Fatal(error)
    }
}

/// The sequencer.
pub struct Sequencer {
    coordinator: Coordinator,
    ledger: Ledger,
    custodians: Arc<Custodians>,
    inbox: mpsc::Receiver<Request>,
    seen: watch::Sender<Seen>,
    signed: watch::Sender<Option<SignedHead>>,
    leading: bool,
    /// A custodian refused the view led: a new one is entered as soon as the batch in flight has ended.
    contested: bool,
    standing_back: StandingBack,
    waiting: Vec<Request>,
    /// Certificate of the head below the certified one, since the view was entered.
    parent: Option<QuorumCertificate>,
    /// Newest head under a signature of the log key.
    signed_head: Option<Head>,
}

/// How long a gateway that was deposed leaves the view to the other.
#[derive(Default)]
struct StandingBack {
    until: Option<Instant>,
    pause: Duration,
    led_since: Option<Instant>,
}

impl StandingBack {
    fn led(&mut self) {
        self.led_since = Some(Instant::now());
    }

    /// Each deposition doubles the pause, until a view is held for long; chance keeps two gateways out of step.
    fn deposed(&mut self) {
        let held = self
            .led_since
            .take()
            .is_some_and(|since| since.elapsed() > 2 * STAND_BACK.1);
        self.pause = if held {
            STAND_BACK.0
        } else {
            (2 * self.pause).clamp(STAND_BACK.0, STAND_BACK.1)
        };
        let chance = f64::from(OsRng.next_u32()) / f64::from(u32::MAX);
        self.until = Some(Instant::now() + self.pause.mul_f64(0.5 + chance));
    }

    fn is_over(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() >= until)
    }
}

/// The sequencer's ends towards the rest of the gateway.
pub struct Ends {
    /// Requests go in here.
    pub requests: mpsc::Sender<Request>,
    /// The log as seen from outside.
    pub seen: watch::Receiver<Seen>,
    /// Newest signed head.
    pub signed: watch::Receiver<Option<SignedHead>>,
}

impl Sequencer {
    /// A sequencer over its own copy of the log; it leads no view yet.
    pub fn new(
        coordinator: Coordinator,
        ledger: Ledger,
        custodians: Arc<Custodians>,
        signed_head: Option<Head>,
    ) -> (Self, Ends) {
        let (requests, inbox) = mpsc::channel(QUEUE);
        let (tip, certificate) = ledger.certified();
        let view = View(0);
        let outside = Seen {
            registry: tip.registry_arc(),
            heads: tip.heads_arc(),
            head: tip.head(),
            time_ms: tip.time_ms(),
            certificate,
            parent: None,
            view,
            quorum: false,
            ready: false,
            generating: None,
        };
        let (seen, seen_receiver) = watch::channel(outside);
        let (signed, signed_receiver) = watch::channel(None);
        let sequencer = Self {
            coordinator,
            ledger,
            custodians,
            inbox,
            seen,
            signed,
            leading: false,
            contested: false,
            standing_back: StandingBack::default(),
            waiting: Vec::new(),
            parent: None,
            signed_head,
        };
        (
            sequencer,
            Ends {
                requests,
                seen: seen_receiver,
                signed: signed_receiver,
            },
        )
    }

    /// Runs until told to stop; the batch in flight is ended first.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), LedgerError> {
        let mut changes = self.custodians.changes();
        while !*stop.borrow() {
            let ready = self.leading && self.quorum_is_there();
            self.show(ready);
            if !ready {
                if self.standing_back.is_over() {
                    match self.take_over().await {
                        Ok(()) => {
                            self.standing_back.led();
                            continue;
                        }
                        Err(Ended::Fatal(error)) => return Err(error),
                        Err(Ended::ViewLost) => {}
                    }
                }
                self.turn_away_the_patient();
                tokio::select! {
                    _ = changes.changed() => {}
                    () = tokio::time::sleep(RETRY) => {}
                    _ = stop.changed() => {}
                }
                continue;
            }
            let mut requests: Vec<Request> = self.waiting.drain(..self.waiting.len().min(MAX_BATCH)).collect();
            tokio::select! {
                () = std::future::ready(()), if !requests.is_empty() => {}
                _ = self.inbox.recv_many(&mut requests, MAX_BATCH) => {}
                _ = changes.changed() => {}
                _ = stop.changed() => {}
                () = tokio::time::sleep(TICK), if self.wants_tick() => {}
            }
            if requests.is_empty() && self.wants_tick() && self.may_tick() {
                requests.push(Request::of(Order::Tick).0);
            }
            if requests.is_empty() {
                continue;
            }
            let outcome = self.serve(requests).await;
            let contested = std::mem::take(&mut self.contested);
            match outcome {
                Ok(()) => self.leading = !contested,
                Err(Ended::ViewLost) => {
                    self.leading = false;
                    if self.is_deposed() {
                        tracing::warn!("another gateway leads a higher view; standing back for a moment");
                        self.standing_back.deposed();
                    }
                }
                Err(Ended::Fatal(error)) => return Err(error),
            }
        }
        self.inbox.close();
        for request in std::mem::take(&mut self.waiting) {
            let _ = request.reply.send(Reply::Unavailable);
        }
        while let Some(request) = self.inbox.recv().await {
            let _ = request.reply.send(Reply::Unavailable);
        }
        self.ledger.save()
    }

    /// A certified head that nobody has signed: after a takeover, or where signing failed. The next token would cover it; without
    /// one, a tick does.
    fn wants_tick(&self) -> bool {
        self.signed_head != Some(self.coordinator.tip().head())
    }

    fn may_tick(&self) -> bool {
        clock::now_ms()
            >= self
                .coordinator
                .tip()
                .time_ms()
                .saturating_add(quorate_protocol::batch::TICK_MS)
    }

    /// A custodian has entered a higher view than the one led here.
    fn is_deposed(&self) -> bool {
        let view = self.coordinator.view();
        let known = self.custodians.known();
        known
            .values()
            .any(|(_, known)| known.status.as_ref().is_some_and(|status| status.view > view))
    }

    /// Whether t custodians are there that all sign with each other.
    fn quorum_is_there(&self) -> bool {
        let threshold = usize::from(self.coordinator.committee().rule().threshold());
        let choice = signers::Choice::with_bans(self.custodians.bans());
        choice.pick(&self.custodians.voting(), threshold).is_some()
    }

    fn show(&self, ready: bool) {
        let tip = self.coordinator.tip();
        let ready = ready && tip.head().size > 0;
        metrics::gauge!("quorate_ready").set(if ready { 1.0 } else { 0.0 });
        metrics::gauge!("quorate_log_size").set(tip.head().size as f64);
        metrics::gauge!("quorate_view").set(self.coordinator.view().0 as f64);
        self.seen.send_replace(Seen {
            registry: tip.registry_arc(),
            heads: tip.heads_arc(),
            head: tip.head(),
            time_ms: tip.time_ms(),
            certificate: self.coordinator.certificate().cloned(),
            parent: self.parent.clone(),
            view: self.coordinator.view(),
            quorum: self.quorum_is_there() && tip.head().size > 0,
            ready,
            generating: None,
        });
    }

    /// Requests that have waited long enough without a quorum are told so; younger ones wait on, first in the next batch.
    fn turn_away_the_patient(&mut self) {
        while let Ok(request) = self.inbox.try_recv() {
            self.waiting.push(request);
        }
        for request in std::mem::take(&mut self.waiting) {
            if self.is_impatient(request.since_ms) {
                let _ = request.reply.send(Reply::Unavailable);
            } else {
                self.waiting.push(request);
            }
        }
    }

    async fn serve(&mut self, requests: Vec<Request>) -> Result<(), Ended> {
        let mut waits: Vec<(u64, Option<oneshot::Sender<Reply>>)> = Vec::new();
        let mut orders: Vec<Order> = Vec::new();
        for Request { order, since_ms, reply } in requests {
            orders.push(order);
            waits.push((since_ms, Some(reply)));
        }
        let batch = tokio::task::block_in_place(|| self.coordinator.build(&orders, clock::now_ms(), &mut OsRng));
        for number in &batch.left {
            if let (Some(order), Some((since_ms, reply))) = (orders.get(*number), waits.get_mut(*number))
                && let Some(reply) = reply.take()
            {
                let (order, since_ms) = (order.clone(), *since_ms);
                self.waiting.push(Request { order, since_ms, reply });
            }
        }
        let mut answer = |number: usize, reply: Reply| {
            if let Some(sender) = waits.get_mut(number).and_then(|(_, sender)| sender.take()) {
                let _ = sender.send(reply);
            }
        };
        for (number, refusal) in &batch.refused {
            answer(*number, Reply::Refused(refusal.code().to_owned()));
        }
        let outcome = if batch.entries.is_empty() {
            Ok(Signed::default())
        } else {
            self.commit(&batch).await
        };
        if let Ok(signed) = &outcome {
            for (number, tokens) in complete_grants(&signed.tokens) {
                answer(number, Reply::Tokens(tokens));
            }
            for (number, code) in &signed.refused {
                answer(*number, Reply::Refused(code.clone()));
            }
            for (index, number) in &batch.placed {
                if !matches!(orders.get(*number), Some(Order::Token(_))) {
                    answer(*number, Reply::Logged(*index));
                }
            }
        }
        let dropped = outcome.is_err() && self.coordinator.abandon(&batch);
        for (order, (since_ms, reply)) in orders.into_iter().zip(waits) {
            let Some(reply) = reply else { continue };
            if dropped && !self.is_impatient(since_ms) {
                self.waiting.push(again(order, since_ms, reply));
            } else {
                let _ = reply.send(Reply::Unavailable);
            }
        }
        outcome.map(|_| ())
    }

    fn is_impatient(&self, since_ms: u64) -> bool {
        clock::now_ms().saturating_sub(since_ms) > PATIENCE_MS || self.waiting.len() >= QUEUE
    }

    /// Appends, proposes, certifies and signs one batch.
    async fn commit(&mut self, batch: &Batch) -> Result<Signed, Ended> {
        tokio::task::block_in_place(|| self.ledger.append(batch))?;
        metrics::counter!("quorate_batches_total").increment(1);
        metrics::histogram!("quorate_batch_entries").record(batch.entries.len() as f64);
        let signed = self.sign(batch).await?;
        for misbehaved in &signed.misbehaved {
            tracing::error!(custodian = misbehaved.custodian, "{misbehaved}");
            metrics::counter!("quorate_misbehaved_total").increment(1);
        }
        metrics::counter!("quorate_tokens_total").increment(signed.tokens.len() as u64);
        Ok(signed)
    }
}

/// A request whose batch came to nothing, for the next one.
fn again(mut order: Order, since_ms: u64, reply: oneshot::Sender<Reply>) -> Request {
    if let Order::Token(order) = &mut order {
        order.shown = true;
    }
    Request { order, since_ms, reply }
}

/// Tokens by order, where all tokens of the grant are there.
fn complete_grants(tokens: &[Token]) -> Vec<(usize, Vec<Token>)> {
    let mut by_order: BTreeMap<usize, Vec<Token>> = BTreeMap::new();
    for token in tokens {
        by_order.entry(token.order).or_default().push(token.clone());
    }
    for tokens in by_order.values_mut() {
        tokens.sort_by_key(|token| token.index);
    }
    let complete = |tokens: &[Token]| {
        tokens
            .first()
            .is_some_and(|token| token.grant.tokens().len() == tokens.len())
    };
    by_order.into_iter().filter(|(_, tokens)| complete(tokens)).collect()
}
