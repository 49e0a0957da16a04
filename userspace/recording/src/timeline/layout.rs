// SPDX-License-Identifier: GPL-2.0-only

//! Bars in rows for the processes of a [`Run`].

use super::forest::Forest;
use super::groups::{Group, Merging, groups};
use super::rows::{Interval, pack};
use super::segments::{Segment, segments};
use crate::{Process, Run};

/// The most bars of a picture.
pub const BARS: usize = 2000;

/// The most rows of a picture.
pub const ROWS: usize = 500;

/// The part of the whole time below which a process is short: about as wide as three letters.
const SHORT: u64 = 200;

/// The part of the whole time that is as wide as a pixel: nothing looks shorter.
const PIXEL: u64 = 1200;

/// The time that is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// The beginning: that of the recording, or the first start of a process that is not older.
    pub begin: u64,
    /// The end of the recording.
    pub end: u64,
}

impl Window {
    /// Returns the time of a recording.
    pub fn of(run: &Run) -> Self {
        let mut newer = run.processes().iter().filter(|process| !process.is_older);
        let first = newer.next().map_or(u64::MAX, |process| process.start);
        Self {
            begin: run.header.time.min(first),
            end: run.last.max(run.header.time),
        }
    }

    /// Returns the length.
    pub fn length(self) -> u64 {
        self.end - self.begin
    }

    /// Returns the start and the end of a process, as far as they are shown.
    pub fn clip(self, process: &Process) -> (u64, u64) {
        let begin = process.start.clamp(self.begin, self.end);
        (begin, process.end.clamp(begin, self.end))
    }
}

/// The processes of a bar, by their places in [`Run::processes`].
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A program of a process.
    Program(usize, Segment),
    /// Several processes.
    Merged(Vec<usize>),
}

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// The row, from the top.
    pub row: usize,
    /// The beginning.
    pub begin: u64,
    /// The end.
    pub end: u64,
    /// Its processes.
    pub content: Content,
}

/// All bars.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// The time that is shown.
    pub window: Window,
    /// The bars, those of a process one after the other.
    pub bars: Vec<Bar>,
    /// The number of rows.
    pub rows: usize,
}

impl Layout {
    /// Shows each process.
    pub fn whole(run: &Run) -> Self {
        let window = Window::of(run);
        let merging = Merging {
            threshold: 0,
            by_name: true,
        };
        let groups = groups(run, &Forest::new(run), window, merging);
        let bars = bars(run, window, &groups, 0, usize::MAX).unwrap_or_default();
        Self::of(window, &groups, bars, 1)
    }

    /// Merges short processes, so that there are no more than [`BARS`] in [`ROWS`].
    ///
    /// Those of the same name are merged as long as that is enough. What counts as short grows
    /// until it is.
    pub fn merged(run: &Run) -> Self {
        let window = Window::of(run);
        let forest = Forest::new(run);
        let length = window.length();
        // So that bars which are drawn as wide as a pixel do not overlap.
        let least = (length / PIXEL).max(1);
        let mut merging = Merging {
            threshold: length / SHORT,
            by_name: true,
        };
        loop {
            let groups = groups(run, &forest, window, merging);
            // When all are short, and names do not count, there is one group for each generation.
            let is_last = merging.threshold > length && !merging.by_name;
            let most = if is_last { usize::MAX } else { BARS };
            if let Some(bars) = bars(run, window, &groups, merging.threshold, most) {
                let layout = Self::of(window, &groups, bars, least);
                if layout.rows <= ROWS || is_last {
                    return layout;
                }
            }
            if merging.threshold > length {
                merging = Merging {
                    threshold: length / SHORT,
                    by_name: false,
                };
            } else {
                merging.threshold = merging.threshold.saturating_mul(2).max(1);
            }
        }
    }

    fn of(window: Window, groups: &[Group], mut bars: Vec<Bar>, least: u64) -> Self {
        let intervals: Vec<_> = groups
            .iter()
            .map(|group| Interval {
                parent: group.parent,
                begin: group.begin,
                end: group.end.max(group.begin.saturating_add(least)),
            })
            .collect();
        let (rows, height) = pack(&intervals);
        for bar in &mut bars {
            bar.row = rows[bar.row];
        }
        Self {
            window,
            bars,
            rows: height,
        }
    }
}

