// SPDX-License-Identifier: GPL-2.0-only

//! Values of directories with the form of `/proc`.

use std::fs;

use procmon::snapshot::Groups;
use procmon::uapi;

use super::*;

/// The time of a clock tick in ns.
const TICK: u64 = 10_000_000;

fn record(pid: i32, start_time: u64, groups: Groups) -> Record {
    let raw = uapi::procmon_record {
        pid,
        start_time,
        groups: groups.bits(),
        ..Default::default()
    };
    raw.into()
}

/// Writes the files of a process with this session and this start.
fn write(mount: &Path, pid: i32, session: i32, start: u64) {
    let directory = mount.join(pid.to_string());
    fs::create_dir_all(&directory).unwrap();
    let stat = format!(
        "{pid} (a) b) S 1 20 {session} 0 -1 4194304 \
         98 0 0 0 0 0 0 0 20 0 1 0 {start} 3133440 406 0 0 0 0 0 0 \
         0 0 0 0 0 0 0 17 1 50 2 25 0 0\n"
    );
    fs::write(directory.join("stat"), stat).unwrap();
    let status = format!("Name:\ta) b\nNStgid:\t7\t1\nNSpid:\t{pid}\t9\t1\nThreads:\t1\n");
    fs::write(directory.join("status"), status).unwrap();
}

#[test]
fn values_come_from_their_files() {
    let mount = tempfile::tempdir().unwrap();
    write(mount.path(), 7, 5, 300);
    let directory = mount.path().join("7");
    let files = ProcFiles::at(mount.path());
    let process = record(7, 300 * TICK, Groups::CPU);
    assert_eq!(files.swap(&process), None, "as of a kernel thread");
    for (file, text) in [
        ("cmdline", &b"sh\0-c\0\xff\0"[..]),
        ("schedstat", b"123456 7000000 8\n"),
        ("oom_score", b"667\n"),
        ("wchan", b"do_wait"),
        (
            "smaps_rollup",
            b"5581 [rollup]\nRss: 100 kB\nPss: 40 kB\nPss_Dirty: 1 kB\n\
              Private_Clean: 8 kB\nPrivate_Dirty: 4 kB\n",
        ),
        (
            "status",
            b"Name:\tsh\nVmSwap:\t  12 kB\nNSpid:\t7\nCapEff:\t0000000000000400\n",
        ),
    ] {
        fs::write(directory.join(file), text).unwrap();
    }
    std::os::unix::fs::symlink("/bin/a b (deleted)", directory.join("exe")).unwrap();
    // What was absent stays so until the next snapshot.
    let mut files = files;
    files.refresh(&[process]);
    let line = files.command_line(&process);
    assert_eq!(line.as_deref(), Some(&b"sh\0-c\0\xff\0"[..]));
    let executable = files.executable(&process);
    assert_eq!(executable.as_deref(), Some(&b"/bin/a b (deleted)"[..]));
    assert_eq!(files.swap(&process), Some(12 << 10));
    let memory = files.memory(&process).unwrap();
    assert_eq!((memory.proportional, memory.unique), (40 << 10, 12 << 10));
    assert_eq!(files.oom_score(&process), Some(667));
    assert_eq!(files.cpu_delay(&process), Some(Duration::from_millis(7)));
    assert_eq!(files.io_delay(&process), Some(Duration::from_millis(250)));
    assert_eq!(files.real_time_priority(&process), Some(50));
    assert_eq!(files.wait_channel(&process).as_deref(), Some("do_wait"));
    let capabilities = files.capabilities(&process);
    assert_eq!(capabilities.as_deref(), Some("NET_BIND_SERVICE"));
    fs::write(directory.join("wchan"), "0").unwrap();
    fs::create_dir_all(mount.path().join("sys/kernel")).unwrap();
    fs::write(mount.path().join("sys/kernel/cap_last_cap"), "10\n").unwrap();
    let status = "CapEff:\t00000000000007ff\n";
    fs::write(directory.join("status"), status).unwrap();
    let files = ProcFiles::at(mount.path());
    assert_eq!(files.wait_channel(&process), None);
    assert_eq!(files.capabilities(&process).as_deref(), Some("full"));
}

#[test]
fn values_are_those_of_the_same_process() {
    let mount = tempfile::tempdir().unwrap();
    write(mount.path(), 7, 5, 300);
    let files = ProcFiles::at(mount.path());
    for (nanoseconds, session) in [
        (300 * TICK, Some(5)),
        (301 * TICK - 1, Some(5)),
        (301 * TICK, None),
        (300 * TICK - 1, None),
        (0, None),
    ] {
        let record = record(7, nanoseconds, Groups::CPU);
        assert_eq!(files.session(&record), session, "{nanoseconds}");
    }
    let same = record(7, 300 * TICK, Groups::CPU);
    assert_eq!(files.process_group(&same), Some(20));
    assert_eq!(files.terminal(&same).as_deref(), Some(&b"?"[..]));
    assert_eq!(files.foreground_group(&same), None);
    assert_eq!(files.pid_namespace_level(&same), Some(2));
    assert_eq!(files.session(&record(8, 300 * TICK, Groups::CPU)), None);
    // Whose start is not known.
    assert_eq!(files.session(&record(7, 300 * TICK, Groups::BASIC)), None);
}

#[test]
fn values_that_change_are_read_once_for_each_snapshot() {
    let mount = tempfile::tempdir().unwrap();
    let mut files = ProcFiles::at(mount.path());
    let record = record(7, 300 * TICK, Groups::CPU);
    assert_eq!(files.pid_namespace_level(&record), None);
    write(mount.path(), 7, 5, 300);
    assert_eq!(files.pid_namespace_level(&record), None);
    files.refresh(&[record]);
    assert_eq!(files.session(&record), Some(5));
    assert_eq!(files.pid_namespace_level(&record), Some(2));
    write(mount.path(), 7, 6, 300);
    assert_eq!(files.session(&record), Some(5));
    files.refresh(&[record]);
    assert_eq!(files.session(&record), Some(6));
    fs::remove_dir_all(mount.path().join("7")).unwrap();
    files.refresh(&[record]);
    assert_eq!(files.session(&record), None);
    // This one is kept.
    assert_eq!(files.pid_namespace_level(&record), Some(2));
}

#[test]
fn processes_outside_of_the_snapshot_are_forgotten() {
    let mount = tempfile::tempdir().unwrap();
    let mut files = ProcFiles::at(mount.path());
    let records = [1, 2, 3].map(|pid| record(pid, 300 * TICK, Groups::CPU));
    for record in &records {
        write(mount.path(), record.pid(), 5, 300);
        assert_eq!(files.session(record), Some(5));
    }
    let reused = record(2, 400 * TICK, Groups::CPU);
    files.refresh(&[records[0], reused]);
    let known: Vec<_> = files.cache.get_mut().entries.keys().copied().collect();
    assert_eq!(known, [identity(&records[0]).unwrap()]);
}

#[test]
fn without_proc_all_is_absent() {
    let own = i32::try_from(std::process::id()).unwrap();
    let record = record(own, 0, Groups::CPU);
    assert_eq!(ProcFiles::default().session(&record), None);
    assert_eq!(ProcFiles::at("/nonexistent").session(&record), None);
}
