// SPDX-License-Identifier: GPL-2.0-only

//! Use of the module while it is loaded and unloaded.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fixture::child::Child;
use fixture::module::Module;
use fixture::{KernelGuard, PATIENCE, is_own_kernel, procfs};
use nix::errno::Errno;
use procmon::sysfs::Parameter;
use procmon::{DEVICE_PATH, Device};

/// The least number of times that the module is unloaded, or refuses to be.
fn least() -> usize {
    if is_own_kernel() { 3 } else { 5 }
}

/// Runs `body` again and again in some processes while the module comes and goes, until the numbers
/// of times that it could be unloaded and that this was refused are enough.
///
/// After a refusal the processes rest, so that the module can go however slow they are. They begin
/// again when it has gone, and so while it is loaded.
fn while_loading_and_unloading(
    processes: usize,
    is_enough: impl Fn(usize, usize) -> bool,
    body: impl Fn(),
) {
    /// While this is there, the processes rest.
    const REST: &str = "/tmp/rest";

    let _kernel = KernelGuard::new();
    let children: Vec<_> = (0..processes)
        .map(|_| {
            Child::spawn(|| {
                loop {
                    while Path::new(REST).exists() {
                        thread::sleep(Duration::from_millis(1));
                    }
                    body();
                }
            })
        })
        .collect();
    let (mut unloaded, mut refused) = (0, 0);
    let mut module = Module::load("monitor_interval_ms=10").unwrap();
    let start = Instant::now();
    while !is_enough(unloaded, refused) {
        assert!(
            start.elapsed() < PATIENCE,
            "unloaded {unloaded} times, refused {refused} times"
        );
        match module.unload() {
            Ok(()) => {
                unloaded += 1;
                let _ = fs::remove_file(REST);
                module = Module::load("monitor_interval_ms=10").unwrap();
            }
            Err((still_loaded, errno)) => {
                assert_eq!(errno, Errno::EWOULDBLOCK);
                refused += 1;
                File::create(REST).unwrap();
                thread::sleep(Duration::from_millis(1));
                module = still_loaded;
            }
        }
    }
    let _ = fs::remove_file(REST);
    for child in children {
        if procfs::is_in_state(child.pid(), 'Z') {
            // Tells why it has ended.
            child.join();
        } else {
            child.kill();
        }
    }
    drop(module);
}

/// T07: unloading races with opening and closing in 8 processes; T10: and so does loading. A device
/// that can be opened works.
#[test]
fn opening_while_the_module_comes_and_goes() {
    let is_enough = |unloaded, refused| unloaded >= least() && refused >= least();
    while_loading_and_unloading(8, is_enough, || {
        match File::options().read(true).write(true).open(DEVICE_PATH) {
            Ok(mut file) => {
                let device = Device::open().expect("an open file keeps the module");
                assert_eq!(device.query(1).unwrap().unwrap().pid, 1);
                device.write_message(b"race").unwrap();
                let mut message = [0; 4];
                assert_eq!(file.read(&mut message).unwrap(), 4);
                assert_eq!(&message, b"race");
                assert!(device.stats().unwrap().opens >= 2);
            }
            Err(error) => {
                let expected = [libc::ENOENT, libc::ENXIO, libc::ENODEV];
                assert!(expected.contains(&error.raw_os_error().unwrap()), "{error}");
            }
        }
    });
}

/// T08: unloading races with reading and writing in sysfs, which it waits for.
#[test]
fn sysfs_while_the_module_comes_and_goes() {
    let is_enough = |unloaded, refused| {
        assert_eq!(refused, 0);
        unloaded >= least()
    };
    while_loading_and_unloading(4, is_enough, || {
        for path in [
            "/sys/class/misc/procmon/stats",
            "/sys/class/misc/procmon/buffer_size",
            "/sys/class/misc/procmon/monitor",
            "/sys/module/procmon/parameters/buffer_size",
        ] {
            match fs::read_to_string(path) {
                Ok(text) => assert!(text.ends_with('\n'), "{path}: {text:?}"),
                Err(error) => {
                    let expected = [libc::ENOENT, libc::ENODEV];
                    assert!(
                        expected.contains(&error.raw_os_error().unwrap()),
                        "{path}: {error}"
                    );
                }
            }
        }
        // Fails when there is no module, which is half of the time.
        let _ = Parameter::BufferSize.set(2048);
    });
}
