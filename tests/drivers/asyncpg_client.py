"""asyncpg as an application uses it: always prepared, always binary, no libpq."""

import asyncio
import io
import os
import ssl

import asyncpg


def say(step):
    print(step, flush=True)


async def prepared(conn):
    statement = await conn.prepare("SELECT id FROM products WHERE id = $1")
    found = [await statement.fetchval(number) for number in (7, 8, 9)]
    assert found == [7, 8, 9], found
    assert [kind.name for kind in statement.get_parameters()] == ["int4"]
    say("prepared")


async def pipelined(conn):
    # asyncpg sends one Bind and Execute after the other before it reads.
    rows = [(3001, "one", 1), (3002, "two", 2), (3003, "three", 3)]
    insert = "INSERT INTO products (id, name, price, stock) VALUES ($1, $2, $3, 0)"
    await conn.executemany(insert, rows)
    count = await conn.fetchval("SELECT count(*) FROM products WHERE id > 3000")
    assert count == 3, count
    failed = False
    try:
        await conn.executemany(insert, [(3004, "four", 4), (3001, "again", 1)])
    except asyncpg.UniqueViolationError:
        failed = True
    assert failed
    count = await conn.fetchval("SELECT count(*) FROM products WHERE id > 3000")
    assert count == 3, "the rows of a failed batch stayed"
    say("pipelined")


async def binary(conn):
    row = await conn.fetchrow(
        "SELECT 5::int8, 1.50::numeric, 'x'::text, DATE '2026-02-03', ARRAY[1, 2],"
        " $1::bytea, NULL::int, $2::timestamptz = $2::timestamptz",
        b"\x00\xff", None,
    )
    assert [str(value) for value in tuple(row)[:4]] == ["5", "1.50", "x", "2026-02-03"], row
    assert tuple(row)[4:] == ([1, 2], b"\x00\xff", None, None), row
    say("binary")


async def copy_in(conn):
    records = [(number, f"copied {number}", 1, 3) for number in range(1001, 2001)]
    columns = ["id", "name", "price", "stock"]
    done = await conn.copy_records_to_table("products", records=records, columns=columns)
    assert done == "COPY 1000", done
    lines = b"2001,from a file,1,1\n2002,\"and, quoted\",2,2\n"
    done = await conn.copy_to_table(
        "products", source=io.BytesIO(lines), columns=columns, format="csv"
    )
    assert done == "COPY 2", done
    assert await conn.fetchval("SELECT name FROM products WHERE id = 2002") == "and, quoted"
    say("copy in")


async def copy_out(conn):
    out = io.BytesIO()
    query = "SELECT id, name FROM products WHERE id BETWEEN $1 AND $2 ORDER BY id"
    done = await conn.copy_from_query(query, 1001, 2000, output=out, format="csv")
    assert done == "COPY 1000", done
    expected = "".join(f"{number},copied {number}\n" for number in range(1001, 2001))
    assert out.getvalue().decode() == expected, out.getvalue()[:100]
    out = io.BytesIO()
    await conn.copy_from_table("customers", output=out, columns=["id", "email"])
    text = out.getvalue()
    assert b"MASKED" in text and b"@mail.example" not in text, text[:300]
    say("copy out")


async def cancel(conn):
    cancelled = False
    try:
        # The driver cancels on the server what its caller no longer waits for.
        await conn.fetchval("SELECT count(*) FROM generate_series(1, 300000000)", timeout=1)
    except asyncio.TimeoutError:
        cancelled = True
    assert cancelled
    assert await conn.fetchval("SELECT 4") == 4
    say("cancel")


async def refused(conn):
    for run in (conn.execute, conn.fetch, conn.prepare):
        error = None
        try:
            await run("DELETE FROM products")
        except asyncpg.InsufficientPrivilegeError as refusal:
            error = refusal
        assert error is not None, "nothing was refused"
        assert error.message.startswith("portcullis: "), error
        assert error.hint, "a refusal without a hint"
    assert await conn.fetchval("SELECT count(*) FROM products WHERE id <= 40") == 40
    say("refused")


async def masked(conn):
    query = "SELECT email, card_number, national_id FROM customers WHERE id = $1"
    for _ in range(3):
        row = await conn.fetchrow(query, 42)
        assert (row[0], row[1][-4:], row[2]) == ("MASKED", "0005", None), row
        assert "378282246310005" not in row[1], row
    async with conn.transaction():
        found = {row[0] async for row in conn.cursor("SELECT email FROM customers")}
    assert found == {"MASKED"}, found
    say("masked")


async def large(conn):
    value = await conn.fetchval("SELECT repeat('y', 20000000)")
    assert len(value) == 20000000 and set(value) == {"y"}
    rows = await conn.fetch("SELECT generate_series(1, 200000)")
    assert sum(row[0] for row in rows) == 200000 * 200001 // 2
    say("large")


async def main():
    trust = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])
    # The rest comes from the environment.
    conn = await asyncpg.connect(host="localhost", ssl=trust)
    for step in (prepared, pipelined, binary, copy_in, copy_out, cancel, refused, masked, large):
        await step(conn)
    await conn.close()


asyncio.run(main())
