// SPDX-License-Identifier: GPL-2.0-only

//! Regions of work between marks, which QEMU's plugin measures. This is their side in the guest:
//! the plugin knows no names, so the guest tells those of all regions, in the order in which they
//! ended.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use cost::{Region, marks};
use serde::{Deserialize, Serialize};

use crate::calls::{Prepared, Repeat};

/// The number of calls before those that are measured, by which all caches of the kernel are warm.
const WARM_UP: usize = 300;

/// The numbers of regions for each row, of which the one with the fewest instructions counts: the
/// others have a tick of the kernel's clock in them, or other work that is not the row's.
pub const ROUNDS: usize = 5;
const CALL_ROUNDS: usize = 64;

/// The same for many calls that leave work for later: beside many processes, more than half of such
/// regions have other work in them, and each up to 150 % more instructions.
const MANY_ROUNDS: usize = 30;

/// The number of calls that leave work for later in a region, and the time after them for RCU.
const MANY: u64 = 1000;
pub const SETTLE: Duration = Duration::from_millis(100);

/// The time for the plugin to have all code translated anew. The guest's clock stands still while
/// nothing runs, so this is but a few instructions.
const ARMING: Duration = Duration::from_millis(500);

/// A region.
#[derive(Debug, Serialize, Deserialize)]
pub struct Label {
    pub name: String,
    /// The number of calls or processes that its cost is divided by.
    pub per: u64,
}

/// Joins regions with what the plugin has measured of them, which is in the same order.
pub fn join(labels: Vec<Label>, measured: Vec<Region>) -> Result<Vec<(Label, Region)>> {
    ensure!(
        labels.len() == measured.len(),
        "the guest has named {} regions, and the plugin has measured {}",
        labels.len(),
        measured.len()
    );
    for label in &labels {
        ensure!(label.per > 0, "{} has found nothing", label.name);
    }
    Ok(labels.into_iter().zip(measured).collect())
}

/// The regions so far.
#[derive(Debug, Default)]
pub struct Regions {
    labels: Vec<Label>,
}

impl Regions {
    /// Makes the plugin instrument all code.
    pub fn arm() -> Self {
        marks::arm();
        sleep(ARMING);
        Self::default()
    }

    /// Makes the plugin count instructions, those of all CPUs, and nothing else.
    pub fn arm_to_count() -> Self {
        marks::arm_to_count();
        sleep(ARMING);
        Self::default()
    }

    pub fn into_labels(self) -> Vec<Label> {
        self.labels
    }

    fn push(&mut self, name: &str, per: u64) {
        self.labels.push(Label {
            name: name.to_owned(),
            per,
        });
    }

    /// Does some work as a region. It returns the number that its cost is divided by.
    pub fn measure(&mut self, name: &str, work: impl FnOnce() -> Result<usize>) -> Result<()> {
        marks::begin();
        self.finish(name, work())
    }

    /// Does the same with a list of all lines.
    pub fn list(&mut self, name: &str, work: impl FnOnce() -> Result<usize>) -> Result<()> {
        marks::begin_listed();
        self.finish(name, work())
    }

    /// Does the same with a list of the calls of watched functions, and without cache lines.
    pub fn list_calls(&mut self, name: &str, work: impl FnOnce() -> Result<usize>) -> Result<()> {
        marks::begin_calls();
        self.finish(name, work())
    }

    /// Ends the region of some work that is done.
    fn finish(&mut self, name: &str, done: Result<usize>) -> Result<()> {
        marks::end();
        self.push(name, done? as u64);
        Ok(())
    }

    /// Makes a call in regions of its own.
    pub fn call(&mut self, name: &str, mut call: Prepared) -> Result<()> {
        call.repeat(&mut OneByOne)?;
        for _ in 0..CALL_ROUNDS {
            self.push(name, 1);
        }
        Ok(())
    }

    /// Makes many calls in a region that ends when nothing of them is left to do. `without` is the
    /// name of regions of the same time without the calls.
    pub fn calls(&mut self, name: &str, without: &str, mut call: Prepared) -> Result<()> {
        for _ in 0..MANY_ROUNDS {
            call.repeat(&mut Many(MANY))?;
            self.push(name, MANY);
            call.repeat(&mut Many(0))?;
            self.push(without, MANY);
        }
        Ok(())
    }
}

/// Makes a call in a region, and again.
struct OneByOne;

impl Repeat for OneByOne {
    type Output = Result<()>;

    fn repeat(&mut self, expected: isize, mut call: impl FnMut() -> isize) -> Result<()> {
        let mut strange = 0;
        for _ in 0..WARM_UP {
            strange |= call() ^ expected;
        }
        for _ in 0..CALL_ROUNDS {
            marks::begin();
            let result = call();
            marks::end();
            strange |= result ^ expected;
        }
        ensure!(strange == 0, "not all calls return {expected}");
        Ok(())
    }
}

/// Makes a number of calls in a region.
struct Many(u64);

impl Repeat for Many {
    type Output = Result<()>;

    fn repeat(&mut self, expected: isize, mut call: impl FnMut() -> isize) -> Result<()> {
        let mut strange = 0;
        // Nothing of an earlier region is left.
        sleep(SETTLE);
        marks::begin();
        for _ in 0..self.0 {
            strange |= call() ^ expected;
        }
        sleep(SETTLE);
        marks::end();
        ensure!(strange == 0, "not all calls return {expected}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Call;

    #[test]
    fn regions_are_named_in_their_order() {
        let mut regions = Regions::default();
        regions.measure("work", || Ok(7)).unwrap();
        regions.list("list", || Ok(8)).unwrap();
        regions.list_calls("calls", || Ok(9)).unwrap();
        let open = || Prepared::floor("/dev/null", Call::Open).unwrap();
        regions.call("one", open()).unwrap();
        let labels = regions.into_labels();
        let names: Vec<_> = labels.iter().map(|label| &*label.name).collect();
        assert_eq!(names[..4], ["work", "list", "calls", "one"]);
        assert_eq!(names.len(), 3 + CALL_ROUNDS);
        assert_eq!((labels[0].per, labels[3].per), (7, 1));
    }

    #[test]
    fn unexpected_results_are_noticed() {
        assert!(OneByOne.repeat(3, || 3).is_ok());
        let mut left = 310;
        let once_wrong = || {
            left -= 1;
            if left == 1 { -1 } else { 3 }
        };
        assert!(OneByOne.repeat(3, once_wrong).is_err());
        assert!(Many(2).repeat(3, || 4).is_err());
    }
}
