// SPDX-License-Identifier: GPL-2.0-only

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

use super::*;
use crate::timeline::fixture::{HOSTILE, LARGE, hostile, recording};
use crate::timeline::layout::BARS;

/// An element with its own text.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: HashMap<String, String>,
    text: String,
}

impl Element {
    fn number(&self, attribute: &str) -> f64 {
        self.attributes[attribute].parse().unwrap()
    }
}

/// Returns the elements in the order of their ends.
fn parse(svg: &str) -> Vec<Element> {
    let mut reader = Reader::from_str(svg);
    let (mut open, mut done) = (vec![Element::default()], Vec::new());
    loop {
        let event = reader.read_event().unwrap();
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(tag) | Event::Empty(tag) => {
                let attributes = tag.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let value = unescape(&attribute.value).unwrap();
                    (attribute.key.as_ref().to_owned(), value.into_owned())
                });
                open.push(Element {
                    name: tag.name().as_ref().to_owned(),
                    attributes: attributes.collect(),
                    text: String::new(),
                });
                if is_empty {
                    done.extend(open.pop());
                }
            }
            Event::End(_) => done.extend(open.pop()),
            Event::Text(text) => open.last_mut().unwrap().text += &text,
            Event::GeneralRef(name) => {
                let reference = format!("&{};", &*name);
                open.last_mut().unwrap().text += &unescape(&reference).unwrap();
            }
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(open.len(), 1);
    done
}

fn texts<'a>(elements: &'a [Element], name: &str) -> Vec<&'a str> {
    let named = elements.iter().filter(|element| element.name == name);
    named.map(|element| element.text.as_str()).collect()
}

#[test]
fn bars_are_as_long_as_their_processes() {
    let mut recording = recording();
    recording.process(1, 100, 0, "make", 4_000_100);
    recording.begin(2, 1_000_100, 1, "sh");
    recording.exec(2, 2_000_100, &["cc1", "a & b"]);
    recording.exit_after(2, 3_000_100, 11, 7_000);
    let elements = parse(&svg(&recording.run()).unwrap());
    let bars: Vec<_> = elements
        .iter()
        .filter(|one| one.name == "rect" && one.attributes.get("height").unwrap() == "15.00")
        .map(|bar| (bar.number("x"), bar.number("width"), bar.number("y")))
        .collect();
    let [make, sh, cc1] = bars[..] else {
        panic!("{bars:?}");
    };
    // The plot is 1120 pixels wide, and bars are half a pixel apart.
    assert_eq!((make.0, make.1), (64.0, 1119.5));
    assert_eq!((sh.0, sh.1), (344.0, 279.5));
    assert_eq!((cc1.0, cc1.1), (624.0, 279.5));
    assert_eq!((sh.2 - make.2, cc1.2 - make.2), (17.0, 17.0));
    let titles = texts(&elements, "title");
    let expected = "cc1 a & b\nPID 2, user 1000\nfrom 1.0 ms, for 2.0 ms\n\
                    7 µs of CPU, at most 5.0 MiB\nkilled by signal 11";
    assert!(titles.contains(&expected), "{titles:#?}");
    let failures = elements.iter().filter(|one| {
        one.name == "rect"
            && one
                .attributes
                .get("fill")
                .is_some_and(|fill| fill == FAILURE)
    });
    let failures: Vec<_> = failures
        .map(|one| (one.number("x"), one.number("width")))
        .collect();
    assert_eq!(failures, [(624.0, 279.5)]);
}

