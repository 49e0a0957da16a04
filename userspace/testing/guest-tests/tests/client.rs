// SPDX-License-Identifier: GPL-2.0-only

//! The command `procmonctl`: its subcommands, outputs and exit statuses.

#[path = "../../../procmonctl/tests/common/mod.rs"]
mod common;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use fixture::child::{Child, as_nobody};
use fixture::command::Running;
use fixture::{KernelGuard, eventually, loaded, procfs, shared, stats};
use nix::mount::{MsFlags, mount, umount};
use nix::sys::stat::{Mode, SFlag, mknod};
use procmon::{DEVICE_PATH, Device};
use serde_json::{Value, json};

use crate::events::fields::cgroup;

fn procmonctl(arguments: &[&str]) -> Output {
    Command::new("/bin/procmonctl")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs the command and returns its exit status, standard output and standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = procmonctl(arguments);
    (
        output.status.code().expect("no signal"),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Runs a command that must succeed, and returns its output.
fn succeed(arguments: &[&str]) -> String {
    let (status, stdout, stderr) = run(arguments);
    assert_eq!((status, &*stderr), (0, ""), "{arguments:?}");
    stdout
}

/// Runs a command that must fail with this status, and returns its message.
fn fail(arguments: &[&str], expected: i32) -> String {
    let (status, stdout, stderr) = run(arguments);
    assert_eq!(
        (status, &*stdout),
        (expected, ""),
        "{arguments:?}: {stderr}"
    );
    assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    stderr
}

fn json(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// `events` has the command line of a program that has failed, from the flight recorder, as text
/// and as JSON.
#[test]
fn events_of_the_recorder() {
    let (_kernel, _module) = loaded("events_record=1");
    let child = Command::new("/bin/sh").args(["-c", "exit 3"]).spawn();
    let mut child = child.unwrap();
    let pid = child.id().to_string();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let arguments = ["events", "--since", "all", "--failed", "--kind", "exit"];
    let arguments = [&arguments[..], &["--pid", &pid, "-n", "1"]].concat();
    let text = succeed(&arguments);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let words: Vec<_> = lines[1].split_whitespace().skip(1).collect();
    let own = std::process::id().to_string();
    assert_eq!(words[..5], ["exit", &pid, &own, "root", "3"], "{text}");
    assert!(lines[1].ends_with(" /bin/sh -c exit 3"), "{text}");
    let rows = json(&succeed(&[&arguments[..], &["--json"]].concat()));
    assert_eq!(rows.len(), 1);
    for (key, expected) in [
        ("version", json!(1)),
        ("kind", json!("exit")),
        ("pid", json!(child.id())),
        ("exit_code", json!(3)),
        ("signal", Value::Null),
        ("comm", json!("sh")),
        ("command", json!("/bin/sh -c exit 3")),
    ] {
        assert_eq!(rows[0][key], expected, "{key}");
    }
    assert!(rows[0]["utime"].is_u64() && rows[0]["max_rss"].as_u64() > Some(0));
}

/// Each event is one line of JSON, which is there at once, also in a pipe and with the ends of
/// lines in an argument.
#[test]
fn events_in_a_pipe() {
    let _kernel = shared();
    let mut program = Running(
        Command::new("/bin/procmonctl")
            .args(["events", "--json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let (sender, receiver) = channel();
    let reader = thread::spawn(move || {
        for line in lines {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            assert!(event.is_object(), "{event}");
            sender.send(event).unwrap();
        }
    });
    let run = |argument: &OsStr| {
        let status = Command::new("/bin/true").arg(argument).status();
        assert!(status.unwrap().success());
    };
    eventually("the first event", || {
        run(OsStr::new("first"));
        receiver.try_recv().is_ok()
    });
    // Nothing follows the events of this one that could have them written.
    for argument in [b"a\n{}\r\n".as_slice(), b"\n\xff\"\n"] {
        run(OsStr::from_bytes(argument));
        let has_argument = |event: &Value| match str::from_utf8(argument) {
            Ok(text) => event["args"][1] == *text,
            Err(_) => event["args"][1].is_null() && event["args_base64"][1] == "Cv8iCg==",
        };
        eventually("the event", || {
            receiver.try_iter().any(|event| has_argument(&event))
        });
    }
    assert!(program.0.try_wait().unwrap().is_none(), "it goes on");
    drop(program);
    reader.join().unwrap();
}

/// `events` takes a cgroup by its directory, wherever the hierarchy is mounted, by its path in
/// the hierarchy, and by its ID.
#[test]
fn events_of_a_cgroup() {
    let _kernel = shared();
    let Some(directory) = cgroup("by-path") else {
        return;
    };
    let root = "/sys/fs/cgroup";
    let flags = MsFlags::empty();
    mount(Some("none"), root, Some("cgroup2"), flags, None::<&str>).unwrap();
    let id = fs::metadata(&directory).unwrap().ino().to_string();
    for named in [&*directory, "/by-path", "/sys/fs/cgroup/by-path", &id] {
        let mut program = Command::new("/bin/procmonctl")
            .args(["events", "--kind", "exit", "-n", "1", "--cgroup", named])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        // The titles come when events are recorded.
        let titles = lines.next().unwrap().unwrap();
        assert!(titles.starts_with("TIME"), "{titles}");
        Command::new("/bin/true").status().unwrap();
        let child = Child::spawn(|| {
            fs::write(format!("{directory}/cgroup.procs"), "0").unwrap();
        });
        let pid = child.pid().to_string();
        child.join();
        let line = lines.next().unwrap().unwrap();
        let words: Vec<_> = line.split_whitespace().skip(1).take(2).collect();
        assert_eq!(words, ["exit", &pid], "{named}: {line}");
        assert!(program.wait().unwrap().success());
    }
    for missing in ["/missing", "/proc", "/sys/fs/cgroup/by-path/cgroup.procs"] {
        let message = fail(&["events", "--cgroup", missing], 1);
        let expected = format!("there is no cgroup {missing} in the unified hierarchy");
        assert!(message.contains(&expected), "{message}");
    }
    umount(root).unwrap();
    let message = fail(&["events", "--cgroup", "/by-path"], 1);
    assert!(
        message.contains("is not mounted at /sys/fs/cgroup"),
        "{message}"
    );
}

/// The ioctl tester passes, prints TAP, and leaves the message and the filter as they were.
#[test]
fn tester() {
    let (_kernel, _module) = loaded("");
    let mut device = Device::open().unwrap();
    device.write_message(b"before").unwrap();
    device.set_filter(Some(99)).unwrap();

    let (status, stdout, stderr) = run(&["test"]);
    assert_eq!(status, 0, "{stdout}{stderr}");
    let mut lines = stdout.lines();
    let plan = lines
        .next()
        .unwrap()
        .strip_prefix("1..")
        .unwrap()
        .parse::<usize>()
        .unwrap();
    let results: Vec<_> = lines.collect();
    assert!(plan >= 15 && results.len() == plan, "{stdout}");
    for (index, result) in results.iter().enumerate() {
        assert!(
            result.starts_with(&format!("ok {} - ", index + 1)),
            "{result}"
        );
        assert!(!result.contains("SKIP"), "{result}");
    }
    assert_eq!(device.read_message().unwrap(), b"before");
    assert_eq!(device.stats().unwrap().filter, Some(99));

    let results = json(&succeed(&["test", "--json"]));
    assert_eq!(results.len(), plan);
    assert!(
        results.iter().all(|result| result["ok"] == true),
        "{results:?}"
    );
}

/// The tester fails with a device that is not procmon's.
#[test]
fn tester_can_fail() {
    let (_kernel, _module) = loaded("");
    let stderr = fail(&["test", "--device", "/dev/null"], 3);
    assert!(
        stderr.contains("/dev/null is another device: procmon's is /dev/procmon"),
        "{stderr}"
    );
}

/// A node of the device that all may read and nobody may write, removed by the drop.
struct ReadOnlyNode;

impl ReadOnlyNode {
    const PATH: &str = "/dev/procmon-read-only";

    fn make() -> Self {
        let number = fs::metadata(DEVICE_PATH).unwrap().rdev();
        let mode = Mode::from_bits_truncate(0o444);
        mknod(Self::PATH, SFlag::S_IFCHR, mode, number).unwrap();
        // Whatever the umask is.
        fs::set_permissions(Self::PATH, fs::Permissions::from_mode(0o444)).unwrap();
        Self
    }
}

impl Drop for ReadOnlyNode {
    fn drop(&mut self) {
        fs::remove_file(Self::PATH).unwrap();
    }
}

#[test]
fn looking_takes_no_right_to_write() {
    let _kernel = shared();
    let _node = ReadOnlyNode::make();
    as_nobody(|| {
        let run =
            |arguments: &[&str]| succeed(&[&["--device", ReadOnlyNode::PATH], arguments].concat());
        assert!(run(&["query", "1"]).starts_with("PID 1: "));
        assert_eq!(run(&["ps", "-p", "1", "-o", "pid", "--csv"]), "pid\n1\n");
        assert!(run(&["export", "--once"]).contains("procmon_up 1\n"));
        let message = fail(&["--device", ReadOnlyNode::PATH, "reset"], 4);
        assert!(message.contains("Permission denied"), "{message}");
    });
}

#[test]
fn write_read_and_count() {
    let (_kernel, _module) = loaded("buffer_size=16");
    assert_eq!(succeed(&["read"]), "");
    assert_eq!(succeed(&["write", "Hello Kernel"]), "");
    assert_eq!(succeed(&["read"]), "Hello Kernel");
    assert_eq!(succeed(&["count"]), "12\n");
    assert_eq!(json(&succeed(&["--json", "count"])), [json!({"count": 12})]);
    let expected = json!({"length": 12, "text": "Hello Kernel", "base64": "SGVsbG8gS2VybmVs"});
    assert_eq!(json(&succeed(&["read", "--json"])), [expected]);

    let expected = json!({"length": 2, "written": 2});
    assert_eq!(json(&succeed(&["write", "ab", "--json"])), [expected]);
    assert_eq!(succeed(&["write", ""]), "");
    assert_eq!(succeed(&["count"]), "0\n");

    let stderr = fail(&["write", "seventeen letters"], 1);
    assert!(
        stderr.contains("only 16 of 17 bytes") && stderr.contains("buffer_size"),
        "{stderr}"
    );
    assert_eq!(succeed(&["read"]), "seventeen letter");
    assert_eq!(succeed(&["write", "sixteen letters!"]), "");
}

/// Standard input is the message if no argument is, or if that is `-`.
#[test]
fn write_from_standard_input() {
    let (_kernel, _module) = loaded("");
    for arguments in [&["write"][..], &["write", "-"]] {
        let mut child = Command::new("/bin/procmonctl")
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(b"\0\xff piped\n")
            .unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(procmonctl(&["read"]).stdout, b"\0\xff piped\n");
        let message = &json(&succeed(&["read", "--json"]))[0];
        assert_eq!(
            (&message["text"], &message["base64"]),
            (&Value::Null, &json!("AP8gcGlwZWQK"))
        );
    }

    // An endless input ends the command, not the machine.
    let output = Command::new("/bin/procmonctl")
        .arg("write")
        .stdin(fs::File::open("/dev/zero").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("longer than any message")
    );
    assert_eq!(
        procmonctl(&["read"]).stdout,
        b"\0\xff piped\n",
        "nothing was written"
    );
}

#[test]
fn filter_stats_and_reset() {
    let (_kernel, _module) = loaded("");
    assert_eq!(succeed(&["filter"]), "off\n");
    assert_eq!(succeed(&["filter", "42"]), "");
    assert_eq!(succeed(&["filter"]), "42\n");
    assert_eq!(
        json(&succeed(&["filter", "--json"])),
        [json!({"filter_pid": 42})]
    );
    assert_eq!(
        succeed(&["stats"]),
        "opens: 1\nreads: 0\nwrites: 0\nioctls: 1\nper_cpu_ops: 2\nfilter_pid: 42\n"
    );
    assert_eq!(succeed(&["filter", "off"]), "");
    assert_eq!(
        json(&succeed(&["filter", "--json"])),
        [json!({"filter_pid": null})]
    );
    assert_eq!(succeed(&["reset"]), "");
    let expected = json!({
        "opens": 0, "reads": 0, "writes": 0, "ioctls": 0, "per_cpu_ops": 6, "filter_pid": null,
    });
    assert_eq!(json(&succeed(&["--json", "stats"])), [expected]);
    assert_eq!(
        json(&succeed(&["reset", "--json"])),
        [json!({"reset": true})]
    );
}

/// Processes that are found are printed although others are not, which the exit status tells.
#[test]
fn query_of_several_pids() {
    let (_kernel, _module) = loaded("");
    let init = procfs::stat(1).unwrap();
    let text = succeed(&["query", "1"]);
    let name = String::from_utf8(init.comm).unwrap();
    assert!(
        text.starts_with(&format!("PID 1: comm={name}, state=")),
        "{text}"
    );
    assert!(text.ends_with(&format!("vsize={}\n", init.vsize)), "{text}");

    let missing = procfs::unused_pid().to_string();
    let (status, stdout, stderr) = run(&["query", "2", &missing, "1"]);
    assert_eq!(status, 5);
    assert_eq!(stdout.lines().count(), 2, "{stdout}");
    assert!(stdout.starts_with("PID 2: comm=kthreadd, state=S (sleeping), vsize=0\nPID 1: "));
    assert_eq!(
        stderr,
        format!("procmonctl: PID {missing}: no such process\n")
    );

    let (status, stdout, _) = run(&["query", "--json", "2", &missing]);
    assert_eq!(status, 5);
    let expected = json!({
        "pid": 2, "found": true, "comm": "kthreadd", "comm_base64": "a3RocmVhZGQ=",
        "state": "S", "state_name": "sleeping", "vsize": 0,
    });
    let objects = json(&stdout);
    assert_eq!(objects[0], expected);
    assert_eq!(
        (&objects[1]["found"], &objects[1]["comm"]),
        (&json!(false), &Value::Null)
    );
}

#[test]
fn watch() {
    let (_kernel, _module) = loaded("buffer_size=77");
    let text = succeed(&["watch", "-n", "0.05", "--count", "3"]);
    assert_eq!(text.matches("buffer_size: 77\n").count(), 3, "{text}");
    assert_eq!(text.matches("\n\n").count(), 2, "{text}");
    let objects = json(&succeed(&["watch", "-n", "0.05", "--count", "2", "--json"]));
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["buffer_size"], 77);
    assert!(objects[0]["processes"].is_u64() && objects[0]["opens"].is_u64());
    assert_eq!(stats().per_cpu_ops, 2, "only opening the device counts");
}

#[test]
fn exit_status_without_module() {
    let _kernel = KernelGuard::new();
    for arguments in [
        &["stats"][..],
        &["count"],
        &["read"],
        &["write", "x"],
        &["filter"],
        &["filter", "1"],
        &["reset"],
        &["query", "1"],
        &["watch"],
        &["ps"],
        &["top"],
        &["history"],
        &["test"],
    ] {
        let stderr = fail(arguments, 3);
        assert!(
            stderr.contains("is the procmon module loaded?"),
            "{arguments:?}: {stderr}"
        );
    }

    // A file, as a shell leaves it behind that redirects to a missing device.
    fs::write(DEVICE_PATH, "oops").unwrap();
    let (status, _, stderr) = run(&["read"]);
    // Before anything can fail: the file would break all tests that follow.
    fs::remove_file(DEVICE_PATH).unwrap();
    assert_eq!(status, 3, "{stderr}");
    assert!(stderr.contains("not a character device"), "{stderr}");
}

#[test]
fn exit_status_without_permission() {
    let (_kernel, _module) = loaded("");
    as_nobody(|| {
        for arguments in [
            &["count"][..],
            &["read"],
            &["write", "x"],
            &["filter", "1"],
            &["reset"],
            &["query", "1"],
            &["ps"],
            &["top", "--batch"],
            &["history"],
            &["test"],
        ] {
            let stderr = fail(arguments, 4);
            assert!(
                stderr.contains("Permission denied"),
                "{arguments:?}: {stderr}"
            );
        }
        succeed(&["stats"]);
        succeed(&["filter"]);
        succeed(&["watch", "--count", "1"]);
    });
}

#[test]
fn exit_status_of_wrong_usage() {
    let (_kernel, _module) = loaded("");
    for arguments in [
        &[][..],
        &["unknown"],
        &["query"],
        &["query", "one"],
        &["query", "0"],
        &["query", "-1"],
        &["filter", "-1"],
        &["filter", "on"],
        &["filter", "2147483648"],
        &["watch", "-n", "0"],
        &["watch", "-n", "1e19"],
        &["top", "-d", "1e-9"],
        &["ps", "-s", "Q"],
        &["ps", "-s", "running"],
        &["ps", "--ppid", "-1"],
        &["ps", "-o", "colour"],
        &["ps", "--sort", "colour"],
        &["ps", "--csv", "--json"],
        &["ps", "--command", "("],
        &["top", "--delay", "0"],
        &["history", "--plot", "--csv"],
        &["stats", "--color"],
    ] {
        fail(arguments, 2);
    }
    assert_eq!(stats().per_cpu_ops, 0);
    let help = succeed(&["--help"]);
    assert!(
        help.contains("Exit status:") && help.contains("no such process"),
        "{help}"
    );
}

/// A closed pipe on standard output is no reason to panic.
#[test]
fn closed_output() {
    let (_kernel, _module) = loaded("buffer_size=1048576 monitor_interval_ms=10");
    Device::open()
        .unwrap()
        .write_message(&vec![b'x'; 1_048_576])
        .unwrap();
    for arguments in [&["read"][..], &["read", "--json"], &["watch", "-n", "0.01"]] {
        let mut child = Command::new("/bin/procmonctl")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), &*stderr),
            (Some(0), ""),
            "{arguments:?}"
        );
    }

    // The tester must not succeed, as that would mean that no test has failed.
    for arguments in [&["test"][..], &["test", "--json"]] {
        let mut child = Command::new("/bin/procmonctl")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains("not all results"), "{stderr}");
    }
    let mut device = Device::open().unwrap();
    assert_eq!(
        device.read_message().unwrap().len(),
        1_048_576,
        "the tester puts it back"
    );
}

/// The documented exit status stays if the error message cannot be written, and later PIDs are
/// shown.
#[test]
fn full_error_output() {
    let (_kernel, _module) = loaded("");
    let missing = procfs::unused_pid().to_string();
    for (arguments, status, lines) in [
        (&["query", &missing, "2", &missing, "1"][..], 5, 2),
        (&["--device", "/nonexistent", "ps"], 3, 0),
        (&["ps", "-u", "no such user"], 1, 0),
        (&["query", "x"], 2, 0),
    ] {
        let output = Command::new("/bin/procmonctl")
            .args(arguments)
            .stderr(common::full())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(stdout.lines().count(), lines, "{arguments:?}: {stdout}");
    }
    for arguments in [
        &["ps"][..],
        &["query", "1"],
        &["history"],
        &["--help"],
        &["watch"],
    ] {
        common::fails_without_space("/bin/procmonctl", arguments);
    }
}

/// No arguments and no standard streams make the command panic, with the module loaded or not.
#[test]
fn random_arguments() {
    let (_kernel, _module) = loaded("");
    let directory = Path::new("/tmp/random_arguments");
    fs::create_dir_all(directory).unwrap();
    common::run("/bin/procmonctl", directory, 40);
    fs::remove_dir_all(directory).unwrap();
}

/// Each command prints JSON or refuses to, with the option at any place.
#[test]
fn json_or_not() {
    let (_kernel, _module) = loaded("");
    for arguments in [
        &["stats"][..],
        &["count"],
        &["read"],
        &["write", "x"],
        &["filter"],
        &["filter", "1"],
        &["filter", "off"],
        &["reset"],
        &["query", "1"],
        &["ps"],
        &["ps", "--tree"],
        &["history"],
        &["watch", "--count", "1"],
        &["test"],
    ] {
        for json_arguments in [
            [&["--json"], arguments].concat(),
            [arguments, &["--json"]].concat(),
        ] {
            let text = succeed(&json_arguments);
            assert!(!json(&text).is_empty(), "{json_arguments:?}");
        }
    }
    for arguments in [
        &["completions", "bash"][..],
        &["man", "/tmp"],
        &["ps", "--csv"],
        &["history", "--csv"],
        &["history", "--plot"],
    ] {
        let stderr = fail(&[&["--json"], arguments].concat(), 2);
        assert!(stderr.contains("--json"), "{stderr}");
        fail(&[arguments, &["--json"]].concat(), 2);
    }
}
