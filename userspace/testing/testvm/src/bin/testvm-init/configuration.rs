// SPDX-License-Identifier: GPL-2.0-only

//! The configuration of the running kernel.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Checks that the kernel has all options in the lines of a configuration. "=n" stands for one that
/// must not be set.
pub fn check(wanted: &str) -> Result<()> {
    let output = Command::new("/bin/zcat")
        .arg("/proc/config.gz")
        .output()
        .context("cannot run zcat")?;
    ensure!(
        output.status.success(),
        "cannot read /proc/config.gz: zcat says {}",
        output.status
    );
    let actual = String::from_utf8(output.stdout).context("strange /proc/config.gz")?;
    let unmet = unmet(wanted, &actual);
    ensure!(
        unmet.is_empty(),
        "the kernel was built without {}",
        unmet.join(" ")
    );
    Ok(())
}

fn unmet<'a>(wanted: &'a str, actual: &str) -> Vec<&'a str> {
    let options: Vec<&str> = wanted
        .lines()
        .filter(|line| line.starts_with("CONFIG_"))
        .collect();
    let is_met = |option: &str| match option.strip_suffix("=n") {
        Some(name) => !actual.lines().any(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('='))
        }),
        None => actual.lines().any(|line| line == option),
    };
    options
        .into_iter()
        .filter(|option| !is_met(option))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTUAL: &str = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x\"\nCONFIG_DE=y\n";

    #[test]
    fn knows_what_is_met() {
        let wanted = "# CONFIG_X=y\n\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=\"x\"\nCONFIG_D=n\n";
        assert_eq!(unmet(wanted, ACTUAL), Vec::<&str>::new());
    }

    #[test]
    fn knows_what_is_not() {
        let wanted = "CONFIG_A=n\nCONFIG_B=y\nCONFIG_C=\"y\"\nCONFIG_D=y\nCONFIG_DE=y\n";
        assert_eq!(
            unmet(wanted, ACTUAL),
            ["CONFIG_A=n", "CONFIG_B=y", "CONFIG_C=\"y\"", "CONFIG_D=y"]
        );
    }
}
