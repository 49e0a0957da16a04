// SPDX-License-Identifier: GPL-2.0

//! Programs that export metrics for Prometheus.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::costs::Costs;
use crate::regions::{ROUNDS, Regions};
use crate::tables::{Table, number};

/// The beginning of the name of an exporter.
const EXPORTER: &str = "exporter ";

/// The number of scrapes in a region.
const SCRAPES: usize = 4;

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

/// Returns a table of instructions for a scrape, those of the first exporter as the measure.
pub fn table(costs: &Costs, exporters: &[String]) -> Result<Table> {
    let mut table = Table::new("A scrape", &["instructions", "times"]);
    let mut first = None;
    for exporter in exporters {
        let instructions = costs.get(&format!("{EXPORTER}{exporter}"))?.instructions();
        let least = *first.get_or_insert(instructions);
        let times = format!("{:.1}", instructions / least);
        table.row(exporter, vec![number(instructions), times]);
    }
    Ok(table)
}
