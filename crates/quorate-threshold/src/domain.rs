//! Every domain string of this crate, with what it protects. The hashes of RFC 9591 carry that RFC's own context string.

/// Transcript of one DKG: ties the key that came out to session, scheme, parameters and everything that was broadcast. It is
/// compared between participants, so it must never equal a digest that somebody else computes for another purpose.
pub const DKG_TRANSCRIPT: &[u8] = b"quorate/dkg-key-transcript/v1\0";

/// Digest of the message that a session was opened for. It never leaves the process; the string keeps it from standing in for any
/// other SHA-256 of the same bytes.
pub const SESSION_MESSAGE: &[u8] = b"quorate/session-message/v1\0";

/// All of them, for the test that finds no twin across crates.
pub const ALL: &[&[u8]] = &[DKG_TRANSCRIPT, SESSION_MESSAGE];

#[cfg(test)]
mod tests {
    #[test]
    fn each_is_listed_once_and_ends_in_nul() {
        for (at, string) in super::ALL.iter().enumerate() {
            assert_eq!(string.iter().position(|byte| *byte == 0), Some(string.len() - 1));
            assert!(!super::ALL[..at].contains(string));
        }
    }
}
