//! Reading a POSIX shell's command line: words, pipelines, redirections, and the command lines
//! inside it. No full grammar: what it can't follow is said, and counts as unread.

/// How deep command lines may stand in others.
const DEPTH_MAX: usize = 8;
/// Most simple commands of one line.
const COMMANDS_MAX: usize = 512;
/// Most words of a simple command.
const WORDS_MAX: usize = 1024;
/// How many commands before it in a pipeline a command is told of.
const PIPED_MAX: usize = 8;

/// One word, without its quotes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// Nothing in it is replaced by the shell: no variable, no substitution.
    pub(crate) plain: bool,
}

/// A simple command.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Command {
    /// The program and what it is given.
    pub(crate) words: Vec<Word>,
    /// `NAME=value` before the program.
    pub(crate) assignments: Vec<String>,
    /// Files that its output is written to.
    pub(crate) writes: Vec<String>,
    /// Programs whose output is piped into it, by base name, and what they are given.
    pub(crate) from: Vec<Vec<Word>>,
    /// Whether a substitution in its words runs one of these: base names.
    pub(crate) inner: Vec<String>,
    /// How many commands it stands in: 1 for `rm` in `sudo rm`.
    pub(crate) depth: usize,
}

impl Command {
    /// The program's base name; empty when there is none or it is computed.
    pub(crate) fn program(&self) -> &str {
        match self.words.first() {
            Some(word) if word.plain => base(&word.text),
            _ => "",
        }
    }

    /// What the program is given.
    pub(crate) fn args(&self) -> impl Iterator<Item = &str> {
        self.words.iter().skip(1).map(|word| word.text.as_str())
    }

    /// An argument is one of these.
    pub(crate) fn has(&self, wanted: &[&str]) -> bool {
        self.args().any(|arg| wanted.contains(&arg))
    }

    /// A short option with this letter, alone or among others: `-rf` has `f`.
    pub(crate) fn flag(&self, letter: char) -> bool {
        self.args().any(|arg| {
            arg.strip_prefix('-')
                .is_some_and(|rest| !rest.starts_with('-') && rest.contains(letter))
        })
    }

    /// Arguments that are no options.
    pub(crate) fn operands(&self) -> impl Iterator<Item = &str> {
        self.args().filter(|arg| !arg.starts_with('-'))
    }
}

/// The last part of a path, without a version at its end: `/usr/bin/python3.11` is `python`.
pub(crate) fn base(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let bare = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    if matches!(bare, "python" | "perl" | "ruby" | "php" | "node" | "lua") { bare } else { name }
}

/// A line read.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) commands: Vec<Command>,
    /// Something in it can't be followed.
    pub(crate) unread: bool,
}

/// Reads a command line and every one inside it.
pub(crate) fn read(text: &str) -> Line {
    let mut line = Line::default();
    read_into(text, 0, &mut line);
    line
}

/// Adds the commands of a line at some depth. Returns the programs it names itself.
pub(crate) fn read_into(text: &str, depth: usize, line: &mut Line) -> Vec<String> {
    if depth > DEPTH_MAX || line.commands.len() > COMMANDS_MAX {
        line.unread = true;
        return Vec::new();
    }
    let mut reader =
        Reader { letters: text.chars().collect(), at: 0, depth, line, piped: Vec::new() };
    reader.run()
}

struct Reader<'a> {
    letters: Vec<char>,
    at: usize,
    depth: usize,
    line: &'a mut Line,
    /// The commands before in this pipeline.
    piped: Vec<Vec<Word>>,
}

/// Words of the shell that begin a command without being one.
const KEYWORDS: [&str; 12] =
    ["!", "{", "}", "if", "then", "else", "elif", "fi", "while", "until", "do", "done"];

