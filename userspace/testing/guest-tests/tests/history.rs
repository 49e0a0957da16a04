// SPDX-License-Identifier: GPL-2.0

//! What the monitor records, and what becomes of the process that was chosen.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::thread;
use std::time::{Duration, Instant};

use fixture::child::{Child, as_nobody, in_child, in_pid_namespace, in_user_namespace};
use fixture::memory::{PAGE, Ptr, Region, bad_pointers};
use fixture::{eventually, ia32, is_own_kernel, loaded, open, procfs, raw};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pause;
use procmon::history::{Chosen, Sample};
use procmon::snapshot::{Groups, SnapshotOptions};
use procmon::sysfs::{self, Parameter};
use procmon::{Device, uapi};

const SAMPLE: usize = size_of::<uapi::procmon_sample>();
const MIN_STRIDE: u32 = uapi::PROCMON_SAMPLE_STRIDE_MIN;

/// In ms, as short as lets the kernel do something else too: a sample takes long on our own.
fn interval() -> u64 {
    if is_own_kernel() { 100 } else { 10 }
}

/// The parameter for a monitor that leaves many samples.
fn fast() -> String {
    format!("monitor_interval_ms={}", interval())
}

/// A process that sleeps until it is killed.
fn sleeper() -> Child {
    let child = Child::spawn(|| {
        loop {
            pause();
        }
    });
    procfs::wait_for_state(child.pid(), 'S');
    child
}

/// Waits for samples from a number on, until there is one that is wanted.
fn wait_for(device: &Device, mut next: u64, wanted: impl Fn(&Sample) -> bool) -> Sample {
    let mut found = None;
    eventually("a sample", || {
        let history = device.history(next).unwrap();
        next = history.next();
        found = history.samples().iter().copied().find(&wanted);
        found.is_some()
    });
    found.unwrap()
}

fn newest(device: &Device) -> u64 {
    device.history(0).unwrap().next() - 1
}

/// The words of `bytes` that are at an offset.
fn word(bytes: &[u8], offset: usize) -> u64 {
    u64::from_ne_bytes(bytes[offset..offset + 8].try_into().unwrap())
}

/// Samples have numbers without gaps, and there is no more than one for each deadline.
#[test]
fn samples_are_numbered() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    wait_for(&device, 0, |sample| sample.sequence() == 20);
    let history = device.history(0).unwrap();
    assert_eq!(history.missed(), 0);
    assert_eq!(history.interval(), Duration::from_millis(interval()));
    for (sample, expected) in history.samples().iter().zip(1..) {
        assert_eq!(sample.sequence(), expected);
        assert_eq!(sample.chosen(), Chosen::None);
    }
    assert_eq!(history.next(), history.samples().len() as u64 + 1);
    // Any sample may be late, but the next one but two is due two intervals after the next one.
    let times = history.samples().windows(4);
    for time in times.map(|window| window[3].time() - window[0].time()) {
        assert!(time > Duration::from_millis(2 * interval()), "{time:?}");
    }
    let boot = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).unwrap();
    let last = history.samples().last().unwrap().time();
    let age = Duration::from(boot).checked_sub(last.since_boot()).unwrap();
    assert!(age < fixture::PATIENCE, "{age:?}");
}

/// The numbers of the system are those of `/proc`, and those of sysfs.
#[test]
fn the_system_is_that_of_proc() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    let children: Vec<_> = (0..70).map(|_| sleeper()).collect();
    let zombies: Vec<_> = (0..3)
        .map(|_| {
            let child = Child::spawn(|| {});
            procfs::wait_for_state(child.pid(), 'Z');
            child
        })
        .collect();
    eventually("the same numbers", || {
        let before = (procfs::pids().len(), procfs::thread_count());
        let next = newest(&device) + 1;
        let sample = wait_for(&device, next, |_| true);
        let system = sample.system();
        let attribute = sysfs::monitor().unwrap();
        assert!(attribute.samples >= sample.sequence());
        assert!(system.zombies >= 3 && system.running >= 1, "{system:?}");
        assert!(system.threads >= system.processes, "{system:?}");
        (system.processes as usize, system.threads as usize) == before
    });
    let before = zombies_of_proc();
    zombies.into_iter().for_each(Child::join);
    eventually("no zombies of this test", || {
        let next = newest(&device) + 1;
        let zombies = wait_for(&device, next, |_| true).system().zombies as usize;
        zombies == zombies_of_proc() && zombies + 3 <= before
    });
    children.into_iter().for_each(Child::kill);
}

