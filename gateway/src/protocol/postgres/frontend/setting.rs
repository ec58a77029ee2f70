//! A setting that a session is to start with, as the statement that would set it later.

use std::sync::Arc;

use bytes::BytesMut;

use super::{Grammar, request};
use crate::fault::{Blame, Fault};
use crate::protocol::postgres::frame;
use crate::protocol::{Kind, Request, State};

/// Settings whose text is a list of names, each quoted where it needs it (PostgreSQL:
/// `GUC_LIST_QUOTE`).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// The request to start with `name` set to `value`. Its wire form is the pair as it stands in a
/// StartupMessage.
///
/// # Errors
/// Nobody could set it by SET either.
pub fn start_setting(
    name: &str,
    value: &str,
    grammar: &dyn Grammar,
    state: &Arc<State>,
) -> Result<Request, Fault> {
    let text: Arc<str> = set(name, value).into();
    let facts = grammar.facts(&text).map_err(|_| unreadable(name))?;
    let [statement] = facts.statements.as_slice() else { return Err(unreadable(name)) };
    if statement.settings.is_empty() {
        return Err(unreadable(name));
    }
    let mut wire = BytesMut::new();
    frame::put_string(&mut wire, name.as_bytes());
    frame::put_string(&mut wire, value.as_bytes());
    Ok(request(Kind::SqlSetting, text, facts, state, wire.freeze()))
}

fn set(name: &str, value: &str) -> String {
    let name = name.to_ascii_lowercase();
    let values: Vec<String> = match LISTS.contains(&name.as_str()) {
        true => elements(value),
        false => vec![value.to_owned()],
    };
    let quoted = |text: &str, quote: char| {
        format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
    };
    let parts: Vec<String> = name.split('.').map(|part| quoted(part, '"')).collect();
    let values: Vec<String> = values.iter().map(|value| quoted(value, '\'')).collect();
    format!("SET {} TO {}", parts.join("."), values.join(", "))
}

/// The names of a list, without their quotes. A comma may stand in a quoted name.
fn elements(list: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted) = (Vec::new(), String::new(), false);
    for letter in list.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            letter if quoted => name.push(letter),
            letter if letter.is_whitespace() => {}
            letter => name.extend(letter.to_lowercase()),
        }
    }
    names.push(name);
    names
}

fn unreadable(name: &str) -> Fault {
    let message = format!("the start-up setting \"{name}\" can't be judged");
    Fault::new(Blame::Client, "setting_refused", "42501", message)
        .hint("Connect without it, and use SET in the session.")
}

#[cfg(test)]
mod tests {
    use super::set;

    #[test]
    fn a_start_up_setting_reads_as_the_statement_that_sets_it() {
        for (name, value, text) in [
            ("work_mem", "1MB", "SET \"work_mem\" TO '1MB'"),
            ("My.Var", "it's", "SET \"my\".\"var\" TO 'it''s'"),
            ("search_path", "", "SET \"search_path\" TO ''"),
            ("SEARCH_PATH", "A, \"B,c\" ,d", "SET \"search_path\" TO 'a', 'B,c', 'd'"),
            ("x\"; DROP TABLE t; --", "", "SET \"x\"\"; drop table t; --\" TO ''"),
        ] {
            assert_eq!(set(name, value), text);
        }
    }
}
