// SPDX-License-Identifier: GPL-2.0

//! What `--help` and the manual pages say beyond options.
//!
//! Sections are text: lines that begin with two spaces stay as they are, and others are paragraphs,
//! with an empty line between them.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::Cli;

/// A section by its title, and its text.
type Section = (&'static str, String);

const NAME: &str = "procmonctl";

const EXIT_STATUS: &str = "  0  success
  1  failure, among them a message that did not fit, a failed test, and
     results of tests that could not be printed
  2  wrong usage
  3  no device: the procmon module is not loaded
  4  no permission
  5  no such process: a PID of query, or nothing that the filters of ps
     choose; all that was found is printed nevertheless";

const JSON: &str = "\
Objects, one a line. A value that does not exist is null. Times are in nanoseconds since boot, and \
wall_time is the same moment by the clock, as in RFC 3339 and in UTC. A name that is not UTF-8 is \
null; comm_base64 has all of its bytes.

  stats    {opens, reads, writes, ioctls, per_cpu_ops, filter_pid}
  count    {count}
  read     {length, text, base64}; text is null if it is not UTF-8
  write    {length, written}
  filter   {filter_pid}
  reset    {reset}
  query    {pid, found, comm, comm_base64, state, state_name, vsize},
           one object for each PID
  watch    {opens, ..., filter_pid, buffer_size, samples, processes,
           threads, running, uninterruptible, zombies, forks, time,
           wall_time, boot_id}
  ps, top  {version, time, wall_time, boot_id, processes: [{COLUMN, ...}]},
           by top also {system}
  history  {version, boot_id, interval_ms, missed, next,
           samples: [{sequence, time, wall_time, ...}]}
  test     {test, name, ok, skipped, reason}, one object for each test

completions and man do not take --json.";

const FILES: &str = "  /dev/procmon                      the device
  /sys/class/misc/procmon/          statistics and the last sample
  /sys/module/procmon/parameters/   parameters of the module
  /etc/passwd, /etc/group           names of users and groups
  /run/systemd/userdb/io.systemd.Multiplexer
                                    names that are not in these files, or
                                    else getent(1)
  /proc/PID/comm                    whole names of kernel threads";

const SEE_ALSO: &str = "ps(1), top(1), proc(5), sched(7)";

/// Returns the examples of a command.
fn examples(command: &str) -> Option<&'static str> {
    Some(match command {
        NAME => {
            "  procmonctl ps --sort -rss -o pid,user,rss,comm
  procmonctl top
  procmonctl filter 4711      # the monitor records this process
  procmonctl history --plot"
        }
        "write" => {
            "  procmonctl write 'Hello Kernel'
  date | procmonctl write"
        }
        "filter" => {
            "  procmonctl filter 4711
  procmonctl filter off"
        }
        "query" => "  procmonctl query 1 $$",
        "ps" => {
            "  procmonctl ps -u www-data --sort -cpu
  procmonctl ps --tree --command '^(ssh|ba)'
  procmonctl ps -s D -o pid,state,time,comm
  procmonctl ps --json -o pid,comm,started | jq .processes"
        }
        "top" => {
            "  procmonctl top --sort -rss -u www-data
  procmonctl top --batch -n 2 -d 5 >processes.txt"
        }
        "history" => {
            "  procmonctl filter 4711; sleep 60; procmonctl history --plot
  procmonctl history --json --from 100"
        }
        "watch" => "  procmonctl watch -n 10 --json >>samples.json",
        "completions" => "  procmonctl completions bash >/etc/bash_completion.d/procmonctl",
        "man" => "  procmonctl man /usr/local/share/man/man1",
        _ => return None,
    })
}

/// Returns the sections of a command, in the order of man-pages(7).
fn sections(command: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut add = |title, text: &str| sections.push((title, text.to_owned()));
    if command == "top" {
        add("KEYS", &keys());
    }
    if command == NAME {
        add("JSON", JSON);
    }
    add("EXIT STATUS", EXIT_STATUS);
    if command == NAME {
        add("FILES", FILES);
    }
    if let Some(examples) = examples(command) {
        add("EXAMPLES", examples);
    }
    sections
}

fn keys() -> String {
    let help = crate::top::keys_help();
    let keys = help.split_once('\n').unwrap_or_default().1;
    keys.to_owned()
}

/// Returns the command line with the sections in its help.
pub fn command() -> Command {
    let mut command = Cli::command();
    let names: Vec<_> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    for name in names {
        command = command.mut_subcommand(&name, |command| {
            let help = help(&name);
            command.after_long_help(help)
        });
    }
    command
        .after_help(format!("Exit status:\n{EXIT_STATUS}"))
        .after_long_help(help(NAME))
}

