//! Entering a view: `t` custodians state the highest certificate that they hold, and the next proposal extends the highest.

use super::{Coordinator, Misbehaved, Misdeed};
use crate::{
    Committee, QuorumCertificate, View,
    batch::Seen,
    message::{EnterView, SignedNewView},
    signed::Statement,
    tip::Tip,
    vote::rank,
};
use std::collections::BTreeMap;

/// Statements gathered for one view.
#[derive(Debug)]
pub struct NewViewRound {
    view: View,
    statements: BTreeMap<u16, SignedNewView>,
}

/// A view that a quorum has entered.
#[derive(Debug)]
pub struct Entered {
    view: View,
    statements: Vec<SignedNewView>,
    /// The highest certificate among the statements; the coordinator's tip must be its head before it proposes.
    pub highest: Option<QuorumCertificate>,
}

impl NewViewRound {
    /// Begins a view higher than any that a custodian has named.
    pub fn begin(known: impl IntoIterator<Item = View>) -> Self {
        let view = known.into_iter().max().unwrap_or_default().next();
        Self {
            view,
            statements: BTreeMap::new(),
        }
    }

    /// The view.
    pub const fn view(&self) -> View {
        self.view
    }

    /// The message for every custodian.
    pub fn message(&self, committee: &Committee) -> EnterView {
        EnterView {
            origin: committee.origin().to_owned(),
            view: self.view,
        }
    }

    /// Takes one custodian's statement.
    pub fn take(&mut self, committee: &Committee, custodian: u16, signed: SignedNewView) -> Result<(), Misbehaved> {
        let statement = &signed.statement;
        let sound = statement.custodian == custodian
            && statement.view == self.view
            && statement.origin == committee.origin()
            && committee
                .identity(custodian)
                .is_some_and(|key| statement.is_signed_by(key, &signed.signature))
            && statement
                .certificate
                .as_ref()
                .is_none_or(|certificate| certificate.verify(committee).is_ok());
        if !sound {
            return Err(Misbehaved {
                custodian,
                what: Misdeed::BadStatement,
            });
        }
        self.statements.insert(custodian, signed);
        Ok(())
    }

    /// Whether a quorum has stated.
    pub fn is_complete(&self, committee: &Committee) -> bool {
        self.statements.len() >= usize::from(committee.rule().threshold())
    }

    /// The entered view, if a quorum has stated; every statement counts, also those beyond `t`.
    pub fn finish(self, committee: &Committee) -> Option<Entered> {
        if !self.is_complete(committee) {
            return None;
        }
        let statements: Vec<SignedNewView> = self.statements.into_values().collect();
        let highest = statements
            .iter()
            .filter_map(|signed| signed.statement.certificate.as_ref())
            .max_by_key(|certificate| rank(Some(certificate)))
            .cloned();
        Some(Entered {
            view: self.view,
            statements,
            highest,
        })
    }
}

impl Entered {
    /// The view.
    pub const fn view(&self) -> View {
        self.view
    }
}

impl Coordinator {
    /// Leads the view from a tip that is the head of its highest certificate. Gives the view back if it is another.
    pub fn lead(&mut self, entered: Entered, tip: Tip, seen: Seen) -> Result<(), Entered> {
        let expected = entered
            .highest
            .as_ref()
            .map_or_else(crate::Head::empty, |certificate| certificate.head);
        if tip.head() != expected {
            return Err(entered);
        }
        self.tip = tip;
        self.seen = seen;
        self.certificate = entered.highest;
        self.view = entered.view;
        self.new_view = entered.statements;
        Ok(())
    }
}
