// SPDX-License-Identifier: GPL-2.0-only

//! Guests that were saved after their boot, in the cache.
//!
//! A state is one file: the guest's memory, which QEMU maps, then the state of the devices, then
//! the kernel log up to that point and its length. QEMU maps the memory of a guest to save as
//! shared, so that saving it writes no more than the devices, and the memory of a guest to restore
//! as private, so that restoring it reads nothing and guests share all pages that they do not
//! change.
//!
//! A file has no name before it is complete, so that none is left behind if we are killed, and two
//! runs may make the same one at once. It may be removed while a guest is restored from it.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::linkat;
use testvm::splat;

/// The limit for all states, which take 160 MB each, and all their memory with a kernel that
/// poisons it.
const CAPACITY: u64 = 6 << 30;

/// The unit of the number of blocks in a file's attributes.
const BLOCK: u64 = 512;

/// The end of a state that is complete.
const MAGIC: &[u8; 8] = b"testvm-1";

/// Length of the log, and magic.
const TRAILER: usize = 16;

/// The place of a state.
pub struct Place {
    directory: PathBuf,
    /// Begins the names of all states of this boot of the host.
    prefix: String,
    name: String,
}

impl Place {
    /// Returns the place for guests of a description. States of another boot of the host are of no
    /// use: clocks and CPUs may differ.
    pub fn new(cache: &Path, boot_id: &str, description: &impl Hash) -> Self {
        let prefix = format!("{:016x}-", hash(boot_id));
        let name = format!("{prefix}{:016x}", hash(description));
        Self {
            directory: cache.join("saved"),
            prefix,
            name,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// Opens the state, if there is a complete one with that amount of memory.
    pub fn open(&self, memory: u64) -> Option<State> {
        let path = self.path();
        let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
        let Some(log) = read_log(&file, memory) else {
            // A damaged one would keep the name from a new one.
            let _ = self.clear();
            return None;
        };
        // For `prune`. Without it, the state goes earlier.
        let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
        Some(State { file, log })
    }

    /// Makes an empty state. An error may be one of the file system, which needs space for the
    /// memory and has to know files without names.
    pub fn draft(&self, memory: u64) -> io::Result<File> {
        fs::create_dir_all(&self.directory)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_TMPFILE)
            .mode(0o600)
            .open(&self.directory)?;
        let system = fstatvfs(&file)?;
        // QEMU could not write to memory without space on the disk, and would be killed.
        if system.blocks_available() * system.fragment_size() < 2 * memory {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.set_len(memory)?;
        Ok(file)
    }

    /// Completes a state by the kernel log, and gives it its name. Removes old ones. A guest with a
    /// problem in its log, or without a timer, has no name, for it would be every later guest's,
    /// too.
    pub fn keep(&self, mut file: File, log: Vec<u8>) -> io::Result<State> {
        file.seek(SeekFrom::End(0))?;
        file.write_all(&log)?;
        file.write_all(&(log.len() as u64).to_le_bytes())?;
        file.write_all(MAGIC)?;
        let state = State { file, log };
        if splat::find(&state.log).is_some() || !state.has_timer() {
            return Ok(state);
        }
        let unnamed = format!("/proc/self/fd/{}", state.file.as_raw_fd());
        match linkat(
            AT_FDCWD,
            unnamed.as_str(),
            AT_FDCWD,
            &self.path(),
            AtFlags::AT_SYMLINK_FOLLOW,
        ) {
            // Another run was first.
            Ok(()) | Err(nix::Error::EEXIST) => {}
            Err(error) => return Err(error.into()),
        }
        // Another run will try again.
        let _ = self.prune(CAPACITY);
        Ok(state)
    }

    /// Removes the state.
    pub fn clear(&self) -> io::Result<()> {
        remove(&self.path())
    }

    /// Removes states of another boot of the host, and those that were not used for longest, until
    /// the others take no more than `capacity` bytes.
    fn prune(&self, capacity: u64) -> io::Result<()> {
        let mut states = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let is_ours = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(&self.prefix));
            match entry.metadata() {
                Ok(data) if is_ours => {
                    states.push((data.modified()?, data.blocks() * BLOCK, entry.path()));
                }
                Ok(_) => remove(&entry.path())?,
                // Another run removes states, too.
                Err(_) => {}
            }
        }
        states.sort();
        let mut size: u64 = states.iter().map(|(_, size, _)| size).sum();
        for (_, bytes, path) in states {
            if size > capacity {
                remove(&path)?;
                size -= bytes;
            }
        }
        Ok(())
    }
}

/// A complete state.
pub struct State {
    pub file: File,
    /// The kernel log of the boot.
    pub log: Vec<u8>,
}

