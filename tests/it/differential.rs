//! The same random messages straight to the server and through the gateway, with a policy that
//! allows everything: what comes back must be the same, message for message.
//!
//! One difference is known, about once in a thousand scripts: after a DISCARD or DEALLOCATE that
//! the server skipped or failed, the gateway says that a prepared statement does not exist. It is
//! a test of its own below.
//!
//! `PORTCULLIS_DIFFERENTIAL_SEED` repeats one script, `PORTCULLIS_DIFFERENTIAL_SCRIPTS` sets how
//! many are run.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;

use portcullis_tests::gateway::{Setup, Site};
use portcullis_tests::okta::Okta;
use portcullis_tests::postgres::{APP_PASSWORD, APP_ROLE, DATABASE, Postgres};
use portcullis_tests::wire::{
    Message, Wire, bind, c_string, close, describe, execute, flush, frame, parse, query, sync, tags,
};

use crate::stage::Stage;

/// Scripts run in one test.
const SCRIPTS: u64 = 250;
/// Batches in a script, each read to its end before the next is sent.
const BATCHES: u64 = 6;
/// Messages in a batch, before the Sync that ends it.
const MESSAGES_MAX: u64 = 9;
/// Scripts that differ before the test gives up.
const DIFFERENCES_MAX: usize = 5;
/// Longest trace shown of each side.
const SHOWN_LINES_MAX: usize = 120;

/// xorshift64*: repeatable, and good enough to choose with.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let at = self.below(from.len() as u64);
        from[usize::try_from(at).unwrap()]
    }
}

/// Names of statements and portals: few, so that they meet.
const NAMES: [&str; 4] = ["", "", "a", "b"];

/// Texts for Parse: with values, without, of every kind of answer, and wrong ones.
// tidy: table
const PREPARED: [&str; 30] = [
    "SELECT 1",
    "SELECT $1::int + 1",
    "SELECT $1::text, $2::int",
    "SELECT generate_series(1, 5)",
    "SELECT g, repeat('x', g) FROM generate_series(1, 7) AS g",
    "SELECT 1/($1::int - 1)",
    "SELECT 1/(3 - g) FROM generate_series(1, 5) AS g",
    "",
    "   -- nothing",
    "SELECT 1; SELECT 2",
    "SELEC 1",
    "SELECT nothing FROM nowhere",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "CREATE TEMP TABLE IF NOT EXISTS scratch (id int PRIMARY KEY, note text)",
    "INSERT INTO scratch VALUES ($1, $2) RETURNING *",
    "INSERT INTO scratch SELECT g, 'n' FROM generate_series(100, 103) AS g",
    "SELECT * FROM scratch ORDER BY id",
    "UPDATE scratch SET note = 'changed'",
    "DELETE FROM scratch",
    "DECLARE c CURSOR FOR SELECT generate_series(1, 4)",
    "FETCH 2 FROM c",
    "CLOSE c",
    "PREPARE sq AS SELECT $1::int * 2",
    "EXECUTE sq(4)",
    "DEALLOCATE ALL",
    "SHOW server_encoding",
];