/// The processes that have ended and were not waited for.
fn zombies_of_proc() -> usize {
    let pids = procfs::pids().into_iter();
    pids.filter(|&pid| procfs::stat(pid).is_some_and(|stat| stat.state == 'Z'))
        .count()
}

/// What has been started since boot, by `/proc/stat`.
fn started() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let line = stat
        .lines()
        .find_map(|line| line.strip_prefix("processes "));
    line.unwrap().parse().unwrap()
}

/// Every process and thread that is started counts once.
#[test]
fn forks_count_once() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    let outer = started();
    let first = wait_for(&device, newest(&device) + 1, |_| true).sequence() + 1;
    let inner = started();
    for _ in 0..30 {
        in_child(|| thread::scope(|scope| drop(scope.spawn(|| {}))));
    }
    let inner = started() - inner;
    wait_for(&device, newest(&device) + 2, |_| true);
    let history = device.history(first).unwrap();
    let outer = started() - outer;
    let forks = history
        .samples()
        .iter()
        .map(|sample| u64::from(sample.system().forks));
    let forks: u64 = forks.sum();
    assert!(inner >= 60, "{inner}");
    assert!(
        (inner..=outer).contains(&forks),
        "{forks} of {inner} to {outer}"
    );
}

/// When the numbers of processes begin anew, those that are in use are not taken for new ones.
#[test]
fn forks_when_pids_wrap() {
    const PID_MAX: &str = "/proc/sys/kernel/pid_max";

    let (_kernel, _module) = loaded(&format!("{} history=20000", fast()));
    let device = Device::open().unwrap();
    let old = fs::read_to_string(PID_MAX).unwrap();
    let highest = procfs::pids().into_iter().max().unwrap();
    let sleepers: Vec<_> = (0..20).map(|_| sleeper()).collect();
    // Fewer where each takes long.
    let (room, count) = if is_own_kernel() {
        (20, 40)
    } else {
        (400, 1200)
    };
    fs::write(PID_MAX, (highest + room).max(300 + room).to_string()).unwrap();
    let outer = started();
    let first = wait_for(&device, newest(&device) + 1, |_| true).sequence() + 1;
    let inner = started();
    for _ in 0..count {
        Child::spawn(|| {}).join();
    }
    let inner = started() - inner;
    wait_for(&device, newest(&device) + 2, |_| true);
    let history = device.history(first).unwrap();
    let outer = started() - outer;
    fs::write(PID_MAX, old).unwrap();
    assert_eq!(history.missed(), 0);
    let forks = history
        .samples()
        .iter()
        .map(|sample| u64::from(sample.system().forks));
    let forks: u64 = forks.sum();
    // Processes that ended just before a sample were passed over, but are not there to be seen.
    assert!(
        (inner..=outer + 5).contains(&forks),
        "{forks} of {inner} to {outer}"
    );
    sleepers.into_iter().for_each(Child::kill);
}

/// As many samples are kept as the parameter says, and who comes late is told.
#[test]
fn the_oldest_samples_are_lost() {
    let (_kernel, _module) = loaded("history=3 monitor_interval_ms=10");
    assert_eq!(Parameter::History.get().unwrap(), 3);
    Parameter::History.set(5).unwrap_err();
    let device = Device::open().unwrap();
    wait_for(&device, 0, |sample| sample.sequence() >= 10);
    let history = device.history(0).unwrap();
    assert_eq!(history.samples().len(), 3);
    assert_eq!(history.missed(), 0, "nothing was asked for that is lost");
    let history = device.history(2).unwrap();
    let first = history.samples()[0].sequence();
    assert!(first >= 8, "{first}");
    assert_eq!(history.missed(), first - 2);
}

