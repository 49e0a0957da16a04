// SPDX-License-Identifier: GPL-2.0-only

//! Progress of a run, as the user sees it.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::outcome::{self, Outcome};
use crate::report::Results;

/// Time between two lines that say which suites are running, where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(60);

/// Length up to which the status on a terminal surely has one line.
const WIDTH: usize = 79;

/// Way to show the progress.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    /// Not at all.
    #[cfg(test)]
    Silent,
    /// All output of the only suite, as it comes.
    Live,
    /// Suites that have ended, and each minute those that are running.
    Lines,
    /// Suites that have ended, above a line with those that are running.
    Terminal,
}

/// Shows which suites are running and have ended.
pub struct Progress {
    style: Style,
    total: usize,
    state: Mutex<State>,
}

struct State {
    ended: usize,
    running: Vec<Running>,
    /// The last time at which the running suites were printed.
    printed: Instant,
}

/// A suite that is running.
#[derive(Clone)]
struct Running {
    title: String,
    start: Instant,
    passed: usize,
    failed: usize,
    /// Beginning of a line of output.
    line: Vec<u8>,
}

/// A suite from its beginning to its end.
pub struct Entry<'a> {
    progress: &'a Progress,
    title: String,
}

impl Progress {
    /// Creates the progress of a number of suites.
    pub fn new(total: usize) -> Self {
        let style = match total {
            1 => Style::Live,
            _ if io::stdout().is_terminal() => Style::Terminal,
            _ => Style::Lines,
        };
        Self::with_style(style, total)
    }

    #[cfg(test)]
    pub fn silent() -> Self {
        Self::with_style(Style::Silent, 0)
    }

    fn with_style(style: Style, total: usize) -> Self {
        Self {
            style,
            total,
            state: Mutex::new(State {
                ended: 0,
                running: Vec::new(),
                printed: Instant::now(),
            }),
        }
    }

    /// Notes that a suite begins.
    pub fn begin(&self, title: String) -> Entry<'_> {
        let mut state = self.lock();
        state.running.push(Running {
            title: title.clone(),
            start: Instant::now(),
            passed: 0,
            failed: 0,
            line: Vec::new(),
        });
        match self.style {
            Style::Live => print(&format!("== {title}\n")),
            Style::Terminal => print(&state.status(self.total)),
            _ => {}
        }
        Entry {
            progress: self,
            title,
        }
    }

    /// Brings the time of the running suites up to date, for the user to see that they are. To be
    /// called each second.
    pub fn tick(&self) {
        let mut state = self.lock();
        match self.style {
            Style::Terminal => print(&state.status(self.total)),
            Style::Lines if state.printed.elapsed() >= INTERVAL => {
                state.printed = Instant::now();
                print(&format!("... {}\n", state.line(self.total)));
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the running suites as one line.
    fn line(&self, total: usize) -> String {
        let mut text = format!("{} of {total} done", self.ended);
        for suite in &self.running {
            write!(
                text,
                ", {} {} s",
                suite.title,
                suite.start.elapsed().as_secs()
            )
            .unwrap();
            if suite.passed + suite.failed > 0 {
                write!(text, " ({} passed", suite.passed).unwrap();
                if suite.failed > 0 {
                    write!(text, ", {} FAILED", suite.failed).unwrap();
                }
                text.push(')');
            }
        }
        text
    }

    /// Returns the running suites as a line that the next one on a terminal replaces.
    fn status(&self, total: usize) -> String {
        let line: String = self.line(total).chars().take(WIDTH).collect();
        format!("{CLEAR}{line}\r")
    }
}

/// Clears the line of a terminal, at whose beginning the cursor is.
const CLEAR: &str = "\u{1b}[K";

impl Entry<'_> {
    /// Takes the next part of the suite's output.
    pub fn print(&self, part: &[u8]) {
        if self.progress.style == Style::Live {
            // That the terminal or pipe may be gone does not concern the results.
            let mut stdout = io::stdout();
            let _ = stdout.write_all(part).and_then(|()| stdout.flush());
        }
        let mut state = self.progress.lock();
        let Some(suite) = state
            .running
            .iter_mut()
            .find(|suite| suite.title == self.title)
        else {
            return;
        };
        suite.line.extend_from_slice(part);
        while let Some(end) = suite.line.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = suite.line.drain(..=end).collect();
            match outcome::parse(String::from_utf8_lossy(&line).trim_end()) {
                Some(case) if case.outcome == Outcome::Failed => suite.failed += 1,
                Some(_) => suite.passed += 1,
                None => {}
            }
        }
    }

    /// Notes that the suite has ended, and shows its results.
    pub fn end(self, results: &Results) {
        let mut state = self.progress.lock();
        state.running.retain(|suite| suite.title != self.title);
        state.ended += 1;
        match self.progress.style {
            // All but the time has been seen.
            Style::Live => print(&format!("{}\n", results.line())),
            Style::Lines => print(&results.text()),
            Style::Terminal => {
                let status = match state.running.is_empty() {
                    true => String::new(),
                    false => state.status(self.progress.total),
                };
                print(&format!("{CLEAR}{}{status}", results.text()));
            }
            #[cfg(test)]
            Style::Silent => {}
        }
    }
}

/// Prints to standard output. That it may be gone does not concern the results.
fn print(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(progress: &Progress) -> String {
        progress.lock().line(progress.total)
    }

    #[test]
    fn outcomes_are_counted_as_they_come() {
        let progress = Progress::with_style(Style::Silent, 3);
        assert_eq!(line(&progress), "0 of 3 done");
        let guest = progress.begin("guest on debug".to_owned());
        let header = progress.begin("header on debian".to_owned());
        assert_eq!(
            line(&progress),
            "0 of 3 done, guest on debug 0 s, header on debian 0 s"
        );
        guest.print(b"ok 1 - read: a\nnot ok 2 -");
        guest.print(b" read: b # time=1\n# why\nok 3 - read: c\nok");
        assert_eq!(
            line(&progress),
            "0 of 3 done, guest on debug 0 s (2 passed, 1 FAILED), header on debian 0 s"
        );
        header.end(&Results::of_nothing("header", "debian"));
        assert!(line(&progress).starts_with("1 of 3 done, guest on debug 0 s ("));
    }

    #[test]
    fn a_status_has_one_line() {
        let progress = Progress::with_style(Style::Silent, 3);
        let _a = progress.begin("a suite with a long name on debian-7.2".to_owned());
        let _b = progress.begin("another suite with a name on debian-7.2".to_owned());
        let status = progress.lock().status(3);
        let line = status
            .strip_prefix(CLEAR)
            .unwrap()
            .strip_suffix('\r')
            .unwrap();
        assert_eq!(line.chars().count(), WIDTH);
    }
}
