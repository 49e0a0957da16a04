// SPDX-License-Identifier: GPL-2.0

//! Command for `/dev/procmon`, the process monitor in the Linux kernel.

mod cli;
mod clock;
mod commands;
mod manual;
mod output;
mod selftest;
mod table;
mod text;
mod top;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::FromArgMatches;
use procmon::ErrorKind;

use crate::cli::Cli;
use crate::output::complain;

/// Exit statuses other than success.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
enum Exit {
    Failure = 1,
    Usage = 2,
    NoModule = 3,
    NoPermission = 4,
    NoProcess = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

fn main() -> ExitCode {
    let cli = manual::command()
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .and_then(Cli::check);
    let result = match cli {
        Ok(cli) => commands::run(cli),
        Err(message) => show(&message),
    };
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    if is_broken_pipe(&error) {
        // The reader has had enough, as `head` has after a few lines.
        return ExitCode::SUCCESS;
    }
    let hint = error
        .downcast_ref::<procmon::Error>()
        .and_then(procmon::Error::hint);
    let hint = hint.map_or_else(String::new, |hint| format!(": {hint}"));
    complain(format_args!("{error:#}{hint}"));
    exit_for(&error).into()
}

/// Shows help, the version, or what is wrong with the arguments.
fn show(message: &clap::Error) -> anyhow::Result<ExitCode> {
    if message.use_stderr() {
        // As everywhere, the status counts if the message cannot be written.
        let _ = message.print();
        return Ok(Exit::Usage.into());
    }
    message.print()?;
    io::stdout().flush()?;
    Ok(ExitCode::SUCCESS)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io_error = error.downcast_ref::<io::Error>();
    io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn exit_for(error: &anyhow::Error) -> Exit {
    match error
        .downcast_ref::<procmon::Error>()
        .map(procmon::Error::kind)
    {
        Some(ErrorKind::NoModule | ErrorKind::NotProcmon) => Exit::NoModule,
        Some(ErrorKind::NoPermission) => Exit::NoPermission,
        _ => Exit::Failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_documented_exit_status() {
        let missing = procmon::Device::options()
            .path("/nonexistent")
            .open()
            .unwrap_err();
        assert_eq!(exit_for(&missing.into()), Exit::NoModule);
        let other = procmon::Device::options()
            .path("/dev/null")
            .open()
            .unwrap_err();
        assert_eq!(exit_for(&other.into()), Exit::NoModule);
        assert_eq!(exit_for(&anyhow::anyhow!("anything else")), Exit::Failure);
        assert_eq!(
            exit_for(&io::Error::from(io::ErrorKind::NotFound).into()),
            Exit::Failure
        );
    }

    #[test]
    fn only_a_broken_pipe_is_a_broken_pipe() {
        assert!(is_broken_pipe(
            &io::Error::from(io::ErrorKind::BrokenPipe).into()
        ));
        assert!(!is_broken_pipe(
            &io::Error::from(io::ErrorKind::StorageFull).into()
        ));
        assert!(!is_broken_pipe(&anyhow::anyhow!("broken pipe")));
    }
}
