//! One live instance of a plugin, and every way in which it can fail.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::component::{Instance, InstancePre};
use wasmtime::{ResourceLimiter, Store, Trap, UpdateDeadline};

use super::capability::{Capabilities, Memory};
use crate::fault::{Blame, Fault};
use crate::limits::{
    PLUGIN_ANSWER_BYTES_MAX, PLUGIN_INLINE_TICKS, PLUGIN_MODULES_MAX, PLUGIN_TABLES_MAX,
};
use crate::policy::lane::{Stopped, Turn};
use crate::policy::text;

/// What the host knows of an instance while it runs.
pub(in crate::policy) struct Context {
    pub(super) plugin: Arc<str>,
    budget: Budget,
    pub(super) lines: u32,
    pub(super) now_ms: u64,
    pub(super) capabilities: Arc<Capabilities>,
    /// Nothing for an instance that belongs to no session.
    pub(super) memory: Option<Memory>,
    /// Its settings are being read, and nothing may be stored.
    pub(super) configuring: bool,
    /// When the call under way must end.
    deadline: Instant,
    /// The call's place among the slow ones, once it is one.
    turn: Turn,
}

/// One budget over every memory and table of an instance.
struct Budget {
    bytes_max: usize,
    bytes: usize,
}

impl Budget {
    fn grow(&mut self, current: usize, desired: usize) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_sub(current).saturating_add(desired);
        if bytes > self.bytes_max {
            // An error and not `false`: a plugin that meets its bound stops here, whatever it
            // would do with a refusal.
            return Err(OverBudget { bytes_max: self.bytes_max }.into());
        }
        self.bytes = bytes;
        Ok(true)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it asked for more memory than its {bytes_max} bytes")]
struct OverBudget {
    bytes_max: usize,
}

impl ResourceLimiter for Budget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| elements.saturating_mul(size_of::<usize>());
        self.grow(bytes(current), bytes(desired))
    }

    fn instances(&self) -> usize {
        PLUGIN_MODULES_MAX as usize + 1
    }

    fn tables(&self) -> usize {
        PLUGIN_TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        1
    }
}

/// A plugin failed: it trapped, ran out of time or memory, or answered nonsense.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::policy) struct Failure {
    /// The plugin's configured name.
    pub(in crate::policy) plugin: String,
    /// What happened, in words for the operator.
    pub(in crate::policy) what: String,
}

impl Failure {
    /// The plugin answered something that the interface forbids.
    pub(in crate::policy) fn answer(plugin: &str, what: impl Into<String>) -> Self {
        Self { plugin: plugin.to_owned(), what: what.into() }
    }

    /// What the caller is told; `consequence` says what was refused for it.
    pub(in crate::policy) fn fault(&self, consequence: &str) -> Fault {
        Fault::new(
            Blame::Plugin,
            "plugin_failed",
            "YA010",
            format!("policy plugin \"{}\" failed, so {consequence}", self.plugin),
        )
        .detail(self.what.clone())
        .hint(
            "This is not about your statement. The connection stays usable. \
             Tell the operator of this gateway; trying again soon is unlikely to help.",
        )
    }
}

/// What an instance may use.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct Allowance {
    /// Memories and tables together, bytes.
    pub(in crate::policy) memory_bytes_max: usize,
    /// One call, milliseconds.
    pub(in crate::policy) call_millis_max: u64,
    /// Sessions wait for its calls, and share the machine with each other.
    pub(in crate::policy) serves: bool,
}

impl Allowance {
    /// When a call that begins now must end.
    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.call_millis_max)
    }

    /// Ticks until somebody looks at the call: one more than asked, for the current one is already
    /// partly over.
    fn ticks(&self) -> u64 {
        let ticks = self.call_millis_max.div_ceil(crate::limits::PLUGIN_TICK_MILLIS);
        let ticks = if self.serves { ticks.min(PLUGIN_INLINE_TICKS - 1) } else { ticks };
        ticks.saturating_add(1)
    }
}

/// A live instance. After a failure it must be dropped: its memory can't be trusted any more.
pub(in crate::policy) struct Guest {
    store: Store<Context>,
    instance: Instance,
    plugin: Arc<str>,
    allowance: Allowance,
}

