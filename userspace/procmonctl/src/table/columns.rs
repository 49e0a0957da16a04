// SPDX-License-Identifier: GPL-2.0

//! The columns that processes can be shown in.

use std::cmp::Ordering;
use std::time::Duration;

use procmon::State;
use procmon::snapshot::{Groups, Record};
use serde::{Serialize, Serializer};

use super::kernel_threads::KernelNames;
use super::names::Names;
use crate::clock::{Clock, Moment};
use crate::text::printable;

/// A value in a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// There is none, or the caller may not see it.
    Absent,
    /// A number that may be negative.
    Number(i64),
    /// A number that may not.
    Count(u64),
    /// A number of bytes.
    Bytes(u64),
    /// A part of a hundred.
    Percent(f64),
    /// An amount of time.
    Time(Duration),
    /// A point in time.
    Moment(Moment),
    /// One of a set of words.
    Word(String),
    /// A name that somebody chose, which may have any bytes.
    Name(Vec<u8>),
}

impl Value {
    /// Returns it as people read it: visible characters in one line.
    pub fn text(&self) -> String {
        match self {
            Self::Absent => "-".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Bytes(bytes) => bytes_text(*bytes),
            Self::Percent(percent) => format!("{percent:.1}"),
            Self::Time(time) => time_text(*time),
            Self::Moment(moment) => moment.local(),
            Self::Word(word) => word.clone(),
            Self::Name(name) => printable(name),
        }
    }

    /// Returns it for CSV: with all digits, in bytes, seconds and per cent.
    pub fn plain(&self) -> String {
        match self {
            Self::Absent => String::new(),
            Self::Bytes(bytes) => bytes.to_string(),
            Self::Percent(percent) => format!("{percent:.3}"),
            Self::Time(time) => format!("{}.{:09}", time.as_secs(), time.subsec_nanos()),
            Self::Moment(moment) => moment.to_string(),
            _ => self.text(),
        }
    }

    /// Compares two values of a column. An absent one comes first.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Count(a), Self::Count(b)) | (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::Percent(a), Self::Percent(b)) => a.total_cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Moment(a), Self::Moment(b)) => a.cmp(b),
            (Self::Word(a), Self::Word(b)) => a.cmp(b),
            (Self::Name(a), Self::Name(b)) => a.cmp(b),
            _ => (*self != Self::Absent).cmp(&(*other != Self::Absent)),
        }
    }
}

/// Times are numbers of nanoseconds. A name that is not UTF-8 is null.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => serializer.serialize_none(),
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Count(count) | Self::Bytes(count) => serializer.serialize_u64(*count),
            Self::Percent(percent) => serializer.serialize_f64(*percent),
            Self::Time(time) => {
                serializer.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
            }
            Self::Moment(moment) => serializer.collect_str(moment),
            Self::Word(word) => serializer.serialize_str(word),
            Self::Name(name) => std::str::from_utf8(name).ok().serialize(serializer),
        }
    }
}

/// Three digits or four and a unit.
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

/// Minutes, seconds and hundredths; from an hour on hours, minutes and seconds, and so on.
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

/// What computing a value takes beyond the record.
#[derive(Debug, Default)]
pub struct Context {
    /// When the snapshot was begun, since boot.
    pub now: Duration,
    /// The names of users and groups.
    pub names: Names,
    /// The whole names of kernel threads.
    pub kernel_names: KernelNames,
    /// What the clock on the wall showed.
    pub clock: Clock,
}

impl Context {
    /// Creates the context of a first snapshot.
    pub fn new(now: Duration, names: Names) -> Self {
        Self {
            now,
            names,
            kernel_names: KernelNames::default(),
            clock: Clock::read(),
        }
    }

    /// Makes it that of another snapshot.
    pub fn refresh(&mut self, now: Duration) {
        self.now = now;
        self.names.refresh();
        self.kernel_names.clear();
        self.clock = Clock::read();
    }
}

/// A process or thread that is shown.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// What the kernel says.
    pub record: &'a Record,
    /// Which part of a CPU it has used since the last time, or else in its life, in per cent.
    pub cpu: Option<f64>,
}

