//! `portcullis approvals`: what waits for a person, and the person's answer.

use std::fmt::Write as _;
use std::io::Write;

use serde_json::{Value, json};

use super::client::Client;
use super::{Stop, print};
use crate::cli::{AnswerArgs, Approvals};

pub(super) async fn run(command: Approvals, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    match command {
        Approvals::Approve(args) => answer(&args, "approve", out).await,
        Approvals::Deny(args) => answer(&args, "deny", out).await,
        Approvals::List { admin, json } => {
            let list = Client::new(&admin)?.read_json("/v1/approvals").await?;
            if json {
                return print(out, &format!("{list:#}"));
            }
            let open = list.get("approvals").and_then(Value::as_array);
            let texts: Vec<String> = open.into_iter().flatten().map(question).collect();
            if texts.is_empty() {
                return print(out, "nothing waits for an approval");
            }
            print(out, &texts.join("\n"))
        }
    }
}

async fn answer(args: &AnswerArgs, verb: &str, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let id = &args.id;
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain || id.is_empty() {
        return Err(Stop::usage("the id of a question looks like apr_abcdefghijklmnop"));
    }
    let path = format!("/v1/approvals/{id}/{verb}");
    let said = Client::new(&args.admin)?.write(&path, &json!({ "note": args.note })).await?;
    let said: Value = serde_json::from_str(&said).unwrap_or_default();
    let late = said.get("late").and_then(Value::as_bool).unwrap_or_default();
    let done = if verb == "approve" { "approved" } else { "denied" };
    let then = match (late, verb) {
        (true, "approve") => "; nobody waits, so it runs once when the same is sent again",
        _ => "",
    };
    print(out, &format!("{id} {done}, recorded{then}"))
}

/// One question for a person to read. Every line of the statement is marked, so that a statement
/// can't look like another field.
fn question(question: &Value) -> String {
    let text = |path: &str| question.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let number = |path: &str| question.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let flag = |path: &str| question.pointer(path).and_then(Value::as_bool).unwrap_or_default();
    let list = |path: &str| {
        let items = question.pointer(path).and_then(Value::as_array);
        let items: Vec<&str> = items.into_iter().flatten().filter_map(Value::as_str).collect();
        items.join(", ")
    };
    let mut lines = String::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a String can't fail.
            let _ = writeln!(lines, "  {name:<11}{value}");
        }
    };
    let late = question.pointer("/late_until_at").and_then(Value::as_u64);
    let left = (number("/deadline_at")).saturating_sub(number("/asked_at") + number("/age_secs"));
    let target = [text("/target"), text("/database"), text("/role")].join(" / ");
    add("asked by", format!("{} ({})", text("/requester/subject"), text("/requester/issuer")));
    add("mail", text("/requester/email").to_owned());
    add("client", text("/requester/client").to_owned());
    add("acting", list("/requester/actors"));
    add("on", format!("{target}, in {}", text("/session")));
    add("because", text("/reason").to_owned());
    for finding in question.pointer("/findings").and_then(Value::as_array).into_iter().flatten() {
        let field = |name: &str| finding.get(name).and_then(Value::as_str).unwrap_or_default();
        let score = finding.get("score").and_then(Value::as_u64).unwrap_or_default();
        let rule = field("rule");
        add("finding", format!("{} {rule} ({score}): {}", field("plugin"), field("message")));
    }
    add("approvers", list("/approvers"));
    if flag("/in_transaction") {
        add("state", "inside an open transaction, whose locks it holds while it waits".to_owned());
    }
    if late.is_some() {
        let what = "nobody waits any more; a yes lets the same request run once, if it comes again";
        add("late", what.to_owned());
    }
    add("runs as", text("/runs_as").to_owned());
    add("path", text("/search_path").to_owned());
    if flag("/statement_beyond_ascii") {
        add("warning", "it has characters beyond ASCII, which may look like others".to_owned());
    }
    let cut =
        if flag("/statement_cut") { ", CUT HERE: read it whole before you answer" } else { "" };
    add("statement", format!("{} bytes{cut}", number("/statement_bytes")));
    for line in text("/statement").lines() {
        add("", format!("| {line}"));
    }
    let parameters = question.pointer("/parameters").and_then(Value::as_array);
    for (index, value) in parameters.into_iter().flatten().filter_map(Value::as_str).enumerate() {
        add(&format!("${}", index + 1), value.replace('\n', "<U+000A>"));
    }
    let now = number("/asked_at") + number("/age_secs");
    let state = match (late, flag("/expired"), flag("/answered")) {
        (Some(until), ..) => format!("LATE, {} s left", until.saturating_sub(now)),
        (None, true, _) => "expired".to_owned(),
        (None, false, true) => "answered".to_owned(),
        (None, false, false) => format!("{left} s left"),
    };
    let (id, risk, age) = (text("/id"), number("/risk"), number("/age_secs"));
    format!("{id}  risk {risk}, asked {age} s ago, {state}\n{lines}")
}

#[cfg(test)]
mod tests;
