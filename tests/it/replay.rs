//! Sessions once more: as a transcript, as an asciicast, and against a throw-away PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_tests::clients::CLIENT_SECS_MAX;
use portcullis_tests::gateway::binary;
use portcullis_tests::operator::{Stage, ask, shop_policy};
use portcullis_tests::postgres::{APP_ROLE, DATABASE};
use portcullis_tests::process::{self, Output};
use portcullis_tests::wire::frame;
use serde_json::Value;

fn replay(bundle: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["sessions", "replay", "--from"]).arg(bundle).args(arguments);
    process::run(command, "\n\n", CLIENT_SECS_MAX)
}

/// A recorded session of the shop, as a bundle, and a schema that it runs on again.
fn recorded(stage: &Stage) -> PathBuf {
    let gateway = stage.site.start();
    let mut wire = gateway.wire_tls();
    wire.sign_in(APP_ROLE, DATABASE, &stage.okta.agent_token()).unwrap();
    wire.query("SELECT id, name FROM customers WHERE id < 44 ORDER BY id").unwrap();
    wire.query("SELECT email FROM customers WHERE id = 42").unwrap();
    let parse = [&b"\0SELECT $1::int4 + 1 AS more\0"[..], &[0, 0]].concat();
    let bind = [&b"\0\0"[..], &[0, 1, 0, 0, 0, 1, 0, 0, 0, 2], b"41", &[0, 1, 0, 1]].concat();
    let frames = [(b'P', parse), (b'B', bind), (b'D', b"P\0".to_vec()), (b'E', vec![0; 5])];
    let mut bytes: Vec<u8> = frames.iter().flat_map(|(tag, body)| frame(*tag, body)).collect();
    bytes.extend(frame(b'S', b""));
    wire.send(&bytes).unwrap();
    while wire.message().unwrap().tag != b'Z' {}
    wire.query("SELECT * FROM nothing_here").unwrap();
    wire.query("SELECT 'caf\u{e9}' AS word").unwrap();
    drop(wire);
    let auditor = stage.approver_token();
    let list = ask(&gateway, &auditor, &["sessions", "list"]).success("sessions list");
    let newest: Value = serde_json::from_str(list.lines().next().unwrap()).unwrap();
    let id = newest["id"].as_str().unwrap();
    let bundle = stage.site.dir().join("session.tar");
    let name = bundle.to_str().unwrap();
    ask(&gateway, &auditor, &["sessions", "report", id, "--bundle", name]).success("a bundle");
    let online = ask(&gateway, &auditor, &["sessions", "replay", id]).success("a replay");
    assert!(online.contains("shop=> SELECT id, name FROM customers"), "{online}");
    assert!(gateway.stop().success());
    bundle
}

fn schema(stage: &Stage, name: &str) -> PathBuf {
    let file = stage.site.dir().join("schema.sql");
    let sql = format!(
        "CREATE TABLE customers (id int PRIMARY KEY, name text, email text, card_number text);\n\
         INSERT INTO customers VALUES {name};\n\
         GRANT SELECT ON customers TO {APP_ROLE};\n"
    );
    fs::write(&file, sql).unwrap();
    file
}

#[test]
fn a_session_is_shown_and_run_again() {
    let stage = Stage::new(&shop_policy(60));
    let bundle = recorded(&stage);
    let text = replay(&bundle, &[]).success("the transcript");
    for words in ["+0.", "SELECT id, name", "(1 rows)", "caf\u{e9}", "42P01", "$1 = "] {
        assert!(text.contains(words), "{words} is missing in {text}");
    }
    let one = replay(&bundle, &["--step"]).success("two steps");
    assert!(one.len() < text.len() && one.contains("SELECT id, name"), "{one}");
    for (format, version) in [("asciicast", 3), ("asciicast-v2", 2)] {
        let cast = replay(&bundle, &["--format", format]).success("a cast");
        let mut lines = cast.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        assert_eq!(lines.next().unwrap()["version"], version);
        let shown: Vec<Value> = lines.collect();
        assert!(shown.iter().any(|event| event[1] == "m"), "{cast}");
        assert!(shown.iter().any(|event| event[2].as_str().unwrap().contains("caf\u{e9} \r\n")));
    }

    // The same rows as the shop has them, then one that is another.
    let rows = stage.postgres.admin().run(
        "SELECT string_agg(format('(%s, %L, %L, %L)', id, name, email, card_number), ', ') \
         FROM customers WHERE id < 60",
    );
    let rows = rows.success("the rows of the shop");
    let same = schema(&stage, rows.trim());
    let against = ["--against", "postgres", "--schema", same.to_str().unwrap()];
    let told = replay(&bundle, &against).success("run again");
    assert!(told.contains("5 requests run again, rows of 4 compared, 0 differences"), "{told}");
    let other = rows.trim().replacen("(42, '", "(42, 'not ", 1);
    assert_ne!(other, rows.trim());
    schema(&stage, &other);
    let told = replay(&bundle, &against);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.contains("rows were") && told.stdout.contains("1 differences"), "{told:?}");
    fs::write(&same, "CREATE TABLE other (id int);").unwrap();
    let told = replay(&bundle, &against);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.contains("errors were \"\", are \"42P01\""), "{told:?}");
    fs::write(&same, "CREATE TABEL").unwrap();
    let told = replay(&bundle, &against);
    assert!(told.code == Some(1) && told.stderr.contains("loading the schema"), "{told:?}");

    // A bundle that was changed is not shown.
    let mut bytes = fs::read(&bundle).unwrap();
    let place = bytes.windows(9).position(|window| window == b"permitted").unwrap();
    bytes[place] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let told = replay(&bundle, &[]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""), "{told:?}");
    assert!(told.stderr.contains("not replayed"), "{told:?}");
}
