//! What the suites run against: a server, and the same kind of server behind the gateway.

use std::fmt::Write;
use std::path::PathBuf;

use portcullis_tests::folder;
use portcullis_tests::gateway::{Gateway, Setup, Site};
use portcullis_tests::okta::Okta;
use portcullis_tests::postgres::{ADMIN_PASSWORD, ADMIN_ROLE, Postgres};

/// Everything is allowed: whatever differs then is the gateway's own doing.
const POLICY: &str = include_str!("policy.toml");
/// What the regression suite asks of the server it runs on (its README).
const SETTINGS: [&str; 1] = ["max_prepared_transactions=2"];
/// The databases that the suites connect to; the gateway's targets are named like them.
const DATABASES: [&str; 3] = ["postgres", "regression", "isolation_regression"];

/// What libpq calls by object id for large objects.
const FUNCTION_CALLS: &str = "function_calls = [\"lo_creat\", \"lo_create\", \"lo_open\", \
    \"lo_close\", \"lo_lseek\", \"lo_lseek64\", \"lo_tell\", \"lo_tell64\", \"lo_truncate\", \
    \"lo_truncate64\", \"lo_unlink\", \"loread\", \"lowrite\"]\n";

/// One way to a server.
pub(crate) struct Way {
    /// As the reports call it.
    pub(crate) name: &'static str,
    /// The port on 127.0.0.1.
    pub(crate) port: u16,
    /// The password, or the token.
    pub(crate) password: String,
    /// Verifies its certificate; without one the connection is plain, as the suites expect.
    pub(crate) ca_file: Option<PathBuf>,
}

/// A server as `initdb` leaves it, but for the shop and these settings.
pub(crate) fn server(settings: &[&str]) -> Postgres {
    Postgres::start_with(&[&SETTINGS, settings].concat())
}

/// The server itself.
pub(crate) fn direct(postgres: &Postgres) -> Way {
    Way {
        name: "direct",
        port: postgres.port(),
        password: ADMIN_PASSWORD.to_owned(),
        ca_file: None,
    }
}

/// A gateway before `postgres` that lets its superuser in.
pub(crate) fn site(postgres: &Postgres, okta: &Okta) -> Site {
    let mut setup = Setup::new(postgres, okta.entry(), POLICY);
    // The isolation suite watches who waits for whom; a commit for each notice would tell.
    setup.log = "buffered";
    let site = Site::new(&setup);
    folder::write_private(&site.dir().join("postgres.password"), ADMIN_PASSWORD);
    site.edit_config(|text| targets(&text));
    site
}

/// Through that gateway.
pub(crate) fn through(gateway: &Gateway<'_>, okta: &Okta) -> Way {
    Way {
        name: "gateway",
        port: gateway.postgres_address().port(),
        password: okta.agent_token(),
        ca_file: Some(gateway.ca_file().to_owned()),
    }
}

/// The configuration with a target for each database in place of the one for the shop.
fn targets(text: &str) -> String {
    let (head, target) = text.split_once("[[targets]]").expect("the site has a target");
    let (target, _) = target.split_once("[[targets.accounts]]").expect("it has an account");
    let mut all = head.to_owned();
    for database in DATABASES {
        let target = target
            .replace("name = \"shop\"", &format!("name = \"{database}\""))
            .replace("databases = [\"shop\"]", &format!("databases = [\"{database}\"]"));
        write!(
            all,
            "[[targets]]{target}{FUNCTION_CALLS}\n[[targets.accounts]]\nrole = \"{ADMIN_ROLE}\"\n\
             password_file = \"postgres.password\"\n\n[[targets.access]]\nissuer = \"okta\"\n\
             roles = [\"{ADMIN_ROLE}\"]\ngroups_any = [\"data-agents\"]\n\n"
        )
        .expect("a string can be written to");
    }
    all
}
