//! A real PostgreSQL server with the shop database, reachable over loopback with a password.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certs::{Authority, CertificateFiles};
use crate::clients::Psql;
use crate::folder::{self, Owner};
use crate::process::{self, Server};

/// The database with the shop's tables (`policies/demo/shop.sql`).
pub const DATABASE: &str = "shop";
/// The role that the gateway signs in as.
pub const APP_ROLE: &str = "shop_app";
/// Its password. A canary: it must never show up in anything that the gateway writes.
pub const APP_PASSWORD: &str = "canary-shop-app-9f2e7c";
/// The superuser.
pub const ADMIN_ROLE: &str = "postgres";
/// Its password.
pub const ADMIN_PASSWORD: &str = "harness-admin-51d0b8";
/// The shop: schema, rows and grants. It makes the role [`APP_ROLE`], which has no password.
pub const SHOP_SQL: &str = include_str!("../../policies/demo/shop.sql");

/// Longest wait for one of PostgreSQL's own programs; `initdb` takes seconds on a slow disk.
const PROGRAM_SECS_MAX: Duration = Duration::from_secs(120);
/// Longest wait for the server to accept connections.
const START_SECS_MAX: Duration = Duration::from_secs(60);
/// Ports that another process took between our look and the server's start are tried again.
const START_TRIES: usize = 5;

/// A running server. Dropping it ends the server and removes its data.
pub struct Postgres {
    server: Server,
    port: u16,
    tls: CertificateFiles,
    authority: Authority,
    // Removed last: the server writes into it.
    dir: TempDir,
}

impl Postgres {
    /// Starts a server that holds the shop and takes TLS connections as well as plain ones.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts such a server with these settings (`name=value`) on its command line.
    pub fn start_with(settings: &[&str]) -> Self {
        let dir = folder::temporary("postgres");
        let authority = Authority::new("harness PostgreSQL CA");
        let data = dir.path().join("data");
        copy_template(&data);
        let tls = authority.write(&data, "server");
        let owner = Owner::for_servers();
        owner.take(&data);
        let ca = dir.path().join("ca.crt");
        folder::write(&ca, authority.certificate_pem());
        let settings: Vec<&str> = ["ssl=on"].iter().chain(settings).copied().collect();
        let (server, port) = serve(owner, &data, &settings);
        Self { server, port, tls: CertificateFiles { ca, ..tls }, authority, dir }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// The CA file that verifies the server as `localhost` or `127.0.0.1`.
    pub fn ca_file(&self) -> &Path {
        &self.tls.ca
    }

    /// The authority that signed the server's certificate.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// A folder that lives as long as the server.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        self.server.stderr()
    }

    /// `psql` as the superuser, straight to the server and past the gateway.
    pub fn admin(&self) -> Psql {
        self.psql(ADMIN_ROLE, ADMIN_PASSWORD)
    }

    /// `psql` as the role the gateway uses, straight to the server.
    pub fn app(&self) -> Psql {
        self.psql(APP_ROLE, APP_PASSWORD)
    }

    fn psql(&self, role: &str, password: &str) -> Psql {
        Psql::new(self.port, role, DATABASE, password).ca_file(self.ca_file())
    }

    /// The statements that sessions of `role` run now or ran last (`pg_stat_activity`).
    pub fn statements_of(&self, role: &str) -> Vec<String> {
        let sql =
            format!("SELECT query FROM pg_stat_activity WHERE usename = '{role}' AND query <> ''");
        let text = self.admin().run(&sql).success("reading pg_stat_activity");
        text.lines().map(str::to_owned).collect()
    }

    /// Ends the server as a crash of its machine would.
    pub fn kill(&mut self) {
        // The children of a killed postmaster notice its death and end by themselves.
        self.server.kill();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.server.wait(Duration::ZERO).is_some() {
            return;
        }
        // Immediate shutdown takes the server's children along; a plain kill would orphan them.
        self.server.signal("QUIT");
        self.server.wait(START_SECS_MAX);
    }
}

