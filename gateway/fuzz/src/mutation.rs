//! Deterministic mutations of seeds: the same seed number gives the same inputs on any machine.

use crate::Target;

/// Longest input made; what is longer only repeats.
const INPUT_BYTES_MAX: usize = 4096;
/// Most changes on top of one seed.
const CHANGES_MAX: usize = 6;
/// Values at the edges of lengths and counts.
const EDGES: [u32; 8] = [0, 1, 3, 4, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff];

/// Makes inputs without end.
pub struct Mutator {
    target: Target,
    state: u64,
}

impl Mutator {
    /// `number` picks the sequence.
    pub fn new(target: Target, number: u64) -> Self {
        Self { target, state: number }
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        let mut input = self.pick(self.target.seeds).to_vec();
        for _ in 0..=self.below(CHANGES_MAX) {
            self.change(&mut input);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    /// SplitMix64: every bit of the sequence follows from its number.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    fn pick(&mut self, from: &'static [&'static [u8]]) -> &'static [u8] {
        let index = self.below(from.len());
        from.get(index).copied().unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let length = self.below(16).min(input.len() - at);
        match self.below(9) {
            0 => {
                let bit = self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            1 => {
                let value = self.next().to_le_bytes();
                let count = 1 + self.below(8);
                input.splice(at..at, value.into_iter().take(count));
            }
            2 => drop(input.drain(at..at + length)),
            3 => {
                let copy = input.get(at..at + length).unwrap_or_default().to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, copy);
            }
            4 => input.truncate(at),
            5 => {
                let word = self.pick(self.target.words);
                input.splice(at..at, word.iter().copied());
            }
            6 => {
                let edge = EDGES.get(self.below(EDGES.len())).copied().unwrap_or(0);
                let end = (at + 4).min(input.len());
                input.splice(at..end, edge.to_be_bytes());
            }
            7 => {
                let other = self.pick(self.target.seeds);
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(other.get(from..).unwrap_or_default());
            }
            _ => {
                // Small numbers beside the true one: lengths that are off by a little.
                let step = u8::try_from(self.below(4)).unwrap_or(0);
                if let Some(byte) = input.get_mut(at) {
                    *byte = byte.wrapping_add(step).wrapping_sub(2);
                }
            }
        }
    }
}
