// SPDX-License-Identifier: GPL-2.0

//! What depends on the kernel: what the `kernel` crate of Linux 7.2 lacks or calls differently than
//! that of Linux 7.3, and functions that take other arguments or other ways by configuration.

use kernel::{
    alloc::{
        flags::__GFP_ZERO,
        AllocError,
        Flags, //
    },
    bindings,
    prelude::*,
    types::Opaque, //
};

/// Returns what C code calls `THIS_MODULE`.
pub(crate) const fn this_module() -> *mut bindings::module {
    // Without lockdep, some fields of a module are of an empty type.
    #[allow(improper_ctypes)]
    extern "C" {
        static __this_module: Opaque<bindings::module>;
    }

    // SAFETY: Each module has this object, which lives as long as the module's code.
    unsafe { __this_module.get() }
}

/// Returns the error for a reference to what is not there any more, which is called `ESTALE` from
/// Linux 7.3 on.
pub(crate) fn estale() -> Error {
    // CAST: The numbers of errors are small.
    Error::from_errno(-(bindings::ESTALE as c_int))
}

/// Allocates a vector of zeroes, as `Vec::zeroed()` of Linux 7.3 does.
pub(crate) fn zeroed_vec<T: Zeroable>(len: usize, flags: Flags) -> Result<KVVec<T>, AllocError> {
    let mut vec = KVVec::with_capacity(len, flags | __GFP_ZERO)?;

    // SAFETY: There is room for as many elements, and zeroes are valid ones.
    unsafe { vec.inc_len(len) };
    Ok(vec)
}

/// A full memory barrier between CPUs.
#[inline]
pub(crate) fn smp_mb() {
    // SAFETY: This may be called from everywhere.
    unsafe { bindings::smp_mb() };
}

/// A memory barrier between CPUs that keeps reads in order.
#[inline]
pub(crate) fn smp_rmb() {
    // SAFETY: This may be called from everywhere.
    unsafe { bindings::smp_rmb() };
}

/// A memory barrier between CPUs that keeps writes in order.
#[inline]
pub(crate) fn smp_wmb() {
    // SAFETY: This may be called from everywhere.
    unsafe { bindings::smp_wmb() };
}

// Queues an RCU callback for the next grace period, which is begun at once. Where no callback is
// lazy, that is an inline function of C which calls the other one.
#[cfg(not(CONFIG_RCU_LAZY))]
pub(crate) use bindings::call_rcu as call_rcu_hurry;
#[cfg(CONFIG_RCU_LAZY)]
pub(crate) use bindings::call_rcu_hurry;

/// Waits until all RCU callbacks that are queued have run. Sleeps.
pub(crate) fn rcu_barrier() {
    // SAFETY: This may be called wherever sleeping is allowed; elsewhere the kernel complains.
    unsafe { bindings::rcu_barrier() };
}
