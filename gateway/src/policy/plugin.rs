//! Loading a plugin: file, pin, imports, interfaces, settings; and asking a live one.

mod found;

use std::path::Path;
use std::sync::Arc;

use wasmtime::component::{Component, InstancePre};

use super::failing::Troubles;
use super::golden::{self, Golden};
use super::host::exports::meter::Metering;
use super::host::{
    Allowance, Capabilities, Context, Engine, Failure, GRANTS, Guest, Held, Memory, Stores,
    exports, grants_listed, later, wit,
};
use super::prefilter::Prefilter;
use super::signature::{self, Signing};
use super::{Finding, Mode, OnError, PluginSettings, PluginStamp, Problem, digest, text};
use crate::limits::{
    GOLDEN_FILE_BYTES_MAX, PLUGIN_APPROVERS_MAX, PLUGIN_CALL_MILLIS_MAX, PLUGIN_FILE_BYTES_MAX,
    PLUGIN_FINDINGS_MAX, PLUGIN_INSTANCE_CALLS_MAX, PLUGIN_LOAD_BUDGET_CALLS,
    PLUGIN_MEMORY_BYTES_MAX, PLUGIN_PROBLEMS_MAX,
};
use found::{Found, interfaces};

/// A plugin ready to be asked.
#[derive(Clone)]
pub(super) struct Plugin {
    name: Arc<str>,
    pub(super) stamp: PluginStamp,
    pre: InstancePre<Context>,
    lifecycle: exports::lifecycle::GuestIndices,
    mask: Option<exports::mask::GuestIndices>,
    risk: Option<exports::risk::GuestIndices>,
    guard: Option<exports::guard::GuestIndices>,
    meter: Option<exports::meter::GuestIndices>,
    settings: PluginSettings,
    allowance: Allowance,
    capabilities: Arc<Capabilities>,
    stores: Arc<Stores>,
    filter: Option<Arc<Prefilter>>,
}

impl Plugin {
    /// Loads and configures a plugin once, with a scratch instance.
    ///
    /// `stores` is what it stores between calls.
    pub(super) fn load(
        engine: &Engine,
        settings: &PluginSettings,
        signing: &Signing,
        stores: Arc<Stores>,
    ) -> Result<Self, Vec<Problem>> {
        let fail = |message: String| vec![Problem::of(&settings.name, message)];
        bounds(settings).map_err(fail)?;
        let bytes = read(&settings.file, PLUGIN_FILE_BYTES_MAX).map_err(fail)?;
        let sha256 = digest::sha256(&bytes);
        pin(settings, &sha256).map_err(fail)?;
        let signed_by = signature::check(&settings.file, &bytes, signing).map_err(fail)?;
        let component = engine
            .compile(&bytes, &sha256)
            .map_err(|error| fail(format!("{} {error}", settings.file.display())))?;
        let found = interfaces(engine, &component, &settings.grants).map_err(fail)?;
        let stamp = PluginStamp {
            name: settings.name.clone(),
            digest: sha256,
            settings_digest: settings_digest(settings),
            signed_by,
            mode: (settings.mode != Mode::Enforce).then(|| settings.mode.word().to_owned()),
            on_error: (settings.on_error != OnError::Deny)
                .then(|| settings.on_error.word().to_owned()),
        };
        let mut plugin =
            link(engine, &component, settings, stamp, &found, stores).map_err(|error| {
                let later = later(found.patch);
                fail(format!("does not fit this gateway: {error:#}{later}"))
            })?;
        plugin.try_settings(settings)?;
        if found.prefilter {
            plugin.filter = plugin.patterns().map_err(fail)?.map(Arc::new);
        }
        plugin.pass(engine, settings)?;
        Ok(plugin)
    }

