// SPDX-License-Identifier: GPL-2.0-only

//! Kernel threads.
//!
//! Does not support parking, binding to CPUs, or results.
//!
//! # Examples
//!
//! ```ignore
//! impl ThreadFn for Monitor {
//!     fn run(&self, thread: &CurrentThread) {
//!         while !thread.should_stop() {
//!             thread.sleep_until(ktime_get_boottime_ns() + 1_000_000_000, &self.interval, 1000);
//!         }
//!     }
//! }
//!
//! let thread = KThread::run(c"monitor", Arc::new(Monitor::new(), GFP_KERNEL)?)?;
//! ```
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

use core::mem::ManuallyDrop;

use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    task::Task,
    types::NotThreadSafe, //
};

use crate::abstractions::sync::wait_bit::WatchedU32;

/// The function of a kernel thread.
pub(crate) trait ThreadFn: Send + Sync + 'static {
    /// Runs in the thread, which ends when this returns.
    ///
    /// TIME: Must return soon after [`CurrentThread::should_stop`] has become true, since dropping
    /// the [`KThread`], and with it unloading the module, waits for that.
    fn run(&self, thread: &CurrentThread);
}

/// A running kernel thread, which is stopped when this is dropped.
///
/// Dropping it waits for the thread to end, so it may sleep. A thread that drops its own `KThread`
/// waits for ever.
///
/// # Invariants
///
/// `task` is a thread that was created by [`KThread::run`], is stopped by this only, and uses
/// `data` until it ends.
pub(crate) struct KThread<T: ThreadFn> {
    task: ManuallyDrop<ARef<Task>>,
    _data: Arc<T>,
}

impl<T: ThreadFn> KThread<T> {
    /// Creates a thread with the given name, of which 15 bytes are kept, and starts it.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short, `EINTR` if the caller was killed during the call.
    #[doc(alias = "kthread_run")]
    pub(crate) fn run(name: &CStr, data: Arc<T>) -> Result<Self> {
        let arg = Arc::as_ptr(&data).cast_mut().cast();

        // SAFETY: The format takes one string and gets one. `thread_fn()` gets a pointer to the
        // `T` that the new `KThread` keeps until the thread has ended.
        let task = from_err_ptr(unsafe {
            bindings::kthread_create_on_node(
                Some(Self::thread_fn),
                arg,
                bindings::NUMA_NO_NODE,
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        })?;

        // SAFETY: The thread has not been woken yet, so it is alive. A `Task` is laid out as a
        // `task_struct`, and the reference that is taken here keeps it after the thread has ended.
        let task: ARef<Task> = unsafe { &*task.cast::<Task>() }.into();

        task.wake_up();

        // INVARIANT: The thread was just created, and no other code knows of it.
        Ok(Self {
            task: ManuallyDrop::new(task),
            _data: data,
        })
    }

    /// Runs the thread function of `data`.
    ///
    /// # Safety
    ///
    /// `data` must point to a `T` that lives until this returns, and this must be the function of a
    /// kernel thread.
    unsafe extern "C" fn thread_fn(data: *mut c_void) -> c_int {
        // SAFETY: By the safety requirements.
        let data = unsafe { &*data.cast::<T>() };

        // INVARIANT: By the safety requirements.
        data.run(&CurrentThread(NotThreadSafe));
        0
    }
}

impl<T: ThreadFn> Drop for KThread<T> {
    fn drop(&mut self) {
        // SAFETY: `task` is not used after this.
        let task = ARef::into_raw(unsafe { ManuallyDrop::take(&mut self.task) });

        // TIME: Until the thread function returns: see `ThreadFn::run()`.
        // SAFETY: By the type invariants this is a kernel thread that no other code stops. The call
        // takes over the reference, without which the task might be freed: a thread function may
        // return by itself. If this fails, the thread has never run, and does not run any more.
        unsafe { bindings::kthread_stop_put(task.as_ptr().cast()) };
    }
}

/// The thread that a [`ThreadFn`] runs in.
///
/// # Invariants
///
/// The current task is a kernel thread, as long as this exists.
pub(crate) struct CurrentThread(NotThreadSafe);

impl CurrentThread {
    /// Whether the thread is to end.
    #[doc(alias = "kthread_should_stop")]
    pub(crate) fn should_stop(&self) -> bool {
        // SAFETY: By the type invariants this is a kernel thread.
        unsafe { bindings::kthread_should_stop() }
    }

