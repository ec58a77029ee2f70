//! `portcullis plugin`: its command line.

use std::path::PathBuf;

use clap::Subcommand;

/// `portcullis plugin`.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Compile Rust plugins and encode each as a component, OUT/NAME.wasm.
    Build {
        /// Folders of the plugins, each with a Cargo.toml.
        #[arg(required = true, value_name = "DIR")]
        dirs: Vec<PathBuf>,
        /// Folder for the components.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a key to sign plugins with: KEY, of mode 0600, and KEY.pub.
    ///
    /// Prints the public key, which goes into `[signing]` of the gateway's configuration.
    Keygen {
        /// The key's name, such as `policy-team`: no spaces, no `+`.
        name: String,
        /// The file for the private key; it must not exist.
        #[arg(long, value_name = "KEY")]
        out: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sign components: FILE.sig is written beside each.
    ///
    /// The signature is for the file's bytes and its name, so sign a file again after renaming it.
    Sign {
        /// The components.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The private key that `plugin keygen` made, of mode 0600.
        #[arg(long, value_name = "KEY")]
        key: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}