    /// Runs the plugin's own tests, with a wide budget: a busy machine is no reason to fail.
    fn pass(&self, engine: &Engine, settings: &PluginSettings) -> Result<(), Vec<Problem>> {
        let Some(file) = &settings.tests else { return Ok(()) };
        let fail =
            |what: String| Problem::of(&settings.name, format!("{}: {what}", file.display()));
        let json = read(file, GOLDEN_FILE_BYTES_MAX)
            .map_err(|what| vec![Problem::of(&settings.name, what)])?;
        let golden = Golden::read(&json).map_err(|what| vec![fail(what)])?;
        let mut patient = self.clone();
        patient.allowance = self.patient();
        let results = golden::run(engine, &Arc::new(patient), &golden);
        let failures = results.into_iter().filter_map(|result| {
            result.failure.map(|what| fail(format!("test \"{}\" failed: {what}", result.name)))
        });
        let failures: Vec<Problem> = failures.take(PLUGIN_PROBLEMS_MAX).collect();
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// Asks for the patterns of the cells that it wants to see, and compiles them.
    fn patterns(&self) -> Result<Option<Prefilter>, String> {
        let asked = self.scratch().and_then(|(mut guest, _)| {
            guest.run("patterns", |store, instance| {
                let indices = exports::prefilter::GuestIndices::new(&self.pre)?;
                indices.load(&mut *store, instance)?.call_patterns(store)
            })
        });
        let patterns = asked.map_err(|failure| failure.what)?;
        Prefilter::new(&patterns).map_err(|what| format!("prefilter: {what}"))
    }

    /// The same with nothing stored, and nothing that it stores kept.
    pub(super) fn apart(&self) -> Self {
        Self { stores: Arc::default(), ..self.clone() }
    }

    fn patient(&self) -> Allowance {
        let millis = self.allowance.call_millis_max.saturating_mul(PLUGIN_LOAD_BUDGET_CALLS);
        Allowance { call_millis_max: millis, serves: false, ..self.allowance }
    }

    /// What it was loaded from.
    pub(super) fn settings(&self) -> &PluginSettings {
        &self.settings
    }

    pub(super) fn masks(&self) -> bool {
        self.mask.is_some()
    }
    pub(super) fn scores(&self) -> bool {
        self.risk.is_some()
    }
    pub(super) fn guards(&self) -> bool {
        self.guard.is_some()
    }
    pub(super) fn meters(&self) -> bool {
        self.meter.is_some()
    }

    /// A fresh, configured instance for the session that holds `held`.
    pub(super) fn start(self: &Arc<Self>, held: &mut Held) -> Result<Live, Failure> {
        let session = held.session(&self.stores);
        let memory = Memory { plugin: Arc::clone(&self.stores), session };
        let memory = Some(memory);
        let mut guest =
            Guest::start(&self.name, &self.pre, self.allowance, &self.capabilities, memory)?;
        match self.configure(&mut guest)? {
            Ok(_) => Ok(Live { plugin: self.clone(), guest, calls: 0, sound: true }),
            Err(_) => Err(Failure::answer(&self.name, "configure: settings it took before fail")),
        }
    }

    /// A fresh, configured instance for a session of its own.
    pub(super) fn alone(self: &Arc<Self>) -> Result<Live, Failure> {
        self.start(&mut Held::new(""))
    }

    /// Who it says it is: name and version.
    pub(super) fn manifest(&self) -> Result<(String, String), Failure> {
        let (_, manifest) = self.scratch()?;
        Ok((text::sentence(&manifest.name), text::sentence(&manifest.version)))
    }

    /// A configured instance for one question of the gateway's own, with time and without a store.
    fn scratch(&self) -> Result<(Guest, wit::Manifest), Failure> {
        let mut guest =
            Guest::start(&self.name, &self.pre, self.patient(), &self.capabilities, None)?;
        match self.configure(&mut guest)? {
            Ok(manifest) => Ok((guest, manifest)),
            Err(_) => Err(Failure::answer(&self.name, "configure: settings it took before fail")),
        }
    }

    fn configure(
        &self,
        guest: &mut Guest,
    ) -> Result<Result<wit::Manifest, Vec<wit::Problem>>, Failure> {
        guest.configure(|store, instance| {
            self.lifecycle
                .load(&mut *store, instance)?
                .call_configure(store, &self.settings.settings_json)
        })
    }

    fn try_settings(&self, settings: &PluginSettings) -> Result<(), Vec<Problem>> {
        let answer = Guest::start(&self.name, &self.pre, self.patient(), &self.capabilities, None)
            .and_then(|mut guest| self.configure(&mut guest))
            .map_err(|failure| vec![Problem::of(&settings.name, failure.what)])?;
        let Err(problems) = answer else { return Ok(()) };
        if problems.is_empty() {
            let message = "refuses its settings without saying why";
            return Err(vec![Problem::of(&settings.name, message)]);
        }
        let words = |problem: &wit::Problem| {
            let place = match text::sentence(&problem.path) {
                whole if whole.is_empty() => "settings".to_owned(),
                path => format!("settings.{path}"),
            };
            Problem::of(&settings.name, format!("{place}: {}", text::sentence(&problem.message)))
        };
        Err(problems.iter().take(PLUGIN_PROBLEMS_MAX).map(words).collect())
    }
}

fn bounds(settings: &PluginSettings) -> Result<(), String> {
    if let Some(unknown) = settings.grants.iter().find(|grant| !GRANTS.contains(&grant.as_str())) {
        return Err(format!("unknown grant \"{unknown}\"; there are {}", grants_listed()));
    }
    if settings.memory_bytes_max > PLUGIN_MEMORY_BYTES_MAX {
        let most = PLUGIN_MEMORY_BYTES_MAX / (1024 * 1024);
        return Err(format!("may have at most {most} MiB of memory"));
    }
    if !(1..=PLUGIN_CALL_MILLIS_MAX).contains(&settings.call_millis_max) {
        return Err(format!("a call may take 1 to {PLUGIN_CALL_MILLIS_MAX} ms"));
    }
    Ok(())
}

/// Reads a file of at most `bytes_max` bytes.
pub(super) fn read(file: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let fail = |error: std::io::Error| format!("can't read {}: {error}", file.display());
    let open = std::fs::File::open(file).map_err(fail)?;
    let mut bytes = Vec::new();
    open.take(bytes_max + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("{} is larger than {bytes_max} bytes", file.display()));
    }
    Ok(bytes)
}

