// SPDX-License-Identifier: GPL-2.0-only

//! The names that systemd gives cgroups, by the rules of its `src/basic/cgroup-util.c` and
//! `unit-name.c`.

use std::str;

/// The types of units, by the ends of their names.
const TYPES: [&str; 11] = [
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
];

/// `UNIT_NAME_MAX`.
const MAX_NAME: usize = 256;

/// The slice that has all others.
const ROOT: &str = "-.slice";

/// Returns the first name that is no slice, if it is that of a unit. See `cg_path_get_unit()`.
pub fn unit<'a>(components: impl Iterator<Item = &'a [u8]>) -> Option<&'a str> {
    let mut rest = components.skip_while(|component| slice_name(component).is_some());
    let name = unit_name(rest.next()?)?;
    (!name.ends_with(".slice")).then_some(name)
}

/// Returns the last one of the slices at the beginning. See `cg_path_get_slice()`.
pub fn slice<'a>(components: impl Iterator<Item = &'a [u8]>) -> &'a str {
    components.map_while(slice_name).last().unwrap_or(ROOT)
}

/// Returns the names below a user's systemd, or below a session. See `skip_user_prefix()`.
pub fn of_user<'a>(
    components: impl Iterator<Item = &'a [u8]>,
) -> Option<impl Iterator<Item = &'a [u8]>> {
    let mut rest = components.skip_while(|component| slice_name(component).is_some());
    // These two are never escaped.
    let unit = str::from_utf8(rest.next()?).ok()?;
    (is_user_manager(unit) || session(unit).is_some()).then_some(rest)
}

/// Returns the ID of the session that a unit is. See `cg_path_get_session()`.
pub fn session(unit: &str) -> Option<&str> {
    let id = unit.strip_prefix("session-")?.strip_suffix(".scope")?;
    let is_valid = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_valid.then_some(id)
}

/// Returns the user whose slice this is. See `cg_path_get_owner_uid()`.
pub fn owner(slice: &str) -> Option<u32> {
    parse_uid(slice.strip_prefix("user-")?.strip_suffix(".slice")?)
}

fn parse_uid(digits: &str) -> Option<u32> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// Returns whether a unit is the systemd of a user, or of a capsule. See `skip_user_manager()`.
fn is_user_manager(unit: &str) -> bool {
    let is_instance = |(manager, instance): (&str, &str)| match manager {
        "user" => parse_uid(instance).is_some(),
        "capsule" => !instance.is_empty(),
        _ => false,
    };
    let name = unit.strip_suffix(".service");
    name.and_then(|name| name.split_once('@'))
        .is_some_and(is_instance)
}

/// Returns the name of the slice that a cgroup is. See `valid_slice_name()`.
fn slice_name(component: &[u8]) -> Option<&str> {
    unit_name(component).filter(|name| name.ends_with(".slice") && !name.contains('@'))
}

/// Returns the name of the unit that a cgroup is. See `cg_path_decode_unit()`.
pub fn unit_name(component: &[u8]) -> Option<&str> {
    // systemd puts this before names that the kernel could take for files of its own.
    let name = component.strip_prefix(b"_").unwrap_or(component);
    let name = str::from_utf8(name).ok()?;
    is_valid(name).then_some(name)
}

/// Returns whether a unit may have a name. See `unit_name_is_valid()`: templates are no units.
fn is_valid(name: &str) -> bool {
    let Some((stem, kind)) = name.rsplit_once('.') else {
        return false;
    };
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"@:-_.\\".contains(&byte);
    let is_unit = match stem.split_once('@') {
        None => !stem.is_empty(),
        Some((prefix, instance)) => !prefix.is_empty() && !instance.is_empty(),
    };
    name.len() < MAX_NAME && TYPES.contains(&kind) && is_unit && stem.bytes().all(is_allowed)
}

/// Replaces the escapes `\xNN` by their bytes. See `unit_name_unescape()`, which makes slashes of
/// hyphens as well: the names of machines have none.
pub fn unescape(name: &str) -> Vec<u8> {
    let mut parts = name.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let escape = part.get(..2).and_then(hex);
        match escape {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(&part.as_bytes()[2..]);
            }
            None => {
                bytes.extend(b"\\x");
                bytes.extend(part.bytes());
            }
        }
    }
    bytes
}

