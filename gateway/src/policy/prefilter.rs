//! What the host looks for in cells before it shows them to a plugin.

use regex::bytes::{RegexSet, RegexSetBuilder};

use crate::limits::{
    PREFILTER_COMPILED_BYTES_MAX, PREFILTER_PATTERN_BYTES_MAX, PREFILTER_PATTERNS_BYTES_MAX,
    PREFILTER_PATTERNS_MAX,
};

/// A plugin's patterns, compiled.
#[derive(Debug)]
pub(super) struct Prefilter(RegexSet);

impl Prefilter {
    /// Compiles patterns; `None` when there are none, and every cell is to be shown.
    ///
    /// # Errors
    /// There are too many, or one of them can't be used.
    pub(super) fn new(patterns: &[String]) -> Result<Option<Self>, String> {
        if patterns.is_empty() {
            return Ok(None);
        }
        if patterns.len() > PREFILTER_PATTERNS_MAX {
            let (count, most) = (patterns.len(), PREFILTER_PATTERNS_MAX);
            return Err(format!("has {count} patterns; expected at most {most}"));
        }
        let bytes: usize = patterns.iter().map(String::len).sum();
        if bytes > PREFILTER_PATTERNS_BYTES_MAX {
            let most = PREFILTER_PATTERNS_BYTES_MAX;
            return Err(format!("has patterns of {bytes} bytes; expected at most {most}"));
        }
        for (number, pattern) in patterns.iter().enumerate() {
            if pattern.len() > PREFILTER_PATTERN_BYTES_MAX {
                let most = PREFILTER_PATTERN_BYTES_MAX;
                return Err(format!("patterns[{number}] is longer than {most} bytes"));
            }
            compile(std::slice::from_ref(pattern))
                .map_err(|error| format!("patterns[{number}] can't be used: {error}"))?;
        }
        compile(patterns).map(|set| Some(Self(set))).map_err(|error| error.to_string())
    }

    /// Whether a cell is to be shown. What is not UTF-8 always is: a pattern may not see it.
    pub(super) fn shows(&self, cell: &[u8]) -> bool {
        self.0.is_match(cell) || std::str::from_utf8(cell).is_err()
    }
}

fn compile(patterns: &[String]) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(patterns).size_limit(PREFILTER_COMPILED_BYTES_MAX).build()
}

#[cfg(test)]
mod tests;
