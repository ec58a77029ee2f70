//! Judging again what was recorded.

use super::host::wit;
use super::{Generation, Instances, Judged, Ruling};
use crate::protocol::Request;

/// Who a recorded session was, as its plugins were told.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "field for field the session-info of wit/types.wit")]
pub struct Caller {
    pub id: String,
    pub target: String,
    pub protocol: String,
    pub database: String,
    pub role: String,
    pub principal: String,
    pub agent: String,
    pub groups: Vec<String>,
}

impl Instances {
    /// None yet; plugins are told that they work for a session that the log has.
    pub fn recorded(caller: &Caller) -> Self {
        let Caller { id, target, protocol, database, role, principal, agent, groups } =
            caller.clone();
        Self::of(wit::SessionInfo {
            id,
            target,
            protocol,
            database,
            role,
            principal,
            agent,
            groups,
        })
    }
}

impl Generation {
    /// How this policy judges a request of the log. What hangs on the target's catalogue (what a
    /// statement may do with a hidden column) is not judged.
    pub fn judge_recorded(&self, instances: &mut Instances, request: Request) -> Ruling {
        match self.judge(instances, request) {
            Judged::Decided(it) => it.ruling().clone(),
            Judged::Denied(it) => it.ruling().clone(),
            Judged::Held(it) => it.ruling().clone(),
        }
    }
}
