// SPDX-License-Identifier: GPL-2.0

//! What can go wrong, said so that it can be put right.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Result of the operations in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation: what was being done, to which file, and why it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused a system call.
    #[error("cannot {action} {}: {reason}{}", path.display(), hint(path, reason))]
    Io {
        /// What was being done, fit to follow "cannot".
        action: String,
        /// The file it was being done to.
        path: PathBuf,
        /// What the kernel said.
        reason: io::Error,
    },
    /// The file is there but is no device: somebody wrote to the path while there was no module.
    #[error(
        "{} is not a character device: remove it, then load the procmon module, \
         which makes the device",
        path.display()
    )]
    NotADevice {
        /// The file.
        path: PathBuf,
    },
    /// The kernel gave something that this version of the crate does not understand.
    #[error(
        "{} gave {what}: do this program and the loaded module belong together?",
        path.display()
    )]
    Unexpected {
        /// The file that gave it.
        path: PathBuf,
        /// What it gave.
        what: String,
    },
}

/// Why an operation failed, as far as a program wants to tell the cases apart.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no device or no sysfs file: the module is not loaded.
    NoModule,
    /// The caller may not do this, or opened the device without the access it takes.
    NoPermission,
    /// Anything else.
    Other,
}

impl Error {
    pub(crate) fn io(action: impl Into<String>, path: &Path, reason: impl Into<io::Error>) -> Self {
        Self::Io {
            action: action.into(),
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn unexpected(path: &Path, what: impl Into<String>) -> Self {
        Self::Unexpected {
            path: path.to_owned(),
            what: what.into(),
        }
    }

    /// Why the operation failed.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { reason, .. } => match Errno::from_io_error(reason) {
                Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => ErrorKind::NoModule,
                Some(Errno::ACCESS | Errno::PERM | Errno::BADF) => ErrorKind::NoPermission,
                _ => ErrorKind::Other,
            },
            Self::NotADevice { .. } => ErrorKind::NoModule,
            Self::Unexpected { .. } => ErrorKind::Other,
        }
    }
}

/// What the user can do about it, to follow the kernel's own words.
fn hint(path: &Path, reason: &io::Error) -> &'static str {
    let parameter = path.starts_with(crate::sysfs::PARAMETERS);
    match Errno::from_io_error(reason) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => ": is the procmon module loaded?",
        Some(Errno::ACCESS | Errno::PERM) if parameter => ": only root may change a parameter",
        Some(Errno::ACCESS | Errno::PERM) => ": by default only root may use the device",
        Some(Errno::BADF) => ": the device was not opened for this",
        Some(Errno::NOTTY) => {
            ": the file is not procmon's device, or the module is another version"
        }
        Some(Errno::INVAL | Errno::RANGE) if parameter => ": the value is out of range",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(action: &str, path: &str, errno: Errno) -> Error {
        Error::io(action, Path::new(path), errno)
    }

    #[test]
    fn messages_name_action_file_reason_and_remedy() {
        assert_eq!(
            error("open", "/dev/procmon", Errno::NOENT).to_string(),
            "cannot open /dev/procmon: No such file or directory (os error 2): \
             is the procmon module loaded?"
        );
        assert_eq!(
            error("open", "/dev/procmon", Errno::ACCESS).to_string(),
            "cannot open /dev/procmon: Permission denied (os error 13): \
             by default only root may use the device"
        );
        let parameter = "/sys/module/procmon/parameters/buffer_size";
        assert!(
            error("write 0 to", parameter, Errno::INVAL)
                .to_string()
                .ends_with("out of range")
        );
        assert!(
            error("write 0 to", parameter, Errno::ACCESS)
                .to_string()
                .contains("change a parameter")
        );
        assert!(
            !error("read", "/dev/procmon", Errno::INVAL)
                .to_string()
                .contains("out of range")
        );
    }

    #[test]
    fn kinds_follow_the_errno() {
        for (errno, kind) in [
            (Errno::NOENT, ErrorKind::NoModule),
            (Errno::NODEV, ErrorKind::NoModule),
            (Errno::NXIO, ErrorKind::NoModule),
            (Errno::ACCESS, ErrorKind::NoPermission),
            (Errno::PERM, ErrorKind::NoPermission),
            (Errno::BADF, ErrorKind::NoPermission),
            (Errno::NOTTY, ErrorKind::Other),
            (Errno::NOMEM, ErrorKind::Other),
        ] {
            assert_eq!(
                error("open", "/dev/procmon", errno).kind(),
                kind,
                "{errno:?}"
            );
        }
        let not_a_device = Error::NotADevice {
            path: "/dev/procmon".into(),
        };
        assert_eq!(not_a_device.kind(), ErrorKind::NoModule);
        let unexpected = Error::unexpected(Path::new("/dev/procmon"), "nonsense");
        assert_eq!(unexpected.kind(), ErrorKind::Other);
        assert!(
            unexpected
                .to_string()
                .starts_with("/dev/procmon gave nonsense")
        );
    }
}
