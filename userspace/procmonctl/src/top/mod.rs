// SPDX-License-Identifier: GPL-2.0

//! `top`: processes, again and again.

mod app;
mod system;
mod view;

use std::io::{self, IsTerminal};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use procmon::Device;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use crate::output::Output;
use crate::processes::select::{Filters, Order, Selection};
use crate::processes::users::Names;
use app::{App, Flow};

#[derive(Args, Debug)]
pub struct TopArgs {
    /// Seconds from one refresh to the next
    #[arg(short, long, value_name = "SECONDS", default_value = "1",
          value_parser = crate::cli::parse_seconds)]
    pub delay: Duration,

    /// Print text without end and take no keys, for pipes and files
    #[arg(short, long)]
    pub batch: bool,

    /// End after so many refreshes
    #[arg(short = 'n', long, value_name = "N")]
    pub count: Option<u64>,

    /// Sort by a column, with "-" before it the largest one first
    #[arg(long, value_name = "[-]COLUMN", default_value = "-cpu", allow_hyphen_values = true,
          value_parser = Order::parse)]
    pub sort: Order,

    #[command(flatten)]
    pub filters: Filters,

    /// Show children below their parents
    #[arg(long)]
    pub tree: bool,

    /// One line for each thread
    #[arg(short = 'T', long)]
    pub threads: bool,
}

pub fn run(device: &Device, args: TopArgs, out: &Output) -> anyhow::Result<()> {
    let names = Names::read();
    let selection = Selection::new(args.filters, args.threads, &names)?;
    let mut app = App::new(selection, args.sort, args.tree, names);
    if args.batch {
        return batch(device, &mut app, args.delay, args.count, out);
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        bail!("top needs a terminal; there is --batch for pipes and files");
    }
    app.refresh(device)?;
    let mut terminal = ratatui::try_init()?;
    let result = interact(device, &mut app, &mut terminal, args.delay, args.count);
    ratatui::try_restore()?;
    result
}

fn interact(
    device: &Device,
    app: &mut App,
    terminal: &mut ratatui::DefaultTerminal,
    delay: Duration,
    count: Option<u64>,
) -> anyhow::Result<()> {
    let mut shown = 0;
    let mut next = Instant::now() + delay;
    loop {
        terminal.draw(|frame| view::draw(app, frame))?;
        // Keys are answered at once, and what is new comes when it is due.
        if event::poll(next.saturating_duration_since(Instant::now()))? {
            let event = event::read()?;
            if let Event::Key(key) = event
                && key.kind != KeyEventKind::Release
                && app.key(key) == Flow::Quit
            {
                return Ok(());
            }
        }
        if Instant::now() >= next {
            next = Instant::now() + delay;
            shown += 1;
            if count.is_some_and(|count| shown >= count) {
                return Ok(());
            }
            if !app.is_paused() {
                app.refresh(device)?;
            }
        }
    }
}

/// Prints all processes each time, as text.
fn batch(
    device: &Device,
    app: &mut App,
    delay: Duration,
    count: Option<u64>,
    out: &Output,
) -> anyhow::Result<()> {
    let mut shown = 0;
    while count.is_none_or(|count| shown < count) {
        if shown > 0 {
            thread::sleep(delay);
            out.bytes(b"\n")?;
        }
        app.refresh(device)?;
        out.bytes(view::text(app).as_bytes())?;
        shown += 1;
    }
    Ok(())
}
