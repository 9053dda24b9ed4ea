//! How many custodians it takes (PROTOCOL §1).

use crate::{canonical, cbor::Malformed};
use minicbor::{Decode, Encode};

/// `n` custodians, threshold `t`, at most `f` malicious; `2t > n + f` and `t > f`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct QuorumRule {
    #[n(0)]
    custodians: u16,
    #[n(1)]
    threshold: u16,
    #[n(2)]
    faulty: u16,
}
canonical!(QuorumRule => "quorum rule");

/// The numbers do not make a safe quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{threshold} of {custodians} custodians with up to {faulty} malicious is unsafe: two quorums must share an honest \
     custodian (2t > n + f, t > f, t <= n <= {max}); the least safe threshold is {}", (custodians.saturating_add(*faulty) / 2).saturating_add(1),
     max = QuorumRule::MAX_CUSTODIANS
)]
pub struct UnsafeQuorum {
    /// n
    pub custodians: u16,
    /// t
    pub threshold: u16,
    /// f
    pub faulty: u16,
}

impl QuorumRule {
    /// More custodians than this cost more than they add; a client secret has parts for so many.
    pub const MAX_CUSTODIANS: u16 = 16;

    /// Checks the numbers.
    pub fn new(custodians: u16, threshold: u16, faulty: u16) -> Result<Self, UnsafeQuorum> {
        let (n, t, f) = (u32::from(custodians), u32::from(threshold), u32::from(faulty));
        let safe = t.saturating_mul(2) > n.saturating_add(f)
            && t > f
            && t <= n
            && t >= 2
            && custodians <= Self::MAX_CUSTODIANS;
        if safe {
            Ok(Self {
                custodians,
                threshold,
                faulty,
            })
        } else {
            Err(UnsafeQuorum {
                custodians,
                threshold,
                faulty,
            })
        }
    }

    /// Checks numbers that were decoded.
    pub fn checked(self) -> Result<Self, Malformed> {
        Self::new(self.custodians, self.threshold, self.faulty).map_err(|_| Malformed { what: "quorum rule" })
    }

    /// n
    pub const fn custodians(self) -> u16 {
        self.custodians
    }

    /// t
    pub const fn threshold(self) -> u16 {
        self.threshold
    }

    /// f
    pub const fn faulty(self) -> u16 {
        self.faulty
    }

    /// How many custodians may be absent while tokens are still signed: n − t.
    pub const fn may_be_absent(self) -> u16 {
        self.custodians.saturating_sub(self.threshold)
    }

    /// Up to how many malicious custodians the log cannot fork: the largest m with 2t > n + m.
    pub const fn fork_free_up_to(self) -> u16 {
        self.threshold
            .saturating_mul(2)
            .saturating_sub(self.custodians)
            .saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(n: u16, t: u16, f: u16, expected: Option<(u16, u16)>) {
        let rule = QuorumRule::new(n, t, f)
            .ok()
            .map(|rule| (rule.may_be_absent(), rule.fork_free_up_to()));
        assert_eq!(rule, expected, "{t}-of-{n}, f={f}");
    }

    #[test]
    fn table_of_the_protocol() {
        check(3, 2, 0, Some((1, 0)));
        check(4, 3, 1, Some((1, 1)));
        check(5, 4, 2, Some((1, 2)));
        check(7, 5, 2, Some((2, 2)));
    }

    #[test]
    fn unsafe_quorums_are_refused() {
        check(4, 2, 0, None);
        check(4, 2, 1, None);
        check(5, 3, 1, None);
        check(3, 2, 1, None);
        check(3, 4, 0, None);
        check(1, 1, 0, None);
        check(17, 15, 1, None);
    }
}