impl Row<'_> {
    /// Returns what is to stand behind the name in a table.
    fn mark(&self) -> &'static str {
        let record = self.record;
        let is_process = record.pid() == record.tgid();
        if record.is_mixed() {
            " <exec>"
        } else if record.state() == State::Zombie && is_process && record.threads() > 1 {
            // Only the main thread has ended, whose state and memory are shown.
            " <threads run>"
        } else {
            ""
        }
    }

    /// Returns a letter for each flag.
    fn flags(&self) -> String {
        let record = self.record;
        let flags = [
            (record.is_kernel_thread(), 'K'),
            (record.is_exiting(), 'E'),
            (record.is_mixed(), 'M'),
        ];
        flags
            .iter()
            .filter(|flag| flag.0)
            .map(|flag| flag.1)
            .collect()
    }

    /// Returns user and system time.
    fn cpu_time(&self) -> Option<Duration> {
        self.record.cpu().map(|cpu| cpu.user + cpu.system)
    }
}

/// On which side a column is flush.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    Left,
    Right,
}

/// A column.
pub struct Column {
    /// What it is called on the command line and in JSON.
    pub key: &'static str,
    /// What stands above it.
    pub title: &'static str,
    /// What it is.
    pub help: &'static str,
    /// What it takes to fill it.
    pub groups: Groups,
    /// How it is set.
    pub side: Side,
    value: fn(&Row, &Context) -> Option<Value>,
}

impl Column {
    /// The column with this key.
    pub fn by_key(key: &str) -> Option<&'static Self> {
        COLUMNS.iter().find(|column| column.key == key)
    }

    /// Returns its value of a process.
    pub fn value(&self, row: &Row, context: &Context) -> Value {
        (self.value)(row, context).unwrap_or(Value::Absent)
    }

    /// Returns its cell in a table, where names stand behind a prefix of the tree and before a
    /// mark.
    pub fn cell(&self, row: &Row, prefix: &str, context: &Context) -> String {
        let text = self.value(row, context).text();
        match self.key {
            "comm" => format!("{prefix}{text}{}", row.mark()),
            _ => text,
        }
    }
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key)
    }
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

macro_rules! column {
    ($key:literal, $title:literal, $side:ident, $groups:expr, $help:literal, $value:expr) => {
        Column {
            key: $key,
            title: $title,
            help: $help,
            groups: $groups,
            side: Side::$side,
            value: $value,
        }
    };
}

const BASIC: Groups = Groups::BASIC;
const CPU: Groups = Groups::CPU;
const CREDENTIALS: Groups = Groups::CREDENTIALS;
const FAULTS: Groups = Groups::FAULTS;
const MEMORY: Groups = Groups::MEMORY;
const SWITCHES: Groups = Groups::SWITCHES;
const IO: Groups = Groups::IO;
const CGROUP: Groups = Groups::CGROUP;
const RUNTIME: Groups = Groups::RUNTIME;

