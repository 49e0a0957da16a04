// SPDX-License-Identifier: GPL-2.0

//! Loading and unloading the module.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{IoSlice, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fixture::child::Child;
use fixture::kernel_log::KernelLog;
use fixture::module::{self, Module};
use fixture::{KernelGuard, PATIENCE, eventually, loaded, open, procfs};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
};
use procmon::sysfs::{self, Parameter};
use procmon::{DEVICE_PATH, Device};

/// The spec's metadata, which modinfo(8) takes from the section `.modinfo`.
#[test]
fn metadata() {
    let (_kernel, _module) = loaded("");
    let file = fs::read(module::PATH).unwrap();
    for entry in [
        "license=GPL\0",
        "description=Process Monitor - Character Device with RCU and sysfs\0",
        "version=1.0\0",
    ] {
        let found = file
            .windows(entry.len())
            .any(|window| window == entry.as_bytes());
        assert!(found, "{entry:?} in the metadata");
    }
    let entries: Vec<_> = file.split(|&byte| byte == 0).collect();
    for parameter in Parameter::ALL {
        let name = parameter.name();
        let kind = format!("parmtype={name}:uint");
        assert!(entries.contains(&kind.as_bytes()), "{kind}");
        let start = format!("parm={name}:");
        let description = entries
            .iter()
            .find_map(|entry| entry.strip_prefix(start.as_bytes()))
            .unwrap_or_else(|| panic!("no {start}"));
        let end = format!(" (default: {})", parameter.default_value());
        assert!(description.ends_with(end.as_bytes()), "{start} {end}");
    }
    assert_eq!(
        fs::read_to_string("/sys/module/procmon/version").unwrap(),
        "1.0\n"
    );
}

/// One line when the module is loaded, when all of it is there, and one when it is unloaded and
/// nothing is there any more; none for opening, reading, writing, ioctl and closing, whether they
/// succeed or not.
#[test]
fn log_lines() {
    let _kernel = KernelGuard::new();
    let mut log = KernelLog::from_now();
    let module = Module::load("").unwrap();
    let number = fs::read_to_string("/sys/class/misc/procmon/dev").unwrap();
    let number = number.trim();

    eventually("the monitor looks", || {
        sysfs::monitor().unwrap().samples > 0
    });
    assert_eq!(
        log.module_lines(),
        [format!(
            "procmon: loaded: /dev/procmon is {number}, buffer_size=1024"
        )]
    );

    let mut device = Device::open().unwrap();
    device.write_message(b"quiet").unwrap();
    device.read_message().unwrap();
    device.set_filter(Some(1)).unwrap();
    device.set_filter(Some(-1)).unwrap_err();
    device.query(1).unwrap();
    device.query(-1).unwrap();
    device.stats().unwrap();
    device.count().unwrap();
    device.reset().unwrap();
    Device::open_read_only().unwrap().reset().unwrap_err();
    drop(device);
    assert_eq!(log.module_lines(), Vec::<String>::new());

    module.unload().unwrap();
    assert_eq!(log.module_lines(), ["procmon: unloaded"]);

    // What is refused was never loaded.
    Module::load("buffer_size=0").unwrap_err();
    let lines = log.module_lines();
    assert!(
        !lines.iter().any(|line| line.contains("loaded")),
        "{lines:?}"
    );
}

/// The numbers in /sys, of the node, and of a node made by hand are the same device.
#[test]
fn a_node_made_by_hand_works() {
    let (_kernel, _module) = loaded("");
    let number = fs::metadata(DEVICE_PATH).unwrap().rdev();
    let text = format!("{}:{}\n", libc::major(number), libc::minor(number));
    assert_eq!(
        fs::read_to_string("/sys/class/misc/procmon/dev").unwrap(),
        text
    );

    let path = "/dev/procmon-by-hand";
    let kind = nix::sys::stat::SFlag::S_IFCHR;
    let mode = nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR;
    nix::sys::stat::mknod(path, kind, mode, number).unwrap();
    let device = Device::options().path(path).open();
    fs::remove_file(path).unwrap();
    let device = device.unwrap();
    device.write_message(b"by hand").unwrap();
    assert_eq!(Device::open().unwrap().read_message().unwrap(), b"by hand");
}

/// T02
#[test]
fn a_second_module_is_refused() {
    let (_kernel, module) = loaded("");
    assert_eq!(Module::load("").unwrap_err(), Errno::EEXIST);
    Device::open().unwrap().count().unwrap();
    module.unload().unwrap();
}

/// Loads the module with a value that it must refuse, and looks for the line in the log.
fn refused(parameter: Parameter, value: &str) {
    let parameters = format!("{}={value}", parameter.name());
    let mut log = KernelLog::from_now();
    let errno = Module::load(&parameters).expect_err(&parameters);
    assert!(
        [Errno::EINVAL, Errno::ERANGE].contains(&errno),
        "{parameters}: {errno}"
    );
    let mut lines = log.module_lines();
    // The kernel adds a line of its own for any module.
    lines.retain(|line| !line.contains("for parameter `"));
    assert_eq!(lines.len(), 1, "{parameters}: {lines:?}");
    let range = parameter.range();
    for part in [
        parameter.name(),
        &range.start().to_string(),
        &range.end().to_string(),
    ] {
        assert!(lines[0].contains(part), "{parameters}: {part} in {lines:?}");
    }
    assert_eq!(module::traces(), Vec::<String>::new(), "{parameters}");
}

