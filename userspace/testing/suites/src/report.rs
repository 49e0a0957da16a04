// SPDX-License-Identifier: GPL-2.0-only

//! The results of all suites, as text and in the format of JUnit.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::outcome::{Case, Outcome};
use crate::runner::Host;
use crate::suite::FILTERED;

/// Number of tests in the list of the slowest ones.
const SLOWEST: usize = 10;

/// Time from which on a test is worth being in that list, in seconds.
const SLOW: f64 = 1.0;

/// Results of a suite on a kernel.
#[derive(Debug)]
pub struct Results {
    pub suite: &'static str,
    pub kernel: String,
    pub host: Host,
    pub cases: Vec<Case>,
    pub seconds: f64,

    /// File with all output of the suite.
    pub log: PathBuf,
}

impl Results {
    /// Creates results without a test.
    #[cfg(test)]
    pub fn of_nothing(suite: &'static str, kernel: &str) -> Self {
        Self {
            suite,
            kernel: kernel.to_owned(),
            host: Host::AsItIs,
            cases: Vec::new(),
            seconds: 0.0,
            log: PathBuf::new(),
        }
    }

    pub fn title(&self) -> String {
        let host = match self.host {
            Host::AsItIs => "",
            Host::Busy => ", busy host",
        };
        format!("{} on {}{host}", self.suite, self.kernel)
    }

    /// Returns the name of the file for all output.
    pub fn file_name(&self) -> String {
        let host = match self.host {
            Host::AsItIs => "",
            Host::Busy => "-busy",
        };
        format!("{}-{}{host}.log", self.suite, self.kernel)
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.of(outcome).count()
    }

    /// Returns the tests with an outcome.
    fn of(&self, outcome: Outcome) -> impl Iterator<Item = &Case> {
        self.cases
            .iter()
            .filter(move |case| case.outcome == outcome)
    }

    /// Returns one line with the numbers of tests and the time.
    pub fn line(&self) -> String {
        let mut line = format!("{}: {} passed", self.title(), self.count(Outcome::Passed));
        for (outcome, name) in [(Outcome::Failed, "FAILED"), (Outcome::Skipped, "skipped")] {
            match self.count(outcome) {
                0 => {}
                number => write!(line, ", {number} {name}").unwrap(),
            }
        }
        write!(line, ", {:.0} s", self.seconds).unwrap();
        line
    }

    /// Returns that line, and below it the failed tests with their output and the commands that run
    /// them again.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.line());
        for case in self.of(Outcome::Failed) {
            writeln!(text, "  not ok: {}", case.name).unwrap();
            for line in case.detail.lines() {
                writeln!(text, "    {line}").unwrap();
            }
            writeln!(text, "  again: {}", self.again(case)).unwrap();
        }
        if self.count(Outcome::Failed) > 0 {
            writeln!(text, "  all output: {}", self.log.display()).unwrap();
        }
        text
    }

    /// Returns the command that runs a test of the suite again, with the rest of the suite if it
    /// cannot be run alone.
    fn again(&self, case: &Case) -> String {
        let test = match case.name.rsplit_once(": ") {
            Some((_, test)) if self.suite == FILTERED => test,
            _ => self.suite,
        };
        match self.host {
            Host::AsItIs => format!("make test KERNEL={} TEST={test}", self.kernel),
            Host::Busy => format!("KERNEL={} TEST={test} tests/run --busy", self.kernel),
        }
    }
}

/// Number of failures. A run without any test has one.
pub fn failures(results: &[Results]) -> usize {
    count(results, Outcome::Failed) + usize::from(results.is_empty())
}

/// Number of tests with an outcome.
fn count(results: &[Results], outcome: Outcome) -> usize {
    results.iter().map(|suite| suite.count(outcome)).sum()
}

