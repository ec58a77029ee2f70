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
//! A caller can't be made up from claims, nor a session opened without a verified caller:
//!
//! ```compile_fail,E0308
//! use portcullis::{identity::Claims, session};
//! fn skip_identity(claims: Claims, wanted: &session::Wanted<'_>) {
//!     let _ = session::open(claims, &[], wanted);
//! }
//! ```
//!
//! What was judged but not recorded can't be sent, and a permit can't be forged:
//!
//! ```compile_fail,E0308
//! use portcullis::{policy::Decided, upstream::postgres::Sender};
//! fn skip_audit(sender: &mut Sender, decided: Decided) {
//!     sender.send(decided);
//! }
//! ```
//!
//! ```compile_fail,E0451
//! let _ = portcullis::audit::Permit { number: 1, wire: Default::default() };
//! ```
//!
//! A held request is no permission, and a request that nobody judged is none either:
//!
//! ```compile_fail,E0308
//! use portcullis::{audit::Recorder, policy::Held};
//! async fn skip_approval(recorder: Recorder, held: Held) {
//!     let _ = recorder.permit(held).await;
//! }
//! ```
//!
//! ```compile_fail,E0308
//! use portcullis::{audit::Recorder, protocol::Request};
//! async fn skip_policy(recorder: Recorder, request: Request) {
//!     let _ = recorder.permit(request).await;
//! }
//! ```
//!
//! A reply can't be released unmasked or unrecorded:
//!
//! ```compile_fail,E0308
//! use portcullis::{audit::Recorder, protocol::Rows};
//! async fn skip_masking(recorder: Recorder, rows: Rows) {
//!     let _ = recorder.release(vec![(1, rows)]).await;
//! }
//! ```
//!
//! ```compile_fail,E0308
//! use portcullis::{downstream::Sender, listener::ClientStream, policy::Masked};
//! fn skip_recording(sender: &mut Sender<ClientStream>, masked: Masked) {
//!     sender.send(masked);
//! }
//! ```
//!
//! The same calls with the right proofs compile:
//!
//! ```
//! use portcullis::audit::{Permit, Recorder, Release};
//! use portcullis::{downstream, listener::ClientStream, policy, upstream};
//! async fn in_order(
//!     recorder: Recorder,
//!     decided: policy::Decided,
//!     masked: policy::Masked,
//!     target: &mut upstream::postgres::Sender,
//!     client: &mut downstream::Sender<ClientStream>,
//! ) -> Result<(), portcullis::fault::Fault> {
//!     let permit: Permit = recorder.permit(decided).await?.await?;
//!     target.send(permit);
//!     let release: Release = recorder.release(vec![(1, masked)]).await?.await?;
//!     client.send(release);
//!     Ok(())
//! }
//! ```
//!
//! A stage imports itself, [`limits`], [`fault`], [`note`] and the stages above it in the list
//! below. The codecs in [`protocol`] stand first because they are pure: they do no I/O, read no
//! clock and know no other stage.

pub mod fault;
pub mod limits;
pub mod note;

pub mod protocol;

pub mod listener;

pub mod identity;

pub mod session;

pub mod policy;

pub mod audit;

pub mod replay;
pub mod upstream;
pub mod witness;

pub mod downstream;

pub mod export;

pub mod search;

pub mod pipeline;

pub mod admin;
pub mod cli;
pub mod commands;
pub mod config;
pub mod demo;
