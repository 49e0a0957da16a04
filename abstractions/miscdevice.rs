// SPDX-License-Identifier: GPL-2.0

//! Misc devices with data and attributes of their own.
//!
//! The `kernel` crate's misc devices have neither.
//!
//! C header: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h)

use core::marker::PhantomData;

use kernel::{
    bindings,
    container_of,
    error::{
        from_result,
        to_result, //
    },
    fs::{
        file,
        File, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        poll::PollTable, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

use crate::abstractions::{
    compat::{
        smp_mb,
        this_module, //
    },
    percpu::PerCpuCounters,
    sysfs::{
        Attribute,
        AttributeFile,
        AttributeGroups,
        FromDevice, //
    }, //
};

mod tests;

/// What poll(2) tells of a file: there is something to read.
pub(crate) const POLLIN: u32 = bindings::POLLIN | bindings::POLLRDNORM;

/// Something may be written.
pub(crate) const POLLOUT: u32 = bindings::POLLOUT | bindings::POLLWRNORM;

/// There is something of another kind.
pub(crate) const POLLPRI: u32 = bindings::POLLPRI;

/// The data of a misc device, and what its file operations do.
pub(crate) trait MiscDevice: Send + Sync + Sized + 'static {
    /// What there is for an open file from its first read on.
    type Reader: Send + Sync + 'static;

    /// Is told that open(2) has succeeded.
    fn opened(&self);

    /// Returns the initialiser for a file that is read for the first time.
    ///
    /// Of two threads that read a file at once, both may call this, and one of the results is
    /// dropped.
    fn reader(&self) -> impl PinInit<Self::Reader, Error>;

    /// Is told that a file which has a reader is released, before that is dropped.
    fn released(&self, reader: &Self::Reader);

    /// Handles read(2), pread(2), readv(2), splice(2) and the like: reads from `offset` on and
    /// moves it.
    ///
    /// Returns the number of bytes that were read, 0 at the end.
    fn read(
        &self,
        reader: &Self::Reader,
        offset: &mut file::Offset,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize>;

    /// Handles write(2), pwrite(2), writev(2), splice(2) and the like.
    ///
    /// Returns the number of bytes that were taken.
    fn write(&self, from: &mut IovIterSource<'_>) -> Result<usize>;

    /// Handles ioctl(2).
    fn ioctl(&self, file: &OpenFile<Self>, cmd: u32, arg: UserPtr) -> Result;

    /// Handles ioctl(2) of 32-bit processes on 64-bit kernels.
    #[cfg(CONFIG_COMPAT)]
    fn compat_ioctl(&self, file: &OpenFile<Self>, cmd: u32, arg: UserPtr) -> Result;

    /// Handles poll(2) and the like: returns the bits `POLL*` of what is so now, after registering
    /// whatever tells when that changes.
    fn poll(&self, file: &OpenFile<Self>, table: &PollTable<'_>) -> u32;
}

/// A registered misc device with its data.
///
/// Dropping it removes the device, then waits for files that are still open, so it may sleep. There
/// are none left when a module is unloaded, since open files keep it loaded.
///
/// # Invariants
///
/// - `misc` is registered by `misc_register()` until it is dropped, with the file operations of
///   [`VTable<T>`] and attributes for `Self`.
/// - `files` counts the open files: each opening in counter [`OPENED`], each release in
///   [`RELEASED`].
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
    /// Registers a misc device with a dynamic minor number, which from then on can be used.
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
        // The device comes last: its operations want all the rest.
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

        // From here on the number of opened files stays what it is, and that of released files only
        // grows, so they are equal only if there is no file left, even if the sum is not read in
        // one go.
        // TIME: As long as a file is open. When a module is unloaded there is none, since each
        // holds a reference to the module, so this waits for the end of `release()` at the most.
        loop {
            let [opened, released] = self.files.sums();

            if opened == released {
                break;
            }
            fsleep(Delta::from_millis(10));
        }

        // ORDERING: Pairs with the barrier in `VTable::release()`: what the last files did with the
        // data comes before it is dropped, as `tests/memory-model/release.litmus` shows.
        smp_mb();
    }
}

/// The private data of an open file that was read. Two of them do not share a cache line, so
/// readers do not get in each other's way.
#[pin_data]
#[repr(align(64))]
struct FileData<T: MiscDevice> {
    registration: *const MiscDeviceRegistration<T>,
    #[pin]
    reader: T::Reader,
}

type FilePtr<T> = Pin<KBox<FileData<T>>>;

/// An open file of a misc device with data `T`.
///
/// It has memory of its own only from the first use of its reader on, so that opening takes none.
///
/// # Invariants
///
/// `private_data` points to the private data of an open file with the operations of [`VTable<T>`],
/// which is a pointer to the device, as the misc device core leaves it, or a [`FilePtr<T>`] as a
/// foreign pointer with its lowest bit set. The former turns into the latter at most once, until
/// the file is released. The registration of the device is valid as long as that is not done.
///
/// Where a [`MiscDevice`] gets one, its thread has no `fdget_pos()` region of the file.
#[repr(transparent)]
pub(crate) struct OpenFile<T: MiscDevice>(Opaque<bindings::file>, PhantomData<FileData<T>>);

impl<T: MiscDevice> OpenFile<T> {
    /// # Safety
    ///
    /// `file` must be an open file with the operations of [`VTable<T>`], or one that is being
    /// opened or released, and it must stay one for `'a`.
    #[inline]
    unsafe fn from_ptr<'a>(file: *mut bindings::file) -> &'a Self {
        // SAFETY: By the safety requirements; this is a transparent wrapper.
        // INVARIANT: As the misc device core or `new_reader()` left it.
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
        // SAFETY: By the type invariants. While the file is open, nobody else uses this.
        unsafe { Atomic::from_ptr(&raw mut (*self.0.get()).private_data) }
    }

    /// Returns the data of a file that has a reader.
    #[inline]
    fn data(&self) -> Result<*mut c_void, *mut c_void> {
        // ORDERING: What the pointer leads to is read through an address dependency, which pairs
        // with the exchange in `new_reader()`.
        let word = self.private_data().load(Relaxed);

        match word.addr() & 1 {
            0 => Err(word),
            _ => Ok(word.wrapping_byte_sub(1)),
        }
    }

    #[inline]
    fn registration(&self) -> &MiscDeviceRegistration<T> {
        // SAFETY: By the type invariants.
        unsafe {
            match self.data() {
                Ok(data) => &*FilePtr::<T>::borrow(data).registration,
                Err(misc) => MiscDeviceRegistration::from_misc(misc.cast()),
            }
        }
    }

    /// Returns what there is for this file to read it, which is made now if there is none.
    ///
    /// # Errors
    ///
    /// Those of the initialiser, and `ENOMEM`.
    pub(crate) fn reader(&self) -> Result<&T::Reader> {
        Ok(self.device_and_reader()?.1)
    }

    /// Returns what there is for this file to read it, if there is anything.
    pub(crate) fn existing_reader(&self) -> Option<&T::Reader> {
        let data = self.data().ok()?;

        // SAFETY: By the type invariants. The data stays until the file is released.
        Some(unsafe { &FilePtr::<T>::borrow(data).get_ref().reader })
    }

    #[inline]
    fn device_and_reader(&self) -> Result<(&T, &T::Reader)> {
        let data = match self.data() {
            Ok(data) => data,
            Err(misc) => self.new_reader(misc)?,
        };

        // SAFETY: By the type invariants. The data stays until the file is released.
        unsafe {
            let data = FilePtr::<T>::borrow(data).get_ref();

            Ok((&(*data.registration).data, &data.reader))
        }
    }

    #[cold]
    fn new_reader(&self, misc: *mut c_void) -> Result<*mut c_void> {
        let this = self.registration();
        let new: FilePtr<T> = KBox::pin_init(
            try_pin_init!(FileData {
                registration: this,
                reader <- this.data.reader(),
            }? Error),
            GFP_KERNEL_ACCOUNT,
        )?;
        let new = new.into_foreign();

        // ORDERING: Who sees the pointer sees the data filled in.
        // INVARIANT: The pointer to the device turns into one to data.
        match self
            .private_data()
            .cmpxchg(misc, new.wrapping_byte_add(1), Full)
        {
            Ok(_) => Ok(new),
            Err(other) => {
                // SAFETY: It was made above, and nobody else has seen it.
                drop(unsafe { FilePtr::<T>::from_foreign(new) });
                Ok(other.wrapping_byte_sub(1))
            }
        }
    }
}

/// The file operations of a misc device with data `T`.
struct VTable<T: MiscDevice>(PhantomData<T>);

impl<T: MiscDevice> VTable<T> {
    const OPERATIONS: bindings::file_operations = bindings::file_operations {
        // The module stays loaded while a file is open.
        owner: this_module(),
        open: Some(Self::open),
        release: Some(Self::release),
        llseek: Some(Self::llseek),
        // The only entries, for the kernel itself refuses files that have `read` or `write` as
        // well.
        read_iter: Some(Self::read_iter),
        write_iter: Some(Self::write_iter),
        splice_read: Some(bindings::copy_splice_read),
        splice_write: Some(bindings::iter_file_splice_write),
        poll: Some(Self::poll),
        unlocked_ioctl: Some(Self::ioctl),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: Some(Self::compat_ioctl),
        ..pin_init::zeroed()
    };
}

impl<T: MiscDevice> VTable<T> {
    /// # Safety
    ///
    /// To be called by the misc device core for a file that is being opened, which must keep the
    /// device from being deregistered meanwhile.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        from_result(|| {
            // SAFETY: By the safety requirements.
            to_result(unsafe { bindings::generic_file_open(inode, file) })?;

            // The VFS refuses such files too, but only after they were opened.
            // SAFETY: By the safety requirements.
            if unsafe { (*file).f_flags } & file::flags::O_DIRECT != 0 {
                return Err(EINVAL);
            }

            // SAFETY: The misc device core leaves the device that is opened in the private data,
            // and the file operations of this type belong to devices of this type. The device
            // cannot be deregistered during this call, after which the count of open files keeps
            // it.
            let this = unsafe { OpenFile::<T>::from_ptr(file) }.registration();

            this.data.opened();
            this.files.inc::<OPENED>();
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// To be called by the VFS, once, for a file that [`Self::open`] has opened.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: By the safety requirements.
        let file = unsafe { OpenFile::<T>::from_ptr(file) };
        let registration: *const _ = file.registration();

        if let Ok(data) = file.data() {
            // SAFETY: By the type invariants, and nothing uses the file any more.
            let data = unsafe { FilePtr::<T>::from_foreign(data) };

            // SAFETY: The registration is valid, since the file does not count as released yet.
            unsafe { (*registration).data.released(&data.reader) };
        }

        // ORDERING: All that this file did with the registration comes before it counts as
        // released, after which the registration may be gone.
        smp_mb();

        // SAFETY: The registration is valid, since the file does not count as released yet.
        unsafe { (*registration).files.inc::<RELEASED>() };
        0
    }

    /// Refuses to move the position.
    ///
    /// A file without this operation counts as one that cannot be read again, such as a socket, of
    /// which sendfile(2) wants nothing.
    ///
    /// # Safety
    ///
    /// To be called by the VFS.
    unsafe extern "C" fn llseek(
        _file: *mut bindings::file,
        _offset: bindings::loff_t,
        _whence: c_int,
    ) -> bindings::loff_t {
        bindings::loff_t::from(ESPIPE.to_errno())
    }

    /// # Safety
    ///
    /// To be called by the VFS for a file that [`Self::open`] has opened, with an IO vector to be
    /// filled.
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the safety requirements.
        let file = unsafe { OpenFile::<T>::from_ptr((*kiocb).ki_filp) };
        // SAFETY: By the safety requirements; nobody else uses the position during this call.
        let offset = unsafe { &mut (*kiocb).ki_pos };
        // SAFETY: By the safety requirements. `IovIterDest` is a transparent wrapper; its own
        // `from_raw()` would do the same after asserting the direction, which may panic.
        let to = unsafe { &mut *iter.cast::<IovIterDest<'_>>() };

        from_result(|| {
            let (device, reader) = file.device_and_reader()?;

            Ok(isize::try_from(device.read(reader, offset, to)?)?)
        })
    }

    /// # Safety
    ///
    /// To be called by the VFS for a file that [`Self::open`] has opened, with an IO vector to be
    /// read.
    unsafe extern "C" fn write_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the safety requirements.
        let file = unsafe { OpenFile::<T>::from_ptr((*kiocb).ki_filp) };
        // SAFETY: By the safety requirements, and as in `read_iter()`.
        let from = unsafe { &mut *iter.cast::<IovIterSource<'_>>() };

        from_result(|| Ok(isize::try_from(file.registration().data.write(from)?)?))
    }

    /// # Safety
    ///
    /// To be called by the VFS for a file that [`Self::open`] has opened, with null or a table.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: By the safety requirements. There is no `fdget_pos()` region in poll(2).
        let file = unsafe { OpenFile::<T>::from_ptr(file) };
        // SAFETY: By the safety requirements.
        let table = unsafe { PollTable::from_raw(table) };

        file.registration().data.poll(file, &table)
    }

    /// # Safety
    ///
    /// To be called by the VFS for a file that [`Self::open`] has opened.
    unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: By the safety requirements. There is no `fdget_pos()` region in ioctl(2).
        let file = unsafe { OpenFile::<T>::from_ptr(file) };
        let device = &file.registration().data;

        from_result(|| {
            device.ioctl(file, cmd, UserPtr::from_addr(arg))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// To be called by the VFS for a file that [`Self::open`] has opened, on behalf of a 32-bit
    /// process.
    #[cfg(CONFIG_COMPAT)]
    unsafe extern "C" fn compat_ioctl(
        file: *mut bindings::file,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_long {
        // SAFETY: As in `ioctl()`.
        let file = unsafe { OpenFile::<T>::from_ptr(file) };
        let device = &file.registration().data;
        // CAST: A pointer of a 32-bit process has 32 bits, as with `compat_ptr()`.
        let arg = arg as u32 as usize;

        from_result(|| {
            device.compat_ioctl(file, cmd, UserPtr::from_addr(arg))?;
            Ok(0)
        })
    }
}
