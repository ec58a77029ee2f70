"""psycopg 3 (libpq 18) as an application uses it. Prints a line for each thing that works."""

import sys
import threading

import psycopg


def say(step):
    print(step, flush=True)


def prepared(conn):
    names = []
    for number in (7, 8, 9):
        row = conn.execute("SELECT id FROM products WHERE id = %s", [number], prepare=True)
        names.append(row.fetchone()[0])
    assert names == [7, 8, 9], names
    count = conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()[0]
    assert count >= 1, "nothing was prepared on the server"
    say("prepared")


def pipelined(conn):
    with conn.pipeline():
        cursors = [conn.execute("SELECT %s::int * 2", [number]) for number in range(100)]
        found = [cursor.fetchone()[0] for cursor in cursors]
    assert found == [number * 2 for number in range(100)], found
    # An error in the middle: what follows it is not run, and the connection goes on.
    failed = False
    try:
        with conn.pipeline():
            conn.execute("SELECT 1")
            conn.execute("SELECT 1 / 0")
            conn.execute("SELECT 2")
    except psycopg.errors.DivisionByZero:
        failed = True
    assert failed
    assert conn.execute("SELECT 3").fetchone()[0] == 3
    say("pipelined")


def binary(conn):
    with conn.cursor(binary=True) as cursor:
        cursor.execute(
            "SELECT 5::int8, 1.50::numeric, 'x'::text, DATE '2026-02-03', ARRAY[1, 2],"
            " '\\x00ff'::bytea, NULL::int, %b::int",
            [77],
        )
        row = cursor.fetchone()
    assert [str(value) for value in row[:4]] == ["5", "1.50", "x", "2026-02-03"], row
    assert (row[4], bytes(row[5]), row[6], row[7]) == ([1, 2], b"\x00\xff", None, 77), row
    say("binary")


def copy_in(conn):
    with conn.cursor() as cursor:
        with cursor.copy("COPY products (id, name, price, stock) FROM STDIN") as copy:
            for number in range(1001, 1501):
                copy.write_row((number, f"copied {number}", 1, None if number < 0 else 3))
        assert cursor.rowcount == 500, cursor.rowcount
        statement = "COPY products (id, name, price, stock) FROM STDIN (FORMAT binary)"
        with cursor.copy(statement) as copy:
            copy.set_types(["int4", "text", "numeric", "int4"])
            for number in range(1501, 2001):
                copy.write_row((number, f"copied {number}", 1, 3))
        # A row that can't be taken fails the copy, not the connection.
        failed = False
        try:
            with cursor.copy("COPY products (id, name, price, stock) FROM STDIN") as copy:
                copy.write(b"not a number\tx\t1\t1\n")
        except psycopg.errors.InvalidTextRepresentation:
            failed = True
        assert failed
    say("copy in")


def copy_out(conn):
    query = "SELECT id, name FROM products WHERE id BETWEEN 1001 AND 2000 ORDER BY id"
    for statement in (f"COPY ({query}) TO STDOUT", f"COPY ({query}) TO STDOUT (FORMAT binary)"):
        with conn.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(["int4", "text"])
            rows = list(copy.rows())
        expected = [(number, f"copied {number}") for number in range(1001, 2001)]
        assert rows == expected, rows[:3]
    with conn.cursor() as cursor, cursor.copy("COPY customers TO STDOUT") as copy:
        text = b"".join(bytes(piece) for piece in copy)
    assert b"MASKED" in text and b"@mail.example" not in text, text[:300]
    say("copy out")


def cancel(conn):
    # A request that comes before its statement is lost, so it is made until the statement ends.
    ended = threading.Event()

    def ask():
        while not ended.wait(0.3):
            conn.cancel_safe()

    asking = threading.Thread(target=ask)
    asking.start()
    cancelled = False
    try:
        conn.execute("SELECT count(*) FROM generate_series(1, 10000000000)")
    except psycopg.errors.QueryCanceled:
        cancelled = True
    ended.set()
    asking.join()
    assert cancelled, "the statement ran to its end"
    assert after_cancel(conn) == 4
    say("cancel")


def after_cancel(conn):
    while True:
        try:
            return conn.execute("SELECT 4").fetchone()[0]
        except psycopg.errors.QueryCanceled:
            pass  # By the last request, which came late.


def refused(conn):
    for prepare in (False, True):
        error = None
        try:
            conn.execute("DELETE FROM products", prepare=prepare)
        except psycopg.errors.InsufficientPrivilege as refusal:
            error = refusal
        assert error is not None, "nothing was refused"
        assert error.diag.message_primary.startswith("portcullis: "), error
        assert error.diag.message_hint, "a refusal without a hint"
    assert conn.execute("SELECT count(*) FROM products WHERE id <= 40").fetchone()[0] == 40
    say("refused")


def masked(conn):
    query = "SELECT email, card_number, national_id FROM customers WHERE id = %s"
    for prepare, as_binary in ((False, False), (True, False), (False, True), (True, True)):
        row = conn.execute(query, [42], prepare=prepare, binary=as_binary).fetchone()
        assert (row[0], row[1][-4:], row[2]) == ("MASKED", "0005", None), row
        assert "378282246310005" not in row[1], row
    with conn.transaction(), conn.cursor(name="a cursor") as cursor:
        cursor.execute("SELECT email FROM customers")
        assert {row[0] for row in cursor} == {"MASKED"}
    say("masked")


def large(conn):
    value = conn.execute("SELECT repeat('y', 20000000)").fetchone()[0]
    assert len(value) == 20000000 and set(value) == {"y"}
    with conn.cursor() as cursor:
        total = sum(row[0] for row in cursor.stream("SELECT generate_series(1, 200000)"))
    assert total == 200000 * 200001 // 2, total
    say("large")


def main():
    # Everything else comes from the environment, as libpq reads it.
    with psycopg.connect(autocommit=True) as conn:
        assert conn.pgconn.ssl_in_use
        for step in (
            prepared, pipelined, binary, copy_in, copy_out, cancel, refused, masked, large,
        ):
            step(conn)


sys.exit(main())
