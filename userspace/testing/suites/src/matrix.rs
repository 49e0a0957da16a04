// SPDX-License-Identifier: GPL-2.0-only

//! The matrix of kernels, `tests/kernels/matrix`, whose head describes the form.

use anyhow::{Context, Result, bail};

/// A row, as far as it concerns the suites.
#[derive(Debug, PartialEq)]
pub struct Kernel {
    pub name: String,

    /// Suites that every run has.
    pub suites: Vec<String>,

    /// Suites for a run with `--all`, or on request.
    pub more: Vec<String>,
}

/// Parses the whole file.
pub fn parse(text: &str) -> Result<Vec<Kernel>> {
    let mut kernels = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let kernel = row(line).with_context(|| format!("line {}: {line}", index + 1))?;
        kernels.push(kernel);
    }
    Ok(kernels)
}

fn row(line: &str) -> Result<Kernel> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [name, _made, suites, more, _without, _description, ..] = fields[..] else {
        bail!("a kernel has at least six fields");
    };
    Ok(Kernel {
        name: name.to_owned(),
        suites: list(suites),
        more: list(more),
    })
}

fn list(field: &str) -> Vec<String> {
    match field {
        "-" => Vec::new(),
        _ => field.split(',').map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_lists_and_a_description() {
        let text = "# a comment\n\nold  debian/6.1  unit,guest  -  fault  the one before\n";
        let expected = Kernel {
            name: "old".to_owned(),
            suites: vec!["unit".to_owned(), "guest".to_owned()],
            more: Vec::new(),
        };
        assert_eq!(parse(text).unwrap(), [expected]);
    }

    #[test]
    fn an_incomplete_row_is_an_error_with_its_line() {
        let error = parse("# a comment\nold debian/6.1 unit - fault\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: old debian/6.1 unit - fault");
    }
}
