// SPDX-License-Identifier: GPL-2.0-only

//! Groups: what processes belong to.

use std::fs;
use std::time::Duration;

use fixture::child::{kill_all, sleeper};
use fixture::command::Running;
use fixture::shared;

use super::{Exporter, gnat};
use crate::places::Hierarchy;

/// A process that lives between two scrapes counts for its unit, though its cgroup is gone by then.
#[test]
fn short_processes_count_for_their_units() {
    let _kernel = shared();
    let Some(mut hierarchy) = Hierarchy::mount() else {
        return;
    };
    let member = hierarchy.process_in("/system.slice/web.service");
    let exporter = Exporter::start(&["--group-by", "unit"]);
    let directory = "/sys/fs/cgroup/system.slice/job.service";
    fs::create_dir(directory).unwrap();
    let procs = format!("{directory}/cgroup.procs");
    gnat(c"gnat", Duration::ZERO, || {
        fs::write(&procs, "0").unwrap();
    });
    fixture::eventually("the cgroup is empty", || fs::remove_dir(directory).is_ok());

    let metrics = exporter.scrape();
    assert_eq!(metrics.of("web.service", "processes", ""), 1.0);
    assert_eq!(metrics.of("job.service", "exited_total", ""), 1.0);
    assert!(metrics.of("[kernel]", "processes", "") > 1.0);
    member.kill();
}

/// As many groups as are allowed, and one for all others.
#[test]
fn too_many_groups_are_folded() {
    let _kernel = shared();
    let exporter = Exporter::start(&["--max-groups", "1"]);
    let sleepers = [c"sleeper-a", c"sleeper-b", c"sleeper-c"].map(sleeper);
    let metrics = exporter.scrape();
    assert_eq!(metrics.get("procmon_groups"), 2.0);
    assert!(metrics.of("other", "processes", "") >= 3.0, "{metrics:#?}");
    assert!(metrics.get("procmon_groups_folded_total") >= 3.0);
    assert_eq!(
        metrics.find("procmon_group_processes{group=\"sleeper-a\"}"),
        None
    );
    kill_all(sleepers);
}

/// Rules of process-exporter, with the command lines of processes and of those that end at once.
#[test]
fn rules_name_groups() {
    let _kernel = shared();
    let rules = "/tmp/rules.yml";
    let text = "process_names:\n\
                - name: 'sleep {{.Matches.time}} of {{.Username}}'\n  \
                  exe: [sleep]\n  \
                  cmdline: ['^\\S+ (?P<time>\\d+)$']\n\
                - name: never\n  comm: [never]\n";
    fs::write(rules, text).unwrap();
    let exporter = Exporter::start(&["--rules", rules, "--no-children"]);
    let sleep = |time: &str| {
        let mut command = std::process::Command::new("/bin/busybox");
        std::os::unix::process::CommandExt::arg0(&mut command, "sleep");
        command.arg(time).spawn().unwrap()
    };
    for _ in 0..3 {
        assert!(sleep("0").wait().unwrap().success());
    }
    let long = Running(sleep("1000"));
    // A process that is still executing its program has no command line.
    let mut metrics = exporter.scrape();
    fixture::eventually("its command line", || {
        metrics = exporter.scrape();
        let name = "procmon_group_processes{group=\"sleep 1000 of root\"}";
        metrics.find(name).is_some()
    });
    drop(long);
    assert_eq!(metrics.of("sleep 0 of root", "exited_total", ""), 3.0);
    assert_eq!(metrics.of("sleep 1000 of root", "processes", ""), 1.0);
    assert_eq!(metrics.of("never", "processes", ""), 0.0);
    assert_eq!(metrics.get("procmon_groups"), 3.0, "{metrics:#?}");
}
