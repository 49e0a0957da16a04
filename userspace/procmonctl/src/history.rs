// SPDX-License-Identifier: GPL-2.0

//! `history`: what the monitor has recorded.

use std::io;
use std::time::Duration;

use clap::Args;
use procmon::history::{Chosen, Sample, System};
use procmon::snapshot::Record;
use procmon::{Device, History};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Widget};
use serde::Serialize;

use crate::output::{Output, printable};
use crate::processes::columns::{bytes_text, time_text};

/// The version of what `--json` prints. It goes up when a key goes away or means something else.
const JSON_VERSION: u32 = 1;

#[derive(Args, Debug)]
pub struct HistoryArgs {
    /// Draw it: what the chosen process used, or else how many tasks were running
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    pub plot: bool,

    /// Print comma-separated values
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,

    /// Begin with the sample of this number
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    pub from: u64,
}

/// A sample as programs get it. Times are in nanoseconds since boot, memory is in bytes.
#[derive(Serialize)]
struct Row {
    sequence: u64,
    time: u64,
    processes: u32,
    threads: u32,
    running: u32,
    uninterruptible: u32,
    zombies: u32,
    forks: u32,
    /// The chosen process, if there was one.
    pid: Option<i32>,
    comm: Option<String>,
    state: Option<char>,
    gone: bool,
    /// Per cent of a CPU since the sample before.
    cpu: Option<f64>,
    utime: Option<u64>,
    stime: Option<u64>,
    rss: Option<u64>,
}

#[derive(Serialize)]
struct Document {
    version: u32,
    /// The time between two samples, in ms, as it is set now.
    interval_ms: u64,
    /// How many samples were lost before the first one.
    missed: u64,
    /// Where to go on.
    next: u64,
    samples: Vec<Row>,
}

pub fn run(device: &Device, args: &HistoryArgs, out: &Output) -> anyhow::Result<()> {
    let history = device.history(args.from)?;
    if out.is_json() {
        return out.print_json(&Document {
            version: JSON_VERSION,
            interval_ms: u64::try_from(history.interval().as_millis())?,
            missed: history.missed(),
            next: history.next(),
            samples: rows(history.samples()),
        });
    }
    if args.csv {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in rows(history.samples()) {
            writer.serialize(row)?;
        }
        return out.bytes(&writer.into_inner()?);
    }
    if args.plot {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let (width, height) = match size {
            Some(size) if size.ws_col > 20 && size.ws_row > 10 => (size.ws_col, size.ws_row - 2),
            _ => (80, 20),
        };
        return out.bytes(plot(&history, width, height.min(30)).as_bytes());
    }
    out.bytes(table(&history).as_bytes())
}

fn rows(samples: &[Sample]) -> Vec<Row> {
    let cpu = cpu_percents(samples);
    samples
        .iter()
        .zip(cpu)
        .map(|(sample, cpu)| row(sample, cpu))
        .collect()
}

fn row(sample: &Sample, cpu: Option<f64>) -> Row {
    let System {
        processes,
        threads,
        running,
        uninterruptible,
        zombies,
        forks,
    } = sample.system();
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let (pid, record, gone) = match sample.chosen() {
        Chosen::None => (None, None, false),
        Chosen::Process(record) => (Some(record.pid()), Some(record), false),
        Chosen::Gone(pid, _) => (Some(pid), None, true),
    };
    let times = record.and_then(Record::cpu);
    Row {
        sequence: sample.sequence(),
        time: nanoseconds(sample.time()),
        processes,
        threads,
        running,
        uninterruptible,
        zombies,
        forks,
        pid,
        comm: record.map(|record| record.comm().to_string_lossy().into_owned()),
        state: record.map(|record| record.state().letter()),
        gone,
        cpu,
        utime: times.map(|times| nanoseconds(times.user)),
        stime: times.map(|times| nanoseconds(times.system)),
        rss: record
            .and_then(Record::memory)
            .map(|memory| memory.resident()),
    }
}

/// Which part of a CPU the chosen process has used since the sample before, in per cent.
fn cpu_percents(samples: &[Sample]) -> Vec<Option<f64>> {
    /// The process, by what does not change, the time of the sample, and what it had used.
    type Before = (i32, Duration, Duration, Duration);

    let mut before: Option<Before> = None;
    let percents = samples.iter().map(|sample| {
        let Chosen::Process(record) = sample.chosen() else {
            return None;
        };
        let cpu = record.cpu()?;
        let used = cpu.user + cpu.system;
        let now = (record.pid(), cpu.start, sample.time(), used);
        let (pid, start, time, used_before) = before.replace(now)?;
        let elapsed = now.2.saturating_sub(time).as_secs_f64();
        (pid == now.0 && start == now.1 && elapsed > 0.0)
            .then(|| used.saturating_sub(used_before).as_secs_f64() / elapsed * 100.0)
    });
    percents.collect()
}

