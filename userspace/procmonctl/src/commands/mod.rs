// SPDX-License-Identifier: GPL-2.0

//! The commands.

pub mod history;
pub mod ps;

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use procmon::{Device, ErrorKind, sysfs};
use ratatui::crossterm::cursor::MoveTo;
use ratatui::crossterm::queue;
use ratatui::crossterm::terminal::{Clear, ClearType};

use crate::cli::{Cli, Command, Filter};
use crate::output::{self, Output, complain};
use crate::text::printable_lines;
use crate::{Exit, manual, selftest, top};

pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let out = Output::new(cli.json);
    let open = |read, write| {
        Device::options()
            .path(&cli.device)
            .read(read)
            .write(write)
            .open()
    };
    match cli.command {
        Command::Stats => out.print(&output::Stats::from(sysfs::stats()?))?,
        Command::Count => out.print(&output::Count {
            count: open(true, false)?.count()?,
        })?,
        Command::Read => read(&mut open(true, false)?, &out)?,
        Command::Write { text } => write(text, || open(false, true), &out)?,
        Command::Filter { pid: None } => {
            out.print(&output::Filter {
                filter_pid: sysfs::stats()?.totals.filter,
            })?;
        }
        Command::Filter { pid: Some(filter) } => {
            let filter_pid = match filter {
                Filter::Off => None,
                Filter::Pid(pid) => Some(pid),
            };
            open(false, true)?.set_filter(filter_pid)?;
            out.print_json(&output::Filter { filter_pid })?;
        }
        Command::Reset => {
            open(false, true)?.reset()?;
            out.print_json(&output::Reset { reset: true })?;
        }
        Command::Query { pids } => return query(&open(true, false)?, &pids, &out),
        Command::Ps(args) => return ps::run(&open(true, false)?, args, &out),
        Command::Top(args) => top::run(open(true, false)?, args, &out)?,
        Command::History(args) => history::run(&open(true, false)?, &args, &out)?,
        Command::Watch { interval, count } => {
            // sysfs is open to all.
            let device = match open(true, false) {
                Err(error) if error.kind() == ErrorKind::NoPermission => None,
                device => Some(device?),
            };
            watch(device.as_ref(), interval, count, &out)?;
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut manual::command(), "procmonctl", &mut script);
            out.bytes(&script)?;
        }
        Command::Man { directory } => manual::write_pages(&directory)
            .with_context(|| format!("cannot write to {}", directory.display()))?,
        Command::Test => return selftest::fixture::run(&cli.device, &out),
    }
    Ok(ExitCode::SUCCESS)
}

fn read(device: &mut Device, out: &Output) -> anyhow::Result<()> {
    let message = device.read_message()?;
    if out.is_json() {
        out.print_json(&output::Message::new(&message))
    } else if io::stdout().is_terminal() {
        out.bytes(printable_lines(&message).as_bytes())
    } else {
        out.bytes(&message)
    }
}

fn write(
    text: Option<OsString>,
    open: impl FnOnce() -> procmon::Result<Device>,
    out: &Output,
) -> anyhow::Result<()> {
    // First of all, so that a message is not typed in vain.
    let device = open()?;
    let message = match text {
        Some(text) if text != "-" => text.into_vec(),
        _ => read_stdin()?,
    };
    let written = device.write_message(&message)?;
    let length = message.len();
    out.print_json(&output::Written { length, written })?;
    if written < length {
        bail!("only {written} of {length} bytes fitted: see the module's parameter buffer_size");
    }
    Ok(())
}

/// Reads standard input to its end, or to the largest size that any device takes.
fn read_stdin() -> anyhow::Result<Vec<u8>> {
    let limit = *sysfs::Parameter::BufferSize.range().end();
    let mut message = Vec::new();
    let len = io::stdin()
        .take(u64::from(limit) + 1)
        .read_to_end(&mut message)
        .context("cannot read standard input")?;
    if len > limit as usize {
        bail!("standard input is longer than any message can be ({limit} bytes): nothing written");
    }
    Ok(message)
}

fn query(device: &Device, pids: &[i32], out: &Output) -> anyhow::Result<ExitCode> {
    let mut exit = ExitCode::SUCCESS;
    for &pid in pids {
        if let Some(process) = device.query(pid)? {
            out.print(&output::Query::found(&process))?;
        } else {
            let missing = output::Query::missing(pid);
            out.print_json(&missing)?;
            complain(&missing);
            exit = Exit::NoProcess.into();
        }
    }
    Ok(exit)
}

fn watch(
    device: Option<&Device>,
    interval: Duration,
    count: Option<u64>,
    out: &Output,
) -> anyhow::Result<()> {
    let is_dumb = env::var_os("TERM").is_some_and(|kind| kind == "dumb");
    let clear = io::stdout().is_terminal() && !is_dumb && !out.is_json();
    let mut news = device.map(Device::sample_events).transpose()?;
    let mut shown = 0;
    while count.is_none_or(|count| shown < count) {
        if shown > 0 {
            let next = Instant::now() + interval;
            if let Some(news) = &mut news {
                news.wait()?;
            }
            thread::sleep(next.saturating_duration_since(Instant::now()));
            if !clear && !out.is_json() {
                out.bytes(b"\n")?;
            }
        }
        if clear {
            let mut sequences = Vec::new();
            queue!(sequences, MoveTo(0, 0), Clear(ClearType::FromCursorDown))?;
            out.bytes(&sequences)?;
        }
        let sysfs::Monitor {
            samples,
            processes,
            threads,
            running,
            uninterruptible,
            zombies,
            forks,
            ..
        } = sysfs::monitor()?;
        out.print(&output::Watch {
            stats: sysfs::stats()?.into(),
            buffer_size: sysfs::buffer_size()?,
            samples,
            processes,
            threads,
            running,
            uninterruptible,
            zombies,
            forks,
            time: output::Time::now(),
        })?;
        shown += 1;
    }
    Ok(())
}
