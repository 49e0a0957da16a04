// SPDX-License-Identifier: GPL-2.0-only

//! Processes as `procmonctl ps` and `history` show them.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use fixture::child::{Child, busy, drop_privileges, sleeper};
use fixture::command::{PROGRAM, output_of, succeed};
use fixture::terminal::Terminal;
use fixture::{eventually, loaded, procfs, shared};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::pause;
use procmon::Device;
use procmon::history::Target;
use serde_json::Value;

/// Runs the command, and returns its JSON.
pub fn json(arguments: &[&str]) -> Value {
    let text = output_of(&[arguments, &["--json"]].concat());
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Returns columns of a process.
pub fn columns(pid: i32, columns: &str) -> Value {
    let mut found = json(&["ps", "-o", columns, "--pid", &pid.to_string()]);
    found["processes"][0].take()
}

/// Returns the PIDs of the processes that pass filters.
pub fn pids(filters: &[&str]) -> Vec<i32> {
    let found = json(&[&["ps", "-o", "pid"], filters].concat());
    let processes = found["processes"].as_array().unwrap().iter();
    let pids = processes.map(|process| process["pid"].as_i64().unwrap());
    pids.map(|pid| pid.try_into().unwrap()).collect()
}

fn own_pid() -> String {
    std::process::id().to_string()
}

/// The keys of all columns, as the help lists them.
fn keys() -> Vec<String> {
    let help = output_of(&["ps", "--help"]);
    let entries = help
        .lines()
        // Other options have values as well.
        .skip_while(|line| !line.contains("--columns"))
        .take_while(|line| !line.contains("--sort"))
        .filter_map(|line| line.trim().strip_prefix("- "));
    let keys = entries.filter_map(|entry| entry.split_once(':'));
    let keys: Vec<_> = keys.map(|(key, _)| key.to_owned()).collect();
    assert!(
        keys.contains(&"pid".to_owned()) && keys.contains(&"comm".to_owned()),
        "{help}"
    );
    keys
}

/// All columns of a process are in JSON and CSV, and those that /proc has too are the same there.
#[test]
fn all_columns() {
    let _kernel = shared();
    let child = Child::spawn(|| {
        drop_privileges();
        prctl::set_name(c"a,\"b\" c").unwrap();
        loop {
            pause();
        }
    });
    eventually("a name", || {
        procfs::stat(child.pid()).is_some_and(|stat| stat.comm == b"a,\"b\" c")
            && procfs::is_in_state(child.pid(), 'S')
    });
    let pid = child.pid().to_string();
    let keys = keys();
    let document = json(&["ps", "-o", &keys.join(","), "--pid", &pid]);
    assert_eq!(document["version"], 3);
    let processes = document["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 1);
    let process = processes[0].as_object().unwrap();
    // All keys, and the bytes of the name.
    for key in &keys {
        assert!(process.contains_key(key), "{key}");
    }
    assert_eq!(process.len(), keys.len() + 1);
    assert_eq!(process["comm_base64"], "YSwiYiIgYw==");
    let stat = procfs::stat(child.pid()).unwrap();
    assert_eq!(process["pid"], child.pid());
    assert_eq!(process["ppid"], std::process::id());
    assert_eq!(process["comm"], "a,\"b\" c");
    assert_eq!(process["state"], "S");
    assert_eq!(process["uid"], 65534);
    assert_eq!(process["threads"], 1);
    assert_eq!(process["policy"], "OTHER");
    assert_eq!(process["vsize"], stat.vsize);
    let age = process["age"].as_u64().unwrap();
    assert_eq!(
        document["time"].as_u64().unwrap() - age,
        process["start"].as_u64().unwrap()
    );

    let csv = output_of(&["ps", "-o", "pid,comm,vsize,age", "--pid", &pid, "--csv"]);
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("pid,comm,vsize,age"));
    let line = lines.next().unwrap();
    let expected = format!("{pid},\"a,\"\"b\"\" c\",{},", stat.vsize);
    assert!(line.starts_with(&expected), "{line}");
    assert!(
        line[expected.len()..].parse::<f64>().unwrap() > 0.0,
        "{line}"
    );
    assert_eq!(lines.next(), None);
    child.kill();
}

/// The lines of `ps`, without that of the titles.
fn ps(arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new(PROGRAM);
    let output = command.arg("ps").args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // The status says whether there are any.
    let expected = if text.lines().count() > 1 { 0 } else { 5 };
    assert_eq!(
        output.status.code(),
        Some(expected),
        "{arguments:?}: {text}"
    );
    text.lines()
        .skip(1)
        .map(|line| line.trim().to_owned())
        .collect()
}

/// Each filter selects processes.
#[test]
fn filters_and_order() {
    let _kernel = shared();
    let first = sleeper(c"beta");
    let second = sleeper(c"alpha");
    let unprivileged = Child::spawn(|| {
        drop_privileges();
        prctl::set_name(c"gamma").unwrap();
        loop {
            pause();
        }
    });
    eventually("gamma", || ps(&["-o", "comm", "-u", "65534"]) == ["gamma"]);
    let own = own_pid();
    let children = ["-o", "comm", "--ppid", &own];
    let of_all = |more: &[&str]| {
        let mut names = ps(&[&children[..], more].concat());
        // The command itself is a child too.
        names.retain(|name| name != "procmonctl");
        names
    };
    assert_eq!(of_all(&[]), ["beta", "alpha", "gamma"]);
    assert_eq!(of_all(&["--sort", "comm"]), ["alpha", "beta", "gamma"]);
    assert_eq!(of_all(&["--sort", "-comm"]), ["gamma", "beta", "alpha"]);
    assert_eq!(of_all(&["--sort", "-pid"]), ["gamma", "alpha", "beta"]);
    assert_eq!(of_all(&["-c", "a$", "-u", "0"]), ["beta", "alpha"]);
    assert_eq!(of_all(&["-c", "^(alpha|gamma)$"]), ["alpha", "gamma"]);
    assert_eq!(of_all(&["-s", "TZ"]), [""; 0]);
    second.signal(Signal::SIGSTOP);
    procfs::wait_for_state(second.pid(), 'T');
    assert_eq!(of_all(&["-s", "TZ"]), ["alpha"]);
    let pids = format!("{},{}", first.pid(), second.pid());
    assert_eq!(of_all(&["-p", &pids]), ["beta", "alpha"]);
    let all = ps(&["-o", "comm"]);
    assert!(all.contains(&"kthreadd".to_owned()));
    let users = ps(&["-o", "comm", "-K"]);
    assert!(!users.contains(&"kthreadd".to_owned()) && users.contains(&"init".to_owned()));
    for child in [first, second, unprivileged] {
        child.kill();
    }
}

/// Children stand below their parents, and threads below their process.
#[test]
fn trees_and_threads() {
    let _kernel = shared();
    let child = sleeper(c"child");
    let own = own_pid();
    let tree = ps(&["-o", "pid,comm", "--tree"]);
    let line = |pid: &str| {
        let start = format!("{pid} ");
        tree.iter()
            .position(|line| line.starts_with(&start))
            .unwrap()
    };
    let (parent, below) = (line(&own), line(&child.pid().to_string()));
    assert!(below > parent, "{tree:#?}");
    assert!(tree[below].contains("─ child"), "{tree:#?}");
    assert!(tree[line("1")].ends_with("1 init"), "{tree:#?}");

    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || receiver.recv());
        let count = procfs::stat(own.parse().unwrap()).map(|_| ps(&["-T", "-p", &own]).len());
        let tasks = fs::read_dir("/proc/self/task").unwrap().count();
        assert_eq!(count, Some(tasks));
        drop(sender);
    });
    child.kill();
}