fn hex(digits: &str) -> Option<u8> {
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::CgroupPath;

    /// Path, unit, slice, unit of the user, slice of the user, session, owner.
    type Row = (
        &'static str,
        Option<&'static str>,
        &'static str,
        Option<&'static str>,
        Option<&'static str>,
        Option<&'static str>,
        Option<u32>,
    );

    /// Paths of desktops and servers, and some that only look like those.
    #[rustfmt::skip]
    const PATHS: &[Row] = &[
        ("/", None, "-.slice", None, None, None, None),
        ("", None, "-.slice", None, None, None, None),
        ("/init.scope", Some("init.scope"), "-.slice", None, None, None, None),
        ("/system.slice", None, "system.slice", None, None, None, None),
        ("/system.slice/mail.service/worker", Some("mail.service"), "system.slice",
         None, None, None, None),
        ("/system.slice/system-getty.slice/getty@tty1.service", Some("getty@tty1.service"),
         "system-getty.slice", None, None, None, None),
        ("/system.slice/ssh@3.service/a/b", Some("ssh@3.service"), "system.slice",
         None, None, None, None),
        ("/system.slice/ssh@.service/a", None, "system.slice", None, None, None, None),
        ("//system.slice//ssh@3.service/", Some("ssh@3.service"), "system.slice",
         None, None, None, None),
        ("/elsewhere", None, "-.slice", None, None, None, None),
        ("/system.slice/_cgroup.service", Some("cgroup.service"), "system.slice",
         None, None, None, None),
        ("/_cpu.slice/__x.service/x", Some("_x.service"), "cpu.slice", None, None, None, None),
        ("/system.slice/dev-disk-by\\x2duuid.swap", Some("dev-disk-by\\x2duuid.swap"),
         "system.slice", None, None, None, None),
        ("/system.slice/run-user-1000.mount", Some("run-user-1000.mount"), "system.slice",
         None, None, None, None),
        ("/user.slice/user-1000.slice/session-3.scope", Some("session-3.scope"),
         "user-1000.slice", None, Some("-.slice"), Some("3"), Some(1000)),
        ("/user.slice/user-1000.slice/session-c12.scope/x", Some("session-c12.scope"),
         "user-1000.slice", None, Some("-.slice"), Some("c12"), Some(1000)),
        ("/user.slice/user-1000.slice/user@1000.service/init.scope", Some("user@1000.service"),
         "user-1000.slice", Some("init.scope"), Some("-.slice"), None, Some(1000)),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-7.scope",
         Some("user@1000.service"), "user-1000.slice", Some("app-gnome-firefox-7.scope"),
         Some("app.slice"), None, Some(1000)),
        ("/user.slice/user-1000.slice/user@1000.service/session.slice/dbus.service",
         Some("user@1000.service"), "user-1000.slice", Some("dbus.service"),
         Some("session.slice"), None, Some(1000)),
        ("/session-2.scope/x_y.service", Some("session-2.scope"), "-.slice",
         Some("x_y.service"), Some("-.slice"), Some("2"), None),
        ("/_session-2.scope/x.service", Some("session-2.scope"), "-.slice",
         None, None, Some("2"), None),
        ("/user.slice/user-1002.slice/session-2.scope/a.slice/a-b.slice/x.service",
         Some("session-2.scope"), "user-1002.slice", Some("x.service"), Some("a-b.slice"),
         Some("2"), Some(1002)),
        ("/capsule.slice/capsule@blog.service/app.slice/x.service", Some("capsule@blog.service"),
         "capsule.slice", Some("x.service"), Some("app.slice"), None, None),
        ("/user.slice/user-x.slice/user@x.service/a.service", Some("user@x.service"),
         "user-x.slice", None, None, None, None),
        // A slice below a unit belongs to a systemd in a container.
        ("/system.slice/x.service/system.slice/y.service", Some("x.service"), "system.slice",
         None, None, None, None),
        ("/a@b.slice/x.service", None, "-.slice", None, None, None, None),
        ("/a.slice/ab", None, "a.slice", None, None, None, None),
        ("/a.slice/sp ace.service", None, "a.slice", None, None, None, None),
        ("/a.slice/.service", None, "a.slice", None, None, None, None),
        ("/a.slice/x.unknown", None, "a.slice", None, None, None, None),
        ("/user.slice/session-.scope", Some("session-.scope"), "user.slice",
         None, None, None, None),
        ("/user.slice/session-a_b.scope", Some("session-a_b.scope"), "user.slice",
         None, None, None, None),
        // A cgroup outside of the root of the namespace.
        ("/../web.service", None, "-.slice", None, None, None, None),
    ];

    #[test]
    fn names_are_those_of_systemd() {
        for &(text, unit, slice, user_unit, user_slice, session, owner) in PATHS {
            let path = CgroupPath::new(text);
            assert_eq!(path.unit(), unit, "unit of {text}");
            assert_eq!(path.slice(), slice, "slice of {text}");
            assert_eq!(path.user_unit(), user_unit, "user's unit of {text}");
            assert_eq!(path.user_slice(), user_slice, "user's slice of {text}");
            assert_eq!(path.session(), session, "session of {text}");
            assert_eq!(path.owner(), owner, "owner of {text}");
        }
    }

    #[test]
    fn names_have_a_maximum_length() {
        for (length, is_unit) in [(255, true), (256, false)] {
            let name = format!("{}.service", "x".repeat(length - ".service".len()));
            assert_eq!(unit_name(name.as_bytes()).is_some(), is_unit, "{length}");
        }
        assert_eq!(unit_name(b"\xff.service"), None);
    }

    #[test]
    fn escapes_are_bytes() {
        for (name, bytes) in [
            ("fedora", &b"fedora"[..]),
            ("qemu\\x2d1\\x2dvm", b"qemu-1-vm"),
            ("\\x2e\\xff", b".\xff"),
            ("a\\x2", b"a\\x2"),
            ("a\\x+1\\x", b"a\\x+1\\x"),
            ("a-b", b"a-b"),
            ("\\xä", "\\xä".as_bytes()),
        ] {
            assert_eq!(unescape(name), bytes, "{name}");
        }
    }
}
