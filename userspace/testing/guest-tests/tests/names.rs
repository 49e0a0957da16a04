// SPDX-License-Identifier: GPL-2.0-only

//! Names and IDs that other users choose, as `procmonctl` shows them.

use std::ffi::CString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use fixture::child::{Child, sleeper, sleeper_of};
use fixture::{eventually, loaded, procfs, shared};
use nix::unistd::{Uid, pause};
use procmon::Device;
use serde_json::{Value, json};

const PROGRAM: &str = "/bin/procmonctl";

/// Runs the command and returns its status, standard output and standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (
        output.status.code().expect("no signal"),
        String::from_utf8(output.stdout).expect("text"),
        String::from_utf8(output.stderr).expect("text"),
    )
}

fn succeed(arguments: &[&str]) -> String {
    let (status, stdout, stderr) = run(arguments);
    assert_eq!((status, &*stderr), (0, ""), "{arguments:?}: {stdout}");
    stdout
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(&[&["--json"], arguments].concat())).unwrap()
}

/// Returns a column of `ps` for a process.
fn cell(pid: i32, column: &str) -> String {
    let text = succeed(&["ps", "-o", column, "-p", &pid.to_string()]);
    text.lines().nth(1).unwrap_or_default().to_owned()
}

/// A file that a drop restores.
struct Restored {
    path: PathBuf,
    before: Option<Vec<u8>>,
}

impl Restored {
    fn write(path: &str, content: &[u8]) -> Self {
        let path = PathBuf::from(path);
        let before = fs::read(&path).ok();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        Self { path, before }
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        let _ = match &self.before {
            Some(before) => fs::write(&self.path, before),
            None => fs::remove_file(&self.path),
        };
    }
}

/// Any name of a process is shown in one line without hidden characters by text and CSV of each
/// command, and JSON has all of its bytes.
#[test]
fn names_of_processes() {
    let (_kernel, _module) = loaded("monitor_interval_ms=200");
    let table: &[(&[u8], &str, Option<&str>, &str)] = &[
        (
            b"\x1b[31ma\nb",
            "\\u{1b}[31ma\\nb",
            Some("\x1b[31ma\nb"),
            "G1szMW1hCmI=",
        ),
        (
            b"\xe2\x80\xaeexe",
            "\\u{202e}exe",
            Some("\u{202e}exe"),
            "4oCuZXhl",
        ),
        (b"\xe3\x80\x80", "\\u{3000}", Some("\u{3000}"), "44CA"),
        (b"   ", "\\x20\\x20\\x20", Some("   "), "ICAg"),
        (
            b"\xc2\x9b2J\xc2\xad",
            "\\u{9b}2J\\u{ad}",
            Some("\u{9b}2J\u{ad}"),
            "wpsySsKt",
        ),
        (b"\xff", "\\xff", None, "/w=="),
        (b"\xfe", "\\xfe", None, "/g=="),
    ];
    let children: Vec<_> = table
        .iter()
        .map(|(name, ..)| sleeper(&CString::new(*name).unwrap()))
        .collect();
    let pids: Vec<_> = children
        .iter()
        .map(|child| child.pid().to_string())
        .collect();
    let list = pids.join(",");
    let texts: Vec<_> = table.iter().map(|row| row.1).collect();

    let lines = succeed(&["ps", "-o", "comm", "-p", &list]);
    assert_eq!(lines.lines().skip(1).collect::<Vec<_>>(), texts);
    let csv = succeed(&["ps", "-o", "comm", "-p", &list, "--csv"]);
    assert_eq!(csv.lines().skip(1).collect::<Vec<_>>(), texts);
    let top = succeed(&[
        "top", "-b", "-n", "1", "-o", "pid,comm", "--sort", "pid", "-p", &list,
    ]);
    let first = top.lines().count() - texts.len();
    for (line, text) in top.lines().skip(first).zip(&texts) {
        assert!(line.ends_with(&format!(" {text}")), "{top}");
    }
    let query_all = [
        &["query"][..],
        &pids.iter().map(String::as_str).collect::<Vec<_>>(),
    ]
    .concat();
    let query = succeed(&query_all);
    for (line, text) in query.lines().zip(&texts) {
        assert!(line.contains(&format!(": comm={text}, ")), "{query}");
    }
    let query = succeed(&[&query_all[..], &["--json"]].concat());
    let query: Vec<Value> = query
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let processes = json(&["ps", "-o", "pid,comm", "-p", &list]);

    let device = Device::open().unwrap();
    for (index, (_, text, string, base64)) in table.iter().enumerate() {
        let comm = string.map_or(Value::Null, Value::from);
        let has_bytes = |object: &Value| {
            let object = (&object["pid"], &object["comm"], &object["comm_base64"]);
            assert_eq!(
                object,
                (&json!(children[index].pid()), &comm, &json!(base64))
            );
        };
        has_bytes(&query[index]);
        has_bytes(&processes["processes"][index]);
        if index % 2 == 1 {
            continue;
        }
        // A short history, so that it is soon printed.
        let from = device.history(0).unwrap().next().to_string();
        device.set_filter(Some(children[index].pid())).unwrap();
        let newest = || {
            let document = json(&["history", "--from", &from]);
            document["samples"].as_array().unwrap().last().cloned()
        };
        eventually("a sample", || {
            let chosen = newest().filter(|sample| sample["pid"] == children[index].pid());
            chosen.inspect(&has_bytes).is_some()
        });
        let csv = succeed(&["history", "--csv", "--from", &from]);
        let line = csv.lines().last().unwrap();
        assert!(line.contains(&format!(",{text},S,")), "{csv}");
        let table = succeed(&["history", "--from", &from]);
        let line = table.lines().last().unwrap();
        assert!(line.ends_with(&format!(" {text}")), "{table}");
    }
    for child in children {
        child.kill();
    }
}

