// SPDX-License-Identifier: GPL-2.0-only

//! A bar chart of the results, in SVG.

use std::fmt::Write;

use crate::report::{Bars, Report};

/// Lengths, all in pixels.
const WIDTH: f64 = 900.0;
/// The beginning and the end of the bars: left of them are names, right of them numbers.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 820.0;
const TOP: f64 = 50.0;
const BAR: f64 = 12.0;
const GAP: f64 = 12.0;

/// The colours of the modules, ours first.
const COLOURS: [&str; 2] = ["#3572b0", "#b0b0b0"];
const FLOOR: &str = "#000000";
const TARGET: &str = "#d62728";

/// Draws a bar for each row and module, with floor and target as lines across.
pub fn draw(report: &Report) -> String {
    let rows: Vec<Bars> = report.bars().collect();
    let numbers = rows.iter().flat_map(|row| {
        let lines = row.floor.into_iter().chain(row.target);
        row.results.iter().copied().chain(lines)
    });
    let most = numbers.fold(1.0, f64::max);
    let x = |number: f64| LEFT + (RIGHT - LEFT) * number / most;
    let height_of_row = BAR * report.modules.len() as f64 + GAP;
    let height = TOP + height_of_row * rows.len() as f64 + GAP;

    let mut svg = String::new();
    let mut add = |element: String| {
        let _ = writeln!(svg, "{element}");
    };
    add(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">"
    ));
    add("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>".to_owned());
    add(text(LEFT, 20.0, "start", "instructions of a call"));
    let legend = report.modules.iter().map(String::as_str).zip(COLOURS);
    let mut left = LEFT;
    for (name, colour) in legend.chain([("floor", FLOOR), ("target", TARGET)]) {
        add(format!(
            "<rect x=\"{left}\" y=\"30\" width=\"10\" height=\"10\" fill=\"{colour}\"/>"
        ));
        add(text(left + 14.0, 39.0, "start", name));
        left += 34.0 + 7.0 * name.chars().count() as f64;
    }
    let mut top = TOP;
    for row in &rows {
        let middle = top + BAR * row.results.len() as f64 / 2.0 + 4.0;
        add(text(LEFT - 6.0, middle, "end", row.name));
        for (index, (&result, colour)) in row.results.iter().zip(COLOURS).enumerate() {
            let y = top + BAR * index as f64;
            let width = x(result) - LEFT;
            add(format!(
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" \
                 fill=\"{colour}\"/>"
            ));
            let number = format!("{result:.0}");
            add(text(x(result) + 6.0, y + BAR - 2.0, "start", &number));
        }
        let bottom = top + BAR * row.results.len() as f64;
        for (number, colour) in [(row.floor, FLOOR), (row.target, TARGET)] {
            let Some(x) = number.map(x) else { continue };
            add(format!(
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" \
                 stroke-width=\"2\"/>",
                top - 2.0,
                bottom + 2.0
            ));
        }
        top += height_of_row;
    }
    svg += "</svg>";
    svg
}

fn text(x: f64, y: f64, anchor: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;
    use crate::rows::CALLS;

    #[test]
    fn draws_each_bar_and_line() {
        let svg = draw(&report());
        // The background, the legend and two bars a row.
        assert_eq!(svg.matches("<rect").count(), 1 + 4 + 2 * CALLS.len());
        let floors = CALLS.iter().filter(|row| row.floor.is_some()).count();
        let targets = CALLS
            .iter()
            .filter(|row| row.instructions.is_some())
            .count();
        assert_eq!(svg.matches("<line").count(), floors + targets);
        assert!(svg.contains("&lt;other>"), "names are text: {svg}");
    }
}
