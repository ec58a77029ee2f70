#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_lc_rs::signature::KeyPair;

use super::*;

#[test]
fn keys_are_made_once_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let made = signing_key(dir.path(), true).unwrap();
    let read = signing_key(dir.path(), false).unwrap();
    assert_eq!(made.public_key().as_ref(), read.public_key().as_ref());
    let master = MasterKey::open(dir.path(), true).unwrap();
    let line = master.wrap("ses_1", &[5; 32]).unwrap();
    Keystore::open(dir.path()).unwrap().append(line.as_bytes()).unwrap();
    let again = MasterKey::open(dir.path(), false).unwrap();
    assert_eq!(again.session("ses_1").unwrap().unwrap().as_slice(), [5; 32]);
    assert!(again.session("ses_2").unwrap().is_none());
    for name in [SIGNING_FILE, MASTER_FILE, SESSION_FILE] {
        let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    signing_key(dir.path(), true).unwrap();
    let path = dir.path().join(SIGNING_FILE);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = signing_key(dir.path(), false).err().unwrap();
    assert!(matches!(error, Error::Exposed { .. }));
    assert!(error.to_string().contains("chmod 600"));
}

#[test]
fn a_missing_key_is_never_made_again() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(signing_key(dir.path(), false), Err(Error::KeyMissing { .. })));
    assert!(matches!(MasterKey::open(dir.path(), false), Err(Error::KeyMissing { .. })));
}

#[test]
fn a_wrapped_key_belongs_to_its_session() {
    let dir = tempfile::tempdir().unwrap();
    let master = MasterKey::open(dir.path(), true).unwrap();
    let line = master.wrap("ses_1", &[5; 32]).unwrap().replace("ses_1", "ses_2");
    Keystore::open(dir.path()).unwrap().append(line.as_bytes()).unwrap();
    assert!(master.session("ses_2").unwrap().is_none());
}

#[test]
fn a_line_cut_short_by_a_crash_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let master = MasterKey::open(dir.path(), true).unwrap();
    let mut keystore = Keystore::open(dir.path()).unwrap();
    keystore.append(master.wrap("ses_1", &[1; 32]).unwrap().as_bytes()).unwrap();
    let cut = "x".repeat(9000);
    keystore.append(format!("ses_2 {cut}").as_bytes()).unwrap();
    let mut keystore = Keystore::open(dir.path()).unwrap();
    keystore.append(master.wrap("ses_3", &[3; 32]).unwrap().as_bytes()).unwrap();
    assert!(master.session("ses_1").unwrap().is_some());
    assert!(master.session("ses_3").unwrap().is_some());
    assert!(master.session("ses_2").unwrap().is_none());
}
