// SPDX-License-Identifier: GPL-2.0-only

//! Arguments, strides and buffers of `PROCMON_SNAPSHOT`, and `PROCMON_INFO`.

use fixture::child::{Child, crowd, kill_all, paused};
use fixture::memory::{PAGE, Ptr, Region, bad_pointers};
use fixture::{ia32, leave_out, open, raw, shared};
use nix::errno::Errno;
use procmon::snapshot::Groups;
use procmon::uapi;

use super::{RECORD, all, arguments, call, own_pid, pid_in, record_of, snapshot};

/// The module reports the limits that the header has.
#[test]
fn info_has_the_limits_of_the_header() {
    const SIZE: usize = size_of::<uapi::procmon_info>();
    /// That of ABI version 2.
    const OLD_SIZE: usize = 32;

    let _kernel = shared();
    let region = Region::new(PAGE);
    region.fill(0, &[0xaa; 64]);
    let command = u64::from(uapi::PROCMON_INFO);
    assert_eq!(raw::ioctl(open(), command, region.start()), Ok(0));
    let words: Vec<u32> = region
        .bytes(0, SIZE)
        .chunks(4)
        .map(|bytes| u32::from_ne_bytes(bytes.try_into().unwrap()))
        .collect();
    let flags = uapi::PROCMON_SNAPSHOT_THREADS
        | uapi::PROCMON_SNAPSHOT_NO_KTHREADS
        | uapi::PROCMON_SNAPSHOT_BY_UID
        | uapi::PROCMON_SNAPSHOT_BY_PPID
        | uapi::PROCMON_SNAPSHOT_BY_TGID;
    let expected = [
        ("abi_version", uapi::PROCMON_ABI_VERSION),
        ("groups", Groups::all().bits() | uapi::PROCMON_GROUP_ARGS),
        ("snapshot_flags", flags),
        ("snapshot_size", size_of::<uapi::procmon_snapshot>() as u32),
        ("record_size", RECORD as u32),
        ("max_stride", 4096),
        ("sample_size", size_of::<uapi::procmon_sample>() as u32),
        ("history_size", size_of::<uapi::procmon_history>() as u32),
        ("event_classes", (1 << uapi::PROCMON_EVENT_TYPES) - 1),
        ("events_size", size_of::<uapi::procmon_events>() as u32),
    ];
    for (word, (field, expected)) in words.iter().zip(expected) {
        assert_eq!(*word, expected, "info.{field}");
    }
    assert_eq!(region.bytes(SIZE, 8), [0xaa; 8]);
    for (name, pointer) in bad_pointers(&region, SIZE) {
        assert_eq!(
            raw::ioctl(open(), command, pointer),
            Err(Errno::EFAULT),
            "{name}"
        );
    }
    // Callers with the header of an older module have other numbers for the command.
    let of_size = |size: usize| command & !(0x3fff << 16) | (size as u64) << 16;
    let new = region.bytes(0, OLD_SIZE);
    region.fill(0, &[0xaa; 64]);
    let result = raw::ioctl(open(), of_size(OLD_SIZE), region.start());
    assert_eq!(result, Ok(0));
    assert_eq!(region.bytes(0, OLD_SIZE), new);
    assert_eq!(region.bytes(OLD_SIZE, 8), [0xaa; 8]);
    for size in [0, OLD_SIZE - 4, SIZE + 4] {
        let result = raw::ioctl(open(), of_size(size), region.start());
        assert_eq!(result, Err(Errno::ENOTTY), "{size} bytes");
    }
}

