// SPDX-License-Identifier: GPL-2.0-only

//! `timeline`: the processes of a recording over time.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use recording::{Run, timeline};

use crate::exit::Exit;
use crate::output::complain;
use crate::session::Session;

/// Draw the processes of a recording over time, as a picture or for other tools
///
/// Processes are bars below that of their parent, in the colour of their program, with the use of
/// CPUs and memory above. In a picture, short ones are merged by name; a page has all of them, to
/// zoom and to search, and works without a network.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The recording
    #[arg(value_name = "FILE")]
    recording: PathBuf,

    /// The file to write: a picture if its name ends in .svg, and a page if it ends in .html or
    /// .htm. With "-" a picture goes to standard output
    #[arg(short, long, value_name = "PATH", required_unless_present = "other")]
    output: Option<PathBuf>,

    #[command(flatten)]
    other: Other,
}

/// Formats for other tools.
#[derive(clap::Args, Debug)]
#[group(id = "other", multiple = false)]
struct Other {
    /// Write a trace for ui.perfetto.dev and chrome://tracing, by default to standard output
    #[arg(long)]
    perfetto: bool,

    /// Write stacks of program names with their CPU time in microseconds, as tools for flame graphs
    /// take them, by default to standard output
    #[arg(long)]
    folded: bool,
}

const EXAMPLES: &str = "\
Examples:
  procmonctl timeline build.procmon -o build.svg
  procmonctl timeline build.procmon -o build.html
  procmonctl timeline build.procmon --perfetto -o build.json
  procmonctl timeline build.procmon --folded | flamegraph.pl > build.svg";

/// A format of the output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    Svg,
    Html,
    Perfetto,
    Folded,
}

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let Some(format) = self.format() else {
            complain("the name of the output has to end in .svg or .html");
            return Ok(Exit::Usage.into());
        };
        let run = Run::read(&self.recording)
            .with_context(|| format!("cannot read {}", self.recording.display()))?;
        let text = match format {
            Format::Svg => timeline::svg(&run)?,
            Format::Html => timeline::html(&run)?,
            Format::Perfetto => timeline::perfetto(&run)?,
            Format::Folded => timeline::folded(&run),
        };
        match self.path() {
            Some(path) => write(path, text.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?,
            None => session.out.bytes(text.as_bytes())?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Returns the path to write to, or `None` for standard output.
    fn path(&self) -> Option<&Path> {
        self.output
            .as_deref()
            .filter(|path| *path != Path::new("-"))
    }

    fn format(&self) -> Option<Format> {
        if self.other.perfetto {
            return Some(Format::Perfetto);
        }
        if self.other.folded {
            return Some(Format::Folded);
        }
        let Some(path) = self.path() else {
            return Some(Format::Svg);
        };
        let extension = path.extension()?.to_ascii_lowercase();
        match extension.to_str()? {
            "svg" => Some(Format::Svg),
            "html" | "htm" => Some(Format::Html),
            _ => None,
        }
    }
}

/// Writes a file at once: until it is complete, there is none, or the one before. A pipe or a
/// device is written to instead of replaced.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return Ok(fs::write(path, bytes)?);
    }
    // A link stays one.
    let target = match &old {
        Some(_) => fs::canonicalize(path)?,
        None => path.to_owned(),
    };
    let directory = match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    // The mask of the process applies to it.
    let mode = old.map_or(Permissions::from_mode(0o666), |old| old.permissions());
    let mut file = tempfile::Builder::new()
        .prefix(".procmonctl-")
        .permissions(mode)
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.persist(&target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Option<Args> {
        let words = line.split(' ');
        let line = Line::try_parse_from(["timeline", "x.procmon"].into_iter().chain(words));
        line.ok().map(|line| line.args)
    }

    #[test]
    fn the_format_follows_from_the_arguments() {
        for (line, expected) in [
            ("-o a.svg", Some(Format::Svg)),
            ("-o a.b.HTML", Some(Format::Html)),
            ("-o -", Some(Format::Svg)),
            ("-o a.png", None),
            ("-o svg", None),
            ("-o .svg", None),
            ("--perfetto", Some(Format::Perfetto)),
            ("--folded -o a.svg", Some(Format::Folded)),
        ] {
            assert_eq!(parse(line).unwrap().format(), expected, "{line}");
        }
        assert!(parse("--perfetto --folded").is_none());
        assert!(Line::try_parse_from(["timeline", "x.procmon"]).is_err());
    }
}
