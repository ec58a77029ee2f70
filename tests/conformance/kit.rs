//! PostgreSQL's own suites, as scripts/suites.sh leaves them in the cache folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use portcullis_tests::clients;
use portcullis_tests::folder::{self, Owner};
use portcullis_tests::postgres::{self, ADMIN_ROLE};
use portcullis_tests::process::{self, Output};
use tempfile::TempDir;

use crate::ground::Way;

/// Longest run of a suite; the longest takes two minutes on a busy machine.
const SUITE_SECS_MAX: Duration = Duration::from_secs(1200);
/// Tests of the regression suite that run at a time, at most (as in PostgreSQL's own Makefile).
const CONNECTIONS_MAX: u32 = 20;
/// Rows that the pipelining tests insert (as in PostgreSQL's own script).
const PIPELINE_ROWS: u32 = 700;

/// The suites that fit the installed server.
pub(crate) struct Kit {
    dir: PathBuf,
    drivers: PathBuf,
}

/// What one suite did over one [`Way`].
pub(crate) struct Run {
    /// Every test by name, in the order they ended, and whether its output is as expected.
    pub(crate) tests: Vec<(String, bool)>,
    /// What the runner of the suite printed.
    pub(crate) said: String,
    /// The tests' output, `NAME.out`; lives as long as this.
    results: TempDir,
}

impl Run {
    /// The file with the output of one test.
    pub(crate) fn result(&self, test: &str) -> PathBuf {
        self.results.path().join("results").join(format!("{test}.out"))
    }

    /// What differs from PostgreSQL's own expectations, as the runner of the suite wrote it.
    pub(crate) fn differences(&self) -> String {
        format!("{}{}", self.said, read(&self.results.path().join("regression.diffs")))
    }

    /// How many tests did as expected.
    pub(crate) fn passed(&self) -> usize {
        self.tests.iter().filter(|(_, passed)| *passed).count()
    }
}

impl Kit {
    /// Looks for the suites of the installed server's version.
    pub(crate) fn find() -> Self {
        let server = postgres::program("postgres");
        let version = process::run(version_of(&server), "", SUITE_SECS_MAX).success("postgres -V");
        // postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
        let version = version.trim().trim_end_matches(')').rsplit(' ').next().unwrap_or_default();
        let dir = folder::cache().join("suites").join(version);
        let complete = dir.join("complete").is_file();
        assert!(complete, "{} is missing: run scripts/setup.sh conformance", dir.display());
        let bin = server.parent().expect("a program stands in a folder");
        let major = bin.parent().expect("bin stands in a folder");
        Self { dir, drivers: major.join("lib/pgxs/src/test") }
    }

    /// The regression suite, or only what `schedule` names.
    pub(crate) fn regress(&self, way: &Way, schedule: Option<&Path>) -> Run {
        let work = self.work("regress");
        let dir = work.path();
        for name in ["results", "testtablespace"] {
            std::fs::create_dir(dir.join(name)).expect("a folder of ours can be made");
        }
        // The server reads and writes files there, so it is the server's.
        Owner::for_servers().take(dir);
        let mut command = Command::new(self.drivers.join("regress/pg_regress"));
        command.arg("--dlpath").arg(dir.join("lib"));
        command.arg(format!("--max-connections={CONNECTIONS_MAX}"));
        let all = dir.join("parallel_schedule");
        command.arg("--schedule").arg(schedule.unwrap_or(&all));
        run(command, work, way)
    }

    /// The isolation suite, or only what `schedule` names.
    pub(crate) fn isolation(&self, way: &Way, schedule: Option<&Path>) -> Run {
        let work = self.work("isolation");
        let mut command = Command::new(self.drivers.join("isolation/pg_isolation_regress"));
        let all = work.path().join("isolation_schedule");
        command.arg("--schedule").arg(schedule.unwrap_or(&all));
        run(command, work, way)
    }

    /// The pipelining tests; each also compares what went over the wire.
    pub(crate) fn pipeline(&self, way: &Way) -> Run {
        let work = self.work("libpq_pipeline");
        let results = work.path().join("results");
        std::fs::create_dir(&results).expect("a folder of ours can be made");
        let program = work.path().join("libpq_pipeline");
        let mut list = Command::new(&program);
        list.arg("tests");
        let names = process::run(list, "", SUITE_SECS_MAX).success("libpq_pipeline tests");
        let mut tests = Vec::new();
        let mut said = String::new();
        for name in names.split_whitespace() {
            let trace = results.join(format!("{name}.out"));
            let mut command = Command::new(&program);
            connect(&mut command, way);
            command.args(["-r", &PIPELINE_ROWS.to_string()]).arg("-t").arg(&trace).arg(name);
            command.env("PGDATABASE", "postgres").env("PGUSER", ADMIN_ROLE);
            let output = process::run(command, "", SUITE_SECS_MAX);
            let expected = work.path().join("traces").join(format!("{name}.trace"));
            let same = !expected.is_file() || read(&expected) == read(&trace);
            let passed = output.code == Some(0) && same;
            tests.push((name.to_owned(), passed));
            if !passed {
                said.push_str(&format!("{name}: {:?} {}\n", output.code, output.stderr));
            }
        }
        Run { tests, said, results: work }
    }

    /// A copy of one suite for one run to write in.
    fn work(&self, suite: &str) -> TempDir {
        let work = folder::temporary("conformance");
        let from = format!("{}/.", self.dir.join(suite).display());
        let status = Command::new("cp").arg("-R").arg(&from).arg(work.path()).status();
        assert!(status.is_ok_and(|status| status.success()), "can't copy {from}");
        work
    }
}

/// Runs `pg_regress` or its sister in `work`.
fn run(mut command: Command, work: TempDir, way: &Way) -> Run {
    let dir = work.path();
    let bin = postgres::program("postgres");
    let bin = bin.parent().expect("a program stands in a folder");
    command.arg("--inputdir").arg(dir).arg("--outputdir").arg(dir).arg("--bindir").arg(bin);
    command.args(["--user", ADMIN_ROLE]).current_dir(dir);
    connect(&mut command, way);
    let output = process::run(command, "", SUITE_SECS_MAX);
    let tests = tests(&output);
    assert!(!tests.is_empty(), "the suite ran no test: {}{}", output.stdout, output.stderr);
    Run { tests, said: output.stdout + &output.stderr, results: work }
}

fn connect(command: &mut Command, way: &Way) {
    clients::connect(command, way.port, Some(&way.password), way.ca_file.as_deref());
}

/// The tests in what `pg_regress` prints: `test NAME ... ok 12 ms`, or `FAILED`.
fn tests(output: &Output) -> Vec<(String, bool)> {
    let lines = output.stdout.lines().filter_map(|line| line.split_once(" ... "));
    lines
        .filter_map(|(name, verdict)| {
            let name = name.split_whitespace().next_back()?;
            Some((name.to_owned(), verdict.trim_start().starts_with("ok")))
        })
        .collect()
}

fn version_of(server: &Path) -> Command {
    let mut command = Command::new(server);
    command.arg("--version");
    command
}

/// A file's text; empty when there is none.
pub(crate) fn read(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
