// SPDX-License-Identifier: GPL-2.0-only

//! `report` on recordings that are made by hand.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use recording::{
    End, Exec, Exit, Header, Line, Lost, Sample, Selection, Started, Text, VERSION, Writer,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const SECOND: u64 = 1_000_000_000;

/// The beginning of all recordings.
const BEGIN: u64 = 100 * SECOND;

fn header() -> Line {
    Line::Header(Header {
        version: VERSION,
        time: BEGIN,
        wall_time: 1_700_000_000_000_000_000,
        boot_id: Some("abc".to_owned()),
        host: Text::from("box\x1b[2J"),
        kernel: Text::from("7.3.4"),
        cpus: 4,
        memory: 1 << 30,
        selection: Selection::Command {
            args: vec![Text::from("make"), Text::from("-j2")],
            pid: 10,
        },
    })
}

/// Returns a process with a program, from one second of the recording to another.
fn process(pid: i32, ppid: i32, from: u64, to: u64, args: &[&str], status: i32) -> [Line; 3] {
    let start = BEGIN + from * SECOND;
    let parent_start = (ppid == 10).then_some(BEGIN);
    [
        Line::Process(Started {
            pid,
            start,
            ppid,
            parent_start,
            comm: Text::from("make"),
            uid: 0,
            cgroup_id: 1,
            is_older: false,
        }),
        Line::Exec(Exec {
            pid,
            start,
            time: Some(start),
            file: None,
            args: Some(args.iter().map(|arg| Text::from(*arg)).collect()),
            is_cut: false,
            directory: Some(Text::from("/src")),
            comm: Text::from(args[0]),
            euid: 0,
        }),
        Line::Exit(Exit {
            pid,
            start,
            time: BEGIN + to * SECOND,
            status: Some(status),
            utime: (to - from) * SECOND / 2,
            stime: 0,
            runtime: 0,
            wait_time: 0,
            minor_faults: 7,
            major_faults: 1,
            voluntary_switches: 0,
            involuntary_switches: 0,
            max_rss: u64::from(pid.unsigned_abs()) << 20,
            read_bytes: Some(4096),
            write_bytes: None,
        }),
    ]
}

/// Returns `make -j2` with two compilers at a time, of which the last one fails after `slow`
/// seconds.
fn build(slow: u64) -> Vec<Line> {
    let end = 9 + slow;
    let mut lines = vec![header()];
    lines.extend(process(10, 1, 0, end, &["make", "-j2"], 2 << 8));
    lines.extend(process(11, 10, 1, 4, &["cc", "a.c"], 0));
    lines.extend(process(12, 10, 1, 6, &["cc", "b.c"], 0));
    lines.extend(process(13, 10, 4, 5, &["grep", "x"], 1 << 8));
    lines.extend(process(14, 10, 7, 7 + slow, &["cc", "c.c"], 11));
    for (second, busy) in [(0, 0), (5, 10), (end, 10 + 2 * (4 + slow))] {
        lines.push(Line::Sample(Sample {
            time: BEGIN + second * SECOND,
            busy: busy * SECOND,
            io_wait: 0,
            memory: 0,
        }));
    }
    lines.push(Line::End(End {
        time: BEGIN + end * SECOND,
        status: Some(2 << 8),
    }));
    lines
}

fn write(directory: &TempDir, name: &str, lines: &[Line]) -> PathBuf {
    let path = directory.path().join(name);
    let mut writer = Writer::new(File::create(&path).unwrap());
    for line in lines {
        writer.write(line).unwrap();
    }
    writer.flush().unwrap();
    path
}

fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_procmonctl"))
        .arg("report")
        .args(arguments)
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs the command, which has to succeed, and have nothing to complain of.
fn report(path: &Path, options: &[&str]) -> String {
    let arguments = [path.to_str().unwrap()];
    let output = run(&[&arguments, options].concat());
    let result = (output.status.code(), text(&output.stderr));
    assert_eq!(result, (Some(0), String::new()));
    text(&output.stdout)
}

