// SPDX-License-Identifier: GPL-2.0-only

//! The first step of a command that is recorded: a process that takes the rights of its user, and
//! stops until the recording has begun.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::sys::signal::{Signal, raise};

use super::user::User;
use crate::output::complain;

/// The name of the command, which only `record` uses.
pub const NAME: &str = "start-recorded";

/// Run a command after the next SIGCONT
#[derive(clap::Args, Debug)]
#[command(name = NAME)]
pub struct Args {
    #[arg(long)]
    run_as: Option<String>,

    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Args {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut words = self.command.iter();
        let Some(program) = words.next() else {
            return Ok(ExitCode::FAILURE);
        };
        let mut command = Command::new(program);
        command.args(words);
        if let Some(user) = &self.run_as {
            let user = User::find(user)?;
            user.describe(&mut command);
            user.become_it()?;
        }
        raise(Signal::SIGSTOP)?;
        let error = command.exec();
        complain(format_args!("{}: {error}", program.display()));
        // As a shell has it.
        Ok(ExitCode::from(match error.kind() {
            io::ErrorKind::NotFound => 127,
            _ => 126,
        }))
    }
}
