// SPDX-License-Identifier: GPL-2.0-only

//! The command `procmonctl record`, and what is in its files.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fixture::child::paused;
use fixture::command::{PROGRAM, Running};
use fixture::{eventually, loaded, procfs, shared, skip};
use nix::mount::{MsFlags, mount, umount};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procmon::BootTime;
use recording::{Lines, Process, Run, Selection, Text};

/// A folder of its own for the files of a test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new("/tmp").join(format!("record-{name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("record").args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// Records a shell's commands, which have this exit status, and returns the recording.
fn record(file: &str, commands: &str, status: i32) -> Run {
    let output = run(&["-o", file, "--", "/bin/sh", "-c", commands]);
    let messages = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{messages}");
    assert!(messages.contains(" processes in "), "{messages}");
    Run::read(file).unwrap()
}

fn named<'a>(run: &'a Run, name: &str) -> Vec<&'a Process> {
    let processes = run.processes().iter();
    processes
        .filter(|process| process.name().as_bytes() == name.as_bytes())
        .collect()
}

fn status(process: &Process) -> Option<i32> {
    process.exit.as_ref().and_then(|exit| exit.status)
}

/// All processes of a command are there, with their parents, programs and statuses.
#[test]
fn a_command_and_its_descendants() {
    let _kernel = shared();
    let folder = Folder::new("command");
    let busybox = folder.file("busybox");
    fs::copy("/bin/busybox", &busybox).unwrap();
    let commands = format!(
        "cd {}; ./busybox false; ./busybox sh -c './busybox true; ./busybox sleep 0.3; exit 3'; \
         exit 7",
        folder.0.display()
    );
    let run = record(&folder.file("a"), &commands, 7);
    let Selection::Command { args, pid } = &run.header.selection else {
        panic!("{:?}", run.header);
    };
    assert_eq!(args[..2], [Text::from("/bin/sh"), Text::from("-c")]);
    let [shell, rest @ ..] = run.processes() else {
        panic!("{run:?}");
    };
    assert_eq!((shell.pid, shell.parent), (*pid, None));
    assert_eq!(shell.command_line().len(), 3);
    assert_eq!(status(shell), Some(7 << 8));
    assert_eq!(run.end.as_ref().unwrap().status, Some(7 << 8));
    let told: Vec<_> = rest
        .iter()
        .map(|process| {
            let line = process.command_line();
            let words = line.iter().map(|word| word.to_string_lossy());
            let parent = run.processes()[process.parent.unwrap()].pid;
            (words.collect::<Vec<_>>(), parent, status(process))
        })
        .collect();
    let inner = rest[1].pid;
    let line =
        |text: &str| -> Vec<_> { text.split(' ').map(|word| word.to_owned().into()).collect() };
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told[0], (line("./busybox false"), *pid, Some(1 << 8)));
    assert_eq!((told[1].1, told[1].2), (*pid, Some(3 << 8)));
    assert_eq!(told[2], (line("./busybox true"), inner, Some(0)));
    assert_eq!(told[3], (line("./busybox sleep 0.3"), inner, Some(0)));
    let sleeper = &rest[3];
    assert!(sleeper.lasted() >= Duration::from_millis(300));
    // It was there for long enough.
    let program = sleeper.program().unwrap();
    assert_eq!(
        program.directory,
        Some(Text::from(folder.0.as_os_str().as_encoded_bytes()))
    );
    assert_eq!(run.user(sleeper.uid), Some(&Text::from("root")));
    assert_eq!(
        (
            run.lost,
            run.processes().iter().filter(|one| one.is_older).count()
        ),
        (0, 0)
    );
    assert!(run.samples.len() >= 2);
    // The sampled times are those of all CPUs.
    let busy = |sample: Option<&recording::Sample>| sample.unwrap().busy;
    assert!(busy(run.samples.last()) >= busy(run.samples.first()));
}

/// Programs that go on have the directory that they were executed in, and not their parent's.
#[test]
fn directories_of_programs() {
    let _kernel = shared();
    let folder = Folder::new("directories");
    let file = folder.file("a");
    let directories = ["one", "two", "two/three"].map(|name| folder.file(name));
    for directory in &directories {
        fs::create_dir(directory).unwrap();
    }
    // Each reads to the end of its input, which comes when all are recorded.
    let start = directories
        .each_ref()
        .map(|directory| format!("(cd {directory}; exec /bin/cat <&3) & "));
    let commands = format!("exec 3<&0; {}wait", start.concat());
    let mut recorder = Command::new(PROGRAM);
    recorder.args(["record", "-o", &file, "--", "/bin/sh", "-c", &commands]);
    recorder.current_dir("/tmp");
    let mut recorder = Running(recorder.stdin(Stdio::piped()).spawn().unwrap());
    let directories_of = |run: &Run, name: &str| -> Vec<_> {
        let programs = named(run, name).into_iter().filter_map(Process::program);
        programs.map(|program| program.directory.clone()).collect()
    };
    eventually("the programs", || {
        Run::read(&file).is_ok_and(|run| directories_of(&run, "cat").len() == 3)
    });
    drop(recorder.0.stdin.take());
    eventually("the end", || recorder.0.try_wait().unwrap().is_some());
    let run = Run::read(&file).unwrap();
    let mut found = directories_of(&run, "cat");
    found.sort_unstable();
    let expected = directories.each_ref().map(|path| Some(Text::from(path)));
    assert_eq!(found, expected);
    assert_eq!(directories_of(&run, "sh"), [Some(Text::from("/tmp"))]);
}

