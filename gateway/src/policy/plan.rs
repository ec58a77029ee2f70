//! Masking a result: every masker plans it once, the host masks, and only the cells of
//! `inspect` columns are shown to a plugin.

mod aside;

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::hmac;
use bytes::Bytes;

use super::Masked;
use super::failing::{Act, FailedPlugin, Troubles};
use super::generation::Generation;
use super::host::{Failure, wit};
use super::instances::Instances;
use super::mask::{self, Shape};
use super::masking::HiddenColumn;
use super::meter::Meter;
use super::mode::Marks;
use super::plugin::{Live, Plugin};
use super::scan::{self, Edits, Halt};
use super::text;
use crate::fault::{Blame, Fault};
use crate::limits::{MASK_TEXT_BYTES_MAX, RESULT_COLUMNS_MAX};
use crate::protocol::postgres::lineage::ANY_ORIGIN;
use crate::protocol::postgres::rows::{self, Cell};
use crate::protocol::{Column, Rows};

/// The rule of what is hidden because a plugin failed.
const FAILED_REDACTED: &str = "plugin_failed_redacted";

/// What becomes of the rows of one result. Lives as long as the result.
#[derive(Debug)]
pub struct ResultPlan {
    columns: Vec<Planned>,
    scanners: Vec<Scanner>,
    masked: Vec<MaskedColumn>,
    /// The same once planning is done, shared with every part of the result.
    hidden: Arc<[MaskedColumn]>,
    key: Arc<hmac::Key>,
    marks: Arc<Marks>,
    troubles: Arc<Troubles>,
    /// Once rows had to be withheld, all that follow are.
    pub(super) halted: Option<Fault>,
    /// What was given out so far, where that is counted.
    pub(super) meter: Option<Meter>,
}

/// A column that is hidden, and by which rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MaskedColumn {
    /// Position in the result, from 0.
    pub position: usize,
    /// The name the client sees.
    pub name: String,
    /// The plugin that asked for it, or `core`.
    pub plugin: String,
    /// The rule.
    pub rule: String,
}

/// What becomes of a cell that is too large to be masked by its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Large {
    /// Its column is not hidden.
    Shown,
    /// Its mask is the same for every value.
    Replaced,
    /// Its mask, or a plugin, would have to see all of it.
    Null,
}

/// What was masked of one large row.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    masked_cells: u64,
    hidden: Arc<[MaskedColumn]>,
    marks: Arc<Marks>,
}

impl Seen {
    pub(super) fn of(masked_cells: u64, plan: &ResultPlan) -> Self {
        Self { masked_cells, hidden: Arc::clone(&plan.hidden), marks: plan.marks() }
    }

    /// A piece of the row; the last one counts it.
    pub(super) fn masked(self, frames: Bytes, last: bool) -> Masked {
        let rows = u64::from(last);
        let masked_cells = if last { self.masked_cells } else { 0 };
        let Self { hidden, marks, .. } = self;
        Masked { frames, rows, masked_cells, hidden, outcome: None, marks }
    }
}

#[derive(Debug)]
struct Planned {
    name: String,
    shape: Shape,
    mask: Option<wit::Mask>,
}

/// A plugin that looks at cells, kept alive for the length of the result.
#[derive(Debug)]
struct Scanner {
    live: Live,
    inspects: Vec<bool>,
    /// What it says counts.
    acts: bool,
}

/// What is known of the hidden columns of a relation.
#[derive(Debug, Default)]
pub struct Learned {
    /// For each column whether it is hidden, and how.
    pub columns: Vec<Option<HiddenColumn>>,
    /// Plugins that failed and were gone on without; ask again next time.
    pub failed: Vec<FailedPlugin>,
}

