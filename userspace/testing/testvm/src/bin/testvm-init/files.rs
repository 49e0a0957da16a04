// SPDX-License-Identifier: GPL-2.0-only

//! The files of a run, which come from the host as a cpio archive of regular files and directories.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use cpio::newc::Reader;

const TYPE: u32 = libc::S_IFMT;

/// Unpacks an archive, up to its trailer.
pub fn unpack(archive: impl Read) -> Result<()> {
    unpack_below(Path::new("/"), archive)
}

fn unpack_below(root: &Path, mut archive: impl Read) -> Result<()> {
    loop {
        let mut reader = Reader::new(archive).context("the archive is broken")?;
        if reader.entry().is_trailer() {
            return Ok(());
        }
        let path = root.join(reader.entry().name());
        make(&path, &mut reader).with_context(|| format!("cannot make {}", path.display()))?;
        archive = reader.finish().context("the archive breaks off")?;
    }
}

/// Makes the file or directory of an entry, which must not be there.
fn make<R: Read>(path: &Path, reader: &mut Reader<R>) -> Result<()> {
    let mode = reader.entry().mode();
    match mode & TYPE {
        libc::S_IFDIR => fs::create_dir(path)?,
        libc::S_IFREG => {
            let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
            io::copy(reader, &mut file)?;
        }
        other => bail!("unknown type {other:#o}"),
    }
    // Not at first, where the umask would matter.
    fs::set_permissions(path, Permissions::from_mode(mode & !TYPE))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use cpio::newc;
    use tempfile::tempdir;

    use super::*;

    fn add(archive: &mut Vec<u8>, name: &str, mode: u32, data: &[u8]) {
        let entry = newc::Builder::new(name).mode(mode);
        let mut file = entry.write(archive, data.len() as u32);
        file.write_all(data).unwrap();
        file.finish().unwrap();
    }

    #[test]
    fn unpacks_files_and_directories() {
        let mut archive = Vec::new();
        add(&mut archive, "a", libc::S_IFDIR | 0o1777, b"");
        add(&mut archive, "a/b", libc::S_IFREG | 0o755, b"data\0\xff!");
        add(&mut archive, "a/empty", libc::S_IFREG | 0o600, b"");
        let archive = newc::trailer(archive).unwrap();

        let root = tempdir().unwrap();
        unpack_below(root.path(), archive.as_slice()).unwrap();
        let path = |name: &str| root.path().join(name);
        let mode = |name: &str| {
            fs::symlink_metadata(path(name))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("a"), libc::S_IFDIR | 0o1777);
        assert_eq!(mode("a/b"), libc::S_IFREG | 0o755);
        assert_eq!(mode("a/empty"), libc::S_IFREG | 0o600);
        assert_eq!(fs::read(path("a/b")).unwrap(), b"data\0\xff!");
        assert_eq!(fs::read(path("a/empty")).unwrap(), b"");
    }

    #[test]
    fn an_archive_that_breaks_off_is_an_error() {
        let mut archive = Vec::new();
        add(
            &mut archive,
            "a",
            libc::S_IFREG | 0o644,
            b"data of some length",
        );
        let whole = newc::trailer(archive).unwrap();
        for length in [0, 5, 50, 118, 130, 140, whole.len() / 2] {
            let root = tempdir().unwrap();
            assert!(
                unpack_below(root.path(), &whole[..length]).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn another_type_is_an_error() {
        let mut archive = Vec::new();
        add(&mut archive, "a", libc::S_IFLNK | 0o777, b"b");
        let archive = newc::trailer(archive).unwrap();
        let root = tempdir().unwrap();
        assert!(unpack_below(root.path(), archive.as_slice()).is_err());
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten() {
        let mut archive = Vec::new();
        add(&mut archive, "a", libc::S_IFREG | 0o644, b"new");
        let archive = newc::trailer(archive).unwrap();
        let root = tempdir().unwrap();
        fs::write(root.path().join("a"), "old").unwrap();
        assert!(unpack_below(root.path(), archive.as_slice()).is_err());
        assert_eq!(fs::read(root.path().join("a")).unwrap(), b"old");
    }
}
