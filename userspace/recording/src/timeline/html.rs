// SPDX-License-Identifier: GPL-2.0-only

//! A timeline as a page.

mod data;

#[cfg(test)]
mod tests;

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::escape::escape;
use sha2::{Digest, Sha256};

use data::Data;

use super::summary::{facts, subject, warnings};
use crate::{Result, Run};

const SCRIPT: &str = include_str!("html/page.js");
const STYLE: &str = include_str!("html/page.css");

const SEARCH: &str = "Search: command, user, cgroup, PID";

const HELP: &str = "Wheel: zoom; with shift: scroll. Drag: move; in the curves: zoom. Click: keep \
    details. Double click: zoom to a process. Enter, n, N: next, previous found.";

/// Returns a page in HTML that needs neither a network nor other files. It has all processes, to
/// zoom, to search, and with details below the pointer.
///
/// The page allows itself only its own script and style, by a Content-Security-Policy with their
/// hashes, so that no text of the recording can become one.
///
/// # Errors
///
/// [`Io`](crate::Error::Io) if the page cannot be written, which memory always can.
pub fn html(run: &Run) -> Result<String> {
    let data = serde_json::to_string(&Data::new(run)).map_err(io::Error::from)?;
    // In JSON these characters are in strings only. Without them, nothing ends the element.
    let data = data
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    let warnings = warnings(run).into_iter();
    let warnings = warnings.map(|text| format!("<p class=\"warning\">{}</p>\n", escape(text)));
    let warnings: String = warnings.collect();
    let (title, facts) = (subject(run), facts(run));
    let (title, facts) = (escape(&title), escape(&facts));
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    Ok(format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{facts}</p>
{warnings}<noscript><p class="warning">The timeline needs JavaScript.</p></noscript>
<div id="tools">
<input id="search" type="search" placeholder="{SEARCH}" aria-label="Search">
<output id="found"></output>
<button id="whole" type="button">Whole time</button>
<span id="help">{HELP}</span>
</div>
</header>
<canvas id="head"></canvas>
<canvas id="body"></canvas>
<div id="details" hidden></div>
<script type="application/json" id="data">{data}</script>
<script>{SCRIPT}</script>
</body>
</html>
"#
    ))
}

/// Returns the hash of an element's text as a Content-Security-Policy names it.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}
