//! Key generation: this custodian's part of the rounds of [`crate::dkg`].

use super::{Custodian, Peer};
use crate::{
    Committee,
    dkg::{
        Begin, Ceremony, Finished, Given, MAX_BROADCAST, MAX_DEAL, Part, PlainDeal, Progress, Round, SignedFinished,
        SignedPart, Stage,
    },
    domain,
    envelope::{self, Envelope},
    key_ring::{KeyRing, Shares},
    signed::Statement,
    step::{Change, SecretShares, Step},
};
use quorate_rules::{
    Refusal,
    body::KeysBody,
    cbor::{Array, Bytes, Canonical},
};
use quorate_threshold::{Dealt, DkgContext, DkgError, DkgStep, Identifier, Parameters, RoundInputs, RoundOutput};
use quorate_tlog::hash::{Hash, sha256};
use rand_core::{CryptoRng, RngCore};
use zeroize::{Zeroize, Zeroizing};

/// What both keys have to say in one round.
#[derive(Default)]
struct Outputs {
    token: RoundOutput,
    log: RoundOutput,
}

impl Custodian {
    /// Round 1. Only while the log is empty: later keys come by decision.
    pub fn dkg_begin(
        &mut self,
        peer: Peer,
        message: &Begin,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Given, Refusal> {
        self.check_peer(peer, &message.origin)?;
        if self.certified().head().size != 0 {
            return Err(Refusal::WrongDkgMessage);
        }
        let for_key = |name| context(&self.committee, self.identity.number, name, &message.attempt);
        let schemes = self.keys.schemes();
        let (token, token_output) = schemes.token.begin_dkg(&for_key(b"token")?, rng).map_err(wrong)?;
        let (log, log_output) = schemes.log.begin_dkg(&for_key(b"log")?, rng).map_err(wrong)?;
        let outputs = Outputs {
            token: token_output,
            log: log_output,
        };
        let seen = sha256(&[domain::DKG_SEEN]);
        let place = (message.attempt, 1, seen);
        let given = self.give(place, outputs, rng)?;
        self.ceremony = Ceremony(Some(Stage {
            attempt: message.attempt,
            round: 1,
            seen,
            token: Progress::Running(token),
            log: Progress::Running(log),
            own: given.part.clone(),
        }));
        Ok(given)
    }

    /// A round after the first but the last: takes what all gave, gives the next.
    pub fn dkg_round(
        &mut self,
        peer: Peer,
        message: &Round,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Given, Refusal> {
        let (stage, outputs) = self.dkg_advance(peer, message)?;
        if let (Progress::Made(_), Progress::Made(_)) = (&stage.token, &stage.log) {
            return Err(Refusal::WrongDkgMessage);
        }
        let given = self.give((stage.attempt, stage.round, stage.seen), outputs, rng)?;
        self.ceremony = Ceremony(Some(Stage {
            own: given.part.clone(),
            ..stage
        }));
        Ok(given)
    }

    /// The end: takes what all gave in the last round. The shares are sealed before the outcome is certified.
    pub fn dkg_finish(&mut self, peer: Peer, message: &Round) -> Result<Step<SignedFinished>, Refusal> {
        let (stage, _) = self.dkg_advance(peer, message)?;
        let (Progress::Made(token), Progress::Made(log)) = (stage.token, stage.log) else {
            return Err(Refusal::WrongDkgMessage);
        };
        let transcript = *sha256(&[
            domain::DKG_TRANSCRIPT,
            &token.transcript,
            &log.transcript,
            stage.seen.as_bytes(),
        ])
        .as_bytes();
        let keys = keys_of(&token, &log, transcript)?;
        let shares = Shares {
            token: token.share,
            log: log.share,
        };
        let bytes = KeyRing::encode(&shares);
        self.keys.add(transcript, shares);
        let finished = Finished {
            genesis: self.committee.genesis_hash(),
            keys,
        };
        let signature = finished.sign(&self.identity.key);
        let change = Change {
            seal: Some(SecretShares { transcript, bytes }),
            ..Change::default()
        };
        Ok(Step::new(change, SignedFinished { finished, signature }))
    }

    /// Takes what all gave; a ceremony that goes wrong is over.
    fn dkg_advance(&mut self, peer: Peer, message: &Round) -> Result<(Stage, Outputs), Refusal> {
        self.check_peer(peer, self.committee.origin())?;
        let stage = self.ceremony.0.take().ok_or(Refusal::WrongDkgMessage)?;
        check_parts(&self.committee, message, &stage)?;
        let (token_inputs, log_inputs) = self.read_round(message, &stage)?;
        let (token, token_output) = advance(stage.token, &token_inputs)?;
        let (log, log_output) = advance(stage.log, &log_inputs)?;
        let outputs = Outputs {
            token: token_output,
            log: log_output,
        };
        let mut seen = vec![domain::DKG_SEEN.to_vec(), stage.seen.as_bytes().to_vec()];
        seen.extend(message.parts.iter().map(Canonical::to_canonical));
        let seen: Vec<&[u8]> = seen.iter().map(Vec::as_slice).collect();
        let stage = Stage {
            round: stage.round.checked_add(1).ok_or(Refusal::WrongDkgMessage)?,
            seen: sha256(&seen),
            token,
            log,
            ..stage
        };
        Ok((stage, outputs))
    }

    /// Signs this custodian's part of a round and seals what is for single others.
    fn give(
        &self,
        (attempt, round, seen): (Array<16>, u8, Hash),
        mut outputs: Outputs,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<Given, Refusal> {
        let me = self.identity.number;
        let mut envelopes = Vec::new();
        for to in self.committee.numbers().filter(|number| *number != me) {
            let id = identifier(to)?;
            let take = |output: &mut RoundOutput| {
                Bytes(output.directs.remove(&id).map_or_else(Vec::new, |deal| deal.to_vec()))
            };
            let mut plain = PlainDeal {
                token: take(&mut outputs.token),
                log: take(&mut outputs.log),
            };
            if !plain.token.is_empty() || !plain.log.is_empty() {
                let bytes = Zeroizing::new(plain.to_canonical());
                let place = place(&self.committee, &attempt, round);
                let envelope = Envelope::seal(&self.committee, (me, to), &place, &bytes, rng);
                envelopes.push(envelope.ok_or(Refusal::WrongDkgMessage)?);
            }
            plain.token.0.zeroize();
            plain.log.0.zeroize();
        }
        let part = Part {
            genesis: self.committee.genesis_hash(),
            attempt,
            round,
            from: me,
            seen,
            token: Bytes(outputs.token.broadcast),
            log: Bytes(outputs.log.broadcast),
            enclosed: envelopes.iter().map(Envelope::enclosed).collect(),
        };
        let signature = part.sign(&self.identity.key);
        Ok(Given {
            part: SignedPart { part, signature },
            envelopes,
        })
    }

    /// The inputs of both keys.
    fn read_round(&self, message: &Round, stage: &Stage) -> Result<(RoundInputs, RoundInputs), Refusal> {
        let (mut token, mut log) = (RoundInputs::default(), RoundInputs::default());
        let place = place(&self.committee, &stage.attempt, stage.round);
        let me = self.identity.number;
        let mut opened = 0usize;
        for SignedPart { part, .. } in &message.parts {
            let from = identifier(part.from)?;
            token.broadcasts.insert(from, part.token.0.clone());
            log.broadcasts.insert(from, part.log.0.clone());
            let found = envelope::find(&message.envelopes, (part.from, me), &part.enclosed);
            let Some(envelope) = found? else { continue };
            opened = opened.saturating_add(1);
            let plain = envelope
                .open(&self.identity.envelope, &place)
                .ok_or(Refusal::WrongDkgMessage)?;
            let PlainDeal {
                token: of_token,
                log: of_log,
            } = PlainDeal::from_canonical(&plain).map_err(|_| Refusal::WrongDkgMessage)?;
            for (inputs, deal) in [(&mut token, of_token), (&mut log, of_log)] {
                let deal = Zeroizing::new(deal.0);
                if deal.len() > MAX_DEAL {
                    return Err(Refusal::WrongDkgMessage);
                }
                if !deal.is_empty() {
                    inputs.directs.insert(from, deal);
                }
            }
        }
        // An envelope that nobody signed has no place here.
        if opened == message.envelopes.len() {
            Ok((token, log))
        } else {
            Err(Refusal::WrongEnvelope)
        }
    }
}

/// One round of one key. A key that is made stays as it is, and takes no further inputs.
fn advance(progress: Progress, inputs: &RoundInputs) -> Result<(Progress, RoundOutput), Refusal> {
    match progress {
        Progress::Running(round) => match round.advance(inputs).map_err(wrong)? {
            DkgStep::Continue(round, output) => Ok((Progress::Running(round), output)),
            DkgStep::Done(dealt) => Ok((Progress::Made(dealt), RoundOutput::default())),
        },
        Progress::Made(dealt) => {
            if inputs.directs.is_empty() && inputs.broadcasts.values().all(Vec::is_empty) {
                Ok((Progress::Made(dealt), RoundOutput::default()))
            } else {
                Err(Refusal::WrongDkgMessage)
            }
        }
    }
}

fn keys_of(token: &Dealt, log: &Dealt, transcript: [u8; 32]) -> Result<KeysBody, Refusal> {
    let log_key = log
        .group
        .verifying_key()
        .try_into()
        .map_err(|_| Refusal::WrongDkgMessage)?;
    Ok(KeysBody {
        epoch: 1,
        token_group: Bytes(token.group.encode()),
        log_group: Bytes(log.group.encode()),
        token_key: Bytes(token.group.verifying_key().to_vec()),
        log_key: Array(log_key),
        transcript: Array(transcript),
    })
}

fn context(committee: &Committee, me: u16, key: &[u8], attempt: &Array<16>) -> Result<DkgContext, Refusal> {
    let rule = committee.rule();
    let parameters = Parameters::new(rule.threshold(), rule.custodians()).map_err(|_| Refusal::WrongDkgMessage)?;
    let session = sha256(&[
        domain::DKG_SESSION,
        committee.genesis_hash().as_bytes(),
        key,
        &[0],
        &attempt.0,
    ]);
    Ok(DkgContext {
        parameters,
        me: identifier(me)?,
        session: *session.as_bytes(),
    })
}

fn identifier(number: u16) -> Result<Identifier, Refusal> {
    Identifier::new(number).map_err(|_| Refusal::WrongDkgMessage)
}

fn wrong(_: DkgError) -> Refusal {
    Refusal::WrongDkgMessage
}

/// Where an envelope belongs.
fn place(committee: &Committee, attempt: &Array<16>, round: u8) -> Vec<u8> {
    [committee.genesis_hash().as_bytes(), &attempt.0[..], &[round]].concat()
}

/// Exactly one part of every custodian, signed, of this attempt and round, by somebody who saw the same before; the own one as it was
/// sent.
fn check_parts(committee: &Committee, message: &Round, stage: &Stage) -> Result<(), Refusal> {
    let from: Vec<u16> = message.parts.iter().map(|signed| signed.part.from).collect();
    if from != committee.numbers().collect::<Vec<_>>() || !message.parts.contains(&stage.own) {
        return Err(Refusal::WrongDkgMessage);
    }
    for SignedPart { part, signature } in &message.parts {
        let key = committee.identity(part.from).ok_or(Refusal::WrongDkgMessage)?;
        let sound = part.genesis == committee.genesis_hash()
            && part.attempt == stage.attempt
            && part.round == stage.round
            && part.seen == stage.seen
            && part.token.len() <= MAX_BROADCAST
            && part.log.len() <= MAX_BROADCAST
            && part.is_signed_by(key, signature);
        if !sound {
            return Err(Refusal::WrongDkgMessage);
        }
    }
    Ok(())
}
