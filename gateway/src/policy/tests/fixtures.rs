//! Hand-made components, and the requests and rows to try them with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::{BufMut, Bytes, BytesMut};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::identity::{Claims, Principal};
use crate::policy::{
    ApprovalTerms, Capabilities, Engine, Instances, OnError, PluginSettings, PolicySettings,
    SettingRules, Verdict, component,
};
use crate::protocol::{Access, Class, Column, Facts, Kind, Object, Request, Rows, Statement};
use crate::session::Session;

/// The version of `wit/`.
pub(super) const VERSION: &str = "0.1.1";

pub(super) const MAKE_ZERO: &str = "(i32.const 0)";

/// The interfaces of `wit/` in one text.
pub(super) fn wit() -> String {
    let files = [
        include_str!("../../../../wit/types.wit"),
        include_str!("../../../../wit/log.wit"),
        include_str!("../../../../wit/clock.wit"),
        include_str!("../../../../wit/kv.wit"),
        include_str!("../../../../wit/facts.wit"),
        include_str!("../../../../wit/vault.wit"),
        include_str!("../../../../wit/prefilter.wit"),
        include_str!("../../../../wit/meter.wit"),
        include_str!("../../../../wit/lifecycle.wit"),
        include_str!("../../../../wit/mask.wit"),
        include_str!("../../../../wit/risk.wit"),
        include_str!("../../../../wit/guard.wit"),
        include_str!("../../../../wit/worlds.wit"),
    ];
    let bodies: String =
        files.iter().map(|file| file.replace("package portcullis", "//")).collect();
    format!("package portcullis:policy@{VERSION};\n{bodies}")
}

/// A component of a world, from the parts of a core module in text.
pub(super) fn component(world: &str, parts: &str) -> Vec<u8> {
    component_of(&[("policy.wit", &wit())], world, &module("", parts))
}

/// A component of a world in the last of some WIT packages.
pub(super) fn component_of(packages: &[(&str, &str)], world: &str, module: &str) -> Vec<u8> {
    let mut core = wat::parse_str(module).unwrap();
    let mut resolve = Resolve::default();
    let mut last = None;
    for (name, text) in packages {
        last = Some(resolve.push_str(name, text).unwrap());
    }
    let world = resolve.select_world(&[last.unwrap()], Some(world)).unwrap();
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8).unwrap();
    component::encode(&core).unwrap()
}

/// A module with a memory, an allocator that never frees, and a `configure` that takes anything
/// unless the parts bring one.
pub(super) fn module(imports: &str, parts: &str) -> String {
    let configure = if parts.contains("lifecycle@") { String::new() } else { configure(MAKE_ZERO) };
    format!(
        r#"(module
        {imports}
        (memory (export "memory") 4)
        (global $next (mut i32) (i32.const 65536))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local i32)
            (local.set 4 (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
            (global.set $next (i32.add (local.get 4) (local.get 3)))
            (local.get 4))
        {configure}
        {parts})"#
    )
}

pub(super) fn configure(body: &str) -> String {
    export("lifecycle", "configure", "(param i32 i32)", body)
}

pub(super) fn check(body: &str) -> String {
    export("guard", "check", "(param i32)", body)
}

pub(super) fn score(body: &str) -> String {
    export("risk", "score", "(param i32)", body)
}

pub(super) fn plan(body: &str) -> String {
    export("mask", "plan", "(param i32)", body)
}

pub(super) fn scan(body: &str) -> String {
    export("mask", "scan", "(param i32 i32 i32 i32)", body)
}

pub(super) fn export(interface: &str, name: &str, takes: &str, body: &str) -> String {
    let full = format!("portcullis:policy/{interface}@{VERSION}#{name}");
    format!("(func (export \"{full}\") {takes} (result i32) {body})")
}

/// Words at an address of the memory, little-endian.
pub(super) fn data(at: u32, words: &[u32]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes_at(at, &bytes)
}

pub(super) fn bytes_at(at: u32, bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "\\{byte:02x}").unwrap();
    }
    format!("(data (i32.const {at}) \"{text}\")")
}

/// A guard whose answer is a refusal or a question with short texts.
pub(super) fn guard_that(decision: u32) -> Vec<u8> {
    // decision, rule, reason, approvers, no time; then no findings
    let words = [decision, 2048, 4, 2052, 3, 0, 0, 0, 0, 0, 0];
    let parts = [check("(i32.const 1024)"), data(1024, &words), bytes_at(2048, b"rulewhy")];
    component("approver", &parts.concat())
}

pub(super) const ALLOW: u32 = 1;
pub(super) const DENY: u32 = 2;
pub(super) const HOLD: u32 = 3;

/// A risk-scorer that always says the same.
pub(super) fn scorer_that(score: u32) -> Vec<u8> {
    component(
        "risk-scorer",
        &[self::score("(i32.const 1024)"), data(1024, &[score, 0, 0])].concat(),
    )
}

