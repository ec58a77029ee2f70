//! What is measured: the server itself, PgBouncer before it, and the gateway before it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_tests::certs::{Authority, CertificateFiles};
use portcullis_tests::clients::Psql;
use portcullis_tests::folder::{self, Owner};
use portcullis_tests::gateway::{Gateway, Setup, Site};
use portcullis_tests::okta::Okta;
use portcullis_tests::plugins;
use portcullis_tests::postgres::{self, APP_PASSWORD, APP_ROLE, DATABASE, Postgres};
use portcullis_tests::process::Server;
use tempfile::TempDir;

/// Longest wait for PgBouncer to listen.
const START_SECS_MAX: Duration = Duration::from_secs(30);
/// Connections to the server beside those of idle sessions.
const CONNECTIONS: u32 = 200;
/// The policy of the measured gateway.
const POLICY: &str = include_str!("policy.toml");

/// One way to the server.
#[derive(Clone, Debug)]
pub(crate) struct System {
    /// As the tables call it.
    pub(crate) name: &'static str,
    /// The port on 127.0.0.1.
    pub(crate) port: u16,
    /// The password, or the token.
    pub(crate) password: String,
    /// Verifies its certificate.
    pub(crate) ca_file: PathBuf,
    /// The process between client and server; `None` for a direct connection.
    pub(crate) pid: Option<u32>,
}

/// What all systems share: one server and one issuer.
pub(crate) struct Ground {
    postgres: Postgres,
    okta: Okta,
    durable: Site,
    buffered: Site,
}

impl Ground {
    /// Starts the server and the issuer, and lays out the gateways' folders.
    pub(crate) fn new(idle: u32) -> Self {
        let connections = format!("max_connections={}", idle + CONNECTIONS);
        let postgres = Postgres::start_with(&[&connections]);
        let okta = Okta::start();
        let policy = policy();
        let mut setup = Setup::new(&postgres, okta.entry(), &policy);
        let durable = Site::new(&setup);
        setup.log = "buffered";
        let buffered = Site::new(&setup);
        Self { postgres, okta, durable, buffered }
    }

    /// The server itself.
    pub(crate) fn direct(&self) -> System {
        System {
            name: "direct",
            port: self.postgres.port(),
            password: APP_PASSWORD.to_owned(),
            ca_file: self.postgres.ca_file().to_owned(),
            pid: None,
        }
    }

    /// Starts both gateways.
    pub(crate) fn gateways(&self) -> Gateways<'_> {
        Gateways {
            durable: self.durable.start(),
            buffered: self.buffered.start(),
            token: self.okta.agent_token(),
        }
    }

    /// Starts PgBouncer.
    pub(crate) fn bouncer(&self) -> Bouncer {
        Bouncer::start(&self.postgres)
    }
}

/// The gateway twice: once for each way to write its log.
pub(crate) struct Gateways<'a> {
    durable: Gateway<'a>,
    buffered: Gateway<'a>,
    token: String,
}

impl Gateways<'_> {
    /// Every entry is on disk before what it records goes on.
    pub(crate) fn durable(&self) -> System {
        self.system("gateway-durable", &self.durable)
    }

    /// Entries are queued.
    pub(crate) fn buffered(&self) -> System {
        self.system("gateway-buffered", &self.buffered)
    }

    fn system(&self, name: &'static str, gateway: &Gateway<'_>) -> System {
        System {
            name,
            port: gateway.postgres_address().port(),
            password: self.token.clone(),
            ca_file: gateway.ca_file().to_owned(),
            pid: Some(gateway.pid()),
        }
    }
}

/// PgBouncer in session mode: the mode that keeps a session's meaning, as the gateway does.
pub(crate) struct Bouncer {
    server: Server,
    port: u16,
    tls: CertificateFiles,
    // Removed last: PgBouncer reads from it.
    _dir: TempDir,
}

impl Bouncer {
    fn start(postgres: &Postgres) -> Self {
        let dir = folder::temporary("pgbouncer");
        let authority = Authority::new("bench PgBouncer CA");
        let inside = dir.path().join("etc");
        std::fs::create_dir(&inside).expect("a folder in a folder of ours can be made");
        let tls = authority.write(&inside, "pgbouncer");
        let ca_file = dir.path().join("ca.crt");
        folder::write(&ca_file, authority.certificate_pem());
        let port = postgres::free_port();
        let file = inside.join("pgbouncer.ini");
        folder::write(&file, &settings(postgres, &tls, &inside, port));
        let users = format!("\"{APP_ROLE}\" \"{APP_PASSWORD}\"\n");
        folder::write_private(&inside.join("users.txt"), &users);
        let owner = Owner::for_servers();
        owner.take(&inside);
        let mut command = owner.command(&program());
        command.arg(&file).current_dir(&inside);
        let mut server = Server::start("pgbouncer", command);
        server.wait_for_stderr("process up", START_SECS_MAX);
        let bouncer =
            Self { server, port, tls: CertificateFiles { ca: ca_file, ..tls }, _dir: dir };
        bouncer.check();
        bouncer
    }

    /// Fails before anything is measured when PgBouncer does not reach the server.
    fn check(&self) {
        let psql = Psql::new(self.port, APP_ROLE, DATABASE, APP_PASSWORD).ca_file(&self.tls.ca);
        psql.run("SELECT 1").success("a query through PgBouncer");
    }

    /// As something to measure.
    pub(crate) fn system(&self) -> System {
        System {
            name: "pgbouncer",
            port: self.port,
            password: APP_PASSWORD.to_owned(),
            ca_file: self.tls.ca.clone(),
            pid: Some(self.server.pid()),
        }
    }
}

/// Debian installs it where only root looks.
fn program() -> PathBuf {
    let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
    let found = places.into_iter().map(PathBuf::from).find(|file| file.is_file());
    found.expect("PgBouncer is missing: run scripts/setup.sh bench")
}

fn settings(postgres: &Postgres, tls: &CertificateFiles, dir: &Path, port: u16) -> String {
    let server = postgres.port();
    let ca = postgres.ca_file().display();
    let (certificate, key) = (tls.certificate.display(), tls.key.display());
    let users = dir.join("users.txt");
    let users = users.display();
    format!(
        "[databases]\n\
         {DATABASE} = host=localhost port={server} dbname={DATABASE} user={APP_ROLE}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
         auth_type = scram-sha-256\nauth_file = {users}\n\
         pool_mode = session\ndefault_pool_size = 64\nmax_client_conn = 200\n\
         client_tls_sslmode = require\nclient_tls_cert_file = {certificate}\n\
         client_tls_key_file = {key}\n\
         server_tls_sslmode = verify-full\nserver_tls_ca_file = {ca}\n\
         log_connections = 0\nlog_disconnections = 0\nlog_stats = 0\n\
         ignore_startup_parameters = extra_float_digits\n"
    )
}

/// The policy with the plugins' real places.
fn policy() -> String {
    ["mask-columns", "risk-statement", "approval-writes"].iter().fold(
        POLICY.to_owned(),
        |text, name| {
            let file = plugins::component(name).display().to_string();
            text.replace(&format!("\"{name}.wasm\""), &serde_json::Value::from(file).to_string())
        },
    )
}
