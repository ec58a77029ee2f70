//! `portcullis plugin`: what its commands do, as their users type them.

mod signing;