/// CPU time and memory are those of wait4(2).
#[test]
fn the_usage_is_that_of_wait4() {
    let _kernel = shared();
    let folder = Folder::new("usage");
    let commands = "time -f '%U %S %M' sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done'";
    let output = run(&["-o", &folder.file("a"), "--", "/bin/sh", "-c", commands]);
    let messages = String::from_utf8(output.stderr).unwrap();
    let numbers: Vec<f64> = messages
        .lines()
        .next()
        .unwrap()
        .split(' ')
        .map(|word| word.parse().unwrap())
        .collect();
    let [user, system, kilobytes] = numbers[..] else {
        panic!("{messages}");
    };
    let run = Run::read(folder.file("a")).unwrap();
    let loops = run.processes().last().unwrap();
    let time = loops.cpu_time().unwrap().as_secs_f64();
    assert!((time - user - system).abs() <= 0.05, "{time} {messages}");
    // What takes the process down is not in it.
    let resident = loops.exit.as_ref().unwrap().max_rss as f64;
    assert!(
        (resident - kilobytes * 1024.0).abs() <= 65536.0,
        "{resident} {messages}"
    );
}

/// A command that cannot be run has the status that a shell gives.
#[test]
fn commands_that_cannot_be_run() {
    let _kernel = shared();
    let folder = Folder::new("missing");
    for (program, status) in [("/nonexistent", 127), ("/tmp", 126)] {
        let output = run(&["-o", &folder.file("a"), "--", program]);
        let messages = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{messages}");
        assert!(messages.contains(program), "{messages}");
    }
}

/// A signal to the recorder is passed on, and the recording is complete.
#[test]
fn signals_are_passed_on() {
    let _kernel = shared();
    let folder = Folder::new("signals");
    let file = folder.file("a");
    let recorder = Recorder::start(&["-o", &file, "--", "/bin/sleep", "1000"]);
    let pid = recorder.pid();
    let is_sleeping = |pid: &i32| procfs::stat(*pid).is_some_and(|stat| stat.comm == b"sleep");
    eventually("the command", || {
        let mut pids = procfs::pids().into_iter();
        pids.any(|child| procfs::parent(child) == Some(pid) && is_sleeping(&child))
    });
    assert_eq!(recorder.end(Signal::SIGTERM), Some(128 + 15));
    let run = Run::read(&file).unwrap();
    assert_eq!(run.end.as_ref().unwrap().status, Some(15));
    assert_eq!(status(&run.processes()[0]), Some(15));
}

/// A recorder that is killed leaves what was written a second before.
#[test]
fn a_crash_costs_the_last_second() {
    let _kernel = shared();
    let folder = Folder::new("crash");
    let file = folder.file("a");
    let child = paused();
    let recorder = Recorder::start(&["-o", &file, "--system"]);
    let has_child = || {
        let run = Lines::open(&file).and_then(Run::from_lines);
        run.is_ok_and(|run| run.processes().iter().any(|one| one.pid == child.pid()))
    };
    eventually("the first lines", has_child);
    assert_eq!(recorder.end(Signal::SIGKILL), None);
    let run = Run::read(&file).unwrap();
    assert!(has_child() && run.end.is_none());
    child.kill();
}

/// Mounts a disk of one page on a folder.
fn mount_small_disk(folder: &Folder) {
    let options = Some("size=4k");
    mount(
        Some("none"),
        &folder.0,
        Some("tmpfs"),
        MsFlags::empty(),
        options,
    )
    .unwrap();
}

/// On a full disk the command goes on, and the failure is told.
#[test]
fn a_full_disk() {
    let _kernel = shared();
    let folder = Folder::new("full");
    mount_small_disk(&folder);
    let done = "/tmp/record-done";
    let _ = fs::remove_file(done);
    let commands = format!(
        "i=0; while [ $i -lt 300 ]; do /bin/true $i; i=$((i + 1)); done; sleep 2; echo >{done}"
    );
    for (end, status) in [("true", 1), ("exit 9", 9)] {
        let commands = format!("{commands}; {end}");
        let output = run(&["-o", &folder.file("a"), "--", "/bin/sh", "-c", &commands]);
        let messages = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{messages}");
        assert!(messages.contains("No space left"), "{messages}");
        fs::remove_file(done).unwrap();
    }
    umount(&folder.0).unwrap();
}

