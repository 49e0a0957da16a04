// SPDX-License-Identifier: GPL-2.0-only

//! The names that engines give the cgroups of containers.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::str;

use super::systemd::{unescape, unit_name};

/// The number of digits of an ID that people use.
const SHORT: usize = 12;

/// A container, or a virtual machine.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Container {
    /// The ID of 64 hexadecimal digits, or the name where the engine has names.
    pub name: OsString,
    /// The engine.
    pub engine: Engine,
}

impl Container {
    fn new(name: &[u8], engine: Engine) -> Self {
        Self {
            name: OsString::from_vec(name.to_vec()),
            engine,
        }
    }

    /// Returns the name, or the first 12 digits of an ID.
    #[must_use]
    pub fn short_name(&self) -> &OsStr {
        let name = self.name.as_bytes();
        OsStr::from_bytes(if is_id(name) { &name[..SHORT] } else { name })
    }
}

/// The program that made a container, as far as the name of the cgroup tells.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Engine {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// containerd, by its interface for Kubernetes or by nerdctl.
    Containerd,
    /// CRI-O.
    CriO,
    /// Any engine of Kubernetes, as its kubelet names the cgroup.
    Kubernetes,
    /// LXC, LXD or Incus.
    Lxc,
    /// systemd-nspawn, as a service.
    Nspawn,
    /// A machine that is registered with systemd-machined, by systemd-nspawn or libvirt.
    Machine,
}

impl Engine {
    /// Returns the name in small letters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Kubernetes => "kubernetes",
            Self::Lxc => "lxc",
            Self::Nspawn => "systemd-nspawn",
            Self::Machine => "machine",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The prefixes of an ID. The monitor of a container, conmon, runs outside of it, and belongs to
/// it as well.
const PREFIXES: [(&[u8], Engine); 8] = [
    (b"docker-", Engine::Docker),
    (b"libpod-", Engine::Podman),
    (b"libpod-payload-", Engine::Podman),
    (b"libpod-conmon-", Engine::Podman),
    (b"cri-containerd-", Engine::Containerd),
    (b"nerdctl-", Engine::Containerd),
    (b"crio-", Engine::CriO),
    (b"crio-conmon-", Engine::CriO),
];

/// Returns the container that the last one of these names has.
pub fn find(components: &[&[u8]]) -> Option<Container> {
    (0..components.len()).rev().find_map(|index| {
        let (above, name) = (&components[..index], components[index]);
        by_id(above, name)
            .or_else(|| of_lxc(above, name))
            .or_else(|| machine(name))
    })
}

/// Returns the UID of the pod that the last one of these names has.
///
/// Names are `pod<UID>` below `kubepods`, and `kubepods-burstable-pod<UID>.slice` with systemd,
/// where hyphens of the UID are underscores.
pub fn pod(components: &[&[u8]]) -> Option<String> {
    (0..components.len()).rev().find_map(|index| {
        let name = str::from_utf8(components[index]).ok()?;
        let uid = match name.split_once(".slice") {
            Some((slice, _)) if slice.contains("kubepods") => slice.rsplit_once("-pod")?.1,
            _ if is_in_pods(&components[..index]) => name.strip_prefix("pod")?,
            _ => return None,
        };
        let uid = uid.replace('_', "-");
        let is_uid = !uid.is_empty() && uid.bytes().all(|byte| is_hex(byte) || byte == b'-');
        is_uid.then_some(uid)
    })
}

fn by_id(above: &[&[u8]], name: &[u8]) -> Option<Container> {
    // The form where the kubelet and containerd have different settings:
    // `kubepods-burstable-pod<UID>.slice:cri-containerd:<ID>`.
    let mut parts = name.rsplitn(3, |&byte| byte == b':');
    if let (Some(id), Some(b"cri-containerd")) = (parts.next(), parts.next())
        && is_id(id)
    {
        return Some(Container::new(id, Engine::Containerd));
    }
    // systemd has scopes, and cgroups that an engine makes by itself have no suffix.
    let name = name.strip_suffix(b".scope").unwrap_or(name);
    if is_id(name) {
        let engine = match above.last() {
            Some(&b"docker") => Engine::Docker,
            _ if is_in_pods(above) => Engine::Kubernetes,
            _ => return None,
        };
        return Some(Container::new(name, engine));
    }
    PREFIXES.iter().find_map(|(prefix, engine)| {
        let id = name.strip_prefix(*prefix)?;
        is_id(id).then(|| Container::new(id, *engine))
    })
}

/// Returns a container of LXC. Its monitor runs outside of it, and belongs to it as well.
fn of_lxc(above: &[&[u8]], name: &[u8]) -> Option<Container> {
    let is_below = |parents: &[&[u8]]| above.last().is_some_and(|last| parents.contains(last));
    let name = if is_below(&[b"lxc", b"lxc.payload", b"lxc.monitor"]) {
        name
    } else {
        let rest = name.strip_prefix(b"lxc.")?;
        rest.strip_prefix(b"payload.")
            .or_else(|| rest.strip_prefix(b"monitor."))?
    };
    (!name.is_empty()).then(|| Container::new(name, Engine::Lxc))
}

fn machine(name: &[u8]) -> Option<Container> {
    let unit = unit_name(name)?;
    let scope = || Some((unit.strip_prefix("machine-")?, ".scope", Engine::Machine));
    let service = || {
        let rest = unit.strip_prefix("systemd-nspawn@")?;
        Some((rest, ".service", Engine::Nspawn))
    };
    let (rest, suffix, engine) = scope().or_else(service)?;
    let name = rest.strip_suffix(suffix)?;
    (!name.is_empty()).then(|| Container::new(&unescape(name), engine))
}

fn is_in_pods(above: &[&[u8]]) -> bool {
    above
        .iter()
        .any(|name| name.windows(8).any(|word| word == b"kubepods"))
}

fn is_id(text: &[u8]) -> bool {
    text.len() == 64 && text.iter().copied().all(is_hex)
}

/// Whether a byte is a digit of an ID, which has small letters.
fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::CgroupPath;

