// SPDX-License-Identifier: GPL-2.0-only

//! Reader-writer spin locks.
//!
//! An upstream version would be a backend of `kernel::sync::Lock`, which has exclusive guards only
//! so far. Does not support the variants that leave soft interrupts on or disable interrupts, nor
//! attempts to take the lock without waiting.
//!
//! # Examples
//!
//! ```ignore
//! let lock = KBox::pin_init(new_rwlock!(1), GFP_KERNEL)?;
//!
//! *lock.write() = 2;
//! assert_eq!(*lock.read(), 2);
//! ```
//!
//! C header: [`include/linux/rwlock.h`](srctree/include/linux/rwlock.h)

use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    }, //
};

use kernel::{
    bindings,
    prelude::*,
    sync::LockClassKey,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

// The variants that leave soft interrupts on are inline functions of C on kernels without
// preemption, which Rust cannot call. These are functions of every kernel.
#[cfg(not(CONFIG_PREEMPT_RT))]
use bindings::{
    _raw_read_lock_bh as read_lock,
    _raw_read_unlock_bh as read_unlock,
    _raw_write_lock_bh as write_lock,
    _raw_write_unlock_bh as write_unlock, //
};
#[cfg(CONFIG_PREEMPT_RT)]
use bindings::{
    rt_read_lock as read_lock,
    rt_read_unlock as read_unlock,
    rt_write_lock as write_lock,
    rt_write_unlock as write_unlock, //
};

/// A lock that several readers or one writer can hold.
///
/// Waits by spinning, so a guard must not be held across anything that sleeps. Soft interrupts are
/// off as long as a guard exists, as with `read_lock_bh()`, so the lock is for process context. A
/// reader that comes while a writer waits queues up behind the writer: taking the same lock twice
/// is a deadlock.
///
/// On a `PREEMPT_RT` kernel the lock sleeps, as the C one does there.
///
/// # Invariants
///
/// `raw` is an initialised lock. `data` is accessed only through guards, that is, by threads that
/// hold `raw`.
#[doc(alias = "rwlock_t")]
#[pin_data]
pub(crate) struct RwLock<T> {
    /// The kernel's lock object, which must not move: lockdep and waiting CPUs point to it.
    #[pin]
    raw: Opaque<bindings::rwlock_t>,
    data: UnsafeCell<T>,
}

// SAFETY: The lock can be moved to another thread (before it is pinned) when its data can.
unsafe impl<T: Send> Send for RwLock<T> {}
// SAFETY: The lock hands out `&mut T` to any thread, which takes `Send`, and `&T` to several
// threads at a time, which takes `Sync`.
unsafe impl<T: Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    /// Creates an unlocked lock around a value.
    #[doc(alias = "rwlock_init")]
    pub(crate) fn new(
        data: T,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            // INVARIANT: This initialises the lock.
            // SAFETY: `slot` is valid for writes, and the name and the key are static.
            raw <- Opaque::ffi_init(move |slot| unsafe { rwlock_init(slot, name, key) }),
            data: UnsafeCell::new(data),
        })
    }

    /// Takes the lock for reading.
    ///
    /// TIME: The lock is granted in the order of requests, so this waits for the holders before it,
    /// at most one per CPU. The same goes for [`Self::write`].
    #[doc(alias = "read_lock_bh")]
    pub(crate) fn read(&self) -> ReadGuard<'_, T> {
        // SAFETY: By the type invariants the lock is initialised.
        unsafe { read_lock(self.raw.get()) };
        // INVARIANT: The lock was just taken.
        ReadGuard {
            lock: self,
            _not_send: NotThreadSafe,
        }
    }

    /// Takes the lock for writing.
    #[doc(alias = "write_lock_bh")]
    pub(crate) fn write(&self) -> WriteGuard<'_, T> {
        // SAFETY: By the type invariants the lock is initialised.
        unsafe { write_lock(self.raw.get()) };
        // INVARIANT: The lock was just taken.
        WriteGuard {
            lock: self,
            _not_send: NotThreadSafe,
        }
    }
}

