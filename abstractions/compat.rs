// SPDX-License-Identifier: GPL-2.0

//! What depends on the kernel: what the `kernel` crate of Linux 7.2 lacks or calls differently than
//! that of Linux 7.3, and functions that take other arguments or other ways by configuration.

#[cfg(all(CONFIG_SLAB_BUCKETS, not(CONFIG_KMALLOC_PARTITION_CACHES)))]
use core::ptr;
use core::{
    ptr::NonNull,
    sync::atomic::{
        compiler_fence,
        Ordering, //
    }, //
};

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
    // That is all that x86 needs, and it saves the call.
    #[cfg(CONFIG_X86_64)]
    compiler_fence(Ordering::SeqCst);
    #[cfg(not(CONFIG_X86_64))]
    // SAFETY: This may be called from everywhere.
    unsafe {
        bindings::smp_rmb()
    };
}

/// A memory barrier between CPUs that keeps writes in order.
#[inline]
pub(crate) fn smp_wmb() {
    // As above.
    #[cfg(CONFIG_X86_64)]
    compiler_fence(Ordering::SeqCst);
    #[cfg(not(CONFIG_X86_64))]
    // SAFETY: This may be called from everywhere.
    unsafe {
        bindings::smp_wmb()
    };
}

/// Allocates memory for a header and `len` bytes behind it as `kvmalloc()` does, accounted to the
/// caller, and without a word in the log if there is none. Sleeps.
///
/// That is one call, which the allocators of the `kernel` crate make three of.
#[cfg(all(CONFIG_SLAB_BUCKETS, not(CONFIG_KMALLOC_PARTITION_CACHES)))]
#[inline]
pub(crate) fn kvmalloc_account<T>(len: usize) -> Result<NonNull<T>, AllocError> {
    let size = size_of::<T>().checked_add(len).ok_or(AllocError)?;
    // SAFETY: This may be called wherever sleeping is allowed, with any size.
    let memory = unsafe {
        bindings::__kvmalloc_node_noprof(
            size,
            ptr::null_mut(),
            align_of::<T>(),
            bindings::GFP_KERNEL_ACCOUNT | bindings::__GFP_NOWARN,
            bindings::NUMA_NO_NODE,
        )
    };

    NonNull::new(memory.cast()).ok_or(AllocError)
}

/// The same for kernels where that one call takes other arguments.
#[cfg(not(all(CONFIG_SLAB_BUCKETS, not(CONFIG_KMALLOC_PARTITION_CACHES))))]
pub(crate) fn kvmalloc_account<T>(len: usize) -> Result<NonNull<T>, AllocError> {
    use core::alloc::Layout;
    use kernel::alloc::{
        allocator::KVmalloc,
        flags::*,
        Allocator,
        NumaNode, //
    };

    let size = size_of::<T>().checked_add(len).ok_or(AllocError)?;
    let layout = Layout::from_size_align(size, align_of::<T>()).map_err(|_| AllocError)?;

    Ok(KVmalloc::alloc(layout, GFP_KERNEL_ACCOUNT | __GFP_NOWARN, NumaNode::NO_NODE)?.cast())
}

/// Waits until all RCU callbacks that are queued have run. Sleeps.
pub(crate) fn rcu_barrier() {
    // SAFETY: This may be called wherever sleeping is allowed; elsewhere the kernel complains.
    unsafe { bindings::rcu_barrier() };
}
