// SPDX-License-Identifier: GPL-2.0-only

//! Directories of `/proc`, whose files belong to one process however long they are read.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::fs::{CWD, Dir, Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat};
use rustix::io::{Errno, Result, read};

/// The space for a piece of a file, which is all of most files.
const PIECE: usize = 4096;

/// An open directory: all of `/proc`, or that of a process or thread.
///
/// That of a process stands for this process for good: when it is gone, the directory is empty,
/// also if another process has the PID by then.
pub struct Directory(OwnedFd);

impl Directory {
    /// Opens a directory.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self(openat(CWD, path, flags(), Mode::empty())?))
    }

    /// Opens a directory in this one, unless it is gone or closed to the caller.
    pub fn directory(&self, name: &str) -> Result<Option<Self>> {
        Ok(present(openat(&self.0, name, flags(), Mode::empty()))?.map(Self))
    }

    /// Whether the directory is in a file system of the type of `/proc`.
    pub fn is_proc(&self) -> Result<bool> {
        Ok(fstatfs(&self.0)?.f_type == PROC_SUPER_MAGIC)
    }

    /// Returns the entries that are numbers, in ascending order.
    pub fn numbers(&self) -> Result<Vec<i32>> {
        let mut numbers = Vec::new();
        for entry in Dir::read_from(self.0.as_fd())? {
            numbers.extend(number(entry?.file_name()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Reads a file into a buffer. Returns whether it is there and open to the caller.
    pub fn read(&self, name: &str, buffer: &mut Vec<u8>) -> Result<bool> {
        buffer.clear();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let Some(file) = present(openat(&self.0, name, flags, Mode::empty()))? else {
            return Ok(false);
        };
        loop {
            buffer.reserve(PIECE);
            match present(read(&file, spare_capacity(buffer)))? {
                Some(0) => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }
}

fn flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

fn number(name: &CStr) -> Option<i32> {
    name.to_str().ok()?.parse().ok()
}

/// Turns an error into an absence, unless it is one of this program, which lacks resources.
///
/// Processes end, and are closed to others, at any moment: what cannot be read is not there.
pub fn present<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => Err(errno),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn numbers_are_sorted_and_all_else_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        for name in ["10", "9", "self", "1x", "4294967296"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let directory = Directory::open(root.path()).unwrap();
        assert_eq!(directory.numbers().unwrap(), [9, 10]);
        assert!(!directory.is_proc().unwrap());
        assert!(
            Directory::open(Path::new("/proc"))
                .unwrap()
                .is_proc()
                .unwrap()
        );
    }

    #[test]
    fn files_have_any_length_or_are_absent() {
        let root = tempfile::tempdir().unwrap();
        let text = vec![b'x'; 3 * PIECE + 1];
        fs::write(root.path().join("long"), &text).unwrap();
        let directory = Directory::open(root.path()).unwrap();
        let mut buffer = b"before".to_vec();
        assert!(directory.read("long", &mut buffer).unwrap());
        assert_eq!(buffer, text);
        // The last one can be opened, and not be read.
        for absent in ["missing", "long/file", "."] {
            assert!(!directory.read(absent, &mut buffer).unwrap(), "{absent}");
        }
        assert!(directory.directory("missing").unwrap().is_none());
    }

    #[test]
    fn a_lack_of_descriptors_is_no_absence() {
        assert_eq!(present::<()>(Err(Errno::SRCH)), Ok(None));
        assert_eq!(present::<()>(Err(Errno::ACCESS)), Ok(None));
        assert_eq!(present::<()>(Err(Errno::MFILE)), Err(Errno::MFILE));
    }
}
