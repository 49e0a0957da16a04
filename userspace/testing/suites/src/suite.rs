// SPDX-License-Identifier: GPL-2.0-only

//! The table of the suites, and the selection of those to run.

use std::ptr;

use anyhow::{Result, bail};

use crate::matrix::Kernel;

/// Stands for an empty directory in a command.
pub const EMPTY_DIRECTORY: &str = "{}";

/// The suite that gets a name of `TEST` that no suite has, as a filter of its tests.
pub const FILTERED: &str = "guest";

/// A row of the table.
#[derive(Debug)]
pub struct Suite {
    pub name: &'static str,
    pub command: &'static [&'static str],
    pub environment: &'static [(&'static str, &'static str)],

    /// The only kernel that the row is for.
    kernel: Option<&'static str>,

    /// The row is for runs with `--all` only.
    only_all: bool,
}

const fn suite(name: &'static str, command: &'static [&'static str]) -> Suite {
    Suite {
        name,
        command,
        environment: &[],
        kernel: None,
        only_all: false,
    }
}

impl Suite {
    const fn environment(self, environment: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            environment,
            ..self
        }
    }

    const fn on(self, kernel: &'static str) -> Self {
        Self {
            kernel: Some(kernel),
            ..self
        }
    }

    const fn with_all(self) -> Self {
        Self {
            only_all: true,
            ..self
        }
    }
}

/// All suites, those first that tell most in a short time. One lane takes them from there on, and
/// the other one from the end, where the longest is: so the longest but one is near the front, for
/// both to come to their ends at the same time. Of several rows of one name that fit, one for
/// `--all` is taken, or else one for the kernel. The matrix of kernels has which suite runs on
/// which kernel.
static SUITES: &[Suite] = &[
    suite("header", &["tests/header"]),
    suite(
        "unit",
        &[
            "scripts/cargo",
            "test",
            "--release",
            "--workspace",
            "--exclude",
            "guest-tests",
        ],
    ),
    suite("acceptance", &["tests/acceptance"]),
    suite(FILTERED, &["tests/guest"])
        .on("debian")
        .environment(SHORT),
    suite("prometheus", &["tests/prometheus"]),
    suite("fleet", &["tests/fleet"]),
    suite("release", &["tests/release"]),
    suite("packages", &["tests/packages"])
        .with_all()
        .environment(&[("PROCMON_LONG", "1")]),
    suite("packages", &["tests/packages"]),
    suite("distributions", &["tests/distributions"]),
    suite("hotpaths", &["tests/hotpaths"]),
    // With callbacks of RCU that wait for others to come.
    suite(
        "guest-nocbs",
        &[
            "tests/guest",
            "--append",
            "rcu_nocbs=all",
            "replaced_messages",
        ],
    ),
    // With a CPU that has no ticks.
    suite(
        "guest-nohz",
        &[
            "tests/guest",
            "--append",
            "nohz_full=1 isolcpus=nohz,domain,managed_irq,1 rcu_nocbs=1 irqaffinity=0",
            "tickless_times",
        ],
    ),
    suite("kunit", &["tests/kunit"]),
    suite("harness-debug", &["tests/testvm-selftest-debug"]),
    suite("litmus", &["tests/litmus/run"]),
    suite("bench", &["tests/bench", "--check"]),
    suite("fuzz", &["tests/fuzz", "--seconds", "1200"]).on("kasan"),
    // Without the inputs that earlier runs have found, which take long and differ from machine to
    // machine.
    suite(
        "fuzz",
        &[
            "tests/fuzz",
            "--executions",
            "200",
            "--corpus",
            EMPTY_DIRECTORY,
        ],
    ),
    suite("harness", &["tests/testvm-selftest"]),
    suite("third-party-fuzzers", &["tests/third-party-fuzzers"]),
    suite(FILTERED, &["tests/guest"])
        .with_all()
        .environment(&[("PROCMON_STRESS_SECONDS", "60"), ("PROCMON_LONG", "1")]),
    suite(FILTERED, &["tests/guest"]).environment(SHORT),
    suite(FILTERED, &["tests/guest"])
        .on("debug")
        .with_all()
        .environment(&[("PROCMON_STRESS_SECONDS", "600"), ("PROCMON_LONG", "1")]),
];

/// The environment of guest tests, but for those with `--all`.
const SHORT: &[(&str, &str)] = &[("PROCMON_STRESS_SECONDS", "10")];

/// A suite on a kernel.
#[derive(Debug)]
pub struct Run {
    pub suite: &'static Suite,
    pub kernel: String,

    /// Part of the names of the tests to run, all if there is none.
    pub filter: Option<String>,
}

/// The request of the user.
#[derive(Debug, Default)]
pub struct Selection {
    /// A suite by its name, or a part of the name of a guest test.
    pub test: Option<String>,

    pub kernel: Option<String>,
    pub all: bool,
}

impl Selection {
    /// Returns the suites to run, in the order of the table, and of the matrix within a suite.
    pub fn runs(&self, matrix: &[Kernel]) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for kernel in matrix {
            if self
                .kernel
                .as_ref()
                .is_some_and(|name| *name != kernel.name)
            {
                continue;
            }
            let more = kernel.more.iter().filter(|name| {
                self.all
                    || if kernel.suites.is_empty() {
                        self.kernel.is_some()
                    } else {
                        self.test.as_ref() == Some(name)
                    }
            });
            for name in kernel.suites.iter().chain(more) {
                let Some(suite) = find(name, &kernel.name, self.all) else {
                    bail!(
                        "there is no suite {name}, which the kernel {} has",
                        kernel.name
                    );
                };
                let filter = match &self.test {
                    Some(test) if test != name => {
                        if name != FILTERED || is_suite(test) {
                            continue;
                        }
                        Some(test.clone())
                    }
                    _ => None,
                };
                runs.push(Run {
                    suite,
                    kernel: kernel.name.clone(),
                    filter,
                });
            }
        }
        runs.sort_by_key(|run: &Run| SUITES.iter().position(|suite| ptr::eq(suite, run.suite)));
        Ok(runs)
    }
}

