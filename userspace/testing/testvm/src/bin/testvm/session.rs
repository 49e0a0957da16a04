// SPDX-License-Identifier: GPL-2.0-only

//! A session with QEMU: passing data on, collecting the logs, watching the clock.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::{self, Pid};
use testvm::protocol::{self, ACKNOWLEDGMENT, END_OF_LOG, ENTROPY_SIZE, Message, Report, Start};
use testvm::pump::{Pump, wait};

use crate::monitor;
use crate::terminal;

/// The time for reading the last output of a dead machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// The limit for saving a guest, and for a saved one to start, which take a fraction of a second.
const SAVING_TIME: Duration = Duration::from_secs(60);

const BROKEN: &str = "the guest's report is broken";

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

/// The outcome of an attempt to save a guest.
pub enum Saving<T> {
    Saved(T),
    /// The guest cannot be saved, but may boot.
    Failed,
    /// The run came to an end before that.
    Ended(Run),
}

/// QEMU at work.
pub struct Session {
    pub child: Child,
    pub signals: SignalFd,
    pub console: Collector,
    pub complaints: Collector,
    pub report: Collector,
    pub monitor: Collector,
    /// The first two are the command's stdout and stderr.
    pub outputs: Vec<Pump>,
    pub input: Option<Pump>,
    /// The port for the guest's files.
    pub files: OwnedFd,
    /// The files on their way.
    pub delivery: Option<Pump>,
    /// Whether the guest has our terminal.
    pub has_terminal: bool,
    /// Whether the guest has begun with this run.
    pub is_started: bool,
    /// Our ends of sockets without a use.
    #[expect(dead_code, reason = "they must not close")]
    pub unused: Vec<OwnedFd>,
}

impl Session {
    /// Boots the guest, and serves it to its end.
    pub fn boot(mut self, files: OwnedFd, deadline: Option<Instant>) -> Result<Run> {
        match self.serve_until(deadline, Self::message)? {
            Ok(Message::Ready) => {
                self.start(files)?;
                self.attend(deadline)
            }
            // The guest could not be set up.
            Ok(Message::Ended(report)) => self.finish(deadline, report),
            Ok(Message::Started) => bail!(BROKEN),
            Err(end) => self.end(end, None, false),
        }
    }

    /// Boots the guest, and saves it when it is ready. The log is the outcome.
    pub fn save(mut self, stream: &str, deadline: Option<Instant>) -> Result<Saving<Vec<u8>>> {
        self.monitor.send(monitor::PREPARATION);
        let end = match self.serve_until(deadline, Self::message)? {
            Ok(Message::Ready) => {
                self.monitor.send(&monitor::save(stream));
                let soon = earlier(deadline);
                match self.serve_until(soon, |session| monitor::outcome(&session.monitor.data))? {
                    Ok(true) => {
                        self.clean_up()?;
                        return Ok(Saving::Saved(mem::take(&mut self.console.data)));
                    }
                    Err(End::TimedOut) if soon != deadline => return Ok(Saving::Failed),
                    Ok(false) | Err(End::Exited(_)) => return Ok(Saving::Failed),
                    Err(end) => end,
                }
            }
            Ok(_) => return Ok(Saving::Failed),
            // QEMU refuses these arguments, or all.
            Err(End::Exited(_)) if self.console.data.is_empty() => return Ok(Saving::Failed),
            Err(end) => end,
        };
        Ok(Saving::Ended(self.end(end, None, false)?))
    }

    /// Restores a guest, and serves it to its end. Returns None if the guest does not start.
    pub fn restore(
        mut self,
        stream: &str,
        files: OwnedFd,
        deadline: Option<Instant>,
    ) -> Result<Option<Run>> {
        self.monitor.send(monitor::PREPARATION);
        self.monitor.send(&monitor::restore(stream));
        self.start(files)?;
        let soon = earlier(deadline);
        match self.serve_until(soon, Self::message)? {
            Ok(Message::Started) => self.attend(deadline).map(Some),
            Err(End::TimedOut) if soon != deadline => Ok(None),
            Ok(_) | Err(End::Exited(_)) => Ok(None),
            Err(end) => self.end(end, None, false).map(Some),
        }
    }

