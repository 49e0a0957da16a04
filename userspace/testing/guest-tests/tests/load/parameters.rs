// SPDX-License-Identifier: GPL-2.0-only

//! Values of parameters at loading.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use fixture::kernel_log::KernelLog;
use fixture::module::{self, Module};
use fixture::{KernelGuard, is_own_kernel, loaded};
use nix::errno::Errno;
use procmon::sysfs::{self, Parameter};

/// Loads the module with a value that it must refuse, and looks for the line in the log.
fn refused(parameter: Parameter, value: &str) {
    let parameters = format!("{}={value}", parameter.name());
    let mut log = KernelLog::from_now();
    let errno = Module::load(&parameters).expect_err(&parameters);
    assert!(
        [Errno::EINVAL, Errno::ERANGE].contains(&errno),
        "{parameters}: {errno}"
    );
    let mut lines = log.module_lines();
    // The kernel adds a line of its own for any module.
    lines.retain(|line| !line.contains("for parameter `"));
    assert_eq!(lines.len(), 1, "{parameters}: {lines:?}");
    let range = parameter.range();
    for part in [
        parameter.name(),
        &range.start().to_string(),
        &range.end().to_string(),
    ] {
        assert!(lines[0].contains(part), "{parameters}: {part} in {lines:?}");
    }
    assert_eq!(module::traces(), Vec::<String>::new(), "{parameters}");
}

/// T03: values of parameters that are refused. On our own kernels, where loading takes long, each
/// kind of them is tried with some of the parameters.
#[test]
fn bad_parameters_are_refused() {
    let _kernel = KernelGuard::new();
    // The kernel drops lines about parameters when there are too many in five seconds.
    fs::write("/proc/sys/kernel/printk_ratelimit", "0").unwrap();
    let step = if is_own_kernel() { 4 } else { 1 };
    for (index, &parameter) in Parameter::ALL.iter().enumerate() {
        let values = module::bad_values(parameter);
        for value in values.iter().skip(index % step).step_by(step) {
            refused(parameter, value);
        }
        refused(parameter, "");
        // Without a value it is the kernel that refuses, before the module is asked.
        let errno = Module::load(parameter.name()).unwrap_err();
        assert_eq!(errno, Errno::EINVAL, "{parameter:?}");
    }
}

/// T03: good values are taken, the limits among them; parameters without one have their defaults.
#[test]
fn good_parameters_are_taken() {
    let _kernel = KernelGuard::new();
    let check = |parameters: &str, expected: &[(Parameter, u32)]| {
        let _module = Module::load(parameters).unwrap_or_else(|e| panic!("{parameters}: {e}"));
        for &parameter in Parameter::ALL {
            let set = expected.iter().find(|(other, _)| *other == parameter);
            let value = set.map_or(parameter.default_value(), |(_, value)| *value);
            assert_eq!(
                parameter.get().unwrap(),
                value,
                "{parameter:?} by {parameters:?}"
            );
        }
        let buffer_size = Parameter::BufferSize.get().unwrap();
        assert_eq!(sysfs::buffer_size().unwrap(), buffer_size, "{parameters}");
    };
    check("", &[]);
    for &parameter in Parameter::ALL {
        let (least, most) = parameter.range().into_inner();
        for value in [least, most] {
            check(
                &format!("{}={value}", parameter.name()),
                &[(parameter, value)],
            );
        }
    }
    check("buffer_size=0x1000", &[(Parameter::BufferSize, 4096)]);
    check("buffer_size=7 buffer_size=8", &[(Parameter::BufferSize, 8)]);
    check(
        "monitor_interval_ms=50 buffer_size=2",
        &[
            (Parameter::MonitorIntervalMs, 50),
            (Parameter::BufferSize, 2),
        ],
    );
}

/// T03: the kernel only warns of an unknown parameter, as with any module.
#[test]
fn an_unknown_parameter_is_warned_of() {
    let mut log = KernelLog::from_now();
    let (_kernel, _module) = loaded("size=5");
    let lines = log.module_lines();
    let warned = |line: &String| line.contains("unknown parameter 'size' ignored");
    assert!(lines.iter().any(warned), "{lines:?}");
    assert_eq!(
        sysfs::buffer_size().unwrap(),
        Parameter::BufferSize.default_value()
    );
}

/// T04: the parameters are files, which root may write and all users may read. The library knows
/// all of them.
#[test]
fn parameters_are_in_sysfs() {
    let (_kernel, _module) = loaded("");
    let files: BTreeSet<_> = fs::read_dir(sysfs::PARAMETERS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let mut known: BTreeSet<_> = Parameter::ALL.iter().map(|each| each.path()).collect();
    // The only one that is no number: see the topic `targets`.
    known.insert(Path::new(sysfs::PARAMETERS).join("targets"));
    assert_eq!(files, known);
    for parameter in Parameter::ALL {
        let metadata = fs::metadata(parameter.path()).unwrap();
        let mode = if parameter.is_writable() {
            0o644
        } else {
            0o444
        };
        let found = metadata.permissions().mode() & 0o7777;
        assert_eq!(found, mode, "{parameter:?}");
        assert_eq!((metadata.uid(), metadata.gid()), (0, 0), "{parameter:?}");
    }
}
