#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Mutex;

use super::{Counter, Held, Refused, Room, Shelves, Store, lock};
use crate::limits::{KV_ENTRY_BYTES, KV_VALUE_BYTES_MAX, KV_WINDOW_SECS_MAX};

const WIDE: Room = Room { entries_max: 100, bytes_max: 1024 * 1024 };

#[test]
fn a_value_lives_as_long_as_it_was_given() {
    let mut store = Store::default();
    store.set("a", b"1".to_vec(), Some(10), WIDE, 1_000).unwrap();
    store.set("b", b"2".to_vec(), None, WIDE, 1_000).unwrap();
    assert_eq!(store.get("a", 10_999), Ok(Some(b"1".to_vec())));
    assert_eq!(store.get("a", 11_000), Ok(None));
    assert_eq!(store.get("b", u64::MAX - 1), Ok(Some(b"2".to_vec())));
    assert_eq!(store.delete("a", 11_000), Ok(false), "it was over");
    assert_eq!(store.delete("b", 0), Ok(true));
    assert_eq!(store.get("b", 0), Ok(None));
}

#[test]
fn a_sum_has_the_window_and_at_most_a_sixtieth_more() {
    let mut store = Store::default();
    let minute = 60;
    assert_eq!(store.add("n", 5, minute, WIDE, 1_000_000), Ok(5));
    assert_eq!(store.add("n", 7, minute, WIDE, 1_030_000), Ok(12));
    assert_eq!(store.sum("n", minute, 1_060_000), Ok(12), "not a second too early");
    assert_eq!(store.sum("n", minute, 1_061_000), Ok(7), "and not much too late");
    assert_eq!(store.sum("n", minute, 2_000_000), Ok(0));
    assert_eq!(store.sum("n", 30, 1_030_000), Ok(0), "another window is another counter");
    store.clear("n", minute).unwrap();
    assert_eq!(store.sum("n", minute, 1_030_000), Ok(0));
    assert_eq!((store.entries, store.bytes), (0, 0));
}

#[test]
fn a_counter_stays_small_and_never_wraps() {
    let mut counter = Counter::default();
    for now_ms in 0..100_000 {
        counter.add(1, 1, now_ms);
    }
    assert!(counter.steps.len() <= 61, "{}", counter.steps.len());
    assert!((1_000..=1_017).contains(&counter.sum(1, 99_999)), "{}", counter.sum(1, 99_999));
    counter.add(u64::MAX, 1, 100_000);
    assert_eq!(counter.add(u64::MAX, 1, 100_000), u64::MAX);
}

#[test]
fn a_clock_that_is_set_back_forgets_nothing() {
    let mut store = Store::default();
    store.add("n", 5, 60, WIDE, 1_000_000).unwrap();
    assert_eq!(store.add("n", 1, 60, WIDE, 10), Ok(6));
    assert_eq!(store.sum("n", 60, 1_030_000), Ok(6));
}

#[test]
fn the_quota_counts_entries_and_bytes_and_what_is_over_makes_room() {
    let two = Room { entries_max: 2, bytes_max: 1024 * 1024 };
    let mut store = Store::default();
    store.set("a", vec![0], Some(1), two, 0).unwrap();
    store.add("n", 1, 60, two, 0).unwrap();
    assert_eq!(store.set("b", vec![0], None, two, 999), Err(Refused::Full));
    assert_eq!(store.add("m", 1, 60, two, 999), Err(Refused::Full));
    store.set("a", vec![0; 9], Some(1), two, 0).unwrap();
    store.set("b", vec![0], None, two, 1_000).unwrap();
    assert_eq!(store.add("m", 1, 60, two, 1_000), Err(Refused::Full));
    assert_eq!(store.add("m", 1, 60, two, 100_000), Ok(1), "the other counter has run out");

    let narrow = Room { entries_max: 9, bytes_max: 2 * (KV_ENTRY_BYTES + 3) };
    let mut store = Store::default();
    store.set("a", vec![0; 2], None, narrow, 0).unwrap();
    assert_eq!(store.set("b", vec![0; 3], None, narrow, 0), Err(Refused::Full));
    store.set("b", vec![0; 2], None, narrow, 0).unwrap();
    assert_eq!(store.set("b", vec![0; 3], None, narrow, 0), Err(Refused::Full));
    assert_eq!(store.get("b", 0), Ok(Some(vec![0; 2])), "what was refused changed nothing");
    store.set("b", vec![0; 1], None, narrow, 0).unwrap();
    store.delete("b", 0).unwrap();
    store.delete("a", 0).unwrap();
    assert_eq!((store.entries, store.bytes), (0, 0));
}

#[test]
fn arguments_have_bounds() {
    let mut store = Store::default();
    let unfit = |done: Result<(), Refused>| assert!(matches!(done, Err(Refused::Unfit(_))));
    unfit(store.get("", 0).map(drop));
    unfit(store.get(&"k".repeat(257), 0).map(drop));
    unfit(store.set("k", vec![0; KV_VALUE_BYTES_MAX + 1], None, WIDE, 0));
    unfit(store.add("k", 1, 0, WIDE, 0).map(drop));
    unfit(store.add("k", 1, KV_WINDOW_SECS_MAX + 1, WIDE, 0).map(drop));
    unfit(store.sum("k", 0, 0).map(drop));
    unfit(store.clear("", 1));
}

fn put(store: &Mutex<Store>) {
    lock(store).set("k", b"v".to_vec(), None, WIDE, 0).unwrap();
}

fn has(store: &Mutex<Store>) -> bool {
    lock(store).get("k", 0).unwrap().is_some()
}

#[test]
fn a_session_shares_its_store_until_it_ends_and_a_plugin_for_good() {
    let shelves = Shelves::default();
    let (mut there, mut back) = (Held::new("ses_1"), Held::new("ses_1"));
    let mut other = Held::new("ses_2");
    let stores = shelves.of("shop", "budget");
    put(&there.session(&stores));
    put(stores.plugin());
    assert!(has(&back.session(&stores)), "both directions see it");
    assert!(!has(&other.session(&stores)), "another session doesn't");
    drop((there, back));
    assert!(!has(&Held::new("ses_1").session(&stores)), "it went with the session");
    for number in 0..100 {
        drop(Held::new(&format!("ses_{number}")).session(&stores));
    }
    let known = stores.sessions.lock().unwrap().len();
    assert!(known < 50, "{known} sessions that ended are still known");

    assert!(has(shelves.of("shop", "budget").plugin()), "a reload finds it");
    assert!(!has(shelves.of("other", "budget").plugin()), "another target doesn't");
    shelves.retain(&["other".to_owned()]);
    assert!(!has(shelves.of("shop", "budget").plugin()));
}
