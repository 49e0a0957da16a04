// SPDX-License-Identifier: GPL-2.0-only

//! Arguments of processes that execute other programs, or end soon.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::Command;

use fixture::child::Child;
use fixture::{eventually, shared};
use procmon::snapshot::SnapshotOptions;
use procmon::{Device, Snapshot};

/// The arguments are of the program of the record, however often a process executes another one.
#[test]
fn arguments_belong_to_the_record() {
    let _kernel = shared();
    let directory = std::env::temp_dir().join("cmdlines");
    fs::create_dir_all(&directory).unwrap();
    // Each of the two executes the other one: they are one file by two names.
    for (name, other) in [("one", "two"), ("two", "one")] {
        symlink("/bin/busybox", directory.join(name)).unwrap();
        let script = format!("exec -a sh ./{other} script-of-{other}\n");
        fs::write(directory.join(format!("script-of-{name}")), script).unwrap();
    }
    let child = Child::spawn(|| {
        let mut first = Command::new("./one");
        first
            .current_dir(&directory)
            .arg0("sh")
            .arg("script-of-one");
        panic!("{}", first.exec());
    });
    let pid = child.pid();
    let device = Device::open().unwrap();
    let options = SnapshotOptions::new().tgid(pid).arguments(256);
    let (mut seen, mut names) = (0, HashMap::new());
    eventually("two programs, many times", || {
        let snapshot = device.snapshot(&options).unwrap();
        let (Some(record), Some(arguments)) = (snapshot.get(pid), snapshot.arguments(pid)) else {
            return false;
        };
        let name = record.comm().to_string_lossy().into_owned();
        assert!(!record.is_mixed(), "args of a mixed record");
        if name == "one" || name == "two" {
            let list: Vec<_> = arguments.iter().collect();
            let script = format!("script-of-{name}");
            assert_eq!(list, ["sh", &script], "args of another program");
            *names.entry(name).or_insert(0) += 1;
            seen += 1;
        }
        seen >= 300 && names.len() == 2
    });
    child.kill();
    fs::remove_dir_all(&directory).unwrap();
}

/// Processes that come and go at a high rate have the right ones or none.
#[test]
fn arguments_in_a_storm() {
    const LIVES: usize = 30;

    let _kernel = shared();
    let _storm = Child::spawn(|| {
        loop {
            let mut children: Vec<_> = (0..5)
                .map(|_| Command::new("/bin/true").arg("storm").spawn().unwrap())
                .collect();
            for child in &mut children {
                child.wait().unwrap();
            }
        }
    });
    let device = Device::open().unwrap();
    let options = SnapshotOptions::new().arguments(128);
    let mut seen = 0;
    let mut snapshot = Snapshot::default();
    eventually("arguments of short lives", || {
        device.snapshot_into(&options, &mut snapshot).unwrap();
        for record in &snapshot {
            let arguments = snapshot.arguments(record.pid());
            if let Some(arguments) = arguments.filter(|_| record.comm() == "true") {
                let list: Vec<_> = arguments.iter().collect();
                assert_eq!(list, ["/bin/true", "storm"], "args of {}", record.pid());
                seen += 1;
            }
        }
        seen >= LIVES
    });
}
