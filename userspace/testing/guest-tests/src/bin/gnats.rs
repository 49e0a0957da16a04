// SPDX-License-Identifier: GPL-2.0-only

//! Short processes for `tests/prometheus`, one after the other: each takes CPU time up to a limit,
//! passes on the last reading of its own clock, and ends.
//!
//! Prints two sums in seconds: of these readings, and of what wait4(2) has for the processes.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{ForkResult, Pid, fork};

/// The size of a reading.
const SIZE: NonZeroUsize = NonZeroUsize::new(size_of::<AtomicU64>()).unwrap();

#[derive(Parser)]
struct Arguments {
    /// Number of processes
    count: NonZeroUsize,

    /// CPU time of each, in milliseconds
    #[arg(value_parser = milliseconds)]
    time: Duration,
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    Ok(Duration::from_millis(text.parse()?))
}

fn main() -> Result<(), Errno> {
    let Arguments { count, time } = Arguments::parse();
    let limit = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let readings = shared(count)?;
    for reading in readings {
        // SAFETY: There is but one thread, so a child can do anything.
        match unsafe { fork() }? {
            ForkResult::Child => live(limit, reading),
            ForkResult::Parent { child } => wait_for(child)?,
        }
    }
    let read: u64 = readings
        .iter()
        .map(|reading| reading.load(Ordering::Relaxed))
        .sum();
    let waited = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let waited = waited.user_time() + waited.system_time();
    println!("{:.6}", Duration::from_nanos(read).as_secs_f64());
    println!(
        "{}.{:06}",
        waited.num_seconds(),
        waited.num_microseconds() % 1_000_000
    );
    Ok(())
}

/// Returns numbers that this process shares with its children.
fn shared(count: NonZeroUsize) -> Result<&'static [AtomicU64], Errno> {
    let size = count.checked_mul(SIZE).ok_or(Errno::EOVERFLOW)?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: The memory is new.
    let memory = unsafe { mmap_anonymous(None, size, access, MapFlags::MAP_SHARED) }?;
    // SAFETY: It has this size, is aligned to pages, is zero, and is never unmapped.
    Ok(unsafe { std::slice::from_raw_parts(memory.cast().as_ptr(), count.get()) })
}

/// Waits for the end of a child, which must not have failed.
fn wait_for(child: Pid) -> Result<(), Errno> {
    match waitpid(child, None)? {
        WaitStatus::Exited(_, 0) => Ok(()),
        _ => Err(Errno::ECHILD),
    }
}

/// The life of a child. Nothing but the end comes after the last reading.
fn live(limit: u64, reading: &AtomicU64) -> ! {
    let status = i32::from(spin(limit, reading).is_err());
    // SAFETY: Nothing has to be done before.
    unsafe { libc::_exit(status) }
}

fn spin(limit: u64, reading: &AtomicU64) -> Result<(), Errno> {
    prctl::set_name(c"gnat")?;
    loop {
        let used = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
        let used = u64::try_from(used.num_nanoseconds()).map_err(|_| Errno::ERANGE)?;
        reading.store(used, Ordering::Relaxed);
        if used >= limit {
            return Ok(());
        }
    }
}