/// After a full disk, signals to the recorder are passed on to the command as before.
#[test]
fn signals_after_a_full_disk() {
    let _kernel = shared();
    let folder = Folder::new("full-signals");
    mount_small_disk(&folder);
    let file = folder.file("a");
    // It ends with the recorder, if not by a signal.
    let commands = "trap 'exit 4' TERM; trap 'exit 5' HUP; i=0
        while [ $i -lt 300 ]; do /bin/true $i; i=$((i + 1)); done
        while kill -0 $PPID; do sleep 0.1; done";
    for (signal, status) in [(Signal::SIGTERM, 4), (Signal::SIGHUP, 5)] {
        let recorder = Recorder::start(&["-o", &file, "--", "/bin/sh", "-c", commands]);
        let pid = recorder.pid();
        let is_file = |fd: fs::DirEntry| fs::read_link(fd.path()).is_ok_and(|to| to == *file);
        let has_file = || {
            let fds = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
            fds.flatten().any(is_file)
        };
        eventually("the recording begins", has_file);
        eventually("the recording fails", || !has_file());
        assert_eq!(recorder.end(signal), Some(status), "{signal}");
    }
    umount(&folder.0).unwrap();
}

/// The command has the rights of the user who called sudo.
#[test]
fn the_command_runs_as_the_caller_of_sudo() {
    let _kernel = shared();
    let folder = Folder::new("sudo");
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    fs::write(
        "/etc/passwd",
        format!("{passwd}ann:x:4242:4243:,:/tmp/ann:/bin/sh\n"),
    )
    .unwrap();
    let made = folder.file("made");
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap();
    let commands = format!("echo $HOME $USER >{made}; id -G >>{made}");
    let status = command(&["-o", &folder.file("a"), "--", "/bin/sh", "-c", &commands])
        .env("SUDO_UID", "4242")
        .status()
        .unwrap();
    fs::write("/etc/passwd", passwd).unwrap();
    assert_eq!(status.code(), Some(0));
    let data = fs::metadata(&made).unwrap();
    assert_eq!((data.uid(), data.gid()), (4242, 4243));
    assert_eq!(fs::read_to_string(&made).unwrap(), "/tmp/ann ann\n4243\n");
    let run = Run::read(folder.file("a")).unwrap();
    let shell = &run.processes()[0];
    assert_eq!((shell.uid, shell.program().unwrap().euid), (4242, 4242));
    assert_eq!(run.user(4242), Some(&Text::from("ann")));
}

/// Whether a recording that is being written has a process of this name, which is there or, with a
/// status, has ended with it.
fn has(file: &str, name: &str, wanted: Option<i32>) -> bool {
    let Ok(run) = Run::read(file) else {
        return false;
    };
    named(&run, name)
        .iter()
        .any(|process| status(process) == wanted)
}

/// Starts a shell that waits for a line, runs a program that fails, and waits for the next line.
fn waiting_shell() -> std::process::Child {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "read line; /bin/false; read line"]);
    shell.stdin(Stdio::piped()).spawn().unwrap()
}

/// A recorder that runs.
struct Recorder(Running);

impl Recorder {
    fn start(arguments: &[&str]) -> Self {
        Self(Running(command(arguments).spawn().unwrap()))
    }

    fn pid(&self) -> i32 {
        self.0.0.id().cast_signed()
    }

