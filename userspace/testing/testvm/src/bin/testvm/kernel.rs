// SPDX-License-Identifier: GPL-2.0-only

//! The kernel to boot.
//!
//! A bzImage is a compressed kernel with a program that unpacks it. In emulation that program
//! takes a third of the time of a whole boot, so it is left out where possible: QEMU starts an
//! unpacked kernel right away if that has an entry point of the kind called PVH. What runs then is
//! the same, except that it is always at the same address.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::memfd::{MFdFlags, memfd_create};
use object::Endianness;
use object::elf::{FileHeader64, NoteType};
use object::read::elf::{FileHeader, ProgramHeader};
use ruzstd::decoding::StreamingDecoder;

/// Fields of the header of a bzImage (Documentation/arch/x86/boot.rst).
const MAGIC: (Range<usize>, &[u8]) = (0x202..0x206, b"HdrS");
const VERSION: Range<usize> = 0x206..0x208;
const SETUP_SECTORS: usize = 0x1f1;
const PAYLOAD_OFFSET: Range<usize> = 0x248..0x24c;
const PAYLOAD_LENGTH: Range<usize> = 0x24c..0x250;
/// The first version of the header that describes the payload.
const PAYLOAD_VERSION: u16 = 0x208;
const SECTOR_SIZE: usize = 512;

/// XEN_ELFNOTE_PHYS32_ENTRY, the entry point of PVH.
const PVH_NOTE: (&[u8], NoteType) = (b"Xen", NoteType(18));

/// Opens a kernel in the form that boots fastest.
pub fn open(path: &Path) -> Result<OwnedFd> {
    let context = || format!("cannot read the kernel {}", path.display());
    let image = fs::read(path).with_context(context)?;
    match unpack(&image) {
        Some(kernel) if has_pvh_entry(&kernel) => {
            let memory = memfd_create(c"vmlinux", MFdFlags::MFD_CLOEXEC)
                .context("cannot make a file in memory")?;
            let mut file = File::from(memory);
            file.write_all(&kernel)
                .context("cannot unpack the kernel")?;
            Ok(file.into())
        }
        _ => Ok(File::open(path).with_context(context)?.into()),
    }
}

/// Unpacks the kernel from a bzImage, if it is one, and compressed like Debian's.
fn unpack(image: &[u8]) -> Option<Vec<u8>> {
    let number = |range: Range<usize>| -> Option<usize> {
        Some(u32::from_le_bytes(image.get(range)?.try_into().ok()?) as usize)
    };
    let version = u16::from_le_bytes(image.get(VERSION)?.try_into().ok()?);
    if image.get(MAGIC.0)? != MAGIC.1 || version < PAYLOAD_VERSION {
        return None;
    }
    let start = (usize::from(image[SETUP_SECTORS]) + 1) * SECTOR_SIZE + number(PAYLOAD_OFFSET)?;
    let payload = image.get(start..start.checked_add(number(PAYLOAD_LENGTH)?)?)?;
    let mut kernel = Vec::new();
    StreamingDecoder::new(payload)
        .ok()?
        .read_to_end(&mut kernel)
        .ok()?;
    Some(kernel)
}

fn has_pvh_entry(kernel: &[u8]) -> bool {
    pvh_entry(kernel).is_ok_and(|found| found)
}

fn pvh_entry(kernel: &[u8]) -> object::Result<bool> {
    let header = FileHeader64::<Endianness>::parse(kernel)?;
    let endian = header.endian()?;
    for segment in header.program_headers(endian, kernel)? {
        let Some(mut notes) = segment.notes(endian, kernel)? else {
            continue;
        };
        while let Some(note) = notes.next()? {
            if (note.name(), note.n_type(endian)) == PVH_NOTE {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 3 * SECTOR_SIZE];
        image[MAGIC.0].copy_from_slice(MAGIC.1);
        image[VERSION].copy_from_slice(&0x20f_u16.to_le_bytes());
        image[SETUP_SECTORS] = 1;
        image[PAYLOAD_OFFSET].copy_from_slice(&(SECTOR_SIZE as u32).to_le_bytes());
        image[PAYLOAD_LENGTH].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        [image, payload.to_vec()].concat()
    }

    #[test]
    fn unpacks_the_payload() {
        // The build adds the unpacked size.
        let mut payload = compress_to_vec(&b"kernel"[..], CompressionLevel::Uncompressed);
        payload.extend(6_u32.to_le_bytes());
        assert_eq!(unpack(&image(&payload)).unwrap(), b"kernel");
    }

    #[test]
    fn leaves_alone_what_it_does_not_know() {
        assert_eq!(unpack(b""), None);
        assert_eq!(unpack(&[0; 4096]), None);
        assert_eq!(unpack(&image(b"\x1f\x8b another compression")), None);
        let whole = image(&compress_to_vec(
            &b"kernel"[..],
            CompressionLevel::Uncompressed,
        ));
        assert_eq!(unpack(&whole[..whole.len() - 1]), None);
    }

    #[test]
    fn an_elf_file_without_the_note_has_no_pvh_entry() {
        assert!(!has_pvh_entry(&fs::read("/proc/self/exe").unwrap()));
        assert!(!has_pvh_entry(b"kernel"));
    }
}