fn is_suite(name: &str) -> bool {
    SUITES.iter().any(|suite| suite.name == name)
}

fn find(name: &str, kernel: &str, all: bool) -> Option<&'static Suite> {
    SUITES
        .iter()
        .filter(|suite| {
            suite.name == name
                && suite.kernel.is_none_or(|only| only == kernel)
                && (all || !suite.only_all)
        })
        .max_by_key(|suite| (suite.only_all, suite.kernel.is_some()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::matrix;

    fn matrix() -> Vec<Kernel> {
        matrix::parse(include_str!("../../../../tests/kernels/matrix")).unwrap()
    }

    fn select(test: &str, kernel: &str, all: bool) -> Vec<Run> {
        let given = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let selection = Selection {
            test: given(test),
            kernel: given(kernel),
            all,
        };
        selection.runs(&matrix()).unwrap()
    }

    /// Returns the runs as "kernel suite", with the filter behind a colon.
    fn names(runs: &[Run]) -> Vec<String> {
        runs.iter()
            .map(|run| {
                let filter = run.filter.iter().map(|filter| format!(":{filter}"));
                format!(
                    "{} {}{}",
                    run.kernel,
                    run.suite.name,
                    filter.collect::<String>()
                )
            })
            .collect()
    }

    #[test]
    fn each_suite_runs_on_some_kernel() {
        let runs = select("", "", true);
        let run: BTreeSet<_> = runs.iter().map(|run| run.suite.name).collect();
        let known: BTreeSet<_> = SUITES.iter().map(|suite| suite.name).collect();
        assert_eq!(run, known);
    }

    #[test]
    fn what_tells_most_comes_first_and_what_takes_longest_last() {
        let names = names(&select("", "", false));
        assert_eq!(
            names[..4],
            [
                "debian header",
                "debian unit",
                "debian acceptance",
                "debian guest"
            ]
        );
        assert_eq!(names.last().map(String::as_str), Some("debug guest"));
    }

    #[test]
    fn all_takes_longer_and_each_kernel() {
        let names = names(&select("", "", true));
        for run in [
            "debian litmus",
            "cloud guest",
            "rt guest",
            "debian-7.2 guest",
            "kcsan guest",
            "debug fuzz",
            "debug third-party-fuzzers",
            "kasan guest",
            "kasan fuzz",
        ] {
            assert!(names.iter().any(|name| name == run), "{run}");
        }
    }

    #[test]
    fn stress_is_as_long_as_the_run() {
        let seconds = |kernel, all| select("guest", kernel, all)[0].suite.environment[0].1;
        assert_eq!(seconds("debian", false), "10");
        assert_eq!(seconds("debian", true), "60");
        assert_eq!(seconds("debug", false), "10");
        assert_eq!(seconds("debug", true), "600");
        assert_eq!(seconds("kcsan", false), "10");
    }

    #[test]
    fn the_fuzzer_starts_anew_only_in_a_short_run() {
        let has_directory = |kernel| {
            select("fuzz", kernel, true)[0]
                .suite
                .command
                .contains(&EMPTY_DIRECTORY)
        };
        assert!(has_directory("debug"));
        assert!(!has_directory("kasan"));
    }

    #[test]
    fn a_suite_by_its_name_runs_even_if_it_takes_long() {
        for (name, run) in [
            ("unit", "debian unit"),
            ("litmus", "debian litmus"),
            ("third-party-fuzzers", "debug third-party-fuzzers"),
        ] {
            assert_eq!(names(&select(name, "", false)), [run]);
        }
    }

    #[test]
    fn a_kernel_by_its_name_runs_the_same_suites_as_without() {
        assert_eq!(names(&select("", "kcsan", false)), ["kcsan guest"]);
        let runs = select("", "debian", false);
        assert_eq!(runs.len(), 12);
        assert!(
            runs.iter()
                .all(|run| !["litmus", "packages", "distributions"].contains(&run.suite.name))
        );
    }

    #[test]
    fn the_guest_suite_by_its_name_has_no_filter() {
        assert_eq!(
            names(&select(FILTERED, "", false)),
            ["debian guest", "debug guest"]
        );
    }

    #[test]
    fn any_other_name_is_a_filter_of_guest_tests() {
        assert_eq!(
            names(&select("poll", "", false)),
            ["debian guest:poll", "debug guest:poll"]
        );
        assert_eq!(names(&select("poll", "rt", false)), ["rt guest:poll"]);
    }

    #[test]
    fn a_suite_that_a_kernel_does_not_have_selects_nothing() {
        assert!(select("kunit", "debian", true).is_empty());
        assert!(select("", "debian-2.4", true).is_empty());
    }

    #[test]
    fn an_unknown_suite_in_the_matrix_is_an_error() {
        let matrix = matrix::parse("debian debian/7.3 unite - - typing errors").unwrap();
        let error = Selection::default().runs(&matrix).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no suite unite, which the kernel debian has"
        );
    }
}
