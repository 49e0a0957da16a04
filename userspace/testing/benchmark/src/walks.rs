// SPDX-License-Identifier: GPL-2.0-only

//! Ways to look at all processes. This runs in the guest.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use procmon::Device;
use procmon::snapshot::Groups;
use procmon::uapi::{
    PROCMON_GROUP_ARGS, PROCMON_SNAPSHOT, PROCMON_SNAPSHOT_THREADS, procmon_args, procmon_record,
    procmon_snapshot,
};

use crate::calls::syscall;
use crate::rows::Walk;

/// The size of a record of the BPF iterator, in bytes.
const BPF_RECORD: usize = 104;

/// The size of a read of its output.
const BPF_READ: usize = 1 << 16;

/// A page, at which the records for a walk begin.
#[derive(Clone)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);

/// The files and the memory for all walks.
pub struct Walker {
    device: Device,
    floor: Option<File>,
    iterator: Option<PathBuf>,
    records: Vec<Page>,
    /// The memory for the arguments of programs.
    texts: Vec<Page>,
}

impl Walker {
    /// Opens the files for walks over a number of tasks. `iterator` is the file that the BPF
    /// iterator is pinned to.
    pub fn new(tasks: usize, iterator: Option<&Path>) -> Result<Self> {
        let floor = match File::open("/dev/floor") {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            file => Some(file.context("cannot open /dev/floor")?),
        };
        // For the kernel's threads and what else runs in the guest, and records of any size.
        let bytes = (tasks + 1000) * 256;
        Ok(Self {
            device: Device::open()?,
            floor,
            iterator: iterator.map(Path::to_owned),
            // Written, so that the memory is there.
            records: vec![Page([1; 4096]); bytes.div_ceil(4096)],
            texts: vec![Page([1; 4096]); bytes.div_ceil(4096)],
        })
    }

    /// Returns whether there is what this walk needs.
    pub fn can(&self, walk: Walk) -> bool {
        match walk {
            Walk::Snapshot { .. } | Walk::Arguments(_) => true,
            Walk::Floor(_) => self.floor.is_some(),
            // Scans of /proc take long, and are only to compare with.
            Walk::Bpf | Walk::Proc(_) => self.iterator.is_some(),
        }
    }

    /// Looks at all processes. Returns their number.
    pub fn walk(&mut self, walk: Walk) -> Result<usize> {
        match walk {
            Walk::Snapshot { groups, stride } => Ok(self
                .snapshot(groups & Groups::all().bits(), stride, 0, usize::MAX)?
                .0),
            Walk::Floor(command) => self.floor(command),
            Walk::Bpf => self.bpf(),
            Walk::Arguments(max) => self.arguments(max),
            Walk::Proc(file) => proc(file),
        }
    }

    /// Takes a snapshot of all threads. Returns their number.
    pub fn threads(&mut self, groups: u32, stride: usize) -> Result<usize> {
        Ok(self
            .snapshot(groups, stride, PROCMON_SNAPSHOT_THREADS, usize::MAX)?
            .0)
    }

    /// Takes a snapshot with the arguments of all programs. Returns the number of processes.
    fn arguments(&mut self, max: u32) -> Result<usize> {
        let size = |pages: &[Page]| u32::try_from(size_of_val(pages));
        let stride = size_of::<procmon_record>();
        let mut arguments = procmon_snapshot {
            size: u32::try_from(size_of::<procmon_snapshot>())?,
            groups: PROCMON_GROUP_ARGS,
            records: self.records.as_mut_ptr() as u64,
            stride: u32::try_from(stride)?,
            capacity: size(&self.records)? / u32::try_from(stride)?,
            args: self.texts.as_mut_ptr() as u64,
            args_capacity: size(&self.texts)?,
            args_max: max,
            ..procmon_snapshot::default()
        };
        self.call(&mut arguments)?;
        ensure!(arguments.cursor == 0, "the arguments do not fit");
        // Most processes are those of the benchmark, which have some.
        let least = arguments.count * u32::try_from(size_of::<procmon_args>())? / 2;
        ensure!(arguments.args_bytes > least, "few processes have arguments");
        Ok(arguments.count as usize)
    }

