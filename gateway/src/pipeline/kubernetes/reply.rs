//! Answers of an API server on their way back: masked, recorded, released.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::CONTENT_TYPE;

use super::visit::Visit;
use crate::downstream::http::{AnswerBody, Head, Stream};
use crate::fault::{Blame, Fault};
use crate::limits::{KUBERNETES_DOCUMENT_BYTES_MAX, KUBERNETES_EVENT_BYTES_MAX};
use crate::policy::document::{answered, failed, stream};
use crate::policy::{Generation, Instances, Judged, Masked};
use crate::protocol::kubernetes::Asked;
use crate::protocol::kubernetes::path::RequestInfo;
use crate::upstream::kubernetes::Answer;

/// How an answer is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// Whole, as one document.
    Document,
    /// Line by line, a document each.
    Events,
    /// Line by line, as text.
    Lines,
    /// As it comes: nothing in it is hidden.
    Plain,
}

fn way(generation: &Generation, info: &RequestInfo) -> Way {
    match (info.verb.as_str(), info.subresource.as_str()) {
        _ if !info.is_resource || !generation.masks() => Way::Plain,
        ("watch", _) => Way::Events,
        (_, "log") => Way::Lines,
        _ => Way::Document,
    }
}

/// The same judgement after a look at what the request does with hidden values.
pub(super) fn guarded(
    generation: &Generation,
    instances: &mut Instances,
    info: &RequestInfo,
    asked: &Asked,
    judged: Judged,
) -> Judged {
    if !generation.masks() || judged.open().is_none() {
        return judged;
    }
    if info.subresource == "proxy" || info.verb == "proxy" {
        let message = "values are hidden here, and what is proxied can't be masked";
        return judged.refused("masking.outside", closed(message.to_owned()));
    }
    match generation.patched_from_hidden(instances, info, asked) {
        Ok(None) => judged,
        Ok(Some(path)) => {
            let message =
                format!("the patch tests or copies {path}, which is hidden (rule masking.copy)");
            judged.refused("masking.copy", closed(message))
        }
        Err(fault) => judged.refused("plugin_failed", fault),
    }
}

fn closed(message: String) -> Fault {
    Fault::new(Blame::Policy, "masking_refused", "42501", message)
        .hint("Nothing was done. The same request gets the same answer, so do not repeat it.")
}

/// Takes an answer back to the client.
pub(super) async fn relay(
    visit: Arc<Visit>,
    generation: Arc<Generation>,
    info: RequestInfo,
    number: u64,
    answer: Result<Answer, Fault>,
) -> Result<Response<AnswerBody>, Fault> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(fault) => {
            visit.recorder.release(vec![(number, failed(&fault))]).await?.await?;
            return Err(fault);
        }
    };
    match way(&generation, &info) {
        Way::Document => whole(&visit, &generation, &info, number, answer).await,
        way => begin(visit, generation, info, number, answer, way).await,
    }
}

async fn whole(
    visit: &Visit,
    generation: &Generation,
    info: &RequestInfo,
    number: u64,
    mut answer: Answer,
) -> Result<Response<AnswerBody>, Fault> {
    let masked = match collect(visit, &mut answer).await {
        Ok(bytes) if bytes.is_empty() => Ok(vec![stream(bytes)]),
        Ok(bytes) => {
            let mut instances = visit.instances();
            let masked = generation.mask_document(&mut instances, info, bytes);
            visit.give_back(instances).await;
            masked
        }
        Err(fault) => Err(fault),
    };
    match masked {
        Ok(masked) => {
            let parts = masked.into_iter().chain([answered(answer.status)]);
            let parts = parts.map(|part| (number, part)).collect();
            let release = visit.recorder.release(parts).await?.await?;
            Ok(Head::of(answer.status, &answer.headers).released(release))
        }
        Err(fault) => {
            visit.recorder.release(vec![(number, failed(&fault))]).await?.await?;
            Err(fault)
        }
    }
}

