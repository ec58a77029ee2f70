//! The drivers that applications use, each with a program that does what applications do:
//! `tests/drivers/`. Installed by scripts/drivers.sh.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use portcullis_tests::clients;
use portcullis_tests::driver;
use portcullis_tests::folder;
use portcullis_tests::gateway::Gateway;
use portcullis_tests::postgres::{APP_ROLE, DATABASE};
use portcullis_tests::process;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls};

use crate::stage::Stage;

/// Longest run of one program; Java has to compile its first.
const PROGRAM_SECS_MAX: Duration = Duration::from_secs(120);
/// Where Debian puts the JDBC driver.
const JDBC_JAR: &str = "/usr/share/java/postgresql.jar";
/// What every program says, one after another, when all of it works.
const STEPS: [&str; 9] = [
    "prepared",
    "pipelined",
    "binary",
    "copy in",
    "copy out",
    "cancel",
    "refused",
    "masked",
    "large",
];

/// Runs one program against a shop of its own behind a gateway.
fn run(mut command: Command) {
    let stage = Stage::new();
    let gateway = stage.site.start();
    connect(&mut command, &gateway, &stage.token());
    let output = process::run(command, "", PROGRAM_SECS_MAX);
    let said: Vec<&str> = output.stdout.lines().collect();
    assert_eq!((said.as_slice(), output.code), (STEPS.as_slice(), Some(0)), "{}", output.stderr);
    let copied = "SELECT count(*) FROM products WHERE id BETWEEN 1001 AND 2000";
    assert_eq!(stage.admin(copied), "1000\n", "rows that came by COPY");
}

fn connect(command: &mut Command, gateway: &Gateway<'_>, token: &str) {
    let port = gateway.postgres_address().port();
    clients::connect(command, port, Some(token), Some(gateway.ca_file()));
    command.env("PGUSER", APP_ROLE).env("PGDATABASE", DATABASE);
}

/// A program of `tests/drivers`.
fn source(name: &str) -> PathBuf {
    folder::repository().join("tests/drivers").join(name)
}

/// Something that scripts/setup.sh installs.
fn installed(path: impl AsRef<Path>) -> PathBuf {
    let path = folder::cache().join("drivers").join(path);
    assert!(path.exists(), "{} is missing: run scripts/setup.sh test", path.display());
    path
}

fn python(program: &str) -> Command {
    let mut command = Command::new(installed("python/bin/python"));
    command.arg(source(program));
    command
}

#[test]
fn psycopg_works_as_without_the_gateway() {
    run(python("psycopg_client.py"));
}

#[test]
fn asyncpg_works_as_without_the_gateway() {
    run(python("asyncpg_client.py"));
}

#[test]
fn node_postgres_works_as_without_the_gateway() {
    let mut command = Command::new("node");
    command.arg(source("node_postgres.mjs"));
    command.env("PORTCULLIS_NODE_MODULES", installed("node"));
    run(command);
}

#[test]
fn pgjdbc_works_as_without_the_gateway() {
    let jar = installed(JDBC_JAR);
    let mut command = Command::new("java");
    command.arg("-cp").arg(jar).arg(source("Pgjdbc.java"));
    run(command);
}

#[test]
fn sqlx_works_as_without_the_gateway() {
    run(Command::new(installed("sqlx/debug/portcullis-driver-sqlx")));
}

#[test]
fn tokio_postgres_works_as_without_the_gateway() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let client = stage.driver(&gateway);
    stage.okta.runtime().block_on(async {
        prepared_and_pipelined(&client).await;
        copied(&client).await;
        cancelled(&client, &gateway).await;
        refused_and_masked(&client).await;
        large(&client).await;
    });
    let copied = "SELECT count(*) FROM products WHERE id BETWEEN 1001 AND 2000";
    assert_eq!(stage.admin(copied), "1000\n", "rows that came by COPY");
}

type Value<'a> = &'a (dyn ToSql + Sync);

async fn prepared_and_pipelined(client: &Client) {
    let statement = client.prepare("SELECT id FROM products WHERE id = $1").await.unwrap();
    // Polled together, requests go out without waiting for each other's answers.
    let one = |number: i32| {
        let statement = &statement;
        async move { client.query_one(statement, &[&number]).await.map(|row| row.get::<_, i32>(0)) }
    };
    let (a, b, c) = tokio::join!(one(7), one(8), one(9));
    assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), (7, 8, 9));
    let bytes = b"\x00\xff".as_slice();
    let zero = 0_i32;
    let (divisor, given): ([Value<'_>; 1], [Value<'_>; 1]) = ([&zero], [&bytes]);
    let (good, bad, after) = tokio::join!(
        client.query_one("SELECT 1", &[]),
        client.query_one("SELECT 1 / $1", &divisor),
        client.query_one("SELECT $1::bytea, NULL::int", &given),
    );
    assert_eq!(good.unwrap().get::<_, i32>(0), 1);
    assert_eq!(bad.unwrap_err().code(), Some(&SqlState::DIVISION_BY_ZERO));
    let after = after.unwrap();
    assert_eq!(after.get::<_, &[u8]>(0), bytes);
    assert_eq!(after.get::<_, Option<i32>>(1), None);
}

