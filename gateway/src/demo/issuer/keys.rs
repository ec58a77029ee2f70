//! The development issuer's keys: random at every start, never on disk.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::failed;
use crate::fault::Fault;

/// Kind of signing key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signing {
    /// ECDSA on P-256.
    Es256,
    /// RSA with 2048 bits, as Okta does.
    Rs256,
}

enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

/// The signing key and the key set, newest first.
pub(super) struct Ring {
    pair: Pair,
    id: String,
    published: Vec<Value>,
}

impl Ring {
    pub(super) fn new(signing: Signing) -> Result<Self, Fault> {
        let (pair, id, jwk) = generate(signing)?;
        Ok(Self { pair, id, published: vec![jwk] })
    }

    pub(super) fn rotate(&mut self, signing: Signing) -> Result<(), Fault> {
        let (pair, id, jwk) = generate(signing)?;
        self.pair = pair;
        self.id = id;
        self.published.insert(0, jwk);
        Ok(())
    }

    pub(super) fn withdraw_old(&mut self) {
        self.published.truncate(1);
    }

    pub(super) fn key_id(&self) -> &str {
        &self.id
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Es256(_) => "ES256",
            Pair::Rs256(_) => "RS256",
        }
    }

    /// The JWK Set.
    pub(super) fn jwks(&self) -> Value {
        json!({ "keys": self.published })
    }

    /// A JWS in compact form (RFC 7515 section 3.1).
    pub(super) fn sign(&self, header: &[u8], claims: &[u8]) -> Result<String, Fault> {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Es256(pair) => {
                pair.sign(&random, signed.as_bytes()).map(|made| made.as_ref().to_vec())
            }
            Pair::Rs256(pair) => {
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut made).map(|()| made)
            }
        }
        .map_err(|_| failed("the development issuer can't sign".into()))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn generate(signing: Signing) -> Result<(Pair, String, Value), Fault> {
    let cannot = |_| failed("the development issuer can't make a key".into());
    let (pair, mut jwk) = match signing {
        Signing::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(cannot)?;
            // SEC 1 section 2.3.3: 0x04, then x and y of 32 bytes each.
            let point = pair.public_key().as_ref();
            let coordinate = |from: usize| {
                URL_SAFE_NO_PAD.encode(point.get(from..from + 32).unwrap_or_default())
            };
            let jwk = json!({
                "kty": "EC", "crv": "P-256", "alg": "ES256",
                "x": coordinate(1), "y": coordinate(33),
            });
            (Pair::Es256(pair), jwk)
        }
        Signing::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(cannot)?;
            let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
            let jwk = json!({
                "kty": "RSA", "alg": "RS256",
                "n": URL_SAFE_NO_PAD.encode(&public.n), "e": URL_SAFE_NO_PAD.encode(&public.e),
            });
            (Pair::Rs256(pair), jwk)
        }
    };
    let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, jwk.to_string().as_bytes()));
    jwk["kid"] = json!(id);
    jwk["use"] = json!("sig");
    Ok((pair, id, jwk))
}

/// 256 random bits as text.
pub(super) fn random_text() -> Result<String, Fault> {
    let mut bytes = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| failed("the system has no randomness to give".into()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
