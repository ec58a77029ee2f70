//! A real Kubernetes API server on a real etcd, and kubectl. No kubelet runs behind it.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certs::{Authority, CertificateFiles};
use crate::folder;
use crate::gateway::{AGENTS, Gateway, Site};
use crate::postgres::free_port;
use crate::process::{self, Output, Server};

/// Longest wait for a server to be ready.
const START_SECS_MAX: Duration = Duration::from_secs(90);
/// Longest run of kubectl.
const KUBECTL_SECS_MAX: Duration = Duration::from_secs(90);
/// The server that scripts/kubernetes.sh builds.
const SERVER: &str = "1.20.2";
/// The versions of kubectl that it fetches.
pub const KUBECTLS: [&str; 3] = ["1.32", "1.36.4", "1.37.1"];
/// Tokens of the server's own: its administrator's, and the gateway's.
const ADMIN_TOKEN: &str = "canary-cluster-admin-52f0";
/// The token of the account through which the gateway impersonates its callers.
pub const GATEWAY_TOKEN: &str = "canary-cluster-gateway-8d31";
/// The group that callers have on the server.
pub const CALLERS: &str = "portcullis-callers";

/// The namespace, and what the gateway's account may do.
const RIGHTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: impersonator}
rules:
- {apiGroups: [""], resources: [users, groups], verbs: [impersonate]}
- apiGroups: [authentication.k8s.io]
  resources: [userextras/portcullis-session, userextras/portcullis-agent]
  verbs: [impersonate]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: gateway}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: impersonator}
