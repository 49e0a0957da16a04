// SPDX-License-Identifier: GPL-2.0-only

//! Whole names of kernel threads, each looked up once.
//!
//! A record holds 15 bytes, while `/proc` has longer names of kernel threads, and for workers that
//! of their workqueue.

use std::cell::RefCell;
use std::collections::HashMap;

use procmon::snapshot::Record;

/// The key of a name: the ID, and the name in the record.
type Key = (i32, Vec<u8>);

/// A cache of names, each of which is read at its first use.
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
            .or_insert_with(|| record.whole_comm().as_encoded_bytes().to_owned());
        name.clone()
    }

    /// Drops all names, as workers change theirs, and IDs are reused.
    pub fn clear(&mut self) {
        self.names.get_mut().clear();
    }
}
