//! Programs that the demonstration runs: each with a deadline, and everything it printed, on
//! standard output and standard error alike, in order.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout_at};

use super::Error;
use crate::limits::{DEMO_LOOK_MILLIS, DEMO_OUTPUT_BYTES_MAX};

/// What a program did.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    /// Its exit code; `None` when a signal ended it.
    pub(super) code: Option<i32>,
    /// What it printed.
    pub(super) text: String,
}

impl Ran {
    /// What it printed, when it succeeded.
    pub(super) fn success(self, what: &str) -> Result<String, Error> {
        if self.code == Some(0) {
            return Ok(self.text);
        }
        Err(Error::new(format!("{what} failed:\n{}", self.text.trim_end())))
    }
}

/// A program under way; it is killed when this is dropped, with the programs that it started.
pub(super) struct Child {
    name: String,
    child: tokio::process::Child,
    output: File,
    deadline: Instant,
}

impl Child {
    /// Starts it with `input` as its standard input.
    pub(super) async fn start(
        mut command: Command,
        input: &str,
        limit: Duration,
    ) -> Result<Self, Error> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::new(format!("`{name}` is not installed: run scripts/setup.sh demo"))
            }
            _ => Error::new(format!("can't run `{name}`: {error}")),
        };
        // One file for both, so that their order is kept; it has no name to clean up.
        let output = tempfile::tempfile().map_err(failed)?;
        command.stdout(output.try_clone().map_err(failed)?);
        command.stderr(output.try_clone().map_err(failed)?);
        // A group of its own: Ctrl-C is for the demonstration, which then ends what it started.
        command.stdin(Stdio::piped()).kill_on_drop(true).process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends without reading its input is judged by its exit code.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        Ok(Self { name, child, output, deadline: Instant::now() + limit })
    }

    /// What it printed until now.
    pub(super) fn text(&self) -> Result<String, Error> {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        while bytes.len() < DEMO_OUTPUT_BYTES_MAX {
            // A read with an offset of its own: the child writes where the shared one stands.
            let at = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            match self.output.read_at(&mut piece, at) {
                Ok(0) => break,
                Ok(read) => bytes.extend_from_slice(piece.get(..read).unwrap_or_default()),
                Err(error) => {
                    let what = format!("can't read what `{}` said: {error}", self.name);
                    return Err(Error::new(what));
                }
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Waits until it has printed `wanted`; false when it ends or runs late without.
    pub(super) async fn says(&mut self, wanted: &str) -> Result<bool, Error> {
        loop {
            // Asked before the look, so that what it printed last is seen.
            let ended = !matches!(self.child.try_wait(), Ok(None));
            if self.text()?.contains(wanted) {
                return Ok(true);
            }
            if ended || Instant::now() >= self.deadline {
                return Ok(false);
            }
            sleep(Duration::from_millis(DEMO_LOOK_MILLIS)).await;
        }
    }

    /// Waits for its end.
    pub(super) async fn end(mut self) -> Result<Ran, Error> {
        let ended = timeout_at(self.deadline, self.child.wait()).await;
        let text = self.text()?;
        match ended {
            Ok(Ok(status)) => Ok(Ran { code: status.code(), text }),
            Ok(Err(error)) => Err(Error::new(format!("can't wait for `{}`: {error}", self.name))),
            Err(_) => Err(Error::new(format!("`{}` took too long:\n{text}", self.name))),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Its number is known until its end was seen, so no stranger can have it.
        let Some(id) = self.child.id() else { return };
        // The shell's own `kill`: not every machine has the program.
        let mut kill = std::process::Command::new("sh");
        kill.args(["-c", &format!("kill -s KILL -- -{id}")]);
        let quiet = kill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Err(error) = quiet.status() {
            tracing::error!("can't end `{}`: {error}", self.name);
        }
    }
}

#[cfg(test)]
mod tests;
