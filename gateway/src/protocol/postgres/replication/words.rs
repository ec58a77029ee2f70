//! The words of a replication command, as `repl_scanner.l` cuts them.

use crate::limits::NAME_BYTES_MAX;

/// One word or sign.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Word {
    /// A keyword or a name, as written.
    Plain(String),
    /// A name in double quotes.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    /// A number.
    Number(u32),
    /// A place in the write-ahead log, `16/B374D848`.
    Position(String),
    /// `(`, `)`, `,`, `.` or `;`.
    Sign(char),
}

/// What the server takes for white space.
pub(super) fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

fn begins_name(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '_' || !letter.is_ascii()
}

fn goes_on(letter: char) -> bool {
    begins_name(letter) || letter.is_ascii_digit() || letter == '$'
}

/// The first word, if the text begins with one.
pub(super) fn first(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(is_space);
    if !text.starts_with(begins_name) {
        return None;
    }
    let end = text.find(|letter| !goes_on(letter)).unwrap_or(text.len());
    text.get(..end)
}

/// The words that are left.
pub(super) struct Words(std::iter::Peekable<std::vec::IntoIter<Word>>);

impl Words {
    /// Cuts a text into words.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let mut words = Vec::new();
        let mut rest = text.trim_start_matches(is_space);
        while let Some(letter) = rest.chars().next() {
            let (word, left) = match letter {
                '(' | ')' | ',' | '.' | ';' => {
                    (Word::Sign(letter), rest.get(1..).unwrap_or_default())
                }
                '\'' => quoted(rest, '\'').map(|(text, left)| (Word::Text(text), left))?,
                '"' => quoted(rest, '"').map(|(name, left)| (Word::Quoted(name), left))?,
                letter if goes_on(letter) => plain(rest)?,
                _ => return Err("it holds a sign that no command has"),
            };
            words.push(word);
            rest = left.trim_start_matches(is_space);
        }
        Ok(Self(words.into_iter().peekable()))
    }

    pub(super) fn peek(&mut self) -> Option<&Word> {
        self.0.peek()
    }

    pub(super) fn next(&mut self) -> Option<Word> {
        self.0.next()
    }

    /// Takes a keyword if it comes next. Keywords are in capitals.
    pub(super) fn takes(&mut self, keyword: &str) -> bool {
        self.0.next_if(|word| matches!(word, Word::Plain(plain) if plain == keyword)).is_some()
    }

    pub(super) fn is_sign(&mut self, sign: char) -> bool {
        self.0.peek() == Some(&Word::Sign(sign))
    }

    pub(super) fn takes_sign(&mut self, sign: char) -> bool {
        self.0.next_if(|word| *word == Word::Sign(sign)).is_some()
    }

    /// A name; a plain one is folded.
    pub(super) fn name(&mut self) -> Result<String, &'static str> {
        let name = match self.0.next() {
            Some(Word::Plain(name)) if name.is_ascii() => name.to_ascii_lowercase(),
            // How these are folded hangs on the server's locale.
            Some(Word::Plain(_)) => return Err("a name with other letters needs double quotes"),
            Some(Word::Quoted(name)) => name,
            _ => return Err("a name is missing"),
        };
        match name.len() {
            1..=NAME_BYTES_MAX => Ok(name),
            0 => Err("a name is empty"),
            _ => Err("a name is longer than the server keeps"),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, &'static str> {
        match self.0.next() {
            Some(Word::Text(text)) => Ok(text),
            _ => Err("a text in single quotes is missing"),
        }
    }

    pub(super) fn number(&mut self) -> Result<u32, &'static str> {
        match self.0.next() {
            Some(Word::Number(number)) => Ok(number),
            _ => Err("a number is missing"),
        }
    }

    pub(super) fn position(&mut self) -> Result<String, &'static str> {
        match self.0.next() {
            Some(Word::Position(position)) => Ok(position),
            _ => Err("a position such as 0/0 is missing"),
        }
    }

    /// Nothing may follow but one semicolon.
    pub(super) fn end(mut self) -> Result<(), &'static str> {
        self.takes_sign(';');
        match self.0.next() {
            None => Ok(()),
            Some(_) => Err("words are left over"),
        }
    }
}

/// What stands in quotes, where a doubled quote stands for one; a backslash means nothing.
fn quoted(text: &str, quote: char) -> Result<(String, &str), &'static str> {
    let mut inside = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((_, letter)) = letters.next() {
        if letter != quote {
            inside.push(letter);
            continue;
        }
        match letters.peek() {
            Some((_, next)) if *next == quote => {
                inside.push(quote);
                letters.next();
            }
            Some((at, _)) => return Ok((inside, text.get(*at..).unwrap_or_default())),
            None => return Ok((inside, "")),
        }
    }
    Err("a quote is not closed")
}

fn plain(text: &str) -> Result<(Word, &str), &'static str> {
    let end = text.find(|letter| !goes_on(letter)).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let hex = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if let Some(after) = rest.strip_prefix('/') {
        let end = after.find(|letter| !goes_on(letter)).unwrap_or(after.len());
        let (low, rest) = after.split_at_checked(end).unwrap_or((after, ""));
        return match hex(word) && hex(low) {
            true => Ok((Word::Position(format!("{word}/{low}")), rest)),
            false => Err("a position is no two hexadecimal numbers"),
        };
    }
    if word.starts_with(begins_name) {
        return Ok((Word::Plain(word.to_owned()), rest));
    }
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    match word.parse() {
        Ok(number) if digits => Ok((Word::Number(number), rest)),
        _ => Err("a number is malformed or too large"),
    }
}
