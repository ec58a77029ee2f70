//! What a change under way, and its end, make of what was read before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

/// A target's catalogues whose database has been read just now.
fn read() -> (Catalogues, Arc<Database>) {
    let catalogues = Catalogues::default();
    let database = catalogues.database("db");
    let epoch = database.epoch.load(Ordering::SeqCst);
    let what = Catalogue::default();
    database.current.0.store(Some(Arc::new(Dated { what, epoch, at: Instant::now() })));
    let what = Code::default();
    database.code.0.store(Some(Arc::new(Dated { what, epoch, at: Instant::now() })));
    assert!(
        database.fresh(&database.current).is_some() && database.fresh(&database.code).is_some()
    );
    (catalogues, database)
}

#[test]
fn nothing_is_settled_while_meanings_change_nor_what_was_judged_before_or_meanwhile() {
    let (catalogues, database) = read();
    let before = catalogues.lineage("db");
    assert!(database.is_settled(before));
    let change = catalogues.relinking("db");
    let meanwhile = catalogues.lineage("db");
    assert!(!database.is_settled(before) && !database.is_settled(meanwhile));
    drop(change);
    // A result of before the end may be of the old meaning.
    assert!(!database.is_settled(before) && !database.is_settled(meanwhile));
    let after = catalogues.lineage("db");
    assert!(database.is_settled(after));
    let change = catalogues.relinking("db");
    let other = catalogues.relinking("db");
    drop(change);
    assert!(!database.is_settled(catalogues.lineage("db")), "another one is under way");
    drop(other);
    assert!(database.is_settled(catalogues.lineage("db")) && !database.is_settled(after));
}

#[test]
fn the_end_of_a_change_asks_for_another_reading() {
    // However it ends: a session that is cut off drops it as one that commits does.
    let (catalogues, database) = read();
    let change = catalogues.relinking("db");
    assert!(database.fresh(&database.current).is_some(), "nobody else sees it yet");
    drop(change);
    assert!(database.fresh(&database.current).is_none());
    let (catalogues, database) = read();
    let change = catalogues.coding("db");
    assert!(database.fresh(&database.code).is_some());
    drop(change);
    assert!(database.fresh(&database.code).is_none());
    let (catalogues, database) = read();
    catalogues.invalidate("db");
    assert!(
        database.fresh(&database.current).is_none() && database.fresh(&database.code).is_none()
    );
}

#[test]
fn a_reading_grows_old() {
    let (_catalogues, database) = read();
    let age = Duration::from_millis(CATALOGUE_AGE_MILLIS_MAX);
    let old = Instant::now().checked_sub(age).expect("the machine runs longer than that");
    let epoch = database.epoch.load(Ordering::SeqCst);
    database.current.0.store(Some(Arc::new(Dated { what: Catalogue::default(), epoch, at: old })));
    assert!(database.fresh(&database.current).is_none());
}

#[tokio::test]
async fn who_waited_for_a_reading_takes_no_older_one() {
    let (_catalogues, database) = read();
    let began = Instant::now();
    let anew = database.read(&database.current, began, async |_| Ok(Catalogue::default()));
    assert!(anew.await.unwrap().at >= began);
    let kept = database.read(&database.current, began, async |_| Err(unreadable("read again")));
    assert!(kept.await.is_ok(), "one read since then serves");
}
