// SPDX-License-Identifier: GPL-2.0

//! Values that only the files of a process in `/proc` have, each read at its first use.
//!
//! To add a value: a field of [`Entry`], and a function of [`ProcFiles`] that reads it. A column of
//! it needs the group `CPU`, as a record without a start belongs to no known process.

mod directory;
mod memory;
mod stat;
mod terminal;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use procmon::snapshot::Record;

pub use self::directory::ticks;
use self::directory::{Directory, time_of};
use self::memory::Memory;
pub use self::stat::Stat;
use super::identity::{Identity, identity};

/// A cache of values of the processes of a snapshot: by default one without `/proc`, where all are
/// absent.
///
/// Values are absent as well if the process is gone, or `/proc` is of another PID namespace.
#[derive(Debug, Default)]
pub struct ProcFiles {
    mount: Option<PathBuf>,
    cache: RefCell<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    entries: HashMap<Identity, Entry>,
    /// The directory of the last process. One is enough, as the cells of a row are read one after
    /// the other.
    last: Option<Directory>,
}

/// A value that is read once: `None` if it is absent.
type Cell<T> = OnceCell<Option<T>>;

/// The values of a process that have been read.
#[derive(Debug, Default)]
struct Entry {
    stat: Cell<Stat>,
    command_line: Cell<Vec<u8>>,
    executable: Cell<Vec<u8>>,
    swap: Cell<u64>,
    memory: Cell<Memory>,
    oom_score: Cell<i64>,
    cpu_delay: Cell<u64>,
    pid_namespace_level: Cell<u64>,
}

impl Entry {
    /// Forgets what may change.
    fn refresh(&mut self) {
        *self = Self {
            pid_namespace_level: constant(&mut self.pid_namespace_level),
            ..Self::default()
        };
    }
}

/// Returns a value that never changes. An absent one is read again.
fn constant<T>(cell: &mut Cell<T>) -> Cell<T> {
    let value = cell.take().flatten();
    value.map_or_else(Cell::new, |value| Cell::from(Some(value)))
}

impl ProcFiles {
    /// Creates the cache of this system's processes.
    pub fn of_system() -> Self {
        Self::at("/proc")
    }

    fn at(mount: impl Into<PathBuf>) -> Self {
        Self {
            mount: Some(mount.into()),
            ..Self::default()
        }
    }

    /// Forgets the values that may change, and all of processes that are in a snapshot no more.
    pub fn refresh(&mut self, records: &[Record]) {
        let cache = self.cache.get_mut();
        let mut old = std::mem::take(cache).entries;
        if old.is_empty() {
            return;
        }
        for identity in records.iter().filter_map(identity) {
            if let Some(mut entry) = old.remove(&identity) {
                entry.refresh();
                cache.entries.insert(identity, entry);
            }
        }
    }

    /// Returns the ID of the session.
    pub fn session(&self, record: &Record) -> Option<i32> {
        self.stat(record).map(|stat| stat.session)
    }

    /// Returns the ID of the process group.
    pub fn process_group(&self, record: &Record) -> Option<i32> {
        self.stat(record).map(|stat| stat.process_group)
    }

    /// Returns the name of the controlling terminal, `?` for none.
    pub fn terminal(&self, record: &Record) -> Option<Vec<u8>> {
        self.stat(record).map(|stat| terminal::name(stat.terminal))
    }

    /// Returns the ID of the process group in the foreground of the controlling terminal.
    pub fn foreground_group(&self, record: &Record) -> Option<i32> {
        let group = self.stat(record)?.foreground_group;
        // The kernel has -1 where there is no terminal.
        (group >= 0).then_some(group)
    }

    /// Returns the number of PID namespaces between that of `/proc` and that of the process.
    pub fn pid_namespace_level(&self, record: &Record) -> Option<u64> {
        self.value(
            record,
            |entry| &entry.pid_namespace_level,
            |directory| {
                let pids = directory.line("status", "NSpid:")?;
                let count = pids.split_ascii_whitespace().count();
                u64::try_from(count).ok()?.checked_sub(1)
            },
        )
    }

    /// Returns the arguments, each with its NUL, of a process that has some.
    pub fn command_line(&self, record: &Record) -> Option<Vec<u8>> {
        self.value(
            record,
            |entry| &entry.command_line,
            |directory| {
                let bytes = directory.contents("cmdline")?;
                (!bytes.is_empty()).then_some(bytes)
            },
        )
    }

