// SPDX-License-Identifier: GPL-2.0-only

//! Statistics, the monitor's last sample and its targets, and the module's parameters, under
//! `/sys`.
//!
//! Every user may read these files, and reading them counts nowhere.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::device::filter_from_raw;
use crate::{Error, Result, uapi};

/// Directory of the device's attributes.
pub const ATTRIBUTES: &str = "/sys/class/misc/procmon";

/// Directory of the module's parameters.
pub const PARAMETERS: &str = "/sys/module/procmon/parameters";

/// Content of the attribute `stats`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// The totals and the filter, as [`Device::stats`](crate::Device::stats) gives them.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub totals: crate::Stats,
    /// All opens, reads, writes and ioctls since the module was loaded.
    pub per_cpu_ops: u64,
}

/// Content of the attribute `monitor`: the last sample of the kernel thread `procmon_monitor`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Monitor {
    /// Samples taken since the module was loaded.
    pub samples: u64,
    /// Processes, kernel threads and zombies included.
    pub processes: u64,
    /// Threads of those processes.
    pub threads: u64,
    /// Threads that were running or waiting for a CPU.
    pub running: u64,
    /// Threads in a sleep that signals do not end.
    pub uninterruptible: u64,
    /// Processes that had ended and were not yet reaped.
    pub zombies: u64,
    /// Processes and threads started since the sample before.
    pub forks: u64,
}

/// A parameter of the module.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Parameter {
    /// Limit of one write, in bytes; in force from the next write on.
    BufferSize,
    /// Milliseconds from one sample of the monitor to the next; in force at once.
    MonitorIntervalMs,
    /// Number of samples that the monitor keeps; set when the module is loaded only.
    History,
    /// KiB of events that are kept; set when the module is loaded only.
    EventsKb,
    /// 1 if events are recorded without a reader, else 0; set when the module is loaded only.
    EventsRecord,
    /// The part of processes that callers get which may not trace them: 0 for all, 1 for
    /// [redacted](crate::snapshot::Record::is_redacted) records, 2 for nothing; set when the module
    /// is loaded only.
    Hidepid,
}

/// The properties of a parameter.
struct Properties {
    name: &'static str,
    range: RangeInclusive<u32>,
    default: u32,
    is_writable: bool,
}

impl Parameter {
    /// All parameters that this version of the crate knows.
    pub const ALL: &'static [Self] = &[
        Self::BufferSize,
        Self::MonitorIntervalMs,
        Self::History,
        Self::EventsKb,
        Self::EventsRecord,
        Self::Hidepid,
    ];

    const fn properties(self) -> Properties {
        match self {
            Self::BufferSize => Properties {
                name: "buffer_size",
                range: uapi::PROCMON_BUFFER_SIZE_MIN..=uapi::PROCMON_BUFFER_SIZE_MAX,
                default: uapi::PROCMON_BUFFER_SIZE_DEFAULT,
                is_writable: true,
            },
            Self::MonitorIntervalMs => Properties {
                name: "monitor_interval_ms",
                range: uapi::PROCMON_MONITOR_INTERVAL_MS_MIN
                    ..=uapi::PROCMON_MONITOR_INTERVAL_MS_MAX,
                default: uapi::PROCMON_MONITOR_INTERVAL_MS_DEFAULT,
                is_writable: true,
            },
            Self::History => Properties {
                name: "history",
                range: uapi::PROCMON_HISTORY_MIN..=uapi::PROCMON_HISTORY_MAX,
                default: uapi::PROCMON_HISTORY_DEFAULT,
                is_writable: false,
            },
            Self::EventsKb => Properties {
                name: "events_kb",
                range: uapi::PROCMON_EVENTS_KB_MIN..=uapi::PROCMON_EVENTS_KB_MAX,
                default: uapi::PROCMON_EVENTS_KB_DEFAULT,
                is_writable: false,
            },
            Self::EventsRecord => Properties {
                name: "events_record",
                range: uapi::PROCMON_EVENTS_RECORD_MIN..=uapi::PROCMON_EVENTS_RECORD_MAX,
                default: uapi::PROCMON_EVENTS_RECORD_DEFAULT,
                is_writable: false,
            },
            Self::Hidepid => Properties {
                name: "hidepid",
                range: uapi::PROCMON_HIDEPID_MIN..=uapi::PROCMON_HIDEPID_MAX,
                default: uapi::PROCMON_HIDEPID_DEFAULT,
                is_writable: false,
            },
        }
    }

    /// Returns the parameter's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.properties().name
    }

    /// Returns the values that the module takes.
    #[must_use]
    pub fn range(self) -> RangeInclusive<u32> {
        self.properties().range
    }

    /// Returns the value in a module that was loaded without the parameter.
    #[must_use]
    pub const fn default_value(self) -> u32 {
        self.properties().default
    }

    /// Whether the parameter can be set while the module is loaded.
    #[must_use]
    pub fn is_writable(self) -> bool {
        self.properties().is_writable
    }

    /// Returns the path of the parameter's file.
    #[must_use]
    pub fn path(self) -> PathBuf {
        Path::new(PARAMETERS).join(self.name())
    }

    /// Reads the present value.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or understood.
    pub fn get(self) -> Result<u32> {
        read(&self.path())
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// If the value is out of [range](Self::range), the parameter is not
    /// [writable](Self::is_writable), or the caller is not root.
    pub fn set(self, value: u32) -> Result<()> {
        write(&self.path(), &value.to_string())
    }
}

