// SPDX-License-Identifier: GPL-2.0-only

//! Attributes and parameters in sysfs, and the monitor's counts.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fixture::child::{Child, as_nobody, busy, crowd, kill_all, uninterruptible};
use fixture::kernel_log::KernelLog;
use fixture::{
    KernelGuard, Module, eventually, is_own_kernel, loaded, module, monitor, procfs, stats,
};
use nix::unistd::pause;
use procmon::sysfs::{self, Monitor, Parameter};
use procmon::{Device, ErrorKind};

const ATTRIBUTES: [&str; 3] = ["stats", "buffer_size", "monitor"];

fn attribute(name: &str) -> String {
    format!("/sys/class/misc/procmon/{name}")
}

/// T56: the text of each attribute, to the letter.
#[test]
fn attributes_have_their_format() {
    let (_kernel, _module) = loaded("buffer_size=4096 monitor_interval_ms=3600000");
    let read = |name| fs::read_to_string(attribute(name)).unwrap();
    assert_eq!(
        read("stats"),
        "opens: 0\nreads: 0\nwrites: 0\nioctls: 0\nper_cpu_ops: 0\nfilter_pid: 0\n"
    );
    assert_eq!(read("buffer_size"), "4096\n", "sysfs.buffer_size");

    let mut device = Device::open().unwrap();
    Device::open().unwrap();
    device.write_message(b"Hello Kernel\n").unwrap();
    device.set_filter(Some(i32::MAX)).unwrap();
    for _ in 0..3 {
        device.read_message().unwrap();
        device.count().unwrap();
    }
    let text = read("stats");
    let lines = [
        ("opens", 2),
        ("reads", 3),
        ("writes", 1),
        ("ioctls", 4),
        ("per_cpu_ops", 10),
        ("filter_pid", i32::MAX),
    ];
    for (line, (key, value)) in text.split_inclusive('\n').zip(lines) {
        assert_eq!(line, format!("{key}: {value}\n"), "sysfs.stats.{key}");
    }
    assert_eq!(text.lines().count(), lines.len());

    eventually("the first sample", || {
        sysfs::monitor().unwrap().samples == 1
    });
    let text = read("monitor");
    let keys: Vec<_> = text
        .lines()
        .map(|line| line.split_once(": ").unwrap().0)
        .collect();
    assert_eq!(
        keys,
        [
            "samples",
            "processes",
            "threads",
            "running",
            "uninterruptible",
            "zombies",
            "forks"
        ]
    );
    let Monitor {
        samples,
        processes,
        threads,
        running,
        uninterruptible,
        zombies,
        forks,
        ..
    } = text.parse().unwrap();
    let expected = format!(
        "samples: {samples}\nprocesses: {processes}\nthreads: {threads}\nrunning: {running}\n\
         uninterruptible: {uninterruptible}\nzombies: {zombies}\nforks: {forks}\n"
    );
    assert_eq!(text, expected);
}

/// T56: all users may read the attributes, and no user can write them.
#[test]
fn attributes_are_read_only() {
    let (_kernel, _module) = loaded("");
    for name in ATTRIBUTES {
        let path = attribute(name);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o444, "{name}");
        // The mode does not stop root, but the attribute has no function for writes.
        if let Ok(mut file) = File::options().write(true).open(&path) {
            assert_eq!(
                file.write(b"1").unwrap_err().raw_os_error(),
                Some(libc::EIO),
                "{name}"
            );
        }
    }
    as_nobody(|| {
        sysfs::stats().unwrap();
        sysfs::monitor().unwrap();
        assert_eq!(sysfs::buffer_size().unwrap(), 1024);
        for name in ATTRIBUTES {
            let error = File::options()
                .write(true)
                .open(attribute(name))
                .unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EACCES), "{name}");
        }
    });
}

