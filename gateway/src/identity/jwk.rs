//! Signing keys of an issuer (RFC 7517, RFC 7518, RFC 8037): public, asymmetric, and fit.
//!
//! There is no constructor for a symmetric key here, so a token can't be verified against a
//! public key taken as an HMAC secret, whatever its header says.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json;
use crate::limits::{
    CLAIM_TEXT_BYTES_MAX, ISSUER_KEYS_COUNT_MAX, RSA_EXPONENT_MIN, RSA_MODULUS_BITS_MIN,
};

/// A signature algorithm this gateway can verify (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs)] // The wire names say it all.
pub enum Algorithm {
    EdDsa,
    Es256,
    Es384,
    Ps256,
    Ps384,
    Ps512,
    Rs256,
    Rs384,
    Rs512,
}

const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("EdDSA", Algorithm::EdDsa),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
];

impl Algorithm {
    /// The algorithm of this JOSE name, byte for byte; `None` for every other one.
    pub fn from_name(name: &str) -> Option<Self> {
        ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }

    /// Every known JOSE name, for messages.
    pub(super) fn names() -> String {
        ALGORITHMS.map(|(name, _)| name).join(", ")
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Self::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
            Self::EdDsa | Self::Es256 | Self::Es384 => None,
        }
    }
}

/// One public key of an issuer, parsed once for every algorithm it may verify.
pub struct Key {
    id: Option<String>,
    thumbprint: String,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl Key {
    /// RFC 7638 thumbprint, base64url of SHA-256.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// `kid`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.verifiers.iter().any(|(fit, _)| *fit == algorithm)
    }

    /// Whether `signature` is this key's over `message` under `algorithm`.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.verifiers
            .iter()
            .find(|(fit, _)| *fit == algorithm)
            .is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("thumbprint", &self.thumbprint).finish()
    }
}

/// What a key set says to a token's `kid` and `alg`.
#[derive(Debug)]
pub enum Lookup {
    /// The key.
    Found(Arc<Key>),
    /// More than one key could be meant.
    Ambiguous,
    /// The key exists, but not for this algorithm.
    Unfit,
    /// No such key.
    Unknown,
}

/// The usable keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Arc<Key>>,
}

impl KeySet {
    /// Reads a JWK Set (RFC 7517 section 5). Keys that are symmetric, private, weak, not for
    /// signatures or of a kind not in `allowed` are left out; the rest of the set counts.
    ///
    /// # Errors
    /// What is wrong with the set as a whole: not strict JSON, no `keys`, or too many.
    pub fn parse(bytes: &[u8], allowed: &[Algorithm]) -> Result<Self, String> {
        let set = json::parse_object(bytes)?;
        let Some(Value::Array(entries)) = set.get("keys") else {
            return Err("the key set has no array `keys`".into());
        };
        if entries.len() > ISSUER_KEYS_COUNT_MAX {
            return Err(format!(
                "the key set has {} keys; at most {ISSUER_KEYS_COUNT_MAX} are read",
                entries.len()
            ));
        }
        let keys = entries
            .iter()
            .filter_map(|entry| match parse_key(entry, allowed) {
                Ok(key) => Some(Arc::new(key)),
                Err(why) => {
                    tracing::debug!(why, "a key of the issuer's key set is left out");
                    None
                }
            })
            .collect();
        Ok(Self { keys })
    }

    /// How many keys are usable.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is usable.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key a token names. Without a `kid` it must be the only one that fits.
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Lookup {
        let named: Vec<_> =
            self.keys.iter().filter(|key| id.is_none() || key.id.as_deref() == id).collect();
        let mut fit = named.iter().filter(|key| key.fits(algorithm));
        match (fit.next(), fit.next()) {
            (Some(key), None) => Lookup::Found(Arc::clone(key)),
            (Some(_), Some(_)) => Lookup::Ambiguous,
            (None, _) if id.is_some() && !named.is_empty() => Lookup::Unfit,
            (None, _) => Lookup::Unknown,
        }
    }

    /// Whether the key that once verified a token is still in the set.
    pub fn holds(&self, id: Option<&str>, thumbprint: &str) -> bool {
        self.keys.iter().any(|key| key.thumbprint == thumbprint && (key.id.as_deref() == id))
    }

    /// Whether every key of `self` is in `other` too.
    pub(super) fn within(&self, other: &Self) -> bool {
        self.keys.iter().all(|key| other.holds(key.id.as_deref(), &key.thumbprint))
    }
}

/// Members that only a private or symmetric key has (RFC 7518 section 6).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

