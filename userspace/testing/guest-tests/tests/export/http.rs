// SPDX-License-Identifier: GPL-2.0-only

//! The ways to the metrics.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::{fs, thread, time};

use fixture::command::PROGRAM;
use fixture::{eventually, shared};

use super::{Exporter, Metrics, request};

/// The formats, and what is no request for metrics.
#[test]
fn requests_are_answered() {
    let _kernel = shared();
    let _exporter = Exporter::start(&[]);
    let open = "GET /metrics HTTP/1.1\r\nHost: x\r\n\
                Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n";
    let (head, body) = request(open);
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(kind), "{head}");
    assert!(body.ends_with("\n# EOF\n"), "{body}");
    assert!(
        body.contains("# TYPE procmon_group_cpu_seconds counter\n"),
        "{body}"
    );
    let (head, body) = request("GET /metrics HTTP/1.1\r\nHost: x\r\n");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(
        body.contains("# TYPE procmon_group_cpu_seconds_total counter\n"),
        "{body}"
    );
    assert_eq!(Metrics::parse(&body).get("procmon_up"), 1.0);
    for (line, status) in [
        ("HEAD /metrics", "200"),
        ("GET /", "200"),
        ("GET /x", "404"),
        ("POST /metrics", "405"),
    ] {
        let (head, _) = request(&format!("{line} HTTP/1.1\r\nHost: x\r\n"));
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{line}: {head}"
        );
    }
}

/// A socket that another process has made, as systemd does.
#[test]
fn an_inherited_socket_is_used() {
    let _kernel = shared();
    let path = "/tmp/inherited.sock";
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).unwrap();
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" export";
    let mut exporter = Command::new("/bin/sh")
        .args(["-c", script, PROGRAM])
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .spawn()
        .unwrap();
    // The request waits until the exporter is there.
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(Metrics::parse(body).get("procmon_up"), 1.0);
    exporter.kill().unwrap();
    exporter.wait().unwrap();
}

/// A file for node_exporter is replaced at each interval, and is whole at any time.
#[test]
fn a_file_is_written_again_and_again() {
    let _kernel = shared();
    let path = "/tmp/procmon.prom";
    let _ = fs::remove_file(path);
    let mut exporter = Command::new(PROGRAM)
        .args(["export", "--textfile", path, "--interval", "0.1"])
        .spawn()
        .unwrap();
    eventually("the file is there", || File::open(path).is_ok());
    let first = fs::read_to_string(path).unwrap();
    eventually("there is a newer one", || {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains("\nprocmon_build_info{"), "{text}");
        thread::sleep(time::Duration::from_millis(10));
        text != first
    });
    exporter.kill().unwrap();
    exporter.wait().unwrap();
}

/// Without a way to the metrics, and with rules that are none, the command fails and says so.
#[test]
fn wrong_arguments_are_refused() {
    let _kernel = shared();
    let rules = "/tmp/wrong.yml";
    fs::write(rules, "process_names: [{name: x, nonsense: [a]}]").unwrap();
    for (arguments, status, message) in [
        (
            &["export"][..],
            1,
            "one of --listen, --textfile and --once is needed",
        ),
        (
            &["export", "--once", "--listen", ":9000"],
            2,
            "cannot be used with",
        ),
        (&["export", "--once", "--rules", rules], 1, "nonsense"),
        (&["export", "--once", "--group-by", "none"], 2, "none"),
    ] {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{text}");
        assert!(text.contains(message), "{text}");
    }
}
