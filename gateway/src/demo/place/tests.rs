#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{CONFIGURATION, Ports};

fn ports(admin: u16, database: u16, gateway: u16, issuer: u16) -> Ports {
    let at = |port: u16| format!("127.0.0.1:{port}");
    Ports { admin: at(admin), database: at(database), gateway: at(gateway), issuer: at(issuer) }
}

#[test]
fn with_the_wanted_ports_the_file_is_the_one_in_the_repository() {
    assert_eq!(ports(8470, 5433, 6432, 8480).put_into(CONFIGURATION), CONFIGURATION);
}

#[test]
fn every_address_is_replaced_once_even_by_another_wanted_one() {
    let text = ports(5433, 6432, 8480, 8470).put_into(CONFIGURATION);
    let value = |key: &str| {
        let mut lines = text.lines().filter(|line| line.starts_with(key));
        lines.next().unwrap().to_owned()
    };
    assert_eq!(value("address"), "address = \"127.0.0.1:6432\"");
    assert_eq!(value("issuer ="), "issuer = \"http://127.0.0.1:8470/oauth2/default\"");
    let listens: Vec<&str> = text.lines().filter(|line| line.starts_with("listen")).collect();
    assert_eq!(listens, ["listen = \"127.0.0.1:5433\"", "listen = \"127.0.0.1:8480\""]);
}