fn parse(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1);
    serde_json::from_str(text).unwrap()
}

/// Returns the lines of a section, with single spaces.
fn section(report: &str, title: &str) -> Vec<String> {
    let lines = report.lines().skip_while(|line| !line.starts_with(title));
    let lines = lines.skip(1).take_while(|line| !line.is_empty());
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn the_text_has_sections() {
    let directory = tempfile::tempdir().unwrap();
    let report = report(&write(&directory, "a", &build(8)), &[]);
    let head: Vec<_> = report.lines().take(3).collect();
    let second =
        "on box\\u{1b}[2J, Linux 7.3.4, 4 CPUs, 2023-11-14: 5 processes in 0:17.00, status 2";
    assert_eq!(head, ["make -j2", second, ""]);

    let summary = section(&report, "Summary");
    let expected = [
        "FIRST SECOND THIRD",
        "most often cc 3 make 1 grep 1",
        "most time make 0:17.00 cc 0:16.00 grep 0:01.00",
        "most own time cc 0:16.00 make 0:04.00 grep 0:01.00",
        "most CPU time make 0:08.50 cc 0:08.00 grep 0:00.50",
        "most memory cc 14M grep 13M make 10M",
        "most I/O cc 12K make 4.0K grep 4.0K",
        "most failures cc 1 make 1 grep 1",
    ];
    assert_eq!(summary, expected);

    let programs = section(&report, "Programs (3), by own time");
    let expected = [
        "COUNT TIME OWN LONGEST CPU RSS READ WRITTEN FAULTS FAILED PROGRAM",
        "3 0:16.00 0:16.00 0:08.00 0:08.00 14M 12K - 24 1 cc",
        "1 0:17.00 0:04.00 0:17.00 0:08.50 10M 4.0K - 8 1 make",
        "1 0:01.00 0:01.00 0:01.00 0:00.50 13M 4.0K - 8 1 grep",
    ];
    assert_eq!(programs, expected);

    let processes = section(&report, "Processes (5), by own time");
    let expected = "14 0:08.00 0:08.00 0:04.00 14M 4.0K - 8 cc c.c";
    assert_eq!(processes[1], expected);

    let path = section(&report, "Critical path: 0:17.00 of 0:17.00, programs (2)");
    assert_eq!(
        path,
        ["TIME % PROGRAM", "0:13.00 76.5 cc", "0:04.00 23.5 make"]
    );
    let steps = section(&report, "Longest steps of the critical path (5)");
    let expected = [
        "FROM TIME PID COMMAND",
        "0:00.00 0:01.00 10 make -j2",
        "0:01.00 0:05.00 12 cc b.c",
        "0:06.00 0:01.00 10 make -j2",
        "0:07.00 0:08.00 14 cc c.c",
        "0:15.00 0:02.00 10 make -j2",
    ];
    assert_eq!(steps, expected);

    let failures = section(&report, "Failures (3)");
    let expected = [
        "AT PID STATUS KIND TIME BELOW DIRECTORY COMMAND",
        "0:15.00 14 signal 11 signal 0:08.00 make /src cc c.c",
        "0:17.00 10 2 passed-on 0:17.00 /src make -j2",
        "0:05.00 13 1 ordinary 0:01.00 make /src grep x",
    ];
    assert_eq!(failures, expected);
    let parallelism = "Parallelism: 1.2 processes work on average, 2 at most; 2.0 of 4 CPUs are \
                       busy on average, 2.0 at most";
    assert_eq!(section(&report, parallelism).len(), 21, "{report}");
}

#[test]
fn tables_are_short_without_all() {
    let directory = tempfile::tempdir().unwrap();
    let mut lines = build(1);
    lines.truncate(lines.len() - 4);
    for pid in 20..32 {
        lines.extend(process(pid, 10, 1, 2, &["false"], 1 << 8));
    }
    let path = write(&directory, "a", &lines);
    let short = report(&path, &[]);
    let title = "Failures (10 of 15, --all shows them)";
    assert_eq!(section(&short, title).len(), 11, "{short}");
    let all = report(&path, &["--all"]);
    assert_eq!(section(&all, "Failures (15)").len(), 16, "{all}");
}

#[test]
fn gaps_are_said_at_the_top() {
    let directory = tempfile::tempdir().unwrap();
    let mut lines = build(8);
    lines.pop();
    lines.push(Line::Lost(Lost {
        time: BEGIN,
        count: 5,
    }));
    let path = write(&directory, "a", &lines);
    let gaps = [
        "5 events are lost: processes, programs and ends may be missing",
        "the recording was cut off: its last part may be missing",
    ];
    let text = report(&path, &[]);
    assert_eq!(text.lines().skip(2).take(2).collect::<Vec<_>>(), gaps);
    let json = parse(&report(&path, &["--json"]));
    assert_eq!(
        (&json["run"]["lost"], &json["run"]["is_cut"]),
        (&json!(5), &json!(true))
    );
    let output = run(&[path.to_str().unwrap(), "--csv"]);
    let expected = gaps.map(|gap| format!("procmonctl: {gap}\n")).concat();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr), (Some(0), expected));
}

