//! Who may name what: the direction of the stages, one home for each outside crate, and codecs
//! that do no I/O.

use crate::rules;
use crate::source::{File, Violation, blank, is_word, line_of, places};

/// Every violation of one file of the product.
pub(crate) fn check(file: &File) -> Vec<Violation> {
    let Some(product) = file.product() else { return Vec::new() };
    if file.is_test() {
        return Vec::new();
    }
    let code = blank(&file.text);
    let mut found = directions(file, product, &code);
    found.extend(homes(file, product, &code));
    found.extend(purity(file, product, &code));
    found.extend(proofs(file, product, &code));
    found
}

/// The stage that a file of `gateway/src` belongs to, if it belongs to one.
fn stage(product: &str) -> &str {
    let top = product.split('/').next().unwrap_or(product);
    top.strip_suffix(".rs").unwrap_or(top)
}

fn directions(file: &File, product: &str, code: &str) -> Vec<Violation> {
    let here = stage(product);
    let position = rules::STAGES.iter().position(|stage| *stage == here);
    let ground = rules::GROUND.contains(&here);
    if position.is_none() && !ground {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (offset, module) in own_modules(product, code) {
        let line = line_of(code, offset);
        let other = rules::STAGES.iter().position(|stage| *stage == module);
        if rules::ABOVE.contains(&module.as_str()) {
            found.push(file.at(line, format!("`{here}` imports `{module}`, which stands above")));
        } else if ground && other.is_some() {
            found
                .push(file.at(line, format!("`{here}` is under the stages, not above `{module}`")));
        } else if let (Some(position), Some(other)) = (position, other)
            && other > position
        {
            let what = format!("`{here}` imports `{module}`, which is to its right");
            found.push(file.at(line, what));
        }
    }
    found
}

/// Modules of the crate's top level that the code names, by `crate::` or by enough `super::`.
fn own_modules(product: &str, code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in places(code, "crate") {
        if let Some(path) = after_colons(code, at + "crate".len()) {
            found.extend(heads(code, path));
        }
    }
    // `a/b.rs` is the module a::b: two supers from it lead to the top of the crate.
    let depth = product.split('/').count();
    let mut skip = 0;
    for at in places(code, "super") {
        if at < skip {
            continue;
        }
        let mut ups = 0;
        let mut here = at;
        while code[here..].starts_with("super") {
            let Some(next) = after_colons(code, here + "super".len()) else { break };
            ups += 1;
            here = next;
        }
        skip = here;
        if ups >= depth {
            found.extend(heads(code, here));
        }
    }
    found
}

/// The offset behind `::`, if that is what comes next.
fn after_colons(code: &str, at: usize) -> Option<usize> {
    let rest = &code[at..];
    let path = rest.trim_start().strip_prefix("::")?.trim_start();
    Some(code.len() - path.len())
}

/// The first names of a path, or of each path of a braced group.
fn heads(code: &str, at: usize) -> Vec<(usize, String)> {
    let rest = &code[at..];
    let Some(group) = rest.strip_prefix('{') else {
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        return if name.is_empty() { Vec::new() } else { vec![(at, name)] };
    };
    let mut found = Vec::new();
    let mut depth = 1;
    let mut fresh = true;
    for (offset, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 1 => fresh = true,
            _ if fresh && is_word(byte) => {
                let start = at + 1 + offset;
                found.extend(heads(code, start));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

fn homes(file: &File, product: &str, code: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (name, homes) in rules::HOMES {
        if homes.iter().any(|home| product.starts_with(home)) {
            continue;
        }
        for at in outside(code, name) {
            let what = format!("`{name}` is at home in {}", homes.join(", "));
            found.push(file.at(line_of(code, at), what));
        }
    }
    found
}

/// Places where the outside crate `name` is named: at the head of a path, or imported whole.
fn outside(code: &str, name: &str) -> Vec<usize> {
    let named = |at: &usize| {
        let before = code[..*at].trim_end();
        let head = !before.ends_with("::") && !before.ends_with('.');
        let path = after_colons(code, at + name.len()).is_some();
        let whole = before.ends_with("use") || before.ends_with("extern crate");
        head && (path || whole)
    };
    places(code, name).into_iter().filter(named).collect()
}

fn purity(file: &File, product: &str, code: &str) -> Vec<Violation> {
    if stage(product) != "protocol" {
        return Vec::new();
    }
    let mut found = Vec::new();
    for ban in rules::PROTOCOL_BANS {
        let mut hits = match ban.split_once("::") {
            None => outside(code, ban),
            Some(_) => places(code, ban),
        };
        if let Some((parent, leaf)) = ban.rsplit_once("::") {
            hits.extend(grouped(code, parent, leaf));
        }
        for at in hits {
            if !rules::PROTOCOL_ALLOWS.iter().any(|allowed| code[at..].starts_with(allowed)) {
                found.push(file.at(line_of(code, at), format!("a codec names `{ban}`")));
            }
        }
    }
    found
}

/// Places where `leaf` is imported from `parent` by a group such as `std::{fs, net}`.
fn grouped(code: &str, parent: &str, leaf: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for at in places(code, parent) {
        let Some(path) = after_colons(code, at + parent.len()) else { continue };
        if code[path..].starts_with('{') {
            let hits = heads(code, path).into_iter().filter(|(_, name)| name == leaf);
            found.extend(hits.map(|(offset, _)| offset));
        }
    }
    found
}

fn proofs(file: &File, product: &str, code: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (call, stages) in rules::PROOF_CALLS {
        if stages.contains(&stage(product)) {
            continue;
        }
        for (at, _) in code.match_indices(call) {
            let what = format!("only {} may open a proof with `{call})`", stages.join(" and "));
            found.push(file.at(line_of(code, at), what));
        }
    }
    found
}

/// How many violations a made-up file of the product has.
fn count(product: &str, code: &str) -> usize {
    check(&File::new(&format!("gateway/src/{product}"), code)).len()
}

#[test]
fn a_stage_that_imports_to_its_right_is_caught() {
    assert_eq!(count("identity.rs", "use crate::session::Session;"), 1);
    assert_eq!(count("identity/keys.rs", "fn f(x: crate::policy::Ruling) {}"), 1);
    assert_eq!(count("session.rs", "use crate::{fault::Fault, audit::{Log, entry}};"), 1);
    assert_eq!(count("session.rs", "use crate::{\n    limits,\n    upstream,\n};"), 1);
    assert_eq!(count("protocol/postgres/query.rs", "use super::super::super::policy::Held;"), 1);
    assert_eq!(count("protocol.rs", "use super::audit;"), 1);
    assert_eq!(count("upstream.rs", "use crate::pipeline;"), 1);
    assert_eq!(count("fault.rs", "use crate::session::SessionId;"), 1);
}

#[test]
fn a_stage_that_imports_to_its_left_is_fine() {
    assert_eq!(count("session.rs", "use crate::identity::Principal; use crate::limits::X;"), 0);
    assert_eq!(count("policy/host.rs", "use super::decision::Merge; use super::super::audit2;"), 0);
    assert_eq!(count("identity.rs", "/// See [`crate::audit::Log`].\nfn f() {}"), 0);
    assert_eq!(count("identity/tests.rs", "use crate::audit::Log;"), 0);
    assert_eq!(count("pipeline.rs", "use crate::audit::Log; use crate::upstream::Target;"), 0);
    assert_eq!(count("identity.rs", "pub(in crate::identity) fn expose() {}"), 0);
}

#[test]
fn a_crate_outside_its_home_is_caught() {
    assert_eq!(count("audit/tree.rs", "use redb::Database;"), 1);
    assert_eq!(count("audit/store.rs", "use redb::Database;"), 0);
    assert_eq!(count("pipeline.rs", "let x = wasmtime::Engine::default();"), 1);
    assert_eq!(count("admin.rs", "use clap;"), 1);
    assert_eq!(count("admin.rs", "let rustls = 1; x.rustls; a::rustls::b();"), 0);
    assert_eq!(count("session.rs", "use tokio_rustls::server::TlsStream;"), 1);
}

#[test]
fn a_codec_that_does_io_or_reads_a_clock_is_caught() {
    assert_eq!(count("protocol/postgres/frame.rs", "use tokio::io::AsyncRead;"), 1);
    assert_eq!(count("protocol.rs", "let now = std::time::Instant::now();"), 1);
    assert_eq!(count("protocol.rs", "use std::time::{Duration, SystemTime};"), 1);
    assert_eq!(count("protocol.rs", "use std::{fs, io};"), 1);
    assert_eq!(count("protocol.rs", "use std::net::TcpStream;"), 1);
    assert_eq!(count("protocol.rs", "use std::net::SocketAddr; use std::time::Duration;"), 0);
    assert_eq!(count("session.rs", "let now = std::time::Instant::now();"), 0);
}

#[test]
fn opening_a_proof_elsewhere_is_caught() {
    assert_eq!(count("pipeline.rs", "let bytes = permit.into_wire();"), 1);
    assert_eq!(count("upstream/postgres.rs", "let bytes = permit.into_wire();"), 0);
    assert_eq!(count("upstream.rs", "let bytes = release.into_frames();"), 1);
}
