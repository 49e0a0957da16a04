// SPDX-License-Identifier: GPL-2.0-only

//! Users that keep the module loaded, and unloading without any.

use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Instant;

use fixture::child::Child;
use fixture::module::{self, Module};
use fixture::{KernelGuard, eventually, is_own_kernel, loaded, open, procfs};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
};
use procmon::Device;
use procmon::sysfs;

/// T02: a module of the same name is refused, and the loaded one works on.
#[test]
fn a_second_module_is_refused() {
    let (_kernel, module) = loaded("");
    assert_eq!(Module::load("").unwrap_err(), Errno::EEXIST);
    Device::open().unwrap().count().unwrap();
    module.unload().unwrap();
}

/// T05: while the device is open, the module stays loaded, and works.
#[test]
fn an_open_file_keeps_the_module() {
    let (_kernel, module) = loaded("");
    assert_eq!(module::use_count(), Some(0));
    let first = Device::open().unwrap();
    let second = Device::open_read_only().unwrap();
    assert_eq!(module::use_count(), Some(2));
    let (module, errno) = module.unload().unwrap_err();
    assert_eq!(errno, Errno::EWOULDBLOCK);
    first.write_message(b"still here").unwrap();
    assert_eq!(second.count().unwrap(), 10);
    drop(first);
    assert_eq!(module::use_count(), Some(1));
    drop(second);
    assert_eq!(module::use_count(), Some(0));
    module.unload().unwrap();
    assert_eq!(module::traces(), Vec::<String>::new());
}

/// Fails unless the module cannot be unloaded now.
fn in_use(how: &str) {
    assert_eq!(
        module::try_unload(),
        Err(Errno::EWOULDBLOCK),
        "held by {how}"
    );
}

/// T06: each owner of an open file keeps the module: a duplicate descriptor, another process, a
/// message in a socket, another program.
#[test]
fn a_file_in_other_hands_keeps_the_module() {
    let (_kernel, module) = loaded("");

    let file = open();
    let duplicate = file.try_clone().unwrap();
    drop(file);
    in_use("dup");

    let child = Child::spawn(move || {
        let _file = duplicate;
        nix::unistd::pause();
    });
    in_use("fork");
    child.kill();
    eventually("the child lets go", || module::use_count() == Some(0));

    let (left, right) = socketpair(
        AddressFamily::Unix,
        SockType::Datagram,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    let file = open();
    let rights = [file.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&rights)];
    let data = [IoSlice::new(b"x")];
    sendmsg::<()>(left.as_raw_fd(), &data, &rights, MsgFlags::empty(), None).unwrap();
    drop(file);
    in_use("SCM_RIGHTS");
    drop((left, right));
    eventually("the socket lets go", || module::use_count() == Some(0));

    let file = open();
    fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let mut program = Command::new("/bin/sleep").arg("1000").spawn().unwrap();
    drop(file);
    in_use("exec");
    program.kill().unwrap();
    program.wait().unwrap();
    eventually("the program lets go", || module::use_count() == Some(0));

    module.unload().unwrap();
}

/// T09: unloading does not take longer because the monitor sleeps for an hour, and leaves nothing
/// behind.
#[test]
fn unloading_is_quick_and_thorough() {
    let _kernel = KernelGuard::new();
    let unload = |interval| {
        let module = Module::load(&format!("monitor_interval_ms={interval}")).unwrap();
        let thread = "kernel thread".to_owned();
        eventually("the monitor is there", || {
            module::traces()
                .iter()
                .any(|trace| trace.starts_with(&thread))
        });
        eventually("the monitor has taken its sample", || {
            sysfs::monitor().unwrap().samples >= 1
        });
        let start = Instant::now();
        module.unload().unwrap();
        let time = start.elapsed();
        assert_eq!(module::traces(), Vec::<String>::new());
        time
    };
    // The emulated machine may pause at any moment, so the quickest of each kind counts.
    let least = if is_own_kernel() { 2 } else { 5 };
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        short.push(unload(10));
        long.push(unload(3_600_000));
        if short.len() >= least
            && long.iter().min() < short.iter().min().map(|&time| time * 3).as_ref()
        {
            return;
        }
    }
    panic!("unloading took {short:?} while the monitor was busy, and {long:?} while it slept");
}

/// T17: the end of a process, by itself, by a signal or by exec, closes the device.
#[test]
fn killed_and_ended_users_let_go() {
    let (_kernel, module) = loaded("");
    let child = Child::spawn(|| {
        let _file = open();
        nix::unistd::pause();
    });
    eventually("the child has the device open", || {
        module::use_count() == Some(1)
    });
    child.signal(Signal::SIGKILL);
    eventually("the kill closes the file", || {
        module::use_count() == Some(0)
    });

    Child::spawn(|| std::mem::forget(open())).join();
    assert_eq!(
        module::use_count(),
        Some(0),
        "the end of the process closes the file"
    );

    // The file has the flag FD_CLOEXEC.
    let child = Child::spawn(|| {
        let _file = open();
        let sleep = [c"/bin/sleep", c"1000"];
        nix::unistd::execv(sleep[0], &sleep).unwrap();
    });
    eventually("exec is done", || {
        procfs::stat(child.pid()).is_some_and(|stat| stat.comm == b"sleep")
    });
    eventually("exec closes the file", || module::use_count() == Some(0));
    child.kill();
    module.unload().unwrap();
}
