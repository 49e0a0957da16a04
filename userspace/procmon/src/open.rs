// SPDX-License-Identifier: GPL-2.0-only

//! Opening the device, and verifying that it is procmon's.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::makedev;

use crate::device::{DEVICE_PATH, Device};
use crate::{Error, ErrorKind, Result};

/// Options for opening the device: like [`std::fs::OpenOptions`], but for reading and writing by
/// default.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[must_use]
pub struct OpenOptions {
    path: PathBuf,
    read: bool,
    write: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            path: DEVICE_PATH.into(),
            read: true,
            write: true,
        }
    }
}

impl OpenOptions {
    /// Sets another path than [`DEVICE_PATH`], such as that of a node made by mknod.
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets whether to open for reading the message.
    pub fn read(mut self, read: bool) -> Self {
        self.read = read;
        self
    }

    /// Sets whether to open for writing: the message, [`Device::reset`] and [`Device::set_filter`].
    pub fn write(mut self, write: bool) -> Self {
        self.write = write;
        self
    }

    /// Opens the device.
    ///
    /// A file that is not procmon's is not even opened, as that alone has effects on some devices.
    ///
    /// # Errors
    ///
    /// With [`ErrorKind::NoModule`] if there is no such file or the module is not loaded, with
    /// [`ErrorKind::NotProcmon`] if it is another file, and with [`ErrorKind::NoPermission`] if the
    /// caller may not open it.
    pub fn open(self) -> Result<Device> {
        let Self { path, read, write } = self;
        let failed = |cause: io::Error| Error::io("open", &path, cause);
        verify(&path, &fs::metadata(&path).map_err(failed)?)?;
        let file = File::options()
            .read(read)
            .write(write)
            .open(&path)
            .map_err(failed)?;
        // Another file may be there by now.
        verify(&path, &file.metadata().map_err(failed)?)?;
        Ok(Device::from_parts(file, path))
    }
}

impl Device {
    /// Opens [`DEVICE_PATH`] for reading and writing.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    pub fn open() -> Result<Self> {
        Self::options().open()
    }

    /// Opens [`DEVICE_PATH`] for reading; [`reset`](Self::reset), [`set_filter`](Self::set_filter)
    /// and [`write_message`](Self::write_message) will be refused.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    pub fn open_read_only() -> Result<Self> {
        Self::options().write(false).open()
    }

    /// Creates options for other ways of opening the device.
    pub fn options() -> OpenOptions {
        OpenOptions::default()
    }
}

/// Takes over an open file, such as one that was inherited or received from another process.
///
/// # Errors
///
/// With [`ErrorKind::NotProcmon`] if the file is not procmon's device, and with
/// [`ErrorKind::NoModule`] if the module is not loaded. The file is closed then.
impl TryFrom<OwnedFd> for Device {
    type Error = Error;

    fn try_from(fd: OwnedFd) -> Result<Self> {
        let path = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        // For messages; without /proc the number has to do.
        let path = fs::read_link(&path).unwrap_or(path);
        let file = File::from(fd);
        let metadata = file
            .metadata()
            .map_err(|cause| Error::io("look at", &path, cause))?;
        verify(&path, &metadata)?;
        Ok(Self::from_parts(file, path))
    }
}

/// Verifies that a file is procmon's device.
fn verify(path: &Path, metadata: &fs::Metadata) -> Result<()> {
    let not_procmon = |what, hint| Err(Error::other(ErrorKind::NotProcmon, path, what, hint));
    if !metadata.file_type().is_char_device() {
        // A plain file is what `echo > /dev/procmon` leaves behind when no module is loaded.
        let is_left_behind = metadata.is_file() && path == Path::new(DEVICE_PATH);
        let hint = is_left_behind.then_some(
            "remove this file, then load the procmon module, which makes the device in its place",
        );
        return not_procmon("is not a character device", hint);
    }
    match device_number(Path::new("/sys"), Path::new("/proc")) {
        Number::Is(number) if number == metadata.rdev() => Ok(()),
        Number::Is(_) => not_procmon("is another device", Some("procmon's is /dev/procmon")),
        Number::None => Err(Error::other(
            ErrorKind::NoModule,
            path,
            "is no device of a loaded procmon module",
            Some("is the procmon module loaded?"),
        )),
        Number::Unknown => not_procmon(
            "cannot be told from other devices",
            Some("neither /sys nor /proc/misc can be read"),
        ),
    }
}

