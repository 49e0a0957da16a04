// SPDX-License-Identifier: GPL-2.0-only

//! The command `PROCMON_EVENTS`: what happens to processes.

mod arguments;
pub mod fields;
mod filters;
mod lives;
mod loading;
mod losses;
mod namespaces;
mod order;
mod programs;
mod readers;
pub mod rights;
mod table;
mod values;
mod waiting;

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::time::Duration;

use fixture::memory::Region;
use nix::errno::Errno;
use procmon::events::{
    Classes, Event, EventFlags, EventKind, EventOptions, Events, Exec, Exit, Fork,
};

/// An event of the lives of processes, without what is borrowed.
#[derive(Debug)]
enum Life {
    Fork(Fork),
    Exec {
        file: String,
        arguments: Vec<String>,
    },
    Exit(Exit),
}

/// An event without what is borrowed, to be kept.
#[derive(Debug)]
struct Told {
    time: Duration,
    pid: i32,
    tid: i32,
    ppid: i32,
    uid: u32,
    start: Duration,
    flags: EventFlags,
    kind: &'static str,
    life: Life,
}

impl Told {
    /// Returns what an event says if it is about the life of a process or thread.
    fn new(event: &Event<'_>) -> Option<Self> {
        let life = match event.kind() {
            EventKind::Fork(fork) | EventKind::ThreadStart(fork) => Life::Fork(fork),
            EventKind::Exec(exec) => Life::Exec {
                file: exec.file().to_str().unwrap().to_owned(),
                arguments: arguments(&exec),
            },
            EventKind::Exit(exit) | EventKind::ThreadExit(exit) => Life::Exit(exit),
            _ => return None,
        };
        Some(Self {
            time: event.time().since_boot(),
            pid: event.pid(),
            tid: event.tid(),
            ppid: event.ppid(),
            uid: event.uid(),
            start: event.start().since_boot(),
            flags: event.flags(),
            kind: event.kind().name(),
            life,
        })
    }

    fn exit(&self) -> Option<&Exit> {
        match &self.life {
            Life::Exit(exit) => Some(exit),
            _ => None,
        }
    }
}

fn arguments(exec: &Exec<'_>) -> Vec<String> {
    exec.arguments()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect()
}

/// Returns the options for all classes.
fn everything() -> EventOptions {
    EventOptions::new().classes(Classes::all())
}

/// Returns the events up to now about some processes.
fn about(events: &mut Events<'_>, pids: &[i32]) -> Vec<Told> {
    rest(events)
        .into_iter()
        .filter(|told| pids.contains(&told.pid))
        .collect()
}

/// Returns the end of a process, of which there must be one.
fn end_of(told: &[Told], pid: i32) -> &Exit {
    let ends: Vec<_> = told
        .iter()
        .filter(|told| told.pid == pid && told.kind == "exit")
        .collect();
    assert_eq!(ends.len(), 1, "{pid}: {ends:#?}");
    ends[0].exit().unwrap()
}

/// Calls a function with each event up to now.
fn each(events: &mut Events<'_>, mut f: impl FnMut(&Event<'_>)) {
    loop {
        let batch = events.wait(Some(Duration::ZERO)).unwrap();
        if batch.is_empty() {
            return;
        }
        for event in batch {
            f(&event);
        }
    }
}

/// Returns the events up to now, of which none must have been lost.
fn rest(events: &mut Events<'_>) -> Vec<Told> {
    let mut all = Vec::new();
    each(events, |event| all.extend(Told::new(event)));
    assert_eq!(events.lost(), 0);
    all
}

/// Makes a process as vfork(2) does: it shares the memory of the caller, which waits until it has
/// called `body` and ended, or has executed a program. Returns its PID.
///
/// Its stack is at the end of a region.
fn vfork(stack: &Region, body: extern "C" fn(*mut c_void) -> c_int) -> i32 {
    const FLAGS: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;

    let top = stack.before_end(0).as_ptr().cast();
    // SAFETY: The stack is for this process alone, and is there until its end: the caller waits.
    let pid = unsafe { libc::clone(body, top, FLAGS, null_mut()) };
    Errno::result(pid).unwrap()
}
