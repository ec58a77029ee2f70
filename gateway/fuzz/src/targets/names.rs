//! Names of statements and portals: what is judged is what the server runs, however a client
//! pipelines, whatever fails, and whatever SQL does to the names.
//!
//! An input is a program: client messages and server answers in any order. A model of the server
//! runs every message that the gateway sends, in order, and compares.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use portcullis::fault::Fault;
use portcullis::protocol::postgres::frame::{self, Frame};
use portcullis::protocol::postgres::frontend::{self, Cycle, Grammar, Named, Step};
use portcullis::protocol::postgres::names::{Answer, Names, Prepared};
use portcullis::protocol::{Access, Class, Facts, Object, State, Statement};

use crate::Target;

const FRAME_BYTES_MAX: usize = 4096;
const NAMES: [&str; 3] = ["", "a", "b"];
/// SQL that touches names or transactions; any other text is one of its own.
const SQL: [&str; 7] =
    ["PREPARE a", "PREPARE b", "DEALLOCATE a", "DEALLOCATE ALL", "DISCARD ALL", "BEGIN", "COMMIT"];

const PARSE: u8 = 0;
const BIND: u8 = 1;
const EXECUTE: u8 = 2;
const CLOSE_STATEMENT: u8 = 3;
const CLOSE_PORTAL: u8 = 4;
const SYNC: u8 = 5;
const QUERY: u8 = 6;
const ANSWER: u8 = 7;
const FAIL: u8 = 8;
const DRAIN: u8 = 9;
const OPERATIONS: u8 = 10;

pub(crate) const TARGET: Target = Target {
    name: "names",
    seeds: &[
        &[PARSE, 112, BIND, 4, EXECUTE, 4, SYNC, 0, DRAIN, 0],
        // A name prepared anew while the answer is under way, which then fails.
        &[PARSE, 112, SYNC, 0, PARSE, 112, SYNC, 0, BIND, 1, EXECUTE, 0, SYNC, 0, DRAIN, 0],
        &[
            PARSE,
            112,
            ANSWER,
            0,
            CLOSE_STATEMENT,
            1,
            SYNC,
            0,
            PARSE,
            112,
            BIND,
            1,
            EXECUTE,
            0,
            SYNC,
            0,
        ],
        // SQL takes the name over.
        &[PARSE, 112, SYNC, 0, QUERY, 2, QUERY, 0, BIND, 1, EXECUTE, 0, SYNC, 0, DRAIN, 0],
        &[QUERY, 5, PARSE, 114, BIND, 6, SYNC, 0, DRAIN, 0, BIND, 6, FAIL, 0, EXECUTE, 4, SYNC, 0],
        &[PARSE, 114, BIND, 0, EXECUTE, 0, CLOSE_PORTAL, 0, EXECUTE, 0, SYNC, 0, DRAIN, 0],
        // SQL has the name already, so the Parse fails, and what runs is not its text.
        &[QUERY, 0, DRAIN, 0, PARSE, 112, SYNC, 0, BIND, 1, EXECUTE, 0, SYNC, 0, DRAIN, 0],
        // A failure skips the Query that would destroy the unnamed statement, and the next Parse.
        &[
            PARSE,
            114,
            DRAIN,
            0,
            CLOSE_STATEMENT,
            2,
            QUERY,
            7,
            PARSE,
            114,
            SYNC,
            0,
            BIND,
            0,
            FAIL,
            0,
            EXECUTE,
            0,
            SYNC,
            0,
        ],
    ],
    words: &[
        &[PARSE, 112, BIND, 1, EXECUTE, 0],
        &[SYNC, 0],
        &[FAIL, 0],
        &[ANSWER, 0],
        &[DRAIN, 0],
        &[QUERY, 2, QUERY, 0],
    ],
    run,
};

fn run(data: &[u8]) {
    play(data);
}

/// Plays a program and counts the portals that ran.
fn play(data: &[u8]) -> usize {
    let mut play = Play::default();
    for pair in data.chunks_exact(2) {
        let [operation, argument] = *pair else { continue };
        match operation % OPERATIONS {
            ANSWER => play.answer(false),
            FAIL => play.answer(true),
            DRAIN => play.drain(),
            message => play.client(message, argument),
        }
    }
    play.drain();
    play.ran
}

/// What the gateway sent, with what it judged.
enum Sent {
    Bind { portal: Bytes, statement: Bytes, id: u64, judged: Arc<str> },
    ClosePortal(Bytes),
    CloseStatement { name: Bytes, id: u64 },
    Execute { portal: Bytes, judged: Arc<str> },
    Fail,
    Parse { name: Bytes, id: u64, text: Arc<str> },
    Query(Arc<str>),
    Sync,
}

#[derive(Default)]
struct Play {
    names: Names,
    server: Server,
    sent: VecDeque<Sent>,
    /// The server skips what is sent up to the next Sync.
    skipping: bool,
    /// The gateway drops what the client says up to the next Sync.
    refusing: bool,
    texts: usize,
    ran: usize,
}

