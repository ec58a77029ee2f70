-- Code that nothing in a statement's text calls, on top of `ground.sql`: one table for each way.
-- Whatever runs it deletes an order.
GRANT ALL ON SCHEMA public TO plain;
CREATE FUNCTION is_sly(integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM public.deed(); RETURN true; END';
CREATE FUNCTION least_kind(kind, kind) RETURNS kind LANGUAGE plpgsql AS
    'BEGIN PERFORM public.deed(); RETURN $1; END';
CREATE FUNCTION sprung() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM public.deed(); RETURN coalesce(NEW, OLD); END';
CREATE FUNCTION counted(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM public.deed(); RETURN $1; END';
CREATE FUNCTION compared(integer, integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM public.deed(); RETURN btint4cmp($1, $2); END';
CREATE OPERATOR CLASS sly_ops FOR TYPE integer USING btree AS OPERATOR 1 <, OPERATOR 2 <=,
    OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 compared(integer, integer);

CREATE TABLE plain_rows (id integer, body text);
INSERT INTO plain_rows VALUES (1, 'one'), (2, 'two');
CREATE TABLE calm_rows AS TABLE plain_rows;
CREATE TABLE built (id integer);
INSERT INTO built VALUES (1), (2);
CREATE INDEX ON built (counted(id));
CREATE TABLE before_insert (id integer);
CREATE TRIGGER t BEFORE INSERT ON before_insert FOR EACH ROW EXECUTE FUNCTION sprung();
CREATE TABLE after_insert (id integer);
CREATE TRIGGER t AFTER INSERT ON after_insert FOR EACH STATEMENT EXECUTE FUNCTION sprung();
CREATE TABLE on_update (id integer PRIMARY KEY, a integer, b integer);
INSERT INTO on_update VALUES (1, 1, 1);
CREATE TRIGGER t AFTER UPDATE OF b ON on_update FOR EACH ROW EXECUTE FUNCTION sprung();
CREATE TABLE on_delete (id integer);
INSERT INTO on_delete VALUES (1);
CREATE TRIGGER t BEFORE DELETE ON on_delete FOR EACH ROW EXECUTE FUNCTION sprung();
CREATE TABLE on_truncate (id integer);
CREATE TRIGGER t BEFORE TRUNCATE ON on_truncate FOR EACH STATEMENT EXECUTE FUNCTION sprung();
CREATE TABLE deferred (id integer);
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION sprung();
CREATE TABLE trigger_when (id integer);
INSERT INTO trigger_when VALUES (1);
CREATE TRIGGER t BEFORE UPDATE ON trigger_when FOR EACH ROW WHEN (is_fine(NEW.id))
    EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE VIEW instead AS SELECT id FROM plain_rows;
CREATE TRIGGER t INSTEAD OF INSERT ON instead FOR EACH ROW EXECUTE FUNCTION sprung();
CREATE VIEW over_trigger AS SELECT id FROM before_insert;
CREATE TABLE halves (id integer) PARTITION BY RANGE (id);
CREATE TABLE half PARTITION OF halves FOR VALUES FROM (0) TO (10);
CREATE TRIGGER t BEFORE INSERT ON half FOR EACH ROW EXECUTE FUNCTION sprung();
CREATE TABLE whole (id integer);
CREATE TABLE child () INHERITS (whole);
INSERT INTO child VALUES (1);
CREATE TRIGGER t BEFORE UPDATE ON child FOR EACH ROW EXECUTE FUNCTION sprung();
CREATE TABLE referred (id integer PRIMARY KEY);
CREATE TABLE referring (id integer REFERENCES referred ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO referred VALUES (1), (2);
INSERT INTO referring VALUES (1), (2);
CREATE TRIGGER t BEFORE DELETE OR UPDATE ON referring FOR EACH ROW EXECUTE FUNCTION sprung();

CREATE TABLE ruled (id integer);
INSERT INTO ruled VALUES (1);
CREATE RULE r AS ON INSERT TO ruled DO ALSO SELECT deed();
CREATE RULE s AS ON UPDATE TO ruled DO INSTEAD DELETE FROM orders WHERE id = 1;
CREATE RULE t AS ON DELETE TO ruled DO ALSO SELECT deed();
CREATE VIEW ruled_view AS SELECT id FROM plain_rows;
CREATE RULE r AS ON UPDATE TO ruled_view DO INSTEAD SELECT deed();

CREATE TABLE defaulted (id integer, body text DEFAULT deed());
CREATE DOMAIN told_domain AS text DEFAULT deed();
CREATE TABLE domain_default (id integer, body told_domain);
CREATE TABLE generated (id integer, twice integer GENERATED ALWAYS AS (counted(id)) STORED);
CREATE TABLE checked (id integer CHECK (is_fine(id)));
CREATE TABLE fine_rows (id fine);
CREATE TABLE fine_lists (ids fine[]);
CREATE TYPE fine_pair AS (a fine, b integer);
CREATE TABLE fine_pairs (pair fine_pair);

CREATE TABLE indexed (id integer);
CREATE INDEX ON indexed (counted(id));
CREATE TABLE part_indexed (id integer);
CREATE INDEX ON part_indexed (id) WHERE is_sly(id);
CREATE TABLE class_indexed (id integer);
CREATE INDEX ON class_indexed (id sly_ops);
CREATE TABLE counted_parts (id integer) PARTITION BY RANGE (counted(id));
CREATE TABLE counted_part PARTITION OF counted_parts FOR VALUES FROM (0) TO (10);
CREATE TABLE class_parts (id integer) PARTITION BY RANGE (id sly_ops);
CREATE TABLE class_part PARTITION OF class_parts FOR VALUES FROM (0) TO (10);
CREATE TYPE sly_range AS RANGE (subtype = integer, subtype_opclass = sly_ops);
CREATE TABLE ranges (r sly_range);
CREATE TABLE surveyed (id integer, n integer);
INSERT INTO surveyed SELECT g, g FROM generate_series(1, 200) AS g;
CREATE STATISTICS surveyed_stats ON (counted(n)) FROM surveyed;

-- A type of PostgreSQL's that has no order until somebody gives it one.
CREATE FUNCTION point_order(point, point) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM public.deed(); RETURN btfloat8cmp($1[0], $2[0]); END';
CREATE FUNCTION point_test(point, point) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM public.deed(); RETURN $1[0] = $2[0]; END';
CREATE OPERATOR <@# (LEFTARG = point, RIGHTARG = point, FUNCTION = point_test);
CREATE OPERATOR <@= (LEFTARG = point, RIGHTARG = point, FUNCTION = point_test);
CREATE OPERATOR @=@ (LEFTARG = point, RIGHTARG = point, FUNCTION = point_test);
CREATE OPERATOR >@= (LEFTARG = point, RIGHTARG = point, FUNCTION = point_test);
CREATE OPERATOR >@# (LEFTARG = point, RIGHTARG = point, FUNCTION = point_test);
CREATE OPERATOR CLASS point_ops DEFAULT FOR TYPE point USING btree AS OPERATOR 1 <@#,
    OPERATOR 2 <@=, OPERATOR 3 @=@, OPERATOR 4 >@=, OPERATOR 5 >@#,
    FUNCTION 1 point_order(point, point);
CREATE TABLE points (id integer, p point);
INSERT INTO points VALUES (1, '(1,1)'), (2, '(2,2)');
CREATE TABLE places (p point PRIMARY KEY);
INSERT INTO places VALUES ('(1,1)');
CREATE TABLE visits (p point REFERENCES places);

CREATE TABLE guarded (id integer);
INSERT INTO guarded VALUES (1);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON guarded USING (is_sly(id)) WITH CHECK (is_sly(id));
CREATE TABLE guarded_far (id integer);
INSERT INTO guarded_far VALUES (1);
ALTER TABLE guarded_far ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON guarded_far USING (EXISTS (SELECT 1 FROM calls WHERE d <> ''));

CREATE AGGREGATE max (kind) (SFUNC = least_kind, STYPE = kind);
CREATE FUNCTION as_number(kind) RETURNS integer LANGUAGE plpgsql AS
    'BEGIN PERFORM public.deed(); RETURN 1; END';
CREATE CAST (kind AS integer) WITH FUNCTION as_number(kind) AS ASSIGNMENT;

-- Code that sleeps until somebody wakes it.
CREATE TABLE quiet (id integer);
INSERT INTO quiet VALUES (1);
CREATE TRIGGER t BEFORE INSERT ON quiet FOR EACH ROW EXECUTE FUNCTION sprung();
ALTER TABLE quiet DISABLE TRIGGER t;
CREATE RULE r AS ON DELETE TO quiet DO ALSO SELECT deed();
ALTER TABLE quiet DISABLE RULE r;
CREATE POLICY p ON quiet FOR SELECT USING (is_sly(id));
GRANT ALL ON ALL TABLES IN SCHEMA public TO shop_app, plain;
INSERT INTO orders VALUES (1, 'teapot', 1) ON CONFLICT DO NOTHING;
