-- What every case starts from. Hidden are the columns named in `ground.rs`; words in braces stand
-- for the values of one set.
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT nspname FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    FOR name IN SELECT evtname FROM pg_event_trigger LOOP
        EXECUTE format('DROP EVENT TRIGGER %I', name);
    END LOOP;
    FOR name IN SELECT pubname FROM pg_publication LOOP
        EXECUTE format('DROP PUBLICATION %I', name);
    END LOOP;
    PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
END $$;
CREATE SCHEMA public;
GRANT ALL ON SCHEMA public TO shop_app;

CREATE TYPE address AS (street text, zip integer);
CREATE TABLE people (
    id integer PRIMARY KEY,
    name text NOT NULL,
    city text NOT NULL,
    secret text NOT NULL UNIQUE,
    pin integer NOT NULL,
    born date NOT NULL,
    profile jsonb NOT NULL,
    key bytea NOT NULL,
    tags text[] NOT NULL,
    home address NOT NULL,
    essay text NOT NULL
);
INSERT INTO people VALUES
    (1, 'Ada', 'Lisbon', '{secret0}', {pin0}, '{born0}', '{"clue": "{profile}"}', '{key}',
     '{{tags}}', ROW('{street}', {pin1}),
     (SELECT string_agg(md5(n::text), ' ') || ' {essay}' FROM generate_series(1, 100) AS n)),
    (2, 'Bela', 'Osaka', '{secret1}', {pin1}, '{born1}', '{}', '', '{}', ROW('', 0), ''),
    (3, 'Chidi', 'Quito', '{secret2}', {pin2}, '{born2}', '{}', '', '{}', ROW('', 0), ''),
    (4, 'Dara', 'Perth', '{secret3}', {pin3}, '{born3}', '{}', '', '{}', ROW('', 0), '');

-- Everything here is to be seen; `secret` is only a name that it shares.
CREATE TABLE notes (
    id integer PRIMARY KEY,
    person_id integer,
    secret text,
    body text,
    amount integer
);
INSERT INTO notes VALUES
    (1, 1, 'open', 'likes tea', 10), (2, 2, 'open', 'likes rain', 20), (3, 1, 'wide', 'tall', 30);
CREATE TABLE box (id integer, body text, amount integer, day date, doc jsonb, raw bytea);

-- A partition and a child are tables of their own.
CREATE TABLE events (id integer, day date NOT NULL, payload text) PARTITION BY RANGE (day);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2025-01-01');
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2030-01-01');
INSERT INTO events VALUES (1, '2024-05-05', '{secret0}'), (2, '2026-05-05', '{secret1}');
CREATE TABLE files (id integer, label text, content text);
CREATE TABLE files_kept (shelf integer) INHERITS (files);
INSERT INTO files_kept VALUES (1, 'one', '{secret0}', 7);

-- Hidden columns with names that are easily got wrong.
CREATE TABLE odd (
    coooooooooooooooooooooooooooooooooooooooooooooooooooooooooooode text,
    U&"caf\00e9" text,
    "Mixed Case" text,
    "quo""te.d" text
);
INSERT INTO odd SELECT secret, secret, secret, secret FROM people WHERE id = 1;

CREATE VIEW contacts AS SELECT id, name, secret AS alias FROM people;
CREATE VIEW contacts_twice AS SELECT id, alias AS again FROM contacts;
CREATE VIEW contacts_loud AS SELECT id, upper(secret) AS loud, upper(name) AS who FROM people;
CREATE VIEW contacts_rows AS SELECT id, p AS whole FROM people AS p;
CREATE VIEW contacts_both (id, one) AS
    SELECT id, secret FROM people UNION ALL SELECT id, body FROM notes;
CREATE MATERIALIZED VIEW contacts_kept AS SELECT id, secret AS kept, name FROM people;

-- What attacks of the other kind are after.
CREATE TABLE orders (id integer PRIMARY KEY, item text, quantity integer);
INSERT INTO orders VALUES (1, 'teapot', 1), (2, 'lamp', 2), (3, 'clock', 3);
CREATE VIEW order_doors AS SELECT * FROM orders;
CREATE SEQUENCE tickets;

-- Code of users, some of it under names of PostgreSQL's own. Whatever runs it deletes an order and
-- may show a hidden value.
CREATE FUNCTION deed() RETURNS text LANGUAGE sql AS
    'DELETE FROM public.orders WHERE id = 1; SELECT secret FROM public.people WHERE id = 1';
CREATE SCHEMA evil;
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS 'SELECT public.deed()';
CREATE FUNCTION lower(integer) RETURNS text LANGUAGE sql AS 'SELECT public.deed()';
CREATE VIEW lowered AS SELECT lower(id) AS l FROM notes;
CREATE VIEW calls AS SELECT deed() AS d;
CREATE VIEW outer_calls AS SELECT d || '' AS e FROM calls;
CREATE FUNCTION shown(people) RETURNS text LANGUAGE sql AS 'SELECT $1.secret';
CREATE FUNCTION told(notes) RETURNS text LANGUAGE sql AS 'SELECT public.deed()';
CREATE FUNCTION gone_with(notes) RETURNS integer LANGUAGE sql AS
    'DELETE FROM public.orders WHERE id = 1; SELECT 1';
CREATE TYPE kind AS (n integer);
CREATE FUNCTION as_text(kind) RETURNS text LANGUAGE sql AS 'SELECT public.deed()';
CREATE CAST (kind AS text) WITH FUNCTION as_text(kind) AS IMPLICIT;
CREATE TABLE kinds AS SELECT ROW(1)::kind AS k;
CREATE FUNCTION is_fine(integer) RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN RAISE NOTICE ''%'', public.deed(); RETURN true; END';
CREATE DOMAIN fine AS integer CHECK (is_fine(VALUE));
CREATE FUNCTION added(text, text) RETURNS text LANGUAGE sql AS 'SELECT public.deed()';
CREATE OPERATOR + (LEFTARG = text, RIGHTARG = text, FUNCTION = added);
CREATE FUNCTION before(integer) RETURNS text LANGUAGE sql AS 'SELECT public.deed()';
CREATE OPERATOR @#@ (RIGHTARG = integer, FUNCTION = before);
CREATE FUNCTION same(notes, notes) RETURNS boolean LANGUAGE sql AS
    'SELECT public.deed() IS NOT NULL';
CREATE OPERATOR = (LEFTARG = notes, RIGHTARG = notes, FUNCTION = same);
CREATE FUNCTION step(text, integer) RETURNS text LANGUAGE sql AS 'SELECT public.deed()';
CREATE AGGREGATE gather (integer) (SFUNC = step, STYPE = text);
GRANT ALL ON ALL TABLES IN SCHEMA public TO shop_app;
ANALYZE people;
