//! One PostgreSQL, a gateway for each guard, one without any, and databases to spoil.

use std::net::SocketAddr;

use portcullis_tests::driver;
use portcullis_tests::gateway::{Gateway, Setup, Site};
use portcullis_tests::okta::Okta;
use portcullis_tests::plugins::component;
use portcullis_tests::postgres::{
    ADMIN_PASSWORD, ADMIN_ROLE, APP_PASSWORD, APP_ROLE, DATABASE, Postgres,
};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::canary::{SETS, Set};
use crate::case::Guard;

/// Cases that run side by side; each has databases of its own.
pub(crate) const LANES: usize = 4;

/// As whom the raw client goes past the gateway.
pub(crate) const DIRECT_ROLE: &str = "direct";

/// Schema and rows, with words in braces for the hidden values.
const GROUND_SQL: &str = include_str!("ground.sql");

/// What cases of [`Guard::Calls`] start from besides.
pub(crate) const CODE_SQL: &str = include_str!("code.sql");

/// The hidden columns and what stands in their place.
const HIDDEN: [(&str, &str); 13] = [
    ("public.people.secret", "{ fixed = \"MASKED\" }"),
    ("public.people.pin", "\"null\""),
    ("public.people.born", "\"null\""),
    ("public.people.profile", "\"null\""),
    ("public.people.key", "\"null\""),
    ("public.people.tags", "\"null\""),
    ("public.people.home", "\"null\""),
    ("public.people.essay", "{ fixed = \"MASKED\" }"),
    ("public.events.payload", "{ fixed = \"MASKED\" }"),
    ("public.odd.coooooooooooooooooooooooooooooooooooooooooooooooooooooooooooode", "\"null\""),
    ("public.odd.caf\u{e9}", "\"null\""),
    ("public.odd.Mixed Case", "\"null\""),
    ("public.odd.\\\"quo\\\"\\\"te.d\\\"", "\"null\""),
];

/// Hidden in a parent table only: its children have to follow.
const HIDDEN_ABOVE: (&str, &str) = ("public.files.content", "{ fixed = \"MASKED\" }");

/// Whatever may change something is refused.
const READ_ONLY: &str = "\"sql.delete\" = 90, \"sql.code\" = 90, \"sql.insert\" = 90, \
     \"sql.update\" = 90, \"sql.write\" = 90, \"sql.schema\" = 90, \"sql.alter\" = 90, \
     \"sql.admin\" = 90";

/// Whatever runs code of the database's users is refused, and nothing else.
const NO_CODE: &str = "\"sql.call\" = 90, \"sql.code\" = 90, \"sql.truncate\" = 0, \
     \"sql.privilege\" = 0, \"sql.admin\" = 0, \"sql.drop\" = 0, \"sql.alter\" = 0, \
     \"sql.update_unbounded\" = 0, \"sql.delete_unbounded\" = 0";

/// Servers and sites. Nothing of it is started twice.
pub(crate) struct Ground {
    pub(crate) postgres: Postgres,
    okta: Okta,
    sites: Vec<(Option<Guard>, Site)>,
}

impl Ground {
    /// With a gateway for each of these guards; `None` is the one that lets everything through.
    pub(crate) fn new(guards: &[Option<Guard>]) -> Self {
        // Autovacuum would write to the stream of changes and refresh statistics at a time of its
        // own, so that two databases differ by more than their hidden values.
        let postgres = Postgres::start_with(&["wal_level=logical", "autovacuum=off"]);
        // The mightiest role there is: nothing but the gateway stands in a case's way.
        let might = format!("ALTER ROLE {APP_ROLE} SUPERUSER");
        postgres.admin().run(&might).success("making the role mighty");
        postgres
            .admin()
            .run("CREATE ROLE plain")
            .success("making the role that is held to policies");
        admit(&postgres);
        let okta = Okta::start();
        let site = |policy: &str| {
            let mut setup = Setup::new(&postgres, okta.entry(), policy);
            setup.log = "buffered";
            setup.databases.extend((0..LANES).flat_map(|lane| SETS.map(|set| name(lane, &set))));
            let site = Site::new(&setup);
            // One parser decides; the other would stop many a case before its guard does.
            let compat = |text: String| {
                let more = "parsers = \"compat\"\nforeign_tables = [\"public.near\"]";
                text.replace("log = \"buffered\"", &format!("log = \"buffered\"\n{more}"))
            };
            site.edit_config(compat);
            site
        };
        let sites = guards.iter().map(|guard| (*guard, site(&policy(*guard)))).collect();
        Self { postgres, okta, sites }
    }

