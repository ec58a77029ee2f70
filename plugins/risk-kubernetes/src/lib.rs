//! Scores requests to the Kubernetes API. Settings: `README.md`.

mod body;

use portcullis_plugin::{
    Assessment, Finding, Operation, Plugin, Problem, RiskScorer, Scores, SessionInfo,
};
use serde::Deserialize;

use crate::body::Asked;

/// Every rule with its default score.
// tidy: table
const RULES: [(&str, u8); 28] = [
    ("kubernetes.all_namespaces", 30),
    ("kubernetes.certificate", 90),
    ("kubernetes.cordon", 60),
    ("kubernetes.debug", 70),
    ("kubernetes.delete", 50),
    ("kubernetes.delete_collection", 90),
    ("kubernetes.delete_vital", 85),
    ("kubernetes.evict", 60),
    ("kubernetes.exec", 70),
    ("kubernetes.forward", 50),
    ("kubernetes.host_path", 85),
    ("kubernetes.image", 60),
    ("kubernetes.impersonate", 90),
    ("kubernetes.node", 70),
    ("kubernetes.path", 60),
    ("kubernetes.pod_privileged", 95),
    ("kubernetes.policy", 80),
    ("kubernetes.rbac", 85),
    ("kubernetes.rbac_admin", 95),
    ("kubernetes.scale_zero", 70),
    ("kubernetes.schema", 60),
    ("kubernetes.secret", 75),
    ("kubernetes.secrets", 90),
    ("kubernetes.system", 60),
    ("kubernetes.token", 85),
    ("kubernetes.unread", 60),
    ("kubernetes.webhook", 85),
    ("kubernetes.write", 20),
];

/// The `[plugins.settings]` table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Other scores than the default ones, by rule; 0 turns a rule off.
    #[serde(default)]
    scores: Scores,
    /// Where images may come from: beginnings of their names. Empty = anywhere.
    #[serde(default)]
    images: Vec<String>,
    /// Namespaces of the cluster itself.
    #[serde(default = "system_namespaces")]
    system_namespaces: Vec<String>,
    /// Folders of the machine that pods may have: they and what is below.
    #[serde(default)]
    host_paths: Vec<String>,
}

fn system_namespaces() -> Vec<String> {
    ["kube-system", "kube-public", "kube-node-lease"].map(str::to_owned).to_vec()
}

/// The plugin.
#[derive(Debug)]
pub struct RiskKubernetes(Settings);

impl Plugin for RiskKubernetes {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = settings.scores.problems(&RULES);
        for (at, image) in settings.images.iter().enumerate() {
            if !image.contains('/') {
                let message = "needs a `/`, or other registries could begin the same";
                problems.push(Problem::at(format!("images[{at}]"), message));
            }
        }
        for (at, path) in settings.host_paths.iter().enumerate() {
            if !path.starts_with('/') || path.contains("..") {
                problems.push(Problem::at(format!("host_paths[{at}]"), "is an absolute path"));
            }
        }
        if problems.is_empty() { Ok(Self(settings)) } else { Err(problems) }
    }
}

impl RiskScorer for RiskKubernetes {
    fn score(&self, _session: &SessionInfo, operation: &Operation) -> Assessment {
        let mut found: Vec<Finding> = Vec::new();
        if operation.kind != "kubernetes_request" {
            return Assessment { score: 0, findings: found };
        }
        let mut broken = self.requested(operation);
        // What is only tried changes nothing, but who may read, run and become whom all the same.
        let tried = operation.is("dry_run");
        if !tried {
            broken.extend(self.changed(operation));
            broken.extend(self.asked(operation));
        }
        for (rule, message) in broken {
            let score = self.value(rule);
            let known = |it: &Finding| it.rule == rule && it.message == message;
            if score > 0 && !found.iter().any(known) {
                found.push(Finding { rule: rule.to_owned(), score, message });
            }
        }
        // The host keeps the first few.
        found.sort_by_key(|finding| std::cmp::Reverse(finding.score));
        let score = found.first().map_or(0, |finding| finding.score);
        Assessment { score, findings: found }
    }
}

