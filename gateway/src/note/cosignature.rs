//! Cosignatures: a witness's word, with its time, that a checkpoint follows all those that it has
//! seen of a log.
//!
//! Source: C2SP tlog-cosignature, its Ed25519 type (0x04, `cosignature/v1`).

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{KEY_BYTES, KeyError, SIGNATURE_MARK, SigningKey};

/// Signature type of an Ed25519 cosignature.
const COSIGNATURE_TYPE: u8 = 0x04;

/// The public key of a witness.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CosignerKey {
    name: String,
    public: [u8; KEY_BYTES],
}

impl CosignerKey {
    /// Reads `<name>+<hash>+<key>` of type 0x04.
    ///
    /// # Errors
    /// The form is wrong, or the hash does not belong to name and key.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let parts = super::parts(text.trim(), COSIGNATURE_TYPE);
        let (name, hash, public) = parts.map_err(KeyError::Verifier)?;
        let read = Self { name: name.to_owned(), public: *public };
        if super::hash_of(read.id()) != hash {
            return Err(KeyError::Verifier("the hash does not belong to the name and key"));
        }
        Ok(read)
    }

    /// `<name>+<hash>+<key>`.
    pub fn text(&self) -> String {
        let key = super::typed(COSIGNATURE_TYPE, &self.public);
        format!("{}+{}+{}", self.name, super::hash_of(self.id()), key.as_str())
    }

    fn id(&self) -> [u8; 4] {
        super::id_of(&self.name, COSIGNATURE_TYPE, &self.public)
    }

    /// When this witness cosigned the checkpoint `text` (its three lines), seconds since the Unix
    /// epoch, and the line that says so; `None` when no line is a cosignature by this key.
    pub fn cosigned<'a>(&self, text: &str, lines: &'a str) -> Option<(u64, &'a str)> {
        lines.lines().find_map(|line| self.time_of(text, line).map(|time| (time, line)))
    }

    fn time_of(&self, text: &str, line: &str) -> Option<u64> {
        let (name, id, bytes) = super::signature(line)?;
        if name != self.name || id != self.id() {
            return None;
        }
        let (time, signature) = bytes.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        let key = UnparsedPublicKey::new(&ED25519, self.public);
        key.verify(message(text, time).as_bytes(), signature).is_ok().then_some(time)
    }
}

fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

impl SigningKey {
    /// The public half as a witness's.
    pub fn cosigner(&self) -> CosignerKey {
        CosignerKey { name: self.key.name.clone(), public: self.key.public }
    }

    /// The signature line, with its line feed, for a checkpoint's three lines at this time
    /// (seconds since the Unix epoch).
    pub fn cosign(&self, text: &str, time: u64) -> String {
        let key = self.cosigner();
        let mut bytes = key.id().to_vec();
        bytes.extend_from_slice(&time.to_be_bytes());
        bytes.extend_from_slice(self.pair.sign(message(text, time).as_bytes()).as_ref());
        format!("{SIGNATURE_MARK}{} {}\n", key.name, STANDARD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    /// The example of C2SP tlog-cosignature; its key is not published, its form is.
    const EXAMPLE: &str = "\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zX\
                           crtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
    const TEXT: &str = "audit.example/gw1/1\n3\nAQ==\n";

    #[test]
    fn a_cosignature_is_of_one_key_one_text_and_one_time() {
        let key = SigningKey::generate("witness.example/w1").unwrap();
        let line = key.cosign(TEXT, 1_679_315_147);
        let public = CosignerKey::read(&key.cosigner().text()).unwrap();
        assert_eq!(public.cosigned(TEXT, &line), Some((1_679_315_147, line.trim_end())));
        let all = format!("{EXAMPLE}\n{line}");
        assert_eq!(public.cosigned(TEXT, &all).map(|(time, _)| time), Some(1_679_315_147));
        assert_eq!(public.cosigned("audit.example/gw1/1\n4\nAQ==\n", &line), None);
        let other = SigningKey::generate("witness.example/w1").unwrap().cosigner();
        assert_eq!(other.cosigned(TEXT, &line), None);
        // The time is signed too.
        let (head, data) = line.trim_end().rsplit_once(' ').unwrap();
        let mut bytes = STANDARD.decode(data).unwrap();
        bytes[11] ^= 1;
        assert_eq!(public.cosigned(TEXT, &format!("{head} {}", STANDARD.encode(bytes))), None);
    }

    #[test]
    fn a_line_has_the_form_of_the_specification() {
        let key = SigningKey::generate("witness.example.com/w1").unwrap();
        let ours = key.cosign(TEXT, 0x6418_50cb);
        let bytes = |line: &str| STANDARD.decode(line.trim_end().rsplit(' ').next().unwrap());
        let (theirs, ours) = (bytes(EXAMPLE).unwrap(), bytes(&ours).unwrap());
        assert_eq!((theirs.len(), &theirs[4..12]), (ours.len(), &ours[4..12]));
        // A key of the log is no key of a witness, nor the other way round.
        assert!(CosignerKey::read(&key.key().text()).is_err());
        assert!(crate::note::VerifierKey::read(&key.cosigner().text()).is_err());
    }
}
