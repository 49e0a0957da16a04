// SPDX-License-Identifier: GPL-2.0-only

//! Names that are not in the files below /etc: those of LDAP, SSSD, homed, containers and units
//! with `DynamicUser=`.
//!
//! systemd answers for all of these by varlink: a JSON object and a NUL each way, over a socket.
//! Where systemd does not run, getent(1) answers, which is linked to NSS.
//!
//! Both may ask a remote server. So the time for all questions of one refresh is bounded. When this
//! time is over, no more questions are asked until the next refresh.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde_json::{Value as Json, json};

use super::id::{Kind, parse_id};

const MULTIPLEXER: &str = "/run/systemd/userdb/io.systemd.Multiplexer";

/// Places of getent. They are absolute, as PATH may lead to another program.
const GETENT: [&str; 2] = ["/usr/bin/getent", "/run/current-system/sw/bin/getent"];

/// The time for all questions of one refresh.
const PATIENCE: Duration = Duration::from_millis(500);

/// The time for the question for a user on the command line, whose answer all output has to wait
/// for.
const LONG_PATIENCE: Duration = Duration::from_secs(5);

/// The maximum length of an answer.
const MAX_ANSWER: usize = 1 << 20;

/// The key of a look-up.
#[derive(Clone, Copy, Debug)]
enum By<'a> {
    Id(Kind, u32),
    UserName(&'a str),
}

/// The sources to ask: by default none.
#[derive(Debug, Default)]
pub struct Sources {
    socket: Option<PathBuf>,
    getent: Option<PathBuf>,
    left: Duration,
}

impl Sources {
    /// Returns the sources of this system.
    pub fn of_system() -> Self {
        let getent = GETENT.iter().map(PathBuf::from).find(|path| path.exists());
        Self {
            socket: Some(MULTIPLEXER.into()),
            getent,
            left: PATIENCE,
        }
    }

    /// Gives the sources the time of another refresh.
    pub fn renew(&mut self) {
        self.left = PATIENCE;
    }

    /// Asks for the name of an ID.
    pub fn name(&mut self, kind: Kind, id: u32) -> Option<Vec<u8>> {
        if self.left.is_zero() {
            return None;
        }
        let start = Instant::now();
        let answer = self.ask(By::Id(kind, id), self.left);
        self.left = self.left.saturating_sub(start.elapsed());
        answer.map(|(name, _)| name)
    }

    /// Asks for the ID of a user.
    pub fn uid(&self, user: &str) -> Option<u32> {
        // getent would take it for an option, and a NUL ends an argument.
        if user.is_empty() || user.starts_with('-') || user.contains('\0') {
            return None;
        }
        self.ask(By::UserName(user), LONG_PATIENCE)
            .map(|(_, id)| id)
    }

    fn ask(&self, by: By<'_>, patience: Duration) -> Option<(Vec<u8>, u32)> {
        let deadline = Instant::now() + patience;
        let answer = match self.socket.as_ref().map(|path| varlink(path, by, deadline)) {
            // systemd knows all sources that getent would ask.
            Some(Ok(answer)) => answer,
            Some(Err(_)) | None => self
                .getent
                .as_ref()
                .and_then(|program| getent(program, by, deadline).ok().flatten()),
        };
        // An answer to another question does not count.
        answer.filter(|(name, found)| match by {
            By::Id(_, id) => id == *found,
            By::UserName(user) => user.as_bytes() == name,
        })
    }
}

