// SPDX-License-Identifier: GPL-2.0-only

//! The targets: the processes that the monitor follows, by PID and by name.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fixture::child::{Child, as_nobody, in_child, in_pid_namespace, kill_all, paused};
use fixture::kernel_log::KernelLog;
use fixture::{KernelGuard, Module, eventually, is_own_kernel, loaded, module, procfs, stats};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use procmon::Device;
use procmon::history::{Sample, Target};
use procmon::sysfs::{self, Parameter, TargetPlace};

const PLACES: u32 = TargetPlace::MAX as u32;
const ATTRIBUTE: &str = "/sys/class/misc/procmon/targets";
const NEVER: &str = "monitor_interval_ms=3600000";

fn fast() -> String {
    format!("monitor_interval_ms={}", interval())
}

fn interval() -> u32 {
    if is_own_kernel() { 100 } else { 10 }
}

/// A program that has a name of its own and sleeps.
struct Program(PathBuf);

impl Program {
    fn new(name: &str) -> Self {
        let path = PathBuf::from("/tmp").join(name);
        symlink("/bin/sleep", &path).unwrap();
        Self(path)
    }

    /// Runs it, and waits until it has its name.
    fn start(&self) -> Child {
        let path = CString::new(self.0.to_str().unwrap()).unwrap();
        let child = Child::spawn(|| {
            nix::unistd::execv(&path, &[c"sleep", c"1000"]).unwrap();
        });
        let name = self.0.file_name().unwrap().as_encoded_bytes();
        eventually("the program", || {
            procfs::stat(child.pid()).is_some_and(|stat| name.starts_with(&stat.comm))
        });
        child
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes the attribute in one go.
fn write(text: &str) -> Result<(), Errno> {
    let mut file = File::options().write(true).open(ATTRIBUTE).unwrap();
    match file.write(text.as_bytes()) {
        Ok(len) => {
            assert_eq!(len, text.len());
            Ok(())
        }
        Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap())),
    }
}

fn shown() -> String {
    fs::read_to_string(ATTRIBUTE).unwrap()
}

/// Waits for the first sample of a place, from a number on, that meets a condition.
fn wait_for(
    device: &Device,
    place: u32,
    first: u64,
    wanted: impl Fn(Target<'_>) -> bool,
) -> Sample {
    let mut found = None;
    eventually("a sample", || {
        let history = device.history_of(place, first).unwrap();
        let mut samples = history.samples().iter().copied();
        found = samples.find(|sample| sample.sequence() >= first && wanted(sample.target()));
        found.is_some()
    });
    found.unwrap()
}

/// Waits for the process of a place in a sample that is not among those of a moment ago.
fn next_pid(device: &Device, place: u32) -> i32 {
    // The next one may have been begun already.
    let next = device.history_of(place, 0).unwrap().next() + 1;
    let sample = wait_for(device, place, next, |_| true);
    match sample.target() {
        Target::Process(record) => record.pid(),
        other => panic!("{other:?}"),
    }
}

fn is_gone(pid: i32) -> impl Fn(Target<'_>) -> bool {
    move |target| matches!(target, Target::Gone { pid: gone, .. } if gone == pid)
}

/// Fails unless a sample's target has the start that `/proc` shows of a process.
fn has_start(sample: &Sample, expected: u128) {
    let start = match sample.target() {
        Target::Process(record) => record.cpu().unwrap().start,
        Target::Gone { start, .. } => start.unwrap(),
        other => panic!("{other:?}"),
    };
    // In ticks, as /proc has it.
    assert_eq!(start.since_boot().as_nanos() / 10_000_000, expected);
}

/// Takes samples from now on.
fn let_sample() {
    Parameter::MonitorIntervalMs.set(interval()).unwrap();
}

/// All places are followed at the same time, each in a history of its own. The first one is the
/// filter, which SET_FILTER sets.
#[test]
fn each_place_has_a_history() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    assert_eq!(shown(), "\n");
    let children: Vec<_> = (0..PLACES).map(|_| paused()).collect();
    let pids: Vec<_> = children.iter().map(Child::pid).collect();
    let text: Vec<_> = pids.iter().map(ToString::to_string).collect();
    write(&text.join(",")).unwrap();
    assert_eq!(shown(), text.join(" ") + "\n");
    assert_eq!(stats().totals.filter, Some(pids[0]));
    for (place, &pid) in (0..).zip(&pids) {
        assert_eq!(next_pid(&device, place), pid);
    }

    // The first place by its own command, the others stay.
    let other = paused();
    device.set_filter(Some(other.pid())).unwrap();
    assert_eq!(next_pid(&device, 0), other.pid());
    assert_eq!(next_pid(&device, 1), pids[1]);
    assert_eq!(stats().totals.filter, Some(other.pid()));
    device.set_filter(None).unwrap();
    assert_eq!(stats().totals.filter, None);
    assert_eq!(shown(), format!("0 {}\n", text[1..].join(" ")));
    // Without a target, the first place has the system, and no other has samples.
    write(&format!("0 0 {}", pids[2])).unwrap();
    assert_eq!(shown(), format!("0 0 {}\n", pids[2]));
    let next = device.history(0).unwrap().next() + 1;
    wait_for(&device, 0, next, |target| target == Target::None);
    let last = device.history_of(1, 0).unwrap().next();
    assert_eq!(next_pid(&device, 2), pids[2]);
    assert_eq!(device.history_of(1, 0).unwrap().next(), last);

    // Each end is told once, and is the end of one place only.
    write(&format!("0 {} {}", pids[1], pids[2])).unwrap();
    next_pid(&device, 1);
    let mut children = children;
    children.remove(1).kill();
    let gone = wait_for(&device, 1, 0, is_gone(pids[1]));
    next_pid(&device, 2);
    next_pid(&device, 2);
    let history = device.history_of(1, 0).unwrap();
    assert_eq!(history.samples().last(), Some(&gone));
    for (sample, number) in history.samples().iter().zip(1..) {
        assert_eq!(sample.sequence(), number);
    }

    device.reset().unwrap();
    assert_eq!(shown(), "\n");
    assert_eq!(stats().totals.filter, None);
    kill_all(children);
    other.kill();
}

