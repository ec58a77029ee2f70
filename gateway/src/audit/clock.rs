//! The two clocks of an entry: the wall, and the machine's time since boot.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::entry::Event;
use crate::limits::CLOCK_STEP_MILLIS;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLI: i128 = 1_000_000;
const UPTIME_FILE: &str = "/proc/uptime";
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// One reading of both clocks, nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit) struct Reading {
    /// Since the Unix epoch.
    pub(in crate::audit) wall: u64,
    /// Since the machine's boot; never goes back while the gateway runs.
    pub(in crate::audit) mono: u64,
}

/// Reads both clocks.
///
/// The time since boot is `/proc/uptime` (10 ms exact) read once, plus the monotonic time since
/// then: within a run of the gateway it has nanoseconds and never goes back, between two runs
/// in one boot it is 10 ms exact. Time that the machine sleeps while the gateway runs is missing.
#[derive(Debug)]
pub(in crate::audit) struct Clock {
    boot: String,
    anchor: Instant,
    anchor_nanos: u64,
}

impl Clock {
    /// Reads the boot id and the time since boot. Where the machine does not tell, the id is
    /// `unknown` and the time counts from the gateway's start.
    pub(in crate::audit) fn start() -> Self {
        let boot = std::fs::read_to_string(BOOT_ID_FILE).unwrap_or_default();
        let boot = match boot.trim() {
            "" => "unknown".to_owned(),
            id => id.to_owned(),
        };
        let uptime = std::fs::read_to_string(UPTIME_FILE).unwrap_or_default();
        Self { boot, anchor: Instant::now(), anchor_nanos: uptime_nanos(&uptime).unwrap_or(0) }
    }

    /// The kernel's boot id.
    pub(in crate::audit) fn boot(&self) -> &str {
        &self.boot
    }

    /// Both clocks now.
    pub(in crate::audit) fn now(&self) -> Reading {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let run = u64::try_from(self.anchor.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Reading {
            wall: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
            mono: self.anchor_nanos.saturating_add(run),
        }
    }
}

/// Watches the wall clock against the machine's own time.
#[derive(Debug)]
pub(in crate::audit) struct Steps(Reading);

impl Steps {
    pub(in crate::audit) fn from(reading: Reading) -> Self {
        Self(reading)
    }

    /// What to record when the clock moved by more than [`CLOCK_STEP_MILLIS`] and more than a
    /// disciplined clock may slew (500 millionths, adjtimex(2)) since the last look.
    pub(in crate::audit) fn check(&mut self, now: Reading) -> Option<Event> {
        let last = std::mem::replace(&mut self.0, now);
        let passed = i128::from(now.mono) - i128::from(last.mono);
        let step = i128::from(now.wall) - i128::from(last.wall) - passed;
        let allowed = i128::from(CLOCK_STEP_MILLIS) * NANOS_PER_MILLI + passed / 2_000;
        let millis = i64::try_from(step / NANOS_PER_MILLI).unwrap_or(i64::MAX);
        (step.abs() > allowed).then_some(Event::ClockStep { step_millis: millis })
    }
}

fn uptime_nanos(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_whitespace().next()?.split_once('.')?;
    let digits: u64 = fraction.parse().ok()?;
    let unit =
        NANOS_PER_SECOND.checked_div(10_u64.checked_pow(fraction.len().try_into().ok()?)?)?;
    let nanos = seconds.parse::<u64>().ok()?.checked_mul(NANOS_PER_SECOND)?;
    nanos.checked_add(digits.checked_mul(unit)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn uptime_is_read_to_the_digit() {
        assert_eq!(uptime_nanos("12.34 99.0\n"), Some(12_340_000_000));
        assert_eq!(uptime_nanos(""), None);
        assert_eq!(uptime_nanos("12"), None);
    }

    #[test]
    fn a_step_is_told_from_slewing() {
        const SECOND: u64 = NANOS_PER_SECOND;
        const MILLI: u64 = SECOND / 1_000;
        let at = |wall, mono| Reading { wall, mono };
        let mut steps = Steps::from(at(100 * SECOND, SECOND));
        assert_eq!(steps.check(at(101 * SECOND, 2 * SECOND)), None);
        assert_eq!(steps.check(at(102 * SECOND + 49 * MILLI, 3 * SECOND)), None);
        let step = steps.check(at(103 * SECOND + 101 * MILLI, 4 * SECOND));
        assert_eq!(step, Some(Event::ClockStep { step_millis: 52 }));
        let back = steps.check(at(44 * SECOND + 101 * MILLI, 5 * SECOND));
        assert_eq!(back, Some(Event::ClockStep { step_millis: -60_000 }));
        // An hour of slewing by 400 millionths is no step, 60 ms within a second are one.
        assert_eq!(steps.check(at(3_645 * SECOND + 541 * MILLI, 3_605 * SECOND)), None);
        let step = steps.check(at(3_646 * SECOND + 601 * MILLI, 3_606 * SECOND));
        assert_eq!(step, Some(Event::ClockStep { step_millis: 60 }));
    }

    #[test]
    fn time_since_boot_never_goes_back() {
        let clock = Clock::start();
        let readings: Vec<u64> = (0..100).map(|_| clock.now().mono).collect();
        assert!(readings.is_sorted());
        assert!(*readings.first().unwrap() > 0);
    }
}
