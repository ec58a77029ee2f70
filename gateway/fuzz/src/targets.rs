//! One file each.

pub(crate) mod backend;
pub(crate) mod copy;
pub(crate) mod frames;
pub(crate) mod frontend;
pub(crate) mod jwks;
pub(crate) mod kubernetes;
pub(crate) mod large;
pub(crate) mod names;
pub(crate) mod pack;
pub(crate) mod query;
pub(crate) mod replication;
pub(crate) mod rows;
pub(crate) mod signature;
pub(crate) mod startup;
pub(crate) mod statement;
pub(crate) mod token;
pub(crate) mod witness;
