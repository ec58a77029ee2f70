//! A shop behind a gateway with masks, ready for clients.

use std::time::{Duration, Instant};

use portcullis_tests::driver;
use portcullis_tests::gateway::{Gateway, Setup, Site};
use portcullis_tests::okta::Okta;
use portcullis_tests::plugins::component;
use portcullis_tests::postgres::{APP_ROLE, DATABASE, Postgres};
use portcullis_tests::wire::Wire;

/// Longest wait for something that has to happen.
const WAIT_SECS_MAX: Duration = Duration::from_secs(30);

/// Servers, issuer and site; the gateway is started on it.
pub(crate) struct Stage {
    pub(crate) postgres: Postgres,
    pub(crate) okta: Okta,
    pub(crate) site: Site,
}

impl Stage {
    /// Everything is allowed but `risk.deny_at` 80 (DROP, DELETE without WHERE); e-mail, card
    /// number and national id are masked.
    pub(crate) fn new() -> Self {
        Self::with_policy(&policy(""))
    }

    pub(crate) fn with_policy(policy: &str) -> Self {
        let postgres = Postgres::start();
        let okta = Okta::start();
        let mut setup = Setup::new(&postgres, okta.entry(), policy);
        setup.log = "buffered";
        let site = Site::new(&setup);
        Self { postgres, okta, site }
    }

    pub(crate) fn token(&self) -> String {
        self.okta.agent_token()
    }

    /// A signed-in raw connection.
    pub(crate) fn wire(&self, gateway: &Gateway<'_>) -> Wire {
        let mut wire = gateway.wire_tls();
        let last = wire.sign_in(APP_ROLE, DATABASE, &self.token()).expect("signing in");
        assert_eq!(last.tag, b'Z', "{:?}", last.field(b'M'));
        wire
    }

    /// A signed-in driver, on the issuer's runtime.
    pub(crate) fn driver(&self, gateway: &Gateway<'_>) -> tokio_postgres::Client {
        let ca_pem = std::fs::read_to_string(gateway.ca_file()).expect("the CA file");
        let token = self.token();
        let address = gateway.postgres_address();
        let connecting = driver::connect(address, &ca_pem, APP_ROLE, DATABASE, &token);
        self.okta.runtime().block_on(connecting).expect("the driver signs in")
    }

    /// Waits until a query of the superuser gives this.
    pub(crate) fn wait_for(&self, sql: &str, wanted: &str) {
        let end = Instant::now() + WAIT_SECS_MAX;
        while self.admin(sql) != wanted {
            assert!(Instant::now() < end, "never came: {sql} = {wanted:?}");
        }
    }

    /// Runs SQL past the gateway as the superuser.
    pub(crate) fn admin(&self, sql: &str) -> String {
        self.postgres.admin().run(sql).success("as the superuser")
    }
}

/// The stage's policy with more lines at its end.
pub(crate) fn policy(more: &str) -> String {
    let file = |name: &str| component(name).display().to_string();
    let (mask, risk) = (file("mask-columns"), file("risk-statement"));
    format!(
        r#"default = "allow"

[risk]
deny_at = 80

[approval]
approvers = ["data-owners"]
decide_within_secs = 60

[[plugins]]
name = "mask"
file = "{mask}"

[plugins.settings]
columns = [
    {{ origin = "public.customers.email", mask = {{ fixed = "MASKED" }}, rule = "pii.email" }},
    {{ origin = "public.customers.card_number", mask = {{ keep_last = 4 }}, rule = "pii.card" }},
    {{ origin = "public.customers.national_id", mask = "null", rule = "pii.national_id" }},
]

[[plugins]]
name = "risk"
file = "{risk}"
{more}"#
    )
}

/// A plugin that holds these verbs, for [`policy`].
pub(crate) fn approval(verbs: &str) -> String {
    let file = component("approval-writes").display().to_string();
    format!(
        "\n[[plugins]]\nname = \"approval\"\nfile = \"{file}\"\n\n[plugins.settings]\n\
         verbs = [{verbs}]\n"
    )
}
