//! What an approval is bound to: one hash over everything that decides what a request does.

use aws_lc_rs::digest::{Context, SHA256};

use crate::policy::Held;
use crate::session::Session;

/// Names the encoding, so that a later one never gives the same hash.
const VERSION: &str = "portcullis approval 1";

/// SHA-256, hex, of a canonical encoding: every field in a fixed order, each byte string led by
/// its length and each list by its count, so that no two inputs share an encoding.
pub(super) fn hash(held: &Held, session: &Session) -> String {
    let mut fields = Fields(Context::new(&SHA256));
    fields.text(VERSION);
    who(&mut fields, session);
    fields.text(session.target());
    fields.text(session.role());
    fields.text(session.database());
    fields.text(session.protocol());
    what(&mut fields, held);
    fields.text(&held.ruling.policy_digest);
    fields.count(held.ruling.plugins.len());
    for plugin in held.ruling.plugins.iter() {
        fields.text(&plugin.name);
        fields.text(&plugin.digest);
        fields.text(&plugin.settings_digest);
    }
    fields.finish()
}

fn who(fields: &mut Fields, session: &Session) {
    let claims = session.principal().claims();
    fields.text(&claims.issuer);
    fields.text(&claims.subject);
    fields.option(claims.uid.as_deref().map(str::as_bytes));
    fields.option(claims.client.as_deref().map(str::as_bytes));
    fields.count(claims.actors.len());
    for actor in &claims.actors {
        fields.text(&actor.subject);
        fields.option(actor.profile.as_deref().map(str::as_bytes));
    }
}

fn what(fields: &mut Fields, held: &Held) {
    let request = &held.request;
    fields.text(&format!("{:?}", request.kind()));
    fields.text(request.text());
    fields.bytes(request.wire());
    fields.count(request.parameters().len());
    for parameter in request.parameters() {
        fields.flag(parameter.binary);
        fields.option(parameter.value.as_deref());
    }
    let state = request.state();
    fields.text(&format!("{:?}", state.block));
    fields.option(state.role.as_deref().map(str::as_bytes));
    fields.option(state.search_path.as_deref().map(str::as_bytes));
}

struct Fields(Context);

impl Fields {
    fn count(&mut self, count: usize) {
        self.0.update(&u64::try_from(count).unwrap_or(u64::MAX).to_be_bytes());
    }

    fn flag(&mut self, flag: bool) {
        self.0.update(&[u8::from(flag)]);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn option(&mut self, bytes: Option<&[u8]>) {
        self.flag(bytes.is_some());
        self.bytes(bytes.unwrap_or_default());
    }

    fn finish(self) -> String {
        super::question::hex(self.0.finish().as_ref())
    }
}
