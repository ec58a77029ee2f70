//! Search in the log, as an auditor asks for it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use portcullis_tests::gateway::Gateway;
use portcullis_tests::operator::{Stage, ask, entries_of, shop_policy, wait_for};
use serde_json::Value;

fn search(gateway: &Gateway<'_>, token: &str, query: &str) -> Value {
    let output = ask(gateway, token, &["search", query, "--json"]).success("search");
    serde_json::from_str(&output).expect("the answer is JSON")
}

/// The statements that a query finds.
fn statements(gateway: &Gateway<'_>, token: &str, query: &str) -> Vec<String> {
    let answer = search(gateway, token, query);
    assert_eq!(answer["complete"], true, "{answer}");
    let hits = answer["hits"].as_array().expect("there are hits").iter();
    hits.filter_map(|hit| hit["statement"].as_str().map(str::to_owned)).collect()
}

#[test]
fn an_auditor_finds_what_was_asked_by_whom_and_of_what() {
    let stage = Stage::new(&shop_policy(60));
    let gateway = stage.site.start();
    let (auditor, agent) = (stage.approver_token(), stage.okta.agent_token());
    let mails = "SELECT email FROM customers WHERE id = 42";
    let all = "SELECT * FROM customers WHERE id = 43";
    let drop = "DROP TABLE customers";
    gateway.psql(&agent).run(mails).success("a masked row");
    gateway.psql(&agent).run(all).success("a whole row");
    gateway.psql(&agent).run("SELECT count(*) FROM orders").success("another table");
    assert_ne!(gateway.psql(&agent).run(drop).code, Some(0));
    gateway.psql("no token at all").run("SELECT 1");

    // What was asked a moment ago is found at once, in the index or not.
    let found = |query: &str| statements(&gateway, &auditor, query);
    assert_eq!(found("column:customers.email since:2d"), [all, mails]);
    assert_eq!(found("column:public.customers.email -text:43 verdict:permitted"), [mails]);
    assert_eq!(found("table:customers verdict:denied"), [drop]);
    assert_eq!(found("\"drop table\""), [drop]);
    assert_eq!(found("\"table drop\""), Vec::<String>::new());
    assert_eq!(found("table:customers until:2020-01-01"), Vec::<String>::new());
    let who = search(&gateway, &auditor, "type:session_start");
    let (agent_name, person) =
        (who["hits"][0]["agent"].as_str().unwrap(), who["hits"][0]["person"].as_str().unwrap());
    assert_eq!(found(&format!("agent:{agent_name} person:{person} orders")).len(), 1);
    assert_eq!(found("agent:nobody"), Vec::<String>::new());
    let refused = search(&gateway, &auditor, "type:refusal verdict:refused");
    assert_eq!(refused["total"], 1, "{refused}");

    // The same once the index has it, and after it was damaged or asked to be made anew.
    let indexed = || {
        wait_for("the index", || {
            let answer = search(&gateway, &auditor, "type:boot");
            let (indexed, entries) = (answer["indexed"].as_u64()?, answer["entries"].as_u64()?);
            // The question itself is the newest entry.
            (indexed + 4 >= entries).then_some(())
        });
    };
    indexed();
    assert_eq!(found("column:customers.email since:2d"), [all, mails]);
    ask(&gateway, &auditor, &["audit", "reindex"]).success("audit reindex");
    assert_eq!(found("column:customers.email since:2d"), [all, mails]);
    indexed();

    only_auditors_in_words_that_mean_something(&gateway, &auditor, &agent, drop);
    assert!(gateway.stop().success());
    let looks = entries_of(&stage.site.log_dir(), "event");
    let look = |entry: &&Value| entry["body"]["what"] == "search column:customers.email since:2d";
    assert!(looks.iter().filter(look).count() >= 3, "{looks:#?}");
    a_damaged_index_is_made_anew(&stage, &auditor, drop);
}

fn only_auditors_in_words_that_mean_something(
    gateway: &Gateway<'_>,
    auditor: &str,
    agent: &str,
    drop: &str,
) {
    let output = ask(gateway, agent, &["search", "type:boot"]);
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    let output = ask(gateway, auditor, &["search", "agnet:x"]);
    assert!(output.stderr.contains("no field `agnet`"), "{}", output.stderr);
    let listed = ask(gateway, auditor, &["search", "drop table"]).success("search");
    assert!(listed.contains(drop), "{listed}");
}

fn a_damaged_index_is_made_anew(stage: &Stage, auditor: &str, drop: &str) {
    let dir = stage.site.data_dir().join("search");
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let largest = fs::read_dir(&dir)
        .unwrap()
        .map(|file| file.unwrap().path())
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    fs::write(largest, b"rubbish").unwrap();
    let gateway = stage.site.start();
    assert_eq!(statements(&gateway, auditor, "table:customers verdict:denied"), [drop]);
    assert!(gateway.stop().success());
}

/// The files that hold what is indexed.
fn segments(dir: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = names.map(|file| file.file_name().to_string_lossy().into_owned());
    // Tantivy names a segment's files by its id.
    names.filter(|name| name.len() > 32).collect()
}

#[test]
fn an_erased_session_leaves_the_index() {
    let stage = Stage::new(&shop_policy(60));
    let gateway = stage.site.start();
    let (auditor, agent) = (stage.approver_token(), stage.okta.agent_token());
    gateway.psql(&agent).run("SELECT 'canaryerased'").success("the session to erase");
    gateway.psql(&agent).run("SELECT 'canarykept'").success("the session to keep");
    let dir = stage.site.data_dir().join("search");
    assert_eq!(statements(&gateway, &auditor, "canaryerased").len(), 1);
    let hits = search(&gateway, &auditor, "type:request canaryerased");
    let session = hits["hits"][0]["session"].as_str().unwrap().to_owned();
    let index = hits["hits"][0]["index"].as_u64().unwrap();
    let before = wait_for("the index", || {
        let indexed = search(&gateway, &auditor, "type:boot")["indexed"].as_u64()?;
        Some(segments(&dir)).filter(|files| indexed > index && !files.is_empty())
    });
    // Erasing is a keystore without the session's line, put in place of the old one.
    let keys = stage.site.log_dir().join("session.keys");
    let text = fs::read_to_string(&keys).unwrap();
    let left: String = text
        .lines()
        .filter(|line| !line.starts_with(&session))
        .map(|it| format!("{it}\n"))
        .collect();
    let next = stage.site.log_dir().join("session.keys.next");
    fs::write(&next, left).unwrap();
    fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(next, &keys).unwrap();
    // Nothing of the old index is left: not a term, not a segment that a merge would leave.
    wait_for("the erasure", || {
        let now = segments(&dir);
        (!now.is_empty() && now.is_disjoint(&before)).then_some(())
    });
    assert_eq!(statements(&gateway, &auditor, "canaryerased"), Vec::<String>::new());
    assert_eq!(statements(&gateway, &auditor, "canarykept").len(), 1);
    assert!(gateway.stop().success());
}
