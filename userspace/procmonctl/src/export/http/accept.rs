// SPDX-License-Identifier: GPL-2.0-only

//! The format that a client accepts.

use crate::export::metrics::Format;

/// Returns the format for the values of `Accept`: OpenMetrics only for clients that name it, and
/// that do not prefer another one.
pub fn format<'a>(accept: impl Iterator<Item = &'a str>) -> Format {
    let (mut metrics, mut text) = (0.0_f32, 0.0_f32);
    for range in accept.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut quality, mut version) = (1.0, None);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => quality = value.trim().parse().unwrap_or(0.0),
                "version" => version = Some(value.trim().trim_matches('"')),
                _ => {}
            }
        }
        match kind.as_str() {
            "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => {
                metrics = metrics.max(quality);
            }
            "text/plain" if matches!(version, None | Some("0.0.4")) => text = text.max(quality),
            "text/*" | "*/*" => text = text.max(quality),
            _ => {}
        }
    }
    if metrics > 0.0 && metrics >= text {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_format_is_chosen() {
        // The second is that of Prometheus 2.53, and the third that of curl.
        for (accept, expected) in [
            (&[][..], Format::Text),
            (
                &["application/openmetrics-text;version=1.0.0,\
                     application/openmetrics-text;version=0.0.1;q=0.75,\
                     text/plain;version=0.0.4;q=0.5,*/*;q=0.1"],
                Format::OpenMetrics,
            ),
            (&["*/*"], Format::Text),
            (
                &["text/plain", "Application/OpenMetrics-Text"],
                Format::OpenMetrics,
            ),
            (
                &["application/openmetrics-text; q=0.3, text/plain; q=0.5"],
                Format::Text,
            ),
            (
                &["application/openmetrics-text;version=0.0.1"],
                Format::Text,
            ),
            (
                &["application/openmetrics-text; version=\"1.0.0\""],
                Format::OpenMetrics,
            ),
            (&["application/openmetrics-text;q=0"], Format::Text),
            (&["application/openmetrics-text;q=x, ;,=;q"], Format::Text),
            (&["text/html, */*;q=0.8"], Format::Text),
        ] {
            assert_eq!(format(accept.iter().copied()), expected, "{accept:?}");
        }
    }
}
