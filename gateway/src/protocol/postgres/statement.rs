//! What PostgreSQL's own grammar says of a statement.
