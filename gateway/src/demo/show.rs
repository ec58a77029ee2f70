//! What the reader sees: headings, commands, their output, and whether it was as expected.

use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use super::Error;
use crate::limits::DEMO_LINES_SHOWN;
use crate::policy::approval::shown;

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const PLAIN: &str = "\u{1b}[0m";
const MARK_GOOD: char = '\u{2713}';
const MARK_BAD: char = '\u{2717}';

/// Prints to one writer and remembers what failed.
pub(super) struct Show<'a> {
    out: &'a mut (dyn Write + Send),
    color: bool,
    /// The folder that paths are shown relative to.
    here: PathBuf,
    failed: Vec<String>,
    checked: usize,
}

impl<'a> Show<'a> {
    /// Colours when a person watches (https://no-color.org).
    pub(super) fn new(out: &'a mut (dyn Write + Send)) -> Self {
        let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let here = std::env::current_dir().unwrap_or_default();
        Self { out, color, here, failed: Vec::new(), checked: 0 }
    }

    /// A path as short as it can be typed here.
    pub(super) fn path(&self, path: &Path) -> String {
        let short =
            path.strip_prefix(&self.here).ok().filter(|_| !self.here.as_os_str().is_empty());
        short.unwrap_or(path).display().to_string()
    }

    /// Begins a part.
    pub(super) fn heading(&mut self, text: &str) -> Result<(), Error> {
        self.put(&format!("\n{}\n", self.colored(BOLD, text)))
    }

    /// A sentence.
    pub(super) fn say(&mut self, text: &str) -> Result<(), Error> {
        self.put(&format!("  {text}\n"))
    }

    /// Something that has a name.
    pub(super) fn item(&mut self, name: &str, text: &str) -> Result<(), Error> {
        self.put(&format!("  {name:<12}{text}\n"))
    }

    /// A line to paste, alone so that nothing is copied along.
    pub(super) fn paste(&mut self, line: &str) -> Result<(), Error> {
        self.put(&format!("\n{line}\n\n"))
    }

    /// A command as its user types it; more lines are its input.
    pub(super) fn command(&mut self, text: &str) -> Result<(), Error> {
        for (index, line) in text.lines().enumerate() {
            let prompt = if index == 0 { "$" } else { ">" };
            let line = self.colored(BOLD, line);
            self.put(&format!("  {prompt} {line}\n"))?;
        }
        Ok(())
    }

    /// What a program printed, with whatever a terminal would obey written out.
    pub(super) fn output(&mut self, text: &str) -> Result<(), Error> {
        self.lines(text, usize::MAX).map(drop)
    }

    /// The beginning of what a program printed; true when there is more.
    pub(super) fn output_cut(&mut self, text: &str) -> Result<bool, Error> {
        self.lines(text, DEMO_LINES_SHOWN)
    }

    fn lines(&mut self, text: &str, most: usize) -> Result<bool, Error> {
        let text = shown(text);
        let mut lines = text.trim_end().lines();
        for line in lines.by_ref().take(most) {
            let bar = self.colored(DIM, "|");
            self.put(&format!("  {bar} {}\n", line.trim_end()))?;
        }
        Ok(lines.next().is_some())
    }

    /// Says whether what was expected came true.
    pub(super) fn check(&mut self, held: bool, expected: &str) -> Result<bool, Error> {
        self.checked += 1;
        if held {
            let mark = self.colored(GREEN, &MARK_GOOD.to_string());
            self.put(&format!("  {mark} {expected}\n"))?;
        } else {
            let mark = self.colored(RED, &format!("{MARK_BAD} expected:"));
            self.put(&format!("  {mark} {expected}\n"))?;
            self.failed.push(expected.to_owned());
        }
        Ok(held)
    }

    /// How many expectations there were.
    pub(super) fn checked(&self) -> usize {
        self.checked
    }

    /// The expectations that did not come true.
    pub(super) fn failed(&self) -> &[String] {
        &self.failed
    }

    fn colored(&self, color: &str, text: &str) -> String {
        if self.color { format!("{color}{text}{PLAIN}") } else { text.to_owned() }
    }

    fn put(&mut self, text: &str) -> Result<(), Error> {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).map_err(Error::output)
    }
}

#[cfg(test)]
mod tests;
