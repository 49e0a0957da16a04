// SPDX-License-Identifier: GPL-2.0-only

//! Programs as comma-separated values: all digits, in seconds and bytes.

use csv::Writer;
use recording::Text;
use recording::report::{Diff, Measure, Usage};

use crate::table::value::Value;
use crate::text::printable;

/// The keys of a use, which are those of JSON.
const KEYS: [&str; 11] = [
    "count",
    "time",
    "own_time",
    "longest",
    "cpu_time",
    "max_rss",
    "read_bytes",
    "write_bytes",
    "minor_faults",
    "major_faults",
    "failures",
];

/// Returns the values of a use, which are empty without one.
fn values(usage: Option<&Usage>) -> [String; KEYS.len()] {
    let Some(usage) = usage else {
        return Default::default();
    };
    let bytes = |bytes: Option<u64>| bytes.map_or(Value::Absent, Value::Bytes);
    let count = |count: Option<u64>| count.map_or(Value::Absent, Value::Count);
    let values = [
        Value::Count(usage.count),
        Value::Time(usage.time),
        Value::Time(usage.own),
        Value::Time(usage.longest),
        usage.cpu_time.map_or(Value::Absent, Value::Time),
        bytes(usage.max_rss),
        bytes(usage.read_bytes),
        bytes(usage.write_bytes),
        count(usage.minor_faults),
        count(usage.major_faults),
        Value::Count(usage.failures),
    ];
    values.map(|value| value.plain())
}

/// Returns a line for each program.
pub fn programs(programs: &[(Text, Usage)]) -> anyhow::Result<Vec<u8>> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(["program"].into_iter().chain(KEYS))?;
    for (name, usage) in programs {
        let name = printable(name.as_bytes());
        writer.write_record([name].into_iter().chain(values(Some(usage))))?;
    }
    Ok(writer.into_inner()?)
}

/// Returns a line for each program of two runs.
pub fn changes(diff: &Diff, measure: Measure) -> anyhow::Result<Vec<u8>> {
    let mut writer = Writer::from_writer(Vec::new());
    let keys = |run: &str| KEYS.map(|key| format!("{run}_{key}"));
    let first = ["program".to_owned(), "change".to_owned()];
    writer.write_record(first.into_iter().chain(keys("old")).chain(keys("new")))?;
    for (name, change) in &diff.programs {
        let kind = change.kind(measure).name();
        let first = [printable(name.as_bytes()), kind.to_owned()];
        let values = values(change.old.as_ref())
            .into_iter()
            .chain(values(change.new.as_ref()));
        writer.write_record(first.into_iter().chain(values))?;
    }
    Ok(writer.into_inner()?)
}