/// Texts for Query. What SQL prepares has names of its own: one name space for SQL and the protocol
/// is what the gateway refuses on purpose.
// tidy: table
const SIMPLE: [&str; 34] = [
    "SELECT 1",
    "SELECT 1; SELECT 'two'; SELECT 3.0",
    "SELECT 1; SELEC 2",
    "SELECT 1; SELECT 1/0; SELECT 3",
    "",
    ";",
    "; SELECT 1 ;",
    "BEGIN",
    "BEGIN; SELECT 1",
    "COMMIT",
    "ROLLBACK",
    "BEGIN; SELECT 1/0; COMMIT",
    "SAVEPOINT s; SELECT 1",
    "ROLLBACK TO s",
    "CREATE TEMP TABLE IF NOT EXISTS scratch (id int PRIMARY KEY, note text)",
    "INSERT INTO scratch VALUES (1, 'one') ON CONFLICT DO NOTHING",
    "INSERT INTO scratch VALUES (1, 'one')",
    "INSERT INTO scratch VALUES (7, 'seven'); INSERT INTO scratch VALUES (7, 'again')",
    "TABLE scratch",
    "SELECT NULL, '', 'a', 1.5, true, ARRAY[1, 2], '{}'::json, '\\x00ff'::bytea",
    "DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 4)",
    "FETCH 3 FROM c",
    "MOVE 1 IN c",
    "CLOSE ALL",
    "PREPARE own AS SELECT $1::int; EXECUTE own(5)",
    "EXECUTE own(6)",
    "DEALLOCATE own",
    "DO $$ BEGIN RAISE NOTICE 'hello %', 1; END $$",
    "DO $$ BEGIN RAISE EXCEPTION 'no' USING HINT = 'try', DETAIL = 'why'; END $$",
    "SET application_name = 'differential'",
    "SET DateStyle = 'German'; RESET DateStyle",
    "LISTEN here; UNLISTEN *",
    "EXPLAIN (COSTS off) SELECT 1",
    "DISCARD ALL",
];

/// COPY, with what a client may send after it.
const COPY_OUT: [&str; 4] = [
    "COPY (SELECT g, 'v' || g FROM generate_series(1, 3) AS g) TO STDOUT",
    "COPY (SELECT g, NULL FROM generate_series(1, 3) AS g) TO STDOUT (FORMAT csv, HEADER)",
    "COPY (SELECT 1::int, 'x'::text) TO STDOUT (FORMAT binary)",
    "SELECT 1; COPY (SELECT 2) TO STDOUT; SELECT 3",
];
const COPY_IN: [&str; 3] = [
    "COPY scratch FROM STDIN",
    "COPY scratch (id, note) FROM STDIN (FORMAT csv)",
    "COPY nowhere FROM STDIN",
];

fn parameters(dice: &mut Dice) -> Vec<&'static str> {
    let count = [0, 1, 1, 2, 2, 3][usize::try_from(dice.below(6)).unwrap()];
    (0..count).map(|_| dice.pick(&["1", "2", "300", "x", ""])).collect()
}

fn copy_in(dice: &mut Dice) -> Vec<(String, Vec<u8>)> {
    let text = dice.pick(&COPY_IN);
    let mut sent = vec![(format!("Query {text:?}"), query(text))];
    for _ in 0..dice.below(3) {
        let data = dice.pick(&["11\tone\n", "12,two\n13,three\n", "1", "4\tx\n15\ty\n", "\\.\n"]);
        sent.push((format!("CopyData {data:?}"), frame(b'd', data.as_bytes())));
    }
    sent.push(if dice.below(3) == 0 {
        ("CopyFail".to_owned(), frame(b'f', &c_string("enough")))
    } else {
        ("CopyDone".to_owned(), frame(b'c', b""))
    });
    sent
}

/// One message, or a few that belong together, with words for a person.
fn message(dice: &mut Dice) -> Vec<(String, Vec<u8>)> {
    let (name, other) = (dice.pick(&NAMES), dice.pick(&NAMES));
    let one = match dice.below(24) {
        0..=4 => {
            let text = dice.pick(&PREPARED);
            (format!("Parse {name:?} {text:?}"), parse(name, text))
        }
        5..=9 => {
            let (values, binary) = (parameters(dice), dice.below(3) == 0);
            let said = format!("Bind {name:?} {other:?} {values:?} binary={binary}");
            (said, bind(name, other, &values, binary))
        }
        10..=14 => {
            let rows = [0, 0, 1, 2][usize::try_from(dice.below(4)).unwrap()];
            (format!("Execute {name:?} {rows}"), execute(name, rows))
        }
        15 => (format!("Describe S {name:?}"), describe(b'S', name)),
        16 => (format!("Describe P {name:?}"), describe(b'P', name)),
        17 => {
            let kind = if dice.below(2) == 0 { b'S' } else { b'P' };
            (format!("Close {} {name:?}", char::from(kind)), close(kind, name))
        }
        18 => ("Flush".to_owned(), flush()),
        19 => ("Sync".to_owned(), sync()),
        20 => {
            let text = dice.pick(&COPY_OUT);
            (format!("Query {text:?}"), query(text))
        }
        21 => return copy_in(dice),
        _ => {
            let text = dice.pick(&SIMPLE);
            (format!("Query {text:?}"), query(text))
        }
    };
    vec![one]
}