/// The chosen process is in each sample, as a snapshot shows it, until it is gone. Then nothing is
/// recorded any more, until somebody chooses again.
#[test]
fn the_target_is_in_each_sample() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    let child = sleeper();
    let pid = child.pid();
    device.set_filter(Some(pid)).unwrap();
    let next = newest(&device) + 2;
    let sample = wait_for(&device, next, |_| true);
    let Chosen::Process(record) = sample.chosen() else {
        panic!("{sample:?}");
    };
    let options = SnapshotOptions::new().groups(Groups::all()).tgid(pid);
    assert_eq!(device.snapshot(&options).unwrap().records(), [*record]);
    let stat = procfs::stat(pid).unwrap();
    assert_eq!(record.comm().as_bytes(), stat.comm);
    assert_eq!(record.memory().unwrap().virtual_size, stat.vsize);
    let start = record.cpu().unwrap().start;

    child.kill();
    let gone = wait_for(&device, next, |sample| {
        matches!(sample.chosen(), Chosen::Gone { .. })
    });
    let start = Some(start);
    assert_eq!(gone.chosen(), Chosen::Gone { pid, start });
    // Its past is there, sample after sample, and nothing comes after its end.
    let samples = sysfs::monitor().unwrap().samples;
    eventually("the monitor goes on", || {
        sysfs::monitor().unwrap().samples > samples + 5
    });
    let history = device.history(next).unwrap();
    let (last, past) = history.samples().split_last().unwrap();
    assert_eq!(last, &gone);
    for (sample, expected) in past.iter().zip(next..) {
        assert_eq!(sample.sequence(), expected);
        assert!(matches!(sample.chosen(), Chosen::Process(record) if record.pid() == pid));
    }

    device.set_filter(None).unwrap();
    let sample = wait_for(&device, gone.sequence() + 1, |_| true);
    assert_eq!(sample.sequence(), gone.sequence() + 1);
    assert_eq!(sample.chosen(), Chosen::None);
}

/// RESET ends the choice too, as it takes the filter away.
#[test]
fn reset_takes_the_target_away() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    device.set_filter(Some(1)).unwrap();
    wait_for(&device, 0, |sample| {
        matches!(sample.chosen(), Chosen::Process(_))
    });
    device.reset().unwrap();
    let next = newest(&device) + 2;
    assert_eq!(wait_for(&device, next, |_| true).chosen(), Chosen::None);
}

/// Nobody has this ID.
#[test]
fn a_target_that_does_not_exist() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    let pid = procfs::unused_pid();
    device.set_filter(Some(pid)).unwrap();
    let gone = wait_for(&device, 0, |sample| sample.chosen() != Chosen::None);
    assert_eq!(gone.chosen(), Chosen::Gone { pid, start: None });
}

/// A process that executes another program stays the same one.
#[test]
fn a_target_that_executes_a_program() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let child = Child::spawn(|| {
        nix::unistd::read(&reader, &mut [0]).unwrap();
        let sleep = [c"/bin/sleep", c"1000"];
        nix::unistd::execv(sleep[0], &sleep).unwrap();
    });
    device.set_filter(Some(child.pid())).unwrap();
    let is_named = |sample: &Sample, name: &str| match sample.chosen() {
        Chosen::Process(record) => record.comm() == name,
        _ => false,
    };
    let sample = wait_for(&device, 0, |sample| {
        matches!(sample.chosen(), Chosen::Process(_))
    });
    assert!(!is_named(&sample, "sleep"));
    nix::unistd::write(&writer, b"x").unwrap();
    wait_for(&device, sample.sequence(), |sample| {
        is_named(sample, "sleep")
    });
    child.kill();
}

