//! Plugins made by hand from a few lines of WebAssembly text: what no honest toolchain makes.

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::folder;

/// What a hand-made guard does when it is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Guard {
    /// Has no objection.
    Abstain,
    /// Refuses, by the rule `rule`, because of `why`.
    Deny,
    /// Takes memory until there is no more.
    Grow,
    /// Writes to the gateway's log, which must be granted.
    Log,
    /// Never answers.
    Loop,
    /// Stops itself.
    Trap,
}

/// The component of a guard.
pub fn guard(kind: Guard) -> Vec<u8> {
    let (directory, mut resolve) = (folder::repository().join("wit"), Resolve::default());
    let (package, _) = resolve.push_dir(&directory).expect("the folder wit/ can be read");
    let id = &resolve.packages[package].name;
    let version = id.version.as_ref().expect("the package has a version").to_string();
    let interface = |name: &str| format!("portcullis:policy/{name}@{version}");
    let mut core = wat::parse_str(text(kind, &interface)).expect("the text is a module");
    let world = resolve.select_world(&[package], Some("approver")).expect("there is the world");
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8)
        .expect("the world can be named in the module");
    portcullis::policy::component::encode(&core).expect("the module is a plugin")
}

fn text(kind: Guard, interface: &dyn Fn(&str) -> String) -> String {
    let body = match kind {
        Guard::Abstain => "(i32.const 512)",
        Guard::Deny => "(i32.const 1024)",
        Guard::Grow => {
            "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)"
        }
        Guard::Log => "(call $write (i32.const 0) (i32.const 2048) (i32.const 4)) (i32.const 512)",
        Guard::Loop => "(loop br 0) (unreachable)",
        Guard::Trap => "(unreachable)",
    };
    let import = match kind {
        Guard::Log => {
            let log = interface("log");
            format!("(import \"{log}\" \"write\" (func $write (param i32 i32 i32)))")
        }
        _ => String::new(),
    };
    // A decision with a rule, a reason and no approvers; then no findings.
    let deny = words(&[2, 2048, 4, 2052, 3, 0, 0, 0, 0, 0, 0]);
    let (lifecycle, guard) = (interface("lifecycle"), interface("guard"));
    format!(
        r#"(module {import}
        (memory (export "memory") 4)
        (global $next (mut i32) (i32.const 65536))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local i32)
            (local.set 4 (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
            (global.set $next (i32.add (local.get 4) (local.get 3)))
            (local.get 4))
        (func (export "{lifecycle}#configure") (param i32 i32) (result i32) (i32.const 0))
        (func (export "{guard}#check") (param i32) (result i32) {body})
        (data (i32.const 1024) "{deny}")
        (data (i32.const 2048) "rulewhy"))"#
    )
}

/// Words of memory as the text format writes them, little-endian.
fn words(words: &[u32]) -> String {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    bytes.map(|byte| format!("\\{byte:02x}")).collect()
}
