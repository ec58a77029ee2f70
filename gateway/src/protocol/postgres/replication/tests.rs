#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn command(text: &str) -> Statement {
    let facts = facts(text, Scope::All).unwrap().unwrap_or_else(|| panic!("{text} is SQL"));
    let [statement] = <[Statement; 1]>::try_from(facts.statements).unwrap();
    assert!(is_command(&statement), "{text}");
    statement
}

/// Verb, class, objects and attributes, in one line.
fn told(text: &str) -> String {
    let statement = command(text);
    let objects =
        statement.objects.iter().map(|it| format!("{}:{}:{:?}", it.kind, it.name, it.access));
    let notes = statement.attributes.iter().map(|(key, value)| format!("{key}={value}"));
    let parts: Vec<String> = objects.chain(notes).collect();
    format!("{} {:?} {}", statement.verb, statement.class, parts.join(" "))
}

// tidy: table
#[test]
fn commands_of_real_clients_are_read() {
    for (text, expected) in [
        ("IDENTIFY_SYSTEM", "identify_system Read replication=any"),
        (" IDENTIFY_SYSTEM ; ", "identify_system Read replication=any"),
        ("SHOW wal_segment_size", "show Read setting:wal_segment_size:Read replication=any"),
        ("SHOW my.Var;", "show Read setting:my.var:Read replication=any"),
        (
            "READ_REPLICATION_SLOT \"s\"",
            "read_replication_slot Read replication_slot:s:Read replication=any",
        ),
        ("TIMELINE_HISTORY 2", "timeline_history Read replication=physical timeline=2"),
        (
            "CREATE_REPLICATION_SLOT \"s\" TEMPORARY PHYSICAL ( RESERVE_WAL)",
            "create_replication_slot Admin replication_slot:s:Write replication=physical \
             temporary=true option.reserve_wal=",
        ),
        (
            "CREATE_REPLICATION_SLOT \"s\" LOGICAL \"test_decoding\" (SNAPSHOT 'nothing')",
            "create_replication_slot Admin replication_slot:s:Write replication=logical \
             output_plugin=test_decoding option.snapshot=nothing",
        ),
        (
            "CREATE_REPLICATION_SLOT S LOGICAL pgoutput NOEXPORT_SNAPSHOT TWO_PHASE",
            "create_replication_slot Admin replication_slot:s:Write replication=logical \
             output_plugin=pgoutput option.noexport_snapshot= option.two_phase=",
        ),
        (
            "DROP_REPLICATION_SLOT \"s\" WAIT",
            "drop_replication_slot Admin replication_slot:s:Write replication=any",
        ),
        (
            "ALTER_REPLICATION_SLOT \"s\" ( FAILOVER true )",
            "alter_replication_slot Admin replication_slot:s:Write replication=any \
             option.failover=true",
        ),
        (
            "START_REPLICATION SLOT \"s\" 0/1000000 TIMELINE 1",
            "start_replication Admin replication_slot:s:Write replication=physical \
             position=0/1000000 timeline=1",
        ),
        ("START_REPLICATION ff/FF", "start_replication Admin replication=physical position=ff/FF"),
        (
            "START_REPLICATION PHYSICAL 0/0",
            "start_replication Admin replication=physical position=0/0",
        ),
        (
            "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (\"include-xids\" '0', \"skip-empty-xacts\")",
            "start_replication Admin replication_slot:s:Write replication=logical position=0/0 \
             option.include-xids=0 option.skip-empty-xacts=",
        ),
        (
            "START_REPLICATION SLOT s LOGICAL 0/0(proto_version '1',publication_names \
             '\"a\",\"it''s\"')",
            "start_replication Admin replication_slot:s:Write replication=logical position=0/0 \
             option.proto_version=1 option.publication_names=\"a\",\"it's\"",
        ),
        (
            "BASE_BACKUP ( LABEL 'pg_basebackup base backup',  PROGRESS,  CHECKPOINT 'fast',  \
             WAIT 0,  MANIFEST 'yes',  TARGET 'server', TARGET_DETAIL '/srv/b')",
            "base_backup Admin file:/srv/b:Write replication=physical \
             option.label=pg_basebackup base backup option.progress= option.checkpoint=fast \
             option.wait=0 option.manifest=yes option.target=server option.target_detail=/srv/b",
        ),
        (
            "BASE_BACKUP LABEL 'x' PROGRESS FAST NOWAIT MAX_RATE 32 MANIFEST 'yes'",
            "base_backup Admin replication=physical option.label=x option.progress= option.fast= \
             option.nowait= option.max_rate=32 option.manifest=yes",
        ),
        ("BASE_BACKUP", "base_backup Admin replication=physical"),
    ] {
        assert_eq!(told(text), expected, "{text}");
    }
    let text = "\n IDENTIFY_SYSTEM;\t";
    assert_eq!(text_of(text, &command(text)), "IDENTIFY_SYSTEM;");
}