/// An ID of the caller's PID namespace is that of another number for the monitor.
#[test]
fn a_target_named_in_a_pid_namespace() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    in_pid_namespace(|| {
        nix::sys::prctl::set_name(c"chosen one").unwrap();
        device.set_filter(Some(1)).unwrap();
        // PIDs of the namespace that samples are in are not for it.
        let error = device.history(0).unwrap_err();
        assert_eq!(error.kind(), procmon::ErrorKind::NoPermission);
        thread::sleep(Duration::from_millis(200));
    });
    let sample = wait_for(&device, 0, |sample| {
        matches!(sample.chosen(), Chosen::Process(_))
    });
    let Chosen::Process(record) = sample.chosen() else {
        unreachable!();
    };
    assert_eq!(record.comm(), "chosen one");
    assert!(record.pid() > 1);
}

/// Whoever has no rights over a process is told no more than by `/proc`.
#[test]
fn rights_over_the_target() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    device.set_filter(Some(1)).unwrap();
    let sample = wait_for(&device, 0, |sample| {
        matches!(sample.chosen(), Chosen::Process(_))
    });
    let io = |sample: &Sample| match sample.chosen() {
        Chosen::Process(record) => record.io(),
        _ => panic!("{sample:?}"),
    };
    assert!(io(&sample).is_some());
    as_nobody(|| {
        let history = device.history(sample.sequence()).unwrap();
        assert_eq!(io(&history.samples()[0]), None);
    });
    in_user_namespace(|| {
        let error = device.history(0).unwrap_err();
        assert_eq!(error.kind(), procmon::ErrorKind::NoPermission);
    });
}

fn ready(device: &Device, timeout: u16) -> PollFlags {
    let mut fds = [PollFd::new(device.as_fd(), PollFlags::all())];
    poll(&mut fds, PollTimeout::from(timeout)).unwrap();
    fds[0].revents().unwrap()
}

/// poll(2) tells of samples that a file has not asked for.
#[test]
fn poll_tells_of_new_samples() {
    let (_kernel, _module) = loaded("monitor_interval_ms=500");
    let device = Device::open().unwrap();
    let always =
        PollFlags::POLLIN | PollFlags::POLLOUT | PollFlags::POLLRDNORM | PollFlags::POLLWRNORM;
    wait_for(&device, 0, |_| true);
    // What this file has asked for is nothing new for it, but for another one it is.
    let other = Device::open().unwrap();
    assert_eq!(ready(&other, 0), always | PollFlags::POLLPRI);
    device.history(0).unwrap();
    assert_eq!(ready(&device, 0), always);
    let start = Instant::now();
    assert!(device.wait_for_sample(Some(fixture::PATIENCE)).unwrap());
    assert!(
        start.elapsed() < fixture::PATIENCE / 2,
        "{:?}",
        start.elapsed()
    );
    assert_eq!(ready(&device, 0), always | PollFlags::POLLPRI);
    // It stays so until it is asked for.
    assert!(device.wait_for_sample(None).unwrap());
    device.history(0).unwrap();
    Parameter::MonitorIntervalMs.set(3_600_000).unwrap();
    // The sample that may have been due meanwhile.
    thread::sleep(Duration::from_millis(1500));
    device.history(0).unwrap();
    assert!(
        !device
            .wait_for_sample(Some(Duration::from_millis(50)))
            .unwrap()
    );
}

/// Whoever waits by poll(2), or by epoll(7), is woken by the sample.
#[test]
fn waiting_for_samples() {
    let (_kernel, _module) = loaded("monitor_interval_ms=100");
    let device = Device::open().unwrap();
    let mut events = device.sample_events().unwrap();
    let before = newest(&device);
    for _ in 0..5 {
        events.wait().unwrap();
    }
    // The first one may have been there before.
    assert!(newest(&device) >= before + 4);
    let mut next = newest(&device) + 1;
    for _ in 0..5 {
        let history = device.history(next).unwrap();
        next = history.next();
        assert!(device.wait_for_sample(None).unwrap());
        assert!(newest(&device) >= next);
    }
}

