//! The demonstration: a development issuer, a real PostgreSQL, and the gateway between it and a
//! real `psql`, on this machine alone.
//!
//! The gateway is the one that `serve` starts, with configuration files of the usual kind in a
//! run folder. There is no way to give the demonstration another issuer than its own.

mod certificates;
mod child;
mod database;
mod folder;
pub mod issuer;
mod people;
mod place;
pub mod sandbox;
mod show;
mod tour;

use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use self::place::Place;
use self::show::Show;
use crate::limits::DEMO_TOKEN_RENEW_SECS;

/// What to show, and where.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Run folder; `None` = `target/demo` beside the plugins of the repository, or else a
    /// temporary folder.
    pub dir: Option<PathBuf>,
    /// Folder with the three first-party plugins; `None` = `target/plugins` of the repository.
    pub plugins: Option<PathBuf>,
    /// End after the tour.
    pub tour: bool,
}

/// How the demonstration ended, when nothing stood in its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Every step of the tour showed what it should.
    Good,
    /// The user ended it during the tour.
    Interrupted,
    /// Some steps did not show what they should; the output names them.
    Wrong,
}

/// Why the demonstration can't go on, and what to do about it; never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something is missing or failed.
    #[error("{0}")]
    Failed(String),
    /// Nobody reads the output any more.
    #[error("can't write the output: {0}")]
    Output(std::io::Error),
}

impl Error {
    fn new(what: impl Into<String>) -> Self {
        Self::Failed(what.into())
    }

    fn output(error: std::io::Error) -> Self {
        Self::Output(error)
    }

    fn file(act: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Failed(format!("can't {act} {}: {error}", path.display()))
    }
}

/// Sets everything up, walks through the tour, and unless that was all, stays up until Ctrl-C.
/// Whatever the end, the database is stopped and its data removed.
///
/// # Errors
/// What is missing or failed, and what to do.
pub async fn run(
    settings: &Settings,
    out: &mut (dyn std::io::Write + Send),
) -> Result<Outcome, Error> {
    let mut orders = Orders::listen()?;
    let mut show = Show::new(out);
    let place = tokio::select! {
        place = Place::set_up(settings, &mut show) => place?,
        () = orders.stop() => return Ok(Outcome::Interrupted),
    };
    let walked = tokio::select! {
        walked = walk(&place, &mut show) => walked,
        () = orders.stop() => Ok(Outcome::Interrupted),
    };
    let mut outcome = walked;
    if !settings.tour && matches!(outcome, Ok(Outcome::Good | Outcome::Wrong)) {
        outcome = stay(&place, &mut show, &mut orders, outcome).await;
    }
    place.end().await;
    show.say("The gateway, the issuer and the database are stopped; its data is gone.")?;
    outcome
}

async fn walk(place: &Place, show: &mut Show<'_>) -> Result<Outcome, Error> {
    tour::walk(place, show).await?;
    let failed = show.failed().to_vec();
    if failed.is_empty() {
        show.heading(&format!("All {} checks hold.", show.checked()))?;
        return Ok(Outcome::Good);
    }
    show.heading(&format!("{} of {} checks failed:", failed.len(), show.checked()))?;
    for expected in &failed {
        show.say(&format!("- {expected}"))?;
    }
    Ok(Outcome::Wrong)
}

/// Says how to try it by hand, and keeps the tokens fresh until the order to stop.
async fn stay(
    place: &Place,
    show: &mut Show<'_>,
    orders: &mut Orders,
    outcome: Result<Outcome, Error>,
) -> Result<Outcome, Error> {
    place.invite(show)?;
    let mut renewal = tokio::time::interval(Duration::from_secs(DEMO_TOKEN_RENEW_SECS));
    loop {
        tokio::select! {
            () = orders.stop() => {
                show.say("")?;
                return outcome;
            }
            _ = renewal.tick() => place.renew_tokens()?,
        }
    }
}

/// The signals that end a demonstration: Ctrl-C, a closed terminal, `kill`.
struct Orders {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Orders {
    fn listen() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|error| Error::new(format!("can't wait for signals: {error}")))
        };
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.hangup.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Random text for a password: 128 bits, hexadecimal.
fn random_text() -> Result<zeroize::Zeroizing<String>, Error> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 16]);
    aws_lc_rs::rand::fill(bytes.as_mut())
        .map_err(|_| Error::new("the system has no randomness to give"))?;
    Ok(zeroize::Zeroizing::new(crate::config::hex(bytes.as_ref())))
}
