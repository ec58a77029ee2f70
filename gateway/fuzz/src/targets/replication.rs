//! Commands of replication sessions: what is read as one is one statement that covers its text,
//! and no other statement hides behind it.

use portcullis::protocol::postgres::replication::{self, Scope};
use portcullis::protocol::postgres::statement;

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "replication",
    seeds: &[
        b"IDENTIFY_SYSTEM",
        b"SHOW wal_segment_size;",
        b"READ_REPLICATION_SLOT \"s\"",
        b"TIMELINE_HISTORY 2",
        b"CREATE_REPLICATION_SLOT \"s\" TEMPORARY PHYSICAL (RESERVE_WAL)",
        b"CREATE_REPLICATION_SLOT s LOGICAL test_decoding NOEXPORT_SNAPSHOT TWO_PHASE",
        b"DROP_REPLICATION_SLOT \"s\" WAIT",
        b"ALTER_REPLICATION_SLOT \"s\" ( FAILOVER true )",
        b"START_REPLICATION SLOT \"s\" 16/B374D848 TIMELINE 1",
        b"START_REPLICATION SLOT \"s\" LOGICAL 0/0 (\"include-xids\" '0', x 'it''s')",
        b"BASE_BACKUP ( LABEL 'x', PROGRESS, WAIT 0, TARGET_DETAIL '/srv')",
        b"BASE_BACKUP LABEL 'x' FAST MAX_RATE 32",
    ],
    words: &[
        b"START_REPLICATION ",
        b"BASE_BACKUP ",
        b"SLOT ",
        b"LOGICAL ",
        b"PHYSICAL ",
        b"0/0",
        b"'",
        b"\"",
        b"''",
        b"(",
        b")",
        b", ",
        b";",
        b"; DROP TABLE t",
        b"--",
        b"/*",
    ],
    run,
};

fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(Some(facts)) = replication::facts(text, Scope::All) else { return };
    let [command] = facts.statements.as_slice() else { panic!("not one statement") };
    assert!(replication::is_command(command));
    let cut = statement::text_of(text, command);
    assert_eq!(cut, text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']), "text is left out");
    // Quotes close, and a semicolon stands in quotes or at the end.
    let mut quote = None;
    for (at, letter) in cut.char_indices() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            (None, ';') => assert_eq!(at + 1, cut.len(), "something stands behind the command"),
            (None, '-' | '*' | '\\') => panic!("a sign that no command has"),
            _ => {}
        }
    }
    assert_eq!(quote, None, "a quote stays open");
    // What reaches the log itself is known as that, whatever the target is open to.
    let physical = command.attributes.contains(&("replication".into(), "physical".into()));
    assert_eq!(replication::facts(text, Scope::Logical).is_err(), physical);
    let reads_all = replication::backs_up(command)
        || (replication::streams(command) && !text.contains("LOGICAL"));
    assert!(!reads_all || physical, "a physical stream passes for another");
    // Read again with another end it says the same.
    let again = replication::facts(cut, Scope::All).expect("the same text").expect("a command");
    assert_eq!(again.statements[0].attributes, command.attributes);
}