/// T56: a bad value that is written to a parameter is refused, with a line in the log, and the
/// parameter keeps its value.
#[test]
fn bad_parameters_keep_their_values() {
    let (_kernel, _module) = loaded("");
    fs::write("/proc/sys/kernel/printk_ratelimit", "0").unwrap();
    let mut log = KernelLog::from_now();
    // Neither a default nor a limit.
    let old_value = |parameter: Parameter| parameter.range().start() + 40;
    let mut cases = Vec::new();
    for &parameter in Parameter::ALL.iter().filter(|each| each.is_writable()) {
        parameter.set(old_value(parameter)).unwrap();
        let values = module::bad_values(parameter).into_iter();
        cases.extend(values.map(|value| (parameter, value)));
        cases.push((parameter, format!("{0} {0}", old_value(parameter))));
    }
    for (parameter, value) in cases {
        let old = old_value(parameter);
        let mut file = File::options().write(true).open(parameter.path()).unwrap();
        let error = file
            .write(value.as_bytes())
            .unwrap_err()
            .raw_os_error()
            .unwrap();
        assert!(
            [libc::EINVAL, libc::ERANGE].contains(&error),
            "{parameter:?}={value}: {error}"
        );
        assert_eq!(parameter.get().unwrap(), old, "{parameter:?}={value}");
        let mut lines = log.module_lines();
        // The monitor may be late by any time.
        lines.retain(|line| !line.ends_with("monitor started"));
        assert_eq!(lines.len(), 1, "{parameter:?}={value}: {lines:?}");
        assert!(lines[0].contains(parameter.name()), "{lines:?}");
    }
    let old = old_value(Parameter::BufferSize);
    assert_eq!(sysfs::buffer_size().unwrap(), old);

    let error = Parameter::BufferSize.set(1_048_577).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot write 1048577 to /sys/module/procmon/parameters/buffer_size"
    );
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    assert_eq!(error.hint(), Some("the value is out of range"));
    as_nobody(|| {
        let error = Parameter::BufferSize.set(100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoPermission);
        assert_eq!(Parameter::BufferSize.get().unwrap(), old);
    });
}

/// A new value of buffer_size counts from the next write on, and the present message stays whole.
#[test]
fn buffer_size_counts_from_the_next_write() {
    let (_kernel, _module) = loaded("");
    let mut device = Device::open().unwrap();
    device.write_message(&[b'x'; 1000]).unwrap();
    for (size, text) in [
        (10, "10"),
        (1, "1\n"),
        (1_048_576, "1048576"),
        (5000, "5000\n"),
    ] {
        fs::write(Parameter::BufferSize.path(), text).unwrap();
        assert_eq!(sysfs::buffer_size().unwrap(), size);
        assert_eq!(Parameter::BufferSize.get().unwrap(), size);
        assert_eq!(device.count().unwrap(), 1000, "the message stays");
        assert_eq!(device.read_message().unwrap(), [b'x'; 1000]);
    }
    Parameter::BufferSize.set(10).unwrap();
    assert_eq!(device.write_message(&[b'y'; 1000]).unwrap(), 10);
    assert_eq!(device.read_message().unwrap(), [b'y'; 10]);
}

/// Each write obeys one value of buffer_size, which changes while writers are at work.
#[test]
fn buffer_size_changes_under_writers() {
    let (_kernel, _module) = loaded("buffer_size=10");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for size in [100_000, 10] {
                    Parameter::BufferSize.set(size).unwrap();
                }
            }
        });
        let device = Device::open().unwrap();
        let message = vec![b'z'; 200_000];
        let taken: Vec<_> = (0..500).map(|_| device.write_message(&message)).collect();
        stop.store(true, Ordering::Relaxed);
        for taken in taken {
            assert!([10, 100_000].contains(taken.as_ref().unwrap()), "{taken:?}");
        }
    });
}

/// T58: reading each file of the device and the module in sysfs, and changing its mode and owner,
/// does no harm.
#[test]
fn a_sweep_of_sysfs_does_no_harm() {
    fn sweep(path: &std::path::Path, files: &mut usize) {
        let metadata = fs::symlink_metadata(path).unwrap();
        if metadata.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                sweep(&entry.unwrap().path(), files);
            }
        } else if metadata.is_file() {
            *files += 1;
            // Not every file is for reading, but none may do harm.
            let _ = fs::read(path);
            let mut permissions = metadata.permissions();
            permissions.set_mode(0o600);
            fs::set_permissions(path, permissions).unwrap();
            fs::set_permissions(path, metadata.permissions()).unwrap();
            chown(path, Some(0), Some(0)).unwrap();
        }
    }

    let (_kernel, _module) = loaded("");
    let mut files = 0;
    for root in ["/sys/devices/virtual/misc/procmon", "/sys/module/procmon"] {
        sweep(root.as_ref(), &mut files);
    }
    assert!(files >= 5, "only {files} files");
    assert_eq!(stats().per_cpu_ops, 0, "sysfs does not count");
}

