// SPDX-License-Identifier: GPL-2.0-only

//! Copying from one file to another inside a `poll` loop.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd;

/// Waits until one of `fds` is ready, for at most `timeout`. Returns for each whether it is. None
/// stands for a file that is not waited for.
pub fn wait(fds: &[Option<PollFd>], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let timeout = match timeout {
        // Rounded up, lest the last millisecond is spent in a busy loop.
        Some(time) => {
            PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        }
        None => PollTimeout::NONE,
    };
    let mut polled: Vec<PollFd> = fds.iter().flatten().cloned().collect();
    match poll(&mut polled, timeout) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(vec![false; fds.len()]),
        Err(error) => return Err(error.into()),
    }
    let mut polled = polled.iter();
    let mut is_ready = || polled.next().is_some_and(|fd| fd.any() != Some(false));
    Ok(fds.iter().map(|fd| fd.is_some() && is_ready()).collect())
}

/// The size of the largest write: a pipe that polls as writable takes it, so that the loop never
/// blocks in a write.
const CHUNK: usize = libc::PIPE_BUF;

/// Copies bytes in order and without loss, one chunk at a time.
///
/// The source may block on reads: it is only read when it polls as readable.
pub struct Pump {
    source: Option<OwnedFd>,
    sink: OwnedFd,
    buffer: [u8; CHUNK],
    /// The part of `buffer` that waits to be written.
    pending: Range<usize>,
    sent: u64,
}

impl Pump {
    pub fn new(source: impl Into<OwnedFd>, sink: impl Into<OwnedFd>) -> Self {
        let source = Some(source.into());
        Pump {
            source,
            sink: sink.into(),
            buffer: [0; CHUNK],
            pending: 0..0,
            sent: 0,
        }
    }

    pub fn sink(&self) -> &OwnedFd {
        &self.sink
    }

    /// Whether the end of the source was reached and everything before it was written.
    pub fn is_done(&self) -> bool {
        self.source.is_none() && self.pending.is_empty()
    }

    /// Returns the number of bytes that were written.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns the number of bytes that were read but not written yet, or can be read at once.
    pub fn backlog(&self) -> u64 {
        let mut readable: libc::c_int = 0;
        if let Some(source) = &self.source {
            // SAFETY: FIONREAD writes one int.
            unsafe { libc::ioctl(source.as_raw_fd(), libc::FIONREAD, &mut readable) };
        }
        self.pending.len() as u64 + u64::try_from(readable).unwrap_or(0)
    }

    /// Returns the next event to poll for. None when done.
    pub fn poll_fd(&self) -> Option<PollFd<'_>> {
        if !self.pending.is_empty() {
            Some(PollFd::new(self.sink.as_fd(), PollFlags::POLLOUT))
        } else {
            let source = self.source.as_ref()?;
            Some(PollFd::new(source.as_fd(), PollFlags::POLLIN))
        }
    }

    /// Makes one step, for which [`Self::poll_fd`] has to be ready.
    pub fn step(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            match unistd::write(&self.sink, &self.buffer[self.pending.clone()]) {
                Ok(written) => {
                    self.pending.start += written;
                    self.sent += written as u64;
                }
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        } else if let Some(source) = &self.source {
            match unistd::read(source, &mut self.buffer) {
                Ok(0) => self.source = None,
                Ok(length) => self.pending = 0..length,
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                // The error of a socket whose other end died with unread data.
                Err(Errno::ECONNRESET) => self.source = None,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_everything_in_order() {
        let (source, feed) = unistd::pipe().unwrap();
        let (result, sink) = unistd::pipe().unwrap();
        let data: Vec<u8> = (0..3 * CHUNK + 1).map(|i| (i % 251) as u8).collect();
        assert_eq!(unistd::write(&feed, &data).unwrap(), data.len());
        drop(feed);

        let mut pump = Pump::new(source, sink);
        assert_eq!(pump.backlog(), data.len() as u64);
        while !pump.is_done() {
            pump.step().unwrap();
        }
        assert!(pump.poll_fd().is_none());
        assert_eq!(pump.sent(), data.len() as u64);
        assert_eq!(pump.backlog(), 0);
        let mut copy = vec![0; data.len() + 1];
        assert_eq!(unistd::read(&result, &mut copy).unwrap(), data.len());
        assert_eq!(copy[..data.len()], data);
    }

    #[test]
    fn waits_for_the_sink_before_it_reads_on() {
        let (source, feed) = unistd::pipe().unwrap();
        let (_result, sink) = unistd::pipe().unwrap();
        unistd::write(&feed, b"x").unwrap();
        let mut pump = Pump::new(source, sink);
        assert_eq!(pump.poll_fd().unwrap().events(), PollFlags::POLLIN);
        pump.step().unwrap();
        assert_eq!(pump.poll_fd().unwrap().events(), PollFlags::POLLOUT);
        assert_eq!((pump.sent(), pump.backlog()), (0, 1));
    }

    #[test]
    fn waiting_returns_the_files_that_are_ready() {
        let (source, feed) = unistd::pipe().unwrap();
        let (silent, _silent_feed) = unistd::pipe().unwrap();
        unistd::write(&feed, b"x").unwrap();
        let fds = [
            Some(PollFd::new(silent.as_fd(), PollFlags::POLLIN)),
            None,
            Some(PollFd::new(source.as_fd(), PollFlags::POLLIN)),
        ];
        assert_eq!(wait(&fds, None).unwrap(), [false, false, true]);
        assert_eq!(
            wait(&fds[..2], Some(Duration::ZERO)).unwrap(),
            [false, false]
        );
    }

    #[test]
    fn a_sink_without_a_reader_is_an_error() {
        let (source, feed) = unistd::pipe().unwrap();
        let (result, sink) = unistd::pipe().unwrap();
        drop(result);
        unistd::write(&feed, b"x").unwrap();
        let mut pump = Pump::new(source, sink);
        pump.step().unwrap();
        assert_eq!(pump.step().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
