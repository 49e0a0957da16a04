// SPDX-License-Identifier: GPL-2.0-only

//! Where processes belong, as `procmonctl ps` shows it: cgroups, terminals, sessions, namespaces.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fixture::child::{Child, at_rest_after, in_pid_namespace, kill_all, paused};
use fixture::command::{PROGRAM, output_of};
use fixture::terminal::Terminal;
use fixture::{eventually, procfs, shared, skip};
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::setsid;
use serde_json::{Value, json};

use crate::processes::{columns, json as document, pids};

const ROOT: &str = "/sys/fs/cgroup";

const ID: &str = "3f1c7e0b9d2a4c6e8f0a1b2c3d4e5f60718293a4b5c6d7e8f901a2b3c4d5e6f7";

/// The unified hierarchy with cgroups that are removed at the end, the inner ones first.
pub struct Hierarchy(Vec<PathBuf>);

impl Hierarchy {
    pub fn mount() -> Option<Self> {
        let flags = MsFlags::empty();
        if let Err(errno) = mount(Some("none"), ROOT, Some("cgroup2"), flags, None::<&str>) {
            skip(format!("cgroup2: {errno}"));
            return None;
        }
        Some(Self(Vec::new()))
    }

    /// Starts a process in a new cgroup.
    pub fn process_in(&mut self, path: &str) -> Child {
        let mut directory = PathBuf::from(ROOT);
        for name in Path::new(path).strip_prefix("/").unwrap() {
            directory.push(name);
            if fs::create_dir(&directory).is_ok() {
                self.0.push(directory.clone());
            }
        }
        let child = paused();
        let pid = child.pid().to_string();
        fs::write(directory.join("cgroup.procs"), pid).unwrap();
        child
    }
}

impl Drop for Hierarchy {
    fn drop(&mut self) {
        for directory in self.0.iter().rev() {
            eventually("the cgroup is empty", || fs::remove_dir(directory).is_ok());
        }
        umount(ROOT).unwrap();
    }
}

/// Paths of cgroups are those of `/proc`, and have units, sessions and containers.
#[test]
fn cgroups_tell_the_place_of_a_process() {
    const COLUMNS: &str = "cgroup-path,unit,user-unit,slice,session,container,engine";

    let _kernel = shared();
    let Some(mut hierarchy) = Hierarchy::mount() else {
        return;
    };
    let docker = format!("/docker/{ID}");
    let user = "/user.slice/user-1000.slice";
    let rows = [
        (
            "/system.slice/web.service",
            ["web.service", "", "system.slice", "", "", ""],
        ),
        (
            &format!("{user}/session-3.scope"),
            ["session-3.scope", "", "user-1000.slice", "3", "", ""],
        ),
        (
            &format!("{user}/user@1000.service/app.slice/mail.service"),
            [
                "user@1000.service",
                "mail.service",
                "user-1000.slice",
                "",
                "",
                "",
            ],
        ),
        (&docker, ["", "", "-.slice", "", &ID[..12], "docker"]),
        (
            "/lxc/a \u{1b}[2Jb",
            ["", "", "-.slice", "", "a \u{1b}[2Jb", "lxc"],
        ),
    ];
    let mut children = Vec::new();
    for (path, places) in rows {
        let child = hierarchy.process_in(path);
        let cgroups = fs::read_to_string(format!("/proc/{}/cgroup", child.pid())).unwrap();
        assert!(
            cgroups.lines().any(|line| line == format!("0::{path}")),
            "{cgroups}"
        );
        let mut expected = json!({"cgroup-path": path});
        for (key, place) in COLUMNS.split(',').skip(1).zip(places) {
            expected[key] = if place.is_empty() {
                Value::Null
            } else {
                place.into()
            };
        }
        assert_eq!(columns(child.pid(), COLUMNS), expected);
        children.push(child);
    }
    let own = columns(std::process::id().try_into().unwrap(), COLUMNS);
    assert_eq!(
        (&own["cgroup-path"], &own["unit"]),
        (&"/".into(), &Value::Null)
    );

    let [web, login, mail, docker, lxc] = [0, 1, 2, 3, 4].map(|index| children[index].pid());
    for (filter, value, expected) in [
        ("--unit", "web", &[web][..]),
        ("--unit", "mail,session-3.scope", &[login, mail]),
        ("--cgroup", "/user.slice", &[login, mail]),
        ("--cgroup", "/sys/fs/cgroup/docker", &[docker]),
        ("--container", &ID[..12], &[docker]),
        ("--container", "a \u{1b}[2Jb", &[lxc]),
        ("--where", "unit = web.service", &[web]),
        (
            "--where",
            "session = 3 or engine = docker",
            &[login, docker],
        ),
        ("--where", "cgroup-path ~ ^/user.*mail", &[mail]),
        ("--where", &format!("pid = {lxc} or ppid = {lxc}"), &[lxc]),
    ] {
        assert_eq!(pids(&[filter, value]), expected, "{filter} {value}");
    }
    let sorted = pids(&["--cgroup", "/user.slice", "--sort", "-unit"]);
    assert_eq!(sorted, [mail, login]);
    kill_all(children);
}

