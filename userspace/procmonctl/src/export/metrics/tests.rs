// SPDX-License-Identifier: GPL-2.0-only

//! Tests of both forms.

use std::collections::HashSet;

use procmon::events::Batch;
use procmon::{Cgroups, Groups as Fields, Snapshot, uapi};

use super::*;
use crate::export::namer::{Namer, Rule};
use crate::export::{Beginning, Limits};
use crate::table::group::GroupBy;
use crate::table::names::Names;
use crate::top::tests::turnover::{exit, fork, lost};

/// Returns the metrics of a process, one that has ended, and a loss.
fn metrics(is_up: bool) -> Metrics {
    let mut raw = uapi::procmon_record {
        pid: 7,
        tgid: 7,
        threads: 3,
        groups: Fields::all().bits(),
        state: uapi::PROCMON_STATE_SLEEPING,
        start_time: 5_000_000_000,
        utime: 1_500_000_000,
        stime: 250_000_000,
        minor_faults: 11,
        major_faults: 12,
        voluntary_switches: 13,
        involuntary_switches: 14,
        read_bytes: 15,
        write_bytes: 16,
        vsize: 170,
        rss_anon: 1,
        rss_file: 2,
        rss_shmem: 4,
        ..Default::default()
    };
    for (to, from) in raw.comm.iter_mut().zip(*b"a\"\\\nb") {
        *to = std::ffi::c_char::from_ne_bytes([from]);
    }
    let namer = Namer::new(
        Rule::By(GroupBy::Name),
        Names::default(),
        Cgroups::default(),
    );
    let first = Snapshot::new(vec![raw.into()], Duration::from_secs(10));
    let limits = Limits {
        groups: 1,
        forget: Duration::from_secs(1),
    };
    let mut groups = Groups::new(namer, limits, &first, Beginning::Lives);
    let second = (8, 11_000_000_000);
    let events = [
        fork(1, second),
        exit(2, second, second.1, "true", 0),
        lost(3, 4, 5),
    ];
    for event in Batch::new(&events.concat()) {
        groups.apply(&event);
    }
    let health = Health {
        is_up,
        duration: Duration::from_micros(640),
        abi_version: 9,
    };
    Metrics::new(&groups, health)
}

#[test]
fn all_values_are_there() {
    let text = metrics(true).encode(Format::Text).unwrap();
    let group = r#"group="a\"\\\nb""#;
    for line in [
        r#"procmon_group_cpu_seconds_total{GROUP,mode="user"} 1.5"#,
        r#"procmon_group_cpu_seconds_total{GROUP,mode="system"} 0.25"#,
        r#"procmon_group_page_faults_total{GROUP,type="minor"} 11"#,
        r#"procmon_group_page_faults_total{GROUP,type="major"} 12"#,
        r#"procmon_group_context_switches_total{GROUP,type="voluntary"} 13"#,
        r#"procmon_group_context_switches_total{GROUP,type="involuntary"} 14"#,
        r#"procmon_group_io_bytes_total{GROUP,direction="read"} 15"#,
        r#"procmon_group_io_bytes_total{GROUP,direction="write"} 16"#,
        r#"procmon_group_exited_total{group="other"} 1"#,
        r#"procmon_group_exited_total{GROUP} 0"#,
        r#"procmon_group_processes{GROUP} 1"#,
        r#"procmon_group_threads{GROUP} 3"#,
        r#"procmon_group_states{GROUP,state="sleeping"} 1"#,
        r#"procmon_group_states{GROUP,state="zombie"} 0"#,
        r#"procmon_group_memory_bytes{GROUP,type="resident"} 7"#,
        r#"procmon_group_memory_bytes{GROUP,type="anonymous"} 1"#,
        r#"procmon_group_memory_bytes{GROUP,type="file"} 2"#,
        r#"procmon_group_memory_bytes{GROUP,type="shared"} 4"#,
        r#"procmon_group_memory_bytes{GROUP,type="virtual"} 170"#,
        "procmon_system_processes 1",
        "procmon_system_threads 3",
        "procmon_system_running 0",
        "procmon_forks_total 1",
        "procmon_events_lost_total 10",
        "procmon_groups_folded_total 1",
        "procmon_groups 2",
        "procmon_snapshot_duration_seconds 0.00064",
        "procmon_up 1",
        concat!(
            r#"procmon_build_info{version=""#,
            env!("CARGO_PKG_VERSION"),
            r#"",abi="9"} 1"#
        ),
    ] {
        let line = line.replace("GROUP", group);
        let has = text.lines().any(|it| it.trim_end_matches(".0") == line);
        assert!(has, "{line}\n{text}");
    }
    let start = "procmon_group_oldest_start_time_seconds{";
    assert_eq!(text.matches(start).count(), 1, "{text}");
}

