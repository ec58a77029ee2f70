//! The verifier in `docs/verify`, asked the same questions.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::evidence::Map;
use super::*;

/// The program, running.
pub(super) struct Second {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Second {
    pub(super) fn start() -> Self {
        let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
        let python = home.unwrap().join("portcullis/drivers/verifier/bin/python");
        assert!(python.exists(), "{} is missing: run scripts/setup.sh test", python.display());
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut child = Command::new(python)
            .arg("-B")
            .arg(top.join("tests/data/agree.py"))
            .env("PYTHONPATH", top.join("docs/verify"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, to, from: BufReader::new(from) }
    }

    pub(super) fn bundle(&mut self, bytes: &[u8], key: Option<&VerifierKey>) -> (u8, Option<u64>) {
        self.ask(&json!({ "tar": STANDARD.encode(bytes), "key": key.map(VerifierKey::text) }))
    }

    pub(super) fn tiles(&mut self, files: &Map, key: Option<&VerifierKey>) -> (u8, Option<u64>) {
        let files: serde_json::Map<String, Value> = files
            .iter()
            .map(|(name, bytes)| (name.clone(), STANDARD.encode(bytes).into()))
            .collect();
        self.ask(&json!({ "files": files, "key": key.map(VerifierKey::text) }))
    }

    fn ask(&mut self, question: &Value) -> (u8, Option<u64>) {
        writeln!(self.to, "{question}").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let answer: (u8, Option<u64>, String) = serde_json::from_str(&line).unwrap();
        (answer.0, answer.1)
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
