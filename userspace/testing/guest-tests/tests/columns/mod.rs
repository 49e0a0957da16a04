// SPDX-License-Identifier: GPL-2.0-only

//! Command lines, rates and what else `procmonctl ps` and `top` show beside the records, against
//! `/proc`.

mod states;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::thread;
use std::time::Duration;

use fixture::child::{
    Child, as_nobody, at_rest_after, drop_privileges, paused, set_policy, stopped_with,
};
use fixture::command::output_of;
use fixture::memory::{PAGE, Region};
use fixture::{procfs, shared};
use serde_json::{Value, json};

use crate::events::rights::become_nobody_with;
use crate::processes::{columns, json as json_of, pids};
use crate::snapshot::cmdlines::memory::map_arguments;

/// Command lines are shown whole and harmless, and are searched.
#[test]
fn command_lines() {
    let _kernel = shared();
    let long = "7".repeat(10_000);
    let odd = stopped_with(&[
        OsStr::from_bytes(b"a\x1b[2J\xff"),
        OsStr::new("b c"),
        OsStr::new(""),
    ]);
    let whole = stopped_with(&[OsStr::new(&long), OsStr::new("needle")]);

    let row = columns(odd.pid(), "args,comm,exe");
    assert_eq!(
        row["args"],
        json!(["sh", "-c", "kill -STOP $$", null, "b c", ""])
    );
    let base64: Vec<_> = row["args_base64"].as_array().unwrap().iter().collect();
    assert_eq!((base64.len(), base64[3]), (6, &json!("YRtbMkr/")));
    let executable = fs::read_link(format!("/proc/{}/exe", odd.pid())).unwrap();
    assert_eq!(row["exe"], executable.to_str().unwrap());
    let text = output_of(&["ps", "-o", "args", "-p", &odd.pid().to_string()]);
    assert_eq!(
        text.lines().nth(1),
        Some("sh -c kill -STOP $$ a\\u{1b}[2J\\xff b c\\x20")
    );

    let row = columns(whole.pid(), "args");
    assert_eq!(
        row["args"][3],
        long.as_str(),
        "more than the module delivers"
    );
    assert_eq!(row["args"][4], "needle");
    assert!(row.get("args_base64").is_none());

    assert_eq!(pids(&["-c", "^sh -c .* needle$"]), [whole.pid()]);
    assert_eq!(pids(&["-c", r"(?-u)\xff b c"]), [odd.pid()]);

    // Kernel threads and zombies have names only.
    // SAFETY: It is always safe to end.
    let zombie = Child::spawn(|| unsafe { libc::_exit(0) });
    procfs::wait_for_state(zombie.pid(), 'Z');
    for pid in [2, zombie.pid()] {
        assert_eq!(columns(pid, "args")["args"], Value::Null);
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        let text = output_of(&["ps", "-o", "args", "-p", &pid.to_string()]);
        assert_eq!(
            text.lines().nth(1),
            Some(&*format!("[{}]", comm.trim_end()))
        );
    }
    zombie.join();
}

/// Memory and waits are those of the files in `/proc`, as far as the caller may read these.
#[test]
fn values_of_proc() {
    /// The time of a clock tick in ns.
    const TICK: u64 = 10_000_000;
    const COLUMNS: &str = "swap,pss,uss,oom-score,cpu-wait,io-wait,mem,rss";

    let _kernel = shared();
    let region = Region::new(100 * PAGE);
    let child = at_rest_after(|| region.fill(0, &[7; 100 * PAGE]));
    let pid = child.pid();
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let bytes = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes = line.trim().strip_suffix(" kB")?;
        Some(kilobytes.parse::<u64>().unwrap() * 1024)
    };
    let row = columns(pid, COLUMNS);
    assert_eq!(row["swap"], bytes(&read("status"), "VmSwap:").unwrap_or(0));
    let [unique, proportional] = ["uss", "pss"].map(|key| row[key].as_u64().unwrap());
    assert!(
        100 * PAGE as u64 <= unique && unique <= proportional,
        "{row}"
    );
    // The counters of the column rss lag behind the pages, which this file counts.
    let rollup = read("smaps_rollup");
    let [now, resident] = ["Pss:", "Rss:"].map(|name| bytes(&rollup, name).unwrap());
    assert!(proportional < resident, "{row}: {rollup}");
    // Other processes come and go that share pages with it.
    assert!(proportional.abs_diff(now) < resident / 4, "{row}: {rollup}");
    assert_eq!(row["oom-score"].to_string(), read("oom_score").trim());
    let waited = read("schedstat");
    assert_eq!(
        row["cpu-wait"].to_string(),
        waited.split(' ').nth(1).unwrap()
    );
    // Field 42 is in clock ticks.
    let ticks: u64 = procfs::number(pid, 42).unwrap();
    assert_eq!(row["io-wait"], ticks * TICK);
    let total = fs::read_to_string("/proc/meminfo").unwrap();
    let total: f64 = total.split_whitespace().nth(1).unwrap().parse().unwrap();
    let percent = row["rss"].as_f64().unwrap() / (total * 1024.0) * 100.0;
    assert!(
        (row["mem"].as_f64().unwrap() - percent).abs() < 0.01,
        "{row}"
    );

    // Another user, who has no device, may not look at the memory of this one.
    as_nobody(|| {
        let keys = "pss,uss,exe,oom-score";
        let found = json_of(&[
            "ps",
            "--source",
            "proc",
            "-o",
            keys,
            "--pid",
            &pid.to_string(),
        ]);
        let row = &found["processes"][0];
        let absent = ["pss", "uss", "exe"].map(|key| &row[key]);
        assert_eq!(absent, [&Value::Null; 3]);
        assert_eq!(row["oom-score"].to_string(), read("oom_score").trim());
    });
}

