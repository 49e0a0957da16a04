// SPDX-License-Identifier: GPL-2.0-only

//! Probes: functions that the kernel calls at its tracepoints.
//!
//! The `kernel` crate's `tracepoint` is the other side: tracepoints in Rust code, for the probes of
//! others. Does not support tracepoints of modules, nor those that may fault (`sys_enter`,
//! `sys_exit`).
//!
//! Tracepoints are no stable interface. A kernel may be without one, and so may its configuration,
//! for which there is an error. [`events`] has the tracepoints whose arguments are known here.
//!
//! # Examples
//!
//! ```ignore
//! impl Probe<SchedProcessExit> for Exits {
//!     fn call(&self, event: ProcessExit<'_>) {
//!         self.count.fetch_add(event.group_dead.into(), Relaxed);
//!     }
//! }
//!
//! let registration = Registration::new(Arc::new(Exits::new(), GFP_KERNEL)?)?;
//! ```
//!
//! C header: [`include/linux/tracepoint.h`](srctree/include/linux/tracepoint.h)

use core::{
    ffi::c_void,
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};

use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::Arc, //
};

pub(crate) mod events;

/// A tracepoint of the kernel.
///
/// # Safety
///
/// `function()` must return an `extern "C"` function that has a pointer to a `P` as its first
/// parameter, and then those of the tracepoint named `NAME` in every kernel that has one. It must
/// be sound to call as the kernel calls a probe of that tracepoint, as long as the `P` is alive.
pub(crate) unsafe trait Tracepoint: Sized + 'static {
    /// The name.
    const NAME: &'static CStr;

    /// The arguments.
    type Event<'a>;

    /// Returns the function that passes an event on to a probe.
    fn function<P: Probe<Self>>() -> *mut c_void;
}

/// A function that is called at a tracepoint.
pub(crate) trait Probe<T: Tracepoint>: Send + Sync + 'static {
    /// Runs in the task that has come to the tracepoint, or in what has interrupted it. The
    /// documentation of the tracepoint has the context, and with it what this may do there.
    ///
    /// TIME: The task waits until this returns, and so does the drop of a [`Registration`] of any
    /// probe in the kernel.
    fn call(&self, event: T::Event<'_>);
}

/// A probe that is called until this is dropped.
///
/// # Invariants
///
/// `tracepoint` is a tracepoint of the kernel with the name of `T`, and has `T::function()` with
/// `probe` among its probes. No other `Registration` has put it there.
pub(crate) struct Registration<T: Tracepoint, P: Probe<T>> {
    tracepoint: NonNull<bindings::tracepoint>,
    probe: Arc<P>,
    _tracepoint: PhantomData<T>,
}

// SAFETY: A tracepoint of the kernel is there for good, and the kernel has a lock for its probes.
// A probe can be called and dropped by any thread.
unsafe impl<T: Tracepoint, P: Probe<T>> Send for Registration<T, P> {}
// SAFETY: As above; nothing can be done with a reference.
unsafe impl<T: Tracepoint, P: Probe<T>> Sync for Registration<T, P> {}

impl<T: Tracepoint, P: Probe<T>> Registration<T, P> {
    /// Has a probe called from now on: at the latest when this returns.
    ///
    /// Sleeps. The first probe of a tracepoint makes the kernel change its code, which takes
    /// milliseconds.
    ///
    /// # Errors
    ///
    /// - `EEXIST` if the probe is registered already.
    /// - `ENOENT` if the kernel has no such tracepoint.
    /// - `ENOMEM` if memory is short.
    #[doc(alias = "tracepoint_probe_register")]
    pub(crate) fn new(probe: Arc<P>) -> Result<Self> {
        let tracepoint = find(T::NAME).ok_or(ENOENT)?;
        let data = Arc::as_ptr(&probe).cast_mut().cast();

        // TIME: The kernel's lock is held by others who change probes, each for some milliseconds.
        // SAFETY: By the safety requirements of `Tracepoint` the function is one for this
        // tracepoint. `Registration` keeps the `P` until the function is called no more.
        to_result(unsafe {
            bindings::tracepoint_probe_register_prio_may_exist(
                tracepoint.as_ptr(),
                T::function::<P>(),
                data,
                // That of all who do not ask for another one.
                10,
            )
        })?;

        // INVARIANT: The probe was just added, and had not been there before.
        Ok(Self {
            tracepoint,
            probe,
            _tracepoint: PhantomData,
        })
    }
}

impl<T: Tracepoint, P: Probe<T>> Drop for Registration<T, P> {
    #[doc(alias = "tracepoint_synchronize_unregister")]
    fn drop(&mut self) {
        let data = Arc::as_ptr(&self.probe).cast_mut().cast();

        // TIME: As for the registration.
        // SAFETY: By the type invariants the tracepoint has this probe. This fails only if it has
        // not.
        unsafe {
            bindings::tracepoint_probe_unregister(
                self.tracepoint.as_ptr(),
                T::function::<P>(),
                data,
            )
        };
        // TIME: Until all probes of the kernel that run now have returned, those of others too.
        // SAFETY: The structure is static. After this no CPU is in the function any more: the
        // kernel calls probes in read-side critical sections of it.
        unsafe { bindings::synchronize_srcu(&raw mut bindings::tracepoint_srcu) };
    }
}

/// Whether the kernel has a tracepoint.
pub(crate) fn is_supported<T: Tracepoint>() -> bool {
    find(T::NAME).is_some()
}

