//! How often the disk can sync: a durable log can't commit more often than half of that, for
//! the store syncs twice a commit.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use portcullis_tests::folder;

/// How long is measured.
const MEASURED: Duration = Duration::from_secs(1);
/// Bytes written before each sync: one page.
const PAGE: [u8; 4096] = [7; 4096];
/// Pages of the file, so that a sync rarely has to grow it.
const PAGES: u64 = 1024;

/// Writes of one page, each made durable, in a second; on the disk that the logs are on.
pub(crate) fn syncs_per_second() -> f64 {
    let dir = folder::temporary("disk");
    let file = File::create(dir.path().join("page")).expect("a file in a folder of ours");
    let write = |number: u64| {
        file.write_all_at(&PAGE, number % PAGES * 4096).expect("the disk takes a page");
    };
    (0..PAGES).for_each(write);
    file.sync_all().expect("the disk syncs");
    let started = Instant::now();
    let mut syncs = 0;
    while started.elapsed() < MEASURED {
        write(syncs);
        file.sync_data().expect("the disk syncs");
        syncs += 1;
    }
    syncs as f64 / started.elapsed().as_secs_f64()
}