/// A group has the sums of what `/proc` has of its processes.
#[test]
fn groups_have_the_sums_of_their_processes() {
    const COLUMNS: &str = "pid,threads,minflt,comm";

    let _kernel = shared();
    let Some(mut hierarchy) = Hierarchy::mount() else {
        return;
    };
    let paths = ["/system.slice/web.service", "/system.slice/db.service"];
    let children = [0, 0, 1].map(|path| hierarchy.process_in(paths[path]));
    let faults = |children: &[Child]| -> u64 {
        let counts = children
            .iter()
            .map(|child| procfs::number::<u64>(child.pid(), 10));
        counts.map(Option::unwrap).sum()
    };
    let group = |children: &[Child], key: &str, name: &str| {
        json!({
            "procs": children.len(),
            "threads": children.len(),
            "minflt": faults(children),
            key: name,
        })
    };
    let select = ["--cgroup", "/system.slice", "-o", COLUMNS];
    let by = |thing| [&["--group-by", thing], &select[..]].concat();
    let (web, db) = children.split_at(2);

    let found = document(&[&["ps", "--sort", "-procs"], &by("unit")[..]].concat());
    assert_eq!(found["group_by"], "unit");
    assert_eq!(found.get("processes"), None);
    let expected = [
        group(web, "unit", "web.service"),
        group(db, "unit", "db.service"),
    ];
    assert_eq!(found["groups"], json!(expected));

    let top = ["top", "--batch", "-n", "1", "--sort", "procs"];
    let found = document(&[&top[..], &by("cgroup")].concat());
    let expected = [
        group(db, "cgroup-path", paths[1]),
        group(web, "cgroup-path", paths[0]),
    ];
    assert_eq!(found["groups"], json!(expected));
    assert!(found["system"].is_object());

    let text = output_of(&[&["ps", "--csv", "--sort", "pid"], &by("unit")[..]].concat());
    let line = |children: &[Child], name: &str| {
        let count = children.len();
        format!("{count},{count},{},{name}", faults(children))
    };
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "procs,threads,minflt,unit",
            &line(db, "db.service"),
            &line(web, "web.service")
        ]
    );
    kill_all(children);
}

/// Unmounts the hierarchy wherever tests before have left it mounted.
fn unmount_others() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    for mount in mounts.lines() {
        let mut words = mount.split(' ').skip(1);
        if let (Some(directory), Some("cgroup2")) = (words.next(), words.next()) {
            umount(directory).unwrap();
        }
    }
}

/// Paths are known only where the hierarchy is mounted.
#[test]
fn cgroups_without_a_mount_have_no_path() {
    let _kernel = shared();
    unmount_others();
    let child = paused();
    let found = columns(child.pid(), "cgroup-path,slice");
    assert_eq!(found, json!({"cgroup-path": null, "slice": null}));
    child.kill();
}

/// A file system that is mounted until the drop.
struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        umount(self.0).unwrap();
    }
}