#[test]
fn what_is_no_command_is_sql() {
    for text in [
        "",
        "SELECT 1",
        "identify_system",
        "Show all",
        "IDENTIFY_SYSTEMS",
        "IDENTIFY_SYSTEM1",
        "-- x\nIDENTIFY_SYSTEM",
        "/* */ START_REPLICATION 0/0",
        "\"IDENTIFY_SYSTEM\"",
        "; IDENTIFY_SYSTEM",
        "\u{a0}IDENTIFY_SYSTEM",
    ] {
        assert_eq!(facts(text, Scope::All).unwrap(), None, "{text:?}");
    }
}

#[test]
fn malformed_commands_are_refused() {
    let long = format!("BASE_BACKUP (LABEL '{}')", "x".repeat(REPLICATION_COMMAND_BYTES_MAX));
    let name = format!("READ_REPLICATION_SLOT \"{}\"", "x".repeat(64));
    for text in [
        "IDENTIFY_SYSTEM; SELECT 1",
        "IDENTIFY_SYSTEM;;",
        "IDENTIFY_SYSTEM -- x",
        "IDENTIFY_SYSTEM /* x */",
        "SHOW",
        "SHOW a; DROP TABLE t",
        "SHOW a b",
        "SHOW 'a'",
        "START_REPLICATION",
        "START_REPLICATION 0",
        "START_REPLICATION 0/",
        "START_REPLICATION 0/g",
        "START_REPLICATION 0/123456789",
        "START_REPLICATION LOGICAL 0/0",
        "START_REPLICATION SLOT 's' 0/0",
        "START_REPLICATION SLOT s LOGICAL 0/0 TIMELINE 1",
        "START_REPLICATION SLOT s 0/0 (a 'b')",
        "START_REPLICATION 0/0 TIMELINE 99999999999",
        "START_REPLICATION 0/0 TIMELINE -1",
        "START_REPLICATION 0/0 timeline 1",
        "START_REPLICATION SLOT \"s LOGICAL 0/0",
        "START_REPLICATION SLOT s LOGICAL 0/0 ()",
        "START_REPLICATION SLOT s LOGICAL 0/0 (a 'b'",
        "START_REPLICATION SLOT s LOGICAL 0/0 (a 'b' c)",
        "START_REPLICATION SLOT s LOGICAL 0/0 (a E'b\\'')",
        "CREATE_REPLICATION_SLOT s",
        "CREATE_REPLICATION_SLOT s logical p",
        "CREATE_REPLICATION_SLOT s LOGICAL",
        "CREATE_REPLICATION_SLOT \"\" PHYSICAL",
        "CREATE_REPLICATION_SLOT sl\u{f6}t PHYSICAL",
        "DROP_REPLICATION_SLOT",
        "DROP_REPLICATION_SLOT s NOWAIT",
        "ALTER_REPLICATION_SLOT s",
        "TIMELINE_HISTORY",
        "TIMELINE_HISTORY 1a",
        "BASE_BACKUP LABEL x",
        "BASE_BACKUP (LABEL 'x'))",
        "UPLOAD_MANIFEST",
        &long,
        &name,
    ] {
        let fault = facts(text, Scope::All).unwrap_err();
        assert_eq!(fault.code, "replication_malformed", "{text}");
    }
}

#[test]
fn a_target_open_to_logical_replication_gives_no_bytes_of_the_log() {
    for (text, open) in [
        ("START_REPLICATION 0/0", false),
        ("START_REPLICATION SLOT s 0/0", false),
        ("START_REPLICATION SLOT s LOGICAL 0/0", true),
        ("BASE_BACKUP", false),
        ("TIMELINE_HISTORY 2", false),
        ("CREATE_REPLICATION_SLOT s PHYSICAL", false),
        ("CREATE_REPLICATION_SLOT s LOGICAL p", true),
        ("IDENTIFY_SYSTEM", true),
    ] {
        assert_eq!(facts(text, Scope::Logical).is_ok(), open, "{text}");
        assert!(facts(text, Scope::All).is_ok(), "{text}");
    }
    assert!(!Scope::None.opens(Mode::Logical) && !Scope::None.opens(Mode::Physical));
    assert!(Scope::Logical.opens(Mode::Logical) && !Scope::Logical.opens(Mode::Physical));
    assert!(Scope::All.opens(Mode::Logical) && Scope::All.opens(Mode::Physical));
}
