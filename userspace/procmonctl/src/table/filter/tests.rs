// SPDX-License-Identifier: GPL-2.0-only

//! Tests of filters.

use procmon::snapshot::Record;
use procmon::{CgroupPath, uapi};

use super::*;

fn record(pid: i32, comm: &str, state: i32) -> Record {
    let mut raw = uapi::procmon_record {
        pid,
        tgid: pid,
        ppid: pid / 10,
        state,
        groups: Groups::all().bits(),
        uid: pid as u32 % 3,
        cgroup_id: pid as u64,
        rss_anon: 100 - pid as u64,
        ..Default::default()
    };
    for (to, from) in raw.comm.iter_mut().zip(comm.bytes()) {
        *to = from as std::ffi::c_char;
    }
    raw.into()
}

fn selected(filters: Filters) -> Vec<i32> {
    let records = [
        record(1, "init", uapi::PROCMON_STATE_SLEEPING),
        record(12, "sh", uapi::PROCMON_STATE_RUNNING),
        record(13, "sshd", uapi::PROCMON_STATE_SLEEPING),
    ];
    let selection = Selection::new(filters, false, &Names::default()).unwrap();
    let context = Context::default();
    let web = CgroupPath::new("/system.slice/web.service");
    context.cgroups.borrow_mut().insert(12, web);
    let matches = records.iter();
    let matches = matches.filter(|record| selection.matches(&Row::of(record), &context));
    matches.map(Record::pid).collect()
}

#[test]
fn filters_select_processes() {
    let none = Filters::default;
    assert_eq!(selected(none()), [1, 12, 13]);
    let pid = vec![1, 13];
    assert_eq!(selected(Filters { pid, ..none() }), [1, 13]);
    let ppid = vec![1];
    assert_eq!(selected(Filters { ppid, ..none() }), [12, 13]);
    let user = vec!["0".to_owned(), "2".to_owned()];
    assert_eq!(selected(Filters { user, ..none() }), [12]);
    let command = Some(Regex::new("^s").unwrap());
    assert_eq!(selected(Filters { command, ..none() }), [12, 13]);
    let names = |names: &[&str]| {
        let name = names.iter().map(OsString::from).collect();
        selected(Filters { name, ..none() })
    };
    assert_eq!(names(&["sh", "init"]), [1, 12]);
    assert_eq!(names(&["s", "shd", ""]), [0; 0]);
    let state = Some(parse_states("R,Z").unwrap());
    assert_eq!(selected(Filters { state, ..none() }), [12]);
    let places = Places {
        unit: vec!["web".to_owned()],
        ..Places::default()
    };
    assert_eq!(selected(Filters { places, ..none() }), [12]);
}

#[test]
fn long_names_are_known_by_their_beginnings() {
    let is_selected = |wanted: &str, comm: &str| {
        let filters = Filters {
            name: vec![wanted.into()],
            ..Filters::default()
        };
        let selection = Selection::new(filters, false, &Names::default()).unwrap();
        selection.matches(
            &Row::of(&record(1, comm, uapi::PROCMON_STATE_SLEEPING)),
            &Context::default(),
        )
    };
    assert!(is_selected("systemd-journald", "systemd-journal"));
    assert!(is_selected("systemd-journal", "systemd-journal"));
    assert!(!is_selected("systemd-journald", "systemd-journ"));
    assert!(!is_selected("systemd-journ", "systemd-journal"));
}

#[test]
fn filters_select_processes_that_have_ended() {
    let is_selected = |filters| {
        let selection = Selection::new(filters, false, &Names::default()).unwrap();
        let line = Value::Arguments(vec![b"sshd".to_vec(), b"-D".to_vec()]);
        let is_match = |is_kernel_thread| {
            selection.matches_ended(13, 1, 2, OsStr::new("sshd"), &line, is_kernel_thread)
        };
        [is_match(false), is_match(true)]
    };
    let none = Filters::default;
    assert_eq!(is_selected(none()), [true, true]);
    let places = Places {
        unit: vec!["web".to_owned()],
        ..Places::default()
    };
    assert_eq!(is_selected(Filters { places, ..none() }), [false, false]);
    let no_kernel_threads = Filters {
        no_kernel_threads: true,
        ..none()
    };
    assert_eq!(is_selected(no_kernel_threads), [true, false]);
    for (value, is_one) in [(13, true), (12, false)] {
        let pid = vec![1, value];
        assert_eq!(is_selected(Filters { pid, ..none() })[0], is_one);
        let ppid = vec![value - 12];
        assert_eq!(is_selected(Filters { ppid, ..none() })[0], is_one);
        let user = vec![(value - 11).to_string()];
        assert_eq!(is_selected(Filters { user, ..none() })[0], is_one);
        for (match_, other) in [("^s", "^t"), ("sshd -D$", "sshd-D")] {
            let command = Some(Regex::new(if is_one { match_ } else { other }).unwrap());
            assert_eq!(is_selected(Filters { command, ..none() })[0], is_one);
        }
        let name = vec![if is_one { "sshd" } else { "ssh" }.into()];
        assert_eq!(is_selected(Filters { name, ..none() })[0], is_one);
        let state = Some(parse_states(if is_one { "RX" } else { "RS" }).unwrap());
        assert_eq!(is_selected(Filters { state, ..none() })[0], is_one);
    }
}

#[test]
fn an_unknown_user_is_an_error() {
    let user = vec!["no-such-user".to_owned()];
    let filters = Filters {
        user,
        ..Filters::default()
    };
    let error = Selection::new(filters, false, &Names::default()).unwrap_err();
    assert_eq!(error.to_string(), "there is no user \"no-such-user\"");
}
