//! `docs/plugins.md`: a stranger follows it, command by command.

use std::fs;
use std::process::Command;
use std::time::Duration;

use portcullis_tests::folder;
use portcullis_tests::languages::kit;
use portcullis_tests::operator::{ALLOW, Stage};
use portcullis_tests::process;

/// The fenced blocks of one language, in order.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let rest = page.split(&fence).skip(1);
    rest.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Each command: a line that is not indented, with those below it that are.
fn commands_of(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in text.lines() {
        match commands.last_mut() {
            Some(last) if line.starts_with(' ') => {
                last.push('\n');
                last.push_str(line);
            }
            _ => commands.push(line.to_owned()),
        }
    }
    commands
}

/// Runs one command as a shell would, with `portcullis` in PATH; one that is to fail says so.
fn run(stage: &Stage, line: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(stage.site.dir());
    command.env("PATH", format!("{}:{path}", folder::programs().display()));
    command.env("CARGO_TARGET_DIR", kit());
    let output = process::run(command, "", Duration::from_secs(280));
    let expected = if line.ends_with("# exits with 1") { 1 } else { 0 };
    assert_eq!(output.code, Some(expected), "{line}\n{}{}", output.stderr, output.stdout);
    output.stdout
}

#[test]
fn every_command_of_the_page_does_what_it_says() {
    let page = fs::read_to_string(folder::repository().join("docs/plugins.md")).unwrap();
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.okta.agent_token());
    psql.run("SELECT email FROM customers WHERE id = 1; UPDATE orders SET status = 'x'")
        .success("the recorded session");
    assert!(gateway.stop().success());

    let commands = blocks(&page, "sh").concat();
    let out: Vec<(String, String)> =
        commands_of(&commands).into_iter().map(|it| (it.clone(), run(&stage, &it))).collect();
    let said = |word: &str| {
        let start = format!("portcullis plugin {word}");
        let found = out.iter().find(|(line, _)| line.starts_with(&start));
        found.unwrap_or_else(|| panic!("the page has no `plugin {word}`")).1.clone()
    };
    assert!(said("check").starts_with("hide-customers 0.1.0: loads"), "{}", said("check"));
    assert!(said("test").contains("4 passed, 0 failed"), "{}", said("test"));
    assert_eq!(said("run"), "[secret]\ncall back\n");
    assert!(said("bench").contains("MB/s; start "), "{}", said("bench"));
    assert!(said("backtest").contains("1 allow -> hold"), "{}", said("backtest"));
    assert!(said("inspect").contains("signature  valid, by policy-team+"), "{}", said("inspect"));

    // The case on the page is one of the plugin's, and what is said of the policy holds.
    let shown = blocks(&page, "json");
    let case: serde_json::Value = serde_json::from_str(&shown[0]).unwrap();
    let golden = fs::read(stage.site.dir().join("hide-customers/golden.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_slice(&golden).unwrap();
    assert_eq!(case["cases"][0], golden["cases"][0]);
    let tables = blocks(&page, "toml");
    let key = fs::read_to_string(stage.site.dir().join("policy-team.key.pub")).unwrap();
    let signing = tables[0].replace("policy-team+...+AR...", key.trim());
    stage.site.edit_config(|text| text.replacen("[admin]", &format!("{signing}\n[admin]"), 1));
    stage.site.set_policy(&format!("{ALLOW}{}", tables[1]));
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.okta.agent_token());
    let email = psql.run("SELECT email FROM customers WHERE id = 1").success("psql");
    assert_eq!(email.trim(), "[hidden]");
}
