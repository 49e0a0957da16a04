// SPDX-License-Identifier: GPL-2.0-only

//! The command `procmonctl top`: its screen, its keys, and its care for the terminal.

mod actions;
mod arguments;
mod groups;
mod head;
mod look;
mod terminal;
mod turnover;

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fixture::child::{busy, sleeper};
use fixture::command::{PROGRAM, output_of};
use fixture::shared;
use fixture::terminal::Terminal;
use nix::sys::termios::LocalFlags;
use serde_json::Value;

/// The default columns with names in place of command lines: processes of tests differ in these.
const NAMES: &str = "--columns=pid,user,nice,state,threads,cpu,rss,time,comm";

/// Starts `top` and waits for its table.
fn top(arguments: &[&str]) -> Terminal {
    let mut top = Terminal::start(&[&[PROGRAM, "top", NAMES], arguments].concat(), 24, 80);
    wait_for_table(&mut top);
    top
}

/// Returns the number of the line of titles, which depends on the size of the head.
fn titles(lines: &[String]) -> Option<usize> {
    lines.iter().position(|line| line.ends_with("COMMAND"))
}

/// Returns the lines below the titles.
fn rows(lines: &[String]) -> &[String] {
    titles(lines).map_or(&[], |titles| &lines[titles + 1..])
}

/// Returns whether the first row fulfils a condition.
fn first_row(condition: impl Fn(&str) -> bool) -> impl Fn(&[String]) -> bool {
    move |lines| rows(lines).first().is_some_and(|row| condition(row))
}

fn wait_for_table(top: &mut Terminal) {
    top.wait_for("the titles", |lines| titles(lines).is_some());
    // The cursor goes at the end of a frame.
    top.read_until("the whole screen", |top| {
        top.is_alternate() && top.hides_cursor()
    });
    assert!(!top.mode().local_flags.contains(LocalFlags::ECHO), "raw");
}

/// Runs `procmonctl` without a terminal.
fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

fn has(text: &str) -> impl Fn(&[String]) -> bool {
    move |lines| lines.iter().any(|line| line.contains(text))
}

/// Each key changes the screen as documented.
#[test]
fn top_on_a_terminal() {
    let _kernel = shared();
    let bee = busy(c"busybee");
    let sloth = sleeper(c"sloth");
    let mut top = Terminal::start(&[PROGRAM, "top", NAMES, "--delay", "0.3"], 30, 110);
    top.wait_for("the busiest process", |lines| {
        rows(lines).iter().take(3).any(|line| {
            let is_busy = |word: &str| word.parse::<f64>().is_ok_and(|cpu| cpu > 20.0);
            line.contains(" busybee") && line.split_whitespace().any(is_busy)
        })
    });
    assert!(top.is_alternate());
    let lines = top.lines();
    assert!(
        lines[0].starts_with("up ") && lines[0].contains(" load "),
        "{lines:?}"
    );
    assert!(lines[1].contains(" tasks, "), "{lines:?}");
    let titles = titles(&lines).unwrap();
    assert!(lines[titles].contains("PID USER"), "{lines:?}");

    top.press("\\slo");
    top.wait_for("the filter", |lines| {
        let is_alone = matches!(rows(lines), [row, below, ..]
            if row.contains(" sloth") && below.is_empty());
        lines[29] == "filter: slo" && is_alone
    });
    top.press("\r\r");
    top.wait_for("details", has("CPU, up to"));
    top.wait_for("more details", has("ppid"));
    top.press("\x1b");
    top.wait_for("no details", |lines| !has("CPU, up to")(lines));
    top.press("\x1b");
    top.wait_for("all again", has("busybee"));
    top.press("\x1bOP");
    top.wait_for("help", has("show these keys"));
    top.press(" ");
    top.wait_for("no help", |lines| !has("show these keys")(lines));
    // The selection stays with its process, and goes to the first one.
    top.press("N\x1b[H");
    top.wait_for(
        "init first",
        first_row(|row| row.trim_start().starts_with("1 ")),
    );
    top.press("\x1b[15~");
    top.wait_for("a tree", has("─ "));
    top.press("p");
    top.wait_for("a pause", has("paused"));
    bee.kill();
    top.read_for(Duration::from_secs(1));
    assert!(has("busybee")(&top.lines()), "paused");
    // A change of the view takes effect all the same.
    top.press("H");
    top.wait_for("threads", |lines| {
        has("threads  ")(lines) && !has("busybee")(lines)
    });
    top.press("Hp");
    top.wait_for("its end", |lines| {
        !has("paused")(lines) && !has("busybee")(lines) && has("sloth")(lines)
    });
    top.press("x");
    top.wait_for("an answer", has("x does nothing here"));
    top.press("\x1b[21~");
    assert_eq!(top.end(), 0);
    assert!(!top.is_alternate());
    sloth.kill();
}