/// T59: sysfs and GET_STATS agree, and the totals only grow.
#[test]
fn sysfs_and_get_stats_agree() {
    let (_kernel, _module) = loaded("");
    let mut device = Device::open().unwrap();
    let mut before = stats();
    for round in 1..=50 {
        device.write_message(b"abc").unwrap();
        device.read_message().unwrap();
        device.set_filter(Some(round)).unwrap();
        let by_ioctl = device.stats().unwrap();
        let by_sysfs = stats();
        assert_eq!(by_sysfs.totals, by_ioctl);
        assert_eq!(by_ioctl.filter, Some(round));
        // A write, a read, and two ioctls. The read at the end of the message does not count.
        assert_eq!(by_sysfs.per_cpu_ops, before.per_cpu_ops + 4);
        assert_eq!(by_ioctl.ioctls, before.totals.ioctls + 2);
        before = by_sysfs;
    }
}

/// Waits for the first sample that was begun after now.
fn next_sample() -> Monitor {
    let now = sysfs::monitor().unwrap().samples;
    // The next sample may have been begun already.
    eventually("two more samples", || {
        sysfs::monitor().unwrap().samples >= now + 2
    });
    sysfs::monitor().unwrap()
}

/// The monitor's processes and threads are those that /proc shows.
#[test]
fn monitor_counts_what_proc_shows() {
    let (_kernel, _module) = loaded("monitor_interval_ms=10");
    let children: Vec<_> = (0..20)
        .map(|_| {
            Child::spawn(|| {
                loop {
                    pause();
                }
            })
        })
        .collect();
    let ready = Barrier::new(11);
    let done = Barrier::new(11);
    let what_proc_shows = || (procfs::pids().len() as u64, procfs::thread_count() as u64);
    let result = thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                ready.wait();
                done.wait();
            });
        }
        ready.wait();
        // The kernel starts and ends its own threads now and then, so try again if that happens.
        let mut result = Err("no quiet moment".to_owned());
        for _ in 0..50 {
            let before = what_proc_shows();
            let sample = next_sample();
            if what_proc_shows() != before {
                continue;
            }
            if (sample.processes, sample.threads) == before {
                result = Ok((before, sample));
                break;
            }
            result = Err(format!("/proc: {before:?}, monitor: {sample:?}"));
        }
        done.wait();
        result
    });
    kill_all(children);
    let ((processes, threads), _) = result.unwrap();
    assert!(
        processes >= 20 && threads >= processes + 10,
        "{processes}, {threads}"
    );
}

/// The attribute has the counts of the latest sample, here of a system in which each has another
/// value, and none is 0.
#[test]
fn the_attribute_is_the_latest_sample() {
    let (_kernel, _module) = loaded("monitor_interval_ms=3600000");
    let device = Device::open().unwrap();
    let samples = || device.history(0).unwrap().next() - 1;
    eventually("the first sample", || samples() == 1);
    // More than there are ever running, so that no number is that of another line.
    let mut children: Vec<_> = (0..25).map(|_| uninterruptible()).collect();
    children.extend((0..14).map(|_| {
        let child = Child::spawn(|| {});
        procfs::wait_for_state(child.pid(), 'Z');
        child
    }));
    children.extend((0..2).map(|_| busy(c"busy")));
    let monitor = procfs::pids()
        .into_iter()
        .find(|&pid| procfs::stat(pid).is_some_and(|stat| stat.comm == b"procmon_monitor"));
    let system = loop {
        for _ in 0..9 {
            Child::spawn(|| {}).join();
        }
        let before = samples();
        Parameter::MonitorIntervalMs.set(10).unwrap();
        eventually("another sample", || samples() > before);
        Parameter::MonitorIntervalMs.set(3_600_000).unwrap();
        procfs::wait_for_state(monitor.unwrap(), 'I');
        let system = device.history(samples()).unwrap().samples()[0].system();
        // One more sample may have been taken, without a fork since the one before.
        if system.forks > 0 {
            break system;
        }
    };
    let text = fs::read_to_string(attribute("monitor")).unwrap();
    let lines = [
        ("samples", u32::try_from(samples()).unwrap()),
        ("processes", system.processes),
        ("threads", system.threads),
        ("running", system.running),
        ("uninterruptible", system.uninterruptible),
        ("zombies", system.zombies),
        ("forks", system.forks),
    ];
    for (line, (key, value)) in text.split_inclusive('\n').zip(lines) {
        assert_eq!(line, format!("{key}: {value}\n"), "sysfs.monitor.{key}");
        assert_ne!(value, 0, "{key}");
    }
    assert_eq!(text.lines().count(), lines.len());
    kill_all(children);
}