/// All columns.
#[rustfmt::skip]
pub static COLUMNS: &[Column] = &[
    column!("pid", "PID", Right, BASIC, "Process ID, or with --threads thread ID",
        |row, _| Some(Value::Number(row.record.pid().into()))),
    column!("tgid", "TGID", Right, BASIC, "Process ID",
        |row, _| Some(Value::Number(row.record.tgid().into()))),
    column!("ppid", "PPID", Right, BASIC, "Process ID of the parent",
        |row, _| Some(Value::Number(row.record.ppid().into()))),
    column!("user", "USER", Left, CREDENTIALS, "Real user",
        |row, context| Some(Value::Name(context.names.user(row.record.credentials()?.uid)))),
    column!("euser", "EUSER", Left, CREDENTIALS, "Effective user",
        |row, context| Some(Value::Name(context.names.user(row.record.credentials()?.euid)))),
    column!("group", "GROUP", Left, CREDENTIALS, "Real group",
        |row, context| Some(Value::Name(context.names.group(row.record.credentials()?.gid)))),
    column!("uid", "UID", Right, CREDENTIALS, "Real user ID",
        |row, _| Some(Value::Count(row.record.credentials()?.uid.into()))),
    column!("euid", "EUID", Right, CREDENTIALS, "Effective user ID",
        |row, _| Some(Value::Count(row.record.credentials()?.euid.into()))),
    column!("gid", "GID", Right, CREDENTIALS, "Real group ID",
        |row, _| Some(Value::Count(row.record.credentials()?.gid.into()))),
    column!("egid", "EGID", Right, CREDENTIALS, "Effective group ID",
        |row, _| Some(Value::Count(row.record.credentials()?.egid.into()))),
    column!("state", "S", Left, BASIC, "State, as a letter of /proc/PID/stat",
        |row, _| Some(Value::Word(row.record.state().letter().to_string()))),
    column!("flags", "FLAGS", Left, BASIC,
        "K kernel thread, E ending, M mixed: executing a program while it was described",
        |row, _| Some(Value::Word(row.flags()))),
    column!("threads", "THR", Right, BASIC, "Number of threads",
        |row, _| Some(Value::Count(row.record.threads().into()))),
    column!("cpu", "CPU%", Right, CPU, "Part of a CPU used, by top since the last refresh",
        |row, _| row.cpu.map(Value::Percent)),
    column!("time", "TIME", Right, CPU, "User and system time",
        |row, _| row.cpu_time().map(Value::Time)),
    column!("utime", "UTIME", Right, CPU, "User time",
        |row, _| Some(Value::Time(row.record.cpu()?.user))),
    column!("stime", "STIME", Right, CPU, "System time",
        |row, _| Some(Value::Time(row.record.cpu()?.system))),
    column!("runtime", "RUNTIME", Right, RUNTIME, "Time on CPUs, as the scheduler counts it",
        |row, _| Some(Value::Time(row.record.runtime()?))),
    column!("start", "START", Right, CPU, "When it was started, since boot",
        |row, _| Some(Value::Time(row.record.cpu()?.start.since_boot()))),
    column!("started", "STARTED", Left, CPU, "When it was started, by the clock on the wall",
        |row, context| Some(Value::Moment(context.clock.at(row.record.cpu()?.start.since_boot())))),
    column!("age", "AGE", Right, CPU, "How long ago it was started",
        |row, context| Some(Value::Time(
            context.now.saturating_sub(row.record.cpu()?.start.since_boot())))),
    column!("nice", "NI", Right, CPU, "Nice value, -20 to 19",
        |row, _| Some(Value::Number(row.record.cpu()?.nice.into()))),
    column!("policy", "POLICY", Left, CPU, "Scheduling policy",
        |row, _| Some(Value::Word(policy_name(row.record.cpu()?.policy)))),
    column!("last-cpu", "LAST", Right, CPU, "CPU that it is on, or was on last",
        |row, _| Some(Value::Count(row.record.cpu()?.last.into()))),
    column!("vsize", "VSIZE", Right, MEMORY, "Size of the address space",
        |row, _| Some(Value::Bytes(row.record.memory()?.virtual_size))),
    column!("rss", "RSS", Right, MEMORY, "Resident memory",
        |row, _| Some(Value::Bytes(row.record.memory()?.resident()))),
    column!("rss-anon", "ANON", Right, MEMORY, "Resident anonymous memory",
        |row, _| Some(Value::Bytes(row.record.memory()?.anonymous))),
    column!("rss-file", "FILE", Right, MEMORY, "Resident memory of files",
        |row, _| Some(Value::Bytes(row.record.memory()?.file))),
    column!("rss-shmem", "SHMEM", Right, MEMORY, "Resident shared memory",
        |row, _| Some(Value::Bytes(row.record.memory()?.shared))),
    column!("minflt", "MINFLT", Right, FAULTS, "Page faults without I/O",
        |row, _| Some(Value::Count(row.record.faults()?.minor))),
    column!("majflt", "MAJFLT", Right, FAULTS, "Page faults with I/O",
        |row, _| Some(Value::Count(row.record.faults()?.major))),
    column!("vcs", "VCS", Right, SWITCHES, "Voluntary context switches",
        |row, _| Some(Value::Count(row.record.switches()?.voluntary))),
    column!("ics", "ICS", Right, SWITCHES, "Involuntary context switches",
        |row, _| Some(Value::Count(row.record.switches()?.involuntary))),
    column!("read", "READ", Right, IO, "Bytes read from block devices",
        |row, _| Some(Value::Bytes(row.record.io()?.read))),
    column!("write", "WRITE", Right, IO, "Bytes written to block devices",
        |row, _| Some(Value::Bytes(row.record.io()?.written))),
    column!("cgroup", "CGROUP", Right, CGROUP, "ID of the cgroup: inode number of its directory",
        |row, _| Some(Value::Count(row.record.cgroup_id()?))),
    column!("comm", "COMMAND", Left, BASIC, "Name",
        |row, context| Some(Value::Name(context.kernel_names.name(row.record)))),
];

