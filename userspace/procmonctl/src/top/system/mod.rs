// SPDX-License-Identifier: GPL-2.0-only

//! Numbers of the whole system for the head: load, CPUs, memory and pressure.
//!
//! Each number is absent or zero where the kernel does not have it, whatever its files look like.

pub mod cpu;
pub mod memory;
pub mod past;
pub mod pressure;
mod reader;

pub use reader::Reader;

use cpu::Cpus;
use memory::Memory;
use pressure::Pressure;

/// Load, CPU time, memory and pressure at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct System {
    /// Load averages of the last one, five and fifteen minutes.
    pub load: [f64; 3],
    pub cpus: Cpus,
    pub memory: Memory,
    pub pressure: Pressure,
}

/// Parses `/proc/loadavg`.
fn parse_load(text: &str) -> [f64; 3] {
    let mut load = [0.0; 3];
    for (load, word) in load.iter_mut().zip(text.split_ascii_whitespace()) {
        *load = word.parse().unwrap_or(0.0);
    }
    load
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_parsed() {
        assert_eq!(parse_load("0.50 1.25 2.00 3/100 4711\n"), [0.5, 1.25, 2.0]);
        assert_eq!(parse_load("0.50 none"), [0.5, 0.0, 0.0]);
        assert_eq!(parse_load(""), [0.0; 3]);
    }
}
