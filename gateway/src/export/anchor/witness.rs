//! An anchor that is a C2SP witness: it cosigns a checkpoint only when that follows the one before.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, StatusCode};

use super::super::wall;
use super::Trouble;
use super::request::{AddCheckpoint, size};
use crate::audit::Standing;
use crate::export::sink::Trouble as Undelivered;
use crate::export::sink::http::{Answer, Http, content};
use crate::limits::ANCHOR_SKEW_SECS_MAX;
use crate::note::cosignature::CosignerKey;

/// The witness.
pub(super) struct Witness {
    http: Http,
    url: String,
    key: CosignerKey,
    /// Where the newest cosigned checkpoint is kept, for those who verify later.
    copy: PathBuf,
    /// Size that it cosigned last, as far as is known here.
    known: u64,
}

fn unreachable(why: impl Into<String>) -> Trouble {
    Trouble::Unreachable(why.into())
}

impl Witness {
    pub(super) fn new(
        url: &str,
        key: CosignerKey,
        ca_file: Option<&Path>,
        copy: PathBuf,
    ) -> Result<Self, String> {
        let url = format!("{url}/add-checkpoint");
        Ok(Self { http: Http::new(ca_file)?, url, key, copy, known: 0 })
    }

    /// Has the log's newest checkpoint cosigned; gives the size that was cosigned before.
    pub(super) async fn show(&mut self, standing: &Standing) -> Result<Option<u64>, Trouble> {
        let first = self.ask(standing, self.known.min(standing.size())).await?;
        let (answer, old) = match first.status {
            StatusCode::CONFLICT => {
                let old = self.conflict(&first, standing)?;
                (self.ask(standing, old).await?, old)
            }
            _ => (first, self.known.min(standing.size())),
        };
        match answer.status {
            StatusCode::OK => {}
            StatusCode::CONFLICT => {
                // It was asked with its own size, so it is the root that differs.
                let again = self.conflict(&answer, standing)?;
                let what = if again == old && old == standing.size() {
                    format!("it has seen another log of {old} entries")
                } else {
                    return Err(unreachable("another checkpoint came between; trying again"));
                };
                return Err(Trouble::Contradiction(what));
            }
            StatusCode::UNPROCESSABLE_ENTITY => {
                let what = format!("the first {old} entries are not those that it has seen");
                return Err(Trouble::Contradiction(what));
            }
            StatusCode::FORBIDDEN => {
                let what = "it knows this log by another key".to_owned();
                return Err(Trouble::Contradiction(what));
            }
            StatusCode::NOT_FOUND => {
                let origin = standing.origin();
                return Err(unreachable(format!(
                    "it does not know the log {origin}: give its operator the file log.vkey"
                )));
            }
            _ => return Err(unreachable(answer.words())),
        }
        self.keep(standing, &answer)?;
        self.known = standing.size();
        Ok((old > 0).then_some(old))
    }

    async fn ask(&self, standing: &Standing, old: u64) -> Result<Answer, Trouble> {
        let proof = standing.consistency(old).map_err(|error| unreachable(error.to_string()))?;
        let checkpoint = standing.checkpoint().to_owned();
        let body = AddCheckpoint { old, proof, checkpoint }.text();
        let headers = [content("text/plain; charset=utf-8")];
        let sent = self.http.send(Method::POST, &self.url, &headers, Bytes::from(body)).await;
        sent.map_err(|trouble| match trouble {
            Undelivered::Retry(why) => unreachable(why),
            Undelivered::Refused(_) => unreachable("it refuses the request"),
        })
    }

    /// The size that the witness says it has.
    fn conflict(&self, answer: &Answer, standing: &Standing) -> Result<u64, Trouble> {
        let body = std::str::from_utf8(&answer.body).ok();
        let seen = body.and_then(|body| size(body.strip_suffix('\n')?));
        let seen = seen.ok_or_else(|| unreachable("its 409 holds no size"))?;
        if seen > standing.size() {
            let has = standing.size();
            let what = format!("it has seen {seen} entries, the log has {has}");
            return Err(Trouble::Contradiction(what));
        }
        Ok(seen)
    }

    /// Checks the cosignature, and keeps it with the checkpoint.
    fn keep(&self, standing: &Standing, answer: &Answer) -> Result<(), Trouble> {
        let note = standing.checkpoint();
        let text = note.split_once("\n\n").map_or(note, |(text, _)| text);
        let lines =
            std::str::from_utf8(&answer.body).map_err(|_| unreachable("its answer is not text"))?;
        let (time, line) = self
            .key
            .cosigned(&format!("{text}\n"), lines)
            .ok_or_else(|| unreachable("its answer holds no cosignature by its key"))?;
        let now = wall() / 1_000_000_000;
        if now.abs_diff(time) > ANCHOR_SKEW_SECS_MAX {
            return Err(unreachable(format!(
                "its cosignature is from another time ({time}, and it is {now}): one of the \
                 clocks is wrong, or an old answer was shown again"
            )));
        }
        let written = || {
            let folder = self.copy.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(format!("{note}{line}\n").as_bytes())?;
            file.persist(&self.copy).map_err(|error| error.error)
        };
        match written() {
            Ok(_) => Ok(()),
            Err(error) => Err(unreachable(format!("{}: {error}", self.copy.display()))),
        }
    }
}