type Broken = Vec<(&'static str, String)>;

/// What a request is about.
struct Target<'a> {
    group: &'a str,
    resource: &'a str,
    subresource: &'a str,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Target<'a> {
    fn of(operation: &'a Operation) -> Self {
        let part = |name: &str| operation.attribute(name).unwrap_or_default();
        Self {
            group: part("group"),
            resource: part("resource"),
            subresource: part("subresource"),
            namespace: part("namespace"),
            name: part("name"),
        }
    }

    fn words(&self) -> String {
        let name = if self.name.is_empty() { "all" } else { self.name };
        match self.namespace {
            "" => format!("{} {name}", self.resource),
            namespace => format!("{} {namespace}/{name}", self.resource),
        }
    }
}

fn writes(operation: &Operation) -> bool {
    let verbs = ["create", "update", "patch", "delete", "deletecollection"];
    verbs.iter().any(|verb| operation.does(verb) || operation.verb == *verb)
}

impl RiskKubernetes {
    /// What counts whether or not it is only tried.
    fn requested(&self, operation: &Operation) -> Broken {
        let mut found: Broken = Vec::new();
        let target = Target::of(operation);
        let mut add = |rule: &'static str, what: &str| {
            found.push((rule, format!("{what} {}", target.words())))
        };
        for act in operation.acts.iter().chain([&operation.verb]) {
            match act.as_str() {
                "exec" | "attach" => add("kubernetes.exec", "runs commands in"),
                "portforward" | "proxy" => add("kubernetes.forward", "opens a connection to"),
                "impersonate" => add("kubernetes.impersonate", "acts as somebody else on"),
                "bind" | "escalate" => {
                    add("kubernetes.rbac_admin", "gives rights it may not have:")
                }
                _ => {}
            }
        }
        let reads = matches!(operation.verb.as_str(), "get" | "list" | "watch");
        if target.resource == "secrets" && reads {
            let one = operation.verb == "get" && !target.name.is_empty();
            add(if one { "kubernetes.secret" } else { "kubernetes.secrets" }, "reads");
        }
        if operation.verb != "get"
            && reads
            && target.namespace.is_empty()
            && !target.resource.is_empty()
        {
            add("kubernetes.all_namespaces", "reads across namespaces:");
        }
        if target.subresource == "token" && target.resource == "serviceaccounts" {
            add("kubernetes.token", "has a token made for");
        }
        if target.resource.is_empty() && operation.class == "admin" {
            found.push(("kubernetes.path", format!("asks for {}", operation.text)));
        }
        if operation.is("unparsed") {
            found.push(("kubernetes.unread", "has a body that can't be read".to_owned()));
        }
        found
    }

    /// What changes because of the request itself.
    fn changed(&self, operation: &Operation) -> Broken {
        const VITAL: [&str; 11] = [
            "namespaces",
            "persistentvolumes",
            "persistentvolumeclaims",
            "nodes",
            "customresourcedefinitions",
            "storageclasses",
            "statefulsets",
            "volumesnapshots",
            "apiservices",
            "priorityclasses",
            "secrets",
        ];
        const POLICIES: [&str; 8] = [
            "networkpolicies",
            "resourcequotas",
            "limitranges",
            "poddisruptionbudgets",
            "podsecuritypolicies",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "mutatingadmissionpolicies",
        ];
        let mut found: Broken = Vec::new();
        let target = Target::of(operation);
        let mut add = |rule: &'static str, what: &str| {
            found.push((rule, format!("{what} {}", target.words())))
        };
        let deletes = operation.does("delete") || operation.verb == "delete";
        if operation.verb == "deletecollection" || operation.does("deletecollection") {
            add("kubernetes.delete_collection", "deletes many:");
        } else if deletes && VITAL.contains(&target.resource) {
            add("kubernetes.delete_vital", "deletes, with what hangs on it:");
        } else if deletes {
            add("kubernetes.delete", "deletes");
        }
        if operation.does("evict") || target.subresource == "eviction" {
            add("kubernetes.evict", "drives out");
        }
        if !writes(operation) {
            return found;
        }
        match (target.group, target.resource) {
            ("rbac.authorization.k8s.io", _) => add("kubernetes.rbac", "changes rights:"),
            (_, "certificatesigningrequests") if !target.subresource.is_empty() => {
                add("kubernetes.certificate", "signs or approves");
            }
            (_, "validatingwebhookconfigurations" | "mutatingwebhookconfigurations") => {
                add("kubernetes.webhook", "changes who sees and changes every request:");
            }
            (_, "customresourcedefinitions" | "apiservices") => {
                add("kubernetes.schema", "changes what resources there are:");
            }
            (_, "nodes") => add("kubernetes.node", "changes"),
            (_, policy) if POLICIES.contains(&policy) => {
                add("kubernetes.policy", "changes what protects others:");
            }
            (_, "pods") if target.subresource == "ephemeralcontainers" => {
                add("kubernetes.debug", "adds a container to");
            }
            _ => add("kubernetes.write", "changes"),
        }
        if self.0.system_namespaces.iter().any(|name| name == target.namespace) {
            add("kubernetes.system", "changes the cluster itself:");
        }
        found
    }

    /// What the body asks for.
    fn asked(&self, operation: &Operation) -> Broken {
        let mut found: Broken = Vec::new();
        let target = Target::of(operation);
        let bodies = operation.parameters.iter().map(|parameter| parameter.text());
        let mut asked = Vec::new();
        for body in bodies {
            match body.as_deref().map(body::read) {
                Some(Some(more)) => asked.extend(more),
                _ => found.push(("kubernetes.unread", "has a body that can't be read".to_owned())),
            }
        }
        let listed = operation.resources.iter().filter(|object| object.kind == "image");
        asked.extend(listed.map(|object| Asked::Image(object.name.clone())));
        if !writes(operation) {
            return found;
        }
        let rights = target.group == "rbac.authorization.k8s.io";
        for it in asked {
            match it {
                Asked::Privileged(field) => {
                    found.push(("kubernetes.pod_privileged", format!("asks for {field}")));
                }
                Asked::HostPath(path) if !self.allows(&path) => {
                    found.push(("kubernetes.host_path", format!("asks for {path} of the machine")));
                }
                Asked::Image(image) if !self.knows(&image) => {
                    found.push(("kubernetes.image", format!("runs the image {image}")));
                }
                Asked::NoReplicas => {
                    found.push(("kubernetes.scale_zero", format!("stops {}", target.words())));
                }
                Asked::Cordon => {
                    found.push(("kubernetes.cordon", format!("takes {} out", target.words())));
                }
                Asked::Role(role) if matches!(role.as_str(), "cluster-admin" | "admin") => {
                    found.push(("kubernetes.rbac_admin", format!("gives the role {role}")));
                }
                Asked::AnyRight(word) if rights => {
                    found.push(("kubernetes.rbac_admin", format!("gives the right `{word}`")));
                }
                _ => {}
            }
        }
        found
    }

    fn allows(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        !path.contains("..")
            && self.0.host_paths.iter().any(|allowed| {
                let rest = path.strip_prefix(allowed.trim_end_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    }

    fn knows(&self, image: &str) -> bool {
        self.0.images.is_empty() || self.0.images.iter().any(|known| image.starts_with(known))
    }

    fn value(&self, rule: &str) -> u8 {
        self.0.scores.of(&RULES, rule)
    }
}

portcullis_plugin::risk_scorer!(RiskKubernetes);

#[cfg(test)]
mod tests;
