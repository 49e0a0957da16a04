// SPDX-License-Identifier: GPL-2.0-only

//! The tests in the output of a suite, which is TAP or that of Rust's test harness.

/// Outcome of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    Passed,
    Skipped,
    Failed,
}

/// A test, or a failure of a suite as a whole.
#[derive(Debug, PartialEq)]
pub struct Case {
    pub name: String,
    pub outcome: Outcome,
    pub seconds: f64,

    /// Output of a failed test, up to the next one.
    pub detail: String,
}

impl Case {
    fn new(name: &str, outcome: Outcome) -> Self {
        Self {
            name: name.to_owned(),
            outcome,
            seconds: 0.0,
            detail: String::new(),
        }
    }
}

/// Returns the tests in the output of a suite that ended with `status`. One that ends badly without
/// a failed test, or that reports no test at all, has a failed one more.
pub fn cases(output: &str, status: i32) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in output.lines() {
        if let Some(case) = parse(line) {
            cases.push(case);
        } else if let Some(case) = cases.last_mut()
            && case.outcome == Outcome::Failed
        {
            case.detail += line;
            case.detail.push('\n');
        }
    }
    let problem = if cases.is_empty() {
        "no test has run".to_owned()
    } else if status != 0 && cases.iter().all(|case| case.outcome != Outcome::Failed) {
        format!("exit status {status} although no test has failed")
    } else {
        return cases;
    };
    cases.push(Case {
        detail: end(output),
        ..Case::new(&problem, Outcome::Failed)
    });
    cases
}

