// SPDX-License-Identifier: GPL-2.0

//! Memory for the kernel to read and write, and pointers that it must refuse.

use std::num::NonZero;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// Size of a page.
pub const PAGE: usize = 4096;

/// A pointer to hand to the kernel.
///
/// It leads into a [`Region`] or to where there is no memory at all. Behind a region there is a
/// page without access, and the kernel fills and reads buffers from their beginning on. So whatever
/// length goes with such a pointer, the kernel will not touch memory that Rust knows of.
#[derive(Clone, Copy, Debug)]
pub struct Ptr(*mut u8);

impl Ptr {
    /// The null pointer.
    pub const NULL: Self = Self(ptr::null_mut());
    /// An address in the first page, where nothing is ever mapped.
    pub const ONE: Self = Self(ptr::without_provenance_mut(1));
    /// An address in the kernel's half.
    pub const KERNEL: Self = Self(ptr::without_provenance_mut(0xffff_8880_0000_0000));

    /// The pointer itself.
    #[must_use]
    pub fn as_ptr(self) -> *mut u8 {
        self.0
    }
}

/// Whole pages of memory with a page behind them that nobody can use.
#[derive(Debug)]
pub struct Region {
    start: NonNull<u8>,
    len: usize,
}

impl Region {
    /// At least `len` bytes, all zero.
    ///
    /// # Panics
    ///
    /// If there is no memory.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self::map(len, MapFlags::empty())
    }

    /// The same below 2 GiB, where 32-bit system calls can reach it.
    ///
    /// # Panics
    ///
    /// If there is no memory.
    #[must_use]
    pub fn new_low(len: usize) -> Self {
        Self::map(len, MapFlags::MAP_32BIT)
    }

    /// A region that begins with the given bytes.
    #[must_use]
    pub fn with(bytes: &[u8]) -> Self {
        let region = Self::new(bytes.len().max(1));
        region.fill(0, bytes);
        region
    }

    fn map(len: usize, flags: MapFlags) -> Self {
        let len = len.next_multiple_of(PAGE);
        let size = NonZero::new(len + PAGE).expect("more than nothing");
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: A new mapping at an address of the kernel's choice is in nobody's way.
        let start = unsafe { mmap_anonymous(None, size, prot, MapFlags::MAP_PRIVATE | flags) }
            .expect("there is memory");
        let region = Self {
            start: start.cast(),
            len,
        };
        region.protect(len, PAGE, ProtFlags::PROT_NONE);
        region
    }

    /// The usable length.
    #[must_use]
    pub fn size(&self) -> usize {
        self.len
    }

    /// The beginning.
    #[must_use]
    pub fn start(&self) -> Ptr {
        self.at(0)
    }

    /// The place `offset` bytes behind the beginning.
    ///
    /// # Panics
    ///
    /// If that is further than the end.
    #[must_use]
    pub fn at(&self, offset: usize) -> Ptr {
        assert!(offset <= self.len);
        // SAFETY: The place is in the mapping, the page behind the region being part of it.
        Ptr(unsafe { self.start.as_ptr().add(offset) })
    }

    /// The place `len` bytes before the end.
    #[must_use]
    pub fn before_end(&self, len: usize) -> Ptr {
        self.at(self.len - len)
    }

    /// The first byte that nobody can use.
    #[must_use]
    pub fn end(&self) -> Ptr {
        self.at(self.len)
    }

    /// Forbids writing to the region, for good.
    #[must_use]
    pub fn read_only(self) -> Self {
        self.protect(0, self.len, ProtFlags::PROT_READ);
        self
    }

    fn protect(&self, offset: usize, len: usize, prot: ProtFlags) {
        let start = NonNull::new(self.at(offset).as_ptr()).expect("in the mapping");
        // SAFETY: The pages are ours, and there are no references into them.
        unsafe { mprotect(start.cast(), len, prot) }.expect("our own pages can be protected");
    }

    /// Writes bytes to the place `offset` bytes behind the beginning.
    ///
    /// # Panics
    ///
    /// If they do not fit.
    pub fn fill(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.len);
        // SAFETY: The bytes fit in the mapping, which there are no references into.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(offset).as_ptr(), bytes.len());
        }
    }

    /// The `len` bytes from `offset` on.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[must_use]
    pub fn bytes(&self, offset: usize, len: usize) -> Vec<u8> {
        assert!(offset + len <= self.len);
        let mut bytes = vec![0; len];
        // SAFETY: The bytes are in the mapping, which there are no references into.
        unsafe { ptr::copy_nonoverlapping(self.at(offset).as_ptr(), bytes.as_mut_ptr(), len) };
        bytes
    }
}

