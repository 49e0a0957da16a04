// SPDX-License-Identifier: GPL-2.0

//! The results of all suites, as text and in the format of JUnit.

use std::fmt::Write as _;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::outcome::{Case, Outcome};
use crate::suite::FILTERED;

/// Results of a suite on a kernel.
#[derive(Debug)]
pub struct Results {
    pub suite: &'static str,
    pub kernel: String,
    pub cases: Vec<Case>,
}

impl Results {
    fn title(&self) -> String {
        format!("{}, {} kernel", self.suite, self.kernel)
    }

    /// Returns the command that runs a test of the suite again, with the rest of the suite if it
    /// cannot be run alone.
    fn again(&self, case: &Case) -> String {
        let test = match case.name.rsplit_once(": ") {
            Some((_, test)) if self.suite == FILTERED => test,
            _ => self.suite,
        };
        format!("make test KERNEL={} TEST={test}", self.kernel)
    }
}

/// Number of failures. A run without any test has one.
pub fn failures(results: &[Results]) -> usize {
    count(results, Outcome::Failed) + usize::from(results.is_empty())
}

/// Number of tests with an outcome.
fn count(results: &[Results], outcome: Outcome) -> usize {
    let cases = results.iter().flat_map(|suite| &suite.cases);
    cases.filter(|case| case.outcome == outcome).count()
}

/// Returns the failed tests, each with the command that runs it again, and the totals. The last
/// line is "N passed, N failed".
pub fn summary(results: &[Results]) -> String {
    let mut text = String::new();
    if results.is_empty() {
        text.push_str("there is no such test\n");
    }
    let skipped = count(results, Outcome::Skipped);
    if skipped > 0 {
        writeln!(text, "{skipped} skipped").unwrap();
    }
    text.push('\n');
    for suite in results {
        let failed = suite
            .cases
            .iter()
            .filter(|case| case.outcome == Outcome::Failed);
        for case in failed {
            let again = suite.again(case);
            writeln!(
                text,
                "failed: {}: {}\n    again: {again}",
                suite.title(),
                case.name
            )
            .unwrap();
        }
    }
    let passed = count(results, Outcome::Passed);
    let failed = failures(results);
    writeln!(text, "{passed} passed, {failed} failed").unwrap();
    text
}

/// Returns the results in the format of JUnit.
pub fn junit(results: &[Results]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer
        .create_element("testsuite")
        .with_attribute(("name", "procmon"))
        .write_inner_content(|writer| {
            for suite in results {
                for case in &suite.cases {
                    testcase(writer, &suite.title(), case)?;
                }
            }
            Ok(())
        })?;
    let mut xml = writer.into_inner();
    xml.push(b'\n');
    Ok(xml)
}

fn testcase(writer: &mut Writer<Vec<u8>>, class: &str, case: &Case) -> io::Result<()> {
    let name = printable(&case.name);
    let time = case.seconds.to_string();
    let element = writer.create_element("testcase").with_attributes([
        ("classname", class),
        ("name", name.as_str()),
        ("time", time.as_str()),
    ]);
    match case.outcome {
        Outcome::Passed => element.write_empty()?,
        Outcome::Skipped => element.write_inner_content(|writer| {
            writer.create_element("skipped").write_empty()?;
            Ok(())
        })?,
        Outcome::Failed => element.write_inner_content(|writer| {
            let detail = printable(&case.detail);
            let element = writer.create_element("failure");
            element.write_text_content(BytesText::new(&detail))?;
            Ok(())
        })?,
    };
    Ok(())
}

/// Replaces the characters that XML has no place for, not even escaped.
fn printable(text: &str) -> String {
    let is_allowed = |c: char| match c {
        '\t' | '\n' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => c >= ' ',
    };
    text.chars()
        .map(|c| if is_allowed(c) { c } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use quick_xml::{Reader, XmlVersion};

    use super::*;
    use crate::outcome;

    fn results() -> Vec<Results> {
        let guest = "ok 1 - read: whole # time=0.5s\n\
            not ok 2 - read: a: <part> # time=1.25s\n\
            # \"a\" & 'b' < c\u{1b}[0m\r\n\
            ok 3 - exec: all # SKIP no Landlock\n";
        vec![
            Results {
                suite: "guest",
                kernel: "debian-7.2".to_owned(),
                cases: outcome::cases(guest, 1),
            },
            Results {
                suite: "guest",
                kernel: "rt".to_owned(),
                cases: outcome::cases("", 125),
            },
            Results {
                suite: "header",
                kernel: "debian".to_owned(),
                cases: outcome::cases("not ok 1 - gcc: c99\n", 1),
            },
        ]
    }

    #[test]
    fn the_summary_has_commands_and_ends_with_the_totals() {
        assert_eq!(
            summary(&results()),
            "1 skipped\n\
            \n\
            failed: guest, debian-7.2 kernel: read: a: <part>\n\
            \x20   again: make test KERNEL=debian-7.2 TEST=<part>\n\
            failed: guest, rt kernel: no test has run\n\
            \x20   again: make test KERNEL=rt TEST=guest\n\
            failed: header, debian kernel: gcc: c99\n\
            \x20   again: make test KERNEL=debian TEST=header\n\
            1 passed, 3 failed\n"
        );
    }

    #[test]
    fn the_summary_of_success_is_the_totals() {
        let results = [Results {
            suite: "unit",
            kernel: "debian".to_owned(),
            cases: outcome::cases("test a ... ok\ntest b ... ok\n", 0),
        }];
        assert_eq!(summary(&results), "\n2 passed, 0 failed\n");
    }

    #[test]
    fn a_run_without_tests_has_failed() {
        assert_eq!(
            summary(&[]),
            "there is no such test\n\n0 passed, 1 failed\n"
        );
        assert_eq!(failures(&[]), 1);
    }

    #[test]
    fn junit_is_escaped() {
        let xml = String::from_utf8(junit(&results()[..1]).unwrap()).unwrap();
        assert_eq!(
            xml,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="procmon">
  <testcase classname="guest, debian-7.2 kernel" name="read: whole" time="0.5"/>
  <testcase classname="guest, debian-7.2 kernel" name="read: a: &lt;part&gt;" time="1.25">
    <failure># &quot;a&quot; &amp; &apos;b&apos; &lt; c?[0m
</failure>
  </testcase>
  <testcase classname="guest, debian-7.2 kernel" name="exec: all" time="0">
    <skipped/>
  </testcase>
</testsuite>
"#
        );
    }

    #[test]
    fn junit_keeps_the_text() {
        let text = "<a> & ]]> \"b\" 'c' &amp;\n\tü\u{0}\u{b}\u{ffff}";
        let results = [Results {
            suite: "unit",
            kernel: "debian".to_owned(),
            cases: outcome::cases(&format!("not ok 1 - {text}"), 1),
        }];
        let xml = String::from_utf8(junit(&results).unwrap()).unwrap();
        let mut reader = Reader::from_str(&xml);
        let mut seen = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(element) if element.name().as_ref() == "testcase" => {
                    let name = element.try_get_attribute("name").unwrap().unwrap();
                    seen.push(
                        name.normalized_value(XmlVersion::Explicit1_0)
                            .unwrap()
                            .into_owned(),
                    );
                }
                Event::Start(element) if element.name().as_ref() == "failure" => {
                    let text = reader.read_text(element.name()).unwrap();
                    seen.push(quick_xml::escape::unescape(&text).unwrap().into());
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(seen, ["<a> & ]]> \"b\" 'c' &amp;", "\tü???\n"]);
    }
}
