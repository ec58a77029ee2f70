//! A throw-away PostgreSQL for a recorded session: nothing listens but a socket in its own folder,
//! and everything is gone when its value is dropped.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use super::Error;
use super::child::Child;
use super::database::account::Account;
use super::database::programs::Programs;
use crate::limits::DEMO_PROGRAM_SECS_MAX;

/// The database that the schema is loaded into.
pub const DATABASE: &str = "replay";
const SUPERUSER: &str = "postgres";
/// The name of the socket: it listens on no port.
const SOCKET: &str = ".s.PGSQL.5432";
/// Whoever can reach the socket is let in, and that is only who owns the folder it is in.
const HBA: &str = "local all all trust\n";

/// A running server.
pub struct Sandbox {
    programs: Programs,
    account: Account,
    started: bool,
    // Removed last: the server lives in it.
    dir: TempDir,
}

impl Sandbox {
    /// Makes and starts a server, makes the role, and loads a schema or dump in SQL.
    ///
    /// # Errors
    /// In words, for the caller of the tool.
    pub async fn start(role: &str, schema: &str) -> Result<Self, Error> {
        let programs = Programs::find()?;
        let made = tempfile::Builder::new().prefix("portcullis-replay-").tempdir();
        let dir =
            made.map_err(|error| Error::new(format!("can't make a temporary folder: {error}")))?;
        let account = Account::for_servers(dir.path())?;
        let mut sandbox = Self { programs, account, started: false, dir };
        sandbox.serve().await?;
        sandbox.load(SUPERUSER, &format!("CREATE DATABASE {DATABASE};\n")).await?;
        if role != SUPERUSER {
            let name = role.replace('"', "\"\"");
            sandbox.load(SUPERUSER, &format!("CREATE ROLE \"{name}\" LOGIN;\n")).await?;
        }
        sandbox.load(DATABASE, schema).await?;
        Ok(sandbox)
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.data().join(SOCKET)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    async fn serve(&mut self) -> Result<(), Error> {
        let mut initdb = self.program("initdb");
        initdb.arg("--pgdata").arg(self.data()).args(["--username", SUPERUSER]);
        initdb.args(["--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"]);
        finish(initdb, "", "initdb").await?;
        let folder = self.data().display().to_string();
        let settings = format!(
            "\nlisten_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\n",
            folder.replace('\'', "''")
        );
        for (name, text) in [("postgresql.conf", settings.as_str()), ("pg_hba.conf", HBA)] {
            let file = self.data().join(name);
            let whole = if name == "pg_hba.conf" {
                fs::write(&file, text)
            } else {
                let opened = fs::OpenOptions::new().append(true).open(&file);
                opened.and_then(|mut file| file.write_all(text.as_bytes()))
            };
            whole.map_err(|error| Error::file("write", &file, &error))?;
        }
        self.started = true;
        let mut start = self.program("pg_ctl");
        start.args(["start", "--wait", "--silent"]).arg("--pgdata").arg(self.data());
        start.arg("--log").arg(self.dir.path().join("server.log"));
        start.args(["--timeout", &DEMO_PROGRAM_SECS_MAX.to_string()]);
        finish(start, "", "pg_ctl").await.map(drop)
    }

    /// Runs SQL as the superuser.
    async fn load(&self, database: &str, sql: &str) -> Result<(), Error> {
        let mut psql = Command::new(self.programs.psql());
        super::database::point(&mut psql, "");
        psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"]);
        psql.arg("--host").arg(self.data()).args(["--username", SUPERUSER, database]);
        finish(psql, sql, "loading the schema").await.map(drop)
    }

    /// One of the server's programs, run by its account in its folder.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.server(name));
        command.current_dir(self.dir.path()).env("LC_ALL", "C");
        self.account.run(command.as_std_mut());
        command
    }
}

async fn finish(command: Command, input: &str, what: &str) -> Result<String, Error> {
    let limit = Duration::from_secs(DEMO_PROGRAM_SECS_MAX + 10);
    Child::start(command, input, limit).await?.end().await?.success(what)
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !self.started {
            return;
        }
        super::database::stop_at_once(self.program("pg_ctl"), &self.data(), self.dir.path());
    }
}

/// The text of a schema or dump.
///
/// # Errors
/// In words: the file can't be read, or is not SQL in UTF-8 (a dump in the custom format is not).
pub fn schema(file: &Path) -> Result<String, Error> {
    let bytes = fs::read(file).map_err(|error| Error::file("read", file, &error))?;
    String::from_utf8(bytes).map_err(|_| {
        Error::new(format!("{} is no SQL text: use pg_dump --format plain", file.display()))
    })
}