    const ID: &str = "3f1c7e0b9d2a4c6e8f0a1b2c3d4e5f60718293a4b5c6d7e8f901a2b3c4d5e6f7";

    /// Path, name and engine of the container, UID of the pod. `ID` stands for an ID.
    type Row = (
        &'static str,
        Option<(&'static str, &'static str)>,
        Option<&'static str>,
    );

    #[rustfmt::skip]
    const PATHS: &[Row] = &[
        ("/", None, None),
        ("/system.slice/docker.service", None, None),
        ("/system.slice/docker-compose.service", None, None),
        ("/docker/ID", Some(("ID", "docker")), None),
        ("/docker/ID/init.scope", Some(("ID", "docker")), None),
        ("/docker/ID/system.slice/cron.service", Some(("ID", "docker")), None),
        ("/docker/buildx", None, None),
        ("/system.slice/docker-ID.scope", Some(("ID", "docker")), None),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/docker-ID.scope",
         Some(("ID", "docker")), None),
        ("/machine.slice/libpod-ID.scope", Some(("ID", "podman")), None),
        ("/machine.slice/libpod-ID.scope/container", Some(("ID", "podman")), None),
        ("/machine.slice/libpod-conmon-ID.scope", Some(("ID", "podman")), None),
        ("/machine.slice/machine-libpod_pod_ID.slice/libpod-ID.scope/container",
         Some(("ID", "podman")), None),
        ("/libpod_parent/libpod-ID", Some(("ID", "podman")), None),
        ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
         Some(("ID", "podman")), None),
        ("/system.slice/web.service/libpod-payload-ID", Some(("ID", "podman")), None),
        ("/system.slice/nerdctl-ID.scope", Some(("ID", "containerd")), None),
        ("/kubepods.slice/kubepods-burstable.slice/\
          kubepods-burstable-pod0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9.slice/\
          cri-containerd-ID.scope",
         Some(("ID", "containerd")), Some("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")),
        ("/kubepods.slice/kubepods-pod0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9.slice/crio-ID.scope",
         Some(("ID", "cri-o")), Some("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")),
        ("/kubepods.slice/kubepods-besteffort.slice/\
          kubepods-besteffort-pod8f3a5c7e9b1d2f4a6c8e0b2d4f6a8c0e.slice/\
          crio-conmon-ID.scope",
         Some(("ID", "cri-o")), Some("8f3a5c7e9b1d2f4a6c8e0b2d4f6a8c0e")),
        ("/kubepods.slice/kubepods-besteffort.slice/\
          kubepods-besteffort-pod0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9.slice/docker-ID.scope",
         Some(("ID", "docker")), Some("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")),
        ("/kubepods/burstable/pod0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9/ID",
         Some(("ID", "kubernetes")), Some("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")),
        ("/kubepods/pod0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", None,
         Some("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")),
        ("/kubepods/burstable/pod0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9/crio-ID",
         Some(("ID", "cri-o")), Some("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")),
        ("/system.slice/containerd.service/\
          kubepods-burstable-pod0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9.slice:cri-containerd:ID",
         Some(("ID", "containerd")), Some("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")),
        ("/docker/ID/kubelet.slice/kubelet-kubepods.slice/\
          kubelet-kubepods-pod0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9.slice/\
          cri-containerd-ID.scope",
         Some(("ID", "containerd")), Some("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")),
        ("/lxc/web", Some(("web", "lxc")), None),
        ("/lxc/101/ns/system.slice/cron.service", Some(("101", "lxc")), None),
        ("/lxc.payload/web/init.scope", Some(("web", "lxc")), None),
        ("/lxc.payload.web-1/system.slice/ssh.service", Some(("web-1", "lxc")), None),
        ("/lxc.monitor.web", Some(("web", "lxc")), None),
        ("/lxc.pivot", None, None),
        ("/system.slice/lxc.service", None, None),
        ("/machine.slice/machine-fedora.scope/payload", Some(("fedora", "machine")), None),
        ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator",
         Some(("qemu-1-vm", "machine")), None),
        ("/machine.slice/systemd-nspawn@my\\x2ddebian.service/payload/system.slice/x.service",
         Some(("my-debian", "systemd-nspawn")), None),
        ("/machine.slice/machine-.scope", None, None),
        ("/machine.slice/systemd-nspawn@.service", None, None),
        // Names that only look like those.
        ("/system.slice/docker-ID.service", None, None),
        ("/system.slice/docker-3f1c7e0b9d2a.scope", None, None),
        ("/ID", None, None),
        ("/docker/3F1C", None, None),
        ("/podcast/pod1", None, None),
        ("/user.slice/kubepods-podcast.slice", None, None),
    ];

    #[test]
    fn containers_have_the_names_that_engines_give() {
        for (text, container, pod) in PATHS {
            let path = CgroupPath::new(text.replace("ID", ID));
            let found = path.container();
            let expected = container.map(|(name, engine)| (name.replace("ID", ID), engine));
            let found = found.map(|found| {
                let name = found.name.into_string().unwrap();
                (name, found.engine.name())
            });
            assert_eq!(found, expected, "{text}");
            assert_eq!(path.pod().as_deref(), *pod, "{text}");
        }
    }

    #[test]
    fn ids_are_shortened() {
        let short = |path: &str| {
            let container = CgroupPath::new(path.replace("ID", ID)).container();
            container.unwrap().short_name().to_owned()
        };
        assert_eq!(short("/docker/ID"), ID[..12]);
        assert_eq!(
            short("/lxc/a-long-name-of-a-container"),
            "a-long-name-of-a-container"
        );
    }

    #[test]
    fn names_have_any_bytes() {
        let path = CgroupPath::new(OsStr::from_bytes(b"/lxc/\xff \x1b"));
        assert_eq!(path.container().unwrap().name.as_bytes(), b"\xff \x1b");
        let path = CgroupPath::new("/machine.slice/machine-\\xff\\x0a.scope");
        assert_eq!(path.container().unwrap().name.as_bytes(), b"\xff\n");
    }
}
