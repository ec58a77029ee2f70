//! The development issuer's grants: client credentials (RFC 6749 section 4.4) and device
//! (RFC 8628), introspection (RFC 7662) and revocation (RFC 7009).

use std::collections::{HashMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::{Client, MintRequest, Shared, form, keys, now};
use crate::limits::{
    ISSUER_DEVICE_INTERVAL_SECS, ISSUER_DEVICE_SECS, ISSUER_DEVICES_COUNT_MAX,
    ISSUER_TOKENS_COUNT_MAX,
};

const GRANT_CLIENT: &str = "client_credentials";
const GRANT_DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Fields of a form.
pub(super) type Form = HashMap<String, String>;
/// HTTP status and JSON body.
pub(super) type Answer = (u16, Value);

/// Tokens given out and devices waiting.
#[derive(Default)]
pub(super) struct State {
    tokens: HashMap<[u8; 32], Value>,
    order: VecDeque<[u8; 32]>,
    devices: HashMap<String, Device>,
}

struct Device {
    user_code: String,
    client: String,
    scopes: Vec<String>,
    ends: u64,
    login: Option<String>,
}

impl State {
    pub(super) fn remember(&mut self, token: &str, claims: Value) {
        let hash = crate::identity::token::fingerprint(token);
        if self.tokens.insert(hash, claims).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > ISSUER_TOKENS_COUNT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.tokens.remove(&oldest);
        }
    }
}

fn error(status: u16, code: &str, description: &str) -> Answer {
    let text = format!("{description} (Portcullis development issuer)");
    (status, json!({ "error": code, "error_description": text }))
}

