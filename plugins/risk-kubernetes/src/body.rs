//! What a body asks for, wherever it stands in it: in a pod, in a template of a pod, in a list, in
//! a patch of any kind.

use serde_json::Value;

/// Something that a body asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// A container with the rights of the machine, and by which field.
    Privileged(String),
    /// A folder of the machine.
    HostPath(String),
    /// An image.
    Image(String),
    /// No replicas.
    NoReplicas,
    /// A node that takes no pods.
    Cordon,
    /// The role that a binding gives.
    Role(String),
    /// A rule of a role with any verb, or any resource, or a verb that leads to any right.
    AnyRight(String),
}

/// Capabilities that are as good as the machine.
const CAPABILITIES: [&str; 8] = [
    "ALL",
    "SYS_ADMIN",
    "SYS_PTRACE",
    "SYS_MODULE",
    "DAC_READ_SEARCH",
    "DAC_OVERRIDE",
    "NET_ADMIN",
    "BPF",
];
const DEPTH_MAX: usize = 64;

/// Everything that a body asks for; nothing when it is no JSON or too deep.
pub(crate) fn read(text: &str) -> Option<Vec<Asked>> {
    let value: Value = serde_json::from_str(text).ok()?;
    let mut found = Vec::new();
    walk("", &value, 0, &mut found)?;
    found.dedup();
    Some(found)
}

fn walk(key: &str, value: &Value, depth: usize, found: &mut Vec<Asked>) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    asked(key, value, found);
    match value {
        Value::Object(fields) => {
            // One act of a JSON patch: what it puts where.
            if let (Some(Value::String(path)), Some(put)) =
                (fields.get("path"), fields.get("value"))
                && fields.contains_key("op")
            {
                let name =
                    path.rsplit('/').find(|part| part.parse::<u32>().is_err() && *part != "-");
                return walk(name.unwrap_or_default(), put, depth + 1, found);
            }
            fields.iter().try_for_each(|(key, value)| walk(key, value, depth + 1, found))
        }
        // The elements of a list are what the list is.
        Value::Array(list) => list.iter().try_for_each(|value| walk(key, value, depth + 1, found)),
        _ => Some(()),
    }
}

fn asked(key: &str, value: &Value, found: &mut Vec<Asked>) {
    let words = || match value {
        Value::String(word) => vec![word.as_str()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    match (key, value) {
        ("privileged" | "hostPID" | "hostIPC" | "hostNetwork", Value::Bool(true)) => {
            found.push(Asked::Privileged(key.to_owned()));
        }
        ("procMount", Value::String(how)) if how == "Unmasked" => {
            found.push(Asked::Privileged(key.to_owned()));
        }
        // Of `capabilities`; `drop` may name any.
        ("add", _) => {
            let given = words().into_iter().find(|word| {
                let name = word.to_uppercase();
                CAPABILITIES.contains(&name.strip_prefix("CAP_").unwrap_or(&name))
            });
            found.extend(given.map(|name| Asked::Privileged(name.to_owned())));
        }
        ("hostPath", Value::Object(fields)) => {
            let path = fields.get("path").and_then(Value::as_str).unwrap_or("/");
            found.push(Asked::HostPath(path.to_owned()));
        }
        ("image", Value::String(image)) => found.push(Asked::Image(image.clone())),
        ("replicas", Value::Number(count)) if count.as_i64() == Some(0) => {
            found.push(Asked::NoReplicas);
        }
        ("unschedulable", Value::Bool(true)) => found.push(Asked::Cordon),
        ("roleRef", Value::Object(fields)) => {
            let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
            found.push(Asked::Role(name.to_owned()));
        }
        ("verbs", _) => {
            let any = |word: &&str| matches!(*word, "*" | "bind" | "escalate" | "impersonate");
            found.extend(words().into_iter().find(any).map(|it| Asked::AnyRight(it.to_owned())));
        }
        ("resources", Value::Array(_)) if words().contains(&"*") => {
            found.push(Asked::AnyRight("*".to_owned()));
        }
        _ => {}
    }
}