/// Capabilities, the real-time priority and the function in which a process sleeps are those of
/// /proc.
#[test]
fn capabilities_priorities_and_waits() {
    const COLUMNS: &str = "caps,rtprio,policy,wchan";
    const CAP_NET_RAW: u32 = 13;

    let _kernel = shared();
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
    let all = u64::MAX >> (63 - last.trim().parse::<u32>().unwrap());
    let plain = paused();
    let urgent = at_rest_after(|| set_policy(libc::SCHED_FIFO, 7));
    let one = at_rest_after(|| become_nobody_with(CAP_NET_RAW));
    let none = at_rest_after(drop_privileges);
    for (child, caps, set, priority) in [
        (&plain, "full", all, 0),
        (&urgent, "full", all, 7),
        (&one, "NET_RAW", 1 << CAP_NET_RAW, 0),
        (&none, "none", 0, 0),
    ] {
        let pid = child.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = format!("CapEff:\t{set:016x}");
        assert!(status.lines().any(|found| found == line), "{status}");
        assert_eq!(procfs::number(pid, 40), Some(priority));
        let wait = fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap();
        let row = columns(pid, COLUMNS);
        assert_eq!(row["caps"], caps);
        if priority > 0 {
            assert_eq!(
                (&row["rtprio"], &row["policy"]),
                (&json!(7), &json!("FIFO"))
            );
        } else {
            assert_eq!(row["rtprio"], Value::Null);
        }
        let expected = if wait == "0" {
            Value::Null
        } else {
            wait.into()
        };
        assert_eq!(row["wchan"], expected);
    }
    // Another user may not know where a process sleeps.
    as_nobody(|| {
        let pid = plain.pid().to_string();
        let found = json_of(&["ps", "--source", "proc", "-o", COLUMNS, "--pid", &pid]);
        let row = &found["processes"][0];
        assert_eq!(
            (&row["wchan"], &row["caps"]),
            (&Value::Null, &json!("full"))
        );
    });
}

/// Rates are the differences between two refreshes by the time between them.
#[test]
fn rates_are_differences_by_time() {
    let _kernel = shared();
    let child = Child::spawn(|| {
        loop {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let text = output_of(&[
        "top",
        "--batch",
        "-n",
        "3",
        "-d",
        "0.7",
        "--json",
        "-p",
        &child.pid().to_string(),
        "-o",
        "pid,vcs,vcs-rate,minflt,minflt-rate",
    ]);
    let documents: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(documents.len(), 3);
    for pair in documents.windows(2) {
        let number = |index: usize, key: &str| pair[index]["processes"][0][key].as_f64().unwrap();
        let time = |index: usize| pair[index]["time"].as_f64().unwrap();
        let seconds = (time(1) - time(0)) / 1e9;
        for (count, rate) in [("vcs", "vcs-rate"), ("minflt", "minflt-rate")] {
            let expected = (number(1, count) - number(0, count)) / seconds;
            let shown = number(1, rate);
            assert!(
                (shown - expected).abs() < 1e-6 * (1.0 + expected),
                "{rate}: {pair:?}"
            );
        }
        assert!(number(1, "vcs-rate") > 0.0, "{pair:?}");
    }
}

/// A command line that the module does not look at, since it is not in memory, is not waited for.
/// /proc has it.
#[test]
fn command_lines_that_are_not_present() {
    let _kernel = shared();
    let child = at_rest_after(|| {
        map_arguments(None);
    });
    assert_eq!(columns(child.pid(), "args")["args"], Value::Null);
    let pid = child.pid().to_string();
    let found = json_of(&["ps", "--source", "proc", "-o", "args", "--pid", &pid]);
    assert_eq!(found["processes"][0]["args"], json!(vec![""; 16]));
}
