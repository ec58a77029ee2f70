//! What an operator does: writes policies, answers questions, reads the log.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use portcullis::demo::issuer::MintRequest;
use serde_json::Value;

use crate::clients::CLIENT_SECS_MAX;
use crate::gateway::{APPROVERS, Gateway, Setup, Site, binary};
use crate::https::{self, Question};
use crate::okta::{Okta, bob};
use crate::plugins;
use crate::postgres::{APP_ROLE, Postgres};
use crate::process::{self, Output};

/// Longest wait for something that must happen.
pub const WAIT_SECS_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(20);
/// The application through which people answer: not the one that agents run as.
pub const CONSOLE_CLIENT: &str = "0oa2console";
/// A policy that lets everything through.
pub const ALLOW: &str = "default = \"allow\"\n";

/// The shop's policy of the demonstration, with questions that expire after `decide_within_secs`.
pub fn shop_policy(decide_within_secs: u32) -> String {
    let mut text = format!(
        "default = \"allow\"\n[risk]\ndeny_at = 80\n[approval]\napprovers = [\"{APPROVERS}\"]\n\
         decide_within_secs = 300\n"
    );
    for name in ["mask-columns", "risk-statement", "approval-writes"] {
        let file = plugins::component(name);
        let file = Value::from(file.display().to_string());
        writeln!(text, "[[plugins]]\nname = \"{name}\"\nfile = {file}").expect("a string grows");
        let settings = match name {
            "mask-columns" => {
                "columns = [\n\
                 { origin = \"public.customers.email\", mask = \"hash\", rule = \"pii.email\" },\n\
                 { origin = \"public.customers.card_number\", mask = { keep_last = 4 }, \
                 rule = \"pii.card\" },\n]\n"
            }
            "approval-writes" => &format!(
                "verbs = [\"delete\"]\nreason = \"changes rows of the shop\"\n\
                 decide_within_secs = {decide_within_secs}\n"
            ),
            _ => continue,
        };
        write!(text, "[plugins.settings]\n{settings}").expect("a string grows");
    }
    text
}

/// A policy that asks one plugin, from this file.
pub fn one_plugin(file: &Path, rest: &str) -> String {
    let file = Value::from(file.display().to_string());
    format!("default = \"allow\"\n[[plugins]]\nname = \"one\"\nfile = {file}\n{rest}")
}

/// A server, an issuer, and the folder of a gateway between them.
pub struct Stage {
    /// The guarded server.
    pub postgres: Postgres,
    /// Who signs tokens.
    pub okta: Okta,
    /// The gateway's folder.
    pub site: Site,
}

impl Stage {
    /// The shop behind this policy.
    pub fn new(policy: &str) -> Self {
        let (postgres, okta) = (Postgres::start(), Okta::start());
        let site = Site::new(&Setup::new(&postgres, okta.entry(), policy));
        Self { postgres, okta, site }
    }

    /// Makes the table that tests write into, one row a statement.
    pub fn make_marks(&self) {
        let sql =
            format!("CREATE TABLE marks (id text PRIMARY KEY); GRANT ALL ON marks TO {APP_ROLE}");
        self.postgres.admin().run(&sql).success("making a table");
    }

    /// The folder of a log with one session in it, at rest.
    pub fn log_with_a_session(&self) -> PathBuf {
        let gateway = self.site.start();
        let psql = gateway.psql(&self.okta.agent_token());
        psql.run("SELECT 1; SELECT 2; SELECT 3;").success("a session");
        assert!(gateway.stop().success());
        self.site.log_dir()
    }

    /// A token of bob, who decides approvals and reads the log, for the console.
    pub fn approver_token(&self) -> String {
        self.okta.mint(&MintRequest::person(&bob(), CONSOLE_CLIENT))
    }

    /// The number that `sql` counts, asked past the gateway.
    pub fn count(&self, sql: &str) -> u64 {
        let text = self.postgres.admin().run(sql).success("counting");
        text.trim().parse().unwrap_or_else(|_| panic!("{sql} gave {text:?}"))
    }
}

