// SPDX-License-Identifier: GPL-2.0-only

//! Paths of cgroups by their IDs.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::mount::find_mount;
use super::path::CgroupPath;
use crate::Record;

/// The most cgroups that are remembered. A machine with more of them has some looked up again.
const MAX_KNOWN: usize = 4096;

/// The paths of cgroups in the unified hierarchy, each looked up once: by default there are none.
///
/// A member of the cgroup leads to it. Its `/proc/PID/cgroup` has a path, and the inode of that
/// directory has to have the ID. So neither a process that has moved to another cgroup nor a PID
/// that is in use again gives a wrong path, and this takes no rights: to open a file by its ID
/// (`open_by_handle_at()`) is for the superuser, and a walk reads all directories for one of them.
/// The kernel neither renames cgroups nor gives their IDs to others, so a path stays valid.
#[derive(Clone, Debug, Default)]
pub struct Cgroups {
    mount: Option<PathBuf>,
    proc: PathBuf,
    paths: HashMap<u64, CgroupPath>,
    /// Cgroups and members that do not lead to them.
    failed: HashSet<(u64, i32)>,
}

impl Cgroups {
    /// Creates a cache of the hierarchy that is mounted. Without one it knows no paths.
    #[must_use]
    pub fn mounted() -> Self {
        Self {
            mount: find_mount(),
            proc: "/proc".into(),
            ..Self::default()
        }
    }

    /// Returns the path of the cgroup of a process or thread. It is that of the cgroup namespace of
    /// the caller.
    ///
    /// There is none if the record has no [ID](Record::cgroup_id), or if all processes that were
    /// asked for have left the cgroup before its path was known.
    pub fn path_of(&mut self, record: &Record) -> Option<&CgroupPath> {
        self.path(record.cgroup_id()?, record.pid())
    }

    /// Returns the path of the cgroup with an ID, of which a process is a member, as far as is
    /// known.
    pub fn path(&mut self, id: u64, member: i32) -> Option<&CgroupPath> {
        if !self.paths.contains_key(&id) && !self.failed.contains(&(id, member)) {
            match self.look_up(id, member) {
                Some(path) => {
                    make_space(self.paths.len(), || self.paths.clear());
                    self.paths.insert(id, path);
                }
                None => {
                    make_space(self.failed.len(), || self.failed.clear());
                    self.failed.insert((id, member));
                }
            }
        }
        self.paths.get(&id)
    }

    /// Tries the processes again that did not lead to their cgroups. Call it for each snapshot.
    pub fn refresh(&mut self) {
        self.failed.clear();
    }

    /// Adds the path of a cgroup, as an [event](crate::events::CgroupMove) has it.
    pub fn insert(&mut self, id: u64, path: CgroupPath) {
        make_space(self.paths.len(), || self.paths.clear());
        self.paths.insert(id, path);
    }

    fn look_up(&self, id: u64, member: i32) -> Option<CgroupPath> {
        let mount = self.mount.as_ref()?;
        let path = read(&self.proc.join(member.to_string()).join("cgroup"))?;
        let below = path.as_bytes().strip_prefix(b"/")?;
        // The path of a cgroup outside of the namespace's root leads out of the mount.
        if below.split(|&byte| byte == b'/').any(|name| name == b"..") {
            return None;
        }
        let below = OsStr::from_bytes(below);
        let directory = fs::metadata(mount.join(below)).ok()?;
        (directory.ino() == id).then_some(path)
    }
}

fn make_space(known: usize, clear: impl FnOnce()) {
    if known >= MAX_KNOWN {
        clear();
    }
}

