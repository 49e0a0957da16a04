// SPDX-License-Identifier: GPL-2.0-only

//! Answers to callers in time and cgroup namespaces, compared with `/proc` for the same callers.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fixture::child::{Child, in_child, paused};
use fixture::{eventually, loaded, procfs, shared};
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::pause;
use procmon::Device;
use procmon::events::{EventKind, EventOptions};
use procmon::history::{Sample, Target};
use procmon::snapshot::{Groups, Record, SnapshotOptions};

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

fn record_of(device: &Device, pid: i32) -> Record {
    let options = SnapshotOptions::new().groups(Groups::all()).tgid(pid);
    device.snapshot(&options).unwrap().records()[0]
}

/// Runs `body` in a new time namespace whose clock `CLOCK_BOOTTIME` is ahead by some seconds.
fn in_time_namespace(seconds: i64, body: impl FnOnce()) {
    in_child(|| {
        // SAFETY: The call takes flags only.
        let result = unsafe { libc::unshare(libc::CLONE_NEWTIME) };
        nix::errno::Errno::result(result).unwrap();
        fs::write(
            "/proc/self/timens_offsets",
            format!("boottime {seconds} 0\n"),
        )
        .unwrap();
        // Children are in it.
        in_child(body);
    });
}

fn boottime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap().into()
}

/// Returns the first number of `/proc/uptime`, in hundredths of a second.
fn uptime() -> u128 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let uptime = uptime.split(' ').next().unwrap();
    uptime.replace('.', "").parse().unwrap()
}

fn hundredths(time: Duration) -> u128 {
    time.as_nanos() / 10_000_000
}

/// Returns offsets to try. The clock must not become negative.
fn offsets() -> [i64; 3] {
    eventually("some time to set back", || {
        boottime() > Duration::from_secs(2)
    });
    [1_000_000, 1, -1]
}

/// Times of a snapshot are those of the caller's clock, and starts are those of the caller's
/// `/proc`.
#[test]
fn times_of_a_snapshot() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    for offset in offsets() {
        in_time_namespace(offset, || {
            let options = SnapshotOptions::new().groups(Groups::CPU);
            let before = (boottime(), uptime());
            let time = device.snapshot(&options).unwrap().time().since_boot();
            let after = (boottime(), uptime());
            assert!((before.0..=after.0).contains(&time), "{offset}: {time:?}");
            assert!((before.1..=after.1).contains(&hundredths(time)));
            for pid in [1, own_pid()] {
                let start = record_of(&device, pid).cpu().unwrap().start.since_boot();
                let expected = procfs::start_time(pid).unwrap();
                assert_eq!(hundredths(start), expected, "PID {pid}, offset {offset}");
            }
        });
    }
}

/// Times of samples, and the target's start in them, are those of the caller's clock, too.
#[test]
fn times_of_the_history() {
    let (_kernel, _module) = loaded("monitor_interval_ms=10");
    let device = Device::open().unwrap();
    let child = Child::spawn(|| {
        loop {
            pause();
        }
    });
    let pid = child.pid();
    device.set_filter(Some(pid)).unwrap();
    let mut first = None;
    eventually("a sample of the process", || {
        let history = device.history(0).unwrap();
        let mut samples = history.samples().iter();
        let has_target = |sample: &&Sample| matches!(sample.target(), Target::Process(_));
        first = samples.find(has_target).copied();
        first.is_some()
    });
    let first = first.unwrap();
    let start = |sample: &Sample| match sample.target() {
        Target::Process(record) => record.cpu().unwrap().start.since_boot(),
        Target::Gone { start, .. } => start.unwrap().since_boot(),
        _ => panic!("{sample:?}"),
    };
    for offset in offsets() {
        in_time_namespace(offset, || {
            let sample = device.history(first.sequence()).unwrap().samples()[0];
            assert_eq!(sample.sequence(), first.sequence());
            let expected = i128::try_from(first.time().since_boot().as_nanos()).unwrap();
            let shifted = i128::try_from(sample.time().since_boot().as_nanos()).unwrap();
            assert_eq!(shifted - expected, i128::from(offset) * 1_000_000_000);
            assert!(sample.time().since_boot() <= boottime());
            let expected = procfs::start_time(pid).unwrap();
            assert_eq!(hundredths(start(&sample)), expected);
        });
    }
    child.kill();
    let mut gone = None;
    eventually("the end of the process", || {
        gone = device.history(0).unwrap().samples().last().copied();
        matches!(gone.unwrap().target(), Target::Gone { .. })
    });
    let gone = gone.unwrap();
    assert_eq!(start(&gone), start(&first));
    in_time_namespace(1_000_000, || {
        let shifted = device.history(gone.sequence()).unwrap().samples()[0];
        assert_eq!(
            start(&shifted) - start(&gone),
            Duration::from_secs(1_000_000)
        );
    });
}

