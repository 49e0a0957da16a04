// SPDX-License-Identifier: GPL-2.0

//! Numbers that a thread can wait for the change of.
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

use crate::abstractions::compat::smp_mb;

/// A number whose changes end [`CurrentThread::sleep_until`](crate::abstractions::kthread::CurrentThread).
///
/// The queue of those who wait is the kernel's, and found by the address of the number. So there is
/// nothing to set up or to take down, and a number may be static.
pub(crate) struct WatchedU32(Atomic<u32>);

impl WatchedU32 {
    /// Creates a number.
    pub(crate) const fn new(value: u32) -> Self {
        Self(Atomic::new(value))
    }

    /// Returns the present value, which may change at any time.
    #[inline(always)]
    pub(crate) fn value(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Changes the value, and wakes those who wait for that.
    pub(crate) fn set(&self, value: u32) {
        self.0.store(value, Relaxed);
        // ORDERING: Pairs with the barrier in `prepare_to_wait_event()`: either this sees whoever
        // waits in the queue, or they see the new value.
        smp_mb();
        // TIME: As long as the queue is, which has those who wait for this address, and whatever
        // else the kernel has in this one of its 256 queues. None of them is called for long.
        // SAFETY: Any address will do.
        unsafe { bindings::wake_up_var(self.address()) };
    }

    /// Returns what the kernel knows the number by.
    pub(crate) fn address(&self) -> *mut c_void {
        self.0.as_ptr().cast()
    }
}
