// SPDX-License-Identifier: GPL-2.0-only

//! Order and completeness.

use std::collections::BTreeMap;
use std::ffi::{CString, c_int, c_void};
use std::fs;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::Duration;

use fixture::child::Child;
use fixture::memory::{PAGE, Region};
use fixture::procfs::forks;
use fixture::{is_own_kernel, loaded, shared};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, gettid};
use procmon::Device;
use procmon::events::{EventKind, EventOptions};

use super::values::{own_pid, wait4};
use super::{Life, each, everything, rest, vfork};

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
    thread::scope(|scope| {
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
    // Of a ring that other tests have filled, older events may be of processes with the same PID.
    let (_kernel, _module) = loaded("");
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

/// Waits for a process, which stays a zombie.
fn see_the_zombie(pid: i32) {
    let zombie = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(Pid::from_raw(pid)), zombie).unwrap();
}

/// Waits for a process by a descriptor of it.
fn poll_the_descriptor(pid: i32) {
    // SAFETY: The call takes numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(Errno::result(fd).unwrap()).unwrap();
    // SAFETY: The descriptor is new.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, PollTimeout::NONE), Ok(1));
}

/// A way to learn of the end of a task: it then calls a function, and returns the ID of the task.
type Way<'a> = &'a dyn Fn(&dyn Fn()) -> i32;

/// The actions of a process after it has waited for a child come after the end of that, in
/// whichever way it learns of the end; and those after it has joined a thread, after that one's.
#[test]
fn what_follows_a_wait_comes_after_the_end() {
    extern "C" fn end(_: *mut c_void) -> c_int {
        0
    }

    let _kernel = shared();
    let rounds = if is_own_kernel() { 5 } else { 25 };
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let stack = Region::new(4 * PAGE);
    let of_child = |learn: fn(i32), then: &dyn Fn()| {
        let child = Child::spawn(|| ());
        let pid = child.pid();
        learn(pid);
        then();
        child.join();
        pid
    };
    let ways: [Way<'_>; 5] = [
        &|then| {
            let child = Child::spawn(|| ());
            let pid = child.pid();
            child.join();
            then();
            pid
        },
        &|then| of_child(see_the_zombie, then),
        &|then| of_child(poll_the_descriptor, then),
        &|then| {
            let pid = vfork(&stack, end);
            then();
            wait4(pid);
            pid
        },
        &|then| {
            let tid = thread::spawn(gettid).join().unwrap();
            then();
            tid.as_raw()
        },
    ];
    let mut ended = Vec::new();
    for _ in 0..rounds {
        for way in ways {
            let number = CString::new(ended.len().to_string()).unwrap();
            ended.push(way(&|| prctl::set_name(&number).unwrap()));
        }
    }
    let mut ends = BTreeMap::new();
    let mut followed = BTreeMap::new();
    each(&mut events, |event| match event.kind() {
        EventKind::Exit(_) | EventKind::ThreadExit(_) => {
            ends.insert(event.tid(), event.sequence());
        }
        EventKind::Rename(rename) if event.tid() == gettid().as_raw() => {
            let number: usize = rename.comm().to_str().unwrap().parse().unwrap();
            followed.insert(number, event.sequence());
        }
        _ => {}
    });
    assert_eq!(followed.len(), ended.len());
    for (tid, (number, sequence)) in ended.iter().zip(followed) {
        let end = ends[tid];
        assert!(end < sequence, "{number}: {tid} ends at {end}, {sequence}");
    }
}

/// The greatest PID, while it is another one than before.
struct PidMax(String);

impl PidMax {
    const PATH: &str = "/proc/sys/kernel/pid_max";

    fn set(max: u32) -> Self {
        let before = fs::read_to_string(Self::PATH).unwrap();
        fs::write(Self::PATH, max.to_string()).unwrap();
        Self(before)
    }
}

impl Drop for PidMax {
    fn drop(&mut self) {
        fs::write(Self::PATH, self.0.trim()).unwrap();
    }
}

/// While PIDs are given again as soon as they are free, the end of a process comes before the
/// beginning of the next one with its PID, and the two have different starts.
#[test]
fn the_end_comes_before_the_pid_is_given_again() {
    let _kernel = shared();
    let processes = if is_own_kernel() { 60 } else { 300 };
    let device = Device::open().unwrap();
    let mut events = device.events(&EventOptions::new()).unwrap();
    {
        // The lowest 300 PIDs are never given again.
        let _max = PidMax::set(340);
        let parents: Vec<_> = (0..2)
            .map(|_| {
                Child::spawn(|| {
                    for _ in 0..processes {
                        Child::spawn(|| ()).join();
                    }
                })
            })
            .collect();
        parents.into_iter().for_each(Child::join);
    }
    let mut alive = BTreeMap::new();
    let mut begun = 0;
    let mut starts: BTreeMap<i32, Vec<Duration>> = BTreeMap::new();
    for told in rest(&mut events) {
        let (pid, start) = (told.pid, told.start);
        match told.life {
            Life::Fork(_) => {
                assert_eq!(alive.insert(pid, start), None, "{pid} is not free");
                starts.entry(pid).or_default().push(start);
                begun += 1;
            }
            Life::Exec { .. } => {}
            Life::Exit(_) => {
                if let Some(begun) = alive.remove(&pid) {
                    assert_eq!(begun, start, "{pid}");
                }
            }
        }
    }
    assert!(begun >= 2 * processes + 2);
    for (pid, starts) in &starts {
        assert!(starts.is_sorted_by(|a, b| a < b), "{pid}: {starts:?}");
    }
    let again: usize = starts.values().map(|starts| starts.len() - 1).sum();
    assert!(again > processes, "{again} were given again");
}

/// Makes a tree of processes, each of which waits for its children.
fn tree(depth: u32) {
    let children: Vec<_> = (0..if depth == 0 { 0 } else { 3 })
        .map(|_| Child::spawn(|| tree(depth - 1)))
        .collect();
    children.into_iter().for_each(Child::join);
}

/// The beginning of a process comes after that of its parent, and its end before that of a parent
/// that waits for it.
#[test]
fn parents_come_before_children() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&EventOptions::new()).unwrap();
    for _ in 0..if is_own_kernel() { 1 } else { 5 } {
        Child::spawn(|| tree(3)).join();
    }
    // Those that are alive, with their starts and their parents.
    let mut family = BTreeMap::from([(own_pid(), None)]);
    let mut made = 0;
    for told in rest(&mut events) {
        match told.life {
            Life::Fork(fork) if family.contains_key(&fork.creator()) => {
                assert_eq!(told.ppid, fork.creator());
                if let Some((start, _)) = family[&told.ppid] {
                    assert_eq!(fork.parent_start(), start, "{told:#?}");
                }
                family.insert(told.pid, Some((told.start, told.ppid)));
                made += 1;
            }
            Life::Exit(_) if family.remove(&told.pid).is_some() => {
                let orphans = family.values().flatten();
                let mut orphans = orphans.filter(|(_, parent)| *parent == told.pid);
                assert_eq!(orphans.next(), None, "children of {}", told.pid);
            }
            _ => {}
        }
    }
    let trees = if is_own_kernel() { 1 } else { 5 };
    assert_eq!(made, trees * (1 + 3 + 9 + 27));
    assert_eq!(family.len(), 1, "{family:?}");
}
