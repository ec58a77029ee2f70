//! Stock clients, run as their users run them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{self, Output, Server};

/// Longest run of a client before the test fails.
pub const CLIENT_SECS_MAX: Duration = Duration::from_secs(60);

/// `psql` with everything it needs to connect. Rows come unaligned, without a header.
#[derive(Clone, Debug)]
pub struct Psql {
    port: u16,
    user: String,
    database: String,
    password: Option<String>,
    ca_file: Option<PathBuf>,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    deadline: Duration,
}

impl Psql {
    /// To 127.0.0.1 without TLS; `password` may be a token.
    pub fn new(port: u16, user: &str, database: &str, password: &str) -> Self {
        Self {
            port,
            user: user.to_owned(),
            database: database.to_owned(),
            password: Some(password.to_owned()),
            ca_file: None,
            options: Vec::new(),
            environment: Vec::new(),
            deadline: CLIENT_SECS_MAX,
        }
    }

    /// With `sslmode=verify-full` against this CA.
    #[must_use]
    pub fn ca_file(mut self, file: &Path) -> Self {
        self.ca_file = Some(file.to_owned());
        self
    }

    /// To another database.
    #[must_use]
    pub fn database(mut self, name: &str) -> Self {
        name.clone_into(&mut self.database);
        self
    }

    /// With no password at all.
    #[must_use]
    pub fn no_password(mut self) -> Self {
        self.password = None;
        self
    }

    /// With another option of the command line, such as `--echo-errors`.
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// With a variable of the environment, such as `PGAPPNAME`.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With another deadline than [`CLIENT_SECS_MAX`].
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs `script` as psql's standard input and stops at the first error (exit code 3).
    pub fn run(&self, script: &str) -> Output {
        let mut command = self.command();
        command.args(["--set", "ON_ERROR_STOP=1"]);
        process::run(command, script, self.deadline)
    }

    /// Runs `script` to its end, whatever fails on the way.
    pub fn run_past_errors(&self, script: &str) -> Output {
        process::run(self.command(), script, self.deadline)
    }

    /// Runs one `-c` command: a single simple query message, however many statements it holds.
    pub fn message(&self, sql: &str) -> Output {
        let mut command = self.command();
        command.args(["-c", sql]);
        process::run(command, "", self.deadline)
    }

    /// Starts one `-c` command and leaves it running.
    pub fn start(&self, sql: &str) -> Server {
        let mut command = self.command();
        command.args(["-c", sql]);
        Server::start("psql", command)
    }

    /// Starts the statements of a file, up to the first error, and leaves it running.
    pub fn start_file(&self, file: &Path) -> Server {
        let mut command = self.command();
        command.args(["--set", "ON_ERROR_STOP=1", "--file"]).arg(file);
        Server::start("psql", command)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("psql");
        connect(&mut command, self.port, self.password.as_deref(), self.ca_file.as_deref());
        command.args(["--no-psqlrc", "--no-password", "--quiet", "--no-align", "--tuples-only"]);
        command.args(["-U", &self.user, "-d", &self.database]).args(&self.options);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Points a libpq program at 127.0.0.1 and at nothing else: what its caller's environment says
/// about PostgreSQL does not count.
pub fn connect(command: &mut Command, port: u16, password: Option<&str>, ca_file: Option<&Path>) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("PGHOST", "localhost").env("PGHOSTADDR", "127.0.0.1");
    command.env("PGPORT", port.to_string()).env("PGCONNECT_TIMEOUT", "20");
    command.env("PGPASSFILE", "/dev/null").env("LC_ALL", "C");
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    match ca_file {
        Some(file) => command.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", file),
        None => command.env("PGSSLMODE", "disable"),
    };
}
