//! Start-up packets: from whoever can reach the port, before any identity.

use std::collections::BTreeSet;

use bytes::Bytes;
use portcullis::protocol::postgres::startup::{self, Packet};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "startup",
    seeds: &[
        b"\x04\xd2\x16\x2f",
        b"\x04\xd2\x16\x30",
        b"\x04\xd2\x16\x2e\0\0\0\x07\x01\x02\x03\x04",
        b"\0\x03\0\0user\0shop_app\0database\0shop\0application_name\0psql\0\0",
        b"\0\x03\0\x02user\0a\0options\0-c work_mem=1MB --search_path=a\\ b\0_pq_.x\0y\0\0",
        b"\0\x03\0\0user\0a\0replication\0database\0\0",
    ],
    words: &[b"user\0", b"database\0", b"options\0", b"replication\0", b"_pq_.", b"-c", b"--"],
    run,
};

fn run(data: &[u8]) {
    match startup::parse(Bytes::copy_from_slice(data)) {
        Ok(Packet::Cancel { key, .. }) => {
            assert!((4..=256).contains(&key.len()), "a key of {} bytes", key.len());
        }
        Ok(Packet::Startup(packet)) => {
            let names: BTreeSet<&String> = packet.parameters.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), packet.parameters.len(), "a parameter came twice");
            // A NUL would end the value early on the target's side and start another parameter.
            let mut texts = packet.parameters.iter().flat_map(|(name, value)| [name, value]);
            assert!(!texts.any(|text| text.contains('\0')), "a value holds a NUL");
            // What the settings are made of, or a refusal; both are fine.
            let _ = startup::settings(&packet);
            let _ = packet.negotiation();
        }
        Ok(Packet::Ssl | Packet::GssEnc) | Err(_) => {}
    }
}
