// SPDX-License-Identifier: GPL-2.0

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

/// What a source has in its snapshots.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
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

    /// Returns what to request, and to refuse columns by.
    pub fn abilities(&self) -> procmon::Result<Abilities> {
        match self {
            Self::Module(device) => {
                let info = device.info()?;
                Ok(Abilities {
                    groups: info.groups,
                    arguments: info.arguments,
                })
            }
            // Columns without a value are shown as such: no other version of /proc has them.
            Self::Proc => Ok(Abilities {
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

    /// Returns whether an ID is that of a thread, and of no process.
    pub fn is_of_thread(&self, id: i32) -> procmon::Result<bool> {
        let is_process = !self.snapshot(&SnapshotOptions::new().tgid(id))?.is_empty();
        Ok(!is_process
            && match self {
                Self::Module(device) => device.query(id)?.is_some(),
                Self::Proc => {
                    let threads = proc::snapshot(&SnapshotOptions::new().threads(true))?;
                    threads.get(id).is_some()
                }
            })
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
