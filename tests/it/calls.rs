//! Functions called by their object id, as libpq does for large objects.

use portcullis_tests::operator::entries_of;
use portcullis_tests::wire::{frame, sync, tags, texts};

use crate::masking::open_doors;
use crate::stage::Stage;

const SECRET: &str = "what the large object holds";

pub(crate) fn call(oid: u32, value: &[u8]) -> Vec<u8> {
    let mut body = oid.to_be_bytes().to_vec();
    body.extend([0, 1, 0, 1, 0, 1]);
    body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
    body.extend_from_slice(value);
    body.extend([0, 1]);
    frame(b'F', &body)
}

/// What psql's own commands for large objects say, and the object as it came out.
fn large_object(stage: &Stage, lists: &str) -> (String, Option<String>) {
    stage.site.edit_config(|text| {
        text.replace("[[targets.accounts]]", &format!("{lists}\n\n[[targets.accounts]]"))
    });
    let gateway = stage.site.start();
    let (file, back) = (stage.site.dir().join("object"), stage.site.dir().join("back"));
    std::fs::write(&file, SECRET).unwrap();
    let script = format!(
        "\\lo_import '{}'\n\\lo_export :LASTOID '{}'\nSELECT 'goes on';\n",
        file.display(),
        back.display()
    );
    let output = gateway.psql(&stage.token()).run_past_errors(&script);
    assert!(output.stdout.contains("goes on"), "{}{}", output.stdout, output.stderr);
    assert!(gateway.stop().success());
    (output.stderr, std::fs::read_to_string(back).ok())
}

#[test]
fn large_objects_pass_when_their_functions_are_listed() {
    let stage = Stage::with_policy("default = \"allow\"\n");
    let lists = "function_calls = [\"lo_creat\", \"lo_create\", \"lo_open\", \"lowrite\", \
                 \"loread\", \"lo_close\"]";
    let (said, back) = large_object(&stage, lists);
    assert_eq!((said.as_str(), back.as_deref()), ("", Some(SECRET)));
    let stored = "SELECT convert_from(data, 'UTF8') FROM pg_largeobject";
    assert_eq!(stage.admin(stored), format!("{SECRET}\n"));
    let requests = entries_of(&stage.site.log_dir(), "request");
    let calls = requests.iter().filter(|it| it["body"]["kind"] == "sql_function_call");
    let calls: Vec<_> = calls.map(|it| it["body"]["objects"][0]["name"].clone()).collect();
    assert!(calls.contains(&"pg_catalog.lowrite".into()), "{calls:?}");
}

#[test]
fn results_of_functions_are_hidden_where_columns_are() {
    let stage = open_doors();
    let lists = "function_calls_harmless = [\"lo_creat\", \"lo_create\", \"lo_open\", \"lowrite\", \
                 \"lo_close\"]\nfunction_calls = [\"loread\"]";
    let (_, back) = large_object(&stage, lists);
    assert!(!back.unwrap_or_default().contains(SECRET), "it was read past the masks");
    assert_eq!(stage.admin("SELECT count(*) FROM pg_largeobject"), "1\n", "it was written");
}

#[test]
fn what_is_not_listed_is_refused_and_the_session_goes_on() {
    let stage = open_doors();
    stage.site.edit_config(|text| {
        text.replace("[[targets.accounts]]", "function_calls = [\"abs\"]\n\n[[targets.accounts]]")
    });
    stage.admin("CREATE FUNCTION abs(text) RETURNS text LANGUAGE sql AS 'SELECT $1'");
    let oid = |function: &str| -> u32 {
        stage.admin(&format!("SELECT '{function}'::regprocedure::oid")).trim().parse().unwrap()
    };
    let (listed, other) = (oid("pg_catalog.abs(int4)"), oid("public.abs(text)"));
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    for (oid, answer) in [(listed, "V Z"), (other, "E Z"), (1598, "E Z"), (0, "E Z")] {
        let value = if oid == other { &b"four"[..] } else { &[0xff, 0xff, 0xff, 0xfc] };
        wire.send(&call(oid, value)).unwrap();
        let messages = wire.messages_until(b'Z').unwrap();
        assert_eq!(tags(&messages), answer, "{oid}: {:?}", messages[0]);
        match messages[0].tag {
            b'V' => assert_eq!(messages[0].body, [0xff; 4], "hidden where columns are masked"),
            _ => assert_eq!(messages[0].field(b'C').as_deref(), Some("0A000")),
        }
    }
    // In a pipeline that failed it is skipped, as the server skips it.
    let failing = portcullis_tests::wire::parse("", "SELECT no_such_column");
    wire.send(&[failing, call(listed, &[0; 4]), sync()].concat()).unwrap();
    assert_eq!(tags(&wire.messages_until(b'Z').unwrap()), "E Z");
    assert_eq!(tags(&wire.query("SELECT 1").unwrap()), "T D C Z");
}

/// What a statement makes run can't be told without the catalogue, so it is refused, and the
/// session lives until the catalogue can be read again.
#[test]
fn nothing_runs_while_the_catalogue_cant_be_read() {
    let stage = Stage::new();
    let elsewhere = |sql: &str| {
        stage.postgres.admin().database("postgres").run(sql).success(sql);
    };
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    assert_eq!(tags(&wire.query("SELECT upper(name) FROM products LIMIT 1").unwrap()), "T D C Z");
    // A change of the schema makes what was read too old.
    assert_eq!(tags(&wire.query("CREATE TEMP TABLE fresh (id integer)").unwrap()), "C Z");
    // Sessions that are there go on; the gateway's own, for the catalogue, is new each time.
    elsewhere("ALTER DATABASE shop ALLOW_CONNECTIONS false");
    for sql in ["INSERT INTO fresh VALUES (1)", "SELECT upper(name) FROM products", "TABLE fresh"] {
        let answers = wire.query(sql).unwrap();
        assert_eq!(tags(&answers), "E Z", "{sql}");
        let said = answers[0].field(b'M').unwrap();
        assert!(said.starts_with("portcullis: "), "{sql}: {said}");
    }
    elsewhere("ALTER DATABASE shop ALLOW_CONNECTIONS true");
    let counted = wire.query("SELECT count(*) FROM fresh").unwrap();
    assert_eq!(tags(&counted), "T D C Z", "the session goes on");
    assert_eq!(texts(&counted), [Some("0".to_owned())], "nothing ran");
}