/// A masker that inspects its first column and answers every batch with these edits.
pub(super) fn editor(cells: &[u32], ends: &[u32], bytes: &[u8]) -> Vec<u8> {
    let length = |list: &[u32]| u32::try_from(list.len()).unwrap();
    let size = u32::try_from(bytes.len()).unwrap();
    let scanned = [1, 3072, length(cells), 4096, length(ends), 8192, size];
    component(
        "masker",
        &[
            plan("(i32.const 1024)"),
            data(1024, &[2048, 1]),
            data(2048, &[2, 0, 0, 0, 0, 0]),
            scan("(i32.const 1100)"),
            data(1100, &scanned),
            data(3072, cells),
            data(4096, ends),
            bytes_at(8192, bytes),
        ]
        .concat(),
    )
}

pub(super) fn engine() -> Engine {
    Engine::new(None).unwrap()
}

pub(super) fn plugin_settings(name: &str, file: &Path) -> PluginSettings {
    PluginSettings {
        name: name.into(),
        file: file.to_owned(),
        sha256: None,
        tests: None,
        grants: Vec::new(),
        capabilities: Capabilities::default(),
        mode: crate::policy::Mode::Enforce,
        on_error: OnError::Deny,
        settings_json: "{}".into(),
        memory_bytes_max: 16 * 1024 * 1024,
        call_millis_max: 500,
    }
}

pub(super) fn policy_of(plugins: Vec<PluginSettings>) -> PolicySettings {
    PolicySettings {
        file: PathBuf::from("shop.policy.toml"),
        digest: "d".into(),
        default_verdict: Verdict::Allow,
        plugins,
        risk_deny_at: None,
        risk_hold_at: None,
        settings: SettingRules::default(),
        approvers: Vec::new(),
        decide_within_secs: 600,
        masking: crate::policy::Masking::default(),
        approval_terms: ApprovalTerms::default(),
        signing: Default::default(),
    }
}

/// A policy of components, named `p0`, `p1`, ... in a folder that lives as long as the result.
pub(super) fn policy(components: &[Vec<u8>]) -> (tempfile::TempDir, PolicySettings) {
    let dir = tempfile::tempdir().unwrap();
    let mut plugins = Vec::new();
    for (at, component) in components.iter().enumerate() {
        let file = dir.path().join(format!("p{at}.wasm"));
        std::fs::write(&file, component).unwrap();
        plugins.push(plugin_settings(&format!("p{at}"), &file));
    }
    (dir, policy_of(plugins))
}

pub(super) fn session() -> Session {
    Session::for_test(Principal::for_test(Claims {
        issuer_name: "okta".into(),
        issuer: "https://okta.example".into(),
        subject: "ann".into(),
        uid: None,
        client: Some("agent".into()),
        email: None,
        groups: vec!["sales".into()],
        scopes: Vec::new(),
        actors: Vec::new(),
        audience: Vec::new(),
        token_id: None,
        issued_at: 0,
        expires_at: 0,
        auth_time: None,
        key_id: None,
        profile: None,
        key_thumbprint: String::new(),
        task: None,
        ticket: None,
        token_sha256: String::new(),
    }))
}

/// A session's hand on the plugins, with none started yet.
pub(super) fn instances() -> Instances {
    Instances::new(&session(), std::sync::Arc::default())
}

pub(super) fn statement(verb: &str, class: Class, writes: &[&str]) -> Statement {
    let written = |name: &&str| Object {
        kind: "relation".into(),
        name: (*name).into(),
        access: Access::Write,
    };
    Statement {
        end: 1,
        objects: writes.iter().map(written).collect(),
        columns: vec!["id".into()],
        ..Statement::bare(verb, class)
    }
}

pub(super) fn request(statements: Vec<Statement>) -> Request {
    Request::for_test(Kind::SqlQuery, "x", Facts { statements, second_opinion: "off".into() })
}

pub(super) fn select() -> Request {
    request(vec![statement("select", Class::Read, &[])])
}

pub(super) fn column(name: &str, origin: &str) -> Column {
    Column {
        name: name.into(),
        type_name: "text".into(),
        type_oid: 25,
        binary: false,
        origins: vec![origin.into()],
        exact: true,
    }
}

/// Rows of text.
pub(super) fn rows(table: &[&[Option<&str>]]) -> Rows {
    let mut out = BytesMut::new();
    for row in table {
        let mut body = BytesMut::new();
        body.put_i16(i16::try_from(row.len()).unwrap());
        for cell in *row {
            body.put_i32(cell.map_or(-1, |cell| i32::try_from(cell.len()).unwrap()));
            body.extend_from_slice(cell.unwrap_or_default().as_bytes());
        }
        out.put_u8(b'D');
        out.put_i32(i32::try_from(body.len() + 4).unwrap());
        out.extend_from_slice(&body);
    }
    Rows::for_test(out.freeze(), table.len() as u64)
}

/// The cells of rows, `NULL` for NULL.
pub(super) fn cells(frames: &Bytes, columns: usize) -> Vec<String> {
    let mut cells = Vec::new();
    crate::protocol::postgres::rows::each(frames, columns, |_, _, value| {
        cells.push(value.map_or("NULL".into(), |v| String::from_utf8_lossy(v).into_owned()));
        Ok(())
    })
    .unwrap();
    cells
}
