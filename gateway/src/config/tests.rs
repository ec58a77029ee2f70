#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::text::{host_port, is_name, issuer_url, nearest};
use super::{Config, Mistake, files, load};
use crate::audit::Durability;
use crate::policy::Verdict;
use crate::upstream::TlsMode;

const PASSWORD: &str = "correct horse";

/// A folder with every file that the cases name.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8], mode: u32| {
        let file = dir.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    };
    let one = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = one.signing_key.serialize_pem();
    for name in ["valid.crt", "gateway.crt", "shop-ca.pem"] {
        write(name, one.cert.pem().as_bytes(), 0o644);
    }
    for name in ["valid.key", "gateway.key"] {
        write(name, key.as_bytes(), 0o600);
    }
    write("open.key", key.as_bytes(), 0o640);
    write("other.key", other.signing_key.serialize_pem().as_bytes(), 0o600);
    for name in ["shop.password", "shop_app.password"] {
        write(name, format!("{PASSWORD}\n").as_bytes(), 0o600);
    }
    write("open.password", b"hunter2", 0o644);
    write("empty.password", b"\n", 0o600);
    write("lines.password", b"hunter2\nhunter3", 0o600);
    write("plugin.wasm", b"\0asm", 0o644);
    write("plugins/risk-statement.wasm", b"\0asm", 0o644);
    write("plugins/mask-columns.wasm", b"\0asm", 0o644);
    write("vault.key", format!("{}\n", "a5".repeat(32)).as_bytes(), 0o600);
    write("vault-open.key", "a5".repeat(32).as_bytes(), 0o644);
    write("sound.policy.toml", b"default = \"allow\"\n", 0o644);
    dir
}

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests")
}

/// Loads one case in a fresh folder; gives its mistakes as printed, without the folder's path.
fn mistakes(case: &str) -> String {
    let dir = folder();
    for entry in fs::read_dir(cases().join(case)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    let found = load(&dir.path().join("portcullis.toml")).expect_err("the case has mistakes");
    let lines: Vec<String> = found.iter().map(Mistake::to_string).collect();
    let prefix = format!("{}/", dir.path().display());
    let whole = dir.path().display().to_string();
    format!("{}\n", lines.join("\n")).replace(&prefix, "").replace(&whole, ".")
}

fn check(case: &str) {
    let expected = fs::read_to_string(cases().join(case).join("mistakes.txt")).unwrap_or_default();
    let found = mistakes(case);
    assert_eq!(found, expected, "case {case}; found:\n{found}");
    assert!(!found.contains("hunter"), "a secret is repeated");
}

#[test]
fn wrong_keys_and_kinds() {
    check("shape");
}

/// No group of the system itself is ever given to a caller.
#[test]
fn wrong_targets_of_kubernetes() {
    check("kubernetes");
}

#[test]
fn wrong_values() {
    check("values");
}

#[test]
fn names_that_lead_nowhere() {
    check("links");
}

#[test]
fn wrong_policies_are_reported_once() {
    check("policy");
}

#[test]
fn wrong_facts_and_keys_name_their_line() {
    check("capability");
}

#[test]
fn facts_keys_and_quotas_come_with_a_plugin() {
    let (dir, before) = example();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let policy = |more: &str| {
        let plugin = "[[plugins]]\nname = \"a\"\nfile = \"plugin.wasm\"\n";
        write("example.policy.toml", &format!("{plugin}{more}"));
        load(&before.file).map(|config| {
            let watched = files(&config);
            let plugin = config.targets[0].policy.plugins[0].clone();
            (plugin.capabilities, watched)
        })
    };
    let (none, _) = policy("grants = [\"kv\"]").unwrap();
    assert_eq!(none, crate::policy::Capabilities::default());

    write("owners.csv", "table,owner,note\npublic.orders,bob,\"a,\"\"b\"\"\"\na,ann,\n");
    write("days.toml", "[d1]\nhours = 4\n[d2]\nname = \"x\"\nopen = true\n");
    let text = "grants = [\"kv\", \"facts\", \"vault\"]\n[plugins.kv]\nkib_max = 2\n\
                session_entries_max = 7\n[plugins.facts]\nowners = \"owners.csv\"\n\
                days = \"days.toml\"\n[plugins.vault]\nmain = \"vault.key\"\n";
    let (found, watched) = policy(text).unwrap();
    assert_eq!((found.kv.bytes_max, found.kv.session_entries_max), (2048, 7));
    let names: Vec<&str> = found.facts.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["owners", "days"]);
    let row = |table: usize, key: &str| found.facts[table].1.row(key);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(row(0, "public.orders"), Some(vec![pair("owner", "bob"), pair("note", "a,\"b\"")]));
    assert_eq!(row(0, "table"), None, "the first line is no row");
    assert_eq!(row(1, "d1"), Some(vec![pair("hours", "4"), pair("name", ""), pair("open", "")]));
    let keys: Vec<&str> = found.facts[0].1.keys(Some("a")).collect();
    assert_eq!(keys, ["public.orders"]);
    for name in ["owners.csv", "days.toml", "vault.key"] {
        assert!(watched.contains(&dir.path().join(name)), "{name} is not watched");
    }
    let printed = format!("{found:?}");
    assert!(!printed.contains("a5a5") && !printed.contains("165, 165"), "{printed}");

    let digests: Vec<_> = found.digests().collect();
    write("owners.csv", "table,owner,note\npublic.orders,bob,\n");
    let (changed, _) = policy(text).unwrap();
    assert_ne!(changed, found, "changed facts are another policy");
    let changed: Vec<_> = changed.digests().collect();
    assert_ne!(changed[0], digests[0]);
    assert_eq!(changed[1..], digests[1..]);
    assert_eq!(digests[2].0, "vault.main");
}