    /// Sends a signal, and returns the exit status.
    fn end(mut self, signal: Signal) -> Option<i32> {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
        let mut status = None;
        eventually("the end of the recorder", || {
            status = self.0.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

/// A process is recorded with its descendants from now on, and no other one.
#[test]
fn a_process_that_is_there() {
    let _kernel = shared();
    let folder = Folder::new("pid");
    let file = folder.file("a");
    let mut shell = waiting_shell();
    let recorder = Recorder::start(&["-o", &file, "--pid", &shell.id().to_string()]);
    eventually("the shell", || has(&file, "sh", None));
    Command::new("/bin/true").status().unwrap();
    let mut input = shell.stdin.take().unwrap();
    input.write_all(b"\n").unwrap();
    eventually("the program", || has(&file, "false", Some(1 << 8)));
    drop(input);
    let _ = shell.wait().unwrap();
    assert_eq!(recorder.end(Signal::SIGINT), Some(0));
    let run = Run::read(&file).unwrap();
    let pid = shell.id().cast_signed();
    assert_eq!(run.header.selection, Selection::Pid(pid));
    let [shell, child] = run.processes() else {
        panic!("{run:?}");
    };
    assert_eq!(
        (shell.pid, shell.is_older, child.is_older),
        (pid, true, false)
    );
    assert_eq!(child.parent, Some(0));
    assert_eq!(shell.command_line().len(), 3);
    assert_eq!(
        status(shell),
        Some(1 << 8),
        "read has met the end of its input"
    );
}

/// The processes of a cgroup are recorded from the moment that they are in it, or below it.
#[test]
fn the_processes_of_a_cgroup() {
    const ROOT: &str = "/sys/fs/cgroup";

    let _kernel = shared();
    let folder = Folder::new("cgroup");
    let file = folder.file("a");
    if let Err(errno) = mount(
        Some("none"),
        ROOT,
        Some("cgroup2"),
        MsFlags::empty(),
        None::<&str>,
    ) {
        return skip(format!("cgroup2: {errno}"));
    }
    let inner = Path::new(ROOT).join("outer/inner");
    fs::create_dir_all(&inner).unwrap();
    // Before the shell, whose input it would hold open.
    let other = paused();
    let mut shell = waiting_shell();
    let recorder = Recorder::start(&["-o", &file, "--cgroup", "/outer"]);
    eventually("the header", || Lines::open(&file).is_ok());
    fs::write(inner.join("cgroup.procs"), shell.id().to_string()).unwrap();
    let mut input = shell.stdin.take().unwrap();
    input.write_all(b"\n").unwrap();
    eventually("the program", || has(&file, "false", Some(1 << 8)));
    drop(input);
    let _ = shell.wait().unwrap();
    assert_eq!(recorder.end(Signal::SIGINT), Some(0));
    other.kill();
    let run = Run::read(&file).unwrap();
    assert_eq!(
        run.header.selection,
        Selection::Cgroup(Text::from("/outer"))
    );
    let told: Vec<_> = run
        .processes()
        .iter()
        .map(|one| (one.pid, one.parent))
        .collect();
    assert_eq!(
        (told.len(), told[0].0, told[1].1),
        (2, shell.id().cast_signed(), Some(0))
    );
    for process in run.processes() {
        assert_eq!(
            run.cgroup(process.cgroup_id),
            Some(&Text::from("/outer/inner"))
        );
    }
    for directory in [&*inner, inner.parent().unwrap()] {
        eventually("the cgroup is empty", || fs::remove_dir(directory).is_ok());
    }
    umount(ROOT).unwrap();
}

/// All processes are recorded for a time.
#[test]
fn all_processes_for_a_time() {
    let _kernel = shared();
    let folder = Folder::new("system");
    let file = folder.file("a");
    let child = paused();
    let output = run(&["-o", &file, "--system", "--duration", "0.5"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let run = Run::read(&file).unwrap();
    assert!(run.lasted() >= Duration::from_millis(500));
    let has = |pid: i32| run.processes().iter().any(|process| process.pid == pid);
    assert!(
        has(1) && has(child.pid()) && !has(2),
        "kthreadd is left out"
    );
    child.kill();
}

/// The past that the module has kept is recorded, without what had ended before.
#[test]
fn the_past() {
    let (_kernel, _module) = loaded("events_record=1");
    let folder = Folder::new("past");
    let file = folder.file("a");
    let child = paused();
    Command::new("/bin/false").arg("early").status().unwrap();
    let early = BootTime::now();
    eventually("a second", || {
        BootTime::now() - early > Duration::from_secs(1)
    });
    Command::new("/bin/false").arg("late").status().unwrap();
    let since = (BootTime::now() - early).as_secs_f64() - 0.1;
    let output = run(&["-o", &file, "--last", &format!("{since}s")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let run = Run::read(&file).unwrap();
    let late = Text::from("late");
    let [process] = named(&run, "false")[..] else {
        panic!("{run:?}");
    };
    assert_eq!(
        (process.command_line()[1], status(process)),
        (&late, Some(1 << 8))
    );
    assert!(!process.is_older);
    let older = run
        .processes()
        .iter()
        .find(|one| one.pid == child.pid())
        .unwrap();
    assert!(older.is_older && older.exit.is_none());
    child.kill();
}

/// An older recording is kept, and nothing is left of the starter.
#[test]
fn an_older_recording() {
    let _kernel = shared();
    let folder = Folder::new("older");
    let file = folder.file("a");
    for text in ["one", "two"] {
        let _ = record(&file, &format!("exec /bin/true {text}"), 0);
    }
    for (file, text) in [(file.clone(), "two"), (format!("{file}.old"), "one")] {
        let run = Run::read(file).unwrap();
        let [process] = run.processes() else {
            panic!("{run:?}");
        };
        let lines = process
            .programs
            .iter()
            .map(|program| program.exec.args.clone().unwrap());
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), 2, "of the shell and of its last command");
        assert_eq!(lines[1], [Text::from("/bin/true"), Text::from(text)]);
    }
}
