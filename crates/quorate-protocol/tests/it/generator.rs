//! A seeded generator: SHA-256 over a seed and a counter. Whoever knows the seed knows everything that comes out.

use quorate_tlog::hash::sha256;
use rand_core::{CryptoRng, RngCore};

#[derive(Clone)]
pub struct Generator {
    seed: [u8; 32],
    counter: u64,
    left: Vec<u8>,
}

impl Generator {
    pub fn new(name: &str, seed: u64) -> Self {
        Self {
            seed: *sha256(&[name.as_bytes(), &seed.to_be_bytes()]).as_bytes(),
            counter: 0,
            left: Vec::new(),
        }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next_u64() % bound as u64).unwrap()
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these, if there is any.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() {
            None
        } else {
            of.get(self.below(of.len()))
        }
    }

    /// `count` numbers of 1 to 4, ascending.
    pub fn signers(&mut self, count: usize) -> Vec<u16> {
        let mut all = vec![1, 2, 3, 4];
        while all.len() > count {
            let place = self.below(all.len());
            all.remove(place);
        }
        all
    }
}

impl RngCore for Generator {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_be_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    fn fill_bytes(&mut self, into: &mut [u8]) {
        for byte in into {
            if self.left.is_empty() {
                self.counter += 1;
                self.left = sha256(&[&self.seed, &self.counter.to_be_bytes()]).as_bytes().to_vec();
            }
            *byte = self.left.pop().unwrap();
        }
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(into);
        Ok(())
    }
}

impl CryptoRng for Generator {}