/// Of targets that end between the same two samples, each end is told once.
#[test]
fn targets_that_end_together() {
    let (_kernel, _module) = loaded(NEVER);
    let device = Device::open().unwrap();
    let children = [paused(), paused(), paused()];
    let pids = children.each_ref().map(Child::pid);
    write(&pids.map(|pid| pid.to_string()).join(" ")).unwrap();
    kill_all(children);
    let_sample();
    for (place, pid) in (0..).zip(pids) {
        wait_for(&device, place, 0, is_gone(pid));
    }
    let samples = sysfs::monitor().unwrap().samples;
    eventually("the monitor goes on", || {
        sysfs::monitor().unwrap().samples > samples + 5
    });
    for (place, pid) in (0..).zip(pids) {
        let history = device.history_of(place, 0).unwrap();
        let ends = history.samples().iter();
        assert_eq!(
            ends.filter(|sample| is_gone(pid)(sample.target())).count(),
            1
        );
    }
}

/// A program that is executed gets the place of its name at that moment, however soon it ends, and
/// after its end another one does.
#[test]
fn a_name_is_matched_at_each_exec() {
    let (_kernel, _module) = loaded(NEVER);
    let device = Device::open().unwrap();
    eventually("the first sample", || device.history(0).unwrap().next() > 1);
    let program = Program::new("targeted");
    let other = Program::new("targeted2");
    write("0 targeted").unwrap();
    assert_eq!(shown(), "0 targeted\n");
    // No sample is taken in its life.
    let start = |program: &Program| {
        let child = program.start();
        let pid = child.pid();
        (child, pid, procfs::start_time(pid).unwrap())
    };
    let (another, ..) = start(&other);
    let (child, pid, started) = start(&program);
    child.kill();
    let_sample();
    let gone = wait_for(&device, 1, 0, is_gone(pid));
    has_start(&gone, started);
    assert_eq!(gone.sequence(), 1);

    // The next one, which is there for some samples.
    let (child, pid, started) = start(&program);
    assert_eq!(next_pid(&device, 1), pid);
    let sample = wait_for(&device, 1, 2, |_| true);
    has_start(&sample, started);
    // It keeps its place.
    let (second, second_pid, _) = start(&program);
    assert_eq!(next_pid(&device, 1), pid);
    // After its end the other one, which was executed before that, has it.
    child.kill();
    wait_for(&device, 1, 2, is_gone(pid));
    eventually("the second one", || {
        let history = device.history_of(1, 0).unwrap();
        let last = history.samples().last().map(Sample::target);
        matches!(last, Some(Target::Process(record)) if record.pid() == second_pid)
    });
    second.kill();
    another.kill();
    // No process with another name was taken for it.
    for sample in device.history_of(1, 0).unwrap().samples() {
        if let Target::Process(record) = sample.target() {
            assert_eq!(record.comm(), "targeted");
        }
    }
}

