// SPDX-License-Identifier: GPL-2.0-only

//! The head of the screen: text on the system, bars of its CPUs and memory, and graphs of the past.

mod cpus;
mod facts;
mod graphs;
mod memory;
mod meter;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

pub use facts::facts;

use crate::top::look::Extent;
use crate::top::state::App;
use cpus::CpuBars;

/// The least height of a screen with all lines of text.
const ALL_TEXT: u16 = 10;

/// The parts of the head, from top to bottom.
#[derive(Debug, Default)]
pub struct Head {
    /// The number of lines of text.
    text: u16,
    /// The CPUs, if there are bars.
    cpus: Option<CpuBars>,
    /// The number of lines with bars of memory.
    memory: u16,
    /// The height of the graphs.
    graphs: u16,
}

impl Head {
    /// Selects the parts that the user wants and that a screen of this size has space for: the
    /// table gets at least half of the lines, and two thirds before there are graphs.
    pub fn new(app: &App, screen: Rect) -> Self {
        let extent = app.look.head;
        let mut head = Self::default();
        head.text = match screen.height {
            _ if extent == Extent::None => return head,
            ALL_TEXT.. => 3,
            6.. => 1,
            _ => return head,
        };
        if extent == Extent::Text || screen.height < ALL_TEXT {
            return head;
        }
        // One line is that of the keys.
        let space = (screen.height / 2 - 1).saturating_sub(head.text);
        let memory = memory::height(app, screen.width);
        let Some(cpus) = CpuBars::new(app, screen.width, space.saturating_sub(memory)) else {
            return head;
        };
        head.memory = memory;
        head.cpus = Some(cpus);
        if extent == Extent::Full && head.height() + graphs::HEIGHT <= screen.height / 3 {
            head.graphs = graphs::HEIGHT;
        }
        head
    }

    /// Returns the number of lines of all parts.
    pub fn height(&self) -> u16 {
        let cpus = self.cpus.as_ref().map_or(0, CpuBars::height);
        self.text + cpus + self.memory + self.graphs
    }

    pub fn draw(&self, app: &App, frame: &mut Frame, area: Rect) {
        let heights = [
            self.text,
            self.cpus.as_ref().map_or(0, CpuBars::height),
            self.memory,
            self.graphs,
        ];
        let [text, cpus, memory, graphs] =
            Layout::vertical(heights.map(Constraint::Length)).areas(area);
        let width = usize::from(area.width);
        let lines = facts(app, self.cpus.is_some());
        let lines = lines.map(|parts| Line::from(app.look.text(facts::join(&parts, width))));
        frame.render_widget(Paragraph::new(lines.to_vec()), text);
        if let Some(bars) = &self.cpus {
            bars.draw(app, frame.buffer_mut(), cpus);
            memory::draw(app, frame.buffer_mut(), memory);
        }
        if self.graphs > 0 {
            graphs::draw(app, frame, graphs);
        }
    }
}
