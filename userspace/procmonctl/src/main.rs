// SPDX-License-Identifier: GPL-2.0

//! Command for `/dev/procmon`, the process monitor in the Linux kernel.

mod cli;
mod commands;
mod history;
mod output;
mod processes;
mod ps;
mod selftest;
mod top;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use procmon::ErrorKind;

use crate::cli::Cli;

/// Exit statuses other than success, and than 2, with which clap ends on wrong usage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
enum Exit {
    Failure = 1,
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
    let error = match commands::run(Cli::parse()) {
        Ok(code) => return code,
        Err(error) => error,
    };
    if is_broken_pipe(&error) {
        // Whoever read our output has had enough of it, as `head` does.
        return ExitCode::SUCCESS;
    }
    // Unlike eprintln!, this does not panic when nothing can be written there.
    let _ = writeln!(io::stderr(), "procmonctl: {error:#}");
    exit_for(&error).into()
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
        Some(ErrorKind::NoModule) => Exit::NoModule,
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
