// SPDX-License-Identifier: GPL-2.0-only

//! Names in JSON: one that is not UTF-8 is null, and its bytes are in base64 under the key with
//! `_base64`.

use recording::{Process, Run, Selection, Text};
use serde::Serialize;

use crate::clock::{Moment, nanoseconds};
use crate::text::base64;

/// The name of a program.
#[derive(Serialize)]
pub struct Comm<'a> {
    comm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comm_base64: Option<String>,
}

impl<'a> Comm<'a> {
    pub fn of(name: &'a Text) -> Self {
        let (comm, comm_base64) = forms(name);
        Self { comm, comm_base64 }
    }
}

/// A process, with its last program.
#[derive(Serialize)]
pub struct Identity<'a> {
    pid: i32,
    start: u64,
    #[serde(flatten)]
    name: Comm<'a>,
    #[serde(flatten)]
    arguments: Arguments<'a>,
    directory: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory_base64: Option<String>,
}

impl<'a> Identity<'a> {
    pub fn of(process: &'a Process) -> Self {
        let program = process.program();
        let directory = program.and_then(|program| program.directory.as_ref());
        let (directory, directory_base64) = directory.map_or((None, None), forms);
        Self {
            pid: process.pid,
            start: process.start,
            name: Comm::of(process.name()),
            arguments: Arguments::of(program.and_then(|program| program.args.as_deref())),
            directory,
            directory_base64,
        }
    }
}

/// The arguments of a program, if they are known.
#[derive(Serialize)]
pub struct Arguments<'a> {
    args: Option<Vec<Option<&'a str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args_base64: Option<Vec<String>>,
}

impl<'a> Arguments<'a> {
    fn of(arguments: Option<&'a [Text]>) -> Self {
        let texts = arguments.map(|arguments| {
            let texts = arguments.iter();
            texts.map(utf8).collect::<Vec<_>>()
        });
        let has_other = texts.as_ref().is_some_and(|texts| texts.contains(&None));
        let bytes = arguments.filter(|_| has_other).map(|arguments| {
            let bytes = arguments.iter().map(Text::as_bytes);
            bytes.map(base64).collect()
        });
        Self {
            args: texts,
            args_base64: bytes,
        }
    }
}

/// The circumstances of a recording.
#[derive(Serialize)]
pub struct Circumstances<'a> {
    boot_id: Option<&'a str>,
    time: u64,
    wall_time: Moment,
    lasted: u64,
    host: Option<&'a str>,
    kernel: Option<&'a str>,
    cpus: u32,
    memory: u64,
    selection: Selected<'a>,
    processes: usize,
    lost: u64,
    is_cut: bool,
    /// The status of the command, as wait(2) has it.
    status: Option<i32>,
}

impl<'a> Circumstances<'a> {
    pub fn of(run: &'a Run) -> Self {
        let header = &run.header;
        Self {
            boot_id: header.boot_id.as_deref(),
            time: header.time,
            wall_time: Moment::since_1970(header.wall_time),
            lasted: nanoseconds(run.lasted()),
            host: utf8(&header.host),
            kernel: utf8(&header.kernel),
            cpus: header.cpus,
            memory: header.memory,
            selection: Selected::of(&header.selection),
            processes: run.processes().len(),
            lost: run.lost,
            is_cut: run.end.is_none(),
            status: run.end.as_ref().and_then(|end| end.status),
        }
    }
}

/// The processes that were recorded.
#[derive(Serialize)]
struct Selected<'a> {
    kind: &'static str,
    pid: Option<i32>,
    cgroup: Option<&'a str>,
    #[serde(flatten)]
    arguments: Arguments<'a>,
}

impl<'a> Selected<'a> {
    fn of(selection: &'a Selection) -> Self {
        let (kind, pid, cgroup, args) = match selection {
            Selection::Command { args, pid } => ("command", Some(*pid), None, Some(&**args)),
            Selection::Pid(pid) => ("pid", Some(*pid), None, None),
            Selection::Cgroup(path) => ("cgroup", None, utf8(path), None),
            _ => ("system", None, None, None),
        };
        Self {
            kind,
            pid,
            cgroup,
            arguments: Arguments::of(args),
        }
    }
}

fn utf8(text: &Text) -> Option<&str> {
    str::from_utf8(text.as_bytes()).ok()
}

/// Returns a text, or its bytes in base64.
fn forms(text: &Text) -> (Option<&str>, Option<String>) {
    match utf8(text) {
        Some(text) => (Some(text), None),
        None => (None, Some(base64(text.as_bytes()))),
    }
}
