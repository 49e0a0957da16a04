// SPDX-License-Identifier: GPL-2.0-only

//! Strings of C whose length is not known yet.
//!
//! The `kernel` crate's [`CStr`] has to be measured byte by byte before it can be copied. Does not
//! support more than copies.
//!
//! # Examples
//!
//! ```ignore
//! // SAFETY: The kernel keeps this string until the probe returns.
//! let name = unsafe { CharPtr::from_ptr(name) };
//! let len = name.copy_to(&mut buffer);
//! ```
//!
//! C header: [`include/linux/string.h`](srctree/include/linux/string.h)

use core::marker::PhantomData;

use kernel::{
    bindings,
    prelude::*, //
};

/// A string of C.
///
/// # Invariants
///
/// `string` is one that is valid and does not change for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct CharPtr<'a> {
    string: *const c_char,
    _string: PhantomData<&'a CStr>,
}

impl<'a> CharPtr<'a> {
    /// Makes one from a pointer.
    ///
    /// # Safety
    ///
    /// `string` must point to a string of C that is valid and does not change for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn from_ptr(string: *const c_char) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            string,
            _string: PhantomData,
        }
    }

    /// Copies the string with its NUL, before which it is cut off if it is too long. Returns the
    /// number of bytes that were written, which is 0 only if there is no space at all.
    #[doc(alias = "strscpy")]
    #[inline(always)]
    pub(crate) fn copy_to(self, to: &mut [u8]) -> usize {
        // SAFETY: The slice has as many bytes, and by the type invariants this is a string.
        let len = unsafe { bindings::sized_strscpy(to.as_mut_ptr().cast(), self.string, to.len()) };

        // It is an error if the string was cut off.
        usize::try_from(len).map_or(to.len(), |len| len.saturating_add(1))
    }
}

#[kunit_tests(procmon_str)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_copied_as_far_as_they_fit() {
        let string = c"0123456789";
        // SAFETY: This is a string.
        let string = unsafe { CharPtr::from_ptr(string.as_char_ptr()) };

        for (space, expected) in [
            (0, &b""[..]),
            (1, b"\0"),
            (9, b"01234567\0"),
            (10, b"012345678\0"),
            (11, b"0123456789\0"),
            (30, b"0123456789\0"),
        ] {
            let mut bytes = [7; 32];
            let len = string.copy_to(&mut bytes[..space]);

            assert_eq!(&bytes[..len], expected);
            assert!(bytes[space..].iter().all(|byte| *byte == 7));
        }
    }
}
