//! The verifier: every configured issuer, its keys, and the verdicts of the last minute.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::keys::Keys;
use super::refusal::{clock, misconfigured, refuse};
use super::rules::Rules;
use super::token::{self, Compact, fingerprint};
use super::verdict::Verdicts;
use super::{IssuerSettings, Principal, Token};
use crate::fault::{Blame, Fault, shown};
use crate::limits::TOKEN_BYTES_MAX;

/// Verifies tokens of the configured issuers. Share it behind an [`Arc`].
pub struct Verifier {
    issuers: Vec<Arc<Keys>>,
    verdicts: Verdicts,
    changes: watch::Sender<u64>,
    tasks: Vec<JoinHandle<()>>,
}

/// How one issuer is doing, for the operator.
#[derive(Clone, Debug, Serialize)]
pub struct IssuerStatus {
    /// The operator's name for it.
    pub name: String,
    /// `iss`.
    pub issuer: String,
    /// Usable keys held.
    pub key_count: usize,
    /// Time since the keys were fetched; `None` = never.
    pub age: Option<Duration>,
    /// Why the last fetch failed; `None` = it did not.
    pub last_error: Option<String>,
    /// There are no keys, or they can't be refreshed.
    pub degraded: bool,
    /// It is the development issuer.
    pub development: bool,
}

impl Verifier {
    /// Checks the settings and starts one task per issuer on the current tokio runtime, which
    /// fetches the keys at once and then keeps them fresh. An issuer that can't be reached does
    /// not stop the start: [`Verifier::status`] tells, and the task tries again.
    ///
    /// # Errors
    /// `issuer_settings_bad`: no issuer, two that are the same, a development issuer beside
    /// others, or what [`Rules::new`] refuses. `runtime_missing` outside a tokio runtime.
    pub fn start(settings: Vec<IssuerSettings>) -> Result<Self, Fault> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
            Fault::new(Blame::Bug, "runtime_missing", "XX000", "no tokio runtime to verify on")
        })?;
        check_together(&settings)?;
        let changes = watch::Sender::default();
        let issuers = settings
            .into_iter()
            .map(|each| Keys::new(Rules::new(each)?, changes.clone()).map(Arc::new))
            .collect::<Result<Vec<_>, Fault>>()?;
        let tasks = issuers.iter().map(|keys| runtime.spawn(Arc::clone(keys).run())).collect();
        Ok(Self { issuers, verdicts: Verdicts::default(), changes, tasks })
    }

    /// Verifies a token at `now`. Waits at most `KEY_WAIT_MILLIS_MAX`, and only for a key that
    /// is not known yet.
    ///
    /// # Errors
    /// One code per reason, see [`token`] and [`claims`](super::claims); the caller is to blame
    /// for all but `issuer_keys_unavailable`. No fault repeats the token.
    pub async fn verify(&self, token: &Token, now: SystemTime) -> Result<Principal, Fault> {
        let text = token.expose();
        let seconds = seconds(now);
        // Nothing longer than this was ever accepted, so it need not be hashed.
        let hash = if text.len() <= TOKEN_BYTES_MAX { fingerprint(text) } else { [0; 32] };
        if let Some(principal) = self.known(&hash, now) {
            return Ok(principal);
        }
        let compact = Compact::parse(text)?;
        let issuer = compact.issuer()?;
        let (index, keys) = self
            .issuers
            .iter()
            .enumerate()
            .find(|(_, keys)| keys.rules().settings().issuer == issuer)
            .ok_or_else(|| token::issuer_unknown(issuer))?;
        let rules = keys.rules();
        compact.check_rules(rules)?;
        let header = compact.header();
        let key = keys.find(header.key_id.as_deref(), header.algorithm, now).await?;
        let checked = compact.verify(rules, &key, seconds)?;
        let claims = Arc::new(checked.into_claims(rules, &key, &hash));
        let oldest = rules.settings().age_secs_max.and_then(|age| i64::try_from(age).ok());
        let ends = match oldest {
            Some(age) => claims.expires_at.min(claims.issued_at.saturating_add(age)),
            None => claims.expires_at,
        };
        self.verdicts.put(hash, Arc::clone(&claims), index, seconds, ends);
        Ok(Principal { claims })
    }

    fn known(&self, hash: &[u8; 32], now: SystemTime) -> Option<Principal> {
        let (claims, index) = self.verdicts.find(hash, seconds(now))?;
        let keys = self.issuers.get(index)?;
        if keys.check(claims.key_id.as_deref(), &claims.key_thumbprint, now).is_err() {
            self.verdicts.drop_token(hash);
            return None;
        }
        Some(Principal { claims })
    }

    /// Whether a principal verified before may go on: its token has not expired (with no grace)
    /// and its issuer still has the key. For live sessions, on a timer and after
    /// [`Verifier::changes`].
    ///
    /// # Errors
    /// `token_expired`, `key_unknown`, `issuer_unknown`, `issuer_keys_unavailable`.
    pub fn recheck(&self, principal: &Principal, now: SystemTime) -> Result<(), Fault> {
        let claims = principal.claims();
        if claims.expires_at <= seconds(now) {
            return Err(refuse(
                "token_expired",
                format!("the token expired at {}", clock(claims.expires_at)),
            )
            .hint("get a new token from the issuer and connect again"));
        }
        self.issuers
            .iter()
            .find(|keys| keys.rules().settings().issuer == claims.issuer)
            .ok_or_else(|| token::issuer_unknown(&claims.issuer))?
            .check(claims.key_id.as_deref(), &claims.key_thumbprint, now)
    }

    /// Changes whenever an issuer withdraws a key: the moment to [`Verifier::recheck`] sessions.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until every issuer was asked for its keys once, reached or not, or for `limit`.
    pub async fn first_fetch(&self, limit: Duration) {
        let all = async {
            for keys in &self.issuers {
                keys.first_fetch().await;
            }
        };
        // Past the limit the issuers are degraded, which the status says.
        let _ = tokio::time::timeout(limit, all).await;
    }

    /// How each issuer is doing, in configured order.
    pub fn status(&self) -> Vec<IssuerStatus> {
        let now = SystemTime::now();
        self.issuers
            .iter()
            .map(|keys| {
                let (key_count, age, last_error) = keys.state(now);
                let settings = keys.rules().settings();
                IssuerStatus {
                    name: settings.name.clone(),
                    issuer: settings.issuer.clone(),
                    degraded: key_count == 0 || last_error.is_some(),
                    key_count,
                    age,
                    last_error,
                    development: settings.development,
                }
            })
            .collect()
    }

    /// Ends the background tasks; keys already held go on until they are too old.
    pub fn stop(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Seconds since the epoch. A clock before 1970 counts as 1970, where no token is valid yet.
fn seconds(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn check_together(settings: &[IssuerSettings]) -> Result<(), Fault> {
    if settings.is_empty() {
        return Err(misconfigured("no issuer is configured, so nobody could sign in"));
    }
    for (index, each) in settings.iter().enumerate() {
        for other in settings.iter().skip(index + 1) {
            if each.issuer == other.issuer || each.name == other.name {
                return Err(misconfigured(format!(
                    "issuers {} and {} have the same name or identifier",
                    shown(&each.name),
                    shown(&other.name)
                )));
            }
            if each.development != other.development {
                return Err(misconfigured(
                    "a development issuer can't be configured beside a real one",
                ));
            }
        }
    }
    Ok(())
}