async fn copied(client: &Client) {
    let into = "COPY products (id, name, price, stock) FROM STDIN";
    let mut sink = pin!(client.copy_in(into).await.unwrap());
    for number in 1001..=2000 {
        let line = Bytes::from(format!("{number}\tcopied {number}\t1\t3\n"));
        sink.as_mut().send(line).await.unwrap();
    }
    assert_eq!(sink.as_mut().finish().await.unwrap(), 1000);
    let mut broken = pin!(client.copy_in(into).await.unwrap());
    broken.as_mut().send(Bytes::from("no number\tx\t1\t1\n")).await.unwrap();
    let error = broken.as_mut().finish().await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::INVALID_TEXT_REPRESENTATION));

    let query = "SELECT id, name FROM products WHERE id BETWEEN 1001 AND 2000 ORDER BY id";
    let text = collect(client, &format!("COPY ({query}) TO STDOUT")).await;
    let expected = (1001..=2000).map(|number| format!("{number}\tcopied {number}\n"));
    assert_eq!(text, expected.collect::<String>());
    let hidden = collect(client, "COPY customers (id, email) TO STDOUT").await;
    assert!(hidden.contains("MASKED") && !hidden.contains("@mail.example"), "{hidden}");
}

async fn collect(client: &Client, statement: &str) -> String {
    let pieces = client.copy_out(statement).await.unwrap();
    let pieces: Vec<Bytes> = pieces.try_collect().await.unwrap();
    String::from_utf8(pieces.concat()).unwrap()
}

async fn cancelled(client: &Client, gateway: &Gateway<'_>) {
    let ca_pem = std::fs::read_to_string(gateway.ca_file()).unwrap();
    let token = client.cancel_token();
    let mut running =
        pin!(client.query_one("SELECT count(*) FROM generate_series(1, 10000000000)", &[]));
    let answer = loop {
        // A request that comes before its statement is lost, so it is made until that ends.
        match tokio::time::timeout(Duration::from_millis(300), running.as_mut()).await {
            Ok(answer) => break answer,
            Err(_) => {
                let stream = driver::secure(gateway.postgres_address(), &ca_pem).await.unwrap();
                token.cancel_query_raw(stream, NoTls).await.unwrap();
            }
        }
    };
    assert_eq!(answer.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
    let four = match client.query_one("SELECT 4", &[]).await {
        // By the last request, which came late.
        Err(_) => client.query_one("SELECT 4", &[]).await.unwrap(),
        Ok(row) => row,
    };
    assert_eq!(four.get::<_, i32>(0), 4);
}

async fn refused_and_masked(client: &Client) {
    let error = client.query("DELETE FROM products", &[]).await.unwrap_err();
    let error = error.as_db_error().expect("an error of the database");
    assert_eq!(error.code(), &SqlState::INSUFFICIENT_PRIVILEGE);
    assert!(error.message().starts_with("portcullis: ") && error.hint().is_some(), "{error}");
    let count = client.query_one("SELECT count(*) FROM products WHERE id <= 40", &[]).await;
    assert_eq!(count.unwrap().get::<_, i64>(0), 40);

    let sql = "SELECT email, card_number, national_id FROM customers WHERE id = $1";
    let statement = client.prepare(sql).await.unwrap();
    for _ in 0..2 {
        let row = client.query_one(&statement, &[&42_i32]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "MASKED");
        let card: &str = row.get(1);
        assert!(card.ends_with("0005") && card != "378282246310005", "{card}");
        assert_eq!(row.get::<_, Option<&str>>(2), None);
    }
}

async fn large(client: &Client) {
    let row = client.query_one("SELECT repeat('y', 20000000)", &[]).await.unwrap();
    let value: &str = row.get(0);
    assert!(value.len() == 20_000_000 && value.bytes().all(|byte| byte == b'y'));
    let none: [&str; 0] = [];
    let rows = client.query_raw("SELECT generate_series(1, 200000)", none).await.unwrap();
    let sum =
        rows.try_fold(0_i64, |sum, row| async move { Ok(sum + i64::from(row.get::<_, i32>(0))) });
    assert_eq!(sum.await.unwrap(), 200_000 * 200_001 / 2);
}
