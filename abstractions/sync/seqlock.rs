// SPDX-License-Identifier: GPL-2.0

//! Reader-writer locks that most readers need not take.
//!
//! C header: [`include/linux/seqlock.h`](srctree/include/linux/seqlock.h)

use core::cell::UnsafeCell;

use kernel::{
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
    sync::rwlock::RwLock, //
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

/// A value made of machine words that is read without writing to memory, as long as nobody changes
/// it at that moment.
///
/// A sequence count tells whether somebody did: it is odd while a writer is at it. A reader that
/// meets one waits for it by taking the lock, so a writer cannot keep readers waiting for longer
/// than the lock does.
///
/// # Invariants
///
/// While there is more than one reference, the value is written only by words, atomically and with
/// the lock held for writing. Whoever does not hold it reads it in the same way.
#[pin_data]
pub(crate) struct SeqRwLock<T> {
    sequence: Atomic<u32>,
    #[pin]
    lock: RwLock<()>,
    value: UnsafeCell<T>,
}

// SAFETY: The lock can be moved to another thread (before it is pinned) when its value can.
unsafe impl<T: Send> Send for SeqRwLock<T> {}
// SAFETY: Threads only share the words of the value, each of which has its own copy of it.
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

    /// Calls a function, and returns what it returns with the value, which stays the same from the
    /// beginning of that call to its end.
    ///
    /// To that end it may be called twice, so it should do nothing but read.
    ///
    /// TIME: Two calls of the function, and the wait for the lock, of which [`RwLock::read`] tells.
    #[inline(always)]
    pub(crate) fn read_with<R>(&self, f: impl Fn() -> R) -> (T, R) {
        let sequence = self.sequence.load(Relaxed);

        // ORDERING: Pairs with the release in `update()`: who sees the even count sees what the
        // writer has written before, and what it has seen.
        smp_rmb();
        if sequence & 1 == 0 {
            let result = f();
            let value = self.load();

            // ORDERING: Pairs with the write barrier in `update()`: who has read what a
            // writer wrote also sees its odd count.
            smp_rmb();
            if self.sequence.load(Relaxed) == sequence {
                return (value, result);
            }
        }
        self.read_locked(f)
    }

    /// Does what [`read_with`](Self::read_with) does, with the lock held, so that no writer is at
    /// it during the call. It is called once, and must not use this lock.
    #[cold]
    #[inline(never)]
    pub(crate) fn read_locked<R>(&self, f: impl Fn() -> R) -> (T, R) {
        let _guard = self.lock.read();

        (self.load(), f())
    }

    /// Replaces the value by what a function makes of it.
    #[inline(always)]
    pub(crate) fn update(&self, f: impl FnOnce(T) -> T) {
        let _guard = self.lock.write();
        // SAFETY: The lock is held, so nobody writes the value, and it may be read in any way.
        let old = unsafe { *self.value.get() };
        let new = f(old);
        let sequence = self.sequence.load(Relaxed);

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

    /// Reads the value, which may be a mix of two if somebody changes it meanwhile.
    #[inline(always)]
    fn load(&self) -> T {
        let mut value = T::new_zeroed();

        for (bytes, word) in value
            .as_mut_bytes()
            .chunks_exact_mut(size_of::<usize>())
            .zip(self.words())
        {
            bytes.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
        }
        value
    }

    /// Writes those words of the value that are others than before.
    /// To be called with the lock held for writing.
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

#[kunit_tests(procmon_seqlock)]
mod tests {
    use super::*;
    use crate::abstractions::kthread::{
        tests::run_in_threads,
        CurrentThread, //
    };
    use kernel::sync::Arc;

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

        // As if a writer were at it, but none has the lock.
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
        // All are equal whenever nobody writes.
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
}
