// SPDX-License-Identifier: GPL-2.0-only

//! Opening and closing the device.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;

use fixture::child::{Child, as_nobody, in_child, in_user_namespace};
use fixture::memory::Region;
use fixture::{loaded, module, open, raw, stats};
use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, SFlag, mknod};
use procmon::{DEVICE_PATH, Device, ErrorKind as ClientErrorKind, uapi};

/// T13: a thousand files can be open at once, one more is refused, and later opens work again.
#[test]
fn as_many_files_as_allowed() {
    let (_kernel, module) = loaded("");
    in_child(|| {
        setrlimit(Resource::RLIMIT_NOFILE, 1100, 1100).unwrap();
        let mut files = Vec::new();
        let error = loop {
            match File::open(DEVICE_PATH) {
                Ok(file) => files.push(file),
                Err(error) => break error,
            }
        };
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        assert!(files.len() >= 1000, "{} files", files.len());
        let opened = u64::try_from(files.len()).unwrap();
        files.truncate(500);
        assert_eq!(stats_by(&files[0]).total_opens, opened);
        assert_eq!(module::use_count(), Some(500));
    });
    assert_eq!(module::use_count(), Some(0));
    module.unload().unwrap();
}

/// Calls GET_STATS on a file that is already open.
fn stats_by(file: &File) -> uapi::procmon_stats {
    let answer = Region::new(size_of::<uapi::procmon_stats>());
    raw::ioctl(file, uapi::PROCMON_GET_STATS.into(), answer.start()).unwrap();
    let field = |offset| u64::from_ne_bytes(answer.bytes(offset, 8).try_into().unwrap());
    uapi::procmon_stats {
        total_opens: field(0),
        total_reads: field(8),
        total_writes: field(16),
        total_ioctls: field(24),
        current_filter_pid: i32::from_ne_bytes(answer.bytes(32, 4).try_into().unwrap()),
    }
}

/// T14: effects of the flags of open(2), and the opens that count.
#[test]
fn flags_of_open() {
    let (_kernel, _module) = loaded("");
    Device::open().unwrap().write_message(b"kept").unwrap();
    let mut expected = 1;
    assert_eq!(stats().totals.opens, expected);

    let try_open = |access: i32, flags: i32| {
        let mut options = File::options();
        options
            .read(access != libc::O_WRONLY)
            .write(access != libc::O_RDONLY);
        options.custom_flags(flags).open(DEVICE_PATH)
    };
    for access in [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR] {
        for flags in [
            0,
            libc::O_APPEND,
            libc::O_NONBLOCK,
            libc::O_TRUNC,
            libc::O_SYNC,
        ] {
            let file = try_open(access, flags).unwrap_or_else(|e| panic!("{flags:#o}: {e}"));
            expected += 1;
            assert_eq!(stats().totals.opens, expected, "{flags:#o}");
            drop(file);
        }
    }
    let mut message = String::new();
    open().read_to_string(&mut message).unwrap();
    expected += 1;
    assert_eq!(message, "kept", "O_TRUNC is for regular files");

    for (flags, errno) in [
        (libc::O_DIRECT, libc::EINVAL),
        (libc::O_CREAT | libc::O_EXCL, libc::EEXIST),
        (libc::O_DIRECTORY, libc::ENOTDIR),
    ] {
        let error = try_open(libc::O_RDWR, flags).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno), "{flags:#o}");
    }

    // O_PATH opens no device: it does not count, and does not keep the module.
    let path = try_open(libc::O_RDONLY, libc::O_PATH).unwrap();
    let page = Region::new(1);
    let ioctl = raw::ioctl(&path, uapi::PROCMON_GET_COUNT.into(), page.start());
    assert_eq!(ioctl, Err(Errno::EBADF));
    assert_eq!(raw::read(&path, page.start(), 1), Err(Errno::EBADF));
    assert_eq!(module::use_count(), Some(0));

    // O_DIRECT is refused by the VFS after the driver has opened the file.
    let opens = stats().totals.opens;
    assert!(
        [expected, expected + 1].contains(&opens),
        "{opens} opens, {expected} expected"
    );
}

/// T15: the node belongs to root, and other users cannot open it, not even as root of a user
/// namespace.
#[test]
fn the_node_is_for_root() {
    let (_kernel, _module) = loaded("");
    let metadata = fs::metadata(DEVICE_PATH).unwrap();
    assert_eq!(metadata.mode(), libc::S_IFCHR | 0o600);
    assert_eq!((metadata.uid(), metadata.gid()), (0, 0));

    let refused = || {
        for (read, write) in [(true, false), (false, true), (true, true)] {
            let error = File::options()
                .read(read)
                .write(write)
                .open(DEVICE_PATH)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        }
        let error = Device::open().unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::NoPermission);
        assert_eq!(error.to_string(), "cannot open /dev/procmon");
        assert_eq!(error.raw_os_error(), Some(libc::EACCES));
    };
    as_nobody(refused);
    in_user_namespace(refused);
    assert_eq!(stats().totals.opens, 0);

    let uevent = fs::read_to_string("/sys/class/misc/procmon/uevent").unwrap();
    let (major, minor) = (libc::major(metadata.rdev()), libc::minor(metadata.rdev()));
    for line in [
        format!("MAJOR={major}"),
        format!("MINOR={minor}"),
        "DEVNAME=procmon".to_owned(),
    ] {
        assert!(
            uevent.lines().any(|found| found == line),
            "{line} in {uevent}"
        );
    }
}

