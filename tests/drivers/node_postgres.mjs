// node-postgres as an application uses it. PORTCULLIS_NODE_MODULES says where it is installed.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const load = createRequire(`${process.env.PORTCULLIS_NODE_MODULES}/`);
const pg = load('pg');
const Cursor = load('pg-cursor');
const copy = load('pg-copy-streams');

const say = (step) => console.log(step);

async function prepared(client) {
  for (const number of [7, 8, 9]) {
    const { rows } = await client.query({
      name: 'product', text: 'SELECT id FROM products WHERE id = $1', values: [number],
    });
    assert.deepEqual(rows, [{ id: number }]);
  }
  say('prepared');
}

async function pipelined(client) {
  // All are queued at once; each has its own Sync.
  const asked = Array.from({ length: 100 }, (_, number) => (
    client.query('SELECT $1::int * 2 AS twice', [number])
  ));
  const found = (await Promise.all(asked)).map((result) => result.rows[0].twice);
  assert.deepEqual(found, Array.from({ length: 100 }, (_, number) => number * 2));
  const mixed = await Promise.allSettled([
    client.query('SELECT 1'), client.query('SELECT 1 / $1::int', [0]), client.query('SELECT 2'),
  ]);
  assert.deepEqual(mixed.map((one) => one.status), ['fulfilled', 'rejected', 'fulfilled']);
  assert.equal(mixed[1].reason.code, '22012');
  const cursor = client.query(new Cursor('SELECT generate_series(1, $1::int) AS n', [1000]));
  let seen = 0;
  for (let rows = await cursor.read(64); rows.length > 0; rows = await cursor.read(64)) {
    seen += rows.length;
  }
  await cursor.close();
  assert.equal(seen, 1000);
  say('pipelined');
}

async function binary(client) {
  // This driver sends buffers in binary and reads every result as text.
  const { rows } = await client.query({
    text: 'SELECT $1::bytea AS d, length($1::bytea) AS n, $2::int AS e',
    values: [Buffer.from([0, 255]), null], rowMode: 'array',
  });
  assert.deepEqual([...rows[0][0]], [0, 255]);
  assert.deepEqual(rows[0].slice(1), [2, null]);
  say('binary');
}

async function copyIn(client) {
  const into = client.query(copy.from('COPY products (id, name, price, stock) FROM STDIN'));
  const lines = Array.from({ length: 1000 }, (_, at) => `${1001 + at}\tcopied ${1001 + at}\t1\t3\n`);
  await pipeline(Readable.from(lines), into);
  assert.equal(into.rowCount, 1000);
  const broken = client.query(copy.from('COPY products (id, name, price, stock) FROM STDIN'));
  await assert.rejects(pipeline(Readable.from(['not a number\tx\t1\t1\n']), broken), { code: '22P02' });
  say('copy in');
}

async function collect(client, statement) {
  const pieces = [];
  for await (const piece of client.query(copy.to(statement))) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

async function copyOut(client) {
  const query = 'SELECT id, name FROM products WHERE id BETWEEN 1001 AND 2000 ORDER BY id';
  const text = await collect(client, `COPY (${query}) TO STDOUT (FORMAT csv)`);
  const lines = Array.from({ length: 1000 }, (_, at) => `${1001 + at},copied ${1001 + at}\n`);
  assert.equal(text, lines.join(''));
  const hidden = await collect(client, 'COPY customers (id, email) TO STDOUT');
  assert.match(hidden, /MASKED/);
  assert.doesNotMatch(hidden, /@mail\.example/);
  say('copy out');
}

// The driver's own way to cancel is a second connection that is told of the first.
function askToCancel(client, settings) {
  const connection = new pg.Connection({ ssl: settings.ssl });
  connection.on('error', () => {});
  connection.once('connect', () => connection.requestSsl());
  connection.once('sslconnect', () => connection.cancel(client.processID, client.secretKey));
  return new Promise((done) => {
    connection.once('end', done);
    connection.connect(settings.port, settings.host);
  });
}

async function cancel(client, settings) {
  let ended = false;
  const running = assert.rejects(
    client.query('SELECT count(*) FROM generate_series(1, 10000000000)'), { code: '57014' },
  ).finally(() => { ended = true; });
  // A request that comes before its statement is lost, so it is made until the statement ends.
  while (!ended) {
    await new Promise((done) => { setTimeout(done, 300); });
    if (!ended) await askToCancel(client, settings);
  }
  await running;
  const four = () => client.query('SELECT 4 AS four');
  const { rows } = await four().catch(four);
  assert.deepEqual(rows, [{ four: 4 }]);
  say('cancel');
}

async function refused(client) {
  for (const query of ['DELETE FROM products', { text: 'DELETE FROM products', name: 'gone' }]) {
    await assert.rejects(client.query(query), (error) => {
      assert.equal(error.code, '42501');
      assert.match(error.message, /^portcullis: /);
      assert.ok(error.hint);
      return true;
    });
  }
  const { rows } = await client.query('SELECT count(*)::int AS n FROM products WHERE id <= 40');
  assert.deepEqual(rows, [{ n: 40 }]);
  say('refused');
}

async function masked(client) {
  const text = 'SELECT email, card_number, national_id FROM customers WHERE id = $1';
  for (const query of [{ text }, { text, name: 'm' }, { text, name: 'm' }]) {
    const [row] = (await client.query({ ...query, values: [42] })).rows;
    assert.equal(row.email, 'MASKED');
    assert.match(row.card_number, /0005$/);
    assert.notEqual(row.card_number, '378282246310005');
    assert.equal(row.national_id, null);
  }
  say('masked');
}

async function large(client) {
  const { rows } = await client.query("SELECT repeat('y', 20000000) AS y");
  assert.equal(rows[0].y.length, 20000000);
  const many = await client.query('SELECT generate_series(1, 200000) AS n');
  assert.equal(many.rows.reduce((sum, row) => sum + row.n, 0), 200000 * 200001 / 2);
  say('large');
}

const settings = {
  host: 'localhost',
  port: Number(process.env.PGPORT),
  user: process.env.PGUSER,
  database: process.env.PGDATABASE,
  password: process.env.PGPASSWORD,
  ssl: { ca: readFileSync(process.env.PGSSLROOTCERT, 'utf8') },
};
const client = new pg.Client(settings);
await client.connect();
await prepared(client);
await pipelined(client);
await binary(client);
await copyIn(client);
await copyOut(client);
await cancel(client, settings);
await refused(client);
await masked(client);
await large(client);
await client.end();
