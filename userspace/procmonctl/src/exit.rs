// SPDX-License-Identifier: GPL-2.0-only

//! Exit statuses.

use std::io;
use std::process::ExitCode;

use procmon::ErrorKind;

use crate::config;

/// Exit statuses as the manual lists them.
pub const MANUAL: &str = "  0  success
  1  failure, among them a message that did not fit, a failed test, and
     results of tests that could not be printed
  2  wrong usage, among it a configuration file that cannot be used
  3  no device: the procmon module is not loaded
  4  no permission
  5  no such process: a PID of query, or no match of the filters of ps;
     all that was found is printed nevertheless";

/// Exit statuses other than success.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Exit {
    Failure = 1,
    Usage = 2,
    NoModule = 3,
    NoPermission = 4,
    NoProcess = 5,
}

impl Exit {
    /// Returns the status for an error.
    pub fn of(error: &anyhow::Error) -> Self {
        if error.is::<config::Error>() {
            return Self::Usage;
        }
        match error
            .downcast_ref::<procmon::Error>()
            .map(procmon::Error::kind)
        {
            Some(ErrorKind::NoModule | ErrorKind::NotProcmon) => Self::NoModule,
            Some(ErrorKind::NoPermission) => Self::NoPermission,
            _ => Self::Failure,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Returns whether the reader of standard output is gone.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io_error = error.downcast_ref::<io::Error>();
    io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
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
        assert_eq!(Exit::of(&missing.into()), Exit::NoModule);
        let other = procmon::Device::options()
            .path("/dev/null")
            .open()
            .unwrap_err();
        assert_eq!(Exit::of(&other.into()), Exit::NoModule);
        assert_eq!(Exit::of(&anyhow::anyhow!("anything else")), Exit::Failure);
        assert_eq!(
            Exit::of(&io::Error::from(io::ErrorKind::NotFound).into()),
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
