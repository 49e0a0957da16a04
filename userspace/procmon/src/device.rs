// SPDX-License-Identifier: GPL-2.0-only

//! `/dev/procmon`.

use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::ioctl::{Getter, Ioctl, NoArg, Setter, Updater, ioctl};

use crate::events::{Classes, EventOptions, Events};
use crate::history::{History, Sample};
use crate::sample_events::{SampleEvents, poll_priority};
use crate::snapshot::{Groups, Record, Snapshot, SnapshotOptions};
use crate::time::BootTime;
use crate::{Error, ErrorKind, Process, Result, uapi};

/// The path at which devtmpfs and udev create the device.
pub const DEVICE_PATH: &str = "/dev/procmon";

/// Result of [`Device::stats`]: calls since the module was loaded or last [reset](Device::reset).
///
/// No later version adds fields: the number of the command holds the size.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Stats {
    /// Opens of the device that succeeded.
    pub opens: u64,
    /// Reads that delivered at least one byte.
    pub reads: u64,
    /// Writes that succeeded.
    pub writes: u64,
    /// Ioctl calls of any kind, the one that asked included.
    pub ioctls: u64,
    /// The PID of the target: see [`Device::set_filter`].
    pub filter: Option<i32>,
}

impl Stats {
    #[allow(
        clippy::useless_conversion,
        reason = "an unsigned long is a u32 in 32-bit programs"
    )]
    fn from_raw(raw: &uapi::procmon_stats) -> Self {
        Self {
            opens: raw.total_opens.into(),
            reads: raw.total_reads.into(),
            writes: raw.total_writes.into(),
            ioctls: raw.total_ioctls.into(),
            filter: filter_from_raw(raw.current_filter_pid),
        }
    }
}

/// Converts the PID of the target, which is 0 if there is none.
pub(crate) fn filter_from_raw(pid: i32) -> Option<i32> {
    (pid != 0).then_some(pid)
}

/// Result of [`Device::info`]: abilities of the loaded module.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Info {
    /// The version of the interface; this crate knows version [`Info::KNOWN`].
    pub abi_version: u32,
    /// The groups of fields that a snapshot can request.
    pub groups: Groups,
    /// Whether a snapshot can have the arguments of programs.
    pub arguments: bool,
    /// The size in bytes of a record.
    pub record_size: u32,
    /// The size in bytes of a sample.
    pub sample_size: u32,
    /// The classes of events that the module has on this kernel.
    pub event_classes: Classes,
}

impl Info {
    /// The version of the interface that this crate was made for. It works with all others, which
    /// have more or fewer groups of fields.
    pub const KNOWN: u32 = uapi::PROCMON_ABI_VERSION;
}

/// The open device.
///
/// The message and the target belong to the module and are shared by all programs that open the
/// device. A pass belongs to the open file: reading it piece by piece from the start to the end
/// delivers one message, even if another one is written in between.
///
/// A device is opened by [`OpenOptions`](crate::OpenOptions), or made from an open file by
/// `TryFrom<OwnedFd>`. Both verify that the file is procmon's, as other drivers would take its
/// commands for theirs.
#[derive(Debug)]
pub struct Device {
    file: File,
    path: PathBuf,
}

impl Device {
    /// Takes over an open file where neither `/sys` nor `/proc` shows which driver it belongs to.
    ///
    /// # Safety
    ///
    /// The file is procmon's device: another driver may write to any memory of this process for a
    /// command that it takes for its own.
    #[must_use]
    pub unsafe fn from_fd_unchecked(fd: OwnedFd) -> Self {
        let path = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        Self::from_parts(File::from(fd), path)
    }

    /// Wraps a file that is procmon's device.
    pub(crate) fn from_parts(file: File, path: PathBuf) -> Self {
        Self { file, path }
    }