/// T03: values of parameters that are refused.
#[test]
fn bad_parameters_are_refused() {
    let _kernel = KernelGuard::new();
    // The kernel drops lines about parameters when there are too many in five seconds.
    fs::write("/proc/sys/kernel/printk_ratelimit", "0").unwrap();
    for &parameter in Parameter::ALL {
        for value in module::bad_values(parameter) {
            refused(parameter, &value);
        }
        refused(parameter, "");
        // Without a value it is the kernel that refuses, before the module is asked.
        let errno = Module::load(parameter.name()).unwrap_err();
        assert_eq!(errno, Errno::EINVAL, "{parameter:?}");
    }
}

/// T03: values that are taken, the limits among them, and the defaults.
#[test]
fn good_parameters_are_taken() {
    let _kernel = KernelGuard::new();
    let check = |parameters: &str, expected: &[(Parameter, u32)]| {
        let _module = Module::load(parameters).unwrap_or_else(|e| panic!("{parameters}: {e}"));
        for &parameter in Parameter::ALL {
            let set = expected.iter().find(|(other, _)| *other == parameter);
            let value = set.map_or(parameter.default_value(), |(_, value)| *value);
            assert_eq!(
                parameter.get().unwrap(),
                value,
                "{parameter:?} by {parameters:?}"
            );
        }
        let buffer_size = Parameter::BufferSize.get().unwrap();
        assert_eq!(sysfs::buffer_size().unwrap(), buffer_size, "{parameters}");
    };
    check("", &[]);
    for &parameter in Parameter::ALL {
        let (least, most) = parameter.range().into_inner();
        for value in [least, most] {
            check(
                &format!("{}={value}", parameter.name()),
                &[(parameter, value)],
            );
        }
    }
    check("buffer_size=0x1000", &[(Parameter::BufferSize, 4096)]);
    check("buffer_size=7 buffer_size=8", &[(Parameter::BufferSize, 8)]);
    check(
        "monitor_interval_ms=50 buffer_size=2",
        &[
            (Parameter::MonitorIntervalMs, 50),
            (Parameter::BufferSize, 2),
        ],
    );
}

/// T03: a parameter that there is not is only warned of, as with any module.
#[test]
fn an_unknown_parameter_is_warned_of() {
    let mut log = KernelLog::from_now();
    let (_kernel, _module) = loaded("size=5");
    let lines = log.module_lines();
    let warned = |line: &String| line.contains("unknown parameter 'size' ignored");
    assert!(lines.iter().any(warned), "{lines:?}");
    assert_eq!(
        sysfs::buffer_size().unwrap(),
        Parameter::BufferSize.default_value()
    );
}

/// T04: the parameters are files, which root may write and all users may read. The library knows
/// all of them.
#[test]
fn parameters_are_in_sysfs() {
    let (_kernel, _module) = loaded("");
    let files: BTreeSet<_> = fs::read_dir(sysfs::PARAMETERS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let known: BTreeSet<_> = Parameter::ALL.iter().map(|each| each.path()).collect();
    assert_eq!(files, known);
    for parameter in Parameter::ALL {
        let metadata = fs::metadata(parameter.path()).unwrap();
        let mode = if parameter.is_writable() {
            0o644
        } else {
            0o444
        };
        let found = metadata.permissions().mode() & 0o7777;
        assert_eq!(found, mode, "{parameter:?}");
        assert_eq!((metadata.uid(), metadata.gid()), (0, 0), "{parameter:?}");
    }
}

/// T05: while the device is open the module stays, and works.
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

/// T06: what keeps an open file keeps the module: a duplicate, another process, a file under way
/// in a socket, another program.
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

/// Runs `body` again and again in some processes while the module comes and goes for a while, and
/// until the numbers of times that it could be unloaded and that this was refused are enough.
///
/// After a refusal the processes rest, so that the module can go however slow they are. They begin
/// again when it has gone, and so while it is loaded.
fn while_loading_and_unloading(
    processes: usize,
    is_enough: impl Fn(usize, usize) -> bool,
    body: impl Fn(),
) {
    /// While this is there, the processes rest.
    const REST: &str = "/tmp/rest";

    let _kernel = KernelGuard::new();
    let children: Vec<_> = (0..processes)
        .map(|_| {
            Child::spawn(|| {
                loop {
                    while Path::new(REST).exists() {
                        thread::sleep(Duration::from_millis(1));
                    }
                    body();
                }
            })
        })
        .collect();
    let (mut unloaded, mut refused) = (0, 0);
    let mut module = Module::load("monitor_interval_ms=10").unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3)
        || !is_enough(unloaded, refused) && start.elapsed() < PATIENCE
    {
        match module.unload() {
            Ok(()) => {
                unloaded += 1;
                let _ = fs::remove_file(REST);
                module = Module::load("monitor_interval_ms=10").unwrap();
            }
            Err((still_loaded, errno)) => {
                assert_eq!(errno, Errno::EWOULDBLOCK);
                refused += 1;
                File::create(REST).unwrap();
                thread::sleep(Duration::from_millis(1));
                module = still_loaded;
            }
        }
    }
    let _ = fs::remove_file(REST);
    for child in children {
        if procfs::stat(child.pid()).is_some_and(|stat| stat.state == 'Z') {
            // Tells why it has ended.
            child.join();
        } else {
            child.kill();
        }
    }
    drop(module);
    assert!(
        is_enough(unloaded, refused),
        "unloaded {unloaded} times, refused {refused} times"
    );
}

