// SPDX-License-Identifier: GPL-2.0-only

//! Key bindings: one table for the loop, the help and the bar at the bottom.
//!
//! The keys are those of htop, and of top where htop has none.

use termina::event::{KeyCode, KeyEvent, Modifiers};

/// The effect of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    ScrollLeft,
    ScrollRight,
    Details,
    Transients,
    Head,
    DetailsUp,
    DetailsDown,
    Help,
    Search,
    SearchNext,
    SearchPrevious,
    Filter,
    Tree,
    Fold,
    Unfold,
    FoldAll,
    Group,
    Columns,
    SortMenu,
    SortLeft,
    SortRight,
    SortBy(&'static str),
    Invert,
    UserMenu,
    Threads,
    KernelThreads,
    Tag,
    TagFamily,
    Untag,
    Follow,
    Signal,
    /// Add to the nice value.
    Nice(i32),
    Mouse,
    Pause,
    Delay,
    Refresh,
    Redraw,
    Suspend,
    Back,
    Quit,
}

/// A key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key {
    Code(KeyCode),
    Control(char),
}

impl Key {
    /// Returns the key of an event. Shift is part of the character; no key has Alt.
    pub fn pressed(event: &KeyEvent) -> Option<Self> {
        if event.modifiers.contains(Modifiers::ALT) {
            return None;
        }
        match event.code {
            KeyCode::Char(c) if event.modifiers.contains(Modifiers::CONTROL) => {
                Some(Self::Control(c.to_ascii_lowercase()))
            }
            code => Some(Self::Code(code)),
        }
    }
}

/// Keys with the same effect.
pub struct Binding {
    pub keys: &'static [Key],
    /// Names of the keys in the help.
    pub names: &'static str,
    pub help: &'static str,
    pub action: Action,
}

const fn char(c: char) -> Key {
    Key::Code(KeyCode::Char(c))
}

const fn code(code: KeyCode) -> Key {
    Key::Code(code)
}

const fn function(number: u8) -> Key {
    Key::Code(KeyCode::Function(number))
}

macro_rules! bindings {
    ($([$($key:expr),+] $names:literal $help:literal => $action:expr;)*) => {
        &[$(Binding { keys: &[$($key),+], names: $names, help: $help, action: $action }),*]
    };
}

