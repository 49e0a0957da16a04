// SPDX-License-Identifier: GPL-2.0-only

//! Arguments of programs, compared with `/proc/PID/cmdline` before the program has run.
//!
//! There is no test of arguments that cannot be read. When the event is made, nothing but the
//! kernel has seen the new address space: the process itself has not run in it, `userfaultfd` and
//! mprotect(2) are for the process itself, another process cannot enter by ptrace(2) before the
//! event, and process_madvise(2) takes pages out of memory only if there is a place to swap them
//! to, which no guest has. So the pages that the kernel has just written are all there.

use std::ffi::{CStr, CString, c_char};
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::ptr::null;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use fixture::child::Child;
use fixture::{is_own_kernel, procfs, shared};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use procmon::Device;
use procmon::events::{EventFlags, EventKind, EventOptions, Events};

use super::each;

/// The largest size of an argument, with its NUL (`MAX_ARG_STRLEN`).
const LONGEST: usize = 128 * 1024;

/// The content of an event of a program.
#[derive(Debug)]
struct Program {
    file: String,
    comm: String,
    /// All arguments that are there, with NULs in between.
    bytes: Vec<u8>,
    count: usize,
    size: usize,
    is_cut: bool,
}

/// Returns the only program that a process has executed up to now.
fn program_of(events: &mut Events<'_>, pid: i32) -> Program {
    let mut programs = Vec::new();
    each(events, |event| {
        if let (true, EventKind::Exec(exec)) = (event.pid() == pid, event.kind()) {
            let arguments: Vec<_> = exec.arguments().map(OsStrExt::as_bytes).collect();
            programs.push(Program {
                file: exec.file().to_str().unwrap().to_owned(),
                comm: exec.comm().to_str().unwrap().to_owned(),
                bytes: arguments.join(&0),
                count: arguments.len(),
                size: exec.arguments_size() as usize,
                is_cut: event.flags().contains(EventFlags::TRUNCATED),
            });
        }
    });
    assert_eq!(programs.len(), 1, "{pid}: {programs:?}");
    programs.remove(0)
}

/// Has a child execute a program, and returns it before the program has run.
fn stopped_at(file: &CStr, arguments: &[&CStr]) -> Child {
    stopped_in(|| {
        let pointers = arguments.iter().map(|argument| argument.as_ptr());
        let pointers: Vec<_> = pointers.chain([null()]).collect();
        execute(file, &pointers);
    })
}

/// Executes a program with arguments, of which the last one is null.
fn execute(file: &CStr, arguments: &[*const c_char]) {
    // SAFETY: The arguments are valid.
    unsafe { libc::execv(file.as_ptr(), arguments.as_ptr()) };
    panic!("{file:?}: {}", Errno::last());
}

/// Returns a child before the program has run that `body` executes.
fn stopped_in(body: impl FnOnce()) -> Child {
    let child = Child::spawn(|| {
        ptrace::traceme().unwrap();
        body();
    });
    let pid = Pid::from_raw(child.pid());
    assert_eq!(
        waitpid(pid, None),
        Ok(WaitStatus::Stopped(pid, Signal::SIGTRAP)),
    );
    child
}

/// Returns the arguments of a process as `/proc` shows them, each with a NUL.
fn cmdline(pid: i32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/cmdline")).unwrap()
}

/// Returns a string without repetitions nearby.
fn text(len: usize) -> CString {
    CString::new(
        (0..len)
            .map(|index| b'0' + (index % 71) as u8)
            .collect::<Vec<_>>(),
    )
    .unwrap()
}

/// Arguments are cut at the size that a reader asks for, with the size of all of them: one that is
/// as long as any may be, and very many of these. One that is longer executes no program.
#[test]
fn long_arguments_are_cut() {
    let _kernel = shared();
    let longest = text(LONGEST - 1);
    let devices = [(); 3].map(|()| Device::open().unwrap());
    let sizes = [8192, 100, 0];
    let mut readers: Vec<_> = devices
        .iter()
        .zip(sizes)
        .map(|(device, size)| {
            let options = EventOptions::new().max_arguments(size);
            (size as usize, device.events(&options).unwrap())
        })
        .collect();
    for count in [1, 10] {
        let arguments = [&[c"true"][..], &vec![&*longest; count]].concat();
        let child = stopped_at(c"/bin/true", &arguments);
        let pid = child.pid();
        let expected = cmdline(pid);
        child.kill();
        assert_eq!(expected.len(), 5 + count * LONGEST);
        for (size, events) in &mut readers {
            let program = program_of(events, pid);
            assert_eq!(program.size, expected.len());
            assert!(program.is_cut);
            assert!(program.bytes == expected[..*size], "{count}, {size}");
        }
    }
    let child = Child::spawn(|| {
        let longer = text(LONGEST);
        let arguments = [c"true".as_ptr(), longer.as_ptr(), null()];
        // SAFETY: The arguments are valid.
        unsafe { libc::execv(c"/bin/true".as_ptr(), arguments.as_ptr()) };
        assert_eq!(Errno::last(), Errno::E2BIG);
    });
    let pid = child.pid();
    child.join();
    for (_, events) in &mut readers {
        each(events, |event| {
            let is_program = matches!(event.kind(), EventKind::Exec(_));
            assert!(!is_program || event.pid() != pid, "{event:?}");
        });
    }
}

