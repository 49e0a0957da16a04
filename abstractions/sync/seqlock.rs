// SPDX-License-Identifier: GPL-2.0-only

//! Sequence locks: locks that most readers need not take.
//!
//! [`SeqRwLock`] is a lock with a value of its own. [`scoped_seqlock_read`] reads data of the
//! kernel that is protected by a `seqlock_t`.
//!
//! Does not support values that are not made of whole words, nor writers in interrupt handlers.
//!
//! # Examples
//!
//! ```ignore
//! let lock = KBox::pin_init(new_seqrwlock!([1u64, 2], "name"), GFP_KERNEL)?;
//!
//! lock.update(|[first, second]| [second, first]);
//! assert_eq!(lock.read_with(|| ()).0, [2, 1]);
//! ```
//!
//! C header: [`include/linux/seqlock.h`](srctree/include/linux/seqlock.h)

use core::cell::UnsafeCell;

use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed,
            Release, //
        },
        LockClassKey, //
    }, //
};

use zerocopy::Immutable;

use crate::abstractions::{
    compat::{
        smp_rmb,
        smp_wmb, //
    },
    sync::{
        rwlock::RwLock,
        rwonce::{
            load_relaxed,
            read, //
        }, //
    }, //
};

/// Creates a [`SeqRwLock`] initialiser with the given name and a newly-created lock class.
macro_rules! new_seqrwlock {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::abstractions::sync::seqlock::SeqRwLock::new(
            $inner,
            ::kernel::optional_name!($($name)?),
            ::kernel::static_lock_class!(),
        )
    };
}
pub(crate) use new_seqrwlock;

/// A value of machine words that readers read without writing to memory, unless it is written at
/// that moment.
///
/// A sequence count is odd during a write and changes with each of them. A reader that notices a
/// write takes the lock, so writers delay readers by no more than the lock does.
///
/// # Invariants
///
/// While there is more than one reference, the value is written by atomic stores of words only,
/// with the lock held for writing. Threads that do not hold the lock read it by atomic loads of
/// words.
#[doc(alias = "seqcount_rwlock_t")]
#[pin_data]
pub(crate) struct SeqRwLock<T> {
    sequence: Atomic<u32>,
    #[pin]
    lock: RwLock<()>,
    value: UnsafeCell<T>,
}

// SAFETY: The lock can be moved to another thread (before it is pinned) when its value can.
unsafe impl<T: Send> Send for SeqRwLock<T> {}
// SAFETY: Threads only share the words of the value, of which each reader gets a copy.
unsafe impl<T: Send> Sync for SeqRwLock<T> {}

impl<T: Copy + FromBytes + IntoBytes + Immutable> SeqRwLock<T> {
    const WORDS: usize = {
        assert!(size_of::<T>() % size_of::<usize>() == 0);
        assert!(align_of::<T>() >= align_of::<usize>());
        size_of::<T>() / size_of::<usize>()
    };

    /// Creates an unlocked lock around a value.
    pub(crate) fn new(
        value: T,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            sequence: Atomic::new(0),
            lock <- RwLock::new((), name, key),
            value: UnsafeCell::new(value),
        })
    }

    /// Calls a function, and returns its result together with the value, which did not change
    /// during the call.
    ///
    /// The function may be called twice, so it should only read.
    ///
    /// TIME: Two calls of the function, and a wait for the lock as in [`RwLock::read`].
    #[inline(always)]
    pub(crate) fn read_with<R>(&self, f: impl Fn() -> R) -> (T, R) {
        let sequence = load_relaxed(&self.sequence);

        // ORDERING: Pairs with the release in `update()`: a reader that sees the even count sees
        // all that the writer has written and read before.
        smp_rmb();
        if sequence & 1 == 0 {
            let result = f();
            let value = self.load();

            // ORDERING: Pairs with the write barrier in `update()`: a reader that has read a word
            // of a writer also sees its odd count.
            smp_rmb();
            if load_relaxed(&self.sequence) == sequence {
                return (value, result);
            }
        }
        self.read_locked(f)
    }

    /// Calls a function once with the lock held, and returns its result together with the value.
    /// The function must not use this lock.
    #[cold]
    #[inline(never)]
    pub(crate) fn read_locked<R>(&self, f: impl Fn() -> R) -> (T, R) {
        let _guard = self.lock.read();

        (self.load(), f())
    }

    /// Replaces the value by the result of a function of it.
    #[inline(always)]
    pub(crate) fn update(&self, f: impl FnOnce(T) -> T) {
        let _guard = self.lock.write();
        // SAFETY: The lock is held for writing, so the value does not change.
        let old = unsafe { *self.value.get() };
        let new = f(old);
        let sequence = load_relaxed(&self.sequence);

        self.sequence.store(sequence.wrapping_add(1), Relaxed);
        // ORDERING: See `read_with()`.
        smp_wmb();
        self.store(old, new);
        // ORDERING: See `read_with()`.
        self.sequence.store(sequence.wrapping_add(2), Release);
    }

    /// Returns the words of the value.
    #[inline(always)]
    fn words(&self) -> &[Atomic<usize>] {
        // SAFETY: The value is aligned and has this many words, which by the type invariants are
        // accessed atomically.
        unsafe { core::slice::from_raw_parts(self.value.get().cast(), Self::WORDS) }
    }

    /// Reads the value, which is a mix of two if it is written at the same time.
    #[inline(always)]
    fn load(&self) -> T {
        let mut value = T::new_zeroed();

        for (bytes, word) in value
            .as_mut_bytes()
            .chunks_exact_mut(size_of::<usize>())
            .zip(self.words())
        {
            bytes.copy_from_slice(&load_relaxed(word).to_ne_bytes());
        }
        value
    }

    /// Writes the words of the value that differ from the previous ones. The lock must be held for
    /// writing.
    #[inline(always)]
    fn store(&self, old: T, new: T) {
        for (index, word) in self.words().iter().enumerate() {
            let new = Self::word_of(&new, index);

            if new != Self::word_of(&old, index) {
                word.store(new, Relaxed);
            }
        }
    }

    #[inline(always)]
    fn word_of(value: &T, index: usize) -> usize {
        let start = index.wrapping_mul(size_of::<usize>());
        let rest = value.as_bytes().get(start..).unwrap_or_default();

        rest.first_chunk()
            .map_or(0, |bytes| usize::from_ne_bytes(*bytes))
    }
}

