#![allow(clippy::unwrap_used)]

use super::check;
use crate::policy::SettingRules;

#[test]
fn what_the_target_reports_must_fit_what_was_judged() {
    let deny = SettingRules::default();
    let open = SettingRules { deny: Vec::new(), hold: Vec::new() };
    for (name, value, begun, rules, fits) in [
        ("standard_conforming_strings", "off", None, &open, false),
        ("standard_conforming_strings", "on", None, &open, true),
        ("client_encoding", "LATIN1", Some("UTF8"), &open, false),
        ("client_encoding", "UTF8", Some("UTF8"), &deny, true),
        ("session_authorization", "postgres", Some("app"), &deny, false),
        ("session_authorization", "postgres", Some("app"), &open, true),
        ("session_authorization", "app", None, &deny, true),
        ("is_superuser", "on", Some("off"), &deny, false),
        ("is_superuser", "on", Some("off"), &open, true),
        ("is_superuser", "off", Some("off"), &deny, true),
        ("default_transaction_read_only", "off", Some("on"), &deny, false),
        ("default_transaction_read_only", "on", Some("off"), &deny, true),
        ("default_transaction_read_only", "off", Some("off"), &deny, true),
        ("TimeZone", "UTC", Some("Etc/UTC"), &deny, true),
    ] {
        assert_eq!(check(name, value, begun, rules).is_ok(), fits, "{name} {value} {begun:?}");
    }
}
