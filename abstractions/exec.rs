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
    task::Task, //
};

use crate::abstractions::compat::smp_rmb;

/// What tells one program of a task from the next one.
///
/// What is read of a task after [`ExecId::of`] and before [`ExecId::is_still`], which says so, all
/// belongs to the same program.
#[derive(Clone, Copy)]
pub(crate) struct ExecId(u64);

impl ExecId {
    /// Returns the ID of the program that the task has come to, or nothing while it is executing
    /// one: then [`wait_for_exec`] is to be called outside of RCU.
    #[inline(always)]
    pub(crate) fn of(task: &Task) -> Option<Self> {
        let id = Self::read(task);

        // ORDERING: This comes before all that is read of the task.
        smp_rmb();
        id
    }

    /// Whether the task is still at the same program.
    #[inline(always)]
    pub(crate) fn is_still(self, task: &Task) -> bool {
        // ORDERING: This comes after all that was read of the task. If the lock was not taken
        // before and is not taken now, and no program was executed in between, then all was read
        // while the lock was not held.
        smp_rmb();
        Self::read(task).is_some_and(|now| now.0 == self.0)
    }

    #[inline(always)]
    fn read(task: &Task) -> Option<Self> {
        // SAFETY: A task keeps its `signal_struct` until it is freed itself, and all of this
        // changes under our eyes, hence volatile.
        unsafe {
            let task = task.as_ptr();

            if is_locked_for_writing(&raw const (*(*task).signal).exec_update_lock) {
                return None;
            }
            Some(Self(ptr::read_volatile(&raw const (*task).self_exec_id)))
        }
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

#[kunit_tests(procmon_exec)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_thread_stays_at_its_program() -> Result {
        let task: &Task = kernel::current!();
        let id = ExecId::of(task).ok_or(EBUSY)?;

        assert!(id.is_still(task));
        wait_for_exec(task)?;
        assert!(id.is_still(task));
        Ok(())
    }

    #[test]
    fn a_program_that_is_being_executed_is_noticed() -> Result {
        let task: &Task = kernel::current!();
        let id = ExecId::of(task).ok_or(EBUSY)?;
        // SAFETY: A task keeps its `signal_struct` until it is freed itself.
        let lock = unsafe { &raw mut (*(*task.as_ptr()).signal).exec_update_lock };

        // SAFETY: The lock is initialised, and released below.
        unsafe { bindings::down_write(lock) };

        let during = ExecId::of(task).is_some() || id.is_still(task);

        // SAFETY: It was taken above.
        unsafe { bindings::up_write(lock) };
        assert!(!during);
        assert!(id.is_still(task));
        Ok(())
    }
}