fn pin(settings: &PluginSettings, sha256: &str) -> Result<(), String> {
    match &settings.sha256 {
        Some(pinned) if !pinned.eq_ignore_ascii_case(sha256) => Err(format!(
            "{} is not the pinned file: its SHA-256 is {sha256}, the policy pins {pinned}",
            settings.file.display()
        )),
        _ => Ok(()),
    }
}

fn link(
    engine: &Engine,
    component: &Component,
    settings: &PluginSettings,
    stamp: PluginStamp,
    found: &Found,
    stores: Arc<Stores>,
) -> wasmtime::Result<Plugin> {
    let pre = engine.linker(&settings.grants)?.instantiate_pre(component)?;
    Ok(Plugin {
        name: settings.name.as_str().into(),
        stamp,
        lifecycle: exports::lifecycle::GuestIndices::new(&pre)?,
        mask: found.mask.then(|| exports::mask::GuestIndices::new(&pre)).transpose()?,
        risk: found.risk.then(|| exports::risk::GuestIndices::new(&pre)).transpose()?,
        guard: found.guard.then(|| exports::guard::GuestIndices::new(&pre)).transpose()?,
        meter: found.meter.then(|| exports::meter::GuestIndices::new(&pre)).transpose()?,
        pre,
        settings: settings.clone(),
        allowance: Allowance {
            memory_bytes_max: settings.memory_bytes_max,
            call_millis_max: settings.call_millis_max,
            serves: true,
        },
        capabilities: Arc::new(settings.capabilities.clone()),
        stores,
        filter: None,
    })
}

/// SHA-256 of the settings as given to the plugin; with tables or keys, of the settings and then
/// one line each of `name digest`.
fn settings_digest(settings: &PluginSettings) -> String {
    let mut all = settings.settings_json.clone();
    for (name, digest) in settings.capabilities.digests() {
        all.push_str(&format!("\n{name} {digest}"));
    }
    digest::sha256(all.as_bytes())
}

/// A configured instance that can be asked. Every answer is checked here: past this point nothing
/// a plugin says is longer, higher or stranger than the interface allows.
pub(super) struct Live {
    plugin: Arc<Plugin>,
    guest: Guest,
    calls: u32,
    /// False from the start of a call until its whole answer was found good. After a trap or
    /// nonsense its memory can't be trusted, and it stays false.
    sound: bool,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Live").field(&self.plugin.name).finish()
    }
}

impl Live {
    /// The plugin's configured name.
    pub(super) fn name(&self) -> &str {
        &self.plugin.name
    }

    /// Whose instance it is.
    pub(super) fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// Says how it did: a sound answer ends a row of failures.
    pub(super) fn settle(&self, troubles: &Troubles) {
        if self.sound {
            troubles.sound(&self.plugin);
        }
    }

    /// What it wants to see of cells; everything, if there is nothing here.
    pub(super) fn filter(&self) -> Option<Arc<Prefilter>> {
        self.plugin.filter.clone()
    }

    /// Whether it may be asked about another request.
    pub(super) fn is_fit(&self) -> bool {
        self.sound && self.calls < PLUGIN_INSTANCE_CALLS_MAX && !self.guest.is_fat()
    }

