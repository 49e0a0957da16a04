// SPDX-License-Identifier: GPL-2.0-only

//! Device attributes in sysfs.
//!
//! Does not support attributes that only can be written, binary ones, or lists of more than four.
//!
//! # Examples
//!
//! ```ignore
//! struct BufferSize;
//!
//! #[vtable]
//! impl Attribute<Device> for BufferSize {
//!     const NAME: &'static CStr = c"buffer_size";
//!
//!     fn show(device: &Device, out: &mut Formatter<'_>) -> fmt::Result {
//!         writeln!(out, "{}", device.buffer_size())
//!     }
//! }
//!
//! let attributes = AttributeGroups::new::<(BufferSize,)>();
//! ```
//!
//! C headers: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h),
//! [`include/linux/device.h`](srctree/include/linux/device.h)

use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
    slice, //
};

use kernel::{
    bindings,
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    fmt,
    page::PAGE_SIZE,
    prelude::*,
    str::Formatter, //
};

/// An attribute of devices with data of type `T`.
///
/// All users may read it. Root may write it, if there is a `store()`.
#[doc(alias = "device_attribute")]
#[vtable]
pub(crate) trait Attribute<T> {
    /// The name of the file.
    const NAME: &'static CStr;

    /// Writes the contents of the file, less than a page.
    ///
    /// # Errors
    ///
    /// Those of `out`, which is full.
    fn show(data: &T, out: &mut Formatter<'_>) -> fmt::Result;

    /// Takes the text of one write(2), which is less than a page, wherever in the file it is
    /// written to.
    ///
    /// # Errors
    ///
    /// Those of the attribute, which are those of the write.
    fn store(_data: &T, _text: &[u8]) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The file of an attribute, for notifying its pollers.
///
/// # Invariants
///
/// `node` is the node of a file in sysfs, to which this owns a reference. The file may have been
/// removed.
pub(crate) struct AttributeFile {
    node: NonNull<bindings::kernfs_node>,
}

// SAFETY: The node is not tied to a thread.
unsafe impl Send for AttributeFile {}
// SAFETY: All functions that use the node may be called concurrently.
unsafe impl Sync for AttributeFile {}

impl AttributeFile {
    /// Looks up the file of an attribute. Sleeps.
    ///
    /// # Safety
    ///
    /// `dev` must be in sysfs until this returns.
    pub(crate) unsafe fn find<T, A: Attribute<T>>(dev: *mut bindings::device) -> Option<Self> {
        // SAFETY: By the safety requirements the device has a directory, and keeps it.
        let node = unsafe {
            bindings::kernfs_find_and_get_ns((*dev).kobj.sd, A::NAME.as_char_ptr(), ptr::null())
        };

        // INVARIANT: The reference was taken by that call, and attributes are files.
        NonNull::new(node).map(|node| Self { node })
    }

    /// Wakes pollers of the file, and notifies inotify(7) of a change. Does not sleep.
    ///
    /// `sysfs_notify()` looks up the file each time, and must not be called for a device that may
    /// be removed.
    #[doc(alias = "sysfs_notify")]
    pub(crate) fn notify(&self) {
        // TIME: Wakes all pollers, as for any file. The rest is left to a work item of the kernel.
        // SAFETY: By the type invariants this is a file's node.
        unsafe { bindings::kernfs_notify(self.node.as_ptr()) };
    }
}

impl Drop for AttributeFile {
    fn drop(&mut self) {
        // SAFETY: By the type invariants there is a reference, which is given back here.
        unsafe { bindings::kernfs_put(self.node.as_ptr()) };
    }
}

/// A registration of a device with attributes.
///
/// # Safety
///
/// [`FromDevice::from_device`] must be sound for every device that is registered with
/// [`AttributeGroups`] of this type.
pub(crate) unsafe trait FromDevice {
    /// The data of the device.
    type Data;

    /// Returns the data of a device.
    ///
    /// # Safety
    ///
    /// `dev` must have been registered with attributes of this type, and they must stay in sysfs
    /// for `'a`.
    unsafe fn from_device<'a>(dev: *mut bindings::device) -> &'a Self::Data;
}

/// The attributes of a device, which are registered together with it, so that they exist when user
/// space is told of the device.
///
/// # Invariants
///
/// `groups` is a static null-terminated list for the driver core, whose attributes are made for
/// devices that `R` registers.
#[doc(alias = "attribute_group")]
pub(crate) struct AttributeGroups<R> {
    groups: *const *const bindings::attribute_group,
    _registration: PhantomData<R>,
}

impl<R: FromDevice + 'static> AttributeGroups<R> {
    /// Returns the attributes that `L` lists, a tuple of types that implement [`Attribute`].
    pub(crate) const fn new<L: AttributeList<R>>() -> Self {
        // INVARIANT: By the safety requirements of `AttributeList`.
        Self {
            groups: L::GROUPS.as_ptr(),
            _registration: PhantomData,
        }
    }

    /// Returns the list for the driver core.
    pub(crate) const fn as_ptr(&self) -> *const *const bindings::attribute_group {
        self.groups
    }
}

/// A tuple of types that implement [`Attribute`].
///
/// # Safety
///
/// `GROUPS` must be a null-terminated list of groups whose attributes are made for `R`.
pub(crate) unsafe trait AttributeList<R> {
    /// The attributes for the driver core.
    const GROUPS: &'static [*const bindings::attribute_group];
}

/// The C attribute of `A` for devices that `R` registers.
struct RawAttribute<R, A>(PhantomData<(R, A)>);

impl<R: FromDevice, A: Attribute<R::Data>> RawAttribute<R, A> {
    const ATTRIBUTE: bindings::device_attribute = bindings::device_attribute {
        attr: {
            // A kernel with lockdep has more fields.
            let mut attr: bindings::attribute = pin_init::zeroed();

            attr.name = kernel::str::as_char_ptr_in_const_context(A::NAME);
            attr.mode = if A::HAS_STORE { 0o644 } else { 0o444 };
            attr
        },
        __bindgen_anon_1: bindings::device_attribute__bindgen_ty_1 {
            show: Some(Self::show),
        },
        __bindgen_anon_2: bindings::device_attribute__bindgen_ty_2 {
            store: if A::HAS_STORE {
                Some(Self::store)
            } else {
                None
            },
        },
    };

