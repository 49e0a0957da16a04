// SPDX-License-Identifier: GPL-2.0-only

//! The file itself: its place, and its bytes.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use etcetera::base_strategy::{BaseStrategy, Xdg};
use rustix::fs::{Mode, OFlags};

/// The size up to which a file is read.
const LIMIT: usize = 64 << 10;

/// Returns the path of the user's file, unless the user has no home directory.
pub fn path() -> Option<PathBuf> {
    let path = Xdg::new().ok()?.config_dir().join("procmon/config.toml");
    // A relative HOME would be that of another user's choice.
    path.is_absolute().then_some(path)
}

/// Returns whether a file does not exist, or is where the caller may not even look.
pub fn is_absent(path: &Path) -> bool {
    let Err(error) = fs::metadata(path) else {
        return false;
    };
    // A service may have /dev/null as its home, and a program that has become another user may
    // still have the home of the previous one.
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
    )
}

/// Reads a file, which takes neither long nor much memory, whatever it is.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path == "/dev/null" {
        return Ok(Vec::new());
    }
    // Without NONBLOCK, a FIFO would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LIMIT {
        let message = format!("larger than {} KiB", LIMIT >> 10);
        return Err(io::Error::other(message));
    }
    Ok(bytes)
}
