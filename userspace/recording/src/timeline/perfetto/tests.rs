// SPDX-License-Identifier: GPL-2.0-only

use std::collections::{BTreeMap, HashMap, HashSet};

use schema::{Event, Trace};

use super::*;
use crate::timeline::fixture::{HOSTILE, LARGE, hostile, recording};

/// The trace event format, as far as the traces have it, and strictly: by "Trace Event Format",
/// <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.
mod schema {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::Value;

    /// The JSON object format. `otherData` is metadata, which viewers show.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub struct Trace {
        pub trace_events: Vec<Event>,
        pub display_time_unit: Unit,
        pub other_data: BTreeMap<String, String>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Unit {
        Ms,
        Ns,
    }

    /// An event, by its phase.
    #[derive(Deserialize)]
    #[serde(tag = "ph")]
    pub enum Event {
        /// A complete event.
        X(Complete),
        /// A counter event.
        C(Counter),
        /// A metadata event.
        M(Metadata),
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Complete {
        pub name: String,
        #[serde(rename = "cat")]
        pub _categories: String,
        pub pid: i32,
        pub tid: i32,
        pub ts: f64,
        pub dur: f64,
        pub args: BTreeMap<String, Value>,
    }

    /// Each argument is a series of the counter.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Counter {
        pub name: String,
        #[serde(rename = "cat")]
        pub _categories: String,
        pub pid: i32,
        #[serde(rename = "tid")]
        pub _tid: i32,
        pub ts: f64,
        pub args: BTreeMap<String, f64>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Metadata {
        pub name: Kind,
        pub pid: i32,
        pub tid: i32,
        pub args: Argument,
    }

    #[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    pub enum Kind {
        ProcessName,
        ThreadName,
        ThreadSortIndex,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, untagged)]
    pub enum Argument {
        Name { name: String },
        Order { sort_index: i32 },
    }

    impl Metadata {
        /// Returns the name, after a check that the argument is the one of the kind.
        pub fn name(&self) -> Option<&str> {
            match (&self.args, self.name) {
                (Argument::Name { name }, Kind::ProcessName | Kind::ThreadName) => Some(name),
                (Argument::Order { sort_index: 0.. }, Kind::ThreadSortIndex) => None,
                _ => panic!("another argument belongs to {:?}", self.name),
            }
        }
    }
}

fn trace(run: &Run) -> Trace {
    serde_json::from_str(&perfetto(run).unwrap()).unwrap()
}

/// Returns the names of threads, by their IDs, after a check of all events.
fn threads(trace: &Trace) -> HashMap<(i32, i32), String> {
    let mut threads = HashMap::new();
    let mut ids = HashSet::new();
    for event in &trace.trace_events {
        match event {
            Event::M(metadata) => {
                let name = metadata.name();
                if metadata.name == schema::Kind::ThreadName {
                    let name = name.unwrap().to_owned();
                    threads.insert((metadata.pid, metadata.tid), name);
                    assert!(ids.insert(metadata.tid), "{}", metadata.tid);
                }
            }
            Event::X(complete) => {
                assert!(complete.ts >= 0.0 && complete.dur >= 0.0);
                assert!(threads.contains_key(&(complete.pid, complete.tid)));
            }
            Event::C(counter) => assert!(counter.ts >= 0.0 && counter.pid == 1),
        }
    }
    threads
}

/// Returns name, beginning and length of the events of each thread.
fn slices(trace: &Trace) -> BTreeMap<i32, Vec<(String, f64, f64)>> {
    let mut slices: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in &trace.trace_events {
        if let Event::X(one) = event {
            let slice = (one.name.clone(), one.ts, one.dur);
            slices.entry(one.tid).or_default().push(slice);
        }
    }
    slices
}

