// SPDX-License-Identifier: GPL-2.0-only

//! IDs of cgroups, by their paths.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::cgroup;

/// The IDs of the cgroups of one snapshot, each looked up once.
#[derive(Default)]
pub struct CgroupIds {
    /// The mount of the unified hierarchy.
    mount: Option<PathBuf>,
    ids: HashMap<Vec<u8>, Option<u64>>,
}

impl CgroupIds {
    /// Creates a cache of the hierarchy that is mounted. Without one it knows no IDs.
    pub fn mounted() -> Self {
        Self {
            mount: cgroup::find_mount(),
            ids: HashMap::new(),
        }
    }

    /// Returns the ID of the cgroup that the file `cgroup` of a process names, the inode number of
    /// its directory.
    pub fn id(&mut self, file: &[u8]) -> Option<u64> {
        let path = unified_path(file)?;
        let mount = self.mount.as_ref()?;
        if let Some(id) = self.ids.get(path) {
            return *id;
        }
        let below = OsStr::from_bytes(path.strip_prefix(b"/")?);
        let id = fs::metadata(mount.join(below)).ok();
        let id = id.filter(fs::Metadata::is_dir).map(|data| data.ino());
        self.ids.insert(path.to_owned(), id);
        id
    }
}

/// Returns the path in the unified hierarchy, unless the cgroup is outside of the namespace's root.
fn unified_path(file: &[u8]) -> Option<&[u8]> {
    let path = file
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"0::"))?;
    let is_outside = path == b"/.." || path.starts_with(b"/../");
    (path.starts_with(b"/") && !is_outside).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_unified_hierarchy_is_the_one_without_a_number() {
        let path = |file: &'static [u8]| unified_path(file);
        assert_eq!(path(b"0::/a b/c\n"), Some(&b"/a b/c"[..]));
        assert_eq!(path(b"1:name=x:/y\n0::/\n"), Some(&b"/"[..]));
        assert_eq!(path(b"0::/..x\n"), Some(&b"/..x"[..]));
        for none in [&b""[..], b"0::", b"0::/../a\n", b"0::/..\n", b"10::/a"] {
            assert_eq!(unified_path(none), None, "{none:?}");
        }
    }

    #[test]
    fn an_id_is_the_number_of_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let inside = root.path().join("a (deleted)");
        fs::create_dir(&inside).unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let mut ids = CgroupIds {
            mount: Some(root.path().to_owned()),
            ids: HashMap::new(),
        };
        let number = |path: &Path| fs::metadata(path).ok().map(|data| data.ino());
        for _ in 0..2 {
            assert_eq!(ids.id(b"0::/a (deleted)\n"), number(&inside));
            assert_eq!(ids.id(b"0::/\n"), number(root.path()));
            assert_eq!(ids.id(b"0::/missing\n"), None);
            assert_eq!(ids.id(b"0::/file\n"), None);
        }
        assert_eq!(CgroupIds::default().id(b"0::/\n"), None);
    }
}