/// Arguments of just the size that is asked for are not cut, and those of one byte more are.
#[test]
fn arguments_that_just_fit() {
    let _kernel = shared();
    for size in [15, 16, 17] {
        let device = Device::open().unwrap();
        let options = EventOptions::new().max_arguments(size);
        let mut events = device.events(&options).unwrap();
        let child = stopped_at(c"/bin/true", &[c"true", c"ten bytes."]);
        let pid = child.pid();
        let all = cmdline(pid);
        child.kill();
        let program = program_of(&mut events, pid);
        assert_eq!((program.size, all.len()), (16, 16));
        assert_eq!(program.is_cut, size < 16);
        assert_eq!(program.bytes, b"true\0ten bytes.", "{size}");
    }
}

/// Empty arguments are arguments like others, at the end and alone too. Without any, the kernel
/// makes an empty one.
#[test]
fn empty_arguments() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&EventOptions::new()).unwrap();
    let cases: [(&[&CStr], usize); 5] = [
        (&[], 1),
        (&[c""], 1),
        (&[c"", c"", c""], 3),
        (&[c"true", c"", c"a", c"", c""], 5),
        (&[c"true", c"\n"], 2),
    ];
    for (arguments, count) in cases {
        let child = stopped_at(c"/bin/true", arguments);
        let pid = child.pid();
        let expected = cmdline(pid);
        child.kill();
        let program = program_of(&mut events, pid);
        assert_eq!(program.size, expected.len(), "{arguments:?}");
        assert_eq!(program.count, count, "{arguments:?}");
        assert_eq!([&program.bytes[..], &[0]].concat(), expected);
        assert!(!program.is_cut, "{arguments:?}");
    }
}

/// Arguments that a program changes are not those of its event, which is read after that.
#[test]
fn arguments_that_change_afterwards() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&EventOptions::new()).unwrap();
    let child = stopped_at(c"/bin/true", &[c"true", c"a title"]);
    let pid = child.pid();
    // Field 48 is the address of the arguments.
    let start: u64 = procfs::number(pid, 48).unwrap();
    let memory = fs::File::options()
        .write(true)
        .open(format!("/proc/{pid}/mem"));
    memory.unwrap().write_all_at(b"another", start + 5).unwrap();
    assert_eq!(cmdline(pid), b"true\0another\0");
    child.kill();
    let program = program_of(&mut events, pid);
    assert_eq!(program.bytes, b"true\0a title");
    assert!(!program.is_cut);
}

/// Arguments that another thread changes while the kernel copies them are as the program gets them.
#[test]
fn arguments_that_change_during_the_call() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let options = EventOptions::new().max_arguments(8192);
    let mut events = device.events(&options).unwrap();
    let mut mixed = 0;
    for _ in 0..if is_own_kernel() { 3 } else { 20 } {
        let child = stopped_in(|| {
            let mut text: Vec<_> = (0..8000).map(|_| AtomicU8::new(b'a')).collect();
            text.push(AtomicU8::new(0));
            let text: &[AtomicU8] = text.leak();
            thread::spawn(|| {
                for byte in b"ab".iter().cycle() {
                    for place in &text[..8000] {
                        place.store(*byte, Ordering::Relaxed);
                    }
                }
            });
            while text[4000].load(Ordering::Relaxed) == b'a' {
                thread::yield_now();
            }
            let argument = text.as_ptr().cast::<c_char>();
            execute(c"/bin/true", &[c"true".as_ptr(), argument, null()]);
        });
        let pid = child.pid();
        let expected = cmdline(pid);
        child.kill();
        let program = program_of(&mut events, pid);
        assert_eq!([&program.bytes[..], &[0]].concat(), expected);
        mixed += usize::from(b"ab".iter().all(|byte| expected[5..].contains(byte)));
    }
    println!("{mixed} had bytes of both");
}

/// A script has its own file, and the arguments of the program that runs it.
#[test]
fn arguments_of_a_script() {
    let _kernel = shared();
    let path = "/tmp/a-script";
    fs::write(path, "#!/bin/sh -e\n").unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    let device = Device::open().unwrap();
    let mut events = device.events(&EventOptions::new()).unwrap();
    let child = stopped_at(c"/tmp/a-script", &[c"not this", c"an argument"]);
    let pid = child.pid();
    let expected = cmdline(pid);
    let stat = procfs::stat(pid).unwrap();
    child.kill();
    let program = program_of(&mut events, pid);
    assert_eq!(program.file, path);
    assert_eq!(program.comm.as_bytes(), stat.comm);
    assert_eq!(program.bytes, b"/bin/sh\0-e\0/tmp/a-script\0an argument");
    assert_eq!([&program.bytes[..], &[0]].concat(), expected);
    assert_eq!((program.count, program.size), (4, expected.len()));
}