impl Shared {
    /// The metadata of OpenID Connect Discovery 1.0 and RFC 8414, with Okta's paths.
    pub(super) fn metadata(&self) -> Value {
        let url = self.url();
        let (algorithm, auth) =
            (self.ring().algorithm(), ["client_secret_basic", "client_secret_post"]);
        json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/v1/authorize"),
            "token_endpoint": format!("{url}/v1/token"),
            "jwks_uri": format!("{url}/v1/keys"),
            "device_authorization_endpoint": format!("{url}/v1/device/authorize"),
            "introspection_endpoint": format!("{url}/v1/introspect"),
            "revocation_endpoint": format!("{url}/v1/revoke"),
            "response_types_supported": ["code"],
            "grant_types_supported": [GRANT_CLIENT, GRANT_DEVICE],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [algorithm],
            "token_endpoint_auth_methods_supported": auth,
            "introspection_endpoint_auth_methods_supported": auth,
            "revocation_endpoint_auth_methods_supported": auth,
            "portcullis_development_issuer": true,
        })
    }

    /// `client_secret_basic` or `client_secret_post` (RFC 6749 section 2.3.1), never both.
    fn client(&self, authorization: Option<&str>, form: &Form) -> Result<&Client, Answer> {
        let denied = || error(401, "invalid_client", "The client id or secret is wrong.");
        let posted = form.get("client_id").cloned().zip(form.get("client_secret").cloned());
        let (id, secret) = match (authorization, posted) {
            (Some(_), Some(_)) => {
                return Err(error(400, "invalid_request", "Two kinds of client authentication."));
            }
            (Some(header), None) => basic(header).ok_or_else(denied)?,
            (None, Some(posted)) => posted,
            (None, None) => return Err(denied()),
        };
        self.settings
            .clients
            .iter()
            .find(|client| client.id == id)
            .filter(|client| !client.secret.is_empty())
            .filter(|client| bool::from(client.secret.as_bytes().ct_eq(secret.as_bytes())))
            .ok_or_else(denied)
    }

    pub(super) fn token(&self, authorization: Option<&str>, form: &Form) -> Answer {
        let made = match form.get("grant_type").map(String::as_str) {
            Some(GRANT_CLIENT) => self.grant_client(authorization, form),
            Some(GRANT_DEVICE) => self.grant_device(authorization, form),
            _ => Err(error(
                400,
                "unsupported_grant_type",
                "The grant type is not client_credentials or device_code.",
            )),
        };
        let request = match made {
            Ok(request) => request,
            Err(answer) => return answer,
        };
        match self.mint(&request, now()) {
            Ok(token) => (
                200,
                json!({
                    "token_type": "Bearer",
                    "expires_in": self.settings.token_secs,
                    "access_token": token,
                    "scope": request.scopes.join(" "),
                }),
            ),
            Err(fault) => error(500, "server_error", &fault.message),
        }
    }

    fn grant_client(&self, header: Option<&str>, form: &Form) -> Result<MintRequest, Answer> {
        let client = self.client(header, form)?;
        let scopes = granted(client, form)?;
        Ok(MintRequest { scopes, ..MintRequest::client(client) })
    }

    /// A device has to authenticate when its client has a secret; Okta's native apps have none.
    fn grant_device(&self, header: Option<&str>, form: &Form) -> Result<MintRequest, Answer> {
        let public = form.get("client_id").filter(|id| {
            let mut clients = self.settings.clients.iter();
            clients.any(|client| client.id == **id && client.secret.is_empty())
        });
        let id = match public {
            Some(id) => id.clone(),
            None => self.client(header, form)?.id.clone(),
        };
        let code = form.get("device_code").map(String::as_str).unwrap_or_default();
        let mut state = self.state();
        let device = state
            .devices
            .get(code)
            .filter(|device| device.client == id)
            .ok_or_else(|| error(400, "invalid_grant", "The device code is invalid."))?;
        if device.ends <= now() {
            state.devices.remove(code);
            return Err(error(400, "expired_token", "The device code has expired."));
        }
        let Some(login) = &device.login else {
            return Err(error(
                400,
                "authorization_pending",
                "The device authorization is pending. Please try again later.",
            ));
        };
        let person = self.settings.people.iter().find(|person| person.login == *login);
        let made = person
            .map(|person| MintRequest {
                scopes: device.scopes.clone(),
                ..MintRequest::person(person, &id)
            })
            .ok_or_else(|| error(400, "access_denied", "Nobody signs in by that name."));
        state.devices.remove(code);
        made
    }

    pub(super) fn device(&self, form: &Form) -> Answer {
        let id = form.get("client_id").map(String::as_str).unwrap_or_default();
        let Some(client) = self.settings.clients.iter().find(|client| client.id == id) else {
            return error(401, "invalid_client", "The client id is wrong.");
        };
        let scopes = match granted(client, form) {
            Ok(scopes) => scopes,
            Err(answer) => return answer,
        };
        let (Ok(code), Ok(random)) = (keys::random_text(), keys::random_text()) else {
            return error(500, "server_error", "No randomness.");
        };
        let user_code: String =
            random.chars().filter(char::is_ascii_alphabetic).take(8).collect::<String>();
        let user_code = user_code.to_ascii_uppercase();
        let now = now();
        let mut state = self.state();
        state.devices.retain(|_, device| device.ends > now);
        if state.devices.len() >= ISSUER_DEVICES_COUNT_MAX {
            return error(429, "slow_down", "Too many devices are waiting.");
        }
        let device = Device {
            user_code: user_code.clone(),
            client: id.to_owned(),
            scopes,
            ends: now + ISSUER_DEVICE_SECS,
            login: None,
        };
        state.devices.insert(code.clone(), device);
        let page = format!("{}/activate", self.origin);
        (
            200,
            json!({
                "device_code": code,
                "user_code": user_code,
                "verification_uri": page,
                "verification_uri_complete": format!("{page}?user_code={user_code}"),
                "expires_in": ISSUER_DEVICE_SECS,
                "interval": ISSUER_DEVICE_INTERVAL_SECS,
            }),
        )
    }

    /// Signs `login` in on the device that shows `user_code`.
    pub(super) fn activate(&self, form: &Form) -> Result<(), &'static str> {
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let login = field("login");
        if !self.settings.people.iter().any(|person| person.login == login) {
            return Err("Nobody signs in by that name.");
        }
        let code = field("user_code").to_ascii_uppercase();
        let (mut state, now) = (self.state(), now());
        let device = state
            .devices
            .values_mut()
            .find(|device| device.user_code == code && device.ends > now && device.login.is_none())
            .ok_or("No device shows that code.")?;
        device.login = Some(login.to_owned());
        Ok(())
    }

    pub(super) fn introspect(&self, authorization: Option<&str>, form: &Form) -> Answer {
        if let Err(answer) = self.client(authorization, form) {
            return answer;
        }
        let hash = form.get("token").map(|token| crate::identity::token::fingerprint(token));
        let state = self.state();
        let live = hash
            .and_then(|hash| state.tokens.get(&hash))
            .filter(|claims| claims["exp"].as_u64().is_some_and(|ends| ends > now()));
        let Some(claims) = live else { return (200, json!({ "active": false })) };
        let mut answer = claims.clone();
        answer["active"] = json!(true);
        answer["token_type"] = json!("Bearer");
        answer["client_id"] = claims["cid"].clone();
        answer["username"] = claims["sub"].clone();
        (200, answer)
    }

    /// RFC 7009 section 2.2: revoking what is not there succeeds as well.
    pub(super) fn revoke(&self, authorization: Option<&str>, form: &Form) -> Answer {
        if let Err(answer) = self.client(authorization, form) {
            return answer;
        }
        if let Some(token) = form.get("token") {
            // The place in `order` stays; it only makes room for the next one earlier.
            self.state().tokens.remove(&crate::identity::token::fingerprint(token));
        }
        (200, Value::Null)
    }
}

/// The scopes asked for, or all of the client's.
fn granted(client: &Client, form: &Form) -> Result<Vec<String>, Answer> {
    let asked: Vec<String> = form
        .get("scope")
        .map(|text| text.split(' ').filter(|each| !each.is_empty()).map(str::to_owned).collect())
        .unwrap_or_default();
    if asked.is_empty() {
        return Ok(client.scopes.clone());
    }
    if asked.iter().all(|scope| client.scopes.contains(scope)) {
        return Ok(asked);
    }
    Err(error(400, "invalid_scope", "One or more scopes are not configured for the client."))
}

fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form::decode(id)?, form::decode(secret)?))
}
