// SPDX-License-Identifier: GPL-2.0-only

//! The data of the page.

use std::collections::HashMap;

use serde::Serialize;

use crate::Run;
use crate::timeline::colour::{Colours, FAILURE, PALETTE};
use crate::timeline::curves::usage;
use crate::timeline::layout::{Content, Layout};
use crate::timeline::summary::goes_on;
use crate::timeline::text::{label, line};

/// The most characters of a command line.
const COMMAND: usize = 1000;

/// The most points of the curves.
const POINTS: usize = 20_000;

/// The data, in columns, as objects for each process would take several times as much.
/// Times are nanoseconds since the beginning, and a text is a place in `texts`.
#[derive(Serialize)]
pub struct Data {
    /// Whether the recording has no end.
    is_cut: bool,
    /// The length.
    length: u64,
    rows: usize,
    /// The size of the memory.
    memory: u64,
    /// Colours of bars and of the text on them.
    palette: [(&'static str, &'static str); PALETTE.len()],
    failure: &'static str,
    texts: Vec<String>,
    processes: Processes,
    bars: Bars,
    usage: Curves,
}

#[derive(Default, Serialize)]
struct Processes {
    pid: Vec<i32>,
    /// Places of processes.
    parent: Vec<Option<usize>>,
    start: Vec<i64>,
    lasted: Vec<u64>,
    /// Whether it goes on at the end.
    goes_on: Vec<u8>,
    command: Vec<usize>,
    directory: Vec<Option<usize>>,
    user: Vec<usize>,
    cgroup: Vec<Option<usize>>,
    status: Vec<Option<i32>>,
    utime: Vec<Option<u64>>,
    stime: Vec<Option<u64>>,
    max_rss: Vec<Option<u64>>,
    read: Vec<Option<u64>>,
    written: Vec<Option<u64>>,
}

/// The bars, by their rows and beginnings.
#[derive(Default, Serialize)]
struct Bars {
    row: Vec<usize>,
    begin: Vec<u64>,
    end: Vec<u64>,
    /// The place of the process.
    process: Vec<usize>,
    name: Vec<usize>,
    /// The place in the palette.
    colour: Vec<usize>,
}

#[derive(Default, Serialize)]
struct Curves {
    begin: Vec<u64>,
    end: Vec<u64>,
    /// In thousandths.
    busy: Vec<u16>,
    io_wait: Vec<u16>,
    memory: Vec<u64>,
}

impl Data {
    /// Collects the data of a recording.
    pub fn new(run: &Run) -> Self {
        let layout = Layout::whole(run);
        let mut texts = Texts::default();
        let processes = Processes::new(run, &layout, &mut texts);
        let bars = Bars::new(run, &layout, &mut texts);
        Self {
            is_cut: run.end.is_none(),
            length: layout.window.length(),
            rows: layout.rows,
            memory: run.header.memory,
            palette: PALETTE,
            failure: FAILURE,
            texts: texts.all,
            processes,
            bars,
            usage: Curves::new(run, &layout),
        }
    }
}

impl Processes {
    fn new(run: &Run, layout: &Layout, texts: &mut Texts) -> Self {
        let mut all = Self::default();
        for process in run.processes() {
            let exit = process.exit.as_ref();
            let user = run.user(process.uid);
            let user = user.map_or_else(|| process.uid.to_string(), label);
            let cgroup = run.cgroup(process.cgroup_id);
            let directory = process.program().and_then(|exec| exec.directory.as_ref());
            let start = i128::from(process.start) - i128::from(layout.window.begin);
            all.pid.push(process.pid);
            all.parent.push(process.parent);
            all.start.push(start.try_into().unwrap_or(i64::MIN));
            all.lasted.push(process.end.saturating_sub(process.start));
            all.goes_on.push(goes_on(run, process).into());
            all.command
                .push(texts.place(line(process.command_line(), COMMAND)));
            all.directory
                .push(directory.map(|path| texts.place(line([path], COMMAND))));
            all.user.push(texts.place(user));
            all.cgroup
                .push(cgroup.map(|path| texts.place(line([path], COMMAND))));
            all.status.push(exit.and_then(|exit| exit.status));
            all.utime.push(exit.map(|exit| exit.utime));
            all.stime.push(exit.map(|exit| exit.stime));
            all.max_rss.push(exit.map(|exit| exit.max_rss));
            all.read.push(exit.and_then(|exit| exit.read_bytes));
            all.written.push(exit.and_then(|exit| exit.write_bytes));
        }
        all
    }
}

impl Bars {
    fn new(run: &Run, layout: &Layout, texts: &mut Texts) -> Self {
        let mut order: Vec<_> = layout.bars.iter().collect();
        order.sort_by_key(|bar| (bar.row, bar.begin, bar.end));
        let colours = Colours::of(run);
        let mut all = Self::default();
        for bar in order {
            let Content::Program(place, segment) = bar.content else {
                continue;
            };
            let name = segment.name(&run.processes()[place]);
            all.row.push(bar.row);
            all.begin.push(bar.begin - layout.window.begin);
            all.end.push(bar.end - layout.window.begin);
            all.process.push(place);
            all.name.push(texts.place(label(name)));
            all.colour.push(colours.place(name));
        }
        all
    }
}

impl Curves {
    fn new(run: &Run, layout: &Layout) -> Self {
        let mut all = Self::default();
        let thousandths = |share: f64| (share * 1000.0).round() as u16;
        for usage in usage(run, POINTS) {
            all.begin
                .push(usage.begin.saturating_sub(layout.window.begin));
            all.end.push(usage.end.saturating_sub(layout.window.begin));
            all.busy.push(thousandths(usage.busy));
            all.io_wait.push(thousandths(usage.io_wait));
            all.memory.push(usage.memory);
        }
        all
    }
}

/// Texts, each once.
#[derive(Default)]
struct Texts {
    all: Vec<String>,
    places: HashMap<String, usize>,
}

impl Texts {
    fn place(&mut self, text: String) -> usize {
        *self.places.entry(text).or_insert_with_key(|text| {
            self.all.push(text.clone());
            self.all.len() - 1
        })
    }
}
