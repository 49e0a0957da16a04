// SPDX-License-Identifier: GPL-2.0

//! The commands of the device.
//!
//! Each copies its argument from and to user space as a whole, and only once, while no lock is
//! held.

use kernel::{
    fs::{
        file::flags,
        File, //
    },
    prelude::*,
    uaccess::UserSlice, //
};

use zerocopy::Immutable;

use crate::{
    driver::{
        device::Device,
        query::ProcessInfo, //
    },
    uapi, //
};

/// Handles a command of a process with the kernel's own word size.
///
/// # Errors
///
/// - `ENOTTY` for an unknown command, which includes a known one with another size or direction.
/// - `EFAULT` if the argument cannot be read or written.
/// - `EBADF` if the command changes something and the file is not open for writing.
/// - `EINVAL` if the filter is negative.
pub(crate) fn ioctl(device: &Device, file: &File, cmd: u32, arg: UserPtr) -> Result {
    device.counters.count_ioctl();

    match cmd {
        uapi::PROCMON_GET_STATS => write_arg(arg, &stats(device)),
        uapi::PROCMON_QUERY_PID => {
            let mut query: uapi::procmon_query = read_arg(arg)?;
            let info = ProcessInfo::query(query.pid);

            query.comm = info.comm;
            query.state = info.state;
            query.vsize = info.vsize;
            write_arg(arg, &query)
        }
        _ => common_ioctl(device, file, cmd, arg),
    }
}

/// Handles a command of a 32-bit process on a 64-bit kernel.
///
/// Numbers that do not fit in the smaller fields become the largest ones that do.
///
/// # Errors
///
/// Those of [`ioctl`].
#[cfg(CONFIG_COMPAT)]
pub(crate) fn compat_ioctl(device: &Device, file: &File, cmd: u32, arg: UserPtr) -> Result {
    device.counters.count_ioctl();

    match cmd {
        uapi::PROCMON_GET_STATS32 => {
            let stats = stats(device);

            write_arg(
                arg,
                &uapi::procmon_stats32 {
                    total_opens: saturate(stats.total_opens),
                    total_reads: saturate(stats.total_reads),
                    total_writes: saturate(stats.total_writes),
                    total_ioctls: saturate(stats.total_ioctls),
                    current_filter_pid: stats.current_filter_pid,
                },
            )
        }
        uapi::PROCMON_QUERY_PID32 => {
            let mut query: uapi::procmon_query32 = read_arg(arg)?;
            let info = ProcessInfo::query(query.pid);

            query.comm = info.comm;
            query.state = info.state;
            query.vsize = saturate(info.vsize);
            write_arg(arg, &query)
        }
        _ => common_ioctl(device, file, cmd, arg),
    }
}

/// Handles the commands that are the same for all processes.
fn common_ioctl(device: &Device, file: &File, cmd: u32, arg: UserPtr) -> Result {
    match cmd {
        uapi::PROCMON_RESET => {
            require_writable(file)?;
            device.settings.reset(&device.counters);
            Ok(())
        }
        uapi::PROCMON_GET_COUNT => write_arg(arg, &c_int::try_from(device.message.len())?),
        uapi::PROCMON_SET_FILTER => {
            require_writable(file)?;

            let pid: c_int = read_arg(arg)?;

            if pid < 0 {
                return Err(EINVAL);
            }
            device.settings.set_filter(pid);
            Ok(())
        }
        _ => Err(ENOTTY),
    }
}

fn stats(device: &Device) -> uapi::procmon_stats {
    let report = device.settings.report(&device.counters);

    // CAST: The fields are as wide as a machine word, and on 32 bits wrap as its counters do.
    uapi::procmon_stats {
        total_opens: report.since_reset.opens as c_ulong,
        total_reads: report.since_reset.reads as c_ulong,
        total_writes: report.since_reset.writes as c_ulong,
        total_ioctls: report.since_reset.ioctls as c_ulong,
        current_filter_pid: report.filter_pid,
        ..Zeroable::zeroed()
    }
}

/// A descriptor may have been passed on to somebody who is only to read, so what changes things for
/// all others takes one that is open for writing.
fn require_writable(file: &File) -> Result {
    match file.flags() & flags::O_ACCMODE {
        flags::O_WRONLY | flags::O_RDWR => Ok(()),
        _ => Err(EBADF),
    }
}

#[cfg(CONFIG_COMPAT)]
fn saturate(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn read_arg<T: FromBytes + IntoBytes>(arg: UserPtr) -> Result<T> {
    let mut value = T::new_zeroed();

    UserSlice::new(arg, size_of::<T>())
        .reader()
        .read_slice(value.as_mut_bytes())?;
    Ok(value)
}

fn write_arg<T: IntoBytes + Immutable>(arg: UserPtr, value: &T) -> Result {
    UserSlice::new(arg, size_of::<T>())
        .writer()
        .write_slice(value.as_bytes())
}
