//! A session's plugin instances: configured once, asked about many requests, shared with nobody.
//!
//! Making and configuring an instance costs far more than asking it. So a session keeps its
//! instances from one request to the next, until one fails, wears out, or the policy changes.
//! What a plugin remembers can therefore never reach another session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::PluginStamp;
use super::decision::session_info;
use super::failing::Troubles;
use super::generation::Generation;
use super::host::{Failure, Held, wit};
use super::mode;
use super::plugin::Live;
use super::plugin::Plugin;
use crate::limits::PLUGIN_INSTANCES_KEPT_MAX;
use crate::session::Session;

/// The instances of one direction of one session.
#[derive(Debug)]
pub struct Instances {
    who: wit::SessionInfo,
    /// Names the policy that the kept ones belong to.
    stamps: Option<Arc<[PluginStamp]>>,
    kept: Vec<Option<Kept>>,
    /// The session's number for canaries.
    draw: u8,
    troubles: Arc<Troubles>,
    /// What its plugins store for this session.
    held: Held,
}

#[derive(Debug)]
struct Kept {
    live: Live,
    _place: Place,
}

/// Instances kept between requests, over all sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<AtomicU32>);

/// One place of [`Places`], given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicU32>);

impl Places {
    /// A place to keep an instance in, while there is one.
    pub(super) fn take(&self) -> Option<Place> {
        let more = |taken: u32| (taken < PLUGIN_INSTANCES_KEPT_MAX).then_some(taken + 1);
        let taken = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.is_ok().then(|| Place(Arc::clone(&self.0)))
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Instances {
    /// None yet; plugins are told that they work for this session.
    /// What fails is noted in `troubles`, which both directions of a session share.
    pub fn new(session: &Session, troubles: Arc<Troubles>) -> Self {
        Self { troubles, ..Self::of(session_info(session)) }
    }

    /// The same for a session that only plugins are told of.
    pub(super) fn of(who: wit::SessionInfo) -> Self {
        let draw = mode::draw(&who.id);
        let (held, troubles) = (Held::new(&who.id), Arc::default());
        Self { who, stamps: None, kept: Vec::new(), draw, troubles, held }
    }

    /// Whether a plugin acts in this session; else it is only asked.
    pub(super) fn acts(&self, plugin: &Plugin) -> bool {
        plugin.settings().mode.acts(self.draw, &self.who.principal)
    }

    /// Where its failures are noted.
    pub(super) fn troubles(&self) -> &Arc<Troubles> {
        &self.troubles
    }

    /// What plugins learn of the session.
    pub(super) fn who(&self) -> &wit::SessionInfo {
        &self.who
    }

    /// The kept instance of a generation's plugin, or a fresh one. It is out of this session's
    /// hands until it is put back, so whatever goes wrong meanwhile, it is not asked again.
    pub(super) fn take(&mut self, generation: &Generation, index: usize) -> Result<Live, Failure> {
        let same = |stamps: &Arc<[PluginStamp]>| Arc::ptr_eq(stamps, generation.stamps());
        if !self.stamps.as_ref().is_some_and(same) {
            self.kept.clear();
            self.kept.resize_with(generation.plugins().len(), || None);
            self.stamps = Some(Arc::clone(generation.stamps()));
        }
        let Some(plugin) = generation.plugins().get(index) else {
            return Err(Failure::answer("core", "a plugin that the policy does not have"));
        };
        self.troubles.check(plugin)?;
        if let Some(kept) = self.kept.get_mut(index).and_then(Option::take) {
            let Kept { mut live, .. } = kept;
            live.begin();
            return Ok(live);
        }
        plugin.start(&mut self.held).inspect_err(|failure| self.troubles.failed(plugin, failure))
    }

    /// Keeps an instance that is fit to be asked again. Without a place for it, the next request
    /// starts a fresh one: slower, and right all the same.
    pub(super) fn put(&mut self, generation: &Generation, index: usize, live: Live) {
        live.settle(&self.troubles);
        let Some(slot) = self.kept.get_mut(index) else { return };
        if !live.is_fit() {
            return;
        }
        if let Some(place) = generation.places().take() {
            *slot = Some(Kept { live, _place: place });
        }
    }
}
