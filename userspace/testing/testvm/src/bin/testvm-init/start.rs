// SPDX-License-Identifier: GPL-2.0-only

//! The facts that a saved guest does not have: the time, and random numbers of its own.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use testvm::protocol::{ENTROPY_SIZE, Start};

const RANDOM: &str = "/dev/urandom";

/// The structure `rand_pool_info` of linux/random.h, with a seed.
#[repr(C)]
struct Seed {
    entropy_bits: libc::c_int,
    size: libc::c_int,
    bytes: [u8; ENTROPY_SIZE],
}

// The kernel declares both with other types than they have.
nix::ioctl_write_ptr_bad!(
    add_entropy,
    nix::request_code_write!(b'R', 0x03, 2 * size_of::<libc::c_int>()),
    Seed
);
nix::ioctl_none!(reseed, b'R', 0x07);

/// Sets the clock, and seeds the kernel's random number generator, which all random numbers of
/// kernel and programs come from, addresses as well.
pub fn apply(start: &Start) -> Result<()> {
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from(start.time))
        .context("cannot set the clock")?;

    let seed = Seed {
        entropy_bits: 8 * ENTROPY_SIZE as libc::c_int,
        size: ENTROPY_SIZE as libc::c_int,
        bytes: start.entropy,
    };
    let file = OpenOptions::new()
        .write(true)
        .open(RANDOM)
        .with_context(|| format!("cannot open {RANDOM}"))?;
    // SAFETY: The call reads the structure.
    unsafe { add_entropy(file.as_raw_fd(), &seed) }.context("cannot add entropy")?;
    // SAFETY: The call takes no argument. Without it, the kernel would draw from the old seed for
    // up to a minute.
    unsafe { reseed(file.as_raw_fd()) }.context("cannot renew the seed of random numbers")?;
    Ok(())
}
