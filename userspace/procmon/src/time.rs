// SPDX-License-Identifier: GPL-2.0-only

//! Moments, on the clock of the module.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// A moment, by the time since boot: `CLOCK_BOOTTIME` of the caller's time namespace, which runs
/// during suspend and is never set.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BootTime(Duration);

impl BootTime {
    /// The moment at which the machine was booted.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// Creates a moment from the nanoseconds since boot.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(Duration::from_nanos(nanos))
    }

    /// Returns the present moment.
    #[must_use]
    pub fn now() -> Self {
        Self(read(ClockId::Boottime))
    }

    /// Returns the time since boot.
    #[must_use]
    pub const fn since_boot(self) -> Duration {
        self.0
    }

    /// Returns the time from an earlier moment to this one, zero if that one is later.
    #[must_use]
    pub const fn saturating_sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the date and time of this moment by the present setting of the clock.
    ///
    /// Use a [`BootClock`] for more than one moment, by which equal moments stay equal.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        BootClock::now().system_time(self)
    }
}

impl Add<Duration> for BootTime {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

/// The same as [`BootTime::saturating_sub`].
impl Sub for BootTime {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_sub(earlier)
    }
}

impl From<Duration> for BootTime {
    fn from(since_boot: Duration) -> Self {
        Self(since_boot)
    }
}

impl From<BootTime> for Duration {
    fn from(time: BootTime) -> Self {
        time.0
    }
}

impl PartialEq<Duration> for BootTime {
    fn eq(&self, since_boot: &Duration) -> bool {
        self.0 == *since_boot
    }
}

impl PartialOrd<Duration> for BootTime {
    fn partial_cmp(&self, since_boot: &Duration) -> Option<Ordering> {
        self.0.partial_cmp(since_boot)
    }
}

/// Seconds since boot, as `[   12.345678]` of the kernel log has them.
impl fmt::Display for BootTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!(
            "{}.{:06}",
            self.0.as_secs(),
            self.0.subsec_micros()
        ))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for BootTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::serialize::nanos(&self.since_boot(), serializer)
    }
}

/// The date and time at which the machine was booted, by which moments since boot become dates.
///
/// Setting the clock changes the result of the next [`now`](Self::now), not this one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BootClock {
    /// `CLOCK_REALTIME` less `CLOCK_BOOTTIME`.
    boot: SystemTime,
}

impl BootClock {
    /// Compares the two clocks.
    #[must_use]
    pub fn now() -> Self {
        // The calls may be interrupted: the shortest of a few attempts is the best one.
        let attempts = (0..3).map(|_| {
            let before = read(ClockId::Boottime);
            let real = read(ClockId::Realtime);
            let after = read(ClockId::Boottime);
            let length = after.saturating_sub(before);
            (length, real, before + length / 2)
        });
        let (_, real, boot) = attempts
            .min_by_key(|(length, ..)| *length)
            .unwrap_or_default();
        Self {
            boot: UNIX_EPOCH + real.saturating_sub(boot),
        }
    }

    /// Returns the date and time of a moment.
    #[must_use]
    pub fn system_time(&self, time: BootTime) -> SystemTime {
        // Only a broken kernel delivers times that are too large.
        self.boot.checked_add(time.0).unwrap_or(self.boot)
    }
}

/// Reads a clock; one that is before its epoch counts as at it.
fn read(clock: ClockId) -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    let seconds = Duration::from_secs(tv_sec.try_into().unwrap_or(0));
    seconds + Duration::from_nanos(tv_nsec.try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_is_the_present() {
        let before = SystemTime::now();
        let now = BootTime::now().to_system_time();
        let after = SystemTime::now();
        // As far as the comparison of clocks was interrupted, and the clock is slewed.
        let slack = Duration::from_secs(1) + after.duration_since(before).unwrap();
        assert!(
            now + slack > before && now < after + slack,
            "{before:?} {now:?}"
        );

        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let later = BootTime::now().since_boot().as_secs_f64();
        assert!(later >= uptime, "{later} {uptime}");
    }

    #[test]
    fn moments_keep_their_distance_as_dates() {
        let clock = BootClock::now();
        let (first, second) = (BootTime::from_nanos(5), BootTime::from_nanos(2_000_000_005));
        let distance = clock
            .system_time(second)
            .duration_since(clock.system_time(first));
        assert_eq!(distance.unwrap(), second.saturating_sub(first));
        assert_eq!(first.saturating_sub(second), Duration::ZERO);
        let last = BootTime::from(Duration::MAX);
        assert_eq!(last + Duration::MAX, Duration::MAX);
        let _ = clock.system_time(last);
    }

    #[test]
    fn a_moment_reads_as_in_the_kernel_log() {
        assert_eq!(
            BootTime::from_nanos(12_000_345_999).to_string(),
            "12.000345"
        );
    }
}
