//! kubectl through the gateway, on a real API server.

use std::time::Duration;

use portcullis::demo::issuer::MintRequest;
use portcullis_tests::cluster::{Cluster, GATEWAY_TOKEN, KUBECTLS};
use portcullis_tests::gateway::Gateway;
use portcullis_tests::okta::bob;
use portcullis_tests::operator::{
    ALLOW, CONSOLE_CLIENT, ask, entries, folder_holds, wait_for_questions,
};
use portcullis_tests::plugins::component;
use serde_json::{Value, json};

use crate::stage::Stage;

const WAIT_SECS_MAX: Duration = Duration::from_secs(30);

fn staged(policy: &str) -> (Stage, Cluster) {
    let stage = Stage::with_policy(ALLOW);
    let cluster = Cluster::start();
    cluster.add_to(&stage.site, policy);
    (stage, cluster)
}

/// A policy of one plugin that ships.
fn policy_of(plugin: &str, settings: &str, more: &str) -> String {
    let file = Value::from(component(plugin).display().to_string());
    format!(
        "default = \"allow\"\n{more}[[plugins]]\nname = \"{plugin}\"\nfile = {file}\n\
         [plugins.settings]\n{settings}"
    )
}

/// The texts of the recorded requests with this state, as the reports show them.
fn requests(stage: &Stage, state: &str) -> Vec<String> {
    let dir = stage.site.log_dir().display().to_string();
    let listed = stage.site.run(&["sessions", "list", "--dir", &dir]).success("sessions list");
    let mut texts = Vec::new();
    for line in listed.lines() {
        let session: Value = serde_json::from_str(line).expect("a session is JSON");
        let id = session["id"].as_str().expect("a session has an id");
        let arguments = ["sessions", "report", id, "--format", "json", "--dir", &dir];
        let report = stage.site.run(&arguments).success("sessions report");
        let report: Value = serde_json::from_str(&report).expect("the report is JSON");
        for moment in report["timeline"].as_array().expect("a timeline") {
            let command = &moment["command"];
            if moment["body"]["state"] == state {
                texts.extend(command["text"].as_str().map(str::to_owned));
            }
        }
    }
    texts
}

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: "registry.test/web:1", env: [{name: A, value: canary-env}]}]
"#;

