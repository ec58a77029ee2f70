//! A real PostgreSQL with the shop in it: the machine's own server, on loopback, over TLS, in a
//! temporary folder. It is stopped and its data removed when its value is dropped.

pub(super) mod account;
pub(super) mod programs;

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use zeroize::Zeroizing;

use self::account::Account;
use self::programs::Programs;
use super::certificates::Authority;
use super::child::Child;
use super::{Error, random_text};
use crate::limits::{DEMO_PORT_TRIES, DEMO_PROGRAM_SECS_MAX, DEMO_STOP_SECS_MAX};

/// The database of the shop.
pub(super) const DATABASE: &str = "shop";
/// The role that the gateway signs in as.
pub(super) const ROLE: &str = "shop_app";
/// The superuser, whom the gateway does not know.
const SUPERUSER: &str = "postgres";
/// Schema, rows and grants.
const SHOP: &str = include_str!("../../../policies/demo/shop.sql");

/// Only TLS, only loopback, only with a password.
const HBA: &str = "hostssl all all 127.0.0.1/32 scram-sha-256\n";
/// `fsync = off`: the data is gone with the demonstration anyway.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
password_encryption = 'scram-sha-256'
fsync = off
";

/// A running server.
pub(super) struct Database {
    programs: Programs,
    account: Account,
    port: u16,
    // The server was told to start. `initdb` leaves a lock file too, when it is cut off.
    started: bool,
    ca_file: PathBuf,
    superuser_password: Zeroizing<String>,
    role_password: Zeroizing<String>,
    // Removed last: the server lives in it.
    dir: TempDir,
}

impl Database {
    /// Makes a cluster, starts it on `wanted` or another free port, and loads the shop.
    /// `ca_file` holds the certificate of `authority`.
    pub(super) async fn start(
        wanted: Option<u16>,
        authority: &Authority,
        ca_file: &Path,
    ) -> Result<Self, Error> {
        let programs = Programs::find()?;
        let made = tempfile::Builder::new().prefix("portcullis-demo-database-").tempdir();
        let dir =
            made.map_err(|error| Error::new(format!("can't make a temporary folder: {error}")))?;
        let mut database = Self {
            programs,
            account: Account::for_servers(dir.path())?,
            port: 0,
            started: false,
            ca_file: ca_file.to_owned(),
            superuser_password: random_text()?,
            role_password: random_text()?,
            dir,
        };
        database.initialize(authority).await?;
        database.serve(wanted).await?;
        database.load().await?;
        Ok(database)
    }

    /// The port on 127.0.0.1.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The password of [`ROLE`].
    pub(super) fn role_password(&self) -> &str {
        &self.role_password
    }

    /// `psql`, the stock client.
    pub(super) fn psql(&self) -> Command {
        Command::new(self.programs.psql())
    }

