// SPDX-License-Identifier: GPL-2.0

//! A session with QEMU: passing data on, collecting the logs, watching the clock.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::{self, Pid};
use testvm::protocol::{ACKNOWLEDGMENT, END_OF_LOG, Report};
use testvm::pump::{Pump, wait};

use crate::terminal;

/// The time for reading the last output of a dead machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// The reason for the end of a run.
#[derive(Debug, PartialEq)]
pub enum End {
    /// QEMU exited.
    Exited(ExitStatus),
    /// The time was up.
    TimedOut,
    /// This signal told us to stop.
    Interrupted(i32),
    /// Our output was closed.
    OutputClosed,
}

/// The facts about a run.
#[derive(Debug)]
pub struct Run {
    pub end: End,
    pub report: Option<Report>,
    /// Whether all output of the command and the kernel log up to its end arrived.
    pub complete: bool,
    /// The kernel log.
    pub log: Vec<u8>,
    /// QEMU's messages.
    pub complaints: String,
}

/// Directs signals to a descriptor: those that end us, that of QEMU's end, and that of a new size
/// of the terminal.
pub fn catch_signals() -> Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGWINCH,
    ] {
        mask.add(signal);
    }
    mask.thread_block().context("cannot block signals")?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .context("cannot make a signalfd")
}

/// QEMU at work.
pub struct Session {
    pub child: Child,
    pub signals: SignalFd,
    pub console: Collector,
    pub complaints: Collector,
    pub report: Collector,
    /// The first two are the command's stdout and stderr.
    pub outputs: Vec<Pump>,
    pub input: Option<Pump>,
    /// Whether the guest has our terminal.
    pub has_terminal: bool,
}

