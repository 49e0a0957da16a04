// SPDX-License-Identifier: GPL-2.0-only

//! Failures of memory: each allocation and each copy to or from the user fails once, in each
//! operation, in the module and in the kernel around it. The search at the end of all tests finds
//! memory that is lost thereby.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use fixture::child::Child;
use fixture::faults::Faults;
use fixture::memory::{PAGE, Region};
use fixture::{KernelGuard, Module, ia32, is_long, loaded, module, open, raw, skip, stats};
use nix::errno::Errno;
use nix::fcntl::{self, OFlag};
use nix::sys::stat::Mode;
use nix::unistd;
use procmon::sysfs::{self, Parameter};
use procmon::{Device, Stats, uapi};

/// Parameters of the module: messages of any size, no samples during a test, and a history so short
/// that it takes one allocation and not one for each page.
const PARAMETERS: &str = "buffer_size=1048576 monitor_interval_ms=3600000 history=8";

const SIZES: [usize; 3] = [100, 64 << 10, 1 << 20];

/// The most bytes that a read copies at a time.
const PIECE: usize = 64 << 10;

/// Runs a test with faults, if the kernel has them.
fn with_faults(body: impl FnOnce(&mut Faults)) {
    match Faults::new() {
        Ok(mut faults) => body(&mut faults),
        Err(error) => skip(format!("fault injection: {error}")),
    }
}

fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn open_raw(path: &CStr, flags: OFlag) -> nix::Result<OwnedFd> {
    fcntl::open(path, flags | OFlag::O_CLOEXEC, Mode::empty())
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn message() -> Vec<u8> {
    Device::open_read_only().unwrap().read_message().unwrap()
}

fn position(file: &File) -> String {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap();
    info.lines().next().unwrap().to_owned()
}

/// A pattern that differs from one run to the next.
fn pattern(nth: u32, len: usize) -> Vec<u8> {
    let first = usize::try_from(nth).unwrap();
    (first..first + len)
        .map(|number| (number % 251) as u8)
        .collect()
}

/// T65: an open that fails leaves no descriptor and does not count.
#[test]
fn opening() {
    with_faults(|faults| {
        let (_kernel, _module) = loaded(PARAMETERS);
        // The name, the file, and what the module keeps of it.
        faults.sweep(
            "open",
            3,
            |_| (stats().totals.opens, module::use_count(), descriptors()),
            |_| open_raw(c"/dev/procmon", OFlag::O_RDWR),
            |(opens, users, descriptors_before), result| {
                let opened = u64::from(result.is_ok());
                assert_eq!(stats().totals.opens, opens + opened);
                drop(result);
                assert_eq!(module::use_count(), users);
                assert_eq!(descriptors(), descriptors_before);
            },
        );
    });
}

/// T65: closing always works.
#[test]
fn closing() {
    with_faults(|faults| {
        let (_kernel, _module) = loaded(PARAMETERS);
        open_and_write(&pattern(0, 100));
        let users = module::use_count();
        faults.sweep(
            "close",
            0,
            |_| {
                // A file that keeps the message.
                let file = open();
                assert_eq!(raw::read(&file, Region::new(PAGE).start(), 10), Ok(10));
                open_and_write(&pattern(1, 100));
                std::os::fd::IntoRawFd::into_raw_fd(file)
            },
            |&file| unistd::close(file),
            |_, result| {
                assert_eq!(result, Ok(()));
                assert_eq!(module::use_count(), users);
            },
        );
    });
}

fn open_and_write(message: &[u8]) {
    let region = Region::with(message);
    assert_eq!(
        raw::write(open(), region.start(), message.len()),
        Ok(message.len())
    );
}

/// T65: a read that fails delivers nothing, moves nothing and does not count.
#[test]
fn reading() {
    with_faults(|faults| {
        for size in SIZES {
            let (_kernel, _module) = loaded(PARAMETERS);
            let written = pattern(1, size);
            open_and_write(&written);
            let buffer = Region::new(size);
            // Copying to the user.
            faults.sweep(
                &format!("read of {size}"),
                1,
                |_| {
                    buffer.fill(0, &vec![0xaa; size]);
                    (open(), stats())
                },
                |(file, _)| raw::read(file, buffer.start(), size),
                |(file, before), result| {
                    let mut expected = before;
                    if let Ok(len) = result {
                        // A long message is copied in pieces, of which one that fails is the end.
                        assert!(
                            len == size || len != 0 && len < size && len % PIECE == 0,
                            "{len}"
                        );
                        expected.totals.reads += 1;
                        expected.per_cpu_ops += 1;
                        assert_eq!(buffer.bytes(0, len), written[..len]);
                        assert_eq!(buffer.bytes(len, size - len), vec![0xaa; size - len]);
                        assert_eq!(position(&file), format!("pos:\t{len}"));
                    } else {
                        assert_eq!(buffer.bytes(0, size), vec![0xaa; size]);
                        assert_eq!(position(&file), "pos:\t0");
                    }
                    assert_eq!(stats(), expected);
                },
            );
            assert_eq!(message(), written);
        }
    });
}

/// T65: a write that fails changes nothing and does not count.
#[test]
fn writing() {
    with_faults(|faults| {
        for size in SIZES {
            let (_kernel, _module) = loaded(PARAMETERS);
            let file = open();
            open_and_write(&pattern(0, size));
            let mut written = 0;
            // The copy. The memory can be had in two ways.
            faults.sweep(
                &format!("write of {size}"),
                1,
                |nth| (nth, Region::with(&pattern(nth, size)), stats()),
                |(_, region, _)| raw::write(&file, region.start(), size),
                |(nth, _, before), result| {
                    let mut expected = before;
                    if let Ok(len) = result {
                        assert_eq!(len, size);
                        expected.totals.writes += 1;
                        expected.per_cpu_ops += 1;
                        written = nth;
                    }
                    assert_eq!(stats(), expected);
                    assert!(message() == pattern(written, size), "after failure {nth}");
                },
            );
        }
    });
}

/// The commands: name, number, and whether a 32-bit process calls it.
const COMMANDS: [(&str, u32, bool); 12] = [
    ("GET_COUNT", uapi::PROCMON_GET_COUNT, false),
    ("GET_STATS", uapi::PROCMON_GET_STATS, false),
    ("SET_FILTER", uapi::PROCMON_SET_FILTER, false),
    ("QUERY_PID", uapi::PROCMON_QUERY_PID, false),
    ("RESET", uapi::PROCMON_RESET, false),
    ("INFO", uapi::PROCMON_INFO, false),
    ("32-bit GET_COUNT", uapi::PROCMON_GET_COUNT, true),
    ("32-bit GET_STATS", uapi::PROCMON_GET_STATS32, true),
    ("32-bit SET_FILTER", uapi::PROCMON_SET_FILTER, true),
    ("32-bit QUERY_PID", uapi::PROCMON_QUERY_PID32, true),
    ("32-bit RESET", uapi::PROCMON_RESET, true),
    ("32-bit INFO", uapi::PROCMON_INFO, true),
];

/// The commands whose arguments have addresses: they are in the tests `lists` and
/// `events_after_a_failure`.
const OF_LISTS: [&str; 3] = ["SNAPSHOT", "HISTORY", "EVENTS"];

/// No command is left out.
#[test]
fn all_commands_are_listed() {
    for command in fixture::commands() {
        let name = command.trim_end_matches("32");
        let is_listed = |is_compat| {
            COMMANDS.iter().any(|&(listed, _, compat)| {
                compat == is_compat && listed.trim_start_matches("32-bit ") == name
            })
        };
        assert!(
            is_listed(false) && is_listed(true) || OF_LISTS.contains(&name),
            "{command}"
        );
    }
}

/// T65: a command that fails changes neither the kernel nor its argument, but counts.
#[test]
fn commands() {
    with_faults(|faults| {
        let (_kernel, _module) = loaded(PARAMETERS);
        let file = open();
        open_and_write(b"message");
        let argument = Region::new_low(PAGE);
        for (name, number, is_compat) in COMMANDS {
            let errors = faults.sweep(
                name,
                u32::from(number != uapi::PROCMON_RESET),
                |nth| {
                    let pid = i32::try_from(nth).unwrap();
                    argument.fill(0, &[0xaa; 64]);
                    argument.fill(0, &pid.to_ne_bytes());
                    (pid, argument.bytes(0, 64), stats())
                },
                |_| {
                    if is_compat {
                        ia32::ioctl(&file, number, argument.start())
                    } else {
                        raw::ioctl(&file, number.into(), argument.start())
                    }
                },
                |(pid, bytes, before), result| {
                    let mut expected = before;
                    expected.totals.ioctls += 1;
                    expected.per_cpu_ops += 1;
                    if result.is_err() {
                        assert_eq!(argument.bytes(0, 64), bytes, "{}", name);
                    } else if number == uapi::PROCMON_SET_FILTER {
                        expected.totals.filter = Some(pid);
                    } else if number == uapi::PROCMON_RESET {
                        expected.totals = Stats::default();
                    }
                    assert_eq!(stats(), expected, "{}", name);
                },
            );
            assert!(errors == 0 || number != uapi::PROCMON_RESET, "{}", name);
            assert_eq!(message(), b"message", "{}", name);
        }
    });
}

/// Targets that cannot be set leave those that there were.
#[test]
fn targets() {
    const OLD: &str = "1\n";
    const NEW: &str = "0 2 kthreadd\n";

    with_faults(|faults| {
        let (_kernel, _module) = loaded(PARAMETERS);
        let path = Path::new(sysfs::ATTRIBUTES).join("targets");
        let new = Region::with(NEW.as_bytes());
        // The kernel's copy of the text, and its list of probes.
        faults.sweep(
            "targets",
            2,
            |_| {
                fs::write(&path, OLD).unwrap();
                open_raw(&c_string(&path), OFlag::O_WRONLY).unwrap()
            },
            |file| raw::write(file, new.start(), NEW.len()),
            |_, result| {
                let (expected, filter) = if result.is_ok() {
                    (NEW, None)
                } else {
                    (OLD, Some(1))
                };
                assert_eq!(fs::read_to_string(&path).unwrap(), expected, "{result:?}");
                assert_eq!(stats().totals.filter, filter);
            },
        );
    });
}

/// T65: after an error, snapshots and the history can be fetched with the same arguments.
#[test]
fn lists() {
    with_faults(|faults| {
        let (_kernel, _module) = loaded(PARAMETERS);
        fixture::eventually("the first sample", || {
            sysfs::monitor().unwrap().samples == 1
        });
        let arguments = Region::new_low(PAGE);
        let records = Region::new_low(20 * PAGE);
        let record = size_of::<uapi::procmon_record>() as u32;
        let sample = size_of::<uapi::procmon_sample>() as u32;
        for (name, command, stride) in [
            ("SNAPSHOT", uapi::PROCMON_SNAPSHOT, record),
            ("SNAPSHOT, other stride", uapi::PROCMON_SNAPSHOT, record - 8),
            ("HISTORY", uapi::PROCMON_HISTORY, sample),
        ] {
            // The sizes of all versions of both have this in common.
            let mut bytes = [0; 64];
            bytes[0..4].copy_from_slice(&64u32.to_ne_bytes());
            let address = records.start().as_ptr() as u64;
            bytes[16..24].copy_from_slice(&address.to_ne_bytes());
            bytes[24..28].copy_from_slice(&stride.to_ne_bytes());
            bytes[28..32].copy_from_slice(&200u32.to_ne_bytes());
            for is_compat in [false, true] {
                faults.sweep(
                    name,
                    2,
                    |_| {
                        arguments.fill(0, &bytes);
                        open()
                    },
                    |file| {
                        if is_compat {
                            ia32::ioctl(file, command, arguments.start())
                        } else {
                            raw::ioctl(file, command.into(), arguments.start())
                        }
                    },
                    |_, result| {
                        let answer = arguments.bytes(0, bytes.len());
                        let count = u32::from_ne_bytes(answer[32..36].try_into().unwrap());
                        if result.is_err() {
                            assert_eq!(answer, bytes, "{name}");
                        } else {
                            assert!(count > 0, "{name}");
                        }
                    },
                );
            }
        }
    });
}

/// T65: the first call for events can be made again after an error, and the next ones lose none.
#[test]
fn events_after_a_failure() {
    with_faults(|faults| {
        let (_kernel, _module) = loaded(PARAMETERS);
        let region = Region::new_low(4 * PAGE);
        let asked = uapi::procmon_events {
            size: size_of::<uapi::procmon_events>() as u32,
            classes: 1 << uapi::PROCMON_EVENT_FORK | 1 << uapi::PROCMON_EVENT_EXIT,
            flags: uapi::PROCMON_EVENTS_BY_SUBTREE,
            tgid: i32::try_from(std::process::id()).unwrap(),
            buffer: region.start().as_ptr() as u64,
            capacity: 4 * PAGE as u32,
            ..Default::default()
        };
        let arguments = Region::new_low(PAGE);
        let call = |file: &File| raw::ioctl(file, uapi::PROCMON_EVENTS.into(), arguments.start());
        // The arguments, the ring, the probes, the processes, the buffer.
        faults.sweep(
            "EVENTS, first call",
            5,
            |_| {
                arguments.fill(0, &raw::bytes_of(&asked));
                open()
            },
            call,
            |file, result| {
                if result.is_err() {
                    assert_eq!(call(&file), Ok(0));
                }
            },
        );
        let file = open();
        arguments.fill(0, &raw::bytes_of(&asked));
        assert_eq!(call(&file), Ok(0));
        // The arguments and the events, in and out.
        faults.sweep(
            "EVENTS",
            3,
            |_| {
                Child::spawn(|| ()).join();
                arguments.fill(0, &raw::bytes_of(&asked));
            },
            |()| call(&file),
            |(), result| {
                if result.is_err() {
                    assert_eq!(arguments.bytes(0, 96), raw::bytes_of(&asked));
                    assert_eq!(call(&file), Ok(0));
                }
                let count = arguments.bytes(40, 4);
                assert_eq!(count, 2u32.to_ne_bytes());
            },
        );
    });
}

/// Reads a file that is shorter than a page, without allocations of the test itself.
fn read_file(path: &CStr, buffer: &Region) -> nix::Result<usize> {
    let file = open_raw(path, OFlag::O_RDONLY)?;
    raw::read(&file, buffer.start(), buffer.size())
}

/// T65: the files in sysfs are read as a whole or not at all.
#[test]
fn sysfs_files() {
    with_faults(|faults| {
        let (_kernel, _module) = loaded(PARAMETERS);
        open_and_write(b"message");
        fixture::eventually("the first sample", || {
            sysfs::monitor().unwrap().samples == 1
        });
        let buffer = Region::new(PAGE);
        for path in [
            "/sys/class/misc/procmon/stats",
            "/sys/class/misc/procmon/buffer_size",
            "/sys/class/misc/procmon/monitor",
        ]
        .map(PathBuf::from)
        .into_iter()
        .chain(Parameter::ALL.iter().map(|each| each.path()))
        {
            let content = fs::read(&path).unwrap();
            let c_path = c_string(&path);
            faults.sweep(
                path.to_str().unwrap(),
                3,
                |_| descriptors(),
                |_| read_file(&c_path, &buffer),
                |before, result| {
                    if let Ok(len) = result {
                        assert_eq!(buffer.bytes(0, len), content, "{path:?}");
                    }
                    assert_eq!(descriptors(), before, "{path:?}");
                },
            );
            assert_eq!(fs::read(&path).unwrap(), content);
        }
    });
}

/// T65: a parameter that could not be set has its old value.
#[test]
fn parameters() {
    with_faults(|faults| {
        let (_kernel, _module) = loaded(PARAMETERS);
        for parameter in Parameter::ALL.iter().filter(|each| each.is_writable()) {
            let path = c_string(&parameter.path());
            faults.sweep(
                parameter.name(),
                3,
                |nth| {
                    let value = parameter.default_value() + nth;
                    let text = value.to_string();
                    let region = Region::with(text.as_bytes());
                    (value, region, text.len(), parameter.get().unwrap())
                },
                |(_, region, len, _)| {
                    let file = open_raw(&path, OFlag::O_WRONLY)?;
                    raw::write(&file, region.start(), *len)
                },
                |(value, _, _, before), result| {
                    let expected = if result.is_ok() { value } else { before };
                    assert_eq!(parameter.get().unwrap(), expected);
                },
            );
        }
    });
}

/// Returns the minor number of the module's device in the list of misc devices.
fn minor() -> Option<String> {
    let devices = fs::read_to_string("/proc/misc").unwrap();
    let line = devices.lines().find(|line| line.ends_with(" procmon"))?;
    Some(line.to_owned())
}

/// T11: a module that could not be loaded leaves nothing behind, and can be loaded the next time.
///
/// Before the module's own code runs, the kernel takes hundreds of allocations to load it. They
/// fail too with `PROCMON_LONG=1` in the environment, and else one out of eight of the others.
#[test]
fn loading() {
    with_faults(|faults| {
        let _kernel = KernelGuard::new();
        let is_long = is_long();
        if !is_long {
            faults.restrict_to("do_init_module").unwrap();
            faults.thin_out(8);
        }
        let first = Module::load(PARAMETERS).unwrap();
        let number = minor();
        assert!(number.is_some());
        drop(first);

        let file = module::file();
        let parameters = CString::new(PARAMETERS).unwrap();
        // The monitor, its thread, counters, device, attributes, and all that the kernel needs.
        faults.sweep(
            "finit_module",
            if is_long { 20 } else { 3 },
            |_| (),
            |()| Module::load_from(&file, &parameters),
            |(), result| {
                if result.is_ok() {
                    assert_eq!(stats(), sysfs::Stats::default());
                    assert_eq!(minor(), number, "a number was lost");
                }
                // This unloads it.
                drop(result);
                assert!(!module::is_loaded());
                assert_eq!(module::traces(), [""; 0]);
            },
        );
        let (_kernel, _module) = loaded(PARAMETERS);
        open_and_write(b"message");
        assert_eq!(message(), b"message");
        assert_eq!(minor(), number);
    });
}

/// The sweep finds failures in the kernel's own files.
#[test]
fn faults_are_found() {
    with_faults(|faults| {
        let buffer = Region::new(PAGE);
        // While it is open, it need not be looked up, which would fail with ENOENT.
        let _open = File::open("/proc/self/comm").expect("it can be opened");
        let mut results = Vec::new();
        // An allocation that is needed now and then shifts the others, so one may be missed.
        for _ in 0..5 {
            faults.sweep(
                "/proc/self/comm",
                2,
                |_| (),
                |()| read_file(c"/proc/self/comm", &buffer),
                |(), result| results.push(result),
            );
            if results.contains(&Err(Errno::EFAULT)) {
                break;
            }
        }
        for expected in [Errno::ENOMEM, Errno::EFAULT].map(Err) {
            assert!(results.contains(&expected), "{expected:?}: {results:?}");
        }
    });
}
