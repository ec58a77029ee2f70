//! What the tests of this stage share: a log in a temporary folder, and things to record.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::{Durability, Log, LogSettings, Recorder};
use crate::identity::{Actor, Claims, Principal};
use crate::policy::{Decided, Finding, Masked, PluginStamp, Ruling, Verdict};
use crate::protocol::{Access, Class, Facts, Kind, Object, Outcome, Request, Statement};
use crate::session::Session;

pub(crate) fn settings(dir: &Path) -> LogSettings {
    LogSettings {
        dir: dir.join("log"),
        organization: "example".to_owned(),
        gateway: "gw1".to_owned(),
    }
}

pub(crate) fn open(dir: &Path) -> Log {
    Log::open(&settings(dir), "digest").unwrap()
}

pub(crate) fn claims() -> Claims {
    Claims {
        issuer_name: "okta".to_owned(),
        issuer: "https://example.okta.com/oauth2/default".to_owned(),
        subject: "ada@example.com".to_owned(),
        uid: Some("00u1".to_owned()),
        client: Some("0oa1".to_owned()),
        email: Some("ada@example.com".to_owned()),
        groups: vec!["developers".to_owned()],
        scopes: vec!["db.read".to_owned()],
        actors: vec![Actor { subject: "agent-7".to_owned(), profile: Some("ai_agent".to_owned()) }],
        audience: vec!["portcullis".to_owned()],
        token_id: Some("AT.1".to_owned()),
        issued_at: 1_700_000_000,
        expires_at: 1_700_003_600,
        auth_time: None,
        key_id: Some("kid-1".to_owned()),
        profile: None,
        key_thumbprint: "thumb".to_owned(),
        task: None,
        ticket: None,
        token_sha256: "5e".repeat(32),
    }
}

pub(crate) fn session() -> Session {
    Session::for_test(Principal::for_test(claims()))
}

pub(crate) async fn begin(log: &Log) -> Recorder {
    log.begin(&session(), Durability::Durable).await.unwrap()
}

pub(crate) fn facts() -> Facts {
    Facts {
        statements: vec![Statement {
            end: 8,
            objects: vec![Object {
                kind: "relation".to_owned(),
                name: "customers".to_owned(),
                access: Access::Read,
            }],
            columns: vec!["email".to_owned()],
            ..Statement::bare("select", Class::Read)
        }],
        second_opinion: "agrees".to_owned(),
    }
}

pub(crate) fn ruling(verdict: Verdict) -> Ruling {
    Ruling {
        shadow: Vec::new(),
        verdict,
        risk: 42,
        findings: vec![Finding {
            plugin: "core".to_owned(),
            rule: "sql.read".to_owned(),
            score: 42,
            message: "reads customers".to_owned(),
        }],
        policy_digest: "ab".repeat(32),
        plugins: Arc::from([PluginStamp {
            name: "mask".to_owned(),
            digest: "cd".repeat(32),
            settings_digest: "ef".repeat(32),
            signed_by: None,
            mode: None,
            on_error: None,
        }]),
    }
}

pub(crate) fn request(text: &str) -> Request {
    Request::for_test(Kind::SqlQuery, text, facts())
}

pub(crate) fn decided(text: &str) -> Decided {
    Decided::for_test(request(text), ruling(Verdict::Allow))
}

pub(crate) fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![tag];
    frame.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

/// RowDescription of one text column, then one DataRow each, then CommandComplete.
pub(crate) fn rows(column: &str, cells: &[&str]) -> Masked {
    let mut description = 1_u16.to_be_bytes().to_vec();
    description.extend_from_slice(column.as_bytes());
    description.push(0);
    description.extend_from_slice(&[0; 6]);
    description.extend_from_slice(&25_u32.to_be_bytes());
    description.extend_from_slice(&[0xff; 6]);
    description.extend_from_slice(&[0, 0]);
    let mut frames = frame(b'T', &description);
    for cell in cells {
        let mut row = 1_u16.to_be_bytes().to_vec();
        row.extend_from_slice(&u32::try_from(cell.len()).unwrap().to_be_bytes());
        row.extend_from_slice(cell.as_bytes());
        frames.extend(frame(b'D', &row));
    }
    let tag = format!("SELECT {}", cells.len());
    frames.extend(frame(b'C', format!("{tag}\0").as_bytes()));
    let outcome = Outcome { tag: Some(tag), sqlstate: None, message: None };
    Masked::for_test(Bytes::from(frames), cells.len() as u64, Some(outcome))
}

pub(crate) fn words() -> Masked {
    Masked::for_test(Bytes::from(frame(b'Z', b"I")), 0, None)
}