/// Returns a table of the suites with their times, the slowest tests, the failed ones, each with
/// the command that runs it again, and the totals. The last line is "N passed, N failed".
pub fn summary(results: &[Results], seconds: f64) -> String {
    let mut text = String::new();
    if results.is_empty() {
        text.push_str("there is no such test\n");
    } else {
        // One suite has said all that in its line.
        if results.len() > 1 {
            table(&mut text, results, seconds);
        }
        slowest(&mut text, results);
    }
    text.push('\n');
    for suite in results {
        for case in suite.of(Outcome::Failed) {
            writeln!(
                text,
                "failed: {}: {}\n    again: {}",
                suite.title(),
                case.name,
                suite.again(case)
            )
            .unwrap();
        }
    }
    let passed = count(results, Outcome::Passed);
    let failed = failures(results);
    writeln!(text, "{passed} passed, {failed} failed").unwrap();
    text
}

/// Adds a table of the suites, the longest first.
fn table(text: &mut String, results: &[Results], seconds: f64) {
    text.push('\n');
    let mut row = |name: &str, columns: [&str; 4]| {
        write!(text, "{name:32}").unwrap();
        for column in columns {
            write!(text, "{column:>9}").unwrap();
        }
        text.push('\n');
    };
    let mut suites: Vec<_> = results.iter().collect();
    suites.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    row("suite", ["passed", "failed", "skipped", "seconds"]);
    for suite in suites {
        let number = |outcome| suite.count(outcome).to_string();
        row(
            &suite.title(),
            [
                &number(Outcome::Passed),
                &number(Outcome::Failed),
                &number(Outcome::Skipped),
                &format!("{:.0}", suite.seconds),
            ],
        );
    }
    let number = |outcome| count(results, outcome).to_string();
    row(
        "all, two at a time",
        [
            &number(Outcome::Passed),
            &number(Outcome::Failed),
            &number(Outcome::Skipped),
            &format!("{seconds:.0}"),
        ],
    );
}

/// Adds the tests that took longest, of those that tell.
fn slowest(text: &mut String, results: &[Results]) {
    let mut tests: Vec<_> = results
        .iter()
        .flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)))
        .filter(|(_, case)| case.seconds >= SLOW)
        .collect();
    tests.sort_by(|(_, a), (_, b)| b.seconds.total_cmp(&a.seconds));
    if !tests.is_empty() {
        text.push_str("\nslowest tests\n");
    }
    for (suite, case) in tests.into_iter().take(SLOWEST) {
        let title = suite.title();
        writeln!(text, "{:>7.1} s  {title}: {}", case.seconds, case.name).unwrap();
    }
}

/// Returns the results in the format of JUnit.
pub fn junit(results: &[Results]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer
        .create_element("testsuites")
        .with_attribute(("name", "procmon"))
        .write_inner_content(|writer| {
            for suite in results {
                testsuite(writer, suite)?;
            }
            Ok(())
        })?;
    let mut xml = writer.into_inner();
    xml.push(b'\n');
    Ok(xml)
}

