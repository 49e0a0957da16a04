// SPDX-License-Identifier: GPL-2.0-only

//! The fields of a record, group by group, by the files that have them.

use std::ffi::c_char;
use std::os::unix::ffi::OsStrExt;

use super::keys::{bytes, number, numbers};
use super::stat::Stat;
use crate::snapshot::Groups;
use crate::uapi::{PROCMON_TASK_EXITING, PROCMON_TASK_KTHREAD, procmon_record};

/// Returns a record with the group that all have.
pub fn basic(pid: i32, tgid: i32, stat: &Stat) -> procmon_record {
    let mut record = procmon_record {
        groups: Groups::BASIC.bits(),
        pid,
        tgid,
        ppid: stat.ppid,
        state: stat.state.to_raw(),
        flags: flag(stat.is_kernel_thread(), PROCMON_TASK_KTHREAD)
            | flag(stat.is_exiting(), PROCMON_TASK_EXITING),
        threads: stat.threads,
        ..Default::default()
    };
    // The name of a kernel thread may be longer here than in the kernel's own record of it.
    let longest = record.comm.len() - 1;
    for (to, &from) in record.comm[..longest].iter_mut().zip(stat.comm.as_bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    record
}

fn flag(is_set: bool, flag: u32) -> u32 {
    if is_set { flag } else { 0 }
}

/// Adds the group of times, with this number of nanoseconds in a tick.
pub fn add_cpu(record: &mut procmon_record, stat: &Stat, tick: u64) {
    record.groups |= Groups::CPU.bits();
    record.cpu = stat.last_cpu;
    record.utime = stat.user.saturating_mul(tick);
    record.stime = stat.system.saturating_mul(tick);
    record.start_time = stat.start.saturating_mul(tick);
    record.nice = stat.nice;
    record.policy = stat.policy;
}

/// Adds page faults.
pub fn add_faults(record: &mut procmon_record, stat: &Stat) {
    record.groups |= Groups::FAULTS.bits();
    record.minor_faults = stat.minor_faults;
    record.major_faults = stat.major_faults;
}

/// Returns the real user that `status` names.
pub fn user(status: &[u8]) -> Option<u32> {
    number(status, "Uid")?.try_into().ok()
}

/// Adds users and groups.
pub fn add_credentials(record: &mut procmon_record, status: &[u8]) -> Option<()> {
    let ids = |key| {
        let [real, effective] = numbers(status, key)?;
        Some((u32::try_from(real).ok()?, u32::try_from(effective).ok()?))
    };
    let (users, groups) = (ids("Uid")?, ids("Gid")?);
    (record.uid, record.euid) = users;
    (record.gid, record.egid) = groups;
    record.groups |= Groups::CREDENTIALS.bits();
    Some(())
}

/// Adds memory, which kernel threads and zombies do not have.
pub fn add_memory(record: &mut procmon_record, status: &[u8]) -> Option<()> {
    let [size, anonymous, file, shared] =
        ["VmSize", "RssAnon", "RssFile", "RssShmem"].map(|key| bytes(status, key));
    let (size, anonymous, file, shared) = (size?, anonymous?, file?, shared?);
    record.vsize = size;
    record.rss_anon = anonymous;
    record.rss_file = file;
    record.rss_shmem = shared;
    record.groups |= Groups::MEMORY.bits();
    Some(())
}

/// Adds context switches of a thread to those that the record has.
pub fn add_switches(record: &mut procmon_record, status: &[u8]) -> Option<()> {
    let voluntary = number(status, "voluntary_ctxt_switches")?;
    let involuntary = number(status, "nonvoluntary_ctxt_switches")?;
    record.voluntary_switches = record.voluntary_switches.saturating_add(voluntary);
    record.involuntary_switches = record.involuntary_switches.saturating_add(involuntary);
    record.groups |= Groups::SWITCHES.bits();
    Some(())
}

/// Adds bytes from and to block devices.
pub fn add_io(record: &mut procmon_record, io: &[u8]) -> Option<()> {
    let (read, written) = (number(io, "read_bytes")?, number(io, "write_bytes")?);
    record.read_bytes = read;
    record.write_bytes = written;
    record.groups |= Groups::IO.bits();
    Some(())
}

/// Adds the ID of the cgroup.
pub fn add_cgroup(record: &mut procmon_record, id: u64) {
    record.cgroup_id = id;
    record.groups |= Groups::CGROUP.bits();
}