fn parse_key(entry: &Value, allowed: &[Algorithm]) -> Result<Key, &'static str> {
    let jwk = entry.as_object().ok_or("it is not an object")?;
    if SECRET_MEMBERS.iter().any(|name| jwk.contains_key(*name)) {
        return Err("it holds secret members, so the key is not the issuer's alone");
    }
    check_use(jwk)?;
    let id = match jwk.get("kid") {
        None => None,
        Some(Value::String(id)) if !id.is_empty() && id.len() <= CLAIM_TEXT_BYTES_MAX => {
            Some(id.clone())
        }
        Some(_) => return Err("its kid is not a short string"),
    };
    let only = match jwk.get("alg") {
        None => None,
        Some(Value::String(name)) => {
            Some(Algorithm::from_name(name).ok_or("its alg is not a known signature algorithm")?)
        }
        Some(_) => return Err("its alg is not a string"),
    };
    let candidates: Vec<Algorithm> =
        allowed.iter().copied().filter(|each| only.is_none_or(|only| only == *each)).collect();
    let (verifiers, canonical) = match text(jwk, "kty")? {
        "EC" => elliptic(jwk, &candidates)?,
        "OKP" => edwards(jwk, &candidates)?,
        "RSA" => rsa(jwk, &candidates)?,
        _ => return Err("its kty is not EC, OKP or RSA"),
    };
    if verifiers.is_empty() {
        return Err("no allowed algorithm fits it");
    }
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
    Ok(Key { id, thumbprint, verifiers })
}

fn check_use(jwk: &Map<String, Value>) -> Result<(), &'static str> {
    match jwk.get("use") {
        None => {}
        Some(Value::String(purpose)) if purpose == "sig" => {}
        Some(_) => return Err("its use is not sig"),
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(acts)) if acts.iter().any(|act| act == "verify") => Ok(()),
        Some(_) => Err("its key_ops do not allow to verify"),
    }
}

type Parsed = (Vec<(Algorithm, ParsedPublicKey)>, String);

fn rsa(jwk: &Map<String, Value>, candidates: &[Algorithm]) -> Result<Parsed, &'static str> {
    let (n, e) = (octets(jwk, "n")?, octets(jwk, "e")?);
    let leading = n.first().copied().ok_or("its modulus is empty")?;
    if leading == 0 || e.first() == Some(&0) {
        return Err("its modulus or exponent has leading zeros");
    }
    if n.len() * 8 - (leading.leading_zeros() as usize) < RSA_MODULUS_BITS_MIN {
        return Err("its modulus is shorter than 2048 bits");
    }
    if e.len() > size_of::<u64>() {
        return Err("its exponent is too long");
    }
    let exponent = e.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    if exponent < RSA_EXPONENT_MIN || exponent.is_multiple_of(2) {
        return Err("its exponent is smaller than 65537 or even");
    }
    let canonical =
        format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(jwk, "e")?, text(jwk, "n")?);
    let components = RsaPublicKeyComponents { n, e };
    let mut verifiers = Vec::new();
    for algorithm in candidates {
        if let Some(parameters) = algorithm.rsa() {
            let key =
                components.to_parsed_public_key(parameters).map_err(|_| "it is no RSA key")?;
            verifiers.push((*algorithm, key));
        }
    }
    Ok((verifiers, canonical))
}

fn elliptic(jwk: &Map<String, Value>, candidates: &[Algorithm]) -> Result<Parsed, &'static str> {
    let curve = text(jwk, "crv")?;
    let (algorithm, scheme, coordinate_bytes) = match curve {
        "P-256" => (Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED, 32),
        "P-384" => (Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED, 48),
        _ => return Err("its curve is not P-256 or P-384"),
    };
    let (x, y) = (octets(jwk, "x")?, octets(jwk, "y")?);
    if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
        return Err("its coordinates do not have the length of the curve");
    }
    let canonical = format!(
        r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#,
        text(jwk, "x")?,
        text(jwk, "y")?
    );
    let mut verifiers = Vec::new();
    if candidates.contains(&algorithm) {
        // SEC 1 section 2.3.3: 0x04 marks an uncompressed point.
        let point = [&[4_u8][..], &x, &y].concat();
        let key =
            ParsedPublicKey::new(scheme, point).map_err(|_| "its point is not on the curve")?;
        verifiers.push((algorithm, key));
    }
    Ok((verifiers, canonical))
}

fn edwards(jwk: &Map<String, Value>, candidates: &[Algorithm]) -> Result<Parsed, &'static str> {
    if text(jwk, "crv")? != "Ed25519" {
        return Err("its curve is not Ed25519");
    }
    let x = octets(jwk, "x")?;
    if x.len() != 32 {
        return Err("its x does not have 32 bytes");
    }
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(jwk, "x")?);
    let mut verifiers = Vec::new();
    if candidates.contains(&Algorithm::EdDsa) {
        let key =
            ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| "it is no Ed25519 key")?;
        verifiers.push((Algorithm::EdDsa, key));
    }
    Ok((verifiers, canonical))
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<&'a str, &'static str> {
    jwk.get(name).and_then(Value::as_str).ok_or("a member it needs is missing or not a string")
}

fn octets(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).map_err(|_| "a member it needs is not base64url")
}