impl Generation {
    /// Has every masker plan a result; the strictest plan of each column counts.
    ///
    /// # Errors
    /// A plugin failed or the result has too many columns: the result must be withheld.
    pub fn plan(&self, instances: &mut Instances, columns: &[Column]) -> Result<ResultPlan, Fault> {
        let planned = |column: &Column| Planned {
            name: column.name.clone(),
            shape: Shape::of(column),
            mask: None,
        };
        let mut plan = ResultPlan {
            columns: columns.iter().map(planned).collect(),
            scanners: Vec::new(),
            masked: Vec::new(),
            hidden: Arc::default(),
            key: self.mask_key().clone(),
            marks: Arc::new(Marks { plugins: Arc::clone(self.stamps()), ..Marks::default() }),
            troubles: Arc::clone(instances.troubles()),
            halted: None,
            meter: None,
        };
        if columns.is_empty() || !self.masks() {
            return Ok(plan);
        }
        if columns.len() > RESULT_COLUMNS_MAX {
            let message = format!("a result may have at most {RESULT_COLUMNS_MAX} columns");
            return Err(Fault::new(Blame::Upstream, "reply_malformed", "08P01", message));
        }
        let shown: Vec<wit::Column> = columns.iter().map(shown).collect();
        for (index, plugin) in self.plugins().iter().enumerate().filter(|(_, it)| it.masks()) {
            let acts = instances.acts(plugin);
            let answered = self.answers(instances, index, plugin, &shown);
            let taken = answered.and_then(|(live, answers)| match acts {
                true => plan.include(columns, &live, answers).map(|inspects| (live, inspects)),
                false => Ok(plan.overhear(live, &answers)),
            });
            match taken {
                Ok((live, inspects)) if inspects.contains(&true) => {
                    // It keeps the place in its result; another result gets another instance.
                    plan.scanners.push(Scanner { live, inspects, acts });
                }
                Ok((live, _)) => instances.put(self, index, live),
                Err(failure) => plan.endure(plugin, acts, failure, |_| true)?,
            }
        }
        plan.drop_blind_scanners();
        plan.hidden = plan.masked.as_slice().into();
        Ok(plan)
    }

    /// What one masker says of some columns, and the instance that said it.
    fn answers(
        &self,
        instances: &mut Instances,
        index: usize,
        plugin: &Plugin,
        shown: &[wit::Column],
    ) -> Result<(Live, Vec<wit::ColumnPlan>), Failure> {
        let mut live = instances.take(self, index)?;
        match live.plan(instances.who(), shown) {
            Ok(answers) => Ok((live, answers)),
            Err(failure) => {
                instances.troubles().failed(plugin, &failure);
                Err(failure)
            }
        }
    }
}

impl Generation {
    /// Which of these columns are hidden, and how. Columns that a plugin only looks at are not:
    /// it looks again whenever their values are read.
    ///
    /// # Errors
    /// A plugin failed: what the columns are asked for must be refused.
    pub fn hidden(&self, instances: &mut Instances, columns: &[Column]) -> Result<Learned, Fault> {
        let shown: Vec<wit::Column> = columns.iter().map(shown).collect();
        let mut learned = Learned { columns: vec![None; columns.len()], failed: Vec::new() };
        for (index, plugin) in self.plugins().iter().enumerate().filter(|(_, it)| it.masks()) {
            if !instances.acts(plugin) {
                continue;
            }
            let answers = match self.answers(instances, index, plugin, &shown) {
                Ok((live, answers)) => {
                    instances.put(self, index, live);
                    answers
                }
                Err(failure) => {
                    let act = plugin.settings().on_error.at(SystemTime::now());
                    let Some(on_error) = act.word() else {
                        return Err(failure.fault("the request was refused"));
                    };
                    let plugin = plugin.stamp.name.clone();
                    learned.failed.push(FailedPlugin { plugin, on_error: on_error.to_owned() });
                    let rule = FAILED_REDACTED.to_owned();
                    let all = wit::ColumnPlan::Mask(wit::MaskBy { mask: wit::Mask::NullOut, rule });
                    let every = if act == Act::Redact { all } else { wit::ColumnPlan::Pass };
                    vec![every; columns.len()]
                }
            };
            for ((slot, column), answer) in learned.columns.iter_mut().zip(columns).zip(answers) {
                let wit::ColumnPlan::Mask(by) = answer else { continue };
                let mask = match slot.take() {
                    Some(before) => mask::strictest(before.mask, by.mask),
                    None => by.mask,
                };
                *slot = Some(HiddenColumn { mask, exact: column.exact });
            }
        }
        Ok(learned)
    }

    /// Whether any column at all may be hidden: what a masker says of a value that may come from
    /// anywhere.
    ///
    /// # Errors
    /// A plugin failed.
    pub fn hides(&self, instances: &mut Instances) -> Result<Learned, Fault> {
        let anything = Column {
            name: String::new(),
            type_name: "text".to_owned(),
            type_oid: 0,
            binary: false,
            origins: vec![ANY_ORIGIN.to_owned()],
            exact: false,
        };
        self.hidden(instances, &[anything])
    }

    /// Whether a plugin that hides values acts in this session: then errors are scrubbed.
    pub fn protects(&self, instances: &Instances) -> bool {
        self.plugins().iter().any(|plugin| plugin.masks() && instances.acts(plugin))
    }
}

