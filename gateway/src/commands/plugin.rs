//! `portcullis plugin build`: Rust source becomes a component that the gateway loads.

use std::io::Write;

use super::{Stop, print};
use crate::cli::Plugin;
use crate::policy::component;

pub(super) fn run(command: Plugin, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let Plugin::Build { dirs, out: folder } = command;
    std::fs::create_dir_all(&folder)
        .map_err(|error| Stop::failed(format!("can't make {}: {error}", folder.display())))?;
    for dir in dirs {
        let built = component::build(&dir, &folder);
        let built = built.map_err(|error| Stop::failed(error.to_string()))?;
        // As sha256sum prints it; the digest is what a policy pins.
        print(out, &format!("{}  {}", built.sha256, built.file.display()))?;
    }
    Ok(())
}