/// One line for each sample, and one for what happened to the chosen process.
fn table(history: &History) -> String {
    let mut text = String::new();
    if history.missed() > 0 {
        text.push_str(&format!("{} samples are lost\n", history.missed()));
    }
    text.push_str(
        "  SAMPLE       TIME PROCS THREADS   R   D   Z FORKS   PID S  CPU%   RSS COMMAND\n",
    );
    let cpu = cpu_percents(history.samples());
    for (sample, cpu) in history.samples().iter().zip(cpu) {
        let system = sample.system();
        text.push_str(&format!(
            "{:>8} {:>10} {:>5} {:>7} {:>3} {:>3} {:>3} {:>5}",
            sample.sequence(),
            time_text(sample.time()),
            system.processes,
            system.threads,
            system.running,
            system.uninterruptible,
            system.zombies,
            system.forks,
        ));
        match sample.chosen() {
            Chosen::None => {}
            Chosen::Process(record) => text.push_str(&format!(
                " {:>5} {} {:>5} {:>5} {}",
                record.pid(),
                record.state().letter(),
                cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1}")),
                record
                    .memory()
                    .map_or_else(|| "-".to_owned(), |memory| bytes_text(memory.resident())),
                printable(record.comm().as_encoded_bytes()),
            )),
            Chosen::Gone(pid, _) => text.push_str(&format!(" {pid:>5} gone")),
        }
        text.push('\n');
    }
    text
}

/// A line chart of so many columns and lines.
fn plot(history: &History, width: u16, height: u16) -> String {
    let samples = history.samples();
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return "there are no samples yet\n".to_owned();
    };
    let at = |sample: &Sample| sample.time().as_secs_f64();
    let cpu: Vec<_> = samples
        .iter()
        .zip(cpu_percents(samples))
        .filter_map(|(sample, cpu)| Some((at(sample), cpu?)))
        .collect();
    let (name, points) = if cpu.is_empty() {
        let running = |sample: &Sample| (at(sample), f64::from(sample.system().running));
        ("running tasks", samples.iter().map(running).collect())
    } else {
        ("CPU %", cpu)
    };
    let most = points.iter().map(|point| point.1).fold(1.0, f64::max);
    let bounds = [at(first), at(last).max(at(first) + 1.0)];
    let dataset = Dataset::default()
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .data(&points);
    let chart = Chart::new(vec![dataset])
        .block(Block::new().title(Line::from(name)))
        .x_axis(
            Axis::default()
                .bounds(bounds)
                .labels([time_text(first.time()), time_text(last.time())]),
        )
        .y_axis(
            Axis::default()
                .bounds([0.0, most])
                .labels(["0".to_owned(), format!("{most:.1}")]),
        );
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    chart.render(area, &mut buffer);
    let mut text = String::new();
    for line in buffer.content().chunks(usize::from(width)) {
        text.extend(line.iter().map(Cell::symbol));
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use procmon::uapi;

    use super::*;

    fn sample(sequence: u64, flags: u32, utime_ms: u64) -> Sample {
        let sample = uapi::procmon_sample {
            sequence,
            time: sequence * 1_000_000_000,
            flags,
            processes: 60,
            running: sequence as u32,
            process: uapi::procmon_record {
                pid: if flags == 0 { 0 } else { 7 },
                start_time: 5,
                groups: uapi::PROCMON_GROUP_CPU | uapi::PROCMON_GROUP_MEM,
                utime: utime_ms * 1_000_000,
                rss_anon: 8192,
                ..Default::default()
            },
            ..Default::default()
        };
        sample.into()
    }

    fn samples() -> Vec<Sample> {
        const PROCESS: u32 = uapi::PROCMON_SAMPLE_PROCESS;
        vec![
            sample(1, 0, 0),
            sample(2, PROCESS, 100),
            sample(3, PROCESS, 350),
            sample(4, uapi::PROCMON_SAMPLE_GONE, 0),
        ]
    }

    #[test]
    fn cpu_is_what_was_used_between_samples() {
        assert_eq!(cpu_percents(&samples()), [None, None, Some(25.0), None]);
    }

    #[test]
    fn rows_have_what_there_is() {
        let rows = rows(&samples());
        assert_eq!((rows[0].pid, rows[0].gone), (None, false));
        assert_eq!(
            (rows[2].pid, rows[2].cpu, rows[2].rss),
            (Some(7), Some(25.0), Some(8192))
        );
        assert_eq!(
            (rows[3].pid, rows[3].gone, rows[3].rss),
            (Some(7), true, None)
        );
    }

    #[test]
    fn a_table_has_a_line_for_each_sample() {
        let table = table(&History::new(samples(), 2));
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], "2 samples are lost");
        assert!(lines[4].ends_with("    7 R  25.0  8.0K "), "{:?}", lines[4]);
        assert!(lines[5].ends_with("    7 gone"), "{:?}", lines[5]);
    }

    #[test]
    fn a_plot_is_as_large_as_wanted() {
        let text = plot(&History::new(samples(), 0), 60, 12);
        assert_eq!(text.lines().count(), 12);
        assert!(text.contains("CPU %") && text.contains("25.0"), "{text}");
        let text = plot(&History::new(vec![sample(1, 0, 0)], 0), 60, 12);
        assert!(text.contains("running tasks"), "{text}");
        assert_eq!(
            plot(&History::default(), 60, 12),
            "there are no samples yet\n"
        );
    }
}
