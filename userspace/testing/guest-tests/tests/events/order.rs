// SPDX-License-Identifier: GPL-2.0

//! Order and completeness.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use fixture::procfs::forks;
use fixture::{is_own_kernel, shared};
use procmon::Device;
use procmon::events::{EventKind, EventOptions};

use super::Life;

/// While several threads execute programs as fast as they can, each process is told of once, from
/// its beginning to its end, and sequence numbers and times go up.
#[test]
fn lives_in_a_storm() {
    let _kernel = shared();
    let programs = if is_own_kernel() { 20 } else { 100 };
    let device = Device::open().unwrap();
    let options = EventOptions::new().classes(procmon::events::Classes::all());
    let mut events = device.events(&options).unwrap();
    let before = forks();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..programs {
                    assert!(Command::new("/bin/true").status().unwrap().success());
                }
            });
        }
    });
    let after = forks();
    let mut last = (0, Duration::ZERO);
    let mut lives: BTreeMap<i32, Vec<&str>> = BTreeMap::new();
    let mut made = 0;
    loop {
        let batch = events.wait(Some(Duration::ZERO)).unwrap();
        if batch.is_empty() {
            break;
        }
        for event in batch {
            let this = (event.sequence(), event.time().since_boot());
            assert!(
                this.0 > 0 && (last.0 == 0 || this.0 == last.0 + 1),
                "event.sequence: {last:?} {event:?}"
            );
            assert!(this.1 >= last.1, "event.time: {last:?} {event:?}");
            last = this;
            let name = match event.kind() {
                EventKind::Fork(_) => "fork",
                EventKind::Exec(_) => "exec",
                EventKind::Exit(_) => "exit",
                EventKind::ThreadStart(_) => {
                    made += 1;
                    continue;
                }
                EventKind::Lost(lost) => panic!("{lost:?}"),
                _ => continue,
            };
            made += u64::from(name == "fork");
            lives.entry(event.pid()).or_default().push(name);
        }
    }
    // Those of other processes are in both.
    assert_eq!(made, after - before);
    let whole = lives
        .values()
        .filter(|life| life[..] == ["fork", "exec", "exit"])
        .count();
    assert!(whole >= 4 * programs, "{whole} of {}", 4 * programs);
    for (pid, life) in lives {
        let is_known = matches!(
            life[..],
            ["fork", "exec", "exit"] | ["fork", "exit"] | ["exit"]
        );
        assert!(is_known || !life.contains(&"fork"), "{pid}: {life:?}");
    }
}

/// A reader that comes later gets what was recorded for another one.
#[test]
fn what_happened_before() {
    let _kernel = shared();
    let first = Device::open().unwrap();
    let _events = first.events(&EventOptions::new()).unwrap();
    let child = Command::new("/bin/true").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    child.wait_with_output().unwrap();
    let second = Device::open().unwrap();
    let mut events = second
        .events(&EventOptions::new().from_oldest(true))
        .unwrap();
    let told = super::about(&mut events, &[pid]);
    assert!(
        matches!(
            told.iter().map(|told| &told.life).collect::<Vec<_>>()[..],
            [Life::Fork(_), Life::Exec { .. }, Life::Exit(_)]
        ),
        "events.FROM_OLDEST: {told:#?}"
    );
    // Nor does one that comes now.
    let third = Device::open().unwrap();
    let mut events = third.events(&EventOptions::new()).unwrap();
    assert!(super::about(&mut events, &[pid]).is_empty());
}