/// Times of events are those of the caller's clock, and name processes as records do.
#[test]
fn times_of_events() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    for offset in offsets() {
        in_time_namespace(offset, || {
            let mut events = device.events(&EventOptions::new()).unwrap();
            let before = boottime();
            let child = paused();
            let after = boottime();
            let starts = [own_pid(), child.pid()].map(|pid| {
                let record = record_of(&device, pid);
                record.cpu().unwrap().start
            });
            let mut found = false;
            for event in events.wait(Some(Duration::ZERO)).unwrap() {
                if let (true, EventKind::Fork(fork)) = (event.pid() == child.pid(), event.kind()) {
                    found = true;
                    let time = event.time().since_boot();
                    assert!((before..=after).contains(&time), "{time:?}");
                    assert_eq!(event.start(), starts[1]);
                    assert_eq!(fork.parent_start(), starts[0]);
                    assert_eq!(fork.creator_start(), starts[0]);
                }
            }
            assert!(found);
            child.kill();
        });
    }
}

/// Starts a process in a cgroup that sleeps until it is killed.
fn sleeper_in(cgroup: &Path) -> Child {
    let child = Child::spawn(|| {
        loop {
            pause();
        }
    });
    fs::write(cgroup.join("cgroup.procs"), child.pid().to_string()).unwrap();
    child
}

/// Returns the path of a process's cgroup in the unified hierarchy, by `/proc`.
fn cgroup_of(pid: i32) -> String {
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"));
    path.unwrap().to_owned()
}

/// A caller in a cgroup namespace sees the IDs of cgroups below its root, and of no other ones.
#[test]
fn cgroups_outside_of_the_namespace() {
    let _kernel = shared();
    let root = PathBuf::from("/tmp/cgroups");
    fs::create_dir_all(&root).unwrap();
    let flags = MsFlags::empty();
    mount(Some("none"), &root, Some("cgroup2"), flags, None::<&str>).unwrap();
    let [a, b, beside] = ["a", "a/b", "beside"].map(|name| {
        let path = root.join(name);
        fs::create_dir(&path).unwrap();
        path
    });
    let id = |path: &Path| Some(fs::metadata(path).unwrap().ino());
    let expected = [
        (sleeper_in(&a), "/", id(&a)),
        (sleeper_in(&b), "/b", id(&b)),
        (sleeper_in(&beside), "/../beside", None),
    ];
    let device = Device::open().unwrap();
    // A namespace whose root is that of the hierarchy hides nothing, as the initial one.
    in_child(|| {
        unshare(CloneFlags::CLONE_NEWCGROUP).unwrap();
        let own = record_of(&device, own_pid());
        assert_eq!(own.cgroup_id(), id(&root));
        let other = record_of(&device, expected[2].0.pid());
        assert_eq!(other.cgroup_id(), id(&beside));
    });
    in_child(|| {
        fs::write(a.join("cgroup.procs"), "0").unwrap();
        unshare(CloneFlags::CLONE_NEWCGROUP).unwrap();
        for (child, path, id) in &expected {
            assert_eq!(cgroup_of(child.pid()), *path);
            let record = record_of(&device, child.pid());
            assert_eq!(record.cgroup_id(), *id, "{path}");
            assert_eq!(record.groups().contains(Groups::CGROUP), id.is_some());
        }
        assert_eq!(cgroup_of(1), "/..");
        assert_eq!(record_of(&device, 1).cgroup_id(), None);
        // The hidden ID is not left in the bytes of the record either.
        let records = device
            .snapshot(&SnapshotOptions::new().groups(Groups::all()))
            .unwrap();
        let told = records
            .records()
            .iter()
            .filter(|record| record.cgroup_id().is_some())
            .map(Record::pid)
            .collect::<Vec<_>>();
        assert_eq!(told, [expected[0].0.pid(), expected[1].0.pid(), own_pid()]);
    });
    for (child, _, _) in expected {
        child.kill();
    }
    for path in [&b, &a, &beside] {
        eventually("the cgroup is empty", || fs::remove_dir(path).is_ok());
    }
    umount(&root).unwrap();
}