/// Bad arguments are refused, each with its own error, and change nothing.
#[test]
fn snapshot_refuses_bad_arguments() {
    let _kernel = shared();
    let region = Region::new(10 * RECORD);
    const UNKNOWN: u32 = uapi::PROCMON_GROUP_ARGS << 1;
    type Change = fn(&mut uapi::procmon_snapshot);
    let cases: [(&str, Change, Errno); 17] = [
        ("size 0", |a| a.size = 0, Errno::EINVAL),
        ("size 55", |a| a.size = 55, Errno::EINVAL),
        ("a huge size", |a| a.size = 1 << 20, Errno::E2BIG),
        ("an unknown flag", |a| a.flags = 1 << 5, Errno::EINVAL),
        ("all flags", |a| a.flags = u32::MAX, Errno::EINVAL),
        ("an unknown group", |a| a.groups = UNKNOWN, Errno::EINVAL),
        ("a negative cursor", |a| a.cursor = -1, Errno::EINVAL),
        ("no capacity", |a| a.capacity = 0, Errno::EINVAL),
        ("no stride", |a| a.stride = 0, Errno::EINVAL),
        ("a short stride", |a| a.stride = 40, Errno::EINVAL),
        ("an odd stride", |a| a.stride = 196, Errno::EINVAL),
        ("a long stride", |a| a.stride = 4104, Errno::EINVAL),
        ("a uid that is not used", |a| a.uid = 1, Errno::EINVAL),
        ("a ppid that is not used", |a| a.ppid = 1, Errno::EINVAL),
        ("a tgid that is not used", |a| a.tgid = -1, Errno::EINVAL),
        ("NULL", |a| a.records = 0, Errno::EFAULT),
        (
            "a kernel address",
            |a| a.records = Ptr::KERNEL.as_ptr() as u64,
            Errno::EFAULT,
        ),
    ];
    for (name, change, errno) in cases {
        let mut arguments = arguments(&region, 10);
        change(&mut arguments);
        assert_eq!(call(&mut arguments), Err(errno), "{name}");
        assert!(
            region.bytes(0, region.size()).iter().all(|&byte| byte == 0),
            "{name}"
        );
    }
    let size = size_of::<uapi::procmon_snapshot>();
    for (name, pointer) in bad_pointers(&region, size) {
        let result = raw::ioctl(open(), uapi::PROCMON_SNAPSHOT.into(), pointer);
        assert!(
            matches!(result, Err(Errno::EFAULT | Errno::EINVAL)),
            "{name}: {result:?}"
        );
    }
}

/// Arguments of a later version: the unknown part must be zero.
#[test]
fn arguments_of_later_versions() {
    let _kernel = shared();
    let records = Region::new(10 * RECORD);
    let size = size_of::<uapi::procmon_snapshot>();
    for (len, tail, expected) in [
        (size + 8, 0, Ok(0)),
        (size + 8, 1, Err(Errno::E2BIG)),
        (size + 1, 1, Err(Errno::E2BIG)),
        (PAGE, 0, Ok(0)),
        (PAGE, 1, Err(Errno::E2BIG)),
        (PAGE + 1, 0, Err(Errno::E2BIG)),
    ] {
        let region = Region::new(2 * PAGE);
        let arguments = uapi::procmon_snapshot {
            size: u32::try_from(len).unwrap(),
            ..arguments(&records, 10)
        };
        region.fill(0, &raw::bytes_of(&arguments));
        region.fill(len - 1, &[tail]);
        // The command's number has the size of the caller's version.
        let command =
            u64::from(uapi::PROCMON_SNAPSHOT) & !(0x3fff << 16) | ((len as u64 & 0x3fff) << 16);
        let result = raw::ioctl(open(), command, region.start());
        assert_eq!(result, expected, "{len} bytes that end with {tail}");
        let count = u32::from_ne_bytes(region.bytes(32, 4).try_into().unwrap());
        assert_eq!(count, if expected.is_ok() { 10 } else { 0 });
    }
}

/// A short stride omits the groups that do not fit, and the rest of a long one is zero.
#[test]
fn records_of_all_strides() {
    let _kernel = shared();
    let child = paused();
    let full = record_of(child.pid());
    // From that of the group BASIC alone to that of all groups, and longer ones.
    for stride in (48..=RECORD).step_by(8).chain([256, 4096]) {
        let region = Region::new(2 * stride);
        region.fill(0, &vec![0xaa; 2 * stride]);
        let mut arguments = uapi::procmon_snapshot {
            flags: uapi::PROCMON_SNAPSHOT_BY_TGID,
            groups: Groups::all().bits(),
            tgid: child.pid(),
            stride: u32::try_from(stride).unwrap(),
            ..arguments(&region, 2)
        };
        call(&mut arguments).unwrap();
        assert_eq!((arguments.count, arguments.cursor), (1, 0));
        let bytes = region.bytes(0, stride);
        // SAFETY: There are no gaps between the fields.
        let expected =
            unsafe { std::slice::from_raw_parts((&raw const full).cast::<u8>(), RECORD) };
        let groups = Groups::from_bits(u32::from_ne_bytes(bytes[..4].try_into().unwrap())).unwrap();
        assert_eq!(groups.bits(), arguments.groups);
        let len = stride.min(RECORD);
        if stride >= RECORD {
            assert_eq!(groups, Groups::all());
            assert_eq!(bytes[..len], expected[..len]);
            assert!(bytes[len..].iter().all(|&byte| byte == 0));
        } else {
            assert_ne!(groups, Groups::all());
            assert_eq!(groups.contains(Groups::RUNTIME), stride >= 192);
            assert_eq!(groups.contains(Groups::CGROUP), stride >= 184);
            assert_eq!(groups.contains(Groups::CPU), stride >= 80);
            assert_eq!(groups.contains(Groups::MEMORY), stride >= 144);
            assert_eq!(bytes[4..44], expected[4..44]);
        }
        assert!(
            region
                .bytes(stride, stride)
                .iter()
                .all(|&byte| byte == 0xaa)
        );
    }
    child.kill();
}

