// SPDX-License-Identifier: GPL-2.0

//! Programs that show processes on a terminal. This runs in the guest.

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::pty::{ForkptyResult, Winsize, forkpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::execvp;

use crate::regions::Regions;
use crate::rows::{VIEWER, without};

const SIZE: Winsize = Winsize {
    ws_row: 40,
    ws_col: 120,
    ws_xpixel: 0,
    ws_ypixel: 0,
};

/// The time that a program has for its start, which takes more than a refresh.
const START: Duration = Duration::from_secs(3);

/// The length of a region, and the number of refreshes in it: one each second.
const REFRESHES: u64 = 2;
const TIME: Duration = Duration::from_secs(REFRESHES);

/// Measures all that the machine does while a program shows processes, and while it does not.
pub fn watch(regions: &mut Regions, command: &str) -> Result<()> {
    let refreshes = usize::try_from(REFRESHES)?;
    let pass = || {
        sleep(TIME);
        Ok(refreshes)
    };
    let name = format!("{VIEWER}{command}");
    regions.measure(&without(&name), pass)?;
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
    let shown = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&shown);
    let reader = thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = terminal.read(&mut bytes) {
            count.fetch_add(read, Relaxed);
        }
    });
    sleep(START);
    let before = shown.load(Relaxed);
    regions.measure(&name, pass)?;
    let shown = shown.load(Relaxed) - before;
    kill(child, Signal::SIGKILL)?;
    waitpid(child, None)?;
    reader
        .join()
        .map_err(|_| anyhow!("the reader has panicked"))?;
    ensure!(shown > 0, "it shows nothing new");
    Ok(())
}
