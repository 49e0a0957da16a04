// SPDX-License-Identifier: GPL-2.0-only

//! Traces in the trace event format of Chrome.

#[cfg(test)]
mod tests;

use std::io;

use serde::Serialize;

use super::curves::usage;
use super::forest::Forest;
use super::layout::Window;
use super::segments::segments;
use super::summary::{facts, subject, warnings};
use super::text::{ending, label, line};
use crate::{Process, Result, Run};

/// The most characters of a command line.
const COMMAND: usize = 1000;

/// The track of the whole machine. 0 would be taken for the kernel's idle process.
const MACHINE: usize = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    trace_events: Vec<Event>,
    display_time_unit: &'static str,
    other_data: OtherData,
}

#[derive(Serialize)]
struct OtherData {
    subject: String,
    facts: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    warnings: String,
}

/// An event. The keys are those of the format; times are in microseconds.
#[derive(Serialize)]
struct Event {
    ph: char,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    pid: usize,
    tid: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    args: Args,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Args {
    Name { name: String },
    Order { sort_index: usize },
    Cpu { busy: f64, io_wait: f64 },
    Memory { bytes: u64 },
    Process(Box<Details>),
}

#[derive(Serialize)]
struct Details {
    command: String,
    pid: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<i32>,
    user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<String>,
    /// Of the whole process, as the following are.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_rss: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write_bytes: Option<u64>,
}

/// Returns a trace in JSON that <https://ui.perfetto.dev> and `chrome://tracing` open.
///
/// Each process is a thread of the trace, with an event for each of its programs, as processes of
/// which one ends before the other begins may have the same PID. A process without a known parent
/// is a process of the trace, and those that descend from it are its threads. Names have the PIDs.
/// The use of CPUs, in percent of all of them, and of memory are counters.
///
/// # Errors
///
/// [`Io`](crate::Error::Io) if the trace cannot be written, which memory always can.
pub fn perfetto(run: &Run) -> Result<String> {
    let trace = Trace {
        trace_events: events(run),
        display_time_unit: "ms",
        other_data: OtherData {
            subject: subject(run),
            facts: facts(run),
            warnings: warnings(run).join(" "),
        },
    };
    Ok(serde_json::to_string(&trace).map_err(io::Error::from)?)
}

fn events(run: &Run) -> Vec<Event> {
    let window = Window::of(run);
    let forest = Forest::new(run);
    let mut events = machine(run, window);
    // The first ancestor of each, itself included.
    let mut roots: Vec<_> = (0..run.processes().len()).collect();
    for &place in &forest.order {
        let process = &run.processes()[place];
        if let Some(parent) = forest.parents[place] {
            roots[place] = roots[parent];
        }
        let (pid, tid) = (track(roots[place]), track(place));
        let name = format!("{} {}", label(process.name()), process.pid);
        if pid == tid {
            events.push(name_of(pid, tid, "process_name", name.clone()));
        }
        events.push(name_of(pid, tid, "thread_name", name));
        let order = Args::Order { sort_index: tid };
        events.push(metadata(pid, tid, "thread_sort_index", order));
        for segment in segments(process, window, 0) {
            let program = segment
                .program
                .and_then(|place| process.programs.get(place));
            let exec = program.map(|program| &program.exec);
            let command = match exec.and_then(|exec| exec.args.as_ref()) {
                Some(args) => line(args, COMMAND),
                None => label(segment.name(process)),
            };
            let directory = exec.and_then(|exec| exec.directory.as_ref());
            let directory = directory.map(|directory| line([directory], COMMAND));
            events.push(Event {
                ph: 'X',
                name: label(segment.name(process)),
                cat: Some("process"),
                pid,
                tid,
                ts: Some(microseconds(segment.begin - window.begin)),
                dur: Some(microseconds(segment.end - segment.begin)),
                args: Args::Process(Box::new(details(run, process, command, directory))),
            });
        }
    }
    events
}

/// Returns the track of a process.
fn track(place: usize) -> usize {
    MACHINE + 1 + place
}

fn details(run: &Run, process: &Process, command: String, directory: Option<String>) -> Details {
    let exit = process.exit.as_ref();
    let parent = process.parent.map(|parent| run.processes()[parent].pid);
    let cgroup = run.cgroup(process.cgroup_id);
    Details {
        command,
        pid: process.pid,
        parent,
        user: run
            .user(process.uid)
            .map_or_else(|| process.uid.to_string(), label),
        cgroup: cgroup.map(|path| line([path], COMMAND)),
        directory,
        end: exit.and_then(|exit| exit.status).map(ending),
        user_us: exit.map(|exit| exit.utime / 1000),
        system_us: exit.map(|exit| exit.stime / 1000),
        max_rss: exit.map(|exit| exit.max_rss),
        read_bytes: exit.and_then(|exit| exit.read_bytes),
        write_bytes: exit.and_then(|exit| exit.write_bytes),
    }
}

/// Returns the counters of the machine.
fn machine(run: &Run, window: Window) -> Vec<Event> {
    let name = line([&run.header.host], 100);
    let mut events = vec![name_of(MACHINE, MACHINE, "process_name", name)];
    let usage = usage(run, usize::MAX);
    let last = usage.last().map(|last| (last.end, 0.0, 0.0));
    let shares = usage.iter().map(|one| (one.begin, one.busy, one.io_wait));
    for (time, busy, io_wait) in shares.chain(last) {
        let percent = |share: f64| (share * 1e4).round() / 1e2;
        let (busy, io_wait) = (percent(busy), percent(io_wait));
        events.push(counter(
            window,
            "CPU (%)",
            time,
            Args::Cpu { busy, io_wait },
        ));
    }
    for sample in &run.samples {
        let bytes = sample.memory;
        events.push(counter(
            window,
            "Memory",
            sample.time,
            Args::Memory { bytes },
        ));
    }
    events
}

fn counter(window: Window, name: &str, time: u64, args: Args) -> Event {
    Event {
        ph: 'C',
        name: name.to_owned(),
        cat: Some("machine"),
        pid: MACHINE,
        tid: MACHINE,
        ts: Some(microseconds(time.saturating_sub(window.begin))),
        dur: None,
        args,
    }
}

fn name_of(pid: usize, tid: usize, kind: &str, name: String) -> Event {
    metadata(pid, tid, kind, Args::Name { name })
}

fn metadata(pid: usize, tid: usize, kind: &str, args: Args) -> Event {
    Event {
        ph: 'M',
        name: kind.to_owned(),
        cat: None,
        pid,
        tid,
        ts: None,
        dur: None,
        args,
    }
}

fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}
