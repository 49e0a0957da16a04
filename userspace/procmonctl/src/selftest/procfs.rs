// SPDX-License-Identifier: GPL-2.0-only

//! Fields of processes in `/proc`, to compare with.

use std::fs;

use anyhow::Context;
use procmon::proc::Stat;

/// Reads `/proc/PID/stat`.
pub fn stat(pid: i32) -> anyhow::Result<Stat> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read(&path).with_context(|| format!("cannot read {path}"))?;
    Stat::parse(&stat).with_context(|| format!("cannot parse {path}"))
}

/// Returns a PID that no process can have: PIDs are smaller than pid_max.
pub fn unused_pid() -> anyhow::Result<i32> {
    let path = "/proc/sys/kernel/pid_max";
    fs::read_to_string(path)
        .with_context(|| format!("cannot read {path}"))?
        .trim()
        .parse()
        .with_context(|| format!("cannot parse {path}"))
}
