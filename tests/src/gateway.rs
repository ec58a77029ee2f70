//! The real gateway: writes its configuration, starts `portcullis serve`, waits until ready.
//!
//! A [`Site`] is what stays when a gateway ends: its configuration, keys and log. So a test can
//! kill a [`Gateway`] and start the next one on the same log.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certs::{Authority, CertificateFiles};
use crate::clients::{CLIENT_SECS_MAX, Psql};
use crate::folder;
use crate::postgres::{APP_PASSWORD, APP_ROLE, DATABASE, Postgres};
use crate::process::{self, Output, Server};
use crate::wire::Wire;

/// Longest wait for the gateway to be ready; compiling plugins comes before that.
const START_SECS_MAX: Duration = Duration::from_secs(120);
/// Longest wait for the gateway to end after SIGTERM.
const STOP_SECS_MAX: Duration = Duration::from_secs(60);
/// Members may read sessions and reports.
pub const AUDITORS: &str = "security-auditors";
/// Members may decide approvals.
pub const APPROVERS: &str = "data-owners";
/// Members may open sessions on the shop.
pub const AGENTS: &str = "data-agents";

/// An issuer, as the configuration names it.
#[derive(Clone, Debug)]
pub struct IssuerEntry {
    /// `iss`.
    pub issuer: String,
    /// The one audience accepted.
    pub audience: String,
    /// The CA that verifies it; `None` for one on plain http.
    pub ca_file: Option<PathBuf>,
    /// It is the development issuer.
    pub development: bool,
}

/// What a site is made of.
pub struct Setup<'a> {
    /// The guarded server.
    pub postgres: &'a Postgres,
    /// Who signs tokens.
    pub issuer: IssuerEntry,
    /// The policy file's text.
    pub policy: String,
    /// `durable` or `buffered`.
    pub log: &'static str,
    /// Databases that sessions may use; the first is the default.
    pub databases: Vec<String>,
}

impl<'a> Setup<'a> {
    /// The shop behind a policy, recorded durably.
    pub fn new(postgres: &'a Postgres, issuer: IssuerEntry, policy: &str) -> Self {
        Self {
            postgres,
            issuer,
            policy: policy.to_owned(),
            log: "durable",
            databases: vec![DATABASE.to_owned()],
        }
    }
}

/// A gateway's folder: configuration, keys, data.
pub struct Site {
    authority: Authority,
    tls: CertificateFiles,
    dir: TempDir,
}

impl Site {
    /// Writes the folder; nothing runs yet.
    pub fn new(setup: &Setup<'_>) -> Self {
        let dir = folder::temporary("gateway");
        let authority = Authority::new("harness gateway CA");
        let tls = authority.write(dir.path(), "gateway");
        folder::write_private(&dir.path().join("shop_app.password"), APP_PASSWORD);
        folder::write(&dir.path().join("shop.policy.toml"), &setup.policy);
        folder::write(&dir.path().join("portcullis.toml"), &configuration(setup));
        Self { authority, tls, dir }
    }

    /// Starts a gateway on it.
    pub fn start(&self) -> Gateway<'_> {
        self.start_with(&[])
    }

    /// Starts a gateway with these variables in its environment.
    pub fn start_with(&self, environment: &[(&str, &str)]) -> Gateway<'_> {
        let mut command = Command::new(binary());
        command.arg("serve").arg("--config").arg(self.config_file());
        command.envs(environment.iter().copied());
        self.start_command(command)
    }

    /// Starts a gateway for which no file can grow beyond this: to it, the disk is full.
    pub fn start_with_files_up_to(&self, bytes: u64) -> Gateway<'_> {
        let mut command = Command::new("sh");
        // Ignored, the signal becomes an error of the write, as on a full disk.
        let script = "trap '' XFSZ; limit=$1; shift; exec prlimit --fsize=\"$limit\": \"$@\"";
        command.args(["-c", script, "sh", &bytes.to_string()]).arg(binary());
        command.arg("serve").arg("--config").arg(self.config_file());
        self.start_command(command)
    }

    /// Starts a gateway that the shell would let write core files.
    pub fn start_with_core_files(&self) -> Gateway<'_> {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -c unlimited; exec \"$@\"", "sh"]).arg(binary());
        command.arg("serve").arg("--config").arg(self.config_file());
        self.start_command(command)
    }

    /// Starts a gateway whose data is on a disk of its own, of so many MiB: a file system in
    /// memory that only the gateway and the [`SmallDisk`] see.
    pub fn start_on_a_small_disk(&self, mib: u32) -> (Gateway<'_>, SmallDisk) {
        let disk = SmallDisk::new(self.dir.path());
        fs::create_dir_all(self.data_dir()).expect("the data folder can be made");
        let mut command = Command::new("unshare");
        // Who may not mount may do it in a user namespace.
        let allowed = Command::new("unshare").args(["--mount", "true"]).status();
        if !allowed.is_ok_and(|status| status.success()) {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "sh", "-euc", SMALL_DISK, "sh"]);
        command.arg(self.data_dir()).arg(mib.to_string()).arg(&disk.orders).arg(&disk.done);
        command.arg(binary()).arg("serve").arg("--config").arg(self.config_file());
        (self.start_command(command), disk)
    }

    fn start_command(&self, command: Command) -> Gateway<'_> {
        let mut server = Server::start("portcullis serve", command);
        let mut bound = Bound::default();
        while !bound.take(&server.line(START_SECS_MAX)) {}
        let postgres = bound.postgres.expect("the gateway names its PostgreSQL address");
        let admin = bound.admin.expect("the gateway names its admin address");
        Gateway { site: self, server, postgres, admin, kubernetes: bound.kubernetes }
    }

    /// Runs `portcullis` with these arguments in the site's folder.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.dir.path());
        process::run(command, "", CLIENT_SECS_MAX)
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("portcullis.toml")
    }

    /// The folder of the log.
    pub fn log_dir(&self) -> PathBuf {
        self.data_dir().join("log")
    }

    /// The gateway's data folder, with its log.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The site's own folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Changes the configuration, as an editor would: by renaming over the old one.
    pub fn edit_config(&self, edit: impl FnOnce(String) -> String) {
        let file = self.config_file();
        let text = fs::read_to_string(&file).expect("the configuration can be read");
        let next = self.dir.path().join("next.portcullis.toml");
        folder::write(&next, &edit(text));
        fs::rename(&next, file).expect("a file of ours can be replaced");
    }

    /// Puts another policy in place, as an editor would: by renaming over the old one.
    pub fn set_policy(&self, text: &str) {
        let next = self.dir.path().join("next.policy.toml");
        folder::write(&next, text);
        fs::rename(&next, self.dir.path().join("shop.policy.toml"))
            .expect("a file of ours can be replaced");
    }
}

