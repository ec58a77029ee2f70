//! Every event against the schema that OCSF publishes.

use super::*;

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/ocsf-1.8.0.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What of an event or object does not fit its definition.
struct Check<'a> {
    schema: &'a Value,
    profiles: Vec<&'a str>,
    wrong: Vec<String>,
}

impl Check<'_> {
    fn object(&mut self, definition: &Value, value: &Value, path: &str) {
        let attributes = definition["attributes"].as_object().unwrap();
        let Some(fields) = value.as_object() else {
            self.wrong.push(format!("{path} is no object"));
            return;
        };
        for (name, attribute) in attributes {
            let asked = attribute.get("profiles").and_then(Value::as_array);
            let on = asked.is_none_or(|profiles| {
                profiles.iter().any(|one| self.profiles.contains(&one.as_str().unwrap()))
            });
            if on && attribute["requirement"] == "required" && !fields.contains_key(name) {
                self.wrong.push(format!("{path}.{name} is missing"));
            }
            if !on && fields.contains_key(name) {
                self.wrong.push(format!("{path}.{name} needs a profile"));
            }
        }
        for (name, field) in fields {
            let path = format!("{path}.{name}");
            match attributes.get(name) {
                Some(attribute) => self.attribute(attribute, field, &path),
                None => self.wrong.push(format!("{path} is not in the schema")),
            }
        }
        let count = |names: &Value| {
            let names = names.as_array().unwrap().iter();
            names.filter(|name| fields.contains_key(name.as_str().unwrap())).count()
        };
        for (kind, names) in definition["constraints"].as_object().unwrap() {
            let fits = if kind == "just_one" { count(names) == 1 } else { count(names) > 0 };
            if !fits {
                self.wrong.push(format!("{path}: {kind} of {names}"));
            }
        }
    }

    fn attribute(&mut self, attribute: &Value, value: &Value, path: &str) {
        if attribute["is_array"] == true {
            let Some(items) = value.as_array() else {
                self.wrong.push(format!("{path} is no list"));
                return;
            };
            items.iter().for_each(|item| self.single(attribute, item, path));
        } else {
            self.single(attribute, value, path);
        }
    }

    fn single(&mut self, attribute: &Value, value: &Value, path: &str) {
        let kind = attribute["type"].as_str().unwrap();
        let fits = match kind {
            "object_t" => {
                let name = attribute["object_type"].as_str().unwrap();
                // The free object, where what no attribute is for goes.
                if name != "object" {
                    let definition = &self.schema["objects"][name];
                    assert!(definition.is_object(), "{name} was left out of the schema");
                    self.object(definition, value, path);
                }
                value.is_object()
            }
            "integer_t" | "long_t" | "port_t" | "timestamp_t" => value.is_i64() || value.is_u64(),
            "boolean_t" => value.is_boolean(),
            "ip_t" => value.as_str().is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_ok()),
            "email_t" => value.as_str().is_some_and(|text| text.contains('@')),
            _ => value.is_string(),
        };
        let permitted = attribute.get("enum").and_then(Value::as_array);
        let word = value.to_string();
        let known = permitted.is_none_or(|all| {
            all.iter().any(|one| one.as_str().unwrap() == word.trim_matches('"'))
        });
        if !fits || !known {
            self.wrong.push(format!("{path} is {value}, which is no {kind} of the schema"));
        }
    }
}

fn wrong(schema: &Value, event: &Value) -> Vec<String> {
    let class = &schema["classes"][event["class_uid"].to_string()];
    if !class.is_object() {
        return vec![format!("there is no class {}", event["class_uid"])];
    }
    let profiles = event["metadata"]["profiles"].as_array().into_iter().flatten();
    let profiles = profiles.map(|profile| profile.as_str().unwrap()).collect();
    let mut check = Check { schema, profiles, wrong: Vec::new() };
    check.object(class, event, "event");
    check.wrong
}

#[tokio::test]
async fn every_event_fits_the_schema() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    every_kind(&log).await;
    let schema = schema();
    assert_eq!(schema["version"], "1.8.0");
    let mut classes = std::collections::BTreeSet::new();
    let mut kinds = std::collections::BTreeSet::new();
    let mut all = events(&log, true);
    let unreadable = Stored { index: 99, line: b"\xff".to_vec() };
    let origin: Arc<str> = log.status().origin.into();
    all.push(event::event(&origin, &unreadable, &mut log.reader().follow(), true).unwrap());
    // What a request is when its session can't be found any more.
    let lost = all.iter().find(|event| event.name == "request.permitted").unwrap().clone();
    all.push(Event { start: None, who: None, peer: None, agent: None, ..lost });
    for event in all {
        let value: Value = serde_json::from_str(&Format::Ocsf.line(&event)).unwrap();
        let wrong = wrong(&schema, &value);
        assert!(wrong.is_empty(), "{wrong:#?}\n{value:#}");
        assert_eq!(value["metadata"]["uid"], event.uid);
        assert_eq!(
            value["type_uid"].as_u64().unwrap(),
            value["class_uid"].as_u64().unwrap() * 100 + value["activity_id"].as_u64().unwrap()
        );
        classes.insert(value["class_uid"].as_u64().unwrap());
        kinds.insert(event.name);
    }
    assert_eq!(classes.len(), 6, "{classes:?}");
    for kind in ["boot", "request.denied", "response", "session_end", "refusal", "checkpoint"] {
        assert!(kinds.contains(kind), "{kinds:?}");
    }
}

#[tokio::test]
async fn the_check_itself_sees_what_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    every_kind(&log).await;
    let schema = schema();
    let request = events(&log, true).into_iter().find(|event| event.name == "request.denied");
    let good: Value = serde_json::from_str(&Format::Ocsf.line(&request.unwrap())).unwrap();
    let spoil = |spoil: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        spoil(&mut bad);
        wrong(&schema, &bad).len()
    };
    assert_eq!(spoil(&|_| {}), 0);
    assert!(spoil(&|event| drop(event.as_object_mut().unwrap().remove("actor"))) > 0);
    assert!(spoil(&|event| event["colour"] = "red".into()) > 0);
    assert!(spoil(&|event| event["severity_id"] = 77.into()) > 0);
    assert!(spoil(&|event| event["time"] = "today".into()) > 0);
    assert!(spoil(&|event| event["metadata"]["profiles"] = serde_json::json!([])) > 0);
    assert!(spoil(&|event| event["database"] = serde_json::json!({ "type_id": 1 })) > 0);
    assert!(spoil(&|event| event["src_endpoint"]["ip"] = "nowhere".into()) > 0);
}
