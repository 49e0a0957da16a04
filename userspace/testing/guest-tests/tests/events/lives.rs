// SPDX-License-Identifier: GPL-2.0-only

//! Lives of processes that begin or end in other ways than by fork(2) and exit(2).

use std::collections::BTreeSet;
use std::ffi::{c_int, c_void};
use std::io::{Read, Write, pipe};
use std::mem::forget;
use std::os::unix::process::ExitStatusExt;
use std::ptr::{null, null_mut};
use std::thread;

use fixture::child::{Child, idle_threads, uninterruptible};
use fixture::memory::{PAGE, Region};
use fixture::{eventually, is_own_kernel, procfs, shared};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, killpg, raise};
use nix::unistd::{Pid, execv, gettid, pause, setpgid};
use procmon::Device;
use procmon::events::EventKind;

use super::values::{allow_cores, own_pid, wait4};
use super::{Life, Told, about, each, end_of, everything, rest, vfork};

/// The flags of vfork(2).
const VFORK: u64 = (libc::CLONE_VM | libc::CLONE_VFORK) as u64;

/// A process that is made by vfork(2) is told of while its parent waits for it; when that goes on,
/// the process has ended, or has executed a program.
#[test]
fn made_by_vfork() {
    extern "C" fn end(_: *mut c_void) -> c_int {
        3
    }

    extern "C" fn execute(_: *mut c_void) -> c_int {
        let arguments = [c"true".as_ptr(), null()];
        // SAFETY: The arguments are valid.
        unsafe { libc::execv(c"/bin/true".as_ptr(), arguments.as_ptr()) };
        127
    }

    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let parent = uninterruptible();
    let parent_pid = parent.pid();
    let made: Vec<_> = rest(&mut events)
        .into_iter()
        .filter(|told| told.ppid == parent_pid)
        .collect();
    assert_eq!(procfs::stat(parent_pid).unwrap().state, 'D');
    parent.kill();
    let [told] = &made[..] else {
        panic!("{made:#?}");
    };
    let Life::Fork(fork) = &told.life else {
        panic!("{told:#?}");
    };
    assert_eq!(fork.clone_flags(), VFORK);
    assert_eq!(fork.creator(), parent_pid);

    let stack = Region::new(16 * PAGE);
    let pids = [end, execute].map(|body| {
        let pid = vfork(&stack, body);
        prctl::set_name(c"goes on").unwrap();
        pid
    });
    let statuses = pids.map(|pid| wait4(pid).0);
    assert_eq!(statuses.map(|status| status.code()), [Some(3), Some(0)]);
    let mut kinds = Vec::new();
    each(&mut events, |event| match event.kind() {
        EventKind::Rename(rename) if event.tid() == gettid().as_raw() => {
            assert_eq!(rename.comm(), "goes on");
            kinds.push((own_pid(), "rename"));
        }
        EventKind::Fork(fork) if pids.contains(&event.pid()) => {
            assert_eq!(fork.clone_flags(), VFORK);
            kinds.push((event.pid(), "fork"));
        }
        EventKind::Exit(exit) if pids.contains(&event.pid()) => {
            let index = usize::from(event.pid() == pids[1]);
            assert_eq!(exit.status(), statuses[index]);
            kinds.push((event.pid(), "exit"));
        }
        EventKind::Exec(_) if pids.contains(&event.pid()) => kinds.push((event.pid(), "exec")),
        _ => {}
    });
    let of = |pid| {
        let of_pid = kinds.iter().filter(move |(of, _)| *of == pid);
        of_pid.map(|(_, kind)| *kind).collect::<Vec<_>>()
    };
    assert_eq!(
        kinds[..3],
        [(pids[0], "fork"), (pids[0], "exit"), (own_pid(), "rename")]
    );
    // The kernel lets the parent go on before it tells of the program, and so their order is open.
    assert_eq!(of(pids[1]), ["fork", "exec", "exit"]);
    assert_eq!(of(own_pid()).len(), 2);
}

/// A program that is started by posix_spawn(3) is made by another thread than any of its own, and
/// executed at once.
#[test]
fn made_by_posix_spawn() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let arguments = [c"false", c"an argument"].map(|argument| argument.as_ptr().cast_mut());
    let arguments = [arguments[0], arguments[1], null_mut()];
    let mut pid = 0;
    // SAFETY: All pointers are valid or may be null.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            c"/bin/false".as_ptr(),
            null(),
            null(),
            arguments.as_ptr(),
            [null_mut()].as_ptr(),
        )
    };
    assert_eq!(error, 0);
    let (status, _) = wait4(pid);
    assert_eq!(status.code(), Some(1));
    let told = about(&mut events, &[pid]);
    let lives: Vec<_> = told.iter().map(|told| &told.life).collect();
    let [
        Life::Fork(fork),
        Life::Exec { file, arguments },
        Life::Exit(exit),
    ] = lives[..]
    else {
        panic!("{told:#?}");
    };
    assert_eq!(fork.clone_flags() & VFORK, VFORK);
    assert_eq!(fork.creator_tid(), gettid().as_raw());
    assert_eq!(file, "/bin/false");
    assert_eq!(arguments[..], ["false", "an argument"]);
    assert_eq!(exit.status(), status);
}

