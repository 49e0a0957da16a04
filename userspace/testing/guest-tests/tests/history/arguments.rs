// SPDX-License-Identifier: GPL-2.0-only

//! Arguments, strides and buffers of `PROCMON_HISTORY`.

use std::time::Duration;

use fixture::memory::{PAGE, Ptr, Region, bad_pointers};
use fixture::raw::bytes_of;
use fixture::{eventually, ia32, leave_out, loaded, monitor, open, raw};
use nix::errno::Errno;
use procmon::sysfs;
use procmon::{Device, uapi};

use super::{fast, interval, wait_for};

const SAMPLE: usize = size_of::<uapi::procmon_sample>();
const MIN_STRIDE: u32 = uapi::PROCMON_SAMPLE_STRIDE_MIN;

/// Returns the 64-bit word at an offset.
fn word(bytes: &[u8], offset: usize) -> u64 {
    u64::from_ne_bytes(bytes[offset..offset + 8].try_into().unwrap())
}

fn arguments(region: &Region, capacity: u32) -> uapi::procmon_history {
    uapi::procmon_history {
        size: size_of::<uapi::procmon_history>() as u32,
        samples: region.start().as_ptr() as u64,
        stride: SAMPLE as u32,
        capacity,
        ..Default::default()
    }
}

/// Makes the call with these arguments, which receive the results.
fn call(arguments: &mut uapi::procmon_history) -> nix::Result<i32> {
    raw::call(open(), arguments)
}

