// SPDX-License-Identifier: GPL-2.0

//! The columns of processes. [`COLUMNS`] is the only place that a new one needs.

use std::ffi::OsStr;

use procmon::snapshot::Groups;

use super::render::{Head, Side};
use super::row::{Context, Row};
use super::value::Value;

/// A column.
pub struct Column {
    /// Name on the command line and in JSON.
    pub key: &'static str,
    /// Header.
    pub title: &'static str,
    /// Description.
    pub help: &'static str,
    /// Field groups that the value needs.
    pub groups: Groups,
    /// Whether the value needs the arguments of programs.
    pub needs_arguments: bool,
    /// Whether reading the value may wait for the process, and takes long.
    pub is_slow: bool,
    /// Alignment.
    pub side: Side,
    /// Whether the values of several processes add up to one of all of them.
    pub adds_up: bool,
    value: fn(&Row, &Context) -> Option<Value>,
}

impl Column {
    /// Returns the column with this key.
    pub fn by_key(key: &str) -> Option<&'static Self> {
        COLUMNS.iter().find(|column| column.key == key)
    }

    /// Returns the value of a process in this column.
    pub fn value(&self, row: &Row, context: &Context) -> Value {
        (self.value)(row, context).unwrap_or(Value::Absent)
    }

    /// Returns the text of a cell. A name stands between a prefix of the tree and a mark.
    pub fn cell(&self, row: &Row, prefix: &str, context: &Context) -> String {
        let text = self.value(row, context).text();
        match self.key {
            "comm" | "args" => format!("{prefix}{text}{}", row.mark()),
            _ => text,
        }
    }
}