/// Busy processes count as running threads, and sleeping ones do not.
#[test]
fn monitor_counts_running_threads() {
    const BUSY: u64 = 4;
    const SLEEPING: u32 = 20;

    let (_kernel, _module) = loaded("monitor_interval_ms=10");
    // The monitor itself runs in each of its samples.
    let mut quiet = 1;
    let mut others = 0;
    // Other threads may run too, and while all CPUs are busy, kernel threads wait for one.
    if is_own_kernel() {
        quiet = (0..50).map(|_| next_sample().running).min().unwrap();
        others = u64::from(SLEEPING / 2);
    }
    let mut children = crowd(SLEEPING as usize);
    children.extend((0..BUSY).map(|_| {
        Child::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        })
    }));
    eventually("all are busy", || next_sample().running > BUSY);
    eventually("just the busy ones", || {
        let running = next_sample().running;
        assert!(running > BUSY, "only {running} threads are running");
        running <= quiet + BUSY + others
    });
    kill_all(children);
    // While they were busy no sample had so few, as the monitor comes to each of them.
    let fewer = if is_own_kernel() { BUSY } else { quiet };
    eventually("it gets quiet again", || next_sample().running <= fewer);
}

/// The monitor takes one sample per interval at most, and goes on.
#[test]
fn monitor_keeps_its_interval() {
    let start = Instant::now();
    let (_kernel, _module) = loaded("monitor_interval_ms=50");
    for _ in 0..10 {
        let samples = next_sample().samples;
        let at_most = start.elapsed().as_millis() / 50 + 1;
        assert!(
            u128::from(samples) <= at_most,
            "{samples} samples, at most {at_most} are due"
        );
    }
}

/// A new interval takes effect at once, even if the old one was an hour.
#[test]
fn monitor_interval_changes_at_run_time() {
    let (_kernel, _module) = loaded("monitor_interval_ms=3600000");
    eventually("the first sample", || {
        sysfs::monitor().unwrap().samples == 1
    });
    thread::sleep(Duration::from_millis(300));
    assert_eq!(sysfs::monitor().unwrap().samples, 1);

    Parameter::MonitorIntervalMs.set(10).unwrap();
    eventually("another sample", || sysfs::monitor().unwrap().samples > 1);

    monitor::rest();
    let settled = sysfs::monitor().unwrap().samples;
    thread::sleep(Duration::from_millis(500));
    assert_eq!(
        sysfs::monitor().unwrap().samples,
        settled,
        "it sleeps for an hour again"
    );
}

/// The monitor is a kernel thread with the specification's name, which sleeps and belongs to the
/// module.
#[test]
fn monitor_is_a_kernel_thread() {
    let _kernel = KernelGuard::new();
    let find = || {
        let stats = procfs::pids().into_iter().filter_map(procfs::stat);
        stats
            .filter(|stat| stat.comm == b"procmon_monitor")
            .collect::<Vec<_>>()
    };
    assert_eq!(find().len(), 0);
    let module = Module::load("monitor_interval_ms=3600000").unwrap();
    eventually("the thread sleeps", || {
        find().first().is_some_and(|stat| stat.state != 'R')
    });
    let threads = find();
    assert_eq!(threads.len(), 1);
    assert!(threads[0].kernel_thread);
    // In an uninterruptible sleep it would add to the load, and the kernel would report it as hung.
    assert!("SI".contains(threads[0].state), "{threads:?}");
    module.unload().unwrap();
    assert_eq!(find().len(), 0);
}
