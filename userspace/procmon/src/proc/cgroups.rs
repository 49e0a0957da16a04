// SPDX-License-Identifier: GPL-2.0

//! IDs of cgroups, by their paths.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The IDs of the cgroups of one snapshot, each looked up once.
#[derive(Default)]
pub struct Cgroups {
    /// The directory that the unified hierarchy is mounted on.
    mount: Option<PathBuf>,
    ids: HashMap<Vec<u8>, Option<u64>>,
}

impl Cgroups {
    /// Finds the mount of the unified hierarchy.
    pub fn find() -> Self {
        let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
        Self {
            mount: mounts
                .split(|&byte| byte == b'\n')
                .find_map(mount_of_unified),
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

/// Returns the directory of a line of `mountinfo`, if the unified hierarchy is mounted there from
/// the root of the cgroup namespace on, which paths begin at.
fn mount_of_unified(line: &[u8]) -> Option<PathBuf> {
    let mut words = line.split(|&byte| byte == b' ');
    let root = words.nth(3)?;
    let directory = words.next()?;
    let mut words = words.skip_while(|word| *word != b"-").skip(1);
    (root == b"/" && words.next() == Some(b"cgroup2"))
        .then(|| OsString::from_vec(unescape(directory)).into())
}

/// Replaces each backslash with three octal digits, as blanks have them, by its byte.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, others)) = rest.split_first() {
        let digits = others.first_chunk::<3>().filter(|_| first == b'\\');
        match digits.and_then(octal) {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[3..];
            }
            None => {
                bytes.push(first);
                rest = others;
            }
        }
    }
    bytes
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    // A number may have a sign, and an escape has none.
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(digits).ok().filter(|_| is_number)?;
    u8::from_str_radix(text, 8).ok()
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
    fn mounts_are_those_of_the_whole_namespace() {
        let of = |line: &str| mount_of_unified(line.as_bytes());
        let whole = "30 23 0:26 / /sys/fs/cg\\040roup rw shared:4 - cgroup2 cgroup2 rw";
        assert_eq!(of(whole), Some("/sys/fs/cg roup".into()));
        let plain = "30 23 0:26 / /cg rw - cgroup2 none rw";
        assert_eq!(of(plain), Some("/cg".into()));
        for other in [
            "30 23 0:26 /.. /cg rw - cgroup2 none rw",
            "30 23 0:26 /a /cg rw - cgroup2 none rw",
            "30 23 0:26 / /cg rw - cgroup none rw",
            "30 23 0:26 / cgroup2 rw - tmpfs cgroup2 rw",
            "30 23 0:26 / /cg rw cgroup2",
            "",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn escapes_are_octal() {
        for (text, bytes) in [
            (&b"a\\134b\\012"[..], &b"a\\b\n"[..]),
            (b"\\", b"\\"),
            (b"\\04", b"\\04"),
            (b"\\999\\040", b"\\999 "),
            (b"\\777", b"\\777"),
            (b"\\+40", b"\\+40"),
            (b"\\-40", b"\\-40"),
        ] {
            assert_eq!(unescape(text), bytes);
        }
    }

    #[test]
    fn an_id_is_the_number_of_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let inside = root.path().join("a (deleted)");
        fs::create_dir(&inside).unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let mut cgroups = Cgroups {
            mount: Some(root.path().to_owned()),
            ids: HashMap::new(),
        };
        let number = |path: &Path| fs::metadata(path).ok().map(|data| data.ino());
        for _ in 0..2 {
            assert_eq!(cgroups.id(b"0::/a (deleted)\n"), number(&inside));
            assert_eq!(cgroups.id(b"0::/\n"), number(root.path()));
            assert_eq!(cgroups.id(b"0::/missing\n"), None);
            assert_eq!(cgroups.id(b"0::/file\n"), None);
        }
        assert_eq!(Cgroups::default().id(b"0::/\n"), None);
    }
}
