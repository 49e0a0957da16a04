// SPDX-License-Identifier: GPL-2.0-only

//! The file of a recording.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context as _;

/// A file that is written, and the number of bytes so far.
pub struct Target {
    file: File,
    pub bytes: u64,
}

impl Target {
    /// Creates a file. A regular one of the same name is renamed before.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let is_file = fs::symlink_metadata(path).is_ok_and(|data| data.is_file());
        if is_file {
            let mut old = path.as_os_str().to_owned();
            old.push(".old");
            fs::rename(path, &old).with_context(|| format!("cannot rename {}", path.display()))?;
        }
        let file =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { file, bytes: 0 })
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        for text in ["one", "two", "three"] {
            let mut target = Target::create(&path).unwrap();
            target.write_all(text.as_bytes()).unwrap();
            assert_eq!(target.bytes, text.len() as u64);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(
            fs::read_to_string(directory.path().join("a.old")).unwrap(),
            "two"
        );
        assert!(Target::create(directory.path()).is_err());
        // Of others nothing is kept.
        Target::create(Path::new("/dev/null")).unwrap();
    }
}