/// A process that the monitor follows: a place for one.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(untagged))]
#[non_exhaustive]
pub enum TargetPlace {
    /// No process.
    #[default]
    Empty,
    /// The process with this PID, in the PID namespace of the caller, at the time it was set. The
    /// process has no PID in the namespace of a reader who finds [`Empty`](Self::Empty) there.
    Pid(i32),
    /// A process with this name, and after its end the next one.
    Name(String),
}

impl TargetPlace {
    /// The largest number of places.
    pub const MAX: usize = uapi::PROCMON_TARGETS_MAX as usize;
}

impl FromStr for TargetPlace {
    type Err = ParseError;

    /// Parses a PID, or 0 for an empty place, or the name of a process.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let invalid = || ParseError::Target(text.to_owned());
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return match text.parse().map_err(|_| invalid())? {
                0 => Ok(Self::Empty),
                pid if pid > 0 => Ok(Self::Pid(pid)),
                _ => Err(invalid()),
            };
        }
        // A comma is between targets.
        let is_valid = |byte: u8| byte.is_ascii_graphic() && byte != b',';
        if !text.bytes().all(is_valid) {
            return Err(invalid());
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl Display for TargetPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("0"),
            Self::Pid(pid) => pid.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// The targets of the monitor.
struct Targets(Vec<TargetPlace>);

impl FromStr for Targets {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let places: Result<_, _> = text.split_whitespace().map(str::parse).collect();
        places.map(Self)
    }
}

/// Reads the attribute `targets`: the places up to the last one that is set.
///
/// # Errors
///
/// If the file cannot be read or understood.
pub fn targets() -> Result<Vec<TargetPlace>> {
    read::<Targets>(&Path::new(ATTRIBUTES).join("targets")).map(|targets| targets.0)
}

/// Writes the attribute `targets`: sets all places, those behind the last one to be empty.
///
/// # Errors
///
/// If there are more than [`TargetPlace::MAX`], a PID is negative, a name has a comma, or other
/// than visible characters of ASCII, or the caller is not root. Nothing has changed then.
pub fn set_targets(places: &[TargetPlace]) -> Result<()> {
    let places: Vec<_> = places.iter().map(ToString::to_string).collect();
    // Something is written in any case.
    let text = places.join(" ") + "\n";
    write(&Path::new(ATTRIBUTES).join("targets"), &text)
}