/// Mounts the disk, leaves somebody there who does what the orders say, and runs the gateway.
const SMALL_DISK: &str = r#"
data=$1 mib=$2 orders=$3 done=$4; shift 4
mount -t tmpfs -o "size=${mib}m,mode=0700" small "$data"
(
    exec >/dev/null 2>&1
    while read -r order from to; do
        case "$order" in
            fill) head --bytes=1G /dev/zero >"$data/ballast" || true ;;
            free) rm "$data/ballast" ;;
            copy) rm -rf "$to" && cp -r "$from" "$to" ;;
        esac
        echo "$order" >>"$done"
    done <"$orders"
) &
exec "$@"
"#;

/// The disk of [`Site::start_on_a_small_disk`].
pub struct SmallDisk {
    orders: PathBuf,
    done: PathBuf,
    /// Both ends, so that opening it waits for nobody; closing it ends who waits for orders.
    pipe: fs::File,
}

impl SmallDisk {
    fn new(dir: &Path) -> Self {
        let (orders, done) = (dir.join("disk.orders"), dir.join("disk.done"));
        let mut mkfifo = Command::new("mkfifo");
        mkfifo.arg(&orders);
        process::run(mkfifo, "", CLIENT_SECS_MAX).success("mkfifo");
        folder::write(&done, "");
        let pipe = fs::OpenOptions::new().read(true).write(true).open(&orders);
        Self { orders, done, pipe: pipe.expect("a pipe of ours can be opened") }
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        self.order("fill");
    }

    /// Takes away what filled it.
    pub fn free(&self) {
        self.order("free");
    }

    /// Copies a folder of it to one that everybody sees; what was there before is removed.
    pub fn copy(&self, from: &Path, to: &Path) {
        self.order(&format!("copy {} {}", from.display(), to.display()));
    }

