// SPDX-License-Identifier: GPL-2.0-only

//! Records for callers in namespaces and without privileges.

use std::fs;

use fixture::child::{as_nobody, in_pid_namespace, in_user_namespace, paused};
use fixture::shared;
use procmon::Device;
use procmon::snapshot::Record;

use super::{all, find, own_pid, snapshot};

/// A snapshot in a PID namespace has the processes in it, with their PIDs there.
#[test]
fn pids_are_those_of_the_namespace() {
    let _kernel = shared();
    in_pid_namespace(|| {
        let child = paused();
        let records = snapshot(&all());
        let pids: Vec<_> = records.iter().map(Record::pid).collect();
        assert_eq!(pids, [1, child.pid()]);
        assert_eq!(records[0].ppid(), 0);
        assert_eq!(records[1].ppid(), 1);
        assert_eq!((records[0].tgid(), records[1].tgid()), (1, child.pid()));
        child.kill();
    });
}

/// In a user namespace, unmapped users are the overflow user.
#[test]
fn users_of_another_namespace() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    in_user_namespace(|| {
        let snapshot = device.snapshot(&all()).unwrap();
        let own = find(snapshot.records(), own_pid()).unwrap();
        assert_eq!(own.credentials().unwrap().uid, 65534);
        let init = find(snapshot.records(), 1).unwrap();
        assert_eq!(init.credentials().unwrap().euid, 65534);
        // Capabilities in the caller's own namespace give no rights over processes outside.
        assert_eq!(init.io(), None);
        assert!(own.io().is_some());
    });
}

/// A caller without rights over a process gets no more than from `/proc`.
#[test]
fn io_is_for_those_who_may_trace() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let child = paused();
    as_nobody(|| {
        let snapshot = device.snapshot(&all()).unwrap();
        let record = find(snapshot.records(), child.pid()).unwrap();
        assert!(fs::read(format!("/proc/{}/io", child.pid())).is_err());
        assert_eq!(record.io(), None);
        let own = find(snapshot.records(), own_pid()).unwrap();
        assert!(own.io().is_some());
    });
    child.kill();
}
