// SPDX-License-Identifier: GPL-2.0

//! Batch mode: output without a screen.

use std::thread;
use std::time::Instant;

use procmon::Snapshot;
use serde::Serialize;

use super::state::App;
use super::usage::Process;
use super::view;
use super::worker::Source;
use crate::output::Output;
use crate::table::document::Document as TableDocument;

/// The JSON of a refresh: the document of `ps`, with the system.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    table: TableDocument<'a>,
    system: Numbers,
}

#[derive(Serialize)]
struct Numbers {
    load: [f64; 3],
    /// CPU use since the previous refresh, in percent of all CPUs; null at first.
    cpu: Option<f64>,
    memory: u64,
    memory_used: u64,
}

/// Prints all processes at each refresh.
pub fn run(
    source: &impl Source,
    mut app: App,
    count: Option<u64>,
    out: &Output,
) -> anyhow::Result<()> {
    let mut buffer = Snapshot::default();
    let mut next = Instant::now();
    let mut shown = 0;
    while count.is_none_or(|count| shown < count) {
        if shown > 0 {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            if !out.is_json() {
                out.bytes(b"\n")?;
            }
        }
        next = Instant::now() + app.delay;
        let system;
        (buffer, system) = source.snapshot(&app.options(), buffer)?;
        app.update(&buffer, system);
        if out.is_json() {
            print_document(&app, out)?;
        } else {
            out.bytes(view::text(&app).as_bytes())?;
        }
        shown += 1;
    }
    Ok(())
}

fn print_document(app: &App, out: &Output) -> anyhow::Result<()> {
    let columns = app.columns();
    let rows: Vec<_> = app
        .lines()
        .iter()
        .filter_map(|line| app.process(line))
        .map(Process::row)
        .collect();
    out.print_json(&Document {
        table: TableDocument::new(&rows, &columns, &app.context),
        system: Numbers {
            load: app.system.load,
            cpu: app.processes.has_interval().then_some(app.busy),
            memory: app.system.memory,
            memory_used: app.system.memory_used,
        },
    })
}
