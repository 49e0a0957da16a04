// SPDX-License-Identifier: GPL-2.0-only

//! The commands of the device: dispatch, access rights, and the commands that are a few lines.
//!
//! Each command reads its argument once and writes it once, as a whole, with no lock held.

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
            write_user,
            write_user_struct, //
        }, //
    },
    driver::{
        device::Device,
        monitor::Target,
        query,
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
        uapi::PROCMON_QUERY_PID => query_pid(arg),
        uapi::PROCMON_RESET => reset(device, file),
        uapi::PROCMON_GET_COUNT => get_count(device, arg),
        uapi::PROCMON_SET_FILTER => set_filter(device, file, arg),
        _ => common(device, file, cmd, arg),
    }
}

/// Handles a command of a 32-bit process on a 64-bit kernel.
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
        uapi::PROCMON_QUERY_PID32 => query_pid32(arg),
        uapi::PROCMON_RESET => reset(device, file),
        uapi::PROCMON_GET_COUNT => get_count(device, arg),
        uapi::PROCMON_SET_FILTER => set_filter(device, file, arg),
        _ => common(device, file, cmd, arg),
    }
}

/// Handles the commands whose arguments have one layout for all word sizes.
#[inline(never)]
fn common(device: &Device, file: &OpenFile<Device>, cmd: u32, arg: UserPtr) -> Result {
    match cmd {
        _ if same_but_size(cmd, uapi::PROCMON_INFO) => info(device, cmd, arg),
        _ if same_but_size(cmd, uapi::PROCMON_SNAPSHOT) => snapshot::snapshot(&device.events, arg),
        _ if same_but_size(cmd, uapi::PROCMON_HISTORY) => history(device, file, arg),
        _ if same_but_size(cmd, uapi::PROCMON_EVENTS) => {
            let reader = file.get_or_try_init()?.get_or_try_init_events()?;

            reader.fetch(&device.events, file.as_file(), arg)
        }
        _ => Err(ENOTTY),
    }
}

/// Whether a number is that of a command, but for the size of its argument.
fn same_but_size(cmd: u32, command: u32) -> bool {
    const SIZE: u32 = kernel::uapi::_IOC_SIZEMASK << kernel::uapi::_IOC_SIZESHIFT;

    cmd & !SIZE == command & !SIZE
}

/// Writes as much as the caller's version of the result has.
fn info(device: &Device, cmd: u32, arg: UserPtr) -> Result {
    const MIN: usize = offset_of!(uapi::procmon_info, event_classes);

    let size = kernel::ioctl::_IOC_SIZE(cmd);

    if !(MIN..=size_of::<uapi::procmon_info>()).contains(&size) {
        return Err(ENOTTY);
    }
    write_user_struct(arg, size, &snapshot::info(&device.events))
}

// Commands are not inlined: none pays for the registers and the stack of another one.

#[inline(never)]
fn get_stats(device: &Device, arg: UserPtr) -> Result {
    write_user(arg, &stats(device))
}

#[cfg(CONFIG_COMPAT)]
#[inline(never)]
fn get_stats32(device: &Device, arg: UserPtr) -> Result {
    write_user(arg, &uapi::procmon_stats32::from(stats(device)))
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
fn query_pid(arg: UserPtr) -> Result {
    // Only the process is read, which the argument begins with. The rest is for the result.
    const { assert!(offset_of!(uapi::procmon_query, pid) == 0) };

    write_user(arg, &query::query(read_user(arg)?))
}

#[cfg(CONFIG_COMPAT)]
#[inline(never)]
fn query_pid32(arg: UserPtr) -> Result {
    const { assert!(offset_of!(uapi::procmon_query32, pid) == 0) };

    let result = query::query(read_user(arg)?);

    write_user(arg, &uapi::procmon_query32::from(result))
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

    device.set_target(Target::find(read_user(arg)?)?);
    Ok(())
}

#[inline(never)]
fn history(device: &Device, file: &OpenFile<Device>, arg: UserPtr) -> Result {
    let state = file.get_or_try_init()?;

    let (target, next) = device.monitor.history.fetch(arg)?;

    state.set_next_sample(target, next);
    Ok(())
}

/// Refuses a file that is not open for writing.
///
/// A descriptor may have been passed on for reading only, so commands that change state for all
/// users take one that is open for writing.
fn require_writable(file: &OpenFile<Device>) -> Result {
    match file.as_file().flags() & flags::O_ACCMODE {
        flags::O_WRONLY | flags::O_RDWR => Ok(()),
        _ => Err(EBADF),
    }
}
