//! What a token said, as entries keep it.

use serde::{Deserialize, Serialize};

use crate::identity::{Actor, Claims};
use crate::limits::ENTRY_BYTES_MAX;

/// Bytes of one list of claims that stay in the entry; a longer one is in the payload alone.
const TOKEN_LIST_BYTES_MAX: usize = ENTRY_BYTES_MAX / 8;

/// What a token said: every claim kept, never the token.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[allow(missing_docs, reason = "field for field the documented claims of identity::Claims")]
pub struct TokenBinding {
    pub issuer_name: String,
    pub issuer: String,
    pub subject: String,
    pub uid: Option<String>,
    pub client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    pub email: Option<String>,
    pub groups: Vec<String>,
    pub scopes: Vec<String>,
    pub actors: Vec<(String, Option<String>)>,
    pub audience: Vec<String>,
    pub token_id: Option<String>,
    pub issued_at: i64,
    pub expires_at: i64,
    pub auth_time: Option<i64>,
    pub key_id: Option<String>,
    pub key_thumbprint: String,
    pub token_sha256: String,
    /// Lists too long for the entry were left out; the payload has them whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clipped: bool,
}

impl TokenBinding {
    /// Every claim, whole.
    pub fn whole(claims: &Claims) -> Self {
        let actor = |actor: &Actor| (actor.subject.clone(), actor.profile.clone());
        Self {
            issuer_name: claims.issuer_name.clone(),
            issuer: claims.issuer.clone(),
            subject: claims.subject.clone(),
            uid: claims.uid.clone(),
            client: claims.client.clone(),
            profile: claims.profile.clone(),
            email: claims.email.clone(),
            groups: claims.groups.clone(),
            scopes: claims.scopes.clone(),
            actors: claims.actors.iter().map(actor).collect(),
            audience: claims.audience.clone(),
            token_id: claims.token_id.clone(),
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
            auth_time: claims.auth_time,
            key_id: claims.key_id.clone(),
            key_thumbprint: claims.key_thumbprint.clone(),
            token_sha256: claims.token_sha256.clone(),
            clipped: false,
        }
    }

    /// What fits into an entry: long lists are left out, long words cut.
    pub fn brief(claims: &Claims) -> Self {
        let mut brief = Self::whole(claims);
        let length = |list: &[String]| list.iter().map(|item| item.len() + 3).sum::<usize>();
        for list in [&mut brief.groups, &mut brief.scopes, &mut brief.audience] {
            if length(list) > TOKEN_LIST_BYTES_MAX {
                list.clear();
                brief.clipped = true;
            }
        }
        let actors = brief.actors.iter().map(|(subject, _)| subject.len()).sum::<usize>();
        if actors > TOKEN_LIST_BYTES_MAX {
            brief.actors.truncate(1);
            brief.clipped = true;
        }
        brief
    }
}