/// A process that is there already is found by its name, but a zombie is not.
#[test]
fn a_process_that_is_there_is_found_by_name() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    // Longer than the name that a task keeps.
    let program = Program::new("a_name_of_18_bytes");
    let zombie = program.start();
    zombie.signal(nix::sys::signal::Signal::SIGKILL);
    procfs::wait_for_state(zombie.pid(), 'Z');
    let child = program.start();
    write("a_name_of_18_bytes a_name_of_18_bytes").unwrap();
    assert_eq!(next_pid_of(&device, 0), child.pid());
    assert_eq!(shown(), "a_name_of_18_by a_name_of_18_by\n");
    assert_eq!(stats().totals.filter, Some(child.pid()));
    // One process has one place.
    let second = program.start();
    assert_eq!(next_pid_of(&device, 1), second.pid());
    assert_eq!(next_pid(&device, 0), child.pid());
    child.kill();
    second.kill();
    zombie.kill();
}

/// Waits for the first process of a place.
fn next_pid_of(device: &Device, place: u32) -> i32 {
    let sample = wait_for(device, place, 0, |target| {
        matches!(target, Target::Process(_))
    });
    match sample.target() {
        Target::Process(record) => record.pid(),
        other => panic!("{other:?}"),
    }
}

/// Targets that are set while the module is loaded are in the first sample, and a bad list is
/// refused, with a line in the log.
#[test]
fn targets_at_loading() {
    let kernel = KernelGuard::new();
    let program = Program::new("targeted");
    let child = program.start();
    {
        let _module = Module::load(&format!("{} targets=1,targeted,kthreadd", fast())).unwrap();
        let device = Device::open().unwrap();
        let parameter = format!("{}/targets", sysfs::PARAMETERS);
        assert_eq!(
            fs::read_to_string(&parameter).unwrap(),
            "1,targeted,kthreadd\n"
        );
        let mode = fs::metadata(&parameter).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o444);
        assert_eq!(shown(), "1 targeted kthreadd\n");
        assert_eq!(stats().totals.filter, Some(1));
        for (place, pid) in [(0, 1), (1, child.pid()), (2, 2)] {
            let first = wait_for(&device, place, 0, |_| true);
            assert_eq!(first.sequence(), 1);
            assert!(
                matches!(first.target(), Target::Process(record) if record.pid() == pid),
                "{first:?}"
            );
        }
    }
    fs::write("/proc/sys/kernel/printk_ratelimit", "0").unwrap();
    for (targets, expected, lines) in [
        ("1,".repeat(17), Errno::E2BIG, 1),
        ("-1".to_owned(), Errno::EINVAL, 1),
        ("2147483648".to_owned(), Errno::EINVAL, 1),
        ("a\u{7f}".to_owned(), Errno::EINVAL, 1),
        ("1".repeat(512), Errno::ENOSPC, 0),
        ("1 targets=2".to_owned(), Errno::EEXIST, 0),
    ] {
        let mut log = KernelLog::from_now();
        let errno = Module::load(&format!("targets={targets}")).unwrap_err();
        assert_eq!(errno, expected, "{targets}");
        // The kernel has lines of its own, for any module.
        let mut logged = log.module_lines();
        logged.retain(|line| line.contains("targets must be"));
        assert_eq!(logged.len(), lines, "{targets}: {logged:?}");
        assert_eq!(module::traces(), Vec::<String>::new(), "{targets}");
    }
    child.kill();
    drop(kernel);
}

