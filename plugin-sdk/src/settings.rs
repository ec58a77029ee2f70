//! Reading settings, with the place of a mistake.

use crate::{Plugin, Problem};

/// Reads the settings and makes the plugin.
///
/// # Errors
/// Each mistake with its place, such as `columns[2].mask`.
pub fn configure<P: Plugin>(json: &str) -> Result<P, Vec<Problem>> {
    let value: serde_json::Value = serde_json::from_str(json)
        .map_err(|error| vec![Problem::at("", format!("not JSON: {error}"))])?;
    let settings = serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string() {
            whole if whole == "." => String::new(),
            path => path,
        };
        vec![Problem::at(path, error.into_inner().to_string())]
    })?;
    P::new(settings)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::configure;
    use crate::{Pattern, Plugin, Problem};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        columns: Vec<Pattern>,
    }

    #[derive(Debug)]
    struct Sample(Settings);

    impl Plugin for Sample {
        type Settings = Settings;
        fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
            Ok(Self(settings))
        }
    }

    #[test]
    fn mistakes_name_their_place() {
        for (json, place) in [
            (r#"{"columns":["a.b.c","d..e"]}"#, "columns[1]"),
            (r#"{"columns":[],"colums":[]}"#, "colums"),
            (r#"{"columns":7}"#, "columns"),
            ("{}", ""),
            ("[", ""),
        ] {
            let problems = configure::<Sample>(json).map(|sample| sample.0.columns);
            let places = problems.map_err(|list| list.into_iter().map(|p| p.path).collect());
            assert_eq!(places, Err::<Vec<Pattern>, Vec<String>>(vec![place.to_owned()]), "{json}");
        }
    }
}