/// Holds the lock of a `seqlock_t`, with interrupts off, until it is dropped.
///
/// # Invariants
///
/// `lock` is valid, and its lock was taken by this CPU in [`SeqLockGuard::new`], with interrupts as
/// in `flags` before that.
struct SeqLockGuard {
    lock: *mut bindings::seqlock_t,
    #[cfg(all(not(CONFIG_PREEMPT_RT), any(CONFIG_SMP, CONFIG_DEBUG_SPINLOCK)))]
    flags: c_ulong,
}

impl SeqLockGuard {
    /// Takes the lock as `spin_lock_irqsave()` does, which is a macro.
    ///
    /// # Safety
    ///
    /// `lock` must be initialised, stay valid until the guard is dropped, and not be held by this
    /// CPU.
    unsafe fn new(lock: *mut bindings::seqlock_t) -> Self {
        #[cfg(all(not(CONFIG_PREEMPT_RT), any(CONFIG_SMP, CONFIG_DEBUG_SPINLOCK)))]
        // SAFETY: By the safety requirements. A `spinlock_t` begins with its `raw_spinlock_t` here.
        return unsafe {
            let raw = (&raw mut (*lock).lock).cast();

            // INVARIANT: The lock was just taken, and stays valid by the safety requirements.
            Self {
                lock,
                flags: bindings::_raw_spin_lock_irqsave(raw),
            }
        };
        // Where interrupt handlers are threads, or where there is no other CPU, this is enough.
        #[cfg(not(all(not(CONFIG_PREEMPT_RT), any(CONFIG_SMP, CONFIG_DEBUG_SPINLOCK))))]
        // SAFETY: By the safety requirements.
        unsafe {
            bindings::spin_lock(&raw mut (*lock).lock);
            // INVARIANT: As above.
            Self { lock }
        }
    }
}

impl Drop for SeqLockGuard {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe {
            #[cfg(all(not(CONFIG_PREEMPT_RT), any(CONFIG_SMP, CONFIG_DEBUG_SPINLOCK)))]
            bindings::_raw_spin_unlock_irqrestore((&raw mut (*self.lock).lock).cast(), self.flags);
            #[cfg(not(all(not(CONFIG_PREEMPT_RT), any(CONFIG_SMP, CONFIG_DEBUG_SPINLOCK))))]
            bindings::spin_unlock(&raw mut (*self.lock).lock);
        }
    }
}

/// Returns the sequence of a `seqlock_t`: an even number that each write increases by two, and that
/// is odd during a write.
///
/// # Safety
///
/// `lock` must be initialised and valid.
#[doc(alias = "raw_read_seqcount")]
#[inline(always)]
pub(crate) unsafe fn sequence(lock: *const bindings::seqlock_t) -> u32 {
    // SAFETY: By the safety requirements.
    unsafe { read!((*lock).seqcount.seqcount.sequence) }
}

