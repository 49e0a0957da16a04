// SPDX-License-Identifier: GPL-2.0-only

//! Structures of the ABI as the bytes that the kernel reads and writes.

/// A structure that consists of integers, and so has a value for any bytes.
///
/// # Safety
///
/// Any bytes are a valid value.
pub unsafe trait FromBytes: Copy + Default {
    /// Reads a value from the beginning of `bytes`. Bytes that are missing are those of the
    /// default.
    fn read(bytes: &[u8]) -> Self {
        let mut value = Self::default();
        let len = bytes.len().min(size_of::<Self>());
        // SAFETY: Both have `len` bytes, and any bytes are a valid value.
        unsafe { (&raw mut value).cast::<u8>().copy_from(bytes.as_ptr(), len) };
        value
    }
}

/// A structure without padding.
///
/// # Safety
///
/// All bytes of a value are initialised.
pub unsafe trait IntoBytes: Copy {
    /// Returns a copy of the bytes.
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<Self>()];
        let value = (&raw const self).cast::<u8>();
        // SAFETY: Both have the length of `Self`, and all bytes of it are initialised.
        unsafe { bytes.as_mut_ptr().copy_from(value, bytes.len()) };
        bytes
    }
}

#[cfg(test)]
mod tests {
    use procmon::uapi::procmon_snapshot as Snapshot;

    use super::*;

    #[test]
    fn a_structure_survives_as_bytes() {
        let snapshot = Snapshot {
            size: 56,
            cursor: -1,
            time: 1 << 40,
            ..Default::default()
        };
        let bytes = snapshot.to_bytes();
        assert_eq!(bytes.len(), 88);
        assert_eq!(bytes[..4], 56u32.to_ne_bytes());
        assert_eq!(Snapshot::read(&bytes), snapshot);
    }

    #[test]
    fn bytes_that_are_missing_are_zero() {
        let bytes = [0xff; 6];
        let snapshot = Snapshot::read(&bytes);
        assert_eq!((snapshot.size, snapshot.flags), (u32::MAX, 0xffff));
        assert_eq!(snapshot.groups, 0);
        assert_eq!(Snapshot::read(&[0; 100]), Snapshot::default());
    }
}