/// Lines of /etc/passwd and /etc/group that are not UTF-8, or malformed, spoil no others. Each name
/// of a user selects its processes, and only printable characters are shown.
#[test]
fn names_of_users() {
    let _kernel = shared();
    let _passwd = Restored::write(
        "/etc/passwd",
        b"root:x:0:0:root:/:/bin/sh\njose:x:1001:1001:Jos\xe9:/:/bin/sh\n\xff:x:1004:0::/:\n\
          toor:x:0:0::/:/bin/sh\nev\x1b[31mil:x:1003:1003::/:\n1005:x:1006:0::/:\nnonsense\n",
    );
    let _group = Restored::write("/etc/group", b"wh\xe9:x:1:\nev\x1b[31mil:x:0:\n");
    let own = i32::try_from(std::process::id()).unwrap();
    assert_eq!(cell(own, "user"), "root");
    assert_eq!(cell(own, "group"), "ev\\u{1b}[31mil");
    for user in ["root", "toor", "0", "+0"] {
        let text = succeed(&["ps", "-u", user, "-p", &own.to_string(), "-o", "uid"]);
        assert_eq!(text, "UID\n  0\n", "{user}");
    }
    for (uid, text) in [
        (1001, "jose"),
        (1003, "ev\\u{1b}[31mil"),
        (1004, "\\xff"),
        (1005, "1005"),
        (1006, "\"1005\""),
    ] {
        let child = sleeper_of(c"sleeper", Uid::from_raw(uid));
        assert_eq!(cell(child.pid(), "user"), text);
        let csv = succeed(&[
            "ps",
            "-o",
            "euid,euser",
            "-p",
            &child.pid().to_string(),
            "--csv",
        ]);
        let quoted = text.replace('"', "\"\"");
        let quoted = if quoted == text {
            quoted
        } else {
            format!("\"{quoted}\"")
        };
        assert_eq!(csv, format!("euid,euser\n{uid},{quoted}\n"));
        if uid == 1004 {
            let object = &json(&["ps", "-o", "user", "-p", &child.pid().to_string()]);
            assert_eq!(
                object["processes"][0],
                json!({"user": null, "user_base64": "/w=="})
            );
        }
        if uid == 1006 {
            let text = succeed(&["ps", "-u", "1005", "-o", "uid"]);
            assert_eq!(text, " UID\n1006\n");
            assert_eq!(run(&["ps", "-u", "+1005", "-o", "uid"]).0, 5);
        }
        child.kill();
    }
}

