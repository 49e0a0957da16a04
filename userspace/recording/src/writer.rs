// SPDX-License-Identifier: GPL-2.0-only

//! Writing of recordings.

use std::io::Write;

use zstd::bulk::Compressor;

use crate::{Line, Result};

/// The level of compression, with which a byte takes about ten instructions.
const LEVEL: i32 = 1;

/// The size of the lines for which a frame is written without waiting for [`Writer::flush`].
const FRAME: usize = 1 << 20;

/// A writer of lines.
///
/// Lines are collected and written as a frame of zstd, which a reader can decode without those
/// behind it. So a crash or a full disk costs no more than the lines since the last
/// [`flush`](Self::flush).
pub struct Writer<W> {
    file: W,
    lines: Vec<u8>,
    compressor: Compressor<'static>,
}

impl<W: Write> Writer<W> {
    /// Creates a writer to a file.
    pub fn new(file: W) -> Self {
        Self {
            file,
            lines: Vec::new(),
            compressor: Compressor::default(),
        }
    }

    /// Returns the file.
    pub fn get_ref(&self) -> &W {
        &self.file
    }

    /// Adds a line.
    ///
    /// # Errors
    ///
    /// As those of [`flush`](Self::flush).
    pub fn write(&mut self, line: &Line) -> Result<()> {
        serde_json::to_writer(&mut self.lines, line).map_err(std::io::Error::from)?;
        self.lines.push(b'\n');
        if self.lines.len() >= FRAME {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the lines so far.
    ///
    /// # Errors
    ///
    /// An [`Io`](crate::Error::Io) error if the file cannot be written, as on a full disk. Lines
    /// that were not written are written by the next call.
    pub fn flush(&mut self) -> Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        self.compressor.set_compression_level(LEVEL)?;
        let frame = self.compressor.compress(&self.lines)?;
        self.file.write_all(&frame)?;
        self.file.flush()?;
        self.lines.clear();
        Ok(())
    }
}
