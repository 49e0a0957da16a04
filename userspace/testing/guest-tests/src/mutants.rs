// SPDX-License-Identifier: GPL-2.0-only

//! Runs with mutants of the module, which tests have to find.

use std::collections::BTreeSet;
use std::time::Duration;

use fixture::module;
use fixture::mutants::{Mutant, has_word};

use crate::{Outcome, Report, Test};

/// Runs the tests that have to find mutants: once each with none, where they must pass, and then
/// with each mutant.
pub fn run(mutants: &[Mutant], tests: &[Test<'_>], timeout: Duration, report: &mut Report) {
    let names: BTreeSet<_> = mutants.iter().map(|mutant| &mutant.test).collect();
    for name in names {
        report.run(&format!("no mutant: {name}"), || match find(tests, name) {
            Ok(test) => match crate::run(test, timeout, None) {
                Outcome::Skipped(reason) => Outcome::Failed(format!("it is skipped: {reason}")),
                outcome => outcome,
            },
            Err(reason) => Outcome::Failed(reason),
        });
    }
    for mutant in mutants {
        let name = format!("{}: {}", mutant.name, mutant.test);
        // The mutant is a parameter.
        module::unload_shared();
        report.run(&name, || match find(tests, &mutant.test) {
            Ok(test) => verdict(
                crate::run(test, timeout, Some(mutant.number)),
                &mutant.shows,
            ),
            Err(reason) => Outcome::Failed(reason),
        });
    }
}

/// Finds the one test with a name, which may be in a Rust module.
fn find<'a, 'b>(tests: &'a [Test<'b>], name: &str) -> Result<&'a Test<'b>, String> {
    let mut found = tests
        .iter()
        .filter(|test| test.path.rsplit("::").next() == Some(name));
    match (found.next(), found.next()) {
        (Some(test), None) => Ok(test),
        (None, _) => Err(format!("there is no test {name}")),
        _ => Err(format!("there are two tests {name}")),
    }
}

/// Judges a test that was to fail for a reason that has a word.
fn verdict(outcome: Outcome, word: &str) -> Outcome {
    match outcome {
        Outcome::Failed(reason) if has_word(&reason, word) => Outcome::Passed,
        Outcome::Failed(reason) => {
            Outcome::Failed(format!("it is not {word} that is noticed:\n{reason}"))
        }
        Outcome::Passed => Outcome::Failed("it is not noticed".to_owned()),
        Outcome::Skipped(reason) => Outcome::Failed(format!("the test is skipped: {reason}")),
    }
}
