// SPDX-License-Identifier: GPL-2.0-only

//! `query`: some fields of processes and threads, by their IDs.

use std::fmt::{self, Display};
use std::process::ExitCode;
use std::str;

use procmon::Process;
use procmon::names::whole_name;
use serde::Serialize;

use crate::exit::Exit;
use crate::output::complain;
use crate::session::Session;
use crate::text::{base64, printable};
use crate::values::parse_pid;

/// Show the name, state and memory size of processes or threads
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// PIDs, in the PID namespace of this command
    #[arg(required = true, value_name = "PID", value_parser = parse_pid,
          allow_negative_numbers = true)]
    pub pids: Vec<i32>,
}

pub const JSON: &str = "  query    {pid, found, comm, comm_base64, state, state_name, vsize},
           one object for each PID";

const EXAMPLES: &str = "\
Examples:
  procmonctl query 1 $$";

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let device = session.open_to_read()?;
        let mut exit = ExitCode::SUCCESS;
        for pid in self.pids {
            if let Some(process) = device.query(pid)? {
                session.out.print(&Query::found(&process))?;
            } else {
                let missing = Query::missing(pid);
                session.out.print_json(&missing)?;
                complain(&missing);
                exit = Exit::NoProcess.into();
            }
        }
        Ok(exit)
    }
}

/// A process, or the PID of none.
#[derive(Serialize)]
struct Query {
    pid: i32,
    found: bool,
    comm: Option<String>,
    comm_base64: Option<String>,
    state: Option<char>,
    state_name: Option<String>,
    vsize: Option<u64>,
    #[serde(skip)]
    text: String,
}

impl Query {
    fn found(process: &Process) -> Self {
        // Only names of kernel threads are longer than those that the device gives.
        let comm = whole_name(process.pid, &process.comm);
        let comm = comm.as_encoded_bytes();
        let Process {
            pid, state, vsize, ..
        } = *process;
        Self {
            pid,
            found: true,
            comm: str::from_utf8(comm).ok().map(str::to_owned),
            comm_base64: Some(base64(comm)),
            state: Some(state.letter()),
            state_name: Some(state.to_string()),
            vsize: Some(vsize),
            text: format!(
                "PID {pid}: comm={}, state={} ({state}), vsize={vsize}",
                printable(comm),
                state.letter()
            ),
        }
    }

    fn missing(pid: i32) -> Self {
        Self {
            pid,
            found: false,
            comm: None,
            comm_base64: None,
            state: None,
            state_name: None,
            vsize: None,
            text: format!("PID {pid}: no such process"),
        }
    }
}

impl Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use procmon::State;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_process_keeps_every_byte_of_its_name() {
        let comm = OsString::from_vec(b"\xffx".to_vec());
        let process = Process::new(7, comm, State::Zombie, 0);
        let query = Query::found(&process);
        assert_eq!(
            query.to_string(),
            "PID 7: comm=\\xffx, state=Z (zombie), vsize=0"
        );
        let expected = json!({
            "pid": 7, "found": true, "comm": null, "comm_base64": "/3g=",
            "state": "Z", "state_name": "zombie", "vsize": 0,
        });
        assert_eq!(serde_json::to_value(query).unwrap(), expected);
        let missing = serde_json::to_value(Query::missing(9)).unwrap();
        assert_eq!(
            (&missing["found"], &missing["comm"]),
            (&json!(false), &json!(null))
        );
    }
}
