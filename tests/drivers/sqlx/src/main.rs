//! sqlx as an application uses it. Prints a line for each thing that works.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolCopyExt, PgPoolOptions, PgSslMode};
use sqlx::{Connection, Executor, PgPool, Row};

type Done = Result<(), Box<dyn std::error::Error>>;

fn say(step: &str) {
    println!("{step}");
}

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

async fn prepared(conn: &mut PgConnection) -> Done {
    for number in [7_i32, 8, 9] {
        let sql = "SELECT id FROM products WHERE id = $1";
        let found: i32 = sqlx::query_scalar(sql).bind(number).fetch_one(&mut *conn).await?;
        assert_eq!(found, number);
    }
    let sql = "SELECT count(*) FROM pg_prepared_statements";
    let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut *conn).await?;
    assert!(count > 0, "nothing was prepared on the server");
    say("prepared");
    Ok(())
}

/// sqlx sends Parse, Bind, Execute and Sync in one write, and rolls back without waiting.
async fn pipelined(conn: &mut PgConnection) -> Done {
    let insert = "INSERT INTO products (id, name, price, stock) VALUES ($1, 'kept', 1, 0)";
    for keep in [true, false] {
        let mut transaction = conn.begin().await?;
        let id = if keep { 3001 } else { 3002 };
        sqlx::query(insert).bind(id).execute(&mut *transaction).await?;
        if keep {
            transaction.commit().await?;
        }
    }
    let sql = "SELECT count(*) FROM products WHERE id > 3000";
    let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut *conn).await?;
    assert_eq!(count, 1, "what was dropped is rolled back");
    let again = sqlx::query(insert).bind(3001).execute(&mut *conn).await;
    assert!(again.is_err_and(|error| code(&error) == "23505"), "a doubled key was taken");
    say("pipelined");
    Ok(())
}

fn code(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|error| error.code());
    code.map(|code| code.into_owned()).unwrap_or_default()
}

async fn binary(conn: &mut PgConnection) -> Done {
    let sql = "SELECT 5::int8, 2.5::float8, 'x'::text, ARRAY[1, 2], $1::bytea, NULL::int";
    let row = sqlx::query(sql).bind(vec![0_u8, 255]).fetch_one(&mut *conn).await?;
    assert_eq!((row.get::<i64, _>(0), row.get::<f64, _>(1)), (5, 2.5));
    assert_eq!((row.get::<&str, _>(2), row.get::<Vec<i32>, _>(3)), ("x", vec![1, 2]));
    assert_eq!((row.get::<Vec<u8>, _>(4), row.get::<Option<i32>, _>(5)), (vec![0, 255], None));
    say("binary");
    Ok(())
}

async fn copy_in(conn: &mut PgConnection) -> Done {
    let statement = "COPY products (id, name, price, stock) FROM STDIN (FORMAT csv)";
    let mut copy = conn.copy_in_raw(statement).await?;
    let lines: String = (1001..=2000).map(|id| format!("{id},copied {id},1,3\n")).collect();
    for piece in lines.as_bytes().chunks(999) {
        copy.send(piece).await?;
    }
    assert_eq!(copy.finish().await?, 1000);
    let mut copy = conn.copy_in_raw(statement).await?;
    copy.send(&b"no number,x,1,1\n"[..]).await?;
    assert!(copy.finish().await.is_err_and(|error| code(&error) == "22P02"));
    say("copy in");
    Ok(())
}

async fn collect(pool: &PgPool, statement: &str) -> Result<String, Box<dyn std::error::Error>> {
    let mut rows = pool.copy_out_raw(statement).await?;
    let mut out = Vec::new();
    while let Some(piece) = rows.try_next().await? {
        out.extend_from_slice(&piece);
    }
    Ok(String::from_utf8(out)?)
}

