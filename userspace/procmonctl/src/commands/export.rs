// SPDX-License-Identifier: GPL-2.0-only

//! `export`: metrics of groups of processes, for Prometheus.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use procmon::Cgroups;

use crate::export::exporter::{Exporter, Worker};
use crate::export::http::{self, Address, Listener};
use crate::export::metrics::Format;
use crate::export::namer::{Namer, Rule};
use crate::export::rules::Rules;
use crate::export::{Beginning, Limits, textfile};
use crate::session::Session;
use crate::table::group::GroupBy;
use crate::table::names::Names;
use crate::values::parse_seconds;

/// Export what groups of processes use as metrics for Prometheus
///
/// Counters begin at 0 and never go back: what a process has used stays in them when it ends, and
/// processes that come and go between two scrapes are counted, too. With sockets of systemd, it
/// answers requests at these; or else, one of --listen, --textfile and --once is needed.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Answer HTTP requests for /metrics at this address: ADDRESS:PORT, :PORT for all addresses, or
    /// unix:PATH
    #[arg(long, value_name = "ADDRESS", group = "way")]
    listen: Option<Address>,

    /// Write the metrics to this file again and again, for the textfile collector of node_exporter
    #[arg(long, value_name = "PATH", group = "way")]
    textfile: Option<PathBuf>,

    /// Print the metrics once, with what the processes have used since their starts
    #[arg(long, group = "way")]
    once: bool,

    /// Time between two writes of the file, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, default_value = "15",
          conflicts_with_all = ["listen", "once"])]
    interval: Duration,

    /// Print OpenMetrics, and not the text format of Prometheus
    #[arg(long, requires = "once", conflicts_with_all = ["listen", "textfile"])]
    openmetrics: bool,

    /// The thing that the processes of a group have in common
    #[arg(long, value_name = "THING", default_value = "name",
          value_parser = PossibleValuesParser::new(GroupBy::ALL.map(GroupBy::name))
              .try_map(|name| by_name(&name)))]
    group_by: GroupBy,

    /// Group processes by the rules of this file, a configuration of process-exporter
    #[arg(long, value_name = "FILE", conflicts_with = "group_by")]
    rules: Option<PathBuf>,

    /// Leave out processes that meet no rule: they belong to the groups of their parents otherwise
    #[arg(long, requires = "rules")]
    no_children: bool,

    /// The most groups: all others are in the group "other"
    #[arg(long, value_name = "N", default_value_t = 200)]
    max_groups: usize,

    /// Time after which a group without processes is forgotten, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, default_value = "3600")]
    forget: Duration,
}

const EXAMPLES: &str = "\
Examples:
  procmonctl export --listen 127.0.0.1:9956 --group-by unit
  procmonctl export --listen unix:/run/procmon/metrics.sock --rules process-exporter.yml
  procmonctl export --textfile /var/lib/prometheus/node-exporter/procmon.prom
  procmonctl export --once --group-by user";

fn by_name(name: &str) -> Result<GroupBy, String> {
    let mut all = GroupBy::ALL.into_iter();
    all.find(|by| by.name() == name)
        .ok_or_else(|| format!("unknown thing {name}"))
}

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        let rule = match &self.rules {
            Some(path) => Rule::Rules(Rules::read(path, !self.no_children)?),
            None => Rule::By(self.group_by),
        };
        let mut listeners = Vec::new();
        if let Some(address) = &self.listen {
            listeners.push(Listener::bind(address)?);
        } else if self.textfile.is_none() && !self.once {
            listeners = Listener::inherited()?;
            if listeners.is_empty() {
                bail!("one of --listen, --textfile and --once is needed");
            }
        }
        // Others would be asked for names, and a scrape does not wait for anybody.
        let names = Names::of_files();
        let namer = Namer::new(rule, names, Cgroups::mounted());
        let limits = Limits {
            groups: self.max_groups,
            forget: self.forget,
        };
        let beginning = if self.once {
            Beginning::Lives
        } else {
            Beginning::Now
        };
        let mut exporter = Exporter::new(session.open_to_read()?, namer, limits, beginning)?;
        if self.once {
            let format = if self.openmetrics {
                Format::OpenMetrics
            } else {
                Format::Text
            };
            return session.out.bytes(exporter.encode(format)?.as_bytes());
        }
        let worker = Worker::start(exporter)?;
        let never = match &self.textfile {
            Some(path) => textfile::write_forever(path, self.interval, &worker)?,
            None => http::serve(listeners, worker)?,
        };
        match never {}
    }
}
