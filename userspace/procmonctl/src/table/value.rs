// SPDX-License-Identifier: GPL-2.0-only

//! Values of columns, as text, in JSON and in CSV.

use std::cmp::Ordering;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::clock::{self, Moment};
use crate::text::printable;

/// A value in a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value, or one that the caller may not see.
    Absent,
    /// A signed number.
    Number(i64),
    /// An unsigned number.
    Count(u64),
    /// A number of bytes.
    Bytes(u64),
    /// A percentage.
    Percent(f64),
    /// A number per second.
    Rate(f64),
    /// A number of bytes per second.
    BytesRate(f64),
    /// An amount of time.
    Time(Duration),
    /// A point in time.
    Moment(Moment),
    /// One of a set of words.
    Word(String),
    /// A name of a user's choice, which may have any bytes.
    Name(Vec<u8>),
    /// The arguments of a program.
    Arguments(Vec<Vec<u8>>),
    /// The name of a process without arguments.
    NoArguments(Vec<u8>),
}

/// A kind of value: [`Value`] has their meanings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Number,
    Count,
    Bytes,
    Percent,
    Rate,
    BytesRate,
    Time,
    Moment,
    Word,
    Name,
    /// Those of a program, or the name of a process without any.
    Arguments,
}

impl Kind {
    /// Returns whether values are texts, which have no number.
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Self::Moment | Self::Word | Self::Name | Self::Arguments
        )
    }
}

impl Value {
    /// Formats the value for people: visible characters in one line.
    pub fn text(&self) -> String {
        match self {
            Self::Absent => "-".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Bytes(bytes) => bytes_text(*bytes),
            Self::Percent(number) | Self::Rate(number) => format!("{number:.1}"),
            Self::BytesRate(bytes) => bytes_text(*bytes as u64),
            Self::Time(time) => time_text(*time),
            Self::Moment(moment) => moment.local(),
            Self::Word(word) => word.clone(),
            Self::Name(name) => printable(name),
            Self::Arguments(arguments) => printable(&arguments.join(&b' ')),
            Self::NoArguments(name) => format!("[{}]", printable(name)),
        }
    }

    /// Formats the value for CSV: with all digits, in bytes, seconds and percent.
    pub fn plain(&self) -> String {
        match self {
            Self::Absent => String::new(),
            Self::Bytes(bytes) => bytes.to_string(),
            Self::Percent(number) | Self::Rate(number) | Self::BytesRate(number) => {
                format!("{number:.3}")
            }
            Self::Time(time) => format!("{}.{:09}", time.as_secs(), time.subsec_nanos()),
            Self::Moment(moment) => moment.to_string(),
            _ => self.text(),
        }
    }

    pub fn is_absent(&self) -> bool {
        *self == Self::Absent
    }

    /// Returns the number, in bytes, seconds or percent, unless the value is a text.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number as f64),
            Self::Count(count) | Self::Bytes(count) => Some(*count as f64),
            Self::Percent(number) | Self::Rate(number) | Self::BytesRate(number) => Some(*number),
            Self::Time(time) => Some(time.as_secs_f64()),
            _ => None,
        }
    }

    /// Adds a value of the same column. Absent ones, and those that do not add up, add nothing.
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Self::Number(a.saturating_add(b)),
            (Self::Count(a), Self::Count(b)) => Self::Count(a.saturating_add(b)),
            (Self::Bytes(a), Self::Bytes(b)) => Self::Bytes(a.saturating_add(b)),
            (Self::Percent(a), Self::Percent(b)) => Self::Percent(a + b),
            (Self::Rate(a), Self::Rate(b)) => Self::Rate(a + b),
            (Self::BytesRate(a), Self::BytesRate(b)) => Self::BytesRate(a + b),
            (Self::Time(a), Self::Time(b)) => Self::Time(a.saturating_add(b)),
            (Self::Absent, other) => other,
            (this, _) => this,
        }
    }

    /// Compares two values of a column. Absent ones come first.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Count(a), Self::Count(b)) | (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::Percent(a), Self::Percent(b))
            | (Self::Rate(a), Self::Rate(b))
            | (Self::BytesRate(a), Self::BytesRate(b)) => a.total_cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Moment(a), Self::Moment(b)) => a.cmp(b),
            (Self::Word(a), Self::Word(b)) => a.cmp(b),
            (Self::Name(a), Self::Name(b)) => a.cmp(b),
            (Self::Arguments(a), Self::Arguments(b)) => a.cmp(b),
            (Self::NoArguments(a), Self::NoArguments(b)) => a.cmp(b),
            // Kernel threads, and others without arguments, stand together.
            (Self::NoArguments(_), Self::Arguments(_)) => Ordering::Less,
            (Self::Arguments(_), Self::NoArguments(_)) => Ordering::Greater,
            _ => other.is_absent().cmp(&self.is_absent()),
        }
    }
}

/// Times are numbers of nanoseconds. A name, or argument, that is not UTF-8 is null.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::NoArguments(_) => serializer.serialize_none(),
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Count(count) | Self::Bytes(count) => serializer.serialize_u64(*count),
            Self::Percent(number) | Self::Rate(number) | Self::BytesRate(number) => {
                serializer.serialize_f64(*number)
            }
            Self::Time(time) => serializer.serialize_u64(clock::nanoseconds(*time)),
            Self::Moment(moment) => serializer.collect_str(moment),
            Self::Word(word) => serializer.serialize_str(word),
            Self::Name(name) => std::str::from_utf8(name).ok().serialize(serializer),
            Self::Arguments(arguments) => {
                let texts = arguments
                    .iter()
                    .map(|bytes| std::str::from_utf8(bytes).ok());
                serializer.collect_seq(texts)
            }
        }
    }
}

