// SPDX-License-Identifier: GPL-2.0-only

//! Uses and measures as text.

use std::time::Duration;

use recording::report::{Measure, Usage};

use crate::table::render::{Head, Side};
use crate::table::value::{bytes_text, time_text};

/// The columns of a use.
pub const USAGE: [Head; 8] = [
    Head::new("TIME", Side::Right),
    Head::new("OWN", Side::Right),
    Head::new("LONGEST", Side::Right),
    Head::new("CPU", Side::Right),
    Head::new("RSS", Side::Right),
    Head::new("READ", Side::Right),
    Head::new("WRITTEN", Side::Right),
    Head::new("FAULTS", Side::Right),
];

/// Returns the cells of a use.
pub fn cells(usage: &Usage) -> Vec<String> {
    let bytes = |bytes: Option<u64>| bytes.map_or_else(absent, bytes_text);
    let faults = usage.minor_faults.or(usage.major_faults);
    vec![
        time_text(usage.time),
        time_text(usage.own),
        time_text(usage.longest),
        usage.cpu_time.map_or_else(absent, time_text),
        bytes(usage.max_rss),
        bytes(usage.read_bytes),
        bytes(usage.write_bytes),
        faults.map_or_else(absent, |_| Measure::Faults.of(usage).to_string()),
    ]
}

/// Returns the cell of an absent value.
pub fn absent() -> String {
    "-".to_owned()
}

/// Formats a measure of a use.
pub fn measure_text(measure: Measure, value: u128) -> String {
    let value = u64::try_from(value).unwrap_or(u64::MAX);
    match measure {
        Measure::Time | Measure::Own | Measure::Longest | Measure::Cpu => {
            time_text(Duration::from_nanos(value))
        }
        Measure::Memory | Measure::Io => bytes_text(value),
        Measure::Count | Measure::Faults | Measure::Failures => value.to_string(),
    }
}

/// Returns the name of a measure in titles.
pub fn measure_name(measure: Measure) -> &'static str {
    match measure {
        Measure::Count => "count",
        Measure::Time => "time",
        Measure::Own => "own time",
        Measure::Longest => "longest time",
        Measure::Cpu => "CPU time",
        Measure::Memory => "memory",
        Measure::Io => "I/O",
        Measure::Faults => "page faults",
        Measure::Failures => "failures",
    }
}
