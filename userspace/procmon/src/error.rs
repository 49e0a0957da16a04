// SPDX-License-Identifier: GPL-2.0-only

//! Errors, with hints on how to remove their causes.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Result of the operations in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A failed operation on a file of the module.
///
/// [`Display`](fmt::Display) names the operation and the file,
/// [`source`](std::error::Error::source) is the cause, in most cases an [`io::Error`], and
/// [`hint`](Self::hint) a remedy. A program that reports errors with their chain of causes, as
/// `{:#}` of `anyhow` does, prints the hint last.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    path: PathBuf,
    cause: Option<Cause>,
    hint: Option<&'static str>,
}

/// Reasons for which an operation fails, as far as programs distinguish them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no device or no sysfs file: the module is not loaded.
    NoModule,
    /// The file is not the device of procmon.
    NotProcmon,
    /// The caller may not do this, or opened the device without the access it takes.
    NoPermission,
    /// The module has no such command: it is older than this crate.
    Unsupported,
    /// An argument is out of range, or unknown to the module.
    InvalidInput,
    /// A signal ended the operation.
    Interrupted,
    /// The operation would have to wait, and the file is open for not waiting.
    WouldBlock,
    /// The message of a pass is no longer held: the pass has to begin anew.
    Stale,
    /// The kernel delivered something that this version of the crate does not understand.
    Unexpected,
    /// Anything else.
    Other,
}

impl Error {
    pub(crate) fn io(action: impl fmt::Display, path: &Path, cause: impl Into<io::Error>) -> Self {
        let cause = cause.into();
        let (kind, hint) = match Errno::from_io_error(&cause) {
            Some(errno) => (kind_of(errno), hint_for(errno, path)),
            None => (ErrorKind::Other, None),
        };
        Self(Box::new(Inner {
            kind,
            message: format!("cannot {action} {}", path.display()),
            path: path.to_owned(),
            cause: Some(cause.into()),
            hint,
        }))
    }

    pub(crate) fn unexpected(path: &Path, what: impl fmt::Display, cause: Option<Cause>) -> Self {
        Self(Box::new(Inner {
            kind: ErrorKind::Unexpected,
            message: format!("{} gave {what}", path.display()),
            path: path.to_owned(),
            cause,
            hint: Some("do this program and the loaded module belong together?"),
        }))
    }

    /// Creates an error that no system call has reported.
    pub(crate) fn other(
        kind: ErrorKind,
        path: &Path,
        message: impl fmt::Display,
        hint: Option<&'static str>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            message: format!("{} {message}", path.display()),
            path: path.to_owned(),
            cause: None,
            hint,
        }))
    }

    /// Replaces the hint of an error of this kind, where the operation gives it another meaning.
    pub(crate) fn with_hint(mut self, kind: ErrorKind, hint: &'static str) -> Self {
        if self.0.kind == kind {
            self.0.hint = Some(hint);
        }
        self
    }

    /// Returns the reason for which the operation failed.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the file that the operation was about.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns a remedy, in words that fit behind the cause.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        self.0.hint
    }

    /// Returns the number of the error that the kernel reported.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        let cause = self.0.cause.as_ref()?.downcast_ref::<io::Error>()?;
        cause.raw_os_error()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let cause: &(dyn std::error::Error + 'static) = &**self.0.cause.as_ref()?;
        Some(cause)
    }
}

fn kind_of(errno: Errno) -> ErrorKind {
    match errno {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => ErrorKind::NoModule,
        Errno::ACCESS | Errno::PERM | Errno::BADF => ErrorKind::NoPermission,
        Errno::NOTTY | Errno::NOSYS | Errno::OPNOTSUPP => ErrorKind::Unsupported,
        Errno::INVAL | Errno::RANGE | Errno::TOOBIG => ErrorKind::InvalidInput,
        Errno::INTR => ErrorKind::Interrupted,
        Errno::AGAIN => ErrorKind::WouldBlock,
        Errno::STALE => ErrorKind::Stale,
        _ => ErrorKind::Other,
    }
}

fn hint_for(errno: Errno, path: &Path) -> Option<&'static str> {
    let parameter = path.starts_with(crate::sysfs::PARAMETERS);
    match errno {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => Some("is the procmon module loaded?"),
        Errno::ACCESS | Errno::PERM if parameter => Some("only root may change a parameter"),
        Errno::ACCESS | Errno::PERM => {
            Some("only root and members of the group procmon may use the device")
        }
        Errno::BADF => Some("the device was not opened for this"),
        Errno::NOTTY => Some("the module is of another version"),
        Errno::INVAL | Errno::RANGE if parameter => Some("the value is out of range"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn error(action: &str, path: &str, errno: Errno) -> Error {
        Error::io(action, Path::new(path), errno)
    }

    #[test]
    fn errors_name_action_file_cause_and_remedy() {
        let missing = error("open", "/dev/procmon", Errno::NOENT);
        assert_eq!(missing.to_string(), "cannot open /dev/procmon");
        assert_eq!(
            missing.source().unwrap().to_string(),
            "No such file or directory (os error 2)"
        );
        assert_eq!(missing.hint(), Some("is the procmon module loaded?"));
        assert_eq!(missing.path(), Path::new("/dev/procmon"));
        assert_eq!(missing.raw_os_error(), Some(2));

        let parameter = "/sys/module/procmon/parameters/buffer_size";
        for (errno, path, hint) in [
            (Errno::ACCESS, "/dev/procmon", "only root and members"),
            (Errno::INVAL, parameter, "out of range"),
            (Errno::ACCESS, parameter, "change a parameter"),
        ] {
            let found = error("write 0 to", path, errno).hint().unwrap();
            assert!(found.contains(hint), "{found}");
        }
        assert_eq!(error("read", "/dev/procmon", Errno::INVAL).hint(), None);
    }

    #[test]
    fn the_cause_can_be_told_apart() {
        let cause = error("read", "/dev/procmon", Errno::STALE);
        let cause = cause.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(cause.raw_os_error(), Some(Errno::STALE.raw_os_error()));
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
            (Errno::NOTTY, ErrorKind::Unsupported),
            (Errno::INVAL, ErrorKind::InvalidInput),
            (Errno::INTR, ErrorKind::Interrupted),
            (Errno::AGAIN, ErrorKind::WouldBlock),
            (Errno::STALE, ErrorKind::Stale),
            (Errno::NOMEM, ErrorKind::Other),
        ] {
            let error = error("open", "/dev/procmon", errno);
            assert_eq!(error.kind(), kind, "{errno:?}");
        }
        let unexpected = Error::unexpected(Path::new("/dev/procmon"), "nonsense", None);
        assert_eq!(unexpected.kind(), ErrorKind::Unexpected);
        assert_eq!(unexpected.to_string(), "/dev/procmon gave nonsense");
        assert!(unexpected.source().is_none());
    }
}
