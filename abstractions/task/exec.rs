// SPDX-License-Identifier: GPL-2.0-only

//! Detection of execve(2) during a read of several properties of a process.
//!
//! Name, address space and credentials change one after the other then, with `exec_update_lock`
//! held. The lock may be held for any length of time, so it is only looked at and never waited for.
//!
//! Does not support waiting for the end of execve(2).
//!
//! # Examples
//!
//! ```ignore
//! let id = ExecId::of(task).ok_or(EAGAIN)?;
//! let comm = task.comm();
//!
//! if !id.is_still(task) {
//!     return Err(EAGAIN);
//! }
//! ```
//!
//! C header: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h)

use kernel::{
    bindings,
    prelude::*,
    task::Task, //
};

use crate::abstractions::{
    compat::smp_rmb,
    sync::rwonce::read, //
};

/// The program that a task executes, as a number that changes with each execve(2).
///
/// All that is read of a task after [`ExecId::of`], and before [`ExecId::is_still`] returns true,
/// belongs to one program. Two cases are not detected:
///
/// - an execve(2) that fails after the point of no return, which kills the process;
/// - on CPUs that reorder writes, a name that becomes visible before the lock does. Kernels with
///   `CONFIG_MEMBARRIER` have the barrier of `membarrier_exec_mmap()` between them.
#[doc(alias = "self_exec_id")]
#[derive(Clone, Copy)]
pub(crate) struct ExecId(u64);

impl ExecId {
    /// Returns the ID of the task's program; `None` during execve(2), or while another operation
    /// holds the lock for writing.
    #[inline(always)]
    pub(crate) fn of(task: &Task) -> Option<Self> {
        let id = Self::current(task);

        // ORDERING: An execve(2) that begins after this changes the ID in the end, whether the lock
        // is found taken or not yet.
        smp_rmb();
        if is_executing(task) {
            return None;
        }
        // ORDERING: This comes before all that is read of the task.
        smp_rmb();
        Some(id)
    }

    /// Whether the task still executes the same program.
    #[inline(always)]
    pub(crate) fn is_still(self, task: &Task) -> bool {
        // ORDERING: This comes after all that was read of the task.
        smp_rmb();
        if is_executing(task) {
            return false;
        }
        // ORDERING: If the lock was taken and released since, the ID has changed before that.
        smp_rmb();
        Self::current(task).0 == self.0
    }

    #[inline(always)]
    fn current(task: &Task) -> Self {
        // SAFETY: The task is valid; this changes concurrently.
        Self(unsafe { read!((*task.as_ptr()).self_exec_id) })
    }
}

/// Whether the lock of the task's process under which execve(2) works is held for writing.
#[inline(always)]
fn is_executing(task: &Task) -> bool {
    // SAFETY: A task keeps its `signal_struct` until it is freed itself, and with it the lock.
    unsafe { is_locked_for_writing(&raw const (*(*task.as_ptr()).signal).exec_update_lock) }
}

/// Whether a semaphore is held for writing. The lock is only read.
///
/// The C function is in `kernel/locking/rwsem.c`, where the constants are, too.
#[doc(alias = "is_rwsem_writer_locked")]
///
/// # Safety
///
/// `lock` must be initialised and valid.
#[inline(always)]
unsafe fn is_locked_for_writing(lock: *const bindings::rw_semaphore) -> bool {
    // CAST: To the types of the words, in which these are single bits.
    #[cfg(not(CONFIG_PREEMPT_RT))]
    // SAFETY: By the safety requirements.
    return unsafe { read!((*lock).count.counter) } & i64::from(bindings::RWSEM_WRITER_LOCKED) != 0;
    #[cfg(CONFIG_PREEMPT_RT)]
    // SAFETY: By the safety requirements.
    return unsafe { read!((*lock).rwbase.readers.counter) } == bindings::WRITER_BIAS as c_int;
}

#[kunit_tests(procmon_exec)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_thread_keeps_its_program() -> Result {
        let task: &Task = kernel::current!();
        let id = ExecId::of(task).ok_or(EBUSY)?;

        assert!(id.is_still(task));
        Ok(())
    }

    #[test]
    fn an_execve_is_detected() -> Result {
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

    #[test]
    fn readers_of_the_lock_are_no_execve() {
        let task: &Task = kernel::current!();
        // SAFETY: A task keeps its `signal_struct` until it is freed itself.
        let lock = unsafe { &raw mut (*(*task.as_ptr()).signal).exec_update_lock };

        // SAFETY: The lock is initialised, and released below.
        unsafe { bindings::down_read(lock) };

        let during = ExecId::of(task);

        // SAFETY: It was taken above.
        unsafe { bindings::up_read(lock) };
        assert!(during.is_some());
    }
}
