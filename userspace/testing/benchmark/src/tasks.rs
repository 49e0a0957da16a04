// SPDX-License-Identifier: GPL-2.0-only

//! Processes and threads that sleep, for others to look at. This runs in the guest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::unistd::{ForkResult, Pid, fork, pause};

/// Sleeping processes. They end with the guest, which is sooner than to kill them one by one.
#[derive(Default)]
pub struct Sleepers(Vec<Pid>);

impl Sleepers {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Starts processes until there are `count`, each with this number of threads beside its main
    /// one. All of those that are started go to the cgroups in turns, if there are any.
    pub fn grow_to(&mut self, count: usize, threads: usize, cgroups: &Cgroups) -> Result<()> {
        while self.0.len() < count {
            // SAFETY: There is but one thread, so a child can do anything.
            match unsafe { fork() }? {
                ForkResult::Parent { child } => {
                    self.0.push(child);
                    cgroups.add(self.0.len(), child)?;
                }
                ForkResult::Child => sleep_with(threads),
            }
        }
        Ok(())
    }
}

/// Sleeps for ever, in this number of threads more.
fn sleep_with(threads: usize) -> ! {
    /// The size of a stack, of which a thread that sleeps uses a part of one page.
    const STACK: usize = 4096 * 4;

    for _ in 0..threads {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let started = thread.spawn(|| {
            loop {
                pause();
            }
        });
        if started.is_err() {
            // SAFETY: Nothing has to be done before.
            unsafe { libc::_exit(1) }
        }
    }
    loop {
        pause();
    }
}

/// Cgroups of their own.
#[derive(Default)]
pub struct Cgroups(Vec<PathBuf>);

impl Cgroups {
    /// Makes a number of cgroups in the second hierarchy, which is mounted if need be.
    pub fn make(number: usize) -> Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        if !root.join("cgroup.procs").exists() {
            let path = c"/sys/fs/cgroup".as_ptr();
            let kind = c"cgroup2".as_ptr();
            // SAFETY: All strings are valid.
            let result = unsafe { libc::mount(kind, path, kind, 0, std::ptr::null()) };
            ensure!(result == 0, "cannot mount /sys/fs/cgroup");
        }
        let paths = (0..number).map(|index| root.join(format!("benchmark{index}")));
        paths
            .map(|path| {
                fs::create_dir_all(&path)
                    .with_context(|| format!("cannot make {}", path.display()))?;
                Ok(path)
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    fn add(&self, turn: usize, process: Pid) -> Result<()> {
        let Some(index) = turn.checked_rem(self.0.len()) else {
            return Ok(());
        };
        let path = self.0[index].join("cgroup.procs");
        fs::write(&path, process.to_string())
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