#[test]
fn merged_bars_have_a_name_and_a_number() {
    let mut recording = recording();
    recording.process(1, 100, 0, "make", 1_000_000);
    for pid in 2..39 {
        recording.begin(pid, 1000 * pid as u64, 1, "cc1");
        let status = if pid < 5 { 256 } else { 0 };
        recording.exit_after(pid, 1000 * pid as u64 + 900, status, 2_000);
    }
    let elements = parse(&svg(&recording.run()).unwrap());
    let title = "cc1 × 37\n37 processes, 3 failed\n74 µs of CPU\nfrom 1 µs to 38 µs";
    assert!(texts(&elements, "title").contains(&title), "{elements:#?}");
    let legend = texts(&elements, "text");
    assert!(legend.contains(&"cc1 × 37, 74 µs of CPU"), "{legend:?}");
}

#[test]
fn curves_are_those_of_the_samples() {
    let mut recording = recording();
    recording.process(1, 100, 0, "make", 2100);
    recording.sample(100, 0, 0, 0);
    recording.sample(1100, 2000, 1000, 2 << 30);
    recording.sample(2100, 2000, 1000, 4 << 30);
    let elements = parse(&svg(&recording.run()).unwrap());
    let path = |class: &str| {
        let mut paths = elements.iter().filter(|one| one.name == "path");
        let path = paths.find(|one| one.attributes["class"] == class).unwrap();
        path.attributes["d"].as_str()
    };
    // 46 pixels high from 50 on: first a half of four CPUs, then none.
    assert_eq!(
        path("busy"),
        "M64.0 73.0H624.0L624.0 96.0H1184.0L1184.0 96.0H624.0L624.0 96.0H64.0Z"
    );
    assert_eq!(
        path("wait"),
        "M64.0 61.5H624.0L624.0 96.0H1184.0L1184.0 96.0H624.0L624.0 73.0H64.0Z"
    );
    // From 106 on: a quarter and a half of 8 GiB.
    assert_eq!(
        path("memory"),
        "M64.0 140.5H624.0L624.0 129.0H1184.0L1184.0 152.0H624.0L624.0 152.0H64.0Z"
    );
}

#[test]
fn losses_and_a_missing_end_are_in_the_picture() {
    let mut recording = recording();
    recording.process(1, 100, 0, "make", 2100);
    let elements = parse(&svg(&recording.run()).unwrap());
    let has_class = |elements: &[Element], class: &str| {
        elements
            .iter()
            .any(|one| one.attributes.get("class").is_some_and(|of| of == class))
    };
    assert!(!has_class(&elements, "warning") && !has_class(&elements, "cut"));
    recording.lost(7);
    recording.is_ended = false;
    let elements = parse(&svg(&recording.run()).unwrap());
    let warnings = warnings(&recording.run());
    assert_eq!(warnings.len(), 2);
    for warning in &warnings {
        assert!(
            texts(&elements, "text").contains(&warning.as_str()),
            "{warning}"
        );
    }
    assert!(has_class(&elements, "cut"));
}

#[test]
fn hostile_names_are_text() {
    let svg = svg(&hostile().run()).unwrap();
    let is_control = |c: char| c.is_control() && c != '\n';
    assert!(!svg.contains(is_control) && !svg.contains('\u{202e}'));
    let elements = parse(&svg);
    let known = ["svg", "title", "style", "rect", "line", "path", "g", "text"];
    for element in &elements {
        assert!(known.contains(&element.name.as_str()), "{element:?}");
        let mut keys = element.attributes.keys();
        assert!(!keys.any(|key| key.starts_with("on") || key.contains("href")));
    }
    for name in HOSTILE {
        let label = crate::timeline::text::label(&crate::Text::from(name));
        let titles = texts(&elements, "title");
        let expected = format!("{label} arg\n");
        assert!(
            titles.iter().any(|title| title.starts_with(&expected)),
            "{expected}"
        );
    }
}

#[test]
fn pictures_of_many_processes_are_small() {
    let svg = svg(&LARGE).unwrap();
    let elements = parse(&svg);
    let bars = elements.iter().filter(|one| one.name == "g").count();
    assert!((40..=BARS).contains(&bars), "{bars}");
    assert!(svg.len() < 1 << 20, "{}", svg.len());
}