/// Answers a request as systemd does, unless the client has hung up.
fn answer(mut stream: &UnixStream) {
    let mut question = Vec::new();
    if BufReader::new(stream).read_until(0, &mut question).is_err() || question.pop() != Some(0) {
        return;
    }
    let question: Value = serde_json::from_slice(&question).unwrap();
    assert_eq!(question["method"], "io.systemd.UserDatabase.GetUserRecord");
    let parameters = &question["parameters"];
    assert_eq!(parameters["service"], "io.systemd.Multiplexer");
    assert!(parameters["uid"] == 61234 || parameters["userName"] == "dyn");
    let record = json!({"record": {"userName": "dyn", "uid": 61234}, "incomplete": false});
    let answer = json!({ "parameters": record });
    let _ = stream.write_all(format!("{answer}\0").as_bytes());
}

/// Users that are not in /etc/passwd have the names that systemd knows, and the command waits only
/// briefly for a systemd that does not answer.
#[test]
fn names_from_systemd() {
    const SOCKET: &str = "/run/systemd/userdb/io.systemd.Multiplexer";

    let _kernel = shared();
    let child = sleeper_of(c"sleeper", Uid::from_raw(61234));
    assert_eq!(cell(child.pid(), "user"), "61234");

    fs::create_dir_all(Path::new(SOCKET).parent().unwrap()).unwrap();
    let listener = UnixListener::bind(SOCKET).unwrap();
    let answers = Arc::new(AtomicBool::new(true));
    let does_answer = Arc::clone(&answers);
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            if does_answer.load(Relaxed) {
                answer(&stream);
            } else {
                kept.push(stream);
            }
        }
    });
    // The command gives up after a time, which may be too short for a slow machine.
    eventually("a name", || cell(child.pid(), "user") == "dyn");
    eventually("a user", || {
        let (status, text, _) = run(&["ps", "-u", "dyn", "-o", "pid", "--csv"]);
        status == 0 && text == format!("pid\n{}\n", child.pid())
    });

    // From here on, connections are accepted and not answered.
    answers.store(false, Relaxed);
    assert_eq!(cell(child.pid(), "user"), "61234");
    fs::remove_file(SOCKET).unwrap();
    child.kill();
}

/// Kernel threads and workers have the names of /proc, in output and in filters.
#[test]
fn names_of_kernel_threads() {
    let _kernel = shared();
    let name = |pid: i32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let before: Vec<_> = Device::open()
        .unwrap()
        .snapshot(&Default::default())
        .unwrap()
        .records()
        .iter()
        .filter(|record| record.is_kernel_thread())
        .map(|record| (record.pid(), name(record.pid())))
        .collect();
    let document = json(&["ps", "-o", "pid,comm,flags"]);
    let mut long = Vec::new();
    for (pid, name_before) in before {
        // Workers change their names.
        if name_before.is_empty() || name(pid) != name_before {
            continue;
        }
        let all = document["processes"].as_array().unwrap();
        let process = all.iter().find(|process| process["pid"] == pid);
        let comm = name_before.trim_end();
        let Some(process) = process else { continue };
        assert!(process["flags"].as_str().unwrap().starts_with('K'));
        if comm.starts_with("kworker/") && !comm.starts_with("kworker/R-") {
            // The name may have been another one at the moment of `ps`.
            continue;
        }
        assert_eq!(process["comm"], comm);
        if comm.len() > 15 {
            long.push((pid, comm.to_owned()));
        }
    }
    assert!(!long.is_empty(), "{document}");
    let (pid, comm) = &long[0];
    let text = succeed(&["ps", "-c", &format!("^{comm}$"), "-o", "pid", "--csv"]);
    assert!(text.lines().any(|line| line == pid.to_string()), "{text}");
    let text = succeed(&["query", &pid.to_string()]);
    assert!(text.contains(&format!("comm={comm}, ")), "{text}");
}

