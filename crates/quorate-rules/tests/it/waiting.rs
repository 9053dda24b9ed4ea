//! Decisions that wait: what happened meanwhile counts.

use crate::{
    people,
    tenant::{P256, TIME_MS, decision, entry, founded, p256_client, public},
};
use quorate_rules::{
    Registry,
    cbor::Canonical,
    decision::Action,
    leaf::EntryType,
    name::{ClientId, DisplayName, Subject},
    person::UserRecord,
};

const DELAY_MS: u64 = 60_000;

/// A tenant whose decisions wait, and its log's next index.
struct Tenant {
    registry: Registry,
    next: u64,
}

impl Tenant {
    fn new() -> Self {
        Self {
            registry: founded(DELAY_MS),
            next: 2,
        }
    }

    fn decide(&mut self, action: Action) {
        let body = decision(&self.registry, action).to_canonical();
        self.registry
            .apply(&entry(self.next, EntryType::Decision, &body))
            .unwrap();
        self.next += 1;
    }

    /// Everything that waits takes effect.
    fn wait(&mut self) {
        self.registry.advance(self.next, TIME_MS + DELAY_MS);
        assert_eq!(self.registry.pending().count(), 0);
        self.next += 1;
    }

    fn is_suspended(&self) -> bool {
        self.registry.client(&ClientId::new(P256).unwrap()).unwrap().suspended
    }
}

#[test]
fn a_decision_that_waited_does_not_lift_a_later_stop() {
    let mut tenant = Tenant::new();
    tenant.decide(Action::PutClient(p256_client()));
    tenant.wait();
    assert!(!tenant.is_suspended());
    let mut renamed = p256_client();
    renamed.name = DisplayName::new("Renamed").unwrap();
    tenant.decide(Action::PutClient(renamed));
    tenant.decide(Action::SuspendClient(ClientId::new(P256).unwrap()));
    assert!(tenant.is_suspended(), "stopping does not wait");
    tenant.wait();
    let client = tenant.registry.client(&ClientId::new(P256).unwrap()).unwrap();
    assert_eq!(client.name.as_str(), "Renamed", "the decision took effect");
    assert!(tenant.is_suspended(), "and lifted nothing");
    tenant.decide(Action::PutClient(p256_client()));
    tenant.wait();
    assert!(!tenant.is_suspended(), "a decision that knows of the stop lifts it");
}

#[test]
fn of_two_waiting_decisions_for_one_name_the_first_stands() {
    let mut tenant = Tenant::new();
    let invite = |number: u8| {
        let user = UserRecord {
            sub: Subject::from_random([number; 16]),
            ..people::user()
        };
        Action::Invite(user, public(70 + number), TIME_MS + 10 * DELAY_MS)
    };
    tenant.decide(invite(1));
    tenant.decide(invite(2));
    assert_eq!(tenant.registry.pending().count(), 2);
    tenant.wait();
    assert_eq!(tenant.registry.users().count(), 1, "one user name, one person");
    assert_eq!(tenant.registry.invitations().count(), 1);
}
