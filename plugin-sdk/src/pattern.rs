//! Names with `*`.

use serde::Deserialize;

/// A dotted name in which `*` stands for any part of one segment, such as
/// `public.customers.card_*`.
///
/// A part that holds a dot is quoted, in the pattern as in the name: `public."odd.name".email`; a
/// `*` in quotes stands for any part, too. Names match without regard to case. A pattern with
/// fewer segments than a name matches the name's end, so `customers` matches `public.customers`:
/// the schema search path could lead either way.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is empty or has an empty segment.
    pub fn new(text: &str) -> Result<Self, String> {
        match parts(&text.to_lowercase()) {
            Some(parts) if !parts.iter().any(String::is_empty) => Ok(Self(parts)),
            _ => Err(format!("\"{text}\" is no pattern; expected one like `public.orders.*`")),
        }
    }

    /// How many segments it has.
    pub fn segments(&self) -> usize {
        self.0.len()
    }

    /// Whether its last segment names this one part, which stands as it is, without quotes.
    pub fn matches_part(&self, part: &str) -> bool {
        let part = part.to_lowercase();
        self.0.last().is_some_and(|pattern| segment(pattern.as_bytes(), part.as_bytes()))
    }

    /// Whether it names the given name.
    pub fn matches(&self, name: &str) -> bool {
        let Some(parts) = parts(&name.to_lowercase()) else {
            // No name of the gateway's, so it may be anything.
            return true;
        };
        let mut parts = parts.iter().rev();
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

/// The parts of a dotted name, without their quotes; nothing when a quote is not closed.
fn parts(name: &str) -> Option<Vec<String>> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => part.push('"'),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            _ => part.push(letter),
        }
    }
    parts.push(part);
    (!quoted).then_some(parts)
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
            ("public.\"odd.name\".email", "public.\"odd.name\".email", true),
            ("public.*.email", "public.\"odd.name\".email", true),
            ("*.*.email", "\"a.b\".\"c.email\".other", false),
            ("a.b", "\"a.b\"", false),
            ("\"say \"\"hi\"\".x\"", "t.\"say \"\"hi\"\".x\"", true),
            ("public.t.secret", "public.t.\"secret", true),
        ] {
            let matched = Pattern::new(pattern).map(|pattern| pattern.matches(name));
            assert_eq!(matched, Ok(expected), "{pattern} on {name}");
        }
    }

    #[test]
    fn empty_segments_are_refused() {
        for text in ["", ".", "a.", "a..b", "a.\"\"", "\"a.b"] {
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
