// SPDX-License-Identifier: GPL-2.0-only

//! Programs that export metrics for Prometheus.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::baseline::Outcome;
use crate::costs::{Cost, Costs};
use crate::regions::Regions;
use crate::tables::{Table, ratio, verdict};

/// The beginning of the name of an exporter.
const EXPORTER: &str = "exporter ";

/// The exporter that ours are compared with, and the most that a scrape of ours takes of the
/// instructions of one of that, in percent.
const OTHER: &str = "process-exporter";
const TARGET: f64 = 5.0;

/// The number of scrapes in a region, and the number of regions: the other exporter takes about a
/// thousand million instructions for a scrape.
const SCRAPES: usize = 2;
const ROUNDS: usize = 3;

/// The time that an exporter has for its start.
const PATIENCE: u32 = 60;

/// An exporter, which ends with this.
struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        // It is gone if this fails.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures all that the machine does for a scrape: what the exporter does in between, too, which
/// the guest's clock gives no time for. `exporter` is its name in the table, its port and its
/// command.
pub fn measure(regions: &mut Regions, exporter: &str) -> Result<()> {
    let mut words = exporter.split(' ');
    let name = words.next().context("there is no name")?;
    let port = words.next().context("there is no port")?.parse()?;
    let program = words.next().context("there is no program")?;
    let child = Command::new(program)
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _exporter = Exporter(child);
    wait_for(port)?;
    // The first ones bring all memory.
    for _ in 0..SCRAPES {
        scrape(port)?;
    }
    let name = format!("{EXPORTER}{name}");
    for _ in 0..ROUNDS {
        regions.measure(&name, || {
            for _ in 0..SCRAPES {
                scrape(port)?;
            }
            Ok(SCRAPES)
        })?;
    }
    Ok(())
}

fn wait_for(port: u16) -> Result<()> {
    for _ in 0..PATIENCE {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        sleep(Duration::from_secs(1));
    }
    bail!("nothing listens at port {port}")
}

fn scrape(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: guest\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "it answers with an error"
    );
    let name = b"processes";
    let has_processes = answer.windows(name.len()).any(|window| window == name);
    ensure!(has_processes, "there are no metrics of processes");
    Ok(())
}

/// Returns the costs of scrapes by the names of the exporters, with their part of those of the
/// other exporter, in percent.
fn parts(costs: &Costs) -> Result<Vec<(&str, Cost, f64)>> {
    let theirs = costs.get(&format!("{EXPORTER}{OTHER}"))?.instructions();
    let part = |(name, cost): (_, Cost)| (name, cost, cost.instructions() / theirs * 100.0);
    Ok(costs.behind(EXPORTER).map(part).collect())
}

/// Returns the table of exporters.
pub fn table(costs: &Costs) -> Result<Table> {
    let title = "Instructions of a scrape of exporters of metrics";
    let mut table = Table::new(
        title,
        &["instr.", "user", "kernel", "modules", "in %", "target"],
    );
    for (name, cost, part) in parts(costs)? {
        let mut cells = vec![format!("{:.0}", cost.instructions())];
        cells.extend(cost.parts().map(|part| format!("{part:.0}")));
        let target = (name != OTHER).then_some(TARGET);
        cells.extend([ratio(part), verdict(part, target, ratio)]);
        table.row(name, cells);
    }
    Ok(table)
}

/// Checks that each exporter of ours keeps to the target.
pub fn check(costs: &Costs) -> Result<Vec<Outcome>> {
    let mut parts = parts(costs)?;
    parts.retain(|&(name, ..)| name != OTHER);
    ensure!(!parts.is_empty(), "no exporter of ours was measured");
    let outcomes = parts.into_iter().map(|(name, cost, part)| {
        let instructions = cost.instructions();
        Outcome::new(
            format!("scrape {name}: part of {OTHER}"),
            format!("{instructions:.0} instructions, {part:.2} %, at most {TARGET} %"),
            part <= TARGET,
        )
    });
    Ok(outcomes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::tests::costs;

    #[test]
    fn exporters_are_compared_with_the_other_one() {
        let costs = costs(&[
            ("exporter a", 4, 200, 0),
            ("exporter b", 4, 204, 0),
            ("exporter process-exporter", 4, 4000, 0),
        ]);
        assert_eq!(
            table(&costs).unwrap().to_string().lines().nth(3),
            Some("a                     50     0      50        0    5.00     5.00 ok")
        );
        let outcomes = check(&costs).unwrap();
        let passed: Vec<_> = outcomes.iter().map(Outcome::passed).collect();
        assert_eq!(passed, [true, false]);
    }

    #[test]
    fn an_exporter_that_is_missing_is_an_error() {
        assert!(check(&costs(&[("exporter a", 4, 200, 0)])).is_err());
        assert!(check(&costs(&[("exporter process-exporter", 4, 200, 0)])).is_err());
    }
}
