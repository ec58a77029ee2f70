//! Policy files: what requests on a target may do.

mod failing;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Mistake;
use super::capability::{capabilities, grants};
use super::page::{Item, Page, Section};
use super::secret::{read, said};
use super::text::{name, owned};
use crate::limits::{
    APPROVAL_DECIDE_WITHIN_SECS, APPROVAL_DECIDE_WITHIN_SECS_MAX, APPROVAL_DECIDE_WITHIN_SECS_MIN,
    APPROVAL_LATE_SECS_MAX, CONFIG_FILE_BYTES_MAX, GOLDEN_FILE_BYTES_MAX, PLUGIN_CALL_MILLIS,
    PLUGIN_CALL_MILLIS_MAX, PLUGIN_FILE_BYTES_MAX, PLUGIN_MEMORY_BYTES_MAX, PLUGIN_MEMORY_MIB,
    POLICY_PLUGINS_MAX,
};
use crate::policy::signature::Signing;
use crate::policy::{
    ApprovalTerms, Masking, MaskingMode, PluginSettings, PolicySettings, SettingRules, Verdict,
};

/// Every policy file read so far: several targets may share one.
pub(super) struct Policies {
    /// Somebody can answer a question that names no group of its own.
    approvers_exist: bool,
    signing: Signing,
    read: HashMap<PathBuf, Option<PolicySettings>>,
    /// The bytes of each file, in the order they were named.
    pub(super) texts: Vec<String>,
    pub(super) mistakes: Vec<Mistake>,
}

impl Policies {
    pub(super) fn new(approvers_exist: bool, signing: Signing) -> Self {
        let (read, texts, mistakes) = Default::default();
        Self { approvers_exist, signing, read, texts, mistakes }
    }

    /// The policy that `item` names; `None` when it has mistakes.
    pub(super) fn read(
        &mut self,
        section: &Section<'_>,
        item: &Item<&str>,
    ) -> Option<PolicySettings> {
        let path = section.page().path(item.value);
        if let Some(known) = self.read.get(&path) {
            return known.clone();
        }
        let text = read(&path, CONFIG_FILE_BYTES_MAX).and_then(|bytes| {
            String::from_utf8(bytes.to_vec()).map_err(|_| "is not UTF-8".to_owned())
        });
        let policy = match text {
            Err(why) => {
                section.mistake(item.at, format!("`policy` {}", said(&path, &why)));
                None
            }
            Ok(text) => {
                self.texts.push(text.clone());
                let page = Page::new(path.clone(), text);
                let policy = policy(&page, self.approvers_exist);
                let policy =
                    policy.map(|policy| PolicySettings { signing: self.signing.clone(), ..policy });
                let mistakes = page.mistakes();
                let sound = mistakes.is_empty();
                self.mistakes.extend(mistakes);
                policy.filter(|_| sound)
            }
        };
        self.read.insert(path, policy.clone());
        policy
    }
}

/// Reads one policy by itself, as if the main file named approvers. Its paths are relative to the
/// folder of `file`.
pub(super) fn alone(file: &Path, text: String) -> Result<PolicySettings, Vec<Mistake>> {
    let page = Page::new(file.to_owned(), text);
    let policy = policy(&page, true);
    let mistakes = page.mistakes();
    match policy {
        Some(policy) if mistakes.is_empty() => Ok(policy),
        // Every `None` comes with a mistake; this holds even if one were forgotten.
        _ if mistakes.is_empty() => {
            let what = "the file can't be used".to_owned();
            Err(vec![Mistake { file: file.to_owned(), line: 1, column: 1, what }])
        }
        _ => Err(mistakes),
    }
}

