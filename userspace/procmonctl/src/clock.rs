// SPDX-License-Identifier: GPL-2.0-only

//! The wall clock, to match times since boot with those in logs.

use std::fmt::{self, Display};
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use procmon::BootTime;
use serde::{Serialize, Serializer};

/// The difference between the wall clock and the time since boot, in this time namespace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    offset: i128,
}

impl Clock {
    /// Reads both clocks.
    pub fn read() -> Self {
        let boot = BootTime::ZERO.to_system_time().duration_since(UNIX_EPOCH);
        Self {
            offset: boot.map_or(0, |boot| boot.as_nanos().cast_signed()),
        }
    }

    /// Converts a time since boot. The result is right if the clock was not set since.
    pub fn at(self, since_boot: Duration) -> Moment {
        let nanoseconds = i128::try_from(since_boot.as_nanos()).unwrap_or(i128::MAX);
        let sum = nanoseconds.saturating_add(self.offset);
        Moment(Timestamp::from_nanosecond(sum).unwrap_or(Timestamp::MAX))
    }
}

/// Returns the ID of this boot, which makes times since boot comparable between files.
pub fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim_end().to_owned())
}

/// Returns the nanoseconds of a time, as JSON has them.
pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A moment in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Time {
    /// Nanoseconds since boot.
    time: u64,
    /// The same moment by the wall clock.
    wall_time: Moment,
    boot_id: Option<String>,
}

impl Time {
    pub fn new(since_boot: Duration, clock: Clock) -> Self {
        Self {
            time: nanoseconds(since_boot),
            wall_time: clock.at(since_boot),
            boot_id: boot_id(),
        }
    }

    pub fn now() -> Self {
        Self::new(BootTime::now().since_boot(), Clock::read())
    }
}

/// A point in time by the wall clock. It is displayed as in RFC 3339, in UTC.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Moment(Timestamp);

impl Moment {
    /// Creates the moment of a number of nanoseconds since 1970.
    pub fn since_1970(nanoseconds: i64) -> Self {
        let time = Timestamp::from_nanosecond(nanoseconds.into());
        // All of them are in range.
        Self(time.unwrap_or(Timestamp::MAX))
    }

    /// Returns the nanoseconds since 1970.
    pub fn nanoseconds(self) -> i64 {
        i64::try_from(self.0.as_nanosecond()).unwrap_or(i64::MAX)
    }

    /// Formats the moment in the local time zone, as the time of day with milliseconds.
    pub fn time_of_day(self) -> String {
        let local = self.0.to_zoned_datetime(TimeZone::system());
        local.strftime("%H:%M:%S.%3f").to_string()
    }

    /// Formats the moment in the local time zone: with the time of day in this year, with the year
    /// otherwise.
    pub fn local(self) -> String {
        let local = |time: Timestamp| time.to_zoned_datetime(TimeZone::system());
        let (this, now) = (local(self.0), local(Timestamp::now()));
        let format = if this.year() == now.year() {
            "%d %b %H:%M"
        } else {
            "%Y-%m-%d"
        };
        this.strftime(format).to_string()
    }
}

impl Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.9}", self.0)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn moments_are_as_in_rfc_3339() {
        let clock = Clock {
            offset: 1_700_000_000_000_000_000,
        };
        let moment = clock.at(Duration::from_nanos(1_500_000_000));
        assert_eq!(moment.to_string(), "2023-11-14T22:13:21.500000000Z");
        assert!(clock.at(Duration::MAX) > moment);
        assert_eq!(Moment::since_1970(1_700_000_001_500_000_000), moment);
        assert!(Moment::since_1970(i64::MIN) < moment && Moment::since_1970(i64::MAX) > moment);
        assert_eq!(moment.local(), "2023-11-14");
        let now = Clock::read().at(BootTime::now().since_boot());
        assert_eq!(now.local().len(), "28 Nov 02:14".len());
    }

    #[test]
    fn now_is_now() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = Clock::read().at(BootTime::now().since_boot());
        let now = now.0.as_nanosecond();
        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        // The two clocks are not read at one moment.
        let slack = 1_000_000_000;
        let range = before.as_nanos() as i128 - slack..=after.as_nanos() as i128 + slack;
        assert!(range.contains(&now));
    }
}