/// What PostgreSQL keeps.
#[derive(Default)]
struct Server {
    statements: HashMap<Bytes, Arc<str>>,
    portals: HashMap<Bytes, Arc<str>>,
    in_block: bool,
}

/// Knows the statements of [`SQL`] and reads every other text as one that touches no name.
struct Words;

impl Grammar for Words {
    fn facts(&self, text: &Arc<str>) -> Result<Arc<Facts>, Fault> {
        let (verb, name) = text.split_once(' ').unwrap_or((text, ""));
        let verb = verb.to_ascii_lowercase();
        let named = matches!(verb.as_str(), "prepare" | "deallocate") && name != "ALL";
        let objects = named.then(|| Object {
            kind: "prepared_statement".to_owned(),
            name: name.to_owned(),
            access: Access::Read,
        });
        let objects = objects.into_iter().collect();
        let statement =
            Statement { end: text.len(), objects, ..Statement::bare(&verb, Class::Session) };
        Ok(Arc::new(Facts { statements: vec![statement], second_opinion: "off".to_owned() }))
    }
}

impl Play {
    fn client(&mut self, message: u8, argument: u8) {
        if self.refusing && message != SYNC {
            return;
        }
        let frame = self.message(message, argument);
        let step = self.step(frame);
        let step = match step {
            Step::Wait(frame) => {
                self.drain();
                self.step(frame)
            }
            step => step,
        };
        self.forward(step, NAMES[usize::from(argument) % NAMES.len()]);
    }

    fn step(&mut self, frame: Frame) -> Step {
        let state = Arc::<State>::default();
        let step = frontend::step(frame, &mut self.names, &Words, &state);
        step.expect("every message of a program is well formed")
    }

    fn message(&mut self, message: u8, argument: u8) -> Frame {
        let argument = usize::from(argument);
        let statement = NAMES[argument % NAMES.len()].as_bytes();
        let portal = NAMES[argument / 4 % NAMES.len()].as_bytes();
        let mut out = BytesMut::new();
        match message {
            PARSE => {
                let text = self.text(argument / 16);
                frame::put(&mut out, b'P', |out| {
                    frame::put_string(out, statement);
                    frame::put_string(out, text.as_bytes());
                    out.put_u16(0);
                });
            }
            BIND => frame::put(&mut out, b'B', |out| {
                frame::put_string(out, portal);
                frame::put_string(out, statement);
                out.put_slice(&[0; 6]);
            }),
            EXECUTE => frame::put(&mut out, b'E', |out| {
                frame::put_string(out, portal);
                out.put_i32(0);
            }),
            CLOSE_STATEMENT | CLOSE_PORTAL => frame::put(&mut out, b'C', |out| {
                let is_portal = message == CLOSE_PORTAL;
                out.put_u8(if is_portal { b'P' } else { b'S' });
                frame::put_string(out, if is_portal { portal } else { statement });
            }),
            SYNC => frame::put(&mut out, b'S', |_| {}),
            _ => {
                let text = self.text(argument);
                frame::put(&mut out, b'Q', |out| frame::put_string(out, text.as_bytes()));
            }
        }
        let frame = frame::next(&mut out, FRAME_BYTES_MAX).expect("a message is a frame");
        frame.expect("a message is a whole frame")
    }

    /// Words of [`SQL`], or a text that was never seen before.
    fn text(&mut self, number: usize) -> String {
        self.texts += 1;
        match SQL.get(number % (2 * SQL.len())) {
            Some(sql) => (*sql).to_owned(),
            None => format!("SELECT {}", self.texts),
        }
    }

    /// What the forward direction does with a step that nobody objects to.
    fn forward(&mut self, step: Step, statement: &'static str) {
        match step {
            Step::Parse { request, name, id, types } => {
                let text = request.shared_text();
                let sent = Sent::Parse { name: name.clone(), id, text: Arc::clone(&text) };
                let prepared = Prepared::new(text, request.shared_facts(), types);
                match frontend::parse_sent(&mut self.names, &name, id, prepared) {
                    Ok(()) => self.send(sent),
                    Err(_) => self.refuse(Cycle::Extended),
                }
            }
            Step::Bind { request, name: portal, id } => {
                let statement = Bytes::from_static(statement.as_bytes());
                self.send(Sent::Bind { portal, statement, id, judged: request.shared_text() });
            }
            Step::Execute { request, name: portal, .. } => {
                self.names.sql_sent(request.facts());
                self.send(Sent::Execute { portal, judged: request.shared_text() });
            }
            Step::Query { request } => {
                self.names.sql_sent(request.facts());
                self.send(Sent::Query(request.shared_text()));
            }
            Step::Close { named: Named::Portal(name), .. } => self.send(Sent::ClosePortal(name)),
            Step::Close { named: Named::Statement(name), id } => {
                self.send(Sent::CloseStatement { name, id });
            }
            Step::Refuse { cycle, .. } => self.refuse(cycle),
            Step::Sync => {
                self.refusing = false;
                self.send(Sent::Sync);
            }
            Step::Wait(_) => panic!("a name is unsettled although everything was answered"),
            other => panic!("no message of a program asks for {other:?}"),
        }
    }