/// Writes a text to a file in one go.
fn write(path: &Path, text: &str) -> Result<()> {
    // No truncation or creation: sysfs has neither, and no other file may come to be.
    fs::File::options()
        .write(true)
        .open(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|reason| Error::io(format!("write {} to", text.trim_end()), path, reason))
}

/// Reads the attribute `stats`.
///
/// # Errors
///
/// If the file cannot be read or understood.
pub fn stats() -> Result<Stats> {
    read(&Path::new(ATTRIBUTES).join("stats"))
}

/// Reads the attribute `buffer_size`.
///
/// # Errors
///
/// If the file cannot be read or understood.
pub fn buffer_size() -> Result<u32> {
    read(&Path::new(ATTRIBUTES).join("buffer_size"))
}

/// Reads the attribute `monitor`.
///
/// # Errors
///
/// If the file cannot be read or understood.
pub fn monitor() -> Result<Monitor> {
    read(&Path::new(ATTRIBUTES).join("monitor"))
}

/// Reads and parses a file of a few lines.
fn read<T>(path: &Path) -> Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text = fs::read_to_string(path).map_err(|reason| Error::io("read", path, reason))?;
    text.trim_end_matches('\n')
        .parse()
        .map_err(|error: T::Err| Error::unexpected(path, format!("{text:?}"), Some(error.into())))
}

/// Reasons for which the content of an attribute could not be understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A line is not of the form `key: value`.
    #[error("line {0:?} is not of the form \"key: value\"")]
    Line(String),
    /// A key occurs twice.
    #[error("{0:?} occurs twice")]
    Duplicate(String),
    /// A key that must be there is not.
    #[error("{0:?} is missing")]
    Missing(&'static str),
    /// A target is neither a PID nor a name.
    #[error("target {0:?} is neither a PID nor the name of a process")]
    Target(String),
    /// A value is not a number, or too large.
    #[error("{key:?} has no valid number: {value:?}")]
    Value {
        /// The key.
        key: &'static str,
        /// The text behind the key.
        value: String,
    },
}

/// The lines `key: value` of an attribute. Unknown keys are no error: a later version of the module
/// may have more of them.
struct Fields<'a>(HashMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn parse(text: &'a str) -> Result<Self, ParseError> {
        let mut fields = HashMap::new();
        for line in text.lines() {
            let (key, value) = line
                .split_once(": ")
                .ok_or_else(|| ParseError::Line(line.to_owned()))?;
            if fields.insert(key, value).is_some() {
                return Err(ParseError::Duplicate(key.to_owned()));
            }
        }
        Ok(Self(fields))
    }

    fn get<T: FromStr>(&self, key: &'static str) -> Result<T, ParseError> {
        let value = self.0.get(key).ok_or(ParseError::Missing(key))?;
        value.parse().map_err(|_| ParseError::Value {
            key,
            value: (*value).to_owned(),
        })
    }
}

impl FromStr for Stats {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fields = Fields::parse(text)?;
        Ok(Self {
            totals: crate::Stats {
                opens: fields.get("opens")?,
                reads: fields.get("reads")?,
                writes: fields.get("writes")?,
                ioctls: fields.get("ioctls")?,
                filter: filter_from_raw(fields.get("filter_pid")?),
            },
            per_cpu_ops: fields.get("per_cpu_ops")?,
        })
    }
}

