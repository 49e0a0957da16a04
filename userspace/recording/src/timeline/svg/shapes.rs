// SPDX-License-Identifier: GPL-2.0-only

//! Shapes of SVG.

use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;

/// A picture in the making.
pub type Xml = Writer<Vec<u8>>;

/// Draws a line of text.
pub fn text(xml: &mut Xml, class: &str, x: f64, y: f64, text: &str) -> io::Result<()> {
    let (x, y) = (format!("{x:.1}"), format!("{y:.1}"));
    let attributes = [("class", class), ("x", x.as_str()), ("y", y.as_str())];
    let element = xml.create_element("text").with_attributes(attributes);
    element.write_text_content(BytesText::new(text))?;
    Ok(())
}

/// Draws a rectangle.
pub fn block(xml: &mut Xml, fill: &str, place: (f64, f64), size: (f64, f64)) -> io::Result<()> {
    let [x, y] = [place.0, place.1].map(|value| format!("{value:.2}"));
    let [width, height] = [size.0, size.1].map(|value| format!("{value:.2}"));
    let rect = xml.create_element("rect").with_attributes([
        ("x", x.as_str()),
        ("y", y.as_str()),
        ("width", width.as_str()),
        ("height", height.as_str()),
        ("rx", "2"),
        ("fill", fill),
    ]);
    rect.write_empty()?;
    Ok(())
}

/// Draws a vertical line.
pub fn stroke(xml: &mut Xml, class: &str, x: f64, from: f64, to: f64) -> io::Result<()> {
    let [x, from, to] = [x, from, to].map(|value| format!("{value:.1}"));
    let line = xml.create_element("line").with_attributes([
        ("class", class),
        ("x1", x.as_str()),
        ("x2", x.as_str()),
        ("y1", from.as_str()),
        ("y2", to.as_str()),
    ]);
    line.write_empty()?;
    Ok(())
}
