// SPDX-License-Identifier: GPL-2.0-only

//! Tracepoints about the lives of tasks.
//!
//! Their places in the kernel are those of Linux 7.2 and 7.3.
//!
//! C headers: [`include/trace/events/task.h`](srctree/include/trace/events/task.h),
//! [`include/trace/events/sched.h`](srctree/include/trace/events/sched.h),
//! [`include/trace/events/cgroup.h`](srctree/include/trace/events/cgroup.h),
//! [`include/trace/events/oom.h`](srctree/include/trace/events/oom.h)

use core::ffi::c_void;

use kernel::{
    bindings,
    prelude::*,
    task::{
        CurrentTask,
        Pid,
        Task, //
    }, //
};

use crate::abstractions::{
    internals::LINUX_BINPRM_FILENAME,
    str::CharPtr,
    tracepoint::{
        Probe,
        Tracepoint, //
    }, //
};

/// Defines a tracepoint: its name, the type of its events with the C types of the arguments, and
/// the expression that makes the one from the others.
macro_rules! tracepoint {
    (
        $(#[$attribute:meta])*
        $name:ident = $c_name:literal, $event:ident: |$($argument:ident: $type:ty),*| $make:expr
    ) => {
        $(#[$attribute])*
        pub(crate) struct $name;

        // SAFETY: The parameters are those of the tracepoint's prototype (`TP_PROTO`), and what is
        // made of them lives until the probe returns.
        unsafe impl Tracepoint for $name {
            const NAME: &'static CStr = $c_name;

            type Event<'a> = $event<'a>;

            fn function<P: Probe<Self>>() -> *mut c_void {
                /// # Safety
                ///
                /// `probe` must be a valid `P`, and the rest as the kernel has it for a probe of
                /// this tracepoint.
                unsafe extern "C" fn function<P: Probe<$name>>(
                    probe: *mut c_void,
                    $($argument: $type),*
                ) {
                    // SAFETY: By the safety requirements.
                    let probe = unsafe { &*probe.cast::<P>() };

                    probe.call($make);
                }

                function::<P> as *mut c_void
            }
        }
    };
}

/// Makes a reference of a task that is an argument of a probe.
macro_rules! task {
    ($task:ident) => {{
        // SAFETY: The kernel passes a valid task, which it keeps until the probe returns.
        // CAST: A `Task` is laid out as a `task_struct`.
        unsafe { &*$task.cast::<Task>() }
    }};
}

/// Makes a reference of the current task, where it is an argument of a probe.
macro_rules! current_task {
    ($task:ident) => {{
        // SAFETY: The kernel passes the task that runs here, and goes on with it when the probe has
        // returned.
        // CAST: A `CurrentTask` is laid out as a `Task`, and that as a `task_struct`.
        unsafe { &*$task.cast::<CurrentTask>() }
    }};
}

tracepoint! {
    /// The end of the making of a task: a process, a thread, a worker or a kernel thread.
    ///
    /// Runs in the task that makes it, which may sleep here. The new one does not run yet, but can
    /// be found already.
    TaskNewtask = c"task_newtask", NewTask:
        |task: *mut bindings::task_struct, clone_flags: u64| NewTask {
            task: task!(task),
            clone_flags,
        }
}

/// The event of [`TaskNewtask`].
pub(crate) struct NewTask<'a> {
    /// The new task.
    pub(crate) task: &'a Task,
    /// The flags `CLONE_*`.
    pub(crate) clone_flags: u64,
}

tracepoint! {
    /// The end of the execution of a program, which the task runs from here on.
    ///
    /// Runs in the task, which may sleep here. Its address space, name and credentials are those of
    /// the new program, and it has no other threads.
    SchedProcessExec = c"sched_process_exec", ProcessExec:
        |
            task: *mut bindings::task_struct,
            old_pid: bindings::pid_t,
            bprm: *mut bindings::linux_binprm
        | ProcessExec {
            task: current_task!(task),
            old_pid,
            file_name: {
                // The kernel's bindings lack the fields of the struct.
                // SAFETY: The kernel passes a valid struct, and the name is at this offset.
                let name = unsafe { bprm.byte_add(LINUX_BINPRM_FILENAME as usize) };

                // SAFETY: As above; the kernel keeps the name, a string, until the probe returns.
                unsafe { CharPtr::from_ptr(*name.cast()) }
            },
        }
}

/// The event of [`SchedProcessExec`].
pub(crate) struct ProcessExec<'a> {
    /// The task.
    pub(crate) task: &'a CurrentTask,
    /// The ID, in the task's PID namespace, that it had before: another one than it has now for a
    /// thread that was not the leader of its group.
    pub(crate) old_pid: Pid,
    /// The name of the program's file, as the task has given it.
    pub(crate) file_name: CharPtr<'a>,
}

