//! What is asked of a target's catalogue. Objects that `initdb` made have OIDs below 16384
//! (PostgreSQL: `FirstNormalObjectId`), so the rest are users'. All names are looked up in
//! `pg_catalog` alone, which is the only schema on the path of whoever asks.

/// Functions: oid, schema, name, whether the database holds their code (neither C nor internal),
/// whether an extension brought them, OIDs of the input arguments' types with a space between,
/// how many may be left out, OID of the variadic element or 0, and whether the first argument is
/// a row that has a column of the function's name. Functions that `initdb` made are in C or SQL;
/// one of them in another language was replaced.
pub const FUNCTIONS_SQL: &str = "\
SELECT p.oid, n.nspname, p.proname, l.lanname NOT IN ('internal', 'c'), \
EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 1255 AND d.objid = p.oid \
AND d.deptype = 'e'), p.proargtypes, p.pronargdefaults, p.provariadic, \
EXISTS (SELECT 1 FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a \
ON a.attrelid = t.typrelid WHERE t.oid = p.proargtypes[0] AND a.attname = p.proname \
AND NOT a.attisdropped) \
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
WHERE p.oid >= 16384 OR l.lanname NOT IN ('internal', 'c', 'sql')";

/// Aggregates: oid, then the functions they are made of.
pub const AGGREGATES_SQL: &str = "\
SELECT aggfnoid::pg_catalog.oid, aggtransfn::pg_catalog.oid, aggfinalfn::pg_catalog.oid, \
aggcombinefn::pg_catalog.oid, aggserialfn::pg_catalog.oid, aggdeserialfn::pg_catalog.oid, \
aggmtransfn::pg_catalog.oid, aggminvtransfn::pg_catalog.oid, aggmfinalfn::pg_catalog.oid \
FROM pg_catalog.pg_aggregate WHERE aggfnoid::pg_catalog.oid >= 16384";

/// Operators: oid, sign, left and right type, and the function's oid, schema and name.
pub const OPERATORS_SQL: &str = "\
SELECT o.oid, o.oprname, o.oprleft, o.oprright, p.oid, n.nspname, p.proname \
FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode \
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE o.oid >= 16384";

/// Casts: oid, source, target, the target's name, `i`, `a` or `e`, and the function's oid, schema
/// and name.
pub const CASTS_SQL: &str = "\
SELECT c.oid, c.castsource, c.casttarget, t.typname, c.castcontext, p.oid, n.nspname, p.proname \
FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_type t ON t.oid = c.casttarget \
JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc \
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE c.oid >= 16384";

/// Types: oid, name, the OIDs of what they are made of (relation, element, base, subtype, the
/// range of a multirange), and the kind (`d` a domain, `r` a range). Those of PostgreSQL's that a
/// user gave an order are among them.
pub const TYPES_SQL: &str = "\
SELECT t.oid, t.typname, t.typrelid, t.typelem, t.typbasetype, \
(SELECT r.rngsubtype FROM pg_catalog.pg_range r \
WHERE r.rngtypid = t.oid OR r.rngmultitypid = t.oid LIMIT 1), \
(SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngmultitypid = t.oid LIMIT 1), t.typtype \
FROM pg_catalog.pg_type t WHERE t.oid >= 16384 \
OR t.oid IN (SELECT c.opcintype FROM pg_catalog.pg_opclass c WHERE c.oid >= 16384) \
OR t.typelem IN (SELECT c.opcintype FROM pg_catalog.pg_opclass c WHERE c.oid >= 16384)";

/// Columns of such types: relation, type.
pub const COLUMNS_SQL: &str = "\
SELECT DISTINCT a.attrelid, a.atttypid FROM pg_catalog.pg_attribute a \
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid WHERE a.attnum > 0 AND NOT a.attisdropped \
AND (t.oid >= 16384 OR a.attrelid >= 16384 AND (t.oid IN \
(SELECT c.opcintype FROM pg_catalog.pg_opclass c WHERE c.oid >= 16384) OR t.typelem IN \
(SELECT c.opcintype FROM pg_catalog.pg_opclass c WHERE c.oid >= 16384)))";

/// Relations: oid, schema, name, row type.
pub const RELATIONS_SQL: &str = "\
SELECT c.oid, n.nspname, c.relname, c.reltype FROM pg_catalog.pg_class c \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'v', 'm', 'f', 'p')";

/// Children and parents.
pub const INHERITANCE_SQL: &str = "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits";

/// Triggers: relation, `tgtype`, function, oid, whether it is disabled.
pub const TRIGGERS_SQL: &str = "\
SELECT tgrelid, tgtype, tgfoid, oid, tgenabled = 'D' FROM pg_catalog.pg_trigger \
WHERE NOT tgisinternal";

