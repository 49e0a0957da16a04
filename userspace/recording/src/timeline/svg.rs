// SPDX-License-Identifier: GPL-2.0-only

//! A timeline as a picture.

mod look;
mod shapes;

#[cfg(test)]
mod tests;

use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;

use shapes::{Xml, block, stroke, text};

use super::colour::{Colours, FAILURE, PALETTE};
use super::curves::{Usage, usage};
use super::layout::{Bar, Layout};
use super::summary::{Program, facts, programs, subject, warnings};
use super::text::{cut, duration, number, size};
use super::ticks::ticks;
use crate::{Result, Run};

/// Lengths, all in pixels.
const WIDTH: f64 = 1200.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const ROW: f64 = 17.0;
const BAR: f64 = 15.0;
const CURVE: f64 = 46.0;
const GAP: f64 = 10.0;
/// The mean width of a letter on a bar, with some reserve.
const LETTER: f64 = 6.2;

/// The most points of a curve.
const POINTS: usize = 550;

/// The most programs in the legend.
const LEGEND: usize = 12;
const LEGEND_COLUMNS: usize = 4;

const STYLE: &str = "
svg { font: 11px system-ui, 'DejaVu Sans', Helvetica, sans-serif; }
.ground { fill: #ffffff; }
text { fill: #1c1f24; }
.title { font-size: 17px; font-weight: 600; }
.small { fill: #5c6370; }
.warning { fill: #b3261e; font-weight: 600; }
.grid { stroke: #d9dce1; }
.busy { fill: #0072b2; fill-opacity: 0.75; }
.wait { fill: #e69f00; fill-opacity: 0.75; }
.memory { fill: #44aa99; fill-opacity: 0.6; }
.cut { stroke: #b3261e; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
.ground { fill: #16181d; }
text { fill: #e3e5e8; }
.small { fill: #a3a9b5; }
.warning { fill: #ff8a80; }
.grid { stroke: #33373f; }
}
";

/// Returns a picture in SVG, 1200 pixels wide: the use of CPUs and memory, and below it a bar for
/// each process that is not short, below that of its parent. Short ones are merged by name; there
/// are at most 2,000 bars. An element `title`, which browsers show while the pointer is there, has
/// the details of a bar.
///
/// # Errors
///
/// [`Io`](crate::Error::Io) if the picture cannot be written, which memory always can.
pub fn svg(run: &Run) -> Result<String> {
    let picture = Picture::new(run);
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 0);
    picture.draw(&mut xml)?;
    let mut svg = String::from_utf8(xml.into_inner()).map_err(io::Error::other)?;
    svg.push('\n');
    Ok(svg)
}

struct Picture<'a> {
    run: &'a Run,
    layout: Layout,
    usage: Vec<Usage>,
    warnings: Vec<String>,
    legend: Vec<Program>,
    colours: Colours,
}

impl<'a> Picture<'a> {
    fn new(run: &'a Run) -> Self {
        let mut legend = programs(run);
        legend.truncate(LEGEND);
        Self {
            run,
            layout: Layout::merged(run),
            usage: usage(run, POINTS),
            warnings: warnings(run),
            legend,
            colours: Colours::of(run),
        }
    }

    fn draw(&self, xml: &mut Xml) -> io::Result<()> {
        // From the top: the heading, the curves, the axis, the bars and the legend.
        let heading = 50.0 + 16.0 * self.warnings.len() as f64;
        let curves = if self.usage.is_empty() {
            0.0
        } else {
            2.0 * (CURVE + GAP)
        };
        let axis = heading + curves + 14.0;
        let bars = axis + 8.0;
        let legend = bars + self.layout.rows as f64 * ROW + 26.0;
        let lines = self.legend.len().div_ceil(LEGEND_COLUMNS) as f64;
        let height = legend + lines * 18.0 + 4.0;
        let view = format!("0 0 {WIDTH} {height:.0}");
        let svg = xml.create_element("svg").with_attributes([
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("viewBox", view.as_str()),
            ("width", &format!("{WIDTH}")),
            ("height", &format!("{height:.0}")),
        ]);
        svg.write_inner_content(|xml| {
            let title = xml.create_element("title");
            title.write_text_content(BytesText::new(&subject(self.run)))?;
            let style = xml.create_element("style");
            style.write_text_content(BytesText::new(STYLE))?;
            let whole = [("class", "ground"), ("width", "100%"), ("height", "100%")];
            xml.create_element("rect")
                .with_attributes(whole)
                .write_empty()?;
            self.draw_heading(xml)?;
            self.draw_axis(xml, axis, heading, legend - 20.0)?;
            if !self.usage.is_empty() {
                self.draw_cpu(xml, heading)?;
                self.draw_memory(xml, heading + CURVE + GAP)?;
            }
            for bar in &self.layout.bars {
                self.draw_bar(xml, bar, bars + bar.row as f64 * ROW)?;
            }
            self.draw_legend(xml, legend)
        })?;
        Ok(())
    }

    fn draw_heading(&self, xml: &mut Xml) -> io::Result<()> {
        text(xml, "title", 16.0, 24.0, &subject(self.run))?;
        text(xml, "small", 16.0, 41.0, &facts(self.run))?;
        for (line, warning) in self.warnings.iter().enumerate() {
            text(xml, "warning", 16.0, 58.0 + 16.0 * line as f64, warning)?;
        }
        Ok(())
    }

    fn draw_axis(&self, xml: &mut Xml, y: f64, top: f64, bottom: f64) -> io::Result<()> {
        let window = self.layout.window;
        for (time, label) in ticks(window.length(), 12) {
            let x = self.x(window.begin + time);
            stroke(xml, "grid", x, top, bottom)?;
            if x + 3.0 + LETTER * label.len() as f64 <= WIDTH {
                text(xml, "small", x + 3.0, y, &label)?;
            }
        }
        if self.run.end.is_none() {
            stroke(xml, "cut", self.x(window.end), top, bottom)?;
        }
        Ok(())
    }

    fn draw_cpu(&self, xml: &mut Xml, y: f64) -> io::Result<()> {
        text(xml, "small", 16.0, y + 10.0, "CPU")?;
        text(xml, "small", 16.0, y + 23.0, "100 %")?;
        let busy = |one: &Usage| (0.0, one.busy);
        let wait = |one: &Usage| (one.busy, one.busy + one.io_wait);
        self.draw_area(xml, "busy", y, "CPUs that are busy", busy)?;
        self.draw_area(
            xml,
            "wait",
            y,
            "CPUs that are idle while I/O is pending",
            wait,
        )
    }

    fn draw_memory(&self, xml: &mut Xml, y: f64) -> io::Result<()> {
        let most = self.usage.iter().map(|one| one.memory).max();
        let most = most.unwrap_or_default();
        let whole = self.run.header.memory.max(most).max(1);
        text(xml, "small", 16.0, y + 10.0, "Memory")?;
        text(xml, "small", 16.0, y + 23.0, &size(whole))?;
        let name = format!("Memory in use, at most {}", size(most));
        let share = |one: &Usage| (0.0, one.memory as f64 / whole as f64);
        self.draw_area(xml, "memory", y, &name, share)
    }

    /// Draws the area between two shares, from 0 to 1, in each interval.
    fn draw_area(
        &self,
        xml: &mut Xml,
        class: &str,
        y: f64,
        name: &str,
        shares: impl Fn(&Usage) -> (f64, f64),
    ) -> io::Result<()> {
        let height = |share: f64| y + CURVE * (1.0 - share);
        let mut upper = String::new();
        let mut lower = Vec::new();
        for usage in &self.usage {
            let (from, to) = shares(usage);
            let (begin, end) = (self.x(usage.begin), self.x(usage.end));
            let command = if upper.is_empty() { 'M' } else { 'L' };
            upper += &format!("{command}{begin:.1} {0:.1}H{end:.1}", height(to));
            lower.push(format!("L{end:.1} {0:.1}H{begin:.1}", height(from)));
        }
        lower.reverse();
        let path = format!("{upper}{}Z", lower.concat());
        let area = xml.create_element("path");
        let area = area.with_attributes([("class", class), ("d", path.as_str())]);
        area.write_inner_content(|xml| {
            let title = xml.create_element("title");
            title.write_text_content(BytesText::new(name))?;
            Ok(())
        })?;
        Ok(())
    }

    fn draw_bar(&self, xml: &mut Xml, bar: &Bar, y: f64) -> io::Result<()> {
        let look = self.look(bar);
        let (begin, end) = (self.x(bar.begin), self.x(bar.end));
        // A bar that is short beyond visibility is shown all the same.
        let width = (end - begin - 0.5).max(1.0);
        let group = xml.create_element("g");
        group.write_inner_content(|xml| {
            let title = xml.create_element("title");
            title.write_text_content(BytesText::new(&look.details))?;
            block(xml, look.colours.0, (begin, y), (width, BAR))?;
            if look.failed > 0.0 {
                // A line below the bar, which needs no colour to be seen.
                let width = (look.failed * width).max(width.min(3.0));
                block(xml, FAILURE, (begin, y + BAR - 3.0), (width, 3.0))?;
            }
            let letters = ((width - 4.0) / LETTER) as usize;
            let fits = |name: &&String| name.chars().count() <= letters;
            let name = Some(&look.title).filter(fits).unwrap_or(&look.name);
            if letters >= 2 {
                let element = xml.create_element("text").with_attributes([
                    ("x", format!("{:.1}", begin + 3.0).as_str()),
                    ("y", &format!("{:.1}", y + 11.0)),
                    ("style", &format!("fill:{}", look.colours.1)),
                ]);
                element.write_text_content(BytesText::new(&cut(name, letters)))?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn draw_legend(&self, xml: &mut Xml, y: f64) -> io::Result<()> {
        let column = (WIDTH - 32.0) / LEGEND_COLUMNS as f64;
        for (place, program) in self.legend.iter().enumerate() {
            let x = 16.0 + (place % LEGEND_COLUMNS) as f64 * column;
            let y = y + (place / LEGEND_COLUMNS) as f64 * 18.0;
            let (fill, _) = PALETTE[self.colours.place(&program.name)];
            block(xml, fill, (x, y), (11.0, 11.0))?;
            let words = format!(
                "{} × {}, {} of CPU",
                cut(&program.label(), 18),
                number(program.processes),
                duration(program.cpu_time)
            );
            text(xml, "legend", x + 16.0, y + 10.0, &words)?;
        }
        Ok(())
    }

    /// Returns the place of a time.
    fn x(&self, time: u64) -> f64 {
        let window = self.layout.window;
        let time = time.clamp(window.begin, window.end) - window.begin;
        LEFT + (WIDTH - LEFT - RIGHT) * (time as f64 / window.length().max(1) as f64)
    }
}