fn testsuite(writer: &mut Writer<Vec<u8>>, suite: &Results) -> io::Result<()> {
    let title = suite.title();
    writer
        .create_element("testsuite")
        .with_attributes([
            ("name", title.as_str()),
            ("tests", &suite.cases.len().to_string()),
            ("failures", &suite.count(Outcome::Failed).to_string()),
            ("skipped", &suite.count(Outcome::Skipped).to_string()),
            ("time", &format!("{:.3}", suite.seconds)),
        ])
        .write_inner_content(|writer| {
            for case in &suite.cases {
                testcase(writer, &title, case)?;
            }
            Ok(())
        })?;
    Ok(())
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

    fn suite(name: &'static str, kernel: &str, seconds: f64, cases: Vec<Case>) -> Results {
        Results {
            suite: name,
            kernel: kernel.to_owned(),
            host: Host::AsItIs,
            cases,
            seconds,
            log: PathBuf::from(format!("/logs/{name}-{kernel}.log")),
        }
    }

    fn results() -> Vec<Results> {
        let guest = "ok 1 - read: whole # time=0.5s\n\
            not ok 2 - read: a: <part> # time=1.25s\n\
            # \"a\" & 'b' < c\u{1b}[0m\r\n\
            ok 3 - exec: all # SKIP no Landlock\n";
        vec![
            suite("guest", "debian-7.2", 3.4, outcome::cases(guest, 1)),
            suite("guest", "rt", 12.0, outcome::cases("no disk\n", 125)),
            suite(
                "header",
                "debian",
                0.9,
                outcome::cases("not ok 1 - gcc: c99\n", 1),
            ),
        ]
    }

    #[test]
    fn the_summary_has_times_and_commands_and_ends_with_the_totals() {
        assert_eq!(
            summary(&results(), 15.2),
            "\n\
            suite                              passed   failed  skipped  seconds\n\
            guest on rt                             0        1        0       12\n\
            guest on debian-7.2                     1        1        1        3\n\
            header on debian                        0        1        0        1\n\
            all, two at a time                      1        3        1       15\n\
            \n\
            slowest tests\n\
            \x20   1.2 s  guest on debian-7.2: read: a: <part>\n\
            \n\
            failed: guest on debian-7.2: read: a: <part>\n\
            \x20   again: make test KERNEL=debian-7.2 TEST=<part>\n\
            failed: guest on rt: no test has run\n\
            \x20   again: make test KERNEL=rt TEST=guest\n\
            failed: header on debian: gcc: c99\n\
            \x20   again: make test KERNEL=debian TEST=header\n\
            1 passed, 3 failed\n"
        );
    }

    #[test]
    fn a_suite_has_one_line_and_its_failures_in_full() {
        let results = results();
        assert_eq!(
            results[0].text(),
            "guest on debian-7.2: 1 passed, 1 FAILED, 1 skipped, 3 s\n\
            \x20 not ok: read: a: <part>\n\
            \x20   # \"a\" & 'b' < c\u{1b}[0m\n\
            \x20 again: make test KERNEL=debian-7.2 TEST=<part>\n\
            \x20 all output: /logs/guest-debian-7.2.log\n"
        );
        let text = results[1].text();
        assert!(text.contains("no test has run\n    no disk\n"), "{text}");
        let passed = suite("unit", "debian", 61.4, outcome::cases("test a ... ok\n", 0));
        assert_eq!(passed.text(), "unit on debian: 1 passed, 61 s\n");
    }

    #[test]
    fn results_on_a_busy_host_are_told_apart() {
        let results = Results {
            host: Host::Busy,
            ..suite(
                "guest",
                "rt",
                2.0,
                outcome::cases("not ok 1 - read: a\n", 1),
            )
        };
        assert_eq!(results.file_name(), "guest-rt-busy.log");
        let text = results.text();
        assert!(text.starts_with("guest on rt, busy host: 0 passed, 1 FAILED, 2 s\n"));
        assert!(
            text.contains("  again: KERNEL=rt TEST=a tests/run --busy\n"),
            "{text}"
        );
    }

    #[test]
    fn only_the_slowest_tests_are_named() {
        let lines: String = (1..=30)
            .map(|n| format!("ok {n} - t{n} # time={n}.0s\n"))
            .collect();
        let text = summary(&[suite("guest", "rt", 9.0, outcome::cases(&lines, 0))], 9.0);
        assert_eq!(text.matches(" s  guest on rt: t").count(), SLOWEST);
        assert!(text.contains("   30.0 s  guest on rt: t30\n"), "{text}");
        assert!(!text.contains(": t20\n"), "{text}");
    }

    #[test]
    fn a_run_without_tests_has_failed() {
        assert_eq!(
            summary(&[], 0.0),
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
<testsuites name="procmon">
  <testsuite name="guest on debian-7.2" tests="3" failures="1" skipped="1" time="3.400">
    <testcase classname="guest on debian-7.2" name="read: whole" time="0.5"/>
    <testcase classname="guest on debian-7.2" name="read: a: &lt;part&gt;" time="1.25">
      <failure># &quot;a&quot; &amp; &apos;b&apos; &lt; c?[0m
</failure>
    </testcase>
    <testcase classname="guest on debian-7.2" name="exec: all" time="0">
      <skipped/>
    </testcase>
  </testsuite>
</testsuites>
"#
        );
    }

    #[test]
    fn junit_keeps_the_text() {
        let text = "<a> & ]]> \"b\" 'c' &amp;\n\tü\u{0}\u{b}\u{ffff}";
        let cases = outcome::cases(&format!("not ok 1 - {text}"), 1);
        let results = [suite("unit", "debian", 1.0, cases)];
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
