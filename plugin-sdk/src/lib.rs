//! Write a Portcullis policy plugin in Rust.
//!
//! A plugin is a type with settings and one trait: [`Masker`] hides values in results,
//! [`RiskScorer`] scores statements, [`Approver`] refuses them or has a person approve them. One
//! macro exports it: [`masker!`], [`risk_scorer!`], [`approver!`], or [`export!`] for a type with
//! several. `README.md` shows a whole plugin.
//!
//! Settings are the `[plugins.settings]` table of the policy file, read with serde; derive
//! `Deserialize` with `#[serde(deny_unknown_fields)]` so that a misspelt setting is refused and
//! not ignored.
//!
//! An instance serves one session and may be replaced at any time, so what is to last goes into
//! [`capability::kv`]. There are also tables of the operator's ([`capability::facts`]) and keys
//! that stay in the gateway ([`capability::vault`]).

/// The example of `README.md` compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

#[doc(hidden)]
pub mod bindings;
pub mod capability;
mod cells;
mod operation;
mod parameter;
mod pattern;
mod scores;
mod settings;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use bindings::meter::exports::portcullis::policy::meter::{Metering, Part};
pub use bindings::shared::portcullis::policy::types::{
    Access, ApprovalAsk, Assessment, Column, ColumnPlan, Decision, Edits, Finding, Manifest, Mask,
    MaskBy, Object, Operation, Parameter, ParameterValue, Problem, Refusal, Ruling, Scanned,
    SessionInfo, Setting, SettingScope, SettingValue, TransactionState,
};
pub use cells::{Cells, Edit};
pub use pattern::Pattern;
pub use scores::Scores;
pub use serde;
#[doc(hidden)]
pub use settings::configure;

/// What every plugin has: settings it is made from.
pub trait Plugin: Sized {
    /// The settings; `#[serde(deny_unknown_fields)]` is wise.
    type Settings: serde::de::DeserializeOwned;

    /// Makes the plugin.
    ///
    /// # Errors
    /// Every mistake that reading the settings could not see, each with its place.
    fn new(settings: Self::Settings) -> Result<Self, Vec<Problem>>;
}

/// Hides values in results.
pub trait Masker: Plugin {
    /// Says what becomes of one column. Decide by [`Column::comes_from`], not by the name: a
    /// client can rename a column.
    fn column(&self, session: &SessionInfo, column: &Column) -> ColumnPlan;

