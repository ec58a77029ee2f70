//! What a case is.

/// One attack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// What it does, in words.
    pub(crate) name: &'static str,
    /// What has to stop it.
    pub(crate) guard: Guard,
    /// SQL that the superuser runs past the gateway before it.
    pub(crate) prepared: &'static str,
    /// What the client does. `{port}`, `{password}` and `{database}` stand for the
    /// server's.
    pub(crate) attack: Attack,
    /// `PGOPTIONS` of the client.
    pub(crate) options: &'static str,
    /// What shows that it works where nothing stops it.
    pub(crate) bite: Bite,
    /// SQL of the superuser that takes back what reaches beyond one database.
    pub(crate) undo: &'static str,
    /// The database is made afresh after it.
    pub(crate) writes: bool,
    /// Unguarded means past the gateway: no policy lets this through.
    pub(crate) direct: bool,
    /// Tried with PostgreSQL's extended protocol and binary values as well.
    pub(crate) extended: bool,
}

/// The policy that has to stop a case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Guard {
    /// Masks hidden columns and allows everything else, in the mode `strict`.
    Masks,
    /// The same in the mode `standard`. No case asks for it; `modes.txt` says what it stops.
    Standard,
    /// The same in the mode `values`.
    Values,
    /// Refuses whatever changes something, and masks nothing.
    Verbs,
    /// Refuses code of the database's users, called or set off, and masks nothing.
    Calls,
}

/// How a case is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attack {
    /// One `psql -c`: a single simple query message, however many statements it holds.
    Message(&'static str),
    /// A script on psql's standard input, run past errors.
    Script(&'static str),
    /// Statements through the Rust driver: prepared, with binary results.
    Driver(&'static [&'static str]),
    /// One `psql -c` while another session has run these and not committed; that one commits once
    /// this one waits for its locks, or has ended.
    Beside(&'static [&'static str], &'static str),
    /// Bytes of the protocol; the answer to each run of them ends with a ReadyForQuery.
    Wire(fn() -> Vec<Vec<u8>>),
}

/// What an attack that nobody stops does, and what must not happen under a guard.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bite {
    /// The client sees a hidden value as it is stored.
    Canary,
    /// The client sees something else when hidden values are others.
    Differs,
    /// The client sees this text.
    Shows(&'static str),
    /// The superuser sees another answer to this query than before.
    Effect(&'static str),
    /// No attack: the client has to see this under the guard too.
    Honest(&'static str),
}

const fn case(name: &'static str, guard: Guard, sql: &'static str, bite: Bite) -> Case {
    Case {
        name,
        guard,
        prepared: "",
        attack: Attack::Message(sql),
        options: "",
        bite,
        undo: "",
        writes: false,
        direct: false,
        extended: false,
    }
}

/// A message that shows a hidden value as it is stored, by the simple and the extended protocol.
pub(crate) const fn leak(name: &'static str, sql: &'static str) -> Case {
    Case { extended: true, ..case(name, Guard::Masks, sql, Bite::Canary) }
}

/// A message whose answer hangs on a hidden value, be it by one bit.
pub(crate) const fn tell(name: &'static str, sql: &'static str) -> Case {
    Case { extended: true, ..case(name, Guard::Masks, sql, Bite::Differs) }
}

/// A message that changes the answer to `probe`.
pub(crate) const fn effect(name: &'static str, sql: &'static str, probe: &'static str) -> Case {
    Case { writes: true, ..case(name, Guard::Verbs, sql, Bite::Effect(probe)) }
}

/// What a guard that hides or refuses everything would get wrong.
pub(crate) const fn honest(name: &'static str, sql: &'static str, shown: &'static str) -> Case {
    case(name, Guard::Masks, sql, Bite::Honest(shown))
}

impl Case {
    /// After SQL of the superuser.
    pub(crate) const fn after(mut self, sql: &'static str) -> Self {
        self.prepared = sql;
        self.writes = true;
        self
    }

    /// Its text is a script for psql.
    pub(crate) const fn script(mut self) -> Self {
        if let Attack::Message(sql) = self.attack {
            self.attack = Attack::Script(sql);
        }
        self.extended = false;
        self
    }

    /// Sent while another session of the same gateway has run these.
    pub(crate) const fn beside(mut self, holds: &'static [&'static str]) -> Self {
        if let Attack::Message(sql) = self.attack {
            self.attack = Attack::Beside(holds, sql);
        }
        self.extended = false;
        self
    }

    /// Its text goes through the driver, one statement for each of these.
    pub(crate) const fn driver(mut self, statements: &'static [&'static str]) -> Self {
        self.attack = Attack::Driver(statements);
        self.extended = false;
        self
    }

    /// These bytes take the place of its text.
    pub(crate) const fn wire(mut self, runs: fn() -> Vec<Vec<u8>>) -> Self {
        self.attack = Attack::Wire(runs);
        self.extended = false;
        self
    }

    /// With `PGOPTIONS`.
    pub(crate) const fn options(mut self, options: &'static str) -> Self {
        self.options = options;
        self.extended = false;
        self
    }

    /// It bites when the client sees this text.
    pub(crate) const fn shows(mut self, text: &'static str) -> Self {
        self.bite = Bite::Shows(text);
        self
    }

    /// It changes the database, which is made afresh.
    pub(crate) const fn writes(mut self) -> Self {
        self.writes = true;
        self
    }

    /// No policy lets it through, so it bites past the gateway.
    pub(crate) const fn direct(mut self) -> Self {
        self.direct = true;
        self
    }

    /// What it does beyond its database is taken back by this SQL of the superuser.
    pub(crate) const fn undo(mut self, sql: &'static str) -> Self {
        self.undo = sql;
        self
    }
}
