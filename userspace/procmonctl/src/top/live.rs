// SPDX-License-Identifier: GPL-2.0-only

//! The event loop of `top` on a screen.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::bail;
use nix::sys::signal::Signal;
use procmon::Snapshot;

use super::act::Flow;
use super::event::Event;
use super::input::{self, Input, Keys};
use super::screen::{self, Screen};
use super::signals::{self, Signals};
use super::state::App;
use super::turnover::Turnover;
use super::view;
use super::worker::{Source, Worker};

/// The time for a snapshot before the screen reports a delay.
const PATIENCE: Duration = Duration::from_secs(2);

/// Shows processes until the user quits, or `count` refreshes are over.
pub fn run(mut source: impl Source, mut app: App, count: Option<u64>) -> anyhow::Result<()> {
    // An immediate error is printed without the screen.
    let first = source.snapshot(&app.options(), Snapshot::default())?;
    app.update(&first.snapshot, first.system, first.turnover);

    let (sender, events) = mpsc::channel();
    // In this order: signals take effect when the screen is left.
    let signals = Signals::watch(sender.clone())?;
    let screen = Screen::enter(app.has_mouse)?;
    input::watch(sender.clone())?;
    let worker = Worker::start(source, sender)?;
    let mut live = Live {
        next: Instant::now() + app.delay,
        app,
        screen,
        signals: &signals,
        worker,
        keys: Keys::default(),
        buffer: Some(first.snapshot),
        skipped: None,
        asked: Instant::now(),
        is_wanted: false,
        left: count,
    };
    let result = live.interact(&events);
    drop(live);
    result
}

struct Live<'a> {
    app: App,
    screen: Screen,
    signals: &'a Signals,
    worker: Worker,
    keys: Keys,
    /// Memory for the next snapshot, unless one is being taken.
    buffer: Option<Snapshot>,
    /// The turnover up to snapshots that were not shown.
    skipped: Option<Turnover>,
    /// Time of the last request.
    asked: Instant,
    /// Whether to request another snapshot as soon as the current one is complete.
    is_wanted: bool,
    /// Time of the next refresh.
    next: Instant,
    /// Number of refreshes that remain.
    left: Option<u64>,
}

impl Live<'_> {
    fn interact(&mut self, events: &Receiver<Event>) -> anyhow::Result<()> {
        self.draw()?;
        loop {
            // All pending events, as far as an answer, are handled before one drawing.
            let mut event = match events.recv_timeout(self.timeout()) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => bail!("all threads have ended"),
            };
            let mut is_changed = event.is_some();
            while let Some(happened) = event {
                let is_answer = matches!(happened, Event::Answer(_));
                if self.handle(happened)? == Flow::Quit {
                    return Ok(());
                }
                // A key is for the screen that the user sees.
                event = if is_answer {
                    None
                } else {
                    events.try_recv().ok()
                };
            }
            // A sequence that ends by time may change the screen too.
            is_changed |= self.keys.deadline().is_some();
            if self.tick()? == Flow::Quit {
                return Ok(());
            }
            // A request for a snapshot changes nothing yet.
            if is_changed || self.waits().is_some() {
                self.draw()?;
            }
        }
    }

    /// Returns the time for which the kernel has not answered, if it is longer than usual.
    fn waits(&self) -> Option<Duration> {
        let waits = self.buffer.is_none().then(|| self.asked.elapsed());
        waits.filter(|&time| time >= PATIENCE)
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        self.app.is_late = self.waits();
        let app = &mut self.app;
        Ok(self.screen.draw(|frame| view::draw(app, frame))?)
    }

    /// Returns the time until the next action if no event arrives.
    fn timeout(&self) -> Duration {
        let now = Instant::now();
        let mut timeout = self.next.saturating_duration_since(now);
        if self.buffer.is_none() {
            // The next refresh waits for the answer, while the screen counts the seconds.
            timeout = Duration::from_secs(1);
        }
        if let Some(deadline) = self.keys.deadline() {
            timeout = timeout.min(deadline.saturating_duration_since(now));
        }
        timeout
    }

    fn handle(&mut self, event: Event) -> anyhow::Result<Flow> {
        match event {
            Event::Bytes(bytes) => {
                let inputs = self.keys.feed(&bytes, Instant::now());
                self.inputs(&inputs)
            }
            Event::Hangup => bail!("the terminal is gone"),
            Event::Signal(signal) => {
                self.signal(signal)?;
                Ok(Flow::Continue)
            }
            Event::Answer(answer) => {
                let refresh = (*answer)?;
                self.app.events_error = refresh.events_error;
                let turnover = match (self.skipped.take(), refresh.turnover) {
                    (Some(mut skipped), Some(later)) => {
                        skipped.append(later);
                        Some(skipped)
                    }
                    (_, later) => later,
                };
                // The snapshot may be older than the key that requested another one.
                if self.is_wanted {
                    self.skipped = turnover;
                    // Empty, so that the next one has the arguments of this one.
                    self.buffer = Some(Snapshot::default());
                    self.refresh();
                } else {
                    self.app.update(&refresh.snapshot, refresh.system, turnover);
                    self.buffer = Some(refresh.snapshot);
                }
                Ok(Flow::Continue)
            }
        }
    }

    fn inputs(&mut self, inputs: &[Input]) -> anyhow::Result<Flow> {
        for input in inputs {
            match self.app.input(input) {
                Flow::Continue => {}
                Flow::Quit => return Ok(Flow::Quit),
                Flow::Refresh => self.refresh(),
                Flow::Redraw => self.screen.clear()?,
                Flow::Mouse => self.screen.report_mouse(self.app.has_mouse)?,
                Flow::Suspend => signals::suspend()?,
            }
        }
        // The delay may be shorter now.
        self.next = self.next.min(Instant::now() + self.app.delay);
        Ok(Flow::Continue)
    }

    /// Ends late sequences, and requests the next snapshot when it is due.
    fn tick(&mut self) -> anyhow::Result<Flow> {
        let now = Instant::now();
        if self.keys.deadline().is_some_and(|deadline| now >= deadline) {
            let inputs = self.keys.give_up();
            if self.inputs(&inputs)? == Flow::Quit {
                return Ok(Flow::Quit);
            }
        }
        if now < self.next || self.buffer.is_none() {
            return Ok(Flow::Continue);
        }
        self.next = now + self.app.delay;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Ok(Flow::Quit);
            }
        }
        if !self.app.is_paused {
            self.refresh();
        }
        Ok(Flow::Continue)
    }

    /// Requests a snapshot, now or when the current one is complete.
    fn refresh(&mut self) {
        self.is_wanted = self.buffer.is_none();
        if let Some(buffer) = self.buffer.take() {
            self.asked = Instant::now();
            self.worker.request(self.app.options(), buffer);
        }
    }

    fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if signals::is_active(signal) {
            screen::leave();
            self.signals.notice();
            signals::act(signal)?;
            self.screen.enter_again()?;
        } else {
            self.signals.notice();
            if signal == Signal::SIGCONT {
                // Another program had the terminal, and may have changed it.
                self.screen.enter_again()?;
            }
        }
        Ok(())
    }
}
