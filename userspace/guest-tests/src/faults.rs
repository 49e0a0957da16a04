// SPDX-License-Identifier: GPL-2.0

//! Letting the kernel's allocations and copies from and to user space fail, one at a time.
//!
//! C documentation: `Documentation/fault-injection/fault-injection.rst`

use std::fmt::Debug;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use nix::errno::Errno;
use nix::unistd::gettid;

/// How often a sweep goes on at most. Loading the module takes some hundred allocations.
const LIMIT: u32 = 5000;

/// How often a sweep is tried that finds too little.
const ATTEMPTS: usize = 5;

/// What can fail: the facility's directory in debugfs, and what has to be set there.
///
/// By default only allocations that may not sleep fail, of which the module has none. The failures
/// themselves are not worth a report in the log.
const FACILITIES: [(&str, &[(&str, &str)]); 3] = [
    (
        "failslab",
        &[
            ("ignore-gfp-wait", "N"),
            ("cache-filter", "Y"),
            ("verbose", "0"),
        ],
    ),
    (
        "fail_page_alloc",
        &[
            ("ignore-gfp-wait", "N"),
            ("min-order", "0"),
            ("verbose", "0"),
        ],
    ),
    ("fail_usercopy", &[("verbose", "0")]),
];

/// What the kernel's own checks keep their notes in. There is one with each allocation, and without
/// it the check has a gap.
const NOTES: [&str; 2] = ["debug_objects_cache", "kmemleak_object"];

/// The kernel's fault injection, set up for the thread that made this.
#[derive(Debug)]
pub struct Faults {
    fail_nth: File,
    step: usize,
}

impl Faults {
    /// Sets everything up.
    ///
    /// # Errors
    ///
    /// If the kernel has no fault injection, or not all of it.
    pub fn new() -> io::Result<Self> {
        let path = format!("/proc/self/task/{}/fail-nth", gettid());
        let fail_nth = File::options().read(true).write(true).open(path)?;
        let vmalloc = symbol_range("__vmalloc_node_range_noprof")?;
        for (name, settings) in FACILITIES {
            let directory = Path::new("/sys/kernel/debug").join(name);
            for (setting, value) in settings {
                fs::write(directory.join(setting), value)?;
            }
            // When there are no pages for vmalloc(), the kernel says so in its log, whoever is to
            // blame. The bench must not overlook such a line, so it must not come to that.
            fs::write(directory.join("reject-start"), vmalloc.0.to_string())?;
            fs::write(directory.join("reject-end"), vmalloc.1.to_string())?;
            fs::write(directory.join("require-start"), "0")?;
            fs::write(directory.join("require-end"), u64::MAX.to_string())?;
        }
        for cache in fs::read_dir("/sys/kernel/slab")? {
            let cache = cache?;
            let fails = !NOTES.contains(&&*cache.file_name().to_string_lossy());
            fs::write(cache.path().join("failslab"), if fails { "1" } else { "0" })?;
        }
        Ok(Self { fail_nth, step: 1 })
    }

    /// Lets sweeps take one failure out of `step`, and other ones each time: for actions that take
    /// long.
    pub fn thin_out(&mut self, step: usize) {
        self.step = step;
    }

    /// Lets only that fail which a function of the kernel asks for, or what it calls.
    ///
    /// # Errors
    ///
    /// If there is no such function.
    pub fn restrict_to(&self, function: &str) -> io::Result<()> {
        let (begin, end) = symbol_range(function)?;
        for (name, _) in FACILITIES {
            let directory = Path::new("/sys/kernel/debug").join(name);
            fs::write(directory.join("require-start"), begin.to_string())?;
            fs::write(directory.join("require-end"), end.to_string())?;
        }
        Ok(())
    }

    /// Runs `action` with its first allocation or copy failing, then with its second, and so on,
    /// until nothing is left to fail, and returns how many of these runs ended with an error.
    ///
    /// Before each run `prepare` is called with its number, after each run `check` with what
    /// `prepare` and `action` returned. The errors are those that a lack of memory or a bad pointer
    /// leads to, and the last run has none.
    ///
    /// Now and then the kernel needs an allocation that it did not need the last time, for which it
    /// has a substitute. Then all others move up, and one is missed. So if there are fewer than
    /// `at_least` errors, all of that is done again.
    ///
    /// # Panics
    ///
    /// If there is another error, or no end, or again and again there are too few errors.
    pub fn sweep<P, T: Debug>(
        &self,
        what: &str,
        at_least: u32,
        mut prepare: impl FnMut(u32) -> P,
        mut action: impl FnMut(&P) -> nix::Result<T>,
        mut check: impl FnMut(P, nix::Result<T>),
    ) -> u32 {
        let mut counts = [0; ATTEMPTS];
        for count in &mut counts {
            *count = self.sweep_once(what, &mut prepare, &mut action, &mut check);
            if *count >= at_least {
                return *count;
            }
        }
        panic!("{what}: {counts:?} errors, not {at_least}");
    }

    fn sweep_once<P, T: Debug>(
        &self,
        what: &str,
        prepare: &mut impl FnMut(u32) -> P,
        action: &mut impl FnMut(&P) -> nix::Result<T>,
        check: &mut impl FnMut(P, nix::Result<T>),
    ) -> u32 {
        let mut errors = 0;
        let now = UNIX_EPOCH.elapsed().map_or(0, |now| now.subsec_nanos());
        let first = 1 + now % u32::try_from(self.step).expect("it is small");
        for nth in (first..LIMIT).step_by(self.step) {
            let prepared = prepare(nth);
            self.arm(nth);
            let result = action(&prepared);
            let failed = self.disarm();
            match &result {
                Ok(_) => {}
                Err(Errno::ENOMEM | Errno::EFAULT) if failed => errors += 1,
                Err(errno) => panic!("{what}, failure {nth} ({failed}): {errno}"),
            }
            check(prepared, result);
            if !failed {
                return errors;
            }
        }
        panic!("{what}: there is always something left to fail");
    }

    /// Lets the `nth` allocation or copy fail that this thread makes from now on.
    ///
    /// # Panics
    ///
    /// If the kernel does not take it.
    pub fn arm(&self, nth: u32) {
        self.fail_nth
            .write_all_at(nth.to_string().as_bytes(), 0)
            .expect("fail-nth can be set");
    }

    /// Whether something has failed since [`Faults::arm`]. From now on nothing does.
    #[must_use]
    pub fn disarm(&self) -> bool {
        let mut left = [0; 1];
        match self.fail_nth.read_at(&mut left, 0) {
            Ok(_) if left == *b"0" => true,
            Ok(_) => {
                // If this write is what fails, then nothing was left to fail before.
                let _ = self.fail_nth.write_at(b"0", 0);
                false
            }
            // Nothing has failed before this read.
            Err(_) => false,
        }
    }
}

/// Begin and end of a function of the kernel.
fn symbol_range(name: &str) -> io::Result<(u64, u64)> {
    let symbols = fs::read_to_string("/proc/kallsyms")?;
    let mut begin = None;
    let mut end = u64::MAX;
    let address = |line: &str| u64::from_str_radix(line.split(' ').next()?, 16).ok();
    for line in symbols.lines() {
        if line.split(' ').nth(2) == Some(name) {
            begin = address(line);
        }
    }
    let begin = begin.ok_or_else(|| io::Error::other(format!("the kernel has no {name}")))?;
    for address in symbols.lines().filter_map(address) {
        if address > begin {
            end = end.min(address);
        }
    }
    Ok((begin, end))
}
