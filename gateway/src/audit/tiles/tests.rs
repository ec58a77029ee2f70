#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn paths_are_those_of_c2sp() {
    let size = 70_000;
    assert_eq!(tile_path(Some(0), 272, size).unwrap(), "tile/0/272");
    assert_eq!(tile_path(Some(0), 273, size).unwrap(), "tile/0/273.p/112");
    assert_eq!(tile_path(Some(1), 0, size).unwrap(), "tile/1/000");
    assert_eq!(tile_path(Some(1), 1, size).unwrap(), "tile/1/001.p/17");
    assert_eq!(tile_path(Some(2), 0, size).unwrap(), "tile/2/000.p/1");
    assert_eq!(tile_path(Some(0), 274, size), None);
    assert_eq!(tile_path(Some(3), 0, size), None);
    assert_eq!(tile_path(None, 0, 1).unwrap(), "tile/entries/000.p/1");
    let far = 1_234_067;
    assert_eq!(tile_path(None, far, (far + 1) * 256).unwrap(), "tile/entries/x001/x234/067");
}

#[test]
fn bundles_of_entries_come_apart_again() {
    assert_eq!(unpack(b"\0\x02ab\0\0\0\x01c").unwrap(), [b"ab".as_slice(), b"", b"c"]);
    for broken in [b"\0".as_slice(), b"\0\x02a", b"\0\x01ab"] {
        assert_eq!(unpack(broken), None);
    }
}
