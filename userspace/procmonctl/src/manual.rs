// SPDX-License-Identifier: GPL-2.0-only

//! The manual: sections of `--help` beyond the options, and manual pages.
//!
//! A section is a title that ends with a colon, and text: lines that begin with two spaces stay as
//! they are, others are paragraphs, with an empty line between them. The sections of a subcommand
//! are the `after_long_help` of its arguments.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::exit;

const JSON: &str = "\
Objects, one a line. A value that does not exist is null. Times are in nanoseconds since boot, and \
wall_time is the same moment by the clock, as in RFC 3339 and in UTC. A name that is not UTF-8 is \
null; comm_base64 has all of its bytes.";

const FILES: &str = "  /dev/procmon                      the device
  /sys/class/misc/procmon/          statistics and the last sample
  /sys/module/procmon/parameters/   parameters of the module
  /etc/passwd, /etc/group           names of users and groups
  /run/systemd/userdb/io.systemd.Multiplexer
                                    names that are not in these files, or
                                    else getent(1)
  /proc/PID/comm                    whole names of kernel threads
  ~/.config/procmon/config.toml     defaults for options: see procmonctl-config(1)";

const SEE_ALSO: &str = "ps(1), top(1), proc(5), sched(7)";

const EXAMPLES: &str = "  procmonctl ps --sort -rss -o pid,user,rss,comm
  procmonctl top
  procmonctl filter 4711      # the monitor records this process
  procmonctl history --plot";

/// Adds the sections of the whole program to the help of its command line. `json` has the lines on
/// the JSON of each command.
pub fn describe(command: Command, json: &[&str]) -> Command {
    let json = format!(
        "{JSON}

{}

config, completions, export, man, record and timeline do not take --json.",
        json.join("\n")
    );
    let status = exit::MANUAL;
    command
        .after_help(format!("Exit status:\n{status}"))
        .after_long_help(format!(
            "JSON:\n{json}\n\nExit status:\n{status}\n\nFiles:\n{FILES}\n\nExamples:\n{EXAMPLES}"
        ))
}

/// A section: its title, and its text.
type Section = (String, String);

/// Returns the sections of a command, in the order of man-pages(7).
fn sections(command: &Command) -> Vec<Section> {
    let help = command.get_after_long_help();
    let mut sections = parse(&help.map(ToString::to_string).unwrap_or_default());
    let has = |title: &str| sections.iter().any(|section| section.0 == title);
    if !has("EXIT STATUS") {
        // The help of a subcommand leaves out the section, which is the same for all.
        let place = sections
            .iter()
            .position(|section| section.0 == "EXAMPLES")
            .unwrap_or(sections.len());
        let status = ("EXIT STATUS".to_owned(), exit::MANUAL.to_owned());
        sections.insert(place, status);
    }
    sections
}

/// Splits help into sections, with their titles in capitals.
fn parse(help: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in help.lines() {
        match (line.strip_suffix(':'), sections.last_mut()) {
            (Some(title), _) if !line.starts_with(' ') => {
                sections.push((title.to_uppercase(), String::new()));
            }
            (_, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (_, None) => {}
        }
    }
    for (_, text) in &mut sections {
        text.truncate(text.trim_end().len());
    }
    sections
}

/// Writes the manual pages of the command and of its subcommands.
pub fn write_pages(command: Command, directory: &Path) -> io::Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    for subcommand in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        write_page(&command, subcommand, directory)?;
    }
    write_page(&command, &command, directory)
}

fn write_page(program: &Command, command: &Command, directory: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    fs::write(
        directory.join(format!("{name}.1")),
        page(program.get_name(), command)?,
    )
}

/// Returns the page of the program or of a subcommand.
fn page(program: &str, command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone())
        .manual("User Commands")
        .source(format!("{program} {}", env!("CARGO_PKG_VERSION")));
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
    for (title, text) in sections(command) {
        roff.control("SH", [title.as_str()]);
        add_text(&mut roff, &text);
    }
    roff.control("SH", ["SEE ALSO"]);
    let mut others = Vec::new();
    if command.get_name() != program {
        others.extend([bold(program), roman("(1), ")]);
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
    use crate::cli::Cli;
    use crate::top::keys;

    fn pages() -> Vec<(String, String)> {
        let directory = tempfile::tempdir().unwrap();
        write_pages(Cli::described(), directory.path()).unwrap();
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
        let commands = Cli::described()
            .get_subcommands()
            .filter(|one| !one.is_hide_set())
            .count();
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
        for binding in keys::BINDINGS {
            assert!(top.contains(binding.help), "{}", binding.help);
        }
    }

    #[test]
    fn help_is_split_at_its_titles() {
        let help = "Keys:\n  a:\n  b  c\n\nText: more.\n\nExamples:\n  x\n";
        let section = |title: &str, text: &str| (title.to_owned(), text.to_owned());
        let expected = [
            section("KEYS", "  a:\n  b  c\n\nText: more."),
            section("EXAMPLES", "  x"),
        ];
        assert_eq!(parse(help), expected);
        assert_eq!(parse(""), []);
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
        let help = Cli::described().render_long_help().to_string();
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
