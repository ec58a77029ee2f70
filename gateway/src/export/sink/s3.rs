//! Objects in an S3 bucket: one PUT a delivery, with a checksum that the store compares.
//!
//! The signature is AWS Signature Version 4, written here: it is one HMAC chain over aws-lc-rs,
//! and the crates for it bring a client, an XML reader and a second HTTP stack along.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Uri};
use time::OffsetDateTime;
use time::macros::format_description;

use super::http::{Http, content};
use super::{Record, Trouble};
use crate::audit::checkpoint::hex;
use crate::export::{Format, S3Settings};

pub(in crate::export) struct S3Sink {
    http: Http,
    settings: S3Settings,
    host: String,
    ending: &'static str,
}

/// What is signed of one request. Headers are sorted, in lower case.
struct Signed<'a> {
    method: &'a str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body_sha256: &'a str,
    region: &'a str,
    /// `YYYYMMDDTHHMMSSZ`.
    time: &'a str,
}

impl S3Sink {
    pub(super) fn new(settings: &S3Settings, format: Format) -> Result<Self, String> {
        let uri: Uri = settings.url.parse().map_err(|_| "`url` is no URL".to_owned())?;
        let host = uri.authority().ok_or("`url` names no host")?.to_string();
        let ending = if format == Format::Cef { "cef" } else { "ndjson" };
        let http = Http::new(settings.ca_file.as_deref())?;
        Ok(Self { http, settings: settings.clone(), host, ending })
    }

    /// Acknowledged by the store: it has compared the checksum and kept the object.
    pub(super) async fn deliver(&self, records: &[Record]) -> Result<(), Trouble> {
        let Some(name) = object(records) else { return Ok(()) };
        let mut body = String::new();
        for record in records {
            body.push_str(&record.line);
            body.push('\n');
        }
        let S3Settings { url, bucket, prefix, .. } = &self.settings;
        let path = format!("/{bucket}/{prefix}{name}.{}", self.ending);
        let hash = digest(&SHA256, body.as_bytes());
        let (sha256, checksum) = (hex(hash.as_ref()), STANDARD.encode(hash.as_ref()));
        let time = now().map_err(Trouble::Retry)?;
        let signed = [
            ("host", self.host.as_str()),
            ("x-amz-checksum-sha256", &checksum),
            ("x-amz-content-sha256", &sha256),
            ("x-amz-date", &time),
        ];
        let request = Signed {
            method: "PUT",
            path: &path,
            headers: &signed,
            body_sha256: &sha256,
            region: &self.settings.region,
            time: &time,
        };
        let secret = self.settings.secret_key.expose();
        let authorization = authorization(&request, &self.settings.access_key, secret);
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|error| Trouble::Retry(error.to_string()))
        };
        let headers = [
            ("authorization", value(&authorization)?),
            ("x-amz-checksum-sha256", value(&checksum)?),
            ("x-amz-content-sha256", value(&sha256)?),
            ("x-amz-date", value(&time)?),
            content("application/x-ndjson"),
        ];
        let url = format!("{}{path}", url.trim_end_matches('/'));
        let answer = self.http.send(Method::PUT, &url, &headers, Bytes::from(body)).await?;
        if answer.status == StatusCode::OK { Ok(()) } else { Err(Trouble::Retry(answer.words())) }
    }
}

/// `origin/FIRST-LAST`: the same entries sent again are the same object.
fn object(records: &[Record]) -> Option<String> {
    let (origin, rest) = records.first()?.uid.split_once('#')?;
    let mut indexes = records.iter().filter_map(|record| record.index);
    let name = match (indexes.next(), indexes.next_back()) {
        (Some(first), last) => format!("{first:020}-{:020}", last.unwrap_or(first)),
        (None, _) => rest.to_owned(),
    };
    Some(format!("{origin}/{name}"))
}

fn now() -> Result<String, String> {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    OffsetDateTime::now_utc().format(&form).map_err(|error| error.to_string())
}

/// The value of `Authorization` (AWS Signature Version 4 in a header, one chunk).
fn authorization(request: &Signed<'_>, access_key: &str, secret_key: &str) -> String {
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let headers: String =
        request.headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!(
        "{}\n{}\n\n{headers}\n{names}\n{}",
        request.method, request.path, request.body_sha256
    );
    let day = request.time.get(..8).unwrap_or_default();
    let scope = format!("{day}/{}/s3/aws4_request", request.region);
    let canonical = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{canonical}", request.time);
    let mut key = zeroize::Zeroizing::new(format!("AWS4{secret_key}").into_bytes());
    for step in [day, request.region, "s3", "aws4_request"] {
        key = zeroize::Zeroizing::new(mac(&key, step).as_ref().to_vec());
    }
    let signature = hex(mac(&key, &text).as_ref());
    format!(
        "AWS4-HMAC-SHA256 Credential={access_key}/{scope},SignedHeaders={names},\
         Signature={signature}"
    )
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Signed, authorization};

    /// "GET Object" of AWS's own examples for Signature Version 4 in S3.
    #[test]
    fn a_request_is_signed_as_in_the_examples() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let request = Signed {
            method: "GET",
            path: "/test.txt",
            headers: &[
                ("host", "examplebucket.s3.amazonaws.com"),
                ("range", "bytes=0-9"),
                ("x-amz-content-sha256", empty),
                ("x-amz-date", "20130524T000000Z"),
            ],
            body_sha256: empty,
            region: "us-east-1",
            time: "20130524T000000Z",
        };
        let key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let value = authorization(&request, "AKIAIOSFODNN7EXAMPLE", key);
        let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert!(value.ends_with(signature), "{value}");
    }
}
