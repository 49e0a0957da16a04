// SPDX-License-Identifier: GPL-2.0-only

//! Lives of processes and threads, and what it costs them that somebody is told of them: procmon's
//! readers beside the kernel's other ways. This has the names of what [`measure`] measures in the
//! guest, and [`results`] shows on the host.

mod bpf;
mod listeners;
pub mod measure;
mod netlink;
pub mod results;
mod stream;
mod symbols;
mod work;

/// A life, from its beginning to the end of the wait for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Life {
    Exec,
    Fork,
    Thread,
}

impl Life {
    pub const ALL: [Self; 3] = [Self::Exec, Self::Fork, Self::Thread];

    pub fn name(self) -> &'static str {
        match self {
            Self::Exec => "vfork + exec + exit + wait",
            Self::Fork => "fork + exit + wait",
            Self::Thread => "thread: create + join",
        }
    }

    /// The number of lives in a region: the events of processes are one batch of a reader, but not
    /// two.
    fn number(self) -> usize {
        match self {
            Self::Exec => 105,
            Self::Fork => 205,
            Self::Thread => 100,
        }
    }
}

/// A listener, which is told of lives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Listener {
    /// No listener, without the module.
    None,
    /// No listener, with the module.
    Idle,
    /// The same once more: what the two differ by is noise.
    Again,
    /// A reader of procmon that does not read.
    Unread,
    /// One that is woken for a batch of events, in a process on the same CPU.
    Batches,
    /// A BPF program with a ring buffer that is not read.
    Bpf,
    /// The process connector, whose messages are not received.
    Connector,
    /// The same with a process on the same CPU that receives each message.
    ConnectorRead,
    /// The statistics of tasks that exit, which are not received.
    Taskstats,
}

impl Listener {
    /// All of them: first those for which the module is not loaded.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Taskstats,
        Self::Connector,
        Self::ConnectorRead,
        Self::Bpf,
        Self::Idle,
        Self::Unread,
        Self::Batches,
        Self::Again,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "without the module",
            Self::Idle => "no listener",
            Self::Again => "no listener, again",
            Self::Unread => "procmon, not read",
            Self::Batches => "procmon, read in batches",
            Self::Bpf => "BPF ring buffer, not read",
            Self::Connector => "proc connector, not read",
            Self::ConnectorRead => "proc connector, read",
            Self::Taskstats => "taskstats, not read",
        }
    }

    fn needs_module(self) -> bool {
        matches!(
            self,
            Self::Idle | Self::Again | Self::Unread | Self::Batches
        )
    }
}

/// Returns the name of the regions with lives that a listener is told of.
pub fn lives(life: Life, listener: Listener) -> String {
    format!("{}: {}", life.name(), listener.name())
}

/// A life as [`Life::Exec`], of another program, without a listener.
pub const OF_BUSYBOX: &str = "the same of busybox";

/// Returns the name of the regions for the calls of procmon's probes: with a reader that does not
/// read, and a ring that is full of events of such lives.
pub fn inside(life: Life) -> String {
    format!("{}: inside", life.name())
}

/// A way to read events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    Procmon,
    Bpf,
    Connector,
    /// All that `procmonctl events` takes, from its start to its end.
    Command,
}

impl Reading {
    pub const ALL: [Self; 4] = [Self::Procmon, Self::Bpf, Self::Connector, Self::Command];

    pub fn name(self) -> &'static str {
        match self {
            Self::Procmon => "PROCMON_EVENTS of 64 KiB, of a full ring",
            Self::Bpf => "BPF ring buffer, mapped",
            Self::Connector => "proc connector, one recv(2) each",
            Self::Command => "procmonctl events --json >FILE, as a whole",
        }
    }
}

/// A function that the kernel calls for an event: what is to be told of it costs what this takes,
/// from its first instruction to its return, with all that it calls.
pub struct Function {
    pub listener: Listener,
    pub event: Event,
    symbol: Symbol,
}

/// The events that all listeners have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    Fork,
    Exec,
    Exit,
}

/// The name of a function.
#[derive(Clone, Copy)]
enum Symbol {
    /// That of a function of the kernel.
    Kernel(&'static str),
    /// That of a tracepoint, for procmon's probe of it.
    Probe(&'static str),
}

const fn function(listener: Listener, event: Event, symbol: Symbol) -> Function {
    Function {
        listener,
        event,
        symbol,
    }
}

/// The functions, in the order in which the plugin watches them.
pub const FUNCTIONS: [Function; 10] = [
    function(Listener::Unread, Event::Fork, Symbol::Probe("TaskNewtask")),
    function(
        Listener::Unread,
        Event::Exec,
        Symbol::Probe("SchedProcessExec"),
    ),
    function(
        Listener::Unread,
        Event::Exit,
        Symbol::Probe("SchedProcessExit"),
    ),
    // What runs the programs of a tracepoint.
    function(
        Listener::Bpf,
        Event::Fork,
        Symbol::Kernel("__bpf_trace_task_newtask"),
    ),
    function(
        Listener::Bpf,
        Event::Exec,
        Symbol::Kernel("__bpf_trace_sched_process_exec"),
    ),
    function(
        Listener::Bpf,
        Event::Exit,
        Symbol::Kernel("__bpf_trace_sched_process_exit"),
    ),
    function(
        Listener::Connector,
        Event::Fork,
        Symbol::Kernel("proc_fork_connector"),
    ),
    function(
        Listener::Connector,
        Event::Exec,
        Symbol::Kernel("proc_exec_connector"),
    ),
    function(
        Listener::Connector,
        Event::Exit,
        Symbol::Kernel("proc_exit_connector"),
    ),
    function(
        Listener::Taskstats,
        Event::Exit,
        Symbol::Kernel("taskstats_exit"),
    ),
];
