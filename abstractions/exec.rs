// SPDX-License-Identifier: GPL-2.0

//! Noticing that a process executes another program.
//!
//! Name, address space and credentials do not change all at once then, but they do so with a lock
//! of the process held, which cannot be taken under RCU.
//!
//! C header: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h)

use core::ptr;

use kernel::{
    bindings,
    prelude::*,
    sync::rcu,
    task::Task, //
};

use crate::abstractions::compat::smp_rmb;

/// Reads of a task whether it is executing a program, and which one it has come to.
///
/// Returns nothing while it is.
#[inline(always)]
fn exec_id(task: &Task) -> Option<u64> {
    // SAFETY: A task keeps its `signal_struct` until it is freed itself, and all of this changes
    // under our eyes, hence volatile.
    unsafe {
        let task = task.as_ptr();

        if is_locked_for_writing(&raw const (*(*task).signal).exec_update_lock) {
            return None;
        }
        Some(ptr::read_volatile(&raw const (*task).self_exec_id))
    }
}

/// # Safety
///
/// `lock` must be initialised and valid.
#[inline(always)]
unsafe fn is_locked_for_writing(lock: *const bindings::rw_semaphore) -> bool {
    // These are RWSEM_WRITER_LOCKED and WRITER_BIAS, which no header has.
    #[cfg(not(CONFIG_PREEMPT_RT))]
    // SAFETY: By the safety requirements.
    return unsafe { ptr::read_volatile(&raw const (*lock).count.counter) } & 1 != 0;
    #[cfg(CONFIG_PREEMPT_RT)]
    // SAFETY: By the safety requirements.
    return unsafe { ptr::read_volatile(&raw const (*lock).rwbase.readers.counter) } == 1 << 30;
}

/// Reads of a task what is changed by executing a program, such that all of it belongs to the same
/// program.
///
/// Returns nothing if the task is executing one just now: then [`wait_for_exec`] is to be called
/// outside of RCU.
#[inline(always)]
pub(crate) fn read_consistently<T>(
    task: &Task,
    _guard: &rcu::Guard,
    read: impl FnOnce() -> T,
) -> Option<T> {
    let before = exec_id(task)?;

    // ORDERING: What is read comes after the first check and before the second one. If neither
    // finds the lock taken, and no program was executed in between, then all was read in between.
    smp_rmb();

    let value = read();

    smp_rmb();
    (exec_id(task)? == before).then_some(value)
}

/// Waits until a task does not execute a program.
///
/// # Errors
///
/// `EINTR` if a fatal signal comes first.
pub(crate) fn wait_for_exec(task: &Task) -> Result {
    // SAFETY: A task keeps its `signal_struct` until it is freed itself.
    let lock = unsafe { &raw mut (*(*task.as_ptr()).signal).exec_update_lock };

    // SAFETY: The lock is initialised, and not held by this thread: only those who execute a
    // program hold it for longer than a function.
    kernel::error::to_result(unsafe { bindings::down_read_killable(lock) })?;
    // SAFETY: It was taken above.
    unsafe { bindings::up_read(lock) };
    Ok(())
}
