// SPDX-License-Identifier: GPL-2.0-only

//! Groups, the folds of a tree, and the list of columns.

use fixture::child::{paused, sleeper};
use fixture::shared;

use super::{has, rows, titles, top};

/// Keys group processes, and show those of a group.
#[test]
fn top_groups_processes() {
    let _kernel = shared();
    let children = [sleeper(c"twin"), sleeper(c"twin"), sleeper(c"single")];
    let mut top = top(&[
        "--group-by",
        "name",
        "--sort",
        "-procs",
        "--delay",
        "0.3",
        "-K",
    ]);
    let row = |count: &'static str, name: &'static str| {
        move |lines: &[String]| {
            rows(lines).iter().any(|row| {
                let mut words = row.split_whitespace();
                words.next() == Some(count) && words.next_back() == Some(name)
            })
        }
    };
    top.wait_for("a group of two", row("2", "twin"));
    top.wait_for("a group of one", row("1", "single"));
    top.press("/twin\r\r");
    top.wait_for("the processes of the group", |lines| {
        let pids = children[..2].iter().map(|child| child.pid().to_string());
        let shown = rows(lines).iter().filter(|row| row.ends_with(" twin"));
        let shown: Vec<_> = shown
            .filter_map(|row| row.split_whitespace().next())
            .collect();
        let mut pids: Vec<_> = pids.collect();
        pids.sort_unstable();
        let mut sorted = shown.clone();
        sorted.sort_unstable();
        sorted == pids && !has(" single")(lines) && has("name: twin")(lines)
    });
    top.press("\x1b");
    top.wait_for("all groups", row("1", "single"));
    top.press("\t");
    top.wait_for("users", |lines| {
        let titles = titles(lines).is_some() || has(" USER")(lines);
        titles && lines.iter().any(|line| line.ends_with(" root"))
    });
    top.press("\x1b[15~");
    top.wait_for("a tree", has("─ "));
    top.press("q");
    assert_eq!(top.end(), 0);
    children.into_iter().for_each(|child| child.kill());
}

/// Keys hide what is below a process, and show it again.
#[test]
fn top_folds_a_tree() {
    let _kernel = shared();
    let child = sleeper(c"leaf");
    let own = std::process::id().to_string();
    let mut top = top(&["--tree", "--delay", "0.3", "-K"]);
    top.wait_for("the leaf", has("─ leaf"));
    top.press(&format!("/{own}\r-"));
    let is_folded =
        |line: &String| line.split_whitespace().next() == Some(&own) && line.contains(" [+");
    top.wait_for("the fold", |lines| {
        lines.iter().any(is_folded) && !has("─ leaf")(lines)
    });
    top.press("+");
    top.wait_for("the leaf again", |lines| {
        !lines.iter().any(is_folded) && has("─ leaf")(lines)
    });
    top.press("*");
    top.wait_for("two levels", |lines| {
        has(" [+")(lines) && !has("─ leaf")(lines)
    });
    top.press("*");
    top.wait_for("all levels", has("─ leaf"));
    top.press("q");
    assert_eq!(top.end(), 0);
    child.kill();
}

/// Columns are chosen from a list.
#[test]
fn top_lists_columns() {
    let _kernel = shared();
    let child = paused();
    let pid = child.pid().to_string();
    let mut top = top(&["--delay", "0.3", "-p", &pid]);
    top.press("\x1bOQ");
    top.wait_for("the list", has("[x] pid"));
    top.press("pgid ");
    top.wait_for("another column", has("[x] pgid"));
    top.press("\x1b");
    top.wait_for("its title", |lines| {
        has(" PGID ")(lines) && has("-o pid,user,")(lines)
    });
    // Its children have the group of this process.
    let group = fixture::procfs::number::<i32>(child.pid(), 5)
        .unwrap()
        .to_string();
    top.wait_for("its value", |lines| {
        let row = rows(lines)
            .iter()
            .find(|row| row.trim_start().starts_with(&pid));
        row.is_some_and(|row| row.split_whitespace().nth_back(1) == Some(&group))
    });
    top.press("q");
    assert_eq!(top.end(), 0);
    child.kill();
}
