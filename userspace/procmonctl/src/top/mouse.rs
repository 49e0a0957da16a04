// SPDX-License-Identifier: GPL-2.0-only

//! The mouse: what is where on the screen, and the effects of clicks and of the wheel.

use ratatui::layout::{Position, Rect};
use termina::event::{MouseButton, MouseEvent, MouseEventKind};

use super::act::Flow;
use super::keys::Action;
use super::menu::Outcome;
use super::rows::Id;
use super::state::{App, Mode};
use crate::table::columns::Column;

/// The number of lines by which the wheel scrolls.
const STEP: isize = 3;

/// Something to click on.
#[derive(Clone, Debug, PartialEq)]
pub enum Spot {
    /// The row of a process or group.
    Row(Id),
    Title(&'static Column),
    /// A key in the bar at the bottom.
    Key(Action),
    /// An entry of the menu.
    Entry(usize),
    /// Other parts of what covers the table.
    Popup,
    Details,
}

/// The spots of the last drawing. Later ones cover those before.
#[derive(Debug, Default)]
pub struct Spots(Vec<(Rect, Spot)>);

impl Spots {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn add(&mut self, area: Rect, spot: Spot) {
        self.0.push((area, spot));
    }

    /// Returns the spot at a place.
    fn at(&self, column: u16, row: u16) -> Option<Spot> {
        let place = Position::new(column, row);
        let mut spots = self.0.iter().rev();
        let found = spots.find(|(area, _)| area.contains(place));
        found.map(|(_, spot)| spot.clone())
    }
}

impl App {
    /// Handles a click or a turn of the wheel.
    pub(super) fn mouse(&mut self, event: &MouseEvent) -> Flow {
        let spot = self.spots.at(event.column, event.row);
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) => return self.click(spot),
            MouseEventKind::ScrollUp => self.wheel(-STEP, spot),
            MouseEventKind::ScrollDown => self.wheel(STEP, spot),
            _ => {}
        }
        Flow::Continue
    }

    fn click(&mut self, spot: Option<Spot>) -> Flow {
        match (&mut self.mode, spot) {
            (Mode::Menu(menu) | Mode::Picker(menu), Some(Spot::Entry(place))) => {
                if let Outcome::Chosen(choice) = menu.choose(place) {
                    self.mode = Mode::Table;
                    return self.choose(choice);
                }
            }
            (Mode::Prompt(_), _) | (Mode::Menu(_) | Mode::Picker(_), Some(Spot::Popup)) => {}
            (Mode::Picker(_), _) => self.close_picker(),
            (Mode::Menu(_) | Mode::Help, _) => self.mode = Mode::Table,
            (Mode::Table, Some(Spot::Row(id))) if self.selected.as_ref() == Some(&id) => {
                return self.act(Action::Details);
            }
            (Mode::Table, Some(Spot::Row(id))) => self.select_row(id),
            (Mode::Table, Some(Spot::Title(column))) => self.sort_or_invert(column),
            (Mode::Table, Some(Spot::Key(action))) => return self.act(action),
            (Mode::Table, _) => {}
        }
        Flow::Continue
    }

    fn wheel(&mut self, lines: isize, spot: Option<Spot>) {
        match (&mut self.mode, spot) {
            (Mode::Prompt(_), _) => {}
            (Mode::Help, _) => self.help_first = self.help_first.saturating_add_signed(lines),
            (Mode::Menu(menu) | Mode::Picker(menu), _) => menu.move_by(lines.signum()),
            (Mode::Table, Some(Spot::Details)) => {
                self.details_first = self.details_first.saturating_add_signed(lines);
            }
            (Mode::Table, _) => self.scroll_by(lines),
        }
    }
}
