//! Text that comes from a plugin and goes to people: bounded, and unable to move a cursor.

use crate::limits::{PLUGIN_RULE_BYTES_MAX, PLUGIN_TEXT_BYTES_MAX};

/// One sentence for a person: control and direction characters escaped, cut at
/// [`PLUGIN_TEXT_BYTES_MAX`].
pub(super) fn sentence(text: &str) -> String {
    clip(text, PLUGIN_TEXT_BYTES_MAX)
}

/// A rule id: as [`sentence`], cut at [`PLUGIN_RULE_BYTES_MAX`], and never empty.
pub(super) fn rule(text: &str) -> String {
    match clip(text, PLUGIN_RULE_BYTES_MAX) {
        empty if empty.is_empty() => "unnamed".to_owned(),
        rule => rule,
    }
}

fn clip(text: &str, bytes_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(bytes_max));
    for letter in text.chars() {
        let escaped = moves_the_reader(letter).then(|| letter.escape_unicode().to_string());
        let width = escaped.as_ref().map_or(letter.len_utf8(), String::len);
        if out.len() + width > bytes_max {
            return cut(out, bytes_max);
        }
        match escaped {
            Some(escaped) => out.push_str(&escaped),
            None => out.push(letter),
        }
    }
    out
}

fn cut(mut out: String, bytes_max: usize) -> String {
    let mut end = bytes_max.saturating_sub(3).min(out.len());
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    out.truncate(end);
    out.push_str("...");
    out
}

/// Control characters and the ones that reorder or hide text: a terminal or a page that shows
/// them can be made to lie.
fn moves_the_reader(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests;
