// SPDX-License-Identifier: GPL-2.0-only

//! Values of arguments: PIDs, the filter, and times.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The value of the filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Filter {
    Off,
    Pid(i32),
}

impl Filter {
    /// Parses a PID or `off`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        parse_pid(text)
            .map(Self::Pid)
            .map_err(|error| format!("{error}, or \"off\""))
    }

    pub fn pid(self) -> Option<i32> {
        match self {
            Self::Off => None,
            Self::Pid(pid) => Some(pid),
        }
    }
}

impl From<Option<i32>> for Filter {
    fn from(pid: Option<i32>) -> Self {
        pid.map_or(Self::Off, Self::Pid)
    }
}

impl Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Pid(pid) => pid.fmt(f),
        }
    }
}

/// Parses the ID of a process or thread.
pub fn parse_pid(text: &str) -> Result<i32, String> {
    text.parse()
        .ok()
        .filter(|pid| *pid > 0)
        .ok_or_else(|| format!("expected a PID (1 to {})", i32::MAX))
}

/// Parses the PID of a parent, or 0 for none.
pub fn parse_parent(text: &str) -> Result<i32, String> {
    match text {
        "0" => Ok(0),
        _ => parse_pid(text).map_err(|error| format!("{error}, or 0")),
    }
}

/// The shortest and the longest interval in seconds. A shorter one would keep a CPU busy with
/// nothing else, and a longer one could not be added to a time.
const SECONDS: RangeInclusive<f64> = 0.01..=1e9;

/// Parses an interval in seconds.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| SECONDS.contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| {
            let (shortest, longest) = SECONDS.into_inner();
            format!("expected a number of seconds from {shortest} to {longest}")
        })
}

/// Parses the number of times to do something.
pub fn parse_count(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| "expected a number from 1 on".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pids_are_positive() {
        assert_eq!(parse_pid("1"), Ok(1));
        assert_eq!(parse_pid("2147483647"), Ok(i32::MAX));
        for bad in ["", "0", "-1", "2147483648", "on", "1 ", "off"] {
            assert!(parse_pid(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_filter_is_a_pid_or_off() {
        assert_eq!(Filter::parse("off"), Ok(Filter::Off));
        assert_eq!(Filter::parse("2147483647"), Ok(Filter::Pid(i32::MAX)));
        for bad in ["", "0", "-1", "2147483648", "on", "1 "] {
            assert!(Filter::parse(bad).is_err(), "{bad:?}");
        }
        for (pid, text) in [(None, "off"), (Some(7), "7")] {
            assert_eq!(Filter::from(pid).pid(), pid);
            assert_eq!(Filter::from(pid).to_string(), text);
        }
    }

    #[test]
    fn parents_are_ids_or_none() {
        assert_eq!(parse_parent("0"), Ok(0));
        assert_eq!(parse_parent("2147483647"), Ok(i32::MAX));
        for bad in ["", "-1", "2147483648", "one"] {
            assert!(parse_parent(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn seconds_have_limits() {
        assert_eq!(parse_seconds("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_seconds("0.01"), Ok(Duration::from_millis(10)));
        assert_eq!(parse_seconds("1e9"), Ok(Duration::from_secs(1_000_000_000)));
        for bad in [
            "", "0", "-1", "1e-9", "0.009", "NaN", "inf", "1e10", "1e19", "1e30", "1e308", "soon",
        ] {
            assert!(parse_seconds(bad).is_err(), "{bad:?}");
        }
    }
    #[test]
    fn counts_are_positive() {
        assert_eq!(parse_count("1"), Ok(1));
        assert_eq!(parse_count("18446744073709551615"), Ok(u64::MAX));
        for bad in ["", "0", "-1", "18446744073709551616", "1.5", "once"] {
            assert!(parse_count(bad).is_err(), "{bad:?}");
        }
    }
}
