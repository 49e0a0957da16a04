// SPDX-License-Identifier: GPL-2.0-only

//! The columns of processes. [`COLUMNS`] is the only place that a new one needs.

use std::ffi::OsStr;

use procmon::snapshot::Groups;

use super::render::{Head, Side};
use super::row::{Context, Row};
use super::value::{Kind, Value};

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
    /// Kind of all values but absent ones.
    pub kind: Kind,
    /// Whether the values of several processes add up to one of all of them.
    pub adds_up: bool,
    value: fn(&Row, &Context) -> Option<Value>,
}

impl Column {
    /// Returns the column with this key.
    pub fn by_key(key: &str) -> Option<&'static Self> {
        COLUMNS.iter().find(|column| column.key == key)
    }

    /// Returns the side on which the cells are flush: only numbers stand on the right.
    pub fn side(&self) -> Side {
        if self.kind.is_text() {
            Side::Left
        } else {
            Side::Right
        }
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
        Self::new(column.title, column.side())
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

/// A column whose values are of this kind, or are sums of them. The expression is a function that
/// returns what such a [`Value`] is made of.
macro_rules! column {
    ($key:literal, $title:literal, Sum $kind:ident, $groups:expr, $help:literal, $value:expr) => {
        Column {
            adds_up: true,
            ..column!($key, $title, $kind, $groups, $help, $value)
        }
    };
    ($key:literal, $title:literal, $kind:ident, $groups:expr, $help:literal, $value:expr) => {
        Column {
            key: $key,
            title: $title,
            help: $help,
            groups: $groups,
            needs_arguments: false,
            is_slow: false,
            kind: Kind::$kind,
            adds_up: false,
            value: |row, context| {
                let value: fn(&Row, &Context) -> Option<_> = $value;
                value(row, context).map(Value::$kind)
            },
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

/// All columns. `Sum` precedes the kind of those whose values add up.
#[rustfmt::skip]
pub static COLUMNS: &[Column] = &[
    column!("pid", "PID", Number, BASIC, "Process ID, or with --threads thread ID",
        |row, _| Some(row.record.pid().into())),
    column!("tgid", "TGID", Number, BASIC, "Process ID",
        |row, _| Some(row.record.tgid().into())),
    column!("ppid", "PPID", Number, BASIC, "Process ID of the parent",
        |row, _| Some(row.record.ppid().into())),
    column!("pgid", "PGID", Number, CPU, "ID of the process group",
        |row, context| context.proc_files.process_group(row.record).map(i64::from)),
    column!("sid", "SID", Number, CPU, "ID of the session",
        |row, context| context.proc_files.session(row.record).map(i64::from)),
    column!("tty", "TTY", Name, CPU, "Controlling terminal, ? for none",
        |row, context| context.proc_files.terminal(row.record)),
    column!("tpgid", "TPGID", Number, CPU,
        "ID of the process group in the foreground of the terminal",
        |row, context| context.proc_files.foreground_group(row.record).map(i64::from)),
    column!("pidns-level", "PIDNS", Count, CPU,
        "Depth of the PID namespace below that of /proc",
        |row, context| context.proc_files.pid_namespace_level(row.record)),
    column!("user", "USER", Name, CREDENTIALS, "Real user",
        |row, context| Some(context.names.user(row.record.credentials()?.uid))),
    column!("euser", "EUSER", Name, CREDENTIALS, "Effective user",
        |row, context| Some(context.names.user(row.record.credentials()?.euid))),
    column!("group", "GROUP", Name, CREDENTIALS, "Real group",
        |row, context| Some(context.names.group(row.record.credentials()?.gid))),
    column!("uid", "UID", Count, CREDENTIALS, "Real user ID",
        |row, _| Some(row.record.credentials()?.uid.into())),
    column!("euid", "EUID", Count, CREDENTIALS, "Effective user ID",
        |row, _| Some(row.record.credentials()?.euid.into())),
    column!("gid", "GID", Count, CREDENTIALS, "Real group ID",
        |row, _| Some(row.record.credentials()?.gid.into())),
    column!("egid", "EGID", Count, CREDENTIALS, "Effective group ID",
        |row, _| Some(row.record.credentials()?.egid.into())),
    column!("caps", "CAPS", Word, CPU,
        "Effective capabilities: none, full, names without \"CAP_\", or after ~ all but these",
        |row, context| context.proc_files.capabilities(row.record)),
    column!("state", "S", Word, BASIC, "State, as a letter of /proc/PID/stat",
        |row, _| Some(row.record.state().letter().to_string())),
    column!("state-time", "IN STATE", Time, CPU.union(SWITCHES),
        "Time for which the state has lasted at least, as far as top has seen it",
        |row, _| row.state_time),
    column!("wchan", "WCHAN", Word, CPU, "Function of the kernel in which the main thread sleeps",
        |row, context| context.proc_files.wait_channel(row.record)),
    column!("flags", "FLAGS", Word, BASIC,
        "K kernel thread, E ending, M mixed: executing a program during the snapshot, R redacted: \
         not for this user",
        |row, _| Some(row.flags())),
    column!("procs", "PROCS", Sum Count, BASIC, "Number of processes, of more than one in a group",
        |row, _| Some(u64::from(row.record.pid() == row.record.tgid()))),
    column!("threads", "THR", Sum Count, BASIC, "Number of threads",
        |row, _| Some(row.record.threads().into())),
    column!("cpu", "CPU%", Sum Percent, CPU,
        "CPU use in percent of a CPU; in top since the last refresh",
        |row, _| row.cpu),
    column!("time", "TIME", Sum Time, CPU, "User and system time",
        |row, _| row.cpu_time()),
    column!("utime", "UTIME", Sum Time, CPU, "User time",
        |row, _| Some(row.record.cpu()?.user)),
    column!("stime", "STIME", Sum Time, CPU, "System time",
        |row, _| Some(row.record.cpu()?.system)),
    column!("runtime", "RUNTIME", Sum Time, RUNTIME, "Time on CPUs, as the scheduler counts it",
        |row, _| row.record.runtime()),
    column!("start", "START", Time, CPU, "Start, as time since boot",
        |row, _| Some(row.record.cpu()?.start.since_boot())),
    column!("started", "STARTED", Moment, CPU, "Start, by the wall clock",
        |row, context| Some(context.clock.at(row.record.cpu()?.start.since_boot()))),
    column!("age", "AGE", Time, CPU, "Time since the start",
        |row, context| Some(context.now.saturating_sub(row.record.cpu()?.start.since_boot()))),
    column!("nice", "NI", Number, CPU, "Nice value, -20 to 19",
        |row, _| Some(row.record.cpu()?.nice.into())),
    column!("policy", "POLICY", Word, CPU, "Scheduling policy",
        |row, _| Some(policy_name(row.record.cpu()?.policy))),
    column!("rtprio", "RTPRIO", Count, CPU, "Real-time priority, from 1 to 99",
        |row, context| context.proc_files.real_time_priority(row.record).map(u64::from)),
    column!("cpu-wait", "CPUWAIT", Sum Time, CPU,
        "Time for which the main thread has waited for a CPU",
        |row, context| context.proc_files.cpu_delay(row.record)),
    column!("io-wait", "IOWAIT", Sum Time, CPU,
        "Time for which the main thread has waited for block I/O, 0 where that is not counted",
        |row, context| context.proc_files.io_delay(row.record)),
    column!("last-cpu", "LAST", Count, CPU, "Current or last CPU",
        |row, _| Some(row.record.cpu()?.last.into())),
    column!("vsize", "VSIZE", Sum Bytes, MEMORY, "Size of the address space",
        |row, _| Some(row.record.memory()?.virtual_size)),
    column!("rss", "RSS", Sum Bytes, MEMORY, "Resident memory",
        |row, _| Some(row.record.memory()?.resident())),
    column!("mem", "MEM%", Sum Percent, MEMORY, "Resident memory in percent of the system's",
        |row, context| row.memory_percent(context)),
    column!("rss-anon", "ANON", Sum Bytes, MEMORY, "Resident anonymous memory",
        |row, _| Some(row.record.memory()?.anonymous)),
    column!("rss-file", "FILE", Sum Bytes, MEMORY, "Resident memory of files",
        |row, _| Some(row.record.memory()?.file)),
    column!("rss-shmem", "SHMEM", Sum Bytes, MEMORY, "Resident shared memory",
        |row, _| Some(row.record.memory()?.shared)),
    column!("swap", "SWAP", Sum Bytes, CPU, "Memory in swap space",
        |row, context| context.proc_files.swap(row.record)),
    Column {
        is_slow: true,
        ..column!("pss", "PSS", Sum Bytes, CPU,
            "Resident memory, each page divided by the number of processes that have it",
            |row, context| Some(context.proc_files.memory(row.record)?.proportional))
    },
    Column {
        is_slow: true,
        ..column!("uss", "USS", Sum Bytes, CPU, "Resident memory that no other process has",
            |row, context| Some(context.proc_files.memory(row.record)?.unique))
    },
    column!("oom-score", "OOM", Number, CPU, "Score by which the kernel chooses what to kill",
        |row, context| context.proc_files.oom_score(row.record)),
    column!("minflt", "MINFLT", Sum Count, FAULTS, "Page faults without I/O",
        |row, _| Some(row.record.faults()?.minor)),
    column!("majflt", "MAJFLT", Sum Count, FAULTS, "Page faults with I/O",
        |row, _| Some(row.record.faults()?.major)),
    column!("vcs", "VCS", Sum Count, SWITCHES, "Voluntary context switches",
        |row, _| Some(row.record.switches()?.voluntary)),
    column!("ics", "ICS", Sum Count, SWITCHES, "Involuntary context switches",
        |row, _| Some(row.record.switches()?.involuntary)),
    column!("read", "READ", Sum Bytes, IO, "Bytes read from block devices",
        |row, _| Some(row.record.io()?.read)),
    column!("write", "WRITE", Sum Bytes, IO, "Bytes written to block devices",
        |row, _| Some(row.record.io()?.written)),
    column!("minflt-rate", "MINFLT/S", Sum Rate, CPU.union(FAULTS),
        "Page faults without I/O, per second; in top since the last refresh, as other rates",
        |row, _| row.rates()?.minor_faults),
    column!("majflt-rate", "MAJFLT/S", Sum Rate, CPU.union(FAULTS),
        "Page faults with I/O, per second",
        |row, _| row.rates()?.major_faults),
    column!("vcs-rate", "VCS/S", Sum Rate, CPU.union(SWITCHES),
        "Voluntary context switches, per second",
        |row, _| row.rates()?.voluntary_switches),
    column!("ics-rate", "ICS/S", Sum Rate, CPU.union(SWITCHES),
        "Involuntary context switches, per second",
        |row, _| row.rates()?.involuntary_switches),
    column!("read-rate", "READ/S", Sum BytesRate, CPU.union(IO),
        "Bytes read from block devices, per second",
        |row, _| row.rates()?.read),
    column!("write-rate", "WRITE/S", Sum BytesRate, CPU.union(IO),
        "Bytes written to block devices, per second",
        |row, _| row.rates()?.written),
    column!("cgroup", "CGROUP", Count, CGROUP, "ID of the cgroup: inode number of its directory",
        |row, _| row.record.cgroup_id()),
    column!("cgroup-path", "CGROUP PATH", Name, CGROUP, "Path of the cgroup",
        |row, context| name(context.cgroup(row.record)?.as_os_str())),
    column!("unit", "UNIT", Name, CGROUP, "Unit of systemd",
        |row, context| name(context.cgroup(row.record)?.unit()?)),
    column!("user-unit", "USER UNIT", Name, CGROUP, "Unit of the user's systemd",
        |row, context| name(context.cgroup(row.record)?.user_unit()?)),
    column!("slice", "SLICE", Name, CGROUP, "Slice of systemd",
        |row, context| name(context.cgroup(row.record)?.slice())),
    column!("session", "SESSION", Name, CGROUP, "Login session of systemd",
        |row, context| name(context.cgroup(row.record)?.session()?)),
    column!("container", "CONTAINER", Name, CGROUP,
        "Container or virtual machine, by its name or the first digits of its ID",
        |row, context| name(context.cgroup(row.record)?.container()?.short_name())),
    column!("engine", "ENGINE", Name, CGROUP, "Program that made the container",
        |row, context| name(context.cgroup(row.record)?.container()?.engine.name())),
    column!("comm", "COMMAND", Name, BASIC, "Name, of up to 15 bytes",
        |row, context| Some(context.kernel_names.name(row.record))),
    column!("exe", "EXE", Name, CPU, "Path of the program's file",
        |row, context| context.proc_files.executable(row.record)),
    Column {
        needs_arguments: true,
        // Not all processes have arguments.
        value: |row, context| Some(row.command_line(context)),
        ..column!("args", "COMMAND", Arguments, CPU,
            "Command line; where there is none, the name in brackets", |_, _| None)
    },
];

/// The default columns of `ps`.
pub const DEFAULT: [&str; 8] = [
    "pid", "user", "state", "threads", "cpu", "rss", "time", "args",
];

fn name(text: impl AsRef<OsStr>) -> Option<Vec<u8>> {
    Some(text.as_ref().as_encoded_bytes().to_vec())
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
        raw.flags = uapi::PROCMON_TASK_REDACTED;
        raw.state = uapi::PROCMON_STATE_UNKNOWN;
        row_of(raw, |row| {
            assert_eq!(column("comm").cell(row, "└─ ", &context), "└─ <hidden>");
            assert_eq!(column("flags").value(row, &context).plain(), "R");
            assert_eq!(column("state").value(row, &context).plain(), "?");
            assert_eq!(column("user").cell(row, "", &context), "-");
        });
    }
}
