// SPDX-License-Identifier: GPL-2.0-only

//! Events while the module comes and goes, and those of the time without a reader.

use std::process::Command;
use std::time::Duration;

use fixture::child::Child;
use fixture::module::Module;
use fixture::{KernelGuard, is_long, loaded, module};
use nix::errno::Errno;
use procmon::Device;
use procmon::events::EventOptions;

use super::{Life, about};

/// While processes come and go as fast as they can, the module is loaded, read from, and unloaded
/// again. A probe that was left would be called then, where there is no code any more.
#[test]
fn in_a_storm() {
    let _kernel = KernelGuard::new();
    let storms: Vec<_> = (0..2)
        .map(|_| {
            Child::spawn(|| {
                loop {
                    assert!(Command::new("/bin/true").status().unwrap().success());
                }
            })
        })
        .collect();
    let rounds = if is_long() { 20 } else { 4 };
    for round in 0..rounds {
        // Also with probes of its own.
        let loaded = Module::load(&format!("events_record={}", round % 2)).unwrap();
        let device = Device::open().unwrap();
        let mut events = device.events(&EventOptions::new()).unwrap();
        assert!(!events.wait(None).unwrap().is_empty());
        let (loaded, errno) = loaded.unload().expect_err("a reader is there");
        assert_eq!(errno, Errno::EWOULDBLOCK);
        drop(device);
        loaded.unload().map_err(|(_, errno)| errno).unwrap();
        assert!(!module::is_loaded());
    }
    // Those that a probe might still see.
    for _ in 0..10 {
        Command::new("/bin/true").status().unwrap();
    }
    storms.into_iter().for_each(Child::kill);
}

/// With the recorder, a reader that comes later is told of a process that ended before.
#[test]
fn the_recorder_has_what_happened_before() {
    let run = || {
        let child = Command::new("/bin/true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait_with_output().unwrap();
        pid
    };
    for is_recorded in [false, true] {
        let (_kernel, _module) = loaded(&format!("events_record={}", u8::from(is_recorded)));
        let pid = run();
        let device = Device::open().unwrap();
        let options = EventOptions::new().from_oldest(true);
        let mut events = device.events(&options).unwrap();
        let told = about(&mut events, &[pid]);
        if is_recorded {
            assert!(matches!(
                told.iter().map(|told| &told.life).collect::<Vec<_>>()[..],
                [Life::Fork(_), Life::Exec { .. }, Life::Exit(_)]
            ));
        } else {
            assert!(told.is_empty(), "{told:?}");
        }
    }
}

/// A reader that has gone leaves nothing that is recorded.
#[test]
fn nothing_is_recorded_without_a_reader() {
    let (_kernel, _module) = loaded("");
    let newest = || {
        let device = Device::open().unwrap();
        let events = device.events(&EventOptions::new()).unwrap();
        events.newest()
    };
    let device = Device::open().unwrap();
    let mut events = device.events(&EventOptions::new()).unwrap();
    Command::new("/bin/true").status().unwrap();
    while !events.wait(Some(Duration::ZERO)).unwrap().is_empty() {}
    drop(device);
    let before = newest();
    assert!(before >= 3);
    for _ in 0..20 {
        Command::new("/bin/true").status().unwrap();
    }
    // The kernel makes threads of its own while the two calls have events recorded.
    let after = newest();
    assert!(after - before < 10, "{before} {after}");
}
