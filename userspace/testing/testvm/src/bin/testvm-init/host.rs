// SPDX-License-Identifier: GPL-2.0-only

//! The host, at the other end of the port for the report.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use testvm::protocol::{self, ACKNOWLEDGMENT, Message, REPORT_PORT, Size, Start};

use crate::ports;

/// The port, and data from it that is not used yet.
pub struct Host {
    port: File,
    received: Vec<u8>,
}

impl Host {
    pub fn open() -> Result<Self> {
        Ok(Self {
            port: ports::open(REPORT_PORT)?,
            received: Vec::new(),
        })
    }

    pub fn send(&mut self, message: &Message) -> Result<()> {
        self.port
            .write_all(&protocol::line(message)?)
            .context("cannot write to the host")
    }

    /// Waits for the start. A guest may be saved here, and go on much later.
    pub fn wait_for_start(&mut self) -> Result<Start> {
        loop {
            if let Some(line) = self.line() {
                return serde_json::from_slice(&line).context("the host's start is broken");
            }
            self.receive().context("cannot read from the host")?;
        }
    }

    /// Reads the sizes of the terminal that the host has sent, and returns the last one. Waits for
    /// data if there is none.
    pub fn size(&mut self) -> io::Result<Option<Size>> {
        self.receive()?;
        let mut size = None;
        while let Some(line) = self.line() {
            size = serde_json::from_slice(&line).ok().or(size);
        }
        Ok(size)
    }

    /// Waits until the host needs nothing more. Sizes that come before are ignored.
    pub fn wait_for_acknowledgment(&mut self) -> io::Result<()> {
        loop {
            while let Some(line) = self.line() {
                if line == ACKNOWLEDGMENT {
                    return Ok(());
                }
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 256];
        match self.port.read(&mut buffer)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => {
                self.received.extend(&buffer[..read]);
                Ok(())
            }
        }
    }

    /// Removes the first line, and returns it with its end.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.received.iter().position(|&byte| byte == b'\n')?;
        Some(self.received.drain(..=end).collect())
    }
}

impl AsFd for Host {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }
}