    /// Shows the attribute.
    ///
    /// # Safety
    ///
    /// To be called by the driver core, for a device that `R` has registered with this attribute
    /// and with a page that is initialised.
    unsafe extern "C" fn show(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        page: *mut c_char,
    ) -> isize {
        // SAFETY: By the safety requirements, and sysfs waits for this call before it removes the
        // attribute.
        let data = unsafe { R::from_device(dev) };
        // For sysfs, a full page is an overflow, of which it warns in the log.
        // SAFETY: By the safety requirements; nothing else uses the page during this call.
        let page = unsafe { slice::from_raw_parts_mut(page.cast::<u8>(), PAGE_SIZE - 1) };
        let mut out = Formatter::new(page);

        from_result(|| {
            // The only failure is that the page is full.
            A::show(data, &mut out).map_err(|_| E2BIG)?;
            Ok(isize::try_from(out.bytes_written())?)
        })
    }

    /// Takes a text for the attribute.
    ///
    /// # Safety
    ///
    /// To be called by the driver core, for a device that `R` has registered with this attribute
    /// and with `len` bytes of text.
    unsafe extern "C" fn store(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        text: *const c_char,
        len: usize,
    ) -> isize {
        // SAFETY: As in `show()`.
        let data = unsafe { R::from_device(dev) };
        // SAFETY: By the safety requirements; nothing writes to the text during this call.
        let text = unsafe { slice::from_raw_parts(text.cast::<u8>(), len) };

        from_result(|| {
            A::store(data, text)?;
            Ok(isize::try_from(len)?)
        })
    }
}

macro_rules! impl_attribute_list {
    ($($attribute:ident),+) => {
        // SAFETY: There is one group and a null pointer, and the group has a null-terminated list
        // of attributes for `R`.
        unsafe impl<R, $($attribute),+> AttributeList<R> for ($($attribute,)+)
        where
            R: FromDevice + 'static,
            $($attribute: Attribute<R::Data> + 'static,)+
        {
            const GROUPS: &'static [*const bindings::attribute_group] = &[
                &bindings::attribute_group {
                    __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
                        // The driver core does not write to the list nor to the attributes.
                        attrs: ptr::from_ref(const {
                            &[
                                $(
                                    ptr::from_ref(
                                        &RawAttribute::<R, $attribute>::ATTRIBUTE.attr
                                    ).cast_mut(),
                                )+
                                ptr::null_mut(),
                            ]
                        })
                        .cast_mut()
                        .cast(),
                    },
                    ..pin_init::zeroed()
                },
                ptr::null(),
            ];
        }
    };
}