impl Reader<'_> {
    fn run(&mut self) -> Vec<String> {
        let (mut programs, mut command) = (Vec::new(), Command::default());
        while let Some(letter) = self.peek() {
            match letter {
                ' ' | '\t' => self.at += 1,
                '#' => {
                    while self.peek().is_some_and(|letter| letter != '\n') {
                        self.at += 1;
                    }
                }
                '\n' | ';' | '&' | '|' | '(' | ')' => self.operator(&mut command, &mut programs),
                '>' | '<' => self.redirect(&mut command),
                _ => {
                    let word = self.word(&mut command);
                    self.push(&mut command, word);
                }
            }
        }
        self.end(&mut command, &mut programs);
        programs
    }

    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn operator(&mut self, command: &mut Command, programs: &mut Vec<String>) {
        let letter = self.peek();
        self.at += 1;
        // `&>` and `>&` write to a file; `>&` is met as a redirection.
        if letter == Some('&') && self.peek() == Some('>') {
            return;
        }
        let pipe = letter == Some('|') && !self.take('|');
        if pipe {
            self.take('&');
        }
        let words = command.words.clone();
        self.end(command, programs);
        if pipe {
            self.piped.push(words);
            if self.piped.len() > PIPED_MAX {
                self.piped.remove(0);
            }
        } else {
            self.piped.clear();
        }
        // A function's definition: what calls it can't be followed.
        if letter == Some('(') && self.peek() == Some(')') {
            self.line.unread = true;
        }
    }

    fn end(&mut self, command: &mut Command, programs: &mut Vec<String>) {
        let mut command = std::mem::take(command);
        let is_empty =
            command.words.is_empty() && command.assignments.is_empty() && command.writes.is_empty();
        if is_empty {
            return;
        }
        command.from = self.piped.clone();
        command.depth = self.depth;
        self.line.unread |= command.words.first().is_some_and(|word| !word.plain);
        if !command.words.is_empty() {
            programs.push(command.program().to_owned());
        }
        if self.line.commands.len() < COMMANDS_MAX {
            self.line.commands.push(command);
        } else {
            self.line.unread = true;
        }
    }

    fn push(&mut self, command: &mut Command, word: Word) {
        if command.words.is_empty() {
            if word.plain && KEYWORDS.contains(&word.text.as_str()) {
                return;
            }
            let name = word.text.split_once('=').map(|(name, _)| name);
            let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            if name.is_some_and(|name| !name.is_empty() && name.chars().all(letter)) {
                command.assignments.push(word.text);
                return;
            }
        }
        if command.words.len() < WORDS_MAX {
            command.words.push(word);
        } else {
            self.line.unread = true;
        }
    }

    fn redirect(&mut self, command: &mut Command) {
        let writes = self.peek() == Some('>');
        self.at += 1;
        if self.peek() == Some('(') {
            // A process in place of a file.
            self.at += 1;
            self.inner(command);
            command.words.push(Word::default());
            return;
        }
        if !writes && self.take('<') {
            // A here document or string feeds the command with text.
            self.take('<');
            self.take('-');
        }
        if writes {
            let _ = self.take('>') || self.take('|');
        }
        self.take('&');
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.at += 1;
        }
        let target = self.word(command);
        let descriptor = target.text.chars().all(|letter| letter.is_ascii_digit() || letter == '-');
        if writes && !descriptor {
            command.writes.push(target.text);
        }
        // The number of the file descriptor is no argument.
        if command.words.last().is_some_and(|word| matches!(word.text.as_str(), "1" | "2")) {
            command.words.pop();
        }
    }

    /// One word, and the command lines inside it.
    fn word(&mut self, command: &mut Command) -> Word {
        let (mut word, mut quote) = (Word { text: String::new(), plain: true }, None);
        let begun = self.at;
        while let Some(letter) = self.peek() {
            match (quote, letter) {
                (None, ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>') => break,
                (None, '\'' | '"') => quote = Some(letter),
                (Some(open), letter) if open == letter => quote = None,
                (Some('\''), letter) => word.text.push(letter),
                (_, '\\') => {
                    self.at += 1;
                    // A line that goes on is one word.
                    word.text.extend(self.peek().filter(|letter| *letter != '\n'));
                }
                (_, '$') if self.letters.get(self.at + 1) == Some(&'(') => {
                    self.at += 2;
                    self.inner(command);
                    word.plain = false;
                    continue;
                }
                (_, '`') => {
                    self.at += 1;
                    let from = self.at;
                    while self.peek().is_some_and(|letter| letter != '`') {
                        self.at += 1;
                    }
                    self.nested(from, self.at, command);
                    word.plain = false;
                }
                (_, '$') => {
                    word.plain = false;
                    word.text.push('$');
                }
                (_, letter) => word.text.push(letter),
            }
            self.at += 1;
        }
        self.line.unread |= quote.is_some();
        // Nothing was read: step over what can't be a word.
        if self.at == begun {
            self.at += 1;
        }
        word
    }

    /// The command line up to the bracket that closes it.
    fn inner(&mut self, command: &mut Command) {
        let (from, mut open, mut quote) = (self.at, 1, None);
        while let Some(letter) = self.peek() {
            match (quote, letter) {
                (None, '\'' | '"') => quote = Some(letter),
                (Some(close), letter) if close == letter => quote = None,
                (None, '(') => open += 1,
                (None, ')') => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                break;
            }
        }
        self.line.unread |= open > 0;
        self.nested(from, self.at - usize::from(open == 0), command);
    }

    fn nested(&mut self, from: usize, to: usize, command: &mut Command) {
        let text: String = self.letters.get(from..to).unwrap_or_default().iter().collect();
        let programs = read_into(&text, self.depth + 1, self.line);
        command.inner.extend(programs);
    }
}
