// SPDX-License-Identifier: GPL-2.0-only

//! Snapshots of directories with the form of `/proc`, and of the one that is there.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::{Record, State};

/// The files of a task, by its directory below the root.
fn task(root: &Path, directory: &str, name: &str, ppid: i32, threads: u32, switches: u64) {
    let path = root.join(directory);
    fs::create_dir_all(&path).unwrap();
    let flags = if name.starts_with('k') {
        0x0020_0000
    } else {
        0
    };
    let stat = format!(
        "1 ({name}) S {ppid} 0 0 0 0 {flags} 5 0 6 0 7 8 0 0 20 -1 {threads} 0 9 4096 1 0 0 0 0 0 \
         0 0 0 0 0 0 0 0 17 2 0 3 0\n"
    );
    fs::write(path.join("stat"), stat).unwrap();
    let memory = if flags == 0 {
        "VmSize: 8 kB\nRssAnon: 1 kB\nRssFile: 2 kB\nRssShmem: 3 kB\n"
    } else {
        ""
    };
    let status = format!(
        "Name: {name}\nUid: {ppid} 11 12 13\nGid: 14 15 16 17\n{memory}\
         voluntary_ctxt_switches: {switches}\nnonvoluntary_ctxt_switches: 1\n"
    );
    fs::write(path.join("status"), status).unwrap();
    fs::write(
        path.join("io"),
        "rchar: 1\nread_bytes: 512\nwrite_bytes: 1024\n",
    )
    .unwrap();
}

/// A kernel thread, and a process with two threads.
fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (directory, name, ppid, threads, switches) in [
        ("2", "kthreadd", 0, 1, 1),
        ("2/task/2", "kthreadd", 0, 1, 1),
        ("30", "main", 1, 2, 10),
        ("30/task/30", "main", 1, 2, 10),
        ("30/task/31", "other", 1, 2, 5),
    ] {
        task(root.path(), directory, name, ppid, threads, switches);
    }
    fs::create_dir(root.path().join("self")).unwrap();
    root
}

fn take(root: &TempDir, options: &SnapshotOptions) -> Snapshot {
    let mut snapshot = Snapshot::default();
    fill(root.path(), options, &mut snapshot).unwrap();
    snapshot
}

fn pids(root: &TempDir, options: &SnapshotOptions) -> Vec<i32> {
    take(root, options).iter().map(Record::pid).collect()
}

#[test]
fn records_have_the_groups_that_are_requested() {
    let root = root();
    let all = take(&root, &SnapshotOptions::new().groups(Groups::all()));
    assert_eq!(all.groups(), GROUPS);
    let record = all.get(30).unwrap();
    assert_eq!((record.pid(), record.tgid(), record.ppid()), (30, 30, 1));
    assert_eq!((record.state(), record.threads()), (State::Sleeping, 2));
    assert_eq!(record.comm(), "main");
    let cpu = record.cpu().unwrap();
    assert_eq!(cpu.user, Duration::from_millis(70));
    assert_eq!(cpu.system, Duration::from_millis(80));
    assert_eq!(cpu.start, BootTime::from_nanos(90_000_000));
    assert_eq!((cpu.last, cpu.nice, cpu.policy), (2, -1, 3));
    let ids = record.credentials().unwrap();
    assert_eq!((ids.uid, ids.euid, ids.gid, ids.egid), (1, 11, 14, 15));
    let memory = record.memory().unwrap();
    assert_eq!((memory.virtual_size, memory.anonymous), (8192, 1024));
    assert_eq!((memory.file, memory.shared), (2048, 3072));
    let faults = record.faults().unwrap();
    assert_eq!((faults.minor, faults.major), (5, 6));
    let switches = record.switches().unwrap();
    assert_eq!((switches.voluntary, switches.involuntary), (15, 2));
    let io = record.io().unwrap();
    assert_eq!((io.read, io.written), (512, 1024));
    assert_eq!((record.runtime(), record.cgroup_id()), (None, None));
    assert_eq!(all.get(2).unwrap().memory(), None);

    let few = take(&root, &SnapshotOptions::new().groups(Groups::IO));
    let groups = Groups::BASIC | Groups::IO;
    assert_eq!(few.groups(), groups);
    let record = few.get(30).unwrap();
    assert_eq!(record.groups(), groups);
    assert_eq!((record.0.utime, record.0.uid, record.0.vsize), (0, 0, 0));
}