    /// Its memory and tables, bytes.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.guest.memory_bytes() as u64
    }

    /// A new request or result begins for an instance that was kept.
    pub(super) fn begin(&mut self) {
        self.guest.begin();
    }

    fn asked(&mut self) {
        self.sound = false;
        self.calls = self.calls.saturating_add(1);
    }

    /// Scores an operation; the score is at most 100.
    pub(super) fn score(
        &mut self,
        session: &wit::SessionInfo,
        operation: &wit::Operation,
    ) -> Result<(u8, Vec<Finding>), Failure> {
        self.asked();
        let indices = self.plugin.risk.as_ref().ok_or_else(|| self.lacks("risk"))?;
        let answer = self.guest.run("score", |store, instance| {
            indices.load(&mut *store, instance)?.call_score(store, session, operation)
        })?;
        if answer.score > 100 {
            return Err(self.nonsense("score: a score above 100"));
        }
        let findings = self.findings(answer.findings)?;
        self.sound = true;
        Ok((answer.score, findings))
    }

    /// Decides about an operation.
    pub(super) fn check(
        &mut self,
        session: &wit::SessionInfo,
        operation: &wit::Operation,
    ) -> Result<(wit::Decision, Vec<Finding>), Failure> {
        self.asked();
        let indices = self.plugin.guard.as_ref().ok_or_else(|| self.lacks("guard"))?;
        let answer = self.guest.run("check", |store, instance| {
            indices.load(&mut *store, instance)?.call_check(store, session, operation)
        })?;
        let findings = self.findings(answer.findings)?;
        let decision = match answer.decision {
            wit::Decision::Deny(refusal) => wit::Decision::Deny(clean(&refusal)),
            wit::Decision::Hold(ask) => {
                if ask.approvers.len() > PLUGIN_APPROVERS_MAX {
                    return Err(self.nonsense("check: too many approver groups"));
                }
                wit::Decision::Hold(wit::ApprovalAsk {
                    rule: text::rule(&ask.rule),
                    reason: text::sentence(&ask.reason),
                    ..ask
                })
            }
            other => other,
        };
        self.sound = true;
        Ok((decision, findings))
    }

    /// Plans a result; exactly one plan a column.
    pub(super) fn plan(
        &mut self,
        session: &wit::SessionInfo,
        columns: &[wit::Column],
    ) -> Result<Vec<wit::ColumnPlan>, Failure> {
        self.asked();
        let indices = self.plugin.mask.as_ref().ok_or_else(|| self.lacks("mask"))?;
        let plans = self.guest.run("plan", |store, instance| {
            indices.load(&mut *store, instance)?.call_plan(store, session, columns)
        })?;
        if plans.len() != columns.len() {
            let (got, want) = (plans.len(), columns.len());
            return Err(self.nonsense(format!("plan: {got} plans for {want} columns")));
        }
        self.sound = true;
        Ok(plans)
    }

    /// Shows a batch; the answer's edits are not checked yet.
    pub(super) fn scan(&mut self, ends: &[u32], data: &[u8]) -> Result<wit::Scanned, Failure> {
        let indices = self.plugin.mask.as_ref().ok_or_else(|| self.lacks("mask"))?;
        let answer = self.guest.run("scan", |store, instance| {
            indices.load(&mut *store, instance)?.call_scan(store, ends, data)
        })?;
        match answer {
            wit::Scanned::Stop(refusal) => Ok(wit::Scanned::Stop(clean(&refusal))),
            other => Ok(other),
        }
    }

    /// Shows a part of a result that is about to be released; with a note, what is to be recorded.
    pub(super) fn observe(
        &mut self,
        session: &wit::SessionInfo,
        part: &exports::meter::Part,
    ) -> Result<(Metering, Option<Finding>), Failure> {
        self.asked();
        let indices = self.plugin.meter.as_ref().ok_or_else(|| self.lacks("meter"))?;
        let answer = self.guest.run("observe", |store, instance| {
            indices.load(&mut *store, instance)?.call_observe(store, session, part)
        })?;
        let (answer, note) = match answer {
            Metering::Pass => (Metering::Pass, None),
            Metering::Note(note) => {
                let found = self.findings(vec![note.clone()])?;
                (Metering::Note(note), found.into_iter().next())
            }
            Metering::Stop(refusal) => (Metering::Stop(clean(&refusal)), None),
        };
        self.sound = true;
        Ok((answer, note))
    }

    pub(super) fn nonsense(&self, what: impl Into<String>) -> Failure {
        Failure::answer(&self.plugin.name, what)
    }

    fn lacks(&self, interface: &str) -> Failure {
        self.nonsense(format!("{interface}: it does not export this interface"))
    }

    fn findings(&self, findings: Vec<wit::Finding>) -> Result<Vec<Finding>, Failure> {
        if findings.iter().any(|finding| finding.score > 100) {
            return Err(self.nonsense("a finding with a score above 100"));
        }
        let own = |finding: &wit::Finding| Finding {
            plugin: self.plugin.name.to_string(),
            rule: text::rule(&finding.rule),
            score: finding.score,
            message: text::sentence(&finding.message),
        };
        Ok(findings.iter().take(PLUGIN_FINDINGS_MAX).map(own).collect())
    }
}

fn clean(refusal: &wit::Refusal) -> wit::Refusal {
    wit::Refusal { rule: text::rule(&refusal.rule), reason: text::sentence(&refusal.reason) }
}
