// SPDX-License-Identifier: GPL-2.0-only

//! Prefetching of what a walk over many tasks is going to read.
//!
//! Such a walk mostly waits for memory, since each task is in some twenty cache lines of its own.
//! Their addresses are known step by step: the ID leads to the task, and the task to all else. So
//! each step is fetched while other tasks are looked at.
//!
//! Does not support what is read of few tasks only: exit states, other threads, I/O.
//!
//! # Examples
//!
//! ```ignore
//! Parts::Most.prefetch_task(after_next);
//! // Its own lines were fetched while the task before it was looked at.
//! Parts::Most.prefetch_objects(next, &guard);
//! look_at(this);
//! ```
//!
//! C header: [`include/linux/prefetch.h`](srctree/include/linux/prefetch.h)

use core::mem::offset_of;

use kernel::{
    bindings,
    prelude::*,
    sync::rcu,
    task::Task, //
};

use crate::abstractions::{
    prefetch::prefetch,
    sync::rwonce::read, //
};

/// Returns the offset of a counter of resident pages.
const fn counter(member: c_uint) -> usize {
    offset_of!(bindings::mm_struct, __bindgen_anon_1.rss_stat)
        + member as usize * size_of::<bindings::percpu_counter>()
        + offset_of!(bindings::percpu_counter, count)
}

/// The parts of tasks that a walk reads.
#[derive(Clone, Copy)]
pub(crate) enum Parts {
    /// State, name, parent, the number of threads, and whether it is executing a program.
    Few,
    /// These, times, faults, context switches, user and group IDs, and sizes of memory.
    Most,
}

impl Parts {
    /// Prefetches the lines of a task itself.
    #[inline(always)]
    pub(in crate::abstractions) fn prefetch_task(self, task: &Task) {
        let task: *const bindings::task_struct = task.as_ptr();

        prefetch::<{ offset_of!(bindings::task_struct, signal) }, _>(task);
        prefetch::<{ offset_of!(bindings::task_struct, self_exec_id) }, _>(task);
        prefetch::<{ offset_of!(bindings::task_struct, __state) }, _>(task);
        prefetch::<{ offset_of!(bindings::task_struct, comm) }, _>(task);
        prefetch::<{ offset_of!(bindings::task_struct, real_parent) }, _>(task);
        if matches!(self, Self::Most) {
            prefetch::<{ offset_of!(bindings::task_struct, utime) }, _>(task);
            prefetch::<{ offset_of!(bindings::task_struct, se.sum_exec_runtime) }, _>(task);
            prefetch::<{ offset_of!(bindings::task_struct, nvcsw) }, _>(task);
            prefetch::<{ offset_of!(bindings::task_struct, static_prio) }, _>(task);
            prefetch::<{ offset_of!(bindings::task_struct, policy) }, _>(task);
            prefetch::<{ offset_of!(bindings::task_struct, real_cred) }, _>(task);
            prefetch::<{ offset_of!(bindings::task_struct, mm) }, _>(task);
        }
    }

    /// Prefetches the lines of the objects that a task points to, by reading its pointers.
    #[inline(always)]
    pub(in crate::abstractions) fn prefetch_objects(self, task: &Task, _guard: &rcu::Guard) {
        // SAFETY: The task is valid, and keeps its `signal_struct` until it is freed itself. It is
        // not looked at here.
        let signal: *const bindings::signal_struct = unsafe { (*task.as_ptr()).signal };

        prefetch::<{ offset_of!(bindings::signal_struct, nr_threads) }, _>(signal);
        prefetch::<{ offset_of!(bindings::signal_struct, exec_update_lock) }, _>(signal);
        if matches!(self, Self::Most) {
            prefetch::<{ offset_of!(bindings::signal_struct, stats_lock) }, _>(signal);
            prefetch::<{ offset_of!(bindings::signal_struct, prev_cputime) }, _>(signal);

            // SAFETY: The task is valid. Its credentials change concurrently, and may have been
            // freed already: they are not looked at here.
            let cred = unsafe { read!((*task.as_ptr()).real_cred) };

            prefetch::<{ offset_of!(bindings::cred, uid) }, _>(cred);

            // SAFETY: As above.
            let mm = unsafe { read!((*task.as_ptr()).mm) };

            // A kernel thread has none, and to look for it takes long.
            if !mm.is_null() {
                prefetch::<{ offset_of!(bindings::mm_struct, __bindgen_anon_1.total_vm) }, _>(mm);
                prefetch::<{ counter(bindings::MM_FILEPAGES) }, _>(mm);
                prefetch::<{ counter(bindings::MM_SHMEMPAGES) }, _>(mm);
            }
        }
    }
}
