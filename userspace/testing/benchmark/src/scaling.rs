// SPDX-License-Identifier: GPL-2.0-only

//! Throughput with all CPUs making the same call at once. This runs in the guest.

use std::collections::BTreeMap;
use std::fmt;
use std::hint::spin_loop;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use procmon::uapi::PROCMON_GET_STATS;
use serde::{Deserialize, Serialize};

use crate::calls::{Prepared, Repeat};
use crate::cpu::pin;
use crate::rows::{Call, File};

/// The time for which a call is made in one go, and the number of such times.
const SLICE: Duration = Duration::from_millis(200);
const SLICES: usize = 9;

/// The number of writes that are timed one by one.
const WRITES: usize = 500;

/// The call that is timed one by one as well.
const WRITE: &str = "pwrite 64";

/// The calls that all CPUs make at once, each with another file for comparison.
pub const SCALED: [(&str, Call, &str); 3] = [
    ("pread 64", Call::Read(64), "/dev/zero"),
    ("GET_STATS", Call::Ioctl(PROCMON_GET_STATS), "/dev/null"),
    (WRITE, Call::Write(64), "/dev/null"),
];

/// The results with one number of CPUs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Scaling {
    pub cpus: usize,
    /// Throughput per CPU on procmon's device, as a part of that on the other file.
    pub relative: BTreeMap<String, f64>,
    /// Median wall time of one write, in nanoseconds, and of one to the other file.
    pub write: f64,
    pub write_floor: f64,
}

pub fn measure() -> Result<Scaling> {
    let cpus = thread::available_parallelism()?.get();
    let mut relative = BTreeMap::new();
    for (name, call, floor) in SCALED {
        // In turns, as other work on the host comes and goes.
        let ratios: Result<Vec<f64>> = (0..SLICES)
            .map(|_| {
                let floor = throughput(cpus, || Prepared::floor(floor, call))?;
                Ok(throughput(cpus, || Prepared::procmon(File::Device, call))? / floor)
            })
            .collect();
        relative.insert(name.to_owned(), median(ratios?));
    }
    pin(0)?;
    let (_, call, floor) = SCALED[2];
    Ok(Scaling {
        cpus,
        relative,
        write: wall_time(Prepared::procmon(File::Device, call)?)?,
        write_floor: wall_time(Prepared::floor(floor, call)?)?,
    })
}

/// Returns the median of numbers, of which there must be some.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[(numbers.len() - 1) / 2]
}

/// Makes a call on all CPUs for a while. Returns the number of calls per CPU and second.
fn throughput(cpus: usize, prepare: impl Fn() -> Result<Prepared> + Sync) -> Result<f64> {
    let barrier = Barrier::new(cpus + 1);
    let stop = AtomicBool::new(false);
    let work = |cpu| -> Result<f64> {
        let prepared = pin(cpu).and_then(|()| prepare());
        // A thread that fails must not leave the others waiting.
        barrier.wait();
        prepared?.repeat(&mut UntilStopped(&stop))
    };
    thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (0..cpus)
            .map(|cpu| scope.spawn(move || work(cpu)))
            .collect();
        barrier.wait();
        thread::sleep(SLICE);
        stop.store(true, Relaxed);
        let mut sum = 0.0;
        for worker in workers {
            sum += worker
                .join()
                .map_err(|_| anyhow!("a thread has panicked"))??;
        }
        Ok(sum / cpus as f64)
    })
}

/// Makes calls until it is stopped, and returns the number of calls per second.
struct UntilStopped<'a>(&'a AtomicBool);

impl Repeat for UntilStopped<'_> {
    type Output = Result<f64>;

    fn repeat(&mut self, expected: isize, mut call: impl FnMut() -> isize) -> Result<f64> {
        let start = Instant::now();
        let mut calls = 0.0;
        while !self.0.load(Relaxed) {
            let result = call();
            ensure!(result == expected, "a call returns {result}");
            calls += 1.0;
        }
        Ok(calls / start.elapsed().as_secs_f64())
    }
}

/// Returns the median time of a call in nanoseconds, less that of reading the clock.
fn wall_time(mut call: Prepared) -> Result<f64> {
    let clock = Each.repeat(0, || {
        spin_loop();
        0
    })?;
    Ok(call.repeat(&mut Each)? - clock)
}

/// Times each call for itself.
struct Each;

impl Repeat for Each {
    type Output = Result<f64>;

    fn repeat(&mut self, expected: isize, mut call: impl FnMut() -> isize) -> Result<f64> {
        let mut times = Vec::with_capacity(WRITES);
        for _ in 0..WRITES {
            let start = Instant::now();
            let result = call();
            let time = start.elapsed();
            ensure!(result == expected, "a call returns {result}");
            times.push(time.as_nanos() as f64);
        }
        Ok(median(times))
    }
}

/// Writes the tables of guests with different numbers of CPUs.
pub fn write(f: &mut fmt::Formatter<'_>, guests: &[Scaling]) -> fmt::Result {
    if guests.is_empty() {
        return Ok(());
    }
    for (title, percent) in [
        (
            "Throughput per CPU with all at it, in percent of that on a file of the kernel",
            true,
        ),
        (
            "Median wall time of a pwrite of 64 bytes, in times of that to /dev/null",
            false,
        ),
    ] {
        write!(f, "\n{title}\n\n{:32}", "CPUs")?;
        for guest in guests {
            write!(f, "{:>9}", guest.cpus)?;
        }
        writeln!(f)?;
        for (name, _, floor) in SCALED.iter().filter(|(name, ..)| percent || *name == WRITE) {
            write!(f, "{:32}", format!("{name} ({floor})"))?;
            for guest in guests {
                let relative = guest.relative.get(*name).copied().unwrap_or(f64::NAN);
                match percent {
                    true => write!(f, "{:>9.0}", relative * 100.0)?,
                    false => write!(f, "{:>9.2}", guest.write / guest.write_floor)?,
                }
            }
            writeln!(f)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_and_timed() {
        let (_, call, floor) = SCALED[0];
        assert!(throughput(1, || Prepared::floor(floor, call)).unwrap() > 0.0);
        assert!(wall_time(Prepared::floor(floor, call).unwrap()).unwrap() > 0.0);
    }

    #[test]
    fn one_thread_that_fails_is_enough() {
        // A read of /dev/null returns 0.
        assert!(throughput(1, || Prepared::floor("/dev/null", SCALED[0].1)).is_err());
    }
}
