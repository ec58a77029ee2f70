//! Names of PostgreSQL's own types by their OIDs, which never change
//! (PostgreSQL 18, `src/include/catalog/pg_type.dat`).

/// Type, its array type, its name.
// tidy: table
const TYPES: [(u32, u32, &str); 47] = [
    (16, 1000, "bool"),
    (17, 1001, "bytea"),
    (18, 1002, "char"),
    (19, 1003, "name"),
    (20, 1016, "int8"),
    (21, 1005, "int2"),
    (23, 1007, "int4"),
    (24, 1008, "regproc"),
    (25, 1009, "text"),
    (26, 1028, "oid"),
    (114, 199, "json"),
    (142, 143, "xml"),
    (600, 1017, "point"),
    (601, 1018, "lseg"),
    (602, 1019, "path"),
    (603, 1020, "box"),
    (604, 1027, "polygon"),
    (628, 629, "line"),
    (650, 651, "cidr"),
    (700, 1021, "float4"),
    (701, 1022, "float8"),
    (705, 0, "unknown"),
    (718, 719, "circle"),
    (774, 775, "macaddr8"),
    (790, 791, "money"),
    (829, 1040, "macaddr"),
    (869, 1041, "inet"),
    (1042, 1014, "bpchar"),
    (1043, 1015, "varchar"),
    (1082, 1182, "date"),
    (1083, 1183, "time"),
    (1114, 1115, "timestamp"),
    (1184, 1185, "timestamptz"),
    (1186, 1187, "interval"),
    (1266, 1270, "timetz"),
    (1560, 1561, "bit"),
    (1562, 1563, "varbit"),
    (1700, 1231, "numeric"),
    (2205, 2210, "regclass"),
    (2206, 2211, "regtype"),
    (2249, 2287, "record"),
    (2950, 2951, "uuid"),
    (3614, 3643, "tsvector"),
    (3615, 3645, "tsquery"),
    (3802, 3807, "jsonb"),
    (3904, 3905, "int4range"),
    (4072, 4073, "jsonpath"),
];

/// The name of a type of `pg_catalog`, `[]` behind it for an array; `None` for any other.
pub fn name(oid: u32) -> Option<String> {
    if oid == 0 {
        return None;
    }
    TYPES.iter().find_map(|(one, array, name)| match oid {
        _ if oid == *one => Some((*name).to_owned()),
        _ if oid == *array => Some(format!("{name}[]")),
        _ => None,
    })
}
