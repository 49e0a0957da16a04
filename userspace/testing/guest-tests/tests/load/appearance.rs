// SPDX-License-Identifier: GPL-2.0-only

//! Metadata, log lines, device nodes and uevents of the module.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fixture::kernel_log::KernelLog;
use fixture::module::{self, Module};
use fixture::{KernelGuard, eventually, loaded};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType};
use procmon::sysfs::{self, Parameter};
use procmon::{DEVICE_PATH, Device};

/// The specification's metadata is in the section `.modinfo`, from which modinfo(8) takes it.
#[test]
fn metadata() {
    let (_kernel, _module) = loaded("");
    let file = fs::read(module::PATH).unwrap();
    for entry in [
        "license=GPL\0",
        "description=Process Monitor - Character Device with RCU and sysfs\0",
        // The first one of the specification is 1.0. It is that of the crates now.
        concat!("version=", env!("CARGO_PKG_VERSION"), "\0"),
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
        concat!(env!("CARGO_PKG_VERSION"), "\n")
    );
}

/// The module logs one line after loading and one after unloading, and none for opening, reading,
/// writing, ioctl and closing, whether they succeed or not.
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

    // A module that is refused was never loaded.
    Module::load("buffer_size=0").unwrap_err();
    let lines = log.module_lines();
    assert!(
        !lines.iter().any(|line| line.contains("loaded")),
        "{lines:?}"
    );
}

/// The device number in sysfs is that of the node, and a node made by hand with it works.
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

/// T57: the attributes exist when the uevent announces the device, as udev needs.
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
                // The event may arrive late. But files have inode numbers in the order of their
                // creation, and that of "dev" precedes the event.
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
