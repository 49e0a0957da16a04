// SPDX-License-Identifier: GPL-2.0-only

//! Reading of recordings.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use ruzstd::decoding::StreamingDecoder;

use crate::{Error, Header, Line, Result, VERSION};

/// The bytes that a frame of zstd begins with.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The most bytes of a frame. Those of [`Writer`](crate::Writer) are far shorter, but for a line of
/// arguments, of up to 2 MiB with each byte as an escape.
const LONGEST: u64 = 32 << 20;

/// The lines of a recording after the header.
///
/// A recording that was cut off, as by a crash, ends with the last line of the last whole frame.
pub struct Lines {
    header: Header,
    frames: Frames,
    is_cut: bool,
}

impl Lines {
    /// Opens a recording, and reads its header.
    ///
    /// # Errors
    ///
    /// [`Io`](Error::Io) if the file cannot be read, [`Format`](Error::Format) if it is no
    /// recording, and [`Version`](Error::Version) if it has a later format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::new(Box::new(File::open(path)?))
    }

    /// Reads the header from a file, which may also be one of lines without compression.
    ///
    /// # Errors
    ///
    /// As those of [`open`](Self::open).
    pub fn new(file: Box<dyn Read>) -> Result<Self> {
        let mut frames = Frames::new(file)?;
        let line = frames
            .line()?
            .ok_or_else(|| Error::Format("it is empty".to_owned()))?;
        let header = match serde_json::from_slice(&line) {
            Ok(Line::Header(header)) => header,
            Ok(_) => return Err(Error::Format("it has no header".to_owned())),
            Err(error) => return Err(Error::Format(error.to_string())),
        };
        if header.version > VERSION {
            return Err(Error::Version(header.version));
        }
        Ok(Self {
            header,
            frames,
            is_cut: false,
        })
    }

    /// Returns the header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns whether the recording ended within a frame or a line.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}

impl Iterator for Lines {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Result<Line>> {
        if self.is_cut {
            return None;
        }
        match self.frames.line() {
            Ok(Some(line)) if line.ends_with(b"\n") => {
                let line = serde_json::from_slice(&line);
                Some(line.map_err(|error| Error::Format(error.to_string())))
            }
            Ok(None) => None,
            Ok(Some(_)) | Err(_) => {
                self.is_cut = true;
                None
            }
        }
    }
}

/// Lines of concatenated frames, or of a file without compression.
struct Frames {
    file: BufReader<Box<dyn Read>>,
    is_compressed: bool,
    /// Bytes of the last frames, from the next line on.
    decoded: VecDeque<u8>,
}

impl Frames {
    fn new(file: Box<dyn Read>) -> Result<Self> {
        let mut file = BufReader::new(file);
        let is_compressed = file.fill_buf()?.starts_with(&MAGIC);
        Ok(Self {
            file,
            is_compressed,
            decoded: VecDeque::new(),
        })
    }

    /// Returns the next line, with its line feed unless that is missing at the end of the file.
    fn line(&mut self) -> Result<Option<Vec<u8>>> {
        if !self.is_compressed {
            return line_of(&mut self.file);
        }
        while !self.decoded.contains(&b'\n') {
            if self.file.fill_buf()?.is_empty() {
                break;
            }
            self.decode()?;
        }
        line_of(&mut self.decoded)
    }

    /// Decodes a frame.
    fn decode(&mut self) -> Result<()> {
        let frame = StreamingDecoder::new(&mut self.file)
            .map_err(|error| Error::Format(error.to_string()))?;
        let mut bytes = Vec::new();
        frame.take(LONGEST).read_to_end(&mut bytes)?;
        self.decoded.extend(bytes);
        Ok(())
    }
}

/// Returns the next line, with its line feed unless that is missing at the end.
fn line_of(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(LONGEST).read_until(b'\n', &mut line)?;
    Ok((!line.is_empty()).then_some(line))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{Selection, Text, User, Writer};

    fn header() -> Line {
        Line::Header(Header {
            version: VERSION,
            time: 1,
            wall_time: 2,
            boot_id: None,
            host: Text::from("box"),
            kernel: Text::from("7.3"),
            cpus: 2,
            memory: 1 << 30,
            selection: Selection::System,
        })
    }

    fn user(uid: u32) -> Line {
        Line::User(User {
            uid,
            name: Text::from("a"),
        })
    }

    /// Returns a recording of two frames.
    fn recording() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        for uid in 0..4 {
            if uid == 0 {
                writer.write(&header()).unwrap();
            }
            writer.write(&user(uid)).unwrap();
            if uid % 2 == 1 {
                writer.flush().unwrap();
            }
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Result<(Vec<Line>, bool)> {
        let mut lines = Lines::new(Box::new(Cursor::new(bytes.to_vec())))?;
        let all = lines.by_ref().collect::<Result<_>>()?;
        Ok((all, lines.is_cut()))
    }

    #[test]
    fn what_is_written_is_read() {
        let expected: Vec<_> = (0..4).map(user).collect();
        assert_eq!(read(&recording()).unwrap(), (expected, false));
    }

    #[test]
    fn a_cut_recording_has_its_whole_frames() {
        let bytes = recording();
        let mut ends = bytes.windows(MAGIC.len()).enumerate().skip(1);
        let (first, _) = ends.find(|(_, window)| *window == MAGIC).unwrap();
        for length in first + 1..bytes.len() {
            let read = read(&bytes[..length]).unwrap();
            assert_eq!(read, (vec![user(0), user(1)], true), "{length}");
        }
        assert!(!read(&bytes[..first]).unwrap().1);
        for length in 0..first {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn lines_need_no_compression() {
        let mut text = Vec::new();
        for line in [header(), user(7)] {
            serde_json::to_writer(&mut text, &line).unwrap();
            text.push(b'\n');
        }
        assert_eq!(read(&text).unwrap(), (vec![user(7)], false));
        text.pop();
        assert_eq!(read(&text).unwrap(), (vec![], true));
    }

    #[test]
    fn other_files_are_refused() {
        for bytes in [&b""[..], b"\n", b"ELF", b"{}\n", &MAGIC] {
            assert!(matches!(read(bytes), Err(Error::Format(_))), "{bytes:?}");
        }
        let mut later = serde_json::to_vec(&header()).unwrap();
        let text = String::from_utf8(later.split_off(0)).unwrap();
        let later = text.replace("\"version\":1", "\"version\":2");
        assert!(matches!(read(later.as_bytes()), Err(Error::Version(2))));
    }
}