/// Returns the families, and those of the samples.
fn families(text: &str) -> (Vec<&str>, Vec<&str>) {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let types = types.map(|line| line.split(' ').next().unwrap());
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let mut samples: Vec<_> = samples
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    samples.dedup();
    (types.collect(), samples)
}

#[test]
fn the_forms_differ_by_the_names_of_families() {
    let text = metrics(true).encode(Format::Text).unwrap();
    let open = metrics(true).encode(Format::OpenMetrics).unwrap();
    assert!(open.ends_with("\n# EOF\n") && !text.contains("# EOF"));
    let (text_families, text_samples) = families(&text);
    let (open_families, open_samples) = families(&open);
    assert_eq!(text_samples, open_samples);
    assert_eq!(text_families, text_samples, "one name for both");
    for (text, open) in text_families.iter().zip(&open_families) {
        assert_eq!(text.strip_suffix("_total").unwrap_or(text), *open);
    }
    for family in &open_families {
        let help = format!("# HELP {family} ");
        assert_eq!(open.matches(&help).count(), 1, "{family}");
    }
}

#[test]
fn counters_stay_when_the_module_is_gone() {
    let text = metrics(false).encode(Format::Text).unwrap();
    assert!(text.contains("procmon_up 0\n"), "{text}");
    assert!(text.contains("procmon_group_cpu_seconds_total{"), "{text}");
    assert!(!text.contains("procmon_group_processes{"), "{text}");
    assert!(!text.contains("procmon_system_"), "{text}");
}

/// Rules, their tests, the dashboard and the documentation name metrics that exist, and the
/// documentation names all of them.
#[test]
fn what_is_shipped_uses_metrics_that_exist() {
    let text = metrics(true).encode(Format::Text).unwrap();
    let (exported, _) = families(&text);
    // Those of recording rules have a colon before the name.
    let name = regex::Regex::new(r"(?:^|[^:\w])(procmon_[a-z_]+[a-z])(?:$|[^:\w.])").unwrap();
    for (file, contents, least) in [
        (
            "rules",
            include_str!("../../../../../contrib/prometheus/procmon.rules.yml"),
            6,
        ),
        (
            "tests of rules",
            include_str!("../../../../../contrib/prometheus/procmon.test.yml"),
            6,
        ),
        (
            "dashboard",
            include_str!("../../../../../contrib/grafana/procmon.json"),
            15,
        ),
        (
            "documentation",
            include_str!("../../../../../docs/export.md"),
            exported.len(),
        ),
    ] {
        let names = name.captures_iter(contents).map(|names| names.extract());
        let names: HashSet<&str> = names.map(|(_, [name])| name).collect();
        for name in &names {
            assert!(exported.contains(name), "{file}: {name}");
        }
        assert!(names.len() >= least, "{file}: {names:?}");
    }
    let dashboard = include_str!("../../../../../contrib/grafana/procmon.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(
        panels
            .iter()
            .all(|panel| panel["targets"][0]["expr"].is_string())
    );
}
