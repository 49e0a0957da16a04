// SPDX-License-Identifier: GPL-2.0-only

//! The elements of lists: records, samples and events.

use std::ffi::c_char;

use anyhow::{Result, ensure};
use procmon::Groups;
use procmon::uapi::{
    self, procmon_args as Entry, procmon_event as Event, procmon_event_lost as Lost,
    procmon_record as Record, procmon_sample as Sample,
};

use super::{check_name, check_state, is_zero};
use crate::plain::FromBytes;

// SAFETY: All fields are integers.
unsafe impl FromBytes for Entry {}
// SAFETY: As above.
unsafe impl FromBytes for Record {}
// SAFETY: As above.
unsafe impl FromBytes for Sample {}
// SAFETY: As above.
unsafe impl FromBytes for Event {}
// SAFETY: As above.
unsafe impl FromBytes for Lost {}

/// Checks records of a snapshot with these groups.
pub fn check_records(bytes: &[u8], stride: usize, groups: u32) -> Result<()> {
    let mut previous = 0;
    for bytes in bytes.chunks_exact(stride) {
        let record = Record::read(bytes);
        let pid = record.pid;
        ensure!(pid > previous, "PID {pid} after {previous}");
        previous = pid;
        ensure!(
            record.groups & !groups == 0,
            "groups {:x} of {groups:x}",
            record.groups
        );
        check_state(record.state)?;
        check_name(&record.comm.map(c_char::cast_unsigned))?;
        let mut start = 0;
        for &(group, end) in Groups::ENDS {
            let fields = &bytes[start.min(stride)..end.min(stride)];
            ensure!(
                record.groups & group.bits() != 0 || is_zero(fields),
                "{group:?} is filled in"
            );
            start = end;
        }
        ensure!(
            is_zero(&bytes[start.min(stride)..]),
            "bytes behind a record"
        );
    }
    Ok(())
}

/// Checks entries of arguments, one for each record that says so, in their order.
pub fn check_entries(mut entries: &[u8], records: &[u8], stride: usize, max: u32) -> Result<()> {
    let records = records.chunks_exact(stride.max(1)).map(Record::read);
    let mut marked = records.filter(|record| record.groups & uapi::PROCMON_GROUP_ARGS != 0);
    let mut previous = 0;
    while !entries.is_empty() {
        ensure!(
            entries.len() >= size_of::<Entry>(),
            "{} bytes",
            entries.len()
        );
        let entry = Entry::read(entries);
        let size = entry.size as usize;
        let used = size_of::<Entry>() + entry.args_stored as usize;
        ensure!(
            size == used.next_multiple_of(8) && size <= entries.len(),
            "an entry of {size} bytes"
        );
        ensure!(entry.args_stored <= max.min(entry.args_size), "{entry:?}");
        ensure!(is_zero(&entries[used..size]), "bytes behind a text");
        ensure!(entry.pid > previous, "PID {} after {previous}", entry.pid);
        previous = entry.pid;
        let record = marked.next().map(|record| record.pid);
        ensure!(record == Some(entry.pid), "PID {record:?} of {entry:?}");
        entries = &entries[size..];
    }
    ensure!(marked.next().is_none(), "a record without its entry");
    Ok(())
}

/// Checks samples of a history.
pub fn check_samples(bytes: &[u8], stride: usize) -> Result<()> {
    let mut expected = None;
    for bytes in bytes.chunks_exact(stride) {
        let sample = Sample::read(bytes);
        let Sample {
            sequence, flags, ..
        } = sample;
        ensure!(
            sequence == expected.unwrap_or(sequence),
            "sample {sequence}"
        );
        expected = Some(sequence + 1);
        let target = [uapi::PROCMON_SAMPLE_PROCESS, uapi::PROCMON_SAMPLE_GONE];
        ensure!(flags == 0 || target.contains(&flags), "flags {flags}");
        ensure!(sample.reserved == 0, "reserved bytes");
        ensure!(
            flags != 0 || sample.process == Record::default(),
            "a process in a sample without one"
        );
        let rest = bytes.get(size_of::<Sample>()..).unwrap_or_default();
        ensure!(is_zero(rest), "bytes behind a sample");
    }
    Ok(())
}