    /// Sleeps until a time of
    /// [`ktime_get_boottime_ns`](crate::abstractions::time::ktime_get_boottime_ns), until a number
    /// is another one than `seen`, or until the thread is to end. Does not sleep if any of these is
    /// the case.
    ///
    /// On a kernel without high-resolution timers the sleep may be a tick longer.
    #[doc(alias = "schedule_hrtimeout_range_clock")]
    pub(crate) fn sleep_until(&self, time: u64, number: &WatchedU32, seen: u32) {
        let mut time = bindings::ktime_t::try_from(time).unwrap_or(bindings::ktime_t::MAX);
        let mut entry = Zeroable::zeroed();

        // SAFETY: `entry` does not move, and leaves the queue before it is dropped.
        unsafe { bindings::init_wait_var_entry(&raw mut entry, number.address(), 0) };
        // SAFETY: Any address will do.
        let queue = unsafe { bindings::__var_waitqueue(number.address()) };

        // TIME: Until the given time, however often the thread is woken: the deadline is absolute.
        loop {
            // As most kernel threads, it does not count as load while it sleeps. It ignores signals
            // and their notifications, which would keep it awake.
            // SAFETY: The queue is static, and `entry` is initialised.
            unsafe {
                bindings::prepare_to_wait_event(
                    queue,
                    &raw mut entry.wq_entry,
                    bindings::TASK_IDLE as c_int,
                )
            };

            // ORDERING: After the change of the thread's state, for which the call has a barrier: a
            // change of one of these after the check wakes the thread.
            if self.should_stop() || number.value() != seen {
                break;
            }
            // SAFETY: By the type invariants this is a kernel thread, which may sleep. The clock is
            // one of those that timers support.
            let result = unsafe {
                bindings::schedule_hrtimeout_range_clock(
                    &raw mut time,
                    0,
                    bindings::hrtimer_mode_HRTIMER_MODE_ABS,
                    bindings::CLOCK_BOOTTIME as bindings::clockid_t,
                )
            };

            // The time has come. Otherwise the thread was woken.
            if result == 0 {
                break;
            }
        }
        // SAFETY: As above. This also sets the thread's state to running.
        unsafe { bindings::finish_wait(queue, &raw mut entry.wq_entry) };
    }
}

#[kunit_tests(procmon_kthread)]
pub(super) mod tests {
    use super::*;
    use crate::abstractions::{
        task::TaskExt,
        time::ktime_get_boottime_ns, //
    };
    use kernel::{
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Completion, //
        },
        time::{
            Instant,
            Monotonic, //
        }, //
    };

    const HOUR: u64 = 3_600_000_000_000;

    /// A thread function from a closure, with completions of its beginning and its end.
    #[pin_data]
    struct Closure<F> {
        run: F,
        #[pin]
        started: Completion,
        #[pin]
        done: Completion,
    }

