// SPDX-License-Identifier: GPL-2.0-only

//! Reading the message.

mod copy;
mod ways;
mod writers;

use std::fs::File;
use std::os::fd::AsRawFd;

use procmon::Device;

/// Writes the bytes 0, 1, 2 ... as the message.
fn write_counting(len: usize) -> Vec<u8> {
    let message: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
    assert_eq!(
        Device::open().unwrap().write_message(&message).unwrap(),
        len
    );
    message
}

/// Returns the position of a file, from fdinfo as lseek() fails.
fn position(file: &File) -> u64 {
    let path = format!("/proc/self/fdinfo/{}", file.as_raw_fd());
    let info = std::fs::read_to_string(path).unwrap();
    let position = info
        .lines()
        .find_map(|line| line.strip_prefix("pos:"))
        .unwrap();
    position.trim().parse().unwrap()
}
