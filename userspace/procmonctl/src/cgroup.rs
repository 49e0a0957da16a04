// SPDX-License-Identifier: GPL-2.0-only

//! cgroups, by their IDs or their paths in the unified hierarchy.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::bail;
use procmon::cgroup::{MOUNTS, is_unified, mount};

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
        match self {
            Self::Id(id) => Ok(*id),
            Self::Path(path) => Ok(fs::metadata(directory(path)?)?.ino()),
        }
    }

    /// Returns the directory. One that is named by its ID is not looked for.
    pub fn directory(&self) -> anyhow::Result<PathBuf> {
        match self {
            Self::Id(id) => bail!("a path is needed in place of the ID {id}"),
            Self::Path(path) => directory(path),
        }
    }
}

fn directory(path: &Path) -> anyhow::Result<PathBuf> {
    let mount = mount();
    let below = path.strip_prefix("/").unwrap_or(path);
    let in_mount = mount.map(|mount| mount.join(below));
    let directory = std::iter::once(path.to_owned())
        .chain(in_mount)
        .find(|path| path.is_dir() && is_unified(path));
    match directory {
        Some(directory) => Ok(directory),
        None if mount.is_none() => bail!(
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
