// SPDX-License-Identifier: GPL-2.0-only

//! The metrics, by the conventions of Prometheus: base units, one unit in a family, and `_total`
//! behind the names of counters.

use std::fmt;
use std::time::Duration;

use procmon::{BootClock, State};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet, prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::group::{Group, Present, STATES};
use super::groups::Groups;

/// A form of the metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

impl Format {
    /// Returns the type for HTTP.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => prometheus_text::CONTENT_TYPE,
        }
    }
}

/// The exporter's own health.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    /// Whether the last snapshot has succeeded.
    pub is_up: bool,
    /// The time that the last snapshot took, with its events.
    pub duration: Duration,
    /// The version of the module's interface.
    pub abi_version: u32,
}

/// The metrics at a moment.
#[derive(Debug)]
pub struct Metrics {
    groups: Vec<Group>,
    system: Present,
    forks: u64,
    lost: u64,
    folded: u64,
    health: Health,
    clock: BootClock,
}

impl Metrics {
    pub fn new(groups: &Groups, health: Health) -> Self {
        Self {
            groups: groups.iter().cloned().collect(),
            system: *groups.system(),
            forks: groups.forks,
            lost: groups.lost,
            folded: groups.folded(),
            health,
            clock: BootClock::now(),
        }
    }

    /// Returns the metrics as text.
    pub fn encode(self, format: Format) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut out = String::new();
        match format {
            Format::OpenMetrics => text::encode(&mut out, &registry)?,
            Format::Text => prometheus_text::encode(&mut out, &registry)?,
        }
        Ok(out)
    }

    fn encode_usage(&self, encoder: &mut Encoder) -> fmt::Result {
        encoder.counters(
            (
                "procmon_group_cpu",
                "CPU time that a group has used",
                Some(Unit::Seconds),
            ),
            &self.groups,
            "mode",
            &["user", "system"],
            |group| [group.used.user, group.used.system].map(seconds),
        )?;
        encoder.counters(
            (
                "procmon_group_context_switches",
                "Context switches of a group",
                None,
            ),
            &self.groups,
            "type",
            &["voluntary", "involuntary"],
            |group| {
                [
                    group.used.voluntary_switches,
                    group.used.involuntary_switches,
                ]
            },
        )?;
        encoder.counters(
            (
                "procmon_group_page_faults",
                "Page faults of a group: major ones are those that took I/O",
                None,
            ),
            &self.groups,
            "type",
            &["minor", "major"],
            |group| [group.used.minor_faults, group.used.major_faults],
        )?;
        encoder.counters(
            (
                "procmon_group_io",
                "Bytes that a group has read from and written to block devices",
                Some(Unit::Bytes),
            ),
            &self.groups,
            "direction",
            &["read", "write"],
            |group| [group.used.read, group.used.written],
        )?;
        let help = "Processes of a group that have ended: what they used is in its counters";
        let mut family = encoder.family("procmon_group_exited", help, None, MetricType::Counter)?;
        for group in &self.groups {
            let labels = [("group", group.name.as_str())];
            let mut sample = family.encode_family(&labels)?;
            sample.encode_counter::<NoLabelSet, _, u64>(&group.exited, None)?;
        }
        Ok(())
    }

    fn encode_present(&self, encoder: &mut Encoder) -> fmt::Result {
        encoder.gauges(
            ("procmon_group_processes", "Processes of a group", None),
            &self.groups,
            |group| Some(group.present.processes),
        )?;
        encoder.gauges(
            ("procmon_group_threads", "Threads of a group", None),
            &self.groups,
            |group| Some(group.present.threads),
        )?;
        let help = "Processes of a group by the states of their main threads";
        let mut family = encoder.family("procmon_group_states", help, None, MetricType::Gauge)?;
        for group in &self.groups {
            for ((_, state), count) in STATES.iter().zip(group.present.states) {
                let labels = [("group", group.name.as_str()), ("state", state)];
                family.encode_family(&labels)?.encode_gauge(&count)?;
            }
        }
        let help = "Memory of a group: pages that its processes share count for each of them";
        let unit = Some(&Unit::Bytes);
        let mut family = encoder.family("procmon_group_memory", help, unit, MetricType::Gauge)?;
        for group in &self.groups {
            let present = &group.present;
            let resident = present.anonymous + present.file + present.shared;
            for (kind, bytes) in [
                ("resident", resident),
                ("anonymous", present.anonymous),
                ("file", present.file),
                ("shared", present.shared),
                ("virtual", present.virtual_size),
            ] {
                let labels = [("group", group.name.as_str()), ("type", kind)];
                family.encode_family(&labels)?.encode_gauge(&bytes)?;
            }
        }
        encoder.gauges(
            (
                "procmon_group_oldest_start_time",
                "Start of the oldest process of a group, in seconds since 1970",
                Some(Unit::Seconds),
            ),
            &self.groups,
            |group| {
                let start = self.clock.system_time(group.present.oldest?);
                let since_epoch = start.duration_since(std::time::UNIX_EPOCH).ok()?;
                Some(since_epoch.as_secs_f64())
            },
        )
    }

    fn encode_system(&self, encoder: &mut Encoder) -> fmt::Result {
        let system = &self.system;
        for (name, help, count) in [
            ("procmon_system_processes", "Processes", system.processes),
            ("procmon_system_threads", "Threads", system.threads),
            (
                "procmon_system_running",
                "Processes whose main threads run, or wait for a CPU",
                system.in_state(State::Running),
            ),
            (
                "procmon_system_uninterruptible",
                "Processes whose main threads sleep uninterruptibly",
                system.in_state(State::DiskSleep),
            ),
            (
                "procmon_system_zombies",
                "Processes that have ended and that are not waited for yet",
                system.in_state(State::Zombie),
            ),
        ] {
            encoder.gauge(name, help, None, &count)?;
        }
        Ok(())
    }

    fn encode_health(&self, encoder: &mut Encoder) -> fmt::Result {
        let health = &self.health;
        encoder.counter(
            "procmon_forks",
            "Processes that have come to be since the exporter began",
            &self.forks,
        )?;
        encoder.counter(
            "procmon_events_lost",
            "Lost events: as many beginnings and ends of processes may not be counted",
            &self.lost,
        )?;
        encoder.counter(
            "procmon_groups_folded",
            "Times that a process came to the group other, as there are too many groups",
            &self.folded,
        )?;
        encoder.gauge(
            "procmon_groups",
            "Groups",
            None,
            &(self.groups.len() as u64),
        )?;
        encoder.gauge(
            "procmon_snapshot_duration",
            "Time that the last snapshot and its events took",
            Some(&Unit::Seconds),
            &health.duration.as_secs_f64(),
        )?;
        encoder.gauge(
            "procmon_up",
            "Whether the last snapshot has succeeded",
            None,
            &u64::from(health.is_up),
        )?;
        let abi = health.abi_version.to_string();
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("abi", &abi)];
        let help = "Version of the exporter, and of the interface of the module";
        let mut family = encoder.family("procmon_build_info", help, None, MetricType::Gauge)?;
        family.encode_family(&labels)?.encode_gauge(&1_u64)
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut encoder = Encoder(encoder);
        self.encode_usage(&mut encoder)?;
        if self.health.is_up {
            self.encode_present(&mut encoder)?;
            self.encode_system(&mut encoder)?;
        }
        self.encode_health(&mut encoder)
    }
}

