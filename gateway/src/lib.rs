//! Portcullis: a policy gateway between AI agents and the infrastructure they touch.
//!
//! Every stage takes the proof that only the stage before it can make:
//!
//! ```text
//! Accepted -> Principal -> Session -> Request -> Decided -> Permit -> upstream::send(Permit)
//! listener    identity     session    protocol   policy     audit     upstream
//!
//! downstream::send(Release) <- Release <- Masked <- Reply
//! downstream                   audit      policy    protocol
//! ```
//!
//! The constructors are private to their stage, so code that skips identity, policy or audit
//! does not compile. [`pipeline`] is the one file that names every stage in order.
//!
//! A stage imports itself, [`limits`], [`fault`] and the stages above it in the list below. The
//! codecs in [`protocol`] stand first because they are pure: they do no I/O, read no clock and
//! know no other stage.

pub mod fault;
pub mod limits;

pub mod protocol;

pub mod listener;

pub mod identity;

pub mod session;

pub mod policy;

pub mod audit;

pub mod upstream;

pub mod downstream;

pub mod pipeline;

pub mod admin;
pub mod cli;
pub mod commands;
pub mod config;
pub mod demo;
