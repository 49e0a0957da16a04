// SPDX-License-Identifier: GPL-2.0-only

//! Tests of answers, by requests as they are on the wire.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;

use super::*;

/// Answers requests with the name of the format. Returns the address.
fn served() -> SocketAddr {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let Listener::Tcp(tcp) = &listener else {
        panic!("{listener:?}");
    };
    let address = tcp.local_addr().unwrap();
    let worker = Worker::of(|format| Some(format!("{format:?}\n")));
    thread::spawn(|| serve(vec![listener], worker));
    address
}

/// Sends bytes, and returns the head and the body of the answer.
fn talk(mut stream: impl Read + Write, request: &str) -> (String, String) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_lowercase(), body.to_owned())
}

fn request(address: SocketAddr, line: &str, headers: &str) -> (String, String) {
    let stream = TcpStream::connect(address).unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    talk(stream, &request)
}

#[test]
fn requests_are_answered() {
    let address = served();
    let open = "Accept: application/openmetrics-text\r\n";
    for (line, headers, status, kind, body) in [
        (
            "GET /metrics",
            "",
            "200",
            "text/plain; version=0.0.4",
            "Text\n",
        ),
        (
            "GET /metrics?x=y",
            "",
            "200",
            "text/plain; version=0.0.4",
            "Text\n",
        ),
        (
            "GET /metrics",
            open,
            "200",
            "application/openmetrics-text; version=1.0.0",
            "OpenMetrics\n",
        ),
        ("HEAD /metrics", "", "200", "text/plain; version=0.0.4", ""),
        ("GET /", "", "200", "text/html", PAGE),
        ("GET /other", "", "404", "text/plain", "not found\n"),
        (
            "POST /metrics",
            "",
            "405",
            "text/plain",
            "only GET and HEAD are allowed\n",
        ),
    ] {
        let (head, got) = request(address, line, headers);
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{line}: {head}"
        );
        assert!(
            head.contains(&format!("\r\ncontent-type: {kind}")),
            "{line}: {head}"
        );
        assert_eq!(got, body, "{line}");
        assert_eq!(
            head.contains("\r\nallow: get, head"),
            status == "405",
            "{head}"
        );
    }
}

#[test]
fn a_connection_takes_several_requests() {
    let mut stream = TcpStream::connect(served()).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let last = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let (head, body) = talk(stream, last);
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(body.matches("\nText\n").count(), 1, "{body}");
    assert!(body.starts_with("Text\n"), "{body}");
}

#[test]
fn what_is_no_request_ends_the_connection() {
    let address = served();
    for (bytes, status) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (
            format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(BUFFER)),
            "431",
        ),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut answer = Vec::new();
        // The rest may be refused before it is sent, and before the answer is read.
        let _ = stream
            .write_all(bytes.as_bytes())
            .and_then(|()| stream.shutdown(Shutdown::Write))
            .and_then(|()| stream.read_to_end(&mut answer));
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.is_empty() || answer.contains(&format!(" {status} ")),
            "{answer}"
        );
    }
    assert_eq!(request(address, "GET /metrics", "").1, "Text\n");
}

#[test]
fn more_connections_wait_for_others() {
    let address = served();
    let idle: Vec<_> = (0..CONNECTIONS)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let waiting = thread::spawn(move || request(address, "GET /metrics", ""));
    drop(idle);
    assert_eq!(waiting.join().unwrap().1, "Text\n");
}

#[test]
fn a_unix_socket_and_a_failed_worker_do_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = Listener::bind(&Address::Unix(path.clone())).unwrap();
    thread::spawn(|| serve(vec![listener], Worker::of(|_| None)));
    let request = "GET /metrics HTTP/1.0\r\n\r\n";
    let (head, _) = talk(UnixStream::connect(path).unwrap(), request);
    assert!(head.starts_with("http/1.0 500"), "{head}");
}