/// All keys, in the order of the help.
pub static BINDINGS: &[Binding] = bindings! {
    [function(1), char('h'), char('?')] "F1 h ?" "show these keys" => Action::Help;
    [function(10), char('q'), Key::Control('c')] "F10 q Ctrl-C" "quit" => Action::Quit;
    [code(KeyCode::Up)] "Up" "select the process above" => Action::Up;
    [code(KeyCode::Down)] "Down" "select the process below" => Action::Down;
    [code(KeyCode::PageUp)] "PgUp" "go one page up" => Action::PageUp;
    [code(KeyCode::PageDown)] "PgDn" "go one page down" => Action::PageDown;
    [code(KeyCode::Home)] "Home" "select the first process" => Action::First;
    [code(KeyCode::End)] "End" "select the last process" => Action::Last;
    [code(KeyCode::Left)] "Left" "scroll the last column to the left" => Action::ScrollLeft;
    [code(KeyCode::Right)] "Right" "scroll the last column to the right" => Action::ScrollRight;
    [code(KeyCode::Enter)] "Enter" "show or hide all fields of the process; open the group"
        => Action::Details;
    [char('[')] "[" "scroll these fields up" => Action::DetailsUp;
    [char(']')] "]" "scroll these fields down" => Action::DetailsDown;
    [char('E')] "E" "show or hide processes that came and went" => Action::Transients;
    [char('#')] "#" "show more or less in the head" => Action::Head;
    [code(KeyCode::Escape)] "Esc" "close the fields, then the group, then end the filters"
        => Action::Back;
    [function(3), char('/')] "F3 /" "search for a name or PID" => Action::Search;
    [char('n')] "n" "find the next one" => Action::SearchNext;
    [char('b')] "b" "find the previous one" => Action::SearchPrevious;
    [function(4), char('\\')] "F4 \\" "show names that match a regex, a PID, or \"rss > 100M\""
        => Action::Filter;
    [char('u')] "u" "show the processes of one user" => Action::UserMenu;
    [char('P')] "P" "sort by CPU use" => Action::SortBy("cpu");
    [char('M')] "M" "sort by memory" => Action::SortBy("rss");
    [char('T')] "T" "sort by CPU time" => Action::SortBy("time");
    [char('N')] "N" "sort by PID" => Action::SortBy("pid");
    [function(6), char('.'), char(',')] "F6 . ," "choose the column to sort by" => Action::SortMenu;
    [char('<')] "<" "sort by the next column to the left" => Action::SortLeft;
    [char('>')] ">" "sort by the next column to the right" => Action::SortRight;
    [char('I'), char('R'), char('r')] "I R r" "reverse the order" => Action::Invert;
    [function(5), char('t')] "F5 t" "show processes as a tree or as a list" => Action::Tree;
    [char('-')] "-" "hide the processes below this one in the tree" => Action::Fold;
    [char('+')] "+" "show them again" => Action::Unfold;
    [char('*')] "*" "show all processes of the tree, or only its first two levels"
        => Action::FoldAll;
    [code(KeyCode::Tab)] "Tab" "group by name, user, unit, container, cgroup; then no longer"
        => Action::Group;
    [function(2)] "F2" "choose columns" => Action::Columns;
    [char('H')] "H" "show threads or processes" => Action::Threads;
    [char('K')] "K" "hide or show kernel threads" => Action::KernelThreads;
    [char(' ')] "Space" "tag the process, or untag it" => Action::Tag;
    [char('c')] "c" "tag the process and all of its descendants" => Action::TagFamily;
    [char('U')] "U" "untag all processes" => Action::Untag;
    [char('F')] "F" "follow the process wherever it is sorted, or no longer" => Action::Follow;
    [function(9), char('k')] "F9 k" "send a signal to the tagged processes, or the selected one"
        => Action::Signal;
    [function(7)] "F7" "lower their nice value: higher priority" => Action::Nice(-1);
    [function(8)] "F8" "raise their nice value: lower priority" => Action::Nice(1);
    [char('p'), char('Z')] "p Z" "pause, or go on" => Action::Pause;
    [char('d'), char('s')] "d s" "set the seconds between refreshes" => Action::Delay;
    [Key::Control('r')] "Ctrl-R" "refresh now" => Action::Refresh;
    [Key::Control('l')] "Ctrl-L" "draw the screen anew" => Action::Redraw;
    [char('m')] "m" "leave the mouse to the terminal, or take it back" => Action::Mouse;
    [Key::Control('z')] "Ctrl-Z" "suspend" => Action::Suspend;
};

/// The keys in the bar at the bottom, the most important first.
pub const BAR: [(&str, &str, Action); 14] = [
    ("F10", "Quit", Action::Quit),
    ("F1", "Help", Action::Help),
    ("F3", "Search", Action::Search),
    ("F4", "Filter", Action::Filter),
    ("F5", "Tree", Action::Tree),
    ("F6", "Sort", Action::SortMenu),
    ("Tab", "Group", Action::Group),
    ("F9", "Kill", Action::Signal),
    ("u", "User", Action::UserMenu),
    ("Enter", "Details", Action::Details),
    ("F2", "Columns", Action::Columns),
    ("E", "Ended", Action::Transients),
    ("F7", "Nice-", Action::Nice(-1)),
    ("F8", "Nice+", Action::Nice(1)),
];

/// Returns the help on all keys, for `--help` and the manual.
pub fn help() -> String {
    let mut text = String::from("Keys:\n");
    for binding in BINDINGS {
        text.push_str(&format!("  {:<14} {}\n", binding.names, binding.help));
    }
    text.push_str(
        "\nThe arrow in the titles is at the column that the rows are sorted by. In the line for a \
         filter or\nsearch, keys edit as in a shell. Case matters in a filter if it has a letter \
         in upper case.\n\nA group has the sums of those columns that add up. Shared memory \
         counts for each process that\nhas it, but in pss. Signals and nice values of a group are \
         those of all of its processes that\nare shown.\n\nA click of the mouse selects a process, \
         shows the fields of the selected one, sorts by a title,\nand presses a key of the bar at \
         the bottom; the wheel scrolls. In most terminals, Shift selects\ntext.\n\nThe bars of \
         CPUs have their time as \
         user, nice, system, in interrupts, stolen by the\nhypervisor, and idle with IO pending, \
         from left to right; that of memory what is used,\nand the cache. PSI is the time in which \
         some tasks / all were stalled, in percent.\n\nProcesses that came and \
         went started and ended between two refreshes. Events tell of\nthem, as no snapshot has \
         them: procmonctl events shows them with their arguments.",
    );
    text
}

