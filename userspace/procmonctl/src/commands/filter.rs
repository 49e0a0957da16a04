// SPDX-License-Identifier: GPL-2.0-only

//! `filter`: the first target of the monitor.

use std::fmt::{self, Display};

use procmon::sysfs;
use serde::Serialize;

use crate::session::Session;
use crate::values;

/// Show or set the process that the monitor records ("history" shows the result)
///
/// The module calls this PID its filter, but it filters nothing: it is the first target, the
/// process that is in each sample of the monitor. "targets" sets several. The ID of a thread stands
/// for its process. The process need not exist. Showing the PID takes no privilege.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// A PID, or "off"
    #[arg(value_parser = values::Filter::parse, allow_negative_numbers = true)]
    pub pid: Option<values::Filter>,
}

pub const JSON: &str = "  filter   {filter_pid}";

const EXAMPLES: &str = "\
Examples:
  procmonctl filter 4711
  procmonctl filter off";

#[derive(Serialize)]
struct Filter {
    filter_pid: Option<i32>,
}

impl Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        values::Filter::from(self.filter_pid).fmt(f)
    }
}

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        let Some(filter) = self.pid else {
            let filter_pid = sysfs::stats()?.totals.filter;
            return session.out.print(&Filter { filter_pid });
        };
        let filter_pid = filter.pid();
        session.open_to_write()?.set_filter(filter_pid)?;
        session.out.print_json(&Filter { filter_pid })
    }
}
