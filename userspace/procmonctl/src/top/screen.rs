// SPDX-License-Identifier: GPL-2.0

//! The terminal while `top` has all of it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::style::ResetColor;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{execute, queue};
use ratatui::{Frame, Terminal};

/// A screen of our own, in raw mode, until this is dropped.
pub struct Screen {
    /// Not dropped, since that writes to standard error when the terminal is gone, and panics when
    /// that is gone as well. [`leave`] does all that is needed.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<File>>>>,
}

impl Screen {
    /// Switches to the screen. A panic in any thread leaves it.
    pub fn enter() -> io::Result<Self> {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        // A frame is one write.
        let writer = BufWriter::with_capacity(1 << 16, File::from(stdout));
        let mut screen = Self {
            terminal: ManuallyDrop::new(Terminal::new(CrosstermBackend::new(writer))?),
        };
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            leave();
            hook(info);
        }));
        screen.enter_again()?;
        Ok(screen)
    }

    /// Switches to the screen again after [`leave`], or when something else may have used it.
    pub fn enter_again(&mut self) -> io::Result<()> {
        // What it was before counts as the state to come back to, even if we are in it still.
        disable_raw_mode()?;
        IS_ENTERED.store(true, Ordering::Release);
        enable_raw_mode()?;
        execute!(
            self.terminal.backend_mut(),
            EnterAlternateScreen,
            EnableBracketedPaste
        )?;
        self.clear()
    }

    /// Draws anew what something else may have written over.
    pub fn clear(&mut self) -> io::Result<()> {
        // Unlike Terminal::clear(), this does not ask the terminal where the cursor is, which the
        // thread that reads the answer would take for keys.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame)) -> io::Result<()> {
        self.terminal.draw(draw)?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Whether the terminal shows our screen.
static IS_ENTERED: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back as it was. Does nothing the second time, nor to one that is gone.
pub fn leave() {
    if !IS_ENTERED.swap(false, Ordering::AcqRel) {
        return;
    }
    let mut stdout = io::stdout().lock();
    let _ = queue!(
        stdout,
        ResetColor,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
    let _ = stdout.flush();
    calm();
}

/// Gives the terminal its mode back, without a write for which it might have no room.
pub fn calm() {
    let _ = disable_raw_mode();
}
