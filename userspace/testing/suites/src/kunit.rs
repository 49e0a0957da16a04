// SPDX-License-Identifier: GPL-2.0-only

//! The module's KUnit suites in a kernel log.

use std::fmt::Write as _;

/// Returns TAP of the tests of all suites whose names begin with `procmon_`, and whether all have
/// passed. Another number of tests than `expected` is a failure.
pub fn tap(log: &str, expected: usize) -> (String, bool) {
    let mut text = String::new();
    let mut count = 0;
    let mut have_passed = true;
    // In the kernel's log, tests are indented and stand before the line of their suite.
    let mut suite = None;
    for line in log.lines().map(message) {
        if let Some(name) = line.strip_prefix("    # Subtest: ") {
            if name.starts_with("procmon_") {
                suite = name.split_whitespace().next();
            }
        } else if let Some((is_ok, name)) = line.strip_prefix("    ").and_then(outcome) {
            if let Some(suite) = suite {
                count += 1;
                have_passed &= is_ok;
                let not = if is_ok { "" } else { "not " };
                writeln!(text, "{not}ok {count} - {suite}: {name}").unwrap();
            }
        } else if outcome(line).is_some() {
            suite = None;
        }
    }
    if count != expected {
        count += 1;
        have_passed = false;
        writeln!(
            text,
            "not ok {count} - all suites: expected {expected} tests"
        )
        .unwrap();
    }
    writeln!(text, "1..{count}").unwrap();
    (text, have_passed)
}

/// Returns a line without the time and the task, which are in brackets before it.
fn message(line: &str) -> &str {
    let mut rest = line;
    while let Some((_, behind)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        rest = behind;
    }
    match rest.strip_prefix(' ') {
        Some(message) if rest.len() < line.len() => message,
        _ => line,
    }
}

/// Parses "ok NUMBER NAME" or "not ok NUMBER NAME".
fn outcome(line: &str) -> Option<(bool, &str)> {
    let (is_ok, test) = match line.strip_prefix("not ok ") {
        Some(test) => (false, test),
        None => (true, line.strip_prefix("ok ")?),
    };
    let (number, name) = test.split_once(' ')?;
    number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some((is_ok, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
[    0.100000][    T1] KTAP version 1
[    0.200000][    T1]     # Subtest: list_sort
[    0.300000][    T1]     ok 1 sorts
[    0.400000][    T1] ok 1 list_sort
[    1.000000][   T77]     KTAP version 1
[    1.000000][   T77]     # Subtest: procmon_pid
[    1.000000][   T77]     1..3
[    1.100000][   T77]     ok 1 a_pid_is_found
[    1.200000][   T77]     # none_is_lost: ASSERTION FAILED at abstractions/pid.rs:9
[    1.300000][   T77]     not ok 2 none_is_lost
[    1.400000][   T77]     ok 3 slow # SKIP too slow
[    1.500000][   T77] # procmon_pid: pass:1 fail:1 skip:1 total:3
[    1.600000][   T77] not ok 2 procmon_pid
[    1.700000][   T77]     ok 1 of_no_suite
[    1.800000]     # Subtest: procmon_time
[    1.900000]     ok 1 jiffies_wrap
[    2.000000] ok 3 procmon_time
";

    #[test]
    fn only_tests_of_the_module_are_told() {
        let (text, have_passed) = tap(LOG, 4);
        assert_eq!(
            text,
            "ok 1 - procmon_pid: a_pid_is_found\n\
            not ok 2 - procmon_pid: none_is_lost\n\
            ok 3 - procmon_pid: slow # SKIP too slow\n\
            ok 4 - procmon_time: jiffies_wrap\n\
            1..4\n"
        );
        assert!(!have_passed);
    }

    #[test]
    fn all_tests_have_to_be_there() {
        let log = "    # Subtest: procmon_time\n    ok 1 jiffies_wrap\nok 1 procmon_time\n";
        let (text, have_passed) = tap(log, 1);
        assert_eq!(text, "ok 1 - procmon_time: jiffies_wrap\n1..1\n");
        assert!(have_passed);

        let (text, have_passed) = tap(log, 2);
        assert!(
            text.ends_with("not ok 2 - all suites: expected 2 tests\n1..2\n"),
            "{text}"
        );
        assert!(!have_passed);
        assert!(!tap("", 1).1);
    }

    #[test]
    fn prefixes_are_those_of_the_kernel_only() {
        assert_eq!(message("[    1.5][  T1]     ok 1 a"), "    ok 1 a");
        assert_eq!(message("[    1.5] ok 1 a"), "ok 1 a");
        assert_eq!(message("    ok 1 a [0-9]"), "    ok 1 a [0-9]");
        assert_eq!(message("[no end"), "[no end");
    }
}
