// SPDX-License-Identifier: GPL-2.0-only

//! One thread's means to make calls: memory for arguments, fault injection and a child process.

use anyhow::{Context, Result, ensure};
use fixture::faults::Faults;
use fixture::memory::{PAGE, Ptr, Region};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, gettid, pause};

use crate::model::{Counts, pattern};
use crate::program::{MAX_BUFFER, Place, Value};

/// The content of buffers before the kernel gets them.
const CANARY: u8 = 0xaa;

/// The part of a thread that makes calls.
pub struct Caller {
    /// Whether it is the second thread's.
    pub second: bool,
    faults: Faults,
    /// The memory for buffers.
    pub memory: Region,
    /// The memory for the second buffer of a list.
    pub texts: Region,
    /// The memory for the arguments of lists.
    pub arguments: Region,
    /// Memory that the kernel must not write to. It holds a message.
    pub read_only: Region,
    pub child: Option<Pid>,
    pub counts: Counts,
}

/// The memory that a pointer leads to.
pub struct Pointee {
    pub ptr: Ptr,
    /// The number of bytes up to the next inaccessible one.
    pub size: usize,
    pub writable: bool,
    /// The offset in the region, if it is there.
    pub offset: usize,
}

impl Pointee {
    /// Returns the number of bytes that the kernel can write.
    pub fn writable_size(&self) -> usize {
        if self.writable { self.size } else { 0 }
    }
}

impl Caller {
    /// Prepares the thread that calls this.
    pub fn new(second: bool) -> Result<Self> {
        let read_only = Region::new_low(MAX_BUFFER);
        read_only.fill(0, &pattern(0, read_only.size()));
        Ok(Self {
            second,
            faults: Faults::new().context("cannot set up fault injection")?,
            memory: Region::new_low(MAX_BUFFER + PAGE),
            texts: Region::new_low(MAX_BUFFER + PAGE),
            arguments: Region::new_low(2 * PAGE),
            read_only: read_only.read_only(),
            child: None,
            counts: Counts::default(),
        })
    }

    /// Makes a call with the `nth` allocation or copy in it failing. Returns also whether one
    /// failed.
    pub fn fail<T>(&self, nth: u8, call: impl FnOnce() -> T) -> (T, bool) {
        if nth == 0 {
            return (call(), false);
        }
        self.faults.arm(nth.into());
        let result = call();
        (result, self.faults.disarm())
    }

    /// Returns the memory at a place.
    pub fn pointee(&self, place: Place) -> Pointee {
        self.pointee_in(&self.memory, place)
    }

    /// Returns the memory at a place of a region.
    pub fn pointee_in(&self, region: &Region, place: Place) -> Pointee {
        let writable = |offset, ptr| Pointee {
            ptr,
            size: region.size() - offset,
            writable: true,
            offset,
        };
        let nothing = |ptr| Pointee {
            ptr,
            size: 0,
            writable: false,
            offset: 0,
        };
        match place {
            Place::Inside(offset) => writable(offset, region.at(offset)),
            Place::BeforeEnd(len) => writable(region.size() - len, region.before_end(len)),
            Place::ReadOnly => Pointee {
                ptr: self.read_only.start(),
                size: self.read_only.size(),
                writable: false,
                offset: 0,
            },
            Place::Null => nothing(Ptr::NULL),
            Place::One => nothing(Ptr::ONE),
            Place::Kernel => nothing(Ptr::KERNEL),
        }
    }

    /// Fills the memory for buffers.
    pub fn fill_with_canaries(&self) {
        for region in [&self.memory, &self.texts] {
            region.fill(0, &[CANARY; MAX_BUFFER + PAGE]);
        }
    }

    /// Checks that the kernel has written to the first `len` bytes of a pointee at most.
    pub fn check_canaries(&self, pointee: &Pointee, len: usize) -> Result<()> {
        Self::check_canaries_in(&self.memory, pointee, len)
    }

    /// Checks the same of a pointee in a region.
    pub fn check_canaries_in(region: &Region, pointee: &Pointee, len: usize) -> Result<()> {
        let bytes = region.bytes(0, region.size());
        let end = (pointee.offset + len).min(bytes.len());
        let outside = bytes[..pointee.offset].iter().chain(&bytes[end..]);
        ensure!(
            outside.copied().all(|byte| byte == CANARY),
            "the kernel has written to memory outside of the buffer"
        );
        Ok(())
    }

    /// Returns an integer argument.
    pub fn value(&self, value: Value) -> i32 {
        match value {
            Value::OwnThread => gettid().as_raw(),
            Value::Child => self.child.map_or(0, Pid::as_raw),
            Value::Number(number) => number,
        }
    }

    /// Starts a child process in place of an earlier one. It waits for a signal, or ends at once.
    pub fn start_child(&mut self, ends: bool) -> Result<()> {
        self.end_child();
        // SAFETY: The child makes system calls only.
        let result = unsafe { fork() }.context("fork")?;
        self.child = match result {
            ForkResult::Parent { child } => Some(child),
            // SAFETY: This refers to no memory, and does not return.
            ForkResult::Child if ends => unsafe { libc::_exit(0) },
            ForkResult::Child => loop {
                pause();
            },
        };
        Ok(())
    }

    /// Ends the child process, if there is one.
    pub fn end_child(&mut self) {
        if let Some(child) = self.child.take() {
            kill(child, Signal::SIGKILL).expect("the child exists until it is reaped");
            waitpid(child, None).expect("the child exists");
        }
    }
}
