// SPDX-License-Identifier: GPL-2.0-only

//! Signals to processes, and changes of their nice values.

use std::collections::HashSet;

use nix::sys::signal::Signal;

use super::act::Flow;
use super::actor::{Refusal, Target};
use super::menu::{Choice, Entry, Menu};
use super::rows::Line;
use super::state::{App, Mode};
use super::usage::Process;
use crate::text::printable;

/// The message where nothing may be done to processes.
const READ_ONLY: &str = "switched off by --read-only";

impl App {
    /// Opens the menu of signals, for the targets of this moment.
    pub(super) fn open_signal_menu(&mut self) {
        if self.actor.is_some() && self.refuse_lost() {
            return;
        }
        self.targets = self.signal_targets();
        self.message = if self.actor.is_none() {
            Some(READ_ONLY.to_owned())
        } else if self.targets.is_empty() {
            Some("there is no process to send a signal to".to_owned())
        } else {
            self.mode = Mode::Menu(self.signal_menu());
            None
        };
    }

    fn signal_menu(&self) -> Menu {
        let labels: Vec<_> = self.targets.iter().map(|target| &*target.label).collect();
        let whole = if self.shows_threads() { "whole " } else { "" };
        let title = match labels[..] {
            [label] => format!("Signal to the {whole}process {label}"),
            _ => format!(
                "Signal to {} {whole}processes: {}",
                labels.len(),
                labels.join(", ")
            ),
        };
        let entry = |signal: Signal| {
            let text = format!("{:<2} {signal}", signal as i32);
            Entry::new(text, Choice::Signal(signal))
        };
        let entries = Signal::iterator().map(entry).collect();
        Menu::new(title, entries, Choice::Signal(Signal::SIGTERM))
    }

    /// Sends a signal to the processes that the menu was opened for.
    pub(super) fn send(&mut self, signal: Signal) -> Flow {
        let Some(actor) = &self.actor else {
            return Flow::Continue;
        };
        let targets = std::mem::take(&mut self.targets);
        let results = targets.iter().map(|target| {
            refuse_kernel_thread(target)?;
            actor.signal(target, signal)
        });
        let results: Vec<_> = results.collect();
        let done = match targets.len() {
            1 => format!("{signal} sent to {}", targets[0].label),
            count => format!("{signal} sent to {count} processes"),
        };
        self.message = Some(failures(&targets, &results).unwrap_or(done));
        Flow::Refresh
    }

    /// Adds to the nice values of the tagged processes or threads, or else of what is selected.
    pub(super) fn renice(&mut self, by: i32) -> Flow {
        if self.actor.is_some() && self.refuse_lost() {
            return Flow::Continue;
        }
        let Some(actor) = &self.actor else {
            self.message = Some(READ_ONLY.to_owned());
            return Flow::Continue;
        };
        let targets = self.visible_targets();
        let results = targets.iter().map(|target| {
            refuse_kernel_thread(target)?;
            actor.renice(target, by)
        });
        let results: Vec<_> = results.collect();
        let done = match (&targets[..], &results[..]) {
            ([target], [Ok(nice)]) => format!("{} has the nice value {nice}", target.label),
            (several, _) => format!("{} nice values changed by {by:+}", several.len()),
        };
        self.message = Some(failures(&targets, &results).unwrap_or(done));
        Flow::Refresh
    }

    /// Refuses to act on another process than the one that the user selected, if that is gone.
    /// Returns whether it does.
    fn refuse_lost(&mut self) -> bool {
        // Tags have precedence over the selection.
        let lost = self.lost.take().filter(|_| self.tagged.is_empty());
        let is_lost = lost.is_some();
        if is_lost {
            self.message = lost;
        }
        is_lost
    }

    /// Returns the targets that have a row: unlike those of a signal, no menu names them.
    fn visible_targets(&self) -> Vec<Target> {
        let mut targets = self.action_targets();
        let rows: HashSet<_> = self.lines().iter().flat_map(Line::pids).collect();
        targets.retain(|target| rows.contains(&target.pid));
        targets
    }

    /// Returns the tagged processes or threads, or else the selected one, or those of the selected
    /// group.
    fn action_targets(&self) -> Vec<Target> {
        let tagged = self.processes.iter().filter(|one| self.is_tagged(one));
        let targets: Vec<_> = tagged.filter_map(|one| self.target(one)).collect();
        if !targets.is_empty() {
            return targets;
        }
        let selected = self.selected_processes();
        selected.filter_map(|one| self.target(one)).collect()
    }

    /// Returns the targets of a signal, which goes to whole processes, and to each once.
    fn signal_targets(&self) -> Vec<Target> {
        let mut targets = self.action_targets();
        let mut seen = HashSet::new();
        targets.retain(|target| seen.insert(target.tgid));
        for target in &mut targets {
            target.label = self.label(target.tgid);
        }
        targets
    }

    /// Returns a process as a target, unless its start is unknown.
    pub(super) fn target(&self, process: &Process) -> Option<Target> {
        let (pid, start) = process.identity()?;
        Some(Target {
            pid,
            tgid: process.record.tgid(),
            start,
            is_kernel_thread: process.record.is_kernel_thread(),
            label: self.label(pid),
        })
    }

    fn label(&self, pid: i32) -> String {
        match self.processes.get(pid) {
            Some(process) => {
                let name = self.context.kernel_names.name(&process.record);
                format!("{} ({pid})", printable(&name))
            }
            None => pid.to_string(),
        }
    }
}

fn refuse_kernel_thread(target: &Target) -> Result<(), Refusal> {
    if target.is_kernel_thread {
        Err(Refusal::KernelThread)
    } else {
        Ok(())
    }
}

/// Returns the message on targets to which nothing was done, if there are any.
fn failures<T>(targets: &[Target], results: &[Result<T, Refusal>]) -> Option<String> {
    let failed: Vec<_> = targets
        .iter()
        .zip(results)
        .filter_map(|(target, result)| {
            let refusal = result.as_ref().err()?;
            Some(format!("{}: {refusal}", target.label))
        })
        .collect();
    match (failed.len(), targets.len()) {
        (0, 1..) => None,
        (_, 0) => Some("there is no process to change".to_owned()),
        (_, 1) => failed.into_iter().next(),
        (count, all) => Some(format!("{count} of {all}: {}", failed.join("; "))),
    }
}