#[test]
fn kubectl_of_every_version_works_as_without_the_gateway() {
    let (stage, cluster) = staged(ALLOW);
    let gateway = stage.site.start();
    let token = stage.token();
    for version in KUBECTLS {
        let kubectl = gateway.kubectl(version, &token);
        let run = |arguments: &[&str]| kubectl.run(arguments).success(&arguments.join(" "));
        let told = kubectl.given(&["apply", "-f", "-"], DEPLOYMENT).success("apply");
        assert_eq!(told.trim(), "deployment.apps/web created", "{version}");
        let told =
            kubectl.given(&["apply", "--server-side", "--force-conflicts", "-f", "-"], DEPLOYMENT);
        assert_eq!(told.success("server-side").trim(), "deployment.apps/web serverside-applied");
        assert!(run(&["get", "deployments"]).contains("0/2"), "{version}");
        assert!(run(&["get", "deployments", "-o", "wide"]).contains("registry.test/web:1"));
        assert!(run(&["get", "deploy", "web", "-o", "yaml"]).contains("value: canary-env"));
        assert!(run(&["describe", "deployment", "web"]).contains("registry.test/web:1"));
        run(&["scale", "deployment", "web", "--replicas=3"]);
        run(&["set", "image", "deployment/web", "c=registry.test/web:2"]);
        run(&["patch", "deployment", "web", "-p", r#"{"metadata":{"labels":{"x":"y"}}}"#]);
        run(&["label", "deployment", "web", "z=1"]);
        let kept = cluster.admin(&[
            "get",
            "deploy",
            "web",
            "-n",
            "shop",
            "-o",
            "jsonpath={.spec.replicas} {.metadata.labels.x} {.metadata.labels.z}",
        ]);
        assert_eq!(kept.success("get"), "3 y 1", "{version}");
        assert!(run(&["api-resources"]).contains("deployments"));
        assert!(run(&["explain", "deployment.spec.replicas"]).contains("Number of desired pods"));
        let map = kubectl.run(&[
            "create",
            "configmap",
            "m",
            "--from-literal=a=b",
            "--dry-run=client",
            "-o",
            "json",
        ]);
        kubectl.given(&["create", "-f", "-"], &map.success("a map")).success("create");
        run(&["wait", "--for=jsonpath={.data.a}=b", "configmap/m", "--timeout=20s"]);
        run(&["delete", "configmap", "m"]);
        assert!(run(&["delete", "deployment", "web"]).contains("deleted"), "{version}");
        let missing = kubectl.run(&["get", "deployment", "web"]);
        assert_eq!(missing.code, Some(1));
        assert!(missing.stderr.contains("(NotFound)"), "{}", missing.stderr);
    }
    gateway.stop();
    let sent = requests(&stage, "permitted");
    let patched =
        sent.iter().filter(|text| text.starts_with("PATCH /apis/apps/v1/namespaces/shop"));
    assert!(patched.count() >= 5 * KUBECTLS.len(), "{sent:#?}");
    for entry in entries(&stage.site.log_dir()) {
        if entry["type"] == "session_start" {
            assert_eq!(entry["body"]["protocol"], "kubernetes");
            assert_eq!(entry["body"]["role"], "caller");
        }
    }
    for secret in [token.as_str(), GATEWAY_TOKEN] {
        assert!(
            !folder_holds(&stage.site.data_dir(), secret.as_bytes()),
            "a token is in the log's folder"
        );
    }
}

/// Who acts is told to the server, and what a caller is there is the operator's choice.
#[test]
fn callers_are_impersonated_and_can_be_nobody_else() {
    let (stage, cluster) = staged(ALLOW);
    let gateway = stage.site.start();
    let token = stage.token();
    let kubectl = gateway.kubectl(KUBECTLS[1], &token);
    // `kube-system` is not theirs: the server itself says so, and to whom.
    let other = kubectl.run(&["delete", "configmap", "m", "-n", "kube-system"]);
    assert_eq!(other.code, Some(1));
    assert!(other.stderr.contains("User \"okta:"), "{}", other.stderr);
    for flags in [&["--as=admin"][..], &["--as=okta:x", "--as-group=system:masters"]] {
        let told = kubectl.run(&[&["get", "pods"][..], flags].concat());
        assert_eq!(told.code, Some(1));
        assert!(told.stderr.contains("nobody acts as somebody else here"), "{}", told.stderr);
    }
    // What kubectl itself sends as protobuf nobody could judge.
    let binary = kubectl.run(&["create", "configmap", "m"]);
    assert!(binary.stderr.contains("can't be judged"), "{}", binary.stderr);
    let told = gateway.kubectl(KUBECTLS[1], "no.such.token").run(&["get", "pods"]);
    assert_eq!(told.code, Some(1));
    // kubectl has words of its own for a token that is not taken.
    assert!(told.stderr.contains("must be logged in"), "{}", told.stderr);
    let person = stage.okta.person_token(&bob());
    let told = gateway.kubectl(KUBECTLS[1], &person).run(&["get", "pods"]);
    assert!(told.stderr.contains("do not open target \"cluster\""), "{}", told.stderr);
    cluster.admin(&["get", "ns", "shop"]).success("the cluster is there");
    gateway.stop();
    let refused = entries(&stage.site.log_dir());
    let codes: Vec<&str> = refused
        .iter()
        .filter(|entry| entry["type"] == "refusal")
        .filter_map(|entry| entry["body"]["code"].as_str())
        .collect();
    for code in ["impersonation_refused", "target_not_allowed", "token_malformed"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
}

#[test]
fn what_a_policy_denies_reaches_no_server_and_says_why() {
    let settings = "images = [\"registry.test/\"]\n";
    let policy = policy_of("risk-kubernetes", settings, "[risk]\ndeny_at = 60\n");
    let (stage, cluster) = staged(&policy);
    cluster
        .admin(&["create", "secret", "generic", "db", "-n", "shop", "--from-literal=p=canary"])
        .success("a secret");
    let gateway = stage.site.start();
    let kubectl = gateway.kubectl(KUBECTLS[0], &stage.token());
    let pod = |image: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "c", "image": image}]}})
        .to_string()
    };
    let denied = kubectl.given(&["create", "-f", "-"], &pod("evil.test/x"));
    assert_eq!(denied.code, Some(1));
    assert!(denied.stderr.contains("runs the image evil.test/x"), "{}", denied.stderr);
    for arguments in [
        &["get", "secrets"][..],
        &["get", "secret", "db", "-o", "yaml"],
        &["delete", "secret", "db"],
    ] {
        let told = kubectl.run(arguments);
        assert_eq!(told.code, Some(1), "{arguments:?}: {}", told.stdout);
        assert!(told.stderr.contains("portcullis: "), "{}", told.stderr);
        assert!(!told.stdout.contains("Y2FuYXJ5"), "{}", told.stdout);
    }
    let told = kubectl.run(&["get", "--raw", "/api/v1/namespaces/shop/pods/../secrets"]);
    assert_eq!(told.code, Some(1), "{}", told.stdout);
    kubectl.given(&["create", "-f", "-"], &pod("registry.test/x:1")).success("a known image");
    cluster.admin(&["get", "secret", "db", "-n", "shop"]).success("it is still there");
    let exec = kubectl.run(&["exec", "p", "--", "id"]);
    assert_eq!(exec.code, Some(1), "{}", exec.stdout);
    gateway.stop();
    let denied = requests(&stage, "denied");
    assert!(denied.iter().any(|text| text.contains("/secrets/db")), "{denied:#?}");
}

