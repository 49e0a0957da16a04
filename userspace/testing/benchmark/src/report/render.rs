// SPDX-License-Identifier: GPL-2.0-only

//! The report as tables of text.

use std::collections::BTreeMap;
use std::fmt;

use super::Report;
use crate::costs::Cost;
use crate::owners::{Owner, Share};
use crate::rows::{
    BPF, OWN_VIEWER, PROC, SIZE, SIZE_TARGET, SNAPSHOT_SOME, TURN, VIEWER_TARGET, WALKS, floor_of,
};
use crate::scaling;
use crate::tables::{Table, number, optional, ratio, verdict};

impl Report {
    fn walk(&self, name: &str) -> Option<Cost> {
        let walk = self.walks.iter().find(|walk| walk.name == name)?;
        Some(walk.cost)
    }

    fn calls_table(&self) -> Table {
        let mut columns = vec![
            "floor",
            "ours",
            "ratio",
            "more",
            "target",
            "lines: floor",
            "ours",
            "more",
            "target",
        ];
        if self.modules.len() > 1 {
            columns.extend(["other", "lines"]);
        }
        let mut table = Table::new("Instructions and lines of data of a call", &columns);
        for row in &self.calls {
            let ours = row.results[0];
            let more = |of: fn(&Cost) -> f64| row.floor.map(|floor| of(&ours) - of(&floor));
            let target = |of: fn(&Cost) -> f64, target| {
                more(of).map_or_else(String::new, |more| verdict(more, target, number))
            };
            let mut cells = vec![
                optional(row.floor.map(|floor| floor.instructions()), number),
                number(ours.instructions()),
                optional(
                    row.floor
                        .map(|floor| ours.instructions() / floor.instructions()),
                    ratio,
                ),
                optional(more(Cost::instructions), number),
                target(Cost::instructions, row.target),
                optional(row.floor.map(|floor| floor.lines()), number),
                number(ours.lines()),
                optional(more(Cost::lines), number),
                target(Cost::lines, row.lines_target),
            ];
            if let Some(other) = row.results.get(1) {
                cells.extend([number(other.instructions()), number(other.lines())]);
            }
            table.row(row.name, cells);
        }
        table
    }

    fn walks_table(&self) -> Table {
        let mut table = Table::new(
            "Instructions and lines of data for each process",
            &[
                "instr.", "target", "lines", "target", "written", "target", "to C", "lines",
                "to BPF", "lines",
            ],
        );
        let bpf = self.walk(BPF);
        for row in &WALKS {
            let Some(cost) = self.walk(row.name) else {
                continue;
            };
            let target = row.target;
            let most = match target.with_prefetch {
                Some(most) if cost.prefetches() >= 0.5 => Some(most),
                _ => target.instructions,
            };
            let written = cost.kernel_lines_written();
            let ratios = |to: Option<Cost>| {
                let to = to.filter(|_| row.walk.is_ours());
                let by = |of: fn(&Cost) -> f64| to.map(|to| of(&cost) / of(&to));
                [by(Cost::instructions), by(Cost::lines)]
            };
            let to_floor = ratios(row.floor.and_then(|floor| self.walk(floor)));
            let wanted = target
                .ratios
                .map(|(instructions, lines)| [instructions, lines]);
            let mut cells = vec![
                number(cost.instructions()),
                verdict(cost.instructions(), most, number),
                number(cost.lines()),
                verdict(cost.lines(), target.lines, number),
                format!("{written:.1}"),
                verdict(written, target.written, number),
            ];
            for (index, &value) in to_floor.iter().enumerate() {
                let mut text = optional(value, ratio);
                if let (Some(value), Some(wanted)) = (value, wanted) {
                    let ok = if value < wanted[index] + 0.005 {
                        "ok"
                    } else {
                        "no"
                    };
                    text += &format!(" ({} {ok})", ratio(wanted[index]));
                }
                cells.push(text);
            }
            let to_bpf = match row.name {
                SNAPSHOT_SOME => ratios(bpf),
                _ => [None, None],
            };
            cells.extend(to_bpf.map(|value| optional(value, ratio)));
            table.row(row.name, cells);
        }
        table
    }

