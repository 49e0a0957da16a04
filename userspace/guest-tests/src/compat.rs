// SPDX-License-Identifier: GPL-2.0

//! System calls as a 32-bit process makes them.
//!
//! `int $0x80` leads to them in a 64-bit process too; only the pointers have to fit in 32 bits.

use std::arch::asm;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

use crate::memory::{Ptr, Region};

const READ: u32 = 3;
const WRITE: u32 = 4;
const IOCTL: u32 = 54;
const READV: u32 = 145;

fn syscall(fd: impl AsFd, number: u32, second: u32, third: u32) -> nix::Result<i32> {
    let fd = fd.as_fd().as_raw_fd();
    let result: i32;
    // SAFETY: The calls above take a descriptor and a pointer that any length is fine for, and they
    // write to no other memory. LLVM keeps ebx for itself, so the first argument is swapped in and
    // out. Old kernels clear r8 to r11.
    unsafe {
        asm!(
            "xchg rbx, {fd:r}",
            "int 0x80",
            "xchg rbx, {fd:r}",
            fd = inout(reg) i64::from(fd) => _,
            inlateout("eax") number => result,
            in("ecx") second,
            in("edx") third,
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
        );
    }
    if result < 0 {
        Err(Errno::from_raw(-result))
    } else {
        Ok(result)
    }
}

/// A pointer as a 32-bit process would have it. Kernel addresses do not exist for it, and are
/// cut to something that does not either.
fn narrow(ptr: Ptr) -> u32 {
    let address = ptr.as_ptr().addr();
    if address == Ptr::KERNEL.as_ptr().addr() {
        return 0xc000_0000;
    }
    u32::try_from(address).expect("a region from Region::new_low()")
}

/// A length as a 32-bit process would have it.
fn narrow_len(len: usize) -> u32 {
    u32::try_from(len).expect("less than 4 GiB")
}

fn bytes(result: i32) -> usize {
    usize::try_from(result).expect("not negative")
}

/// 32-bit ioctl(2)
///
/// # Errors
///
/// What the kernel says.
pub fn ioctl(fd: impl AsFd, command: u32, argument: Ptr) -> nix::Result<i32> {
    syscall(fd, IOCTL, command, narrow(argument))
}

/// 32-bit read(2)
///
/// # Errors
///
/// What the kernel says.
pub fn read(fd: impl AsFd, to: Ptr, len: usize) -> nix::Result<usize> {
    syscall(fd, READ, narrow(to), narrow_len(len)).map(bytes)
}

/// 32-bit write(2)
///
/// # Errors
///
/// What the kernel says.
pub fn write(fd: impl AsFd, from: Ptr, len: usize) -> nix::Result<usize> {
    syscall(fd, WRITE, narrow(from), narrow_len(len)).map(bytes)
}

/// 32-bit readv(2)
///
/// # Errors
///
/// What the kernel says.
pub fn readv(fd: impl AsFd, segments: &[(Ptr, usize)]) -> nix::Result<usize> {
    let vector = Region::new_low(segments.len() * 8);
    for (index, &(ptr, len)) in segments.iter().enumerate() {
        vector.fill(index * 8, &narrow(ptr).to_ne_bytes());
        vector.fill(index * 8 + 4, &narrow_len(len).to_ne_bytes());
    }
    syscall(
        fd,
        READV,
        narrow(vector.start()),
        narrow_len(segments.len()),
    )
    .map(bytes)
}
