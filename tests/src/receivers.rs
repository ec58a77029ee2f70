//! What the log is exported to: rsyslog over TLS, the collector `rotel`, SeaweedFS as an S3
//! store, and a stand-in for Splunk, which nobody may install here.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::certs::{Authority, CertificateFiles};
use crate::folder;
use crate::https::{self, Question};
use crate::postgres::free_port;
use crate::process::Server;

/// Longest wait for a receiver to listen.
const START_SECS_MAX: Duration = Duration::from_secs(60);
/// Longest wait for SeaweedFS to listen before it is started anew.
const WEED_START_SECS: Duration = Duration::from_secs(20);
const WEED_STARTS_MAX: usize = 3;
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(20);
/// The bucket that SeaweedFS has.
pub const BUCKET: &str = "audit";
/// The secret of its access key `gateway`.
pub const S3_SECRET: &str = "canary-s3-secret-77b1";
/// The token of the stand-in for Splunk.
pub const HEC_TOKEN: &str = "canary-hec-token-19c4";

fn wait_for_port(name: &str, port: u16, server: &Server) {
    assert!(listens(port, START_SECS_MAX), "{name} does not listen: {}", server.stderr());
}

/// Whether somebody listens there within this time.
fn listens(port: u16, within: Duration) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let end = Instant::now() + within;
    while TcpStream::connect(address).is_err() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}

/// The program of a receiver from PyPI.
fn program(name: &str) -> PathBuf {
    let file = folder::cache().join("receivers/bin").join(name);
    assert!(file.exists(), "{} is missing: run scripts/setup.sh test", file.display());
    file
}

/// rsyslog, taking messages over TLS and writing them to a file, one a line, before it reads on.
pub struct Rsyslog {
    dir: PathBuf,
    port: u16,
    tls: CertificateFiles,
    server: Server,
}

impl Rsyslog {
    /// Starts it in a folder of its own. Of its two TLS drivers, `ossl` ends TLS in good order,
    /// and `gtls` does not.
    pub fn start(dir: &Path, driver: &str) -> Self {
        std::fs::create_dir_all(dir).expect("a folder can be made");
        let tls = Authority::new("harness syslog CA").write(dir, "syslog");
        let port = free_port();
        let at = |path: &Path| path.display().to_string();
        let text = format!(
            "global(workDirectory=\"{dir}\" maxMessageSize=\"256k\" \
             defaultNetstreamDriverCAFile=\"{ca}\" defaultNetstreamDriverCertFile=\"{cert}\" \
             defaultNetstreamDriverKeyFile=\"{key}\")\n\
             module(load=\"imtcp\" streamDriver.name=\"{driver}\" streamDriver.mode=\"1\" \
             streamDriver.authMode=\"anon\")\n\
             template(name=\"raw\" type=\"string\" \
             string=\"%pri% %hostname% %app-name% %msgid% %structured-data%%msg%\\n\")\n\
             ruleset(name=\"all\" queue.type=\"direct\") {{ action(type=\"omfile\" \
             file=\"{dir}/messages\" template=\"raw\" asyncWriting=\"off\") }}\n\
             input(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\" ruleset=\"all\")\n",
            dir = at(dir),
            ca = at(&tls.ca),
            cert = at(&tls.certificate),
            key = at(&tls.key),
        );
        folder::write(&dir.join("rsyslog.conf"), &text);
        let server = Self::spawn(dir, port);
        Self { dir: dir.to_owned(), port, tls, server }
    }

    fn spawn(dir: &Path, port: u16) -> Server {
        let mut command = Command::new("/usr/sbin/rsyslogd");
        command.arg("-n").arg("-f").arg(dir.join("rsyslog.conf"));
        command.arg("-i").arg(dir.join("rsyslog.pid"));
        let server = Server::start("rsyslogd", command);
        wait_for_port("rsyslogd", port, &server);
        server
    }

    /// Kills it (SIGKILL) and starts it again on the same port.
    pub fn kill_and_start(&mut self) {
        self.server.kill();
        let _ = std::fs::remove_file(self.dir.join("rsyslog.pid"));
        self.server = Self::spawn(&self.dir, self.port);
    }

    /// The keys of an `[[export]]` that leads here.
    pub fn entry(&self) -> String {
        let ca = Value::from(self.tls.ca.display().to_string());
        format!("sink = \"syslog\"\naddress = \"localhost:{}\"\nca_file = {ca}\n", self.port)
    }

    /// What it has written.
    pub fn text(&self) -> String {
        read(&self.dir.join("messages"))
    }
}

/// The OpenTelemetry collector `rotel`, printing what it takes.
pub struct Rotel {
    port: u16,
    out: PathBuf,
    _server: Server,
}

