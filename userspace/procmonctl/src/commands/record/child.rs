// SPDX-License-Identifier: GPL-2.0-only

//! The command that is recorded.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, Uid};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};

use super::start;
use super::stop::Stop;

/// This program, whatever its file is called by now.
const SELF: &str = "/proc/self/exe";

/// The time after which signals are looked for.
const ROUND: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// A process that runs the command, killed by the drop if it has not begun.
pub struct Child {
    process: std::process::Child,
    has_begun: bool,
}

impl Child {
    /// Starts the process, which waits for [`go_on`](Self::go_on).
    pub fn start(command: &[OsString], user: Option<&str>) -> anyhow::Result<Self> {
        let mut starter = Command::new(SELF);
        starter.arg(start::NAME);
        let caller = env::var("SUDO_UID")
            .ok()
            .filter(|_| Uid::effective().is_root());
        if let Some(user) = user
            .map(str::to_owned)
            .or(caller.map(|uid| format!("+{uid}")))
        {
            starter.arg("--run-as").arg(user);
        }
        let process = starter.arg("--").args(command).spawn();
        let mut child = Self {
            process: process.context("cannot start a process")?,
            has_begun: false,
        };
        loop {
            // The process stops at once, or ends. It does neither only if another one stops it, as
            // nothing it does can wait for others but the names of users, which have their own
            // bound.
            match waitpid(child.nix_pid(), Some(WaitPidFlag::WUNTRACED))? {
                WaitStatus::Stopped(..) => return Ok(child),
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                    child.has_begun = true;
                    bail!("the command was not run");
                }
                _ => {}
            }
        }
    }

    pub fn pid(&self) -> i32 {
        self.nix_pid().as_raw()
    }

    fn nix_pid(&self) -> Pid {
        Pid::from_raw(self.process.id().cast_signed())
    }

    /// Has the command run.
    pub fn go_on(&mut self) -> anyhow::Result<()> {
        self.has_begun = true;
        Ok(kill(self.nix_pid(), Signal::SIGCONT)?)
    }

    /// Passes a signal on.
    pub fn signal(&self, signal: Signal) {
        // The process is not waited for yet, so that the PID is its own. It may have ended.
        let _ = kill(self.nix_pid(), signal);
    }

    /// Returns whether the command has ended.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.process.try_wait()?.is_some())
    }

    /// Waits for the end of the command, and passes signals on to it until then.
    pub fn wait(mut self, stop: &Stop) -> anyhow::Result<ExitStatus> {
        while !self.has_ended()? {
            stop.pass_on(&self);
            self.wait_for_a_round()?;
        }
        Ok(self.process.wait()?)
    }

    /// Waits for the end of the command, for a signal, or for [`ROUND`], as a signal may come right
    /// before the wait.
    fn wait_for_a_round(&self) -> io::Result<()> {
        // One that is not reaped has a descriptor, even if it has ended.
        let process = pidfd_open(
            rustix::process::Pid::from_child(&self.process),
            PidfdFlags::empty(),
        )?;
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&ROUND)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.has_begun {
            // Neither fails for a child that is not waited for.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Returns the exit status by which a shell tells of the end of a command.
pub fn exit_code(status: ExitStatus) -> u8 {
    let code = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    };
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_a_shell() {
        for (raw, code) in [(0, 0), (3 << 8, 3), (255 << 8, 255), (9, 137), (15, 143)] {
            assert_eq!(exit_code(ExitStatus::from_raw(raw)), code, "{raw}");
        }
    }
}