    impl<F: Fn(&CurrentThread) + Send + Sync + 'static> ThreadFn for Closure<F> {
        fn run(&self, thread: &CurrentThread) {
            self.started.complete_all();
            (self.run)(thread);
            self.done.complete_all();
        }
    }

    type Spawned<F> = (KThread<Closure<F>>, Arc<Closure<F>>);

    fn spawn<F>(run: F) -> Result<Spawned<F>>
    where
        F: Fn(&CurrentThread) + Send + Sync + 'static,
    {
        let closure = Arc::pin_init(
            pin_init!(Closure {
                run,
                started <- Completion::new(),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;

        Ok((KThread::run(c"procmon_kunit", closure.clone())?, closure))
    }

    /// Runs a closure in `N` threads at a time and waits until all are done.
    pub(crate) fn run_in_threads<const N: usize>(
        run: impl Fn(&CurrentThread) + Send + Sync + 'static,
    ) -> Result {
        let run = Arc::new(run, GFP_KERNEL)?;
        let mut threads = KVec::new();

        for _ in 0..N {
            let run = run.clone();

            threads.push(
                spawn(move |thread: &CurrentThread| run(thread))?,
                GFP_KERNEL,
            )?;
        }
        for (_, closure) in &threads {
            closure.done.wait_for_completion();
        }
        Ok(())
    }

    #[test]
    fn runs_under_its_name() -> Result {
        let named = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let result = named.clone();

        run_in_threads::<1>(move |_: &CurrentThread| {
            let comm = kernel::current!().comm();

            result.store(comm.starts_with(b"procmon_kunit\0").into(), Relaxed);
        })?;
        assert_eq!(named.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn dropping_ends_a_long_sleep() -> Result {
        let (thread, closure) = spawn(|thread: &CurrentThread| {
            while !thread.should_stop() {
                thread.sleep_until(ktime_get_boottime_ns() + HOUR, &WatchedU32::new(0), 0);
            }
        })?;

        closure.started.wait_for_completion();

        let start = Instant::<Monotonic>::now();

        drop(thread);
        // It does not last as long.
        assert!(start.elapsed().as_nanos() < HOUR as i64 / 2);
        closure.done.wait_for_completion();
        Ok(())
    }

    #[test]
    fn a_sleep_ends_at_its_time() -> Result {
        let in_time = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let result = in_time.clone();

        run_in_threads::<1>(move |thread: &CurrentThread| {
            let mut count = 0;

            for delay in [0, 1, 1_000_000, 20_000_000] {
                let time = ktime_get_boottime_ns() + delay;

                thread.sleep_until(time, &WatchedU32::new(0), 0);
                count += i32::from(ktime_get_boottime_ns() >= time);
            }
            // Deadlines in the past.
            thread.sleep_until(0, &WatchedU32::new(0), 0);
            thread.sleep_until(1, &WatchedU32::new(0), 0);
            // Another number than was seen.
            thread.sleep_until(ktime_get_boottime_ns() + HOUR, &WatchedU32::new(1), 0);
            result.store(count, Relaxed);
        })?;
        assert_eq!(in_time.load(Relaxed), 4);
        Ok(())
    }

    #[test]
    fn a_change_ends_a_sleep() -> Result {
        let number = Arc::new(WatchedU32::new(0), GFP_KERNEL)?;
        let watched = number.clone();
        let (thread, closure) = spawn(move |thread: &CurrentThread| {
            thread.sleep_until(ktime_get_boottime_ns() + HOUR, &watched, 0);
        })?;

        closure.started.wait_for_completion();
        // Mostly long enough for it to be asleep.
        kernel::time::delay::fsleep(kernel::time::Delta::from_millis(20));
        number.set(1);
        // This is not what ends it: it would not come to that.
        closure.done.wait_for_completion();
        drop(thread);
        Ok(())
    }

    #[test]
    fn a_thread_may_end_by_itself() -> Result {
        let (thread, closure) = spawn(|_: &CurrentThread| {})?;

        closure.done.wait_for_completion();
        // Long enough for the task to be gone but for our reference.
        kernel::time::delay::fsleep(kernel::time::Delta::from_millis(50));
        drop(thread);
        Ok(())
    }

    #[test]
    fn a_thread_may_be_stopped_before_it_runs() -> Result {
        for _ in 0..100 {
            let (thread, closure) = spawn(|_: &CurrentThread| {})?;

            drop(thread);
            // The thread has ended, or never ran, and has no reference any more.
            assert!(Arc::into_unique_or_drop(closure).is_some());
        }
        Ok(())
    }
}
