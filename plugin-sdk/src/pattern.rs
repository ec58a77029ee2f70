//! Names with `*`.

use serde::Deserialize;

/// A dotted name in which `*` stands for any part of one segment, such as
/// `public.customers.card_*`.
///
/// Names match without regard to case. A pattern with fewer segments than a name matches the
/// name's end, so `customers` matches `public.customers`: the schema search path could lead
/// either way.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is empty or has an empty segment.
    pub fn new(text: &str) -> Result<Self, String> {
        let segments: Vec<String> = text.split('.').map(str::to_lowercase).collect();
        if segments.iter().any(String::is_empty) {
            return Err(format!("\"{text}\" is no pattern; expected one like `public.orders.*`"));
        }
        Ok(Self(segments))
    }

    /// How many segments it has.
    pub fn segments(&self) -> usize {
        self.0.len()
    }

    /// Whether it names the given name.
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let mut parts = name.rsplit('.');
        let mut wanted = self.0.iter().rev();
        loop {
            match (wanted.next(), parts.next()) {
                (Some(pattern), Some(part)) if segment(pattern.as_bytes(), part.as_bytes()) => {}
                (None, _) => return true,
                // An unqualified name can be in any schema.
                (Some(_), None) => return true,
                _ => return false,
            }
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text)
    }
}

/// Greedy, with one place to go back to: linear in pattern times text, and no recursion.
fn segment(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            back = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some() && pattern.get(p) == text.get(t) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            (p, t) = (star + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_name_what_they_say() {
        for (pattern, name, expected) in [
            ("public.customers.email", "public.customers.email", true),
            ("public.customers.email", "Public.Customers.EMAIL", true),
            ("public.customers.*", "public.customers.email", true),
            ("public.customers.*", "public.orders.email", false),
            ("*.*.card_*", "sales.cards.card_number", true),
            ("*.*.card_*", "sales.cards.number", false),
            ("*.*.*card*", "a.b.discarded", true),
            ("customers.email", "public.customers.email", true),
            ("public.customers.email", "customers.email", true),
            ("other.customers.email", "public.customers.email", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("*", "anything", true),
        ] {
            let matched = Pattern::new(pattern).map(|pattern| pattern.matches(name));
            assert_eq!(matched, Ok(expected), "{pattern} on {name}");
        }
    }

    #[test]
    fn empty_segments_are_refused() {
        for text in ["", ".", "a.", "a..b"] {
            assert!(Pattern::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_hostile_pattern_stays_cheap() {
        let pattern = Pattern::new(&"*a".repeat(200)).map(|p| p.matches(&"a".repeat(5_000)));
        assert_eq!(pattern, Ok(true));
        let pattern =
            Pattern::new(&("a*".repeat(200) + "b")).map(|p| p.matches(&"a".repeat(5_000)));
        assert_eq!(pattern, Ok(false));
    }
}