/// Returns the action of a key.
pub fn action(key: Key) -> Option<Action> {
    let mut bindings = BINDINGS.iter();
    let binding = bindings.find(|binding| binding.keys.contains(&key))?;
    Some(binding.action)
}

/// Returns the name of a key.
pub fn name(event: &KeyEvent) -> String {
    let mut name = String::new();
    if event.modifiers.contains(Modifiers::CONTROL) {
        name.push_str("Ctrl-");
    }
    if event.modifiers.contains(Modifiers::ALT) {
        name.push_str("Alt-");
    }
    match event.code {
        KeyCode::Char(c) if c.is_control() => name.extend(c.escape_default()),
        KeyCode::Char(c) if event.modifiers.contains(Modifiers::CONTROL) => {
            name.extend(c.to_uppercase());
        }
        KeyCode::Char(c) => name.push(c),
        KeyCode::Function(number) => name.push_str(&format!("F{number}")),
        code => name.push_str(&format!("{code:?}")),
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::columns::Column;

    #[test]
    fn no_key_does_two_things() {
        let keys: Vec<_> = BINDINGS.iter().flat_map(|binding| binding.keys).collect();
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{key:?}");
        }
    }

    #[test]
    fn the_help_names_each_key() {
        for binding in BINDINGS {
            let names: Vec<_> = binding
                .keys
                .iter()
                .map(|key| match *key {
                    Key::Control(c) => format!("Ctrl-{}", c.to_ascii_uppercase()),
                    Key::Code(KeyCode::Char(' ')) => "Space".to_owned(),
                    Key::Code(KeyCode::Escape) => "Esc".to_owned(),
                    Key::Code(KeyCode::PageUp) => "PgUp".to_owned(),
                    Key::Code(KeyCode::PageDown) => "PgDn".to_owned(),
                    Key::Code(code) => name(&KeyEvent::from(code)),
                })
                .collect();
            assert_eq!(binding.names, names.join(" "));
        }
    }

    #[test]
    fn keys_are_those_of_top_and_htop() {
        for (key, expected) in [
            (char('P'), Action::SortBy("cpu")),
            (char('M'), Action::SortBy("rss")),
            (char('N'), Action::SortBy("pid")),
            (char('T'), Action::SortBy("time")),
            (char('I'), Action::Invert),
            (char('u'), Action::UserMenu),
            (char(' '), Action::Tag),
            (char('#'), Action::Head),
            (function(1), Action::Help),
            (function(2), Action::Columns),
            (function(3), Action::Search),
            (function(4), Action::Filter),
            (function(5), Action::Tree),
            (function(6), Action::SortMenu),
            (function(7), Action::Nice(-1)),
            (function(8), Action::Nice(1)),
            (function(9), Action::Signal),
            (char('k'), Action::Signal),
            (char('c'), Action::TagFamily),
            (char('F'), Action::Follow),
            (function(10), Action::Quit),
            (Key::Control('l'), Action::Redraw),
            (Key::Control('z'), Action::Suspend),
        ] {
            assert_eq!(action(key), Some(expected), "{key:?}");
        }
        assert_eq!(action(char('x')), None);
        for binding in BINDINGS {
            if let Action::SortBy(column) = binding.action {
                assert!(Column::by_key(column).is_some(), "{column}");
            }
        }
        for (key, _, action) in BAR {
            let mut bindings = BINDINGS.iter();
            let binding = bindings.find(|binding| binding.names.split(' ').any(|name| name == key));
            assert_eq!(binding.unwrap().action, action, "{key}");
        }
    }

    #[test]
    fn keys_have_names() {
        for (event, expected) in [
            (KeyEvent::from(KeyCode::Char('x')), "x"),
            (
                KeyEvent::new(KeyCode::Char('x'), Modifiers::CONTROL),
                "Ctrl-X",
            ),
            (KeyEvent::new(KeyCode::Char('x'), Modifiers::ALT), "Alt-x"),
            (KeyEvent::from(KeyCode::Function(11)), "F11"),
            (KeyEvent::from(KeyCode::Insert), "Insert"),
        ] {
            assert_eq!(name(&event), expected);
        }
    }
}