impl State {
    /// Whether the kernel trusts the timers of its CPUs. It compares them with another clock when
    /// it boots, and does without them if the host has paused it in between: then it has no timers
    /// with high resolution, and may take a CPU that idles for one that is stuck.
    pub fn has_timer(&self) -> bool {
        const DISTRUST: &[u8] = b"APIC timer disabled";

        !self
            .log
            .windows(DISTRUST.len())
            .any(|text| text == DISTRUST)
    }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns the log in a state, if that ends like a complete one.
fn read_log(file: &File, memory: u64) -> Option<Vec<u8>> {
    let end = file.metadata().ok()?.len().checked_sub(TRAILER as u64)?;
    let mut trailer = [0; TRAILER];
    file.read_exact_at(&mut trailer, end).ok()?;
    let (length, magic) = trailer.split_at(8);
    let length = u64::from_le_bytes(length.try_into().ok()?);
    let start = end.checked_sub(length)?;
    if magic != MAGIC || start < memory {
        return None;
    }
    let mut log = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut log, start).ok()?;
    Some(log)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::{TempDir, tempdir};

    use super::*;

    const MEMORY: u64 = 1 << 20;
    const LOG: &[u8] = b"[    0.000000] Linux version 7.3.4\n";

    fn place(cache: &TempDir, boot: &str, description: &str) -> Place {
        Place::new(cache.path(), boot, &description)
    }

    /// Makes a state as QEMU does, with 4 KiB of the memory in use.
    fn make(place: &Place, log: &[u8]) -> State {
        let file = place.draft(MEMORY).unwrap();
        file.write_all_at(&[1; 4096], 0).unwrap();
        file.write_all_at(b"devices", MEMORY).unwrap();
        place.keep(file, log.to_owned()).unwrap()
    }

    fn set_age(place: &Place, seconds: u64) {
        let file = File::open(place.path()).unwrap();
        let time = SystemTime::now() - Duration::from_secs(seconds);
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }

    #[test]
    fn a_state_is_opened_as_it_was_kept() {
        let cache = tempdir().unwrap();
        let place = place(&cache, "boot", "guest");
        assert!(place.open(MEMORY).is_none());
        make(&place, LOG);
        // Another run that makes the same one is no error.
        make(&place, LOG);

        let state = place.open(MEMORY).unwrap();
        assert_eq!(state.log, LOG);
        let mut devices = [0; 7];
        state.file.read_exact_at(&mut devices, MEMORY).unwrap();
        assert_eq!(&devices, b"devices");
        place.clear().unwrap();
        assert!(place.open(MEMORY).is_none());
        place.clear().unwrap();
    }

    #[test]
    fn a_state_is_for_one_description_and_one_boot_of_the_host() {
        let cache = tempdir().unwrap();
        make(&place(&cache, "boot", "guest"), LOG);
        assert!(place(&cache, "boot", "guest").open(MEMORY).is_some());
        assert!(place(&cache, "boot", "other").open(MEMORY).is_none());
        assert!(place(&cache, "next", "guest").open(MEMORY).is_none());
    }

    #[test]
    fn a_damaged_state_is_removed() {
        let cache = tempdir().unwrap();
        let place = place(&cache, "boot", "guest");
        for length in [0, MEMORY / 2, MEMORY, MEMORY + 7, MEMORY + 30] {
            let state = make(&place, LOG);
            state.file.set_len(length).unwrap();
            assert!(place.open(MEMORY).is_none(), "{length}");
            assert!(!place.path().exists(), "{length}");
        }
        // The log must not begin in the memory.
        make(&place, LOG);
        assert!(place.open(MEMORY + 8).is_none());
    }

    #[test]
    fn a_guest_with_a_problem_is_not_for_others() {
        let cache = tempdir().unwrap();
        let place = place(&cache, "boot", "guest");
        let log = b"[    1.0] WARNING: kernel/softirq.c:387 at x\n";
        assert_eq!(make(&place, log).log, log);
        assert!(place.open(MEMORY).is_none());
    }

    #[test]
    fn a_guest_without_a_timer_is_not_for_others() {
        let cache = tempdir().unwrap();
        let place = place(&cache, "boot", "guest");
        let log = b"[    5.1] APIC timer disabled due to verification failure\n";
        assert!(!make(&place, log).has_timer());
        assert!(place.open(MEMORY).is_none());
        assert!(make(&place, LOG).has_timer());
    }

    #[test]
    fn old_states_are_removed() {
        let cache = tempdir().unwrap();
        make(&place(&cache, "last", "guest"), LOG);
        let places = ["a", "b", "c"].map(|name| place(&cache, "boot", name));
        for (place, age) in places.iter().zip([20, 30, 10]) {
            make(place, LOG);
            set_age(place, age);
        }
        assert!(!place(&cache, "last", "guest").path().exists());

        let is_there = |places: &[Place; 3]| places.each_ref().map(|place| place.path().exists());
        let size = fs::metadata(places[0].path()).unwrap().blocks() * BLOCK;
        places[0].prune(3 * size).unwrap();
        assert_eq!(is_there(&places), [true, true, true]);
        places[0].prune(2 * size).unwrap();
        assert_eq!(is_there(&places), [true, false, true]);
        // Used just now.
        places[0].open(MEMORY).unwrap();
        places[0].prune(size).unwrap();
        assert_eq!(is_there(&places), [true, false, false]);
    }

    #[test]
    fn a_draft_leaves_nothing_behind() {
        let cache = tempdir().unwrap();
        let place = place(&cache, "boot", "guest");
        drop(place.draft(MEMORY).unwrap());
        assert_eq!(fs::read_dir(cache.path().join("saved")).unwrap().count(), 0);
        assert!(place.draft(1 << 60).is_err());
    }
}