/// Reads the path in the unified hierarchy from `/proc/PID/cgroup`.
fn read(file: &std::path::Path) -> Option<CgroupPath> {
    /// More than a path in each of the hierarchies takes.
    const LONGEST: u64 = 1 << 16;

    let mut bytes = Vec::new();
    File::open(file)
        .ok()?
        .take(LONGEST)
        .read_to_end(&mut bytes)
        .ok()?;
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let path = lines.find_map(|line| line.strip_prefix(b"0::"))?;
    Some(CgroupPath::new(OsStr::from_bytes(path)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    struct System {
        _directory: tempfile::TempDir,
        cgroups: Cgroups,
    }

    impl System {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let cgroups = Cgroups {
                mount: Some(directory.path().join("cgroup")),
                proc: directory.path().join("proc"),
                ..Cgroups::default()
            };
            Self {
                _directory: directory,
                cgroups,
            }
        }

        /// Creates a cgroup, and returns its ID.
        fn create(&self, path: &str) -> u64 {
            let directory = self.cgroups.mount.as_ref().unwrap().join(path);
            fs::create_dir_all(&directory).unwrap();
            fs::metadata(directory).unwrap().ino()
        }

        fn add(&self, pid: i32, cgroup: &str) {
            let directory = self.cgroups.proc.join(pid.to_string());
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("cgroup"), cgroup).unwrap();
        }

        fn path(&mut self, id: u64, member: i32) -> Option<String> {
            self.cgroups.path(id, member).map(ToString::to_string)
        }
    }

    #[test]
    fn a_member_leads_to_its_cgroup() {
        let mut system = System::new();
        let root = system.create("");
        let web = system.create("system.slice/web.service");
        system.add(1, "4:memory:/elsewhere\n1:name=systemd:/other\n0::/\n");
        system.add(7, "0::/system.slice/web.service\n");
        assert_eq!(system.path(root, 1).as_deref(), Some("/"));
        let expected = Some("/system.slice/web.service");
        assert_eq!(system.path(web, 7).as_deref(), expected);
        // It is known by now.
        assert_eq!(system.path(web, 8).as_deref(), expected);
    }

    #[test]
    fn a_process_of_another_cgroup_does_not() {
        let mut system = System::new();
        let [web, other] = ["web.service", "other.service"].map(|path| system.create(path));
        system.add(7, "0::/other.service\n");
        system.add(8, "0::/gone.service (deleted)\n");
        system.add(9, "4:memory:/web.service\n");
        for member in 6..10 {
            assert_eq!(system.path(web, member), None, "{member}");
        }
        system.add(7, "0::/web.service\n");
        assert_eq!(system.path(web, 7), None, "it is asked once");
        system.cgroups.refresh();
        assert_eq!(system.path(web, 7).as_deref(), Some("/web.service"));
        system.add(10, "0::/other.service\n");
        assert_eq!(system.path(other, 10).as_deref(), Some("/other.service"));
    }

    #[test]
    fn a_cgroup_outside_of_the_mount_has_no_path() {
        let mut system = System::new();
        let web = system.create("web.service");
        system.create("other.service");
        let above = system.create("..");
        system.add(7, "0::/../cgroup/web.service\n");
        system.add(8, "0::/other.service/../web.service\n");
        assert_eq!(system.path(web, 7), None);
        assert_eq!(system.path(web, 8), None);
        system.add(9, "0::/..\n");
        assert_eq!(system.path(above, 9), None);
        let dots = system.create("..web..");
        system.add(10, "0::/..web..\n");
        assert_eq!(system.path(dots, 10).as_deref(), Some("/..web.."));
    }

    #[test]
    fn the_number_of_paths_is_bounded() {
        let mut system = System::new();
        let root = system.create("");
        system.add(1, "0::/\n");
        let count = u64::try_from(MAX_KNOWN).unwrap() + 10;
        for id in (0..count).filter(|&id| id != root) {
            system.cgroups.insert(id, CgroupPath::new("/x"));
            assert!(system.cgroups.paths.len() <= MAX_KNOWN);
            assert!(system.cgroups.path(id + count, 2).is_none());
        }
        assert!(system.path(root + 2 * count, 1).is_none());
        assert!(system.path(root, 1).is_some());
        assert!(system.cgroups.paths.len() <= MAX_KNOWN);
        assert!(system.cgroups.failed.len() <= MAX_KNOWN);
    }

    #[test]
    fn this_process_has_a_cgroup_where_the_hierarchy_is_mounted() {
        let mut cgroups = Cgroups::mounted();
        let pid = i32::try_from(std::process::id()).unwrap();
        let own = read(Path::new("/proc/self/cgroup"));
        let (Some(mount), Some(own)) = (find_mount(), own) else {
            return assert_eq!(cgroups.path(1, pid), None);
        };
        let below = own.as_os_str().to_str().unwrap().trim_start_matches('/');
        let Ok(directory) = fs::metadata(mount.join(below)) else {
            return;
        };
        assert_eq!(cgroups.path(directory.ino(), pid), Some(&own));
    }
}