/// The number of the device, as far as the caller can see it.
#[derive(Debug, Eq, PartialEq)]
enum Number {
    Is(u64),
    /// There is no device.
    None,
    /// The caller can see neither of the files that have it.
    Unknown,
}

/// Looks the number up in sysfs, or else among the misc devices.
fn device_number(sys: &Path, proc: &Path) -> Number {
    /// From `<linux/major.h>`.
    const MISC_MAJOR: u32 = 10;

    let class = sys.join("class/misc");
    if let Ok(text) = fs::read_to_string(class.join("procmon/dev"))
        && let Some((major, minor)) = text.trim_end().split_once(':')
        && let (Ok(major), Ok(minor)) = (major.parse(), minor.parse())
    {
        return Number::Is(makedev(major, minor));
    }
    if let Ok(text) = fs::read_to_string(proc.join("misc")) {
        let mut lines = text.lines().filter_map(|line| {
            let (minor, name) = line.trim_start().split_once(' ')?;
            (name == "procmon").then(|| minor.parse().ok())?
        });
        return match lines.next() {
            Some(minor) => Number::Is(makedev(MISC_MAJOR, minor)),
            None => Number::None,
        };
    }
    if class.is_dir() {
        Number::None
    } else {
        Number::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_device_is_a_missing_module() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("procmon");
        let error = Device::options().path(&path).open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoModule);
        assert_eq!(error.path(), path);
    }

    #[test]
    fn a_plain_file_is_not_taken_for_the_device() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Device::options().path(file.path()).open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotProcmon);
        // No hint to remove a file that was named by mistake.
        assert_eq!(error.hint(), None);
        let error = Device::options().path("/").open().unwrap_err();
        assert_eq!((error.kind(), error.hint()), (ErrorKind::NotProcmon, None));
    }

    #[test]
    fn another_device_is_never_taken_for_procmon() {
        for path in ["/dev/null", "/dev/zero", "/dev/tty"] {
            let error = Device::options().path(path).open().unwrap_err();
            let kinds = [ErrorKind::NotProcmon, ErrorKind::NoModule];
            assert!(kinds.contains(&error.kind()), "{path}: {error}");
        }
        let null = OwnedFd::from(File::open("/dev/null").unwrap());
        let error = Device::try_from(null).unwrap_err();
        assert_eq!(error.path(), Path::new("/dev/null"));
        let (reader, _writer) = io::pipe().unwrap();
        let error = Device::try_from(OwnedFd::from(reader)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotProcmon);
    }

    #[test]
    fn the_number_is_that_of_the_kernel() {
        let dir = tempfile::tempdir().unwrap();
        let (sys, proc) = (dir.path().join("sys"), dir.path().join("proc"));
        let number = || device_number(&sys, &proc);
        assert_eq!(number(), Number::Unknown);

        fs::create_dir_all(sys.join("class/misc")).unwrap();
        assert_eq!(number(), Number::None);

        fs::create_dir(&proc).unwrap();
        fs::write(proc.join("misc"), "124 procmonitor\n 60 psaux\n").unwrap();
        assert_eq!(number(), Number::None);
        fs::write(proc.join("misc"), "124 procmonitor\n  5 procmon\n").unwrap();
        assert_eq!(number(), Number::Is(makedev(10, 5)));

        fs::create_dir(sys.join("class/misc/procmon")).unwrap();
        fs::write(sys.join("class/misc/procmon/dev"), "10:260\n").unwrap();
        assert_eq!(number(), Number::Is(makedev(10, 260)));
    }
}
