// SPDX-License-Identifier: GPL-2.0

//! Measuring the cost of each call. This runs in the guest.
//!
//! Where QEMU counts instructions as time (`-icount shift=0`), one tick of the time stamp counter
//! is one instruction. Time in which the guest is idle passes as well.

use std::arch::asm;
use std::arch::x86_64::{_mm_lfence, _rdtsc};
use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::calls::{Prepared, Repeat};
use crate::cpu::pin;
use crate::rows::{ROWS, Rounds};

/// The largest error of the calibration.
const TOLERANCE: f64 = 0.01;

/// The cost from which on a call is taken to wait for something, and is made less often.
const LONG_CALL: f64 = 1e6;
const LONG_CALLS: u32 = 10;

/// The number of rounds without a call, to measure the cost of a round itself.
const OWN_ROUNDS: usize = 5;

/// The results of a run.
#[derive(Serialize, Deserialize)]
pub struct Run {
    /// The kernel's release.
    pub kernel: String,
    pub unit: Unit,
    /// The cost of an instruction in a loop of known length, before and after all else.
    pub calibration: Option<[f64; 2]>,
    /// The results by the names of the rows.
    pub rows: BTreeMap<String, Measurement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    Instructions,
    Nanoseconds,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Measurement {
    pub cost: Cost,
    /// The cost of the same call on the file that is the row's floor.
    pub floor: Option<Cost>,
}

/// The cost of a call: the median over rounds, and the quartiles below and above.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub median: f64,
    pub lower: f64,
    pub upper: f64,
}

impl Run {
    /// Measures all rows.
    pub fn measure(unit: Unit, idle: u64) -> Result<Self> {
        pin(0)?;
        sleep(Duration::from_secs(idle));

        let before = calibrate(unit)?;
        let mut rows = BTreeMap::new();
        for row in &ROWS {
            let measure = || -> Result<Measurement> {
                let floor = row.floor.map(|path| Prepared::floor(path, row.call));
                Ok(Measurement {
                    floor: floor
                        .map(|call| cost(unit, Rounds::SHORT, call?))
                        .transpose()?,
                    cost: cost(unit, row.rounds, Prepared::procmon(row.file, row.call)?)?,
                })
            };
            rows.insert(row.name.to_owned(), measure().context(row.name)?);
        }
        let after = calibrate(unit)?;
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")
            .context("cannot read the kernel's release")?;
        Ok(Self {
            kernel: kernel.trim_end().to_owned(),
            unit,
            calibration: before.zip(after).map(|(before, after)| [before, after]),
            rows,
        })
    }
}

impl Unit {
    pub fn now(self) -> Result<u64> {
        match self {
            Self::Instructions => {
                // The fence keeps the counter from being read before earlier instructions are done.
                // SAFETY: Each x86-64 CPU has both.
                let ticks = unsafe {
                    _mm_lfence();
                    _rdtsc()
                };
                Ok(ticks)
            }
            Self::Nanoseconds => {
                let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
                Ok(u64::try_from(Duration::from(now).as_nanos())?)
            }
        }
    }
}

/// Measures the cost of an instruction. Fails if instructions are the unit, and that cost is not
/// one.
pub fn calibrate(unit: Unit) -> Result<Option<f64>> {
    const TURNS: u32 = 500_000;

    if unit != Unit::Instructions {
        return Ok(None);
    }
    let mut least = u64::MAX;
    for _ in 0..5 {
        let start = unit.now()?;
        spin(TURNS);
        least = least.min(unit.now()? - start);
    }
    let measured = least as f64 / f64::from(2 * TURNS);
    ensure!(
        (measured - 1.0).abs() <= TOLERANCE,
        "an instruction takes {measured} ticks of the time stamp counter, and not one: \
         the guest must run with -icount shift=0"
    );
    Ok(Some(measured))
}

/// Runs a loop of two instructions, at least once.
fn spin(turns: u32) {
    // SAFETY: Only counts a register down.
    unsafe {
        asm!(
            "2: dec {turns:e}",
            "jnz 2b",
            turns = inout(reg) turns.max(1) => _,
            options(nomem, nostack),
        );
    }
}

/// Measures a call in rounds, less the cost of a round without one.
fn cost(unit: Unit, rounds: Rounds, mut call: Prepared) -> Result<Cost> {
    let mut trial = Timer {
        unit,
        calls: 1,
        settle: 0,
    };
    // The first call may differ from all others.
    call.repeat(&mut trial)?;
    let mut timer = Timer {
        calls: match call.repeat(&mut trial)? {
            long if long > LONG_CALL => LONG_CALLS,
            _ => rounds.calls,
        },
        settle: rounds.settle,
        ..trial
    };
    call.repeat(&mut timer)?;
    let costs: Result<_> = (0..rounds.number)
        .map(|_| call.repeat(&mut timer))
        .collect();
    let nothing: Result<_> = (0..OWN_ROUNDS)
        .map(|_| timer.repeat(0, || black_box(0)))
        .collect();
    let own = Cost::of(nothing?).median;
    let Cost {
        median,
        lower,
        upper,
    } = Cost::of(costs?);
    Ok(Cost {
        median: median - own,
        lower: lower - own,
        upper: upper - own,
    })
}

/// Makes a number of calls, and returns the cost of one.
struct Timer {
    unit: Unit,
    calls: u32,
    settle: u32,
}

impl Repeat for Timer {
    type Output = Result<f64>;

    fn repeat(&mut self, expected: isize, mut call: impl FnMut() -> isize) -> Result<f64> {
        let mut strange = 0;
        let start = self.unit.now()?;
        for _ in 0..self.calls {
            strange |= call() ^ expected;
        }
        spin(self.settle);
        let end = self.unit.now()?;
        ensure!(strange == 0, "not all calls return {expected}");
        Ok((end - start) as f64 / f64::from(self.calls))
    }
}

impl Cost {
    /// Summarises rounds, of which there must be some.
    pub fn of(mut rounds: Vec<f64>) -> Self {
        rounds.sort_unstable_by(f64::total_cmp);
        let last = rounds.len() - 1;
        Self {
            median: rounds[last / 2],
            lower: rounds[last / 4],
            upper: rounds[last * 3 / 4],
        }
    }

    /// Returns the distance of the quartiles, as a part of the median.
    pub fn spread(&self) -> f64 {
        (self.upper - self.lower) / self.median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_see_outliers() {
        let cost = Cost::of(vec![900.0, 5.0, 6.0, 4.0, 7.0]);
        assert_eq!((cost.median, cost.lower, cost.upper), (6.0, 5.0, 7.0));
        assert_eq!(cost.spread(), 2.0 / 6.0);
    }

    #[test]
    fn a_clock_that_is_not_of_instructions_is_refused() {
        // On real machines a tick is some fraction of a cycle, and not an instruction of this loop.
        let error = calibrate(Unit::Instructions).unwrap_err().to_string();
        assert!(error.contains("-icount shift=0"), "{error}");
        assert_eq!(calibrate(Unit::Nanoseconds).unwrap(), None);
    }

    #[test]
    fn unexpected_results_are_noticed() {
        let mut timer = Timer {
            unit: Unit::Nanoseconds,
            calls: 10,
            settle: 0,
        };
        assert!(timer.repeat(3, || 3).is_ok());
        let mut left = 10;
        let once_wrong = || {
            left -= 1;
            if left == 5 { -1 } else { 3 }
        };
        assert!(timer.repeat(3, once_wrong).is_err());
    }
}
