// SPDX-License-Identifier: GPL-2.0

//! The themes themselves.

use ratatui::style::{Color, Modifier, Style};

use super::{States, Theme};

const PLAIN: Style = Style::new();
const BOLD: Style = PLAIN.add_modifier(Modifier::BOLD);
const DIM: Style = PLAIN.add_modifier(Modifier::DIM);
const REVERSED: Style = PLAIN.add_modifier(Modifier::REVERSED);
const UNDERLINED: Style = PLAIN.add_modifier(Modifier::UNDERLINED);

/// The attributes of tagged rows, with which they differ in every theme.
const TAGGED: Style = BOLD.add_modifier(Modifier::UNDERLINED);

pub static MONO: Theme = BASE;

/// The styles without colours, which the other themes have for roles that need none.
const BASE: Theme = Theme {
    titles: REVERSED.add_modifier(Modifier::BOLD),
    sorted: UNDERLINED,
    selected: REVERSED,
    tagged: TAGGED,
    states: States {
        running: BOLD,
        disk_sleep: BOLD,
        stopped: PLAIN,
        zombie: DIM,
        kernel_thread: DIM,
    },
    key: BOLD,
    effect: REVERSED,
    message: BOLD,
    heading: BOLD,
    ended: DIM,
    graph: PLAIN,
};

/// The colours of roles that differ between themes.
struct Palette {
    running: Color,
    disk_sleep: Color,
    stopped: Color,
    zombie: Color,
    tagged: Color,
    graph: Color,
}

const fn colored(colors: &Palette) -> Theme {
    Theme {
        tagged: TAGGED.fg(colors.tagged),
        states: States {
            running: PLAIN.fg(colors.running),
            disk_sleep: PLAIN.fg(colors.disk_sleep),
            stopped: PLAIN.fg(colors.stopped),
            zombie: PLAIN.fg(colors.zombie),
            kernel_thread: DIM,
        },
        graph: PLAIN.fg(colors.graph),
        ..BASE
    }
}

pub static DEFAULT: Theme = colored(&Palette {
    running: Color::Green,
    disk_sleep: Color::Red,
    stopped: Color::Yellow,
    zombie: Color::Magenta,
    tagged: Color::Yellow,
    graph: Color::Green,
});

pub static LIGHT: Theme = colored(&Palette {
    running: Color::Blue,
    disk_sleep: Color::Red,
    stopped: Color::Magenta,
    zombie: Color::Magenta,
    tagged: Color::Red,
    graph: Color::Blue,
});

/// The numbers are those of the colour cube of xterm, and of its greys.
pub static DARK_256: Theme = Theme {
    titles: BOLD.fg(Color::Indexed(231)).bg(Color::Indexed(24)),
    effect: PLAIN.fg(Color::Indexed(231)).bg(Color::Indexed(24)),
    ..colored(&Palette {
        running: Color::Indexed(114),
        disk_sleep: Color::Indexed(203),
        stopped: Color::Indexed(179),
        zombie: Color::Indexed(170),
        tagged: Color::Indexed(221),
        graph: Color::Indexed(74),
    })
};

pub static DARK_TRUECOLOR: Theme = Theme {
    titles: BOLD
        .fg(Color::Rgb(240, 244, 248))
        .bg(Color::Rgb(38, 70, 100)),
    effect: PLAIN
        .fg(Color::Rgb(240, 244, 248))
        .bg(Color::Rgb(38, 70, 100)),
    ..colored(&Palette {
        running: Color::Rgb(126, 200, 120),
        disk_sleep: Color::Rgb(240, 98, 92),
        stopped: Color::Rgb(222, 178, 92),
        zombie: Color::Rgb(208, 112, 208),
        tagged: Color::Rgb(250, 214, 98),
        graph: Color::Rgb(92, 168, 222),
    })
};
