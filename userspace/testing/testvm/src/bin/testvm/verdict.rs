// SPDX-License-Identifier: GPL-2.0-only

//! The verdict on a run: our exit status, and a message.

use testvm::protocol::{EXIT_STATUS, Outcome};
use testvm::splat;

use crate::cli::{FAILED, SPLAT, TIMED_OUT};
use crate::session::{End, Run};

/// Taint flags (Documentation/admin-guide/tainted-kernels.rst) that the kernel sets after an error
/// of its own. They stay even if the message was lost.
const BAD_TAINTS: [(u32, &str); 4] = [
    (5, "bad page"),
    (7, "oops or BUG"),
    (9, "warning"),
    (14, "soft lockup"),
];

/// The number of lines of the kernel log that are shown when the guest died.
const SHOWN_LINES: usize = 15;

#[derive(Debug, PartialEq)]
pub struct Verdict {
    pub status: u8,
    /// Empty if the status is the command's.
    pub message: String,
}

impl Verdict {
    fn new(status: u8, message: String) -> Self {
        Verdict { status, message }
    }
}

/// Judges a run. A problem of the kernel outranks everything else, as it may be the cause.
pub fn judge(run: &Run) -> Verdict {
    match run.end {
        End::Interrupted(signal) => {
            return Verdict::new(signaled(signal), format!("stopped by signal {signal}"));
        }
        // As for any command whose output is closed, this needs no message.
        End::OutputClosed => return Verdict::new(signaled(libc::SIGPIPE), String::new()),
        End::Exited(_) | End::TimedOut => {}
    }
    if let Some(splat) = splat::find(&run.log) {
        return Verdict::new(SPLAT, format!("the kernel log shows: {splat}"));
    }
    if let Some(taint) = bad_taint(run) {
        return Verdict::new(SPLAT, format!("the kernel is tainted: {taint}"));
    }
    match outcome(run) {
        Ok(Outcome::Exited(status)) => Verdict::new(*status as u8, String::new()),
        Ok(Outcome::Signaled(signal)) => Verdict::new(signaled(*signal), String::new()),
        Ok(Outcome::Failed(reason)) => Verdict::new(FAILED, format!("in the guest: {reason}")),
        Err(reason) if run.end == End::TimedOut => Verdict::new(TIMED_OUT, reason),
        Err(reason) => Verdict::new(FAILED, format!("{reason}\n{}", circumstances(run))),
    }
}

/// Returns the outcome of the task, if three facts confirm that the run came to its end: the
/// report, the completeness of all output, and QEMU's exit status. An error is the reason why not.
pub fn outcome(run: &Run) -> Result<&Outcome, String> {
    match (&run.end, &run.report) {
        (End::Exited(status), Some(report))
            if run.complete && status.code() == Some(EXIT_STATUS) =>
        {
            Ok(&report.outcome)
        }
        (End::TimedOut, None) => Err("the time was up before the command ended".to_owned()),
        (End::TimedOut, Some(_)) => Err("the time was up before the guest ended".to_owned()),
        (_, None) => Err(format!(
            "the guest ended without a report ({})",
            describe(run)
        )),
        (_, Some(_)) => Err(format!(
            "the guest ended before its time ({})",
            describe(run)
        )),
    }
}

fn describe(run: &Run) -> String {
    match run.end {
        End::Exited(status) => format!("QEMU: {status}"),
        _ => "stopped".to_owned(),
    }
}

/// Returns messages that may explain a death without a report.
fn circumstances(run: &Run) -> String {
    let mut text = run.complaints.clone();
    let log = String::from_utf8_lossy(&run.log);
    let lines: Vec<&str> = log.lines().collect();
    let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    if !shown.is_empty() {
        text += "The last lines of the kernel log:\n";
        text += &shown.join("\n");
    }
    text
}

fn bad_taint(run: &Run) -> Option<&'static str> {
    let taints = run.report.as_ref()?.tainted;
    BAD_TAINTS
        .iter()
        .find(|(bit, _)| taints & (1 << bit) != 0)
        .map(|&(_, meaning)| meaning)
}

