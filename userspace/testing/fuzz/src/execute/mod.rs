// SPDX-License-Identifier: GPL-2.0-only

//! Running a program, and checking the results by the [model](crate::model).

mod caller;
mod io;
mod ioctl;
mod list;
pub mod shared;
mod sysfs;

use std::ffi::CString;

use anyhow::{Context, Result};
use nix::sys::prctl;

use crate::kcov::Kcov;
use crate::model::Counts;
use crate::program::{Call, Step};

use caller::Caller;
use shared::Shared;

/// The result of a thread of a program.
pub struct Outcome {
    pub counts: Counts,
    /// The record of KCOV.
    pub trace: Vec<u64>,
}

/// A thread that runs programs.
pub struct Thread {
    pub kcov: Kcov,
    caller: Caller,
}

impl Thread {
    /// Prepares the thread that calls this.
    pub fn new(second: bool) -> Result<Self> {
        Ok(Self {
            kcov: Kcov::new()?,
            caller: Caller::new(second)?,
        })
    }

    /// Runs this thread's steps of a program.
    pub fn run(&mut self, shared: &Shared) -> Result<Outcome> {
        let caller = &mut self.caller;
        let (counts, trace) = self.kcov.record(|| caller.run(shared))?;
        let counts = counts?;
        Ok(Outcome { counts, trace })
    }
}

impl Caller {
    fn run(&mut self, shared: &Shared) -> Result<Counts> {
        self.counts = Counts::default();
        let second = self.second;
        let mut steps = shared.program.steps.iter();
        let result = steps
            .by_ref()
            .filter(|step| step.second_thread == second)
            .try_for_each(|step| self.step(step, shared).with_context(|| format!("{step:?}")));
        self.end_child();
        result.map(|()| self.counts)
    }

    fn step(&mut self, step: &Step, shared: &Shared) -> Result<()> {
        let nth = step.fail_nth;
        match &step.call {
            Call::Open { file, flags } => self.open(shared, *file, *flags, nth),
            Call::Close { file } => {
                shared.replace(*file, None);
                Ok(())
            }
            Call::Duplicate { from, to } => self.duplicate(shared, *from, *to),
            Call::Read { file, buffer, way } => match shared.file(*file) {
                Some(file) => self.read(shared, &file, buffer, *way, nth),
                None => Ok(()),
            },
            Call::Write {
                file,
                buffer,
                way,
                first,
            } => match shared.file(*file) {
                Some(file) => self.write(shared, &file, buffer, *way, *first, nth),
                None => Ok(()),
            },
            Call::Ioctl { file, command } => match shared.file(*file) {
                Some(file) => self.ioctl(shared, &file, command, nth),
                None => Ok(()),
            },
            Call::List { file, list } => match shared.file(*file) {
                Some(file) => self.list(&file, list, nth),
                None => Ok(()),
            },
            Call::ReadAttribute { path } => self.read_attribute(path, nth),
            Call::OpenAttributeForWriting { path } => sysfs::open_attribute_for_writing(path),
            Call::SetParameter {
                parameter,
                text,
                number,
            } => self.set_parameter(shared, *parameter, text, *number, nth),
            Call::SetTargets { words, separator } => {
                self.set_targets(shared, words, *separator, nth)
            }
            Call::Rename { name } => {
                let len = name.iter().position(|&byte| byte == 0);
                let name = CString::new(&name[..len.unwrap_or(name.len())])?;
                prctl::set_name(&name).context("PR_SET_NAME")
            }
            Call::Fork { ends } => self.start_child(*ends),
        }
    }
}
