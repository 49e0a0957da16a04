// SPDX-License-Identifier: GPL-2.0

//! `/dev/procmon`.

use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;
use rustix::ioctl::{Getter, Ioctl, NoArg, Setter, Updater, ioctl};

use crate::history::{History, Sample};
use crate::snapshot::{Groups, Record, Snapshot, SnapshotOptions};
use crate::{Error, Process, Result, uapi};

/// Where devtmpfs and udev put the device.
pub const DEVICE_PATH: &str = "/dev/procmon";

/// Result of [`Device::stats`]: calls since the module was loaded or last [reset](Device::reset).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Opens of the device that succeeded.
    pub opens: u64,
    /// Reads that delivered at least one byte.
    pub reads: u64,
    /// Writes that succeeded.
    pub writes: u64,
    /// Ioctl calls of any kind, the one that asked included.
    pub ioctls: u64,
    /// The PID that [`Device::set_filter`] put down.
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

/// The kernel says 0 for "no filter".
pub(crate) fn filter_from_raw(pid: i32) -> Option<i32> {
    (pid != 0).then_some(pid)
}

/// How to open the device: like [`std::fs::OpenOptions`], but for reading and writing by default.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    path: PathBuf,
    read: bool,
    write: bool,
}

impl OpenOptions {
    /// Another path than [`DEVICE_PATH`], such as a node made by mknod.
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = path.into();
        self
    }

    /// Whether to open for reading the message.
    pub fn read(mut self, read: bool) -> Self {
        self.read = read;
        self
    }

    /// Whether to open for writing the message, [`Device::reset`] and [`Device::set_filter`].
    pub fn write(mut self, write: bool) -> Self {
        self.write = write;
        self
    }

    /// Opens the device.
    pub fn open(self) -> Result<Device> {
        let Self { path, read, write } = self;
        let failed = |reason: io::Error| Error::io("open", &path, reason);
        let file = File::options()
            .read(read)
            .write(write)
            .open(&path)
            .map_err(failed)?;
        // A plain file is what `echo > /dev/procmon` leaves behind when no module is loaded.
        if !file
            .metadata()
            .map_err(failed)?
            .file_type()
            .is_char_device()
        {
            return Err(Error::NotADevice { path });
        }
        Ok(Device { file, path })
    }
}

/// The open device.
///
/// The message and the filter belong to the module and are shared by all who open the device. An
/// open file keeps one thing to itself: reading it piece by piece from the start to the end gives
/// one message, even if somebody writes another one meanwhile.
#[derive(Debug)]
pub struct Device {
    file: File,
    path: PathBuf,
}

impl Device {
    /// Opens [`DEVICE_PATH`] for everything it can do.
    pub fn open() -> Result<Self> {
        Self::options().open()
    }

    /// Opens [`DEVICE_PATH`] for reading; [`reset`](Self::reset), [`set_filter`](Self::set_filter)
    /// and [`write_message`](Self::write_message) will be refused.
    pub fn open_read_only() -> Result<Self> {
        Self::options().write(false).open()
    }

