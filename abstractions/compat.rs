// SPDX-License-Identifier: GPL-2.0-only

//! Functions that the `kernel` crate of the oldest supported kernel, Linux 7.2, lacks or declares
//! differently. Each item says when it can go, and by what it is replaced.
//!
//! Rust code is not told the version of its kernel, so what is here works on all of them.

#[cfg(all(CONFIG_X86_64, not(CONFIG_UML), not(CONFIG_KCSAN)))]
use core::sync::atomic::{
    compiler_fence,
    Ordering, //
};

use kernel::{
    alloc::{
        flags::__GFP_ZERO,
        AllocError,
        Flags, //
    },
    bindings,
    prelude::*,
    sync::rcu,
    task::{
        CurrentTask,
        Task, //
    },
    types::Opaque, //
};

use crate::abstractions::{
    internals::{
        EXEC_STATE_DUMPABLE,
        HAS_EXEC_STATE,
        MM_FLAGS,
        TASK_EXEC_STATE, //
    },
    sync::rwonce::read,
    task::TaskExt, //
};

/// Returns the module that this code is part of.
///
/// Goes with Linux 7.2: `kernel::module::this_module()`.
#[doc(alias = "THIS_MODULE")]
pub(crate) const fn this_module() -> *mut bindings::module {
    // Without lockdep, some fields of a module are of an empty type.
    #[allow(improper_ctypes)]
    extern "C" {
        static __this_module: Opaque<bindings::module>;
    }

    // SAFETY: Each module has this object, which lives as long as the module's code.
    unsafe { __this_module.get() }
}

/// Returns the error for a reference to an object that does not exist any more.
///
/// Goes with Linux 7.2: `kernel::error::code::ESTALE`.
#[doc(alias = "ESTALE")]
pub(crate) fn estale() -> Error {
    // CAST: The numbers of errors are small.
    Error::from_errno(-(bindings::ESTALE as c_int))
}

/// Allocates a vector of zeroes.
///
/// # Errors
///
/// `AllocError` if memory is short.
///
/// Goes with Linux 7.2: `Vec::zeroed()`.
pub(crate) fn zeroed_vec<T: Zeroable>(len: usize, flags: Flags) -> Result<KVVec<T>, AllocError> {
    let mut vec = KVVec::with_capacity(len, flags | __GFP_ZERO)?;

    // SAFETY: The capacity is at least `len`, and zeroes are valid elements.
    unsafe { vec.inc_len(len) };
    Ok(vec)
}

/// A full memory barrier between CPUs.
///
/// Goes with Linux 7.2, where `kernel::sync::barrier::smp_mb()` takes no argument, which is `Full`
/// since then. The same goes for the other two.
#[inline]
pub(crate) fn smp_mb() {
    // SAFETY: This may be called from everywhere.
    unsafe { bindings::smp_mb() };
}

/// A memory barrier between CPUs that keeps reads in order.
///
/// On x86-64, whose CPUs do so themselves, the macro of C is a barrier for the compiler alone
/// (`arch/x86/include/asm/barrier.h`), and so is this. A record takes six of them. Elsewhere, and
/// where KCSAN has to know of it, this calls the function that Rust code has for the macro.
///
/// Goes when that is inlined, or with Linux 7.2: `smp_mb(Read)`.
#[inline(always)]
pub(crate) fn smp_rmb() {
    #[cfg(all(CONFIG_X86_64, not(CONFIG_UML), not(CONFIG_KCSAN)))]
    compiler_fence(Ordering::SeqCst);
    #[cfg(not(all(CONFIG_X86_64, not(CONFIG_UML), not(CONFIG_KCSAN))))]
    // SAFETY: This may be called from everywhere.
    unsafe {
        bindings::smp_rmb()
    };
}

/// A memory barrier between CPUs that keeps writes in order. Goes with Linux 7.2: `smp_mb(Write)`.
#[inline]
pub(crate) fn smp_wmb() {
    // SAFETY: This may be called from everywhere.
    unsafe { bindings::smp_wmb() };
}