impl Session {
    /// Serves QEMU until it is gone.
    pub fn attend(mut self, timeout: Option<Duration>) -> Result<Run> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut report = None;
        let mut complete = false;
        let end = loop {
            if let Some(status) = self.child.try_wait().context("cannot wait for QEMU")? {
                break End::Exited(status);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break End::TimedOut;
            }
            if let Some(end) = self.step(left)? {
                break end;
            }
            if report.is_none() {
                report = self.parse_report()?;
            }
            if !complete && report.as_ref().is_some_and(|report| self.has_all(report)) {
                complete = true;
                // If that fails, the machine just died, which the next round will notice.
                let _ = unistd::write(&self.report.source, ACKNOWLEDGMENT);
            }
        };
        self.clean_up()?;
        Ok(Run {
            end,
            report,
            complete,
            log: mem::take(&mut self.console.data),
            complaints: String::from_utf8_lossy(&self.complaints.data).into_owned(),
        })
    }

    /// Waits for an event and handles it. Returns the reason if that ends the run.
    fn step(&mut self, timeout: Option<Duration>) -> Result<Option<End>> {
        let mut fds = vec![Some(PollFd::new(self.signals.as_fd(), PollFlags::POLLIN))];
        fds.push(self.input.as_ref().and_then(Pump::poll_fd));
        fds.extend(self.outputs.iter().map(Pump::poll_fd));
        fds.extend(self.collectors().map(Collector::poll_fd));
        let ready = wait(&fds, timeout).context("cannot poll")?;
        let mut ready = ready.into_iter();

        if ready.next() == Some(true) {
            match self.signals.read_signal().context("cannot read a signal")? {
                // The caller checks whether QEMU has ended.
                Some(signal) if signal.ssi_signo == Signal::SIGCHLD as u32 => {}
                Some(signal) if signal.ssi_signo == Signal::SIGWINCH as u32 => self.pass_size(),
                Some(signal) => return Ok(Some(End::Interrupted(signal.ssi_signo as i32))),
                None => {}
            }
        }
        if ready.next() == Some(true) {
            self.pass_input();
        }
        for (pump, _) in self
            .outputs
            .iter_mut()
            .zip(&mut ready)
            .filter(|&(_, ready)| ready)
        {
            match pump.step() {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(Some(End::OutputClosed));
                }
                result => result.context("cannot pass on output")?,
            }
        }
        for (collector, _) in self
            .collectors_mut()
            .into_iter()
            .zip(ready)
            .filter(|&(_, ready)| ready)
        {
            collector.collect()?;
        }
        Ok(None)
    }

    fn collectors(&self) -> impl Iterator<Item = &Collector> {
        [&self.console, &self.complaints, &self.report].into_iter()
    }

    fn collectors_mut(&mut self) -> [&mut Collector; 3] {
        [&mut self.console, &mut self.complaints, &mut self.report]
    }

    /// Passes on our stdin, and its end as well.
    fn pass_input(&mut self) {
        let Some(pump) = &mut self.input else { return };
        if pump.step().is_err() {
            // The terminal or the guest is gone, which is noticed elsewhere.
            self.input = None;
        } else if pump.is_done() {
            let _ = shutdown(pump.sink().as_raw_fd(), Shutdown::Write);
        }
    }

    /// Passes on the size of our terminal, if the guest has it. A guest that is about to end, or
    /// reads nothing, does not need it.
    fn pass_size(&self) {
        if self.has_terminal
            && let Ok(size) = terminal::size()
            && let Ok(mut line) = serde_json::to_vec(&size)
        {
            line.push(b'\n');
            let _ = unistd::write(&self.report.source, &line);
        }
    }

    fn parse_report(&self) -> Result<Option<Report>> {
        let Some(end) = self.report.data.iter().position(|&byte| byte == b'\n') else {
            return Ok(None);
        };
        serde_json::from_slice(&self.report.data[..end]).context("the guest's report is broken")
    }

    fn has_all(&self, report: &Report) -> bool {
        self.outputs[0].sent() == report.stdout
            && self.outputs[1].sent() == report.stderr
            && self.console.contains(END_OF_LOG)
    }

    /// Stops QEMU if it still runs, waits until it is gone, and reads the rest from the sockets.
    fn clean_up(&mut self) -> Result<()> {
        self.stop();
        self.input = None;
        let deadline = Instant::now() + PATIENCE;
        // A socket is closed when the last process of QEMU is gone.
        while self.collectors().any(|collector| collector.is_open)
            || !self.outputs.iter().all(Pump::is_done)
        {
            let left = deadline.saturating_duration_since(Instant::now());
            // Neither output that is not read nor another signal may delay the end.
            if left.is_zero() || self.step(Some(left))?.is_some() {
                self.outputs.clear();
                if !self.console.is_open || left.is_zero() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        // QEMU and the processes that run it are a process group. Until the first of them is
        // reaped, the number belongs to no other group.
        if let (Ok(None), Ok(group)) = (self.child.try_wait(), self.child.id().try_into()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Collects all text from a file, with the line ends of Unix.
pub struct Collector {
    source: OwnedFd,
    is_open: bool,
    data: Vec<u8>,
    /// Another file that the data is written to.
    copy: Option<File>,
}

impl Collector {
    pub fn new(source: OwnedFd, copy: Option<File>) -> Self {
        Collector {
            source,
            is_open: true,
            data: Vec::new(),
            copy,
        }
    }

    fn poll_fd(&self) -> Option<PollFd<'_>> {
        self.is_open
            .then(|| PollFd::new(self.source.as_fd(), PollFlags::POLLIN))
    }

    fn collect(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        match unistd::read(&self.source, &mut buffer) {
            Ok(0) | Err(Errno::ECONNRESET) => self.is_open = false,
            Ok(length) => {
                let text: Vec<u8> = buffer[..length]
                    .iter()
                    .copied()
                    .filter(|&byte| byte != b'\r')
                    .collect();
                if let Some(copy) = &mut self.copy {
                    copy.write_all(&text)
                        .context("cannot write the kernel log")?;
                }
                self.data.extend(text);
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot read from QEMU"),
        }
        Ok(())
    }

    fn contains(&self, text: &str) -> bool {
        self.data
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    }
}
