//! Runs of digits: groups of them with single separators between, and windows over the groups.

/// What stands between two groups.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gap {
    Space,
    Dash,
    Dot,
    Slash,
    /// A closing or opening bracket, with or without a blank.
    Bracket,
}

/// Digits that stand together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// Where it stands in the text.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Where it begins among the digits of its cluster.
    first: usize,
    /// What stands before it; nothing before the first.
    gap: Option<Gap>,
}

impl Group {
    pub(crate) fn len(&self) -> usize {
        self.to - self.from
    }
}

/// Digits of one cluster; longer ones are looked at in overlapping pieces.
const DIGITS_MAX: usize = 96;
/// As many digits as the longest kind has, and some.
const OVERLAP: usize = 24;

/// Groups of digits that may belong together.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    /// Values from 0 to 9.
    digits: Vec<u8>,
    groups: Vec<Group>,
}

impl Cluster {
    /// Reads the cluster that begins with the digit at `from`. Returns where to go on: behind it,
    /// or inside it when it is long.
    pub(crate) fn read(&mut self, text: &[u8], from: usize) -> usize {
        self.digits.clear();
        self.groups.clear();
        let (mut at, mut gap) = (from, None);
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
            let first = self.digits.len();
            self.digits.extend(digits.map(|byte| byte - b'0'));
            let to = at + self.digits.len() - first;
            self.groups.push(Group { from: at, to, first, gap });
            match between(text, to) {
                Some((next, between)) if self.digits.len() <= DIGITS_MAX => {
                    (at, gap) = (next, Some(between));
                }
                Some(_) => return self.resume().unwrap_or(to),
                None => return to,
            }
        }
    }

    /// The start of the first group that is within reach of the end: what begins there may go on
    /// behind the cluster.
    fn resume(&self) -> Option<usize> {
        let reach = self.digits.len().saturating_sub(OVERLAP);
        self.groups.iter().skip(1).find(|group| group.first >= reach).map(|group| group.from)
    }

    /// How many groups there are.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Group `at`.
    pub(crate) fn group(&self, at: usize) -> Option<&Group> {
        self.groups.get(at)
    }

    /// Groups `first` to `last`, both included.
    pub(crate) fn window<'a>(
        &'a self,
        text: &'a [u8],
        first: usize,
        last: usize,
    ) -> Option<Window<'a>> {
        let groups = self.groups.get(first..=last)?;
        let (from, to) = (groups.first()?, groups.last()?);
        let digits = self.digits.get(from.first..to.first + to.len())?;
        let next = self.groups.get(last + 1).and_then(|group| group.gap);
        Some(Window { text, from: from.from, to: to.to, digits, groups, next })
    }
}

/// What separates the digits that end at `at` from others, and where those begin.
fn between(text: &[u8], at: usize) -> Option<(usize, Gap)> {
    let rest = text.get(at..)?;
    let (length, gap) = match rest {
        [b')', b' ' | b'-', b'0'..=b'9', ..] => (2, Gap::Bracket),
        [b')', b'0'..=b'9', ..] => (1, Gap::Bracket),
        [b' ', b'(', b'0'..=b'9', ..] => (2, Gap::Bracket),
        [b'(', b'0'..=b'9', ..] => (1, Gap::Bracket),
        [b' ', b'-', b' ', b'0'..=b'9', ..] => (3, Gap::Dash),
        [b' ', ..] => (1, Gap::Space),
        [b'-', ..] => (1, Gap::Dash),
        [b'.', ..] => (1, Gap::Dot),
        [b'/', ..] => (1, Gap::Slash),
        // The unbreakable blanks, and the dashes of Unicode.
        [0xc2, 0xa0, ..] => (2, Gap::Space),
        [0xe2, 0x80, 0xaf, ..] => (3, Gap::Space),
        [0xe2, 0x80, 0x90..=0x95, ..] | [0xe2, 0x88, 0x92, ..] => (3, Gap::Dash),
        _ => return None,
    };
    rest.get(length).filter(|byte| byte.is_ascii_digit()).map(|_| (at + length, gap))
}

/// Some neighbouring groups.
pub(crate) struct Window<'a> {
    /// The whole text.
    pub(crate) text: &'a [u8],
    /// Where the first digit stands.
    pub(crate) from: usize,
    /// Behind the last digit.
    pub(crate) to: usize,
    /// Values from 0 to 9.
    pub(crate) digits: &'a [u8],
    /// The groups.
    pub(crate) groups: &'a [Group],
    next: Option<Gap>,
}

