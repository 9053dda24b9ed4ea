//! Whom a batch asks to sign: the quickest first, never two together of whom one will not sign with the other, never a set again that
//! failed for reasons nobody can name.

use quorate_protocol::coordinator::Dispute;
use std::collections::BTreeSet;

/// Who may still sign one batch, and with whom.
#[derive(Debug, Default)]
pub(super) struct Choice {
    out: BTreeSet<u16>,
    apart: BTreeSet<(u16, u16)>,
    failed: Vec<BTreeSet<u16>>,
}

impl Choice {
    /// A choice among all, but for pairs of whom the first has banned the second.
    pub(super) fn with_bans(bans: impl IntoIterator<Item = (u16, u16)>) -> Self {
        Self {
            apart: bans.into_iter().collect(),
            ..Self::default()
        }
    }

    /// These are out for this batch.
    pub(super) fn leave_out(&mut self, custodians: impl IntoIterator<Item = u16>) {
        self.out.extend(custodians);
    }

    /// These did not get on. Nobody can tell which of two lies, so both may sign, but not together.
    pub(super) fn part(&mut self, disputes: &BTreeSet<Dispute>) {
        self.apart
            .extend(disputes.iter().map(|dispute| (dispute.by, dispute.custodian)));
    }

    /// Signatures of this set failed, and nothing said by whose fault.
    pub(super) fn fail(&mut self, signers: &[u16]) {
        self.failed.push(signers.iter().copied().collect());
    }

    /// The best set of `threshold` out of `ranked`, ascending by number.
    pub(super) fn pick(&self, ranked: &[u16], threshold: usize) -> Option<Vec<u16>> {
        let eligible: Vec<u16> = ranked
            .iter()
            .copied()
            .filter(|number| !self.out.contains(number))
            .collect();
        let mut chosen = Vec::with_capacity(threshold);
        self.complete(&eligible, threshold, &mut chosen).then(|| {
            chosen.sort_unstable();
            chosen
        })
    }

    /// Adds the first of `rest` with which a whole set can be made; committees have at most sixteen members, so all sets can be tried.
    fn complete(&self, rest: &[u16], threshold: usize, chosen: &mut Vec<u16>) -> bool {
        if chosen.len() == threshold {
            let set: BTreeSet<u16> = chosen.iter().copied().collect();
            return !self.failed.contains(&set);
        }
        for (place, candidate) in rest.iter().enumerate() {
            let at_odds =
                |other: &u16| self.apart.contains(&(*candidate, *other)) || self.apart.contains(&(*other, *candidate));
            if chosen.iter().any(at_odds) {
                continue;
            }
            chosen.push(*candidate);
            if self.complete(&rest[place + 1..], threshold, chosen) {
                return true;
            }
            chosen.pop();
        }
        false
    }

    /// Who spoilt the sets that failed, now that one has not: whoever was in all of those and not in this, if that is only one.
    pub(super) fn culprit(&self, succeeded: &[u16]) -> Option<u16> {
        let (first, others) = self.failed.split_first()?;
        let in_all = first
            .iter()
            .filter(|number| others.iter().all(|set| set.contains(number)));
        let mut suspects = in_all.filter(|number| !succeeded.contains(number));
        match (suspects.next(), suspects.next()) {
            (Some(culprit), None) => Some(*culprit),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dispute(by: u16, custodian: u16) -> BTreeSet<Dispute> {
        BTreeSet::from([Dispute {
            by,
            custodian,
            banned: true,
        }])
    }

    #[test]
    fn the_quickest_come_first() {
        assert_eq!(Choice::default().pick(&[4, 2, 1, 3], 3), Some(vec![1, 2, 4]));
        assert_eq!(Choice::default().pick(&[4, 2], 3), None);
        let mut choice = Choice::default();
        choice.leave_out([2]);
        assert_eq!(choice.pick(&[4, 2, 1, 3], 3), Some(vec![1, 3, 4]));
    }

    #[test]
    fn a_pair_at_odds_is_never_asked_together_and_one_accuser_cannot_stop_the_others() {
        let mut choice = Choice::with_bans([(1, 2)]);
        assert_eq!(choice.pick(&[1, 2, 3, 4], 3), Some(vec![1, 3, 4]));
        assert_eq!(choice.pick(&[2, 1, 3, 4], 3), Some(vec![2, 3, 4]));
        assert_eq!(choice.pick(&[1, 2, 3], 3), None);
        // Custodian 1 accuses everybody: then it is the one that sits apart.
        choice.part(&dispute(1, 3));
        choice.part(&dispute(1, 4));
        assert_eq!(choice.pick(&[1, 2, 3, 4], 3), Some(vec![2, 3, 4]));
    }

    #[test]
    fn whoever_spoils_every_set_is_found_by_trying_others() {
        for liar in 1..=4 {
            let mut choice = Choice::default();
            let mut named = None;
            for _ in 0..4 {
                let signers = choice.pick(&[1, 2, 3, 4], 3).unwrap();
                if signers.contains(&liar) {
                    choice.fail(&signers);
                } else {
                    named = choice.culprit(&signers);
                    break;
                }
            }
            // Nobody failed where the liar was never asked.
            assert_eq!(named, (liar != 4).then_some(liar));
        }
    }

    #[test]
    fn two_suspects_are_not_one_culprit() {
        let mut choice = Choice::default();
        choice.fail(&[1, 2, 3]);
        assert_eq!(choice.culprit(&[3, 4, 5]), None);
        assert_eq!(choice.culprit(&[2, 3, 4]), Some(1));
        assert_eq!(Choice::default().culprit(&[2, 3, 4]), None);
    }
}