/// Returns the exit status of shells for a signal.
fn signaled(signal: i32) -> u8 {
    (128 + signal) as u8
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use testvm::protocol::Report;

    use super::*;

    fn exited(status: i32) -> End {
        End::Exited(ExitStatus::from_raw(status << 8))
    }

    /// Returns a run without any problem.
    fn good(outcome: Outcome) -> Run {
        Run {
            end: exited(EXIT_STATUS),
            report: Some(Report {
                outcome,
                stdout: 0,
                stderr: 0,
                tainted: (1 << 12) | (1 << 13),
            }),
            complete: true,
            log: b"[    0.0] Linux version 7.3.4\n".to_vec(),
            complaints: String::new(),
        }
    }

    fn status(run: &Run) -> u8 {
        judge(run).status
    }

    #[test]
    fn passes_on_the_status_of_the_command() {
        for expected in [0, 3, 255] {
            let verdict = judge(&good(Outcome::Exited(expected)));
            assert_eq!(verdict, Verdict::new(expected as u8, String::new()));
        }
        assert_eq!(status(&good(Outcome::Signaled(9))), 137);
    }

    #[test]
    fn success_needs_report_completeness_and_exit_status() {
        let fine = || good(Outcome::Exited(0));
        for run in [
            Run {
                report: None,
                ..fine()
            },
            Run {
                complete: false,
                ..fine()
            },
            Run {
                end: exited(0),
                ..fine()
            },
            Run {
                end: exited(1),
                ..fine()
            },
            Run {
                end: End::Exited(ExitStatus::from_raw(libc::SIGABRT)),
                ..fine()
            },
        ] {
            assert_eq!(status(&run), FAILED, "{run:?}");
        }
    }

    #[test]
    fn a_time_out_is_one_whatever_was_reported() {
        let run = Run {
            end: End::TimedOut,
            ..good(Outcome::Exited(0))
        };
        assert_eq!(status(&run), TIMED_OUT);
        assert_eq!(
            status(&Run {
                report: None,
                ..run
            }),
            TIMED_OUT
        );
    }

    #[test]
    fn a_splat_outranks_everything_but_the_user() {
        let log = b"[    1.0] BUG: Bad page state in process sh  pfn:03a5c\n".to_vec();
        for end in [exited(EXIT_STATUS), exited(0), End::TimedOut] {
            let run = Run {
                end,
                log: log.clone(),
                ..good(Outcome::Exited(0))
            };
            let verdict = judge(&run);
            assert_eq!(verdict.status, SPLAT);
            assert!(
                verdict.message.contains("Bad page state"),
                "{}",
                verdict.message
            );
        }
        let end = End::Interrupted(libc::SIGTERM);
        assert_eq!(
            status(&Run {
                end,
                log,
                ..good(Outcome::Exited(0))
            }),
            143
        );
        let end = End::OutputClosed;
        assert_eq!(
            status(&Run {
                end,
                ..good(Outcome::Exited(0))
            }),
            141
        );
    }

    #[test]
    fn a_bad_taint_counts_as_a_splat() {
        for (tainted, expected) in [(0, 0), (1 << 12, 0), (1 << 9, SPLAT), (1 << 7, SPLAT)] {
            let report = Report {
                outcome: Outcome::Exited(0),
                stdout: 0,
                stderr: 0,
                tainted,
            };
            let run = Run {
                report: Some(report),
                ..good(Outcome::Exited(0))
            };
            assert_eq!(status(&run), expected, "taint {tainted:#x}");
        }
    }

    #[test]
    fn the_message_has_the_reason_of_a_failure() {
        let verdict = judge(&good(Outcome::Failed("no module".to_owned())));
        assert_eq!(verdict.status, FAILED);
        assert!(verdict.message.contains("no module"));

        let complaints = "qemu: no such machine\n".to_owned();
        let run = Run {
            end: exited(1),
            report: None,
            complaints,
            ..good(Outcome::Exited(0))
        };
        let verdict = judge(&run);
        assert_eq!(verdict.status, FAILED);
        assert!(verdict.message.contains("no such machine"));
        assert!(verdict.message.contains("Linux version 7.3.4"));
    }
}