/// Name, help and unit of a family. The name of a counter is without `_total`, and that of one with
/// a unit is without this.
type Family = (&'static str, &'static str, Option<Unit>);

struct Encoder<'a>(DescriptorEncoder<'a>);

impl Encoder<'_> {
    fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> Result<prometheus_client::encoding::MetricEncoder<'s>, fmt::Error> {
        self.0
            .encode_descriptor(name, &format!("{help}."), unit, kind)
    }

    /// Encodes two counters of each group, which differ by a label.
    fn counters<T: EncodeCounterValue>(
        &mut self,
        (name, help, unit): Family,
        groups: &[Group],
        label: &str,
        kinds: &[&str; 2],
        values: impl Fn(&Group) -> [T; 2],
    ) -> fmt::Result {
        let mut family = self.family(name, help, unit.as_ref(), MetricType::Counter)?;
        for group in groups {
            for (kind, value) in kinds.iter().zip(values(group)) {
                let labels = [("group", group.name.as_str()), (label, kind)];
                let mut sample = family.encode_family(&labels)?;
                sample.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
            }
        }
        Ok(())
    }

    /// Encodes a gauge of each group that has a value.
    fn gauges<T: EncodeGaugeValue>(
        &mut self,
        (name, help, unit): Family,
        groups: &[Group],
        value: impl Fn(&Group) -> Option<T>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, unit.as_ref(), MetricType::Gauge)?;
        for group in groups {
            if let Some(value) = value(group) {
                let labels = [("group", group.name.as_str())];
                family.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: &impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.family(name, help, unit, MetricType::Gauge)?
            .encode_gauge(value)
    }

    fn counter(&mut self, name: &str, help: &str, value: &u64) -> fmt::Result {
        self.family(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(value, None)
    }
}

fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

#[cfg(test)]
mod tests;
