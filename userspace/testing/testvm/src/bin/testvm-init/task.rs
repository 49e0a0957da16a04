// SPDX-License-Identifier: GPL-2.0-only

//! Running the task and passing on its output.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2, setsid};
use testvm::protocol::{
    Job, Outcome, Report, STDERR_PORT, STDIN_PORT, STDOUT_PORT, Size, TERMINAL_PATH, Task,
};
use testvm::pump::{Pump, wait};

use crate::host::Host;
use crate::ports;

/// The time for processes that the shell left behind to close their output.
const GRACE: Duration = Duration::from_millis(500);

const PATH: &str = "/bin:/sbin:/usr/bin:/usr/sbin";

nix::ioctl_write_ptr_bad!(set_window_size, libc::TIOCSWINSZ, libc::winsize);

/// Runs the shell of a job to its end.
pub fn run(job: &Job, host: &mut Host, report: &mut Report) -> Result<()> {
    let mut shell = Command::new("/bin/sh");
    shell
        .env_clear()
        .envs([("PATH", PATH), ("HOME", "/root"), ("USER", "root")])
        .envs(job.environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/root");
    match &job.task {
        Task::Probe => return Ok(()),
        Task::Command(command) => {
            shell.arg("-c").arg(command).stdin(Stdio::null());
        }
        Task::Script => {
            shell.arg("-s").stdin(ports::open(STDIN_PORT)?);
        }
        Task::Terminal {
            size,
            kind,
            command,
        } => {
            match command {
                Some(command) => shell.arg("-c").arg(command),
                None => shell.arg("-i"),
            };
            shell.envs([("TERM", kind.as_str()), ("PS1", "guest:\\w\\$ ")]);
            shell.env("LANG", "C.UTF-8");
            return run_on_terminal(shell, *size, host, report);
        }
    }
    run_on_ports(shell, report)
}

fn run_on_terminal(
    mut shell: Command,
    size: Size,
    host: &mut Host,
    report: &mut Report,
) -> Result<()> {
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(TERMINAL_PATH)
        .with_context(|| format!("cannot open {TERMINAL_PATH}"))?;
    let mut window = Window { terminal, host };
    window.resize(size)?;
    let copy = || {
        let terminal = window.terminal.try_clone();
        terminal.context("cannot duplicate the terminal")
    };
    shell.stdin(copy()?).stdout(copy()?).stderr(copy()?);
    report.outcome = attend(shell, Some(&mut window), &mut [])?;
    Ok(())
}

/// A terminal that has the size of the host's.
struct Window<'a> {
    terminal: File,
    host: &'a mut Host,
}

impl Window<'_> {
    fn resize(&self, size: Size) -> Result<()> {
        // SAFETY: The call reads a winsize.
        unsafe { set_window_size(self.terminal.as_raw_fd(), &size.winsize()) }
            .context("cannot set the size of the terminal")?;
        Ok(())
    }

    /// Applies a new size, which the host has sent.
    fn follow(&mut self) -> Result<()> {
        match self.host.size().context("cannot read from the host")? {
            Some(size) => self.resize(size),
            None => Ok(()),
        }
    }
}

fn run_on_ports(mut shell: Command, report: &mut Report) -> Result<()> {
    let (stdout_port, stderr_port) = (open_output(STDOUT_PORT)?, open_output(STDERR_PORT)?);
    let (stdout, stdout_writer) = pipe2(OFlag::O_CLOEXEC).context("cannot make a pipe")?;
    let (stderr, stderr_writer) = pipe2(OFlag::O_CLOEXEC).context("cannot make a pipe")?;
    shell.stdout(stdout_writer).stderr(stderr_writer);
    let mut pumps = [
        Pump::new(stdout, stdout_port),
        Pump::new(stderr, stderr_port),
    ];
    report.outcome = attend(shell, None, &mut pumps)?;
    [report.stdout, report.stderr] = pumps.map(|pump| pump.sent());
    Ok(())
}

/// Opens a port for writes that never wait: during a wait, the kernel keeps a CPU spinning with
/// interrupts off, until the host reads.
fn open_output(name: &str) -> Result<File> {
    let port = ports::open(name)?;
    fcntl(&port, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
        .with_context(|| format!("cannot set up port {name}"))?;
    Ok(port)
}

/// Starts the shell, in a session of its own, and runs the pumps until it has ended and all its
/// output is passed on. Reaps orphans, too.
fn attend(
    mut shell: Command,
    mut window: Option<&mut Window>,
    pumps: &mut [Pump],
) -> Result<Outcome> {
    let on_terminal = window.is_some();
    // Blocked before the first child exists, so that no end of one is missed.
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_block().context("cannot block SIGCHLD")?;
    let deaths = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .context("cannot make a signalfd")?;

    // The shell gets the signals of its own children.
    let prepare = move || {
        SigSet::empty().thread_set_mask()?;
        lead_session(on_terminal)
    };
    // SAFETY: Only makes system calls between fork and exec.
    unsafe { shell.pre_exec(prepare) };
    let child = shell.spawn().context("cannot start /bin/sh")?;
    // The shell's ends of the pipes must not stay open here.
    drop(shell);

    let outcome = loop {
        step(&deaths, window.as_deref_mut(), pumps, None)?;
        if let Some(outcome) = reap(&deaths, Pid::from_raw(child.id() as i32))? {
            break outcome;
        }
    };
    // All output of the shell, and of the commands that it waited for, is in the pipes by now.
    // Output of background processes is taken for a while.
    let owed: Vec<u64> = pumps
        .iter()
        .map(|pump| pump.sent() + pump.backlog())
        .collect();
    let deadline = Instant::now() + GRACE;
    while !pumps.iter().all(Pump::is_done) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero()
            && pumps
                .iter()
                .zip(&owed)
                .all(|(pump, &owed)| pump.sent() >= owed)
        {
            break;
        }
        step(&deaths, None, pumps, Some(left))?;
        reap(&deaths, Pid::from_raw(0))?;
    }
    Ok(outcome)
}

fn lead_session(on_terminal: bool) -> io::Result<()> {
    setsid()?;
    // SAFETY: The call takes an integer.
    if on_terminal && unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Waits for an event, and handles those of the window and of the pumps.
fn step(
    deaths: &SignalFd,
    window: Option<&mut Window>,
    pumps: &mut [Pump],
    timeout: Option<Duration>,
) -> Result<()> {
    let mut fds = vec![Some(PollFd::new(deaths.as_fd(), PollFlags::POLLIN))];
    let host = window.as_ref().map(|window| window.host.as_fd());
    fds.push(host.map(|host| PollFd::new(host, PollFlags::POLLIN)));
    fds.extend(pumps.iter().map(Pump::poll_fd));
    let ready = wait(&fds, timeout).context("cannot poll")?;
    if let Some(window) = window.filter(|_| ready[1]) {
        window.follow()?;
    }
    for (pump, _) in pumps
        .iter_mut()
        .zip(&ready[2..])
        .filter(|&(_, &ready)| ready)
    {
        pump.step().context("cannot pass on output")?;
    }
    Ok(())
}

/// Reaps all dead children. Returns the outcome of the given one if it is among them.
fn reap(deaths: &SignalFd, wanted: Pid) -> Result<Option<Outcome>> {
    if deaths
        .read_signal()
        .context("cannot read a signal")?
        .is_none()
    {
        return Ok(None);
    }
    let mut outcome = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == wanted => {
                outcome = Some(Outcome::Exited(status));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == wanted => {
                outcome = Some(Outcome::Signaled(signal as i32));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(outcome),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait for children"),
        }
    }
}
