//! What a component is from outside, before anything of it runs.

use serde::Serialize;

use super::digest;
use super::host::Engine;

/// Memories are counted in pages (WebAssembly core specification, 4.2.8).
const PAGE_BYTES: u64 = 64 * 1024;

/// What a component imports, exports and needs.
#[derive(Clone, Debug, Serialize)]
pub struct Shape {
    /// SHA-256 of the file, hex: what a policy pins.
    pub sha256: String,
    /// Length of the file.
    pub bytes: u64,
    /// The interfaces it imports, with their versions.
    pub imports: Vec<String>,
    /// The interfaces it exports, with their versions.
    pub exports: Vec<String>,
    /// Its memories.
    pub memories: u32,
    /// The largest memory that it starts with, bytes.
    pub memory_bytes_initial: u64,
    /// Its tables.
    pub tables: u32,
    /// The most elements that a table of it starts with.
    pub table_elements_initial: u64,
}

impl Engine {
    /// Looks at a component; nothing of it runs.
    ///
    /// # Errors
    /// It is no component, or one that needs more than this gateway gives.
    pub fn shape(&self, bytes: &[u8]) -> Result<Shape, String> {
        let sha256 = digest::sha256(bytes);
        let component = self.compile(bytes, &sha256)?;
        let kind = component.component_type();
        let imports = kind.imports(self.wasm()).map(|(name, _)| name.to_owned()).collect();
        let exports = kind.exports(self.wasm()).map(|(name, _)| name.to_owned()).collect();
        let needs = component.resources_required();
        let needs = needs.ok_or("it imports other components, which a plugin can't")?;
        let pages = needs.max_initial_memory_size.unwrap_or(0);
        Ok(Shape {
            sha256,
            bytes: bytes.len() as u64,
            imports,
            exports,
            memories: needs.num_memories,
            memory_bytes_initial: pages.saturating_mul(PAGE_BYTES),
            tables: needs.num_tables,
            table_elements_initial: needs.max_initial_table_size.unwrap_or(0),
        })
    }
}