/// Calls a function that reads data which is written under a `seqlock_t`, and returns what it read
/// without a writer in between.
///
/// The first call is without the lock. If a writer came in between, there is a second one with the
/// lock held.
///
/// # Safety
///
/// `lock` must be initialised and valid, and not be held by this CPU.
#[inline(always)]
pub(crate) unsafe fn scoped_seqlock_read<T>(
    lock: *mut bindings::seqlock_t,
    read: impl Fn() -> T,
) -> T {
    // SAFETY: By the safety requirements.
    let before = unsafe { sequence(lock) };

    if before & 1 == 0 {
        // ORDERING: Pairs with the barriers of `write_seqlock()` and `write_sequnlock()`, as the
        // one below.
        smp_rmb();

        let value = read();

        smp_rmb();
        // SAFETY: By the safety requirements.
        if unsafe { sequence(lock) } == before {
            return value;
        }
    }

    // SAFETY: By the safety requirements.
    // TIME: CPUs get the lock in the order of their requests, and each holds it for one change or
    // one such read. It is held here for one call of `read`.
    let _guard = unsafe { SeqLockGuard::new(lock) };

    read()
}

#[kunit_tests(procmon_seqlock)]
mod tests {
    use super::*;
    use crate::abstractions::kthread::{
        tests::run_in_threads,
        CurrentThread, //
    };
    use core::{
        cell::Cell,
        ptr, //
    };
    use kernel::{
        sync::Arc,
        types::Opaque, //
    };

    #[test]
    fn readers_see_what_writers_wrote() -> Result {
        let lock = KBox::pin_init(new_seqrwlock!([1u64, 2]), GFP_KERNEL)?;

        assert_eq!(lock.read_with(|| 3), ([1, 2], 3));
        lock.update(|[first, second]| [second, first]);
        assert_eq!(lock.read_with(|| 4), ([2, 1], 4));
        Ok(())
    }

    #[test]
    fn a_reader_that_meets_a_writer_waits_for_it() -> Result {
        let lock = KBox::pin_init(new_seqrwlock!([7u64]), GFP_KERNEL)?;

        // As during a write, but without the lock.
        lock.sequence.store(1, Relaxed);
        assert_eq!(lock.read_with(|| ()), ([7], ()));
        lock.sequence.store(2, Relaxed);
        Ok(())
    }

    #[test]
    fn a_reader_that_is_overtaken_reads_again() -> Result {
        let lock = KBox::pin_init(new_seqrwlock!([1u64]), GFP_KERNEL)?;
        let calls = Atomic::new(0);
        let (seen, call) = lock.read_with(|| {
            let call = calls.fetch_add(1, kernel::sync::atomic::Full);

            if call == 0 {
                lock.update(|[value]| [value + 1]);
            }
            call
        });

        assert_eq!((seen, call), ([2], 1));
        assert_eq!(calls.load(Relaxed), 2);
        Ok(())
    }

    #[test]
    fn no_reader_sees_a_mix() -> Result {
        // All are equal while no thread writes.
        let lock = Arc::pin_init(new_seqrwlock!([0u64; 5]), GFP_KERNEL)?;
        let mixed = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let (shared, seen) = (lock.clone(), mixed.clone());

        run_in_threads::<8>(move |_: &CurrentThread| {
            for round in 0..2_000 {
                if round % 4 == 0 {
                    shared.update(|values| values.map(|value| value + 1));
                }

                let (values, ()) = shared.read_with(|| ());

                if values.iter().any(|value| *value != values[0]) {
                    seen.add(1, Relaxed);
                }
            }
        })?;
        assert_eq!(mixed.load(Relaxed), 0);
        assert_eq!(lock.read_with(|| ()).0, [4_000; 5]);
        Ok(())
    }

    #[test]
    fn a_reading_that_is_disturbed_is_done_once_more_and_not_again() {
        let lock = Opaque::<bindings::seqlock_t>::uninit();
        let calls = Cell::new(0);
        let key = kernel::static_lock_class!();
        // SAFETY: The lock is of zeroes, which its count may be, and its lock is initialised. Only
        // this test knows of it.
        let count = unsafe {
            let lock = lock.get();

            ptr::write_bytes(lock, 0, 1);
            bindings::__spin_lock_init(
                &raw mut (*lock).lock,
                c"procmon_seqlock".as_char_ptr(),
                key.as_ptr(),
            );
            &raw mut (*lock).seqcount.seqcount.sequence
        };
        // SAFETY: The count is valid, and changed by this thread alone.
        let add = |more| unsafe { count.write(count.read() + more) };
        let read = |disturb: bool| {
            calls.set(0);
            // SAFETY: The lock is initialised, and nothing holds it.
            unsafe {
                scoped_seqlock_read(lock.get(), || {
                    calls.set(calls.get() + 1);
                    if disturb {
                        add(2);
                    }
                })
            };
            calls.get()
        };

        assert_eq!(read(false), 1);
        // Writers come in each time, and the second reading is final nevertheless.
        assert_eq!(read(true), 2);
        // During a write there is no attempt without the lock.
        add(1);
        assert_eq!(read(false), 1);
    }
}
