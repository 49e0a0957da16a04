// SPDX-License-Identifier: GPL-2.0-only

//! Programs that show processes on a terminal. This runs in the guest.

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::pty::{ForkptyResult, Winsize, forkpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::execvp;

use crate::regions::Regions;
use crate::rows::{OWN_VIEWER, VIEWER, without};

const SIZE: Winsize = Winsize {
    ws_row: 40,
    ws_col: 120,
    ws_xpixel: 0,
    ws_ypixel: 0,
};

/// The time that a program has for its start, which takes more than a refresh.
const START: Duration = Duration::from_secs(3);

/// The time between two refreshes.
const REFRESH: Duration = Duration::from_secs(1);

/// The number of refreshes in a region.
const REFRESHES: usize = 2;

/// The same for `procmonctl top`, which reads all arguments at each tenth refresh.
const OWN_REFRESHES: usize = 10;

/// Measures all that the machine does while a program shows processes, and while it does not.
pub fn watch(regions: &mut Regions, command: &str) -> Result<()> {
    let refreshes = if command == OWN_VIEWER {
        OWN_REFRESHES
    } else {
        REFRESHES
    };
    let name = format!("{VIEWER}{command}");
    // Before and after, as either may have the rest of other work in it: the least counts.
    let rest = |regions: &mut Regions| {
        regions.measure(&without(&name), || {
            (0..refreshes).for_each(|_| sleep(REFRESH));
            Ok(refreshes)
        })
    };
    rest(regions)?;
    let arguments: Result<Vec<_>, _> = command.split(' ').map(CString::new).collect();
    let arguments = arguments?;
    let program = arguments.first().context("there is no program")?;
    // SAFETY: There is but one thread here. The new process does nothing but system calls.
    let (child, mut terminal) = match unsafe { forkpty(&SIZE, None) }? {
        ForkptyResult::Parent { child, master } => (child, File::from(master)),
        ForkptyResult::Child => {
            let _ = execvp(program, &arguments);
            // SAFETY: Nothing has to be done before.
            unsafe { libc::_exit(127) }
        }
    };
    // The output has to be read, or else the program waits. After its end reading fails.
    let output = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&output);
    let reader = thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = terminal.read(&mut bytes) {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            written.extend_from_slice(&bytes[..read]);
        }
    });
    let shown = || output.lock().unwrap_or_else(PoisonError::into_inner).len();
    sleep(START);
    // The output of each second.
    let mut lengths = vec![0; refreshes];
    regions.measure(&name, || {
        for length in &mut lengths {
            let before = shown();
            sleep(REFRESH);
            *length = shown() - before;
        }
        Ok(refreshes)
    })?;
    kill(child, Signal::SIGKILL)?;
    waitpid(child, None)?;
    reader
        .join()
        .map_err(|_| anyhow!("the reader has panicked"))?;
    rest(regions)?;
    ensure!(
        !lengths.contains(&0),
        "it does not show something new each second: {lengths:?} bytes"
    );
    // Each viewer takes more of the CPU than most processes, and so lists itself.
    let pid = child.to_string();
    let output = output.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(
        output.windows(pid.len()).any(|text| text == pid.as_bytes()),
        "it does not list itself, PID {pid}"
    );
    Ok(())
}
