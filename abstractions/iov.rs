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
    /// Unlike `copy_from_iter_vec()` this allocates what the caller asks for and not what user
    /// space claims to have, and tells a fault from the end of the data.
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

#[kunit_tests(procmon_iov)]
mod tests {
    use super::*;
    use kernel::{
        bindings,
        types::Opaque, //
    };

    /// Makes an IO vector over `bytes` and reads `len` bytes from it.
    fn read_vec(bytes: &[u8], len: usize) -> Result<KVVec<u8>> {
        let iter = Opaque::<bindings::iov_iter>::uninit();
        let kvec = bindings::kvec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };

        // SAFETY: The segment is valid for reads, and it and the vector live for the whole
        // function.
        let from = unsafe {
            bindings::iov_iter_kvec(iter.get(), bindings::ITER_SOURCE, &kvec, 1, bytes.len());
            IovIterSource::from_raw(iter.get())
        };

        from.read_vec(len, GFP_KERNEL)
    }

    #[test]
    fn reads_what_was_asked_for() -> Result {
        assert_eq!(read_vec(b"message", 7)?.as_slice(), b"message");
        assert_eq!(read_vec(b"message", 3)?.as_slice(), b"mes");
        assert!(read_vec(b"message", 0)?.is_empty());
        Ok(())
    }

    #[test]
    fn less_than_was_asked_for_is_a_fault() {
        assert_eq!(read_vec(b"message", 8).map(|_| ()), Err(EFAULT));
        assert_eq!(read_vec(b"", 1).map(|_| ()), Err(EFAULT));
    }
}