/// A file that somebody polls can be closed, and then the module be unloaded.
#[test]
fn unloading_after_polling() {
    let (_kernel, module) = loaded(&fast());
    let device = Device::open().unwrap();
    let events = device.sample_events().unwrap();
    drop(events);
    let waiting = Child::spawn(|| {
        // Nothing but the last sample of an hour.
        Parameter::MonitorIntervalMs.set(3_600_000).unwrap();
        let events = PollFlags::POLLERR;
        let mut fds = [PollFd::new(device.as_fd(), events)];
        poll(&mut fds, PollTimeout::NONE).unwrap();
    });
    procfs::wait_for_state(waiting.pid(), 'S');
    waiting.kill();
    drop(device);
    module.unload().unwrap();
}

fn arguments(region: &Region, capacity: u32) -> uapi::procmon_history {
    uapi::procmon_history {
        size: size_of::<uapi::procmon_history>() as u32,
        samples: region.start().as_ptr() as u64,
        stride: SAMPLE as u32,
        capacity,
        ..Default::default()
    }
}

fn bytes_of(arguments: &uapi::procmon_history) -> Vec<u8> {
    // SAFETY: There are no gaps between the fields.
    let bytes = unsafe {
        std::slice::from_raw_parts((&raw const *arguments).cast::<u8>(), size_of_val(arguments))
    };
    bytes.to_vec()
}

/// Makes the call, whose arguments are their own buffer.
fn call(arguments: &mut uapi::procmon_history) -> nix::Result<i32> {
    let region = Region::new(PAGE);
    let before = bytes_of(arguments);
    region.fill(0, &before);
    let result = raw::ioctl(open(), uapi::PROCMON_HISTORY.into(), region.start());
    let bytes = region.bytes(0, before.len());
    if result.is_ok() {
        // SAFETY: Any bytes will do, and there are as many.
        *arguments = unsafe {
            bytes
                .as_ptr()
                .cast::<uapi::procmon_history>()
                .read_unaligned()
        };
    } else {
        assert_eq!(bytes, before, "an error changes nothing");
    }
    result
}

/// Arguments that are not as they should be are refused, each for its reason.
#[test]
fn history_refuses_bad_arguments() {
    let (_kernel, _module) = loaded(&fast());
    wait_for(&Device::open().unwrap(), 0, |_| true);
    let region = Region::new(4 * PAGE);
    type Change = fn(&mut uapi::procmon_history);
    let cases: [(&str, Change, Errno); 10] = [
        ("size 0", |a| a.size = 0, Errno::EINVAL),
        ("size 55", |a| a.size = 55, Errno::EINVAL),
        ("a huge size", |a| a.size = 1 << 20, Errno::E2BIG),
        ("a flag", |a| a.flags = 1, Errno::EINVAL),
        ("no stride", |a| a.stride = 0, Errno::EINVAL),
        (
            "a short stride",
            |a| a.stride = MIN_STRIDE - 8,
            Errno::EINVAL,
        ),
        (
            "an odd stride",
            |a| a.stride = SAMPLE as u32 + 4,
            Errno::EINVAL,
        ),
        ("a long stride", |a| a.stride = 4104, Errno::EINVAL),
        ("NULL", |a| a.samples = 0, Errno::EFAULT),
        (
            "a kernel address",
            |a| a.samples = Ptr::KERNEL.as_ptr() as u64,
            Errno::EFAULT,
        ),
    ];
    for (name, change, errno) in cases {
        let mut arguments = arguments(&region, 10);
        change(&mut arguments);
        assert_eq!(call(&mut arguments), Err(errno), "{name}");
        assert!(
            region.bytes(0, region.size()).iter().all(|&byte| byte == 0),
            "{name}"
        );
    }
    for (name, pointer) in bad_pointers(&region, size_of::<uapi::procmon_history>()) {
        let result = raw::ioctl(open(), uapi::PROCMON_HISTORY.into(), pointer);
        assert!(
            matches!(result, Err(Errno::EFAULT | Errno::EINVAL)),
            "{name}: {result:?}"
        );
    }
}