/// Returns the last lines of an output, which say most likely what went wrong.
fn end(output: &str) -> String {
    const LINES: usize = 50;

    let first = output.lines().count().saturating_sub(LINES);
    let lines = output.lines().skip(first);
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Parses a line of output. Returns `None` if it is no outcome of a test.
pub fn parse(line: &str) -> Option<Case> {
    tap(line).or_else(|| rust(line))
}

/// Parses a line of TAP. An indented one belongs to a test that reports its own outcome.
fn tap(line: &str) -> Option<Case> {
    let (is_ok, test) = match line.strip_prefix("not ok ") {
        Some(test) => (false, test),
        None => (true, line.strip_prefix("ok ")?),
    };
    let outcome = match is_ok {
        false => Outcome::Failed,
        true if test.contains(" # SKIP") => Outcome::Skipped,
        true => Outcome::Passed,
    };
    let end = [" # time=", " # SKIP"]
        .iter()
        .filter_map(|directive| test.find(directive))
        .min();
    let mut case = Case::new(without_number(&test[..end.unwrap_or(test.len())]), outcome);
    if let Some((_, time)) = test.split_once(" # time=") {
        let end = time.find(|c: char| !c.is_ascii_digit() && c != '.');
        case.seconds = time[..end.unwrap_or(time.len())].parse().unwrap_or(0.0);
    }
    Some(case)
}

/// Returns the description of a test, before which are its number and a dash.
fn without_number(test: &str) -> &str {
    match test.split_once(' ') {
        Some((number, name)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            name.strip_prefix("- ").unwrap_or(name)
        }
        _ => test,
    }
}

/// Parses a line of Rust's test harness: "test NAME ... OUTCOME".
fn rust(line: &str) -> Option<Case> {
    let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let outcome = match outcome {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed,
        "ignored" => Outcome::Skipped,
        reason if reason.starts_with("ignored, ") => Outcome::Skipped,
        _ => return None,
    };
    Some(Case::new(name, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the names and outcomes of the tests in an output.
    fn outcomes(output: &str, status: i32) -> Vec<(String, Outcome)> {
        cases(output, status)
            .into_iter()
            .map(|case| (case.name, case.outcome))
            .collect()
    }

    fn expected(tests: &[(&str, Outcome)]) -> Vec<(String, Outcome)> {
        tests
            .iter()
            .map(|(name, outcome)| ((*name).to_owned(), *outcome))
            .collect()
    }

    #[test]
    fn tap_has_numbers_names_times_and_reasons_to_skip() {
        let output = "ok 1 - read: a_message # time=0.52s\n\
            not ok 2 - write: too_much # time=12.5\n\
            ok 3 - fault: all # SKIP the kernel has no fault injection\n\
            ok 4 a name without a dash\n\
            1..4\n";
        let cases = cases(output, 1);
        let seen: Vec<_> = cases
            .iter()
            .map(|case| (case.name.as_str(), case.outcome, case.seconds))
            .collect();
        assert_eq!(
            seen,
            [
                ("read: a_message", Outcome::Passed, 0.52),
                ("write: too_much", Outcome::Failed, 12.5),
                ("fault: all", Outcome::Skipped, 0.0),
                ("a name without a dash", Outcome::Passed, 0.0),
            ]
        );
    }

    #[test]
    fn a_failed_test_cannot_be_skipped() {
        assert_eq!(
            outcomes("not ok 1 - exec # SKIP no Landlock\n", 1),
            expected(&[("exec", Outcome::Failed)])
        );
    }

    #[test]
    fn indented_lines_are_the_output_of_a_test() {
        let output = "    ok 1 - inner\n    not ok 2 - other\nok 1 - outer\ntest\nnot okay\n";
        assert_eq!(outcomes(output, 0), expected(&[("outer", Outcome::Passed)]));
    }

    #[test]
    fn output_after_a_failed_test_is_its_own() {
        let output =
            "# before\nnot ok 1 - a\n# is 3\n    # not 4\nok 2 - b\n# after\nnot ok 3 - c\n";
        let details: Vec<_> = cases(output, 1)
            .into_iter()
            .map(|case| case.detail)
            .collect();
        assert_eq!(details, ["# is 3\n    # not 4\n", "", ""]);
    }

    #[test]
    fn rust_tests_have_one_line_each() {
        let output = "running 5 tests\n\
            test tap::tests::plain ... ok\n\
            test tap::tests::panics - should panic ... ok\n\
            test src/lib.rs - (line 11) - compile ... FAILED\n\
            test slow ... ignored\n\
            test slower ... ignored, takes long\n\
            test endless ... has been running for over 60 seconds\n\
            test result: FAILED. 2 passed; 1 failed; 2 ignored\n";
        assert_eq!(
            outcomes(output, 101),
            expected(&[
                ("tap::tests::plain", Outcome::Passed),
                ("tap::tests::panics - should panic", Outcome::Passed),
                ("src/lib.rs - (line 11) - compile", Outcome::Failed),
                ("slow", Outcome::Skipped),
                ("slower", Outcome::Skipped),
            ])
        );
    }

    #[test]
    fn a_suite_that_ends_badly_has_failed() {
        assert_eq!(
            outcomes("ok 1 - a\n", 126),
            expected(&[
                ("a", Outcome::Passed),
                (
                    "exit status 126 although no test has failed",
                    Outcome::Failed
                ),
            ])
        );
        assert_eq!(
            outcomes("not ok 1 - a\n", 126),
            expected(&[("a", Outcome::Failed)])
        );
    }

    #[test]
    fn what_a_suite_printed_last_says_why_it_ended_badly() {
        let noise = "ok 1 - a\n".to_owned() + &"line\n".repeat(100);
        let cases = cases(&(noise + "error: no disk\n"), 1);
        assert_eq!(cases.len(), 2);
        let detail = &cases[1].detail;
        assert!(detail.ends_with("line\nerror: no disk\n"), "{detail}");
        assert_eq!(detail.lines().count(), 50);
    }

    #[test]
    fn a_suite_without_tests_has_failed() {
        let failed = expected(&[("no test has run", Outcome::Failed)]);
        assert_eq!(outcomes("1..0\n", 0), failed);
        assert_eq!(outcomes("", 127), failed);
    }
}