    fn refuse(&mut self, cycle: Cycle) {
        self.send(Sent::Fail);
        match cycle {
            Cycle::Extended => self.refusing = true,
            Cycle::Simple => {
                self.names.next_cycle();
                self.send(Sent::Sync);
            }
        }
    }

    fn send(&mut self, sent: Sent) {
        if matches!(sent, Sent::Sync) {
            self.skipping = false;
        } else if self.skipping {
            return self.settle(&sent, Answer::Skipped);
        }
        self.sent.push_back(sent);
    }

    fn drain(&mut self) {
        while !self.sent.is_empty() {
            self.answer(false);
        }
    }

    /// The server runs the oldest message, or fails it.
    fn answer(&mut self, fail: bool) {
        let Some(sent) = self.sent.pop_front() else { return };
        let done = (!fail || matches!(sent, Sent::Sync)) && self.server.run(&sent);
        self.ran += usize::from(done && matches!(sent, Sent::Execute { .. }));
        if done {
            self.settle(&sent, Answer::Done);
        } else {
            self.server.failed(&sent);
            self.settle(&sent, Answer::Failed);
            if !matches!(sent, Sent::Query(_)) {
                self.skip();
            }
        }
        if matches!(sent, Sent::Sync | Sent::Query(_)) {
            self.server.ready();
            if !self.server.in_block && self.sent.is_empty() {
                self.names.end_transaction();
            }
        }
    }

    fn skip(&mut self) {
        while self.sent.front().is_some_and(|sent| !matches!(sent, Sent::Sync)) {
            if let Some(sent) = self.sent.pop_front() {
                self.settle(&sent, Answer::Skipped);
            }
        }
        self.skipping = self.sent.is_empty();
    }

    fn settle(&mut self, sent: &Sent, answer: Answer) {
        match sent {
            Sent::Bind { portal, id, .. } => self.names.bound(portal, *id, answer),
            Sent::CloseStatement { name, id } | Sent::Parse { name, id, .. } => {
                self.names.settle(name, *id, answer);
            }
            _ => {}
        }
    }
}

impl Server {
    /// Runs a message; false if it fails.
    fn run(&mut self, sent: &Sent) -> bool {
        match sent {
            Sent::Parse { name, .. } if !name.is_empty() && self.statements.contains_key(name) => {
                false
            }
            Sent::Parse { name, text, .. } => {
                self.statements.insert(name.clone(), Arc::clone(text));
                true
            }
            Sent::Bind { portal, statement, judged, .. } => {
                let Some(text) = self.statements.get(statement) else { return false };
                if !portal.is_empty() && self.portals.contains_key(portal) {
                    return false;
                }
                assert_eq!(text, judged, "a Bind was judged by another text");
                self.portals.insert(portal.clone(), Arc::clone(text));
                true
            }
            Sent::Execute { portal, judged } => {
                let Some(text) = self.portals.get(portal).map(Arc::clone) else { return false };
                assert_eq!(&text, judged, "an Execute was judged by another text");
                self.sql(&text)
            }
            Sent::Query(text) => {
                self.statements.remove(&b""[..]);
                self.portals.remove(&b""[..]);
                self.sql(text)
            }
            Sent::CloseStatement { name, .. } => {
                self.statements.remove(name);
                true
            }
            Sent::ClosePortal(name) => {
                self.portals.remove(name);
                true
            }
            Sent::Sync => true,
            Sent::Fail => false,
        }
    }

    fn sql(&mut self, text: &str) -> bool {
        match text.split_once(' ') {
            Some(("PREPARE", name)) => {
                let name = Bytes::copy_from_slice(name.as_bytes());
                let free = !self.statements.contains_key(&name);
                if free {
                    self.statements.insert(name, Arc::from("a text that only SQL knows"));
                }
                free
            }
            Some(("DEALLOCATE", "ALL")) => {
                self.statements.retain(|name, _| name.is_empty());
                true
            }
            Some(("DEALLOCATE", name)) => self.statements.remove(name.as_bytes()).is_some(),
            Some(("DISCARD", _)) if self.in_block => false,
            Some(("DISCARD", _)) => {
                self.statements.retain(|name, _| name.is_empty());
                self.portals.clear();
                true
            }
            _ => {
                self.in_block = (self.in_block || text == "BEGIN") && text != "COMMIT";
                true
            }
        }
    }

    /// A transaction takes its portals with it when it fails.
    fn failed(&mut self, sent: &Sent) {
        if let Sent::Parse { name, .. } = sent
            && name.is_empty()
        {
            self.statements.remove(name);
        }
        self.portals.clear();
    }

    fn ready(&mut self) {
        if !self.in_block {
            self.portals.clear();
        }
    }
}

#[test]
fn the_seeds_run_portals() {
    assert_eq!(
        TARGET.seeds.iter().map(|seed| play(seed)).collect::<Vec<_>>(),
        [1, 1, 1, 0, 0, 1, 0, 0]
    );
}
