// SPDX-License-Identifier: GPL-2.0-only

//! Samples of the target.

use std::os::unix::ffi::OsStrExt;

use fixture::child::{Child, as_nobody, in_pid_namespace, in_user_namespace, paused};
use fixture::{eventually, loaded, monitor, procfs};
use procmon::Device;
use procmon::history::{Sample, Target};
use procmon::snapshot::{Groups, SnapshotOptions};
use procmon::sysfs;

use super::{fast, newest, wait_for};

/// The target is in each sample, as a snapshot shows it, until it is reaped. Then the monitor
/// records nothing until the filter is set or reset.
#[test]
fn the_target_is_in_each_sample() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    let child = paused();
    let pid = child.pid();
    device.set_filter(Some(pid)).unwrap();
    let next = newest(&device) + 2;
    let sample = wait_for(&device, next, |_| true);
    let Target::Process(record) = sample.target() else {
        panic!("sample.flags: {sample:?}");
    };
    let options = SnapshotOptions::new().groups(Groups::all()).tgid(pid);
    let snapshot = device.snapshot(&options).unwrap();
    assert_eq!(snapshot.records(), [*record], "sample.process");
    let stat = procfs::stat(pid).unwrap();
    assert_eq!(record.comm().as_bytes(), stat.comm);
    assert_eq!(record.memory().unwrap().virtual_size, stat.vsize);
    let start = record.cpu().unwrap().start;

    child.kill();
    let gone = wait_for(&device, next, |sample| {
        matches!(sample.target(), Target::Gone { .. })
    });
    let start = Some(start);
    assert_eq!(gone.target(), Target::Gone { pid, start });
    // Its past is complete, and no sample comes after its end.
    let samples = sysfs::monitor().unwrap().samples;
    eventually("the monitor goes on", || {
        sysfs::monitor().unwrap().samples > samples + 5
    });
    let history = device.history(next).unwrap();
    let (last, past) = history.samples().split_last().unwrap();
    assert_eq!(last, &gone);
    for (sample, expected) in past.iter().zip(next..) {
        assert_eq!(sample.sequence(), expected);
        assert!(matches!(sample.target(), Target::Process(record) if record.pid() == pid));
    }

    device.set_filter(None).unwrap();
    let sample = wait_for(&device, gone.sequence() + 1, |_| true);
    assert_eq!(sample.sequence(), gone.sequence() + 1);
    assert_eq!(sample.target(), Target::None);
}

/// RESET clears the filter, and so the target.
#[test]
fn reset_takes_the_target_away() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    device.set_filter(Some(1)).unwrap();
    wait_for(&device, 0, |sample| {
        matches!(sample.target(), Target::Process(_))
    });
    device.reset().unwrap();
    let next = newest(&device) + 2;
    assert_eq!(wait_for(&device, next, |_| true).target(), Target::None);
}

/// The end of a target that never existed is recorded at once, without a start.
#[test]
fn a_target_that_does_not_exist() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    let pid = procfs::unused_pid();
    device.set_filter(Some(pid)).unwrap();
    let gone = wait_for(&device, 0, |sample| sample.target() != Target::None);
    assert_eq!(gone.target(), Target::Gone { pid, start: None });
}

/// A target that executes another program stays the target.
#[test]
fn a_target_that_executes_a_program() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let child = Child::spawn(|| {
        nix::unistd::read(&reader, &mut [0]).unwrap();
        let sleep = [c"/bin/sleep", c"1000"];
        nix::unistd::execv(sleep[0], &sleep).unwrap();
    });
    device.set_filter(Some(child.pid())).unwrap();
    let is_named = |sample: &Sample, name: &str| match sample.target() {
        Target::Process(record) => record.comm() == name,
        _ => false,
    };
    let sample = wait_for(&device, 0, |sample| {
        matches!(sample.target(), Target::Process(_))
    });
    assert!(!is_named(&sample, "sleep"));
    nix::unistd::write(&writer, b"x").unwrap();
    wait_for(&device, sample.sequence(), |sample| {
        is_named(sample, "sleep")
    });
    child.kill();
}

/// A filter is a PID of the caller's namespace, and the target has another PID outside of it.
#[test]
fn a_target_named_in_a_pid_namespace() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    in_pid_namespace(|| {
        nix::sys::prctl::set_name(c"the target").unwrap();
        device.set_filter(Some(1)).unwrap();
        // Samples have PIDs of the initial namespace, which a caller in another one must not see.
        let error = device.history(0).unwrap_err();
        assert_eq!(error.kind(), procmon::ErrorKind::NoPermission);
        // The next sample may have been begun before.
        let before = monitor::samples();
        eventually("two samples", || monitor::samples() >= before + 2);
    });
    let sample = wait_for(&device, 0, |sample| {
        matches!(sample.target(), Target::Process(_))
    });
    let Target::Process(record) = sample.target() else {
        unreachable!();
    };
    assert_eq!(record.comm(), "the target");
    assert!(record.pid() > 1);
}

/// A caller without rights over the target gets no more than from `/proc`.
#[test]
fn rights_over_the_target() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    device.set_filter(Some(1)).unwrap();
    let sample = wait_for(&device, 0, |sample| {
        matches!(sample.target(), Target::Process(_))
    });
    let io = |sample: &Sample| match sample.target() {
        Target::Process(record) => record.io(),
        _ => panic!("{sample:?}"),
    };
    assert!(io(&sample).is_some());
    as_nobody(|| {
        let history = device.history(sample.sequence()).unwrap();
        assert_eq!(io(&history.samples()[0]), None);
    });
    in_user_namespace(|| {
        let error = device.history(0).unwrap_err();
        assert_eq!(error.kind(), procmon::ErrorKind::NoPermission);
    });
}
