// SPDX-License-Identifier: GPL-2.0-only

//! Timelines of a recording, in each format.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::json;
use tempfile::TempDir;

const FOLDED: &str = "make 7\nmake;cc 400\nmake;ld 50\n";

/// Returns the lines of a recording: `make` with two children, one of which fails. Such a file
/// needs no compression.
fn lines() -> String {
    let process = |pid: i32, start: u64, ppid: i32, comm: &str| {
        json!({
            "kind": "process", "pid": pid, "start": start, "ppid": ppid, "comm": comm, "uid": 0,
            "cgroup_id": 1,
        })
    };
    let exit = |pid: i32, start: u64, time: u64, status: i32, utime: u64| {
        json!({
            "kind": "exit", "pid": pid, "start": start, "time": time, "status": status,
            "utime": utime, "stime": 0, "runtime": 0, "wait_time": 0, "minor_faults": 0,
            "major_faults": 0, "voluntary_switches": 0, "involuntary_switches": 0,
            "max_rss": 4096,
        })
    };
    let lines = [
        json!({
            "kind": "header", "version": 1, "time": 1000, "wall_time": 0, "boot_id": null,
            "host": "box", "kernel": "7.3", "cpus": 2, "memory": 1 << 30,
            "selection": {"command": {"args": ["make", "<all>"], "pid": 5}},
        }),
        process(5, 1000, 1, "make"),
        process(6, 2000, 5, "cc"),
        exit(6, 2000, 800_000, 256, 400_000),
        process(6, 810_000, 5, "ld"),
        exit(6, 810_000, 900_000, 0, 50_000),
        exit(5, 1000, 1_000_000, 512, 7_000),
        json!({"kind": "end", "time": 1_000_000, "status": 512}),
    ];
    lines.map(|line| format!("{line}\n")).concat()
}

/// A directory with a recording.
struct Place {
    directory: TempDir,
    recording: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let recording = directory.path().join("a.procmon");
        fs::write(&recording, lines()).unwrap();
        Self {
            directory,
            recording,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the names of all files but the recording.
    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(self.directory.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "a.procmon").collect();
        names.sort();
        names
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_procmonctl"));
        command.current_dir(self.directory.path());
        command.arg("timeline").arg(&self.recording).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Returns standard output of a run without errors.
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), error.as_str()), (Some(0), ""));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns the message of a run that fails with this status and prints nothing else.
    fn fail(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(status), &b""[..])
        );
        String::from_utf8(output.stderr).unwrap()
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_name_of_the_output_chooses_the_format() {
    let place = Place::new();
    assert_eq!(place.succeed(&["-o", "a.svg"]), "");
    let svg = read(&place.path("a.svg"));
    assert!(svg.starts_with("<svg xmlns=") && svg.contains("<title>make &lt;all&gt;</title>"));
    assert!(svg.contains("exit status 1"), "{svg}");
    assert_eq!(place.succeed(&["-o", "-"]), svg);
    assert_eq!(place.succeed(&["-o", "a.html"]), "");
    let html = read(&place.path("a.html"));
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<h1>make &lt;all&gt;</h1>"));
    assert_eq!(place.names(), ["a.html", "a.svg"]);
}

#[test]
fn formats_of_other_tools_go_to_standard_output_or_a_file() {
    let place = Place::new();
    assert_eq!(place.succeed(&["--folded"]), FOLDED);
    assert_eq!(place.succeed(&["--folded", "-o", "-"]), FOLDED);
    let trace = place.succeed(&["--perfetto"]);
    let value: serde_json::Value = serde_json::from_str(&trace).unwrap();
    let events = value["traceEvents"].as_array().unwrap();
    let slices: Vec<_> = events
        .iter()
        .filter(|event| event["ph"] == "X")
        .map(|event| {
            (
                event["name"].as_str().unwrap(),
                event["dur"].as_f64().unwrap(),
            )
        })
        .collect();
    assert_eq!(slices, [("make", 999.0), ("cc", 798.0), ("ld", 90.0)]);
    assert_eq!(place.succeed(&["--perfetto", "-o", "a.json"]), "");
    assert_eq!(read(&place.path("a.json")), trace);
}

#[test]
fn a_failure_leaves_the_files_as_they_were() {
    let place = Place::new();
    fs::write(place.path("a.svg"), "before").unwrap();
    fs::write(&place.recording, "{}\n").unwrap();
    let message = place.fail(1, &["-o", "a.svg"]);
    assert!(
        message.contains("a.procmon: this is no recording"),
        "{message}"
    );
    fs::remove_file(&place.recording).unwrap();
    let message = place.fail(1, &["-o", "b.svg"]);
    assert!(
        message.contains("cannot read") && message.contains("No such file"),
        "{message}"
    );
    fs::write(&place.recording, lines()).unwrap();
    let message = place.fail(1, &["-o", "none/b.svg"]);
    assert!(message.contains("cannot write none/b.svg"), "{message}");
    let message = place.fail(2, &["-o", "b.png"]);
    assert!(message.contains(".svg or .html"), "{message}");
    for arguments in [&[][..], &["--folded", "--perfetto"]] {
        assert!(place.fail(2, arguments).contains("Usage"));
    }
    assert_eq!(place.names(), ["a.svg"]);
    assert_eq!(read(&place.path("a.svg")), "before");
}

#[test]
fn only_regular_files_are_replaced() {
    let place = Place::new();
    let (file, link) = (place.path("a.svg"), place.path("link.svg"));
    fs::write(&file, "before").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("a.svg", &link).unwrap();
    place.succeed(&["-o", "link.svg"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(read(&file).starts_with("<svg"));
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o640
    );
    // A full device takes nothing, and stays what it is.
    symlink("/dev/full", place.path("full")).unwrap();
    let message = place.fail(1, &["--folded", "-o", "full"]);
    assert!(message.contains("No space left"), "{message}");
    let mut command = place.command(&["--folded", "-o", "/dev/stdout"]);
    let output = File::create(place.path("out")).unwrap();
    assert!(command.stdout(output).status().unwrap().success());
    assert_eq!(read(&place.path("out")), FOLDED);
}