#[test]
fn json_has_the_documented_keys() {
    let directory = tempfile::tempdir().unwrap();
    let json = parse(&report(&write(&directory, "a", &build(8)), &["--json"]));
    assert_eq!(json["version"], 1);
    let run = json!({
        "boot_id": "abc", "time": BEGIN, "wall_time": "2023-11-14T22:13:20.000000000Z",
        "lasted": 17 * SECOND, "host": "box\u{1b}[2J", "kernel": "7.3.4", "cpus": 4,
        "memory": 1 << 30, "processes": 5, "lost": 0, "is_cut": false, "status": 512,
        "selection": {"kind": "command", "pid": 10, "cgroup": null, "args": ["make", "-j2"]},
    });
    assert_eq!(json["run"], run);
    let cc = json!({
        "comm": "cc", "count": 3, "time": 16 * SECOND, "own_time": 16 * SECOND,
        "longest": 8 * SECOND, "cpu_time": 8 * SECOND, "max_rss": 14 << 20, "read_bytes": 12288,
        "write_bytes": null, "minor_faults": 21, "major_faults": 3, "failures": 1,
    });
    assert_eq!(json["programs"][0], cc);
    let process = &json["processes"][0];
    assert_eq!(
        (&process["pid"], &process["args"], &process["directory"]),
        (&json!(14), &json!(["cc", "c.c"]), &json!("/src"))
    );
    let path = &json["critical_path"];
    assert_eq!(path["time"], 17 * SECOND);
    assert_eq!(
        path["programs"][0],
        json!({"comm": "cc", "time": 13 * SECOND})
    );
    let step = json!({
        "from": BEGIN + 7 * SECOND, "to": BEGIN + 15 * SECOND, "pid": 14,
        "start": BEGIN + 7 * SECOND, "comm": "cc",
    });
    assert_eq!(path["steps"][3], step);
    let failure = json!({
        "pid": 14, "start": BEGIN + 7 * SECOND, "comm": "cc", "args": ["cc", "c.c"],
        "directory": "/src", "time": BEGIN + 15 * SECOND, "lasted": 8 * SECOND,
        "exit_code": null, "signal": 11, "core_dumped": false, "failure": "signal",
        "parents": [{"pid": 10, "start": BEGIN, "comm": "make"}],
    });
    assert_eq!(json["failures"][1], failure);
    let parallelism = &json["parallelism"];
    assert_eq!(
        (&parallelism["peak"], &parallelism["mean_cpus"]),
        (&json!(2), &json!(2.0))
    );
    let intervals = parallelism["intervals"].as_array().unwrap();
    assert_eq!(intervals.len(), 100);
    assert_eq!(
        intervals[0],
        json!({
            "from": BEGIN, "to": BEGIN + 17 * SECOND / 100, "mean": 1.0, "peak": 1, "cpus": 2.0,
        })
    );
}