/// A hierarchy is found that is mounted elsewhere, and the mount of a part of it is none: paths
/// would lead to other cgroups there.
#[test]
fn cgroups_by_other_mounts() {
    let _kernel = shared();
    unmount_others();
    let elsewhere = std::env::temp_dir().join("hierarchy");
    fs::create_dir_all(&elsewhere).unwrap();
    let new = || {
        let flags = MsFlags::empty();
        let result = mount(
            Some("none"),
            &elsewhere,
            Some("cgroup2"),
            flags,
            None::<&str>,
        );
        result.map(|()| Mount(&elsewhere))
    };
    let whole = match new() {
        Ok(whole) => whole,
        Err(errno) => return skip(format!("cgroup2: {errno}")),
    };
    let own = std::process::id().to_string();
    let found = |source| {
        const COLUMNS: &str = "cgroup,cgroup-path";
        let found = document(&["ps", "--source", source, "-o", COLUMNS, "--pid", &own]);
        found["processes"][0].clone()
    };
    let root = fs::metadata(&elsewhere).unwrap().ino();
    for source in ["module", "proc"] {
        let expected = json!({"cgroup": root, "cgroup-path": "/"});
        assert_eq!(found(source), expected, "{source}");
    }

    let part = elsewhere.join("part");
    fs::create_dir(&part).unwrap();
    mount(
        Some(&part),
        ROOT,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .unwrap();
    let bound = Mount(Path::new(ROOT));
    drop(whole);
    for (source, id) in [("module", json!(root)), ("proc", Value::Null)] {
        let expected = json!({"cgroup": id, "cgroup-path": null});
        assert_eq!(found(source), expected, "{source}");
    }
    drop(bound);
    let whole = new().unwrap();
    fs::remove_dir(&part).unwrap();
    drop(whole);
    fs::remove_dir(&elsewhere).unwrap();
}

/// Terminal, session and groups are those of `/proc/PID/stat`.
#[test]
fn sessions_and_terminals() {
    let _kernel = shared();
    let job = Terminal::start_as_job(&["/bin/sleep", "1000"], 24, 80);
    let pid = job.pid();
    eventually("the program", || {
        procfs::stat(pid).is_some_and(|stat| stat.comm == b"sleep")
    });
    let terminal = fs::read_link(format!("/proc/{pid}/fd/0")).unwrap();
    let number = |field| procfs::number::<i32>(pid, field).unwrap();
    let [group, session, foreground] = [5, 6, 8].map(number);
    assert!(group == pid && foreground == pid && session != pid);
    let found = columns(pid, "pgid,sid,tpgid,tty");
    let expected = json!({
        "pgid": group,
        "sid": session,
        "tpgid": foreground,
        "tty": terminal.strip_prefix("/dev").unwrap(),
    });
    assert_eq!(found, expected);
    drop(job);

    let leader = at_rest_after(|| {
        setsid().unwrap();
    });
    let pid = leader.pid();
    let found = columns(pid, "pgid,sid,tpgid,tty");
    assert_eq!(
        found,
        json!({"pgid": pid, "sid": pid, "tpgid": null, "tty": "?"})
    );
    leader.kill();
}

/// The level of a PID namespace is that of the caller's `/proc`.
#[test]
fn levels_of_pid_namespaces() {
    let _kernel = shared();
    let maker = at_rest_after(|| {
        unshare(CloneFlags::CLONE_NEWPID).unwrap();
        std::mem::forget(paused());
    });
    let mut pids = procfs::pids().into_iter();
    let inner = pids
        .find(|&pid| procfs::parent(pid) == Some(maker.pid()))
        .unwrap();
    for (pid, level) in [(maker.pid(), 0), (inner, 1)] {
        let numbers = procfs::numbers_in::<i32>(pid, "status", "NSpid:").unwrap();
        assert_eq!(numbers.len(), level + 1);
        assert_eq!(columns(pid, "pidns-level"), json!({"pidns-level": level}));
    }
    maker.kill();
}

/// A `/proc` of another PID namespace has no values, rather than those of other processes.
#[test]
fn the_proc_of_another_namespace() {
    let _kernel = shared();
    in_pid_namespace(|| {
        let found = document(&["ps", "-o", "pid,sid,tty,pidns-level"]);
        let processes = found["processes"].as_array().unwrap();
        assert_eq!(processes.len(), 2, "this one and {PROGRAM}");
        for (process, pid) in processes.iter().zip(1..) {
            let expected = json!({"pid": pid, "sid": null, "tty": null, "pidns-level": null});
            assert_eq!(*process, expected);
        }
    });
}