async fn collect(visit: &Visit, answer: &mut Answer) -> Result<Bytes, Fault> {
    let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    let mut bytes = BytesMut::new();
    while let Some(piece) = next(visit, answer).await? {
        if bytes.len() + piece.len() > KUBERNETES_DOCUMENT_BYTES_MAX {
            let message = format!(
                "the answer is longer than {KUBERNETES_DOCUMENT_BYTES_MAX} bytes and holds hidden \
                 values, so it is withheld"
            );
            return Err(Fault::new(Blame::Upstream, "reply_too_large", "54000", message)
                .hint("Ask for it in chunks (kubectl --chunk-size=100), or for one namespace."));
        }
        bytes.extend_from_slice(&piece);
    }
    if !bytes.is_empty() && !kind.starts_with("application/json") {
        let shown = kind.escape_debug();
        let message = format!("the answer is \"{shown}\", which can't be masked: it is withheld");
        return Err(Fault::new(Blame::Upstream, "reply_malformed", "08P01", message));
    }
    Ok(bytes.freeze())
}

/// The next piece, unless the session ends before it.
async fn next(visit: &Visit, answer: &mut Answer) -> Result<Option<Bytes>, Fault> {
    tokio::select! {
        biased;
        fault = visit.ended() => Err(fault),
        piece = answer.piece() => piece,
    }
}

/// Begins an answer that comes piece by piece; the rest follows in a task of its own.
async fn begin(
    visit: Arc<Visit>,
    generation: Arc<Generation>,
    info: RequestInfo,
    number: u64,
    answer: Answer,
    way: Way,
) -> Result<Response<AnswerBody>, Fault> {
    // The status counts as recorded before anything of the answer leaves.
    visit.recorder.release(vec![(number, answered(answer.status))]).await?.await?;
    let (to_client, response) = Head::of(answer.status, &answer.headers).streamed();
    let mut flow = Flow { visit, generation, info, number, way, rest: BytesMut::new() };
    tokio::spawn(async move { flow.run(answer, to_client).await });
    Ok(response)
}

/// An answer under way.
struct Flow {
    visit: Arc<Visit>,
    generation: Arc<Generation>,
    info: RequestInfo,
    number: u64,
    way: Way,
    /// A line that has no end yet.
    rest: BytesMut,
}

impl Flow {
    async fn run(&mut self, mut answer: Answer, mut to_client: Stream) {
        match self.pieces(&mut answer, &mut to_client).await {
            Ok(()) => {}
            Err(fault) => {
                // Nothing more can be done for it when the log fails too.
                if let Ok(pending) =
                    self.visit.recorder.release(vec![(self.number, failed(&fault))]).await
                {
                    let _ = pending.await;
                }
                to_client.break_off(fault);
            }
        }
    }

    async fn pieces(&mut self, answer: &mut Answer, to_client: &mut Stream) -> Result<(), Fault> {
        let mut going = true;
        while going {
            let piece = next(&self.visit, answer).await?;
            going = piece.is_some();
            let bytes = self.ready(piece)?;
            if bytes.is_empty() {
                continue;
            }
            let masked = self.masked(bytes).await?.into_iter().map(|part| (self.number, part));
            let release = self.visit.recorder.release(masked.collect()).await?.await?;
            if !to_client.send(release).await {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What can be looked at: whole lines, or the last one at the end.
    fn ready(&mut self, piece: Option<Bytes>) -> Result<Bytes, Fault> {
        let Some(piece) = piece else { return Ok(self.rest.split().freeze()) };
        if self.way == Way::Plain {
            return Ok(piece);
        }
        self.rest.extend_from_slice(&piece);
        if let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') {
            return Ok(self.rest.split_to(end + 1).freeze());
        }
        if self.rest.len() > KUBERNETES_EVENT_BYTES_MAX {
            let message = format!(
                "a line of the answer is longer than {KUBERNETES_EVENT_BYTES_MAX} bytes, too long \
                 to be masked"
            );
            return Err(Fault::new(Blame::Upstream, "reply_too_large", "54000", message));
        }
        Ok(Bytes::new())
    }

    async fn masked(&self, bytes: Bytes) -> Result<Vec<Masked>, Fault> {
        if self.way == Way::Plain {
            return Ok(vec![stream(bytes)]);
        }
        let mut instances = self.visit.instances();
        let masked = match self.way {
            Way::Lines => self.generation.mask_lines(&mut instances, &self.info, &bytes),
            _ => self.generation.mask_events(&mut instances, &self.info, &bytes),
        };
        self.visit.give_back(instances).await;
        masked
    }
}