    /// Other ways of opening the device.
    pub fn options() -> OpenOptions {
        OpenOptions {
            path: DEVICE_PATH.into(),
            read: true,
            write: true,
        }
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the whole message.
    ///
    /// Takes the device for itself because a second pass of reads would begin a new snapshot
    /// under this one.
    pub fn read_message(&mut self) -> Result<Vec<u8>> {
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
    /// A read at offset 0 takes the present message for the reads after it, until one of them
    /// reaches the end.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(|reason| Error::io("read", &self.path, reason)),
            }
        }
    }

    /// Replaces the message and returns how much of `message` was taken: at most `buffer_size`
    /// bytes, the module's parameter. An empty one empties the device.
    pub fn write_message(&self, message: &[u8]) -> Result<usize> {
        loop {
            match (&self.file).write(message) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(|reason| Error::io("write", &self.path, reason)),
            }
        }
    }

    /// Zeroes the totals of [`stats`](Self::stats) and the filter. The message stays.
    pub fn reset(&self) -> Result<()> {
        // SAFETY: PROCMON_RESET takes no argument.
        let command = unsafe { NoArg::<{ uapi::PROCMON_RESET }>::new() };
        self.ioctl("reset", command)
    }

    /// The length of the message in bytes.
    pub fn count(&self) -> Result<usize> {
        // SAFETY: PROCMON_GET_COUNT gives an int.
        let command = unsafe { Getter::<{ uapi::PROCMON_GET_COUNT }, c_int>::new() };
        let count = self.ioctl("ask for the message's length of", command)?;
        usize::try_from(count)
            .map_err(|_| Error::unexpected(&self.path, format!("a message length of {count}")))
    }

    /// The totals and the filter; this call is counted in them.
    pub fn stats(&self) -> Result<Stats> {
        // SAFETY: PROCMON_GET_STATS gives a procmon_stats.
        let command = unsafe { Getter::<{ uapi::PROCMON_GET_STATS }, uapi::procmon_stats>::new() };
        Ok(Stats::from_raw(
            &self.ioctl("ask for the statistics of", command)?,
        ))
    }

    /// Puts down a PID as the filter, or clears it. The PID need not exist; a negative one is
    /// refused.
    pub fn set_filter(&self, pid: Option<i32>) -> Result<()> {
        // SAFETY: PROCMON_SET_FILTER takes an int.
        let command =
            unsafe { Setter::<{ uapi::PROCMON_SET_FILTER }, c_int>::new(pid.unwrap_or(0)) };
        self.ioctl("set the filter of", command)
    }

    /// Looks a process or thread up in the caller's PID namespace; `None` if there is none.
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

    /// Tells about many processes at once.
    pub fn snapshot(&self, options: &SnapshotOptions) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        self.snapshot_into(options, &mut snapshot)?;
        Ok(snapshot)
    }

    /// The same into memory that was used for that before.
    pub fn snapshot_into(&self, options: &SnapshotOptions, snapshot: &mut Snapshot) -> Result<()> {
        /// How many records there is room for at the beginning.
        const ROOM: usize = 4096;

        let records = &mut snapshot.records;
        records.clear();
        let mut cursor = 0;
        loop {
            if records.len() == records.capacity() {
                records.reserve(records.len().max(ROOM));
            }
            let room = records.spare_capacity_mut();
            let mut arguments = uapi::procmon_snapshot {
                size: size_of::<uapi::procmon_snapshot>() as u32,
                flags: options.flags,
                groups: options.groups.bits(),
                cursor,
                records: room.as_mut_ptr() as u64,
                stride: size_of::<Record>() as u32,
                capacity: u32::try_from(room.len()).unwrap_or(u32::MAX),
                uid: options.uid,
                ppid: options.ppid,
                tgid: options.tgid,
                ..Default::default()
            };
            // SAFETY: PROCMON_SNAPSHOT takes and gives a procmon_snapshot, and fills so many
            // records of this size.
            let command = unsafe { Updater::<{ uapi::PROCMON_SNAPSHOT }, _>::new(&mut arguments) };
            self.ioctl("take a snapshot by", command)?;
            let len = records.len() + arguments.count as usize;
            // SAFETY: So many were filled.
            unsafe { records.set_len(len) };
            if cursor == 0 {
                snapshot.time = Duration::from_nanos(arguments.time);
                snapshot.groups = Groups::from_bits_truncate(arguments.groups);
            }
            cursor = arguments.cursor;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Returns what the monitor has recorded, from the sample with this sequence number on, or from
    /// the oldest one that there is.
    ///
    /// Only for callers in the initial PID and user namespaces.
    pub fn history(&self, from: u64) -> Result<History> {
        /// How many samples there is room for at once.
        const ROOM: usize = 512;

        let mut history = History {
            next: from,
            ..History::default()
        };
        loop {
            let samples = &mut history.samples;
            samples.reserve(ROOM);
            let room = samples.spare_capacity_mut();
            let capacity = u32::try_from(room.len()).unwrap_or(u32::MAX);
            let mut arguments = uapi::procmon_history {
                size: size_of::<uapi::procmon_history>() as u32,
                sequence: history.next,
                samples: room.as_mut_ptr() as u64,
                stride: size_of::<Sample>() as u32,
                capacity,
                ..Default::default()
            };
            // SAFETY: PROCMON_HISTORY takes and gives a procmon_history, and fills so many samples
            // of this size.
            let command = unsafe { Updater::<{ uapi::PROCMON_HISTORY }, _>::new(&mut arguments) };
            self.ioctl("ask for the history of", command)?;
            let first = samples.len();
            // SAFETY: So many were filled.
            unsafe { samples.set_len(first + arguments.count as usize) };
            if let Some(sample) = samples.get(first) {
                // Whoever asks for the oldest one does not miss any before that.
                let wanted = match history.next {
                    0 => sample.sequence(),
                    wanted => wanted,
                };
                history.missed += sample.sequence().saturating_sub(wanted);
            }
            history.next = arguments.sequence;
            history.interval = Duration::from_millis(arguments.interval_ms.into());
            if arguments.count < capacity {
                return Ok(history);
            }
        }
    }

    /// Waits until there is a sample that the last call of [`history`](Self::history) did not give,
    /// or for this time. Returns whether there is one.
    pub fn wait_for_sample(&self, timeout: Option<Duration>) -> Result<bool> {
        let timeout = timeout
            .map(Timespec::try_from)
            .transpose()
            .map_err(|_| Error::io("wait for", &self.path, Errno::INVAL))?;
        loop {
            let mut fds = [PollFd::new(self, PollFlags::PRI)];
            match poll(&mut fds, timeout.as_ref()) {
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::io("wait for", &self.path, errno)),
                Ok(_) => return Ok(fds[0].revents().contains(PollFlags::PRI)),
            }
        }
    }

    /// Begins to listen for new samples, for whoever does not ask for their
    /// [`history`](Self::history).
    pub fn sample_events(&self) -> Result<SampleEvents<'_>> {
        let failed = |errno| Error::io("wait for", &self.path, errno);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let flags = epoll::EventFlags::PRI | epoll::EventFlags::ET;
        epoll::add(&epoll, &self.file, epoll::EventData::new_u64(0), flags).map_err(failed)?;
        Ok(SampleEvents {
            device: self,
            epoll,
        })
    }

    fn ioctl<I: Ioctl>(&self, action: &str, command: I) -> Result<I::Output> {
        // SAFETY: The callers make the commands, with the types that the header gives them. A file
        // that is not procmon's refuses them, as their numbers hold procmon's letter and the size.
        unsafe { ioctl(&self.file, command) }.map_err(|errno| Error::io(action, &self.path, errno))
    }
}

