//! Counting what a result gives out. Plugins that meter are asked about each part before it is
//! released, and may end the result there.

use std::sync::Arc;
use std::time::SystemTime;

use super::failing::Act;
use super::generation::Generation;
use super::host::exports::meter::{Metering, Part};
use super::host::{Failure, wit};
use super::instances::Instances;
use super::plan::{ResultPlan, withheld};
use super::plugin::Plugin;
use super::{Finding, Masked};
use crate::fault::{Blame, Fault};

/// What was given out of one result.
#[derive(Debug)]
pub(super) struct Meter {
    generation: Arc<Generation>,
    rows: u64,
    bytes: u64,
    /// Plugins, by place, that are not asked about this result any more.
    done: Vec<usize>,
}

impl ResultPlan {
    /// The same plan, for a result that this policy's plugins count.
    #[must_use]
    pub fn metered_by(mut self, generation: &Arc<Generation>) -> Self {
        let meter =
            || Meter { generation: Arc::clone(generation), rows: 0, bytes: 0, done: Vec::new() };
        self.meter = generation.meters().then(meter);
        self
    }

    /// The same part with what plugins were found to do while it was counted.
    pub fn counted(&self, masked: Masked) -> Masked {
        Masked { marks: self.marks(), ..masked }
    }

    /// Has a part of so many rows and bytes counted, before it is released. Gives what is to be
    /// recorded of it.
    ///
    /// # Errors
    /// A plugin ends the result, or failed: neither this part nor any behind it may be released.
    pub fn count(
        &mut self,
        instances: &mut Instances,
        approved: bool,
        (rows, bytes): (u64, u64),
    ) -> Result<Vec<Finding>, Fault> {
        if let Some(fault) = &self.halted {
            return Err(fault.clone());
        }
        let Some(mut meter) = self.meter.take() else { return Ok(Vec::new()) };
        let part = meter.part(approved, rows, bytes);
        let heard = self.ask(&mut meter, instances, &part);
        self.meter = Some(meter);
        heard.inspect_err(|fault| self.halted = Some(fault.clone()))
    }

    fn ask(
        &mut self,
        meter: &mut Meter,
        instances: &mut Instances,
        part: &Part,
    ) -> Result<Vec<Finding>, Fault> {
        let generation = Arc::clone(&meter.generation);
        let mut notes = Vec::new();
        for (index, plugin) in generation.plugins().iter().enumerate() {
            if !plugin.meters() || meter.done.contains(&index) {
                continue;
            }
            let acts = instances.acts(plugin);
            match observe(&generation, instances, index, plugin, part) {
                Ok((Metering::Pass, _)) => {}
                Ok((Metering::Note(_), note)) => notes.extend(note.filter(|_| acts)),
                Ok((Metering::Stop(refusal), _)) if acts => {
                    return Err(stopped(&plugin.stamp.name, &refusal));
                }
                Ok((Metering::Stop(refusal), _)) => {
                    meter.done.push(index);
                    self.shadow_ended(&plugin.stamp.name, &refusal.reason);
                }
                Err(failure) => {
                    // No mask makes up for what was not counted.
                    let act = plugin.settings().on_error.at(SystemTime::now());
                    if acts && !matches!(act, Act::Allow(_)) {
                        return Err(withheld(failure));
                    }
                    meter.done.push(index);
                    self.endure(plugin, acts, failure, |_| false)?;
                }
            }
        }
        Ok(notes)
    }
}

impl Meter {
    /// Counts a part.
    fn part(&mut self, approved: bool, rows: u64, bytes: u64) -> Part {
        let (rows_before, bytes_before) = (self.rows, self.bytes);
        self.rows = self.rows.saturating_add(rows);
        self.bytes = self.bytes.saturating_add(bytes);
        let approved = approved.then(|| ("approved".to_owned(), "true".to_owned()));
        let attributes = approved.into_iter().collect();
        Part { rows, bytes, rows_before, bytes_before, attributes }
    }
}

fn observe(
    generation: &Generation,
    instances: &mut Instances,
    index: usize,
    plugin: &Plugin,
    part: &Part,
) -> Result<(Metering, Option<Finding>), Failure> {
    let mut live = instances.take(generation, index)?;
    match live.observe(instances.who(), part) {
        Ok(answer) => {
            instances.put(generation, index, live);
            Ok(answer)
        }
        Err(failure) => {
            instances.troubles().failed(plugin, &failure);
            Err(failure)
        }
    }
}

fn stopped(plugin: &str, refusal: &wit::Refusal) -> Fault {
    let message = format!(
        "policy plugin \"{plugin}\" ended this result: {} (rule {})",
        refusal.reason, refusal.rule
    );
    Fault::new(Blame::Policy, "result_stopped", "53400", message).hint(
        "Rows from here on are withheld; the statement itself has run. Ask for fewer rows or \
         columns, or ask the operator of this gateway.",
    )
}
