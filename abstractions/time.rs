// SPDX-License-Identifier: GPL-2.0

//! The time, as a number.
//!
//! The `kernel` crate's `Instant` keeps its number to itself, which is right inside of the kernel but
//! user space has to be told one.
//!
//! C header: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)

use kernel::bindings;

/// Returns the nanoseconds since boot, those in suspend included: `CLOCK_BOOTTIME`.
pub(crate) fn boottime() -> u64 {
    // SAFETY: This may be called from everywhere but an NMI, and no interrupt runs Rust code here.
    let time = unsafe { bindings::ktime_get_boottime() };

    // It begins with 0.
    u64::try_from(time).unwrap_or(0)
}