/// Starts `postgres` on a free port of 127.0.0.1 and waits until it takes connections.
fn serve(owner: Owner, data: &Path, settings: &[&str]) -> (Server, u16) {
    for _ in 0..START_TRIES {
        let port = free_port();
        let mut command = owner.command(&program("postgres"));
        command.arg("-D").arg(data).args(["-p", &port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        command.args(["-c", "unix_socket_directories=", "-c", "max_connections=200"]);
        command.args(settings.iter().flat_map(|setting| ["-c", setting]));
        command.current_dir(data).env("LC_ALL", "C");
        let mut server = Server::start("postgres", command);
        if accepts(&mut server) {
            return (server, port);
        }
    }
    panic!("no free port for PostgreSQL after {START_TRIES} tries");
}

fn accepts(server: &mut Server) -> bool {
    let end = Instant::now() + START_SECS_MAX;
    while Instant::now() < end {
        if server.stderr().contains("database system is ready to accept connections") {
            return true;
        }
        if server.wait(Duration::from_millis(20)).is_some() {
            assert!(
                server.stderr().contains("could not bind"),
                "PostgreSQL did not start: {}",
                server.stderr()
            );
            return false;
        }
    }
    panic!("PostgreSQL was not ready after {START_SECS_MAX:?}: {}", server.stderr());
}

/// Ports for servers of the tests. Below those that the kernel gives to outgoing connections
/// (ip(7), `ip_local_port_range`): one of these could take a port before its server does.
const FREE_PORTS: std::ops::Range<u16> = 12_000..32_000;

/// A port that is free now.
pub fn free_port() -> u16 {
    loop {
        let chance = RandomState::new().build_hasher().finish();
        let port = FREE_PORTS.start + (chance % FREE_PORTS.len() as u64) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Names the folder of another PostgreSQL's programs, to test against that version.
pub const SERVER_VARIABLE: &str = "PORTCULLIS_TEST_POSTGRES";

/// One of PostgreSQL's programs: from the folder that [`SERVER_VARIABLE`] names, or else from
/// the newest of Debian's server folders, or from `PATH`.
pub fn program(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os(SERVER_VARIABLE) {
        let file = PathBuf::from(folder).join(name);
        assert!(file.is_file(), "{} is missing: {SERVER_VARIABLE} is wrong", file.display());
        return file;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = debian_folders();
    dirs.extend(std::env::split_paths(&path));
    dirs.into_iter()
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("PostgreSQL's `{name}` is missing: run scripts/setup.sh test"))
}

fn debian_folders() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, dir)| dir).collect()
}

/// Copies a data folder that holds the shop to `data`, making it first if need be.
///
/// `initdb` takes seconds and every test runs in a process of its own, so the result is kept
/// beside the programs of this build, named for what went into it.
fn copy_template(data: &Path) {
    let version = process::run(
        {
            let mut command = Command::new(program("postgres"));
            command.arg("--version");
            command
        },
        "",
        PROGRAM_SECS_MAX,
    )
    .success("postgres --version");
    let home = folder::programs().join("harness");
    fs::create_dir_all(&home).expect("the harness folder can be made");
    let name = format!("shop-{:016x}", fingerprint(&[&version, SHOP_SQL, APP_PASSWORD]));
    let template = home.join(&name);
    let lock = fs::File::create(home.join(format!("{name}.lock"))).expect("a lock can be made");
    lock.lock().expect("the lock of the template can be taken");
    if !template.exists() {
        make_template(&template);
    }
    lock.unlock().expect("a lock of ours can be dropped");
    copy(&template, data);
}

/// FNV-1a: names a template, guards nothing.
fn fingerprint(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn make_template(template: &Path) {
    let owner = Owner::for_servers();
    let dir = folder::temporary("template");
    let data = dir.path().join("data");
    fs::create_dir(&data).expect("the data folder can be made");
    owner.take(&data);
    let password_file = dir.path().join("password");
    folder::write_private(&password_file, ADMIN_PASSWORD);
    owner.take(&password_file);
    let mut initdb = owner.command(&program("initdb"));
    initdb.arg("-D").arg(&data).args(["-A", "scram-sha-256", "-U", ADMIN_ROLE, "--no-sync"]);
    initdb.args(["--encoding=UTF8", "--no-locale"]).arg("--pwfile").arg(&password_file);
    initdb.current_dir(&data);
    process::run(initdb, "", PROGRAM_SECS_MAX).success("initdb");

    let (mut server, port) = serve(owner, &data, &[]);
    let admin = Psql::new(port, ADMIN_ROLE, "postgres", ADMIN_PASSWORD);
    admin.run(&format!("CREATE DATABASE {DATABASE}")).success("creating the database");
    let shop = Psql::new(port, ADMIN_ROLE, DATABASE, ADMIN_PASSWORD);
    shop.run(SHOP_SQL).success("loading policies/demo/shop.sql");
    shop.run(&format!("ALTER ROLE {APP_ROLE} PASSWORD '{APP_PASSWORD}'"))
        .success("giving the role its password");
    server.signal("INT");
    assert!(server.wait(START_SECS_MAX).is_some(), "PostgreSQL did not stop: {}", server.stderr());

    // Renamed into place, so a template that exists is whole.
    let partial = template.with_extension("partial");
    let _ = fs::remove_dir_all(&partial);
    copy(&data, &partial);
    fs::rename(&partial, template).expect("the template can be moved into place");
}

/// Copies a folder with its modes.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-R").arg("--preserve=mode").arg(from).arg(to).status();
    assert!(status.is_ok_and(|status| status.success()), "can't copy {}", from.display());
}