/// Many records of any stride are each like a whole one, as far as groups fit, and zero elsewhere.
#[test]
fn many_records_of_all_strides() {
    // The ends of the groups after that of BASIC, whose end is 44.
    const ENDS: [usize; 8] = [80, 96, 112, 144, 160, 176, 184, 192];
    let _kernel = shared();
    // More than are copied at a time.
    let children: Vec<_> = (0..70).map(|_| paused()).collect();
    let whole = snapshot(&all().ppid(own_pid()));
    assert_eq!(whole.len(), children.len());
    for stride in (48..=RECORD).step_by(8).chain([200, 256, 2048, 4088, 4096]) {
        let region = Region::new(children.len() * stride);
        region.fill(0, &vec![0xaa; children.len() * stride]);
        let mut arguments = uapi::procmon_snapshot {
            flags: uapi::PROCMON_SNAPSHOT_BY_PPID,
            groups: Groups::all().bits(),
            ppid: own_pid(),
            stride: u32::try_from(stride).unwrap(),
            ..arguments(&region, children.len())
        };
        call(&mut arguments).unwrap();
        assert_eq!(arguments.count as usize, children.len());
        let end = ENDS
            .into_iter()
            .take_while(|&end| end <= stride)
            .last()
            .unwrap_or(44);
        for (index, whole) in whole.iter().enumerate() {
            // SAFETY: There are no gaps between the fields.
            let whole = unsafe {
                std::slice::from_raw_parts(std::ptr::from_ref(whole).cast::<u8>(), RECORD)
            };
            let bytes = region.bytes(index * stride, stride);
            assert_eq!(bytes[..4], arguments.groups.to_ne_bytes());
            assert_eq!(bytes[4..end], whole[4..end], "record {index} of {stride}");
            assert!(
                bytes[end..].iter().all(|&byte| byte == 0),
                "record {index} of {stride}"
            );
        }
    }
    kill_all(children);
}

/// A buffer that ends early gets all records that fit, and the cursor is at the next one.
#[test]
fn a_buffer_that_ends_early() {
    let _kernel = shared();
    let children = crowd(100);
    let expected: Vec<_> = children.iter().map(Child::pid).collect();
    for stride in [RECORD, 256] {
        for fit in [1, 3, 64, 65, 99] {
            let region = Region::new(100 * 256);
            let space = fit * stride + stride / 2;
            let mut arguments = uapi::procmon_snapshot {
                flags: uapi::PROCMON_SNAPSHOT_BY_PPID,
                ppid: own_pid(),
                stride: u32::try_from(stride).unwrap(),
                records: region.before_end(space).as_ptr() as u64,
                capacity: u32::MAX,
                ..arguments(&region, 1)
            };
            call(&mut arguments).unwrap();
            assert_eq!(arguments.count as usize, fit);
            assert_eq!(arguments.cursor, expected[fit]);
        }
        let region = Region::new(PAGE);
        let mut arguments = uapi::procmon_snapshot {
            stride: u32::try_from(stride).unwrap(),
            records: region.before_end(stride - 8).as_ptr() as u64,
            ..arguments(&region, 1000)
        };
        assert_eq!(call(&mut arguments), Err(Errno::EFAULT));
    }
    kill_all(children);
}

/// 32-bit callers get the same.
#[test]
fn callers_of_32_bits() {
    if !ia32::IS_AVAILABLE {
        return leave_out("no 32-bit calls on this machine");
    }
    let _kernel = shared();
    let child = paused();
    let region = Region::new_low(PAGE);
    let records = Region::new_low(PAGE);
    let mut expected = arguments(&records, 4);
    expected.flags = uapi::PROCMON_SNAPSHOT_BY_TGID;
    expected.tgid = child.pid();
    region.fill(0, &raw::bytes_of(&expected));
    assert_eq!(
        ia32::ioctl(open(), uapi::PROCMON_SNAPSHOT, region.start()),
        Ok(0)
    );
    assert_eq!(pid_in(&records, 0, RECORD), child.pid());
    assert_eq!(
        ia32::ioctl(open(), uapi::PROCMON_INFO, region.start()),
        Ok(0)
    );
    assert_eq!(region.bytes(0, 4), uapi::PROCMON_ABI_VERSION.to_ne_bytes());
    child.kill();
}