async fn copy_out(pool: &PgPool) -> Done {
    let query = "SELECT id, name FROM products WHERE id BETWEEN 1001 AND 2000 ORDER BY id";
    let text = collect(pool, &format!("COPY ({query}) TO STDOUT")).await?;
    let expected: String = (1001..=2000).map(|id| format!("{id}\tcopied {id}\n")).collect();
    assert_eq!(text, expected);
    let hidden = collect(pool, "COPY customers (id, email) TO STDOUT").await?;
    assert!(hidden.contains("MASKED") && !hidden.contains("@mail.example"), "{hidden}");
    say("copy out");
    Ok(())
}

/// sqlx has no call to cancel; what its caller drops runs on, and the pool takes another
/// connection or waits for the answers.
async fn cancel(pool: &PgPool) -> Done {
    let long = "SELECT count(*) FROM generate_series(1, 2000000)";
    let mut conn = pool.acquire().await?;
    let running = sqlx::query(long).fetch_one(&mut *conn);
    let late = tokio::time::timeout(Duration::from_millis(20), running).await;
    assert!(late.is_err(), "the statement was too quick to be dropped");
    let four: i32 = sqlx::query_scalar("SELECT 4").fetch_one(&mut *conn).await?;
    assert_eq!(four, 4);
    say("cancel");
    Ok(())
}

async fn refused(conn: &mut PgConnection) -> Done {
    for text in [false, true] {
        let sql = "DELETE FROM products";
        let outcome = if text {
            conn.execute(sqlx::raw_sql(sql)).await
        } else {
            sqlx::query(sql).execute(&mut *conn).await
        };
        let error = outcome.expect_err("nothing was refused");
        assert_eq!(code(&error), "42501");
        let error = error.into_database_error().expect("an error of the database");
        assert!(error.message().starts_with("portcullis: "), "{error}");
    }
    let sql = "SELECT count(*) FROM products WHERE id <= 40";
    let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut *conn).await?;
    assert_eq!(count, 40);
    say("refused");
    Ok(())
}

async fn masked(conn: &mut PgConnection) -> Done {
    let sql = "SELECT email, card_number, national_id FROM customers WHERE id = $1";
    for _ in 0..3 {
        let row = sqlx::query(sql).bind(42).fetch_one(&mut *conn).await?;
        assert_eq!(row.get::<&str, _>(0), "MASKED");
        let card: &str = row.get(1);
        assert!(card.ends_with("0005") && card != "378282246310005", "{card}");
        assert_eq!(row.get::<Option<&str>, _>(2), None);
    }
    let row = conn.fetch_one(sqlx::raw_sql("SELECT email FROM customers WHERE id = 42")).await?;
    assert_eq!(row.get::<&str, _>(0), "MASKED");
    say("masked");
    Ok(())
}

async fn large(conn: &mut PgConnection) -> Done {
    let sql = "SELECT repeat('y', 20000000)";
    let value: String = sqlx::query_scalar(sql).fetch_one(&mut *conn).await?;
    assert!(value.len() == 20_000_000 && value.bytes().all(|byte| byte == b'y'));
    let mut rows = sqlx::query_scalar::<_, i32>("SELECT generate_series(1, 200000)").fetch(conn);
    let mut sum = 0_i64;
    while let Some(number) = rows.try_next().await? {
        sum += i64::from(number);
    }
    assert_eq!(sum, 200_000 * 200_001 / 2);
    say("large");
    Ok(())
}

#[tokio::main]
async fn main() -> Done {
    let options = PgConnectOptions::new_without_pgpass()
        .host("localhost")
        .port(setting("PGPORT").parse()?)
        .username(&setting("PGUSER"))
        .database(&setting("PGDATABASE"))
        .password(&setting("PGPASSWORD"))
        .ssl_mode(PgSslMode::VerifyFull)
        .ssl_root_cert(setting("PGSSLROOTCERT"));
    let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await?;
    let mut conn = pool.acquire().await?.detach();
    prepared(&mut conn).await?;
    pipelined(&mut conn).await?;
    binary(&mut conn).await?;
    copy_in(&mut conn).await?;
    copy_out(&pool).await?;
    cancel(&pool).await?;
    refused(&mut conn).await?;
    masked(&mut conn).await?;
    large(&mut conn).await?;
    conn.close().await?;
    pool.close().await;
    Ok(())
}