#[test]
fn names_have_any_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let mut lines = build(1);
    for line in &mut lines {
        if let Line::Exec(exec) = line
            && exec.pid == 14
        {
            exec.comm = Text::from(b"a,\xff\n");
            exec.args = Some(vec![Text::from("\u{202e}"), Text::from(b"\xff")]);
            exec.directory = Some(Text::from(b"/\xff"));
        }
    }
    let path = write(&directory, "a", &lines);
    let text = report(&path, &[]);
    let failures = section(&text, "Failures (3)");
    assert!(
        failures[1].ends_with("make /\\xff \\u{202e} \\xff"),
        "{failures:?}"
    );
    let csv = report(&path, &["--csv"]);
    assert!(
        csv.lines()
            .any(|line| line.starts_with("\"a,\\xff\\n\",1,")),
        "{csv}"
    );
    let json = parse(&report(&path, &["--json"]));
    let failure = &json["failures"][1];
    assert_eq!(
        (&failure["comm"], &failure["directory"]),
        (&Value::Null, &Value::Null)
    );
    let expected = json!(["YSz/Cg==", ["4oCu", "/w=="], "L/8="]);
    let keys = ["comm_base64", "args_base64", "directory_base64"];
    assert_eq!(json!(keys.map(|key| &failure[key])), expected);
    assert_eq!(failure["args"], json!(["\u{202e}", null]));
}

#[test]
fn csv_has_the_programs() {
    let directory = tempfile::tempdir().unwrap();
    let path = write(&directory, "a", &build(8));
    let csv = report(&path, &["--csv", "--by", "time"]);
    let expected = "\
program,count,time,own_time,longest,cpu_time,max_rss,read_bytes,write_bytes,minor_faults,\
major_faults,failures
make,1,17.000000000,4.000000000,17.000000000,8.500000000,10485760,4096,,7,1,1
cc,3,16.000000000,16.000000000,8.000000000,8.000000000,14680064,12288,,21,3,1
grep,1,1.000000000,1.000000000,1.000000000,0.500000000,13631488,4096,,7,1,1
";
    assert_eq!(csv, expected);
}

/// Returns an old run, and a slower one with other programs.
fn two(directory: &TempDir) -> [PathBuf; 2] {
    let old = build(2);
    let mut new = build(8);
    for line in &mut new {
        if let Line::Exec(exec) = line
            && exec.pid == 13
        {
            exec.comm = Text::from("sed");
            exec.args = Some(vec![Text::from("sed")]);
        }
    }
    [write(directory, "old", &old), write(directory, "new", &new)]
}

#[test]
fn differences_are_by_program_and_by_process() {
    let directory = tempfile::tempdir().unwrap();
    let [old, new] = two(&directory);
    let diff = report(&new, &["--diff", old.to_str().unwrap()]);
    let line = "0:17.00 instead of 0:11.00: +0:06.00 (+54.5 %)";
    assert!(diff.lines().any(|found| found == line), "{diff}");
    let slower = section(&diff, "Slower programs (1), by own time");
    let expected = [
        "OLD NEW CHANGE COUNT TIME CPU RSS PROGRAM",
        "0:10.00 0:16.00 +0:06.00 +0 +0:06.00 +0:03.00 +0B cc",
    ];
    assert_eq!(slower, expected);
    let slower = section(&diff, "Slower processes (1), by own time");
    let row = "0:02.00 0:08.00 +0:06.00 +0 +0:06.00 +0:03.00 +0B cc c.c";
    assert_eq!(slower[1], row);
    assert!(
        section(&diff, "New programs (1)")[1].ends_with(" sed"),
        "{diff}"
    );
    assert!(
        section(&diff, "Gone processes (1)")[1].ends_with(" grep x"),
        "{diff}"
    );
    assert!(!diff.contains("Faster"), "{diff}");
    let back = report(&old, &["--diff", new.to_str().unwrap(), "--by", "time"]);
    let faster = section(&back, "Faster programs (2), by time");
    let names: Vec<_> = faster[1..]
        .iter()
        .map(|row| row.rsplit(' ').next())
        .collect();
    assert_eq!(names, [Some("cc"), Some("make")]);
    let same = report(&old, &["--diff", old.to_str().unwrap()]);
    assert!(
        same.ends_with("0:11.00 instead of 0:11.00: +0:00.00 (+0.0 %)\n"),
        "{same}"
    );
}

