// SPDX-License-Identifier: GPL-2.0-only

//! Module parameters that can be changed while the module is loaded.
//!
//! Those of the `kernel` crate are set when the module is loaded and do not appear in sysfs.
//!
//! Does not support types other than unsigned integers, and texts that stay as they were when the
//! module was loaded.
//!
//! # Examples
//!
//! ```ignore
//! module_param! {
//!     /// The limit of one write, in bytes.
//!     static BUFFER_SIZE = "buffer_size" {
//!         default: 1024,
//!         range: 1..=1048576,
//!         mode: 0o644,
//!         description: "Size of internal buffer (default: 1024)",
//!     }
//! }
//!
//! module_param! {
//!     /// The processes to follow.
//!     static TARGETS = "targets" {
//!         bytes: 512,
//!         description: "Processes to follow (default: none)",
//!     }
//! }
//!
//! let limit = BUFFER_SIZE.value();
//! let targets: &[u8] = TARGETS.value();
//! ```
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use core::ops::RangeInclusive;

use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    prelude::*, //
};

use crate::abstractions::sync::wait_bit::WatchedU32;

mod text;

pub(crate) use text::TextParam;

/// A parameter that is an unsigned number within a range, declared by [`module_param!`].
pub(crate) struct UintParam {
    name: &'static str,
    value: WatchedU32,
    range: RangeInclusive<u32>,
}

impl UintParam {
    /// The functions that the kernel calls to set and to show a parameter of this type.
    pub(crate) const OPS: bindings::kernel_param_ops = bindings::kernel_param_ops {
        flags: 0,
        set: Some(Self::set),
        get: Some(Self::get),
        free: None,
    };

    /// Creates a parameter, whose default must lie in its range.
    pub(crate) const fn new(name: &'static str, default: u32, range: RangeInclusive<u32>) -> Self {
        assert!(*range.start() <= default && default <= *range.end());
        Self {
            name,
            value: WatchedU32::new(default),
            range,
        }
    }

    /// Returns the current value, which may change concurrently.
    #[inline]
    pub(crate) fn value(&self) -> u32 {
        self.value.value()
    }

    /// Returns the number for waiting for a change.
    pub(crate) fn watched(&self) -> &WatchedU32 {
        &self.value
    }

    /// Parses and stores a value, when the module is loaded or when the parameter's file is
    /// written.
    ///
    /// # Safety
    ///
    /// `text` must be null or a C string, `param` must be one that [`module_param!`] made.
    unsafe extern "C" fn set(text: *const c_char, param: *const bindings::kernel_param) -> c_int {
        // SAFETY: By the safety requirements the argument is a `UintParam`, which is static.
        let this = unsafe { &*(*param).__bindgen_anon_1.arg.cast::<Self>() };

        from_result(|| {
            let mut value = 0;
            let parsed = if text.is_null() {
                Err(EINVAL)
            } else {
                // SAFETY: By the safety requirements `text` is a C string.
                to_result(unsafe { bindings::kstrtouint(text, 0, &mut value) })
            };

            if parsed.is_err() || !this.range.contains(&value) {
                // Limited, since the file can be written in a loop.
                // SAFETY: The name is a C string.
                if unsafe { bindings::__printk_ratelimit(c"procmon".as_char_ptr()) } != 0 {
                    pr_err!(
                        "{} must be an integer from {} to {}\n",
                        this.name,
                        this.range.start(),
                        this.range.end(),
                    );
                }
                return Err(EINVAL);
            }

            this.value.set(value);
            Ok(0)
        })
    }

    /// Shows the value.
    ///
    /// # Safety
    ///
    /// `page` must be a page of sysfs, `param` must be one that [`module_param!`] made.
    unsafe extern "C" fn get(page: *mut c_char, param: *const bindings::kernel_param) -> c_int {
        // SAFETY: By the safety requirements the argument is a `UintParam`, which is static.
        let this = unsafe { &*(*param).__bindgen_anon_1.arg.cast::<Self>() };

        // SAFETY: By the safety requirements; the format takes one `unsigned int` and gets one.
        unsafe { bindings::sysfs_emit(page, c"%u\n".as_char_ptr(), c_uint::from(this.value())) }
    }
}

/// A `struct kernel_param` in a static.
#[repr(transparent)]
pub(crate) struct KernelParam(pub(crate) bindings::kernel_param);

// SAFETY: It is constant, and the `UintParam` or `TextParam` that it points to is `Sync`.
unsafe impl Sync for KernelParam {}

