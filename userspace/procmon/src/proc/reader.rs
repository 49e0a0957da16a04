// SPDX-License-Identifier: GPL-2.0-only

//! The walk through `/proc`, and the files of one process as a record.

use std::path::Path;

use rustix::io::Result;

use super::cgroup_ids::CgroupIds;
use super::files::{Directory, present};
use super::stat::Stat;
use super::{GROUPS, fields};
use crate::snapshot::{Groups, Record, SnapshotOptions};
use crate::uapi;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A walk through all processes, which keeps the records of those that match.
pub struct Reader<'a> {
    root: Directory,
    /// The options, as the module takes them.
    wanted: uapi::procmon_snapshot,
    /// Nanoseconds of a clock tick.
    tick: u64,
    cgroup_ids: CgroupIds,
    records: &'a mut Vec<Record>,
    stat: Vec<u8>,
    /// The contents of other files.
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub fn new(
        path: &Path,
        options: &SnapshotOptions,
        records: &'a mut Vec<Record>,
    ) -> Result<Self> {
        let mut reader = Self {
            root: Directory::open(path)?,
            wanted: options.to_raw(),
            tick: NANOS_PER_SECOND / rustix::param::clock_ticks_per_second().max(1),
            cgroup_ids: CgroupIds::default(),
            records,
            stat: Vec::new(),
            buffer: Vec::new(),
        };
        if reader.wants(Groups::CGROUP) {
            reader.cgroup_ids = CgroupIds::mounted();
        }
        Ok(reader)
    }

    /// Returns the groups that records can have.
    pub fn groups(&self) -> Groups {
        Groups::from_bits_truncate(self.wanted.groups) & GROUPS | Groups::BASIC
    }

    pub fn reads_threads(&self) -> bool {
        self.has(uapi::PROCMON_SNAPSHOT_THREADS)
    }

    /// Reads all processes, or threads.
    pub fn read_all(&mut self) -> Result<()> {
        for pid in self.root.numbers()? {
            if self.has(uapi::PROCMON_SNAPSHOT_BY_TGID) && pid != self.wanted.tgid {
                continue;
            }
            let Some(process) = self.root.directory(&pid.to_string())? else {
                continue;
            };
            if self.reads_threads() {
                for_each_thread(&process, |tid, thread| self.read_task(tid, pid, thread))?;
            } else {
                self.read_task(pid, pid, &process)?;
            }
        }
        Ok(())
    }

    /// Keeps the record of a process or thread, if it is still there and matches.
    fn read_task(&mut self, pid: i32, tgid: i32, directory: &Directory) -> Result<()> {
        let mut stat = std::mem::take(&mut self.stat);
        let is_there = directory.read("stat", &mut stat)?;
        let record = match Stat::parse(&stat).filter(|_| is_there) {
            Some(stat) if self.matches(&stat) => self.record(pid, tgid, &stat, directory)?,
            _ => None,
        };
        self.records.extend(record.map(Record));
        self.stat = stat;
        Ok(())
    }

    /// Whether a task passes the filters, as far as `stat` tells.
    fn matches(&self, stat: &Stat) -> bool {
        // A process that is being reaped has no threads any more.
        stat.threads > 0
            && !(self.has(uapi::PROCMON_SNAPSHOT_NO_KTHREADS) && stat.is_kernel_thread())
            && !(self.has(uapi::PROCMON_SNAPSHOT_BY_PPID) && stat.ppid != self.wanted.ppid)
    }

    /// Returns the record of a task, unless it is of another user than the one wanted.
    fn record(
        &mut self,
        pid: i32,
        tgid: i32,
        stat: &Stat,
        directory: &Directory,
    ) -> Result<Option<uapi::procmon_record>> {
        let mut record = fields::basic(pid, tgid, stat);
        if self.wants(Groups::CPU) {
            fields::add_cpu(&mut record, stat, self.tick);
        }
        if self.wants(Groups::FAULTS) {
            fields::add_faults(&mut record, stat);
        }
        let by_uid = self.has(uapi::PROCMON_SNAPSHOT_BY_UID);
        let in_status = Groups::CREDENTIALS | Groups::MEMORY | Groups::SWITCHES;
        if by_uid || self.groups().intersects(in_status) {
            if !directory.read("status", &mut self.buffer)? {
                self.buffer.clear();
            }
            if by_uid && fields::user(&self.buffer) != Some(self.wanted.uid) {
                return Ok(None);
            }
            self.add_status(&mut record, directory)?;
        }
        if self.wants(Groups::IO) && directory.read("io", &mut self.buffer)? {
            fields::add_io(&mut record, &self.buffer);
        }
        if self.wants(Groups::CGROUP)
            && directory.read("cgroup", &mut self.buffer)?
            && let Some(id) = self.cgroup_ids.id(&self.buffer)
        {
            fields::add_cgroup(&mut record, id);
        }
        Ok(Some(record))
    }

    /// Adds the groups of `status`, which is in the buffer.
    fn add_status(
        &mut self,
        record: &mut uapi::procmon_record,
        directory: &Directory,
    ) -> Result<()> {
        if self.wants(Groups::CREDENTIALS) {
            fields::add_credentials(record, &self.buffer);
        }
        if self.wants(Groups::MEMORY) {
            fields::add_memory(record, &self.buffer);
        }
        if !self.wants(Groups::SWITCHES) {
            return Ok(());
        }
        if self.reads_threads() || record.threads == 1 {
            fields::add_switches(record, &self.buffer);
            return Ok(());
        }
        // The file of a process has only those of its main thread.
        for_each_thread(directory, |_, thread| {
            if thread.read("status", &mut self.buffer)? {
                fields::add_switches(record, &self.buffer);
            }
            Ok(())
        })
    }

    fn wants(&self, group: Groups) -> bool {
        self.groups().contains(group)
    }

    fn has(&self, flag: u32) -> bool {
        self.wanted.flags & flag != 0
    }
}

/// Visits the threads of a process, with one descriptor at a time.
fn for_each_thread(
    process: &Directory,
    mut visit: impl FnMut(i32, &Directory) -> Result<()>,
) -> Result<()> {
    let Some(tasks) = process.directory("task")? else {
        return Ok(());
    };
    for tid in present(tasks.numbers())?.unwrap_or_default() {
        if let Some(thread) = tasks.directory(&tid.to_string())? {
            visit(tid, &thread)?;
        }
    }
    Ok(())
}
