// SPDX-License-Identifier: GPL-2.0

//! The rows of the table: measured operations, with floors and targets.

use procmon::uapi::{PROCMON_GET_COUNT, PROCMON_GET_STATS, PROCMON_QUERY_PID, PROCMON_SET_FILTER};

/// An operation of procmon: a system call on one of its files.
pub struct Row {
    pub name: &'static str,
    pub file: File,
    pub call: Call,
    /// A file of the kernel on which the same system call does next to nothing.
    pub floor: Option<&'static str>,
    /// The largest number of instructions that it may take.
    pub target: Option<f64>,
    pub rounds: Rounds,
}

/// A file to make system calls on.
#[derive(Clone, Copy)]
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

/// The numbers of calls: one round is to warm up, and the others are to measure.
#[derive(Clone, Copy)]
pub struct Rounds {
    pub number: usize,
    pub calls: u32,
    /// The length of a round after its calls, in turns of a loop. Work that the calls have deferred
    /// counts, unlike the loop.
    pub settle: u32,
}

impl Rounds {
    /// Rounds of which most end before the next tick of the kernel's clock, so that its work has no
    /// part in the median. All floors have these.
    pub const SHORT: Self = Self {
        number: 51,
        calls: 100,
        settle: 0,
    };

    /// Rounds for calls that defer work to the end of a grace period of RCU. One takes a few of the
    /// kernel's ticks, which come every four million instructions. With more calls at once, the
    /// allocator would look for memory in ways that differ from one boot to the next.
    const DEFERRED: Self = Self {
        number: 25,
        calls: 2000,
        settle: 16_000_000,
    };
}

/// A number that is no command of procmon.
pub const UNKNOWN: u32 = 0x50ff;

/// The length of the longest message.
pub const MESSAGE_SIZE: usize = 4096;

/// The largest size of the module's sections in bytes, and its name in the table.
pub const SIZE_TARGET: f64 = 40.0 * 1024.0;
pub const SIZE: &str = "module: text + data + bss";

const fn row(name: &'static str, call: Call, floor: &'static str, target: f64) -> Row {
    Row {
        name,
        file: File::Device,
        call,
        floor: Some(floor),
        target: Some(target),
        rounds: Rounds::SHORT,
    }
}

pub const ROWS: [Row; 11] = [
    row("pread 64", Call::Read(64), "/dev/zero", 860.0),
    row(
        "GET_COUNT",
        Call::Ioctl(PROCMON_GET_COUNT),
        "/dev/null",
        680.0,
    ),
    row(
        "GET_STATS",
        Call::Ioctl(PROCMON_GET_STATS),
        "/dev/null",
        740.0,
    ),
    row(
        "QUERY_PID",
        Call::Ioctl(PROCMON_QUERY_PID),
        "/dev/null",
        1000.0,
    ),
    Row {
        file: File::Process,
        floor: None,
        target: None,
        ..row("pread of /proc/PID/stat", Call::ReadText, "", 0.0)
    },
    row(
        "SET_FILTER",
        Call::Ioctl(PROCMON_SET_FILTER),
        "/dev/null",
        700.0,
    ),
    row("unknown ioctl", Call::Ioctl(UNKNOWN), "/dev/null", 645.0),
    row("open + close", Call::Open, "/dev/null", 5400.0),
    Row {
        rounds: Rounds::DEFERRED,
        ..row("pwrite 64", Call::Write(64), "/dev/null", 1500.0)
    },
    Row {
        file: File::Stats,
        floor: None,
        ..row("pread of stats in sysfs", Call::ReadText, "", 5000.0)
    },
    row("pread 4096", Call::Read(MESSAGE_SIZE), "/dev/zero", 4900.0),
];