impl Guest {
    /// Makes an instance.
    pub(in crate::policy) fn start(
        plugin: &Arc<str>,
        pre: &InstancePre<Context>,
        allowance: Allowance,
        capabilities: &Arc<Capabilities>,
        memory: Option<Memory>,
    ) -> Result<Self, Failure> {
        let (turn, deadline) = (Turn::default(), allowance.deadline());
        let context = Context {
            plugin: plugin.clone(),
            budget: Budget { bytes_max: allowance.memory_bytes_max, bytes: 0 },
            lines: 0,
            now_ms: 0,
            capabilities: Arc::clone(capabilities),
            memory,
            configuring: false,
            deadline,
            turn,
        };
        let mut store = Store::new(pre.engine(), context);
        store.limiter(|context| &mut context.budget);
        store.set_hostcall_fuel(PLUGIN_ANSWER_BYTES_MAX);
        // Instantiation may run code of the component too.
        store.set_epoch_deadline(allowance.ticks());
        if allowance.serves {
            store.epoch_deadline_callback(|mut store| {
                let context = store.data_mut();
                match context.turn.next(context.deadline) {
                    Ok(()) => Ok(UpdateDeadline::Continue(1)),
                    Err(Stopped::Late) => Ok(UpdateDeadline::Interrupt),
                    Err(full @ Stopped::Full) => Err(full.into()),
                }
            });
        }
        let instance = pre.instantiate(&mut store);
        store.data_mut().turn = Turn::default();
        let instance = instance.map_err(|error| Failure {
            plugin: plugin.to_string(),
            what: format!("start: {}", explain(&error, allowance.call_millis_max)),
        })?;
        Ok(Self { store, instance, plugin: plugin.clone(), allowance })
    }

    /// Gives it a request's worth of log lines.
    pub(in crate::policy) fn begin(&mut self) {
        self.store.data_mut().lines = 0;
    }

    /// Its memory and tables, bytes.
    pub(in crate::policy) fn memory_bytes(&self) -> usize {
        self.store.data().budget.bytes
    }

    /// True once it uses more than half of its memory: what leaks a little with every call is
    /// replaced before it fails.
    pub(in crate::policy) fn is_fat(&self) -> bool {
        let budget = &self.store.data().budget;
        budget.bytes > budget.bytes_max / 2
    }

    /// Runs `configure`, during which it can store nothing.
    pub(in crate::policy) fn configure<R>(
        &mut self,
        body: impl FnOnce(&mut Store<Context>, &Instance) -> wasmtime::Result<R>,
    ) -> Result<R, Failure> {
        self.store.data_mut().configuring = true;
        let done = self.run("configure", body);
        self.store.data_mut().configuring = false;
        done
    }

    /// Runs one call under its deadline. `call` names it in errors.
    pub(in crate::policy) fn run<R>(
        &mut self,
        call: &str,
        body: impl FnOnce(&mut Store<Context>, &Instance) -> wasmtime::Result<R>,
    ) -> Result<R, Failure> {
        #[cfg(test)]
        CALLS.with(|calls| calls.set(calls.get() + 1));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let context = self.store.data_mut();
        context.now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        context.deadline = self.allowance.deadline();
        self.store.set_hostcall_fuel(PLUGIN_ANSWER_BYTES_MAX);
        self.store.set_epoch_deadline(self.allowance.ticks());
        let answer = body(&mut self.store, &self.instance);
        self.store.data_mut().turn = Turn::default();
        answer.map_err(|error| Failure {
            plugin: self.plugin.to_string(),
            what: format!("{call}: {}", explain(&error, self.allowance.call_millis_max)),
        })
    }
}

fn explain(error: &wasmtime::Error, call_millis_max: u64) -> String {
    if let Some(over) = error.downcast_ref::<OverBudget>() {
        return over.to_string();
    }
    if let Some(full) = error.downcast_ref::<Stopped>() {
        return full.to_string();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => format!("it ran longer than its {call_millis_max} ms"),
        Some(Trap::StackOverflow) => "it used up its stack".to_owned(),
        Some(Trap::UnreachableCodeReached) => "it stopped itself (panic or abort)".to_owned(),
        Some(trap) => format!("it trapped: {trap}"),
        None => text::sentence(&format!("{error:#}")),
    }
}

#[cfg(test)]
thread_local! {
    /// Calls into plugins made by this thread.
    pub(in crate::policy) static CALLS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}
