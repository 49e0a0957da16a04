// SPDX-License-Identifier: GPL-2.0-only

//! `history`: the samples of the monitor.

use std::io;

use procmon::CpuUsage;
use procmon::history::{Sample, System, Target};
use procmon::snapshot::Record;
use procmon::{History, sysfs};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Widget};
use serde::Serialize;

use crate::clock::{self, Clock, Moment, nanoseconds};
use crate::output::{complain, terminal_width};
use crate::session::Session;
use crate::table::kernel_threads::KernelNames;
use crate::table::render::{Head, Side, Table};
use crate::table::value::{bytes_text, time_text};
use crate::text::{base64, printable};

/// The version of the JSON. It increases when a key is removed or changes its meaning.
const JSON_VERSION: u32 = 2;

/// Show the samples of the monitor
///
/// The monitor takes one sample of the system in each interval, with the process that "filter" has
/// set as its target, and others with those that "targets" has set. When a process is gone,
/// recording stops until there is another target in its place.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Draw a curve: the CPU use of the target, or without one the number of running tasks
    #[arg(long, conflicts_with = "csv")]
    pub plot: bool,

    /// Print comma-separated values
    #[arg(long)]
    pub csv: bool,

    /// Begin with the sample of this number
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    pub from: u64,

    /// Show the samples with the target in this place, from 0 on
    #[arg(
        long,
        value_name = "PLACE",
        default_value = "0",
        hide_default_value = true,
        value_parser = clap::value_parser!(u32).range(0..procmon::sysfs::TargetPlace::MAX as i64)
    )]
    pub target: u32,
}

pub const JSON: &str = "  history  {version, boot_id, interval_ms, missed, next,
           samples: [{sequence, time, wall_time, ...}]}";

const EXAMPLES: &str = "\
Examples:
  procmonctl filter 4711; sleep 60; procmonctl history --plot
  procmonctl history --json --from 100
  procmonctl targets cron sshd; sleep 60; procmonctl history --target 1";

/// A sample for programs. Times are in nanoseconds since boot, memory is in bytes.
#[derive(Serialize)]
struct Row {
    sequence: u64,
    time: u64,
    wall_time: Moment,
    processes: u32,
    threads: u32,
    running: u32,
    uninterruptible: u32,
    zombies: u32,
    forks: u32,
    /// The target, if there was one.
    pid: Option<i32>,
    comm: Option<String>,
    comm_base64: Option<String>,
    state: Option<char>,
    gone: bool,
    /// CPU use since the previous sample, in percent of one CPU.
    cpu: Option<f64>,
    utime: Option<u64>,
    stime: Option<u64>,
    rss: Option<u64>,
    #[serde(skip)]
    name: Option<Vec<u8>>,
}

/// The keys of CSV, which are those of JSON but for the bytes of the name.
const CSV_KEYS: [&str; 17] = [
    "sequence",
    "time",
    "processes",
    "threads",
    "running",
    "uninterruptible",
    "zombies",
    "forks",
    "pid",
    "comm",
    "state",
    "gone",
    "cpu",
    "utime",
    "stime",
    "rss",
    "wall_time",
];

impl Row {
    fn csv(&self) -> [String; CSV_KEYS.len()] {
        fn text(value: Option<impl ToString>) -> String {
            value.map(|value| value.to_string()).unwrap_or_default()
        }
        [
            self.sequence.to_string(),
            self.time.to_string(),
            self.processes.to_string(),
            self.threads.to_string(),
            self.running.to_string(),
            self.uninterruptible.to_string(),
            self.zombies.to_string(),
            self.forks.to_string(),
            text(self.pid),
            text(self.name.as_deref().map(printable)),
            text(self.state),
            self.gone.to_string(),
            text(self.cpu),
            text(self.utime),
            text(self.stime),
            text(self.rss),
            self.wall_time.to_string(),
        ]
    }
}