/// Finds a tracepoint of the kernel itself by its name. These are there for good.
///
/// The variables of tracepoints are not exported, but a list of all.
#[doc(alias = "for_each_kernel_tracepoint")]
fn find(name: &CStr) -> Option<NonNull<bindings::tracepoint>> {
    struct Search<'a> {
        name: &'a CStr,
        found: *mut bindings::tracepoint,
    }

    /// # Safety
    ///
    /// `tracepoint` must be valid, and `search` must be a [`Search`] that nothing else uses.
    unsafe extern "C" fn visit(tracepoint: *mut bindings::tracepoint, search: *mut c_void) {
        // SAFETY: By the safety requirements.
        let search = unsafe { &mut *search.cast::<Search<'_>>() };
        // SAFETY: By the safety requirements, and a tracepoint has a name, which never changes.
        // Both are strings of C.
        let order = unsafe { bindings::strcmp((*tracepoint).name, search.name.as_char_ptr()) };

        if order == 0 {
            search.found = tracepoint;
        }
    }

    let mut search = Search {
        name,
        found: ptr::null_mut(),
    };

    // TIME: The kernel has some thousand of them.
    // SAFETY: The function is called with a tracepoint and the pointer to `search`, which lives
    // until the call has returned.
    unsafe { bindings::for_each_kernel_tracepoint(Some(visit), (&raw mut search).cast()) };
    NonNull::new(search.found)
}

#[kunit_tests(procmon_tracepoint)]
mod tests {
    use super::{
        events::{
            NewTask,
            ProcessExit,
            SchedProcessExec,
            SchedProcessExit,
            TaskNewtask, //
        },
        *, //
    };
    use crate::abstractions::{
        kthread::tests::run_in_threads,
        task::TaskExt, //
    };
    use kernel::sync::atomic::{
        Atomic,
        Relaxed, //
    };

    /// Counts tasks that are made, and kernel threads of the tests that exit.
    struct Counts {
        made: Atomic<u32>,
        exited: Atomic<u32>,
        not_current: Atomic<u32>,
    }

    impl Counts {
        fn new() -> Result<Arc<Self>> {
            Ok(Arc::new(
                Self {
                    made: Atomic::new(0),
                    exited: Atomic::new(0),
                    not_current: Atomic::new(0),
                },
                GFP_KERNEL,
            )?)
        }
    }

    impl Probe<TaskNewtask> for Counts {
        fn call(&self, event: NewTask<'_>) {
            if event.task.pid() > 0 {
                self.made.fetch_add(1, Relaxed);
            }
        }
    }

    impl Probe<SchedProcessExit> for Counts {
        fn call(&self, event: ProcessExit<'_>) {
            if event.task.comm().starts_with(b"procmon_kunit\0") && event.group_dead {
                self.exited.fetch_add(1, Relaxed);
            }
            if event.task.as_ptr() != kernel::current!().as_ptr() {
                self.not_current.fetch_add(1, Relaxed);
            }
        }
    }

    struct Unknown;

    // SAFETY: No kernel has a tracepoint of this name.
    unsafe impl Tracepoint for Unknown {
        const NAME: &'static CStr = c"procmon_unknown";

        type Event<'a> = ();

        fn function<P: Probe<Self>>() -> *mut c_void {
            ptr::null_mut()
        }
    }

    impl Probe<Unknown> for Counts {
        fn call(&self, _event: ()) {}
    }

    #[test]
    fn each_task_is_seen() -> Result {
        let counts = Counts::new()?;
        let made = Registration::<TaskNewtask, _>::new(counts.clone())?;
        let exited = Registration::<SchedProcessExit, _>::new(counts.clone())?;

        run_in_threads::<8>(|_| {})?;
        drop(exited);
        drop(made);
        assert!(counts.made.load(Relaxed) >= 8);
        assert_eq!(counts.exited.load(Relaxed), 8);
        assert_eq!(counts.not_current.load(Relaxed), 0);

        // Nor later.
        run_in_threads::<8>(|_| {})?;
        assert_eq!(counts.exited.load(Relaxed), 8);
        // The probe is not referred to any more.
        assert!(Arc::into_unique_or_drop(counts).is_some());
        Ok(())
    }

    #[test]
    fn several_probes_are_called() -> Result {
        let counts = [Counts::new()?, Counts::new()?, Counts::new()?];
        let [first, second, third] = &counts;
        let registrations = (
            Registration::<SchedProcessExit, _>::new(first.clone())?,
            Registration::<SchedProcessExit, _>::new(second.clone())?,
            Registration::<SchedProcessExit, _>::new(third.clone())?,
        );

        run_in_threads::<2>(|_| {})?;
        drop(registrations.1);
        run_in_threads::<2>(|_| {})?;
        drop((registrations.0, registrations.2));
        assert_eq!(counts.map(|counts| counts.exited.load(Relaxed)), [4, 2, 4]);
        Ok(())
    }

    #[test]
    fn a_probe_is_registered_once() -> Result {
        let counts = Counts::new()?;
        let registration = Registration::<SchedProcessExit, _>::new(counts.clone())?;
        let again = Registration::<SchedProcessExit, _>::new(counts.clone());

        assert_eq!(again.err(), Some(EEXIST));
        drop(registration);

        // Now it is another one.
        let registration = Registration::<SchedProcessExit, _>::new(counts.clone())?;

        run_in_threads::<1>(|_| {})?;
        drop(registration);
        assert_eq!(counts.exited.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_tracepoint_may_be_missing() -> Result {
        assert!(is_supported::<SchedProcessExec>());
        assert!(!is_supported::<Unknown>());

        let registration = Registration::<Unknown, _>::new(Counts::new()?);

        assert_eq!(registration.err(), Some(ENOENT));
        Ok(())
    }
}
