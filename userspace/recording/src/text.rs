// SPDX-License-Identifier: GPL-2.0-only

//! Texts that other people choose, with any bytes but NUL.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name, path or argument.
///
/// In JSON it is a string, or if its bytes are not UTF-8, an object with the key `base64`.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Text(#[cfg_attr(test, schemars(with = "Form<'_>"))] Vec<u8>);

impl Text {
    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text with replacements for what is not UTF-8.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl<T: AsRef<[u8]> + ?Sized> From<&T> for Text {
    fn from(bytes: &T) -> Self {
        Self(bytes.as_ref().to_vec())
    }
}

#[derive(Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum Form<'a> {
    Utf8(Cow<'a, str>),
    Bytes { base64: String },
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = match str::from_utf8(&self.0) {
            Ok(text) => Form::Utf8(text.into()),
            Err(_) => Form::Bytes {
                base64: STANDARD.encode(&self.0),
            },
        };
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Utf8(text) => Ok(Self(text.into_owned().into_bytes())),
            Form::Bytes { base64 } => {
                let bytes = STANDARD.decode(base64).map_err(serde::de::Error::custom)?;
                Ok(Self(bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive() {
        for (bytes, json) in [
            (&b"make"[..], r#""make""#),
            (b"a\n\"\x1b", r#""a\n\"\u001b""#),
            (b"", r#""""#),
            (b"\xff\xfe", r#"{"base64":"//4="}"#),
        ] {
            let text = Text::from(bytes);
            assert_eq!(serde_json::to_string(&text).unwrap(), json);
            assert_eq!(serde_json::from_str::<Text>(json).unwrap(), text);
        }
        assert!(serde_json::from_str::<Text>(r#"{"base64":"?"}"#).is_err());
    }
}