// SAFETY: The memory is not tied to a thread, and is reached by raw pointers only.
unsafe impl Send for Region {}
// SAFETY: As above. Two threads that fill the same bytes at once would be a race, as with two
// processes that share memory; the tests leave that to the kernel.
unsafe impl Sync for Region {}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: The mapping is ours. A `Ptr` that outlives it is no danger to Rust: by the time
        // the kernel follows it, there is nothing or another region. The tests do not do that.
        unsafe { munmap(self.start.cast(), self.len + PAGE) }.expect("our own pages can go");
    }
}

/// Pointers to where the kernel can neither read nor write, with their names.
///
/// `region` is one whose end to use, and `size` is what the kernel is going to read or write: the
/// last pointer has all of that but the last byte before the end.
#[must_use]
pub fn bad_pointers(region: &Region, size: usize) -> [(&'static str, Ptr); 5] {
    [
        ("NULL", Ptr::NULL),
        ("1", Ptr::ONE),
        ("kernel address", Ptr::KERNEL),
        ("PROT_NONE page", region.end()),
        ("straddling a page end", region.before_end(size - 1)),
    ]
}

/// A page that is not there until it is supplied: whoever touches it waits, the kernel too.
#[derive(Debug)]
pub struct LazyRegion {
    region: Region,
    faults: OwnedFd,
}

/// The interface of userfaultfd(2), linux/userfaultfd.h.
mod uffd {
    #[repr(C)]
    pub struct Api {
        pub api: u64,
        pub features: u64,
        pub ioctls: u64,
    }

    /// struct uffdio_register and struct uffdio_zeropage, whose last members the kernel fills.
    #[repr(C)]
    pub struct Range {
        pub start: u64,
        pub len: u64,
        pub mode: u64,
        pub result: u64,
    }

    pub const API: u64 = 0xaa;
    pub const MODE_MISSING: u64 = 1;

    nix::ioctl_readwrite!(api, 0xaa, 0x3f, Api);
    nix::ioctl_readwrite!(register, 0xaa, 0x00, Range);
    nix::ioctl_readwrite!(zeropage, 0xaa, 0x04, Range);
}

impl LazyRegion {
    /// A page that is not there yet.
    ///
    /// # Panics
    ///
    /// If the kernel does not let user space handle page faults.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: The call takes flags only.
        let fd =
            unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK) };
        let fd = i32::try_from(Errno::result(fd).expect("userfaultfd")).expect("a descriptor");
        // SAFETY: The descriptor is new and nobody else has it.
        let faults = unsafe { OwnedFd::from_raw_fd(fd) };
        let lazy = Self {
            region: Region::new(PAGE),
            faults,
        };
        let mut api = uffd::Api {
            api: uffd::API,
            features: 0,
            ioctls: 0,
        };
        // SAFETY: The structure is the one that the command takes.
        unsafe { uffd::api(lazy.faults.as_raw_fd(), &raw mut api) }.expect("UFFDIO_API");
        let mut range = lazy.range(uffd::MODE_MISSING);
        // SAFETY: As above, and the page is ours.
        unsafe { uffd::register(lazy.faults.as_raw_fd(), &raw mut range) }
            .expect("UFFDIO_REGISTER");
        lazy
    }

    fn range(&self, mode: u64) -> uffd::Range {
        let start = self.region.start().as_ptr().addr();
        uffd::Range {
            start: u64::try_from(start).expect("64-bit"),
            len: u64::try_from(PAGE).expect("small"),
            mode,
            result: 0,
        }
    }

    /// The page.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Waits until somebody waits for the page.
    ///
    /// # Panics
    ///
    /// If nobody does for a long time.
    pub fn wait_for_fault(&self) {
        let mut fds = [PollFd::new(self.faults.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(20_000u16)).expect("poll");
        assert_eq!(
            fds[0].revents(),
            Some(PollFlags::POLLIN),
            "nobody touches the page"
        );
    }

    /// Makes the page be there, filled with zeroes.
    ///
    /// # Panics
    ///
    /// If it is there already.
    pub fn supply(&self) {
        let mut range = self.range(0);
        // SAFETY: The structure is the one that the command takes, and the page is ours.
        unsafe { uffd::zeropage(self.faults.as_raw_fd(), &raw mut range) }
            .expect("UFFDIO_ZEROPAGE");
    }
}

impl Default for LazyRegion {
    fn default() -> Self {
        Self::new()
    }
}
