// SPDX-License-Identifier: GPL-2.0-only

//! Counters: nothing is lost, nothing is counted twice, and nothing goes back.

use std::time::Duration;

use fixture::child::{busy, sleeper};
use fixture::{eventually, is_long, is_own_kernel, loaded, procfs, shared};
use nix::sys::signal::Signal;

use super::{Exporter, Life, Metrics, gnat};

/// wait4(2) has whole microseconds of user and of system time.
const ROUNDED: Duration = Duration::from_micros(2);

/// Processes that live for 10 ms each and that no scrape sees are in the sums: each is counted,
/// with all its CPU time. They are 10,000 with `PROCMON_LONG=1` in the environment.
#[test]
fn short_processes_are_in_the_sums() {
    let _kernel = shared();
    let count = if is_long() { 10_000 } else { 300 };
    let exporter = Exporter::start(&[]);
    let before = exporter.scrape();
    assert_eq!(before.find("procmon_group_processes{group=\"gnat\"}"), None);

    let live = || gnat(c"gnat", Duration::from_millis(10), || {});
    let lives: Vec<Life> = (0..count).map(|_| live()).collect();

    let after = exporter.scrape();
    let sum = |part: fn(&Life) -> Duration| lives.iter().map(part).sum::<Duration>();
    let (seen, whole) = (sum(|life| life.seen), sum(|life| life.cpu));
    let counted = after.cpu("gnat");
    println!("{count} processes: {seen:?} seen, {counted:?} counted, {whole:?} by wait4");
    // The end of a process is told of before all of it is done.
    assert!(
        seen <= counted && counted <= whole + count * ROUNDED,
        "{seen:?} <= {counted:?} <= {whole:?}"
    );
    assert!(counted.as_secs_f64() >= 0.99 * seen.as_secs_f64());
    assert_eq!(after.of("gnat", "exited_total", ""), f64::from(count));
    assert_eq!(after.of("gnat", "processes", ""), 0.0);
    let made = after.get("procmon_forks_total") - before.get("procmon_forks_total");
    assert!(made >= f64::from(count), "{made}");
    assert_eq!(after.get("procmon_events_lost_total"), 0.0);
    let faults: u64 = lives.iter().map(|life| life.minor_faults).sum();
    let counted = after.of("gnat", "page_faults_total", ",type=\"minor\"");
    assert!(
        0.0 < counted && counted <= faults as f64,
        "{counted} {faults}"
    );
    assert_eq!(after.less_than(&before), Vec::<&str>::new());
}

/// The counters of a group stay as they are when its processes end, with what they used after the
/// last scrape, and the gauges do not.
#[test]
fn counters_do_not_go_down_when_processes_end() {
    let _kernel = shared();
    let exporter = Exporter::start(&[]);
    let spinner = busy(c"spinner");
    let pid = spinner.pid();
    eventually("it has used some time", || {
        procfs::cpu_clock(pid) > Duration::from_millis(50)
    });
    let least = procfs::cpu_clock(pid);
    let first = exporter.scrape();
    let most = procfs::cpu_clock(pid);
    let counted = first.cpu("spinner");
    assert!(
        least <= counted && counted <= most,
        "{least:?} {counted:?} {most:?}"
    );
    assert_eq!(first.of("spinner", "processes", ""), 1.0);
    assert_eq!(first.of("spinner", "states", ",state=\"running\""), 1.0);
    assert_eq!(first.of("spinner", "exited_total", ""), 0.0);

    eventually("it has used more time", || {
        procfs::cpu_clock(pid) > most + Duration::from_millis(50)
    });
    let least = procfs::cpu_clock(pid);
    spinner.kill();
    let second = exporter.scrape();
    assert!(second.cpu("spinner") >= least, "{least:?} {second:#?}");
    assert_eq!(second.of("spinner", "processes", ""), 0.0);
    assert_eq!(second.of("spinner", "exited_total", ""), 1.0);
    let third = exporter.scrape();
    assert_eq!(third.cpu("spinner"), second.cpu("spinner"));
    for (before, after) in [(&first, &second), (&second, &third)] {
        assert_eq!(after.less_than(before), Vec::<&str>::new());
    }
}