#[test]
fn hidden_values_leave_by_no_door() {
    let settings = "columns = [\n\
        { origin = \"core.secrets.data/*\", mask = { fixed = \"hidden\" } },\n\
        { origin = \"*.*.*containers/env/value\", mask = \"null\" },\n]\n";
    let (stage, cluster) = staged(&policy_of("mask-columns", settings, ""));
    let gateway = stage.site.start();
    let kubectl = gateway.kubectl(KUBECTLS[2], &stage.token());
    let secret = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},
        "stringData":{"password":"canary-secret-7"}}"#;
    cluster.admin_given(&["apply", "-n", "shop", "-f", "-"], secret).success("a secret");
    cluster.admin_given(&["apply", "-n", "shop", "-f", "-"], DEPLOYMENT).success("a deployment");
    let mut watch =
        kubectl.start(&["get", "secrets", "-o", "json", "--watch", "--output-watch-events"]);
    let mut shown = String::new();
    for arguments in [
        &["get", "secret", "db", "-o", "yaml"][..],
        &["get", "secrets", "-o", "json"],
        &["get", "secrets"],
        &["get", "secret", "db", "-o", "jsonpath={.data.password}"],
        &["get", "secret", "db", "-o", "go-template={{.data}}"],
        &["get", "--raw", "/api/v1/secrets"],
        &["get", "--raw", "/api/v1/namespaces/shop/secrets/db"],
        &["describe", "secret", "db"],
        &["get", "deploy", "web", "-o", "yaml"],
        &["get", "deployments", "-A", "-o", "json"],
        &["describe", "deploy", "web"],
        &["patch", "secret", "db", "-o", "yaml", "-p", r#"{"metadata":{"labels":{"a":"b"}}}"#],
        &["label", "secret", "db", "c=d", "-o", "json"],
    ] {
        shown.push_str(&kubectl.run(arguments).success(&arguments.join(" ")));
    }
    assert!(shown.contains("aGlkZGVu"), "{shown}");
    let last = cluster.admin(&["get", "secret", "db", "-n", "shop", "-o", "yaml"]);
    assert!(last.success("get").contains("Y2FuYXJ5LXNlY3JldC03"), "the secret itself is whole");
    let mut seen = String::new();
    while !seen.contains("MODIFIED") {
        seen.push_str(&watch.line(WAIT_SECS_MAX));
        seen.push('\n');
    }
    watch.kill();
    assert!(seen.contains("aGlkZGVu"), "{seen}");
    shown.push_str(&seen);
    for secret in ["canary-secret-7", "Y2FuYXJ5", "canary-env"] {
        assert!(!shown.contains(secret), "{secret} left: {shown}");
    }
    for patch in [
        r#"[{"op":"test","path":"/data/password","value":"Y2FuYXJ5LXNlY3JldC03"}]"#,
        r#"[{"op":"copy","from":"/data/password","path":"/metadata/labels/x"}]"#,
        r#"[{"op":"move","from":"/data","path":"/metadata/annotations"}]"#,
    ] {
        let told = kubectl.run(&["patch", "secret", "db", "--type=json", "-p", patch]);
        assert_eq!(told.code, Some(1), "{patch}");
        assert!(told.stderr.contains("masking.copy"), "{}", told.stderr);
    }
    // Not JSON, and so nothing that could be masked: it comes as JSON all the same.
    let raw = kubectl.run(&["get", "--raw", "/api/v1/namespaces/shop/services/x/proxy/"]);
    assert!(raw.stderr.contains("can't be masked"), "{}", raw.stderr);
    gateway.stop();
    let hidden = entries(&stage.site.log_dir());
    let cells = |entry: &Value| entry["body"]["masked_cells"].as_u64().unwrap_or(0);
    assert!(hidden.iter().any(|entry| cells(entry) > 0));
    assert!(
        !hidden.iter().any(|entry| entry.to_string().contains("Y2FuYXJ5LXNlY3JldC03")
            && entry["type"] == "response"),
        "a value is in the log unmasked"
    );
}

