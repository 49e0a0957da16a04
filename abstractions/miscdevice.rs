// SPDX-License-Identifier: GPL-2.0-only

//! Misc devices with data, attributes and lazy per-file state.
//!
//! Differs from the `kernel` crate's `miscdevice` in two respects. A registration has data of its
//! own and is registered together with its attributes, so both are there when user space is told of
//! the device. An open file has state from its first use on only, so opening a file allocates
//! nothing.
//!
//! Does not support mmap(2), `fasync()`, fixed minor numbers, or state that is made by open(2).
//!
//! # Examples
//!
//! ```ignore
//! impl MiscDevice for Device {
//!     type State = FileState;
//!
//!     fn init_state(&self) -> impl PinInit<FileState, Error> {
//!         Ok(FileState::new())
//!     }
//!
//!     fn ioctl(&self, file: &OpenFile<Self>, cmd: u32, arg: UserPtr) -> Result {
//!         let state: &FileState = file.get_or_try_init()?;
//!         // ...
//!     }
//!     // ...
//! }
//!
//! let device = KBox::pin_init(
//!     MiscDeviceRegistration::register(c"device", 0o600, attributes, Device::new()),
//!     GFP_KERNEL,
//! )?;
//! ```
//!
//! C header: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h)

use kernel::{
    bindings,
    container_of,
    error::to_result,
    fs::file,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::poll::PollTable,
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque, //
};

use crate::abstractions::{
    compat::smp_mb,
    percpu::PerCpuCounters,
    sysfs::{
        Attribute,
        AttributeFile,
        AttributeGroups,
        FromDevice, //
    }, //
};

mod file_data;
mod tests;
mod vtable;

pub(crate) use file_data::OpenFile;
use vtable::VTable;

/// The poll(2) events of a file with something to read.
pub(crate) const POLLIN: u32 = bindings::POLLIN | bindings::POLLRDNORM;

/// The poll(2) events of a file that can be written.
pub(crate) const POLLOUT: u32 = bindings::POLLOUT | bindings::POLLWRNORM;

/// The poll(2) event of an exceptional condition.
pub(crate) const POLLPRI: u32 = bindings::POLLPRI;

/// The poll(2) event of data that comes first.
pub(crate) const POLLRDBAND: u32 = bindings::POLLRDBAND;

