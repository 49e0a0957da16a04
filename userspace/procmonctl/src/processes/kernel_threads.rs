// SPDX-License-Identifier: GPL-2.0

//! Whole names of kernel threads.
//!
//! A record has room for 15 bytes, while `/proc` gives kernel threads longer names, and to workers
//! that of their workqueue.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;

use procmon::snapshot::Record;

/// What a name was read for: the ID and the name in the record.
type Key = (i32, Vec<u8>);

/// The names that were read, each at its first use.
#[derive(Debug, Default)]
pub struct KernelNames {
    names: RefCell<HashMap<Key, Vec<u8>>>,
}

impl KernelNames {
    /// Returns the name of a process or thread.
    pub fn name(&self, record: &Record) -> Vec<u8> {
        let comm = record.comm().as_encoded_bytes().to_owned();
        if !record.is_kernel_thread() {
            return comm;
        }
        let mut names = self.names.borrow_mut();
        let name = names
            .entry((record.pid(), comm))
            .or_insert_with_key(|(pid, comm)| completed(*pid, comm));
        name.clone()
    }

    /// Forgets all names: workers change theirs, and IDs are used again.
    pub fn clear(&mut self) {
        self.names.get_mut().clear();
    }
}

/// Returns the name of a process or thread, for which a file is read if it is a kernel thread.
pub fn full_name(record: &Record) -> Vec<u8> {
    let comm = record.comm().as_encoded_bytes();
    if record.is_kernel_thread() {
        completed(record.pid(), comm)
    } else {
        comm.to_owned()
    }
}

/// Returns the whole name of what has this ID, and a name that begins like this.
///
/// The ID may belong to another task by now. What that adds to the same beginning may be shown.
pub fn completed(pid: i32, comm: &[u8]) -> Vec<u8> {
    let mut name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.pop_if(|byte| *byte == b'\n');
    if name.starts_with(comm) {
        name
    } else {
        comm.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_not_taken() {
        let own = i32::try_from(std::process::id()).unwrap();
        let name = fs::read("/proc/self/comm").unwrap();
        let name = name.trim_ascii_end();
        assert_eq!(completed(own, &name[..1]), name);
        assert_eq!(completed(own, b"\xff"), b"\xff");
        assert_eq!(completed(i32::MAX, b"kworker/0:1"), b"kworker/0:1");
    }
}
