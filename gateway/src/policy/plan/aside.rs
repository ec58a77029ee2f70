//! What is kept of plugins that fail, and of plugins that do not act.

use std::sync::Arc;
use std::time::SystemTime;

use super::{FAILED_REDACTED, MaskedColumn, ResultPlan, withheld};
use crate::fault::Fault;
use crate::limits::ENTRY_LIST_ITEMS_MAX;
use crate::policy::failing::{Act, FailedPlugin};
use crate::policy::host::{Failure, wit};
use crate::policy::mode::{Marks, ShadowMasking};
use crate::policy::plugin::{Live, Plugin};

impl ResultPlan {
    /// What the record of a part says of the plugins.
    pub(in crate::policy) fn marks(&self) -> Arc<Marks> {
        Arc::clone(&self.marks)
    }

    /// Notes what a plugin that does not act would have hidden; returns what it would look at.
    pub(super) fn overhear(
        &mut self,
        live: Live,
        answers: &[wit::ColumnPlan],
    ) -> (Live, Vec<bool>) {
        let hides = |answer: &wit::ColumnPlan| matches!(answer, wit::ColumnPlan::Mask(_));
        let position = |at: usize| u32::try_from(at.saturating_add(1)).unwrap_or(u32::MAX);
        let hidden = answers.iter().enumerate().filter(|(_, answer)| hides(answer));
        let hidden = hidden.map(|(at, _)| position(at)).take(ENTRY_LIST_ITEMS_MAX).collect();
        let (plugin, ended) = (live.name().to_owned(), String::new());
        let shadow = &mut Arc::make_mut(&mut self.marks).shadow;
        shadow.push(ShadowMasking { plugin, hidden, cells: 0, ended });
        let looks = |answer: &wit::ColumnPlan| matches!(answer, wit::ColumnPlan::Inspect);
        (live, answers.iter().map(looks).collect())
    }

    /// A plugin failed at the columns that `missed` names: what its policy says of that.
    pub(in crate::policy) fn endure(
        &mut self,
        plugin: &Plugin,
        acts: bool,
        failure: Failure,
        missed: impl Fn(usize) -> bool,
    ) -> Result<(), Fault> {
        let name = &plugin.stamp.name;
        if !acts {
            self.shadow_ended(name, &failure.what);
            return Ok(());
        }
        let act = plugin.settings().on_error.at(SystemTime::now());
        let Some(on_error) = act.word() else { return Err(withheld(failure)) };
        if act == Act::Redact {
            self.cover(name, missed);
        }
        let (plugin, on_error) = (name.clone(), on_error.to_owned());
        Arc::make_mut(&mut self.marks).failed.push(FailedPlugin { plugin, on_error });
        Ok(())
    }

    /// Hides whole columns, since the plugin that should have looked at them can't.
    fn cover(&mut self, plugin: &str, missed: impl Fn(usize) -> bool) {
        for (position, planned) in self.columns.iter_mut().enumerate() {
            if missed(position) {
                planned.mask = Some(wit::Mask::NullOut);
                let (name, plugin) = (planned.name.clone(), plugin.to_owned());
                let rule = FAILED_REDACTED.to_owned();
                self.masked.push(MaskedColumn { position, name, plugin, rule });
            }
        }
        self.hidden = self.masked.as_slice().into();
    }

    pub(in crate::policy) fn shadow_ended(&mut self, plugin: &str, why: &str) {
        let shadow = &mut Arc::make_mut(&mut self.marks).shadow;
        match shadow.iter_mut().find(|it| it.plugin == plugin) {
            Some(one) => why.clone_into(&mut one.ended),
            None => shadow.push(ShadowMasking {
                plugin: plugin.to_owned(),
                hidden: Vec::new(),
                cells: 0,
                ended: why.to_owned(),
            }),
        }
    }

    /// What a plugin that does not act would have replaced in the part under way.
    pub(super) fn shadow_cells(&mut self, plugin: &str, cells: u64) {
        let known = self.marks.shadow.iter().find(|it| it.plugin == plugin);
        if known.is_none_or(|known| known.cells == cells) {
            return;
        }
        let shadow = &mut Arc::make_mut(&mut self.marks).shadow;
        if let Some(one) = shadow.iter_mut().find(|it| it.plugin == plugin) {
            one.cells = cells;
        }
    }
}
