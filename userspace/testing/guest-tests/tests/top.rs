// SPDX-License-Identifier: GPL-2.0

//! The command `procmonctl top`: its screen, its keys, and its care for the terminal.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{self, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use fixture::child::{busy, in_pid_namespace, sleeper};
use fixture::command::{PROGRAM, output_of};
use fixture::terminal::Terminal;
use fixture::{eventually, procfs, shared};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, Termios};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use serde_json::Value;

/// Starts `top` and waits for its table.
fn top(arguments: &[&str]) -> Terminal {
    let mut top = Terminal::start(&[&[PROGRAM, "top"], arguments].concat(), 24, 80);
    wait_for_table(&mut top);
    top
}

fn wait_for_table(top: &mut Terminal) {
    top.wait_for("the titles", |lines| lines[3].ends_with("COMMAND"));
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

/// Fails unless the terminal is as it was before the program.
fn assert_in_order(terminal: &Terminal, before: &Termios, what: &str) {
    assert_eq!(&terminal.mode(), before, "{what}");
    assert!(!terminal.is_alternate(), "{what}: alternate screen");
    assert!(!terminal.hides_cursor(), "{what}: no cursor");
}

/// Each key changes the screen as documented.
#[test]
fn top_on_a_terminal() {
    let _kernel = shared();
    let bee = busy(c"busybee");
    let sloth = sleeper(c"sloth");
    let mut top = Terminal::start(&[PROGRAM, "top", "--delay", "0.3"], 30, 110);
    top.wait_for("the busiest process", |lines| {
        // Below the header and the titles.
        lines[4..7].iter().any(|line| {
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
    assert!(
        lines[3].contains("PID USER") && lines[3].ends_with("COMMAND"),
        "{lines:?}"
    );

    top.press("\\slo");
    top.wait_for("the filter", |lines| {
        lines[29] == "filter: slo" && lines[4].contains(" sloth") && lines[5].is_empty()
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
    top.wait_for("init first", |lines| {
        lines[4].trim_start().starts_with("1 ")
    });
    top.press("\x1b[15~");
    top.wait_for("a tree", has("─ "));
    top.press("p");
    top.wait_for("a pause", has("paused"));
    bee.kill();
    thread::sleep(Duration::from_secs(1));
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
        lines.len() == 40 && lines[3].ends_with("COMMAND") && has("cgroup")(lines)
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
    let output = String::from_utf8_lossy(&top.output);
    // Of the sequences for colours, only those for the default ones.
    for sequence in output.split("\x1b[").skip(1) {
        let end = sequence.find(|c: char| c.is_ascii_alphabetic());
        let Some((codes, "m")) = end.map(|end| (&sequence[..end], &sequence[end..=end])) else {
            continue;
        };
        for code in codes.split(';') {
            let is_color = code.len() > 1 && code.starts_with(['3', '4', '9']);
            assert!(!is_color || matches!(code, "39" | "49"), "{codes:?}");
        }
    }
}

/// Batch mode prints text, or JSON with the CPU usage during the interval.
#[test]
fn top_in_batch_mode() {
    let _kernel = shared();
    let bee = busy(c"busybee");
    let text = output_of(&["top", "-b", "-n", "2", "-d", "0.5"]);
    assert_eq!(text.matches(" tasks, ").count(), 2, "{text}");
    let second = text.rsplit("\n\n").next().unwrap();
    let lines: Vec<_> = second.lines().skip(4).take(3).collect();
    assert!(
        lines.iter().any(|line| line.ends_with(" busybee")),
        "{text}"
    );

    let text = output_of(&["--json", "top", "-b", "-n", "3", "-d", "0.5"]);
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
        assert_eq!(document["system"]["memory"], memory());
    }
    assert_eq!(documents[0]["system"]["cpu"], Value::Null);
    bee.kill();

    for arguments in [&["--json", "top"][..], &["top", "--json"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("--batch"), "{stderr}");
        assert!(output.stdout.is_empty());
    }
}

/// Makes a process of this name that ends at once with a status, and waits for its end. Returns its
/// PID.
fn gnat(status: i32) -> i32 {
    // SAFETY: The child makes system calls only.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => {
            let end = waitpid(child, None);
            assert_eq!(end, Ok(WaitStatus::Exited(child, status)));
            child.as_raw()
        }
        ForkResult::Child => {
            let _ = prctl::set_name(c"gnat");
            // SAFETY: It is always safe to end.
            unsafe { libc::_exit(status) }
        }
    }
}

/// Returns the numbers in the head of the processes that started, that ended, and that came and
/// went.
fn turnover(lines: &[String]) -> [u64; 3] {
    ["started", "ended", "came and went"].map(|what| {
        let mut parts = lines[2].split(", ");
        let number = parts.find_map(|part| part.strip_suffix(what));
        let number = number.unwrap_or_else(|| panic!("{what}: {}", lines[2]));
        number.trim_end().parse().unwrap()
    })
}

/// Processes that come and go between two refreshes are counted, and listed with their statuses.
/// One that the screen had is not among them.
#[test]
fn top_shows_what_came_and_went() {
    const GNATS: i32 = 12;

    let _kernel = shared();
    // Refreshes are those of a key only.
    let mut top = Terminal::start(&[PROGRAM, "top", "--delay", "1000"], 60, 110);
    wait_for_table(&mut top);
    assert!(!has("came and went")(&top.lines()), "since when?");
    top.press("E\\gnat\r");
    top.wait_for("the list", |lines| {
        has(" Came and went: 0 so far")(lines) && has("filter: gnat")(lines)
    });
    let gnatling = sleeper(c"gnatling");
    let before = procfs::forks();
    top.press("\x12");
    top.wait_for("a refresh", |lines| lines[4].ends_with(" gnatling"));
    turnover(&top.lines());

    let pids: Vec<_> = (0..GNATS).map(gnat).collect();
    gnatling.kill();
    top.press("\x12");
    top.wait_for("the list", |lines| {
        let inside = |line: &String| line.trim_matches(['│', ' ']).ends_with(" gnat");
        lines.iter().filter(|line| inside(line)).count() == pids.len()
    });
    let lines = top.lines();
    let made = procfs::forks() - before;
    let [started, ended, transient] = turnover(&lines);
    let count = pids.len() as u64;
    assert!(
        count <= transient && transient <= started && started <= made && transient < ended,
        "{count} of {made}: {}",
        lines[2]
    );
    assert!(!has("gnatling")(&lines), "{lines:#?}");

    // The last one comes first.
    let own = process::id().to_string();
    let rows = lines
        .iter()
        .filter(|line| line.starts_with('│') && line.contains(" gnat "));
    let rows: Vec<Vec<_>> = rows
        .map(|line| line.split_whitespace().skip(1).collect())
        .collect();
    for ((row, pid), status) in rows.iter().zip(pids.iter().rev()).zip((0..GNATS).rev()) {
        let expected = [&*pid.to_string(), &own, "root", &status.to_string()];
        assert_eq!(row[..4], expected, "{lines:#?}");
    }
    assert_eq!(rows.len(), pids.len(), "{lines:#?}");

    top.press("E");
    top.wait_for("no list", |lines| !has("Came and went")(lines));
    top.press("q");
    assert_eq!(top.end(), 0);
}

/// While processes come and go, each of them is either in a snapshot or among those that came and
/// went, and never in both.
#[test]
fn top_misses_no_process() {
    const GNATS: i32 = 200;

    let _kernel = shared();
    let before = procfs::forks();
    let mut program = Command::new(PROGRAM)
        .args(["--json", "top", "-b", "-d", "0.01", "-o", "pid,comm"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut documents = BufReader::new(program.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let first = documents.next().unwrap();
    assert_eq!(first["turnover"], Value::Null, "since when?");

    let storm = thread::spawn(|| {
        let gnats: Vec<_> = (0..GNATS).map(|_| gnat(0)).collect();
        (gnats, sleeper(c"gnatling"))
    });
    let pids = |list: &Value| -> Vec<_> {
        let list = list.as_array().unwrap().iter();
        list.map(|process| process["pid"].as_i64().unwrap())
            .collect()
    };
    let mut seen = HashSet::new();
    let mut transient = Vec::new();
    let mut sums = [0; 4];
    // A snapshot that has the gnatling may have begun before the end of the last gnat.
    let mut left = None;
    while left != Some(0) {
        let document = documents.next().unwrap();
        let turnover = &document["turnover"];
        seen.extend(pids(&document["processes"]));
        transient.extend(pids(&turnover["latest"]));
        for (sum, key) in sums
            .iter_mut()
            .zip(["started", "ended", "transient", "lost"])
        {
            *sum += turnover[key].as_u64().unwrap();
        }
        let mut processes = document["processes"].as_array().unwrap().iter();
        if processes.any(|process| process["comm"] == "gnatling") {
            left = Some(left.map_or(1, |left: u32| left - 1));
        }
    }
    let made = procfs::forks() - before;
    program.kill().unwrap();
    program.wait().unwrap();
    let (gnats, gnatling) = storm.join().unwrap();
    gnatling.kill();

    let [started, ended, count, lost] = sums;
    assert_eq!(lost, 0);
    assert_eq!(count, transient.len() as u64);
    let least = u64::try_from(GNATS).unwrap();
    assert!(
        least < started && started <= made && least <= ended,
        "{sums:?}, {made}"
    );
    for gnat in gnats.into_iter().map(i64::from) {
        let times = transient.iter().filter(|pid| **pid == gnat).count();
        let is_seen = seen.contains(&gnat);
        assert_eq!(times, usize::from(!is_seen), "{gnat}: {is_seen}");
    }
}

/// Without the right to read events, `top` is as it was without them.
#[test]
fn top_without_events() {
    let _kernel = shared();
    in_pid_namespace(|| {
        let text = output_of(&["--json", "top", "-b", "-n", "2", "-d", "0.1"]);
        for line in text.lines() {
            let document: Value = serde_json::from_str(line).unwrap();
            assert_eq!(document["turnover"], Value::Null);
            assert!(!document["processes"].as_array().unwrap().is_empty());
        }
        let mut top = top(&["-d", "0.1"]);
        let clock = top.lines()[0].clone();
        top.wait_for("a refresh", |lines| lines[0] != clock);
        top.press("E");
        top.wait_for(
            "an answer",
            has("the module does not tell what came and went"),
        );
        let lines = top.lines();
        assert!(!has("started")(&lines) && !has("Came and went")(&lines));
        top.press("q");
        assert_eq!(top.end(), 0);
    });
}

/// Returns the size of all memory, in bytes.
fn memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find(|line| line.starts_with("MemTotal:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1);
    kilobytes.unwrap().parse::<u64>().unwrap() * 1024
}

/// Signals end the program as usual, and the terminal is as it was before.
#[test]
fn top_ended_by_signals() {
    let _kernel = shared();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
    ] {
        let mut top = Terminal::start(&[PROGRAM, "top"], 24, 80);
        let before = top.first_mode().clone();
        wait_for_table(&mut top);
        top.signal(signal);
        let status = top.wait();
        assert!(
            matches!(status, WaitStatus::Signaled(_, by, _) if by == signal),
            "{signal}: {status:?}"
        );
        assert_in_order(&top, &before, signal.as_str());
    }
}

/// A signal that was ignored from the beginning, as by nohup(1), remains so.
#[test]
fn top_with_ignored_signals() {
    let _kernel = shared();
    let mut top = Terminal::start(
        &["/bin/sh", "-c", "trap '' HUP; exec procmonctl top -d 0.1"],
        24,
        80,
    );
    let before = top.first_mode().clone();
    wait_for_table(&mut top);
    top.signal(Signal::SIGHUP);
    top.press("?");
    top.wait_for("help", has("show these keys"));
    wait_for_raw_mode(&top);
    top.press("xq");
    assert_eq!(top.end(), 0);
    assert_in_order(&top, &before, "q");
}

fn wait_for_raw_mode(top: &Terminal) {
    eventually("raw mode", || {
        !top.mode().local_flags.contains(LocalFlags::ECHO)
    });
}

/// Ctrl-Z and signals stop and continue the program; in between, others have the terminal.
#[test]
fn top_stopped_and_continued() {
    let _kernel = shared();
    // A process group that is the child of another one in its session, as shells make them.
    let mut top = Terminal::start_as_job(&[PROGRAM, "top", "-d", "0.2"], 24, 80);
    let before = top.first_mode().clone();
    wait_for_table(&mut top);
    for stop in ["a key", "SIGTSTP", "SIGSTOP"] {
        match stop {
            "a key" => top.press("\x1a"),
            "SIGTSTP" => top.signal(Signal::SIGTSTP),
            _ => top.signal(Signal::SIGSTOP),
        }
        let pid = top.pid();
        top.read_until(stop, |_| procfs::is_in_state(pid, 'T'));
        if stop != "SIGSTOP" {
            top.read_until(stop, |top| !top.is_alternate() && !top.hides_cursor());
        }
        if stop == "SIGSTOP" {
            // SIGSTOP cannot be handled; a shell sets the mode itself.
            top.set_mode(&before);
        } else {
            assert_in_order(&top, &before, stop);
        }
        top.output.clear();
        top.signal(Signal::SIGCONT);
        top.wait_for(stop, |lines| lines[3].ends_with("COMMAND"));
        wait_for_raw_mode(&top);
        top.press("?");
        top.wait_for("help", has("show these keys"));
        top.press("x");
        top.wait_for("no help", |lines| !has("show these keys")(lines));
        wait_for_table(&mut top);
    }
    top.press("q");
    assert_eq!(top.end(), 0);
    assert_in_order(&top, &before, "q");
}

/// Half of a sequence, or of a character, does not stop the program.
#[test]
fn top_with_half_a_sequence() {
    let _kernel = shared();
    for half in [&b"\x1b["[..], b"\xc3", b"\x1b[1;5", b"\x1bO", b"\x1b"] {
        let mut top = top(&["-d", "0.1"]);
        top.type_bytes(half);
        top.output.clear();
        // It goes on drawing, as the time since boot on its screen shows.
        let clock = top.lines()[0].clone();
        top.wait_for("a refresh", |lines| lines[0] != clock);
        let clock = top.lines()[0].clone();
        top.wait_for("another refresh", |lines| lines[0] != clock);
        thread::sleep(Duration::from_millis(500));
        top.press("?");
        top.wait_for("help", has("show these keys"));
        top.press("xq");
        assert_eq!(top.end(), 0, "{half:?}");
    }
}

/// The program ends when its terminal hangs up, even if it ignores SIGHUP.
#[test]
fn top_without_its_terminal() {
    let _kernel = shared();
    for command in ["exec procmonctl top", "trap '' HUP; exec procmonctl top"] {
        let mut top = Terminal::start(&["/bin/sh", "-c", command], 24, 80);
        wait_for_table(&mut top);
        let status = top.hang_up();
        let is_expected = match status {
            WaitStatus::Signaled(_, signal, _) => signal == Signal::SIGHUP,
            WaitStatus::Exited(_, status) => status == 1,
            _ => false,
        };
        assert!(is_expected, "{command}: {status:?}");
    }
}

/// A terminal that accepts no more output does not keep the program from ending.
#[test]
fn top_with_a_terminal_that_is_stuck() {
    let _kernel = shared();
    let mut top = top(&["-d", "0.05"]);
    let before = top.first_mode().clone();
    // Output that is not read fills the terminal's buffer.
    let file = format!("/proc/{}/syscall", top.pid());
    let mut times = 0;
    eventually("a write that waits", || {
        top.press("\x0c");
        thread::sleep(Duration::from_millis(10));
        let writes = fs::read_to_string(&file).unwrap().starts_with("1 ");
        times = if writes { times + 1 } else { 0 };
        times == 20
    });
    top.signal(Signal::SIGTERM);
    let status = top.wait_unread();
    assert!(
        matches!(status, WaitStatus::Signaled(_, Signal::SIGTERM, _)),
        "{status:?}"
    );
    assert_eq!(top.mode(), before);
}
