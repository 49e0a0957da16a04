// SPDX-License-Identifier: GPL-2.0-only

//! QEMU's monitor, by which guests are saved and restored. It takes commands at any time, and
//! carries them out in their order.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Commands before any other. The guest's memory is in a file, and not in the stream, which has the
/// rest; the progress is reported.
pub const PREPARATION: &[u8] = br#"{"execute": "qmp_capabilities"}
{"execute": "migrate-set-capabilities", "arguments": {"capabilities": [
    {"capability": "x-ignore-shared", "state": true}, {"capability": "events", "state": true}]}}
"#;

/// Returns the command that stops a guest and writes its state to a stream.
pub fn save(stream: &str) -> Vec<u8> {
    command("migrate", stream)
}

/// Returns the command that reads the state of a guest, which goes on then. QEMU exits if that
/// fails.
pub fn restore(stream: &str) -> Vec<u8> {
    command("migrate-incoming", stream)
}

fn command(name: &str, stream: &str) -> Vec<u8> {
    let command = json!({"execute": name, "arguments": {"uri": stream}});
    format!("{command}\n").into_bytes()
}

/// Returns whether saving has succeeded, by all that the monitor has said, once it is known.
pub fn outcome(answers: &[u8]) -> Result<Option<bool>> {
    let complete = answers.split_inclusive(|&byte| byte == b'\n');
    for line in complete.filter(|line| line.ends_with(b"\n")) {
        let answer: Value =
            serde_json::from_slice(line).context("the monitor's answer is broken")?;
        if answer.get("error").is_some() {
            return Ok(Some(false));
        }
        if answer["event"] == "MIGRATION" {
            match answer["data"]["status"].as_str() {
                Some("completed") => return Ok(Some(true)),
                Some("failed") => return Ok(Some(false)),
                _ => {}
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: &str = "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n\
        {\"return\": {}}\r\n";
    const ACTIVE: &str = "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"active\"}}\r\n";
    const COMPLETED: &str = "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"completed\"}}\r\n";
    const FAILED: &str = "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"failed\"}}\r\n";
    const ERROR: &str = "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no file\"}}\r\n";

    #[test]
    fn the_outcome_is_known_by_an_event_or_an_error() {
        for (last, expected) in [
            ("", None),
            (ACTIVE, None),
            (COMPLETED, Some(true)),
            (&COMPLETED[..COMPLETED.len() - 1], None),
            (FAILED, Some(false)),
            (ERROR, Some(false)),
        ] {
            let answers = [GREETING, ACTIVE, last].concat();
            assert_eq!(outcome(answers.as_bytes()).unwrap(), expected, "{last}");
        }
        assert_eq!(outcome(b"").unwrap(), None);
    }

    #[test]
    fn commands_are_lines_of_json() {
        for (command, name) in [
            (save("file:x"), "migrate"),
            (restore("file:x"), "migrate-incoming"),
        ] {
            let command: Value = serde_json::from_slice(&command).unwrap();
            assert_eq!(command["execute"], name);
            assert_eq!(command["arguments"]["uri"], "file:x");
        }
        let commands = serde_json::Deserializer::from_slice(PREPARATION).into_iter::<Value>();
        assert_eq!(commands.map(Result::unwrap).count(), 2);
    }
}