/// Checks a number of events of these classes.
pub fn check_events(mut bytes: &[u8], classes: u32, count: u32) -> Result<()> {
    let mut next = 0;
    let mut time = 0;
    for _ in 0..count {
        ensure!(bytes.len() >= size_of::<Event>(), "{} bytes", bytes.len());
        let event = Event::read(bytes);
        let size = usize::from(event.size);
        ensure!(
            size >= size_of::<Event>() && size % 8 == 0 && size <= bytes.len(),
            "an event of {size} bytes"
        );
        ensure!(event.tail <= event.size, "a tail at {}", event.tail);
        ensure!(event.reserved == 0, "reserved bytes");
        ensure!(
            event.sequence >= next,
            "event {} before {next}",
            event.sequence
        );
        next = event.sequence + 1;
        if u32::from(event.type_) == uapi::PROCMON_EVENT_LOST {
            ensure!(size == size_of::<Lost>(), "a loss of {size} bytes");
            let lost = Lost::read(bytes);
            ensure!(lost.last >= event.sequence, "the last is {}", lost.last);
            for (count, kind) in lost.counts.iter().zip(0..) {
                ensure!(
                    *count == 0 || classes & (1 << kind) != 0,
                    "a loss of class {kind}"
                );
            }
            next = lost.last + 1;
        } else {
            ensure!(
                event.type_ < 32 && classes & (1 << event.type_) != 0,
                "type {}",
                event.type_
            );
            ensure!(event.time >= time, "time {} after {time}", event.time);
            time = event.time;
        }
        bytes = &bytes[size..];
    }
    ensure!(bytes.is_empty(), "{} bytes behind the events", bytes.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    /// Records of two processes with the fields that these bytes are.
    fn records(groups: u32, changes: &[(usize, u8)]) -> Vec<u8> {
        let stride = size_of::<Record>() + 8;
        let mut bytes = vec![0; 2 * stride];
        for (start, pid) in [(0, 1), (stride, 2)] {
            bytes[start..][..4].copy_from_slice(&groups.to_ne_bytes());
            bytes[start + offset_of!(Record, pid)] = pid;
        }
        for &(place, byte) in changes {
            bytes[place] = byte;
        }
        bytes
    }

    #[test]
    fn records_are_checked() {
        let stride = size_of::<Record>() + 8;
        let check = |groups, changes: &[_]| check_records(&records(groups, changes), stride, 0b11);
        let vsize = offset_of!(Record, vsize);
        assert!(check(0b11, &[(offset_of!(Record, nice), 1)]).is_ok());
        assert!(check(0b01, &[(offset_of!(Record, nice), 1)]).is_err());
        assert!(check(0b11, &[(vsize, 1)]).is_err());
        assert!(check(0b111, &[]).is_err());
        assert!(check(0b11, &[(offset_of!(Record, pid), 2)]).is_err());
        assert!(check(0b11, &[(offset_of!(Record, state), 3)]).is_err());
        assert!(check(0b11, &[(offset_of!(Record, comm) + 1, 1)]).is_err());
        assert!(check(0b11, &[(stride - 1, 1)]).is_err());
        // A stride that cuts the record.
        assert!(check_records(&records(1, &[])[..48], 48, 1).is_ok());
    }

    #[test]
    fn entries_are_checked() {
        let stride = size_of::<Record>() + 8;
        let records = |groups: u32| records(groups, &[]);
        let entry = |pid: u8, stored: u8| {
            let mut bytes = vec![0; 24];
            [bytes[0], bytes[4], bytes[8], bytes[12]] = [24, pid, 8, stored];
            bytes[16] = b'x';
            bytes
        };
        let check = |groups, entries: &[Vec<u8>]| {
            check_entries(&entries.concat(), &records(groups), stride, 8)
        };
        let args = uapi::PROCMON_GROUP_ARGS | 1;
        assert!(check(1, &[]).is_ok());
        assert!(check(args, &[entry(1, 1), entry(2, 8)]).is_ok());
        for bad in [
            vec![],
            vec![entry(1, 1), entry(2, 8), entry(3, 1)],
            vec![entry(1, 1)],
            vec![entry(2, 1), entry(1, 1)],
            vec![entry(1, 1), entry(3, 1)],
            vec![entry(1, 0), entry(2, 1)],
            vec![entry(1, 9), entry(2, 1)],
            vec![entry(1, 1), entry(2, 1)[..16].to_vec()],
        ] {
            assert!(check(args, &bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn samples_are_checked() {
        let short = uapi::PROCMON_SAMPLE_STRIDE_MIN as usize;
        let check = |stride: usize, changes: &[(usize, u8)]| {
            let mut bytes = vec![0; 2 * stride];
            bytes[0] = 1;
            bytes[stride] = 2;
            for &(place, byte) in changes {
                bytes[place] = byte;
            }
            check_samples(&bytes, stride)
        };
        assert!(check(short, &[]).is_ok() && check(4096, &[]).is_ok());
        assert!(check(short, &[(0, 2)]).is_err());
        let whole = size_of::<Sample>();
        assert!(check(whole, &[(offset_of!(Sample, reserved), 1)]).is_err());
        assert!(check(whole + 8, &[(whole + 7, 1)]).is_err());
        let flags = offset_of!(Sample, flags);
        let process = offset_of!(Sample, process);
        assert!(check(whole, &[(process, 1)]).is_err());
        assert!(check(whole, &[(process, 1), (flags, 1)]).is_ok());
        assert!(check(whole, &[(flags, 2)]).is_ok());
        assert!(check(whole, &[(flags, 3)]).is_err());
    }

    #[test]
    fn events_are_checked() {
        let size = size_of::<Event>();
        let check = |changes: &[(usize, u8)], count| {
            let mut bytes = vec![0; 2 * size];
            for (start, number) in [(0, 1), (size, 2)] {
                bytes[start] = size as u8;
                bytes[start + offset_of!(Event, tail)] = size as u8;
                bytes[start + offset_of!(Event, type_)] = 2;
                bytes[start + offset_of!(Event, sequence)] = number;
            }
            for &(place, byte) in changes {
                bytes[place] = byte;
            }
            check_events(&bytes, 0b100, count)
        };
        assert!(check(&[], 2).is_ok());
        assert!(check(&[], 1).is_err() && check(&[], 3).is_err());
        for (place, byte) in [
            (0, 60),
            (0, 0),
            (offset_of!(Event, tail), 65),
            (offset_of!(Event, type_), 1),
            (offset_of!(Event, type_), 255),
            (offset_of!(Event, reserved), 1),
            (offset_of!(Event, sequence), 2),
            (offset_of!(Event, time), 1),
        ] {
            assert!(check(&[(place, byte)], 2).is_err(), "{place}");
        }
    }
}
