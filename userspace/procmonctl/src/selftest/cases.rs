// SPDX-License-Identifier: GPL-2.0-only

//! The test cases.

use std::collections::HashSet;
use std::ffi::CStr;
use std::mem::{offset_of, size_of};
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use procmon::{Device, State, sysfs, uapi};
use rustix::io::Errno;
use rustix::ioctl::{Direction, opcode};

use super::fixture::{Fixture, Verdict, expect_eq, expect_errno};
use super::memory::{Page, bad_pointers};
use super::procfs;

type Case = fn(&Fixture) -> anyhow::Result<Verdict>;

/// All tests, with their names in the report.
pub const ALL: &[(&str, Case)] = &[
    (
        "GET_COUNT gives the length of the message",
        count_is_the_length,
    ),
    (
        "GET_COUNT gives what fitted of a message that is too long",
        count_of_a_long_message,
    ),
    (
        "GET_STATS counts every call, itself included",
        stats_count_calls,
    ),
    (
        "GET_STATS counts opens, reads and writes",
        stats_count_files,
    ),
    ("GET_STATS gives no stale bytes", stats_padding_is_zero),
    (
        "RESET zeroes the totals and the filter, itself included",
        reset_zeroes,
    ),
    ("RESET keeps the message and per_cpu_ops", reset_keeps),
    ("SET_FILTER takes any PID and 0", filter_is_echoed),
    (
        "SET_FILTER refuses a negative PID and keeps the filter",
        filter_refuses_negative,
    ),
    ("QUERY_PID finds this process", query_self),
    ("QUERY_PID finds PID 1", query_init),
    (
        "QUERY_PID finds a kernel thread, which has no memory",
        query_kernel_thread,
    ),
    ("QUERY_PID sees a zombie", query_zombie),
    (
        "QUERY_PID gives all 15 characters of a name, and zeroes behind a short one",
        query_names,
    ),
    (
        "QUERY_PID succeeds for a missing PID, and says so",
        query_missing,
    ),
    ("unknown commands are refused with ENOTTY", unknown_commands),
    (
        "known numbers with a wrong size or direction are refused with ENOTTY",
        wrong_shapes,
    ),
    (
        "bad pointers are refused with EFAULT and change nothing",
        bad_pointers_change_nothing,
    ),
    (
        "memory that cannot be written is refused with EFAULT",
        read_only_memory,
    ),
    (
        "RESET and SET_FILTER need a file open for writing",
        read_only_descriptor,
    ),
];

fn count_is_the_length(fixture: &Fixture) -> anyhow::Result<Verdict> {
    for message in [&b"Hello Kernel\n"[..], b"\0\xff", b""] {
        expect_eq(
            "bytes taken",
            fixture.device.write_message(message)?,
            message.len(),
        )?;
        expect_eq("GET_COUNT", fixture.device.count()?, message.len())?;
    }
    Ok(Verdict::Pass)
}

fn count_of_a_long_message(fixture: &Fixture) -> anyhow::Result<Verdict> {
    let limit = sysfs::buffer_size()? as usize;
    expect_eq(
        "bytes taken",
        fixture.device.write_message(&vec![b'x'; limit + 1])?,
        limit,
    )?;
    expect_eq("GET_COUNT", fixture.device.count()?, limit)?;
    Ok(Verdict::Pass)
}

fn stats_count_calls(fixture: &Fixture) -> anyhow::Result<Verdict> {
    let before = fixture.device.stats()?.ioctls;
    fixture.device.count()?;
    fixture.query(1)?;
    fixture.set_filter(0)?;
    expect_errno(
        "an unknown command",
        fixture.ioctl_with_page(0),
        Errno::NOTTY,
    )?;
    expect_errno("SET_FILTER -1", fixture.set_filter(-1), Errno::INVAL)?;
    expect_eq("calls", fixture.device.stats()?.ioctls, before + 6)?;
    Ok(Verdict::Pass)
}

