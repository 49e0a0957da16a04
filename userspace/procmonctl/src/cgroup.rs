// SPDX-License-Identifier: GPL-2.0

//! cgroups, by their IDs or their paths in the unified hierarchy.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::bail;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

/// Where the unified hierarchy is mounted: alone, or beside those of the first version.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// A cgroup, as a user names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cgroup {
    Id(u64),
    /// A directory of the unified hierarchy, or its path below the root of that.
    Path(PathBuf),
}

impl FromStr for Cgroup {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Err("expected the ID or the path of a cgroup".to_owned())
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let id = text.parse();
            id.map(Self::Id)
                .map_err(|_| "the ID is too large".to_owned())
        } else {
            Ok(Self::Path(text.into()))
        }
    }
}

impl Cgroup {
    /// Returns the ID: the inode number of the directory.
    pub fn id(&self) -> anyhow::Result<u64> {
        let path = match self {
            Self::Id(id) => return Ok(*id),
            Self::Path(path) => path,
        };
        let mounts: Vec<_> = MOUNTS
            .iter()
            .map(Path::new)
            .filter(|mount| is_unified(mount))
            .collect();
        let below = path.strip_prefix("/").unwrap_or(path);
        let in_mounts = mounts.iter().map(|mount| mount.join(below));
        let directory = std::iter::once(path.clone())
            .chain(in_mounts)
            .find(|path| path.is_dir() && is_unified(path));
        match directory {
            Some(directory) => Ok(fs::metadata(directory)?.ino()),
            None if mounts.is_empty() => bail!(
                "{} is no directory of the unified hierarchy of cgroups, which is not mounted at {}",
                path.display(),
                MOUNTS.join(" or ")
            ),
            None => bail!(
                "there is no cgroup {} in the unified hierarchy",
                path.display()
            ),
        }
    }
}

/// Whether a path is in the unified hierarchy.
fn is_unified(path: &Path) -> bool {
    statfs(path).is_ok_and(|system| system.filesystem_type() == CGROUP2_SUPER_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_id() {
        assert_eq!("4711".parse(), Ok(Cgroup::Id(4711)));
        assert_eq!(Cgroup::Id(4711).id().unwrap(), 4711);
        for path in ["/system.slice", "system.slice", "./4711", "-1"] {
            assert_eq!(path.parse(), Ok(Cgroup::Path(path.into())));
        }
        for bad in ["", "18446744073709551616"] {
            assert!(bad.parse::<Cgroup>().is_err(), "{bad:?}");
        }
    }

    /// Neither a directory elsewhere nor a path without a directory is a cgroup.
    #[test]
    fn other_paths_are_no_cgroups() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        for path in [directory.path(), &missing] {
            let error = Cgroup::Path(path.into()).id().unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
            assert!(error.contains("unified hierarchy"), "{error}");
        }
    }
}