/// The gauges of a group are those of `/proc`.
#[test]
fn gauges_are_those_of_proc() {
    const PAGE: u64 = 4096;

    let _kernel = shared();
    let sleepers = [sleeper(c"sleeper-e"), sleeper(c"sleeper-e")];
    let exporter = Exporter::start(&[]);
    let metrics = exporter.scrape();
    assert_eq!(metrics.of("sleeper-e", "processes", ""), 2.0);
    assert_eq!(metrics.of("sleeper-e", "threads", ""), 2.0);
    assert_eq!(
        metrics.of("sleeper-e", "states", ",state=\"sleeping\""),
        2.0
    );
    let sum = |name: &str| -> f64 {
        let kib = sleepers.iter().map(|sleeper| {
            let values =
                procfs::numbers_in::<u64>(sleeper.pid(), "status", &format!("{name}:")).unwrap();
            values[0]
        });
        (1024 * kib.sum::<u64>()) as f64
    };
    let memory = |kind: &str| metrics.of("sleeper-e", "memory_bytes", &format!(",type=\"{kind}\""));
    let pages = sleepers
        .iter()
        .map(|sleeper| procfs::number::<u64>(sleeper.pid(), 24).unwrap());
    assert_eq!(memory("resident"), (PAGE * pages.sum::<u64>()) as f64);
    assert_eq!(memory("virtual"), sum("VmSize"));
    // Other than the kinds in "status", those of a record lack what each CPU counts for itself:
    // less than 32 pages of a process, with up to four CPUs.
    let error = (2 * 4 * 32 * PAGE) as f64;
    for (kind, name) in [
        ("anonymous", "RssAnon"),
        ("file", "RssFile"),
        ("shared", "RssShmem"),
    ] {
        let (bytes, expected) = (memory(kind), sum(name));
        assert!(
            (bytes - expected).abs() < error,
            "{kind}: {bytes} {expected}"
        );
    }
    let pids = procfs::pids().len() as f64;
    let processes = metrics.get("procmon_system_processes");
    assert!((processes - pids).abs() <= 5.0, "{processes} {pids}");
    let start = metrics.of("sleeper-e", "oldest_start_time_seconds", "");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let age = now.unwrap().as_secs_f64() - start;
    let stat = procfs::start_time(sleepers[0].pid()).unwrap();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let expected = uptime - stat as f64 / 100.0;
    assert!((age - expected).abs() < 5.0, "{age} {expected}");
    // Of what was used before it began, nothing is counted.
    assert_eq!(metrics.cpu("sleeper-e"), Duration::ZERO);
    for sleeper in sleepers {
        sleeper.kill();
    }
}

/// An exporter that cannot read for a while says how many events it has lost, and counts nothing
/// twice.
#[test]
fn losses_are_counted() {
    let (_kernel, _module) = loaded("events_kb=64");
    let count = if is_own_kernel() { 300 } else { 1000 };
    let exporter = Exporter::start(&[]);
    let before = exporter.scrape();
    exporter.signal(Signal::SIGSTOP);
    for _ in 0..count {
        gnat(c"gnat", Duration::ZERO, || {});
    }
    exporter.signal(Signal::SIGCONT);
    let metrics = exporter.scrape();
    let lost = metrics.get("procmon_events_lost_total");
    let grown = |name: &str| metrics.get(name) - before.get(name);
    let ends = metrics.of("gnat", "exited_total", "");
    let count = f64::from(count);
    assert!(lost > 0.0 && ends < count, "{lost} {ends}");
    // Of each a beginning and an end: nothing but these has happened to many.
    let all = lost + ends + grown("procmon_forks_total");
    assert!(2.0 * count <= all && all < 2.0 * count + 100.0, "{all}");
    let again = exporter.scrape();
    assert_eq!(again.of("gnat", "exited_total", ""), ends);
    assert_eq!(again.less_than(&metrics), Vec::<&str>::new());
}

/// Without events, what is printed once is what the processes have used since their starts.
#[test]
fn printed_once_lives_count() {
    let _kernel = shared();
    let spinner = busy(c"spinner");
    let pid = spinner.pid();
    eventually("it has used some time", || {
        procfs::cpu_clock(pid) > Duration::from_millis(50)
    });
    let least = procfs::cpu_clock(pid);
    let text = fixture::command::output_of(&["export", "--once"]);
    let counted = Metrics::parse(&text).cpu("spinner");
    assert!(least <= counted && counted <= procfs::cpu_clock(pid));
    let text = fixture::command::output_of(&["export", "--once", "--openmetrics"]);
    assert!(text.ends_with("# EOF\n"), "{text}");
    spinner.kill();
}