/// Every field of the details has its value at once, not only after a refresh.
#[test]
fn top_details_at_once() {
    let _kernel = shared();
    // With space for all fields.
    let mut top = Terminal::start(&[PROGRAM, "top", "--delay", "1000", "-p", "1"], 60, 80);
    wait_for_table(&mut top);
    top.press("p\r");
    let has_value = |key: &'static str| {
        move |line: &String| {
            let mut words = line.split_whitespace().skip_while(|word| *word != key);
            words.nth(1).is_some_and(|word| word != "-")
        }
    };
    top.wait_for("details", has("CPU, up to"));
    let lines = top.lines();
    for key in [
        "rss", "minflt", "majflt", "vcs", "ics", "read", "write", "cgroup",
    ] {
        assert!(lines.iter().any(has_value(key)), "{key}: {lines:#?}");
    }
    top.press("q");
    assert_eq!(top.end(), 0);
}

/// The program works at every size of the terminal, also when it changes.
#[test]
fn top_sizes() {
    let _kernel = shared();
    for (rows, columns) in [(1, 1), (3, 10), (5, 200), (60, 20), (5, 20)] {
        let mut top = Terminal::start(&[PROGRAM, "top", "-d", "0.1", "-n", "3"], rows, columns);
        assert_eq!(top.end(), 0, "{rows} lines, {columns} columns");
    }
    let mut top = top(&["--delay", "1000"]);
    top.press("\r");
    top.wait_for("details", has("CPU, up to"));
    for (rows, columns) in [(10, 40), (1, 1), (40, 120)] {
        top.resize(rows, columns);
        top.press("\x0c");
    }
    top.wait_for("the new size", |lines| {
        lines.len() == 40 && titles(lines).is_some() && has("cgroup")(lines)
    });
    top.press("\x03");
    assert_eq!(top.end(), 0);
}