#[derive(Serialize)]
struct Document {
    version: u32,
    boot_id: Option<String>,
    /// The present interval of the samples, in milliseconds.
    interval_ms: u64,
    /// Number of samples that were lost before the first one.
    missed: u64,
    /// Number of the next sample.
    next: u64,
    samples: Vec<Row>,
}

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        let out = &session.out;
        let history = session.open_to_read()?.history_of(self.target, self.from)?;
        let rows = || rows(history.samples(), Clock::read());
        if out.is_json() {
            return out.print_json(&Document {
                version: JSON_VERSION,
                boot_id: clock::boot_id(),
                interval_ms: u64::try_from(history.interval().as_millis())?,
                missed: history.missed(),
                next: history.next(),
                samples: rows(),
            });
        }
        if self.csv {
            return out.bytes(&csv(&rows())?);
        }
        if history.samples().is_empty() {
            complain(match (sysfs::monitor()?.samples, history.next()) {
                (0, _) => "there are no samples yet".to_owned(),
                (_, 0 | 1) => format!("there are no samples of target {} yet", self.target),
                (_, next) => format!(
                    "there is no sample {} yet: the newest is {}",
                    self.from,
                    next - 1
                ),
            });
        }
        if !self.plot {
            return out.bytes(table(&history, terminal_width()).as_bytes());
        }
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let (width, height) = match size {
            Some(size) if size.ws_col > 20 && size.ws_row > 10 => (size.ws_col, size.ws_row - 2),
            _ => (80, 20),
        };
        out.bytes(plot(&history, width, height.min(30)).as_bytes())
    }
}

fn csv(rows: &[Row]) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(CSV_KEYS)?;
    for row in rows {
        writer.write_record(row.csv())?;
    }
    Ok(writer.into_inner()?)
}

fn rows(samples: &[Sample], clock: Clock) -> Vec<Row> {
    let names = KernelNames::default();
    let cpu = cpu_percents(samples);
    samples
        .iter()
        .zip(cpu)
        .map(|(sample, cpu)| row(sample, cpu, &names, clock))
        .collect()
}

fn row(sample: &Sample, cpu: Option<f64>, names: &KernelNames, clock: Clock) -> Row {
    let System {
        processes,
        threads,
        running,
        uninterruptible,
        zombies,
        forks,
        ..
    } = sample.system();
    let (pid, record, gone) = match sample.target() {
        Target::Process(record) => (Some(record.pid()), Some(record), false),
        Target::Gone { pid, .. } => (Some(pid), None, true),
        _ => (None, None, false),
    };
    let times = record.and_then(Record::cpu);
    let name = record.map(|record| names.name(record));
    Row {
        sequence: sample.sequence(),
        time: nanoseconds(sample.time().since_boot()),
        wall_time: clock.at(sample.time().since_boot()),
        processes,
        threads,
        running,
        uninterruptible,
        zombies,
        forks,
        pid,
        comm: name.clone().and_then(|name| String::from_utf8(name).ok()),
        comm_base64: name.as_deref().map(base64),
        state: record.map(|record| record.state().letter()),
        gone,
        cpu,
        utime: times.map(|times| nanoseconds(times.user)),
        stime: times.map(|times| nanoseconds(times.system)),
        rss: record
            .and_then(Record::memory)
            .map(|memory| memory.resident()),
        name,
    }
}

/// Returns the CPU use of the target since the previous sample, in percent of one CPU.
fn cpu_percents(samples: &[Sample]) -> Vec<Option<f64>> {
    let mut before = None;
    let percents = samples.iter().map(|sample| {
        let Target::Process(record) = sample.target() else {
            return None;
        };
        let now = (record, sample.time());
        let usage = CpuUsage::between(before.replace(now)?, now)?;
        Some(usage.percent())
    });
    percents.collect()
}

/// The columns of the table.
const HEADS: [Head; 13] = [
    Head::new("SAMPLE", Side::Right),
    Head::new("TIME", Side::Right),
    Head::new("PROCS", Side::Right),
    Head::new("THREADS", Side::Right),
    Head::new("R", Side::Right),
    Head::new("D", Side::Right),
    Head::new("Z", Side::Right),
    Head::new("FORKS", Side::Right),
    Head::new("PID", Side::Right),
    Head::new("S", Side::Left),
    Head::new("CPU%", Side::Right),
    Head::new("RSS", Side::Right),
    Head::new("COMMAND", Side::Left),
];

