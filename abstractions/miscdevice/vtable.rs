// SPDX-License-Identifier: GPL-2.0-only

//! The file operations that the VFS calls.

use core::marker::PhantomData;

use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    fs::file,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::poll::PollTable,
    types::ForeignOwnable, //
};

use super::{
    file_data::{
        FilePtr,
        OpenFile, //
    },
    MiscDevice,
    OPENED,
    RELEASED, //
};

use crate::abstractions::compat::{
    smp_mb,
    this_module, //
};

/// The file operations of a misc device with data `T`.
pub(super) struct VTable<T: MiscDevice>(PhantomData<T>);

impl<T: MiscDevice> VTable<T> {
    /// The table itself.
    pub(super) const OPERATIONS: bindings::file_operations = bindings::file_operations {
        // The module stays loaded while a file is open.
        owner: this_module(),
        open: Some(Self::open),
        release: Some(Self::release),
        llseek: Some(Self::llseek),
        // Without `read` and `write`: the kernel itself refuses to use files that have both kinds.
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
    /// device from being deregistered during the call.
    pub(super) unsafe extern "C" fn open(
        inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> c_int {
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
    pub(super) unsafe extern "C" fn release(
        _inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> c_int {
        // SAFETY: By the safety requirements.
        let file = unsafe { OpenFile::<T>::from_ptr(file) };
        let registration: *const _ = file.registration();

        if let Ok(data) = file.data() {
            // SAFETY: By the type invariants, and no other code uses the file any more.
            let data = unsafe { FilePtr::<T>::from_foreign(data) };

            // SAFETY: The registration is valid, since the file does not count as released yet.
            unsafe { (*registration).data.released(&data.state) };
        }

        // ORDERING: All accesses of this file to the registration come before it counts as
        // released, after which the registration may be gone.
        smp_mb();

        // SAFETY: The registration is valid, since the file does not count as released yet.
        unsafe { (*registration).files.inc::<RELEASED>() };
        0
    }

    /// Refuses to move the position.
    ///
    /// A file without this operation counts as a stream, such as a socket, from which sendfile(2)
    /// does not read.
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
        // SAFETY: By the safety requirements; the position is used by this call only.
        let offset = unsafe { &mut (*kiocb).ki_pos };
        // SAFETY: By the safety requirements. `IovIterDest` is a transparent wrapper; its own
        // `from_raw()` would do the same after asserting the direction, which may panic.
        let to = unsafe { &mut *iter.cast::<IovIterDest<'_>>() };

        from_result(|| {
            let (device, state) = file.device_and_state()?;

            Ok(isize::try_from(device.read(state, offset, to)?)?)
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
    pub(super) unsafe extern "C" fn poll(
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