/// The data of a misc device, and its file operations.
pub(crate) trait MiscDevice: Send + Sync + Sized + 'static {
    /// Per-file state, allocated on first use.
    type State: Send + Sync + 'static;

    /// Called after open(2) has succeeded.
    fn opened(&self);

    /// Returns the initialiser for the state of a file that is used for the first time.
    ///
    /// Two threads that use a file at once may both call this. One of the results is dropped.
    fn init_state(&self) -> impl PinInit<Self::State, Error>;

    /// Called when a file with state is released, before the state is dropped.
    fn released(&self, state: &Self::State);

    /// Handles read(2), pread(2), readv(2), splice(2) and the like: reads from `offset` on and
    /// advances it.
    ///
    /// Returns the number of bytes that were read, 0 at the end.
    fn read(
        &self,
        state: &Self::State,
        offset: &mut file::Offset,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize>;

    /// Handles write(2), pwrite(2), writev(2), splice(2) and the like.
    ///
    /// Returns the number of bytes that were written.
    fn write(&self, from: &mut IovIterSource<'_>) -> Result<usize>;

    /// Handles ioctl(2).
    fn ioctl(&self, file: &OpenFile<Self>, cmd: u32, arg: UserPtr) -> Result;

    /// Handles ioctl(2) of 32-bit processes on 64-bit kernels.
    #[cfg(CONFIG_COMPAT)]
    fn compat_ioctl(&self, file: &OpenFile<Self>, cmd: u32, arg: UserPtr) -> Result;

    /// Handles poll(2) and the like: registers the queues that are notified of changes, and returns
    /// the events `POLL*` of this moment.
    fn poll(&self, file: &OpenFile<Self>, table: &PollTable<'_>) -> u32;
}

/// A registered misc device with its data.
///
/// Dropping it removes the device, then waits until no file is open any more, so it may sleep. When
/// a module is unloaded there is no open file, since each holds a reference to the module.
///
/// # Invariants
///
/// - `misc` is registered by `misc_register()` until it is dropped, with the file operations of
///   [`VTable<T>`] and attributes for `Self`.
/// - `files` counts open files: counter [`OPENED`] each opening, [`RELEASED`] each release.
#[pin_data(PinnedDrop)]
pub(crate) struct MiscDeviceRegistration<T: MiscDevice> {
    #[pin]
    misc: Opaque<bindings::miscdevice>,
    files: PerCpuCounters<2>,
    #[pin]
    data: T,
}

const OPENED: usize = 0;
const RELEASED: usize = 1;

// SAFETY: A misc device may be deregistered by any thread.
unsafe impl<T: MiscDevice> Send for MiscDeviceRegistration<T> {}
// SAFETY: The device number does not change once the device is registered, and `T` is `Sync`.
unsafe impl<T: MiscDevice> Sync for MiscDeviceRegistration<T> {}

impl<T: MiscDevice> MiscDeviceRegistration<T> {
    /// Registers a misc device with a dynamic minor number, which can be opened from then on.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is no minor number left, `EEXIST` if there is a device of that name,
    /// `ENOMEM` if memory is short, and the errors of the initialiser of the data.
    pub(crate) fn register(
        name: &'static CStr,
        mode: u16,
        attributes: AttributeGroups<Self>,
        data: impl PinInit<T, Error>,
    ) -> impl PinInit<Self, Error> {
        // The device comes last: its operations use all other fields.
        try_pin_init!(Self {
            files: PerCpuCounters::new()?,
            data <- data,
            misc <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let misc = bindings::miscdevice {
                    minor: bindings::MISC_DYNAMIC_MINOR as c_int,
                    name: name.as_char_ptr(),
                    fops: &VTable::<T>::OPERATIONS,
                    groups: attributes.as_ptr().cast_mut(),
                    mode,
                    ..pin_init::zeroed()
                };

                // SAFETY: `slot` is valid for writes.
                unsafe { slot.write(misc) };

                // SAFETY: The device is filled in, will not move, and is deregistered before its
                // memory is reused.
                // INVARIANT: The device is registered if this succeeds.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
        }? Error)
    }

    /// Returns the major and minor number of the device.
    pub(crate) fn number(&self) -> (u32, u32) {
        // SAFETY: By the type invariants the device is registered.
        let minor = unsafe { (*self.misc.get()).minor };

        (bindings::MISC_MAJOR, minor as u32)
    }

    /// Returns the file of an attribute, if the device was registered with that.
    pub(crate) fn attribute_file<A: Attribute<T>>(&self) -> Option<AttributeFile> {
        // SAFETY: By the type invariants the device is registered.
        unsafe { AttributeFile::find::<T, A>((*self.misc.get()).this_device) }
    }

    /// Returns the registration that a device is part of.
    ///
    /// # Safety
    ///
    /// `misc` must be the device of a registration of this type, which must not be dropped for
    /// `'a`.
    unsafe fn from_misc<'a>(misc: *mut bindings::miscdevice) -> &'a Self {
        // SAFETY: By the safety requirements.
        unsafe { &*container_of!(Opaque::cast_from(misc.cast_const()), Self, misc) }
    }
}

// SAFETY: The driver data of a misc device's device is its `struct miscdevice`, from before it has
// attributes on, and that is part of the registration.
unsafe impl<T: MiscDevice> FromDevice for MiscDeviceRegistration<T> {
    type Data = T;

    unsafe fn from_device<'a>(dev: *mut bindings::device) -> &'a T {
        // SAFETY: By the safety requirements the device is valid.
        let misc = unsafe { bindings::dev_get_drvdata(dev) };

        // SAFETY: The device belongs to a registration, whose drop first waits for the attributes
        // to be removed. The data was initialised before the device was registered.
        &unsafe { Self::from_misc(misc.cast()) }.data
    }
}

#[pinned_drop]
impl<T: MiscDevice> PinnedDrop for MiscDeviceRegistration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants the device is registered.
        unsafe { bindings::misc_deregister(self.misc.get()) };

        // From here on the number of opened files is constant, and that of released files only
        // grows, so they are equal only if no file is left, even though the sum is no snapshot.
        // TIME: As long as a file is open. When a module is unloaded there is none, since each
        // holds a reference to the module, so this waits for the end of `release()` at the most.
        loop {
            let [opened, released] = self.files.sums();

            if opened == released {
                break;
            }
            fsleep(Delta::from_millis(10));
        }

        // ORDERING: Pairs with the barrier in `VTable::release()`: accesses of the last files to
        // the data come before its drop. See `tests/litmus/release.litmus`.
        smp_mb();
    }
}
