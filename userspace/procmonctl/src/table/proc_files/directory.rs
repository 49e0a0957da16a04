// SPDX-License-Identifier: GPL-2.0-only

//! The directory of a process in `/proc`.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use procmon::BootTime;
use procmon::proc::Stat;
use rustix::fs::{Mode, OFlags, open, openat, readlinkat};
use rustix::param::clock_ticks_per_second;

use crate::table::identity::Identity;

/// The bytes of a file that are read: more than `stat` and `status` usually have.
const MAX_LENGTH: u64 = 1 << 16;

/// The open directory of a process or thread.
///
/// The directory never becomes that of another one: once the process is gone it is empty, also when
/// the ID is in use again. So one look at the start time is enough.
#[derive(Debug)]
pub struct Directory {
    identity: Identity,
    fd: OwnedFd,
    stat: Stat,
}

impl Directory {
    /// Opens the directory of a process. There is none if the process is gone, or hidden, or not in
    /// the PID namespace of `/proc`.
    pub fn open(mount: &Path, identity: Identity) -> Option<Self> {
        let (pid, start) = identity;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = open(mount.join(pid.to_string()), flags, Mode::empty()).ok()?;
        let stat = Stat::parse(&read(&fd, "stat")?)?;
        (stat.start == ticks(start)).then_some(Self { identity, fd, stat })
    }

    /// Returns the process whose directory it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Returns the contents of `stat` when the directory was opened.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Returns the contents of a file, up to a limit.
    pub fn contents(&self, file: &str) -> Option<Vec<u8>> {
        read(&self.fd, file)
    }

    /// Returns the path that a symbolic link leads to.
    pub fn link(&self, file: &str) -> Option<Vec<u8>> {
        let target = readlinkat(&self.fd, file, Vec::new()).ok()?;
        Some(target.into_bytes())
    }

    /// Returns the rest of the first line with this beginning in a file.
    pub fn line(&self, file: &str, beginning: &str) -> Option<String> {
        let bytes = read(&self.fd, file)?;
        let line = bytes
            .split(|&byte| byte == b'\n')
            .find_map(|line| line.strip_prefix(beginning.as_bytes()))?;
        String::from_utf8(line.to_vec()).ok()
    }
}

fn read(directory: &OwnedFd, file: &str) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(directory, file, flags, Mode::empty()).ok()?;
    let mut bytes = Vec::new();
    File::from(file)
        .take(MAX_LENGTH)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// Returns the time of a number of clock ticks.
pub fn time_of(ticks: u64) -> Duration {
    Duration::from_secs(ticks) / u32::try_from(clock_ticks_per_second()).unwrap_or(u32::MAX)
}

/// Returns a start time as `stat` has it: in whole clock ticks since boot.
pub fn ticks(start: BootTime) -> u64 {
    const SECOND: u128 = 1_000_000_000;

    let ticks = start.since_boot().as_nanos() * u128::from(clock_ticks_per_second()) / SECOND;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A start time that some other process may have, but not this one with this number of ticks.
    fn start(ticks: u64) -> BootTime {
        BootTime::from_nanos(ticks * 1_000_000_000 / clock_ticks_per_second())
    }

    #[test]
    fn the_directory_of_a_process_that_is_gone_has_no_files() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap();
        let ticks = Stat::parse(&stat).unwrap().start;
        let proc = Path::new("/proc");
        let directory = Directory::open(proc, (pid, start(ticks))).unwrap();
        assert!(directory.line("status", "Pid:").unwrap().trim() == pid.to_string());
        assert!(directory.line("status", "NoSuchField:").is_none());
        assert!(Directory::open(proc, (pid, start(ticks + 1))).is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(directory.line("status", "Pid:").is_none());
        assert!(Directory::open(proc, (pid, start(ticks))).is_none());
    }
}
