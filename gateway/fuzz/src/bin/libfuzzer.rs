//! Coverage-guided fuzzing of the target named by `FUZZ_TARGET`, from the corpus folder given as
//! first argument. `FUZZ_SEEDS` writes the target's seeds into that folder first.
#![no_main]
#![allow(clippy::expect_used, unsafe_code)]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::Target;

fn target() -> Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names the target");
        let target = portcullis_fuzz::target(&name);
        if let Some(folder) = std::env::var_os("FUZZ_SEEDS").map(PathBuf::from) {
            for (number, seed) in target.seeds.iter().enumerate() {
                let file = folder.join(format!("seed-{number}"));
                std::fs::write(file, seed).expect("the corpus folder can be written");
            }
        }
        target
    })
}

fuzz_target!(init: { target(); }, |data: &[u8]| (target().run)(data));
