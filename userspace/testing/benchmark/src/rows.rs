// SPDX-License-Identifier: GPL-2.0

//! What is measured, the floors that it is held against, and what it is to reach.

use procmon::uapi::{PROCMON_GET_COUNT, PROCMON_GET_STATS, PROCMON_QUERY_PID, PROCMON_SET_FILTER};

/// An operation of procmon's, which is a system call on one of its files.
pub struct Row {
    pub name: &'static str,
    pub file: File,
    pub call: Call,
    /// A file of the kernel's on which the same system call does next to nothing.
    pub floor: Option<&'static str>,
    /// The instructions that it may take.
    pub target: Option<f64>,
    pub rounds: Rounds,
}

/// A file to make system calls on.
#[derive(Clone, Copy)]
pub enum File {
    Device,
    /// The attribute `stats` in sysfs.
    Stats,
    /// What the kernel itself tells of process 1.
    Process,
}

#[derive(Clone, Copy)]
pub enum Call {
    /// pread(2) of so many bytes from the beginning.
    Read(usize),
    /// pread(2) of a whole text, whatever its length.
    ReadText,
    /// pwrite(2) of so many bytes.
    Write(usize),
    Ioctl(u32),
    /// open(2) and close(2).
    Open,
}

/// How often a call is made: one round to warm up, and the others to measure.
#[derive(Clone, Copy)]
pub struct Rounds {
    pub number: usize,
    pub calls: u32,
    /// How long a round goes on after its calls, in turns of a loop. Whatever they have left to be
    /// done counts, unlike the loop.
    pub settle: u32,
}

impl Rounds {
    /// Most of these rounds are over before the next tick of the kernel's clock, whose work then
    /// has no part in the median. This goes for all floors.
    pub const SHORT: Self = Self {
        number: 51,
        calls: 100,
        settle: 0,
    };

    /// For calls that leave something to be done after a grace period of RCU. One takes a few of
    /// the kernel's ticks, which come every four million instructions. More calls at once would
    /// have the allocator look for memory in ways that differ from one boot to the next.
    const DEFERRED: Self = Self {
        number: 25,
        calls: 2000,
        settle: 16_000_000,
    };
}

/// A command of procmon's that does not exist.
pub const UNKNOWN: u32 = 0x50ff;

/// The longest message that is used.
pub const MESSAGE_SIZE: usize = 4096;

/// The most bytes that the module's sections may have, and how the table calls it.
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