/// What `ps` shows by default.
pub const DEFAULT: [&str; 8] = [
    "pid", "user", "state", "threads", "cpu", "rss", "time", "comm",
];

/// The name of a scheduling policy as sched(7) has it, without "SCHED_".
fn policy_name(policy: u32) -> String {
    const NAMES: [(u32, &str); 7] = [
        (0, "OTHER"),
        (1, "FIFO"),
        (2, "RR"),
        (3, "BATCH"),
        (5, "IDLE"),
        (6, "DEADLINE"),
        (7, "EXT"),
    ];
    let name = NAMES.iter().find(|(number, _)| *number == policy);
    name.map_or_else(|| policy.to_string(), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_are_unique() {
        let keys: HashSet<_> = COLUMNS.iter().map(|column| column.key).collect();
        assert_eq!(keys.len(), COLUMNS.len());
        for key in DEFAULT {
            assert!(Column::by_key(key).is_some(), "{key}");
        }
        assert!(Column::by_key("PID").is_none());
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
        assert_eq!(Value::Absent.plain(), "");
        assert_eq!(Value::Absent.text(), "-");
        let json = |value| serde_json::to_string(&value).unwrap();
        assert_eq!(json(Value::Time(Duration::from_micros(3))), "3000");
        assert_eq!(json(Value::Absent), "null");
        assert_eq!(json(Value::Number(-5)), "-5");
        assert_eq!(json(Value::Name(b"a\n".to_vec())), "\"a\\n\"");
        assert_eq!(json(Value::Name(b"\xff".to_vec())), "null");
        assert_eq!(Value::Name(b"a\n\xff".to_vec()).plain(), "a\\n\\xff");
    }

    fn row_of(raw: procmon::uapi::procmon_record, check: impl Fn(&Row)) {
        let record = raw.into();
        check(&Row {
            record: &record,
            cpu: None,
        });
    }

    #[test]
    fn marks_and_flags_say_what_a_record_is() {
        use procmon::uapi;

        let column = |key| Column::by_key(key).unwrap();
        let context = Context::default();
        let mut raw = uapi::procmon_record {
            pid: 7,
            tgid: 7,
            threads: 2,
            flags: uapi::PROCMON_TASK_MIXED,
            ..Default::default()
        };
        row_of(raw, |row| {
            assert_eq!(column("comm").cell(row, "└─ ", &context), "└─  <exec>");
            assert_eq!(column("flags").cell(row, "└─ ", &context), "M");
        });
        raw.flags = uapi::PROCMON_TASK_EXITING;
        raw.state = uapi::PROCMON_STATE_ZOMBIE;
        row_of(raw, |row| {
            assert_eq!(column("comm").cell(row, "", &context), " <threads run>");
            assert_eq!(column("flags").value(row, &context).plain(), "E");
        });
        raw.threads = 1;
        row_of(raw, |row| {
            assert_eq!(column("comm").cell(row, "", &context), "");
        });
    }

    #[test]
    fn absent_values_sort_first() {
        assert_eq!(Value::Absent.compare(&Value::Count(0)), Ordering::Less);
        assert_eq!(Value::Count(0).compare(&Value::Absent), Ordering::Greater);
        assert_eq!(Value::Absent.compare(&Value::Absent), Ordering::Equal);
        assert_eq!(Value::Count(2).compare(&Value::Count(10)), Ordering::Less);
    }
}
