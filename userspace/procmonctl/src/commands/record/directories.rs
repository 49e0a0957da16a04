// SPDX-License-Identifier: GPL-2.0-only

//! The working directories of processes.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use procmon::snapshot::Groups;
use procmon::{Device, Snapshot, SnapshotOptions};
use recording::Text;
use rustix::fs::{Mode, OFlags, open, readlinkat};

use crate::table::identity::Identity;

/// A way to the working directories of processes that live.
pub struct Directories<'a> {
    device: &'a Device,
    /// `/proc`
    mount: OwnedFd,
    snapshot: Snapshot,
}

impl<'a> Directories<'a> {
    /// Returns none if `/proc` has other PIDs than the module.
    pub fn new(device: &'a Device) -> Option<Self> {
        let own = fs::read_link("/proc/self").ok()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mount = open("/proc", flags, Mode::empty()).ok()?;
        (own == Path::new(&std::process::id().to_string())).then(|| Self {
            device,
            mount,
            snapshot: Snapshot::default(),
        })
    }

    /// Looks up that of a process, unless it has ended.
    ///
    /// A process that the module still finds after the link was read had its PID at that time, too.
    /// So nothing in `/proc` has to be read for its start, which takes several times as long.
    pub fn of(&mut self, (pid, start): Identity) -> Option<Text> {
        let path = readlinkat(&self.mount, format!("{pid}/cwd"), Vec::new()).ok()?;
        let options = SnapshotOptions::new().groups(Groups::CPU).tgid(pid);
        self.device
            .snapshot_into(&options, &mut self.snapshot)
            .ok()?;
        let found = self.snapshot.get(pid)?.cpu()?.start;
        (found == start).then(|| Text::from(path.as_bytes()))
    }
}
