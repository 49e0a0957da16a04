// SPDX-License-Identifier: GPL-2.0-only

//! Errors of recordings.

use std::io;

use crate::VERSION;

/// An error of reading or writing a recording.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is no recording.
    #[error("this is no recording: {0}")]
    Format(String),
    /// The recording is of a later version of the format.
    #[error("the recording has version {0} of the format, and this program knows {VERSION}")]
    Version(u32),
}

/// A result of reading or writing a recording.
pub type Result<T> = std::result::Result<T, Error>;
