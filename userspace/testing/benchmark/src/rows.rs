// SPDX-License-Identifier: GPL-2.0-only

//! The rows of the tables: measured work, with floors and targets.

use procmon::uapi::{
    PROCMON_GET_COUNT, PROCMON_GET_STATS, PROCMON_GROUP_BASIC, PROCMON_GROUP_CPU,
    PROCMON_GROUP_CREDS, PROCMON_GROUP_FAULTS, PROCMON_GROUP_MEM, PROCMON_QUERY_PID,
    PROCMON_RECORD_STRIDE_MIN, PROCMON_SET_FILTER, procmon_record,
};

/// A system call on one of procmon's files.
pub struct CallRow {
    pub name: &'static str,
    pub file: File,
    pub call: Call,
    /// A file of the kernel on which the same system call does next to nothing.
    pub floor: Option<&'static str>,
    /// The largest numbers of instructions, and of lines of data, beyond those of the floor.
    pub instructions: Option<f64>,
    pub lines: Option<f64>,
    /// Whether RCU frees later what the call has replaced.
    pub defers: bool,
}

/// A file to make system calls on.
#[derive(Clone, Copy, PartialEq)]
pub enum File {
    Device,
    /// The attribute `stats` in sysfs.
    Stats,
    /// The kernel's own file of process 1.
    Process,
}

#[derive(Clone, Copy)]
pub enum Call {
    /// pread(2) of a number of bytes from the beginning.
    Read(usize),
    /// pread(2) of a whole text, whatever its length.
    ReadText,
    /// pwrite(2) of a number of bytes.
    Write(usize),
    Ioctl(u32),
    /// open(2) and close(2).
    Open,
}

/// A number that is no command of procmon.
pub const UNKNOWN: u32 = 0x50ff;

/// The length of the longest message.
pub const MESSAGE_SIZE: usize = 4096;

/// The largest size of the module's sections in bytes, and its name in the table.
pub const SIZE_TARGET: f64 = 40.0 * 1024.0;
pub const SIZE: &str = "module: text + data + bss";

const fn call(name: &'static str, call: Call, floor: &'static str, instructions: f64) -> CallRow {
    CallRow {
        name,
        file: File::Device,
        call,
        floor: Some(floor),
        instructions: Some(instructions),
        lines: None,
        defers: false,
    }
}

const fn text(name: &'static str, file: File) -> CallRow {
    CallRow {
        file,
        floor: None,
        instructions: None,
        ..call(name, Call::ReadText, "", 0.0)
    }
}

pub const CALLS: [CallRow; 11] = [
    call("pread 64", Call::Read(64), "/dev/zero", 190.0),
    CallRow {
        instructions: None,
        ..call("pread 4096", Call::Read(MESSAGE_SIZE), "/dev/zero", 0.0)
    },
    call(
        "GET_COUNT",
        Call::Ioctl(PROCMON_GET_COUNT),
        "/dev/null",
        100.0,
    ),
    call(
        "GET_STATS",
        Call::Ioctl(PROCMON_GET_STATS),
        "/dev/null",
        130.0,
    ),
    call(
        "QUERY_PID",
        Call::Ioctl(PROCMON_QUERY_PID),
        "/dev/null",
        330.0,
    ),
    call(
        "SET_FILTER",
        Call::Ioctl(PROCMON_SET_FILTER),
        "/dev/null",
        130.0,
    ),
    CallRow {
        instructions: None,
        ..call("unknown ioctl", Call::Ioctl(UNKNOWN), "/dev/null", 0.0)
    },
    call("open + close", Call::Open, "/dev/null", 180.0),
    CallRow {
        lines: Some(28.0),
        defers: true,
        ..call("pwrite 64", Call::Write(64), "/dev/null", 700.0)
    },
    text("pread of stats in sysfs", File::Stats),
    text("pread of /proc/PID/stat", File::Process),
];