#[test]
fn secrets_stand_in_closed_files() {
    check("secrets");
}

#[test]
fn text_that_is_no_toml() {
    check("broken");
}

#[test]
fn a_development_issuer_stands_alone_and_on_loopback() {
    check("development");
}

#[test]
fn a_file_that_is_not_there() {
    let found = load(Path::new("no/such/portcullis.toml")).unwrap_err();
    let line = found.first().unwrap().to_string();
    assert!(line.starts_with("no/such/portcullis.toml:1:1: the file can't be read"), "{line}");
}

fn example() -> (TempDir, Config) {
    let dir = folder();
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("policies");
    for name in ["portcullis.example.toml", "example.policy.toml"] {
        fs::copy(policies.join(name), dir.path().join(name)).unwrap();
    }
    let config = load(&dir.path().join("portcullis.example.toml"));
    (dir, config.unwrap_or_else(|mistakes| panic!("{mistakes:#?}")))
}

#[test]
fn the_examples_load() {
    let (dir, config) = example();
    let path = |name: &str| dir.path().join(name);
    assert_eq!(config.log.dir, path("data/log"));
    assert_eq!((&*config.log.organization, &*config.log.gateway), ("acme.example", "gw-1"));
    assert_eq!(config.admin.issuers, ["okta"]);
    let issuer = config.issuers.first().unwrap();
    assert_eq!(issuer.algorithms, ["RS256", "ES256"]);
    assert_eq!((&*issuer.groups_claim, issuer.skew_secs), ("groups", 30));
    assert_eq!(issuer.cache_dir, Some(path("data/issuers")));
    assert!(!issuer.require_at_jwt && !issuer.many_audiences && !issuer.development);
    let target = config.targets.first().unwrap();
    let server_name = "shop-db.internal.acme.example".to_owned();
    assert_eq!(target.tls, TlsMode::VerifyFull { ca_file: Some(path("shop-ca.pem")), server_name });
    assert!(target.strict_parsers);
    assert_eq!(target.durability, Durability::Durable);
    assert_eq!(target.access.first().unwrap().scopes_all, ["shop.query"]);
    let policy = &target.policy;
    assert_eq!(policy.default_verdict, Verdict::Allow);
    assert_eq!((policy.risk_deny_at, policy.risk_hold_at), (Some(90), Some(50)));
    assert_eq!(policy.approval_terms, crate::policy::ApprovalTerms::default());
    assert_eq!(policy.settings.deny, crate::policy::DENIED, "the example shows the default");
    assert_eq!(policy.settings.hold, ["statement_timeout"]);
    let names: Vec<&str> = policy.plugins.iter().map(|plugin| &*plugin.name).collect();
    assert_eq!(names, ["risk-statement", "mask-columns"]);
    let mask = policy.plugins.last().unwrap();
    assert_eq!(mask.memory_bytes_max, 16 * 1024 * 1024);
    let settings: serde_json::Value = serde_json::from_str(&mask.settings_json).unwrap();
    assert_eq!(settings.pointer("/columns/0/origin").unwrap(), "public.customers.email");
    assert_eq!(policy.plugins.first().unwrap().settings_json, "{}");
    let printed = format!("{config:?}");
    assert!(!printed.contains(PASSWORD), "a secret can be printed");
}