impl Rotel {
    /// Starts it in a folder of its own.
    pub fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).expect("a folder can be made");
        let (port, grpc, out) = (free_port(), free_port(), dir.join("printed"));
        let mut command = Command::new("sh");
        // `exec`, so that what is killed at the end is the collector.
        command.args(["-c", "out=$1; shift; exec \"$@\" >\"$out\" 2>&1", "sh"]).arg(&out);
        command.arg(program("rotel-agent")).arg("start").current_dir(dir);
        command.args(["--otlp-http-endpoint", &format!("127.0.0.1:{port}")]);
        command.args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")]);
        command.args(["--exporter", "blackhole", "--debug-log", "logs"]);
        command.args(["--debug-log-verbosity", "detailed"]);
        let server = Server::start("rotel", command);
        wait_for_port("rotel", port, &server);
        Self { port, out, _server: server }
    }

    /// The keys of an `[[export]]` that leads here.
    pub fn entry(&self) -> String {
        format!("sink = \"otlp\"\nurl = \"http://127.0.0.1:{}\"\n", self.port)
    }

    /// What it has printed.
    pub fn text(&self) -> String {
        read(&self.out)
    }
}

/// SeaweedFS with a bucket that anybody may read and the access key `gateway` may write.
pub struct Seaweed {
    dir: PathBuf,
    ports: Vec<u16>,
    server: Server,
}

impl Seaweed {
    /// Starts it in a folder of its own.
    pub fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir.join("data")).expect("a folder can be made");
        let config = json!({ "identities": [
            { "name": "gateway", "actions": ["Write"],
              "credentials": [{ "accessKey": "gateway", "secretKey": S3_SECRET }] },
            { "name": "anonymous", "actions": ["Read", "List"] },
        ] });
        folder::write(&dir.join("s3.json"), &config.to_string());
        let (ports, server) = Self::first(dir);
        let seaweed = Self { dir: dir.to_owned(), ports, server };
        // A folder of the filer under `buckets` is a bucket.
        let path = format!("/buckets/{BUCKET}/");
        let made = seaweed.ask(seaweed.ports[4], "POST", &path);
        assert!(made.is_some_and(|answer| answer.status == 201), "no bucket was made");
        seaweed.list("");
        seaweed
    }

    fn spawn(dir: &Path, ports: &[u16]) -> Server {
        let mut command = Command::new(program("weed"));
        command.arg("server").arg(format!("-dir={}", dir.join("data").display()));
        command.args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"]);
        let flags = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc"];
        let rest = ["filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"];
        for (flag, port) in flags.iter().chain(&rest).zip(ports) {
            command.arg(format!("-{flag}={port}"));
        }
        command.args(["-filer", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.args(["-volume.max=8", "-master.volumeSizeLimitMB=64"]);
        command.arg(format!("-s3.config={}", dir.join("s3.json").display()));
        command.current_dir(dir);
        Server::start("weed", command)
    }

    fn wait(ports: &[u16], server: &Server) {
        wait_for_port("weed (filer)", ports[4], server);
        wait_for_port("weed (s3)", ports[6], server);
    }

    /// The first start. Once in some ten, its filer never finds its master; nothing is in it yet,
    /// so it may begin again, on other ports.
    fn first(dir: &Path) -> (Vec<u16>, Server) {
        for _ in 0..WEED_STARTS_MAX {
            let ports: Vec<u16> = (0..8).map(|_| free_port()).collect();
            let server = Self::spawn(dir, &ports);
            if listens(ports[4], WEED_START_SECS) && listens(ports[6], WEED_START_SECS) {
                return (ports, server);
            }
            drop(server);
            std::fs::remove_dir_all(dir.join("data")).expect("a folder of ours can be removed");
            std::fs::create_dir_all(dir.join("data")).expect("a folder can be made");
        }
        panic!("weed did not start in {WEED_STARTS_MAX} tries");
    }

    /// Kills it (SIGKILL) and starts it again on the same ports.
    pub fn kill_and_start(&mut self) {
        self.server.kill();
        self.server = Self::spawn(&self.dir, &self.ports);
        Self::wait(&self.ports, &self.server);
    }

    /// The keys of an `[[export]]` that leads here; `secret` is a file that holds the secret.
    pub fn entry(&self, secret: &Path) -> String {
        let secret = Value::from(secret.display().to_string());
        format!(
            "sink = \"s3\"\nurl = \"http://127.0.0.1:{}\"\nbucket = \"{BUCKET}\"\n\
             prefix = \"log/\"\naccess_key = \"gateway\"\nsecret_key_file = {secret}\n\
             gather_secs = 1\n",
            self.ports[6]
        )
    }

    fn ask(&self, port: u16, method: &str, path: &str) -> Option<https::Answer> {
        let question = Question { method, path, headers: &[], body: "" };
        https::ask(SocketAddr::from(([127, 0, 0, 1], port)), question).ok()
    }

    /// A page of the bucket's list.
    fn list(&self, after: &str) -> String {
        self.get(&format!("/{BUCKET}?list-type=2&start-after={after}"))
    }

    /// What S3 gives, once it does: a server that just started lists nothing for a while.
    fn get(&self, path: &str) -> String {
        let end = Instant::now() + START_SECS_MAX;
        loop {
            match self.ask(self.ports[6], "GET", path) {
                Some(answer) if answer.status == 200 => return answer.body,
                answer => {
                    let status = answer.map(|answer| answer.status);
                    let said = self.server.stderr();
                    assert!(Instant::now() < end, "weed gives {status:?} for {path}: {said}");
                }
            }
            std::thread::sleep(POLL);
        }
    }

    /// Every object's text, one after the other.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut after = String::new();
        loop {
            let list = self.list(&after);
            let keys: Vec<&str> = list
                .split("<Key>")
                .skip(1)
                .filter_map(|rest| rest.split("</Key>").next())
                .collect();
            let Some(last) = keys.last() else { return text };
            for key in &keys {
                text.push_str(&self.get(&format!("/{BUCKET}/{key}")));
            }
            after = (*last).to_owned();
        }
    }
}

