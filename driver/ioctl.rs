// SPDX-License-Identifier: GPL-2.0

//! The commands of the device.
//!
//! Each reads what it wants of its argument once, and writes it once and as a whole, while no lock
//! is held.

use core::mem::offset_of;

use kernel::{
    fs::file::flags,
    prelude::*, //
};

use crate::{
    abstractions::{
        miscdevice::OpenFile,
        uaccess::{
            read_user,
            write_user, //
        }, //
    },
    driver::{
        device::Device,
        monitor::target::Filter,
        query::ProcessInfo,
        snapshot, //
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
pub(crate) fn ioctl(device: &Device, file: &OpenFile<Device>, cmd: u32, arg: UserPtr) -> Result {
    device.counters.count_ioctl();

    match cmd {
        uapi::PROCMON_GET_STATS => get_stats(device, arg),
        uapi::PROCMON_QUERY_PID => query(arg),
        uapi::PROCMON_RESET => reset(device, file),
        uapi::PROCMON_GET_COUNT => get_count(device, arg),
        uapi::PROCMON_SET_FILTER => set_filter(device, file, arg),
        _ => same_for_all(device, file, cmd, arg),
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
pub(crate) fn compat_ioctl(
    device: &Device,
    file: &OpenFile<Device>,
    cmd: u32,
    arg: UserPtr,
) -> Result {
    device.counters.count_ioctl();

    match cmd {
        uapi::PROCMON_GET_STATS32 => get_stats32(device, arg),
        uapi::PROCMON_QUERY_PID32 => query32(arg),
        uapi::PROCMON_RESET => reset(device, file),
        uapi::PROCMON_GET_COUNT => get_count(device, arg),
        uapi::PROCMON_SET_FILTER => set_filter(device, file, arg),
        _ => same_for_all(device, file, cmd, arg),
    }
}

/// Handles the commands with arguments that are the same for all word sizes.
#[inline(never)]
fn same_for_all(device: &Device, file: &OpenFile<Device>, cmd: u32, arg: UserPtr) -> Result {
    match cmd {
        uapi::PROCMON_INFO => write_user(arg, &snapshot::INFO),
        _ if is(cmd, uapi::PROCMON_SNAPSHOT) => snapshot::snapshot(arg),
        _ if is(cmd, uapi::PROCMON_HISTORY) => history(device, file, arg),
        _ => Err(ENOTTY),
    }
}

/// Whether this is a command, with an argument of whatever size.
fn is(cmd: u32, command: u32) -> bool {
    const SIZE: u32 = kernel::uapi::_IOC_SIZEMASK << kernel::uapi::_IOC_SIZESHIFT;

    cmd & !SIZE == command & !SIZE
}

// The commands are not inlined, so that none pays for the registers and the stack of another.

#[inline(never)]
fn get_stats(device: &Device, arg: UserPtr) -> Result {
    write_user(arg, &stats(device))
}

#[cfg(CONFIG_COMPAT)]
#[inline(never)]
fn get_stats32(device: &Device, arg: UserPtr) -> Result {
    let stats = stats(device);

    write_user(
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

#[inline(always)]
fn stats(device: &Device) -> uapi::procmon_stats {
    let report = device.report();

    // CAST: The fields are as wide as a machine word, which is as wide as the counters.
    uapi::procmon_stats {
        total_opens: report.since_reset.opens as c_ulong,
        total_reads: report.since_reset.reads as c_ulong,
        total_writes: report.since_reset.writes as c_ulong,
        total_ioctls: report.since_reset.ioctls as c_ulong,
        current_filter_pid: report.filter_pid,
        ..Zeroable::zeroed()
    }
}

#[inline(never)]
fn query(arg: UserPtr) -> Result {
    // The process is what the argument begins with, and the rest of it is for the answer.
    const { assert!(offset_of!(uapi::procmon_query, pid) == 0) };

    let pid = read_user(arg)?;
    let info = ProcessInfo::query(pid);

    write_user(
        arg,
        &uapi::procmon_query {
            pid,
            comm: info.comm,
            state: info.state,
            vsize: info.vsize,
        },
    )
}

#[cfg(CONFIG_COMPAT)]
#[inline(never)]
fn query32(arg: UserPtr) -> Result {
    const { assert!(offset_of!(uapi::procmon_query32, pid) == 0) };

    let pid = read_user(arg)?;
    let info = ProcessInfo::query(pid);

    write_user(
        arg,
        &uapi::procmon_query32 {
            pid,
            comm: info.comm,
            state: info.state,
            vsize: saturate(info.vsize),
        },
    )
}

#[inline(never)]
fn reset(device: &Device, file: &OpenFile<Device>) -> Result {
    require_writable(file)?;
    device.reset();
    Ok(())
}

#[inline(never)]
fn get_count(device: &Device, arg: UserPtr) -> Result {
    write_user(arg, &c_int::try_from(device.message.len())?)
}

#[inline(never)]
fn set_filter(device: &Device, file: &OpenFile<Device>, arg: UserPtr) -> Result {
    require_writable(file)?;

    device.set_filter(Filter::of(read_user(arg)?)?);
    Ok(())
}

#[inline(never)]
fn history(device: &Device, file: &OpenFile<Device>, arg: UserPtr) -> Result {
    let state = file.reader()?;

    state.set_next_sample(device.monitor.recorder.history(arg)?);
    Ok(())
}

/// A descriptor may have been passed on to somebody who is only to read, so what changes things for
/// all others takes one that is open for writing.
fn require_writable(file: &OpenFile<Device>) -> Result {
    match file.as_file().flags() & flags::O_ACCMODE {
        flags::O_WRONLY | flags::O_RDWR => Ok(()),
        _ => Err(EBADF),
    }
}

#[cfg(CONFIG_COMPAT)]
fn saturate(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
