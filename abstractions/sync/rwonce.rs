// SPDX-License-Identifier: GPL-2.0

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

/// Reads a place that may be written concurrently, as `READ_ONCE()` does: in one go if it is
/// aligned and no larger than a word, and without making a reference.
macro_rules! read {
    ($($place:tt)*) => {
        ::core::ptr::read_volatile(&raw const $($place)*)
    };
}
pub(crate) use read;

/// Runs reads that race, on purpose, with unmarked writes of the kernel, and keeps KCSAN from
/// reporting that.
#[inline(always)]
pub(crate) fn data_race<T>(read: impl FnOnce() -> T) -> T {
    #[cfg(CONFIG_KCSAN)]
    // SAFETY: This may be called from everywhere, and is undone below.
    unsafe {
        bindings::kcsan_disable_current()
    };

    let value = read();

    #[cfg(CONFIG_KCSAN)]
    // SAFETY: This undoes the above.
    unsafe {
        bindings::kcsan_enable_current()
    };
    value
}
