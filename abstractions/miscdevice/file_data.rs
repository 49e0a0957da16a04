// SPDX-License-Identifier: GPL-2.0-only

//! Open files and their lazy state.

use core::marker::PhantomData;

use kernel::{
    bindings,
    fs::File,
    prelude::*,
    sync::atomic::{
        Atomic,
        Full, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

use crate::abstractions::sync::rwonce::load_relaxed;

use super::{
    MiscDevice,
    MiscDeviceRegistration, //
};

/// The private data of an open file with state. Those of two files do not share a cache line, so
/// files do not slow each other down.
#[pin_data]
#[repr(align(64))]
pub(super) struct FileData<T: MiscDevice> {
    registration: *const MiscDeviceRegistration<T>,
    #[pin]
    pub(super) state: T::State,
}

pub(super) type FilePtr<T> = Pin<KBox<FileData<T>>>;

/// An open file of a misc device with data `T`.
///
/// A lazy cell of its state, which is allocated on first use and dropped when the file is released.
///
/// # Invariants
///
/// `private_data` points to the private data of an open file with the operations of
/// [`VTable<T>`](super::VTable): the pointer to the device that the misc device core leaves there,
/// or a [`FilePtr<T>`] as a foreign pointer with its lowest bit set. The former turns into the
/// latter at most once. The registration of the device is valid until the file is released.
///
/// Where a [`MiscDevice`] gets one, its thread has no `fdget_pos()` region of the file.
#[repr(transparent)]
pub(crate) struct OpenFile<T: MiscDevice>(Opaque<bindings::file>, PhantomData<FileData<T>>);

impl<T: MiscDevice> OpenFile<T> {
    /// Creates a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `file` must be an open file with the operations of `VTable<T>`, or one that is being
    /// opened or released, and it must stay one for `'a`.
    #[inline]
    pub(super) unsafe fn from_ptr<'a>(file: *mut bindings::file) -> &'a Self {
        // SAFETY: By the safety requirements; this is a transparent wrapper.
        // INVARIANT: As the misc device core or `try_init()` left it.
        unsafe { &*file.cast::<Self>() }
    }

    /// Returns the file.
    #[inline]
    pub(crate) fn as_file(&self) -> &File {
        // SAFETY: The file is valid as long as this is, and by the type invariants there is no
        // `fdget_pos()` region where a driver has this.
        unsafe { File::from_raw_file(self.0.get()) }
    }

    #[inline]
    fn private_data(&self) -> &Atomic<*mut c_void> {
        // SAFETY: By the type invariants. While the file is open, no other code uses this.
        unsafe { Atomic::from_ptr(&raw mut (*self.0.get()).private_data) }
    }

    /// Returns the pointer to the data of a file with state, or that to the device.
    #[inline]
    pub(super) fn data(&self) -> Result<*mut c_void, *mut c_void> {
        // ORDERING: What the pointer leads to is read through an address dependency, which pairs
        // with the exchange in `try_init()`.
        let word = load_relaxed(self.private_data());

        match word.addr() & 1 {
            0 => Err(word),
            _ => Ok(word.wrapping_byte_sub(1)),
        }
    }

    /// Returns the registration of the file's device.
    #[inline]
    pub(super) fn registration(&self) -> &MiscDeviceRegistration<T> {
        // SAFETY: By the type invariants.
        unsafe {
            match self.data() {
                Ok(data) => &*FilePtr::<T>::borrow(data).registration,
                Err(misc) => MiscDeviceRegistration::from_misc(misc.cast()),
            }
        }
    }

    /// Returns the state, and initialises it first if there is none.
    ///
    /// # Errors
    ///
    /// Those of the initialiser, and `ENOMEM`.
    pub(crate) fn get_or_try_init(&self) -> Result<&T::State> {
        Ok(self.device_and_state()?.1)
    }

    /// Returns the state, if it has been initialised.
    pub(crate) fn get(&self) -> Option<&T::State> {
        let data = self.data().ok()?;

        // SAFETY: By the type invariants. The data stays until the file is released.
        Some(unsafe { &FilePtr::<T>::borrow(data).get_ref().state })
    }

    /// Returns the data of the device and the state, which is initialised first if there is none.
    #[inline]
    pub(super) fn device_and_state(&self) -> Result<(&T, &T::State)> {
        let data = match self.data() {
            Ok(data) => data,
            Err(misc) => self.try_init(misc)?,
        };

        // SAFETY: By the type invariants. The data stays until the file is released.
        unsafe {
            let data = FilePtr::<T>::borrow(data).get_ref();

            Ok((&(*data.registration).data, &data.state))
        }
    }

    #[cold]
    fn try_init(&self, misc: *mut c_void) -> Result<*mut c_void> {
        let this = self.registration();
        let new: FilePtr<T> = KBox::pin_init(
            try_pin_init!(FileData {
                registration: this,
                state <- this.data.init_state(),
            }? Error),
            GFP_KERNEL_ACCOUNT,
        )?;
        let new = new.into_foreign();

        // ORDERING: A thread that sees the pointer sees the initialised data.
        // INVARIANT: The pointer to the device turns into one to data.
        match self
            .private_data()
            .cmpxchg(misc, new.wrapping_byte_add(1), Full)
        {
            Ok(_) => Ok(new),
            Err(other) => {
                // SAFETY: It was made above, and no other thread has seen it.
                drop(unsafe { FilePtr::<T>::from_foreign(new) });
                Ok(other.wrapping_byte_sub(1))
            }
        }
    }
}