impl_attribute_list!(A);
impl_attribute_list!(A, B);
impl_attribute_list!(A, B, C);
impl_attribute_list!(A, B, C, D);

#[kunit_tests(procmon_sysfs)]
mod tests {
    use super::*;
    use kernel::fmt::Write;

    /// A registration of no devices.
    struct NoDevice;

    // SAFETY: There is nothing to return the data of, and no data.
    unsafe impl FromDevice for NoDevice {
        type Data = ();

        unsafe fn from_device<'a>(_dev: *mut bindings::device) -> &'a () {
            &()
        }
    }

    /// A file of `N` bytes.
    struct Bytes<const N: usize>;

    #[vtable]
    impl<const N: usize> Attribute<()> for Bytes<N> {
        const NAME: &'static CStr = c"bytes";

        fn show((): &(), out: &mut Formatter<'_>) -> fmt::Result {
            (0..N).try_for_each(|_| out.write_char('x'))
        }
    }

    fn show<const N: usize>() -> Result<isize> {
        let mut page = KBox::new([0u8; PAGE_SIZE], GFP_KERNEL)?;

        // SAFETY: The page is initialised, and `NoDevice` takes any device.
        Ok(unsafe {
            RawAttribute::<NoDevice, Bytes<N>>::show(
                ptr::null_mut(),
                ptr::null_mut(),
                page.as_mut_ptr().cast(),
            )
        })
    }

    /// A file that takes "yes".
    struct Yes;

    #[vtable]
    impl Attribute<()> for Yes {
        const NAME: &'static CStr = c"yes";

        fn show((): &(), _out: &mut Formatter<'_>) -> fmt::Result {
            Ok(())
        }

        fn store((): &(), text: &[u8]) -> Result {
            if text != b"yes" {
                return Err(EINVAL);
            }
            Ok(())
        }
    }

    fn store(text: &[u8]) -> isize {
        // SAFETY: The text has that length, and `NoDevice` takes any device.
        unsafe {
            RawAttribute::<NoDevice, Yes>::store(
                ptr::null_mut(),
                ptr::null_mut(),
                text.as_ptr().cast(),
                text.len(),
            )
        }
    }

    #[test]
    fn a_text_is_stored_as_a_whole() {
        assert_eq!(store(b"yes"), 3);
        // CAST: This is small.
        assert_eq!(store(b"yes\n"), EINVAL.to_errno() as isize);
        assert_eq!(RawAttribute::<NoDevice, Yes>::ATTRIBUTE.attr.mode, 0o644);
        assert_eq!(
            RawAttribute::<NoDevice, Bytes<1>>::ATTRIBUTE.attr.mode,
            0o444
        );
    }

    #[test]
    fn a_full_page_is_refused() -> Result {
        // CAST: These are small.
        let refused = E2BIG.to_errno() as isize;

        assert_eq!(show::<0>()?, 0);
        assert_eq!(show::<{ PAGE_SIZE - 1 }>()?, PAGE_SIZE as isize - 1);
        assert_eq!(show::<PAGE_SIZE>()?, refused);
        assert_eq!(show::<{ PAGE_SIZE + 1 }>()?, refused);
        Ok(())
    }
}