/// Rules: oid, relation, what it is for (`1` SELECT to `4` DELETE), name, whether it is disabled.
pub const RULES_SQL: &str = "\
SELECT oid, ev_class, ev_type, rulename, ev_enabled = 'D' FROM pg_catalog.pg_rewrite \
WHERE oid >= 16384";

/// What holds expressions: its catalogue, oid, relation (for `d` a domain), a mark (the command of
/// a policy, `d` for a domain's check, `k` for a foreign key seen from the table it refers to),
/// and whether it is a policy of a table without row level security.
pub const HOLDERS_SQL: &str = "\
SELECT 2604, oid, adrelid, '', false FROM pg_catalog.pg_attrdef UNION ALL \
SELECT 2606, oid, conrelid, '', false FROM pg_catalog.pg_constraint \
WHERE conrelid <> 0 AND contype IN ('c', 'f', 'x') UNION ALL \
SELECT 2606, oid, confrelid, 'k', false FROM pg_catalog.pg_constraint WHERE contype = 'f' \
UNION ALL \
SELECT 2606, oid, contypid, 'd', false FROM pg_catalog.pg_constraint WHERE contypid <> 0 \
UNION ALL \
SELECT 3256, p.oid, p.polrelid, p.polcmd::pg_catalog.text, NOT c.relrowsecurity \
FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid UNION ALL \
SELECT 3381, oid, stxrelid, '', false FROM pg_catalog.pg_statistic_ext UNION ALL \
SELECT 1259, indexrelid, indrelid, '', false FROM pg_catalog.pg_index \
WHERE indexrelid >= 16384";

/// What hangs on things of users: catalogue and oid of the one, catalogue and oid of the other.
pub const DEPENDS_SQL: &str = "\
SELECT DISTINCT classid, objid, refclassid, refobjid FROM pg_catalog.pg_depend \
WHERE refobjid >= 16384 AND deptype IN ('n', 'a') AND ( \
classid IN (1247, 2604, 2606, 2618, 2620, 3256, 3381) AND refclassid IN (1247, 1255, 2616, 2617) \
OR classid = 1259 AND refclassid IN (1255, 2616, 2617) \
OR classid IN (2618, 3256) AND refclassid = 1259)";

/// Operator classes with functions of users: oid, type, function, name, whether it is the type's
/// default.
pub const CLASSES_SQL: &str = "\
SELECT c.oid, c.opcintype, p.amproc::pg_catalog.oid, c.opcname, c.opcdefault \
FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_amproc p ON p.amprocfamily = c.opcfamily \
WHERE p.amproc::pg_catalog.oid >= 16384 UNION \
SELECT c.oid, c.opcintype, o.oprcode::pg_catalog.oid, c.opcname, c.opcdefault \
FROM pg_catalog.pg_opclass c \
JOIN pg_catalog.pg_amop a ON a.amopfamily = c.opcfamily \
JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr \
WHERE o.oprcode::pg_catalog.oid >= 16384";

/// Foreign keys that act on rows: the table that refers, the one referred to, on DELETE, on
/// UPDATE.
pub const KEYS_SQL: &str = "\
SELECT conrelid, confrelid, confdeltype IN ('c', 'n', 'd'), confupdtype IN ('c', 'n', 'd') \
FROM pg_catalog.pg_constraint WHERE contype = 'f'";

/// Functions of event triggers.
pub const EVENTS_SQL: &str =
    "SELECT evtfoid FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D'";

/// Rows in text format, as they came.
pub(super) type Rows = Vec<Vec<Option<String>>>;

/// The answers to the statements above.
#[derive(Clone, Debug, Default)]
pub struct CodeRows {
    /// Answer to [`FUNCTIONS_SQL`].
    pub functions: Rows,
    /// Answer to [`AGGREGATES_SQL`].
    pub aggregates: Rows,
    /// Answer to [`OPERATORS_SQL`].
    pub operators: Rows,
    /// Answer to [`CASTS_SQL`].
    pub casts: Rows,
    /// Answer to [`TYPES_SQL`].
    pub types: Rows,
    /// Answer to [`COLUMNS_SQL`].
    pub columns: Rows,
    /// Answer to [`RELATIONS_SQL`].
    pub relations: Rows,
    /// Answer to [`INHERITANCE_SQL`].
    pub inheritance: Rows,
    /// Answer to [`TRIGGERS_SQL`].
    pub triggers: Rows,
    /// Answer to [`RULES_SQL`].
    pub rules: Rows,
    /// Answer to [`HOLDERS_SQL`].
    pub holders: Rows,
    /// Answer to [`DEPENDS_SQL`].
    pub depends: Rows,
    /// Answer to [`CLASSES_SQL`].
    pub classes: Rows,
    /// Answer to [`KEYS_SQL`].
    pub keys: Rows,
    /// Answer to [`EVENTS_SQL`].
    pub events: Rows,
}
