// SPDX-License-Identifier: GPL-2.0-only

//! Signals and nice values, for the process that was shown and for no other one.
//!
//! An ID is reused after the end of its process, so it does not say which process was meant. The
//! start does: it is compared after a descriptor was opened that never stands for another process.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use nix::sys::signal::Signal;
use procmon::BootTime;
use procmon::proc::Stat;
use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, getpriority_process, pidfd_open, pidfd_send_signal, setpriority_process,
};

use crate::table::proc_files::ticks;

/// The range of nice values.
const LOWEST: i32 = -20;
const HIGHEST: i32 = 19;

/// A process or thread, as it was shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    pub pid: i32,
    /// ID of the process that a thread belongs to.
    pub tgid: i32,
    pub start: BootTime,
    pub is_kernel_thread: bool,
    /// Name and ID, for messages.
    pub label: String,
}

/// The reason for which nothing was done to a target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The process has ended, and its ID may be that of another one.
    Ended,
    KernelThread,
    /// Its nice value may not become lower.
    LowerNice,
    Other(Errno),
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        match error {
            Errno::SRCH | Errno::NOENT => Self::Ended,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("it has ended"),
            Self::KernelThread => f.write_str("kernel threads are left alone"),
            Self::LowerNice => {
                f.write_str("a lower nice value takes the right CAP_SYS_NICE, or RLIMIT_NICE")
            }
            Self::Other(Errno::PERM | Errno::ACCESS) => f.write_str("permission denied"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

/// The executor of what the user wants done to processes. Tests have one that does nothing.
pub trait Actor {
    /// Sends a signal to the process of a target.
    fn signal(&self, target: &Target, signal: Signal) -> Result<(), Refusal>;

    /// Adds to the nice value of a target, within its range, and returns the new one.
    fn renice(&self, target: &Target, by: i32) -> Result<i32, Refusal>;
}

/// The kernel.
pub struct Kernel;

impl Actor for Kernel {
    fn signal(&self, target: &Target, signal: Signal) -> Result<(), Refusal> {
        let signal = rustix::process::Signal::from_named_raw(signal as i32).ok_or(Errno::INVAL)?;
        let process = pidfd_open(pid(target.tgid)?, PidfdFlags::empty())?;
        // The target was there before the descriptor was opened. If it still is, the descriptor is
        // that of its process.
        Task::open(target)?;
        Ok(pidfd_send_signal(process, signal)?)
    }

    /// setpriority(2) takes a number only. That the target is still there afterwards proves that
    /// the number was its own during the call. One that ends in between is reported as ended; for
    /// another process to be hit, it would have to be reaped, and all other IDs be given away, in
    /// the time between two system calls.
    fn renice(&self, target: &Target, by: i32) -> Result<i32, Refusal> {
        let pid = Some(pid(target.pid)?);
        let nice = (getpriority_process(pid)? + by).clamp(LOWEST, HIGHEST);
        let task = Task::open(target)?;
        setpriority_process(pid, nice).map_err(|error| match error {
            Errno::ACCESS => Refusal::LowerNice,
            other => other.into(),
        })?;
        task.verify(target)?;
        Ok(nice)
    }
}

/// Returns an ID that is not the 0 by which system calls mean their caller.
fn pid(raw: i32) -> Result<Pid, Refusal> {
    let positive = Some(raw).filter(|raw| *raw > 0);
    positive.and_then(Pid::from_raw).ok_or(Refusal::Ended)
}

/// The directory of a task in `/proc`, which is never that of another one.
struct Task(OwnedFd);

impl Task {
    /// Opens the directory of a target, if it is still there.
    fn open(target: &Target) -> Result<Self, Refusal> {
        let path = format!("/proc/{}/task/{}", target.tgid, target.pid);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let task = Self(open(path, flags, Mode::empty())?);
        task.verify(target)?;
        Ok(task)
    }

    /// Verifies that this is the target, and that it was not reaped.
    fn verify(&self, target: &Target) -> Result<(), Refusal> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mut stat = Vec::new();
        File::from(openat(&self.0, "stat", flags, Mode::empty())?)
            .read_to_end(&mut stat)
            .map_err(errno)?;
        if Stat::parse(&stat).is_some_and(|stat| stat.start == ticks(target.start)) {
            Ok(())
        } else {
            Err(Refusal::Ended)
        }
    }
}

fn errno(error: io::Error) -> Refusal {
    Errno::from_io_error(&error).unwrap_or(Errno::IO).into()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::time::Duration;

    use rustix::param::clock_ticks_per_second;

    use super::*;

    /// A child that sleeps until the drop.
    struct Sleeper(Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            // One that has been reaped gets no signal.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Starts a sleeper, as a target by what `/proc` tells of it.
    fn sleeper() -> (Sleeper, Target) {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap();
        let ticks = Stat::parse(&stat).unwrap().start;
        // In the middle of the tick.
        let tick = 1_000_000_000 / clock_ticks_per_second();
        let target = Target {
            pid,
            tgid: pid,
            start: BootTime::from_nanos(ticks * tick + tick / 2),
            is_kernel_thread: false,
            label: format!("sleep ({pid})"),
        };
        (Sleeper(child), target)
    }

    #[test]
    fn the_process_that_was_shown_gets_the_signal() {
        use std::os::unix::process::ExitStatusExt;

        let (mut sleeper, target) = sleeper();
        assert_eq!(Kernel.signal(&target, Signal::SIGTERM), Ok(()));
        assert_eq!(sleeper.0.wait().unwrap().signal(), Some(libc::SIGTERM));
        for result in [
            Kernel.signal(&target, Signal::SIGTERM),
            Kernel.renice(&target, 1).map(drop),
        ] {
            assert_eq!(result, Err(Refusal::Ended));
        }
    }

    /// Another process with the same ID, which started at another time.
    #[test]
    fn another_process_is_left_alone() {
        let (mut sleeper, mut target) = sleeper();
        let start = target.start.since_boot();
        let tick = Duration::from_secs(1) / u32::try_from(clock_ticks_per_second()).unwrap();
        for other in [start - tick, start + tick, Duration::ZERO] {
            target.start = BootTime::from(other);
            let result = Kernel.signal(&target, Signal::SIGKILL);
            assert_eq!(result, Err(Refusal::Ended), "{other:?}");
            assert_eq!(Kernel.renice(&target, 1), Err(Refusal::Ended), "{other:?}");
        }
        assert_eq!(sleeper.0.try_wait().unwrap(), None);
        target.start = BootTime::from(start);
        let own = getpriority_process(None).unwrap();
        assert_eq!(Kernel.renice(&target, 3), Ok((own + 3).min(HIGHEST)));
        assert_eq!(Kernel.renice(&target, 100), Ok(HIGHEST));
    }

    /// An ID of 0 or below would be a request for something else.
    #[test]
    fn no_id_stands_for_others() {
        let (_sleeper, target) = sleeper();
        for pid in [0, -1, i32::MIN] {
            let none = Target {
                pid,
                tgid: pid,
                ..target.clone()
            };
            assert_eq!(Kernel.signal(&none, Signal::SIGKILL), Err(Refusal::Ended));
            assert_eq!(Kernel.renice(&none, 1), Err(Refusal::Ended));
        }
    }
}