/// The answer waits for a person; a client that is told to come back joins the same question.
#[test]
fn a_held_request_runs_once_a_person_says_so() {
    let settings = "verbs = [\"delete\"]\nreason = \"deletes\"\ndecide_within_secs = 120\n";
    let policy = policy_of("approval-writes", settings, "");
    let (stage, cluster) = staged(&policy);
    for name in ["a", "b"] {
        cluster.admin(&["create", "configmap", name, "-n", "shop"]).success("a map");
    }
    let gateway = stage.site.start();
    let kubectl = gateway.kubectl(KUBECTLS[0], &stage.token());
    let approver = stage.okta.mint(&MintRequest::person(&bob(), CONSOLE_CLIENT));
    let id = |gateway: &Gateway<'_>| wait_for_questions(gateway, &approver, 1).remove(0);

    let mut waiting = kubectl.start(&["delete", "configmap", "a", "--wait=false"]);
    let asked = id(&gateway);
    // Longer than the gateway keeps a client waiting for one answer.
    std::thread::sleep(Duration::from_secs(23));
    cluster.admin(&["get", "configmap", "a", "-n", "shop"]).success("nothing ran yet");
    let again = id(&gateway);
    assert_eq!(asked, again, "the repeat joins the question");
    ask(&gateway, &approver, &["approvals", "approve", &again]).success("approving");
    assert!(waiting.line(WAIT_SECS_MAX).contains("deleted"));
    assert_eq!(cluster.admin(&["get", "configmap", "a", "-n", "shop"]).code, Some(1));

    let mut refused = kubectl.start(&["delete", "configmap", "b", "--wait=false"]);
    let asked = id(&gateway);
    ask(&gateway, &approver, &["approvals", "deny", &asked]).success("denying");
    assert_eq!(refused.wait(WAIT_SECS_MAX).and_then(|status| status.code()), Some(1));
    assert!(refused.stderr().contains("was refused"), "{}", refused.stderr());
    cluster.admin(&["get", "configmap", "b", "-n", "shop"]).success("it is still there");
}

/// A watch ends with its session, and a new token opens a new one.
#[test]
fn a_watch_ends_with_its_session() {
    let (stage, cluster) = staged(ALLOW);
    let gateway = stage.site.start();
    let kubectl = gateway.kubectl(KUBECTLS[1], &stage.token());
    cluster.admin(&["create", "configmap", "seen", "-n", "shop"]).success("a map");
    let mut watch = kubectl.start(&["get", "configmaps", "-w", "-o", "name"]);
    while !watch.line(WAIT_SECS_MAX).contains("configmap/seen") {}
    stage.site.edit_config(|text| {
        text.replace(
            "roles = [\"caller\"]\ngroups_any = [\"data-agents\"]",
            "roles = [\"caller\"]\ngroups_any = [\"nobody\"]",
        )
    });
    assert!(watch.wait(WAIT_SECS_MAX).is_some(), "the watch goes on without access");
    let told = kubectl.run(&["get", "configmaps"]);
    assert!(told.stderr.contains("do not open target"), "{}", told.stderr);
}
