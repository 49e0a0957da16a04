// SPDX-License-Identifier: GPL-2.0-only

//! The themes themselves.

use ratatui::style::{Color, Modifier, Style};

use super::{Fill, States, Theme};
use crate::top::system::cpu::KINDS;

const PLAIN: Style = Style::new();
const BOLD: Style = PLAIN.add_modifier(Modifier::BOLD);
const DIM: Style = PLAIN.add_modifier(Modifier::DIM);
const REVERSED: Style = PLAIN.add_modifier(Modifier::REVERSED);
const UNDERLINED: Style = PLAIN.add_modifier(Modifier::UNDERLINED);

/// The attributes of tagged rows, with which they differ in every theme.
const TAGGED: Style = BOLD.add_modifier(Modifier::UNDERLINED);

const fn fill(symbol: char, style: Style) -> Fill {
    Fill { symbol, style }
}

/// Returns the parts of a bar that differ by colours alone.
const fn bars<const N: usize>(colors: [Color; N]) -> [Fill; N] {
    let mut fills = [fill('|', PLAIN); N];
    let mut index = 0;
    while index < N {
        fills[index] = fill('|', PLAIN.fg(colors[index]));
        index += 1;
    }
    fills
}

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
    label: PLAIN,
    value: BOLD,
    cpu: [
        fill('|', PLAIN),
        fill('-', PLAIN),
        fill('#', PLAIN),
        fill('*', PLAIN),
        fill('$', PLAIN),
        fill('.', PLAIN),
    ],
    memory: [fill('|', PLAIN), fill(':', PLAIN)],
    swap: fill('|', PLAIN),
};

/// The colours of roles that differ between themes.
struct Palette {
    running: Color,
    disk_sleep: Color,
    stopped: Color,
    zombie: Color,
    tagged: Color,
    graph: Color,
    label: Color,
    cpu: [Color; KINDS],
    memory: [Color; 2],
    swap: Color,
}

const fn colored(colors: &Palette) -> Theme {
    let [swap] = bars([colors.swap]);
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
        label: PLAIN.fg(colors.label),
        cpu: bars(colors.cpu),
        memory: bars(colors.memory),
        swap,
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
    label: Color::Cyan,
    cpu: [
        Color::Green,
        Color::Blue,
        Color::Red,
        Color::Yellow,
        Color::Cyan,
        Color::Magenta,
    ],
    memory: [Color::Green, Color::Yellow],
    swap: Color::Red,
});

pub static LIGHT: Theme = colored(&Palette {
    running: Color::Blue,
    disk_sleep: Color::Red,
    stopped: Color::Magenta,
    zombie: Color::Magenta,
    tagged: Color::Red,
    graph: Color::Blue,
    label: Color::Blue,
    cpu: [
        Color::Blue,
        Color::Cyan,
        Color::Red,
        Color::Magenta,
        Color::Black,
        Color::Green,
    ],
    memory: [Color::Blue, Color::Green],
    swap: Color::Red,
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
        label: Color::Indexed(110),
        cpu: [
            Color::Indexed(114),
            Color::Indexed(69),
            Color::Indexed(203),
            Color::Indexed(179),
            Color::Indexed(80),
            Color::Indexed(245),
        ],
        memory: [Color::Indexed(114), Color::Indexed(179)],
        swap: Color::Indexed(203),
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
        label: Color::Rgb(138, 176, 212),
        cpu: [
            Color::Rgb(126, 200, 120),
            Color::Rgb(96, 134, 240),
            Color::Rgb(240, 98, 92),
            Color::Rgb(222, 178, 92),
            Color::Rgb(92, 206, 206),
            Color::Rgb(138, 142, 150),
        ],
        memory: [Color::Rgb(126, 200, 120), Color::Rgb(222, 178, 92)],
        swap: Color::Rgb(240, 98, 92),
    })
};
