// SPDX-License-Identifier: GPL-2.0-only

//! Sockets of netlink for the process connector and for the statistics of tasks: messages that the
//! kernel sends for each event.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};

/// The memory for messages that are not received.
const RECEIVE_BUFFER: libc::c_int = 64 << 20;

/// The header of a message: length, type, flags, sequence number, and the sender.
const HEADER: usize = 16;

/// The group and the ID of the process connector, and the commands to be told of events, or not.
const CN_IDX_PROC: u32 = 1;
const PROC_CN_MCAST_LISTEN: u32 = 1;
const PROC_CN_MCAST_IGNORE: u32 = 2;

/// Generic netlink: its own family, the command to look for another one, and their attributes.
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const GENERIC_HEADER: usize = 4;

/// The command and the attribute to be told of exits on some CPUs.
const TASKSTATS_CMD_GET: u8 = 1;
const TASKSTATS_CMD_ATTR_REGISTER_CPUMASK: u16 = 3;

const NLM_F_REQUEST: u16 = 1;

/// A socket.
pub struct Socket {
    file: File,
    /// Whether it gets the events of the process connector.
    is_connector: bool,
    /// The memory for a message.
    buffer: Box<[u8; 8192]>,
}

impl Socket {
    /// Opens a socket that gets the events of the process connector.
    pub fn connector() -> Result<Self> {
        let mut socket = Self::open(libc::NETLINK_CONNECTOR, CN_IDX_PROC)?;
        socket
            .send(&connector(PROC_CN_MCAST_LISTEN))
            .context("there is no process connector")?;
        socket.is_connector = true;
        // The answer.
        socket.receive()?;
        Ok(socket)
    }

    /// Opens a socket that gets the statistics of tasks that exit on the first CPU.
    pub fn taskstats() -> Result<Self> {
        let mut socket = Self::open(libc::NETLINK_GENERIC, 0)?;
        let name = attribute(CTRL_ATTR_FAMILY_NAME, b"TASKSTATS\0");
        socket.send(&generic(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, &name))?;
        let length = socket.receive()?;
        let family = family(&socket.buffer[..length]).context("there are no taskstats")?;
        let cpus = attribute(TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, b"0\0");
        socket.send(&generic(family, TASKSTATS_CMD_GET, &cpus))?;
        Ok(socket)
    }

    fn open(protocol: libc::c_int, groups: u32) -> Result<Self> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        // SAFETY: The call has no pointers.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) };
        ensure!(fd >= 0, "no socket: {}", io::Error::last_os_error());
        // SAFETY: It was just opened, for this.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let size = RECEIVE_BUFFER;
        // SAFETY: The option is a number, and valid.
        let result = unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUFFORCE,
                (&raw const size).cast(),
                size_of_val(&size) as libc::socklen_t,
            )
        };
        ensure!(result == 0, "no memory: {}", io::Error::last_os_error());
        // SAFETY: All zeros are such an address.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        address.nl_groups = groups;
        // SAFETY: The address is valid.
        let result = unsafe {
            libc::bind(
                fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of_val(&address) as libc::socklen_t,
            )
        };
        ensure!(result == 0, "no address: {}", io::Error::last_os_error());
        Ok(Self {
            file: fd.into(),
            is_connector: false,
            buffer: Box::new([0; 8192]),
        })
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.file.write_all(message)
    }

    /// Receives a message. Returns its length.
    pub fn receive(&mut self) -> io::Result<usize> {
        self.file.read(&mut *self.buffer)
    }

    /// Receives the messages that are there. Returns their number.
    pub fn drain(&mut self) -> Result<usize> {
        let mut count = 0;
        loop {
            // SAFETY: The buffer is valid.
            let result = unsafe {
                libc::recv(
                    self.file.as_raw_fd(),
                    self.buffer.as_mut_ptr().cast(),
                    self.buffer.len(),
                    libc::MSG_DONTWAIT,
                )
            };
            if result < 0 {
                let error = io::Error::last_os_error();
                // After an overrun there is another error.
                ensure!(error.kind() == ErrorKind::WouldBlock, "no message: {error}");
                return Ok(count);
            }
            count += 1;
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Or else the kernel goes on to make messages.
        if self.is_connector {
            let _ = self.send(&connector(PROC_CN_MCAST_IGNORE));
        }
    }
}

/// Returns a message of netlink.
fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = (HEADER + body.len()) as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    // The sequence number, and the sender: the kernel knows it.
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// Returns a message to the process connector.
fn connector(command: u32) -> Vec<u8> {
    let command = command.to_ne_bytes();
    // The ID of the connector's user, with its value, the sequence number and the acknowledgment.
    let words = [CN_IDX_PROC, 1, 0, 0];
    let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    body.extend((command.len() as u16).to_ne_bytes());
    // Flags.
    body.extend([0; 2]);
    body.extend(command);
    message(libc::NLMSG_DONE as u16, &body)
}

/// Returns a message of generic netlink.
fn generic(family: u16, command: u8, attributes: &[u8]) -> Vec<u8> {
    // The version, and two bytes that are reserved.
    let mut body = vec![command, 1, 0, 0];
    body.extend(attributes);
    message(family, &body)
}

/// Returns an attribute, padded to words of 32 bits.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = (4 + value.len()) as u16;
    let mut attribute = length.to_ne_bytes().to_vec();
    attribute.extend(kind.to_ne_bytes());
    attribute.extend(value);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

/// Returns the number of the family that an answer tells.
fn family(answer: &[u8]) -> Option<u16> {
    let mut rest = answer.get(HEADER + GENERIC_HEADER..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let value = rest.get(4..length)?;
        if kind == CTRL_ATTR_FAMILY_ID {
            return Some(u16::from_ne_bytes(*value.first_chunk()?));
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_layout_of_the_kernel() {
        let message = generic(0x10, 3, &attribute(2, b"TASKSTATS\0"));
        assert_eq!(message.len(), 16 + 4 + 16);
        assert_eq!(message[..8], [36, 0, 0, 0, 0x10, 0, 1, 0]);
        assert_eq!(message[16..24], [3, 1, 0, 0, 14, 0, 2, 0]);
        assert_eq!(message[24..], *b"TASKSTATS\0\0\0");

        let message = connector(PROC_CN_MCAST_LISTEN);
        assert_eq!(message.len(), 16 + 20 + 4);
        assert_eq!(message[..6], [40, 0, 0, 0, 3, 0]);
        assert_eq!(message[16..24], [1, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(message[32..], [4, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn a_family_is_found_behind_other_attributes() {
        let mut answer = vec![0; HEADER + GENERIC_HEADER];
        answer.extend(attribute(CTRL_ATTR_FAMILY_NAME, b"TASKSTATS\0"));
        assert_eq!(family(&answer), None);
        answer.extend(attribute(CTRL_ATTR_FAMILY_ID, &0x1234_u16.to_ne_bytes()));
        assert_eq!(family(&answer), Some(0x1234));
        assert_eq!(family(&answer[..answer.len() - 4]), None);
        assert_eq!(family(&[]), None);
    }
}
