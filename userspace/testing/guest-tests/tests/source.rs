// SPDX-License-Identifier: GPL-2.0-only

//! `procmonctl ps` and `top` by way of `/proc`, compared with the module, and without it.

use std::process::{Command, Output, Stdio};
use std::thread;

use fixture::child::{Child, drop_privileges, in_child, sleeper};
use fixture::command::{PROGRAM, output_of};
use fixture::{KernelGuard, procfs, shared};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::pause;
use serde_json::{Map, Value};

/// The columns that both sources have exactly.
const EXACT: &str = "pid,tgid,ppid,user,euser,group,uid,euid,gid,egid,state,flags,threads,nice,\
                     policy,last-cpu,vsize,minflt,majflt,vcs,ics,read,write,comm";

/// Those that `/proc` has in clock ticks.
const TICKING: &str = "utime,stime,start";

/// Those that are sums of counters for each CPU, which the kernel may read with more or less care.
const SUMMED: &str = "rss,rss-anon,rss-file,rss-shmem";

const TICK: u64 = 10_000_000;

/// More than the counters of all CPUs of a guest hold back.
const SLACK: u64 = 1 << 20;

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The rows of `ps`, in the order of their IDs.
fn rows(source: &str, arguments: &[&str]) -> Vec<Map<String, Value>> {
    let columns = [EXACT, TICKING, SUMMED, "runtime"].join(",");
    let common = ["ps", "--json", "--source", source, "-o", &columns];
    let document = output_of(&[&common, arguments].concat());
    let document: Value = serde_json::from_str(&document).unwrap();
    let rows = document["processes"].as_array().unwrap().iter();
    rows.map(|row| row.as_object().unwrap().clone()).collect()
}

/// Fails unless both sources agree on a process that does nothing, or on its threads. Returns what
/// the module says.
fn agree(pid: i32, arguments: &[&str]) -> Vec<Map<String, Value>> {
    let id = pid.to_string();
    let arguments = [&["-p", &id], arguments].concat();
    let look = || (rows("module", &arguments), rows("proc", &arguments));
    let ((module, proc), _) = procfs::at_rest(pid, look);
    assert!(!module.is_empty());
    assert_eq!(module.len(), proc.len(), "{module:?} {proc:?}");
    for (module, proc) in module.iter().zip(&proc) {
        for key in EXACT.split(',').chain(["comm_base64"]) {
            assert_eq!(module[key], proc[key], "{key}: {module:?} {proc:?}");
        }
        for (keys, slack) in [(TICKING, TICK), (SUMMED, SLACK)] {
            for key in keys.split(',') {
                let [module, proc] = [module, proc].map(|row| row[key].as_u64());
                let distance = module.zip(proc).map(|(a, b)| a.abs_diff(b));
                let is_near = distance.is_some_and(|distance| distance <= slack);
                assert!(is_near || (module, proc) == (None, None), "{key} of {pid}");
            }
        }
        assert!(module["runtime"].is_u64() && proc["runtime"].is_null());
    }
    module
}

fn wait_for_rest(pid: i32) {
    for tid in procfs::tids(pid) {
        procfs::wait_for_state(tid, 'S');
    }
}

/// Sleeps for ever.
fn rest() -> ! {
    loop {
        pause();
    }
}

/// A process with memory, CPU time and threads of its own.
fn threaded() -> Child {
    let child = Child::spawn(|| {
        let memory = vec![1_u8; 16 << 20];
        let own = i32::try_from(std::process::id()).unwrap();
        while procfs::cpu_clock(own).as_millis() < 100 {}
        for _ in 0..3 {
            thread::spawn(|| rest());
        }
        std::hint::black_box(&memory);
        rest()
    });
    fixture::eventually("four threads", || procfs::tids(child.pid()).len() == 4);
    wait_for_rest(child.pid());
    child
}

#[test]
fn both_sources_agree() {
    let _kernel = shared();
    let plain = sleeper(c"a) R 1 \n(b");
    procfs::wait_for_state(plain.pid(), 'S');
    assert_eq!(agree(plain.pid(), &[])[0]["comm"], "a) R 1 \n(b");

    let threaded = threaded();
    let row = &agree(threaded.pid(), &[])[0];
    assert_eq!(row["threads"], 4);
    assert!(row["utime"].as_u64().unwrap() + row["stime"].as_u64().unwrap() >= 9 * TICK);
    assert!(row["rss-anon"].as_u64().unwrap() >= 16 << 20);
    assert_eq!(agree(threaded.pid(), &["--threads"]).len(), 4);

    plain.signal(Signal::SIGSTOP);
    procfs::wait_for_state(plain.pid(), 'T');
    assert_eq!(agree(plain.pid(), &[])[0]["state"], "T");

    let zombie = Child::spawn(|| {});
    procfs::wait_for_state(zombie.pid(), 'Z');
    let row = &agree(zombie.pid(), &[])[0];
    assert_eq!((&row["state"], &row["flags"]), (&"Z".into(), &"E".into()));
    assert!(row["vsize"].is_null());

    let row = &agree(2, &[])[0];
    assert_eq!(
        (&row["comm"], &row["flags"]),
        (&"kthreadd".into(), &"K".into())
    );

    let other = Child::spawn(|| {
        drop_privileges();
        prctl::set_name(c"\xff\x1b[2J)").unwrap();
        rest()
    });
    fixture::eventually("another name", || {
        procfs::stat(other.pid()).is_some_and(|stat| stat.comm == b"\xff\x1b[2J)")
    });
    wait_for_rest(other.pid());
    let row = &agree(other.pid(), &[])[0];
    assert_eq!((&row["uid"], &row["comm"]), (&65534.into(), &Value::Null));
    for child in [plain, threaded, zombie, other] {
        child.kill();
    }
}

