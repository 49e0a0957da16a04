// SPDX-License-Identifier: GPL-2.0-only

//! Parameters that are texts.

use core::{
    ptr,
    slice, //
};

use kernel::{
    bindings,
    error::from_result,
    prelude::*,
    sync::SetOnce, //
};

/// A parameter that is a text of less than `N` bytes, set when the module is loaded and not later.
///
/// The text is stored here and not on the heap: nothing drops a static.
#[doc(alias = "module_param_string")]
pub(crate) struct TextParam<const N: usize> {
    text: SetOnce<Text<N>>,
}

/// A text with NULs behind it, of which there is at least one.
#[derive(Clone, Copy)]
struct Text<const N: usize>([u8; N]);

impl<const N: usize> TextParam<N> {
    /// The functions that the kernel calls to set and to show a parameter of this type.
    pub(crate) const OPS: bindings::kernel_param_ops = bindings::kernel_param_ops {
        flags: 0,
        set: Some(Self::set),
        get: Some(Self::get),
        free: None,
    };

    /// Creates a parameter with an empty text.
    pub(crate) const fn new() -> Self {
        assert!(N > 0);
        Self {
            text: SetOnce::new(),
        }
    }

    /// Returns the text, without a NUL.
    pub(crate) fn value(&self) -> &[u8] {
        let Some(Text(bytes)) = self.text.as_ref() else {
            return &[];
        };

        bytes.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Stores a text, when the module is loaded.
    ///
    /// # Safety
    ///
    /// `text` must be null or a C string, `param` must be one that
    /// [`module_param!`](super::module_param) made.
    unsafe extern "C" fn set(text: *const c_char, param: *const bindings::kernel_param) -> c_int {
        // SAFETY: By the safety requirements the argument is a `TextParam`, which is static.
        let this = unsafe { &*(*param).__bindgen_anon_1.arg.cast::<Self>() };

        from_result(|| {
            if text.is_null() {
                return Err(EINVAL);
            }

            // SAFETY: By the safety requirements `text` is a C string. This number of bytes is
            // there.
            let from = unsafe { slice::from_raw_parts(text.cast(), bindings::strnlen(text, N)) };
            let mut bytes = [0; N];

            if from.len() == N {
                return Err(ENOSPC);
            }
            for (to, from) in bytes.iter_mut().zip(from) {
                *to = *from;
            }
            if !this.text.populate(Text(bytes)) {
                return Err(EEXIST);
            }
            Ok(0)
        })
    }

    /// Shows the text.
    ///
    /// # Safety
    ///
    /// `page` must be a page of sysfs, `param` must be one that
    /// [`module_param!`](super::module_param) made.
    unsafe extern "C" fn get(page: *mut c_char, param: *const bindings::kernel_param) -> c_int {
        // SAFETY: By the safety requirements the argument is a `TextParam`, which is static.
        let this = unsafe { &*(*param).__bindgen_anon_1.arg.cast::<Self>() };
        let text = this
            .text
            .as_ref()
            .map_or(c"".as_char_ptr(), |Text(bytes)| ptr::from_ref(bytes).cast());

        // SAFETY: By the safety requirements; the format takes one string, and a `Text` has a NUL.
        unsafe { bindings::sysfs_emit(page, c"%s\n".as_char_ptr(), text) }
    }
}

#[kunit_tests(procmon_module_param_text)]
mod tests {
    use super::*;
    use kernel::page::PAGE_SIZE;

    fn raw<const N: usize>(param: &TextParam<N>) -> bindings::kernel_param {
        bindings::kernel_param {
            __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
                arg: ptr::from_ref(param).cast_mut().cast(),
            },
            ..pin_init::zeroed()
        }
    }

    fn set<const N: usize>(param: &TextParam<N>, text: &CStr) -> c_int {
        // SAFETY: The text is a C string, and the parameter is made as `module_param!` does.
        unsafe { TextParam::<N>::set(text.as_char_ptr(), &raw(param)) }
    }

    #[test]
    fn a_text_is_taken_once() {
        let param = TextParam::<6>::new();

        assert!(param.value().is_empty());
        // SAFETY: Null is allowed.
        let null = unsafe { TextParam::<6>::set(ptr::null(), &raw(&param)) };

        assert_eq!(null, EINVAL.to_errno());
        assert_eq!(set(&param, c"123456"), ENOSPC.to_errno());
        assert!(param.value().is_empty());
        assert_eq!(set(&param, c"12345"), 0);
        assert_eq!(set(&param, c"7"), EEXIST.to_errno());
        assert_eq!(param.value(), b"12345");
    }

    #[test]
    fn the_text_is_shown() -> Result {
        let param = TextParam::<6>::new();
        // A buffer of that size is aligned to its size, as sysfs has it.
        let mut page = KBox::new([0xffu8; PAGE_SIZE], GFP_KERNEL)?;

        for (text, shown) in [(c"", &b"\n\0"[..]), (c"1,ab", b"1,ab\n\0")] {
            if !text.is_empty() {
                assert_eq!(set(&param, text), 0);
            }
            // SAFETY: This is a page, and the parameter is made as `module_param!` does.
            let len = unsafe { TextParam::<6>::get(page.as_mut_ptr().cast(), &raw(&param)) };

            // CAST: It is small.
            assert_eq!(len as usize, shown.len() - 1);
            assert!(page.starts_with(shown));
        }
        Ok(())
    }
}