    fn order(&self, order: &str) {
        let done = || fs::read_to_string(&self.done).expect("done orders can be read");
        let before = done().lines().count();
        std::io::Write::write_all(&mut &self.pipe, format!("{order}\n").as_bytes())
            .expect("an order can be written");
        let given = Instant::now();
        while done().lines().count() == before {
            assert!(given.elapsed() < CLIENT_SECS_MAX, "nobody did {order:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The addresses that a starting gateway prints, one JSON object a line.
#[derive(Default)]
struct Bound {
    postgres: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    kubernetes: Option<SocketAddr>,
}

impl Bound {
    /// Takes in one line; true when the gateway is ready.
    fn take(&mut self, line: &str) -> bool {
        let value: serde_json::Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("the gateway printed {line:?}: {error}"));
        let address = value["address"].as_str().and_then(|address| address.parse().ok());
        match value["listening"].as_str() {
            Some("postgres") => self.postgres = address,
            Some("admin") => self.admin = address,
            Some("kubernetes") => self.kubernetes = address,
            _ => {}
        }
        value["ready"] == serde_json::Value::Bool(true)
    }
}

/// A running gateway; dropping it kills it.
pub struct Gateway<'a> {
    site: &'a Site,
    server: Server,
    postgres: SocketAddr,
    admin: SocketAddr,
    kubernetes: Option<SocketAddr>,
}

impl Gateway<'_> {
    /// Where PostgreSQL clients connect.
    pub fn postgres_address(&self) -> SocketAddr {
        self.postgres
    }

    /// Where clients of a cluster connect.
    pub fn kubernetes_address(&self) -> SocketAddr {
        self.kubernetes.expect("a listener for Kubernetes is configured")
    }

    /// Where people and their tools connect.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The CA file that verifies the gateway as `localhost` or `127.0.0.1`.
    pub fn ca_file(&self) -> &Path {
        &self.site.tls.ca
    }

    /// `psql` through the gateway, with a token as its password.
    pub fn psql(&self, token: &str) -> Psql {
        Psql::new(self.postgres.port(), APP_ROLE, DATABASE, token).ca_file(self.ca_file())
    }

    /// A raw connection to the gateway, before any byte was sent.
    pub fn wire(&self) -> Wire {
        Wire::connect(self.postgres).expect("the gateway takes connections")
    }

    /// A raw connection to the gateway inside TLS.
    pub fn wire_tls(&self) -> Wire {
        Wire::connect_tls(self.postgres, self.site.authority.certificate_pem())
            .expect("the gateway speaks TLS")
    }

    /// What it wrote to standard error until now.
    pub fn stderr(&self) -> String {
        self.server.stderr()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Sends a signal such as `HUP`.
    pub fn signal(&self, name: &str) {
        self.server.signal(name);
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub fn stop(mut self) -> ExitStatus {
        self.server.signal("TERM");
        let status = self.server.wait(STOP_SECS_MAX);
        status.unwrap_or_else(|| panic!("the gateway ignored SIGTERM: {}", self.server.stderr()))
    }

    /// Lifts what [`Site::start_with_files_up_to`] set (prlimit(1)).
    pub fn allow_files_of_any_length(&self) {
        let mut command = Command::new("prlimit");
        command.args(["--pid", &self.pid().to_string(), "--fsize=unlimited:unlimited"]);
        process::run(command, "", CLIENT_SECS_MAX).success("prlimit");
    }

    /// Has it crash (SIGABRT), and tells how it ended.
    pub fn abort(mut self) -> ExitStatus {
        self.server.signal("ABRT");
        self.server.wait(STOP_SECS_MAX).expect("it ends at once")
    }

    /// Ends it as a crash would (SIGKILL).
    pub fn kill(mut self) {
        self.server.kill();
    }
}

/// The gateway's program of this build.
pub fn binary() -> PathBuf {
    let file = folder::programs().join("portcullis");
    assert!(file.is_file(), "{} is missing: run `cargo build -p portcullis`", file.display());
    file
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn configuration(setup: &Setup<'_>) -> String {
    let mut text = String::from(
        "[gateway]\nname = \"gw-1\"\norganization = \"acme.test\"\ndata_dir = \"data\"\n\n",
    );
    let issuer = &setup.issuer;
    let databases: Vec<String> = setup.databases.iter().map(|name| quoted(name)).collect();
    let mut add = |line: String| writeln!(text, "{line}").expect("a string can be written to");
    add("[admin]\nlisten = \"127.0.0.1:0\"".into());
    add(format!("approver_groups = [{}]", quoted(APPROVERS)));
    add(format!("auditor_groups = [{}]\n", quoted(AUDITORS)));
    add("[[issuers]]\nname = \"okta\"".into());
    add(format!("issuer = {}", quoted(&issuer.issuer)));
    add(format!("audiences = [{}]", quoted(&issuer.audience)));
    if let Some(file) = &issuer.ca_file {
        add(format!("ca_file = {}", quoted(&file.display().to_string())));
    }
    if issuer.development {
        add("development = true".into());
    }
    add("\n[[listeners]]\nname = \"pg\"\nprotocol = \"postgres\"".into());
    add("listen = \"127.0.0.1:0\"".into());
    add("certificate_file = \"gateway.crt\"\nkey_file = \"gateway.key\"\n".into());
    add("[[targets]]\nname = \"shop\"\nprotocol = \"postgres\"".into());
    add(format!("address = \"127.0.0.1:{}\"", setup.postgres.port()));
    add(format!("databases = [{}]", databases.join(", ")));
    let ca_file = setup.postgres.ca_file().display().to_string();
    add(format!("tls = \"verify-full\"\ntls_ca_file = {}", quoted(&ca_file)));
    add("tls_server_name = \"localhost\"\npolicy = \"shop.policy.toml\"".into());
    add(format!("log = {}\n", quoted(setup.log)));
    add(format!("[[targets.accounts]]\nrole = {}", quoted(APP_ROLE)));
    add("password_file = \"shop_app.password\"\n".into());
    add(format!("[[targets.access]]\nissuer = \"okta\"\nroles = [{}]", quoted(APP_ROLE)));
    add(format!("groups_any = [{}]", quoted(AGENTS)));
    text
}

#[cfg(test)]
mod tests;
