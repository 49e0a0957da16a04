// SPDX-License-Identifier: GPL-2.0-only

//! The end of a run by a signal. A terminal sends it to all suites as well, but not all senders do.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Time for processes to clean up.
const PATIENCE: Duration = Duration::from_secs(10);

static GOING_ON: Mutex<()> = Mutex::new(());

/// Returns a guard to be held while a process is started. Once a signal has come, there is none any
/// more, and the caller waits for the end.
pub fn going_on() -> MutexGuard<'static, ()> {
    GOING_ON.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes SIGINT and SIGTERM end all descendants of this process before the process itself. Removes
/// the directory `scratch` then.
pub fn on_signals(scratch: PathBuf) -> Result<()> {
    // A descendant whose parent has ended stays one.
    prctl::set_child_subreaper(true).context("cannot adopt descendants")?;
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot handle signals")?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _guard = going_on();
            end_descendants(process::id());
            // What is left of it does no harm in a directory for temporary files.
            let _ = fs::remove_dir_all(&scratch);
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// Ends all descendants of a process: by SIGTERM, and later by SIGKILL.
fn end_descendants(root: u32) {
    let start = Instant::now();
    let mut asked = HashSet::new();
    loop {
        let descendants = descendants(root);
        if descendants.is_empty() {
            return;
        }
        for pid in descendants {
            let signal = match start.elapsed() > PATIENCE {
                true => Signal::SIGKILL,
                false if asked.insert(pid) => Signal::SIGTERM,
                // A second signal could interrupt its cleaning up.
                false => continue,
            };
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid as i32), signal);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Returns the descendants of a process, without zombies.
fn descendants(root: u32) -> Vec<u32> {
    let processes = processes();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children = processes.iter().filter(|process| process.parent == parent);
        found.extend(children.map(|process| process.pid));
        next += 1;
    }
    found.remove(0);
    found
}

struct Process {
    pid: u32,
    parent: u32,
}

fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // Names need not be UTF-8.
            let stat = fs::read(entry.path().join("stat")).ok()?;
            parse(pid, &String::from_utf8_lossy(&stat))
        })
        .collect()
}

/// Parses `/proc/PID/stat`, in which the name, in parentheses, can have any characters. Returns
/// `None` for a zombie.
fn parse(pid: u32, stat: &str) -> Option<Process> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(Process { pid, parent })
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn names_of_processes_do_not_confuse() {
        let process = parse(7, "7 (a) Z 1 (b)) S 42 7 7 0").unwrap();
        assert_eq!((process.pid, process.parent), (7, 42));
        assert!(parse(7, "7 (sh) Z 42 7 7 0").is_none());
    }

    #[test]
    fn all_descendants_end_and_nothing_else() {
        let (reader, writer) = io::pipe().unwrap();
        // The shell that is root here sees how the one below ends; that one and both that sleep go.
        let script = "sh -c 'sleep 1000 & echo begun; sleep 1000' || exit 3";
        let mut root = Command::new("sh")
            .args(["-c", script])
            .stdout(writer)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(reader).read_line(&mut line).unwrap();
        assert_eq!(line, "begun\n");

        end_descendants(root.id());
        assert!(descendants(root.id()).is_empty());
        let status = root.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(3), None));
    }
}