/// Formats a number of bytes with at most four digits and a unit.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 9.95 {
        format!("{value:.1}{}", UNITS[unit])
    } else {
        format!("{value:.0}{}", UNITS[unit])
    }
}

/// Formats a time: minutes, seconds and hundredths; from an hour on hours, minutes and seconds;
/// from a day on days, hours and minutes.
pub fn time_text(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..3600 => format!(
            "{minutes}:{:02}.{:02}",
            seconds % 60,
            time.subsec_millis() / 10
        ),
        3600..86400 => format!("{hours}:{:02}:{:02}", minutes % 60, seconds % 60),
        _ => format!("{days}d{:02}:{:02}", hours % 24, minutes % 60),
    }
}

/// Formats a status: its code, or the signal.
pub fn status_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => code.to_string(),
        (None, Some(signal)) => {
            let core = if status.core_dumped() { ", core" } else { "" };
            format!("signal {signal}{core}")
        }
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_codes_or_signals() {
        for (raw, text) in [
            (0, "0"),
            (3 << 8, "3"),
            (9, "signal 9"),
            (0x86, "signal 6, core"),
        ] {
            assert_eq!(status_text(ExitStatus::from_raw(raw)), text, "{raw}");
        }
    }

    #[test]
    fn bytes_take_up_to_five_characters() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0K"),
            (10 * 1024, "10K"),
            (1_023_000, "999K"),
            (1_023_999, "1.0M"),
            (5_905_580_032, "5.5G"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(bytes_text(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn times_get_coarser() {
        for (millis, text) in [
            (0, "0:00.00"),
            (61_230, "1:01.23"),
            (3_599_999, "59:59.99"),
            (3_600_000, "1:00:00"),
            (86_399_000, "23:59:59"),
            (90_061_000, "1d01:01"),
        ] {
            assert_eq!(time_text(Duration::from_millis(millis)), text, "{millis}");
        }
    }

    #[test]
    fn values_for_programs_have_all_digits() {
        assert_eq!(Value::Bytes(123_456_789).plain(), "123456789");
        assert_eq!(
            Value::Time(Duration::from_nanos(1_000_000_001)).plain(),
            "1.000000001"
        );
        assert_eq!(Value::BytesRate(1_572_864.5).plain(), "1572864.500");
        assert_eq!(Value::BytesRate(1_572_864.5).text(), "1.5M");
        assert_eq!(
            (Value::Rate(0.25).text(), Value::Rate(0.25).plain()),
            ("0.2".into(), "0.250".into())
        );
        assert_eq!(Value::Absent.plain(), "");
        assert_eq!(Value::Absent.text(), "-");
        let json = |value| serde_json::to_string(&value).unwrap();
        assert_eq!(json(Value::Time(Duration::from_micros(3))), "3000");
        assert_eq!(json(Value::Absent), "null");
        assert_eq!(json(Value::Number(-5)), "-5");
        assert_eq!(json(Value::Name(b"a\n".to_vec())), "\"a\\n\"");
        assert_eq!(json(Value::Name(b"\xff".to_vec())), "null");
        assert_eq!(Value::Name(b"a\n\xff".to_vec()).plain(), "a\\n\\xff");
        let arguments = Value::Arguments(vec![b"sh".to_vec(), b"\xff".to_vec()]);
        assert_eq!(
            (json(arguments.clone()), arguments.plain()),
            ("[\"sh\",null]".into(), "sh \\xff".into())
        );
        let none = Value::NoArguments(b"kthreadd".to_vec());
        assert_eq!(
            (json(none.clone()), none.plain()),
            ("null".into(), "[kthreadd]".into())
        );
    }

    #[test]
    fn values_add_up() {
        let second = Duration::from_secs(1);
        for (a, b, sum) in [
            (Value::Bytes(1), Value::Bytes(2), Value::Bytes(3)),
            (
                Value::Bytes(2),
                Value::Bytes(u64::MAX),
                Value::Bytes(u64::MAX),
            ),
            (
                Value::Percent(0.5),
                Value::Percent(1.0),
                Value::Percent(1.5),
            ),
            (
                Value::Time(second),
                Value::Time(second),
                Value::Time(2 * second),
            ),
            (Value::Absent, Value::Count(2), Value::Count(2)),
            (Value::Count(2), Value::Absent, Value::Count(2)),
            (Value::Absent, Value::Absent, Value::Absent),
        ] {
            assert_eq!(a.plus(b), sum);
        }
    }

    #[test]
    fn absent_values_sort_first() {
        assert_eq!(Value::Absent.compare(&Value::Count(0)), Ordering::Less);
        assert_eq!(Value::Count(0).compare(&Value::Absent), Ordering::Greater);
        assert_eq!(Value::Absent.compare(&Value::Absent), Ordering::Equal);
        assert_eq!(Value::Count(2).compare(&Value::Count(10)), Ordering::Less);
    }
}
