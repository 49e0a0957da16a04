// SPDX-License-Identifier: GPL-2.0-only

//! Numbers of the system at the last refreshes.

use std::collections::VecDeque;

use super::System;
use crate::top::usage::PAST;

/// The last values of a number, oldest first, at most [`PAST`].
#[derive(Debug, Default)]
pub struct Series(VecDeque<u64>);

impl Series {
    fn push(&mut self, value: u64) {
        if self.0.len() == PAST {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// Returns the last values, the newest first.
    pub fn newest(&self, count: usize) -> impl Iterator<Item = u64> {
        self.0.iter().rev().take(count).copied()
    }
}

/// The numbers that graphs show.
#[derive(Debug, Default)]
pub struct Past {
    /// Use of all CPUs, in tenths of a percent.
    pub cpu: Series,
    /// Used memory, in tenths of a percent.
    pub memory: Series,
    /// Time for which tasks waited for IO, in tenths of a percent. Empty without PSI.
    pub io: Series,
    /// Load average of the last minute, in hundredths.
    pub load: Series,
}

impl Past {
    /// Appends the numbers of a refresh, with the use of all CPUs in percent.
    pub fn push(&mut self, system: &System, busy: f64) {
        let memory = system.memory;
        self.cpu.push((busy * 10.0) as u64);
        self.memory
            .push((memory.used as f64 / memory.total.max(1) as f64 * 1000.0) as u64);
        if let Some(io) = system.pressure.io {
            self.io.push((io.some * 10.0) as u64);
        }
        self.load.push((system.load[0] * 100.0) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_bounded() {
        let mut past = Past::default();
        let mut system = System::default();
        for step in 0..PAST + 10 {
            system.load[0] = step as f64;
            past.push(&system, 12.34);
        }
        let last = (PAST as u64 + 9) * 100;
        let newest: Vec<_> = past.load.newest(3).collect();
        assert_eq!(newest, [last, last - 100, last - 200]);
        assert_eq!(past.load.newest(usize::MAX).count(), PAST);
        assert_eq!(past.cpu.newest(1).collect::<Vec<_>>(), [123]);
        assert_eq!(past.memory.newest(1).collect::<Vec<_>>(), [0]);
        assert_eq!(past.io.newest(1).count(), 0, "without PSI");
    }
}