#[test]
fn differences_are_there_for_programs() {
    let directory = tempfile::tempdir().unwrap();
    let [old, new] = two(&directory);
    let options = ["--diff", old.to_str().unwrap()];
    let json = parse(&report(&new, &[&options[..], &["--json"]].concat()));
    assert_eq!(
        (&json["version"], &json["new"]["lasted"]),
        (&json!(1), &json!(17 * SECOND))
    );
    let change = &json["programs"][0];
    let values = json!([
        change["comm"],
        change["change"],
        change["old"]["own_time"],
        change["new"]["own_time"],
    ]);
    assert_eq!(values, json!(["cc", "grown", 10 * SECOND, 16 * SECOND]));
    let kinds: Vec<_> = json["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|process| {
            let pid = |key: &str| process[key]["pid"].clone();
            json!([process["change"], pid("old_process"), pid("new_process")])
        })
        .collect();
    let expected = json!([["grown", 14, 14], ["new", null, 13], ["gone", 13, null]]);
    assert_eq!(json!(kinds), expected);

    let csv = report(&new, &[&options[..], &["--csv"]].concat());
    let lines: Vec<_> = csv.lines().collect();
    assert!(
        lines[0].starts_with("program,change,old_count,old_time,"),
        "{csv}"
    );
    assert!(lines[0].contains(",new_count,new_time,"), "{csv}");
    assert!(
        lines[1].starts_with("cc,grown,3,10.000000000,10.000000000,"),
        "{csv}"
    );
    let new = "sed,new,,,,,,,,,,,,1,1.000000000,1.000000000,1.000000000,0.500000000,13631488,\
               4096,,7,1,1";
    assert!(lines.contains(&new), "{csv}");
    assert_eq!(lines.len(), 5);
}

#[test]
fn what_is_no_recording_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let good = write(&directory, "a", &build(1));
    let other = directory.path().join("b\n");
    fs::write(&other, "ELF").unwrap();
    let missing = directory.path().join("c");
    for (arguments, status, message) in [
        (vec![&*missing], 1, "/c: No such file"),
        (vec![&*other], 1, "/b\\n: this is no recording: "),
        (
            vec![&*good, "--diff".as_ref(), &*missing],
            1,
            "/c: No such file",
        ),
        (
            vec![&*good, "--csv".as_ref(), "--json".as_ref()],
            2,
            "cannot be used with",
        ),
        (
            vec![&*good, "--by".as_ref(), "size".as_ref()],
            2,
            "invalid value",
        ),
        (vec![], 2, "<FILE>"),
    ] {
        let output = run(&arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{stderr}");
        assert!(
            stderr.contains(message) && output.stdout.is_empty(),
            "{stderr}"
        );
    }
}

/// A recording without processes, time or samples has a report nevertheless.
#[test]
fn an_empty_recording_has_a_report() {
    let directory = tempfile::tempdir().unwrap();
    let path = write(&directory, "a", &[header()]);
    let report_text = report(&path, &[]);
    assert!(
        report_text.contains("0 processes in 0:00.00"),
        "{report_text}"
    );
    assert!(!report_text.contains("NaN"), "{report_text}");
    let json = parse(&report(&path, &["--json"]));
    assert_eq!(
        json["critical_path"],
        json!({"time": 0, "programs": [], "steps": []})
    );
    assert_eq!(json["parallelism"]["intervals"], json!([]));
    let same = report(&path, &["--diff", path.to_str().unwrap()]);
    assert!(!same.contains("NaN") && !same.contains('%'), "{same}");
}
