//! Whose plugins a gateway loads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use super::fixtures::*;
use crate::limits::SIGNATURE_FILE_BYTES_MAX;
use crate::note::SigningKey;
use crate::policy::signature::{Signing, file_of, name_of, sign};
use crate::policy::{PolicySettings, Problem};

fn key() -> SigningKey {
    SigningKey::generate("policy-team").unwrap()
}

fn load(settings: &PolicySettings) -> Result<Option<String>, String> {
    let loaded = engine().load(settings);
    let told = |problems: Vec<Problem>| problems[0].to_string();
    loaded.map(|generation| generation.stamps()[0].signed_by.clone()).map_err(told)
}

#[test]
fn a_gateway_loads_what_a_trusted_key_signed_and_nothing_else() {
    let (dir, mut settings) = policy(&[guard_that(DENY), guard_that(0)]);
    settings.plugins.truncate(1);
    let [file, other] = ["p0.wasm", "p1.wasm"].map(|name| dir.path().join(name));
    let mine = key();
    assert_eq!(load(&settings), Ok(None), "no keys, no signature: nothing is asked");

    settings.signing = Signing { keys: vec![mine.key().clone()], required: true };
    let told = load(&settings).unwrap_err();
    assert!(told.contains("has no signature") && told.contains("plugin sign"), "{told}");
    settings.signing.required = false;
    assert_eq!(load(&settings), Ok(None));

    let signed = |file: &Path, key: &SigningKey| {
        let note = sign(key, &name_of(file), &std::fs::read(file).unwrap());
        std::fs::write(file_of(file), note).unwrap();
    };
    signed(&file, &mine);
    signed(&other, &mine);
    assert_eq!(load(&settings), Ok(Some(mine.key().id())));
    settings.signing.required = true;
    assert_eq!(load(&settings), Ok(Some(mine.key().id())));

    // A signature that is there must hold, needed or not.
    settings.signing.required = false;
    std::fs::copy(file_of(&other), file_of(&file)).unwrap();
    assert!(load(&settings).unwrap_err().contains("is for a file with the SHA-256"));
    std::fs::copy(&other, &file).unwrap();
    assert!(load(&settings).unwrap_err().contains("is for the plugin \"p1\""));
    std::fs::write(file_of(&file), "").unwrap();
    assert!(load(&settings).unwrap_err().contains("it is empty"));
    let length = usize::try_from(SIGNATURE_FILE_BYTES_MAX).unwrap() + 1;
    std::fs::write(file_of(&file), vec![b'a'; length]).unwrap();
    assert!(load(&settings).unwrap_err().contains("larger than a signature"));
    signed(&file, &key());
    assert!(load(&settings).unwrap_err().contains("by no trusted key"));
    signed(&file, &mine);
    assert_eq!(load(&settings), Ok(Some(mine.key().id())));
}