    /// Looks at the cells of the columns for which [`Masker::column`] said
    /// [`ColumnPlan::Inspect`], and edits some. Cells come row by row.
    fn scan(&self, _cells: &Cells<'_>, _edit: &mut Edit) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Spares a [`Masker`] most of the cells it inspects.
pub trait Prefiltered: Masker {
    /// Regular expressions, in the syntax of the crate `regex`: the gateway shows to
    /// [`Masker::scan`] only cells in which one of them is found, and cells that are not UTF-8. So
    /// [`Masker::scan`] must find nothing in a cell that none of them matches. With none, every
    /// cell is shown.
    fn patterns(&self) -> Vec<String>;
}

/// Scores statements.
pub trait RiskScorer: Plugin {
    /// How risky one statement is, 0 to 100, and why.
    fn score(&self, session: &SessionInfo, operation: &Operation) -> Assessment;
}

/// Decides about statements.
pub trait Approver: Plugin {
    /// Decides about one statement. [`Operation::risk`] is the highest score it got.
    fn check(&self, session: &SessionInfo, operation: &Operation) -> Ruling;
}

/// Counts what results give out, and can end one.
pub trait Meter: Plugin {
    /// Decides about one part of a result, before it is released.
    fn observe(&self, session: &SessionInfo, part: &Part) -> Metering;
}

impl Part {
    /// Whether a person let the request run.
    pub fn is_approved(&self) -> bool {
        self.attributes.iter().any(|(name, value)| name == "approved" && value == "true")
    }
}

impl Column {
    /// Whether a value may come from a column that the pattern names. A column whose origin can't
    /// be told may come from anywhere.
    pub fn comes_from(&self, origin: &Pattern) -> bool {
        self.origins.iter().any(|name| name == "*" || origin.matches(name))
    }
}

impl ColumnPlan {
    /// A mask asked for by a rule.
    pub fn masked(mask: Mask, rule: impl Into<String>) -> Self {
        Self::Mask(MaskBy { mask, rule: rule.into() })
    }
}

impl Ruling {
    /// No opinion.
    pub fn abstain() -> Self {
        Decision::Abstain.into()
    }

    /// A refusal: a stable rule id, and one sentence for the caller.
    pub fn deny(rule: impl Into<String>, reason: impl Into<String>) -> Self {
        Decision::Deny(Refusal { rule: rule.into(), reason: reason.into() }).into()
    }
}

impl From<Decision> for Ruling {
    fn from(decision: Decision) -> Self {
        Self { decision, findings: Vec::new() }
    }
}

impl Problem {
    /// A mistake at a place such as `columns[2].mask`.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// The lifecycle that every kind of plugin exports.
#[doc(hidden)]
#[macro_export]
macro_rules! __lifecycle {
    ($plugin:ty) => {
        impl $crate::bindings::lifecycle::exports::portcullis::policy::lifecycle::Guest
            for __Exported
        {
            fn configure(
                settings: String,
            ) -> Result<$crate::Manifest, Vec<$crate::Problem>> {
                let plugin = $crate::configure::<$plugin>(&settings)?;
                // An instance is configured once.
                let _ = __PLUGIN.set(plugin);
                Ok($crate::Manifest {
                    name: env!("CARGO_PKG_NAME").to_string(),
                    version: env!("CARGO_PKG_VERSION").to_string(),
                })
            }
        }

        static __PLUGIN: std::sync::OnceLock<$plugin> = std::sync::OnceLock::new();

        struct __Exported;

        impl __Exported {
            // The host configures before it asks; anything else is a reason to stop.
            fn plugin() -> &'static $plugin {
                match __PLUGIN.get() {
                    Some(plugin) => plugin,
                    None => std::process::abort(),
                }
            }
        }

        $crate::bindings::lifecycle::export_lifecycle!(
            __Exported with_types_in $crate::bindings::lifecycle
        );
    };
}

/// Exports a plugin with the traits that it has: `masker`, `prefilter` (for [`Prefiltered`]),
/// `risk_scorer`, `approver`, `meter`.
///
/// ```
/// use portcullis_plugin::{
///     Assessment, Operation, Plugin, Problem, RiskScorer, Ruling, SessionInfo, Approver, export,
/// };
///
/// struct Watch;
///
/// impl Plugin for Watch {
///     type Settings = serde_json::Value;
///     fn new(_: Self::Settings) -> Result<Self, Vec<Problem>> {
///         Ok(Self)
///     }
/// }
///
/// impl RiskScorer for Watch {
///     fn score(&self, _: &SessionInfo, operation: &Operation) -> Assessment {
///         Assessment { score: if operation.class == "read" { 0 } else { 50 }, findings: vec![] }
///     }
/// }
///
/// impl Approver for Watch {
///     fn check(&self, session: &SessionInfo, _: &Operation) -> Ruling {
///         match session.groups.iter().any(|group| group == "trusted") {
///             true => Ruling::abstain(),
///             false => Ruling::deny("watch.group", "only the group `trusted` may do this"),
///         }
///     }
/// }
///
/// export!(Watch: risk_scorer, approver);
/// ```
#[macro_export]
macro_rules! export {
    ($plugin:ty: $($kind:ident),+ $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        mod __portcullis {
            use super::*;

            $crate::__lifecycle!($plugin);
            $($crate::__interface!($kind $plugin);)+
        }
    };
}

/// Exports a [`Masker`].
#[macro_export]
macro_rules! masker {
    ($plugin:ty) => {
        $crate::export!($plugin: masker);
    };
}

/// Exports a [`RiskScorer`].
#[macro_export]
macro_rules! risk_scorer {
    ($plugin:ty) => {
        $crate::export!($plugin: risk_scorer);
    };
}

/// Exports an [`Approver`].
#[macro_export]
macro_rules! approver {
    ($plugin:ty) => {
        $crate::export!($plugin: approver);
    };
}

/// Exports a plugin that is both an [`Approver`] and a [`Meter`].
#[macro_export]
macro_rules! metering_approver {
    ($plugin:ty) => {
        $crate::export!($plugin: approver, meter);
    };
}

/// One interface of a plugin, by its kind.
#[doc(hidden)]
#[macro_export]
macro_rules! __interface {
    (masker $plugin:ty) => {
        impl $crate::bindings::mask::exports::portcullis::policy::mask::Guest for __Exported {
            fn plan(
                session: $crate::SessionInfo,
                columns: Vec<$crate::Column>,
            ) -> Vec<$crate::ColumnPlan> {
                let plugin = Self::plugin();
                columns
                    .iter()
                    .map(|column| $crate::Masker::column(plugin, &session, column))
                    .collect()
            }

            fn scan(ends: Vec<u32>, data: Vec<u8>) -> $crate::Scanned {
                let mut edit = $crate::Edit::default();
                let cells = $crate::Cells::new(&ends, &data);
                match $crate::Masker::scan(Self::plugin(), &cells, &mut edit) {
                    Ok(()) => edit.into(),
                    Err(refusal) => $crate::Scanned::Stop(refusal),
                }
            }
        }

        $crate::bindings::mask::export_mask!(__Exported with_types_in $crate::bindings::mask);
    };
    (prefilter $plugin:ty) => {
        impl $crate::bindings::prefilter::exports::portcullis::policy::prefilter::Guest
            for __Exported
        {
            fn patterns() -> Vec<String> {
                $crate::Prefiltered::patterns(Self::plugin())
            }
        }

        $crate::bindings::prefilter::export_prefilter!(
            __Exported with_types_in $crate::bindings::prefilter
        );
    };
    (risk_scorer $plugin:ty) => {
        impl $crate::bindings::risk::exports::portcullis::policy::risk::Guest for __Exported {
            fn score(
                session: $crate::SessionInfo,
                operation: $crate::Operation,
            ) -> $crate::Assessment {
                $crate::RiskScorer::score(Self::plugin(), &session, &operation)
            }
        }

        $crate::bindings::risk::export_risk!(__Exported with_types_in $crate::bindings::risk);
    };
    (approver $plugin:ty) => {
        impl $crate::bindings::guard::exports::portcullis::policy::guard::Guest for __Exported {
            fn check(
                session: $crate::SessionInfo,
                operation: $crate::Operation,
            ) -> $crate::Ruling {
                $crate::Approver::check(Self::plugin(), &session, &operation)
            }
        }

        $crate::bindings::guard::export_guard!(__Exported with_types_in $crate::bindings::guard);
    };
    (meter $plugin:ty) => {
        impl $crate::bindings::meter::exports::portcullis::policy::meter::Guest for __Exported {
            fn observe(session: $crate::SessionInfo, part: $crate::Part) -> $crate::Metering {
                $crate::Meter::observe(Self::plugin(), &session, &part)
            }
        }

        $crate::bindings::meter::export_meter!(__Exported with_types_in $crate::bindings::meter);
    };
}
