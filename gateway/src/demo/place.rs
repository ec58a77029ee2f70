//! Everything that runs: issuer, database, gateway, and the folder with their files.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::process::Command;

use super::certificates::Authority;
use super::database::{self, DATABASE, Database, ROLE, connection, free_port};
use super::folder::Folder;
use super::people::{AGENT_TOKEN, ALICE_TOKEN, BOB_TOKEN, People};
use super::show::Show;
use super::{Error, Settings};
use crate::config;
use crate::pipeline::{self, Running};

/// The configuration as it stands in the repository. Its addresses are wanted, not needed.
const CONFIGURATION: &str = include_str!("../../../policies/demo/portcullis.toml");
/// The policy of the shop.
const POLICY: &str = include_str!("../../../policies/demo/shop.policy.toml");

const PORT_ADMIN: u16 = crate::limits::ADMIN_PORT;
const PORT_DATABASE: u16 = 5433;
const PORT_GATEWAY: u16 = 6432;
const PORT_ISSUER: u16 = 8480;

const CA_FILE: &str = "ca.crt";
const CONFIGURATION_FILE: &str = "portcullis.toml";
const POLICY_FILE: &str = "shop.policy.toml";

/// A demonstration that runs.
pub(super) struct Place {
    running: Running,
    gateway: SocketAddr,
    admin: SocketAddr,
    database: Database,
    people: People,
    folder: Folder,
}

impl Place {
    /// Starts everything, and says what and where.
    pub(super) async fn set_up(settings: &Settings, show: &mut Show<'_>) -> Result<Self, Error> {
        // A tour by itself is for machines: there may be others, and nobody types the ports.
        let wanted = |port: u16| (!settings.tour).then_some(port);
        let folder = Folder::open(settings)?;
        let authority = Authority::new()?;
        let ca_file = folder.write(CA_FILE, authority.pem())?;

        show.heading("Identity: a development issuer, shaped like Okta, for this machine only")?;
        let people = People::start(wanted(PORT_ISSUER)).await?;
        people.write_tokens(&folder)?;
        show.item("issuer", &people.url())?;
        show.item("agent", "an AI agent that acts for Alice")?;
        show.item("people", "Alice, whom it works for; Bob, who answers and reads reports")?;

        show.heading("Target: a real PostgreSQL with a small shop, in a temporary folder")?;
        let database = Database::start(wanted(PORT_DATABASE), &authority, &ca_file).await?;
        let version = database.rows("SHOW server_version").await?.concat();
        show.item("server", &format!("PostgreSQL {version}, 127.0.0.1:{}", database.port()))?;
        let tables = "200 customers, 40 products, 1000 orders; everybody is made up";
        show.item("shop", tables)?;

        show.heading("Gateway: Portcullis, in front of it")?;
        let ports = Ports {
            issuer: people.address(),
            database: format!("127.0.0.1:{}", database.port()),
            gateway: format!("127.0.0.1:{}", free_port(wanted(PORT_GATEWAY))?),
            admin: format!("127.0.0.1:{}", free_port(wanted(PORT_ADMIN))?),
        };
        let server = authority.sign()?;
        folder.write("gateway.crt", &server.pem)?;
        folder.write_secret("gateway.key", &server.key_pem)?;
        folder.write_secret("shop_app.password", database.role_password())?;
        folder.write(POLICY_FILE, POLICY)?;
        let file = folder.write(CONFIGURATION_FILE, &ports.put_into(CONFIGURATION))?;
        let running = start(&file).await?;
        let address = |kind: &str| {
            let bound = running.bound().iter().find(|bound| bound.kind == kind);
            let missing = || Error::new(format!("the gateway has no {kind} address"));
            bound.map(|bound| bound.address).ok_or_else(missing)
        };
        let (gateway, admin) = (address("postgres")?, address("admin")?);
        show.item("for agents", &format!("{gateway}, PostgreSQL over TLS"))?;
        show.item("for people", &format!("http://{admin}, on this machine only"))?;
        show.item("settings", &show.path(&file))?;
        show.item("rules", &show.path(&folder.file(POLICY_FILE)))?;
        show.say("Open both. Edit the rules while it runs: the next statement uses them.")?;
        Ok(Self { running, gateway, admin, database, people, folder })
    }

