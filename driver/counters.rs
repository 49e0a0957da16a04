// SPDX-License-Identifier: GPL-2.0-only

//! Counters of the operations on the device.

use kernel::prelude::*;

use zerocopy_derive::Immutable;

use crate::abstractions::percpu::PerCpuCounters;

/// The number of operations of each kind.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Totals {
    /// Files opened.
    pub(crate) opens: u64,
    /// Reads that delivered a byte.
    pub(crate) reads: u64,
    /// Writes that succeeded.
    pub(crate) writes: u64,
    /// Calls of ioctl(2), failed ones included.
    pub(crate) ioctls: u64,
}

impl Totals {
    /// Returns the number of all operations.
    pub(crate) fn sum(&self) -> u64 {
        [self.opens, self.reads, self.writes, self.ioctls]
            .into_iter()
            .fold(0, u64::wrapping_add)
    }

    /// Returns the operations since an earlier reading.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            opens: self.opens.wrapping_sub(earlier.opens),
            reads: self.reads.wrapping_sub(earlier.reads),
            writes: self.writes.wrapping_sub(earlier.writes),
            ioctls: self.ioctls.wrapping_sub(earlier.ioctls),
        }
    }
}

/// The counters since the module was loaded. They are never reset.
pub(crate) struct Counters(PerCpuCounters<4>);

impl Counters {
    const OPENS: usize = 0;
    const READS: usize = 1;
    const WRITES: usize = 2;
    const IOCTLS: usize = 3;

    /// Creates counters of zero.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(PerCpuCounters::new()?))
    }

    /// Counts a file that was opened.
    pub(crate) fn count_open(&self) {
        self.0.inc::<{ Self::OPENS }>();
    }

    /// Counts a read.
    pub(crate) fn count_read(&self) {
        self.0.inc::<{ Self::READS }>();
    }

    /// Counts a write.
    pub(crate) fn count_write(&self) {
        self.0.inc::<{ Self::WRITES }>();
    }

    /// Counts an ioctl call.
    pub(crate) fn count_ioctl(&self) {
        self.0.inc::<{ Self::IOCTLS }>();
    }

    /// Returns the counts since the module was loaded.
    #[inline(always)]
    pub(crate) fn totals(&self) -> Totals {
        let [opens, reads, writes, ioctls] = self.0.sums();

        Totals {
            opens,
            reads,
            writes,
            ioctls,
        }
    }
}