    fn details(&self) -> Table {
        let mut table = Table::new(
            "All counts: of a call; of a walk for each process, but for lines of code; of a turn",
            &[
                "user",
                "kernel",
                "module",
                "loads",
                "stores",
                "locked",
                "prefetch",
                "read",
                "written",
                "user: read",
                "written",
                "code",
                "pages",
            ],
        );
        let mut add = |name: String, cost: &Cost, code: f64| {
            let counts = &cost.counts;
            let each = [
                counts.user_instructions,
                counts.kernel_instructions,
                counts.module_instructions,
                counts.loads,
                counts.stores,
                counts.locked,
                counts.prefetches,
                counts.kernel_lines_read,
                counts.kernel_lines_written,
                counts.user_lines_read,
                counts.user_lines_written,
            ];
            let mut cells: Vec<_> = each.map(|count| number(cost.of(count))).to_vec();
            cells.push(number(code));
            cells.push(number(cost.of(counts.pages)));
            table.row(name, cells);
        };
        for row in &self.calls {
            if let Some(floor) = &row.floor {
                add(
                    floor_of(row.name),
                    floor,
                    floor.of(floor.counts.instruction_lines),
                );
            }
            let ours = &row.results[0];
            add(
                row.name.to_owned(),
                ours,
                ours.of(ours.counts.instruction_lines),
            );
        }
        for walk in &self.walks {
            add(
                walk.name.to_owned(),
                &walk.cost,
                walk.cost.counts.instruction_lines as f64,
            );
        }
        if let Some(turn) = &self.turn {
            add(
                TURN.to_owned(),
                turn,
                turn.of(turn.counts.instruction_lines),
            );
        }
        table
    }

    /// Returns the table of owners.
    fn owners_table(&self) -> Table {
        let names: Vec<_> = self.owners.iter().map(|shares| shares.name).collect();
        let mut table = Table::new(
            "Whose lines, for each process (in brackets those that are written)",
            &names,
        );
        let cell = |share: Option<&Share>| match share {
            Some(share) if share.written >= 0.05 => {
                format!("{:.1} ({:.1})", share.lines, share.written)
            }
            Some(share) if share.lines >= 0.05 => format!("{:.1}", share.lines),
            _ => "-".to_owned(),
        };
        for owner in Owner::ALL {
            let shares = self.owners.iter();
            table.row(
                owner.name(),
                shares
                    .map(|shares| cell(shares.owned.sums.get(&owner)))
                    .collect(),
            );
        }
        let totals = self
            .owners
            .iter()
            .map(|shares| cell(Some(&shares.owned.total())));
        table.row("sum", totals.collect());
        table
    }

    /// Returns the table of the lines of each object, with the fields that are in them.
    fn fields_table(&self) -> Table {
        const RARE: f64 = 0.05;

        let mut names: Vec<_> = self.owners.iter().map(|shares| shares.name).collect();
        names.push("fields in this line, not all of them read");
        let mut table = Table::new("Each line of these objects, for each process", &names);
        let mut all = BTreeMap::new();
        for shares in &self.owners {
            for (&place, share) in &shares.owned.by_line {
                let most: &mut f64 = all.entry(place).or_default();
                *most = most.max(share.lines);
            }
        }
        for ((owner, line), _) in all.into_iter().filter(|&(_, most)| most >= RARE) {
            let mut cells: Vec<_> = self
                .owners
                .iter()
                .map(|shares| match shares.owned.by_line.get(&(owner, line)) {
                    Some(share) if share.lines >= RARE => {
                        let written = if share.written >= RARE { " w" } else { "" };
                        format!("{:.1}{written}", share.lines)
                    }
                    _ => "-".to_owned(),
                })
                .collect();
            cells.push(self.objects.fields(owner, line).join(" "));
            table.row(format!("{} {line}", owner.name()), cells);
        }
        table
    }

    fn rest(&self) -> Table {
        let mut columns = vec!["ours", "target"];
        if self.modules.len() > 1 {
            columns.push("other");
        }
        let mut table = Table::new("Other numbers", &columns);
        let mut add = |name: &str, value: f64, target, other: Option<f64>| {
            let mut cells = vec![number(value), verdict(value, target, number)];
            if self.modules.len() > 1 {
                cells.push(optional(other, number));
            }
            table.row(name, cells);
        };
        let size = |index: usize| self.sizes.get(index).map(|&size| size as f64);
        add(
            &format!("{SIZE}, bytes"),
            size(0).unwrap_or_default(),
            Some(SIZE_TARGET),
            size(1),
        );
        if let Some(turn) = &self.turn {
            add(&format!("{TURN}, instr."), turn.instructions(), None, None);
            add(&format!("{TURN}, lines"), turn.lines(), None, None);
        }
        table
    }
}