fn shown(column: &Column) -> wit::Column {
    wit::Column {
        name: column.name.clone(),
        type_name: column.type_name.clone(),
        origins: column.origins.clone(),
        exact: column.exact,
    }
}

pub(super) fn withheld(failure: Failure) -> Fault {
    failure.fault("the result is withheld")
}

impl ResultPlan {
    /// Nothing is hidden: frames pass untouched and unread.
    pub fn is_pass(&self) -> bool {
        self.masked.is_empty() && self.scanners.is_empty() && self.halted.is_none()
    }

    /// How many columns were planned.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The hidden columns and the rules that hide them.
    pub fn masked_columns(&self) -> &[MaskedColumn] {
        &self.masked
    }

    /// The plugins that look at cells of this result.
    pub fn inspectors(&self) -> impl Iterator<Item = &str> {
        self.scanners.iter().map(|scanner| scanner.live.name())
    }

    /// A plan of text columns that nobody was asked for: the hidden ones are shown as `text`. For
    /// whoever feeds rows to masking without a policy (`gateway/fuzz`).
    #[doc(hidden)]
    pub fn hiding(hidden: &[bool], text: &str) -> Self {
        let mask = |hidden: &bool| hidden.then(|| wit::Mask::Fixed(text.to_owned()));
        Self::of_masks(hidden.iter().map(mask).collect())
    }