/// Errors that the gateway may give before the server would, in its own words: a text that is no
/// SQL, statements and portals that do not exist or exist already.
const OWN_WORDS: [&str; 5] = ["42601", "26000", "34000", "42P03", "42P05"];

/// What a message says, without what may differ: who wrote the words of an error that both give.
fn said(message: &Message) -> String {
    match message.tag {
        b'E' | b'N' => {
            let field = |code| message.field(code).unwrap_or_default();
            let mut line = format!("{} {} {}", char::from(message.tag), field(b'V'), field(b'C'));
            if !OWN_WORDS.contains(&field(b'C').as_str()) {
                for code in [b'M', b'D', b'H', b'W', b'P'] {
                    let _ = write!(line, " {:?}", field(code));
                }
            }
            line
        }
        // The process id of a notification is the session's own.
        b'A' => format!("A {:?}", message.body.get(4..).unwrap_or_default()),
        tag => format!("{} {:?}", char::from(tag), String::from_utf8_lossy(&message.body)),
    }
}

/// Sends a batch and a query that marks its end; gives what came before the mark. In a failed
/// transaction the mark would never come, so the batch ends its transaction.
fn exchange(wire: &mut Wire, batch: &[u8], mark: &str) -> Vec<String> {
    let end = query(&format!("SELECT '{mark}' AS mark"));
    wire.send(&[batch, &sync(), &query("ROLLBACK"), &end].concat()).expect("the batch is sent");
    let mut trace = Vec::new();
    loop {
        let message = match wire.message() {
            Ok(message) => message,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no answer before {mark}: {trace:?}");
            }
            Err(error) => {
                trace.push(format!("the connection ended: {error}"));
                return trace;
            }
        };
        let last = message.tag == b'D' && message.body.ends_with(mark.as_bytes());
        trace.push(said(&message));
        if last {
            wire.messages_until(b'Z').expect("the mark's end");
            return trace;
        }
    }
}

fn shown(trace: &[String]) -> String {
    trace.iter().take(SHOWN_LINES_MAX).fold(String::new(), |all, line| all + "    " + line + "\n")
}

/// Runs one script on both; the difference in words, if there is one.
fn compare(seed: u64, direct: &mut Wire, through: &mut Wire) -> Option<String> {
    let mut dice = Dice(seed | 1);
    let mut script = String::new();
    for batch in 0..BATCHES {
        let mut bytes = Vec::new();
        for _ in 0..=dice.below(MESSAGES_MAX) {
            for (words, message) in message(&mut dice) {
                let _ = writeln!(script, "    {words}");
                bytes.extend(message);
            }
        }
        let _ = writeln!(script, "    Sync");
        let mark = format!("mark-{seed}-{batch}");
        let (expected, found) = (exchange(direct, &bytes, &mark), exchange(through, &bytes, &mark));
        if expected != found {
            return Some(format!(
                "PORTCULLIS_DIFFERENTIAL_SEED={seed} differs in batch {batch}:\n{script}\
                 direct:\n{}through the gateway:\n{}",
                shown(&expected),
                shown(&found)
            ));
        }
    }
    None
}

