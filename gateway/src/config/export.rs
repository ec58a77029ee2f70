//! `[[export]]`: where the log is sent.

use std::path::{Path, PathBuf};

use super::page::{Item, Section};
use super::secret::{self, said};
use super::text::{host_port, is_loopback, issuer_url, name};
use crate::export::{
    Begin, ExportSettings, Format, HecSettings, Include, OtlpSettings, S3Settings, SinkSettings,
    SyslogSettings,
};
use crate::limits::{
    EXPORT_FAIL_CLOSED_SECS_MAX, EXPORT_FAIL_CLOSED_SECS_MIN, EXPORT_OBJECT_SECS,
    EXPORT_OBJECT_SECS_MAX, EXPORTS_MAX,
};

/// The kinds of sink, as the configuration names them.
#[derive(Clone, Copy)]
enum Kind {
    File,
    Hec,
    Otlp,
    S3,
    Syslog,
}

const KINDS: [(&str, Kind); 5] = [
    ("file", Kind::File),
    ("hec", Kind::Hec),
    ("otlp", Kind::Otlp),
    ("s3", Kind::S3),
    ("syslog", Kind::Syslog),
];

/// Reads every export.
pub(super) fn exports(top: &mut Section<'_>) -> Vec<ExportSettings> {
    let sections = top.sections("export", "export");
    if let Some(extra) = sections.get(EXPORTS_MAX) {
        let what = format!("there are more than {EXPORTS_MAX} [[export]] sections");
        extra.mistake(extra.at(), what);
    }
    let (mut exports, mut taken) = (Vec::new(), Vec::new());
    for mut section in sections {
        let name = name(&mut section, "name", &taken);
        taken.push(name.clone());
        exports.extend(export(section, name));
    }
    exports
}

/// `None` when there is a mistake.
fn export(mut section: Section<'_>, name: String) -> Option<ExportSettings> {
    // What else belongs to a section can't be told without it.
    section.string_needed("sink", "\"file\", \"hec\", \"otlp\", \"s3\" or \"syslog\"")?;
    let kind = section.word("sink", &KINDS)?;
    let formats = [
        ("ocsf", Format::Ocsf),
        ("ecs", Format::Ecs),
        ("cef", Format::Cef),
        ("ndjson", Format::Ndjson),
    ];
    let format = section.word("format", &formats);
    let includes = [("metadata", Include::Metadata), ("statements", Include::Statements)];
    let include = section.word("include", &includes);
    let begin = section.word("from", &[("beginning", Begin::Beginning), ("end", Begin::End)]);
    let sink = match kind {
        Kind::File => file(&mut section),
        Kind::Hec => hec(&mut section),
        Kind::Otlp => otlp(&mut section),
        Kind::S3 => s3(&mut section),
        Kind::Syslog => syslog(&mut section),
    };
    let gathered = match &sink {
        Some(SinkSettings::S3(settings)) => settings.gather_secs,
        _ => 0,
    };
    let limits = EXPORT_FAIL_CLOSED_SECS_MIN + gathered..=EXPORT_FAIL_CLOSED_SECS_MAX;
    let fail_closed_after_secs = section.integer("fail_closed_after_secs", limits);
    section.end();
    let (sink, format, include, begin) = (sink?, format?, include?, begin?);
    Some(ExportSettings { name, sink, format, include, begin, fail_closed_after_secs })
}

fn file(section: &mut Section<'_>) -> Option<SinkSettings> {
    let item = section.string_needed("path", "a file to append to")?;
    let path: PathBuf = section.page().path(item.value);
    let dir = path.parent().unwrap_or(Path::new(""));
    if item.value.is_empty() || !(dir.as_os_str().is_empty() || dir.is_dir()) {
        let what = said(&path, "stands in no folder that is there");
        section.mistake(item.at, format!("`path` {what}"));
        return None;
    }
    if path.exists() && !path.is_file() {
        section.mistake(item.at, format!("`path` {}", said(&path, "is not a regular file")));
        return None;
    }
    Some(SinkSettings::File { path })
}

