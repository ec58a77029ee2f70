//! asciicast files, versions 2 and 3: what a terminal showed, and when, for `asciinema play` and
//! for players in pages.
//!
//! Sources: docs.asciinema.org, asciicast v2 and v3. Both are JSON lines in UTF-8, so bytes that
//! are none come out as U+FFFD: the recorded payloads stay the truth.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

/// The version of the format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// Times count from the beginning.
    V2,
    /// Times count from the event before; knows how a program ended.
    V3,
}

/// What a cast is of.
#[derive(Clone, Debug)]
pub struct Head {
    /// Width of the terminal, columns.
    pub columns: u16,
    /// Its height, rows.
    pub rows: u16,
    /// When it began, seconds since the Unix epoch.
    pub began: u64,
    /// For people.
    pub title: String,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event<'a> {
    /// The program ended with this code. Version 2 has no word for it and leaves it out.
    Exit(i32),
    /// The person or agent typed this.
    Input(&'a [u8]),
    /// A place to jump to, such as a verdict or an approval.
    Marker(&'a str),
    /// The terminal showed this.
    Output(&'a [u8]),
    /// The terminal got another size: columns, rows.
    Resize(u16, u16),
}

/// A cast under way.
pub struct Cast<W> {
    out: W,
    version: Version,
    /// The event before, from the beginning.
    last: Duration,
    input: Text,
    output: Text,
}

impl<W: Write> Cast<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// It can't be written.
    pub fn begin(mut out: W, version: Version, head: &Head) -> io::Result<Self> {
        let Head { columns, rows, began, title } = head;
        let header = match version {
            Version::V2 => json!({
                "version": 2, "width": columns, "height": rows, "timestamp": began,
                "title": title,
            }),
            Version::V3 => json!({
                "version": 3, "term": { "cols": columns, "rows": rows }, "timestamp": began,
                "title": title,
            }),
        };
        writeln!(out, "{header}")?;
        Ok(Self { out, version, last: Duration::ZERO, input: Text::new(), output: Text::new() })
    }

    /// Writes one event at this time since the beginning. Time never goes back: an earlier event
    /// counts as one at the time of the one before.
    ///
    /// # Errors
    /// It can't be written.
    pub fn event(&mut self, at: Duration, event: Event<'_>) -> io::Result<()> {
        let (code, data) = match event {
            Event::Exit(_) if self.version == Version::V2 => return Ok(()),
            Event::Exit(code) => ("x", code.to_string()),
            Event::Input(bytes) => ("i", self.input.take(bytes)),
            Event::Marker(label) => ("m", label.to_owned()),
            Event::Output(bytes) => ("o", self.output.take(bytes)),
            Event::Resize(columns, rows) => ("r", format!("{columns}x{rows}")),
        };
        if data.is_empty() && matches!(event, Event::Input(_) | Event::Output(_)) {
            return Ok(());
        }
        self.line(at, code, &data)
    }

    /// Writes what is left of a character that was cut, and gives the writer back.
    ///
    /// # Errors
    /// It can't be written.
    pub fn end(mut self) -> io::Result<W> {
        for (code, rest) in [("i", self.input.rest()), ("o", self.output.rest())] {
            if !rest.is_empty() {
                self.line(self.last, code, &rest)?;
            }
        }
        self.out.flush()?;
        Ok(self.out)
    }

    fn line(&mut self, at: Duration, code: &str, data: &str) -> io::Result<()> {
        // Whole microseconds, so that the sum of the intervals of version 3 is the time itself.
        let at = Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(u64::MAX));
        let at = at.max(self.last);
        let time = match self.version {
            Version::V2 => at,
            Version::V3 => at - self.last,
        };
        self.last = at;
        let (code, data) = (Value::from(code), Value::from(data));
        let (secs, micros) = (time.as_secs(), time.subsec_micros());
        writeln!(self.out, "[{secs}.{micros:06}, {code}, {data}]")
    }
}

/// Bytes on their way to text: a character that is cut waits for its rest.
struct Text(Vec<u8>);

impl Text {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn take(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.0) {
                Ok(rest) => {
                    text.push_str(rest);
                    self.0.clear();
                    return text;
                }
                Err(error) => {
                    let good = error.valid_up_to();
                    text.push_str(&String::from_utf8_lossy(self.0.get(..good).unwrap_or(&[])));
                    let Some(bad) = error.error_len() else {
                        self.0.drain(..good);
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.0.drain(..good + bad);
                }
            }
        }
    }

    fn rest(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.0)).into_owned()
    }
}

#[cfg(test)]
mod tests;
