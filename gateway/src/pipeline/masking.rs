//! Holds a judged request against what is hidden from its session.

use std::collections::HashMap;
use std::sync::Arc;

use super::forward::Forward;
use super::live::Live;
use crate::fault::{Blame, Fault};
use crate::policy::{
    Breach, FailedPlugin, Generation, Guarded, Hidden, Instances, Judged, MaskingMode,
};
use crate::protocol::postgres::replication;
use crate::protocol::{Class, Request, Statement};
use crate::upstream::catalogue::Reading;

/// What is known of hidden columns, for one policy and one reading of the catalogue. An ordinary
/// statement then costs a look at each relation it names.
#[derive(Debug, Default)]
pub(super) struct Guard {
    generation: Option<Arc<Generation>>,
    /// The policy hides any column at all.
    hides: bool,
    reading: Option<Arc<Reading>>,
    hidden: HashMap<u32, Hidden>,
    /// What a failing plugin left unknown: asked again next time.
    unsure: Vec<u32>,
    /// The plugins that failed at the last look and were gone on without.
    failed: Vec<FailedPlugin>,
}

impl Forward<'_> {
    /// The same judgement, denied if the request does with a hidden column what the policy's
    /// masking mode refuses.
    pub(super) async fn guarded(&mut self, generation: &Arc<Generation>, judged: Judged) -> Judged {
        let Some(request) = judged.open() else { return judged };
        if generation.protects(&self.instances)
            && let Some(fault) = request.facts().statements.iter().find_map(unmaskable)
        {
            return judged.refused("masking.stream", fault);
        }
        let (live, instances) = (self.live, &mut self.instances);
        let looked = self.guard.look(live, instances, generation, request).await;
        let failed = std::mem::take(&mut self.guard.failed);
        let judged = failed.iter().fold(judged, |judged, failed| {
            let FailedPlugin { plugin, on_error } = failed;
            let rule = format!("plugin_failed.{on_error}");
            let what = format!("policy plugin \"{plugin}\" failed when asked what it hides");
            judged.noted(&rule, what)
        });
        match looked {
            Ok(Look { breach: Some((mode, breach)), .. }) => {
                judged.refused(breach.rule, breach.fault(mode))
            }
            Ok(Look { looser: Some((mode, breach)), .. }) => {
                let what = format!("{}; let through in masking mode \"{mode}\"", breach.what());
                judged.noted(breach.rule, what)
            }
            Ok(_) => judged,
            Err(fault) => judged.refused(fault.code, fault),
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
struct Look {
    /// The mode refuses this.
    breach: Option<(MaskingMode, Breach)>,
    /// The strict mode would have refused this.
    looser: Option<(&'static str, Breach)>,
}

impl Guard {
    async fn look(
        &mut self,
        live: &Live,
        instances: &mut Instances,
        generation: &Arc<Generation>,
        request: &Request,
    ) -> Result<Look, Fault> {
        if !generation.masks() || !request.facts().statements.iter().any(needs_look) {
            return Ok(Look::default());
        }
        if !self.generation.as_ref().is_some_and(|known| Arc::ptr_eq(known, generation)) {
            let learned = generation.hides(instances)?;
            let hides = learned.columns.iter().any(Option::is_some);
            let known = learned.failed.is_empty().then(|| Arc::clone(generation));
            let failed = learned.failed;
            *self = Self { generation: known, hides, failed, ..Self::default() };
        }
        if !self.hides {
            return Ok(Look::default());
        }
        let statements = &request.facts().statements;
        let reading = self.learn(live, instances, generation, statements).await?;
        let masking = &generation.settings().masking;
        let (catalogue, hidden) = (reading.catalogue(), &self.hidden);
        let first = |mode| {
            let guarded = Guarded { mode, masking, catalogue, hidden };
            statements.iter().find_map(|statement| guarded.breach(statement))
        };
        if let Some(breach) = first(masking.mode) {
            return Ok(Look { breach: Some((masking.mode, breach)), looser: None });
        }
        if masking.mode == MaskingMode::Strict {
            return Ok(Look::default());
        }
        let looser = first(MaskingMode::Strict).map(|breach| (masking.mode.word(), breach));
        Ok(Look { breach: None, looser })
    }

    /// Learns what is hidden of the relations that statements name.
    async fn learn(
        &mut self,
        live: &Live,
        instances: &mut Instances,
        generation: &Generation,
        statements: &[Statement],
    ) -> Result<Arc<Reading>, Fault> {
        let objects = statements.iter().flat_map(|statement| &statement.objects);
        let mut names: Vec<&str> =
            objects.filter(|one| one.kind == "relation").map(|one| one.name.as_str()).collect();
        let uses = statements.iter().flat_map(|statement| &statement.uses);
        let tls = live.target.tls.as_ref();
        let catalogues = &live.target.catalogues;
        let settings = &live.target.settings;
        let reading =
            catalogues.reading(settings, tls, &live.session, &names, live.changing()).await?;
        names.extend(uses.map(|one| one.relation.as_str()).filter(|name| !name.is_empty()));
        if !self.reading.as_ref().is_some_and(|known| Arc::ptr_eq(known, &reading)) {
            self.hidden.clear();
            self.reading = Some(Arc::clone(&reading));
        }
        for oid in self.unsure.drain(..) {
            self.hidden.remove(&oid);
        }
        let catalogue = reading.catalogue();
        for oid in names.into_iter().flat_map(|name| catalogue.resolve(name)) {
            if self.hidden.contains_key(&oid) {
                continue;
            }
            let columns = catalogue.relation_columns(oid);
            let learned = generation.hidden(instances, &columns)?;
            if !learned.failed.is_empty() {
                self.unsure.push(oid);
                self.failed = learned.failed;
            }
            let pairs = columns.into_iter().zip(learned.columns);
            let hidden = pairs.filter_map(|(column, plan)| Some((column.name, plan?))).collect();
            self.hidden.insert(oid, Arc::new(hidden));
        }
        Ok(reading)
    }
}

/// The refusal of a stream or a backup where anything is masked: neither tells values apart, so
/// no mask can be put on them, in no mode.
fn unmaskable(statement: &Statement) -> Option<Fault> {
    if !replication::streams(statement) && !replication::backs_up(statement) {
        return None;
    }
    let message = format!(
        "`{}` sends values that can't be masked, and the policy of this target masks \
         (rule masking.stream)",
        statement.verb
    );
    Some(Fault::new(Blame::Policy, "masking_refused", "42501", message).hint(
        "Nothing was run and the connection stays usable. Only a target whose policy has no \
         plugin that masks can be replicated; ask the operator of this gateway.",
    ))
}

/// False for statements that touch nothing: transactions, settings, constants and the like.
fn needs_look(statement: &Statement) -> bool {
    !statement.uses.is_empty()
        || statement.objects.iter().any(|object| object.kind != "setting")
        || statement.class >= Class::Code
}