    /// Returns the path of the program's file.
    pub fn executable(&self, record: &Record) -> Option<Vec<u8>> {
        self.value(
            record,
            |entry| &entry.executable,
            |directory| directory.link("exe"),
        )
    }

    /// Returns the number of bytes in swap space.
    pub fn swap(&self, record: &Record) -> Option<u64> {
        self.value(
            record,
            |entry| &entry.swap,
            |directory| memory::bytes(&directory.line("status", "VmSwap:")?),
        )
    }

    /// Returns the resident memory, as shares of what several processes have.
    pub fn memory(&self, record: &Record) -> Option<Memory> {
        self.value(
            record,
            |entry| &entry.memory,
            |directory| Memory::parse(&directory.contents("smaps_rollup")?),
        )
    }

    /// Returns the score by which the kernel chooses what to kill when memory is short.
    pub fn oom_score(&self, record: &Record) -> Option<i64> {
        self.value(
            record,
            |entry| &entry.oom_score,
            |directory| directory.line("oom_score", "")?.trim().parse().ok(),
        )
    }

    /// Returns the time for which the main thread has waited for a CPU.
    pub fn cpu_delay(&self, record: &Record) -> Option<Duration> {
        let nanoseconds = self.value(
            record,
            |entry| &entry.cpu_delay,
            |directory| {
                let line = directory.line("schedstat", "")?;
                line.split_ascii_whitespace().nth(1)?.parse().ok()
            },
        );
        nanoseconds.map(Duration::from_nanos)
    }

    /// Returns the time for which the main thread has waited for block I/O. It is 0 where the
    /// kernel does not count it.
    pub fn io_delay(&self, record: &Record) -> Option<Duration> {
        self.stat(record).map(|stat| time_of(stat.block_io_delay))
    }

    fn stat(&self, record: &Record) -> Option<Stat> {
        let read = |directory: &Directory| Some(directory.stat());
        self.value(record, |entry| &entry.stat, read)
    }

    /// Returns a value of a process, which `read` reads unless it is in its cell.
    fn value<T: Clone>(
        &self,
        record: &Record,
        cell: impl FnOnce(&Entry) -> &Cell<T>,
        read: impl FnOnce(&Directory) -> Option<T>,
    ) -> Option<T> {
        let mount = self.mount.as_deref()?;
        let identity = identity(record)?;
        let Cache { entries, last } = &mut *self.cache.borrow_mut();
        let entry = entries.entry(identity).or_default();
        cell(entry)
            .get_or_init(|| read(directory(last, mount, identity)?))
            .clone()
    }
}

