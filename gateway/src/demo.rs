//! The demonstration: a development issuer and what the tour needs.

pub mod issuer;