/// Returns the bars of groups, with the place of the group in place of the row, unless there are
/// more than `most`.
fn bars(run: &Run, window: Window, groups: &[Group], least: u64, most: usize) -> Option<Vec<Bar>> {
    let mut bars = Vec::with_capacity(groups.len().min(most));
    for (row, group) in groups.iter().enumerate() {
        if let [place] = group.members[..] {
            let segments = segments(&run.processes()[place], window, least);
            bars.extend(segments.into_iter().map(|segment| Bar {
                row,
                begin: segment.begin,
                end: segment.end,
                content: Content::Program(place, segment),
            }));
        } else {
            bars.push(Bar {
                row,
                begin: group.begin,
                end: group.end,
                content: Content::Merged(group.members.clone()),
            });
        }
        if bars.len() > most {
            return None;
        }
    }
    Some(bars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::fixture::{LARGE, build, recording};

    /// Returns how many processes the bars have, after a check that each has no other's.
    fn processes(layout: &Layout) -> usize {
        let mut places: Vec<usize> = Vec::new();
        for bar in &layout.bars {
            match &bar.content {
                Content::Program(place, _) if places.last() == Some(place) => {}
                Content::Program(place, _) => places.push(*place),
                Content::Merged(members) => places.extend(members),
            }
        }
        let count = places.len();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), count);
        count
    }

    #[test]
    fn bars_cover_processes_from_start_to_end() {
        let run = build(4, 50).run();
        let layout = Layout::whole(&run);
        let mut covered = vec![None; run.processes().len()];
        for bar in &layout.bars {
            let Content::Program(place, _) = bar.content else {
                panic!("{bar:?}");
            };
            let cover = covered[place].get_or_insert((bar.begin, bar.begin, bar.row));
            assert_eq!((cover.1, cover.2), (bar.begin, bar.row));
            cover.1 = bar.end;
        }
        for (process, cover) in run.processes().iter().zip(&covered) {
            let (begin, end, row) = cover.unwrap();
            assert_eq!((begin, end), (process.start, process.end));
            let parent = process.parent.and_then(|parent| covered[parent]);
            assert!(parent.is_none_or(|parent| parent.2 < row));
        }
        assert_eq!(processes(&layout), run.processes().len());
    }

    #[test]
    fn merging_keeps_each_process_once() {
        let run = &*LARGE;
        let layout = Layout::merged(run);
        assert_eq!(processes(&layout), run.processes().len());
        assert!(layout.bars.len() <= BARS && layout.rows <= ROWS);
        assert!(layout.bars.len() >= 40, "{}", layout.bars.len());
        assert_eq!(layout, Layout::merged(run));
    }

    #[test]
    fn pictures_are_bounded_without_alike_names() {
        let mut recording = recording();
        for pid in 1..=20_000 {
            recording.process(pid, pid as u64, pid % 100, &format!("n{pid}"), 1_000_000);
        }
        let run = recording.run();
        let layout = Layout::merged(&run);
        assert!(layout.bars.len() <= BARS && layout.rows <= ROWS);
        assert_eq!(processes(&layout), 20_000);
    }

    #[test]
    fn a_process_of_many_programs_has_few_bars() {
        let mut recording = recording();
        recording.begin(5, 10, 1, "sh");
        for time in 0..10_000 {
            recording.exec(5, 20 + time, &["loop"]);
        }
        let layout = Layout::merged(&recording.run());
        assert!(layout.bars.len() <= BARS);
        let (first, last) = (&layout.bars[0], layout.bars.last().unwrap());
        assert_eq!((first.begin, last.end), (10, 10_019));
    }

    #[test]
    fn older_processes_begin_with_the_recording() {
        let mut recording = recording();
        recording.older(3, 2, "init");
        recording.process(9, 1_200, 3, "sh", 1_300);
        let layout = Layout::merged(&recording.run());
        let times: Vec<_> = layout.bars.iter().map(|bar| (bar.begin, bar.end)).collect();
        assert_eq!(times, [(100, 1_300), (1_200, 1_300)]);
    }

    #[test]
    fn an_empty_recording_has_no_bars() {
        let layout = Layout::merged(&recording().run());
        assert_eq!((layout.bars.len(), layout.rows), (0, 0));
    }
}