    /// The run folder.
    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The database, to see past the gateway.
    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// The connection string of agents, with the path of the CA as given.
    pub(super) fn connection(&self, ca_file: &str) -> String {
        connection(self.gateway.port(), DATABASE, ROLE, ca_file)
    }

    /// The file of the CA.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.folder.file(CA_FILE)
    }

    /// The URL for people.
    pub(super) fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// `psql` through the gateway, with the token in this file of the run folder.
    pub(super) fn agent(&self, token_file: &str) -> Result<Command, Error> {
        let path = self.folder.file(token_file);
        let token = std::fs::read_to_string(&path)
            .map(zeroize::Zeroizing::new)
            .map_err(|error| Error::file("read", &path, &error))?;
        let mut psql = self.database.psql();
        database::point(&mut psql, &token);
        psql.arg("--no-psqlrc").args(["--pset", "pager=off"]);
        psql.arg(self.connection(&self.ca_file().display().to_string()));
        Ok(psql)
    }

    /// Gives everybody a fresh token.
    pub(super) fn renew_tokens(&self) -> Result<(), Error> {
        self.people.write_tokens(&self.folder)
    }

    /// Says how to try it by hand.
    pub(super) fn invite(&self, show: &mut Show<'_>) -> Result<(), Error> {
        let program = show.path(&super::tour::program()?);
        let person = |command: &str, token: &str| {
            let token = show.path(&self.folder.file(token));
            format!("{program} {command} --admin {} --token-file {token}", self.admin_url())
        };
        let list = person("approvals list", BOB_TOKEN);
        let approve = person("approvals approve ID", BOB_TOKEN);
        let sessions = person("sessions list", BOB_TOKEN);
        let own = person("approvals approve ID", ALICE_TOKEN);
        show.heading("Your turn. Paste this into another terminal:")?;
        let token = self.folder.file(AGENT_TOKEN);
        let connection = self.connection(&self.ca_file().display().to_string());
        show.paste(&format!("PGPASSWORD=$(cat {}) psql \"{connection}\"", token.display()))?;
        show.say("A DELETE or UPDATE waits for Bob:")?;
        show.command(&list)?;
        show.command(&approve)?;
        show.say("What was done, and by whom:")?;
        show.command(&sessions)?;
        show.say("Alice can't answer her own agent's questions:")?;
        show.command(&own)?;
        show.say("")?;
        show.item("rules", &show.path(&self.folder.file(POLICY_FILE)))?;
        show.item("files", &show.path(self.folder.path()))?;
        show.item("tokens", "live an hour; their files get fresh ones")?;
        show.say("Ctrl-C ends it.")
    }

    /// Stops the gateway, the issuer and the database, in this order.
    pub(super) async fn end(self) {
        self.running.stop().await;
        self.people.stop();
        drop(self.database);
    }
}

async fn start(file: &std::path::Path) -> Result<Running, Error> {
    let config = config::load(file).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Error::new(format!("the configuration has mistakes:\n{}", lines.join("\n")))
    })?;
    pipeline::start(config).await.map_err(|why| {
        Error::new(format!("the gateway does not start:\n{}", why.errors.join("\n")))
    })
}

/// The addresses of this run, `HOST:PORT`.
struct Ports {
    admin: String,
    database: String,
    gateway: String,
    issuer: String,
}

impl Ports {
    /// The configuration with these addresses in place of the wanted ones.
    fn put_into(&self, text: &str) -> String {
        let pairs = [
            (PORT_ADMIN, &self.admin),
            (PORT_DATABASE, &self.database),
            (PORT_GATEWAY, &self.gateway),
            (PORT_ISSUER, &self.issuer),
        ]
        .map(|(port, actual)| (format!("127.0.0.1:{port}"), actual));
        let mut out = String::with_capacity(text.len());
        for line in text.lines() {
            // At most one a line, so that an address put in is never taken for a wanted one.
            let found = pairs.iter().find(|(wanted, _)| line.contains(wanted));
            match found {
                Some((wanted, actual)) => out.push_str(&line.replace(wanted, actual)),
                None => out.push_str(line),
            }
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests;