    /// Starts the gateways.
    pub(crate) fn open(&self) -> Open<'_> {
        Open {
            ground: self,
            token: self.okta.agent_token(),
            gateways: self.sites.iter().map(|(guard, site)| (*guard, site.start())).collect(),
        }
    }
}

/// Lets the roles in without a password: the raw client knows no SCRAM, and thousands of
/// sessions need not prove one.
fn admit(postgres: &Postgres) {
    let file = postgres.dir().join("data/pg_hba.conf");
    let rules = std::fs::read_to_string(&file).expect("the server's rules can be read");
    let rule = format!("host all {DIRECT_ROLE},{APP_ROLE} 127.0.0.1/32 trust\n{rules}");
    std::fs::write(&file, rule).expect("the server's rules can be written");
    let make = format!("CREATE ROLE {DIRECT_ROLE} SUPERUSER LOGIN; SELECT pg_reload_conf()");
    postgres.admin().run(&make).success("making the role for the raw client");
}

/// The running gateways.
pub(crate) struct Open<'a> {
    ground: &'a Ground,
    pub(crate) token: String,
    gateways: Vec<(Option<Guard>, Gateway<'a>)>,
}

impl<'a> Open<'a> {
    /// The gateway with this guard; without any, the one that lets everything through.
    pub(crate) fn gateway(&self, guard: Option<Guard>) -> &Gateway<'a> {
        let found = self.gateways.iter().find(|(of, _)| *of == guard);
        &found.expect("the guard has a gateway").1
    }

    pub(crate) fn postgres(&self) -> &Postgres {
        &self.ground.postgres
    }

    /// A fresh database for this lane and set, and the superuser's way into it.
    pub(crate) fn database(&self, lane: usize, set: Set) -> Database<'a> {
        let okta = &self.ground.okta;
        let postgres = &self.ground.postgres;
        let name = name(lane, &set);
        let create = format!("CREATE DATABASE {name}");
        postgres.admin().run(&create).success("creating a database");
        let other = okta.runtime().block_on(async {
            let client = connect(postgres, &name).await;
            let [secret, ..] = set.secrets;
            let said = format!("SET application_name = 'other'; SELECT '{secret}' AS said");
            client.simple_query(&said).await.expect("the other session speaks");
            client
        });
        let database = Database { okta, postgres, name, set, _other: other };
        database.refresh();
        database
    }

    /// Statements through the Rust driver, as what it read or was told.
    pub(crate) fn drive(&self, gateway: &Gateway<'_>, database: &str, texts: &[String]) -> Vec<u8> {
        let ca_pem = std::fs::read_to_string(gateway.ca_file()).expect("the CA file");
        let address = gateway.postgres_address();
        self.ground.okta.runtime().block_on(async {
            let client = driver::connect(address, &ca_pem, APP_ROLE, database, &self.token).await;
            let client = client.expect("the driver signs in");
            let mut seen = Vec::new();
            for text in texts {
                match client.query(text, &[]).await {
                    Ok(rows) => {
                        for row in rows {
                            for at in 0..row.len() {
                                let value: Option<Raw> = row.get(at);
                                seen.extend(value.map(|raw| raw.0).unwrap_or_default());
                                seen.push(b'|');
                            }
                            seen.push(b'\n');
                        }
                    }
                    Err(error) => {
                        let said = error.as_db_error().map(|error| format!("{error:?}"));
                        seen.extend(said.unwrap_or_else(|| error.to_string()).into_bytes());
                        seen.push(b'\n');
                    }
                }
            }
            seen
        })
    }
}

/// A value's bytes as they came.
struct Raw(Vec<u8>);

impl<'a> tokio_postgres::types::FromSql<'a> for Raw {
    fn from_sql(
        _: &tokio_postgres::types::Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &tokio_postgres::types::Type) -> bool {
        true
    }
}

