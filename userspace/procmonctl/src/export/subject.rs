// SPDX-License-Identifier: GPL-2.0-only

//! The data of a process that its group depends on.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use procmon::events::{Event, EventFlags, Exec, Exit};
use procmon::{BootTime, Record};

/// The data that the group of a process depends on: as long as it stays the same, so does
/// the group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject {
    pub pid: i32,
    pub start: BootTime,
    pub is_kernel_thread: bool,
    pub(super) comm: [u8; 16],
    pub uid: u32,
    pub euid: u32,
    pub cgroup_id: Option<u64>,
    /// Arguments of its program, each with its NUL, where groups depend on them.
    pub arguments: Option<Arc<[u8]>>,
}

impl Subject {
    pub fn of_record(record: &Record, arguments: Option<Arc<[u8]>>) -> Self {
        let credentials = record.credentials().unwrap_or_default();
        Self {
            pid: record.pid(),
            start: record.cpu().unwrap_or_default().start,
            is_kernel_thread: record.is_kernel_thread(),
            comm: padded(record.comm()),
            uid: credentials.uid,
            euid: credentials.euid,
            cgroup_id: record.cgroup_id(),
            arguments,
        }
    }

    pub fn of_exit(event: &Event<'_>, exit: &Exit, arguments: Option<Arc<[u8]>>) -> Self {
        Self {
            comm: padded(exit.comm()),
            ..Self::of_event(event, arguments)
        }
    }

    pub fn of_exec(event: &Event<'_>, exec: &Exec<'_>, arguments: Option<Arc<[u8]>>) -> Self {
        Self {
            comm: padded(exec.comm()),
            ..Self::of_event(event, arguments)
        }
    }

    fn of_event(event: &Event<'_>, arguments: Option<Arc<[u8]>>) -> Self {
        Self {
            pid: event.pid(),
            start: event.start(),
            is_kernel_thread: event.flags().contains(EventFlags::KERNEL_THREAD),
            comm: [0; 16],
            uid: event.uid(),
            euid: event.euid(),
            cgroup_id: Some(event.cgroup_id()),
            arguments,
        }
    }

    /// Returns the name of the process.
    pub fn comm(&self) -> &[u8] {
        let len = self.comm.iter().position(|byte| *byte == 0);
        &self.comm[..len.unwrap_or(self.comm.len())]
    }

    /// Returns the arguments, without the NULs.
    pub fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        let bytes = self.arguments.as_deref().unwrap_or_default();
        let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
        let is_empty = bytes.is_empty();
        bytes.split(|byte| *byte == 0).filter(move |_| !is_empty)
    }
}

fn padded(comm: &OsStr) -> [u8; 16] {
    let mut padded = [0; 16];
    for (to, from) in padded.iter_mut().zip(comm.as_bytes()) {
        *to = *from;
    }
    padded
}
