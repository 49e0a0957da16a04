// SPDX-License-Identifier: GPL-2.0-only

//! Copies to user space within RCU sections.
//!
//! Additions to the `kernel` crate's IO vectors. Does not support vectors of more than one segment.
//!
//! # Examples
//!
//! ```ignore
//! let guard = rcu::read_lock();
//!
//! if !to.copy_to_iter_nofault(bytes) {
//!     // Copy them elsewhere under RCU, and to user space without it.
//! }
//! ```
//!
//! C headers: [`include/linux/uio.h`](srctree/include/linux/uio.h),
//! [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use kernel::{
    bindings,
    iov::IovIterDest,
    prelude::*, //
};

/// Additions to the `kernel` crate's [`IovIterDest`].
pub(crate) trait IovIterDestExt {
    /// Writes all of `bytes` if the vector is one buffer in user space and no page of it faults.
    /// Returns whether the bytes were written.
    ///
    /// Unlike `copy_to_iter()` this never sleeps, so it may be called in an RCU section. On failure
    /// the vector is not advanced, though some of the bytes may be in the buffer.
    #[doc(alias = "copy_to_user_nofault")]
    fn copy_to_iter_nofault(&mut self, bytes: &[u8]) -> bool;
}

impl IovIterDestExt for IovIterDest<'_> {
    #[inline]
    fn copy_to_iter_nofault(&mut self, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }

        let Some(buffer) = user_buffer(self, bytes.len()) else {
            return false;
        };

        // SAFETY: The bytes are initialised, and any address may be written to.
        if unsafe { bindings::copy_to_user_nofault(buffer, bytes.as_ptr().cast(), bytes.len()) }
            != 0
        {
            return false;
        }
        self.advance(bytes.len());
        true
    }
}

/// Returns the address of a vector that is one buffer in user space, with space for `len` bytes.
#[inline]
fn user_buffer(to: &mut IovIterDest<'_>, len: usize) -> Option<*mut c_void> {
    if to.len() < len {
        return None;
    }

    // SAFETY: The vector is valid, and `to` is the only reference to it. `ubuf` is a field of
    // vectors of that type.
    unsafe {
        let iter = to.as_raw();

        // CAST: The types of vectors are few.
        if (*iter).iter_type != bindings::iter_type_ITER_UBUF as u8 {
            return None;
        }

        let ubuf = (*iter)
            .__bindgen_anon_1
            .__bindgen_anon_1
            .as_ref()
            .__bindgen_anon_1
            .ubuf;

        Some(ubuf.wrapping_byte_add((*iter).iov_offset))
    }
}
