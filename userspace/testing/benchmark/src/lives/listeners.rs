// SPDX-License-Identifier: GPL-2.0-only

//! Those who are told of lives. This runs in the guest.

use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::sleep;

use anyhow::{Context, Result, ensure};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

use super::bpf::Programs;
use super::netlink::Socket;
use super::stream::Stream;
use super::{Life, Listener};
use crate::regions::SETTLE;

/// A listener at work, until it is dropped.
pub enum Listening<'a> {
    Nothing,
    Unread(Stream),
    Batches(Reader),
    Bpf(Attached<'a>),
    Messages(Socket),
    Connector(Reader),
}

/// Programs that are called until this is dropped.
pub struct Attached<'a> {
    programs: &'a Programs,
    _links: Vec<OwnedFd>,
}

impl<'a> Listening<'a> {
    /// Begins to listen. `programs` are for [`Listener::Bpf`].
    pub fn begin(listener: Listener, programs: Option<&'a Programs>) -> Result<Self> {
        Ok(match listener {
            Listener::None | Listener::Idle | Listener::Again => Self::Nothing,
            Listener::Unread => Self::Unread(Stream::open()?),
            Listener::Batches => Self::Batches(Reader::of_batches()?),
            Listener::Bpf => {
                let programs = programs.context("there are no programs")?;
                let links = programs.attach()?;
                Self::Bpf(Attached {
                    programs,
                    _links: links,
                })
            }
            Listener::Connector => Self::Messages(Socket::connector()?),
            Listener::ConnectorRead => Self::Connector(Reader::of_messages()?),
            Listener::Taskstats => Self::Messages(Socket::taskstats()?),
        })
    }

    /// Prepares for lives, and returns a number to check them by.
    pub fn prepare(&mut self) -> Result<usize> {
        self.events()?;
        match self {
            Self::Batches(reader) => reader.read_all(),
            Self::Connector(reader) => {
                sleep(SETTLE);
                Ok(reader.count())
            }
            _ => Ok(0),
        }
    }

    /// Checks that the listener was told of a number of lives. `before` is the number of
    /// [`prepare`](Self::prepare).
    pub fn check(&mut self, life: Life, lives: usize, before: usize) -> Result<()> {
        let events = self.events()?;
        let expected = match (&*self, life) {
            (Self::Nothing, _) | (Self::Unread(_) | Self::Bpf(_), Life::Thread) => 0..=0,
            // Each life of a process has its beginning and its end. Others live as well.
            (Self::Unread(_) | Self::Bpf(_) | Self::Connector(_), _) => 2 * lives..=usize::MAX,
            (Self::Messages(_), _) => lives..=usize::MAX,
            (Self::Batches(_), Life::Thread) => 0..=0,
            (Self::Batches(_), _) => 1..=1,
        };
        let told = match self {
            Self::Batches(reader) | Self::Connector(reader) => reader.count() - before,
            _ => events,
        };
        ensure!(
            expected.contains(&told),
            "told {told} times, and not {expected:?}, of {lives} lives"
        );
        Ok(())
    }

    /// Takes the events that were not read. Returns their number.
    fn events(&mut self) -> Result<usize> {
        match self {
            Self::Unread(stream) => stream.drain(),
            Self::Bpf(attached) => attached.programs.ring()?.read(),
            Self::Messages(socket) => socket.drain(),
            Self::Nothing | Self::Batches(_) | Self::Connector(_) => Ok(0),
        }
    }
}

/// A process that reads, until this is dropped.
pub struct Reader {
    process: Pid,
    count: Count,
    /// Closed when the process is gone.
    _socket: Option<Socket>,
}

impl Reader {
    /// Starts a process that reads procmon's events in batches, which it counts. A signal makes it
    /// read what is there.
    fn of_batches() -> Result<Self> {
        extern "C" fn ignore(_: libc::c_int) {}
        // Without SA_RESTART.
        let action = SigAction::new(
            SigHandler::Handler(ignore),
            SaFlags::empty(),
            SigSet::empty(),
        );
        // SAFETY: The function does nothing.
        unsafe { sigaction(Signal::SIGUSR1, &action) }?;
        let mut stream = Stream::open()?;
        Self::start(move |count| {
            match stream.wait_for_batch()? {
                Some(_) => count.add(1),
                None => {
                    stream.drain()?;
                }
            }
            Ok(())
        })
    }

    /// Starts a process that receives the messages of the process connector one by one, and counts
    /// them.
    fn of_messages() -> Result<Self> {
        let mut socket = Socket::connector()?;
        let mut reader = Self::start(|count| {
            socket.receive()?;
            count.add(1);
            Ok(())
        })?;
        reader._socket = Some(socket);
        Ok(reader)
    }

    /// Starts a process that does something again and again, until that fails.
    fn start(mut read: impl FnMut(&Count) -> Result<()>) -> Result<Self> {
        let count = Count::new()?;
        // SAFETY: There is but one thread, so a child can do anything.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => {
                let reader = Self {
                    process: child,
                    count,
                    _socket: None,
                };
                // Until it waits.
                sleep(SETTLE);
                Ok(reader)
            }
            ForkResult::Child => {
                let mut result = set_pdeathsig(Signal::SIGKILL).map_err(Into::into);
                while result.is_ok() {
                    result = read(&count);
                }
                if let Err(error) = result {
                    eprintln!("benchmark: a reader has failed: {error:#}");
                }
                // SAFETY: Nothing has to be done before.
                unsafe { libc::_exit(1) }
            }
        }
    }

    /// Has it read all that is there, as a batch of it would come sooner than one of what follows.
    /// Returns the number of batches so far.
    fn read_all(&self) -> Result<usize> {
        kill(self.process, Signal::SIGUSR1)?;
        sleep(SETTLE);
        Ok(self.count())
    }

    fn count(&self) -> usize {
        self.count.get()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It is there, as nothing else waits for it.
        let _ = kill(self.process, Signal::SIGKILL);
        let _ = waitpid(self.process, None);
    }
}

/// A number that two processes share.
struct Count(NonNull<AtomicUsize>);

/// The memory of a number.
const SIZE: NonZeroUsize = NonZeroUsize::new(size_of::<AtomicUsize>()).expect("not 0");

impl Count {
    fn new() -> Result<Self> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: Nothing else is at the place that the kernel chooses.
        let place = unsafe { mmap_anonymous(None, SIZE, protection, MapFlags::MAP_SHARED) };
        Ok(Self(place.context("no memory")?.cast()))
    }

    fn number(&self) -> &AtomicUsize {
        // SAFETY: It is mapped until this is dropped, and all zeros are such a number.
        unsafe { self.0.as_ref() }
    }

    fn add(&self, more: usize) {
        self.number().fetch_add(more, Relaxed);
    }

    fn get(&self) -> usize {
        self.number().load(Relaxed)
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        // SAFETY: It was mapped with this size, and nothing refers to it any more.
        let _ = unsafe { munmap(self.0.cast(), SIZE.get()) };
    }
}
