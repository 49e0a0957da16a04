// SPDX-License-Identifier: GPL-2.0-only

use serde_json::Value;

use super::*;
use crate::Text;
use crate::timeline::fixture::{HOSTILE, LARGE, hostile, recording};
use crate::timeline::text::label;

/// Returns what stands between two texts that the page has once.
fn between<'a>(page: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = page.split_once(begin).unwrap();
    assert!(!rest.contains(begin), "{begin}");
    rest.split_once(end).unwrap().0
}

fn data(page: &str) -> Value {
    let data = between(
        page,
        r#"<script type="application/json" id="data">"#,
        "</script>",
    );
    serde_json::from_str(data).unwrap()
}

/// Returns a column of numbers, with -1 for null.
fn column(data: &Value, table: &str, column: &str) -> Vec<i64> {
    let values = data[table][column].as_array().unwrap();
    values
        .iter()
        .map(|value| value.as_i64().unwrap_or(-1))
        .collect()
}

#[test]
fn the_data_is_that_of_the_recording() {
    let mut recording = recording();
    recording.names("søren", "/a");
    recording.older(9, 40, "init");
    recording.begin(1, 100, 9, "sh");
    recording.exec(1, 150, &["make", "all"]);
    recording.begin(2, 300, 1, "cc1");
    recording.exit_after(2, 400, 256, 30);
    recording.exit_after(1, 500, 0, 0);
    recording.sample(100, 0, 0, 5);
    recording.sample(300, 400, 200, 7);
    let data = data(&html(&recording.run()).unwrap());
    assert_eq!((&data["length"], &data["rows"]), (&400.into(), &3.into()));
    let process = |name| column(&data, "processes", name);
    assert_eq!(process("pid"), [9, 1, 2]);
    assert_eq!(process("parent"), [-1, 0, 1]);
    assert_eq!(process("start"), [-60, 0, 200]);
    assert_eq!(process("lasted"), [460, 400, 100]);
    assert_eq!(process("goes_on"), [1, 0, 0]);
    assert_eq!(process("status"), [-1, 0, 256]);
    assert_eq!(process("utime"), [-1, 0, 20]);
    assert_eq!(process("stime"), [-1, 0, 10]);
    let bar = |name| column(&data, "bars", name);
    assert_eq!(bar("row"), [0, 1, 1, 2]);
    assert_eq!(bar("begin"), [0, 0, 50, 200]);
    assert_eq!(bar("end"), [400, 50, 400, 300]);
    assert_eq!(bar("process"), [0, 1, 1, 2]);
    let texts = |places: Vec<i64>| -> Vec<_> {
        let text = |place: i64| data["texts"][place as usize].as_str().unwrap().to_owned();
        places.into_iter().map(text).collect()
    };
    assert_eq!(texts(process("command")), ["init", "make all", "cc1"]);
    assert_eq!(texts(process("user")), ["søren"; 3]);
    assert_eq!(texts(process("cgroup")), ["/a"; 3]);
    assert_eq!(texts(bar("name")), ["init", "sh", "make", "cc1"]);
    let usage = |name| column(&data, "usage", name);
    assert_eq!((usage("begin"), usage("end")), (vec![0], vec![200]));
    assert_eq!((usage("busy"), usage("io_wait")), (vec![500], vec![250]));
    assert_eq!(usage("memory"), [7]);
}

#[test]
fn hostile_names_are_text() {
    let page = html(&hostile().run()).unwrap();
    // The elements are those of the page without names.
    let count = |text: &str| page.matches(text).count();
    assert_eq!(
        (count("<script"), count("</script"), count("<!--")),
        (2, 2, 0)
    );
    assert_eq!(page.matches('<').count(), {
        let plain = html(&recording().run()).unwrap();
        plain.matches('<').count()
    });
    assert!(!page.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
    let data = data(&page);
    let texts: Vec<_> = data["texts"].as_array().unwrap().iter().collect();
    for name in HOSTILE {
        let name = label(&Text::from(name));
        let command = Value::from(format!("{name} arg"));
        assert!(texts.contains(&&Value::from(name)) && texts.contains(&&command));
    }
}

#[test]
fn the_policy_allows_the_page_and_nothing_else() {
    let page = html(&recording().run()).unwrap();
    let policy = between(
        &page,
        r#"http-equiv="Content-Security-Policy" content=""#,
        "\"",
    );
    let script = between(&page, "<script>", "</script>");
    let style = between(&page, "<style>", "</style>");
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; \
             form-action 'none'",
            hash(script),
            hash(style)
        )
    );
    // The value that sha256sum and base64 print.
    assert_eq!(
        hash("abc"),
        "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
    );
    for other in ["src=", "href", "://", " style=", " onclick="] {
        assert!(!page.contains(other), "{other}");
    }
}

#[test]
fn the_script_makes_no_markup_and_loads_nothing() {
    for word in [
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
        "fetch(",
        "XMLHttp",
        "import",
        "createContextual",
        "setAttribute",
        "</",
        "<!--",
    ] {
        assert!(!SCRIPT.contains(word), "{word}");
    }
}

#[test]
fn pages_have_all_of_many_processes() {
    let page = html(&LARGE).unwrap();
    let processes = LARGE.processes().len();
    let data = data(&page);
    assert_eq!(column(&data, "processes", "pid").len(), processes);
    let mut shown = column(&data, "bars", "process");
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown, (0..processes as i64).collect::<Vec<_>>());
    // As few bytes for each as columns and shared texts allow.
    assert!(page.len() < 250 * processes, "{}", page.len());
}