/// Declares a parameter that is set by `insmod`, and shown in `/sys/module/procmon/parameters/`.
///
/// - A [`UintParam`] can be changed there if its mode says so. A value that is out of range or not
///   a number is refused with `EINVAL` and a line in the log.
/// - A [`TextParam`] cannot. One of `bytes` or more is refused with `ENOSPC`, and a second one with
///   `EEXIST`.
macro_rules! module_param {
    (
        $(#[$attr:meta])*
        $vis:vis static $ident:ident = $name:literal {
            bytes: $bytes:literal,
            description: $description:literal,
        }
    ) => {
        $(#[$attr])*
        $vis static $ident: $crate::abstractions::module_param::TextParam<$bytes> =
            $crate::abstractions::module_param::TextParam::new();

        $crate::abstractions::module_param::module_param!(
            @param $ident, TextParam::<$bytes>, $name, ":string", 0o444, $description
        );
    };
    (
        $(#[$attr:meta])*
        $vis:vis static $ident:ident = $name:literal {
            default: $default:expr,
            range: $range:expr,
            mode: $mode:expr,
            description: $description:literal,
        }
    ) => {
        $(#[$attr])*
        $vis static $ident: $crate::abstractions::module_param::UintParam =
            $crate::abstractions::module_param::UintParam::new($name, $default, $range);

        $crate::abstractions::module_param::module_param!(
            @param $ident, UintParam, $name, ":uint", $mode, $description
        );
    };
    (
        @param
        $ident:ident, $type:ident $(::<$size:literal>)?, $name:literal, $c_type:literal, $mode:expr,
        $description:literal
    ) => {
        const _: () = {
            $crate::abstractions::module_param::modinfo!("parmtype", $name, $c_type);
            $crate::abstractions::module_param::modinfo!("parm", $name, ":", $description);

            #[link_section = "__param"]
            #[used(compiler)]
            static PARAM: $crate::abstractions::module_param::KernelParam =
                $crate::abstractions::module_param::KernelParam(::kernel::bindings::kernel_param {
                    name: ::kernel::str::as_char_ptr_in_const_context(::kernel::c_str!($name)),
                    mod_: $crate::abstractions::compat::this_module(),
                    ops: &$crate::abstractions::module_param::$type$(::<$size>)?::OPS,
                    perm: $mode,
                    level: -1,
                    flags: 0,
                    __bindgen_anon_1: ::kernel::bindings::kernel_param__bindgen_ty_1 {
                        arg: ::core::ptr::from_ref(&$ident).cast_mut().cast(),
                    },
                });
        };
    };
}
pub(crate) use module_param;

/// Adds a `tag=value` string to the output of modinfo(8).
macro_rules! modinfo {
    ($tag:literal, $($value:literal),+) => {
        const _: () = {
            const TEXT: &str = ::core::concat!($tag, "=", $($value,)+ "\0");

            #[link_section = ".modinfo"]
            #[used(compiler)]
            static BYTES: [u8; TEXT.len()] = *TEXT.as_bytes().first_chunk().unwrap();
        };
    };
}
pub(crate) use modinfo;

#[kunit_tests(procmon_module_param)]
mod tests {
    use super::*;
    use core::ptr;
    use kernel::page::PAGE_SIZE;

    fn raw(param: &UintParam) -> bindings::kernel_param {
        bindings::kernel_param {
            __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
                arg: ptr::from_ref(param).cast_mut().cast(),
            },
            ..pin_init::zeroed()
        }
    }

    fn set(param: &UintParam, text: &CStr) -> c_int {
        // SAFETY: The text is a C string, and the parameter is made as `module_param!` does.
        unsafe { UintParam::set(text.as_char_ptr(), &raw(param)) }
    }

    #[test]
    fn values_in_range_are_taken() {
        let param = UintParam::new("kunit", 5, 2..=1000);

        assert_eq!(param.value(), 5);
        for (text, value) in [
            (c"2", 2),
            (c"1000", 1000),
            (c"7\n", 7),
            (c"+8", 8),
            (c"0x10", 16),
        ] {
            assert_eq!(set(&param, text), 0);
            assert_eq!(param.value(), value);
        }
    }

    #[test]
    fn anything_else_changes_nothing() {
        let param = UintParam::new("kunit", 5, 2..=1000);

        for text in [
            c"",
            c"\n",
            c"1",
            c"0",
            c"1001",
            c"-1",
            c"-5",
            c"abc",
            c"5x",
            c"5 6",
            c"4294967301",
            c"18446744073709551621",
            c"0x",
        ] {
            assert_eq!(set(&param, text), EINVAL.to_errno());
            assert_eq!(param.value(), 5);
        }
        // SAFETY: Null is allowed.
        let result = unsafe { UintParam::set(ptr::null(), &raw(&param)) };

        assert_eq!(result, EINVAL.to_errno());
    }

    #[test]
    fn the_value_is_shown() -> Result {
        let param = UintParam::new("kunit", 1048576, 1..=u32::MAX);
        // A buffer of that size is aligned to its size, as sysfs has it.
        let mut page = KBox::new([0u8; PAGE_SIZE], GFP_KERNEL)?;
        // SAFETY: This is a page, and the parameter is made as `module_param!` does.
        let len = unsafe { UintParam::get(page.as_mut_ptr().cast(), &raw(&param)) };

        assert_eq!(len, 8);
        assert!(page.starts_with(b"1048576\n\0"));
        Ok(())
    }
}
