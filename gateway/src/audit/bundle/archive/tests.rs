#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use super::*;

fn archive() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    writer.file("a.txt", b"one\n").unwrap();
    writer.file("empty", b"").unwrap();
    writer.file("payload/7.request", &[7; 1024]).unwrap();
    writer.end().unwrap()
}

#[test]
fn what_is_written_is_read_and_tar_agrees() {
    let bytes = archive();
    let files = read(&bytes).unwrap();
    assert_eq!(files[0], ("a.txt", b"one\n".as_slice()));
    assert_eq!(files[1], ("empty", b"".as_slice()));
    assert_eq!(files[2].1.len(), 1024);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    std::fs::write(&path, &bytes).unwrap();
    let mut tar = Command::new("tar");
    let ran = tar.arg("-xf").arg(&path).arg("-C").arg(dir.path()).output().unwrap();
    assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
    assert_eq!(std::fs::read(dir.path().join("a.txt")).unwrap(), b"one\n");
    assert_eq!(std::fs::read(dir.path().join("payload/7.request")).unwrap(), [7; 1024]);
}

#[test]
fn every_changed_byte_and_every_cut_shows() {
    let bytes = archive();
    let whole = read(&bytes).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let same = read(&changed).is_some_and(|files| files == whole);
        assert!(!same, "byte {at}");
    }
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_none(), "cut at {end}");
    }
    assert!(read(&[bytes.clone(), vec![0; 512]].concat()).is_none());
    assert!(header(&"x".repeat(101), 0).is_none() && header("x", 1 << 33).is_none());
}
