// SPDX-License-Identifier: GPL-2.0

//! Read-only device attributes in sysfs.
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
    error::from_result,
    fmt,
    page::PAGE_SIZE,
    prelude::*,
    str::Formatter, //
};

/// A file in a device's sysfs directory that shows something about the device's data `T`.
pub(crate) trait Attribute<T> {
    /// The name of the file.
    const NAME: &'static CStr;

    /// Writes what the file holds, less than a page.
    fn show(data: &T, out: &mut Formatter<'_>) -> fmt::Result;
}

/// The file of an attribute, to tell those who poll it that it shows something new.
///
/// # Invariants
///
/// `node` is the node of a file in sysfs, and this owns a reference to it. It may have been removed
/// from sysfs.
pub(crate) struct AttributeFile {
    node: NonNull<bindings::kernfs_node>,
}

// SAFETY: The node is not tied to a thread.
unsafe impl Send for AttributeFile {}
// SAFETY: All that is done with the node may be done by several threads at a time.
unsafe impl Sync for AttributeFile {}

impl AttributeFile {
    /// Looks the file of an attribute up. Sleeps.
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

    /// Wakes those who wait for the file by poll(2), and has inotify(7) tell of a change.
    ///
    /// That is what `sysfs_notify()` does, which looks the file up each time and must not be called
    /// for a device that may be going away. It does not sleep.
    pub(crate) fn notify(&self) {
        // TIME: All those who poll the file are woken in one go, as for any file. The rest is left
        // to a work item of the kernel's.
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

/// A registration of a device that can have attributes.
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

/// The attributes of a device, to be named when the device is registered.
///
/// That way they are there when user space is told of the device.
///
/// # Invariants
///
/// `groups` is a null-terminated list as the driver core wants it, static, whose attributes are
/// made for devices that `R` registers.
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

    /// Returns the list that the driver core wants.
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
    /// The attributes as the driver core wants them.
    const GROUPS: &'static [*const bindings::attribute_group];
}

/// The C attribute that stands for `A` on devices that `R` registers.
struct RawAttribute<R, A>(PhantomData<(R, A)>);

impl<R: FromDevice, A: Attribute<R::Data>> RawAttribute<R, A> {
    const ATTRIBUTE: bindings::device_attribute = bindings::device_attribute {
        attr: {
            // There are more fields on a kernel with lockdep.
            let mut attr: bindings::attribute = pin_init::zeroed();

            attr.name = kernel::str::as_char_ptr_in_const_context(A::NAME);
            attr.mode = 0o444;
            attr
        },
        __bindgen_anon_1: bindings::device_attribute__bindgen_ty_1 {
            show: Some(Self::show),
        },
        __bindgen_anon_2: pin_init::zeroed(),
    };

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
        // A full page is an overflow to sysfs, which complains about it in the log.
        // SAFETY: By the safety requirements; nothing else uses the page during this call.
        let page = unsafe { slice::from_raw_parts_mut(page.cast::<u8>(), PAGE_SIZE - 1) };
        let mut out = Formatter::new(page);

        from_result(|| {
            // The only failure is that the page is full.
            A::show(data, &mut out).map_err(|_| E2BIG)?;
            Ok(isize::try_from(out.bytes_written())?)
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

#[kunit_tests(procmon_sysfs)]
mod tests {
    use super::*;
    use kernel::fmt::Write;

    /// A registration of devices that are not there.
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