/// A process whose main thread is another one than that which executes a program: all other threads
/// have ended before, and the process remains what it was.
#[test]
fn a_program_of_another_thread() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let (mut go, mut writer) = pipe().unwrap();
    let (mut tids, mut report) = pipe().unwrap();
    let child = Child::spawn(move || {
        idle_threads(3);
        thread::spawn(move || {
            report.write_all(&gettid().as_raw().to_ne_bytes()).unwrap();
            go.read_exact(&mut [0]).unwrap();
            execv(c"/bin/sh", &[c"sh", c"-c", c"kill -STOP $$"]).unwrap();
        });
        loop {
            pause();
        }
    });
    let pid = child.pid();
    let mut tid = [0; 4];
    tids.read_exact(&mut tid).unwrap();
    let tid = i32::from_ne_bytes(tid);
    let mut others: BTreeSet<_> = procfs::tids(pid).into_iter().collect();
    assert!(others.len() == 5 && others.remove(&tid) && tid != pid);
    let start = procfs::start_time(pid);
    writer.write_all(b".").unwrap();
    procfs::wait_for_state(pid, 'T');
    assert_eq!(procfs::tids(pid), [pid]);
    assert_eq!(procfs::start_time(pid), start);
    child.kill();
    let mut ended = BTreeSet::new();
    let mut executed = 0;
    let mut last = None;
    each(&mut events, |event| {
        if event.pid() != pid {
            return;
        }
        let hundredths = event.start().since_boot().as_nanos() / 10_000_000;
        assert_eq!(Some(hundredths), start, "{event:?}");
        match event.kind() {
            EventKind::ThreadExit(_) => {
                assert_eq!(executed, 0, "{event:?}");
                assert!(ended.insert(event.tid()), "{event:?}");
            }
            EventKind::Exec(exec) => {
                assert_eq!((event.tid(), exec.old_tid()), (pid, tid));
                assert_eq!(ended, others);
                executed += 1;
            }
            EventKind::Exit(exit) => {
                assert_eq!(last, None, "{event:?}");
                last = Some((event.tid(), exit.status().signal()));
            }
            _ => {}
        }
    });
    assert_eq!((executed, last), (1, Some((pid, Some(9)))));
}

/// Fails unless all tasks of a process have ended, each once. Returns their IDs.
fn ended_tasks(told: &[Told], pid: i32) -> Vec<i32> {
    let tids = |is_of: fn(&Life) -> bool| {
        let of_process = told.iter().filter(|told| told.pid == pid);
        let mut tids: Vec<_> = of_process
            .filter(|told| is_of(&told.life))
            .map(|told| told.tid)
            .collect();
        tids.sort_unstable();
        tids
    };
    let made = tids(|life| matches!(life, Life::Fork(_)));
    assert_eq!(made, tids(|life| matches!(life, Life::Exit(_))), "{pid}");
    made
}

/// Processes and threads that are killed at once, while they make others, end once each, the
/// processes with the status of wait4(2).
#[test]
fn killed_at_once() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    for _ in 0..if is_own_kernel() { 2 } else { 8 } {
        let children: Vec<_> = (0..6)
            .map(|_| {
                Child::spawn(|| {
                    idle_threads(3);
                    loop {
                        thread::spawn(|| ()).join().unwrap();
                    }
                })
            })
            .collect();
        let group = Pid::from_raw(children[0].pid());
        for child in &children {
            setpgid(Pid::from_raw(child.pid()), group).unwrap();
            eventually("threads", || procfs::tids(child.pid()).len() > 4);
        }
        killpg(group, Signal::SIGKILL).unwrap();
        let statuses: Vec<_> = children
            .into_iter()
            .map(|child| {
                let pid = child.pid();
                forget(child);
                (pid, wait4(pid).0)
            })
            .collect();
        let told = rest(&mut events);
        for (pid, status) in statuses {
            assert_eq!(status.signal(), Some(9));
            let tasks = ended_tasks(&told, pid);
            assert!(tasks.len() > 4 && tasks.contains(&pid), "{pid}: {tasks:?}");
            assert_eq!(end_of(&told, pid).status(), status, "{pid}");
        }
    }
}

/// All threads of a process that dumps core end, and the process once, with the core bit of
/// wait4(2): by which thread it dies does not matter, and without space for a core there is no such
/// bit.
#[test]
fn a_core_dump_of_threads() {
    let _kernel = shared();
    let can_dump = allow_cores();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    for (limit, by_main_thread) in [(1 << 20, true), (1 << 20, false), (0, false)] {
        let child = Child::spawn(move || {
            setrlimit(Resource::RLIMIT_CORE, limit, limit).unwrap();
            idle_threads(3);
            let die = || raise(Signal::SIGABRT).unwrap();
            if by_main_thread {
                die();
            } else {
                thread::spawn(die).join().unwrap();
            }
        });
        let pid = child.pid();
        forget(child);
        let (status, _) = wait4(pid);
        assert_eq!(status.signal(), Some(Signal::SIGABRT as i32));
        assert_eq!(status.core_dumped(), can_dump && limit > 0);
        let told = rest(&mut events);
        let tasks = ended_tasks(&told, pid);
        assert_eq!(tasks.len(), if by_main_thread { 4 } else { 5 });
        assert_eq!(end_of(&told, pid).status(), status);
    }
}
