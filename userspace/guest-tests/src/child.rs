// SPDX-License-Identifier: GPL-2.0

//! Running parts of a test in another process.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::panic::{self, AssertUnwindSafe};
use std::process;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{
    ForkResult, Gid, Pid, Uid, fork, getuid, pause, pipe2, setgid, setgroups, setuid,
};

use crate::{eventually, procfs};

/// A child process that runs a part of the test.
///
/// It is killed when this is dropped before [`Child::join`].
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    report: File,
    reaped: bool,
}

impl Child {
    /// Runs `body` in a new process, which ends with it. A panic in it is reported by
    /// [`Child::join`].
    ///
    /// # Panics
    ///
    /// If there can be no new process.
    #[must_use]
    pub fn spawn(body: impl FnOnce()) -> Self {
        // SAFETY: The tests run one at a time, so that no other thread holds a lock which the child
        // would miss; glibc takes care of its own.
        Self::spawn_by(|| unsafe { fork() }, body)
    }

    /// The same with an ID for the process, which nobody has now.
    ///
    /// # Panics
    ///
    /// If there can be no new process.
    #[must_use]
    pub fn spawn_with_pid(pid: i32, body: impl FnOnce()) -> Self {
        let fork = || {
            // SAFETY: Zeroes mean that nothing is wanted.
            let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
            arguments.exit_signal = libc::SIGCHLD as u64;
            arguments.set_tid = &raw const pid as u64;
            arguments.set_tid_size = 1;
            // SAFETY: As fork(2). The child has a stack of its own at the same place, and the
            // arguments are valid.
            let result = unsafe {
                libc::syscall(
                    libc::SYS_clone3,
                    &raw const arguments,
                    size_of_val(&arguments),
                )
            };
            Ok(match Errno::result(result)? {
                0 => ForkResult::Child,
                _ => ForkResult::Parent {
                    child: Pid::from_raw(pid),
                },
            })
        };
        Self::spawn_by(fork, body)
    }

    fn spawn_by(fork: impl FnOnce() -> nix::Result<ForkResult>, body: impl FnOnce()) -> Self {
        let (report, to_parent) = pipe2(OFlag::O_CLOEXEC).expect("a pipe can be made");
        match fork().expect("a process can be made") {
            ForkResult::Parent { child } => Self {
                pid: child,
                report: report.into(),
                reaped: false,
            },
            ForkResult::Child => {
                drop(report);
                run(to_parent, body)
            }
        }
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Waits for the end of the process.
    ///
    /// # Panics
    ///
    /// If `body` did, or if the process died otherwise.
    pub fn join(mut self) {
        let mut report = String::new();
        self.report
            .read_to_string(&mut report)
            .expect("the child reports text");
        let status = self.wait();
        assert!(report.is_empty(), "in the child process: {report}");
        assert!(
            matches!(status, WaitStatus::Exited(_, 0)),
            "the child ended with {status:?}"
        );
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// If the process has ended and was waited for.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("the child is there");
    }

    /// Kills the process and waits for its end.
    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.wait();
    }

    fn wait(&mut self) -> WaitStatus {
        loop {
            match waitpid(self.pid, None) {
                Err(Errno::EINTR) => {}
                result => {
                    self.reaped = true;
                    return result.expect("the child is there");
                }
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A child that was waited for elsewhere is gone, which is as good.
        if !self.reaped && kill(self.pid, Signal::SIGKILL).is_ok() {
            let _ = waitpid(self.pid, None);
        }
    }
}

fn run(to_parent: OwnedFd, body: impl FnOnce()) -> ! {
    // The child must not stay behind when the test program is killed.
    prctl::set_pdeathsig(Signal::SIGKILL).expect("the signal is a valid one");
    let to_parent = File::from(to_parent);
    panic::set_hook(Box::new(move |info| {
        // Without a parent to read it there is nobody to tell.
        let _ = write!(&to_parent, "{info}");
    }));
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    // Neither the test harness nor its buffers are the child's business.
    // SAFETY: It is always safe to end.
    unsafe { libc::_exit(i32::from(result.is_err())) }
}

/// Makes a process with a name of its own that sleeps until it is killed.
///
/// # Panics
///
/// If there can be no new process.
#[must_use]
pub fn sleeper(name: &CStr) -> Child {
    sleeper_of(name, getuid())
}

/// Makes such a process that belongs to another user.
///
/// # Panics
///
/// If there can be no new process, or this is not the superuser.
#[must_use]
pub fn sleeper_of(name: &CStr, uid: Uid) -> Child {
    let child = Child::spawn(|| {
        setuid(uid).expect("a process of the superuser can have another user");
        prctl::set_name(name).expect("a process can have a name");
        loop {
            pause();
        }
    });
    eventually("a name", || {
        procfs::stat(child.pid())
            .is_some_and(|stat| stat.comm == name.to_bytes() && stat.state == 'S')
    });
    child
}

/// Makes a process with a name of its own that is always busy.
///
/// # Panics
///
/// If there can be no new process.
#[must_use]
pub fn busy(name: &'static CStr) -> Child {
    Child::spawn(|| {
        prctl::set_name(name).expect("a process can have a name");
        loop {
            std::hint::spin_loop();
        }
    })
}

/// Runs `body` in a new process and waits for its end.
///
/// # Panics
///
/// If `body` did.
pub fn in_child(body: impl FnOnce()) {
    Child::spawn(body).join();
}

/// Runs `body` in a process that has the rights of `nobody` only.
///
/// # Panics
///
/// If `body` did.
pub fn as_nobody(body: impl FnOnce()) {
    in_child(|| {
        drop_privileges();
        body();
    });
}

/// Becomes `nobody`, for good.
///
/// # Panics
///
/// If that is not allowed.
pub fn drop_privileges() {
    setgroups(&[]).expect("root can drop its groups");
    setgid(Gid::from_raw(65534)).expect("root can change its group");
    setuid(Uid::from_raw(65534)).expect("root can change its user");
}

/// Runs `body` as PID 1 of a new PID namespace.
///
/// # Panics
///
/// If `body` did.
pub fn in_pid_namespace(body: impl FnOnce()) {
    in_child(|| {
        unshare(CloneFlags::CLONE_NEWPID).expect("root can make a PID namespace");
        in_child(|| {
            assert_eq!(process::id(), 1, "first process of the namespace");
            body();
        });
    });
}

/// Runs `body` as root of a new user namespace in which nobody else is known.
///
/// # Panics
///
/// If `body` did.
pub fn in_user_namespace(body: impl FnOnce()) {
    in_child(|| {
        drop_privileges();
        unshare(CloneFlags::CLONE_NEWUSER).expect("a user namespace can be made");
        body();
    });
}
