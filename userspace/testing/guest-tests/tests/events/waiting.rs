// SPDX-License-Identifier: GPL-2.0-only

//! Calls that wait for events, and poll(2).

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use fixture::child::in_child;
use fixture::memory::{PAGE, Region};
use fixture::raw::call;
use fixture::{eventually, open, procfs, shared};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::gettid;
use procmon::events::{Classes, EventOptions, Events};
use procmon::{Device, uapi};

use super::values::own_pid;

/// The size of an event of a process that was made.
const FORK: usize = size_of::<uapi::procmon_event_fork>();

/// Runs `body` in a thread, and when that sleeps, calls a function with its ID. Returns the result
/// of `body`.
fn while_it_waits<T: Send>(body: impl FnOnce() -> T + Send, then: impl FnOnce(i32)) -> T {
    let (report, tids) = channel();
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            report.send(gettid().as_raw()).unwrap();
            body()
        });
        let tid = tids.recv().unwrap();
        eventually("the thread sleeps", || {
            thread.is_finished() || procfs::is_in_state(tid, 'S')
        });
        then(tid);
        thread.join().unwrap()
    })
}

/// Returns arguments for the names of tasks.
fn arguments(region: &Region, capacity: usize) -> uapi::procmon_events {
    uapi::procmon_events {
        size: size_of::<uapi::procmon_events>() as u32,
        classes: Classes::RENAME.bits(),
        timeout_ms: -1,
        buffer: region.start().as_ptr() as u64,
        capacity: u32::try_from(capacity).unwrap(),
        ..Default::default()
    }
}

fn make(processes: usize) {
    for _ in 0..processes {
        in_child(|| ());
    }
}

/// A call returns when there is as much as it waits for, and not before, though there are some
/// events at its beginning.
#[test]
fn until_there_is_enough() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let options = EventOptions::new().classes(Classes::FORK);
    let size = u32::try_from(20 * FORK).unwrap();
    let mut events = device.events(&options.batch_bytes(size)).unwrap();
    for pending in [0, 1, 3] {
        make(pending);
        let count = while_it_waits(|| events.wait(None).unwrap().count(), |_| make(30));
        assert!(count >= 20, "{count} with {pending} at first");
        // Those that came after.
        while !events.wait(Some(Duration::ZERO)).unwrap().is_empty() {}
    }
}

/// A call that waits for more events than there are returns these when its time is up.
#[test]
fn until_the_time_is_up() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let options = EventOptions::new().classes(Classes::FORK);
    let mut events = device.events(&options.batch_bytes(u32::MAX)).unwrap();
    make(3);
    let start = Instant::now();
    let count = events
        .wait(Some(Duration::from_millis(200)))
        .unwrap()
        .count();
    // The kernel may take a tick for a whole one.
    assert!(start.elapsed() >= Duration::from_millis(180));
    assert!(count >= 3);
}

/// Reads until there is nothing, and poll(2) says so.
fn quiet(events: &mut Events<'_>) {
    eventually("no events", || {
        while !events.wait(Some(Duration::ZERO)).unwrap().is_empty() {}
        polled(events, PollTimeout::ZERO).is_empty()
    });
}

fn polled(events: &Events<'_>, timeout: PollTimeout) -> PollFlags {
    let wanted = PollFlags::POLLRDBAND;
    let mut fds = [PollFd::new(events.as_fd(), wanted)];
    poll(&mut fds, timeout).unwrap();
    fds[0].revents().unwrap() & wanted
}

/// poll(2) tells of events that are there, and wakes when one comes.
#[test]
fn by_poll() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let options = EventOptions::new().classes(Classes::RENAME);
    let mut events = device.events(&options).unwrap();
    quiet(&mut events);
    prctl::set_name(c"one").unwrap();
    assert_eq!(polled(&events, PollTimeout::ZERO), PollFlags::POLLRDBAND);
    quiet(&mut events);
    let polling = &events;
    let found = while_it_waits(
        move || polled(polling, PollTimeout::NONE),
        |_| prctl::set_name(c"another").unwrap(),
    );
    assert_eq!(found, PollFlags::POLLRDBAND);
    assert!(!events.wait(Some(Duration::ZERO)).unwrap().is_empty());
}

/// A file that is open with `O_NONBLOCK` does not wait; while a call waits, another one by the same
/// file fails at once, and a signal ends the wait.
#[test]
fn without_a_wait() {
    extern "C" fn nothing(_: libc::c_int) {}

    let _kernel = shared();
    let region = Region::new(PAGE);
    let mut options = File::options();
    let path = procmon::DEVICE_PATH;
    let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.unwrap();
    // The first call finds nothing, as what came before is not for it.
    let mut first = arguments(&region, PAGE);
    first.classes = Classes::OUT_OF_MEMORY.bits();
    assert_eq!(call(&file, &mut first), Ok(0));
    assert_eq!((first.bytes, first.count), (0, 0));

    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: The handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    let file = open();
    let result = while_it_waits(
        || {
            let region = Region::new(PAGE);
            let mut first = arguments(&region, PAGE);
            first.classes = Classes::OUT_OF_MEMORY.bits();
            call(&file, &mut first)
        },
        |tid| {
            let mut second = arguments(&region, PAGE);
            assert_eq!(call(&file, &mut second), Err(Errno::EBUSY));
            // SAFETY: The call takes numbers only.
            let result = unsafe { libc::syscall(libc::SYS_tgkill, own_pid(), tid, libc::SIGUSR1) };
            Errno::result(result).unwrap();
        },
    );
    assert_eq!(result, Err(Errno::EINTR));
}