    /// Gives the open file up, for another process or another library.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.file.into()
    }

    /// Returns the path that was opened, or that the kernel shows for the file that was taken over.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the whole message.
    ///
    /// Borrows the device exclusively because a second pass would end the first one.
    ///
    /// # Errors
    ///
    /// As [`read_at`](Self::read_at); with [`ErrorKind::Stale`] only if the held message was
    /// dropped several times in a row, because others write faster than this process reads.
    pub fn read_message(&mut self) -> Result<Vec<u8>> {
        const ATTEMPTS: u32 = 16;

        let mut attempt = 1;
        loop {
            match self.read_pass() {
                Err(error) if error.kind() == ErrorKind::Stale && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn read_pass(&self) -> Result<Vec<u8>> {
        let mut message = vec![0; 4096];
        let mut len = 0;
        loop {
            match self.read_at(&mut message[len..], len as u64)? {
                0 => break,
                n => len += n,
            }
            if len == message.len() {
                message.resize(2 * len, 0);
            }
        }
        message.truncate(len);
        Ok(message)
    }

    /// Reads a part of the message, from `offset` on; 0 bytes are the end.
    ///
    /// A read at offset 0 begins a pass: the reads after it are of the same message, until one of
    /// them reaches the end.
    ///
    /// # Errors
    ///
    /// With [`ErrorKind::NoPermission`] if the device is not open for reading, and with
    /// [`ErrorKind::Stale`] if the message of the pass is no longer held, which ends the pass.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(|reason| Error::io("read", &self.path, reason)),
            }
        }
    }

    /// Replaces the message and returns the number of bytes taken: at most `buffer_size`, the
    /// module's parameter. An empty message empties the device.
    ///
    /// # Errors
    ///
    /// With [`ErrorKind::NoPermission`] if the device is not open for writing, and if there is no
    /// memory for the message.
    pub fn write_message(&self, message: &[u8]) -> Result<usize> {
        loop {
            match (&self.file).write(message) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(|reason| Error::io("write", &self.path, reason)),
            }
        }
    }

    /// Zeroes the totals of [`stats`](Self::stats) and clears the target. The message stays.
    ///
    /// # Errors
    ///
    /// With [`ErrorKind::NoPermission`] if the device is not open for writing.
    pub fn reset(&self) -> Result<()> {
        // SAFETY: PROCMON_RESET takes no argument.
        let command = unsafe { NoArg::<{ uapi::PROCMON_RESET }>::new() };
        self.ioctl("reset", command)
    }

    /// Returns the length of the message in bytes.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the command.
    pub fn count(&self) -> Result<usize> {
        // SAFETY: PROCMON_GET_COUNT gives an int.
        let command = unsafe { Getter::<{ uapi::PROCMON_GET_COUNT }, c_int>::new() };
        let count = self.ioctl("ask for the message's length of", command)?;
        usize::try_from(count).map_err(|_| {
            Error::unexpected(&self.path, format!("a message length of {count}"), None)
        })
    }

    /// Returns the totals, in which this call is counted, and the target.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the command.
    pub fn stats(&self) -> Result<Stats> {
        // SAFETY: PROCMON_GET_STATS gives a procmon_stats.
        let command = unsafe { Getter::<{ uapi::PROCMON_GET_STATS }, uapi::procmon_stats>::new() };
        Ok(Stats::from_raw(
            &self.ioctl("ask for the statistics of", command)?,
        ))
    }

    /// Returns the abilities of the loaded module.
    ///
    /// # Errors
    ///
    /// With [`ErrorKind::Unsupported`] if the module is older than this command.
    pub fn info(&self) -> Result<Info> {
        // SAFETY: PROCMON_INFO gives a procmon_info.
        let command = unsafe { Getter::<{ uapi::PROCMON_INFO }, uapi::procmon_info>::new() };
        let raw = match self.ioctl("ask for the abilities of", command) {
            Err(error) if error.kind() == ErrorKind::Unsupported => self.old_info()?,
            result => result?,
        };
        Ok(Info {
            abi_version: raw.abi_version,
            groups: Groups::from_bits_truncate(raw.groups),
            arguments: raw.groups & uapi::PROCMON_GROUP_ARGS != 0,
            record_size: raw.record_size,
            sample_size: raw.sample_size,
            event_classes: Classes::from_bits_truncate(raw.event_classes),
        })
    }

    /// Asks a module of ABI version 1 or 2, which has no events, for its abilities.
    fn old_info(&self) -> Result<uapi::procmon_info> {
        const SIZE_SHIFT: u32 = 16;
        const NUMBER: u32 = uapi::PROCMON_INFO
            - ((size_of::<uapi::procmon_info>() - size_of::<[u32; 8]>()) as u32)
                * (1 << SIZE_SHIFT);

        // SAFETY: With this size in its number, PROCMON_INFO gives the first eight fields.
        let command = unsafe { Getter::<NUMBER, [u32; 8]>::new() };
        let [
            abi_version,
            groups,
            snapshot_flags,
            snapshot_size,
            record_size,
            max_stride,
            sample_size,
            history_size,
        ] = self.ioctl("ask for the abilities of", command)?;
        Ok(uapi::procmon_info {
            abi_version,
            groups,
            snapshot_flags,
            snapshot_size,
            record_size,
            max_stride,
            sample_size,
            history_size,
            ..Default::default()
        })
    }

    /// Sets the first target by its PID, a process that the monitor follows, or clears it.
    ///
    /// [`set_targets`](crate::sysfs::set_targets) sets all of them. The ID of a thread stands for
    /// its process. A PID of no process is allowed.
    ///
    /// # Errors
    ///
    /// With [`ErrorKind::NoPermission`] if the device is not open for writing, and with
    /// [`ErrorKind::InvalidInput`] if the PID is negative.
    pub fn set_filter(&self, pid: Option<i32>) -> Result<()> {
        // SAFETY: PROCMON_SET_FILTER takes an int.
        let command =
            unsafe { Setter::<{ uapi::PROCMON_SET_FILTER }, c_int>::new(pid.unwrap_or(0)) };
        self.ioctl("set the filter of", command)
    }

    /// Looks up a process or thread in the caller's PID namespace. Returns `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the command.
    pub fn query(&self, pid: i32) -> Result<Option<Process>> {
        let mut query = uapi::procmon_query {
            pid,
            ..Default::default()
        };
        // SAFETY: PROCMON_QUERY_PID takes and gives a procmon_query.
        let command = unsafe { Updater::<{ uapi::PROCMON_QUERY_PID }, _>::new(&mut query) };
        self.ioctl("look a process up in", command)?;
        Ok(Process::from_raw(&query))
    }

    /// Takes a snapshot: a record of each process that matches the options.
    ///
    /// # Errors
    ///
    /// With [`ErrorKind::InvalidInput`] if the options have a group that the module does not know
    /// (see [`info`](Self::info)) or a negative PID, and if there is no memory.
    pub fn snapshot(&self, options: &SnapshotOptions) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        self.snapshot_into(options, &mut snapshot)?;
        Ok(snapshot)
    }

    /// Takes a snapshot into the memory of an earlier one.
    ///
    /// # Errors
    ///
    /// As [`snapshot`](Self::snapshot); the snapshot is empty then.
    pub fn snapshot_into(&self, options: &SnapshotOptions, snapshot: &mut Snapshot) -> Result<()> {
        let result = self.fill(options, snapshot);
        if result.is_err() {
            snapshot.clear();
        }
        result
    }

    fn fill(&self, options: &SnapshotOptions, snapshot: &mut Snapshot) -> Result<()> {
        /// Records that fit at the beginning.
        const INITIAL_CAPACITY: usize = 4096;

        snapshot.clear();
        let records = &mut snapshot.records;
        let texts = &mut snapshot.arguments;
        let args_max = options.max_arguments();
        let mut cursor = 0;
        loop {
            if records.len() == records.capacity() {
                let needed = if options.is_of_one() {
                    1
                } else {
                    INITIAL_CAPACITY
                };
                records.reserve_exact(records.len().max(needed));
            }
            let space = records.spare_capacity_mut();
            let capacity = u32::try_from(space.len()).unwrap_or(u32::MAX);
            let mut arguments = uapi::procmon_snapshot {
                cursor,
                records: space.as_mut_ptr() as u64,
                stride: size_of::<Record>() as u32,
                capacity,
                ..options.to_raw()
            };
            if args_max > 0 {
                let space = texts.space(space.len(), args_max);
                arguments.args = space.as_mut_ptr() as u64;
                arguments.args_capacity = u32::try_from(space.len()).unwrap_or(u32::MAX);
            }
            let args_capacity = arguments.args_capacity;
            // SAFETY: PROCMON_SNAPSHOT takes and gives a procmon_snapshot, and fills at most this
            // number of records of this size, and this number of bytes with arguments.
            let command = unsafe { Updater::<{ uapi::PROCMON_SNAPSHOT }, _>::new(&mut arguments) };
            self.ioctl("take a snapshot with", command)?;
            let count = self.filled(arguments.count, capacity)?;
            let len = records.len() + count;
            // SAFETY: The kernel has filled `count` elements, which the spare capacity had.
            unsafe { records.set_len(len) };
            let args_bytes = self.filled(arguments.args_bytes, args_capacity)?;
            // SAFETY: The kernel has written as many bytes, which the space had.
            if unsafe { texts.add(args_bytes) }.is_none() {
                let what = "a second buffer that has other things than arguments";
                return Err(Error::unexpected(&self.path, what, None));
            }
            if cursor == 0 {
                snapshot.time = BootTime::from_nanos(arguments.time);
                snapshot.sequence = arguments.sequence;
                snapshot.groups = Groups::from_bits_truncate(arguments.groups);
                snapshot.of_threads = arguments.flags & uapi::PROCMON_SNAPSHOT_THREADS != 0;
            }
            // A module that makes no progress would keep the caller for ever.
            if arguments.cursor != 0 && arguments.cursor <= cursor {
                let what = format!("{} as the PID after {cursor}", arguments.cursor);
                return Err(Error::unexpected(&self.path, what, None));
            }
            cursor = arguments.cursor;
            if cursor == 0 {
                // The clock of the module and this one are the same, but for a time that only the
                // former would be ahead in.
                snapshot.end = BootTime::now().max(snapshot.time);
                return Ok(());
            }
        }
    }

    /// Verifies the number of elements that the kernel claims to have filled.
    fn filled(&self, count: u32, capacity: u32) -> Result<usize> {
        if count > capacity {
            let what = format!("{count} elements with space for {capacity}");
            return Err(Error::unexpected(&self.path, what, None));
        }
        Ok(count as usize)
    }

    /// Has events recorded, as long as the device is open, and returns them.
    ///
    /// The place among the events is that of the open device: called again, this goes on where the
    /// last call ended.
    ///
    /// # Errors
    ///
    /// With [`ErrorKind::NoPermission`] if the caller is not in the initial PID and user
    /// namespaces, with [`ErrorKind::InvalidInput`] if an option is out of range, with
    /// [`ErrorKind::Unsupported`] if the module is older than this command, and if there is no
    /// memory.
    pub fn events(&self, options: &EventOptions) -> Result<Events<'_>> {
        Events::new(self, options)
    }

    /// Returns the samples of the monitor with the first target, from the one with this sequence
    /// number on, or from the oldest one that is kept.
    ///
    /// # Errors
    ///
    /// With [`ErrorKind::NoPermission`] if the caller is not in the initial PID and user
    /// namespaces, and if there is no memory.
    pub fn history(&self, from: u64) -> Result<History> {
        self.history_of(0, from)
    }

    /// Returns the samples with the target of a place, from 0 on: see
    /// [`targets`](crate::sysfs::targets). Each place has sequence numbers of its own. There are no
    /// samples of a place that was never set.
    ///
    /// # Errors
    ///
    /// As [`history`](Self::history), and with [`ErrorKind::InvalidInput`] if there is no such
    /// place.
    pub fn history_of(&self, place: u32, from: u64) -> Result<History> {
        /// Samples that one call fetches.
        const BATCH: usize = 512;
        const INITIAL_NAMESPACES: &str =
            "only processes in the initial PID and user namespaces may ask for it";

        let mut history = History {
            next: from,
            ..History::default()
        };
        loop {
            let samples = &mut history.samples;
            samples.reserve(BATCH);
            let space = samples.spare_capacity_mut();
            let capacity = u32::try_from(space.len()).unwrap_or(u32::MAX);
            let mut arguments = uapi::procmon_history {
                size: size_of::<uapi::procmon_history>() as u32,
                sequence: history.next,
                samples: space.as_mut_ptr() as u64,
                stride: size_of::<Sample>() as u32,
                capacity,
                target: place,
                ..Default::default()
            };
            // SAFETY: PROCMON_HISTORY takes and gives a procmon_history, and fills at most this
            // number of samples of this size.
            let command = unsafe { Updater::<{ uapi::PROCMON_HISTORY }, _>::new(&mut arguments) };
            self.ioctl("ask for the history of", command)
                .map_err(|error| error.with_hint(ErrorKind::NoPermission, INITIAL_NAMESPACES))?;
            let count = self.filled(arguments.count, capacity)?;
            let first = samples.len();
            // SAFETY: The kernel has filled `count` elements, which the spare capacity had.
            unsafe { samples.set_len(first + count) };
            if let Some(sample) = samples.get(first) {
                // A caller that requests the oldest sample misses none before it.
                let requested = match history.next {
                    0 => sample.sequence(),
                    requested => requested,
                };
                history.missed += sample.sequence().saturating_sub(requested);
            }
            history.next = arguments.sequence;
            history.interval = Duration::from_millis(arguments.interval_ms.into());
            if arguments.count < capacity {
                return Ok(history);
            }
        }
    }

    /// Waits for a sample that the last call of [`history`](Self::history) did not deliver, at most
    /// for this time, which signals do not prolong. Returns whether there is one.
    ///
    /// This is for a program that reads the samples; [`sample_events`](Self::sample_events) is for
    /// one that is only notified of them.
    ///
    /// # Errors
    ///
    /// If the kernel cannot wait for the file.
    pub fn wait_for_sample(&self, timeout: Option<Duration>) -> Result<bool> {
        poll_priority(self.as_fd(), timeout)
            .map_err(|errno| Error::io("wait for", &self.path, errno))
    }

    /// Begins to listen for new samples, without reading their [`history`](Self::history).
    ///
    /// # Errors
    ///
    /// If there are no more descriptors, or no memory.
    pub fn sample_events(&self) -> Result<SampleEvents<'_>> {
        SampleEvents::new(self)
    }

    pub(crate) fn ioctl<I: Ioctl>(&self, action: &str, command: I) -> Result<I::Output> {
        // SAFETY: The callers make the commands with the types that the header gives them, and the
        // file is procmon's: that was verified when it was opened or taken over, or else promised
        // by the caller of from_fd_unchecked(). A file does not change its driver.
        unsafe { ioctl(&self.file, command) }.map_err(|errno| Error::io(action, &self.path, errno))
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl From<Device> for OwnedFd {
    fn from(device: Device) -> Self {
        device.into_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens a file that takes any write, has nothing to read and no commands.
    fn null() -> Device {
        let file = File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap();
        Device::from_parts(file, "/dev/null".into())
    }

    #[test]
    fn stats_follow_the_kernel_structure() {
        let raw = uapi::procmon_stats {
            total_opens: 1,
            total_reads: 2,
            total_writes: 3,
            total_ioctls: std::ffi::c_ulong::MAX,
            current_filter_pid: 0,
        };
        let stats = Stats {
            opens: 1,
            reads: 2,
            writes: 3,
            ioctls: u64::MAX,
            filter: None,
        };
        assert_eq!(Stats::from_raw(&raw), stats);
        let raw = uapi::procmon_stats {
            current_filter_pid: 42,
            ..raw
        };
        assert_eq!(Stats::from_raw(&raw).filter, Some(42));
    }

    #[test]
    fn a_file_without_the_commands_does_not_support_them() {
        let error = null().query(1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "cannot look a process up in /dev/null");
        let mut snapshot = Snapshot::with_capacity(5);
        snapshot.time = BootTime::from_nanos(1);
        let error = null().snapshot_into(&SnapshotOptions::new(), &mut snapshot);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(snapshot.time(), BootTime::ZERO);
    }

    #[test]
    fn more_elements_than_fit_are_refused() {
        let device = null();
        assert_eq!(device.filled(5, 5).unwrap(), 5);
        let error = device.filled(6, 5).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
    }

    #[test]
    fn a_message_is_read_to_its_end() {
        let mut empty = null();
        assert_eq!(empty.read_message().unwrap(), b"");
        assert_eq!(empty.write_message(b"gone").unwrap(), 4);
    }

    #[test]
    fn a_device_is_a_descriptor() {
        let device = null();
        let number = device.as_raw_fd();
        let fd = device.into_fd();
        assert_eq!(fd.as_raw_fd(), number);
        // SAFETY: The file knows no commands.
        let device = unsafe { Device::from_fd_unchecked(fd) };
        assert_eq!(device.as_fd().as_raw_fd(), number);
    }
}