/// Initialises a lock as the C macro `rwlock_init()` does.
///
/// # Safety
///
/// `slot` must be valid for writes and must not move while the lock is used.
unsafe fn rwlock_init(
    slot: *mut bindings::rwlock_t,
    name: &'static CStr,
    key: Pin<&'static LockClassKey>,
) {
    // SAFETY: By the safety requirements; all fields may be zero.
    unsafe { slot.write(pin_init::zeroed()) };

    // Without debugging, that is an unlocked lock.
    #[cfg(all(CONFIG_DEBUG_SPINLOCK, not(CONFIG_PREEMPT_RT)))]
    // SAFETY: By the safety requirements, and the name and the key are static.
    unsafe {
        bindings::__rwlock_init(slot, name.as_char_ptr(), key.as_ptr())
    };

    // As the macro `init_rwbase_rt()` does, to all fields that there are.
    #[cfg(CONFIG_PREEMPT_RT)]
    const _: () = {
        const fn fields(rwbase: &bindings::rwbase_rt) {
            let bindings::rwbase_rt {
                readers: _,
                rtmutex: _,
            } = rwbase;
        }
        let _ = fields;
    };
    #[cfg(CONFIG_PREEMPT_RT)]
    // SAFETY: By the safety requirements.
    unsafe {
        bindings::rt_mutex_base_init(&raw mut (*slot).rwbase.rtmutex);
        // CAST: The counter of readers is the bits of a signed number.
        (*slot).rwbase.readers.counter = bindings::READER_BIAS as c_int;
    };
    #[cfg(all(CONFIG_DEBUG_LOCK_ALLOC, CONFIG_PREEMPT_RT))]
    // SAFETY: By the safety requirements, and the name and the key are static.
    unsafe {
        bindings::__rt_rwlock_init(slot, name.as_char_ptr(), key.as_ptr())
    };

    // Used on debugging kernels only.
    let _ = (name, key);
}

/// Shared access to the value of an [`RwLock`].
///
/// # Invariants
///
/// The thread that owns this holds the lock for reading.
#[must_use = "the lock unlocks immediately when the guard is unused"]
pub(crate) struct ReadGuard<'a, T> {
    lock: &'a RwLock<T>,
    _not_send: NotThreadSafe,
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants the lock is held for reading, so there is no `&mut`
        // access.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants this thread holds the lock for reading.
        unsafe { read_unlock(self.lock.raw.get()) };
    }
}

/// Exclusive access to the value of an [`RwLock`].
///
/// # Invariants
///
/// The thread that owns this holds the lock for writing.
#[must_use = "the lock unlocks immediately when the guard is unused"]
pub(crate) struct WriteGuard<'a, T> {
    lock: &'a RwLock<T>,
    _not_send: NotThreadSafe,
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants the lock is held for writing, so only this guard has
        // access.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariants the lock is held for writing, so only this guard has
        // access.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants this thread holds the lock for writing.
        unsafe { write_unlock(self.lock.raw.get()) };
    }
}

#[kunit_tests(procmon_rwlock)]
mod tests {
    use super::*;
    use crate::abstractions::kthread::{
        tests::run_in_threads,
        CurrentThread, //
    };
    use kernel::sync::Arc;

    macro_rules! new_rwlock {
        ($inner:expr) => {
            RwLock::new(
                $inner,
                kernel::optional_name!(),
                kernel::static_lock_class!(),
            )
        };
    }

    #[test]
    fn readers_see_what_writers_wrote() -> Result {
        let lock = KBox::pin_init(new_rwlock!(1), GFP_KERNEL)?;

        assert_eq!(*lock.read(), 1);
        *lock.write() = 2;
        assert_eq!(*lock.read(), 2);

        let guard = lock.write();

        assert_eq!(*guard, 2);
        Ok(())
    }

    #[test]
    fn the_value_is_dropped_with_the_lock() -> Result {
        let value = Arc::new((), GFP_KERNEL)?;
        let lock = KBox::pin_init(new_rwlock!(value.clone()), GFP_KERNEL)?;

        drop(lock);
        assert!(Arc::into_unique_or_drop(value).is_some());
        Ok(())
    }

    #[test]
    fn writers_exclude_all_others() -> Result {
        // The two are equal while no thread writes.
        let lock = Arc::pin_init(new_rwlock!((0u32, 0u32)), GFP_KERNEL)?;
        let torn = Arc::pin_init(new_rwlock!(0u32), GFP_KERNEL)?;
        let (shared, seen) = (lock.clone(), torn.clone());

        run_in_threads::<8>(move |_: &CurrentThread| {
            for _ in 0..2_000 {
                {
                    let mut pair = shared.write();

                    pair.0 += 1;
                    pair.1 += 1;
                }

                let pair = shared.read();

                if pair.0 != pair.1 {
                    *seen.write() += 1;
                }
            }
        })?;
        assert_eq!(*torn.read(), 0);
        assert_eq!(*lock.read(), (16_000, 16_000));
        Ok(())
    }
}
