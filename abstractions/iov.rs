// SPDX-License-Identifier: GPL-2.0

//! Additions to the `kernel` crate's IO vectors.
//!
//! C headers: [`include/linux/uio.h`](srctree/include/linux/uio.h),
//! [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use core::{
    mem::MaybeUninit,
    sync::atomic::{
        compiler_fence,
        Ordering, //
    }, //
};

use kernel::{
    bindings,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*, //
};

/// What the `kernel` crate's [`IovIterDest`] cannot do.
pub(crate) trait IovIterDestExt {
    /// Writes all of `bytes` if that takes no page fault, or else nothing.
    ///
    /// Unlike `copy_to_iter()` this never sleeps, so it may be called in a read-side critical
    /// section of RCU. It returns whether the bytes were written.
    fn copy_to_iter_nofault(&mut self, bytes: &[u8]) -> bool;
}

impl IovIterDestExt for IovIterDest<'_> {
    #[inline]
    fn copy_to_iter_nofault(&mut self, bytes: &[u8]) -> bool {
        let copied = without_page_faults(|| self.copy_to_iter(bytes));

        if copied < bytes.len() {
            // SAFETY: It was advanced by as much.
            unsafe { self.revert(copied) };
            return false;
        }
        true
    }
}

/// What the `kernel` crate's [`IovIterSource`] cannot do.
pub(crate) trait IovIterSourceExt {
    /// Reads as many bytes as there is room for. Returns whether they were all read.
    ///
    /// This is shorter for a single buffer in user space, which most vectors are.
    fn copy_from_iter_all(&mut self, out: &mut [MaybeUninit<u8>]) -> bool;
}

impl IovIterSourceExt for IovIterSource<'_> {
    #[inline]
    fn copy_from_iter_all(&mut self, out: &mut [MaybeUninit<u8>]) -> bool {
        let len = out.len();
        // SAFETY: The vector is valid, and nobody else uses it.
        let iter = unsafe { &mut *self.as_raw() };

        // CAST: The types of vectors are few.
        if iter.iter_type != bindings::iter_type_ITER_UBUF as u8 {
            return self.copy_from_iter_raw(out).len() == len;
        }

        // SAFETY: These are the fields of such a vector.
        let buffer = unsafe { iter.__bindgen_anon_1.__bindgen_anon_1.as_mut() };
        let Some(left) = buffer.count.checked_sub(len) else {
            return false;
        };

        // SAFETY: As above. There is room for as many bytes, and any address may be read from.
        let missing = unsafe {
            bindings::_copy_from_user(
                out.as_mut_ptr().cast(),
                buffer
                    .__bindgen_anon_1
                    .ubuf
                    .wrapping_byte_add(iter.iov_offset),
                len,
            )
        };

        if missing != 0 {
            return false;
        }
        buffer.count = left;
        iter.iov_offset = iter.iov_offset.wrapping_add(len);
        true
    }
}

/// Returns an IO vector of `len` bytes in user space, as `iov_iter_ubuf()` does.
///
/// It takes the place of [`IovIterDest::as_raw`] or `IovIterSource::as_raw` according to
/// `data_source`, which is one of `ITER_DEST` and `ITER_SOURCE`.
#[inline]
pub(crate) fn iov_iter_ubuf(
    data_source: bool,
    buffer: *mut c_void,
    len: usize,
) -> bindings::iov_iter {
    // SAFETY: All fields may be zero.
    let mut iter: bindings::iov_iter = unsafe { core::mem::zeroed() };

    // CAST: The types of vectors are few.
    iter.iter_type = bindings::iter_type_ITER_UBUF as u8;
    iter.data_source = data_source;
    // SAFETY: These are the fields that such a vector has.
    unsafe {
        let buffer_and_len = iter.__bindgen_anon_1.__bindgen_anon_1.as_mut();

        buffer_and_len.__bindgen_anon_1.ubuf = buffer;
        buffer_and_len.count = len;
    }
    iter.__bindgen_anon_2.nr_segs = 1;
    iter
}

/// Calls a function while page faults of this thread fail, as between `pagefault_disable()` and
/// `pagefault_enable()`.
#[inline]
fn without_page_faults<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: This is the task that runs here, and so is valid meanwhile.
    let disabled = unsafe { &raw mut (*bindings::get_current()).pagefault_disabled };

    // SAFETY: Only the task itself uses its count, which interrupts leave as it was.
    unsafe { disabled.write(disabled.read().wrapping_add(1)) };
    compiler_fence(Ordering::SeqCst);

    let result = f();

    compiler_fence(Ordering::SeqCst);
    // SAFETY: As above.
    unsafe { disabled.write(disabled.read().wrapping_sub(1)) };
    result
}