    /// Sends all that is particular to this run.
    fn start(&mut self, files: OwnedFd) -> Result<()> {
        let mut entropy = [0; ENTROPY_SIZE];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut entropy))
            .context("cannot get random bytes")?;
        let time = SystemTime::now().duration_since(UNIX_EPOCH)?;
        self.report.send(&protocol::line(&Start { time, entropy })?);
        self.delivery = Some(Pump::new(files, self.files.try_clone()?));
        Ok(())
    }

    /// Serves a guest that was started to its end.
    fn attend(mut self, deadline: Option<Instant>) -> Result<Run> {
        let end = loop {
            match self.serve_until(deadline, Self::message)? {
                Ok(Message::Ended(report)) => return self.finish(deadline, report),
                // After a boot.
                Ok(Message::Started) => {}
                Ok(Message::Ready) => bail!(BROKEN),
                Err(end) => break end,
            }
        };
        self.end(end, None, false)
    }

    /// Serves a guest that has ended its job, until QEMU is gone.
    fn finish(mut self, deadline: Option<Instant>, report: Report) -> Result<Run> {
        let has_all = |session: &mut Self| Ok(session.has_all(&report).then_some(()));
        if let Err(end) = self.serve_until(deadline, has_all)? {
            return self.end(end, Some(report), false);
        }
        self.report.send(ACKNOWLEDGMENT);
        let Err(end) = self.serve_until::<Infallible>(deadline, |_| Ok(None))?;
        self.end(end, Some(report), true)
    }

    /// Serves QEMU until `look` finds something. An error is the end of the run.
    fn serve_until<T>(
        &mut self,
        deadline: Option<Instant>,
        mut look: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<Result<T, End>> {
        loop {
            if let Some(found) = look(self)? {
                return Ok(Ok(found));
            }
            if let Some(status) = self.child.try_wait().context("cannot wait for QEMU")? {
                return Ok(Err(End::Exited(status)));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(Err(End::TimedOut));
            }
            if let Some(end) = self.step(left)? {
                return Ok(Err(end));
            }
        }
    }

    fn end(mut self, end: End, report: Option<Report>, complete: bool) -> Result<Run> {
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
        // Not before the start, as input would be lost with a saved guest that does not start.
        let input = self.input.as_ref().filter(|_| self.is_started);
        fds.push(input.and_then(Pump::poll_fd));
        fds.push(self.delivery.as_ref().and_then(Pump::poll_fd));
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
        if ready.next() == Some(true)
            && let Some(pump) = &mut self.delivery
            && (pump.step().is_err() || pump.is_done())
        {
            // A machine that is gone is noticed elsewhere.
            self.delivery = None;
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
        [&self.console, &self.complaints, &self.report, &self.monitor].into_iter()
    }

    fn collectors_mut(&mut self) -> [&mut Collector; 4] {
        [
            &mut self.console,
            &mut self.complaints,
            &mut self.report,
            &mut self.monitor,
        ]
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

    /// Passes on the size of our terminal, if the guest has it. Before its start the guest expects
    /// something else, and a guest that is about to end, or reads nothing, does not need it.
    fn pass_size(&self) {
        if self.has_terminal
            && self.is_started
            && let Ok(size) = terminal::size()
            && let Ok(line) = protocol::line(&size)
        {
            self.report.send(&line);
        }
    }

    /// Takes the next message of the guest, if it is there.
    fn message(&mut self) -> Result<Option<Message>> {
        let data = &mut self.report.data;
        let Some(end) = data.iter().position(|&byte| byte == b'\n') else {
            return Ok(None);
        };
        let line: Vec<u8> = data.drain(..=end).collect();
        let message = serde_json::from_slice(&line).context(BROKEN)?;
        if message == Message::Started {
            self.is_started = true;
            // It may have changed before.
            self.pass_size();
        }
        Ok(Some(message))
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
        self.delivery = None;
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

/// Returns the deadline for saving or restoring a guest in a run.
fn earlier(deadline: Option<Instant>) -> Option<Instant> {
    let soon = Instant::now() + SAVING_TIME;
    Some(deadline.map_or(soon, |deadline| deadline.min(soon)))
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
    /// Begins with data that was collected before.
    pub fn new(source: OwnedFd, data: Vec<u8>, copy: Option<File>) -> Result<Self> {
        let mut collector = Collector {
            source,
            is_open: true,
            data: Vec::new(),
            copy,
        };
        collector.add(data)?;
        Ok(collector)
    }

    /// Sends a short text to the other end. If that fails, the machine just died, which is noticed
    /// elsewhere.
    fn send(&self, text: &[u8]) {
        let _ = unistd::write(&self.source, text);
    }

    fn add(&mut self, text: Vec<u8>) -> Result<()> {
        if let Some(copy) = &mut self.copy {
            copy.write_all(&text)
                .context("cannot write the kernel log")?;
        }
        self.data.extend(text);
        Ok(())
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
                self.add(text)?;
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