/// A way to look at all processes.
pub struct WalkRow {
    pub name: &'static str,
    /// The name as the head of a column.
    pub short: &'static str,
    pub walk: Walk,
    /// The row that this one is compared with.
    pub floor: Option<&'static str>,
    pub target: WalkTarget,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Walk {
    /// A snapshot with these groups and this stride.
    Snapshot { groups: u32, stride: usize },
    /// A snapshot with the arguments of programs, up to this number of bytes each.
    Arguments(u32),
    /// An ioctl of the floor module.
    Floor(u32),
    /// The output of the BPF iterator.
    Bpf,
    /// open(2), read(2) and close(2) of this file for each process in /proc.
    Proc(&'static str),
}

/// The largest costs for each process.
#[derive(Clone, Copy)]
pub struct WalkTarget {
    pub instructions: Option<f64>,
    /// The same for a walk that fetches memory ahead, which costs instructions and saves time.
    pub with_prefetch: Option<f64>,
    pub lines: Option<f64>,
    /// Lines of the kernel's memory that are written.
    pub written: Option<f64>,
    /// Instructions and lines in those of the floor.
    pub ratios: Option<(f64, f64)>,
}

const NO_TARGET: WalkTarget = WalkTarget {
    instructions: None,
    with_prefetch: None,
    lines: None,
    written: None,
    ratios: None,
};

/// The commands of the floor module.
const FLOOR_SOME: u32 = 0x4600;
const FLOOR_ALL: u32 = 0x4601;

/// The groups with the fields of the BPF iterator.
pub const SOME: u32 = PROCMON_GROUP_BASIC
    | PROCMON_GROUP_CPU
    | PROCMON_GROUP_CREDS
    | PROCMON_GROUP_FAULTS
    | PROCMON_GROUP_MEM;

pub const SNAPSHOT_SOME: &str = "snapshot, fields as by BPF";
pub const SNAPSHOT_ALL: &str = "snapshot, all groups";
pub const SNAPSHOT_SHORT: &str = "snapshot, BASIC, stride 48";
pub const SNAPSHOT_BASIC: &str = "snapshot, BASIC";
pub const C_SOME: &str = "C, fields as by BPF";
pub const C_ALL: &str = "C, all of procmon's fields";
pub const BPF: &str = "BPF task iterator";
pub const PROC: &str = "scan of /proc/PID/stat";
pub const SNAPSHOT_ARGUMENTS: &str = "snapshot, BASIC and arguments";
pub const PROC_ARGUMENTS: &str = "scan of /proc/PID/cmdline";

/// The longest record.
pub const RECORD_SIZE: usize = size_of::<procmon_record>();

const fn snapshot(
    name: &'static str,
    short: &'static str,
    groups: u32,
    floor: Option<&'static str>,
    target: WalkTarget,
) -> WalkRow {
    WalkRow {
        name,
        short,
        walk: Walk::Snapshot {
            groups,
            stride: RECORD_SIZE,
        },
        floor,
        target,
    }
}

const fn other(name: &'static str, short: &'static str, walk: Walk) -> WalkRow {
    WalkRow {
        name,
        short,
        walk,
        floor: None,
        target: NO_TARGET,
    }
}

pub const WALKS: [WalkRow; 10] = [
    snapshot(
        SNAPSHOT_SOME,
        "as by BPF",
        SOME,
        Some(C_SOME),
        WalkTarget {
            instructions: Some(200.0),
            with_prefetch: Some(225.0),
            lines: Some(23.5),
            written: Some(1.1),
            ratios: None,
        },
    ),
    snapshot(
        SNAPSHOT_ALL,
        "all",
        u32::MAX,
        Some(C_ALL),
        WalkTarget {
            instructions: Some(225.0),
            with_prefetch: None,
            lines: Some(26.0),
            written: Some(1.1),
            ratios: Some((1.25, 0.9)),
        },
    ),
    WalkRow {
        walk: Walk::Snapshot {
            groups: PROCMON_GROUP_BASIC,
            stride: PROCMON_RECORD_STRIDE_MIN as usize,
        },
        ..snapshot(
            SNAPSHOT_SHORT,
            "stride 48",
            PROCMON_GROUP_BASIC,
            None,
            WalkTarget {
                instructions: Some(100.0),
                lines: Some(9.0),
                // Some lines are written once for many processes.
                written: Some(0.5),
                ..NO_TARGET
            },
        )
    },
    snapshot(
        SNAPSHOT_BASIC,
        "BASIC",
        PROCMON_GROUP_BASIC,
        None,
        NO_TARGET,
    ),
    other(C_SOME, "C as BPF", Walk::Floor(FLOOR_SOME)),
    other(C_ALL, "C all", Walk::Floor(FLOOR_ALL)),
    other(BPF, "BPF", Walk::Bpf),
    other(PROC, "/proc", Walk::Proc("stat")),
    WalkRow {
        floor: Some(PROC_ARGUMENTS),
        target: WalkTarget {
            ratios: Some((0.2, 1.0)),
            ..NO_TARGET
        },
        ..other(SNAPSHOT_ARGUMENTS, "arguments", Walk::Arguments(256))
    },
    other(PROC_ARGUMENTS, "cmdline", Walk::Proc("cmdline")),
];

impl Walk {
    /// Returns whether procmon does it.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Snapshot { .. } | Self::Arguments(_))
    }

    /// Returns whether it takes long, and always has ticks of the clock in it.
    pub fn is_long(self) -> bool {
        matches!(self, Self::Proc(_))
    }
}

/// A sample of the monitor.
pub const TURN: &str = "turn of the monitor";

/// The beginning of the name of a program that shows processes.
pub const VIEWER: &str = "viewer ";

/// The program of procmon that shows processes, and the most instructions of a refresh: at one each
/// second, 1 % of a CPU that executes a thousand million of them.
pub const OWN_VIEWER: &str = "procmonctl top";
pub const VIEWER_TARGET: f64 = 10e6;

/// Returns the name of the same call on the floor.
pub fn floor_of(name: &str) -> String {
    format!("{name}, floor")
}

/// Returns the name of many calls, with the work that they leave for later.
pub fn many(name: &str) -> String {
    format!("{name}, many")
}

/// Returns the name of a region with each line of memory.
pub fn listed(name: &str) -> String {
    format!("{name}, listed")
}

/// Returns the name of the same time without the work of the row.
pub fn without(name: &str) -> String {
    format!("{name}, without")
}
