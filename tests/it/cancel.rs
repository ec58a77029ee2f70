//! Cancelling what runs: by psql's Ctrl-C, by raw requests inside and outside TLS.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use portcullis_tests::clients;
use portcullis_tests::gateway::Gateway;
use portcullis_tests::postgres::{APP_ROLE, DATABASE};
use portcullis_tests::wire::{SSL_REQUEST, Wire, query, start_up, tags};

use crate::stage::Stage;

/// Sleeping is a risk to the policy of the other tests.
const OPEN: &str = "default = \"allow\"\n";
const CANCEL_CODE: u32 = 80_877_102;
const SLEEPS: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'";

/// A signed-in connection that shows its process id and cancel key.
pub(crate) fn keyed(stage: &Stage, gateway: &Gateway<'_>, version: u32) -> (Wire, Vec<u8>) {
    let mut wire = gateway.wire_tls();
    wire.send(&start_up(version, &[("user", APP_ROLE), ("database", DATABASE)])).unwrap();
    assert_eq!(wire.message().unwrap().tag, b'R');
    let password = portcullis_tests::wire::c_string(&stage.token());
    wire.send(&portcullis_tests::wire::frame(b'p', &password)).unwrap();
    let messages = wire.messages_until(b'Z').unwrap();
    let key = messages.iter().find(|message| message.tag == b'K').expect("a cancel key");
    (wire, key.body.clone())
}

pub(crate) fn cancel_request(key: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + key.len()).unwrap();
    [&length.to_be_bytes()[..], &CANCEL_CODE.to_be_bytes(), key].concat()
}

#[test]
fn a_cancel_request_reaches_its_session_and_no_other() {
    let stage = Stage::with_policy(OPEN);
    let gateway = stage.site.start();
    let (mut wire, key) = keyed(&stage, &gateway, 196_608);
    assert_eq!(key.len(), 8, "an old client takes a key of four bytes only");
    let (mut bystander, long) = keyed(&stage, &gateway, 196_610);
    assert_eq!(long.len(), 4 + 32);

    for tls in [false, true] {
        wire.send(&query("SELECT pg_sleep(60)")).unwrap();
        bystander.send(&query("SELECT pg_sleep(60)")).unwrap();
        stage.wait_for(SLEEPS, "2\n");
        let mut wrong = key.clone();
        wrong[7] ^= 1;
        for (key, right) in [(&wrong, false), (&key, true)] {
            let mut asking = if tls { gateway.wire_tls() } else { gateway.wire() };
            asking.send(&cancel_request(key)).unwrap();
            assert!(asking.closed_within(portcullis_tests::wire::READ_SECS_MAX).unwrap());
            if !right {
                assert_eq!(stage.admin(SLEEPS), "2\n", "a wrong key does nothing");
            }
        }
        let answers = wire.messages_until(b'Z').unwrap();
        let error = answers.iter().find(|message| message.tag == b'E').expect("an error");
        assert_eq!(error.field(b'C').as_deref(), Some("57014"));
        assert_eq!(tags(&wire.query("SELECT 1").unwrap()), "T D C Z", "the session goes on");
        assert_eq!(stage.admin(SLEEPS), "1\n", "the other one sleeps on");
        let mut asking = gateway.wire();
        asking.send(&cancel_request(&long)).unwrap();
        assert_eq!(bystander.messages_until(b'Z').unwrap().last().unwrap().body, b"I");
    }
    let mut asking = gateway.wire();
    asking.send(&cancel_request(&key)).unwrap();
    assert!(asking.closed_within(portcullis_tests::wire::READ_SECS_MAX).unwrap());
    assert_eq!(tags(&wire.query("SELECT 1").unwrap()), "T D C Z", "an idle session is left alone");
}

#[test]
fn control_c_in_psql_cancels_the_statement() {
    let stage = Stage::with_policy(OPEN);
    let gateway = stage.site.start();
    let mut command = Command::new("psql");
    let (token, port) = (stage.token(), gateway.postgres_address().port());
    clients::connect(&mut command, port, Some(&token), Some(gateway.ca_file()));
    command.args([
        "--no-psqlrc",
        "--no-password",
        "--quiet",
        "-At",
        "-U",
        APP_ROLE,
        "-d",
        DATABASE,
    ]);
    command.args(["-c", "SELECT pg_sleep(60)"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("psql runs");
    stage.wait_for(SLEEPS, "1\n");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("canceling statement due to user request"), "{err}");
    assert_eq!(stage.admin(SLEEPS), "0\n");
}

#[test]
fn a_push_in_plain_text_behind_the_request_for_tls_breaks_the_handshake() {
    let stage = Stage::with_policy(OPEN);
    let gateway = stage.site.start();
    let mut wire = gateway.wire();
    let pushed = start_up(196_608, &[("user", APP_ROLE), ("database", DATABASE)]);
    wire.send(&[&SSL_REQUEST[..], &pushed].concat()).unwrap();
    assert!(wire.closed_within(portcullis_tests::wire::READ_SECS_MAX).unwrap());
}

#[test]
fn direct_tls_with_the_protocols_name_opens_a_session() {
    let stage = Stage::with_policy(OPEN);
    let gateway = stage.site.start();
    let ca_pem = std::fs::read_to_string(gateway.ca_file()).unwrap();
    let mut settings = portcullis_tests::wire::tls_settings(&ca_pem).unwrap();
    settings.alpn_protocols = vec![b"postgresql".to_vec()];
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(std::sync::Arc::new(settings), name).unwrap();
    let socket = std::net::TcpStream::connect(gateway.postgres_address()).unwrap();
    socket.set_read_timeout(Some(portcullis_tests::wire::READ_SECS_MAX)).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, socket);
    let start = start_up(196_608, &[("user", APP_ROLE), ("database", DATABASE)]);
    stream.write_all(&start).unwrap();
    let mut asked = [0; 9];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(asked, *b"R\0\0\0\x08\0\0\0\x03", "the token is asked for");
}