/// Any capacity, strides of later versions, and a buffer that ends early.
#[test]
fn capacities_and_strides() {
    let (_kernel, _module) = loaded("history=100 monitor_interval_ms=10");
    let device = Device::open().unwrap();
    wait_for(&device, 0, |sample| sample.sequence() == 100);
    Parameter::MonitorIntervalMs.set(3_600_000).unwrap();
    thread::sleep(Duration::from_millis(1500));
    let expected: Vec<_> = device.history(0).unwrap().samples().to_vec();
    let (oldest, newest) = (expected[0].sequence(), expected[99].sequence());

    let region = Region::new(100 * 256);
    for (stride, capacity) in [
        (SAMPLE, 0),
        (SAMPLE, 1),
        (SAMPLE, 33),
        (256, 100),
        (248, 65),
        // That of ABI version 1.
        (MIN_STRIDE as usize, 100),
    ] {
        region.fill(0, &vec![0xaa; region.size()]);
        let mut arguments = arguments(&region, capacity);
        arguments.stride = stride as u32;
        call(&mut arguments).unwrap();
        assert_eq!(arguments.count, capacity);
        assert_eq!((arguments.oldest, arguments.newest), (oldest, newest));
        assert_eq!(arguments.sequence, oldest + u64::from(capacity));
        assert_eq!(arguments.interval_ms, 3_600_000);
        let room = stride * capacity as usize;
        for (index, sample) in expected.iter().take(capacity as usize).enumerate() {
            let bytes = region.bytes(index * stride, stride);
            assert_eq!(word(&bytes, 0), sample.sequence());
            assert_eq!(
                Duration::from_nanos(word(&bytes, 8)),
                sample.time().since_boot()
            );
            assert!(bytes.iter().skip(SAMPLE).all(|&byte| byte == 0));
        }
        assert_eq!(
            region.bytes(room, 100),
            [0xaa; 100],
            "behind {capacity} of {stride}"
        );
    }
    // What is not there yet.
    for sequence in [newest + 1, newest + 2, u64::MAX] {
        let mut arguments = arguments(&region, 10);
        arguments.sequence = sequence;
        call(&mut arguments).unwrap();
        assert_eq!((arguments.count, arguments.sequence), (0, newest + 1));
    }
    for stride in [SAMPLE, 256, MIN_STRIDE as usize] {
        for fit in [0, 1, 31, 32, 33, 99] {
            let mut arguments = arguments(&region, 1000);
            arguments.stride = stride as u32;
            arguments.samples = region.before_end(fit * stride + 100).as_ptr() as u64;
            let result = call(&mut arguments);
            if fit == 0 {
                assert_eq!(result, Err(Errno::EFAULT));
            } else {
                assert_eq!((result, arguments.count as usize), (Ok(0), fit));
                assert_eq!(arguments.sequence, oldest + fit as u64);
            }
        }
    }
}

/// 32-bit programs get the same, and later versions may pass more.
#[test]
fn callers_of_32_bits_and_of_later_versions() {
    let (_kernel, _module) = loaded(&fast());
    wait_for(&Device::open().unwrap(), 0, |_| true);
    let region = Region::new_low(PAGE);
    let samples = Region::new_low(PAGE);
    let size = size_of::<uapi::procmon_history>();
    region.fill(0, &bytes_of(&arguments(&samples, 1)));
    assert_eq!(
        ia32::ioctl(open(), uapi::PROCMON_HISTORY, region.start()),
        Ok(0)
    );
    assert_eq!(word(&samples.bytes(0, 8), 0), 1);
    for (tail, expected) in [(0, Ok(0)), (1, Err(Errno::E2BIG))] {
        let arguments = uapi::procmon_history {
            size: size as u32 + 8,
            ..arguments(&samples, 1)
        };
        region.fill(0, &bytes_of(&arguments));
        region.fill(size, &[0, 0, 0, 0, 0, 0, 0, tail]);
        let command = u64::from(uapi::PROCMON_HISTORY) + (8 << 16);
        assert_eq!(raw::ioctl(open(), command, region.start()), expected);
    }
}
