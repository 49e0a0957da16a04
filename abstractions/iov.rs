// SPDX-License-Identifier: GPL-2.0

//! Additions to the `kernel` crate's IO vectors.
//!
//! C header: [`include/linux/uio.h`](srctree/include/linux/uio.h)

use kernel::{
    alloc::Flags,
    iov::IovIterSource,
    prelude::*, //
};

/// What the `kernel` crate's [`IovIterSource`] cannot do.
pub(crate) trait IovIterSourceExt {
    /// Reads exactly `len` bytes into a new vector.
    ///
    /// Unlike `copy_from_iter_vec()` this allocates what the caller asks for and not what user space
    /// claims to have, and tells a fault from the end of the data.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory, `EFAULT` if fewer than `len` bytes can be read.
    fn read_vec(&mut self, len: usize, flags: Flags) -> Result<KVVec<u8>>;
}

impl IovIterSourceExt for IovIterSource<'_> {
    fn read_vec(&mut self, len: usize, flags: Flags) -> Result<KVVec<u8>> {
        let mut vec = KVVec::with_capacity(len, flags)?;
        let spare = vec.spare_capacity_mut().get_mut(..len).ok_or(ENOMEM)?;

        if self.copy_from_iter_raw(spare).len() != len {
            return Err(EFAULT);
        }

        // SAFETY: There is room for `len` bytes, and they were all written just now.
        unsafe { vec.inc_len(len) };
        Ok(vec)
    }
}
