// SPDX-License-Identifier: GPL-2.0-only

//! KCOV: the kernel's record of the instrumented code that a thread runs.
//!
//! C documentation: `Documentation/dev-tools/kcov.rst`

use std::fs::File;
use std::num::NonZero;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

const PATH: &str = "/sys/kernel/debug/kcov";

/// The number of entries of a record. The longest inputs leave some ten thousand.
const ENTRIES: usize = 1 << 18;

const TRACE_PC: libc::c_int = 0;

nix::ioctl_write_int_bad!(
    init_trace,
    nix::request_code_read!(b'c', 1, size_of::<libc::c_ulong>())
);
nix::ioctl_write_int_bad!(enable, nix::request_code_none!(b'c', 100));
nix::ioctl_write_int_bad!(disable, nix::request_code_none!(b'c', 101));

/// The record of one thread, the one that calls [`Kcov::record`].
pub struct Kcov {
    file: File,
    /// The number of entries that are filled, and the entries.
    memory: NonNull<AtomicU64>,
}

impl Kcov {
    /// Creates an empty record.
    pub fn new() -> Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(PATH)
            .with_context(|| format!("cannot open {PATH}: is this the debug kernel?"))?;
        // SAFETY: The command takes an integer.
        unsafe { init_trace(file.as_raw_fd(), ENTRIES.try_into()?) }.context("KCOV_INIT_TRACE")?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: A new mapping at an address of the kernel's choice replaces no other one.
        let memory = unsafe { mmap(None, Self::SIZE, prot, MapFlags::MAP_SHARED, &file, 0) }
            .context("cannot map the record")?;
        Ok(Self {
            file,
            memory: memory.cast(),
        })
    }

    const SIZE: NonZero<usize> = NonZero::new(ENTRIES * size_of::<u64>()).unwrap();

    fn entries(&self) -> &[AtomicU64] {
        // SAFETY: The mapping has that size and stays until `self` is dropped. The kernel writes to
        // it at the same time, for which the entries are atomic.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), ENTRIES) }
    }

    /// Runs `body`. Returns its result, and the addresses behind the marks in instrumented code
    /// that this thread has passed.
    ///
    /// Interrupts, other threads and deferred work of the kernel are not recorded.
    pub fn record<T>(&self, body: impl FnOnce() -> T) -> Result<(T, Vec<u64>)> {
        let (count, addresses) = self.entries().split_first().expect("it has a size");
        count.store(0, Ordering::Relaxed);
        // SAFETY: The command takes an integer.
        unsafe { enable(self.file.as_raw_fd(), TRACE_PC) }.context("KCOV_ENABLE")?;
        let result = body();
        // SAFETY: As above.
        unsafe { disable(self.file.as_raw_fd(), 0) }.context("KCOV_DISABLE")?;
        let count = usize::try_from(count.load(Ordering::Relaxed))?;
        ensure!(count < addresses.len(), "the record of KCOV is full");
        let addresses = addresses[..count]
            .iter()
            .map(|address| address.load(Ordering::Relaxed));
        Ok((result, addresses.collect()))
    }
}

impl Drop for Kcov {
    fn drop(&mut self) {
        // SAFETY: The mapping is ours, and `entries()` lends it no longer than `self` is there.
        unsafe { munmap(self.memory.cast(), Self::SIZE.get()) }.expect("our own pages can go");
    }
}
