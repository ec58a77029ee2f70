//! The PostgreSQL protocol, version 3.0 to 3.2: codec and facts, no I/O.

pub mod rows;
pub mod statement;
