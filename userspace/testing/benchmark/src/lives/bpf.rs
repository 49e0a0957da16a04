// SPDX-License-Identifier: GPL-2.0-only

//! BPF programs that bpftool(8) has loaded and pinned, and their ring buffer. This runs in the
//! guest.

use std::ffi::CString;
use std::hint::black_box;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicU32, AtomicUsize,
    Ordering::{Acquire, Release},
};

use anyhow::{Context, Result, ensure};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// The names of the programs and of the ring buffer, and its size, in `lives.bpf.c`.
const PROGRAMS: [&str; 3] = ["forked", "executed", "ended"];
const RING: &str = "events";
const RING_SIZE: usize = 4 << 20;

const PAGE: usize = 4096;

/// The size of the memory with the position of the writers and the records.
const PRODUCER_SIZE: usize = PAGE + 2 * RING_SIZE;

/// The commands of bpf(2).
const BPF_OBJ_GET: usize = 7;
const BPF_RAW_TRACEPOINT_OPEN: usize = 17;

/// Bits of the length of a record, which is followed by another word.
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const RECORD_HEADER: usize = 8;

/// The programs, and the ring buffer that they write to.
pub struct Programs {
    programs: Vec<OwnedFd>,
    ring: OwnedFd,
}

impl Programs {
    /// Opens what is pinned in a directory.
    pub fn open(directory: &Path) -> Result<Self> {
        let open = |name: &str| {
            let path = directory.join(name);
            get(&path).with_context(|| format!("cannot open {}", path.display()))
        };
        Ok(Self {
            programs: PROGRAMS.into_iter().map(open).collect::<Result<_>>()?,
            ring: open(RING)?,
        })
    }

    /// Has the programs called, until all of these are closed.
    pub fn attach(&self) -> Result<Vec<OwnedFd>> {
        /// The beginning of `union bpf_attr` for this command. The program knows its tracepoint.
        #[repr(C)]
        struct Attributes {
            name: u64,
            program: u32,
            reserved: u32,
        }

        let links = self.programs.iter().map(|program| {
            let attributes = Attributes {
                name: 0,
                program: program.as_raw_fd() as u32,
                reserved: 0,
            };
            Ok(bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes)?)
        });
        links.collect::<Result<_>>().context("cannot attach")
    }

    /// Maps the ring buffer. While it is mapped, fork(2) takes many times longer.
    pub fn ring(&self) -> Result<Ring> {
        Ring::map(&self.ring)
    }
}

/// Opens a pinned object.
fn get(path: &Path) -> Result<OwnedFd> {
    /// The beginning of `union bpf_attr` for this command.
    #[repr(C)]
    struct Attributes {
        path: u64,
        fd: u32,
        flags: u32,
    }

    let path = CString::new(path.as_os_str().as_bytes())?;
    let attributes = Attributes {
        path: path.as_ptr() as u64,
        fd: 0,
        flags: 0,
    };
    Ok(bpf(BPF_OBJ_GET, &attributes)?)
}

/// Makes a call that returns a descriptor. The attributes must have valid pointers.
fn bpf<T>(command: usize, attributes: &T) -> io::Result<OwnedFd> {
    let address: *const T = attributes;
    // SAFETY: The attributes are those of the command.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, address, size_of::<T>()) };
    match i32::try_from(result) {
        // SAFETY: It was just opened, for this.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A mapped ring buffer.
pub struct Ring {
    /// The page with the position of the reader.
    consumer: NonNull<AtomicUsize>,
    /// The page with that of the writers, and then the records, twice one after the other, so that
    /// each is in one piece.
    producer: NonNull<AtomicUsize>,
}

impl Ring {
    fn map(map: &OwnedFd) -> Result<Self> {
        let map = |length, protection, offset| {
            let length = NonZeroUsize::new(length).context("nothing to map")?;
            // SAFETY: Nothing else is at the place that the kernel chooses.
            let place =
                unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, map, offset) };
            anyhow::Ok(place.context("cannot map the ring buffer")?.cast())
        };
        Ok(Self {
            consumer: map(PAGE, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, 0)?,
            producer: map(PRODUCER_SIZE, ProtFlags::PROT_READ, PAGE as i64)?,
        })
    }

    /// Reads all records that are there, as much as to know their types. Returns their number.
    pub fn read(&mut self) -> Result<usize> {
        // SAFETY: Both are mapped, and are such numbers for the kernel, too.
        let (consumer, producer) = unsafe { (self.consumer.as_ref(), self.producer.as_ref()) };
        let mut position = consumer.load(Acquire);
        let mut count = 0;
        while position < producer.load(Acquire) {
            // SAFETY: This is within the mapped memory, and aligned. The kernel has a header of a
            // record there, before it moves the position of the writers.
            let (length, kind) = unsafe {
                let record = self.producer.cast::<u8>().add(PAGE + position % RING_SIZE);
                let length = record.cast::<AtomicU32>().as_ref().load(Acquire);
                (length, record.add(RECORD_HEADER).cast::<u32>().read())
            };
            ensure!(length & BUSY == 0, "a record is being written");
            if length & DISCARDED == 0 {
                black_box(kind);
                count += 1;
            }
            let size = (length & !DISCARDED) as usize + RECORD_HEADER;
            position += size.next_multiple_of(RECORD_HEADER);
            consumer.store(position, Release);
        }
        Ok(count)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: Both were mapped with these sizes, and nothing refers to them any more.
        unsafe {
            let _ = munmap(self.consumer.cast(), PAGE);
            let _ = munmap(self.producer.cast(), PRODUCER_SIZE);
        }
    }
}
