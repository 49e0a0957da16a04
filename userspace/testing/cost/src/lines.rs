// SPDX-License-Identifier: GPL-2.0-only

//! Sets of cache lines and pages, by their addresses.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::RangeInclusive;

/// The size of a cache line, and that of a page, in bytes.
pub const LINE_SIZE: u64 = 64;
pub const PAGE_SIZE: u64 = 4096;

/// A set of pieces of memory of the same size, each with whether it was written.
#[derive(Default)]
pub struct Pieces(HashMap<u64, bool, BuildHasherDefault<Multiply>>);

impl Pieces {
    /// Adds the pieces of this size that `length` bytes from `address` lie in.
    pub fn add(&mut self, size: u64, address: u64, length: u64, written: bool) {
        for number in numbers(size, address, length) {
            *self.0.entry(number).or_default() |= written;
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Returns the number of each piece, its address divided by its size, and whether it was
    /// written.
    pub fn iter(&self) -> impl Iterator<Item = (u64, bool)> {
        self.0.iter().map(|(&number, &written)| (number, written))
    }
}

fn numbers(size: u64, address: u64, length: u64) -> RangeInclusive<u64> {
    let last = address.saturating_add(length.saturating_sub(1));
    address / size..=last / size
}

/// A hash function for numbers that no attacker chooses.
#[derive(Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The map takes bits of both ends.
        let product = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ product >> 32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(pieces: &Pieces) -> Vec<(u64, bool)> {
        let mut all: Vec<_> = pieces.iter().collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn an_access_is_to_all_lines_that_it_lies_in() {
        let mut lines = Pieces::default();
        lines.add(LINE_SIZE, 0x100, 8, false);
        lines.add(LINE_SIZE, 0x13f, 1, false);
        assert_eq!(sorted(&lines), [(4, false)]);
        lines.add(LINE_SIZE, 0x13c, 8, true);
        assert_eq!(sorted(&lines), [(4, true), (5, true)]);
        lines.clear();
        assert_eq!(lines.len(), 0);
    }

    #[test]
    fn a_written_line_stays_one() {
        let mut lines = Pieces::default();
        lines.add(LINE_SIZE, 0, 8, true);
        lines.add(LINE_SIZE, 8, 8, false);
        assert_eq!(sorted(&lines), [(0, true)]);
    }

    #[test]
    fn the_end_of_the_address_space_is_no_problem() {
        let mut pages = Pieces::default();
        pages.add(PAGE_SIZE, u64::MAX - 1, 8, false);
        assert_eq!(pages.len(), 1);
    }
}