/// Output that is no terminal, or one without the needed functions, gets a message that helps.
#[test]
fn top_without_a_screen() {
    let _kernel = shared();
    let output = run(&["top"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("--batch"), "{stderr}");

    let mut top = Terminal::start(&["/bin/sh", "-c", "TERM=dumb exec procmonctl top"], 24, 80);
    assert_eq!(top.end(), 1);
    assert!(top.lines()[0].contains("TERM=dumb"), "{:?}", top.lines());
    assert!(!top.output.contains(&0x1b), "no sequences");

    for delay in ["0", "1e-9", "1e19", "1e308", "-1", "nan"] {
        let output = run(&["top", "-b", "-n", "1", "-d", delay]);
        assert_eq!(output.status.code(), Some(2), "{delay}");
    }

    let mut top = Terminal::start(
        &[
            "/bin/sh",
            "-c",
            "NO_COLOR=1 exec procmonctl top -n 2 -d 0.2",
        ],
        24,
        80,
    );
    assert_eq!(top.end(), 0);
    assert_eq!(colors(&top.output), [] as [&str; 0]);
}

/// Returns the codes of colours in output, but for those of the default ones.
fn colors(output: &[u8]) -> Vec<String> {
    let output = String::from_utf8_lossy(output);
    let mut colors = Vec::new();
    for sequence in output.split("\x1b[").skip(1) {
        let end = sequence.find(|c: char| c.is_ascii_alphabetic());
        let Some((codes, "m")) = end.map(|end| (&sequence[..end], &sequence[end..=end])) else {
            continue;
        };
        let codes = codes.split(';');
        let of_colors = codes.filter(|code| code.len() > 1 && code.starts_with(['3', '4', '9']));
        colors.extend(
            of_colors
                .filter(|code| !matches!(*code, "39" | "49"))
                .map(str::to_owned),
        );
    }
    colors
}

/// Batch mode prints text, or JSON with the CPU usage during the interval.
#[test]
fn top_in_batch_mode() {
    let _kernel = shared();
    let bee = busy(c"busybee");
    let text = output_of(&["top", NAMES, "-b", "-n", "2", "-d", "0.5"]);
    assert_eq!(text.matches(" tasks, ").count(), 2, "{text}");
    let second = text.rsplit("\n\n").next().unwrap();
    let lines: Vec<_> = second.lines().skip(4).take(3).collect();
    assert!(
        lines.iter().any(|line| line.ends_with(" busybee")),
        "{text}"
    );

    let text = output_of(&["--json", "top", NAMES, "-b", "-n", "3", "-d", "0.5"]);
    let documents: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(documents.len(), 3, "{text}");
    let of_bee = |document: &Value| {
        let processes = document["processes"].as_array().unwrap().iter();
        let mut processes = processes.filter(|process| process["pid"] == bee.pid());
        processes.next().unwrap().clone()
    };
    let field = |index: usize, key: &str| {
        let process = of_bee(&documents[index]);
        process[key].as_f64().unwrap()
    };
    for index in 1..3 {
        let document = &documents[index];
        let elapsed =
            (document["time"].as_f64().unwrap()) - documents[index - 1]["time"].as_f64().unwrap();
        let used = field(index, "time") - field(index - 1, "time");
        let expected = used / elapsed * 100.0;
        let cpu = field(index, "cpu");
        // More than 100 % is an error of measurement: the scheduler's clock and that of the time
        // run apart where the host is too slow for the guest.
        let range = expected.min(100.0) - 0.001..=expected + 0.001;
        assert!(range.contains(&cpu), "{cpu}, not {expected}");
        let busy = document["system"]["cpu"].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&busy), "{busy}");
        check_system(&document["system"]);
    }
    assert_eq!(documents[0]["system"]["cpu"], Value::Null);
    assert_eq!(documents[0]["system"]["cpus"], Value::Null);
    bee.kill();

    for arguments in [&["--json", "top"][..], &["top", "--json"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("--batch"), "{stderr}");
        assert!(output.stdout.is_empty());
    }
}

/// Compares numbers that do not change with those of `/proc`.
fn check_system(system: &Value) {
    assert_eq!(system["memory"], meminfo("MemTotal:"));
    assert_eq!(system["swap"], meminfo("SwapTotal:"));
    let cpus = system["cpus"].as_array().unwrap().iter();
    let numbers: Vec<_> = cpus.map(|cpu| cpu["number"].as_u64().unwrap()).collect();
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let names = stat.lines().filter_map(|line| line.strip_prefix("cpu"));
    let online: Vec<u64> = names
        .filter_map(|line| line.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(numbers, online);
    for resource in ["cpu", "memory", "io"] {
        let known = fs::read_to_string(format!("/proc/pressure/{resource}")).is_ok();
        assert_eq!(
            system["pressure"][resource].is_object(),
            known,
            "{resource}"
        );
    }
}

/// Returns an amount of memory in `/proc/meminfo`, in bytes.
fn meminfo(key: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find(|line| line.starts_with(key));
    let kilobytes = line.unwrap().split_whitespace().nth(1);
    kilobytes.unwrap().parse::<u64>().unwrap() * 1024
}