fn hec(section: &mut Section<'_>) -> Option<SinkSettings> {
    let url = url(section);
    let ca_file = secret::authority(section, "ca_file");
    let token = secret::token(section, true);
    let ack = section.boolean("ack").is_none_or(|item| item.value);
    Some(SinkSettings::Hec(HecSettings { url: url?, ca_file, token: token?, ack }))
}

fn otlp(section: &mut Section<'_>) -> Option<SinkSettings> {
    let url = url(section);
    let ca_file = secret::authority(section, "ca_file");
    let token = secret::token(section, false);
    Some(SinkSettings::Otlp(OtlpSettings { url: url?, ca_file, token }))
}

fn s3(section: &mut Section<'_>) -> Option<SinkSettings> {
    let url = url(section);
    let ca_file = secret::authority(section, "ca_file");
    let plain = |extra: &'static [u8]| {
        move |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b))
    };
    let bucket = section.string_needed("bucket", "a bucket's name");
    let bucket = checked(section, "bucket", bucket, plain(b"-."), "letters, digits, `-`, `.`");
    let prefix = section.string("prefix", "what object names begin with");
    let prefix = match prefix {
        None => Some(String::new()),
        some => {
            let what = "letters, digits, `-`, `.`, `_`, `/`";
            checked(section, "prefix", some, plain(b"-._/"), what)
        }
    };
    let region = section.string("region", "a region such as eu-central-1");
    let region = match region {
        None => Some("us-east-1".to_owned()),
        some => checked(section, "region", some, plain(b"-"), "letters, digits, `-`"),
    };
    let access_key = section.string_needed("access_key", "the id of an access key");
    let what = "letters, digits, `-`, `_`";
    let access_key = checked(section, "access_key", access_key, plain(b"-_"), what);
    let secret_key = secret::secret_key(section);
    let gather_secs = section.integer("gather_secs", 1..=EXPORT_OBJECT_SECS_MAX);
    Some(SinkSettings::S3(S3Settings {
        url: url?,
        ca_file,
        bucket: bucket?,
        prefix: prefix?,
        region: region?,
        access_key: access_key?,
        secret_key: secret_key?,
        gather_secs: gather_secs.unwrap_or(EXPORT_OBJECT_SECS),
    }))
}

fn syslog(section: &mut Section<'_>) -> Option<SinkSettings> {
    let item = section.string_needed("address", "host:port of a receiver that speaks TLS");
    let given = section.string("server_name", "the name in the receiver's certificate");
    let ca_file = secret::authority(section, "ca_file");
    let tls_end = section.word("confirm", &[("close", false), ("close-notify", true)]);
    let item = item?;
    let Some((host, _)) = host_port(item.value) else {
        let shown = item.value.escape_debug();
        section.mistake(item.at, format!("`address` is \"{shown}\"; expected host:port"));
        return None;
    };
    let server_name = given.map_or(host, |given| given.value).to_owned();
    let address = item.value.to_owned();
    Some(SinkSettings::Syslog(SyslogSettings { address, server_name, ca_file, tls_end: tls_end? }))
}

/// `url`: https, or http on this machine; a host and a port, nothing behind them.
pub(super) fn url(section: &mut Section<'_>) -> Option<String> {
    let expected = "https://HOST:PORT, or http on a loopback address";
    let item = section.string_needed("url", expected)?;
    let text = item.value.trim_end_matches('/');
    let bare = text.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
    let good = match issuer_url(text) {
        Some(("https", _)) => bare,
        Some(("http", host)) => bare && is_loopback(host),
        _ => false,
    };
    if !good {
        // A URL may hold a password, so it isn't quoted.
        section.mistake(item.at, format!("`url` is not one to use; expected {expected}"));
        return None;
    }
    Some(text.to_owned())
}

fn checked(
    section: &Section<'_>,
    key: &str,
    item: Option<Item<&str>>,
    good: impl Fn(&str) -> bool,
    expected: &str,
) -> Option<String> {
    let item = item?;
    if item.value.is_empty() || !good(item.value) {
        let shown = item.value.escape_debug();
        section.mistake(item.at, format!("`{key}` is \"{shown}\"; expected {expected}"));
        return None;
    }
    Some(item.value.to_owned())
}
