// SPDX-License-Identifier: GPL-2.0

//! Records for user space, at the distance from each other that the caller wants.

use kernel::prelude::*;

use zerocopy::{
    Immutable,
    IntoBytes, //
};

use crate::abstractions::uaccess::{
    clear_user,
    write_user_slice, //
};

/// The room for records in user space that is not filled yet.
pub(crate) struct Output {
    to: UserPtr,
    stride: usize,
    left: u32,
}

impl Output {
    /// Creates an output for so many records of `stride` bytes each.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the address is more than what user space can have.
    pub(crate) fn new(address: u64, stride: u32, capacity: u32) -> Result<Self> {
        let address = usize::try_from(address).map_err(|_| EFAULT)?;

        Ok(Self {
            to: UserPtr::from_addr(address),
            stride: stride as usize,
            left: capacity,
        })
    }

    /// Returns how many records there is room for.
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// Writes records, not more than there is room for, up to the first one that cannot be
    /// written. Returns how many were written.
    ///
    /// Of a record that is longer than the stride the rest is left out, and behind one that is
    /// shorter there are zeroes.
    pub(crate) fn write<T: IntoBytes + Immutable>(&mut self, records: &[T]) -> usize {
        let written = if self.stride == size_of::<T>() {
            let bytes = write_user_slice(self.to, records.as_bytes());

            bytes.checked_div(size_of::<T>()).unwrap_or(0)
        } else {
            records
                .iter()
                .enumerate()
                .take_while(|(index, record)| self.write_one(*index, record.as_bytes()))
                .count()
        };

        self.to = self.to.wrapping_byte_add(written.wrapping_mul(self.stride));
        // CAST: There is room for them.
        self.left = self.left.wrapping_sub(written as u32);
        written
    }

    fn write_one(&self, index: usize, record: &[u8]) -> bool {
        let to = self.to.wrapping_byte_add(index.wrapping_mul(self.stride));
        let record = record.get(..self.stride).unwrap_or(record);
        let rest = self.stride.saturating_sub(record.len());

        write_user_slice(to, record) == record.len()
            && clear_user(to.wrapping_byte_add(record.len()), rest)
    }
}