tracepoint! {
    /// The exit of a task: a process or one of its threads.
    ///
    /// Runs in the task, which may sleep here. It still has its address space, files and cgroup,
    /// and its parent has not been told.
    SchedProcessExit = c"sched_process_exit", ProcessExit:
        |task: *mut bindings::task_struct, group_dead: bool| ProcessExit {
            task: current_task!(task),
            group_dead,
        }
}

/// The event of [`SchedProcessExit`].
pub(crate) struct ProcessExit<'a> {
    /// The task.
    pub(crate) task: &'a CurrentTask,
    /// Whether this is the last thread of its process to exit. Others may still be on their way to
    /// this tracepoint.
    pub(crate) group_dead: bool,
}

tracepoint! {
    /// A change of the name of a task, which still has the old one.
    ///
    /// Runs in any task, with the RCU read lock held at times: this must not sleep.
    TaskRename = c"task_rename", Rename:
        |task: *mut bindings::task_struct, comm: *const c_char| Rename {
            task: task!(task),
            // SAFETY: The kernel passes a string, and keeps it until the probe returns.
            comm: unsafe { CharPtr::from_ptr(comm) },
        }
}

/// The event of [`TaskRename`].
pub(crate) struct Rename<'a> {
    /// The task.
    pub(crate) task: &'a Task,
    /// The new name, of which 15 bytes are kept.
    pub(crate) comm: CharPtr<'a>,
}

#[cfg(CONFIG_CGROUPS)]
tracepoint! {
    /// A move of a task to another cgroup.
    ///
    /// Runs in any task, with interrupts off and a spin lock held: this must not sleep.
    CgroupAttachTask = c"cgroup_attach_task", AttachTask:
        |
            cgroup: *mut bindings::cgroup,
            path: *const c_char,
            task: *mut bindings::task_struct,
            _threadgroup: bool
        | AttachTask {
            // SAFETY: The kernel passes a valid cgroup, which has a node in its file system.
            id: unsafe { (*(*cgroup).kn).id },
            // SAFETY: As above, and a cgroup has the root of its hierarchy.
            is_unified: unsafe {
                core::ptr::eq((*cgroup).root, &raw const bindings::cgrp_dfl_root)
            },
            // SAFETY: As for a name.
            path: unsafe { CharPtr::from_ptr(path) },
            task: task!(task),
        }
}

/// The event of [`CgroupAttachTask`].
#[cfg(CONFIG_CGROUPS)]
pub(crate) struct AttachTask<'a> {
    /// The ID of the new cgroup.
    pub(crate) id: u64,
    /// Whether this is a cgroup of the unified hierarchy.
    pub(crate) is_unified: bool,
    /// The path of the new cgroup in its hierarchy, of at most 1,023 bytes.
    #[doc(alias = "TRACE_CGROUP_PATH_LEN")]
    pub(crate) path: CharPtr<'a>,
    /// The task, or the leader of the process that is moved.
    pub(crate) task: &'a Task,
}

tracepoint! {
    /// The choice of a process to be killed since memory is short.
    ///
    /// Runs in a task that allocates memory, with the lock of the victim held at times: this must
    /// not sleep, nor take that lock.
    MarkVictim = c"mark_victim", Victim:
        |task: *mut bindings::task_struct, _uid: bindings::uid_t| Victim {
            task: task!(task),
        }
}

/// The event of [`MarkVictim`].
pub(crate) struct Victim<'a> {
    /// A thread of the process.
    pub(crate) task: &'a Task,
}
