//! The hidden values, and how to recognise one whatever was done to it.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Letters of a hidden text that can't stand in an answer by chance.
const WINDOW: usize = 6;

/// One set of hidden values: two sets differ in every value, in their lengths and in their order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set {
    /// Tells the databases of the sets apart.
    pub(crate) letter: char,
    /// `people.secret` of the first person and of the others.
    pub(crate) secrets: [&'static str; 4],
    /// `people.pin`.
    pub(crate) pins: [&'static str; 4],
    /// `people.born`.
    pub(crate) born: [&'static str; 4],
    /// In `people.profile`, `key`, `tags`, `home` and `essay` of the first person.
    pub(crate) profile: &'static str,
    pub(crate) key: &'static str,
    pub(crate) tag: &'static str,
    /// The whole array, as PostgreSQL writes it.
    pub(crate) tags: &'static str,
    pub(crate) street: &'static str,
    pub(crate) essay: &'static str,
}

/// The hidden values that attacks look for, and others in their place.
pub(crate) const SETS: [Set; 2] = [
    Set {
        letter: 'a',
        secrets: ["Kx7Qv-Zbr91hWm4Ty", "Ar3Gd", "Zp8Lw-11", "Cn5Hy-2222"],
        pins: ["918273645", "17", "88881", "204060"],
        born: ["1937-03-29", "1981-11-02", "1966-06-17", "2001-01-30"],
        profile: "Jw5Nf-Rk82dPq6Ls",
        key: "Vb3Gt-Xe60mCu9Ha",
        tag: "Dy4Sp-Lo17iFz5Bk",
        tags: "{red,Dy4Sp-Lo17iFz5Bk}",
        street: "Mn8Ur-Aw36tEg2Xv",
        essay: "Qh2Cj-Td94yOs7Ip",
    },
    Set {
        letter: 'b',
        secrets: ["bP0fYt6-Nl3sVe", "Xu6Fk-4444", "Bt9Jm", "Gs1Vc-555"],
        pins: ["-5546", "700300", "31", "999000"],
        born: ["2011-10-08", "1944-07-25", "1990-12-12", "1958-02-03"],
        profile: "tW9cLh3-Ao5",
        key: "Uy1Hs-Bn74",
        tag: "Ze0Rk-Fj28vMx",
        tags: "{a,b,Ze0Rk-Fj28vMx}",
        street: "Ip6Td-Gc93w",
        essay: "Ol7Xq-Sa05bNd",
    },
];

impl Set {
    /// The plain canaries of the first person.
    pub(crate) fn canaries(&self) -> Vec<&'static str> {
        let [secret, ..] = self.secrets;
        vec![secret, self.profile, self.key, self.tag, self.street, self.essay]
    }

    /// The first form of a hidden value that is in these bytes.
    pub(crate) fn found(&self, bytes: &[u8]) -> Option<String> {
        let text = bytes.to_ascii_lowercase();
        let mut forms = Vec::new();
        for canary in self.canaries() {
            forms.extend(text_forms(canary));
        }
        let ([pin, ..], [born, ..]) = (self.pins, self.born);
        let backwards: String = pin.chars().rev().collect();
        if pin.len() > WINDOW {
            forms.extend([pin.as_bytes().to_vec(), backwards.into_bytes()]);
            let number: i32 = pin.parse().expect("a pin is a number");
            forms.push(number.to_be_bytes().to_vec());
            forms.push(format!("{number:x}").into_bytes());
        }
        forms.extend([born.as_bytes().to_vec(), born.replace('-', "").into_bytes()]);
        let holds = |form: &[u8]| {
            let form = form.to_ascii_lowercase();
            text.windows(form.len()).any(|window| window == form)
        };
        let found = forms.into_iter().find(|form| holds(form))?;
        Some(String::from_utf8_lossy(&found).into_owned())
    }
}

/// A text as it is, backwards, in pieces, in hexadecimal, base64, octal and ordinals. Case does
/// not count.
fn text_forms(text: &str) -> Vec<Vec<u8>> {
    let backwards: Vec<u8> = text.bytes().rev().collect();
    let mut forms: Vec<Vec<u8>> = Vec::new();
    for bytes in [text.as_bytes(), &backwards] {
        forms.extend(bytes.windows(WINDOW).map(<[u8]>::to_vec));
        let part = bytes.get(..8).unwrap_or(bytes);
        forms.push(list(part, |out, byte| write!(out, "{byte:02x}")));
        forms.push(list(part, |out, byte| write!(out, "\\{byte:03o}")));
        for mark in [",", ", ", " ", "}\n{", "\n"] {
            let ordinals: Vec<String> = part.iter().map(ToString::to_string).collect();
            forms.push(ordinals.join(mark).into_bytes());
        }
        // The same bytes give other letters of base64 behind one or two other bytes.
        for skipped in 0..3 {
            let from = bytes.get(skipped..).unwrap_or_default();
            let whole = from.len() / 3 * 3;
            let code = STANDARD.encode(from.get(..whole).unwrap_or_default());
            forms.push(code.into_bytes());
        }
    }
    forms
}

fn list(bytes: &[u8], add: impl Fn(&mut String, u8) -> std::fmt::Result) -> Vec<u8> {
    let mut out = String::new();
    for byte in bytes {
        add(&mut out, *byte).expect("a string can be written to");
    }
    out.into_bytes()
}

#[test]
fn a_hidden_value_is_recognised_in_every_form() {
    let [set, other] = SETS;
    for shown in [
        "Kx7Qv-Zbr91hWm4Ty",
        "KX7QV-ZBR91HWM4TY",
        "yT4mWh19rbZ-vQ7xK",
        "...-Zbr91...",
        "\\x4b783751762d5a62723931",
        "S3g3UXYtWmJyOTFoV200VHk=",
        "xxS3g3UXYtWmJyOTFoV200",
        "75,120,55,81,118,45,90,98,114",
        "918273645",
        "1937-03-29",
        "\\126b3Gt-X",
    ] {
        assert!(set.found(shown.as_bytes()).is_some(), "{shown}");
        assert_eq!(other.found(shown.as_bytes()), None, "{shown}");
    }
    let joined = [b"row", 918_273_645_i32.to_be_bytes().as_slice()].concat();
    assert!(set.found(&joined).is_some());
    for harmless in ["", "MASKED", "918-273", "Ada Lisbon 1 2 3", "ERROR:  22P02"] {
        assert_eq!(set.found(harmless.as_bytes()), None, "{harmless}");
    }
}