/// T07: unloading races with opening and closing in 8 processes; T10: and so does loading. A device
/// that can be opened works.
#[test]
fn opening_while_the_module_comes_and_goes() {
    let is_enough = |unloaded, refused| unloaded > 0 && refused > 0;
    while_loading_and_unloading(8, is_enough, || {
        match File::options().read(true).write(true).open(DEVICE_PATH) {
            Ok(mut file) => {
                let device = Device::open().expect("an open file keeps the module");
                assert_eq!(device.query(1).unwrap().unwrap().pid, 1);
                device.write_message(b"race").unwrap();
                let mut message = [0; 4];
                assert_eq!(file.read(&mut message).unwrap(), 4);
                assert_eq!(&message, b"race");
                assert!(device.stats().unwrap().opens >= 2);
            }
            Err(error) => {
                let expected = [libc::ENOENT, libc::ENXIO, libc::ENODEV];
                assert!(expected.contains(&error.raw_os_error().unwrap()), "{error}");
            }
        }
    });
}

/// T08: unloading races with reading and writing in sysfs, which it waits for.
#[test]
fn sysfs_while_the_module_comes_and_goes() {
    let is_enough = |unloaded, refused| unloaded > 0 && refused == 0;
    while_loading_and_unloading(4, is_enough, || {
        for path in [
            "/sys/class/misc/procmon/stats",
            "/sys/class/misc/procmon/buffer_size",
            "/sys/class/misc/procmon/monitor",
            "/sys/module/procmon/parameters/buffer_size",
        ] {
            match fs::read_to_string(path) {
                Ok(text) => assert!(text.ends_with('\n'), "{path}: {text:?}"),
                Err(error) => {
                    let expected = [libc::ENOENT, libc::ENODEV];
                    assert!(
                        expected.contains(&error.raw_os_error().unwrap()),
                        "{path}: {error}"
                    );
                }
            }
        }
        // Fails when there is no module, which is half of the time.
        let _ = Parameter::BufferSize.set(2048);
    });
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
    // The emulated machine may pause at any moment, hence the time that is in the middle.
    let mut long: [_; 5] = std::array::from_fn(|_| unload(3_600_000));
    let mut short: [_; 5] = std::array::from_fn(|_| unload(10));
    short.sort();
    long.sort();
    assert!(
        long[2] < short[2] * 3,
        "unloading took {short:?} while the monitor was busy, and {long:?} while it slept"
    );
}

/// T57: whoever hears of the device finds its attributes, as udev needs.
#[test]
fn attributes_are_there_with_the_uevent() {
    use nix::sys::socket::{NetlinkAddr, SockProtocol, bind, recv, setsockopt, socket, sockopt};

    let _kernel = KernelGuard::new();
    let events = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkKObjectUEvent,
    )
    .unwrap();
    bind(events.as_raw_fd(), &NetlinkAddr::new(0, 1)).unwrap();
    let timeout = nix::sys::time::TimeVal::new(10, 0);
    setsockopt(&events, sockopt::ReceiveTimeout, &timeout).unwrap();

    for _ in 0..5 {
        let checked = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut event = [0; 4096];
                loop {
                    let len = recv(events.as_raw_fd(), &mut event, MsgFlags::empty()).unwrap();
                    let event = String::from_utf8_lossy(&event[..len]);
                    if event.starts_with("add@/devices/virtual/misc/procmon\0") {
                        break;
                    }
                }
                // Whoever is told of the device may be late. But files have numbers in the order in
                // which they are made, and what is in "dev" is what is told.
                let number = |name| {
                    let path = format!("/sys/class/misc/procmon/{name}");
                    fs::read_to_string(&path).unwrap();
                    fs::metadata(&path).unwrap().ino()
                };
                let dev = number("dev");
                for name in ["stats", "buffer_size", "monitor"] {
                    assert!(number(name) < dev, "{name} was made late");
                }
                checked.store(true, Ordering::Relaxed);
            });
            let module = Module::load("").unwrap();
            eventually("the event", || checked.load(Ordering::Relaxed));
            drop(module);
        });
    }
}

/// lsmod(8) shows the module.
#[test]
fn lsmod_shows_the_module() {
    let (_kernel, _module) = loaded("");
    let output = Command::new("lsmod").stdin(Stdio::null()).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.lines().any(|line| line.starts_with("procmon ")),
        "{output}"
    );
}

/// A process that waits in the middle of using the device and is killed lets the module go.
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

    // The file is marked to be closed by exec.
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