/// A list that is refused changes nothing, and only root may write.
#[test]
fn bad_lists_change_nothing() {
    let (_kernel, _module) = loaded(NEVER);
    write("1\tkthreadd,\n 2 ,").unwrap();
    let before = shown();
    assert_eq!(before, "1 kthreadd 2\n");
    for (text, expected) in [
        ("1 ".repeat(17), Errno::E2BIG),
        ("2 -1".to_owned(), Errno::EINVAL),
        ("2 -".to_owned(), Errno::EINVAL),
        ("2 2147483648".to_owned(), Errno::EINVAL),
        ("2 99999999999999999999999".to_owned(), Errno::EINVAL),
        ("2 a\u{e4}".to_owned(), Errno::EINVAL),
        ("2 a\0".to_owned(), Errno::EINVAL),
        ("2 a\u{1b}[2J".to_owned(), Errno::EINVAL),
    ] {
        assert_eq!(write(&text), Err(expected), "{text:?}");
        assert_eq!(shown(), before, "{text:?}");
        assert_eq!(stats().totals.filter, Some(1), "{text:?}");
    }
    let mode = fs::metadata(ATTRIBUTE).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
    as_nobody(|| {
        assert_eq!(shown(), before);
        let error = File::options().write(true).open(ATTRIBUTE).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EACCES));
    });
    // The largest list, which is of the longest names.
    let longest = vec!["abcdefghijklmno"; TargetPlace::MAX].join(" ");
    write(&longest).unwrap();
    assert_eq!(shown(), longest + "\n");
    // By the library, with an empty place.
    let places = ["7", "0", "cron"].map(|text| text.parse().unwrap());
    sysfs::set_targets(&places).unwrap();
    assert_eq!(sysfs::targets().unwrap(), places);
    sysfs::set_targets(&[]).unwrap();
    assert_eq!(sysfs::targets().unwrap(), []);
}

/// PIDs are those of the writer's PID namespace, and each reader is shown those of its own.
#[test]
fn targets_in_a_pid_namespace() {
    let (_kernel, _module) = loaded(NEVER);
    let outside = paused();
    write(&outside.pid().to_string()).unwrap();
    in_child(|| {
        in_pid_namespace(|| {
            assert_eq!(shown(), "0\n");
            write("1 cron").unwrap();
            assert_eq!(shown(), "1 cron\n");
        });
    });
    // It has ended by now, and has kept its number here.
    let text = shown();
    let pid = text.strip_suffix(" cron\n").unwrap();
    assert!(pid.parse::<i32>().unwrap() > outside.pid(), "{text}");
    outside.kill();
}

/// poll(2) tells of samples of the target that the file has asked for.
#[test]
fn poll_is_about_one_target() {
    let (_kernel, _module) = loaded(NEVER);
    let device = Device::open().unwrap();
    eventually("the first sample", || device.history(0).unwrap().next() > 1);
    let is_ready = || {
        let mut fds = [PollFd::new(device.as_fd(), PollFlags::POLLPRI)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    };
    let other = Device::open().unwrap();
    assert!(!is_ready());
    // The second place gets samples, the first one has its last.
    write(&format!("{} 1", procfs::unused_pid())).unwrap();
    let_sample();
    next_pid(&other, 1);
    assert!(is_ready());
    let end = wait_for(&other, 0, 0, |target| matches!(target, Target::Gone { .. }));
    assert_eq!(device.history(0).unwrap().next(), end.sequence() + 1);
    assert!(!is_ready());
    device.history_of(1, 0).unwrap();
    next_pid(&other, 1);
    assert!(is_ready());
    device.history(0).unwrap();
    assert!(!is_ready());
}

/// Names are set and cleared, by all ways, while programs are executed all the time; then the
/// module is unloaded.
#[test]
fn names_are_set_while_programs_are_executed() {
    let rounds = if is_own_kernel() { 20 } else { 100 };
    let (_kernel, module) = loaded(&fast());
    let program = Program::new("targeted");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                program.start().kill();
            }
        });
        let device = Device::open().unwrap();
        for round in 0..rounds {
            write("targeted 1 targeted").unwrap();
            assert_eq!(next_pid(&device, 1), 1);
            match round % 3 {
                0 => write("1").unwrap(),
                1 => device.reset().unwrap(),
                // The last place still has a name.
                _ => device.set_filter(Some(1)).unwrap(),
            }
        }
        for place in [0, 2] {
            for sample in device.history_of(place, 0).unwrap().samples() {
                if let Target::Process(record) = sample.target() {
                    assert!(record.comm() == "targeted" || record.pid() == 1);
                }
            }
        }
        write("targeted").unwrap();
        is_over.store(true, Ordering::Relaxed);
    });
    module.unload().map_err(|(_, errno)| errno).unwrap();
}
