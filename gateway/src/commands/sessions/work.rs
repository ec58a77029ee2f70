//! `sessions report --task` and `--ticket`: several sessions in one report or bundle.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use super::super::client::Client;
use super::super::{Stop, print};
use super::open;
use crate::audit::reader::WorkKind;
use crate::audit::report::{self, Form};
use crate::audit::{Error, bundle};
use crate::cli::{Format, Source};

pub(super) async fn report(
    (kind, id): (WorkKind, &str),
    format: Format,
    file: Option<&Path>,
    source: &Source,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    if id.is_empty() {
        return Err(Stop::usage(format!("the {} has no name", kind.word())));
    }
    let failed = |error: Error| Stop::failed(error.to_string());
    let none = || Stop::failed(format!("the log has no session for {} {id}", kind.word()));
    let place = format!("/v1/{}s/{}", kind.word(), encoded(id));
    let Some(file) = file else {
        let (form, word) = match format {
            Format::Html => (Form::Html, "html"),
            Format::Json => (Form::Json, "json"),
            Format::Text => (Form::Text, "text"),
        };
        let Some(dir) = &source.dir else {
            let client = Client::new(&source.admin)?;
            return print(out, &client.read(&format!("{place}/report?format={word}")).await?);
        };
        let reader = open(dir)?;
        let record = reader.work(kind, id).map_err(failed)?.ok_or_else(none)?;
        let written = report::work(&record, reader.public_key()).written(form);
        return print(out, &written.map_err(|_| Stop::failed("the report can't be written"))?);
    };
    if file.exists() {
        return Err(Stop::usage(format!("{} exists already", file.display())));
    }
    match &source.dir {
        Some(dir) => {
            if !bundle::work_from_folder(dir, kind, id, file).map_err(failed)? {
                return Err(none());
            }
        }
        None => {
            Client::new(&source.admin)?.download(&format!("{place}/bundle"), file).await?;
        }
    }
    print(out, &format!("{}: check it with `portcullis audit verify`", file.display()))
}

/// Percent-encodes all but what any part of a path may hold (RFC 3986 section 2.3).
fn encoded(text: &str) -> String {
    let mut part = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            part.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(part, "%{byte:02X}");
        }
    }
    part
}
