// SPDX-License-Identifier: GPL-2.0-only

//! All interfaces at once, under load.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fixture::child::Child;
use fixture::memory::{PAGE, Ptr, Region};
use fixture::{PATIENCE, loaded, open, procfs, raw, stats};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::uio::pread;
use nix::unistd::{Pid, getpid, gettid};
use procmon::snapshot::{Groups, Record};
use procmon::sysfs::{self, Parameter};
use procmon::{Device, Sample, SnapshotOptions, Stats, uapi};

/// The numbers of successful operations of all threads, and of all ioctls.
#[derive(Default)]
struct Done {
    opens: AtomicU64,
    reads: AtomicU64,
    writes: AtomicU64,
    ioctls: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn on_signal(_: libc::c_int) {}

const FILTER: i32 = 5;

/// The messages: each is one letter repeated, and the letter stands for the length.
const MESSAGES: [(u8, usize); 5] = [
    (b'a', 3000),
    (b'b', 700),
    (b'c', 4096),
    (b'd', 1),
    (b'e', 70_000),
];

/// Values of buffer_size, none of which cuts a message to the length of another one.
const LIMITS: [u32; 3] = [70_000, 80_000, 1 << 20];

fn read(device: &Device, done: &Done, piece: usize) {
    let mut message = Vec::new();
    let mut part = vec![0; piece];
    loop {
        let offset = i64::try_from(message.len()).unwrap();
        let len = match pread(device, &mut part, offset) {
            Ok(0) => break,
            // There are more passes than held messages, so a pass may have to begin again.
            Err(Errno::ESTALE) => {
                assert_ne!(offset, 0, "pieces of {piece}");
                message.clear();
                continue;
            }
            result => result.unwrap(),
        };
        count(&done.reads);
        message.extend_from_slice(&part[..len]);
    }
    let known = MESSAGES
        .iter()
        .any(|&(letter, len)| message.len() == len && message.iter().all(|&byte| byte == letter));
    let len = message.len();
    message.dedup();
    assert!(
        known || len == 0,
        "pieces of {piece}: {len} bytes of {message:?}"
    );
}

fn write(device: &Device, done: &Done, round: usize) {
    let (letter, len) = MESSAGES[round % MESSAGES.len()];
    assert_eq!(device.write_message(&vec![letter; len]).unwrap(), len);
    count(&done.writes);
}

fn all_ioctls(device: &Device, done: &Done, resets: bool) {
    let len = device.count().unwrap();
    let known = MESSAGES.iter().any(|&(_, known)| known == len);
    assert!(known || len == 0, "{len} bytes");
    device.set_filter(Some(FILTER)).unwrap();
    device.stats().unwrap();
    device.query(1).unwrap().expect("process 1 is there");
    raw::ioctl(device, 0x5005, Ptr::NULL).unwrap_err();
    for _ in 0..5 {
        count(&done.ioctls);
    }
    if resets {
        device.reset().unwrap();
        count(&done.ioctls);
    }
}

fn open_and_close(done: &Done) {
    drop(open());
    count(&done.opens);
}

fn read_sysfs(resets: bool) {
    let stats = sysfs::stats().unwrap();
    let totals = stats.totals;
    assert!([None, Some(FILTER)].contains(&totals.filter), "{totals:?}");
    let sum = totals.opens + totals.reads + totals.writes + totals.ioctls;
    // All numbers are those of one moment.
    assert!(
        sum == stats.per_cpu_ops || resets && sum < stats.per_cpu_ops,
        "{stats:?}"
    );
    let limit = sysfs::buffer_size().unwrap();
    assert!(LIMITS.contains(&limit), "{limit}");
    sysfs::monitor().unwrap();
}

fn set_parameters(round: usize) {
    Parameter::BufferSize
        .set(LIMITS[round % LIMITS.len()])
        .unwrap();
    let interval = 10 + u32::try_from(round % 20).unwrap();
    Parameter::MonitorIntervalMs.set(interval).unwrap();
    fs::write(Parameter::BufferSize.path(), "0").unwrap_err();
}

/// Queries a process that [`start_process`] is starting or ending.
fn ask_for(device: &Device, done: &Done, pid: &AtomicI32) {
    let pid = pid.load(Ordering::Relaxed);
    let answer = device.query(pid).unwrap();
    count(&done.ioctls);
    if let Some(process) = answer {
        assert_eq!(process.pid, pid);
        assert!(!process.comm.is_empty());
    }
}

/// Takes a snapshot, and fetches the last samples.
fn look_at_all(device: &Device, done: &Done, stop: &AtomicBool) {
    let options = SnapshotOptions::new().groups(Groups::all()).threads(true);
    let snapshot = device.snapshot(&options).unwrap();
    let records = snapshot.records();
    assert!(records.is_sorted_by(|a, b| a.pid() < b.pid()));
    let own: Vec<_> = records
        .iter()
        .filter(|record| record.tgid() == getpid().as_raw())
        .map(Record::pid)
        .collect();
    for thread in [getpid(), gettid()] {
        assert!(own.contains(&thread.as_raw()), "{thread} is not in {own:?}");
    }
    // All others end together.
    assert!(own.len() > 8 || stop.load(Ordering::Relaxed), "{own:?}");

    let newest = device.history(u64::MAX).unwrap().next();
    let history = device.history(newest.saturating_sub(10).max(1)).unwrap();
    let numbers = history.samples().iter().map(Sample::sequence);
    assert!(numbers.is_sorted_by(|a, b| a + 1 == *b));
    for _ in 0..3 {
        count(&done.ioctls);
    }
}

fn start_process(pid: &AtomicI32) {
    let mut child = Command::new("/bin/true").spawn().unwrap();
    pid.store(i32::try_from(child.id()).unwrap(), Ordering::Relaxed);
    child.wait().unwrap();
}

/// Returns the files that take CPUs offline, of those that can be.
fn cpu_switches() -> Vec<String> {
    (1..8)
        .map(|cpu| format!("/sys/devices/system/cpu/cpu{cpu}/online"))
        .filter(|switch| Path::new(switch).exists())
        .collect()
}

/// Takes all CPUs but the first offline and online again.
fn switch_cpus(switches: &[String]) {
    for value in ["0", "1"] {
        for switch in switches {
            fs::write(switch, value).unwrap();
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Sends a signal to a thread, which may have ended.
fn interrupt(thread: Pid) {
    // SAFETY: The call takes numbers only.
    let result = unsafe {
        libc::syscall(
            libc::SYS_tgkill,
            getpid().as_raw(),
            thread.as_raw(),
            libc::SIGUSR1,
        )
    };
    let result = Errno::result(result).map(drop);
    assert!(
        matches!(result, Ok(()) | Err(Errno::ESRCH)),
        "tgkill: {result:?}"
    );
}

/// Guard that makes all threads end when one does, also by a panic.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs nine threads that use every interface, while processes and CPUs come and go, and signals
/// interrupt everything. Fails if a count is wrong, a message is mixed, or the module stays in use.
fn run(duration: Duration, resets: bool) {
    let (_kernel, module) = loaded("buffer_size=70000");
    let done = Done::default();
    let pid = AtomicI32::new(getpid().as_raw());
    let stop = AtomicBool::new(false);
    let [device, small, large] = [(); 3].map(|()| {
        count(&done.opens);
        Device::open().unwrap()
    });
    let jobs: [(&str, &(dyn Fn(usize) + Sync)); 9] = [
        ("reader of pieces", &|_| read(&small, &done, 257)),
        ("reader", &|_| read(&large, &done, 1 << 17)),
        ("writer", &|round| write(&device, &done, round)),
        ("second writer", &|round| write(&device, &done, round * 3)),
        ("ioctls", &|_| {
            all_ioctls(&device, &done, resets);
            open_and_close(&done);
        }),
        ("sysfs", &|_| read_sysfs(resets)),
        ("parameters", &set_parameters),
        ("queries", &|_| ask_for(&device, &done, &pid)),
        ("lists", &|_| look_at_all(&device, &done, &stop)),
    ];
    let threads = Mutex::new(Vec::new());
    let repeat = |job: &dyn Fn(usize)| {
        let _guard = StopAtEnd(&stop);
        let mut rounds = 0;
        while !stop.load(Ordering::Relaxed) {
            job(rounds);
            rounds += 1;
        }
        rounds
    };
    thread::scope(|scope| {
        let workers = jobs.map(|(name, job)| {
            let work = || {
                threads.lock().unwrap().push(gettid());
                repeat(job)
            };
            (name, scope.spawn(work))
        });
        scope.spawn(|| {
            repeat(&|_| {
                threads.lock().unwrap().iter().copied().for_each(interrupt);
                thread::sleep(Duration::from_millis(1));
            })
        });
        scope.spawn(|| repeat(&|_| start_process(&pid)));
        let switches = cpu_switches();
        let end = Instant::now() + duration;
        while Instant::now() < end && !stop.load(Ordering::Relaxed) {
            switch_cpus(&switches);
        }
        stop.store(true, Ordering::Relaxed);
        for (name, worker) in workers {
            let rounds = worker.join().expect("the worker's checks hold");
            assert!(rounds > 2, "{name}: {rounds} rounds");
        }
    });

    drop([device, small, large]);
    let done = Stats {
        opens: done.opens.into_inner(),
        reads: done.reads.into_inner(),
        writes: done.writes.into_inner(),
        ioctls: done.ioctls.into_inner(),
        filter: Some(FILTER),
    };
    let Stats {
        opens,
        reads,
        writes,
        ioctls,
        ..
    } = done;
    assert_eq!(stats().per_cpu_ops, opens + reads + writes + ioctls);
    if !resets {
        assert_eq!(stats().totals, done);
    }
    let unloaded = module.unload();
    assert!(unloaded.is_ok(), "the module is in use: {unloaded:?}");
}

/// Counts are exact and messages are whole under load, for `PROCMON_STRESS_SECONDS`, one minute by
/// default.
#[test]
fn everything_at_once() {
    let seconds = env::var("PROCMON_STRESS_SECONDS")
        .map_or(60, |seconds| seconds.parse().expect("a number of seconds"));
    // Without SA_RESTART, so that the signals interrupt what can be interrupted.
    let action = SigAction::new(
        SigHandler::Handler(on_signal),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: The handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    for resets in [false, true] {
        run(Duration::from_secs(seconds) / 2, resets);
    }
}

/// An answer of `QUERY_PID` is about one process, although another thread changes the argument all
/// the time: the module reads it once.
#[test]
fn the_argument_is_read_once() {
    let (_kernel, _module) = loaded("");
    let file = open();
    let child = Child::spawn(|| {
        prctl::set_name(c"other").unwrap();
        nix::unistd::pause();
    });
    fixture::eventually("a name of its own", || {
        procfs::stat(child.pid()).is_some_and(|stat| stat.comm == b"other")
    });
    procfs::wait_for_state(child.pid(), 'S');

    let argument = Region::new(PAGE);
    // Behind the PID, which the module returns as it read it but the other thread may have changed.
    let answer = |pid: i32| {
        argument.fill(0, &pid.to_ne_bytes());
        raw::ioctl(&file, uapi::PROCMON_QUERY_PID.into(), argument.start()).unwrap();
        argument.bytes(4, size_of::<uapi::procmon_query>() - 4)
    };
    // Names, states and sizes differ.
    let pids = [child.pid(), procfs::unused_pid()];
    let answers = pids.map(answer);
    let stop = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: The region is aligned, lives longer than the thread, and is reached by the
            // kernel and by raw pointers only.
            let pid = unsafe { AtomicI32::from_ptr(argument.start().as_ptr().cast()) };
            for index in [0, 1].into_iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                pid.store(pids[index], Ordering::Relaxed);
            }
        });
        let _guard = StopAtEnd(&stop);
        let mut seen = [0; 2];
        let end = Instant::now() + PATIENCE;
        while seen.iter().any(|&count| count < 100) && Instant::now() < end {
            let answer = answer(pids[0]);
            let index = answers.iter().position(|known| *known == answer);
            seen[index.expect("one of the two")] += 1;
        }
        seen
    });
    assert!(seen.iter().all(|&count| count >= 100), "{seen:?}");
    child.kill();
}
