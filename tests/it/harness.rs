//! The ground the other tests stand on: if the harness lies, they prove nothing.

use std::net::SocketAddr;

use portcullis_tests::certs::Authority;
use portcullis_tests::driver;
use portcullis_tests::gateway::{Setup, Site};
use portcullis_tests::oidc_provider::{OidcProvider, OidcSettings};
use portcullis_tests::okta::{Okta, alice, bob};
use portcullis_tests::postgres::{APP_PASSWORD, APP_ROLE, DATABASE, Postgres};
use portcullis_tests::wire::Wire;

#[test]
fn the_shop_opens_with_its_password_only() {
    let postgres = Postgres::start();
    let count = postgres.app().run("SELECT count(*) FROM customers").success("counting");
    assert_eq!(count, "200\n");

    let without = postgres.app().no_password().run("SELECT 1");
    assert_eq!(without.code, Some(2), "signed in without a password: {}", without.stdout);
    let role = "GRANT pg_read_server_files TO shop_app";
    assert_eq!(postgres.app().run(role).code, Some(3), "the role may make itself mightier");
}

#[test]
fn the_shop_is_the_same_every_time() {
    let postgres = Postgres::start();
    let sql = "SELECT name, email, card_number, national_id FROM customers WHERE id = 42";
    let row = postgres.app().run(sql).success("reading one customer");
    assert_eq!(
        row, "Chidi Jansen|chidi.jansen42@mail.example|378282246310005|942-60-1554\n",
        "tests name this row: a change of policies/demo/shop.sql changes them too"
    );
}

#[test]
fn the_raw_client_verifies_the_server_it_speaks_to() {
    let postgres = Postgres::start();
    let address = SocketAddr::from(([127, 0, 0, 1], postgres.port()));
    let ours = postgres.authority().certificate_pem();
    let mut wire = Wire::connect_tls(address, ours).expect("TLS with the right authority");
    wire.start_up(&[("user", "nobody-here"), ("database", "shop")]).unwrap();
    let asked = wire.message().unwrap();
    assert_eq!((asked.tag, asked.body.get(..4)), (b'R', Some(&[0, 0, 0, 10][..])));

    let stranger = Authority::new("a stranger");
    assert!(Wire::connect_tls(address, stranger.certificate_pem()).is_err());
}

#[test]
fn the_foreign_issuer_gives_signed_access_tokens_to_its_client() {
    let mut provider = OidcProvider::start(OidcSettings::default());
    let token = provider.token();
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "a signed token has three parts");
    assert_ne!(token, provider.token(), "every token has an id of its own");
}

#[test]
fn a_sites_configuration_is_accepted_by_the_gateway_it_is_for() {
    let postgres = Postgres::start();
    let okta = Okta::start();
    let site = Site::new(&Setup::new(&postgres, okta.entry(), "default = \"deny\"\n"));
    let config = portcullis::config::load(&site.config_file())
        .unwrap_or_else(|mistakes| panic!("refused: {mistakes:#?}"));
    assert_eq!(config.targets.len(), 1);

    let provider = OidcProvider::start(OidcSettings::default());
    let site = Site::new(&Setup::new(&postgres, provider.entry(), "default = \"deny\"\n"));
    let config = portcullis::config::load(&site.config_file())
        .unwrap_or_else(|mistakes| panic!("refused: {mistakes:#?}"));
    assert_eq!(config.issuers.len(), 1);
}

#[test]
fn the_company_gets_tokens() {
    let okta = Okta::start();
    let tokens = [okta.agent_token(), okta.person_token(&alice()), okta.delegated_token(&bob())];
    for token in &tokens {
        assert_eq!(token.split('.').count(), 3, "a signed token has three parts");
    }
    assert_ne!(tokens[1], tokens[2]);
}

#[test]
fn the_driver_reads_binary_values() {
    let postgres = Postgres::start();
    let okta = Okta::start();
    let names: Vec<String> = okta.runtime().block_on(async {
        let address = SocketAddr::from(([127, 0, 0, 1], postgres.port()));
        let ca_pem = postgres.authority().certificate_pem();
        let client = driver::connect(address, ca_pem, APP_ROLE, DATABASE, APP_PASSWORD).await;
        let client = client.expect("the role signs in");
        let sql = "SELECT name FROM customers WHERE id <= $1 ORDER BY id";
        let rows = client.query(sql, &[&2_i32]).await.expect("the statement runs");
        rows.iter().map(|row| row.get(0)).collect()
    });
    assert_eq!(names, ["Bela Brandt", "Chidi Costa"]);
}