/// Filters select the same processes, and IDs of threads are told of.
#[test]
fn both_sources_select_alike() {
    let _kernel = shared();
    let [first, second] = [sleeper(c"first"), sleeper(c"second")];
    let threaded = threaded();
    let own = std::process::id().to_string();
    let pids = [&first, &second, &threaded].map(|child| child.pid().to_string());
    let listed = pids.join(",");
    let user = ["-u", "0", "--ppid", &own];
    for (arguments, count) in [
        (&["-p", &listed][..], 3),
        (&["-p", &pids[0]], 1),
        (&["--ppid", &own], 3),
        (&user, 3),
        (&["--ppid", &own, "-C", "first,second"], 2),
        (&["--ppid", &own, "-c", "^sec"], 1),
        (&["-T", "-p", &pids[2]], 4),
        (&["-K", "-C", "kthreadd"], 0),
        (&["-C", "kthreadd"], 1),
        (&["-u", "4711"], 0),
    ] {
        let [module, proc] = ["module", "proc"].map(|source| {
            let common = ["ps", "--csv", "-o", "comm,pid", "--source", source];
            let output = run(&[&common, arguments].concat());
            let lines = text(&output.stdout).lines().skip(1);
            // The command itself is a child too.
            let lines = lines.filter(|line| !line.starts_with("procmonctl,"));
            let lines: Vec<_> = lines.map(str::to_owned).collect();
            let expected = if lines.is_empty() { 5 } else { 0 };
            assert_eq!(output.status.code(), Some(expected), "{arguments:?}");
            lines
        });
        assert_eq!((&module, module.len()), (&proc, count), "{arguments:?}");
    }
    // Another file than the device is a mistake, of which /proc is no way out.
    let output = run(&["--device", "/dev/null", "ps", "--source", "auto"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(!text(&output.stderr).contains("/proc instead"));
    let tids = procfs::tids(threaded.pid());
    let thread = tids.iter().max().unwrap().to_string();
    for source in ["module", "proc"] {
        let output = run(&["ps", "--source", source, "-p", &thread]);
        assert_eq!(output.status.code(), Some(5));
        let message = text(&output.stderr);
        assert!(
            message.contains(&format!("PID {thread} is a thread")),
            "{message}"
        );
    }
    for child in [first, second, threaded] {
        child.kill();
    }
}

/// Fails unless `/proc` is a source, and the module is none.
fn works_without_the_module() {
    let listed = output_of(&["ps", "--source", "proc", "-o", "pid,user,comm"]);
    assert!(
        listed
            .lines()
            .any(|line| line.trim_start().starts_with("1 root ")),
        "{listed}"
    );
    assert!(listed.contains("kthreadd"), "{listed}");
    let screens = output_of(&["top", "-b", "--source", "proc", "-n", "2", "-d", "0.1"]);
    assert_eq!(
        screens.matches("from /proc without events").count(),
        2,
        "{screens}"
    );
    assert!(
        screens.contains("kthreadd") && screens.contains("load "),
        "{screens}"
    );
    for arguments in [
        &["ps"][..],
        &["top", "-b"],
        &["--device", "/dev/missing", "ps"],
    ] {
        let output = run(arguments);
        let message = text(&output.stderr);
        assert_eq!(
            (output.status.code(), &*output.stdout),
            (Some(3), &b""[..]),
            "{message}"
        );
        assert!(
            message.contains("is the procmon module loaded?"),
            "{message}"
        );
        assert!(message.contains("--source proc"), "{message}");
    }
}

#[test]
fn proc_is_a_source_without_the_module() {
    let _kernel = KernelGuard::new();
    works_without_the_module();
    in_child(|| {
        drop_privileges();
        works_without_the_module();
    });
}

/// Processes that `hidepid` hides are left out, by either of its ways.
#[test]
fn hidden_processes_are_left_out() {
    let _kernel = KernelGuard::new();
    for option in ["hidepid=1", "hidepid=2"] {
        in_child(|| {
            procfs::mount_with(option);
            drop_privileges();
            let csv = output_of(&["ps", "--source", "proc", "--csv", "-o", "uid,comm"]);
            let rows: Vec<_> = csv.lines().skip(1).collect();
            assert!(rows.contains(&"65534,procmonctl"), "{csv}");
            assert!(rows.iter().all(|row| row.starts_with("65534,")), "{csv}");
        });
    }
}
