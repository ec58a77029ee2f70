#![allow(clippy::unwrap_used)]

use super::*;

fn claims() -> Claims {
    Claims {
        issuer_name: "okta".into(),
        issuer: "https://example.okta.com/oauth2/default".into(),
        subject: "0oa1".into(),
        uid: None,
        client: Some("0oa1".into()),
        email: None,
        groups: vec!["agents".into()],
        scopes: vec!["db.read".into(), "db.write".into()],
        actors: Vec::new(),
        audience: vec!["api://portcullis".into()],
        token_id: None,
        issued_at: 0,
        expires_at: 0,
        auth_time: None,
        key_id: None,
        profile: None,
        key_thumbprint: String::new(),
        task: None,
        ticket: None,
        token_sha256: String::new(),
    }
}

fn rule() -> AccessRule {
    AccessRule {
        issuer: "okta".into(),
        groups_any: vec!["humans".into(), "agents".into()],
        scopes_all: vec!["db.read".into()],
        roles: vec!["shop_app".into()],
        databases: vec!["shop".into()],
        ..AccessRule::default()
    }
}

fn try_open(
    claims: Claims,
    rule: AccessRule,
    role: &str,
    database: &str,
) -> Result<(), &'static str> {
    let wanted = Wanted {
        task: None,
        ticket: None,
        target: "shop",
        protocol: "postgres",
        database,
        role,
        client: "psql\u{7}",
        peer: SocketAddr::from(([127, 0, 0, 1], 1)),
    };
    let session =
        open(Principal::for_test(claims), &[rule], &wanted).map_err(|fault| fault.code)?;
    assert_eq!(session.client(), "psql", "control characters do not reach the log");
    Ok(())
}

#[test]
fn every_condition_of_a_rule_counts() {
    assert_eq!(try_open(claims(), rule(), "shop_app", "shop"), Ok(()));
    type Change = fn(&mut Claims, &mut AccessRule);
    let changes: [(Change, &str); 6] = [
        (|claims, _| claims.issuer_name = "other".into(), "issuer"),
        (|claims, _| claims.groups.clear(), "groups missing are never all groups"),
        (|claims, _| claims.scopes.clear(), "scopes"),
        (|_, rule| rule.scopes_all.push("admin".into()), "all scopes, not one"),
        (|_, rule| rule.clients_any.push("other".into()), "client"),
        (|_, rule| rule.subjects_any.push("other".into()), "subject"),
    ];
    for (change, what) in changes {
        let (mut claims, mut rule) = (claims(), rule());
        change(&mut claims, &mut rule);
        let opened = try_open(claims, rule, "shop_app", "shop");
        assert_eq!(opened, Err("target_not_allowed"), "{what}");
    }
}

#[test]
fn a_rule_opens_only_its_roles_and_databases() {
    assert_eq!(try_open(claims(), rule(), "postgres", "shop"), Err("role_not_allowed"));
    assert_eq!(try_open(claims(), rule(), "shop_app", "other"), Err("role_not_allowed"));
}

#[test]
fn no_rule_admits_nobody() {
    let wanted = Wanted {
        task: None,
        ticket: None,
        target: "shop",
        protocol: "postgres",
        database: "shop",
        role: "shop_app",
        client: "",
        peer: SocketAddr::from(([127, 0, 0, 1], 1)),
    };
    let refused = open(Principal::for_test(claims()), &[], &wanted).unwrap_err();
    assert_eq!(refused.code, "target_not_allowed");
}

#[test]
fn the_token_and_the_client_name_one_task() {
    let of = |claimed, said| Work::of("task", claimed, said);
    let work = |id: &str, from| Some(Work { id: id.to_owned(), from });
    assert_eq!(of(None, None).unwrap(), None);
    assert_eq!(of(Some("T-1"), None).unwrap(), work("T-1", Source::Token));
    assert_eq!(of(Some("T-1"), Some("T-1")).unwrap(), work("T-1", Source::Token));
    assert_eq!(of(None, Some("T-1")).unwrap(), work("T-1", Source::Client));
    assert_eq!(of(Some("T-1"), Some("T-2")).unwrap_err().code, "work_conflict");
    for bad in ["", "a\nb", &"x".repeat(WORK_ID_BYTES_MAX + 1)] {
        assert_eq!(of(None, Some(bad)).unwrap_err().code, "work_invalid");
    }
}