/// A stand-in for Splunk's HTTP Event Collector with indexer acknowledgement, after Splunk's
/// documentation. What it has not written to its file it never acknowledges.
pub struct FakeSplunk {
    address: SocketAddr,
    shared: Arc<Index>,
}

struct Index {
    file: PathBuf,
    stop: AtomicBool,
    /// Deliveries that are answered well and then lost, as an indexer may lose them.
    lose: AtomicU64,
    acks: Mutex<BTreeMap<u64, bool>>,
}

impl FakeSplunk {
    /// Starts it. It answers the first `lose` deliveries and keeps nothing of them.
    pub fn start(dir: &Path, lose: u64) -> Self {
        std::fs::create_dir_all(dir).expect("a folder can be made");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Index {
            file: dir.join("events"),
            stop: AtomicBool::new(false),
            lose: AtomicU64::new(lose),
            acks: Mutex::default(),
        });
        let index = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if index.stop.load(Ordering::SeqCst) {
                    return;
                }
                let index = Arc::clone(&index);
                std::thread::spawn(move || drop(index.answer(stream)));
            }
        });
        Self { address, shared }
    }

    /// The keys of an `[[export]]` that leads here; `token` is a file that holds the token.
    pub fn entry(&self, token: &Path) -> String {
        let token = Value::from(token.display().to_string());
        format!("sink = \"hec\"\nurl = \"http://{}\"\ntoken_file = {token}\n", self.address)
    }

    /// What it has kept, one event a line.
    pub fn text(&self) -> String {
        read(&self.shared.file)
    }
}

impl Drop for FakeSplunk {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Index {
    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut line, mut head) = (String::new(), String::new());
        while reader.read_line(&mut line)? > 2 {
            head.push_str(&line);
            line.clear();
        }
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let length = header("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let channel = header("x-splunk-request-channel");
        let known = header("authorization") == Some(format!("Splunk {HEC_TOKEN}"));
        let (status, said) = match (known, channel) {
            (false, _) => (403, json!({ "text": "Invalid token", "code": 4 })),
            (true, None) => (400, json!({ "text": "Data channel is missing", "code": 10 })),
            (true, Some(_)) if head.contains("/services/collector/ack") => {
                (200, self.acknowledged(&body))
            }
            (true, Some(_)) => (200, self.index(&body)?),
        };
        let said = said.to_string();
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{said}",
            said.len()
        )
    }

    fn index(&self, body: &[u8]) -> std::io::Result<Value> {
        let mut acks = self.acks.lock().unwrap_or_else(PoisonError::into_inner);
        let id = acks.len() as u64;
        let losing = |left: u64| left.checked_sub(1);
        let lost = self.lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, losing).is_ok();
        if !lost {
            let mut file =
                std::fs::OpenOptions::new().create(true).append(true).open(&self.file)?;
            for event in serde_json::Deserializer::from_slice(body).into_iter::<Value>() {
                writeln!(file, "{}", event?)?;
            }
        }
        acks.insert(id, !lost);
        Ok(json!({ "text": "Success", "code": 0, "ackId": id }))
    }

    /// An acknowledgement that was asked for is forgotten, as Splunk does.
    fn acknowledged(&self, body: &[u8]) -> Value {
        let mut acks = self.acks.lock().unwrap_or_else(PoisonError::into_inner);
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let ids = asked["acks"].as_array().into_iter().flatten().filter_map(Value::as_u64);
        let said: serde_json::Map<String, Value> = ids
            .map(|id| {
                let there = acks.get_mut(&id).is_some_and(std::mem::take);
                (id.to_string(), there.into())
            })
            .collect();
        json!({ "acks": said })
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