/// Runs `portcullis ARGUMENTS --admin URL` with this token, as a person would.
pub fn ask(gateway: &Gateway<'_>, token: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).args(["--admin", &format!("http://{}", gateway.admin_address())]);
    command.env("PORTCULLIS_TOKEN", token);
    process::run(command, "", CLIENT_SECS_MAX)
}

/// The open questions, as their approvers see them.
pub fn questions(gateway: &Gateway<'_>, token: &str) -> Vec<Value> {
    let text = ask(gateway, token, &["approvals", "list", "--json"]).success("approvals list");
    let list: Value = serde_json::from_str(&text).expect("the list is JSON");
    list["approvals"].as_array().expect("the list has approvals").clone()
}

/// The ids of the questions that a session waits for, once there are `count`.
pub fn wait_for_questions(gateway: &Gateway<'_>, token: &str, count: usize) -> Vec<String> {
    wait_for("the questions", || {
        let mut open = questions(gateway, token);
        open.retain(|question| question["late_until_at"].is_null());
        let id = |question: &Value| question["id"].as_str().expect("a question has an id").into();
        (open.len() == count).then(|| open.iter().map(id).collect())
    })
}

/// What the admin endpoint says to anybody at `path`: `/v1/status`, `/readyz`.
pub fn ask_status(gateway: &Gateway<'_>, path: &str) -> (u16, Value) {
    let question = Question { method: "GET", path, headers: &[], body: "" };
    let answer = https::ask(gateway.admin_address(), question).expect("the admin endpoint answers");
    (answer.status, serde_json::from_str(&answer.body).expect("the status is JSON"))
}

/// The gateway's status page.
pub fn status(gateway: &Gateway<'_>) -> Value {
    ask_status(gateway, "/v1/status").1
}

/// Asks until there is an answer; a failed test after [`WAIT_SECS_MAX`].
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + WAIT_SECS_MAX;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: nothing after {WAIT_SECS_MAX:?}");
        std::thread::sleep(POLL);
    }
}

/// Waits until the gateway's standard error holds `text` `times` times.
pub fn wait_for_stderr(gateway: &Gateway<'_>, text: &str, times: usize) {
    let end = Instant::now() + WAIT_SECS_MAX;
    while gateway.stderr().matches(text).count() < times {
        let late = Instant::now() >= end;
        assert!(!late, "the gateway never said {text:?}: {}", gateway.stderr());
        std::thread::sleep(POLL);
    }
}

/// Every entry of a log that no gateway holds, in order.
pub fn entries(path: &Path) -> Vec<Value> {
    let mut command = Command::new(binary());
    command.args(["audit", "entries"]).arg(path);
    let text = process::run(command, "", CLIENT_SECS_MAX).success("audit entries");
    let entry = |line: &str| serde_json::from_str(line).expect("an entry is JSON");
    text.lines().map(entry).collect()
}

/// The entries of one type.
pub fn entries_of(path: &Path, kind: &str) -> Vec<Value> {
    let mut found = entries(path);
    found.retain(|entry| entry["type"] == kind);
    found
}

/// The codes of the refusals, in order.
pub fn refusal_codes(path: &Path) -> Vec<String> {
    let code = |entry: &Value| entry["body"]["code"].as_str().expect("a refusal has a code").into();
    entries_of(path, "refusal").iter().map(code).collect()
}

/// True when a file in `dir`, or in a folder of it, holds `needle`.
pub fn folder_holds(dir: &Path, needle: &[u8]) -> bool {
    let entries = std::fs::read_dir(dir).expect("the folder can be listed");
    entries.map(|entry| entry.expect("the entry can be read").path()).any(|path| {
        if path.is_dir() {
            return folder_holds(&path, needle);
        }
        let bytes = std::fs::read(&path).expect("the file can be read");
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}