/// Returns one line for each sample, and one for lost samples.
fn table(history: &History, width: Option<usize>) -> String {
    let names = KernelNames::default();
    let cpu = cpu_percents(history.samples());
    let cells = history.samples().iter().zip(cpu).map(|(sample, cpu)| {
        let system = sample.system();
        let mut cells = vec![
            sample.sequence().to_string(),
            time_text(sample.time().since_boot()),
            system.processes.to_string(),
            system.threads.to_string(),
            system.running.to_string(),
            system.uninterruptible.to_string(),
            system.zombies.to_string(),
            system.forks.to_string(),
        ];
        let absent = || "-".to_owned();
        match sample.target() {
            Target::Process(record) => cells.extend([
                record.pid().to_string(),
                record.state().letter().to_string(),
                cpu.map_or_else(absent, |cpu| format!("{cpu:.1}")),
                record
                    .memory()
                    .map_or_else(absent, |memory| bytes_text(memory.resident())),
                printable(&names.name(record)),
            ]),
            Target::Gone { pid, .. } => cells.extend([pid.to_string(), "gone".to_owned()]),
            _ => {}
        }
        cells
    });
    let mut text = String::new();
    if history.missed() > 0 {
        text.push_str(&format!("{} samples are lost\n", history.missed()));
    }
    for line in Table::new(HEADS, cells.collect()).lines(width) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Returns a line chart of this size, or an empty text without samples.
fn plot(history: &History, width: u16, height: u16) -> String {
    let samples = history.samples();
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return String::new();
    };
    let at = |sample: &Sample| sample.time().since_boot().as_secs_f64();
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
                .labels([first, last].map(|sample| time_text(sample.time().since_boot()))),
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
    fn cpu_use_is_that_between_samples() {
        assert_eq!(cpu_percents(&samples()), [None, None, Some(25.0), None]);
    }

    #[test]
    fn rows_have_the_target() {
        let rows = rows(&samples(), Clock::default());
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
        let table = table(&History::new(samples(), 2), None);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], "2 samples are lost");
        assert!(
            lines[4].ends_with(" 0   7 R    25.0 8.0K"),
            "{:?}",
            lines[4]
        );
        assert!(lines[5].ends_with(" 0   7 gone"), "{:?}", lines[5]);
    }

    #[test]
    fn large_numbers_shift_no_column() {
        let mut samples = samples();
        samples.push(
            uapi::procmon_sample {
                sequence: 1_000_000_000,
                flags: uapi::PROCMON_SAMPLE_PROCESS,
                processes: 4_000_000,
                process: uapi::procmon_record {
                    pid: 4_194_303,
                    ..Default::default()
                },
                ..Default::default()
            }
            .into(),
        );
        let table = table(&History::new(samples, 0), None);
        let lines: Vec<_> = table.lines().collect();
        let state = lines[0].find(" S ").unwrap() + 1;
        for line in [lines[2], lines[3], lines[5]] {
            assert_eq!(line[state..].split(' ').next(), Some("R"), "{table}");
        }
        assert!(
            lines[5].starts_with("1000000000 ") && lines[5].contains(" 4194303 R"),
            "{table}"
        );
    }

    #[test]
    fn csv_has_its_header_and_printable_names() {
        let header = CSV_KEYS.join(",") + "\n";
        assert_eq!(csv(&[]).unwrap(), header.as_bytes());
        let mut rows = rows(&samples(), Clock::default());
        rows[1].name = Some(b"\x1b[31m\n\xff".to_vec());
        let text = String::from_utf8(csv(&rows).unwrap()).unwrap();
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.contains(",7,\\u{1b}[31m\\n\\xff,R,false,"), "{text}");
        let json = serde_json::to_value(&rows[0]).unwrap();
        for key in CSV_KEYS {
            assert!(json.get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn a_plot_is_as_large_as_wanted() {
        let text = plot(&History::new(samples(), 0), 60, 12);
        assert_eq!(text.lines().count(), 12);
        assert!(text.contains("CPU %") && text.contains("25.0"), "{text}");
        let text = plot(&History::new(vec![sample(1, 0, 0)], 0), 60, 12);
        assert!(text.contains("running tasks"), "{text}");
        assert_eq!(plot(&History::default(), 60, 12), "");
    }
}
