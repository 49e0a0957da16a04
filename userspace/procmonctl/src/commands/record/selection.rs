// SPDX-License-Identifier: GPL-2.0-only

//! The processes that are recorded.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use procmon::cgroup::mount;
use procmon::{CgroupPath, Cgroups, Record, Snapshot};

use crate::cgroup::Cgroup;

/// The depth below the cgroup to which others are looked for at first.
const DEPTH: usize = 16;

/// A choice of processes.
#[derive(Debug)]
pub enum Selection {
    /// The process with this PID, and those that descend from it. The kernel leaves out others.
    Descendants(i32),
    /// Those of a cgroup, and of those below it, with the IDs of these that are known.
    Cgroup(CgroupPath, HashSet<u64>),
    All,
}

impl Selection {
    /// Selects the processes of a cgroup.
    pub fn in_cgroup(cgroup: &Cgroup) -> anyhow::Result<Self> {
        let directory = cgroup.directory()?;
        let below = mount().and_then(|mount| directory.strip_prefix(mount).ok());
        let path = Path::new("/").join(below.unwrap_or(&directory));
        let mut ids = HashSet::new();
        add_ids(&directory, DEPTH, &mut ids);
        Ok(Self::Cgroup(CgroupPath::new(path), ids))
    }

    /// Returns the process whose descendants the kernel is to tell of.
    pub fn root(&self) -> Option<i32> {
        match self {
            Self::Descendants(pid) => Some(*pid),
            _ => None,
        }
    }

    /// Returns whether a process of this cgroup is one to record.
    pub fn has(&self, cgroup_id: u64, pid: i32, cgroups: &mut Cgroups) -> bool {
        match self {
            Self::Cgroup(wanted, ids) => {
                let is_below = |path: &CgroupPath| path.is_in(wanted);
                ids.contains(&cgroup_id) || cgroups.path(cgroup_id, pid).is_some_and(is_below)
            }
            Self::Descendants(_) | Self::All => true,
        }
    }

    /// Returns whether a process that is moved to a cgroup is one to record.
    pub fn has_moved(&mut self, cgroup_id: u64, path: &CgroupPath) -> bool {
        match self {
            Self::Cgroup(wanted, ids) => {
                let is_below = path.is_in(wanted);
                if is_below {
                    ids.insert(cgroup_id);
                }
                is_below
            }
            Self::Descendants(_) | Self::All => true,
        }
    }

    /// Returns the PIDs of the processes of a snapshot to record, without kernel threads.
    pub fn of_snapshot(&self, snapshot: &Snapshot, cgroups: &mut Cgroups) -> HashSet<i32> {
        let records = snapshot.iter().filter(|record| !record.is_kernel_thread());
        match self {
            Self::Descendants(root) => descendants(*root, records),
            Self::Cgroup(..) => records
                .filter(|record| {
                    let id = record.cgroup_id();
                    id.is_some_and(|id| self.has(id, record.pid(), cgroups))
                })
                .map(Record::pid)
                .collect(),
            Self::All => records.map(Record::pid).collect(),
        }
    }
}

/// Adds the IDs of a cgroup and of those below it.
fn add_ids(directory: &Path, depth: usize, ids: &mut HashSet<u64>) {
    let Ok(data) = fs::metadata(directory) else {
        return;
    };
    ids.insert(data.ino());
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            add_ids(&entry.path(), depth - 1, ids);
        }
    }
}

/// Returns a process and those that descend from it, as far as they are there.
fn descendants<'a>(root: i32, records: impl Iterator<Item = &'a Record>) -> HashSet<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let mut family = HashSet::new();
    for record in records {
        if record.pid() == root {
            family.insert(root);
        }
        children
            .entry(record.ppid())
            .or_default()
            .push(record.pid());
    }
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        // Each list is taken once, so that a cycle ends as well.
        for child in children.remove(&parent).unwrap_or_default() {
            if family.insert(child) {
                parents.push(child);
            }
        }
    }
    family
}
