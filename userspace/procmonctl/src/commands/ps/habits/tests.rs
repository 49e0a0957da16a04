// SPDX-License-Identifier: GPL-2.0-only

//! Tests of the command lines that replace those of procps.

use std::os::unix::ffi::OsStringExt;

use clap::FromArgMatches;

use super::*;

fn words(line: &str) -> Vec<OsString> {
    line.split_ascii_whitespace().map(OsString::from).collect()
}

fn translated(line: &str) -> Option<String> {
    translate(words(line))
}

#[test]
fn habits_have_their_command_lines() {
    for (line, expected) in [
        ("aux", format!("-o {USER_FORMAT}")),
        ("-aux", format!("-o {USER_FORMAT}")),
        ("-auxww", format!("-o {USER_FORMAT}")),
        ("-ef", format!("-o {FULL_FORMAT}")),
        ("-e -f", format!("-o {FULL_FORMAT}")),
        ("-elF", format!("-o {FULL_FORMAT}")),
        ("-el", format!("-o {LONG_FORMAT}")),
        ("-eLf", format!("-T -o {FULL_FORMAT}")),
        ("auxf", format!("--tree -o {USER_FORMAT}")),
        (
            "aux --sort=-%mem,pid",
            format!("--sort -mem -o {USER_FORMAT}"),
        ),
        ("aux --sort +pcpu", format!("--sort cpu -o {USER_FORMAT}")),
        ("-fu root", format!("-u root -o {FULL_FORMAT}")),
        ("-fp1,2 --json", format!("-p 1,2 --json -o {FULL_FORMAT}")),
        ("axo pid,comm", "-o pid,comm".to_owned()),
        ("axopid,vsz=,args", "-o pid,vsize,args".to_owned()),
        ("-eo pid,pcpu,cmd", "-o pid,cpu,args".to_owned()),
        ("-eo pid=,comm=", "-o pid,comm".to_owned()),
        ("-axC sshd --sort ppid", "-C sshd --sort ppid".to_owned()),
        ("-s R ax", "-s R".to_owned()),
        ("ax --device /dev/x -KT", "--device /dev/x -K -T".to_owned()),
        ("aux --unit nginx", format!("--unit nginx -o {USER_FORMAT}")),
        (
            "aux --container web --cgroup /a --tree --user=root",
            format!("--container web --cgroup /a --tree --user root -o {USER_FORMAT}"),
        ),
        (
            "ax --tree --threads=false -p 1",
            "--tree --threads=false -p 1".to_owned(),
        ),
        ("ax --config /dev/null", "--config /dev/null".to_owned()),
        ("r", "-s R".to_owned()),
        ("U root", "-u root".to_owned()),
        ("p 1", "-p 1".to_owned()),
        ("1,2", "-p 1,2".to_owned()),
        ("axk -pcpu", "--sort -cpu".to_owned()),
        ("-e --forest", "--tree".to_owned()),
    ] {
        let expected = format!("procmonctl ps {expected}");
        assert_eq!(translated(line).as_ref(), Some(&expected), "{line}");
        let parsed = Cli::command().try_get_matches_from(words(&expected));
        Cli::from_arg_matches(&parsed.unwrap()).unwrap();
    }
    assert_eq!(translated("ax").unwrap(), "procmonctl ps");
}

#[test]
fn columns_have_their_counterparts() {
    for (line, expected) in [
        ("ax -o session,stime,cgroup", "-o sid,started,cgroup-path"),
        ("-o cgroup,start ax", "-o cgroup-path,started"),
        ("-eo session,pcpu", "-o sid,cpu"),
        (
            "-o lsession,sess,oom,tt,uunit",
            "-o session,sid,oom-score,tty,user-unit",
        ),
        ("ax --sort -stime", "--sort -started"),
    ] {
        let expected = format!("procmonctl ps {expected}");
        assert_eq!(translated(line), Some(expected), "{line}");
    }
    // These are columns of this command.
    assert_eq!(translated("-e -o session,stime,cgroup"), None);
}

#[test]
fn options_take_values_as_the_command_defines_them() {
    let options = options_with_value();
    for option in ["--cgroup", "--container", "--device", "--unit", "--sort"] {
        assert!(options.iter().any(|other| other == option), "{options:?}");
    }
    for option in ["--json", "--tree", "--threads", "--ascii", "--help"] {
        assert!(options.iter().all(|other| other != option), "{options:?}");
    }
}

#[test]
fn other_arguments_have_none() {
    for line in [
        "",
        "-e",
        "-A -T -K",
        "--tree --nonsense",
        "--sort nonsense",
        "-o nonsense",
        "ax -o nonsense",
        "aux -t",
        "axo",
        "aux --sort",
        "-j",
        "日本",
        "-日",
        "\u{1b}[2J",
        "-u root",
        "-c ^a",
    ] {
        assert_eq!(translated(line), None, "{line}");
    }
    let odd = OsString::from_vec(b"\xff".to_vec());
    assert_eq!(translate(vec!["aux".into(), odd]), None);
}

#[test]
fn words_are_quoted_for_the_shell() {
    let line = ["ax", "-C", "a b's", "-u", ""].map(OsString::from);
    assert_eq!(
        translate(line.to_vec()).unwrap(),
        "procmonctl ps -C 'a b'\\''s' -u ''"
    );
    for hidden in ["a\nb", "a\tb", "\u{1b}[2J", "a\u{202e}b"] {
        let line = ["ax", "-C", hidden].map(OsString::from);
        assert_eq!(translate(line.to_vec()), None, "{hidden:?}");
    }
}

#[test]
fn global_options_are_arguments_wherever_they_stand() {
    let of = |line| arguments(words(line));
    assert_eq!(of("procmonctl ps aux"), Some(words("aux")));
    assert_eq!(
        of("procmonctl --json --device ps --device=x ps -ef ps"),
        Some(words("--json --device ps --device=x -ef ps"))
    );
    for other in [
        "procmonctl",
        "procmonctl top ps",
        "procmonctl --device ps",
        "ps",
    ] {
        assert_eq!(of(other), None, "{other}");
    }
}
