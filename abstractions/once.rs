// SPDX-License-Identifier: GPL-2.0

//! Accesses to shared memory without the call of a function.
//!
//! The `kernel` crate's atomics call C for each load and each store, which for a relaxed one takes
//! several times the instructions of the access itself.
//!
//! C header: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h)

#[cfg(CONFIG_X86_64)]
use core::sync::atomic::{
    compiler_fence,
    Ordering, //
};

#[cfg(not(CONFIG_X86_64))]
use kernel::sync::atomic::Release;
use kernel::sync::atomic::{
    Atomic,
    AtomicType, //
};

/// Types that the CPU reads and writes in one go.
///
/// # Safety
///
/// An aligned value must be no larger than a machine word.
pub(crate) unsafe trait Word: AtomicType + Copy {}

// SAFETY: Pointers are machine words.
unsafe impl<T: Sized + 'static> Word for *mut T where *mut T: AtomicType {}
// SAFETY: No machine has smaller words.
unsafe impl Word for i32 {}
// SAFETY: As above.
unsafe impl Word for u32 {}
// SAFETY: There are 64 bits to a word, on which the module insists.
unsafe impl Word for u64 {}
// SAFETY: That is a word.
unsafe impl Word for usize {}

/// Reads what others may change meanwhile, as the C macro `READ_ONCE()` does.
///
/// ORDERING: That of [`Atomic::load`] with `Relaxed`, address dependencies included.
#[inline(always)]
pub(crate) fn read_once<T: Word>(atomic: &Atomic<T>) -> T {
    // SAFETY: The reference is valid for reads. In the kernel's memory model a volatile access to a
    // word is an atomic one.
    unsafe { atomic.as_ptr().read_volatile() }
}

/// Writes what others may read meanwhile, after all that was read and written before, as the C
/// macro `smp_store_release()` does.
#[inline(always)]
pub(crate) fn store_release<T: Word>(atomic: &Atomic<T>, value: T) {
    // That is all that x86 needs, and it saves the call.
    #[cfg(CONFIG_X86_64)]
    {
        compiler_fence(Ordering::Release);
        write_once(atomic, value);
    }
    #[cfg(not(CONFIG_X86_64))]
    atomic.store(value, Release);
}

/// Writes what others may read meanwhile, as the C macro `WRITE_ONCE()` does.
///
/// ORDERING: That of [`Atomic::store`] with `Relaxed`.
#[inline(always)]
pub(crate) fn write_once<T: Word>(atomic: &Atomic<T>, value: T) {
    // SAFETY: An `Atomic` may be written through a shared reference, and see `read_once()`.
    unsafe { atomic.as_ptr().write_volatile(value) };
}
