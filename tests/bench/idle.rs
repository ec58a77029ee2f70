//! The memory that sessions hold which do nothing.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use portcullis_tests::postgres::{APP_ROLE, DATABASE};
use portcullis_tests::wire::Wire;

use crate::systems::System;

/// Sessions opened before the first look, so that what exists once is not counted.
const WARM_UP: usize = 8;

/// Resident memory that one of `count` idle sessions adds to a gateway, KiB. Each has run one
/// statement, so that it holds its instances of the plugins.
pub(crate) fn session_kib(gateway: &System, count: usize) -> f64 {
    let pid = gateway.pid.expect("a gateway has a process");
    let ca = fs::read_to_string(&gateway.ca_file).expect("the CA's file can be read");
    let open = || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, gateway.port));
        let mut wire = Wire::connect_tls(address, &ca).expect("the gateway takes connections");
        let ready = wire.sign_in(APP_ROLE, DATABASE, &gateway.password).expect("it answers");
        assert_eq!(ready.tag, b'Z', "the sign-in failed: {ready:?}");
        wire.query("SELECT abalance FROM pgbench_accounts WHERE aid = 1").expect("a row comes");
        wire
    };
    let warm: Vec<Wire> = (0..WARM_UP).map(|_| open()).collect();
    let before = resident_kib(pid);
    let idle: Vec<Wire> = (0..count).map(|_| open()).collect();
    let after = resident_kib(pid);
    drop((warm, idle));
    (after - before) / count as f64
}

/// `VmRSS` of proc_pid_status(5).
fn resident_kib(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has a size");
    line.trim().trim_end_matches(" kB").parse().expect("the size is a number")
}
