//! What plugins are told: a plugin that ships decides by bound values, as real drivers send them.

use std::sync::Arc;

use portcullis_tests::driver;
use portcullis_tests::operator::{Stage, ask, one_plugin, questions, wait_for_questions};
use portcullis_tests::plugins::component;
use portcullis_tests::postgres::{APP_ROLE, DATABASE};
use portcullis_tests::wire::{Wire, c_string, execute, frame, parse, sync, tags};

const UPDATE: &str = "UPDATE products SET stock = $1 WHERE id = 1";

/// A stock above 1000 needs a person.
fn policy() -> String {
    let settings = "[plugins.settings]\nvalues = [{ relation = \"public.products\", \
                    parameter = 1, above = 1000 }]\n";
    one_plugin(&component("approval-writes"), settings)
}

#[test]
fn a_plugin_decides_by_a_bound_value() {
    let stage = Stage::new(&policy());
    let gateway = stage.site.start();
    let approver = stage.approver_token();
    let (address, token) = (gateway.postgres_address(), stage.okta.agent_token());
    let ca_pem = std::fs::read_to_string(gateway.ca_file()).unwrap();
    let runtime = stage.okta.runtime();
    let connecting = driver::connect(address, &ca_pem, APP_ROLE, DATABASE, &token);
    let client = Arc::new(runtime.block_on(connecting).expect("the agent signs in"));
    // This driver asks the target for the types and binds in the binary form.
    let update = runtime.block_on(client.prepare(UPDATE)).expect("nothing is bound yet");
    let run = |stock: i32| {
        let (client, update) = (client.clone(), update.clone());
        runtime.spawn(async move { client.execute(&update, &[&stock]).await })
    };
    assert_eq!(runtime.block_on(run(1000)).unwrap().expect("1000 is not above 1000"), 1);
    let held = run(1001);
    let id = wait_for_questions(&gateway, &approver, 1).remove(0);
    let question = questions(&gateway, &approver).remove(0);
    assert!(question["reason"].as_str().unwrap().contains("$1 above 1000"), "{question}");
    ask(&gateway, &approver, &["approvals", "deny", &id]).success("denying");
    assert!(runtime.block_on(held).unwrap().is_err());
    assert_eq!(stage.count("SELECT stock FROM products WHERE id = 1"), 1000);
}

/// Parse, Bind, Execute, Sync in one go; the value in the binary form of a type that the Parse
/// states (an OID) or leaves to the target.
fn pipeline(stated: Option<u32>, value: i32) -> Vec<u8> {
    let parse = match stated {
        None => parse("", UPDATE),
        Some(oid) => {
            let mut body = [c_string(""), c_string(UPDATE), 1_u16.to_be_bytes().to_vec()].concat();
            body.extend(oid.to_be_bytes());
            frame(b'P', &body)
        }
    };
    let mut bind = [c_string(""), c_string("")].concat();
    bind.extend([0, 1, 0, 1, 0, 1, 0, 0, 0, 4]);
    bind.extend(value.to_be_bytes());
    bind.extend([0, 0]);
    [parse, frame(b'B', &bind), execute("", 0), sync()].concat()
}

#[test]
fn a_value_of_a_type_that_nobody_told_counts_as_the_worst() {
    let stage = Stage::new(&policy());
    let gateway = stage.site.start();
    let approver = stage.approver_token();
    let mut wire: Wire = gateway.wire_tls();
    wire.sign_in(APP_ROLE, DATABASE, &stage.okta.agent_token()).unwrap();
    wire.send(&pipeline(Some(23), 7)).unwrap();
    assert_eq!(tags(&wire.messages_until(b'Z').unwrap()), "1 2 C Z", "a stated type is read");
    for (stated, value) in [(Some(23), 2000), (None, 7)] {
        wire.send(&pipeline(stated, value)).unwrap();
        let id = wait_for_questions(&gateway, &approver, 1).remove(0);
        ask(&gateway, &approver, &["approvals", "deny", &id]).success("denying");
        let messages = wire.messages_until(b'Z').unwrap();
        assert!(messages.iter().any(|it| it.tag == b'E'), "{stated:?} {value}: {messages:?}");
    }
    // The value in the text tells a plugin nothing that it could rely on.
    wire.send(&frame(b'Q', &c_string("UPDATE products SET stock = 5 WHERE id = 1"))).unwrap();
    let id = wait_for_questions(&gateway, &approver, 1).remove(0);
    ask(&gateway, &approver, &["approvals", "deny", &id]).success("denying");
    wire.messages_until(b'Z').unwrap();
    assert_eq!(stage.count("SELECT stock FROM products WHERE id = 1"), 7);
}