impl Window<'_> {
    /// The byte before, 0 at the start of the text.
    pub(crate) fn before(&self) -> u8 {
        byte_before(self.text, self.from)
    }

    /// The byte behind, 0 at the end of the text.
    pub(crate) fn after(&self) -> u8 {
        self.text.get(self.to).copied().unwrap_or(0)
    }

    /// It is no part of a word.
    pub(crate) fn is_bounded(&self) -> bool {
        !is_word_before(self.text, self.from) && !self.after().is_ascii_alphanumeric()
    }

    /// Neither a dash, a dot nor a slash ties it to more letters or digits: it is no part of a
    /// date, a UUID, a version, an amount or a longer number.
    pub(crate) fn is_alone(&self) -> bool {
        let tied = |gap: Option<Gap>| matches!(gap, Some(Gap::Dash | Gap::Dot | Gap::Slash));
        let first = self.groups.first().and_then(|group| group.gap);
        let word = match self.from.checked_sub(2).and_then(|at| self.text.get(at..self.from)) {
            Some([outer, b'-' | b'.' | b'_']) => {
                outer.is_ascii_alphanumeric() && is_word_before(self.text, self.from - 1)
            }
            _ => false,
        };
        // A word behind a dash says what it is: 415-555-2671-Office.
        let behind = match self.text.get(self.to..) {
            Some([b'-', a, b, c, ..]) if [a, b, c].iter().all(|it| it.is_ascii_alphabetic()) => {
                false
            }
            Some([b'-' | b'_', outer, ..]) => outer.is_ascii_alphanumeric(),
            _ => false,
        };
        self.is_bounded() && !tied(first) && !tied(self.next) && !word && !behind
    }

    /// The groups have these lengths.
    pub(crate) fn is_shaped(&self, lengths: &[usize]) -> bool {
        self.groups.len() == lengths.len()
            && self.groups.iter().zip(lengths).all(|(group, length)| group.len() == *length)
    }

    /// What stands between all groups, if it is the same everywhere.
    pub(crate) fn gap(&self) -> Option<Gap> {
        let mut gaps = self.groups.iter().skip(1).filter_map(|group| group.gap);
        let first = gaps.next()?;
        gaps.all(|gap| gap == first).then_some(first)
    }

    /// What stands between the groups, in order.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = Gap> {
        self.groups.iter().skip(1).filter_map(|group| group.gap)
    }

    /// One of the words stands shortly before it.
    pub(crate) fn is_about(&self, words: &[&str]) -> bool {
        is_about(self.text, self.from, words)
    }
}

/// The byte before `at`, 0 at the start of the text.
pub(crate) fn byte_before(text: &[u8], at: usize) -> u8 {
    at.checked_sub(1).and_then(|at| text.get(at)).copied().unwrap_or(0)
}

/// What ends before `at` is a word. The letter of an escape of JSON is none: `\\n`.
pub(crate) fn is_word_before(text: &[u8], at: usize) -> bool {
    let letter = byte_before(text, at);
    let escape = matches!(letter, b'n' | b'r' | b't' | b'b' | b'f')
        && at.checked_sub(2).and_then(|at| text.get(at)) == Some(&b'\\');
    letter.is_ascii_alphanumeric() && !escape
}

/// Up to 19 digits as one number.
pub(crate) fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |sum: u64, digit| sum.wrapping_mul(10).wrapping_add(u64::from(*digit)))
}

/// How far a word that says what a number is may stand before it, bytes.
const CONTEXT_BYTES: usize = 40;

/// One of the words, given in lower case, stands shortly before `at`, alone or as the beginning or
/// the end of a longer one.
pub(crate) fn is_about(text: &[u8], at: usize, words: &[&str]) -> bool {
    let near = text.get(at.saturating_sub(CONTEXT_BYTES)..at).unwrap_or_default();
    let near = near.to_ascii_lowercase();
    words.iter().any(|word| {
        near.windows(word.len()).enumerate().any(|(place, found)| {
            let before = place.checked_sub(1).and_then(|at| near.get(at));
            let after = near.get(place + word.len());
            let letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
            found == word.as_bytes() && !(letter(before) && letter(after))
                // A short word is a part of too many others.
                && (word.len() > 4 || !(letter(before) || letter(after)))
        })
    })
}