/// On a terminal lines are cut and coloured, and elsewhere they are neither.
#[test]
fn terminals_and_pipes() {
    let _kernel = shared();
    let child = sleeper(c"abcdefghijklmno");
    let pid = child.pid().to_string();
    let arguments = ["ps", "-o", "pid,user,state,rss,time,comm", "-p", &pid];
    let piped = output_of(&arguments);
    assert!(
        piped.contains("abcdefghijklmno\n") && !piped.contains('\x1b'),
        "{piped}"
    );
    let mut terminal = Terminal::start(&[&[PROGRAM], &arguments[..]].concat(), 10, 30);
    assert_eq!(terminal.end(), 0);
    let lines = terminal.lines();
    assert!(lines[0].contains("PID USER"), "{lines:?}");
    assert!(
        lines[1].contains(" abc") && !lines[1].contains("lmno"),
        "{lines:?}"
    );
    assert_eq!(lines[2], "", "no line is broken in two");
    assert!(terminal.output.contains(&0x1b), "there are colours");
    child.kill();
}

/// The past of a process as a table, as JSON, as CSV and as a plot.
#[test]
fn history_in_all_formats() {
    let (_kernel, _module) = loaded("monitor_interval_ms=50");
    let bee = busy(c"busybee");
    let pid = bee.pid();
    succeed(&["filter", &pid.to_string()]);
    let device = Device::open().unwrap();
    let is_gone = || {
        let history = device.history(0).unwrap();
        let last = history.samples().last().copied();
        last.is_some_and(|sample| matches!(sample.target(), Target::Gone { .. }))
    };
    thread::sleep(Duration::from_secs(1));
    bee.kill();
    eventually("its end", is_gone);

    let document = json(&["history"]);
    assert_eq!(
        (&document["version"], &document["missed"]),
        (&2.into(), &0.into())
    );
    assert_eq!(document["interval_ms"], 50);
    let samples = document["samples"].as_array().unwrap();
    assert_eq!(document["next"], samples.len() + 1);
    let last = samples.last().unwrap();
    assert_eq!(
        (&last["pid"], &last["gone"], &last["cpu"]),
        (&pid.into(), &true.into(), &Value::Null)
    );
    let used = samples.iter().filter_map(|sample| sample["cpu"].as_f64());
    assert!(used.fold(0.0, f64::max) > 20.0, "{samples:?}");
    let named = samples.iter().find(|sample| sample["comm"] == "busybee");
    assert!(named.is_some_and(|sample| sample["rss"].as_u64().unwrap() > 0));

    let csv = output_of(&["history", "--csv"]);
    assert_eq!(csv.lines().count(), samples.len() + 1);
    assert!(csv.starts_with("sequence,time,processes,"), "{csv}");
    let table = output_of(&["history"]);
    assert_eq!(table.lines().count(), samples.len() + 1);
    assert!(
        table
            .lines()
            .last()
            .unwrap()
            .ends_with(&format!(" {pid} gone")),
        "{table}"
    );
    let later = output_of(&["history", "--from", &samples.len().to_string()]);
    assert_eq!(later.lines().count(), 2, "{later}");
    let plot = output_of(&["history", "--plot"]);
    assert!(plot.contains("CPU %"), "{plot}");
    assert_eq!(plot.lines().count(), 20, "{plot}");

    succeed(&["filter", "off"]);
    eventually("samples of the system", || {
        let document = json(&["history"]);
        document["samples"].as_array().unwrap().last().unwrap()["pid"].is_null()
    });
}

/// Completions for shells, and manual pages.
#[test]
fn completions_and_manual() {
    let _kernel = shared();
    for shell in ["bash", "zsh", "fish"] {
        let script = output_of(&["completions", shell]);
        assert!(
            script.contains("procmonctl") && script.contains("history"),
            "{shell}"
        );
    }
    let directory = "/tmp/man";
    fs::create_dir_all(directory).unwrap();
    succeed(&["man", directory]);
    let page = fs::read_to_string(format!("{directory}/procmonctl-top.1")).unwrap();
    assert!(
        page.starts_with(".ie") && page.contains("procmonctl-top"),
        "{page}"
    );
    for title in ["KEYS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"] {
        assert!(
            page.contains(&format!(".SH \"{title}\"")) || page.contains(&format!(".SH {title}"))
        );
    }
    fs::remove_dir_all(directory).unwrap();
}
