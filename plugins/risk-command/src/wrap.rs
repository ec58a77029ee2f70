//! Commands that run other commands: `sudo`, `env`, `xargs`, `sh -c`, `find -exec`.

use crate::shell::{Command, Line, Word, base, read_into};

/// Programs that run the rest of their words, and their options that take a word of their own.
const PREFIXES: [(&str, &[&str]); 16] = [
    ("sudo", &["-u", "-g", "-h", "-p", "-C", "-T", "-r", "-t", "--user", "--group"]),
    ("doas", &["-u", "-C"]),
    ("pkexec", &["--user"]),
    ("env", &["-u", "-C", "--unset", "--chdir"]),
    ("nohup", &[]),
    ("time", &["-f", "-o"]),
    ("nice", &["-n"]),
    ("ionice", &["-c", "-n"]),
    ("timeout", &["-s", "-k"]),
    ("xargs", &["-I", "-n", "-P", "-L", "-d", "-a", "-s", "-E"]),
    ("exec", &["-a"]),
    ("command", &[]),
    ("builtin", &[]),
    ("setsid", &[]),
    ("stdbuf", &["-i", "-o", "-e"]),
    ("busybox", &[]),
];

pub(crate) const SHELLS: [&str; 8] = ["sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "csh"];

/// How many commands may run each other.
const DEPTH_MAX: usize = 16;
/// Most commands that are looked at.
const COMMANDS_MAX: usize = 1024;

/// Adds to a line what its commands run in turn.
pub(crate) fn unwrap(line: &mut Line) {
    // Commands that are added are looked at too; each is shorter than the one it comes from.
    let mut at = 0;
    while let Some(command) = line.commands.get(at).cloned() {
        at += 1;
        if at > COMMANDS_MAX || command.depth > DEPTH_MAX {
            line.unread = true;
            continue;
        }
        let depth = command.depth + 1;
        if let Some(words) = wrapped(&command) {
            let first = words.first();
            line.unread |= first.is_some_and(|word| !word.plain);
            let command =
                Command { words, depth, writes: Vec::new(), assignments: Vec::new(), ..command };
            line.commands.push(command);
        } else if let Some(text) = text(&command) {
            // What is computed when the line runs can't be read.
            line.unread |= !text.plain;
            read_into(&text.text, depth, line);
        }
    }
}

/// The words of the command that a command runs.
fn wrapped(command: &Command) -> Option<Vec<Word>> {
    let program = command.program();
    if program == "find" {
        let at = command.args().position(|arg| matches!(arg, "-exec" | "-execdir" | "-ok"))?;
        return Some(command.words.get(at + 2..)?.to_vec());
    }
    if matches!(program, "kubectl" | "docker" | "podman" | "oc") && command.has(&["exec"]) {
        let at = command.args().position(|arg| arg == "--")?;
        return Some(command.words.get(at + 2..)?.to_vec());
    }
    let (_, valued) = PREFIXES.iter().find(|(name, _)| *name == program)?;
    let mut rest = command.words.get(1..)?;
    // `timeout 5 rm`: the duration is no program.
    let mut number = program == "timeout";
    while let [word, more @ ..] = rest {
        let text = word.text.as_str();
        if text.starts_with('-') && text.len() > 1 {
            rest = if valued.contains(&text) { more.get(1..)? } else { more };
        } else if (matches!(program, "env" | "sudo") && text.contains('='))
            || std::mem::take(&mut number)
        {
            rest = more;
        } else {
            break;
        }
    }
    (!rest.is_empty()).then(|| rest.to_vec())
}

/// The text that a command runs as a command line.
fn text(command: &Command) -> Option<Word> {
    let program = command.program();
    let after = |option: &dyn Fn(&str) -> bool| {
        let at = command.args().position(option)?;
        command.words.get(at + 2).cloned()
    };
    let script = |arg: &str| {
        arg == "--command" || (arg.starts_with('-') && !arg.starts_with("--") && arg.contains('c'))
    };
    match program {
        shell if SHELLS.contains(&shell) => after(&script),
        "su" | "runuser" | "script" => after(&script),
        "eval" | "watch" => {
            let words: Vec<&str> = command.operands().collect();
            let plain = command.words.iter().all(|word| word.plain);
            Some(Word { text: words.join(" "), plain })
        }
        // What stands behind the host is run there.
        "ssh" => {
            let at = command.words.iter().skip(1).position(|word| !word.text.starts_with('-'))?;
            let rest = command.words.get(at + 2..)?;
            let words: Vec<&str> = rest.iter().map(|word| word.text.as_str()).collect();
            (!words.is_empty()).then(|| Word { text: words.join(" "), plain: true })
        }
        _ => None,
    }
}

/// Whether a program, by its words, runs what it reads.
pub(crate) fn runs_input(words: &[Word]) -> bool {
    let Some(program) = words.first() else { return false };
    let program = base(&program.text);
    let interpreter = matches!(program, "python" | "perl" | "ruby" | "php" | "node" | "lua");
    let rest = words.get(1..).unwrap_or_default();
    let only_options = rest.iter().all(|word| word.text.starts_with('-'));
    match program {
        "sudo" | "doas" | "env" | "nohup" | "xargs" => rest
            .iter()
            .position(|word| !word.text.starts_with('-') && !word.text.contains('='))
            .is_some_and(|at| runs_input(rest.get(at..).unwrap_or_default())),
        _ => {
            (SHELLS.contains(&program) || interpreter)
                && (only_options
                    || rest
                        .iter()
                        .any(|word| matches!(word.text.as_str(), "-s" | "-" | "/dev/stdin")))
                && !rest.iter().any(|word| matches!(word.text.as_str(), "-c" | "-e"))
        }
    }
}