/// News of samples of the monitor: see [`Device::sample_events`].
#[derive(Debug)]
pub struct SampleEvents<'a> {
    device: &'a Device,
    epoll: OwnedFd,
}

impl SampleEvents<'_> {
    /// Waits for a sample that was recorded since the last call. The first call returns at once if
    /// there was any before.
    pub fn wait(&mut self) -> Result<()> {
        let mut events = Vec::with_capacity(1);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::io("wait for", &self.device.path, errno)),
                Ok(_) => return Ok(()),
            }
        }
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use crate::ErrorKind;

    use super::*;

    #[test]
    fn stats_follow_the_kernel_structure() {
        let raw = uapi::procmon_stats {
            total_opens: 1,
            total_reads: 2,
            total_writes: 3,
            total_ioctls: u64::MAX,
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
    fn a_missing_device_is_a_missing_module() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("procmon");
        let error = Device::options().path(&path).open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoModule);
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }

    #[test]
    fn a_plain_file_is_not_taken_for_the_device() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Device::options().path(file.path()).open().unwrap_err();
        assert!(matches!(error, Error::NotADevice { .. }), "{error}");
    }

    #[test]
    fn another_device_refuses_the_commands() {
        let device = Device::options().path("/dev/null").open().unwrap();
        let error = device.query(1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot look a process up in /dev/null: Inappropriate ioctl for device (os error 25): \
             the file is not procmon's device, or the module is another version"
        );
    }

    #[test]
    fn a_message_is_read_to_its_end() {
        let mut empty = Device::options().path("/dev/null").open().unwrap();
        assert_eq!(empty.read_message().unwrap(), b"");
        assert_eq!(empty.write_message(b"gone").unwrap(), 4);
    }
}
