//! Key sets: fetched from an issuer, so hostile only when the issuer is.

use portcullis::identity::{Algorithm, KeySet};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "jwks",
    seeds: &[
        br#"{"keys":[]}"#,
        br#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","use":"sig",
            "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#,
        br#"{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}]}"#,
        br#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","alg":"RS256","key_ops":["verify"]}]}"#,
    ],
    words: &[
        br#""kty":"#,
        br#""RSA""#,
        br#""EC""#,
        br#""kid":"#,
        br#""alg":"RS256""#,
        b"{}",
        b"[]",
    ],
    run,
};

fn run(data: &[u8]) {
    let rsa = [Algorithm::Rs256];
    if let Ok(keys) = KeySet::parse(data, &rsa) {
        let text = String::from_utf8_lossy(data);
        // An escape can spell the name without its letters; the decoder must still know it.
        let told = text.contains("RSA") || text.contains("\\u");
        assert!(keys.is_empty() || told, "a key of another kind passed for RSA");
    }
}
