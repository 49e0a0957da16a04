// SPDX-License-Identifier: GPL-2.0-only

//! Waiting for new samples of the monitor.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;

use crate::{Device, Error, Result};

/// Notifications of new samples, for a program that does not read them by
/// [`Device::history`](crate::Device::history): see
/// [`Device::sample_events`](crate::Device::sample_events).
///
/// The descriptor is readable while a notification is pending, and so fits into an event loop;
/// [`wait_for`](Self::wait_for) with a time of zero takes the notification then.
#[derive(Debug)]
pub struct SampleEvents<'a> {
    device: &'a Device,
    epoll: OwnedFd,
}

impl<'a> SampleEvents<'a> {
    pub(crate) fn new(device: &'a Device) -> Result<Self> {
        let failed = |errno| Error::io("wait for", device.path(), errno);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let flags = epoll::EventFlags::PRI | epoll::EventFlags::ET;
        epoll::add(&epoll, device, epoll::EventData::new_u64(0), flags).map_err(failed)?;
        Ok(Self { device, epoll })
    }

    /// Waits for a sample that was recorded since the last call. The first call returns at once if
    /// there was any before.
    ///
    /// # Errors
    ///
    /// If the kernel cannot wait for the file.
    pub fn wait(&mut self) -> Result<()> {
        self.wait_until(None).map(|_| ())
    }

    /// Waits as [`wait`](Self::wait) does, for this time at most. Returns whether there was a
    /// sample.
    ///
    /// # Errors
    ///
    /// If the kernel cannot wait for the file.
    pub fn wait_for(&mut self, timeout: Duration) -> Result<bool> {
        self.wait_until(Deadline::after(timeout))
    }

    fn wait_until(&mut self, deadline: Option<Deadline>) -> Result<bool> {
        let mut events = Vec::with_capacity(1);
        let happened = until(deadline, |timeout| {
            epoll::wait(&self.epoll, spare_capacity(&mut events), timeout)
        });
        happened
            .map(|events| events > 0)
            .map_err(|errno| Error::io("wait for", self.device.path(), errno))
    }
}

impl AsFd for SampleEvents<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl AsRawFd for SampleEvents<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }
}

/// Waits until a file has urgent data, or for this time.
pub(crate) fn poll_priority(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> Result<bool, Errno> {
    let deadline = timeout.and_then(Deadline::after);
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::PRI)];
    until(deadline, |timeout| poll(&mut fds, timeout))?;
    let revents = fds[0].revents();
    Ok(revents.contains(PollFlags::PRI))
}

/// The moment at which a wait ends.
#[derive(Clone, Copy, Debug)]
struct Deadline(Instant);

impl Deadline {
    /// Returns the moment after this time, or `None` if it never comes.
    fn after(timeout: Duration) -> Option<Self> {
        Instant::now().checked_add(timeout).map(Self)
    }
}

/// Makes a call that waits, and repeats it for the rest of the time if a signal has ended it.
fn until<T>(
    deadline: Option<Deadline>,
    mut wait: impl FnMut(Option<&Timespec>) -> Result<T, Errno>,
) -> Result<T, Errno> {
    loop {
        let rest = deadline.map(|deadline| deadline.0.saturating_duration_since(Instant::now()));
        // A time that is too long for the kernel is for ever.
        let rest = rest.and_then(|rest| Timespec::try_from(rest).ok());
        match wait(rest.as_ref()) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn signals_do_not_make_a_wait_longer() {
        let mut rests = Vec::new();
        let result = until(Deadline::after(Duration::from_millis(30)), |timeout| {
            let rest = Duration::try_from(*timeout.unwrap()).unwrap();
            rests.push(rest);
            // A signal comes every few milliseconds.
            std::thread::sleep(Duration::from_millis(5));
            if rest.is_zero() {
                Ok(false)
            } else {
                Err(Errno::INTR)
            }
        });
        assert_eq!(result, Ok(false));
        assert!(rests.is_sorted_by(|a, b| a > b), "{rests:?}");
    }

    #[test]
    fn a_time_that_never_comes_is_no_deadline() {
        let deadline = Deadline::after(Duration::MAX);
        let timeouts = until(deadline, |timeout| Ok(timeout.is_none()));
        assert_eq!(timeouts, Ok(true));
    }

    #[test]
    fn nothing_urgent_is_no_sample() {
        let (reader, _writer) = io::pipe().unwrap();
        let timeout = Some(Duration::from_millis(1));
        assert_eq!(poll_priority(reader.as_fd(), timeout), Ok(false));
    }
}
