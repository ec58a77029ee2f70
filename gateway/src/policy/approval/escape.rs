//! Text as an approver may see it: what is shown is what would run.

use std::fmt::Write as _;

/// The same text with every character that a terminal or browser would obey, hide or reorder
/// written out as `<U+202E>`. Line feeds and tabs stay.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        if matches!(ch, '\n' | '\t') || !deceives(ch) {
            out.push(ch);
        } else {
            // Writing to a String can't fail.
            let _ = write!(out, "<U+{:04X}>", u32::from(ch));
        }
    }
    out
}

/// The same on one line, for fields that have no business with several.
pub(super) fn line(text: &str) -> String {
    shown(text).replace(['\n', '\t'], " ")
}

/// Control characters, and Unicode's default-ignorable, bidirectional and separator characters
/// (UAX #9, UAX #44 `Default_Ignorable_Code_Point`).
fn deceives(ch: char) -> bool {
    ch.is_control()
        || matches!(
            ch,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}'
                | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
                | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
        // Spaces that are not the space.
        || (ch.is_whitespace() && ch != ' ')
        // Private use: drawn as the font pleases.
        || matches!(ch, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}')
}
