// SPDX-License-Identifier: GPL-2.0-only

//! The sources of snapshots: the module, or `/proc`.

use std::fmt::{self, Display};

use clap::ValueEnum;
use procmon::snapshot::Groups;
use procmon::{Device, ErrorKind, Snapshot, SnapshotOptions, proc};

use crate::output::complain;
use crate::session::Session;

/// A source, as the command line names it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum SourceName {
    /// The module's device
    #[default]
    Module,
    /// /proc, which takes longer and tells less: no module and no rights are needed
    Proc,
    /// The module, or else /proc, with a message
    Auto,
}

/// The capabilities of a source.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// The groups of fields that records have.
    pub groups: Groups,
    /// Whether there are the arguments of programs.
    pub arguments: bool,
}

/// A source of snapshots.
#[derive(Debug)]
pub enum Source {
    Module(Device),
    Proc,
}

impl Source {
    /// Opens a source for a command, whose name is in the hint on the other one.
    pub fn open(
        name: SourceName,
        session: &Session,
        command: &'static str,
    ) -> anyhow::Result<Self> {
        if name == SourceName::Proc {
            return Ok(Self::Proc);
        }
        let error = match session.open_to_read() {
            Ok(device) => return Ok(Self::Module(device)),
            Err(error) => error,
        };
        let is_without = matches!(error.kind(), ErrorKind::NoModule | ErrorKind::NoPermission);
        let error = anyhow::Error::from(error);
        match name {
            _ if !is_without => Err(error),
            SourceName::Auto => {
                complain(format_args!("reading /proc instead: {error:#}"));
                Ok(Self::Proc)
            }
            _ => Err(error.context(Offer { command })),
        }
    }

    /// Returns the capabilities, by which columns are requested or refused.
    pub fn capabilities(&self) -> procmon::Result<Capabilities> {
        match self {
            Self::Module(device) => {
                let info = device.info()?;
                Ok(Capabilities {
                    groups: info.groups,
                    arguments: info.arguments,
                })
            }
            // Columns without a value are shown as such: no other version of /proc has them.
            Self::Proc => Ok(Capabilities {
                groups: Groups::all(),
                arguments: false,
            }),
        }
    }

    /// Takes a snapshot.
    pub fn snapshot(&self, options: &SnapshotOptions) -> procmon::Result<Snapshot> {
        match self {
            Self::Module(device) => device.snapshot(options),
            Self::Proc => proc::snapshot(options),
        }
    }

    /// Returns those of these IDs that are IDs of threads, and of no process.
    pub fn threads_of(&self, mut ids: Vec<i32>) -> procmon::Result<Vec<i32>> {
        if ids.is_empty() {
            return Ok(ids);
        }
        match self {
            Self::Module(device) => {
                let mut threads = Vec::new();
                for id in ids {
                    let is_process = !self.snapshot(&SnapshotOptions::new().tgid(id))?.is_empty();
                    if !is_process && device.query(id)?.is_some() {
                        threads.push(id);
                    }
                }
                Ok(threads)
            }
            Self::Proc => {
                let tasks = proc::snapshot(&SnapshotOptions::new().threads(true))?;
                ids.retain(|&id| tasks.get(id).is_some_and(|task| task.tgid() != id));
                Ok(ids)
            }
        }
    }
}

/// The other source, as a hint behind an error of the device.
#[derive(Debug)]
pub struct Offer {
    command: &'static str,
}

impl Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = self.command;
        write!(
            f,
            "\"procmonctl {command} --source proc\" reads /proc instead: slower, coarser in time, \
             and without events"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use rustix::thread::gettid;

    use super::*;

    #[test]
    fn threads_are_told_from_processes_by_proc() {
        let (send, id) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            send.send(gettid().as_raw_nonzero().get()).unwrap();
            // Returns when the other end is gone.
            let _ = ended.recv();
        });
        let tid = id.recv().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        let threads = Source::Proc.threads_of(vec![pid, tid, i32::MAX]);
        assert_eq!(threads.unwrap(), [tid]);
        assert!(Source::Proc.threads_of(Vec::new()).unwrap().is_empty());
        drop(end);
        thread.join().unwrap();
    }
}
