// SPDX-License-Identifier: GPL-2.0

//! The look of the screen: its colours and characters.

use fixture::shared;
use fixture::terminal::Terminal;

use super::colors;

/// The environment chooses characters and colours.
#[test]
fn top_on_other_terminals() {
    let _kernel = shared();
    let run = |environment: &str, options: &str| {
        let command = format!("{environment} exec procmonctl top -n 3 -d 0.1 --tree {options}");
        let mut top = Terminal::start(&["/bin/sh", "-c", &command], 30, 100);
        assert_eq!(top.end(), 0, "{command}");
        std::mem::take(&mut top.output)
    };
    let has_bytes =
        |output: &[u8], bytes: &[u8]| output.windows(bytes.len()).any(|part| part == bytes);
    assert!(run("LANG=C", "").is_ascii());
    assert!(run("LC_ALL=POSIX", "").is_ascii());
    assert!(run("", "--ascii").is_ascii());
    let utf8 = run("", "");
    assert!(!utf8.is_ascii());
    // TERM is that of a terminal with 256 colours.
    assert!(has_bytes(&utf8, b"38;5;") && !has_bytes(&utf8, b"38;2;"));
    assert!(has_bytes(&run("COLORTERM=truecolor", ""), b"38;2;"));
    assert!(!has_bytes(
        &run("COLORTERM=truecolor", "--theme light"),
        b"38;2;"
    ));
    assert_eq!(colors(&run("", "--theme mono")), [] as [&str; 0]);
    assert_eq!(colors(&run("NO_COLOR=1", "")), [] as [&str; 0]);
    assert!(!colors(&run("NO_COLOR=1", "--theme light")).is_empty());
}