/// Waits until all RCU callbacks that are queued have run. Sleeps.
///
/// Goes with Linux 7.2: `kernel::sync::rcu::rcu_barrier()`.
pub(crate) fn rcu_barrier() {
    // SAFETY: This may be called wherever sleeping is allowed; elsewhere the kernel warns.
    unsafe { bindings::rcu_barrier() };
}

/// Waits for an RCU grace period. Sleeps.
///
/// Goes with Linux 7.2: `kernel::sync::rcu::synchronize_rcu()`.
#[inline]
pub(crate) fn synchronize_rcu() {
    // SAFETY: As for `rcu_barrier()`.
    unsafe { bindings::synchronize_rcu() };
}

/// Whether the caller has a capability in the initial user namespace, without an audit record.
///
/// Goes with Linux 7.2: `bindings::capable_noaudit()`.
#[inline]
pub(crate) fn capable_noaudit(capability: u32) -> bool {
    // CAST: The numbers of capabilities are small.
    // SAFETY: Any task may call this for itself, and the namespace is static.
    unsafe { bindings::ns_capable_noaudit(&raw mut bindings::init_user_ns, capability as c_int) }
}

/// Returns whether the current task is dumpable: one of `TASK_DUMPABLE_*`.
///
/// Goes with Linux 7.2, which has this in the flags of the address space. The kernel's own function
/// is not exported.
#[doc(alias = "task_exec_state_get_dumpable")]
pub(crate) fn dumpable(task: &CurrentTask, guard: &rcu::Guard) -> u32 {
    if HAS_EXEC_STATE != 0 {
        return dumpable_of_exec_state(task, guard);
    }
    // SAFETY: A task may look at its own address space without a lock.
    let mm = unsafe { (*task.as_ptr()).mm };

    if mm.is_null() {
        return 0;
    }
    // SAFETY: The address space is that of the current task.
    unsafe { dumpable_of_mm(mm) }
}

/// Returns whether a task, which need not be the current one, is dumpable; `None` for one without
/// anything that could be dumped.
///
/// TIME: On Linux 7.2, the lock of the task is held for one load.
///
/// Goes with Linux 7.2, as [`dumpable`].
#[doc(alias = "task_still_dumpable")]
pub(crate) fn dumpable_of(task: &Task, guard: &rcu::Guard) -> Option<u32> {
    if HAS_EXEC_STATE != 0 {
        return Some(dumpable_of_exec_state(task, guard));
    }
    // SAFETY: The address space is valid during the call.
    task.with_mm(|mm| unsafe { dumpable_of_mm(mm.as_raw()) })
}

/// Returns `task_struct.exec_state.dumpable`. To be called only if there is that.
#[inline(always)]
fn dumpable_of_exec_state(task: &Task, _guard: &rcu::Guard) -> u32 {
    // SAFETY: The offset is that of a pointer, which is replaced and freed by RCU, and is never
    // null in a task that RCU keeps.
    unsafe {
        let state = task.as_ptr().wrapping_byte_add(TASK_EXEC_STATE as usize);
        let state = read!(*state.cast::<*mut u8>());

        read!(*state
            .wrapping_add(EXEC_STATE_DUMPABLE as usize)
            .cast::<u32>())
    }
}

/// Returns what `get_dumpable()` of Linux 7.2 does.
///
/// # Safety
///
/// The address space must be valid.
#[inline(always)]
unsafe fn dumpable_of_mm(mm: *mut bindings::mm_struct) -> u32 {
    const MMF_DUMPABLE_MASK: u32 = 3;

    // SAFETY: By the safety requirements. The offset is that of the flags, which begin with these
    // bits.
    unsafe { read!(*mm.wrapping_byte_add(MM_FLAGS as usize).cast::<u32>()) & MMF_DUMPABLE_MASK }
}
