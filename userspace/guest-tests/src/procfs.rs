// SPDX-License-Identifier: GPL-2.0

//! What `/proc` says, which is what the module is compared with.

use std::fs;
use std::str;

/// The parts of `/proc/PID/stat` that the module knows as well.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stat {
    /// Name.
    pub comm: Vec<u8>,
    /// State letter.
    pub state: char,
    /// Size of the address space in bytes.
    pub vsize: u64,
    /// Whether it is a kernel thread (PF_KTHREAD).
    pub kernel_thread: bool,
}

/// Reads `/proc/PID/stat`; `None` if there is no such process or thread.
///
/// # Panics
///
/// If the file makes no sense.
#[must_use]
pub fn stat(pid: i32) -> Option<Stat> {
    let (comm, fields) = fields(pid)?;
    // proc(5) counts from 1, and the field after the name is its number 3.
    let field = |number: usize| &fields[number - 3];
    let flags: u32 = field(9).parse().expect("the flags are a number");
    Some(Stat {
        comm,
        state: field(3).chars().next().expect("the state is a letter"),
        vsize: field(23).parse().expect("the size is a number"),
        kernel_thread: flags & 0x0020_0000 != 0,
    })
}

/// The start in `/proc/PID/stat`, in hundredths of a second since boot; `None` if there is no such
/// process or thread.
///
/// # Panics
///
/// If the file makes no sense.
#[must_use]
pub fn start_time(pid: i32) -> Option<u128> {
    let (_, fields) = fields(pid)?;
    Some(fields[22 - 3].parse().expect("the start is a number"))
}

/// The parent in `/proc/PID/stat`; `None` if there is no such process or thread.
///
/// # Panics
///
/// If the file makes no sense.
#[must_use]
pub fn parent(pid: i32) -> Option<i32> {
    let (_, fields) = fields(pid)?;
    Some(fields[4 - 3].parse().expect("the parent is a number"))
}

/// The name in `/proc/PID/stat` and the fields behind it, the first of which is number 3.
fn fields(pid: i32) -> Option<(Vec<u8>, Vec<String>)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold any character, blanks and brackets too.
    let open = stat
        .iter()
        .position(|&byte| byte == b'(')
        .expect("( before the name");
    let close = stat
        .iter()
        .rposition(|&byte| byte == b')')
        .expect(") after the name");
    let fields = str::from_utf8(&stat[close + 1..])
        .expect("text after the name")
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    Some((stat[open + 1..close].to_vec(), fields))
}

/// The PIDs of all processes.
///
/// # Panics
///
/// If `/proc` is not mounted.
#[must_use]
pub fn pids() -> Vec<i32> {
    numbers("/proc").expect("/proc is mounted")
}

/// How many threads all processes have together.
#[must_use]
pub fn thread_count() -> usize {
    let threads = |pid| {
        numbers(&format!("/proc/{pid}/task"))
            .unwrap_or_default()
            .len()
    };
    pids().into_iter().map(threads).sum()
}

/// The entries of a directory that are numbers.
fn numbers(directory: &str) -> Option<Vec<i32>> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    Some(
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect(),
    )
}

/// A PID that no process can have: they are all smaller than pid_max.
///
/// # Panics
///
/// If `/proc` is not mounted.
#[must_use]
pub fn unused_pid() -> i32 {
    let max = fs::read_to_string("/proc/sys/kernel/pid_max").expect("/proc is mounted");
    max.trim().parse().expect("pid_max is a number")
}

/// Waits until a process or thread is in a state.
pub fn wait_for_state(pid: i32, state: char) {
    crate::eventually(&format!("PID {pid} in state {state}"), || {
        stat(pid).is_some_and(|stat| stat.state == state)
    });
}
