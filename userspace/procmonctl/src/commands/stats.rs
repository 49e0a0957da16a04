// SPDX-License-Identifier: GPL-2.0-only

//! `stats`: the statistics of the device.

use std::fmt::{self, Display};

use procmon::sysfs;
use serde::Serialize;

use crate::session::Session;
use crate::values::Filter;

/// Show how often the device was used
///
/// The numbers come from sysfs, which takes no privilege and is not counted.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub const JSON: &str = "  stats    {opens, reads, writes, ioctls, per_cpu_ops, filter_pid}";

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        session.out.print(&Stats::from(sysfs::stats()?))
    }
}

#[derive(Debug, Serialize)]
pub struct Stats {
    opens: u64,
    reads: u64,
    writes: u64,
    ioctls: u64,
    per_cpu_ops: u64,
    filter_pid: Option<i32>,
}

impl From<sysfs::Stats> for Stats {
    fn from(stats: sysfs::Stats) -> Self {
        let sysfs::Stats {
            totals,
            per_cpu_ops,
            ..
        } = stats;
        let procmon::Stats {
            opens,
            reads,
            writes,
            ioctls,
            filter,
            ..
        } = totals;
        Self {
            opens,
            reads,
            writes,
            ioctls,
            per_cpu_ops,
            filter_pid: filter,
        }
    }
}

impl Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            opens,
            reads,
            writes,
            ioctls,
            per_cpu_ops,
            filter_pid,
        } = self;
        writeln!(
            f,
            "opens: {opens}\nreads: {reads}\nwrites: {writes}\nioctls: {ioctls}"
        )?;
        write!(
            f,
            "per_cpu_ops: {per_cpu_ops}\nfilter_pid: {}",
            Filter::from(*filter_pid)
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stats(filter_pid: i32) -> Stats {
        let text = format!(
            "opens: 1\nreads: 2\nwrites: 3\nioctls: 4\nper_cpu_ops: 10\nfilter_pid: {filter_pid}\n"
        );
        text.parse::<sysfs::Stats>().unwrap().into()
    }

    #[test]
    fn json_is_as_documented() {
        let expected = json!({
            "opens": 1, "reads": 2, "writes": 3, "ioctls": 4, "per_cpu_ops": 10, "filter_pid": null,
        });
        assert_eq!(serde_json::to_value(stats(0)).unwrap(), expected);
    }

    #[test]
    fn text_is_that_of_sysfs() {
        let expected = "opens: 1\nreads: 2\nwrites: 3\nioctls: 4\nper_cpu_ops: 10\nfilter_pid: 5";
        assert_eq!(stats(5).to_string(), expected);
        assert!(stats(0).to_string().ends_with("\nfilter_pid: off"));
    }
}