#[test]
fn a_pid_that_is_used_again_has_a_track_for_each_process() {
    let mut recording = recording();
    recording.begin(1, 100, 0, "sh");
    recording.exec(1, 2_100, &["make", "all"]);
    recording.process(7, 1_100, 1, "cc", 3_600);
    recording.process(7, 4_100, 1, "ld", 5_100);
    recording.process(9, 4_600, 0, "cron", 5_100);
    recording.exit_after(1, 9_100, 256, 3_000);
    let run = recording.run();
    let trace = trace(&run);
    let expected = [
        (2, 2, "make 1"),
        (2, 3, "cc 7"),
        (2, 4, "ld 7"),
        (5, 5, "cron 9"),
    ];
    let expected = expected.map(|(pid, tid, name)| ((pid, tid), name.to_owned()));
    assert_eq!(threads(&trace), HashMap::from(expected));
    let slice = |name: &str, ts, dur| (name.to_owned(), ts, dur);
    let slices = slices(&trace);
    assert_eq!(slices[&2], [slice("sh", 0.0, 2.0), slice("make", 2.0, 7.0)]);
    assert_eq!(slices[&3], [slice("cc", 1.0, 2.5)]);
    assert_eq!(slices[&4], [slice("ld", 4.0, 1.0)]);
    let mut events = trace.trace_events.iter();
    let make = events.find_map(|event| match event {
        Event::X(complete) if complete.name == "make" => Some(&complete.args),
        _ => None,
    });
    let make = serde_json::to_value(make).unwrap();
    let expected = serde_json::json!({
        "command": "make all", "pid": 1, "user": "1000", "directory": "/src",
        "end": "exit status 1", "user_us": 2, "system_us": 1, "max_rss": 5 << 20,
        "read_bytes": 4096,
    });
    assert_eq!(make, expected);
}

#[test]
fn counters_are_those_of_the_samples() {
    let mut recording = recording();
    recording.process(1, 100, 0, "make", 9_100);
    recording.sample(1_100, 0, 0, 5);
    recording.sample(5_100, 8_000, 4_000, 7);
    let trace = trace(&recording.run());
    let mut counters = Vec::new();
    for event in &trace.trace_events {
        if let Event::C(one) = event {
            let values: Vec<_> = one
                .args
                .iter()
                .map(|(key, value)| (key.as_str(), *value))
                .collect();
            counters.push((one.name.as_str(), one.ts, values));
        }
    }
    let expected = [
        ("CPU (%)", 1.0, vec![("busy", 50.0), ("io_wait", 25.0)]),
        ("CPU (%)", 5.0, vec![("busy", 0.0), ("io_wait", 0.0)]),
        ("Memory", 1.0, vec![("bytes", 5.0)]),
        ("Memory", 5.0, vec![("bytes", 7.0)]),
    ];
    assert_eq!(counters, expected);
}

#[test]
fn the_slices_of_many_processes_cover_them() {
    let trace = trace(&LARGE);
    let processes = LARGE.processes();
    assert_eq!(threads(&trace).len(), processes.len());
    let slices = slices(&trace);
    for (process, slices) in processes.iter().zip(slices.values()) {
        let begin = (process.start - 100) as f64 / 1000.0;
        assert_eq!(slices[0].1, begin);
        for pair in slices.windows(2) {
            assert!((pair[0].1 + pair[0].2 - pair[1].1).abs() < 1e-3);
        }
        let length: f64 = slices.iter().map(|slice| slice.2).sum();
        assert!((length - process.lasted().as_secs_f64() * 1e6).abs() < 1e-3);
    }
    assert_eq!(slices.len(), processes.len());
}

#[test]
fn hostile_names_are_text() {
    let mut recording = hostile();
    recording.lost(3);
    let trace = trace(&recording.run());
    assert_eq!(threads(&trace).len(), HOSTILE.len());
    assert!(trace.other_data["warnings"].starts_with("3 events were lost"));
    assert!(matches!(trace.display_time_unit, schema::Unit::Ms));
    let names = trace.trace_events.iter().filter_map(|event| match event {
        Event::X(complete) => Some(&complete.name),
        _ => None,
    });
    assert!(!names.clone().any(|name| name.contains(char::is_control)));
    assert!(names.count() >= HOSTILE.len());
}
