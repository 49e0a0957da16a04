// SPDX-License-Identifier: GPL-2.0

//! What the `kernel` crate of Linux 7.2 lacks or calls differently than that of Linux 7.3.

use kernel::{
    bindings,
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

/// A full memory barrier between CPUs.
#[inline]
pub(crate) fn smp_mb() {
    // SAFETY: This may be called from everywhere.
    unsafe { bindings::smp_mb() };
}

/// Waits until all RCU callbacks that are queued have run. Sleeps.
pub(crate) fn rcu_barrier() {
    // SAFETY: This may be called wherever sleeping is allowed; elsewhere the kernel complains.
    unsafe { bindings::rcu_barrier() };
}