    fn call(&self, arguments: &mut procmon_snapshot) -> Result<()> {
        let fd = self.device.as_raw_fd() as usize;
        let pointer = &raw mut *arguments as usize;
        // SAFETY: The command takes such an argument, and writes to the buffers that it has.
        let result =
            unsafe { syscall(libc::SYS_ioctl, [fd, PROCMON_SNAPSHOT as usize, pointer, 0]) };
        ensure!(result == 0, "a snapshot returns {result}");
        Ok(())
    }

    /// Takes a snapshot by calls with space for at most `capacity` records. Returns the number of
    /// records and that of calls.
    pub fn snapshot(
        &mut self,
        groups: u32,
        stride: usize,
        flags: u32,
        capacity: usize,
    ) -> Result<(usize, usize)> {
        let space = self.records.len() * size_of::<Page>() / stride;
        let (mut found, mut calls) = (0, 0);
        let mut arguments = procmon_snapshot {
            size: u32::try_from(size_of::<procmon_snapshot>())?,
            flags,
            groups,
            stride: u32::try_from(stride)?,
            ..procmon_snapshot::default()
        };
        loop {
            ensure!(found < space, "more than {space} tasks");
            arguments.capacity = u32::try_from(capacity.min(space - found))?;
            arguments.groups = groups;
            // SAFETY: Only computes an address within the memory.
            let to = unsafe { self.records.as_mut_ptr().cast::<u8>().add(found * stride) };
            arguments.records = to as u64;
            self.call(&mut arguments)?;
            found += arguments.count as usize;
            calls += 1;
            if arguments.cursor == 0 {
                return Ok((found, calls));
            }
        }
    }

    fn floor(&mut self, command: u32) -> Result<usize> {
        let file = self.floor.as_ref().context("there is no /dev/floor")?;
        let arguments = [
            file.as_raw_fd() as usize,
            command as usize,
            self.records.as_mut_ptr() as usize,
            0,
        ];
        // SAFETY: The module writes a record for each process, which is shorter than the
        // part of the memory for it.
        let result = unsafe { syscall(libc::SYS_ioctl, arguments) };
        ensure!(result > 0, "the floor returns {result}");
        Ok(result as usize)
    }

    fn bpf(&mut self) -> Result<usize> {
        let path = self.iterator.as_ref().context("there is no BPF iterator")?;
        let mut file = File::open(path)?;
        let pages = &mut self.records[..BPF_READ / size_of::<Page>()];
        // SAFETY: Pages are bytes.
        let buffer =
            unsafe { std::slice::from_raw_parts_mut(pages.as_mut_ptr().cast::<u8>(), BPF_READ) };
        let mut bytes = 0;
        loop {
            match file.read(buffer)? {
                0 => break,
                read => bytes += read,
            }
        }
        ensure!(
            bytes % BPF_RECORD == 0 && bytes > 0,
            "{bytes} bytes are no records"
        );
        Ok(bytes / BPF_RECORD)
    }
}

/// Reads this file of all processes in /proc, as programs without procmon do.
fn proc(name: &str) -> Result<usize> {
    let mut processes = 0;
    let mut text = [0; 1024];
    for entry in fs::read_dir("/proc")? {
        let pid = entry?.file_name();
        let is_process = pid.to_str().is_some_and(|name| name.parse::<u32>().is_ok());
        if !is_process {
            continue;
        }
        match File::open(Path::new("/proc").join(pid).join(name)) {
            Ok(mut file) => {
                let read = file.read(&mut text)?;
                // Kernel threads have no arguments.
                ensure!(read > 0 || name == "cmdline", "an empty file");
                processes += 1;
            }
            // The process may have ended.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    if processes == 0 {
        bail!("/proc is empty");
    }
    Ok(processes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_has_processes() {
        assert!(proc("stat").unwrap() > 0);
        assert!(proc("cmdline").unwrap() > 0);
    }
}
