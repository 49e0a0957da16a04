// SPDX-License-Identifier: GPL-2.0-only

//! Waiting for a variable to change.
//!
//! Does not support types other than `u32`, or waiters that are not kernel threads.
//!
//! # Examples
//!
//! ```ignore
//! static INTERVAL: WatchedU32 = WatchedU32::new(1000);
//!
//! // In a kernel thread:
//! let seen = INTERVAL.value();
//! thread.sleep_until(deadline, &INTERVAL, seen);
//!
//! // Elsewhere, which ends that sleep:
//! INTERVAL.set(10);
//! ```
//!
//! C header: [`include/linux/wait_bit.h`](srctree/include/linux/wait_bit.h)

use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

use crate::abstractions::{
    compat::smp_mb,
    sync::rwonce::load_relaxed, //
};

/// A number whose changes wake threads in
/// [`CurrentThread::sleep_until`](crate::abstractions::kthread::CurrentThread).
///
/// The wait queue is one of the kernel's, found by the address of the number. So there is nothing
/// to initialise or to release, and a number may be static.
pub(crate) struct WatchedU32(Atomic<u32>);

impl WatchedU32 {
    /// Creates a number with a value.
    pub(crate) const fn new(value: u32) -> Self {
        Self(Atomic::new(value))
    }

    /// Returns the current value, which may change concurrently.
    #[inline(always)]
    pub(crate) fn value(&self) -> u32 {
        load_relaxed(&self.0)
    }

    /// Changes the value and wakes the threads that wait for that.
    #[doc(alias = "wake_up_var")]
    pub(crate) fn set(&self, value: u32) {
        self.0.store(value, Relaxed);
        // ORDERING: Pairs with the barrier in `prepare_to_wait_event()`: either this sees the
        // waiter in the queue, or the waiter sees the new value.
        smp_mb();
        // TIME: One short call for each waiter in the queue: those of this address, and others that
        // the kernel has in this one of its 256 queues.
        // SAFETY: Any address will do.
        unsafe { bindings::wake_up_var(self.address()) };
    }

    /// Returns the address by which the kernel finds the wait queue.
    pub(crate) fn address(&self) -> *mut c_void {
        self.0.as_ptr().cast()
    }
}