/// Asks a service of io.systemd.UserDatabase. Returns `None` if there is no such user or group.
fn varlink(path: &Path, by: By<'_>, deadline: Instant) -> io::Result<Option<(Vec<u8>, u32)>> {
    let (method, key, value) = match by {
        By::Id(Kind::User, id) => ("GetUserRecord", "uid", Json::from(id)),
        By::Id(Kind::Group, id) => ("GetGroupRecord", "gid", Json::from(id)),
        By::UserName(name) => ("GetUserRecord", "userName", Json::from(name)),
    };
    let mut question = serde_json::to_vec(&json!({
        "method": format!("io.systemd.UserDatabase.{method}"),
        "parameters": {"service": "io.systemd.Multiplexer", key: value},
    }))?;
    question.push(0);

    let family = AddressFamily::UNIX;
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // This bounds connect() too, which waits for a server that accepts no connections.
    limit(&socket, Timeout::Send, deadline)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    let mut stream = UnixStream::from(socket);
    stream.write_all(&question)?;
    let answer = read_until(&mut stream, Some(0), deadline)?;
    let Some((0, answer)) = answer.split_last() else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let answer: Json = serde_json::from_slice(answer)?;
    if let Some(error) = answer["error"].as_str() {
        let is_unknown = error == "io.systemd.UserDatabase.NoRecordFound";
        return is_unknown
            .then_some(None)
            .ok_or_else(|| io::Error::other(error.to_owned()));
    }
    let record = &answer["parameters"]["record"];
    let (name, id) = match by {
        By::Id(Kind::Group, _) => (&record["groupName"], &record["gid"]),
        _ => (&record["userName"], &record["uid"]),
    };
    let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
    Ok(name.as_str().map(|name| name.as_bytes().to_owned()).zip(id))
}

/// Runs getent(1), which prints no line if there is no such user or group.
fn getent(program: &Path, by: By<'_>, deadline: Instant) -> io::Result<Option<(Vec<u8>, u32)>> {
    let (database, key) = match by {
        By::Id(Kind::User, id) => ("passwd", id.to_string()),
        By::Id(Kind::Group, id) => ("group", id.to_string()),
        By::UserName(name) => ("passwd", name.to_owned()),
    };
    let mut child = Command::new(program)
        .args([database, &key])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = Vec::new();
    let mut result = Ok(());
    if let Some(mut stdout) = child.stdout.take() {
        match read_until(&mut stdout, Some(b'\n'), deadline) {
            Ok(read) => line = read,
            Err(error) => result = Err(error),
        }
    }
    end(&mut child);
    result?;
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty());
    let id = fields.nth(1).and_then(parse_id);
    Ok(name.map(<[u8]>::to_owned).zip(id))
}

