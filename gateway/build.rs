//! Puts the plugin SDK and the interface into the program: `portcullis plugin new` gives them to
//! the plugins it starts, which are built far from this repository.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What a plugin is given, by its folder here, and where it stands there.
const FOLDERS: [(&str, &str, &[&str]); 2] =
    [("plugin-sdk", "sdk", &["rs", "toml", "md"]), ("wit", "wit", &["wit"])];

fn main() -> io::Result<()> {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from).ok_or(io::ErrorKind::NotFound);
    let repository = variable("CARGO_MANIFEST_DIR")?.join("..").canonicalize()?;
    let mut list = String::from("&[\n");
    for (folder, name, endings) in FOLDERS {
        let top = repository.join(folder);
        println!("cargo::rerun-if-changed={}", top.display());
        let mut files = Vec::new();
        walk(&top, endings, &mut files)?;
        files.sort();
        for file in files {
            let place = file.strip_prefix(&top).map_err(io::Error::other)?;
            let place = format!("{name}/{}", place.display());
            let _ =
                writeln!(list, "    ({place:?}, include_str!({:?})),", file.display().to_string());
        }
    }
    list.push_str("]\n");
    fs::write(variable("OUT_DIR")?.join("kit.rs"), list)
}

fn walk(dir: &Path, endings: &[&str], files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, endings, files)?;
        } else if path.extension().is_some_and(|it| endings.iter().any(|one| it == *one)) {
            files.push(path);
        }
    }
    Ok(())
}
