//! Child processes that end with the test: short runs with a deadline, and servers.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Pause between two looks at a child that has not ended.
const POLL: Duration = Duration::from_millis(5);

/// What a finished program said.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output, or a failed test with standard error when the program failed.
    pub fn success(self, what: &str) -> String {
        assert_eq!(self.code, Some(0), "{what} failed: {}{}", self.stderr, self.stdout);
        self.stdout
    }
}

/// Runs a program to its end, which must come before `deadline`.
pub fn run(mut command: Command, input: &str, deadline: Duration) -> Output {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("can't run {name}: {error}"));
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ended without reading its input is judged by its exit code.
        let _ = stdin.write_all(input.as_bytes());
    }
    let status = wait(&mut child, deadline);
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let stdout = stdout.join().expect("the reader of stdout ends");
    let stderr = stderr.join().expect("the reader of stderr ends");
    match status {
        Some(status) => Output { code: status.code(), stdout, stderr },
        None => panic!("{name} did not end within {deadline:?}: {stderr}{stdout}"),
    }
}

fn drain(from: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            return Some(status);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(POLL);
    }
}

/// A server of ours: killed and reaped when dropped.
pub struct Server {
    name: String,
    child: Child,
    // A lock makes it fit for sharing; whoever reads has it to themselves anyway.
    lines: Mutex<Receiver<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Server {
    /// Starts it; its standard output can be read line by line.
    pub fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("can't run {name}: {error}"));
        let (sender, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let lines = BufReader::new(stdout).lines().map_while(Result::ok);
                // Reads on when nobody listens any more: a full pipe would stop the server.
                lines.for_each(|line| drop(sender.send(line)));
            });
        }
        let stderr = Arc::new(Mutex::new(String::new()));
        if let Some(from) = child.stderr.take() {
            let kept = Arc::clone(&stderr);
            std::thread::spawn(move || {
                let (mut from, mut line) = (BufReader::new(from), Vec::new());
                // Not as text: a server may quote bytes that are none, and a reader that ends
                // there would end the server.
                while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                    lock(&kept).push_str(&String::from_utf8_lossy(&line));
                    line.clear();
                }
            });
        }
        Self { name: name.to_owned(), child, lines: Mutex::new(lines), stderr }
    }

    /// The next line of standard output; a failed test if none comes before `deadline`.
    pub fn line(&mut self, deadline: Duration) -> String {
        match lock(&self.lines).recv_timeout(deadline) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{} said nothing for {deadline:?}; stderr: {}", self.name, self.stderr())
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = wait(&mut self.child, deadline);
                panic!("{} ended ({status:?}); stderr: {}", self.name, self.stderr())
            }
        }
    }

    /// The lines of standard output that nobody has read, up to its end; a failed test if it
    /// does not end before `deadline`.
    pub fn rest(&mut self, deadline: Duration) -> Vec<String> {
        let end = Instant::now() + deadline;
        let mut lines = Vec::new();
        loop {
            match lock(&self.lines).recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => return lines,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{} went on: {}", self.name, self.stderr())
                }
            }
        }
    }

    /// What it wrote to standard error until now.
    pub fn stderr(&self) -> String {
        lock(&self.stderr).clone()
    }

    /// Waits until standard error holds `text`; a failed test after `deadline`.
    pub fn wait_for_stderr(&mut self, text: &str, deadline: Duration) {
        let end = Instant::now() + deadline;
        while !self.stderr().contains(text) {
            let ended = self.child.try_wait().expect("the child can be waited for");
            let late = Instant::now() >= end;
            if ended.is_some() || late {
                panic!("{} never said {text:?} ({ended:?}): {}", self.name, self.stderr());
            }
            std::thread::sleep(POLL);
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends the signal `name`, such as `TERM` or `HUP` (kill(1)).
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args(["-s", name, "--", &self.pid().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "can't signal {}", self.name);
    }

    /// Waits for its end; `None` if it still runs after `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        wait(&mut self.child, deadline)
    }

    /// Ends it at once (SIGKILL), with no chance to tidy up.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
