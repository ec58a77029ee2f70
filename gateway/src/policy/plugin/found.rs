//! What a component imports and exports.

use wasmtime::component::Component;

use crate::policy::host::{Engine, PACKAGE, import, interface, later};

/// The known interfaces a component exports.
#[derive(Debug, Default)]
pub(super) struct Found {
    lifecycle: bool,
    pub(super) mask: bool,
    pub(super) risk: bool,
    pub(super) guard: bool,
    pub(super) meter: bool,
    pub(super) prefilter: bool,
    /// Third number of the newest version that it imports.
    pub(super) patch: u32,
}

/// Compares what a component imports with what it was granted, and finds what it exports, before
/// anything of it is linked or run.
pub(super) fn interfaces(
    engine: &Engine,
    component: &Component,
    grants: &[String],
) -> Result<Found, String> {
    let shape = component.component_type();
    let mut found = Found::default();
    for (name, item) in shape.imports(engine.wasm()) {
        found.patch = found.patch.max(import(name, &item.ty, grants)?);
    }
    for (name, _) in shape.exports(engine.wasm()) {
        let Some((interface, patch)) = interface(name)? else { continue };
        match interface {
            "lifecycle" => found.lifecycle = true,
            "mask" => found.mask = true,
            "risk" => found.risk = true,
            "guard" => found.guard = true,
            "meter" => found.meter = true,
            "prefilter" => found.prefilter = true,
            _ => {
                let later = later(patch);
                return Err(format!("exports `{name}`, which this gateway does not know{later}"));
            }
        }
    }
    if !(found.lifecycle && (found.mask || found.risk || found.guard || found.meter)) {
        return Err(format!(
            "is no policy plugin: it must export `{PACKAGE}lifecycle@0.1.0` and one of \
             `mask`, `risk`, `guard`, `meter` of that package"
        ));
    }
    if found.prefilter && !found.mask {
        return Err("exports `prefilter` without `mask`, which would see the cells".to_owned());
    }
    Ok(found)
}