fn policy(page: &Page, approvers_exist: bool) -> Option<PolicySettings> {
    let table = page.parse()?;
    let mut top = Section::top(page, &table);
    let default = top.word("default", &[("deny", Verdict::Deny), ("allow", Verdict::Allow)]);
    let mut risk = top.section("risk");
    let deny_at = score(&mut risk, "deny_at");
    let hold_at = score(&mut risk, "hold_at");
    if let (Some(deny), Some(hold)) = (deny_at, hold_at)
        && hold >= deny
    {
        let at = risk.has("hold_at").unwrap_or(risk.at());
        let what = format!(
            "`hold_at` is {hold}, so nothing is ever held; expected less than \
                            `deny_at`, which is {deny}"
        );
        risk.mistake(at, what);
    }
    let mut approval = top.section("approval");
    let approvers = owned(approval.strings("approvers", "names of groups"));
    let within =
        u64::from(APPROVAL_DECIDE_WITHIN_SECS_MIN)..=u64::from(APPROVAL_DECIDE_WITHIN_SECS_MAX);
    let decide_within = approval.integer("decide_within_secs", within.clone());
    let block = approval.integer("decide_within_secs_in_transaction", 1..=*within.end());
    let late = approval.integer("late_within_secs", 0..=u64::from(APPROVAL_LATE_SECS_MAX));
    let terms = ApprovalTerms::default();
    let secs = |given: Option<u64>, default| {
        given.and_then(|it| u32::try_from(it).ok()).unwrap_or(default)
    };
    let approval_terms = ApprovalTerms {
        in_transaction_secs: secs(block, terms.in_transaction_secs),
        late_secs: secs(late, terms.late_secs),
    };
    if (hold_at.is_some() || approval.exists()) && approvers.is_empty() && !approvers_exist {
        let at = if approval.exists() { approval.at() } else { risk.at() };
        let what = "this policy can hold a request, but nobody may answer; expected `approvers` \
                    in [approval], or `approver_groups` in [admin] of the main file";
        top.mistake(at, what);
    }
    let mut section = top.section("settings");
    let settings = settings(&mut section);
    if !settings.hold.is_empty() && approvers.is_empty() && !approvers_exist {
        let what = "this policy can hold a setting, but nobody may answer; expected `approvers` \
                    in [approval], or `approver_groups` in [admin] of the main file";
        section.mistake(section.at(), what);
    }
    section.end();
    let masking = masking(&mut top);
    let plugins = plugins(&mut top);
    risk.end();
    approval.end();
    top.end();
    Some(PolicySettings {
        file: page.file().to_owned(),
        digest: digest_one(page.text().as_bytes()),
        default_verdict: default?,
        plugins,
        risk_deny_at: deny_at,
        risk_hold_at: hold_at,
        settings,
        approvers,
        decide_within_secs: decide_within
            .and_then(|secs| u32::try_from(secs).ok())
            .unwrap_or(APPROVAL_DECIDE_WITHIN_SECS),
        masking: masking?,
        approval_terms,
        signing: Signing::default(),
    })
}

/// Without `deny`, the list of the gateway holds, less what is held.
fn settings(section: &mut Section<'_>) -> SettingRules {
    let given = section.has("deny").is_some();
    let (deny, hold) = (names_of(section, "deny"), names_of(section, "hold"));
    let mut rules = SettingRules::default();
    if given {
        rules.deny = deny;
    } else {
        rules.deny.retain(|name| !hold.contains(name));
    }
    rules.hold = hold;
    rules
}

fn names_of(section: &mut Section<'_>, key: &'static str) -> Vec<String> {
    let expected = "names of settings such as \"search_path\", or \"*\" for all";
    let named = section.strings(key, expected);
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    for item in &named {
        if item.value != "*" && (item.value.is_empty() || !item.value.bytes().all(part)) {
            let shown = item.value.escape_debug();
            section.mistake(item.at, format!("`{key}` has \"{shown}\"; expected {expected}"));
        }
    }
    named.iter().map(|item| item.value.to_ascii_lowercase()).collect()
}

fn masking(top: &mut Section<'_>) -> Option<Masking> {
    let mut section = top.section("masking");
    let modes = [MaskingMode::Strict, MaskingMode::Standard, MaskingMode::Values];
    let mode = section.word("mode", &modes.map(|mode| (mode.word(), mode)));
    let names = section.strings("functions", FUNCTIONS);
    for item in &names {
        if item.value.split('.').filter(|part| !part.is_empty()).count() != 2 {
            let shown = item.value.escape_debug();
            section.mistake(item.at, format!("`functions` has \"{shown}\"; expected {FUNCTIONS}"));
        }
    }
    section.end();
    Some(Masking { mode: mode?, functions: owned(names) })
}

