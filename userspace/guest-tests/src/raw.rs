// SPDX-License-Identifier: GPL-2.0

//! System calls with pointers that may be bad.

use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, iovec, off_t};
use nix::errno::Errno;

use crate::memory::Ptr;

/// The biggest count that read(2) and write(2) do not cut themselves (MAX_RW_COUNT).
pub const MAX_RW_COUNT: usize = 0x7fff_f000;

fn bytes(result: isize) -> nix::Result<usize> {
    Errno::result(result).map(|len| usize::try_from(len).expect("not negative"))
}

fn iovecs(segments: &[(Ptr, usize)]) -> Vec<iovec> {
    let iovec = |&(ptr, len): &(Ptr, usize)| iovec {
        iov_base: ptr.as_ptr().cast(),
        iov_len: len,
    };
    segments.iter().map(iovec).collect()
}

fn count(segments: &[iovec]) -> c_int {
    c_int::try_from(segments.len()).expect("not that many segments")
}

/// read(2)
///
/// # Errors
///
/// What the kernel says.
pub fn read(fd: impl AsFd, to: Ptr, len: usize) -> nix::Result<usize> {
    // SAFETY: `Ptr` promises that any length is fine.
    bytes(unsafe { libc::read(fd.as_fd().as_raw_fd(), to.as_ptr().cast(), len) })
}

/// pread(2)
///
/// # Errors
///
/// What the kernel says.
pub fn pread(fd: impl AsFd, to: Ptr, len: usize, offset: off_t) -> nix::Result<usize> {
    // SAFETY: `Ptr` promises that any length is fine.
    bytes(unsafe { libc::pread(fd.as_fd().as_raw_fd(), to.as_ptr().cast(), len, offset) })
}

/// readv(2)
///
/// # Errors
///
/// What the kernel says.
pub fn readv(fd: impl AsFd, segments: &[(Ptr, usize)]) -> nix::Result<usize> {
    let segments = iovecs(segments);
    // SAFETY: `Ptr` promises that any length is fine, and the array is as long as we say.
    bytes(unsafe { libc::readv(fd.as_fd().as_raw_fd(), segments.as_ptr(), count(&segments)) })
}

/// preadv2(2)
///
/// # Errors
///
/// What the kernel says.
pub fn preadv2(
    fd: impl AsFd,
    segments: &[(Ptr, usize)],
    offset: off_t,
    flags: c_int,
) -> nix::Result<usize> {
    let segments = iovecs(segments);
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: `Ptr` promises that any length is fine, and the array is as long as we say.
    bytes(unsafe { libc::preadv2(fd, segments.as_ptr(), count(&segments), offset, flags) })
}

/// write(2)
///
/// # Errors
///
/// What the kernel says.
pub fn write(fd: impl AsFd, from: Ptr, len: usize) -> nix::Result<usize> {
    // SAFETY: `Ptr` promises that any length is fine.
    bytes(unsafe { libc::write(fd.as_fd().as_raw_fd(), from.as_ptr().cast(), len) })
}

/// pwrite(2)
///
/// # Errors
///
/// What the kernel says.
pub fn pwrite(fd: impl AsFd, from: Ptr, len: usize, offset: off_t) -> nix::Result<usize> {
    // SAFETY: `Ptr` promises that any length is fine.
    bytes(unsafe { libc::pwrite(fd.as_fd().as_raw_fd(), from.as_ptr().cast(), len, offset) })
}

/// writev(2)
///
/// # Errors
///
/// What the kernel says.
pub fn writev(fd: impl AsFd, segments: &[(Ptr, usize)]) -> nix::Result<usize> {
    let segments = iovecs(segments);
    // SAFETY: `Ptr` promises that any length is fine, and the array is as long as we say.
    bytes(unsafe { libc::writev(fd.as_fd().as_raw_fd(), segments.as_ptr(), count(&segments)) })
}

/// ioctl(2), with all the bits of the command that the register has.
///
/// # Errors
///
/// What the kernel says.
pub fn ioctl(fd: impl AsFd, command: u64, argument: Ptr) -> nix::Result<i32> {
    // SAFETY: `Ptr` promises that the kernel may read and write behind it.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), command, argument.as_ptr()) };
    Errno::result(result)
}