fn stats_count_files(fixture: &Fixture) -> anyhow::Result<Verdict> {
    let before = fixture.device.stats()?;
    let other = Device::options().path(&fixture.path).open()?;
    other.write_message(b"abc")?;
    let mut buffer = [0; 2];
    let mut sizes = Vec::new();
    for offset in [0, 2, 3] {
        sizes.push(other.read_at(&mut buffer, offset)?);
    }
    expect_eq("sizes of the reads", sizes, vec![2, 1, 0])?;
    let after = fixture.device.stats()?;
    expect_eq("opens", after.opens, before.opens + 1)?;
    expect_eq("writes", after.writes, before.writes + 1)?;
    expect_eq(
        "reads that delivered something",
        after.reads,
        before.reads + 2,
    )?;
    Ok(Verdict::Pass)
}

fn stats_padding_is_zero(fixture: &Fixture) -> anyhow::Result<Verdict> {
    let size = size_of::<uapi::procmon_stats>();
    let page = Page::new()?;
    page.write(&vec![0x55; size + 8]);
    fixture.ioctl_at(&fixture.device, uapi::PROCMON_GET_STATS, page.start())?;
    let answer = page.read(size + 8);
    let padding = offset_of!(uapi::procmon_stats, current_filter_pid) + size_of::<i32>();
    expect_eq(
        "bytes behind the last member",
        &answer[padding..size],
        &vec![0; size - padding],
    )?;
    expect_eq("bytes behind the structure", &answer[size..], &[0x55; 8])?;
    Ok(Verdict::Pass)
}

fn reset_zeroes(fixture: &Fixture) -> anyhow::Result<Verdict> {
    fixture.set_filter(1)?;
    fixture.device.reset()?;
    // The only call is that of GET_STATS itself.
    let expected = procmon::Stats {
        ioctls: 1,
        ..Default::default()
    };
    expect_eq("statistics", fixture.device.stats()?, expected)?;
    Ok(Verdict::Pass)
}

fn reset_keeps(fixture: &Fixture) -> anyhow::Result<Verdict> {
    fixture.device.write_message(b"stays")?;
    let before = sysfs::stats()?.per_cpu_ops;
    fixture.device.reset()?;
    expect_eq("per_cpu_ops", sysfs::stats()?.per_cpu_ops, before + 1)?;
    expect_eq("GET_COUNT", fixture.device.count()?, "stays".len())?;
    Ok(Verdict::Pass)
}

fn filter_is_echoed(fixture: &Fixture) -> anyhow::Result<Verdict> {
    for pid in [1, procfs::unused_pid()?, i32::MAX, 0] {
        fixture.set_filter(pid)?;
        let expected = (pid != 0).then_some(pid);
        expect_eq("filter of GET_STATS", fixture.filter()?, expected)?;
        expect_eq("filter of sysfs", sysfs::stats()?.totals.filter, expected)?;
    }
    Ok(Verdict::Pass)
}

fn filter_refuses_negative(fixture: &Fixture) -> anyhow::Result<Verdict> {
    fixture.set_filter(7)?;
    for pid in [-1, i32::MIN] {
        expect_errno(
            &format!("SET_FILTER {pid}"),
            fixture.set_filter(pid),
            Errno::INVAL,
        )?;
        expect_eq("filter", fixture.filter()?, Some(7))?;
    }
    Ok(Verdict::Pass)
}

fn name_of(query: &uapi::procmon_query) -> anyhow::Result<Vec<u8>> {
    let bytes = query.comm.map(|c| c.to_ne_bytes()[0]);
    let name = CStr::from_bytes_until_nul(&bytes).context("the name does not end in NUL")?;
    Ok(name.to_bytes().to_vec())
}

/// Fails unless QUERY_PID and `/proc` agree on a process whose size does not change.
fn same_as_proc(fixture: &Fixture, pid: i32) -> anyhow::Result<()> {
    let query = fixture.query(pid)?;
    let stat = procfs::stat(pid)?;
    expect_eq("name", name_of(&query)?, stat.comm.into_vec())?;
    expect_eq("state", State::from_raw(query.state), stat.state)?;
    expect_eq("vsize", query.vsize, stat.virtual_size)
}

