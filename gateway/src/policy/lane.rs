//! Where a plugin call goes on that takes long: off the threads that carry sessions, and slowly.
//!
//! A call runs where its session runs, which costs nothing while it is short. One that is still
//! not done after [`PLUGIN_INLINE_TICKS`] leaves its thread to the other sessions and goes on by
//! turns: only so many slow calls run at a moment, each for one tick and then not for another. So
//! a plugin that loops, however many sessions ask it, takes a bounded part of the machine, and
//! its own session is the one that waits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::limits::{PLUGIN_SLOW_CALLS_MAX, PLUGIN_TICK_MILLIS};

static LANE: Lane =
    Lane { state: Mutex::new(State { calls: 0, running: 0 }), freed: Condvar::new() };

struct Lane {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Slow calls that are not done.
    calls: usize,
    /// Those that run at this moment.
    running: usize,
}

/// Why a call may not go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Stopped {
    /// Its time is over.
    #[error("its time is over")]
    Late,
    /// As many calls are slow already as there may be.
    #[error("it was slow while {PLUGIN_SLOW_CALLS_MAX} other calls were slow too")]
    Full,
}

/// A slow call. It leaves when dropped.
#[derive(Debug, Default)]
pub(super) struct Turn {
    joined: bool,
    running: bool,
}

impl Turn {
    #[allow(
        clippy::disallowed_methods,
        reason = "the call stalls the worker already; this moves the other tasks off it"
    )]
    /// Ends a turn and waits for the next; the caller may then run for one tick more.
    pub(super) fn next(&mut self, deadline: Instant) -> Result<(), Stopped> {
        let blocks = Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        // The other tasks of this thread move to another one, which takes them over while this
        // one sleeps, and keeps them.
        if blocks { block_in_place(|| self.wait(deadline)) } else { self.wait(deadline) }
    }

    fn wait(&mut self, deadline: Instant) -> Result<(), Stopped> {
        self.rest();
        let mut state = lock();
        if !self.joined {
            if state.calls >= PLUGIN_SLOW_CALLS_MAX {
                return Err(Stopped::Full);
            }
            state.calls += 1;
            self.joined = true;
        }
        drop(state);
        let tick = Duration::from_millis(PLUGIN_TICK_MILLIS);
        thread::sleep(tick.min(deadline.saturating_duration_since(Instant::now())));
        let mut state = lock();
        while state.running >= places() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Stopped::Late);
            }
            let waited = LANE.freed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if Instant::now() >= deadline {
            return Err(Stopped::Late);
        }
        state.running += 1;
        self.running = true;
        Ok(())
    }

    /// Lets another call run.
    fn rest(&mut self) {
        if std::mem::take(&mut self.running) {
            let mut state = lock();
            state.running = state.running.saturating_sub(1);
            drop(state);
            LANE.freed.notify_one();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.rest();
        if self.joined {
            let mut state = lock();
            state.calls = state.calls.saturating_sub(1);
        }
    }
}

/// Half of the cores, and one at least.
fn places() -> usize {
    static PLACES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *PLACES
        .get_or_init(|| thread::available_parallelism().map_or(1, |cores| cores.get() / 2).max(1))
}

fn lock() -> MutexGuard<'static, State> {
    LANE.state.lock().unwrap_or_else(PoisonError::into_inner)
}