impl From<&&'static Column> for Head {
    fn from(column: &&'static Column) -> Self {
        Self::new(column.title, column.side)
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
    ($key:literal, $title:literal, Sum, $groups:expr, $help:literal, $value:expr) => {
        Column {
            adds_up: true,
            ..column!($key, $title, Right, $groups, $help, $value)
        }
    };
    ($key:literal, $title:literal, $side:ident, $groups:expr, $help:literal, $value:expr) => {
        Column {
            key: $key,
            title: $title,
            help: $help,
            groups: $groups,
            needs_arguments: false,
            is_slow: false,
            side: Side::$side,
            adds_up: false,
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

/// All columns. Those on the right whose values add up have `Sum` as their side.
#[rustfmt::skip]
pub static COLUMNS: &[Column] = &[
    column!("pid", "PID", Right, BASIC, "Process ID, or with --threads thread ID",
        |row, _| Some(Value::Number(row.record.pid().into()))),
    column!("tgid", "TGID", Right, BASIC, "Process ID",
        |row, _| Some(Value::Number(row.record.tgid().into()))),
    column!("ppid", "PPID", Right, BASIC, "Process ID of the parent",
        |row, _| Some(Value::Number(row.record.ppid().into()))),
    column!("pgid", "PGID", Right, CPU, "ID of the process group",
        |row, context| number(context.proc_files.process_group(row.record))),
    column!("sid", "SID", Right, CPU, "ID of the session",
        |row, context| number(context.proc_files.session(row.record))),
    column!("tty", "TTY", Left, CPU, "Controlling terminal, ? for none",
        |row, context| context.proc_files.terminal(row.record).map(Value::Name)),
    column!("tpgid", "TPGID", Right, CPU,
        "ID of the process group in the foreground of the terminal",
        |row, context| number(context.proc_files.foreground_group(row.record))),
    column!("pidns-level", "PIDNS", Right, CPU,
        "Depth of the PID namespace below that of /proc",
        |row, context| Some(Value::Count(context.proc_files.pid_namespace_level(row.record)?))),
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
    column!("caps", "CAPS", Left, CPU,
        "Effective capabilities: none, full, names without \"CAP_\", or after ~ all but these",
        |row, context| context.proc_files.capabilities(row.record).map(Value::Word)),
    column!("state", "S", Left, BASIC, "State, as a letter of /proc/PID/stat",
        |row, _| Some(Value::Word(row.record.state().letter().to_string()))),
    column!("state-time", "IN STATE", Right, CPU.union(SWITCHES),
        "Time for which the state has lasted at least, as far as top has seen it",
        |row, _| row.state_time.map(Value::Time)),
    column!("wchan", "WCHAN", Left, CPU, "Function of the kernel in which the main thread sleeps",
        |row, context| context.proc_files.wait_channel(row.record).map(Value::Word)),
    column!("flags", "FLAGS", Left, BASIC,
        "K kernel thread, E ending, M mixed: executing a program during the snapshot",
        |row, _| Some(Value::Word(row.flags()))),
    column!("procs", "PROCS", Sum, BASIC, "Number of processes, of more than one in a group",
        |row, _| Some(Value::Count(u64::from(row.record.pid() == row.record.tgid())))),
    column!("threads", "THR", Sum, BASIC, "Number of threads",
        |row, _| Some(Value::Count(row.record.threads().into()))),
    column!("cpu", "CPU%", Sum, CPU, "CPU use in percent of a CPU; in top since the last refresh",
        |row, _| row.cpu.map(Value::Percent)),
    column!("time", "TIME", Sum, CPU, "User and system time",
        |row, _| row.cpu_time().map(Value::Time)),
    column!("utime", "UTIME", Sum, CPU, "User time",
        |row, _| Some(Value::Time(row.record.cpu()?.user))),
    column!("stime", "STIME", Sum, CPU, "System time",
        |row, _| Some(Value::Time(row.record.cpu()?.system))),
    column!("runtime", "RUNTIME", Sum, RUNTIME, "Time on CPUs, as the scheduler counts it",
        |row, _| Some(Value::Time(row.record.runtime()?))),
    column!("start", "START", Right, CPU, "Start, as time since boot",
        |row, _| Some(Value::Time(row.record.cpu()?.start.since_boot()))),
    column!("started", "STARTED", Left, CPU, "Start, by the wall clock",
        |row, context| Some(Value::Moment(context.clock.at(row.record.cpu()?.start.since_boot())))),
    column!("age", "AGE", Right, CPU, "Time since the start",
        |row, context| Some(Value::Time(
            context.now.saturating_sub(row.record.cpu()?.start.since_boot())))),
    column!("nice", "NI", Right, CPU, "Nice value, -20 to 19",
        |row, _| Some(Value::Number(row.record.cpu()?.nice.into()))),
    column!("policy", "POLICY", Left, CPU, "Scheduling policy",
        |row, _| Some(Value::Word(policy_name(row.record.cpu()?.policy)))),
    column!("rtprio", "RTPRIO", Right, CPU, "Real-time priority, from 1 to 99",
        |row, context| {
            let priority = context.proc_files.real_time_priority(row.record)?;
            Some(Value::Count(priority.into()))
        }),
    column!("cpu-wait", "CPUWAIT", Sum, CPU,
        "Time for which the main thread has waited for a CPU",
        |row, context| context.proc_files.cpu_delay(row.record).map(Value::Time)),
    column!("io-wait", "IOWAIT", Sum, CPU,
        "Time for which the main thread has waited for block I/O, 0 where that is not counted",
        |row, context| context.proc_files.io_delay(row.record).map(Value::Time)),
    column!("last-cpu", "LAST", Right, CPU, "Current or last CPU",
        |row, _| Some(Value::Count(row.record.cpu()?.last.into()))),
    column!("vsize", "VSIZE", Sum, MEMORY, "Size of the address space",
        |row, _| Some(Value::Bytes(row.record.memory()?.virtual_size))),
    column!("rss", "RSS", Sum, MEMORY, "Resident memory",
        |row, _| Some(Value::Bytes(row.record.memory()?.resident()))),
    column!("mem", "MEM%", Sum, MEMORY, "Resident memory in percent of the system's",
        |row, context| row.memory_percent(context).map(Value::Percent)),
    column!("rss-anon", "ANON", Sum, MEMORY, "Resident anonymous memory",
        |row, _| Some(Value::Bytes(row.record.memory()?.anonymous))),
    column!("rss-file", "FILE", Sum, MEMORY, "Resident memory of files",
        |row, _| Some(Value::Bytes(row.record.memory()?.file))),
    column!("rss-shmem", "SHMEM", Sum, MEMORY, "Resident shared memory",
        |row, _| Some(Value::Bytes(row.record.memory()?.shared))),
    column!("swap", "SWAP", Sum, CPU, "Memory in swap space",
        |row, context| context.proc_files.swap(row.record).map(Value::Bytes)),
    Column {
        is_slow: true,
        ..column!("pss", "PSS", Sum, CPU,
            "Resident memory, each page divided by the number of processes that have it",
            |row, context| Some(Value::Bytes(context.proc_files.memory(row.record)?.proportional)))
    },
    Column {
        is_slow: true,
        ..column!("uss", "USS", Sum, CPU, "Resident memory that no other process has",
            |row, context| Some(Value::Bytes(context.proc_files.memory(row.record)?.unique)))
    },
    column!("oom-score", "OOM", Right, CPU, "Score by which the kernel chooses what to kill",
        |row, context| context.proc_files.oom_score(row.record).map(Value::Number)),
    column!("minflt", "MINFLT", Sum, FAULTS, "Page faults without I/O",
        |row, _| Some(Value::Count(row.record.faults()?.minor))),
    column!("majflt", "MAJFLT", Sum, FAULTS, "Page faults with I/O",
        |row, _| Some(Value::Count(row.record.faults()?.major))),
    column!("vcs", "VCS", Sum, SWITCHES, "Voluntary context switches",
        |row, _| Some(Value::Count(row.record.switches()?.voluntary))),
    column!("ics", "ICS", Sum, SWITCHES, "Involuntary context switches",
        |row, _| Some(Value::Count(row.record.switches()?.involuntary))),
    column!("read", "READ", Sum, IO, "Bytes read from block devices",
        |row, _| Some(Value::Bytes(row.record.io()?.read))),
    column!("write", "WRITE", Sum, IO, "Bytes written to block devices",
        |row, _| Some(Value::Bytes(row.record.io()?.written))),
    column!("minflt-rate", "MINFLT/S", Sum, CPU.union(FAULTS),
        "Page faults without I/O, per second; in top since the last refresh, as other rates",
        |row, _| row.rates()?.minor_faults.map(Value::Rate)),
    column!("majflt-rate", "MAJFLT/S", Sum, CPU.union(FAULTS), "Page faults with I/O, per second",
        |row, _| row.rates()?.major_faults.map(Value::Rate)),
    column!("vcs-rate", "VCS/S", Sum, CPU.union(SWITCHES),
        "Voluntary context switches, per second",
        |row, _| row.rates()?.voluntary_switches.map(Value::Rate)),
    column!("ics-rate", "ICS/S", Sum, CPU.union(SWITCHES),
        "Involuntary context switches, per second",
        |row, _| row.rates()?.involuntary_switches.map(Value::Rate)),
    column!("read-rate", "READ/S", Sum, CPU.union(IO),
        "Bytes read from block devices, per second",
        |row, _| row.rates()?.read.map(Value::BytesRate)),
    column!("write-rate", "WRITE/S", Sum, CPU.union(IO),
        "Bytes written to block devices, per second",
        |row, _| row.rates()?.written.map(Value::BytesRate)),
    column!("cgroup", "CGROUP", Right, CGROUP, "ID of the cgroup: inode number of its directory",
        |row, _| Some(Value::Count(row.record.cgroup_id()?))),
    column!("cgroup-path", "CGROUP PATH", Left, CGROUP, "Path of the cgroup",
        |row, context| name(context.cgroup(row.record)?.as_os_str())),
    column!("unit", "UNIT", Left, CGROUP, "Unit of systemd",
        |row, context| name(context.cgroup(row.record)?.unit()?)),
    column!("user-unit", "USER UNIT", Left, CGROUP, "Unit of the user's systemd",
        |row, context| name(context.cgroup(row.record)?.user_unit()?)),
    column!("slice", "SLICE", Left, CGROUP, "Slice of systemd",
        |row, context| name(context.cgroup(row.record)?.slice())),
    column!("session", "SESSION", Left, CGROUP, "Login session of systemd",
        |row, context| name(context.cgroup(row.record)?.session()?)),
    column!("container", "CONTAINER", Left, CGROUP,
        "Container or virtual machine, by its name or the first digits of its ID",
        |row, context| name(context.cgroup(row.record)?.container()?.short_name())),
    column!("engine", "ENGINE", Left, CGROUP, "Program that made the container",
        |row, context| name(context.cgroup(row.record)?.container()?.engine.name())),
    column!("comm", "COMMAND", Left, BASIC, "Name, of up to 15 bytes",
        |row, context| Some(Value::Name(context.kernel_names.name(row.record)))),
    column!("exe", "EXE", Left, CPU, "Path of the program's file",
        |row, context| context.proc_files.executable(row.record).map(Value::Name)),
    Column {
        needs_arguments: true,
        ..column!("args", "COMMAND", Left, CPU,
            "Command line; where there is none, the name in brackets",
            |row, context| Some(row.command_line(context)))
    },
];

/// The default columns of `ps`.
pub const DEFAULT: [&str; 8] = [
    "pid", "user", "state", "threads", "cpu", "rss", "time", "args",
];

fn name(text: impl AsRef<OsStr>) -> Option<Value> {
    Some(Value::Name(text.as_ref().as_encoded_bytes().to_vec()))
}

fn number(value: Option<i32>) -> Option<Value> {
    value.map(|number| Value::Number(number.into()))
}

/// Returns the name of a scheduling policy as in sched(7), without "SCHED_".
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

    fn row_of(raw: procmon::uapi::procmon_record, check: impl Fn(&Row)) {
        let record = raw.into();
        check(&Row::of(&record));
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
}
