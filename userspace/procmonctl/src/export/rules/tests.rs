// SPDX-License-Identifier: GPL-2.0-only

//! Tests of rules, with the examples of process-exporter's documentation.

use std::sync::Arc;

use procmon::{Record, uapi};

use super::*;

fn subject(comm: &str, arguments: &[&str]) -> Subject {
    let mut raw = uapi::procmon_record {
        pid: 7,
        tgid: 7,
        groups: procmon::Groups::all().bits(),
        ..Default::default()
    };
    for (to, from) in raw.comm.iter_mut().zip(comm.bytes()) {
        *to = std::ffi::c_char::from_ne_bytes([from]);
    }
    let bytes: Vec<u8> = arguments
        .iter()
        .flat_map(|argument| [argument.as_bytes(), b"\0"].concat())
        .collect();
    Subject::of_record(&raw.into(), (!bytes.is_empty()).then(|| Arc::from(bytes)))
}

fn name(rules: &Rules, comm: &str, arguments: &[&str]) -> Option<String> {
    let path = CgroupPath::new("/system.slice/web.service");
    rules.name(&subject(comm, arguments), Some(&path), || "www".to_owned())
}

#[test]
fn a_record_without_arguments_has_none() {
    assert_eq!(
        Subject::of_record(&Record::default(), None)
            .arguments()
            .count(),
        0
    );
}

/// The configuration in the README of process-exporter.
#[test]
fn the_documented_configuration_is_read_as_it_is() {
    let rules = Rules::parse(
        r#"
process_names:
  # comm is the second field of /proc/<pid>/stat minus parens.
  # It is the base executable name, truncated at 15 chars.
  # It cannot be modified by the program, unlike exe.
  - comm:
    - bash

  # exe is argv[0]. If no slashes, only basename of argv[0] need match.
  # If exe contains slashes, argv[0] must match exactly.
  - exe:
    - postgres
    - /usr/local/bin/prometheus

  # cmdline is a list of regexps applied to argv.
  # Each must match, and any captures are added to the .Matches map.
  - name: "{{.ExeFull}}:{{.Matches.Cfgfile}}"
    exe:
    - /usr/local/bin/process-exporter
    cmdline:
    - -config.path\s+(?P<Cfgfile>\S+)
"#,
        false,
    )
    .unwrap();
    let exporter = "/usr/local/bin/process-exporter";
    for (comm, arguments, expected) in [
        ("bash", &["-bash"][..], Some("-bash")),
        ("bash", &[], Some("bash")),
        (
            "postgres",
            &["/usr/lib/postgresql/bin/postgres", "-D"],
            Some("postgres"),
        ),
        ("postgres", &["postgres:"], None),
        (
            "prometheus",
            &["/usr/local/bin/prometheus"],
            Some("prometheus"),
        ),
        ("prometheus", &["/usr/bin/prometheus"], None),
        ("prometheus", &["prometheus"], None),
        (
            "process-exporte",
            &[exporter, "-config.path", "/etc/x.yml"],
            Some("/usr/local/bin/process-exporter:/etc/x.yml"),
        ),
        ("process-exporte", &[exporter], None),
        ("kworker/0:0", &[], None),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(
            name(&rules, comm, arguments),
            expected,
            "{comm} {arguments:?}"
        );
    }
    assert!(rules.constant_names().is_empty() && !rules.need_cgroups());
}

#[test]
fn templates_have_all_values() {
    let rules = Rules::parse(
        "process_names: [{name: '{{ .Comm }}/{{.ExeBase}}/{{.ExeFull}}/{{.Username}}/{{.PID}}/\
         {{.Cgroups}}/{{.Matches.a}}-{{.Matches.b}}-{{.Matches.none}}', \
         cmdline: ['a=(?P<a>.)', 'b=(?P<b>.)']}, {name: rest, cmdline: ['.+']}, \
         {name: '{{.StartTime}}', comm: [init]}]",
        true,
    )
    .unwrap();
    let filled = name(&rules, "prog", &["/bin/exe", "a=1", "b=2"]);
    let expected = "prog/exe//bin/exe/www/7/[/system.slice/web.service]/1-2-";
    assert_eq!(filled.as_deref(), Some(expected));
    // What the first entry has captured before it failed is gone.
    assert_eq!(
        name(&rules, "prog", &["exe", "a=1"]).as_deref(),
        Some("rest")
    );
    let start = name(&rules, "init", &[]).unwrap();
    assert!(start.parse::<jiff::Timestamp>().is_ok(), "{start}");
    assert_eq!(rules.constant_names(), ["rest"]);
    assert!(rules.need_cgroups() && rules.have_heirs());
}

#[test]
fn what_is_wrong_is_told() {
    for (text, part) in [
        ("process_matchers: []", "process_matchers"),
        ("{}", "process_names"),
        ("process_names: [{name: x, com: [a]}]", "com"),
        ("process_names: [{comm: [a]}, {name: x}]", "entry 2"),
        (
            "process_names: [{comm: [a], name: '{{.Nonsense}}'}]",
            ".Nonsense",
        ),
        (
            "process_names: [{comm: [a], name: '{{.Comm'}]",
            "without }}",
        ),
        ("process_names: [{cmdline: ['(']}]", "unclosed group"),
        ("process_names: [{comm: bash}]", "bash"),
        ("process_names: [", "1"),
    ] {
        let error = Rules::parse(text, true).map(|_| ()).unwrap_err();
        let message = format!("{error:#}");
        assert!(message.contains(part), "{text}: {message}");
    }
}
