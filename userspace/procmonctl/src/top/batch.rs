// SPDX-License-Identifier: GPL-2.0

//! `top` without a screen.

use std::thread;
use std::time::Instant;

use procmon::Snapshot;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::app::App;
use super::view;
use super::worker::Source;
use crate::output::Output;
use crate::ps;

/// What `--json` prints at each refresh: the document of `ps`, with the system.
#[derive(Serialize)]
struct Document {
    version: u32,
    /// When the snapshot was begun, in nanoseconds since boot.
    time: u64,
    system: Numbers,
    processes: Vec<Map<String, Json>>,
}

#[derive(Serialize)]
struct Numbers {
    load: [f64; 3],
    /// CPU use since the refresh before, in per cent of all CPUs; null at first.
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
            out.print_json(&document(&app)?)?;
        } else {
            out.bytes(view::text(&app).as_bytes())?;
        }
        shown += 1;
    }
    Ok(())
}

fn document(app: &App) -> anyhow::Result<Document> {
    let columns = app.columns();
    let processes = app
        .lines()
        .iter()
        .filter_map(|line| app.process(line))
        .map(|process| ps::json_object(&process.row(), &columns, &app.context))
        .collect::<Result<_, _>>()?;
    Ok(Document {
        version: ps::JSON_VERSION,
        time: u64::try_from(app.context.now.as_nanos())?,
        system: Numbers {
            load: app.system.load,
            cpu: app.processes.has_interval().then_some(app.busy),
            memory: app.system.memory,
            memory_used: app.system.memory_used,
        },
        processes,
    })
}
