// SPDX-License-Identifier: GPL-2.0-only

//! Graphs of the last minutes, side by side. The newest value is on the right.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, RenderDirection, Sparkline};

use crate::table::render::cut;
use crate::top::state::App;
use crate::top::system::past::Series;

/// The height of a graph, with its title.
pub const HEIGHT: u16 = 3;

/// The least width of a graph.
const LEAST: u16 = 26;

pub fn draw(app: &App, frame: &mut Frame, area: Rect) {
    let past = &app.past;
    let newest = |series: &Series| series.newest(1).next().unwrap_or(0) as f64;
    let tenths = |series: &Series| newest(series) / 10.0;
    let count = usize::from(area.width / LEAST).clamp(1, 3);
    let places = Layout::horizontal(vec![Constraint::Fill(1); count])
        .spacing(1)
        .split(area);
    let width = places.iter().map(|place| usize::from(place.width)).max();
    let most = |series: &Series, least: u64| {
        let values = series.newest(width.unwrap_or(0));
        values.max().unwrap_or(0).max(least)
    };

    // Without PSI the load has to do.
    let last = if app.system.pressure.io.is_some() {
        let most = most(&past.io, 10);
        let title = format!(
            "PSI io {:.1} %, max {:.1}",
            tenths(&past.io),
            most as f64 / 10.0
        );
        (title, &past.io, most)
    } else {
        let most = most(&past.load, 100);
        let title = format!(
            "load {:.2}, max {:.2}",
            newest(&past.load) / 100.0,
            most as f64 / 100.0
        );
        (title, &past.load, most)
    };
    let graphs = [
        (format!("CPUs {:.1} %", tenths(&past.cpu)), &past.cpu, 1000),
        (
            format!("memory {:.1} %", tenths(&past.memory)),
            &past.memory,
            1000,
        ),
        last,
    ];
    for ((title, series, most), &place) in graphs.into_iter().zip(places.iter()) {
        let width = usize::from(place.width);
        let title = Line::styled(cut(&title, width).to_owned(), app.look.theme.label);
        let graph = Sparkline::default()
            .data(series.newest(width))
            .direction(RenderDirection::RightToLeft)
            .max(most)
            .style(app.look.theme.graph)
            .block(Block::new().title(title));
        frame.render_widget(graph, place);
    }
}