fn help(command: &str) -> String {
    let mut texts = Vec::new();
    for (title, text) in sections(command) {
        // The help of each command need not say what that of all does.
        if command != NAME && title == "EXIT STATUS" {
            continue;
        }
        let mut title = title.to_lowercase().replace("json", "JSON");
        title[..1].make_ascii_uppercase();
        texts.push(format!("{title}:\n{text}"));
    }
    texts.join("\n\n")
}

/// Writes the manual pages of the command and of its subcommands.
pub fn write_pages(directory: &Path) -> io::Result<()> {
    let mut command = command().disable_help_subcommand(true);
    command.build();
    for subcommand in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        write_page(subcommand, directory)?;
    }
    write_page(&command, directory)
}

fn write_page(command: &Command, directory: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    fs::write(directory.join(format!("{name}.1")), page(command)?)
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone())
        .manual("User Commands")
        .source(format!("{NAME} {}", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    for (title, text) in sections(command.get_name()) {
        roff.control("SH", [title]);
        add_text(&mut roff, &text);
    }
    roff.control("SH", ["SEE ALSO"]);
    let mut others = Vec::new();
    if command.get_name() != NAME {
        others.extend([bold(NAME), roman("(1), ")]);
    }
    others.push(roman(SEE_ALSO));
    roff.text(others);
    roff.to_writer(&mut page)?;
    Ok(page)
}

fn add_text(roff: &mut Roff, text: &str) {
    let mut is_verbatim = false;
    for line in text.lines() {
        let wants_verbatim = line.starts_with("  ");
        if wants_verbatim != is_verbatim && !line.is_empty() {
            roff.control(if wants_verbatim { "nf" } else { "fi" }, []);
            is_verbatim = wants_verbatim;
        }
        if line.is_empty() {
            roff.control("PP", []);
        } else {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
    }
    if is_verbatim {
        roff.control("fi", []);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Vec<(String, String)> {
        let directory = tempfile::tempdir().unwrap();
        write_pages(directory.path()).unwrap();
        let files = fs::read_dir(directory.path()).unwrap();
        let mut pages: Vec<_> = files
            .map(|file| {
                let file = file.unwrap();
                let name = file.file_name().into_string().unwrap();
                (name, fs::read_to_string(file.path()).unwrap())
            })
            .collect();
        pages.sort();
        pages
    }

    fn titles(page: &str) -> Vec<&str> {
        page.lines()
            .filter_map(|line| line.strip_prefix(".SH "))
            .map(|title| title.trim_matches('"'))
            .collect()
    }

    #[test]
    fn each_command_has_a_page_with_its_sections() {
        let pages = pages();
        let commands = Cli::command().get_subcommands().count();
        assert_eq!(pages.len(), commands + 1);
        for (name, page) in &pages {
            let titles = titles(page);
            for title in [
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "OPTIONS",
                "EXIT STATUS",
                "SEE ALSO",
            ] {
                assert!(titles.contains(&title), "{name} lacks {title}: {titles:?}");
            }
            assert!(!titles.contains(&"EXTRA"), "{name}");
        }
        let page = |name: &str| &pages.iter().find(|page| page.0 == name).unwrap().1;
        let main = titles(page("procmonctl.1"));
        for title in ["JSON", "FILES", "EXAMPLES"] {
            assert!(main.contains(&title), "{main:?}");
        }
        let top = page("procmonctl-top.1");
        assert!(titles(top).contains(&"KEYS") && titles(top).contains(&"EXAMPLES"));
        for line in keys().lines().filter(|line| line.starts_with("  ")) {
            let help = line.rsplit("  ").next().unwrap();
            assert!(top.contains(help), "{help}");
        }
    }

    #[test]
    fn tables_are_not_filled() {
        let mut roff = Roff::new();
        add_text(&mut roff, "One.\n\n  a  b\n     .c\nTwo.\n  .d");
        let page = roff.render();
        let lines: Vec<_> = page.lines().collect();
        let start = lines.iter().position(|line| *line == "One.").unwrap();
        let expected = [
            "One.", ".PP", ".nf", "a  b", "   .c", ".fi", "Two.", ".nf", "\\&.d", ".fi",
        ];
        assert_eq!(lines[start..], expected);
    }

    #[test]
    fn help_has_the_sections() {
        let help = command().render_long_help().to_string();
        for text in [
            "Exit status:",
            "JSON:",
            "Files:",
            "Examples:",
            "no such process",
        ] {
            assert!(help.contains(text), "{text}: {help}");
        }
        for text in [
            "\n  0  success",
            "\n  /dev/procmon ",
            "Examples:\n  procmonctl ps",
        ] {
            assert!(help.contains(text), "{text}: {help}");
        }
    }
}