/// Filters that match nothing have an exit status, and the ID of a thread is reported as such.
#[test]
fn nothing_found() {
    let (_kernel, _module) = loaded("monitor_interval_ms=20");
    let missing = procfs::unused_pid().to_string();
    assert_eq!(
        run(&["ps", "-p", &missing, "-o", "pid,comm"]),
        (5, "PID COMMAND\n".to_owned(), String::new())
    );
    let csv = run(&["ps", "-p", &missing, "-o", "pid,comm", "--csv"]);
    assert_eq!(csv, (5, "pid,comm\n".to_owned(), String::new()));
    let (status, text, _) = run(&["--json", "ps", "-c", "^no such name$"]);
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &document["processes"]), (5, &json!([])));
    let (status, text, _) = run(&["ps", "-p", &format!("{missing},1"), "-o", "pid"]);
    assert_eq!((status, &*text), (0, "PID\n  1\n"));

    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    thread::scope(|scope| {
        let (to_test, id) = std::sync::mpsc::channel();
        scope.spawn(move || {
            to_test.send(nix::unistd::gettid().as_raw()).unwrap();
            receiver.recv()
        });
        let thread = id.recv().unwrap().to_string();
        let (status, text, message) = run(&["ps", "-p", &thread, "-o", "pid"]);
        assert_eq!((status, &*text), (5, "PID\n"));
        assert!(
            message.contains(&format!("PID {thread} is a thread")),
            "{message}"
        );
        drop(sender);
    });

    eventually("a sample", || json(&["history"])["next"].as_u64() > Some(1));
    let csv = succeed(&["history", "--csv", "--from", "99999999"]);
    assert!(
        csv.starts_with("sequence,time,processes,") && csv.lines().count() == 1,
        "{csv}"
    );
    let (status, text, message) = run(&["history", "--plot", "--from", "99999999"]);
    assert_eq!((status, &*text), (0, ""));
    assert!(
        message.contains("no sample 99999999 yet: the newest is "),
        "{message}"
    );
}

/// PIDs of seven digits stay in their column, in each table.
#[test]
fn large_pids() {
    const MAX: &str = "/proc/sys/kernel/pid_max";

    let (_kernel, _module) = loaded("monitor_interval_ms=20");
    let before = fs::read(MAX).unwrap();
    let _max = Restored::write(MAX, b"4194304");
    let child = Child::spawn_with_pid(4_194_303, || {
        loop {
            pause();
        }
    });
    succeed(&["filter", "4194303"]);
    let column = |text: &str, title: &str| {
        let lines: Vec<_> = text.lines().collect();
        let end = lines[0].find(title).unwrap() + title.len();
        let line = lines
            .iter()
            .find(|line| line.contains("4194303"))
            .unwrap()
            .to_string();
        line[..end].rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(
        column(&succeed(&["ps", "-o", "state,pid,comm"]), "PID"),
        "4194303"
    );
    eventually("a sample", || {
        let text = succeed(&["history"]);
        text.contains(" 4194303 ") && column(&text, "PID") == "4194303"
    });
    child.kill();
    assert_eq!(_max.before.as_deref(), Some(&before[..]));
}

/// Times since boot have wall-clock times beside them, and keys are in the order of the columns.
#[test]
fn wall_time_and_order() {
    let date = || {
        let output = Command::new("/bin/busybox")
            .args(["date", "-u", "+%Y-%m-%dT%H:%M:%S"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (_kernel, _module) = loaded("monitor_interval_ms=20");
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let before = date();
    let child = sleeper(c"sleeper");
    let pid = child.pid().to_string();
    let text = succeed(&[
        "--json",
        "ps",
        "-p",
        &pid,
        "-o",
        "state,pid,started,comm,age",
    ]);
    let after = date();
    let keys = ["state", "pid", "started", "comm", "comm_base64", "age"];
    let places: Vec<_> = keys.map(|key| text.find(&format!("\"{key}\":"))).to_vec();
    assert!(places.is_sorted() && places[0].is_some(), "{text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["boot_id"], boot_id.trim());
    let is_now = |value: &Value| {
        let value = value.as_str().unwrap();
        assert!(value.ends_with('Z') && value.len() == "2026-11-28T00:00:00.000000000Z".len());
        // A process may be older by less than the resolution of date(1).
        before[..] <= value[..19] && value[..19] <= after[..]
    };
    assert!(
        is_now(&document["wall_time"]),
        "{before} {document} {after}"
    );
    assert!(
        is_now(&document["processes"][0]["started"]),
        "{before} {document} {after}"
    );

    let watch = json(&["watch", "--count", "1"]);
    let history = json(&["history"]);
    for object in [&watch, &history] {
        assert_eq!(object["boot_id"], boot_id.trim());
    }
    assert!(watch["wall_time"].as_str().unwrap() >= &before[..]);
    eventually("a sample", || {
        let history = json(&["history"]);
        let last = history["samples"].as_array().unwrap().last().cloned();
        last.is_some_and(|sample| sample["wall_time"].as_str().unwrap() >= &before[..])
    });
    child.kill();
}