impl FromStr for Monitor {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fields = Fields::parse(text)?;
        Ok(Self {
            samples: fields.get("samples")?,
            processes: fields.get("processes")?,
            threads: fields.get("threads")?,
            running: fields.get("running")?,
            uninterruptible: fields.get("uninterruptible")?,
            zombies: fields.get("zombies")?,
            forks: fields.get("forks")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::ErrorKind;

    use super::*;

    const STATS: &str =
        "opens: 1\nreads: 2\nwrites: 3\nioctls: 4\nper_cpu_ops: 10\nfilter_pid: 7\n";

    #[test]
    fn stats_are_parsed() {
        let totals = crate::Stats {
            opens: 1,
            reads: 2,
            writes: 3,
            ioctls: 4,
            filter: Some(7),
        };
        assert_eq!(
            STATS.parse(),
            Ok(Stats {
                totals,
                per_cpu_ops: 10
            })
        );
        let unfiltered: Stats = STATS.replace("pid: 7", "pid: 0").parse().unwrap();
        assert_eq!(unfiltered.totals.filter, None);
        let more = format!("{STATS}evictions: many\n");
        assert_eq!(more.parse::<Stats>(), STATS.parse());
    }

    #[test]
    fn stats_that_make_no_sense_are_refused() {
        let parse = |text: &str| text.parse::<Stats>().unwrap_err();
        assert_eq!(parse(""), ParseError::Missing("opens"));
        assert_eq!(parse("opens 1"), ParseError::Line("opens 1".to_owned()));
        assert_eq!(
            parse(&format!("{STATS}{STATS}")),
            ParseError::Duplicate("opens".to_owned())
        );
        assert_eq!(
            parse(&STATS.replace("ioctls: 4", "ioctls: -4")),
            ParseError::Value {
                key: "ioctls",
                value: "-4".to_owned()
            }
        );
        assert_eq!(
            parse(&STATS.replace("filter_pid", "pid")),
            ParseError::Missing("filter_pid")
        );
    }

    #[test]
    fn targets_are_parsed() {
        let targets = |text: &str| text.parse::<Targets>().map(|targets| targets.0);
        assert_eq!(targets(""), Ok(Vec::new()));
        let expected = vec![
            TargetPlace::Pid(7),
            TargetPlace::Empty,
            TargetPlace::Name("7zip".to_owned()),
        ];
        assert_eq!(targets("7 0 7zip"), Ok(expected.clone()));
        let texts: Vec<_> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["7", "0", "7zip"]);
        for text in ["-7", "99999999999", "a,b", "\u{e4}", "-"] {
            let error = ParseError::Target(text.to_owned());
            assert_eq!(targets(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_sample_is_parsed() {
        let text = "samples: 9\nprocesses: 80\nthreads: 95\nrunning: 2\nuninterruptible: 1\n\
                    zombies: 3\nforks: 4\n";
        let sample = text.parse();
        assert_eq!(
            sample,
            Ok(Monitor {
                samples: 9,
                processes: 80,
                threads: 95,
                running: 2,
                uninterruptible: 1,
                zombies: 3,
                forks: 4,
            })
        );
        let missing = text.replace("forks", "knives").parse::<Monitor>();
        assert_eq!(missing, Err(ParseError::Missing("forks")));
    }

    #[test]
    fn files_are_read_and_their_errors_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "4096\n").unwrap();
        assert_eq!(read::<u32>(file.path()).unwrap(), 4096);
        fs::write(file.path(), "much\n").unwrap();
        let error = read::<u32>(file.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
        assert!(error.to_string().contains("\"much\\n\""), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("invalid digit"), "{cause}");

        let error = read::<u32>(Path::new("/nonexistent/buffer_size")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoModule);
    }

    /// The specification has these numbers, whatever the header says.
    #[test]
    fn parameters_have_the_documented_names_and_ranges() {
        let path = "/sys/module/procmon/parameters/buffer_size";
        assert_eq!(Parameter::BufferSize.path(), Path::new(path));
        let properties = Parameter::ALL.iter().map(|parameter| {
            let (name, range) = (parameter.name(), parameter.range());
            (name, range, parameter.default_value())
        });
        assert_eq!(
            properties.collect::<Vec<_>>(),
            [
                ("buffer_size", 1..=1_048_576, 1024),
                ("monitor_interval_ms", 10..=3_600_000, 1000),
                ("history", 1..=65_536, 3600),
                ("events_kb", 64..=1_048_576, 4096),
                ("events_record", 0..=1, 0),
                ("hidepid", 0..=2, 0),
            ]
        );
    }
}
