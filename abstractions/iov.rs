// SPDX-License-Identifier: GPL-2.0

//! Additions to the `kernel` crate's IO vectors.
//!
//! C headers: [`include/linux/uio.h`](srctree/include/linux/uio.h),
//! [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use kernel::{
    bindings,
    iov::IovIterDest,
    prelude::*, //
};

/// What the `kernel` crate's [`IovIterDest`] cannot do.
pub(crate) trait IovIterDestExt {
    /// Writes all of `bytes` if the vector is one buffer in user space and that takes no page
    /// fault.
    ///
    /// Unlike `copy_to_iter()` this never sleeps, so it may be called in a read-side critical
    /// section of RCU. It returns whether the bytes were written; if not, the vector is not
    /// advanced, though some of them may be in the buffer.
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

/// Returns the address of the buffer that a vector is, if it is one in user space with room for
/// `len` bytes.
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