/// Returns the directory of a process: the one of the last process, or else a new one.
fn directory<'a>(
    last: &'a mut Option<Directory>,
    mount: &Path,
    identity: Identity,
) -> Option<&'a Directory> {
    if last.as_ref().is_none_or(|last| last.identity() != identity) {
        *last = Directory::open(mount, identity);
    }
    last.as_ref()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use procmon::snapshot::Groups;
    use procmon::uapi;

    use super::*;

    /// The time of a clock tick in ns.
    const TICK: u64 = 10_000_000;

    fn record(pid: i32, start_time: u64, groups: Groups) -> Record {
        let raw = uapi::procmon_record {
            pid,
            start_time,
            groups: groups.bits(),
            ..Default::default()
        };
        raw.into()
    }

    /// Writes the files of a process with this session and this start.
    fn write(mount: &Path, pid: i32, session: i32, start: u64) {
        let directory = mount.join(pid.to_string());
        fs::create_dir_all(&directory).unwrap();
        let stat = format!(
            "{pid} (a) b) S 1 20 {session} 0 -1 4194304 \
             98 0 0 0 0 0 0 0 20 0 1 0 {start} 3133440 406\n"
        );
        fs::write(directory.join("stat"), stat).unwrap();
        let status = format!("Name:\ta) b\nNStgid:\t7\t1\nNSpid:\t{pid}\t9\t1\nThreads:\t1\n");
        fs::write(directory.join("status"), status).unwrap();
    }

    #[test]
    fn values_come_from_their_files() {
        let mount = tempfile::tempdir().unwrap();
        write(mount.path(), 7, 5, 300);
        let directory = mount.path().join("7");
        let files = ProcFiles::at(mount.path());
        let process = record(7, 300 * TICK, Groups::CPU);
        assert_eq!(files.swap(&process), None, "as of a kernel thread");
        for (file, text) in [
            ("cmdline", &b"sh\0-c\0\xff\0"[..]),
            ("schedstat", b"123456 7000000 8\n"),
            ("oom_score", b"667\n"),
            (
                "smaps_rollup",
                b"5581 [rollup]\nRss: 100 kB\nPss: 40 kB\nPss_Dirty: 1 kB\n\
                  Private_Clean: 8 kB\nPrivate_Dirty: 4 kB\n",
            ),
            ("status", b"Name:\tsh\nVmSwap:\t  12 kB\nNSpid:\t7\n"),
        ] {
            fs::write(directory.join(file), text).unwrap();
        }
        std::os::unix::fs::symlink("/bin/a b (deleted)", directory.join("exe")).unwrap();
        // What was absent stays so until the next snapshot.
        let mut files = files;
        files.refresh(&[process]);
        let line = files.command_line(&process);
        assert_eq!(line.as_deref(), Some(&b"sh\0-c\0\xff\0"[..]));
        let executable = files.executable(&process);
        assert_eq!(executable.as_deref(), Some(&b"/bin/a b (deleted)"[..]));
        assert_eq!(files.swap(&process), Some(12 << 10));
        let memory = files.memory(&process).unwrap();
        assert_eq!((memory.proportional, memory.unique), (40 << 10, 12 << 10));
        assert_eq!(files.oom_score(&process), Some(667));
        assert_eq!(files.cpu_delay(&process), Some(Duration::from_millis(7)));
        assert_eq!(files.io_delay(&process), Some(Duration::ZERO));
    }

    #[test]
    fn values_are_those_of_the_same_process() {
        let mount = tempfile::tempdir().unwrap();
        write(mount.path(), 7, 5, 300);
        let files = ProcFiles::at(mount.path());
        for (nanoseconds, session) in [
            (300 * TICK, Some(5)),
            (301 * TICK - 1, Some(5)),
            (301 * TICK, None),
            (300 * TICK - 1, None),
            (0, None),
        ] {
            let record = record(7, nanoseconds, Groups::CPU);
            assert_eq!(files.session(&record), session, "{nanoseconds}");
        }
        let same = record(7, 300 * TICK, Groups::CPU);
        assert_eq!(files.process_group(&same), Some(20));
        assert_eq!(files.terminal(&same).as_deref(), Some(&b"?"[..]));
        assert_eq!(files.foreground_group(&same), None);
        assert_eq!(files.pid_namespace_level(&same), Some(2));
        assert_eq!(files.session(&record(8, 300 * TICK, Groups::CPU)), None);
        // Whose start is not known.
        assert_eq!(files.session(&record(7, 300 * TICK, Groups::BASIC)), None);
    }

    #[test]
    fn values_that_change_are_read_once_for_each_snapshot() {
        let mount = tempfile::tempdir().unwrap();
        let mut files = ProcFiles::at(mount.path());
        let record = record(7, 300 * TICK, Groups::CPU);
        assert_eq!(files.pid_namespace_level(&record), None);
        write(mount.path(), 7, 5, 300);
        assert_eq!(files.pid_namespace_level(&record), None);
        files.refresh(&[record]);
        assert_eq!(files.session(&record), Some(5));
        assert_eq!(files.pid_namespace_level(&record), Some(2));
        write(mount.path(), 7, 6, 300);
        assert_eq!(files.session(&record), Some(5));
        files.refresh(&[record]);
        assert_eq!(files.session(&record), Some(6));
        fs::remove_dir_all(mount.path().join("7")).unwrap();
        files.refresh(&[record]);
        assert_eq!(files.session(&record), None);
        // This one is kept.
        assert_eq!(files.pid_namespace_level(&record), Some(2));
    }

    #[test]
    fn processes_outside_of_the_snapshot_are_forgotten() {
        let mount = tempfile::tempdir().unwrap();
        let mut files = ProcFiles::at(mount.path());
        let records = [1, 2, 3].map(|pid| record(pid, 300 * TICK, Groups::CPU));
        for record in &records {
            write(mount.path(), record.pid(), 5, 300);
            assert_eq!(files.session(record), Some(5));
        }
        let reused = record(2, 400 * TICK, Groups::CPU);
        files.refresh(&[records[0], reused]);
        let known: Vec<_> = files.cache.get_mut().entries.keys().copied().collect();
        assert_eq!(known, [identity(&records[0]).unwrap()]);
    }

    #[test]
    fn without_proc_all_is_absent() {
        let own = i32::try_from(std::process::id()).unwrap();
        let record = record(own, 0, Groups::CPU);
        assert_eq!(ProcFiles::default().session(&record), None);
        assert_eq!(ProcFiles::at("/nonexistent").session(&record), None);
    }
}