fn query_self(fixture: &Fixture) -> anyhow::Result<Verdict> {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    same_as_proc(fixture, pid)?;
    expect_eq(
        "state",
        fixture.query(pid)?.state,
        uapi::PROCMON_STATE_RUNNING,
    )?;
    Ok(Verdict::Pass)
}

fn query_init(fixture: &Fixture) -> anyhow::Result<Verdict> {
    // The process may be running at one of the two observations.
    let mut result = Ok(());
    for _ in 0..10 {
        result = same_as_proc(fixture, 1);
        if result.is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    result.map(|()| Verdict::Pass)
}

fn query_kernel_thread(fixture: &Fixture) -> anyhow::Result<Verdict> {
    if !procfs::stat(2).is_ok_and(|stat| stat.comm == "kthreadd") {
        return Ok(Verdict::Skip("no kernel threads in this PID namespace"));
    }
    let query = fixture.query(2)?;
    expect_eq("name", name_of(&query)?, b"kthreadd".to_vec())?;
    expect_eq("vsize", query.vsize, 0)?;
    Ok(Verdict::Pass)
}

fn query_zombie(fixture: &Fixture) -> anyhow::Result<Verdict> {
    let mut child = Command::new("/proc/self/exe")
        .arg("--version")
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start a process")?;
    let pid = i32::try_from(child.id())?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while procfs::stat(pid)?.state != State::Zombie {
        ensure!(Instant::now() < deadline, "the child does not end");
        thread::sleep(Duration::from_millis(1));
    }
    let query = fixture.query(pid);
    child.wait()?;
    let query = query?;
    expect_eq("state", query.state, uapi::PROCMON_STATE_ZOMBIE)?;
    expect_eq("vsize", query.vsize, 0)?;
    expect_eq(
        "state after the wait",
        fixture.query(pid)?.state,
        uapi::PROCMON_STATE_NOT_FOUND,
    )?;
    Ok(Verdict::Pass)
}

fn query_names(fixture: &Fixture) -> anyhow::Result<Verdict> {
    let tid = rustix::thread::gettid().as_raw_nonzero().get();
    let own = procfs::stat(tid)?.comm;
    let mut result = Ok(());
    for name in [c"procmon_monitor", c"a", c"two\nlines (\xff)"] {
        rustix::thread::set_name(name)?;
        let query = fixture.query(tid)?;
        let mut expected = [0; uapi::PROCMON_COMM_LEN as usize];
        expected[..name.to_bytes().len()].copy_from_slice(name.to_bytes());
        let got = query.comm.map(|c| c.to_ne_bytes()[0]);
        result = result.and(expect_eq("the 16 bytes of the name", got, expected));
    }
    rustix::thread::set_name(&std::ffi::CString::new(own.into_vec())?)?;
    result.map(|()| Verdict::Pass)
}

fn query_missing(fixture: &Fixture) -> anyhow::Result<Verdict> {
    for pid in [procfs::unused_pid()?, i32::MAX, 0, -1, i32::MIN] {
        let query = fixture.query(pid)?;
        let expected = uapi::procmon_query {
            pid,
            comm: [0; 16],
            state: uapi::PROCMON_STATE_NOT_FOUND,
            vsize: 0,
        };
        expect_eq("answer", query, expected)?;
    }
    Ok(Verdict::Pass)
}

/// Returns all commands but those of 32-bit programs, which have the wrong sizes for others.
fn known_commands() -> HashSet<u32> {
    HashSet::from([
        uapi::PROCMON_RESET,
        uapi::PROCMON_GET_COUNT,
        uapi::PROCMON_GET_STATS,
        uapi::PROCMON_SET_FILTER,
        uapi::PROCMON_QUERY_PID,
    ])
}

fn unknown_commands(fixture: &Fixture) -> anyhow::Result<Verdict> {
    let numbers = (5..=255).map(|number| opcode::none(uapi::PROCMON_MAGIC, number));
    let letters = known_commands()
        .into_iter()
        .map(|command| command ^ (1 << 8));
    for command in numbers.chain(letters).chain([0, u32::MAX]) {
        let what = format!("command {command:#010x}");
        expect_errno(&what, fixture.ioctl_with_page(command), Errno::NOTTY)?;
    }
    Ok(Verdict::Pass)
}

fn wrong_shapes(fixture: &Fixture) -> anyhow::Result<Verdict> {
    let known = known_commands();
    let directions = [
        Direction::None,
        Direction::Read,
        Direction::Write,
        Direction::ReadWrite,
    ];
    for number in 0..=4 {
        for direction in directions {
            for size in [0, 1, 3, 4, 5, 8, 20, 28, 31, 32, 33, 39, 40, 41, 4095] {
                let command = opcode::from_components(direction, uapi::PROCMON_MAGIC, number, size);
                if known.contains(&command) {
                    continue;
                }
                let what = format!("command {command:#010x}");
                expect_errno(&what, fixture.ioctl_with_page(command), Errno::NOTTY)?;
            }
        }
    }
    Ok(Verdict::Pass)
}

/// Returns the state that a command could change by mistake.
fn snapshot(fixture: &Fixture) -> anyhow::Result<(procmon::Stats, usize)> {
    // The number of calls grows with each of them, failed ones too.
    let stats = procmon::Stats {
        ioctls: 0,
        ..fixture.device.stats()?
    };
    Ok((stats, fixture.device.count()?))
}

fn bad_pointers_change_nothing(fixture: &Fixture) -> anyhow::Result<Verdict> {
    fixture.set_filter(7)?;
    let before = snapshot(fixture)?;
    for (name, command, size) in [
        ("GET_COUNT", uapi::PROCMON_GET_COUNT, size_of::<i32>()),
        (
            "GET_STATS",
            uapi::PROCMON_GET_STATS,
            size_of::<uapi::procmon_stats>(),
        ),
        ("SET_FILTER", uapi::PROCMON_SET_FILTER, size_of::<i32>()),
        (
            "QUERY_PID",
            uapi::PROCMON_QUERY_PID,
            size_of::<uapi::procmon_query>(),
        ),
    ] {
        let page = Page::new()?;
        for (pointer, argument) in bad_pointers(&page, size) {
            let what = format!("{name} at {pointer}");
            let result = fixture.ioctl_at(&fixture.device, command, argument);
            expect_errno(&what, result, Errno::FAULT)?;
        }
    }
    expect_eq("filter and totals", snapshot(fixture)?, before)?;
    Ok(Verdict::Pass)
}

fn read_only_memory(fixture: &Fixture) -> anyhow::Result<Verdict> {
    let page = Page::new()?.read_only()?;
    for (name, command) in [
        ("GET_COUNT", uapi::PROCMON_GET_COUNT),
        ("GET_STATS", uapi::PROCMON_GET_STATS),
        ("QUERY_PID", uapi::PROCMON_QUERY_PID),
    ] {
        let result = fixture.ioctl_at(&fixture.device, command, page.start());
        expect_errno(&format!("{name} at read-only memory"), result, Errno::FAULT)?;
    }
    // SET_FILTER only reads, and what it reads there is 0.
    fixture.ioctl_at(&fixture.device, uapi::PROCMON_SET_FILTER, page.start())?;
    Ok(Verdict::Pass)
}

fn read_only_descriptor(fixture: &Fixture) -> anyhow::Result<Verdict> {
    fixture.set_filter(7)?;
    let before = snapshot(fixture)?;
    let page = Page::new()?;
    for (name, command) in [
        ("RESET", uapi::PROCMON_RESET),
        ("SET_FILTER", uapi::PROCMON_SET_FILTER),
    ] {
        let result = fixture.ioctl_at(&fixture.read_only, command, page.start());
        expect_errno(
            &format!("{name} on a file open for reading"),
            result,
            Errno::BADF,
        )?;
    }
    expect_eq("filter and totals", snapshot(fixture)?, before)?;
    fixture.read_only.count()?;
    fixture.read_only.stats()?;
    if fixture.read_only.query(1)?.is_none() {
        bail!("PID 1 is not found by a file open for reading");
    }
    Ok(Verdict::Pass)
}