/// T16: each open file has an offset of its own; all share message, filter and counters.
#[test]
fn open_files_share_all_but_the_offset() {
    let (_kernel, _module) = loaded("");
    let (mut first, mut second) = (open(), open());
    let writer = Device::open().unwrap();
    writer.write_message(b"abcdef").unwrap();
    let mut part = [0; 3];
    first.read_exact(&mut part).unwrap();
    assert_eq!(&part, b"abc");
    second.read_exact(&mut part).unwrap();
    assert_eq!(&part, b"abc");
    first.read_exact(&mut part).unwrap();
    assert_eq!(&part, b"def");

    // A duplicate is the same open file.
    let mut duplicate = second.try_clone().unwrap();
    duplicate.read_exact(&mut part).unwrap();
    assert_eq!(&part, b"def");
    assert_eq!(second.read(&mut part).unwrap(), 0);

    writer.set_filter(Some(77)).unwrap();
    assert_eq!(stats_by(&first).current_filter_pid, 77);
    assert_eq!(stats_by(&first).total_opens, 3);
    assert_eq!(stats_by(&first).total_reads, 4);
}

/// T16: the message and the settings outlive the file that set them.
#[test]
fn settings_outlive_the_file() {
    let (_kernel, _module) = loaded("");
    in_child(|| {
        let device = Device::open().unwrap();
        device.write_message(b"inherited").unwrap();
        device.set_filter(Some(5)).unwrap();
    });
    let mut message = [0; 9];
    open().read_exact_at(&mut message, 0).unwrap();
    assert_eq!(&message, b"inherited");
    assert_eq!(stats().totals.filter, Some(5));
}

/// T18: no open is lost when many processes and threads open at once.
#[test]
fn the_count_of_opens_is_exact() {
    const PROCESSES: u64 = 4;
    const THREADS: u64 = 2;
    const OPENS: u64 = 200;

    let (_kernel, _module) = loaded("");
    let storm = || {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..OPENS {
                        drop(open());
                    }
                });
            }
        });
    };
    let children: Vec<_> = (0..PROCESSES).map(|_| Child::spawn(storm)).collect();
    children.into_iter().for_each(Child::join);
    assert_eq!(stats().totals.opens, PROCESSES * THREADS * OPENS);
    assert_eq!(stats().per_cpu_ops, PROCESSES * THREADS * OPENS);
    assert_eq!(module::use_count(), Some(0));
}

/// A descriptor becomes a `Device` if it is procmon's, and not if it is one of another driver, at
/// any path.
#[test]
fn only_files_of_procmon_become_devices() {
    let (_kernel, module) = loaded("");
    let file = File::options().read(true).write(true).open(DEVICE_PATH);
    let mut device = Device::try_from(OwnedFd::from(file.unwrap())).unwrap();
    assert_eq!(device.path(), Path::new(DEVICE_PATH));
    device.write_message(b"passed on").unwrap();
    assert_eq!(device.read_message().unwrap(), b"passed on");
    let info = device.info().unwrap();
    assert_eq!(info.abi_version, uapi::PROCMON_ABI_VERSION);
    assert_eq!(info.record_size as usize, size_of::<uapi::procmon_record>());
    assert_eq!(info.sample_size as usize, size_of::<uapi::procmon_sample>());

    let number = fs::metadata(DEVICE_PATH).unwrap().rdev();
    let node = |path: &str, number| {
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        mknod(path, SFlag::S_IFCHR, mode, number).unwrap();
        Device::options().path(path).open()
    };
    let twin = "/dev/twin-of-procmon";
    assert_eq!(node(twin, number).unwrap().info().unwrap(), info);
    // A device of another driver at procmon's path.
    let others = [
        ("/dev/null-as-procmon", "/dev/null"),
        ("/dev/ptmx-as-procmon", "/dev/ptmx"),
    ];
    for (path, other) in others {
        let error = node(path, fs::metadata(other).unwrap().rdev()).unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::NotProcmon, "{error}");
        let file = OwnedFd::from(File::open(other).unwrap());
        let error = Device::try_from(file).unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::NotProcmon, "{error}");
        fs::remove_file(path).unwrap();
    }
    // The number may go to another device once procmon is gone.
    drop(device);
    module.unload().unwrap();
    let error = Device::options().path(twin).open().unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::NoModule, "{error}");
    fs::remove_file(twin).unwrap();
}
