// SPDX-License-Identifier: GPL-2.0-only

//! Waiting for samples by poll(2) and epoll(7).

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use fixture::child::Child;
use fixture::{loaded, monitor, procfs};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use procmon::Device;
use procmon::sysfs::Parameter;

use super::{fast, newest, wait_for};

fn ready(device: &Device, timeout: u16) -> PollFlags {
    let mut fds = [PollFd::new(device.as_fd(), PollFlags::all())];
    poll(&mut fds, PollTimeout::from(timeout)).unwrap();
    fds[0].revents().unwrap()
}

/// poll(2) reports samples that a file has not fetched.
#[test]
fn poll_tells_of_new_samples() {
    let (_kernel, _module) = loaded("monitor_interval_ms=500");
    let device = Device::open().unwrap();
    let always =
        PollFlags::POLLIN | PollFlags::POLLOUT | PollFlags::POLLRDNORM | PollFlags::POLLWRNORM;
    wait_for(&device, 0, |_| true);
    // A sample that one file has fetched is still new for another one.
    let other = Device::open().unwrap();
    assert_eq!(ready(&other, 0), always | PollFlags::POLLPRI);
    device.history(0).unwrap();
    assert_eq!(ready(&device, 0), always);
    let start = Instant::now();
    assert!(device.wait_for_sample(Some(fixture::PATIENCE)).unwrap());
    assert!(
        start.elapsed() < fixture::PATIENCE / 2,
        "{:?}",
        start.elapsed()
    );
    assert_eq!(ready(&device, 0), always | PollFlags::POLLPRI);
    // It stays so until the sample is fetched.
    assert!(device.wait_for_sample(None).unwrap());
    device.history(0).unwrap();
    // A sample may be due before the change.
    monitor::rest();
    device.history(0).unwrap();
    assert!(
        !device
            .wait_for_sample(Some(Duration::from_millis(50)))
            .unwrap()
    );
}

/// A sample wakes processes that wait by poll(2), or by epoll(7).
#[test]
fn waiting_for_samples() {
    let (_kernel, _module) = loaded("monitor_interval_ms=100");
    let device = Device::open().unwrap();
    let mut events = device.sample_events().unwrap();
    let before = newest(&device);
    for _ in 0..5 {
        events.wait().unwrap();
    }
    // The first event may be that of an earlier sample.
    assert!(newest(&device) >= before + 4);
    let mut next = newest(&device) + 1;
    for _ in 0..5 {
        let history = device.history(next).unwrap();
        next = history.next();
        assert!(device.wait_for_sample(None).unwrap());
        assert!(newest(&device) >= next);
    }
}

/// After a process that polls a file was killed, the module can be unloaded.
#[test]
fn unloading_after_polling() {
    let (_kernel, module) = loaded(&fast());
    let device = Device::open().unwrap();
    let events = device.sample_events().unwrap();
    drop(events);
    let waiting = Child::spawn(|| {
        // So that no further sample comes.
        Parameter::MonitorIntervalMs.set(3_600_000).unwrap();
        let events = PollFlags::POLLERR;
        let mut fds = [PollFd::new(device.as_fd(), events)];
        poll(&mut fds, PollTimeout::NONE).unwrap();
    });
    procfs::wait_for_state(waiting.pid(), 'S');
    waiting.kill();
    drop(device);
    module.unload().unwrap();
}