/// Lets the role in without a password: a raw connection knows no SCRAM.
fn trust(postgres: &Postgres) {
    let file = postgres.dir().join("data/pg_hba.conf");
    let rules = fs::read_to_string(&file).expect("the server's rules");
    let rule = format!("host {DATABASE} {APP_ROLE} 127.0.0.1/32 trust\n");
    fs::write(&file, rule + &rules).expect("the server's rules can be written");
    postgres.admin().run("SELECT pg_reload_conf()").success("reloading");
}

#[test]
fn the_gateway_answers_any_messages_as_the_server_does() {
    let postgres = Postgres::start();
    let okta = Okta::start();
    trust(&postgres);
    let mut setup = Setup::new(&postgres, okta.entry(), "default = \"allow\"\n");
    setup.log = "buffered";
    let site = Site::new(&setup);
    let gateway = site.start();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let scripts = number("PORTCULLIS_DIFFERENTIAL_SCRIPTS").unwrap_or(SCRIPTS);
    let seeds: Vec<u64> = match number("PORTCULLIS_DIFFERENTIAL_SEED") {
        Some(seed) => vec![seed],
        None => (1..=scripts).map(|seed| seed * 0x9e37_79b9 + 1).collect(),
    };
    let address = ([127, 0, 0, 1], postgres.port()).into();
    let mut differences = Vec::new();
    for seed in seeds {
        let mut direct = Wire::connect(address).expect("the server takes connections");
        let last = direct.sign_in(APP_ROLE, DATABASE, APP_PASSWORD).expect("signing in");
        assert_eq!(last.tag, b'Z', "{:?}", last.field(b'M'));
        let mut through = gateway.wire_tls();
        let last = through.sign_in(APP_ROLE, DATABASE, &okta.agent_token()).expect("signing in");
        assert_eq!(last.tag, b'Z', "{:?}", last.field(b'M'));
        differences.extend(compare(seed, &mut direct, &mut through));
        if differences.len() == DIFFERENCES_MAX {
            break;
        }
    }
    assert!(differences.is_empty(), "these differ:\n{}", differences.concat());
}

/// What SQL may have dropped is forgotten when it is sent, so a drop that failed leaves a name that
/// the server has and the gateway refuses. No other text can run by it, and a client that closes
/// the name has it back.
#[test]
fn a_name_whose_drop_failed_is_refused_until_it_is_closed() {
    let stage = Stage::with_policy("default = \"allow\"\n");
    let gateway = stage.site.start();
    let run = [bind("", "a", &[], false), execute("", 0), sync()].concat();
    let made = [parse("a", "SELECT 41 + 1"), sync()].concat();
    for drop in ["DEALLOCATE a", "DEALLOCATE ALL", "DISCARD ALL", "SELECT 1/0; DEALLOCATE a"] {
        let mut wire = stage.wire(&gateway);
        let mut answer = |bytes: &[u8]| {
            wire.send(bytes).unwrap();
            wire.messages_until(b'Z').unwrap()
        };
        assert_eq!(tags(&answer(&[made.clone(), run.clone()].concat())), "1 Z", "{drop}");
        assert_eq!(tags(&answer(&[])), "2 D C Z", "{drop}");
        answer(&query("BEGIN"));
        answer(&query("SELECT 1/0"));
        let failed = answer(&query(drop));
        assert_eq!(tags(&failed), "E Z", "{drop}");
        answer(&query("ROLLBACK"));
        let refused = answer(&run);
        assert_eq!(tags(&refused), "E Z", "{drop}");
        assert_eq!(refused[0].field(b'C').as_deref(), Some("26000"), "{drop}");
        // The server has it still.
        assert_eq!(answer(&made)[0].field(b'C').as_deref(), Some("42P05"), "{drop}");
        assert_eq!(tags(&answer(&[close(b'S', "a"), made.clone()].concat())), "3 1 Z", "{drop}");
        assert_eq!(tags(&answer(&run)), "2 D C Z", "{drop}");
    }
}
