//! The PostgreSQL protocol, version 3.0 to 3.2: codec and facts, no I/O.

pub mod backend;
pub mod code;
pub mod copy;
pub mod frame;
pub mod frontend;
pub mod lineage;
pub mod names;
pub mod observe;
pub mod replication;
pub mod rows;
pub mod startup;
pub mod statement;
pub mod types;