/// Ends a child whose output is complete, and reaps it. Gives up on a child that cannot be killed
/// soon.
fn end(child: &mut Child) {
    for _ in 0..20 {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        let _ = child.kill();
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Reads up to the end of the stream, or up to the byte `end`.
fn read_until(
    stream: &mut (impl Read + AsFd),
    end: Option<u8>,
    deadline: Instant,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut fds = [PollFd::new(stream, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let count = match stream.read(&mut part) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes.extend_from_slice(&part[..count]);
        let is_whole = end.is_some_and(|end| part[..count].contains(&end));
        if count == 0 || is_whole {
            return Ok(bytes);
        }
        if bytes.len() > MAX_ANSWER {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

fn limit(socket: &OwnedFd, direction: Timeout, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    // Zero stands for no limit.
    let left = left.max(Duration::from_millis(1));
    Ok(set_socket_timeout(socket, direction, Some(left))?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// A long time, which only a source that never answers exceeds.
    const LONG: Duration = Duration::from_secs(60);

    fn sources(socket: Option<PathBuf>, getent: Option<PathBuf>, left: Duration) -> Sources {
        Sources {
            socket,
            getent,
            left,
        }
    }

    /// Answers questions as systemd-userdbd does, one for each connection.
    fn serve(listener: UnixListener, answers: Vec<Json>) -> thread::JoinHandle<Vec<Json>> {
        thread::spawn(move || {
            let mut questions = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let question = read_until(&mut stream, Some(0), Instant::now() + LONG).unwrap();
                let question = question.strip_suffix(b"\0").unwrap();
                questions.push(serde_json::from_slice(question).unwrap());
                let mut bytes = serde_json::to_vec(&answer).unwrap();
                bytes.push(0);
                // In two parts, as sockets may split data.
                let (first, second) = bytes.split_at(1);
                stream.write_all(first).unwrap();
                stream.write_all(second).unwrap();
            }
            questions
        })
    }

    #[test]
    fn userdb_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let record = |record| json!({"parameters": {"record": record, "incomplete": false}});
        let none = || json!({"error": "io.systemd.UserDatabase.NoRecordFound", "parameters": {}});
        let server = serve(
            UnixListener::bind(&path).unwrap(),
            vec![
                record(json!({"userName": "dyn", "uid": 61234, "disposition": "dynamic"})),
                record(json!({"groupName": "staff", "gid": 50})),
                record(json!({"userName": "søren", "uid": 60001})),
                none(),
                record(json!({"userName": "other", "uid": 1})),
            ],
        );
        let mut sources = sources(Some(path), None, LONG);
        assert_eq!(sources.name(Kind::User, 61234), Some(b"dyn".to_vec()));
        assert_eq!(sources.name(Kind::Group, 50), Some(b"staff".to_vec()));
        assert_eq!(sources.uid("søren"), Some(60001));
        assert_eq!(sources.name(Kind::User, 5), None);
        assert_eq!(
            sources.name(Kind::User, 6),
            None,
            "the answer is of another user"
        );
        let questions = server.join().unwrap();
        assert_eq!(
            questions[0],
            json!({
                "method": "io.systemd.UserDatabase.GetUserRecord",
                "parameters": {"uid": 61234, "service": "io.systemd.Multiplexer"},
            })
        );
        assert_eq!(questions[1]["parameters"]["gid"], 50);
        assert_eq!(questions[2]["parameters"]["userName"], "søren");
    }

    #[test]
    fn nonsense_is_no_answer() {
        let directory = tempfile::tempdir().unwrap();
        for (index, answer) in [json!(3), json!({}), json!({"error": 1}), json!([[]])]
            .into_iter()
            .enumerate()
        {
            let path = directory.path().join(index.to_string());
            let server = serve(UnixListener::bind(&path).unwrap(), vec![answer]);
            assert_eq!(sources(Some(path), None, LONG).name(Kind::User, 7), None);
            server.join().unwrap();
        }
    }

    #[test]
    fn a_source_that_does_not_answer_is_asked_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        // The kernel completes connections, which no one accepts.
        let _listener = UnixListener::bind(&path).unwrap();
        let mut sources = sources(Some(path), None, Duration::from_millis(20));
        assert_eq!(sources.name(Kind::User, 7), None);
        assert!(sources.left.is_zero());
        assert_eq!(sources.name(Kind::User, 8), None);
        sources.renew();
        assert_eq!(sources.left, PATIENCE);
    }

    fn script(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn getent_is_run_where_there_is_no_userdb() {
        let directory = tempfile::tempdir().unwrap();
        let program = script(
            directory.path(),
            "getent",
            "case $1-$2 in\n\
             passwd-70001 | passwd-ldap) printf 'ldap:*:70001:70001:L\\351:/:/bin/sh\\n' ;;\n\
             group-70002) echo 'wheel:*:70002:' ;;\n\
             *) exit 2 ;;\nesac",
        );
        let socket = directory.path().join("nothing-there");
        let mut sources = sources(Some(socket), Some(program), LONG);
        assert_eq!(sources.name(Kind::User, 70001), Some(b"ldap".to_vec()));
        assert_eq!(sources.name(Kind::Group, 70002), Some(b"wheel".to_vec()));
        assert_eq!(sources.name(Kind::User, 70003), None);
        assert_eq!(sources.uid("ldap"), Some(70001));
        assert_eq!(sources.uid("no-such-user"), None);
        assert_eq!(sources.uid("--help"), None);
    }

    #[test]
    fn a_getent_that_hangs_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let pid_file = directory.path().join("pid");
        let text = format!("echo $$ >{}\nexec sleep 1000", pid_file.display());
        let program = script(directory.path(), "getent", &text);
        let mut sources = sources(None, Some(program), Duration::from_secs(2));
        assert_eq!(sources.name(Kind::User, 7), None);
        assert!(sources.left.is_zero());
        let pid = fs::read_to_string(pid_file).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "it runs on");
    }
}
