//! Words that the gateway says to a target itself.

use bytes::{BufMut, Bytes, BytesMut};

use crate::protocol::postgres::{frame, observe};

/// Words that go upstream without judgement, because none of them can run anything: what they
/// act on was judged when it was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Control {
    /// Close a statement or portal.
    Close(Named),
    /// CopyDone: no more rows follow.
    CopyDone,
    /// CopyFail, with the gateway's own words.
    CopyFail(String),
    /// Describe a statement or portal.
    Describe(Named),
    /// A message that is sure to fail (a Bind of a statement that can't exist), so that the
    /// server is in the state that a refused client is told: transaction aborted, the rest of
    /// the pipeline skipped.
    Fail,
    /// Flush.
    Flush,
    /// Asks for the settings that an approval is bound to ([`observe`]).
    Observe,
    /// Parse of a part of a statement that was judged and recorded, to have it described.
    Prepare(Bytes, String),
    /// Sync.
    Sync,
    /// Terminate.
    Terminate,
}

/// A statement or a portal by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Named {
    /// A portal.
    Portal(Bytes),
    /// A prepared statement.
    Statement(Bytes),
}

/// Shown in the target's own log when the gateway refused something in a pipeline. Longer names
/// than a client can prepare are not needed: no client gets a statement of this name past us.
pub const REFUSED_STATEMENT: &[u8] = b"refused by portcullis";
/// The gateway's own statement, there while a COPY is described. No client gets at it.
pub const DESCRIBED_STATEMENT: &[u8] = b"described by portcullis";

pub(super) fn is_reserved(name: &[u8]) -> bool {
    [REFUSED_STATEMENT, DESCRIBED_STATEMENT, observe::NAME].contains(&name)
}

impl Control {
    /// Appends the message.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Close(named) => frame::put(out, b'C', |out| put_named(out, named)),
            Self::CopyDone => frame::put(out, b'c', |_| {}),
            Self::CopyFail(why) => {
                frame::put(out, b'f', |out| frame::put_string(out, why.as_bytes()));
            }
            Self::Describe(named) => frame::put(out, b'D', |out| put_named(out, named)),
            Self::Fail => frame::put(out, b'B', |out| {
                frame::put_string(out, b"");
                frame::put_string(out, REFUSED_STATEMENT);
                out.put_slice(&[0; 6]);
            }),
            Self::Flush => frame::put(out, b'H', |_| {}),
            Self::Observe => observe::encode(out),
            Self::Prepare(name, query) => frame::put(out, b'P', |out| {
                frame::put_string(out, name);
                frame::put_string(out, query.as_bytes());
                out.put_u16(0);
            }),
            Self::Sync => frame::put(out, b'S', |_| {}),
            Self::Terminate => frame::put(out, b'X', |_| {}),
        }
    }
}

fn put_named(out: &mut BytesMut, named: &Named) {
    let (kind, name) = match named {
        Named::Portal(name) => (b'P', name),
        Named::Statement(name) => (b'S', name),
    };
    out.put_u8(kind);
    frame::put_string(out, name);
}
