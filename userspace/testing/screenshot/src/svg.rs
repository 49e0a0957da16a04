// SPDX-License-Identifier: GPL-2.0-only

//! The screen of a terminal in SVG.

use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;
use unicode_width::UnicodeWidthStr;
use vt100::{Cell, Color, Screen};

/// Lengths, all in pixels, of a font of 14 pixels.
const CELL_WIDTH: f64 = 8.4;
const CELL_HEIGHT: f64 = 17.0;
/// From the top of a cell to the line on which its text stands.
const BASELINE: f64 = 13.0;
const MARGIN: f64 = 10.0;

const FONT: &str = "DejaVu Sans Mono, Menlo, Consolas, monospace";

const BACKGROUND: &str = "#1c1f24";
const FOREGROUND: &str = "#d3d7cf";

/// The first 16 colours of terminals.
const COLOURS: [&str; 16] = [
    "#2e3436", "#e06c6c", "#8ac661", "#d9b13b", "#729fcf", "#b48ead", "#56b6c2", "#d3d7cf",
    "#6c7680", "#ef8a8a", "#a9dc76", "#fce94f", "#8fb8e8", "#d3a4cf", "#7fd7e0", "#eeeeec",
];

/// The look of a cell.
#[derive(Clone, Debug, PartialEq)]
struct Look {
    foreground: String,
    /// Unless it is that of the screen.
    background: Option<String>,
    is_bold: bool,
    is_dim: bool,
    is_underlined: bool,
}

impl Look {
    fn of(cell: &Cell) -> Self {
        let mut foreground = colour(cell.fgcolor());
        let mut background = colour(cell.bgcolor());
        if cell.inverse() {
            let ground = background.take();
            let text = foreground.take();
            foreground = Some(ground.unwrap_or_else(|| BACKGROUND.to_owned()));
            background = Some(text.unwrap_or_else(|| FOREGROUND.to_owned()));
        }
        Self {
            foreground: foreground.unwrap_or_else(|| FOREGROUND.to_owned()),
            background,
            is_bold: cell.bold(),
            is_dim: cell.dim(),
            is_underlined: cell.underline(),
        }
    }
}

/// Cells of a row beside each other that look alike.
struct Run {
    column: u16,
    /// Number of cells.
    width: u16,
    look: Look,
    text: String,
}

/// Draws all cells of a screen.
pub fn draw(screen: &Screen) -> io::Result<String> {
    let (rows, columns) = screen.size();
    let width = f64::from(columns.get()) * CELL_WIDTH + 2.0 * MARGIN;
    let height = f64::from(rows.get()) * CELL_HEIGHT + 2.0 * MARGIN;
    let view = format!("0 0 {width:.0} {height:.0}");
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 0);
    let svg = writer.create_element("svg").with_attributes([
        ("xmlns", "http://www.w3.org/2000/svg"),
        ("viewBox", &view),
        ("font-family", FONT),
        ("font-size", "14"),
    ]);
    svg.write_inner_content(|writer| {
        let whole = [("width", "100%"), ("height", "100%"), ("rx", "6")];
        let ground = writer.create_element("rect").with_attributes(whole);
        ground.with_attribute(("fill", BACKGROUND)).write_empty()?;
        for row in 0..rows.get() {
            let y = MARGIN + f64::from(row) * CELL_HEIGHT;
            let runs = runs(screen, row);
            // First all backgrounds, as letters may reach beyond their cells.
            for run in &runs {
                draw_background(writer, run, y)?;
            }
            for run in &runs {
                draw_words(writer, run, y)?;
            }
        }
        Ok(())
    })?;
    let mut svg = String::from_utf8(writer.into_inner()).map_err(io::Error::other)?;
    svg.push('\n');
    Ok(svg)
}

fn draw_background(writer: &mut Writer<Vec<u8>>, run: &Run, y: f64) -> io::Result<()> {
    let Some(background) = &run.look.background else {
        return Ok(());
    };
    let rect = writer.create_element("rect").with_attributes([
        ("x", x(run.column).as_str()),
        ("y", &format!("{y:.1}")),
        ("width", &width(run.width)),
        ("height", &format!("{CELL_HEIGHT:.0}")),
        ("fill", background),
    ]);
    rect.write_empty()?;
    Ok(())
}