    /// A plan of text columns, with their masks.
    pub(super) fn of_masks(masks: Vec<Option<wit::Mask>>) -> Self {
        let masked = |(position, mask): (usize, &Option<wit::Mask>)| {
            let (name, plugin, rule) = ("c".to_owned(), "test".to_owned(), "r".to_owned());
            mask.as_ref().map(|_| MaskedColumn { position, name, plugin, rule })
        };
        let masked: Vec<MaskedColumn> = masks.iter().enumerate().filter_map(masked).collect();
        Self {
            hidden: masked.as_slice().into(),
            masked,
            columns: masks
                .into_iter()
                .map(|mask| Planned { name: "c".to_owned(), shape: Shape::Text, mask })
                .collect(),
            scanners: Vec::new(),
            key: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, b"key")),
            marks: Arc::default(),
            troubles: Arc::default(),
            halted: None,
            meter: None,
        }
    }

    /// What becomes of a large cell of this column.
    pub(super) fn large(&self, column: usize) -> Large {
        let scanned =
            |scanner: &Scanner| scanner.acts && scanner.inspects.get(column) != Some(&false);
        match self.columns.get(column) {
            Some(Planned { mask: Some(wit::Mask::NullOut | wit::Mask::Fixed(_)), .. }) => {
                Large::Replaced
            }
            Some(Planned { mask: None, .. }) if !self.scanners.iter().any(scanned) => Large::Shown,
            _ => Large::Null,
        }
    }

    /// Adds one plugin's plan; returns which columns it wants to see.
    fn include(
        &mut self,
        columns: &[Column],
        live: &Live,
        answers: Vec<wit::ColumnPlan>,
    ) -> Result<Vec<bool>, Failure> {
        let mut inspects = Vec::with_capacity(columns.len());
        for (position, answer) in answers.into_iter().enumerate() {
            let wants = self.take(position, columns, live, answer);
            inspects.push(wants.inspect_err(|what| self.troubles.failed(live.plugin(), what))?);
        }
        Ok(inspects)
    }

    /// Adds one plugin's plan of one column; returns whether it wants to see the cells.
    fn take(
        &mut self,
        position: usize,
        columns: &[Column],
        live: &Live,
        answer: wit::ColumnPlan,
    ) -> Result<bool, Failure> {
        let (Some(column), Some(planned)) = (columns.get(position), self.columns.get_mut(position))
        else {
            return Err(live.nonsense("plan: a column that does not exist"));
        };
        let by = match answer {
            wit::ColumnPlan::Pass => return Ok(false),
            wit::ColumnPlan::Inspect if planned.shape != Shape::Opaque => return Ok(true),
            // It should be looked at and can't be.
            wit::ColumnPlan::Inspect => wit::MaskBy {
                mask: wit::Mask::NullOut,
                rule: "core.binary_not_inspected".to_owned(),
            },
            wit::ColumnPlan::Mask(by) => by,
        };
        if let wit::Mask::Fixed(fixed) = &by.mask
            && (fixed.len() > MASK_TEXT_BYTES_MAX || fixed.contains('\0'))
        {
            return Err(live.nonsense("plan: a fixed text that is too long or holds a NUL"));
        }
        let asked = if column.exact { by.mask } else { mask::derived(by.mask) };
        planned.mask = Some(match planned.mask.take() {
            Some(before) => mask::strictest(before, asked),
            None => asked,
        });
        self.masked.push(MaskedColumn {
            position,
            name: column.name.clone(),
            plugin: live.name().to_owned(),
            rule: text::rule(&by.rule),
        });
        Ok(false)
    }

    /// A masked column is never shown to a plugin, whichever of them spoke first.
    fn drop_blind_scanners(&mut self) {
        for scanner in &mut self.scanners {
            for (wants, planned) in scanner.inspects.iter_mut().zip(&self.columns) {
                *wants = *wants && planned.mask.is_none();
            }
        }
        self.scanners.retain(|scanner| scanner.inspects.contains(&true));
    }

    /// Masks rows.
    ///
    /// # Errors
    /// The frames are malformed, a plugin failed, or a plugin stopped the result. The rows are
    /// withheld then, and so must be the rest of the result.
    pub fn mask(&mut self, rows: &Rows) -> Result<Masked, Fault> {
        if let Some(fault) = &self.halted {
            return Err(fault.clone());
        }
        if self.is_pass() {
            return Ok(self.untouched(rows));
        }
        let edits = self.look(rows).inspect_err(|fault| self.halted = Some(fault.clone()))?;
        if self.masked.is_empty() && edits.is_empty() {
            return Ok(self.untouched(rows));
        }
        self.write(rows, edits)
    }

    /// Shows every plugin the cells that it wants to see.
    fn look(&mut self, rows: &Rows) -> Result<Edits, Fault> {
        let mut edits = Edits::new();
        let width = self.columns.len();
        for mut scanner in std::mem::take(&mut self.scanners) {
            let shape = |column: usize| {
                let wanted = scanner.inspects.get(column).copied().unwrap_or(false);
                self.columns.get(column).filter(|_| wanted).map(|planned| planned.shape)
            };
            let mut own = if scanner.acts { Edits::new() } else { edits.clone() };
            let into = if scanner.acts { &mut edits } else { &mut own };
            let seen = scan::rows(&mut scanner.live, rows.frames(), width, shape, into);
            let plugin = Arc::clone(scanner.live.plugin());
            match seen {
                Ok(()) => {
                    scanner.live.settle(&self.troubles);
                    if !scanner.acts {
                        let cells = own.iter().filter(|(at, cell)| edits.get(at) != Some(*cell));
                        self.shadow_cells(&plugin.stamp.name, cells.count() as u64);
                    }
                    self.scanners.push(scanner);
                }
                Err(Halt::Refused(fault)) if scanner.acts => return Err(fault),
                Err(Halt::Refused(fault)) => {
                    self.shadow_ended(&plugin.stamp.name, &fault.message);
                }
                Err(Halt::Failed(failure)) => {
                    self.troubles.failed(&plugin, &failure);
                    let inspects = std::mem::take(&mut scanner.inspects);
                    let missed = |at: usize| inspects.get(at) == Some(&true);
                    self.endure(&plugin, scanner.acts, failure, missed)?;
                }
            }
        }
        Ok(edits)
    }

    /// The rows as they came.
    fn untouched(&self, rows: &Rows) -> Masked {
        let (frames, hidden) = (rows.frames().clone(), Arc::clone(&self.hidden));
        let (rows, marks) = (rows.count(), self.marks());
        Masked { frames, rows, masked_cells: 0, hidden, outcome: None, marks }
    }

    fn write(&self, rows: &Rows, mut edits: Edits) -> Result<Masked, Fault> {
        let (mut masked_cells, mut count) = (0, 0);
        let frames = rows::rewrite(rows.frames(), self.columns.len(), |row, column, value| {
            count = count.max(row as u64 + 1);
            // NULL says nothing but that there is no value, and stays what it is.
            let (Some(value), Some(planned)) = (value, self.columns.get(column)) else {
                return Cell::Keep;
            };
            let cell = match &planned.mask {
                Some(mask) => mask::apply(mask, planned.shape, value, &self.key),
                None if edits.is_empty() => Cell::Keep,
                None => edits.remove(&(row, column)).unwrap_or(Cell::Keep),
            };
            masked_cells += u64::from(cell != Cell::Keep);
            cell
        })?;
        let (hidden, marks) = (Arc::clone(&self.hidden), self.marks());
        Ok(Masked { frames, rows: count, masked_cells, hidden, outcome: None, marks })
    }
}
