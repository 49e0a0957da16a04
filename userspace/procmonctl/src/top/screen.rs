// SPDX-License-Identifier: GPL-2.0-only

//! The terminal in full-screen mode.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::style::{Print, ResetColor, force_color_output};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{execute, queue};
use ratatui::{Frame, Terminal};

/// The request of reports of buttons and of the wheel, with coordinates of any size: xterm's modes
/// 1000 and 1006. Reports of motion would wake the program for nothing.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// The alternate screen, in raw mode, until the drop.
pub struct Screen {
    /// Never dropped: that writes to standard error when the terminal is gone, and panics when
    /// standard error is gone as well. [`leave`] does all that is needed.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<File>>>>,
    /// Whether the terminal reports the mouse.
    has_mouse: bool,
}

impl Screen {
    /// Switches to the screen. A panic in any thread leaves it.
    pub fn enter(has_mouse: bool) -> io::Result<Self> {
        // NO_COLOR has been heeded in the choice of the theme, where an option goes before it.
        force_color_output(true);
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        // A frame is one write.
        let writer = BufWriter::with_capacity(1 << 16, File::from(stdout));
        let mut screen = Self {
            terminal: ManuallyDrop::new(Terminal::new(CrosstermBackend::new(writer))?),
            has_mouse,
        };
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            leave();
            hook(info);
        }));
        screen.enter_again()?;
        Ok(screen)
    }

    /// Switches to the screen again after [`leave`], or when another program may have used it.
    pub fn enter_again(&mut self) -> io::Result<()> {
        // Even in raw mode, the mode before it stays the one to restore.
        disable_raw_mode()?;
        IS_ENTERED.store(true, Ordering::Release);
        enable_raw_mode()?;
        execute!(
            self.terminal.backend_mut(),
            EnterAlternateScreen,
            EnableBracketedPaste
        )?;
        self.report_mouse(self.has_mouse)?;
        self.clear()
    }

    /// Has the terminal report the mouse, or leaves it the mouse.
    pub fn report_mouse(&mut self, has_mouse: bool) -> io::Result<()> {
        self.has_mouse = has_mouse;
        let mode = if has_mouse { MOUSE_ON } else { MOUSE_OFF };
        execute!(self.terminal.backend_mut(), Print(mode))
    }

    /// Makes the next drawing a complete one, as other programs may have written to the screen.
    pub fn clear(&mut self) -> io::Result<()> {
        // Unlike Terminal::clear(), this does not ask the terminal where the cursor is, which the
        // thread that reads the answer would take for keys.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame)) -> io::Result<()> {
        if !IS_ENTERED.load(Ordering::Acquire) {
            // A thread has panicked, and the terminal is in order already.
            return Ok(());
        }
        self.terminal.draw(draw)?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Whether the terminal shows the alternate screen.
static IS_ENTERED: AtomicBool = AtomicBool::new(false);

/// Restores the terminal. Does nothing the second time, nor to a terminal that is gone.
pub fn leave() {
    if !IS_ENTERED.swap(false, Ordering::AcqRel) {
        return;
    }
    let mut stdout = io::stdout().lock();
    let _ = queue!(
        stdout,
        ResetColor,
        Print(MOUSE_OFF),
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
    let _ = stdout.flush();
    calm();
}

/// Restores the mode of the terminal, without a write that could block.
pub fn calm() {
    let _ = disable_raw_mode();
}