#[test]
fn options_select_as_those_of_the_module() {
    let root = root();
    let options = SnapshotOptions::new;
    assert_eq!(pids(&root, &options()), [2, 30]);
    assert_eq!(pids(&root, &options().kernel_threads(false)), [30]);
    assert_eq!(pids(&root, &options().ppid(0)), [2]);
    assert_eq!(pids(&root, &options().uid(1)), [30]);
    assert_eq!(pids(&root, &options().uid(11)), [0; 0]);
    assert_eq!(pids(&root, &options().tgid(30)), [30]);
    // The ID of a thread is none of a process.
    assert_eq!(pids(&root, &options().tgid(31)), [0; 0]);
    let threads = options().threads(true);
    assert_eq!(pids(&root, &threads), [2, 30, 31]);
    assert_eq!(pids(&root, &threads.clone().tgid(30)), [30, 31]);

    let snapshot = take(&root, &threads.groups(Groups::SWITCHES));
    assert!(snapshot.is_of_threads());
    let thread = snapshot.get(31).unwrap();
    assert_eq!(
        (thread.tgid(), thread.comm().as_bytes()),
        (30, &b"other"[..])
    );
    assert_eq!(thread.switches().unwrap().voluntary, 5);
}

#[test]
fn what_is_missing_or_closed_is_absent() {
    let root = root();
    let path = |name: &str| root.path().join(name);
    let all = SnapshotOptions::new().groups(Groups::all());
    fs::remove_file(path("30/io")).unwrap();
    fs::write(path("30/status"), "Name: x\nUid: 1\n").unwrap();
    let snapshot = take(&root, &all);
    let record = snapshot.get(30).unwrap();
    assert_eq!((record.io(), record.credentials()), (None, None));
    assert_eq!(record.memory(), None);

    // A process that has ended has no files, and one that is just ending has files that say so.
    fs::create_dir(path("40")).unwrap();
    task(root.path(), "41", "reaped", 1, 0, 0);
    task(root.path(), "42", "odd", 1, 1, 0);
    fs::write(path("42/stat"), "42 (odd) S 1\n").unwrap();
    fs::write(path("43"), "").unwrap();
    assert_eq!(pids(&root, &all), [2, 30]);
    assert_eq!(pids(&root, &all.clone().threads(true)), [2, 30, 31]);

    // As with hidepid=1, if this is not root, who may read all the same.
    fs::set_permissions(path("30"), fs::Permissions::from_mode(0o000)).unwrap();
    let found = pids(&root, &all);
    assert!(
        found == [2] || rustix::process::geteuid().is_root(),
        "{found:?}"
    );
    fs::set_permissions(path("30"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn the_present_process_is_there_with_its_threads() {
    let own = std::process::id().cast_signed();
    let options = SnapshotOptions::new().tgid(own).groups(Groups::all());
    thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let handle = scope.spawn(move || receiver.recv());
        let snapshot = snapshot(&options).unwrap();
        assert_eq!(snapshot.len(), 1);
        let record = &snapshot.records()[0];
        assert!(record.threads() >= 2);
        let ids = record.credentials().unwrap();
        assert_eq!(ids.uid, rustix::process::getuid().as_raw());
        assert_eq!(ids.egid, rustix::process::getegid().as_raw());
        assert_eq!(
            record.ppid(),
            rustix::process::getppid().unwrap().as_raw_nonzero().get()
        );
        assert!(record.memory().unwrap().resident() > 0);
        assert!(record.cpu().unwrap().start <= snapshot.time());
        assert!(snapshot.time() <= snapshot.end());

        let mut threads = snapshot;
        snapshot_into(&options.clone().threads(true), &mut threads).unwrap();
        assert!(threads.len() >= 2);
        assert!(threads.iter().all(|thread| thread.tgid() == own));
        drop(sender);
        handle.join().unwrap().unwrap_err();
    });
}

#[test]
fn a_directory_that_is_missing_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let mut snapshot = Snapshot::default();
    let path = root.path().join("missing");
    let error = fill(&path, &SnapshotOptions::new(), &mut snapshot).unwrap_err();
    assert_eq!(error, rustix::io::Errno::NOENT);
    let error = failure(error);
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(
        error
            .to_string()
            .starts_with("/proc cannot be read: No such file"),
        "{error}"
    );
}