subjects: [{kind: User, name: portcullis-gateway}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules:
- {apiGroups: ["*"], resources: ["*"], verbs: [get, list, watch]}
- {nonResourceURLs: ["*"], verbs: [get]}
"#;

/// What callers may do: anything in `shop`, and read nearly everything.
fn bindings() -> String {
    let one = |kind: &str, namespace: &str, role: &str| {
        format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\n\
             metadata: {{name: callers{namespace}}}\nroleRef: {{apiGroup: \
             rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\n\
             subjects: [{{kind: Group, name: {CALLERS}}}]\n"
        )
    };
    let wide = one("ClusterRoleBinding", "", "reader");
    wide + &one("RoleBinding", ", namespace: shop", "cluster-admin")
}

/// etcd and the API server.
pub struct Cluster {
    dir: TempDir,
    port: u16,
    tls: CertificateFiles,
    _etcd: Server,
    server: Server,
}

impl Cluster {
    /// Starts both, with a namespace `shop`, an account for the gateway that may impersonate, and
    /// the right to do anything in `shop` for [`CALLERS`].
    pub fn start() -> Self {
        let dir = folder::temporary("cluster");
        let tls = Authority::new("harness cluster CA").write(dir.path(), "cluster");
        let (etcd, etcd_port) = etcd(dir.path());
        let tokens = dir.path().join("tokens.csv");
        let text = format!(
            "{ADMIN_TOKEN},admin,1,\"system:masters\"\n{GATEWAY_TOKEN},portcullis-gateway,2\n"
        );
        folder::write_private(&tokens, &text);
        // The server reads no public key out of a PKCS #8 file.
        let key = rcgen::KeyPair::generate().expect("a P-256 key can be made");
        let (signing, verifying) =
            (dir.path().join("accounts.key"), dir.path().join("accounts.pub"));
        folder::write_private(&signing, &key.serialize_pem());
        folder::write(&verifying, &key.public_key_pem());
        let port = free_port();
        let mut command = Command::new(home().join(SERVER).join("kube-apiserver"));
        let at = |path: &Path| path.display().to_string();
        for (flag, value) in [
            ("etcd-servers", format!("http://127.0.0.1:{etcd_port}")),
            ("service-account-issuer", "https://cluster.test".to_owned()),
            ("service-account-key-file", at(&verifying)),
            ("service-account-signing-key-file", at(&signing)),
            ("token-auth-file", at(&tokens)),
            ("authorization-mode", "RBAC".to_owned()),
            ("bind-address", "127.0.0.1".to_owned()),
            ("secure-port", port.to_string()),
            ("tls-cert-file", at(&tls.certificate)),
            ("tls-private-key-file", at(&tls.key)),
            ("cert-dir", at(dir.path())),
            ("service-cluster-ip-range", "10.0.0.0/24".to_owned()),
            ("disable-admission-plugins", "ServiceAccount".to_owned()),
        ] {
            command.arg(format!("--{flag}={value}"));
        }
        let server = Server::start("kube-apiserver", command);
        let cluster = Self { dir, port, tls, _etcd: etcd, server };
        cluster.prepare();
        cluster
    }

    fn prepare(&self) {
        let end = Instant::now() + START_SECS_MAX;
        while self.admin(&["get", "--raw", "/readyz"]).code != Some(0) {
            assert!(Instant::now() < end, "the API server is not ready: {}", self.server.stderr());
            std::thread::sleep(Duration::from_millis(100));
        }
        let rights = format!("{RIGHTS}{}", bindings());
        self.admin_given(&["create", "-f", "-"], &rights).success("the rights of the cluster");
    }

    /// `kubectl` as the administrator, past any gateway.
    pub fn admin(&self, arguments: &[&str]) -> Output {
        let server = format!("https://127.0.0.1:{}", self.port);
        Kubectl::new(KUBECTLS[0], &server, &self.tls.ca, ADMIN_TOKEN).run(arguments)
    }

    /// The same, with something to read.
    pub fn admin_given(&self, arguments: &[&str], input: &str) -> Output {
        let server = format!("https://127.0.0.1:{}", self.port);
        Kubectl::new(KUBECTLS[0], &server, &self.tls.ca, ADMIN_TOKEN).given(arguments, input)
    }

    /// Adds a listener and this cluster as target `cluster` to a site's configuration.
    pub fn add_to(&self, site: &Site, policy: &str) {
        folder::write(&site.dir().join("cluster.policy.toml"), policy);
        folder::write_private(&site.dir().join("cluster.token"), GATEWAY_TOKEN);
        let ca = serde_json::Value::from(self.tls.ca.display().to_string());
        let port = self.port;
        let more = format!(
            "\n[[listeners]]\nname = \"kube\"\nprotocol = \"kubernetes\"\n\
             listen = \"127.0.0.1:0\"\ncertificate_file = \"gateway.crt\"\n\
             key_file = \"gateway.key\"\n\n\
             [[targets]]\nname = \"cluster\"\nprotocol = \"kubernetes\"\n\
             address = \"127.0.0.1:{port}\"\ntls_ca_file = {ca}\npolicy = \"cluster.policy.toml\"\n\
             [[targets.accounts]]\nrole = \"caller\"\ntoken_file = \"cluster.token\"\n\
             groups = [\"{CALLERS}\"]\n\
             [[targets.access]]\nissuer = \"okta\"\nroles = [\"caller\"]\n\
             groups_any = [\"{AGENTS}\"]\n"
        );
        site.edit_config(|text| text + &more);
    }

    /// The folder for files of a test.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Gateway<'_> {
    /// `kubectl` of a version, through the gateway, with a token.
    pub fn kubectl(&self, version: &str, token: &str) -> Kubectl {
        let server = format!("https://127.0.0.1:{}/cluster", self.kubernetes_address().port());
        Kubectl::new(version, &server, self.ca_file(), token)
    }
}

/// kubectl with a configuration and a cache of its own.
pub struct Kubectl {
    dir: TempDir,
    program: PathBuf,
}

impl Kubectl {
    fn new(version: &str, server: &str, ca: &Path, token: &str) -> Self {
        let dir = folder::temporary("kubectl");
        folder::write_private(&dir.path().join("token"), token);
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it",
                "cluster": {"server": server, "certificate-authority": ca}}],
            "contexts": [{"name": "it",
                "context": {"cluster": "it", "user": "it", "namespace": "shop"}}],
            "users": [{"name": "it", "user": {"tokenFile": dir.path().join("token")}}],
        });
        folder::write_private(&dir.path().join("config"), &config.to_string());
        let program = home().join(format!("kubectl-{version}")).join("bin/kubectl");
        Self { dir, program }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env("KUBECONFIG", self.dir.path().join("config"));
        command.env("HOME", self.dir.path());
        command.arg("--cache-dir").arg(self.dir.path().join("cache")).args(arguments);
        command
    }

    /// Puts another token into its file.
    pub fn set_token(&self, token: &str) {
        folder::write_private(&self.dir.path().join("token"), token);
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.given(arguments, "")
    }

    /// The same, with something to read.
    pub fn given(&self, arguments: &[&str], input: &str) -> Output {
        process::run(self.command(arguments), input, KUBECTL_SECS_MAX)
    }

    /// Starts it and leaves it running.
    pub fn start(&self, arguments: &[&str]) -> Server {
        Server::start("kubectl", self.command(arguments))
    }
}

fn etcd(dir: &Path) -> (Server, u16) {
    let (port, peers) = (free_port(), free_port());
    let data = dir.join("etcd");
    fs::create_dir(&data).expect("a folder can be made");
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(&data);
    let (clients, members) =
        (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peers}"));
    command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    command.args(["--listen-peer-urls", &members, "--initial-advertise-peer-urls", &members]);
    command.args(["--initial-cluster", &format!("default={members}")]);
    let server = Server::start("etcd", command);
    let end = Instant::now() + START_SECS_MAX;
    while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err() {
        assert!(Instant::now() < end, "etcd does not listen: {}", server.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    (server, port)
}

/// Where scripts/kubernetes.sh leaves its programs.
fn home() -> PathBuf {
    let home = folder::cache().join("kubernetes");
    assert!(home.exists(), "{} is missing: run scripts/setup.sh test", home.display());
    home
}