#[test]
fn the_files_to_watch_are_all_of_them() {
    let (dir, config) = example();
    let watched = files(&config);
    let expected = [
        "example.policy.toml",
        "gateway.crt",
        "gateway.key",
        "plugins/mask-columns.wasm",
        "plugins/mask-columns.wasm.sig",
        "plugins/risk-statement.wasm",
        "plugins/risk-statement.wasm.sig",
        "portcullis.example.toml",
        "shop-ca.pem",
    ];
    assert_eq!(watched, expected.map(|name| dir.path().join(name)));
}

#[test]
fn the_digest_covers_the_policies() {
    let (dir, before) = example();
    let again = load(&before.file).unwrap();
    assert_eq!(before.digest, again.digest);
    let policy = dir.path().join("example.policy.toml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, text.replace("deny_at = 90", "deny_at = 91")).unwrap();
    let after = load(&before.file).unwrap();
    assert_ne!(before.digest, after.digest);
    let of = |config: &Config| config.targets.first().unwrap().policy.digest.clone();
    assert_ne!(of(&before), of(&after));
}

#[test]
fn trusted_keys_are_the_gateways_word_for_every_policy() {
    let (dir, before) = example();
    let signing = |config: &Config| config.targets.first().unwrap().policy.signing.clone();
    assert_eq!(signing(&before), Default::default());
    let main = dir.path().join("portcullis.example.toml");
    let text = fs::read_to_string(&main).unwrap();
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let with = |section: &str| {
        fs::write(&main, text.replacen("[admin]", &format!("{section}\n\n[admin]"), 1)).unwrap();
        load(&main)
    };
    let config = with(&format!("[signing]\nkeys = [\"{key}\"]")).unwrap();
    assert!(signing(&config).required, "who names keys means them");
    assert_eq!(signing(&config).keys.first().unwrap().text(), key);
    let config = with(&format!("[signing]\nkeys = [\"{key}\"]\nrequired = false")).unwrap();
    assert!(!signing(&config).required);
    for (section, told) in [
        ("[signing]", "[signing] has no `keys`"),
        ("[signing]\nkeys = []", "`keys` is empty"),
        ("[signing]\nkeys = [\"PeterNeumann+c74f20a3+AAAA\"]", "not a verifier key"),
        ("[signing]\nkeys = [\"x\"]\nrequire = false", "did you mean `required`?"),
    ] {
        let mistakes = with(section).unwrap_err();
        assert!(mistakes.iter().any(|one| one.to_string().contains(told)), "{mistakes:?}");
    }
    fs::write(&main, &text).unwrap();
    let policy = dir.path().join("example.policy.toml");
    let loose = fs::read_to_string(&policy).unwrap() + "\n[signing]\nkeys = []\n";
    fs::write(&policy, loose).unwrap();
    let mistakes = load(&main).unwrap_err();
    assert!(mistakes[0].to_string().contains("has no key `signing`"), "{mistakes:?}");
}

#[test]
fn without_a_word_the_policy_denies() {
    let (dir, before) = example();
    fs::write(dir.path().join("example.policy.toml"), "").unwrap();
    let config = load(&before.file).unwrap();
    let target = config.targets.first().unwrap();
    assert_eq!(target.policy.default_verdict, Verdict::Deny);
}

#[test]
fn single_values() {
    assert!(is_name("gw-1.eu_west"));
    for wrong in ["", "1gw", "Gw", "g w", "g/w", "g\u{e4}", &"g".repeat(64)] {
        assert!(!is_name(wrong), "{wrong:?}");
    }
    assert_eq!(host_port("[::1]:5432"), Some(("::1", 5432)));
    assert_eq!(host_port("db.example.com:5432"), Some(("db.example.com", 5432)));
    for wrong in ["db", "db:", "db:0", "db:99999", ":5432", "::1:x", "d b:1", "u@db:1", "[db]:1"] {
        assert_eq!(host_port(wrong), None, "{wrong}");
    }
    assert_eq!(issuer_url("https://a.example:8443/x"), Some(("https", "a.example")));
    assert_eq!(issuer_url("http://[::1]:9/x"), Some(("http", "::1")));
    for wrong in
        ["a.example", "https://", "https://a/?q", "https://a/#f", "https://u@a", "https://a b"]
    {
        assert_eq!(issuer_url(wrong), None, "{wrong}");
    }
    let known = ["name", "listen", "key_file"];
    assert_eq!(nearest("nmae", &known), Some("name"), "a swap is one edit");
    assert_eq!(nearest("home", &known), None, "two edits in four letters are a guess");
    assert_eq!(nearest("lsten", &known), Some("listen"));
    assert_eq!(nearest("keyfile", &known), Some("key_file"));
}
