// SPDX-License-Identifier: GPL-2.0

//! Module parameters that can be changed while the module is loaded.
//!
//! Those of the `kernel` crate are set when the module is loaded and do not appear in sysfs.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use core::ops::RangeInclusive;

use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// An unsigned number with a range, to be declared by [`module_param!`].
pub(crate) struct UintParam {
    name: &'static str,
    value: Atomic<u32>,
    range: RangeInclusive<u32>,
}

impl UintParam {
    /// What the kernel calls to set and to show a parameter of this kind.
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
            value: Atomic::new(default),
            range,
        }
    }

    /// Returns the present value, which may change at any time.
    pub(crate) fn value(&self) -> u32 {
        self.value.load(Relaxed)
    }

    /// Parses and stores a value, when the module is loaded or when somebody writes to the
    /// parameter's file.
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
                // SAFETY: The name is a C string. The limit is there since anybody who may write to
                // the file can do so in a loop.
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

            this.value.store(value, Relaxed);
            Ok(0)
        })
    }

    /// Shows the value.
    ///
    /// # Safety
    ///
    /// `page` must be a page for sysfs to show, `param` must be one that [`module_param!`] made.
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

// SAFETY: It is not changed, and what it points to can be shared by threads.
unsafe impl Sync for KernelParam {}

/// Declares a [`UintParam`] that is set by `insmod`, and shown and changed in
/// `/sys/module/procmon/parameters/`.
///
/// A value that is out of range or not a number is refused with `EINVAL` and a line in the log.
macro_rules! module_param {
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

        const _: () = {
            $crate::abstractions::module_param::modinfo!("parmtype", $name, ":uint");
            $crate::abstractions::module_param::modinfo!("parm", $name, ":", $description);

            #[link_section = "__param"]
            #[used(compiler)]
            static PARAM: $crate::abstractions::module_param::KernelParam =
                $crate::abstractions::module_param::KernelParam(::kernel::bindings::kernel_param {
                    name: ::kernel::str::as_char_ptr_in_const_context(::kernel::c_str!($name)),
                    mod_: ::kernel::module::this_module::<$crate::LocalModule>().as_ptr(),
                    ops: &$crate::abstractions::module_param::UintParam::OPS,
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

/// Adds a `tag=value` string to what `modinfo` shows.
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
