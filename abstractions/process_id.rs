// SPDX-License-Identifier: GPL-2.0

//! References to process IDs, which outlive the process.
//!
//! C header: [`include/linux/pid.h`](srctree/include/linux/pid.h)

use core::ptr::{
    self,
    NonNull, //
};

use kernel::{
    bindings,
    prelude::*,
    sync::{
        aref::{
            ARef, //
            AlwaysRefCounted,
        },
        rcu, //
    },
    task::Pid, //
};

use crate::abstractions::{
    pid::PidRef,
    task::find_task_by_vpid, //
};

// SAFETY: A `struct pid` is counted, and is there as long as the count is not zero. One that is
// valid under RCU has a count: the kernel gives back its own reference by `call_rcu()`.
unsafe impl AlwaysRefCounted for PidRef {
    fn inc_ref(&self) {
        // SAFETY: The struct is valid. This is what `get_pid()` does.
        unsafe { bindings::refcount_inc(&raw mut (*as_ptr(self)).count) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: By the safety requirements the caller gives up a reference.
        unsafe { bindings::put_pid(obj.as_ptr().cast()) };
    }
}

// SAFETY: References may be given back by any thread.
unsafe impl Send for PidRef {}
// SAFETY: What is read of it never changes, or is changed by RCU.
unsafe impl Sync for PidRef {}

/// Returns what C code knows an ID by. A `PidRef` is laid out as a `struct pid`.
fn as_ptr(pid: &PidRef) -> *mut bindings::pid {
    ptr::from_ref(pid).cast_mut().cast()
}

/// Returns the ID of the process that a number stands for in the caller's PID namespace, which may
/// be that of any of its threads.
///
/// The kernel does not use the object for another process, whatever becomes of the number.
pub(crate) fn find_process(nr: Pid) -> Option<ARef<PidRef>> {
    // TIME: RCU is held for one look-up.
    let guard = rcu::read_lock();
    let task = find_task_by_vpid(nr, &guard)?;
    // SAFETY: The task is valid, and this is a type of ID. There is none once the task has been
    // waited for.
    let pid = unsafe { bindings::get_task_pid(task.as_ptr(), bindings::pid_type_PIDTYPE_TGID) };

    // SAFETY: The call has taken a reference, which this now owns. A `PidRef` is laid out as a
    // `struct pid`.
    NonNull::new(pid).map(|pid| unsafe { ARef::from_raw(pid.cast()) })
}

#[kunit_tests(procmon_process_id)]
mod tests {
    use super::*;
    use crate::abstractions::pid::PidNamespaceExt;
    use kernel::pid_namespace::PidNamespace;

    #[test]
    fn finds_processes_and_nothing_else() -> Result {
        for nr in [1, 2] {
            let process = find_process(nr).ok_or(ESRCH)?;
            let guard = rcu::read_lock();

            assert_eq!(process.initial_nr(), nr);
            assert_eq!(process.nr_in(PidNamespace::initial()), nr);
            assert!(process.thread_group_leader(&guard).is_some());
        }
        for nr in [0, -1, Pid::MAX] {
            assert!(find_process(nr).is_none());
        }
        Ok(())
    }

    #[test]
    fn a_reference_is_given_back() -> Result {
        let process = find_process(1).ok_or(ESRCH)?;
        // SAFETY: The struct is valid, and the count changes under our eyes, hence volatile.
        let count =
            || unsafe { ptr::read_volatile(&raw const (*as_ptr(&process)).count.refs.counter) };
        let before = count();
        let other = process.clone();

        assert_eq!(count(), before + 1);
        drop(other);
        assert_eq!(count(), before);
        Ok(())
    }
}