/// Draws the words of a run. Those with one space between are one text.
fn draw_words(writer: &mut Writer<Vec<u8>>, run: &Run, y: f64) -> io::Result<()> {
    let look = &run.look;
    let mut column = run.column;
    for part in run.text.split("  ") {
        // Another space may stand before it, or behind.
        let text = part.trim();
        let begin = column + cells(part) - cells(part.trim_start());
        let width = width(cells(text));
        column += cells(part) + 2;
        if text.is_empty() {
            continue;
        }
        let (x, y) = (x(begin), format!("{:.1}", y + BASELINE));
        let mut element = writer.create_element("text").with_attributes([
            ("x", x.as_str()),
            ("y", &y),
            ("fill", &look.foreground),
        ]);
        if look.is_bold {
            element = element.with_attribute(("font-weight", "bold"));
        }
        if look.is_dim {
            element = element.with_attribute(("opacity", "0.6"));
        }
        if look.is_underlined {
            element = element.with_attribute(("text-decoration", "underline"));
        }
        // So that columns are straight with any font.
        let length = [
            ("textLength", width.as_str()),
            ("lengthAdjust", "spacingAndGlyphs"),
            ("xml:space", "preserve"),
        ];
        element
            .with_attributes(length)
            .write_text_content(BytesText::new(text))?;
    }
    Ok(())
}

/// Returns the runs of a row.
fn runs(screen: &Screen, row: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let (_, columns) = screen.size();
    for column in 0..columns.get() {
        let Some(cell) = screen.cell(row, column) else {
            continue;
        };
        if cell.is_wide_continuation() {
            if let Some(run) = runs.last_mut() {
                run.width += 1;
            }
            continue;
        }
        let text = if cell.has_contents() {
            cell.contents()
        } else {
            " "
        };
        let look = Look::of(cell);
        match runs.last_mut() {
            Some(run) if run.look == look => {
                run.text.push_str(text);
                run.width += 1;
            }
            _ => runs.push(Run {
                column,
                width: 1,
                look,
                text: text.to_owned(),
            }),
        }
    }
    runs
}

/// Returns the number of cells of a text that fits a row.
fn cells(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

fn x(column: u16) -> String {
    format!("{:.1}", MARGIN + f64::from(column) * CELL_WIDTH)
}

fn width(cells: u16) -> String {
    format!("{:.1}", f64::from(cells) * CELL_WIDTH)
}

/// Returns a colour, or `None` for the usual one.
fn colour(colour: Color) -> Option<String> {
    match colour {
        Color::Default => None,
        Color::Idx(index @ 0..16) => Some(COLOURS[usize::from(index)].to_owned()),
        // A cube of 6 x 6 x 6 colours, and then 24 shades of grey.
        Color::Idx(index @ 16..232) => {
            let index = index - 16;
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let [red, green, blue] = [index / 36, index / 6 % 6, index % 6].map(level);
            Some(format!("#{red:02x}{green:02x}{blue:02x}"))
        }
        Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            Some(format!("#{grey:02x}{grey:02x}{grey:02x}"))
        }
        Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn drawn(output: &str) -> String {
        let size = |cells| NonZeroU16::new(cells).unwrap();
        let mut parser = vt100::Parser::new(size(2), size(20), 0);
        parser.process(output.as_bytes());
        draw(parser.screen()).unwrap()
    }

    #[test]
    fn words_stand_where_they_are() {
        let svg = drawn("PID  <a> b\r\n   日 x");
        let texts: Vec<_> = svg.lines().filter(|line| line.contains("<text")).collect();
        let expected = [
            ("10.0", "23.0", "25.2", "PID"),
            ("52.0", "23.0", "42.0", "&lt;a&gt; b"),
            ("35.2", "40.0", "33.6", "日 x"),
        ];
        assert_eq!(texts.len(), expected.len(), "{svg}");
        for (line, (x, y, width, text)) in texts.iter().zip(expected) {
            let place = format!("x=\"{x}\" y=\"{y}\" fill=\"{FOREGROUND}\"");
            assert!(line.contains(&place), "{line}");
            assert!(line.contains(&format!("textLength=\"{width}\"")), "{line}");
            assert!(line.ends_with(&format!(">{text}</text>")), "{line}");
        }
    }

    #[test]
    fn looks_are_kept() {
        let svg = drawn("\x1b[7mab\x1b[0;1;31mc\x1b[0;4;38;5;231md\x1b[0;2;48;2;1;2;3m ");
        for part in [
            format!("width=\"16.8\" height=\"17\" fill=\"{FOREGROUND}\""),
            format!("fill=\"{BACKGROUND}\" textLength=\"16.8\""),
            format!("fill=\"{}\" font-weight=\"bold\"", COLOURS[1]),
            "fill=\"#ffffff\" text-decoration=\"underline\"".to_owned(),
            "width=\"8.4\" height=\"17\" fill=\"#010203\"".to_owned(),
        ] {
            assert!(svg.contains(&part), "{part}\n{svg}");
        }
    }
}