    /// Asks the server itself, past the gateway, for rows of one column; to see what is true.
    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<String>, Error> {
        let text = self.admin(DATABASE, sql).await?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    async fn initialize(&self, authority: &Authority) -> Result<(), Error> {
        let password_file = self.dir.path().join("password");
        self.write(&password_file, &self.superuser_password)?;
        let mut initdb = self.program("initdb");
        initdb.arg("--pgdata").arg(self.data()).args(["--username", SUPERUSER]);
        initdb.args(["--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync"]);
        initdb.arg("--pwfile").arg(&password_file);
        finish(initdb, "", "initdb").await?;
        let _ = fs::remove_file(&password_file);
        let server = authority.sign()?;
        self.write(&self.data().join("server.crt"), &server.pem)?;
        self.write(&self.data().join("server.key"), &server.key_pem)?;
        self.write(&self.data().join("pg_hba.conf"), HBA)?;
        let file = self.data().join("postgresql.conf");
        let opened = fs::OpenOptions::new().append(true).open(&file);
        let written = opened.and_then(|mut file| file.write_all(SETTINGS.as_bytes()));
        written.map_err(|error| Error::file("write", &file, &error))
    }

    /// Starts the server; a port that somebody took in between is no reason to give up.
    async fn serve(&mut self, wanted: Option<u16>) -> Result<(), Error> {
        let log = self.dir.path().join("server.log");
        let mut said = String::new();
        self.started = true;
        for attempt in 0..DEMO_PORT_TRIES {
            self.port = free_port(wanted.filter(|_| attempt == 0))?;
            let mut start = self.program("pg_ctl");
            start.args(["start", "--wait", "--silent"]).arg("--pgdata").arg(self.data());
            start.arg("--log").arg(&log);
            start.args(["--timeout", &DEMO_PROGRAM_SECS_MAX.to_string()]);
            start.args(["--options", &format!("-p {}", self.port)]);
            let ran = run(start, "", DEMO_PROGRAM_SECS_MAX + 10).await?;
            if ran.code == Some(0) {
                return Ok(());
            }
            said = fs::read_to_string(&log).unwrap_or(ran.text);
            if !said.contains("could not bind") {
                break;
            }
        }
        Err(Error::new(format!("PostgreSQL does not start:\n{}", said.trim_end())))
    }

    async fn load(&self) -> Result<(), Error> {
        self.admin(SUPERUSER, &format!("CREATE DATABASE {DATABASE};")).await?;
        self.admin(DATABASE, SHOP).await?;
        // On standard input: arguments show in the process list.
        let password = Zeroizing::new(format!(
            "ALTER ROLE {ROLE} PASSWORD '{}';",
            self.role_password.as_str()
        ));
        self.admin(DATABASE, &password).await.map(drop)
    }

    async fn admin(&self, database: &str, sql: &str) -> Result<String, Error> {
        let mut psql = self.psql();
        point(&mut psql, &self.superuser_password);
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"]);
        psql.args(["--set", "ON_ERROR_STOP=1"]).arg(connection(
            self.port,
            database,
            SUPERUSER,
            &self.ca_file.display().to_string(),
        ));
        finish(psql, sql, "psql").await
    }

    /// One of the server's programs, run by its account in its folder.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.server(name));
        command.current_dir(self.dir.path()).env("LC_ALL", "C");
        self.account.run(command.as_std_mut());
        command
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), Error> {
        let failed = |error: std::io::Error| Error::file("write", path, &error);
        let dir = path.parent().unwrap_or(self.dir.path());
        // Made with mode 0600; only then its owner changes.
        let mut part = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
        part.write_all(text.as_bytes()).map_err(failed)?;
        self.account.own(part.path())?;
        part.persist(path).map(drop).map_err(|error| failed(error.error))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.started || !self.data().join("postmaster.pid").exists() {
            return;
        }
        stop_at_once(self.program("pg_ctl"), &self.data(), self.dir.path());
    }
}

/// Stops a server in the middle of whatever it does. It blocks for the fraction of a second that
/// this takes: nothing may run on while the server still writes into the folder that is removed
/// next.
pub(super) fn stop_at_once(mut pg_ctl: Command, data: &Path, dir: &Path) {
    let stop = pg_ctl.as_std_mut();
    stop.args(["stop", "--mode", "immediate", "--wait", "--silent"]);
    stop.args(["--timeout", &DEMO_STOP_SECS_MAX.to_string()]).arg("--pgdata").arg(data);
    stop.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !stop.status().is_ok_and(|status| status.success()) {
        tracing::error!("PostgreSQL in {} does not stop", dir.display());
    }
}

/// The connection string of a client that verifies the server.
pub(super) fn connection(port: u16, database: &str, role: &str, ca_file: &str) -> String {
    format!(
        "host=127.0.0.1 port={port} dbname={database} user={role} sslmode=verify-full \
         sslrootcert={ca_file}"
    )
}

/// Takes out of a client's environment what its caller's says about PostgreSQL, and puts the
/// password in.
pub(super) fn point(client: &mut Command, password: &str) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            client.env_remove(name);
        }
    }
    client.env("PGPASSWORD", password).env("PGCONNECT_TIMEOUT", "20").env("LC_ALL", "C");
}

async fn run(command: Command, input: &str, secs: u64) -> Result<super::child::Ran, Error> {
    Child::start(command, input, Duration::from_secs(secs)).await?.end().await
}

async fn finish(command: Command, input: &str, what: &str) -> Result<String, Error> {
    run(command, input, DEMO_PROGRAM_SECS_MAX).await?.success(what)
}

/// The wanted port of 127.0.0.1 if it is free now, else any that is.
pub(super) fn free_port(wanted: Option<u16>) -> Result<u16, Error> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let wanted = wanted.and_then(|port| bind(port).ok());
    let bound = wanted.map_or_else(|| bind(0), Ok).and_then(|socket| socket.local_addr());
    bound
        .map(|address| address.port())
        .map_err(|error| Error::new(format!("no port of 127.0.0.1 is free: {error}")))
}
