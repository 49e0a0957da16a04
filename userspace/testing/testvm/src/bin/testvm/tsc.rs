// SPDX-License-Identifier: GPL-2.0-only

//! The frequency of the time stamp counter in emulation. It is that of the host's counter, which
//! QEMU reads (`cpu_get_host_ticks()`) and adds an offset to.
//!
//! The guest measures the frequency by a timer of QEMU. On a busy host, where QEMU's threads wait
//! for a CPU, the result can be wrong by a multiple, and with it all clocks of the guest. The
//! argument `tsc_early_khz` takes the place of that measurement (`determine_cpu_tsc_frequencies()`
//! in arch/x86/kernel/tsc.c), and the kernel's later refinement changes it by 1 % at most.

use std::arch::x86_64::{__cpuid, __get_cpuid_max, _mm_lfence, _rdtsc};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The least time between two readings. The longer, the more exact.
const INTERVAL: Duration = Duration::from_millis(50);

/// The number of attempts to read clock and counter at once.
const ATTEMPTS: u32 = 16;

/// The smallest ratio of the ticks in between to the error of the readings.
const ACCURACY: u64 = 1000;

/// The counter at a point in time.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    ticks: u64,
    /// The ticks during which `time` was read.
    error: u64,
    time: Instant,
}

impl Reading {
    /// Reads counter and clock several times, as the thread may have to wait in between, and
    /// returns the best reading.
    pub fn take() -> Self {
        let attempts = (0..ATTEMPTS).map(|_| {
            let ticks = ticks();
            let time = Instant::now();
            let error = self::ticks().saturating_sub(ticks);
            Self { ticks, error, time }
        });
        let best = attempts.min_by_key(|attempt| attempt.error);
        best.expect("there is an attempt")
    }

    /// Returns the kernel argument for an emulated guest, if the counter's frequency is certain.
    pub fn argument(self) -> Option<String> {
        if !is_invariant() {
            return None;
        }
        sleep(INTERVAL.saturating_sub(self.time.elapsed()));
        let khz = frequency(self, Self::take())?;
        Some(format!("tsc_early_khz={khz}"))
    }
}

fn ticks() -> u64 {
    // SAFETY: Each x86-64 CPU has both.
    unsafe {
        _mm_lfence();
        _rdtsc()
    }
}

/// Whether the counter has the same frequency at all times and on all CPUs.
fn is_invariant() -> bool {
    const LEAF: u32 = 0x8000_0007;
    const INVARIANT_TSC: u32 = 1 << 8;

    __get_cpuid_max(0x8000_0000).0 >= LEAF && __cpuid(LEAF).edx & INVARIANT_TSC != 0
}

/// Returns the frequency in kHz, if the readings are exact enough.
fn frequency(first: Reading, second: Reading) -> Option<u64> {
    let ticks = second.ticks.checked_sub(first.ticks)?;
    let nanos = second.time.duration_since(first.time).as_nanos();
    let is_exact = ticks / ACCURACY > first.error + second.error;
    let khz = (u128::from(ticks) * 1_000_000).checked_div(nanos)?;
    is_exact.then(|| u64::try_from(khz).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(ticks: u64, error: u64) -> (Reading, Reading) {
        let time = Instant::now();
        let first = Reading {
            ticks: 1000,
            error,
            time,
        };
        let second = Reading {
            ticks: 1000 + ticks,
            error,
            time: time + Duration::from_millis(100),
        };
        (first, second)
    }

    #[test]
    fn the_frequency_is_in_khz() {
        let (first, second) = readings(245_000_000, 100);
        assert_eq!(frequency(first, second), Some(2_450_000));
    }

    #[test]
    fn readings_that_are_not_exact_give_no_frequency() {
        let (first, second) = readings(245_000_000, 200_000);
        assert_eq!(frequency(first, second), None);
        let (first, second) = readings(245_000_000, 100);
        assert_eq!(frequency(second, first), None);
        assert_eq!(frequency(first, first), None);
    }

    #[test]
    fn the_hosts_frequency_is_the_same_each_time() {
        let khz = || {
            let first = Reading::take();
            sleep(INTERVAL);
            frequency(first, Reading::take())
        };
        // Both may be unknown on a host whose threads wait at each reading.
        if let (Some(one), Some(other)) = (khz(), khz()) {
            assert!(one.abs_diff(other) < one / 100, "{one} and {other}");
            assert!((100_000..20_000_000).contains(&one), "{one} kHz");
        }
    }
}
