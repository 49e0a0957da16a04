// SPDX-License-Identifier: GPL-2.0-only

//! Themes: the styles of all that the screen shows, by roles.

mod all;

use clap::ValueEnum;
use procmon::snapshot::Record;
use ratatui::style::Style;

use super::system::cpu::KINDS;
use crate::table::style::Role;

/// The name of a theme.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Name {
    /// As many colours as the terminal has, or none with NO_COLOR
    #[default]
    Auto,
    /// The eight colours of every terminal
    Default,
    /// 256 colours, for dark backgrounds
    #[value(name = "dark-256")]
    Dark256,
    /// 24-bit colours, for dark backgrounds
    DarkTruecolor,
    /// The eight colours that can be read on light backgrounds
    Light,
    /// No colours: bold, reverse and underlined text
    Mono,
}

impl Name {
    /// Returns the theme; with `Auto`, that for a terminal about which nothing is known.
    pub fn theme(self) -> &'static Theme {
        match self {
            Self::Auto | Self::Default => &all::DEFAULT,
            Self::Dark256 => &all::DARK_256,
            Self::DarkTruecolor => &all::DARK_TRUECOLOR,
            Self::Light => &all::LIGHT,
            Self::Mono => &all::MONO,
        }
    }
}

/// The character of a part of a bar, and its style.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    /// The character, by which parts differ where there are no colours.
    pub symbol: char,
    pub style: Style,
}

/// The styles of processes by their states.
#[derive(Debug)]
pub struct States {
    pub running: Style,
    pub disk_sleep: Style,
    pub stopped: Style,
    pub zombie: Style,
    pub kernel_thread: Style,
}

/// The styles of all roles.
#[derive(Debug)]
pub struct Theme {
    /// The titles of the table.
    pub titles: Style,
    /// The title of the column that the rows are sorted by, beside that of all titles.
    pub sorted: Style,
    /// The selected row, beside that of its state.
    pub selected: Style,
    /// Tagged rows.
    pub tagged: Style,
    pub states: States,
    /// The names of keys in the bar at the bottom.
    pub key: Style,
    /// The effects of these keys.
    pub effect: Style,
    /// Messages at the bottom.
    pub message: Style,
    /// The titles of a list.
    pub heading: Style,
    /// Processes that have ended.
    pub ended: Style,
    /// Graphs of the past, and levels of CPUs.
    pub graph: Style,
    /// The names of bars.
    pub label: Style,
    /// The numbers in bars.
    pub value: Style,
    /// The kinds of CPU time, in the order of the fields of `Usage`.
    pub cpu: [Fill; KINDS],
    /// Memory in use, and the cache.
    pub memory: [Fill; 2],
    pub swap: Fill,
}

impl Theme {
    /// Returns the style of a process.
    pub fn state(&self, record: &Record) -> Style {
        match Role::of(record) {
            Role::Running => self.states.running,
            Role::DiskSleep => self.states.disk_sleep,
            Role::Stopped => self.states.stopped,
            Role::Zombie => self.states.zombie,
            Role::KernelThread => self.states.kernel_thread,
            Role::Other => Style::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use procmon::uapi;
    use ratatui::style::Color;

    use super::*;
    use crate::table::style::style_of;

    /// Returns all styles of a theme.
    fn styles(theme: &Theme) -> Vec<Style> {
        let Theme {
            titles,
            sorted,
            selected,
            tagged,
            states,
            key,
            effect,
            message,
            heading,
            ended,
            graph,
            label,
            value,
            cpu,
            memory,
            swap,
        } = theme;
        let mut styles = vec![
            *titles, *sorted, *selected, *tagged, *key, *effect, *message, *heading, *ended,
            *graph, *label, *value,
        ];
        let States {
            running,
            disk_sleep,
            stopped,
            zombie,
            kernel_thread,
        } = states;
        styles.extend([*running, *disk_sleep, *stopped, *zombie, *kernel_thread]);
        let fills = cpu.iter().chain(memory).chain([swap]);
        styles.extend(fills.map(|fill| fill.style));
        styles
    }

    fn colors(theme: &Theme) -> Vec<Color> {
        let styles = styles(theme).into_iter();
        styles
            .flat_map(|style| [style.fg, style.bg])
            .flatten()
            .collect()
    }

    #[test]
    fn themes_have_the_colours_of_their_terminals() {
        let is_basic = |color: &Color| !matches!(color, Color::Indexed(_) | Color::Rgb(..));
        for name in [Name::Default, Name::Light] {
            assert!(colors(name.theme()).iter().all(is_basic), "{name:?}");
        }
        let is_rgb = |color: &Color| matches!(color, Color::Rgb(..));
        assert!(!colors(Name::Dark256.theme()).iter().any(is_rgb));
        assert!(colors(Name::DarkTruecolor.theme()).iter().any(is_rgb));
        assert_eq!(colors(Name::Mono.theme()), []);
    }

    /// Where there are no colours, characters and attributes tell apart what colours do.
    #[test]
    fn mono_tells_roles_apart() {
        let theme = Name::Mono.theme();
        let mut symbols: Vec<_> = theme.cpu.iter().map(|fill| fill.symbol).collect();
        symbols.sort_unstable();
        symbols.dedup();
        assert_eq!(symbols.len(), KINDS, "{symbols:?}");
        assert_ne!(theme.memory[0].symbol, theme.memory[1].symbol);
        let rows = [theme.titles, theme.selected, theme.tagged, Style::new()];
        for (index, row) in rows.iter().enumerate() {
            assert!(!rows[..index].contains(row), "{row:?}");
        }
        assert_ne!(theme.key, theme.effect);
    }

    #[test]
    fn the_default_has_the_styles_of_ps() {
        for (state, flags) in [
            (uapi::PROCMON_STATE_RUNNING, 0),
            (uapi::PROCMON_STATE_DISK_SLEEP, 0),
            (uapi::PROCMON_STATE_STOPPED, 0),
            (uapi::PROCMON_STATE_ZOMBIE, 0),
            (uapi::PROCMON_STATE_SLEEPING, 0),
            (uapi::PROCMON_STATE_SLEEPING, uapi::PROCMON_TASK_KTHREAD),
        ] {
            let record = Record::from(uapi::procmon_record {
                state,
                flags,
                ..Default::default()
            });
            let style = Name::Default.theme().state(&record);
            assert_eq!(style, Style::from(style_of(&record)), "{record:?}");
        }
    }
}