/// Returns the table of programs that show processes, and of the cost of a refresh.
pub fn viewers_table<'a>(viewers: impl Iterator<Item = (&'a str, Cost)>) -> Table {
    let title = "Instructions of a refresh of programs that show processes";
    let mut table = Table::new(title, &["instr.", "user", "kernel", "modules", "target"]);
    for (name, cost) in viewers {
        let all = cost.instructions();
        let mut cells = vec![format!("{all:.0}")];
        cells.extend(cost.parts().map(|part| format!("{part:.0}")));
        let target = (name == OWN_VIEWER).then_some(VIEWER_TARGET);
        cells.push(verdict(all, target, number));
        table.row(name, cells);
    }
    table
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Linux {}, {}",
            self.kernel,
            self.modules.join(" beside ")
        )?;
        write!(f, "\n{}", self.calls_table())?;
        let processes = self.walk(PROC).or(self.walk(SNAPSHOT_SOME));
        if let Some(cost) = processes {
            write!(
                f,
                "\nWith {} processes in all:\n\n{}",
                cost.per,
                self.walks_table()
            )?;
        }
        if !self.owners.is_empty() {
            write!(f, "\n{}\n{}", self.owners_table(), self.fields_table())?;
        }
        write!(f, "\n{}\n{}", self.details(), self.rest())?;
        if !self.viewers.is_empty() {
            let viewers = self.viewers.iter();
            let viewers = viewers.map(|(name, cost)| (&**name, *cost));
            write!(f, "\n{}", viewers_table(viewers))?;
        }
        if let Some(lives) = &self.lives {
            write!(f, "\n{lives}")?;
        }
        if let Some(replica) = &self.replica {
            write!(f, "\n{replica}")?;
        }
        write!(f, "{}", self.growth)?;
        scaling::write(f, &self.scaling)
    }
}

#[cfg(test)]
mod tests {
    use cost::Counts;

    use super::super::Others;
    use super::super::tests::{module, report};
    use super::*;
    use crate::rows::{C_ALL, CALLS, SNAPSHOT_ALL};

    fn words<'a>(text: &'a str, row: &str) -> Vec<&'a str> {
        let start = format!("{row}  ");
        let line = text.lines().find(|line| line.starts_with(&start)).unwrap();
        line[start.len()..].split_whitespace().collect()
    }

    #[test]
    fn calls_are_beside_their_floors_and_targets() {
        let text = report().calls_table().to_string();
        assert_eq!(
            words(&text, "GET_COUNT"),
            [
                "500", "600", "1.20", "100", "100", "ok", "30", "40", "10", "1500", "40"
            ]
        );
        assert_eq!(
            words(&text, "pwrite 64"),
            [
                "500", "600", "1.20", "100", "700", "ok", "30", "40", "10", "28", "ok", "1500",
                "40"
            ]
        );
        assert_eq!(
            words(&text, "pread of stats in sysfs"),
            ["-", "600", "-", "-", "-", "40", "-", "1500", "40"]
        );
    }

    #[test]
    fn missed_targets_are_shown() {
        let report = Report::new(&module("ours", 150, 250), Others::default()).unwrap();
        let text = report.calls_table().to_string();
        assert_eq!(
            words(&text, "GET_COUNT")[3..6],
            ["150", "100", "+50"],
            "{text}"
        );
        let text = report.walks_table().to_string();
        assert_eq!(words(&text, SNAPSHOT_SOME)[..3], ["250", "200", "+50"]);
    }

    #[test]
    fn walks_are_compared_with_their_floors() {
        let text = report().walks_table().to_string();
        assert_eq!(
            words(&text, SNAPSHOT_ALL),
            [
                "200", "225", "ok", "23", "26", "ok", "0.0", "1.1", "ok", "1.00", "(1.25", "ok)",
                "1.15", "(0.90", "no)", "-", "-"
            ]
        );
        assert_eq!(
            words(&text, C_ALL),
            ["200", "20", "0.0", "-", "-", "-", "-"]
        );
    }

    #[test]
    fn viewers_are_shown_by_who_takes_the_instructions() {
        let cost = |user, kernel, module| Cost {
            counts: Counts {
                user_instructions: user,
                kernel_instructions: kernel,
                module_instructions: module,
                ..Counts::default()
            },
            per: 10,
            with_deferred: None,
        };
        let viewers = [
            ("other", cost(1_500_000, 2_500_000_000, 0)),
            (OWN_VIEWER, cost(50_000_000, 40_000_000, 5_000_000)),
        ];
        let text = viewers_table(viewers.into_iter()).to_string();
        assert_eq!(
            words(&text, "other"),
            ["250150000", "150000", "250000000", "0"]
        );
        assert_eq!(
            words(&text, OWN_VIEWER),
            ["9500000", "5000000", "4000000", "500000", "10000000", "ok"]
        );
    }

    #[test]
    fn all_counts_of_all_rows_are_shown() {
        let report = report();
        let text = report.to_string();
        for row in &CALLS {
            assert!(report.details().to_string().contains(row.name), "{text}");
        }
        assert!(
            text.starts_with("Linux 1.2.3, ours beside <other>\n"),
            "{text}"
        );
        assert_eq!(words(&text, "turn of the monitor, instr."), ["100", "-"]);
    }
}