/// A database that cases spoil.
pub(crate) struct Database<'a> {
    okta: &'a Okta,
    postgres: &'a Postgres,
    pub(crate) name: String,
    pub(crate) set: Set,
    /// Another session, whose last words hold a hidden value.
    _other: Client,
}

impl Database<'_> {
    /// Makes everything afresh.
    pub(crate) fn refresh(&self) {
        self.admin(&filled(&self.set));
    }

    /// Runs SQL as the superuser and gives back every value.
    pub(crate) fn admin(&self, sql: &str) -> String {
        if sql.is_empty() {
            return String::new();
        }
        let messages = self.okta.runtime().block_on(async {
            let client = connect(self.postgres, &self.name).await;
            client.simple_query(sql).await
        });
        let messages =
            messages.unwrap_or_else(|error| panic!("as the superuser: {error:?}: {sql}"));
        let mut values = String::new();
        for message in &messages {
            if let SimpleQueryMessage::Row(row) = message {
                for at in 0..row.len() {
                    values.push_str(row.get(at).unwrap_or("NULL"));
                    values.push('|');
                }
            }
        }
        values
    }

    /// The database as a client of the gateway names it.
    pub(crate) fn target(&self) -> String {
        format!("{DATABASE}/{}", self.name)
    }

    /// A text of a case with the server's port and password in their places.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("{port}", &self.postgres.port().to_string())
            .replace("{password}", APP_PASSWORD)
            .replace("{database}", &self.name)
    }
}

/// The superuser's way into a database.
async fn connect(postgres: &Postgres, database: &str) -> Client {
    let address = SocketAddr::from(([127, 0, 0, 1], postgres.port()));
    let ca_pem = postgres.authority().certificate_pem();
    driver::connect(address, ca_pem, ADMIN_ROLE, database, ADMIN_PASSWORD)
        .await
        .expect("the superuser signs in")
}

fn name(lane: usize, set: &Set) -> String {
    format!("{DATABASE}_{lane}_{}", set.letter)
}

fn filled(set: &Set) -> String {
    let mut sql = GROUND_SQL.to_owned();
    for (at, secret) in set.secrets.iter().enumerate() {
        sql = sql.replace(&format!("{{secret{at}}}"), secret);
        sql = sql.replace(&format!("{{pin{at}}}"), set.pins[at]);
        sql = sql.replace(&format!("{{born{at}}}"), set.born[at]);
    }
    sql.replace("{profile}", set.profile)
        .replace("{key}", set.key)
        .replace("{{tags}}", set.tags)
        .replace("{street}", set.street)
        .replace("{essay}", set.essay)
}

fn policy(guard: Option<Guard>) -> String {
    match guard {
        None => free(),
        Some(Guard::Masks) => masking("strict"),
        Some(Guard::Standard) => masking("standard"),
        Some(Guard::Values) => masking("values"),
        Some(Guard::Verbs) => scores(READ_ONLY),
        Some(Guard::Calls) => no_code(),
    }
}

/// No guard at all.
fn free() -> String {
    format!("{}\n[settings]\ndeny = []\n", plain())
}

/// Everything is allowed, nothing masked.
fn plain() -> String {
    "default = \"allow\"\n".to_owned()
}

fn masking(mode: &str) -> String {
    let columns: Vec<String> = HIDDEN
        .iter()
        .chain([&HIDDEN_ABOVE])
        .map(|(origin, mask)| format!("    {{ origin = \"{origin}\", mask = {mask} }},\n"))
        .collect();
    format!(
        "{}\n[masking]\nmode = \"{mode}\"\n{}[plugins.settings]\ncolumns = [\n{}]\n",
        plain(),
        plugin("mask-columns"),
        columns.concat()
    )
}

fn scores(scores: &str) -> String {
    format!(
        "{}\n[risk]\ndeny_at = 80\n{}[plugins.settings]\nscores = {{ {scores} }}\n",
        plain(),
        plugin("risk-statement")
    )
}

/// Only code counts.
fn no_code() -> String {
    format!("{}\n[settings]\ndeny = []\n", scores(NO_CODE))
}

fn plugin(name: &str) -> String {
    let file = component(name).display().to_string();
    format!("\n[[plugins]]\nname = \"{name}\"\nfile = {file:?}\ncall_millis_max = 5000\n\n")
}
