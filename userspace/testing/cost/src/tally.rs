// SPDX-License-Identifier: GPL-2.0-only

//! A tally of the instructions of all CPUs between two marks, for work that is too long for a
//! [`Meter`](crate::Meter). QEMU itself counts them.

use std::collections::HashMap;

use crate::counts::{Counts, Region};
use crate::marks::Mark;

/// A tally of instructions.
#[derive(Default)]
pub struct Tally {
    /// The counts of QEMU at the beginning of the region, in one.
    begin: Option<Counts>,
    /// For each CPU the last turn of an instruction that repeats itself: its address, and the
    /// number of instructions with it.
    turns: HashMap<u32, (u64, u64)>,
}

impl Tally {
    /// Begins or ends a region, by a mark. `now` has the counts of QEMU so far. Returns the region
    /// that this ends.
    pub fn pass(&mut self, mark: Mark, now: Counts) -> Option<Region> {
        match mark {
            Mark::Begin | Mark::BeginListed | Mark::BeginCalls => {
                self.begin = Some(now);
                None
            }
            Mark::End => Some(Region {
                counts: now - self.begin.take()?,
                ..Region::default()
            }),
            Mark::Arm | Mark::ArmToCount | Mark::Watch => None,
        }
    }

    /// Returns whether a turn of an instruction that repeats itself is the first one, which
    /// counts. QEMU calls each turn an execution. `executed` is the number of instructions that
    /// this CPU has executed before.
    pub fn is_first_turn(&mut self, cpu: u32, address: u64, executed: u64) -> bool {
        if self.turns.get(&cpu) == Some(&(address, executed)) {
            return false;
        }
        self.turns.insert(cpu, (address, executed + 1));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(user: u64, kernel: u64) -> Counts {
        Counts {
            user_instructions: user,
            kernel_instructions: kernel,
            ..Counts::default()
        }
    }

    #[test]
    fn a_region_has_what_was_counted_between_its_marks() {
        let mut tally = Tally::default();
        assert_eq!(tally.pass(Mark::End, counts(1, 1)), None);
        assert_eq!(tally.pass(Mark::Begin, counts(10, 20)), None);
        let region = tally.pass(Mark::End, counts(15, 27)).unwrap();
        assert_eq!(region.counts, counts(5, 7));
        assert_eq!(tally.pass(Mark::End, counts(16, 28)), None);
    }

    #[test]
    fn a_repetition_counts_once_for_each_execution_on_each_cpu() {
        let mut tally = Tally::default();
        assert!(tally.is_first_turn(0, 0x1000, 7));
        assert!(tally.is_first_turn(1, 0x1000, 7));
        assert!(!tally.is_first_turn(0, 0x1000, 8));
        assert!(!tally.is_first_turn(0, 0x1000, 8));
        // After another instruction, or at once at another place.
        assert!(tally.is_first_turn(0, 0x1000, 9));
        assert!(tally.is_first_turn(0, 0x2000, 10));
    }
}
