// SPDX-License-Identifier: GPL-2.0-only

//! Reads of memory that the kernel changes concurrently.
//!
//! The `kernel` crate's `Atomic` is for fields that Rust code declares. These are for fields of C
//! structs, which C code writes by other means, or without marking the writes.
//!
//! Does not support writes, nor reads of more than a word in one go.
//!
//! # Examples
//!
//! ```ignore
//! // SAFETY: The task is valid.
//! let flags = unsafe { read!((*task.as_ptr()).flags) };
//! ```
//!
//! C headers: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h),
//! [`include/linux/compiler.h`](srctree/include/linux/compiler.h)

#[cfg(CONFIG_KCSAN)]
use kernel::bindings;
use kernel::{
    sync::atomic::{
        Atomic,
        AtomicType, //
    },
    types::NotThreadSafe, //
};

/// Reads a place that may be written concurrently, as `READ_ONCE()` does: in one go if it is
/// aligned and no larger than a word, and without making a reference.
macro_rules! read {
    ($($place:tt)*) => {
        ::core::ptr::read_volatile(&raw const $($place)*)
    };
}
pub(crate) use read;

/// Returns the value of an atomic as `load(Relaxed)` does, which is a call of C.
#[inline(always)]
pub(crate) fn load_relaxed<T: AtomicType>(atomic: &Atomic<T>) -> T {
    // SAFETY: The place is valid, and changes concurrently.
    unsafe { read!(*atomic.as_ptr()) }
}

/// Evaluates an expression whose reads race, on purpose, with unmarked writes of the kernel, and
/// keeps KCSAN from reporting that.
macro_rules! data_race {
    ($reads:expr) => {{
        let _races = $crate::abstractions::sync::rwonce::DataRaces::allow();

        $reads
    }};
}
pub(crate) use data_race;

/// Keeps KCSAN from reporting races of this thread until it is dropped.
pub(crate) struct DataRaces(NotThreadSafe);

impl DataRaces {
    /// Keeps KCSAN from reporting races from now on.
    #[inline(always)]
    pub(crate) fn allow() -> Self {
        #[cfg(CONFIG_KCSAN)]
        // SAFETY: This may be called from everywhere, and is undone by the same thread.
        unsafe {
            bindings::kcsan_disable_current()
        };
        Self(NotThreadSafe)
    }
}

#[cfg(CONFIG_KCSAN)]
impl Drop for DataRaces {
    fn drop(&mut self) {
        // SAFETY: This undoes the call in `allow()`.
        unsafe { bindings::kcsan_enable_current() };
    }
}
