// SPDX-License-Identifier: GPL-2.0-only

//! The looks of bars.

use super::Picture;
use crate::timeline::colour::{PALETTE, SEVERAL};
use crate::timeline::layout::{Bar, Content, Window};
use crate::timeline::summary::{cpu_time, goes_on};
use crate::timeline::text::{count, duration, ending, label, line, number, size};
use crate::{Process, Run};

/// The most characters of a command line.
const COMMAND: usize = 300;

/// The look of a bar.
pub struct Look {
    /// The name alone.
    pub name: String,
    /// The name and the number of processes.
    pub title: String,
    /// The text that is shown while the pointer is there.
    pub details: String,
    /// Those of the bar and of the text on it.
    pub colours: (&'static str, &'static str),
    /// The share of the processes that have failed.
    pub failed: f64,
}

impl Picture<'_> {
    /// Returns the look of a bar.
    pub fn look(&self, bar: &Bar) -> Look {
        match &bar.content {
            Content::Program(place, segment) => {
                let process = &self.run.processes()[*place];
                let name = segment.name(process);
                // The last program is the one that failed.
                let is_last = segment.end == self.layout.window.clip(process).1;
                let has_failed = process.has_failed() && is_last;
                Look {
                    name: label(name),
                    title: label(name),
                    details: details(self.run, self.layout.window, process),
                    colours: PALETTE[self.colours.place(name)],
                    failed: if has_failed { 1.0 } else { 0.0 },
                }
            }
            Content::Merged(members) => self.look_of_merged(bar, members),
        }
    }

    fn look_of_merged(&self, bar: &Bar, members: &[usize]) -> Look {
        let begin = self.layout.window.begin;
        let processes = || members.iter().map(|&place| &self.run.processes()[place]);
        let mut names = processes().map(Process::name);
        let name = names
            .next()
            .filter(|first| names.all(|name| name == *first));
        let failed = processes().filter(|process| process.has_failed()).count();
        let time = processes().map(cpu_time).fold(0, u64::saturating_add);
        let all = count(members.len(), "process", "processes");
        let (name, title, colours) = match name {
            Some(name) => {
                let title = format!("{} × {}", label(name), number(members.len()));
                (label(name), title, PALETTE[self.colours.place(name)])
            }
            None => (all.clone(), all.clone(), SEVERAL),
        };
        let details = format!(
            "{title}\n{all}, {} failed\n{} of CPU\nfrom {} to {}",
            number(failed),
            duration(time),
            duration(bar.begin - begin),
            duration(bar.end - begin),
        );
        Look {
            name,
            title,
            details,
            colours,
            failed: failed as f64 / members.len() as f64,
        }
    }
}

/// Returns all that is known of a process, in lines.
fn details(run: &Run, window: Window, process: &Process) -> String {
    let mut lines = vec![
        line(process.command_line(), COMMAND),
        format!("PID {}", process.pid),
    ];
    match run.user(process.uid) {
        Some(name) => lines[1] += &format!(", user {}", label(name)),
        None => lines[1] += &format!(", user {}", process.uid),
    }
    if let Some(cgroup) = run.cgroup(process.cgroup_id) {
        lines.push(format!("cgroup {}", line([cgroup], COMMAND)));
    }
    let begin = match process.is_older {
        true => "older than the recording".to_owned(),
        false => format!(
            "from {}",
            duration(process.start.saturating_sub(window.begin))
        ),
    };
    if goes_on(run, process) {
        lines.push(format!("{begin}, goes on"));
    } else {
        let lasted = process.end.saturating_sub(process.start);
        lines.push(format!("{begin}, for {}", duration(lasted)));
    }
    if let Some(exit) = &process.exit {
        let (time, memory) = (duration(cpu_time(process)), size(exit.max_rss));
        lines.push(format!("{time} of CPU, at most {memory}"));
        if let Some(status) = exit.status.filter(|status| *status != 0) {
            lines.push(ending(status));
        }
    }
    lines.join("\n")
}
