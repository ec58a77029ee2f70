//! What is asked of every system.

/// One kind of load.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Workload {
    /// As the summary calls it.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) load: Load,
    /// Connections at once.
    pub(crate) clients: u32,
}

/// What one run does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Load {
    /// pgbench's `select-only` in this query mode, a connection for each client.
    Select(&'static str),
    /// pgbench's `tpcb-like`, prepared.
    TpcB,
    /// `select-only`, simple, a new connection for each transaction.
    Connect,
    /// One large result; the rest of the SELECT is this.
    Stream(&'static str),
    /// `COPY ... TO STDOUT` of the same table.
    CopyOut,
}

impl Load {
    /// True when what counts is rows and not transactions.
    pub(crate) fn streams(self) -> bool {
        matches!(self, Self::Stream(_) | Self::CopyOut)
    }
}

const fn select(name: &'static str, mode: &'static str, clients: u32) -> Workload {
    Workload { name, load: Load::Select(mode), clients }
}

const fn alone(name: &'static str, load: Load) -> Workload {
    Workload { name, load, clients: 1 }
}

/// Everything that is measured, in this order.
pub(crate) const WORKLOADS: [Workload; 15] = [
    select("simple_c1", "simple", 1),
    select("simple_c8", "simple", 8),
    select("simple_c32", "simple", 32),
    select("extended_c1", "extended", 1),
    select("extended_c8", "extended", 8),
    select("extended_c32", "extended", 32),
    select("prepared_c1", "prepared", 1),
    select("prepared_c8", "prepared", 8),
    select("prepared_c32", "prepared", 32),
    Workload { name: "tpcb_c8", load: Load::TpcB, clients: 8 },
    Workload { name: "connect_c4", load: Load::Connect, clients: 4 },
    alone("stream_plain", Load::Stream("id, name, town, note")),
    alone("stream_masked", Load::Stream("id, email, card, note")),
    alone("stream_inspected", Load::Stream("id, name, town, remark")),
    alone("copy_out", Load::CopyOut),
];

/// The table of large results. `email` and `card` are as wide as `name` and `town`, and `remark`
/// as `note`, so that the results differ in nothing but what the policy hides.
pub(crate) fn stream_table(rows: u32) -> String {
    format!(
        "CREATE TABLE stream AS SELECT n AS id, \
         'name-' || lpad(n::text, 19, '0') AS name, 'town-' || lpad(n::text, 11, '0') AS town, \
         'note ' || n || ' says nothing that anybody would want to hide' AS note, \
         lpad(n::text, 12, 'x') || '@example.org' AS email, \
         lpad(n::text, 16, '4') AS card, \
         'note ' || n || ' says nothing that anybody would want to hide' AS remark \
         FROM generate_series(1, {rows}) AS n;\n"
    )
}
