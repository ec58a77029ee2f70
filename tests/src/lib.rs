//! The harness: real servers, real clients, and the real gateway between them.
//!
//! Everything listens on loopback with a port of its own, lives in a temporary folder, and ends
//! when its value is dropped. Set-up that fails is a failed test, so the harness panics with
//! what went wrong and what to install.
//!
//! - [`postgres::Postgres`]: a PostgreSQL server with the small shop database, behind SCRAM.
//! - [`gateway::Gateway`]: `portcullis serve` as its users start it.
//! - [`operator`]: what an operator does: settings, questions, the log.
//! - [`components`]: plugins made by hand, mostly hostile.
//! - [`languages`]: plugins as their authors start them, in each language.
//! - [`okta::Okta`]: the development issuer, and its people and agents.
//! - [`oidc_provider::OidcProvider`]: an issuer by somebody else, over https.
//! - [`receivers`]: what the log is exported to.
//! - [`clients::Psql`], [`driver`] and [`wire::Wire`]: two stock clients, and one that sends
//!   whatever it likes.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

pub mod certs;
pub mod clients;
pub mod cluster;
pub mod components;
pub mod driver;
pub mod folder;
pub mod gateway;
pub mod https;
pub mod languages;
pub mod oidc_provider;
pub mod okta;
pub mod operator;
pub mod plugins;
pub mod postgres;
pub mod process;
pub mod receivers;
pub mod wire;
