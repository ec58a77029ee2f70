//! What a plugin may import, and what of it the operator has to grant.

use wasmtime::component::types::ComponentItem;

/// The interfaces that an operator can grant.
pub const GRANTS: [&str; 5] = ["clock", "facts", "kv", "log", "vault"];

/// Before every name of the package.
pub(in crate::policy) const PACKAGE: &str = "portcullis:policy/";
/// Every version whose first two numbers are these means the same.
const SERIES: &str = "0.1.";
/// The newest version of them that this gateway knows.
const NEWEST: u32 = 1;

/// The grants as a sentence lists them.
pub fn grants_listed() -> String {
    GRANTS.map(|grant| format!("\"{grant}\"")).join(", ")
}

/// Splits a name of the package into interface and version, and checks the version; `None` for a
/// name of another package.
///
/// # Errors
/// The version is of another series.
pub(in crate::policy) fn interface(name: &str) -> Result<Option<(&str, u32)>, String> {
    let Some(rest) = name.strip_prefix(PACKAGE) else { return Ok(None) };
    let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
    match version.strip_prefix(SERIES).and_then(|patch| patch.parse().ok()) {
        Some(patch) => Ok(Some((interface, patch))),
        None => {
            Err(format!("was built for `{name}`; this gateway speaks portcullis:policy {SERIES}x"))
        }
    }
}

/// What else to say of something unknown that came with a later version than this gateway's.
pub(in crate::policy) fn later(patch: u32) -> String {
    if patch <= NEWEST {
        return String::new();
    }
    format!(
        "; it was built for {SERIES}{patch}, and this gateway knows {SERIES}0 to {SERIES}{NEWEST}: \
         build it without what is newer, or update the gateway"
    )
}

/// Whether a plugin with these grants may import something; gives the third number of the version
/// it was built for.
///
/// # Errors
/// Why not, and what to do.
pub(in crate::policy) fn import(
    name: &str,
    item: &ComponentItem,
    grants: &[String],
) -> Result<u32, String> {
    if name.starts_with("wasi:") {
        return Err(format!(
            "imports `{name}`: WASI is never given to a plugin; build it for \
             wasm32-unknown-unknown (`portcullis plugin build`)"
        ));
    }
    let refused = |patch| {
        let known = GRANTS.map(|grant| format!("`{grant}`")).join(", ");
        let later = later(patch);
        format!(
            "imports `{name}`, which no plugin may have; allowed are `types` and, where granted, \
             {known}{later}"
        )
    };
    let (interface, patch) = interface(name)?.ok_or_else(|| refused(0))?;
    match interface {
        "types" if matches!(item, ComponentItem::ComponentInstance(_)) => Ok(patch),
        grant if GRANTS.contains(&grant) => {
            if grants.iter().any(|given| given == grant) {
                return Ok(patch);
            }
            Err(format!(
                "imports `{name}`, which it was not granted; add \"{grant}\" to its `grants` if \
                 it should have it"
            ))
        }
        _ => Err(refused(patch)),
    }
}