/// Bad arguments are refused, each with its own error, and change nothing.
#[test]
fn history_refuses_bad_arguments() {
    let (_kernel, _module) = loaded(&fast());
    wait_for(&Device::open().unwrap(), 0, |_| true);
    let region = Region::new(4 * PAGE);
    type Change = fn(&mut uapi::procmon_history);
    let cases: [(&str, Change, Errno); 12] = [
        ("size 0", |a| a.size = 0, Errno::EINVAL),
        ("size 55", |a| a.size = 55, Errno::EINVAL),
        ("a huge size", |a| a.size = 1 << 20, Errno::E2BIG),
        ("a flag", |a| a.flags = 1, Errno::EINVAL),
        ("a target too many", |a| a.target = 16, Errno::EINVAL),
        ("a reserved field", |a| a.reserved = 1, Errno::EINVAL),
        ("no stride", |a| a.stride = 0, Errno::EINVAL),
        (
            "a short stride",
            |a| a.stride = MIN_STRIDE - 8,
            Errno::EINVAL,
        ),
        (
            "an odd stride",
            |a| a.stride = SAMPLE as u32 + 4,
            Errno::EINVAL,
        ),
        ("a long stride", |a| a.stride = 4104, Errno::EINVAL),
        ("NULL", |a| a.samples = 0, Errno::EFAULT),
        (
            "a kernel address",
            |a| a.samples = Ptr::KERNEL.as_ptr() as u64,
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
    for (name, pointer) in bad_pointers(&region, size_of::<uapi::procmon_history>()) {
        let result = raw::ioctl(open(), uapi::PROCMON_HISTORY.into(), pointer);
        assert!(
            matches!(result, Err(Errno::EFAULT | Errno::EINVAL)),
            "{name}: {result:?}"
        );
    }
}

/// Any capacity, strides of later versions, and a buffer that ends early.
#[test]
fn capacities_and_strides() {
    let (_kernel, _module) = loaded("history=100 monitor_interval_ms=10");
    let device = Device::open().unwrap();
    wait_for(&device, 0, |sample| sample.sequence() == 100);
    monitor::rest();
    let expected: Vec<_> = device.history(0).unwrap().samples().to_vec();
    let (oldest, newest) = (expected[0].sequence(), expected[99].sequence());

    let region = Region::new(100 * 256);
    for (stride, capacity) in [
        (SAMPLE, 0),
        (SAMPLE, 1),
        (SAMPLE, 33),
        (256, 100),
        (248, 65),
        // That of ABI version 1.
        (MIN_STRIDE as usize, 100),
    ] {
        region.fill(0, &vec![0xaa; region.size()]);
        let mut arguments = arguments(&region, capacity);
        arguments.stride = stride as u32;
        call(&mut arguments).unwrap();
        assert_eq!(arguments.count, capacity);
        assert_eq!((arguments.oldest, arguments.newest), (oldest, newest));
        assert_eq!(arguments.sequence, oldest + u64::from(capacity));
        assert_eq!(arguments.interval_ms, 3_600_000);
        let size = stride * capacity as usize;
        for (index, sample) in expected.iter().take(capacity as usize).enumerate() {
            let bytes = region.bytes(index * stride, stride);
            assert_eq!(word(&bytes, 0), sample.sequence());
            assert_eq!(
                Duration::from_nanos(word(&bytes, 8)),
                sample.time().since_boot()
            );
            assert!(bytes.iter().skip(SAMPLE).all(|&byte| byte == 0));
        }
        assert_eq!(
            region.bytes(size, 100),
            [0xaa; 100],
            "behind {capacity} of {stride}"
        );
    }
    // Numbers of samples to come.
    for sequence in [newest + 1, newest + 2, u64::MAX] {
        let mut arguments = arguments(&region, 10);
        arguments.sequence = sequence;
        call(&mut arguments).unwrap();
        assert_eq!((arguments.count, arguments.sequence), (0, newest + 1));
    }
    for stride in [SAMPLE, 256, MIN_STRIDE as usize] {
        for fit in [0, 1, 31, 32, 33, 99] {
            let mut arguments = arguments(&region, 1000);
            arguments.stride = stride as u32;
            arguments.samples = region.before_end(fit * stride + 100).as_ptr() as u64;
            let result = call(&mut arguments);
            if fit == 0 {
                assert_eq!(result, Err(Errno::EFAULT));
            } else {
                assert_eq!((result, arguments.count as usize), (Ok(0), fit));
                assert_eq!(arguments.sequence, oldest + fit as u64);
            }
        }
    }
}

/// All results of a call in its arguments, with samples lost and samples left over.
#[test]
fn results_of_a_fetch() {
    let (_kernel, _module) = loaded(&format!("{} history=4", fast()));
    let samples = || sysfs::monitor().unwrap().samples;
    eventually("some samples", || samples() > 10);
    let region = Region::new(PAGE);
    let mut arguments = uapi::procmon_history {
        sequence: 1,
        ..arguments(&region, 2)
    };
    let before = samples();
    call(&mut arguments).unwrap();
    // A sample is in the history before it counts in the attribute.
    let after = samples() + 1;
    let uapi::procmon_history {
        newest,
        oldest,
        count,
        sequence,
        interval_ms,
        ..
    } = arguments;
    let second = word(&region.bytes(SAMPLE, 8), 0);
    assert!(
        (before..=after).contains(&(second + 2)),
        "sample.sequence {second}, of {before} to {after} samples"
    );
    assert_eq!(newest, second + 2, "history.newest");
    assert_eq!(oldest, second - 1, "history.oldest");
    assert_eq!(count, 2, "history.count");
    assert_eq!(sequence, second + 1, "history.sequence");
    assert_eq!(u64::from(interval_ms), interval(), "history.interval_ms");
}

/// 32-bit callers get the same.
#[test]
fn callers_of_32_bits() {
    if !ia32::IS_AVAILABLE {
        return leave_out("no 32-bit calls on this machine");
    }
    let (_kernel, _module) = loaded(&fast());
    wait_for(&Device::open().unwrap(), 0, |_| true);
    let region = Region::new_low(PAGE);
    let samples = Region::new_low(PAGE);
    region.fill(0, &bytes_of(&arguments(&samples, 1)));
    assert_eq!(
        ia32::ioctl(open(), uapi::PROCMON_HISTORY, region.start()),
        Ok(0)
    );
    assert_eq!(word(&samples.bytes(0, 8), 0), 1);
}

/// Callers of later versions may pass more, if it is zero.
#[test]
fn callers_of_later_versions() {
    let (_kernel, _module) = loaded(&fast());
    wait_for(&Device::open().unwrap(), 0, |_| true);
    let region = Region::new(PAGE);
    let samples = Region::new(PAGE);
    let size = size_of::<uapi::procmon_history>();
    for (tail, expected) in [(0, Ok(0)), (1, Err(Errno::E2BIG))] {
        let arguments = uapi::procmon_history {
            size: size as u32 + 8,
            ..arguments(&samples, 1)
        };
        region.fill(0, &bytes_of(&arguments));
        region.fill(size, &[0, 0, 0, 0, 0, 0, 0, tail]);
        let command = u64::from(uapi::PROCMON_HISTORY) + (8 << 16);
        assert_eq!(raw::ioctl(open(), command, region.start()), expected);
    }
}
