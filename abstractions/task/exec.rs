// SPDX-License-Identifier: GPL-2.0

//! Noticing that a process executes another program.
//!
//! Name, address space and credentials do not change all at once then, but they do so with a lock
//! of the process held. Anything may hold that for as long as it likes, so it is only looked at and
//! never waited for.
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

/// What tells one program of a task from the next one.
///
/// What is read of a task after [`ExecId::of`] and before [`ExecId::is_still`], which says so, all
/// belongs to the same program. Two cases go unnoticed:
///
/// - a program that cannot be executed after all, of which the process dies;
/// - on CPUs that let writes overtake each other, a name that becomes visible before the lock does.
///   The barrier of `membarrier_exec_mmap()` is between them in kernels with `CONFIG_MEMBARRIER`.
#[derive(Clone, Copy)]
pub(crate) struct ExecId(u64);

impl ExecId {
    /// Returns the ID of the program that the task has come to, or nothing while it is executing
    /// one, or while its process holds that lock for another reason.
    #[inline(always)]
    pub(crate) fn of(task: &Task) -> Option<Self> {
        let id = Self::current(task);

        // ORDERING: If a program is executed from here on, the ID will be another one in the end,
        // whether the lock is found taken or not yet.
        smp_rmb();
        if is_executing(task) {
            return None;
        }
        // ORDERING: This comes before all that is read of the task.
        smp_rmb();
        Some(id)
    }

    /// Whether the task is still at the same program.
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
        // SAFETY: The task is valid, and this changes under our eyes, hence volatile.
        Self(unsafe { read!((*task.as_ptr()).self_exec_id) })
    }
}

/// Whether a thread of the task's process holds the lock under which it changes to another program.
#[inline(always)]
fn is_executing(task: &Task) -> bool {
    // SAFETY: A task keeps its `signal_struct` until it is freed itself, and with it the lock.
    unsafe { is_locked_for_writing(&raw const (*(*task.as_ptr()).signal).exec_update_lock) }
}

/// Does what `rwsem_assert_held_write()` looks at, without a lock's word being written.
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
    fn a_kernel_thread_stays_at_its_program() -> Result {
        let task: &Task = kernel::current!();
        let id = ExecId::of(task).ok_or(EBUSY)?;

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

    #[test]
    fn readers_of_the_lock_are_not_taken_for_a_program() {
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