const FUNCTIONS: &str = "names of functions, \"schema.name\" each";

fn score(risk: &mut Section<'_>, key: &'static str) -> Option<u8> {
    risk.integer(key, 0..=100).and_then(|score| u8::try_from(score).ok())
}

fn plugins(top: &mut Section<'_>) -> Vec<PluginSettings> {
    let sections = top.sections("plugins", "plugins");
    if let Some(section) = sections.get(POLICY_PLUGINS_MAX) {
        let what = format!("too many [[plugins]]; expected at most {POLICY_PLUGINS_MAX}");
        section.mistake(section.at(), what);
    }
    let mut taken = Vec::new();
    let mut plugins = Vec::new();
    for section in sections {
        plugins.extend(plugin(section, &mut taken));
    }
    plugins
}

fn plugin(mut section: Section<'_>, taken: &mut Vec<String>) -> Option<PluginSettings> {
    let name = name(&mut section, "name", taken);
    // Findings of the gateway itself carry this name.
    if name == "core" {
        section.mistake(section.at(), "a plugin is named \"core\"; expected any other name");
    }
    taken.push(name.clone());
    let file = section.string_needed("file", "a WebAssembly component");
    let pinned = section.string("sha256", SHA256);
    let sha256 = pinned.as_ref().map(|item| item.value.to_ascii_lowercase());
    if let (Some(item), Some(hex)) = (&pinned, &sha256)
        && !(hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        let shown = item.value.escape_debug();
        section.mistake(item.at, format!("`sha256` is \"{shown}\"; expected {SHA256}"));
    }
    let path = file.as_ref().map(|item| section.page().path(item.value));
    if let (Some(item), Some(path)) = (&file, &path) {
        match read(path, PLUGIN_FILE_BYTES_MAX) {
            Err(why) => section.mistake(item.at, format!("`file` {}", said(path, &why))),
            Ok(bytes) => pin(&section, pinned.as_ref(), &digest_one(&bytes)),
        }
    }
    let tests = tests(&mut section);
    let grants = grants(&mut section);
    let capabilities = capabilities(&mut section, &grants);
    let on_error = failing::on_error(&mut section);
    let mode = failing::mode(&mut section);
    let most = u64::try_from(PLUGIN_MEMORY_BYTES_MAX / MIB).unwrap_or(u64::MAX);
    let memory = section.integer("memory_mib_max", 1..=most).unwrap_or(PLUGIN_MEMORY_MIB);
    let memory = usize::try_from(memory).ok()?;
    let call = section.integer("call_millis_max", 1..=PLUGIN_CALL_MILLIS_MAX);
    let settings_json = section.json("settings").to_string();
    section.end();
    Some(PluginSettings {
        name,
        file: path?,
        sha256,
        tests,
        grants,
        capabilities,
        mode: mode?,
        on_error: on_error?,
        settings_json,
        memory_bytes_max: memory.checked_mul(MIB)?,
        call_millis_max: call.unwrap_or(PLUGIN_CALL_MILLIS),
    })
}

/// The plugin's own tests; what they say is for the loader.
fn tests(section: &mut Section<'_>) -> Option<PathBuf> {
    let item = section.string("tests", "a JSON file of the plugin's tests")?;
    let path = section.page().path(item.value);
    if let Err(why) = read(&path, GOLDEN_FILE_BYTES_MAX) {
        section.mistake(item.at, format!("`tests` {}", said(&path, &why)));
    }
    Some(path)
}

const SHA256: &str = "64 hexadecimal digits";
const MIB: usize = 1024 * 1024;

fn pin(section: &Section<'_>, pinned: Option<&Item<&str>>, actual: &str) {
    if let Some(item) = pinned
        && item.value.len() == 64
        && !item.value.eq_ignore_ascii_case(actual)
    {
        section.mistake(item.at, format!("`sha256` is not that of the file; expected {actual}"));
    }
}

fn digest_one(bytes: &[u8]) -> String {
    super::hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}
