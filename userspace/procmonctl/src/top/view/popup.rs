// SPDX-License-Identifier: GPL-2.0-only

//! The help and menus, which cover the table.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, List, ListState, Paragraph};
use unicode_width::UnicodeWidthStr;

use crate::table::render::{Side, pad};
use crate::top::keys::BINDINGS;
use crate::top::look::Look;
use crate::top::menu::Menu;
use crate::top::mouse::{Spot, Spots};

/// Returns an area in the middle for text of this size, as far as it fits the screen.
fn middle(frame: &Frame, width: usize, height: usize) -> Rect {
    let area = frame.area();
    let with_border = |size: usize| u16::try_from(size).unwrap_or(u16::MAX).saturating_add(2);
    let (width, height) = (with_border(width), with_border(height));
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}

/// Draws the keys, from line `first` on, which is limited to the last page.
pub fn draw_help(frame: &mut Frame, first: &mut usize) {
    let names = BINDINGS.iter().map(|binding| binding.names.width()).max();
    let lines: Vec<_> = BINDINGS
        .iter()
        .map(|binding| {
            let names = pad(binding.names, names.unwrap_or(0), Side::Left);
            format!("{names}  {}", binding.help)
        })
        .collect();
    let widest = lines.iter().map(|line| line.width()).max().unwrap_or(0);
    let area = middle(frame, widest, lines.len());
    let inner = Block::bordered().inner(area);
    let height = usize::from(inner.height);
    *first = (*first).min(lines.len().saturating_sub(height));
    let last = (*first + height).min(lines.len());
    let mut block = Block::bordered().title(" Keys ");
    if height < lines.len() {
        let title = format!(" Down scrolls: {}-{last} of {} ", *first + 1, lines.len());
        block = block.title_bottom(title);
    }
    let lines: Vec<_> = lines.into_iter().skip(*first).map(Line::from).collect();
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

pub fn draw_menu(frame: &mut Frame, menu: &Menu, look: &Look, spots: &mut Spots) {
    let entries = menu.entries.iter();
    let texts = entries.map(|entry| look.text(format!("{}{}", entry.mark, entry.text)));
    let texts: Vec<_> = texts.collect();
    let widest = texts.iter().map(|text| text.width()).max();
    let title = look.text(menu.title.clone());
    let area = middle(
        frame,
        widest.unwrap_or(0).max(title.width() + 2),
        menu.entries.len(),
    );
    let inner = Block::bordered().inner(area);
    let height = usize::from(inner.height);
    let mut block = Block::bordered().title(format!(" {title} "));
    if height < menu.entries.len() {
        let place = format!(" {} of {} ", menu.place + 1, menu.entries.len());
        block = block.title_bottom(place);
    }
    let list = List::new(texts)
        .block(block)
        .highlight_style(look.theme.selected);
    let mut state = ListState::default().with_selected(Some(menu.place));
    frame.render_widget(Clear, area);
    frame.render_stateful_widget(list, area, &mut state);
    spots.add(area, Spot::Popup);
    for (row, place) in inner.rows().zip(state.offset()..menu.entries.len()) {
        spots.add(row, Spot::Entry(place));
    }
}
