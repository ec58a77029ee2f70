//! Random changes of a log, of tiles and of a bundle: every one is found, and both verifiers say
//! the same of each.

use std::collections::BTreeMap;

use super::evidence::{Evidence, Map, said};
use super::second::Second;
use super::*;
use crate::audit::bundle::archive::{self, Writer};
use crate::audit::store::tamper::TABLES;
use crate::audit::verify::{bundle, tiles};

/// Changes of a store in each run.
const STORE_CHANGES: u64 = 4_000;
/// Changes of tiles in each run.
const TILES_CHANGES: u64 = 3_000;
/// Changes of bundles in each run.
const BUNDLE_CHANGES: u64 = 3_000;

/// Numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    /// A fresh seed, or that of `PORTCULLIS_SEED`; a failure prints it.
    fn new() -> Self {
        let given = std::env::var("PORTCULLIS_SEED").ok().and_then(|text| text.parse().ok());
        let mut fresh = [0; 8];
        aws_lc_rs::rand::fill(&mut fresh).unwrap();
        let seed = given.unwrap_or(u64::from_be_bytes(fresh));
        eprintln!("PORTCULLIS_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound.max(1)
    }

    fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    /// Flips, sets, removes, adds or cuts bytes.
    fn bend(&mut self, bytes: &mut Vec<u8>) {
        let at = self.place(bytes.len());
        match self.below(6) {
            _ if bytes.is_empty() => bytes.push(self.byte()),
            0 => bytes[at] = self.byte(),
            1 => {
                let end = (at + 1 + self.place(600)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 => {
                let more: Vec<u8> = (0..=self.below(40)).map(|_| self.byte()).collect();
                bytes.splice(at..at, more);
            }
            3 => bytes.truncate(at),
            _ => bytes[at] ^= 1 << self.below(8),
        }
    }
}

#[tokio::test]
async fn every_change_of_a_store_is_found() {
    let evidence = [Evidence::new(false).await, Evidence::new(true).await];
    let mut random = Random::new();
    for evidence in &evidence {
        let (_database, view) = evidence.rows.view().unwrap();
        judge_view(None, &view, &Pins::default()).unwrap();
    }
    let mut found: BTreeMap<(&str, u8), u64> = BTreeMap::new();
    let mut number = 0;
    while number < STORE_CHANGES {
        // A log of two tiles has full ones, and takes longer.
        let evidence = &evidence[usize::from(number % 20 == 0)];
        let mut rows = evidence.rows.clone();
        let table = random.below(TABLES);
        let table = rows.change(table, &mut |bound| random.below(bound));
        // Nothing hangs on an older checkpoint: those that are there are checked, and the newest
        // covers all entries.
        if rows == evidence.rows || rows.lacks_only_old_checkpoints(&evidence.rows) {
            continue;
        }
        let (_database, view) = rows.view().unwrap();
        let judged = judge_view(None, &view, &Pins::default());
        *found.entry((table, said(judged).0)).or_default() += 1;
        number += 1;
    }
    eprintln!("{found:?}");
    let missed: Vec<_> = found.keys().filter(|(_, code)| *code == EXIT_INTACT).collect();
    assert!(missed.is_empty(), "changes of these tables are not found: {missed:?}");
}

#[tokio::test]
async fn a_payload_part_with_another_number_is_found() {
    let evidence = Evidence::new(false).await;
    let bent = evidence.rows.with_bent_part_heads();
    assert!(bent.len() >= 96, "no value has two parts");
    for rows in bent.iter().take(8 * 96) {
        let (_database, view) = rows.view().unwrap();
        let judged = judge_view(None, &view, &Pins::default());
        assert_ne!(said(judged).0, EXIT_INTACT);
    }
}

#[tokio::test]
async fn every_change_of_tiles_is_found_by_both() {
    let evidence = [Evidence::new(false).await, Evidence::new(true).await];
    let (mut random, mut second) = (Random::new(), Second::start());
    for evidence in &evidence {
        let judged = tiles::judge_files(&evidence.tiles, None, &Pins::default());
        assert_eq!(said(judged), (0, None));
        assert_eq!(second.tiles(&evidence.tiles, None), (0, None));
    }
    let mut found: BTreeMap<u8, u64> = BTreeMap::new();
    let mut number = 0;
    while number < TILES_CHANGES {
        let evidence = &evidence[usize::from(number % 10 == 0)];
        let key = (number % 2 == 0).then_some(&evidence.key);
        let mut files = evidence.tiles.clone();
        change_files(&mut files, &mut random);
        if files == evidence.tiles {
            continue;
        }
        let ours = said(tiles::judge_files(&files, key, &Pins::default()));
        assert_ne!(ours.0, EXIT_INTACT, "change {number} is not found");
        assert_eq!(ours, second.tiles(&files, key), "change {number}");
        *found.entry(ours.0).or_default() += 1;
        number += 1;
    }
    eprintln!("{found:?}");
}

fn change_files(files: &mut Map, random: &mut Random) {
    let names: Vec<String> = files.keys().cloned().collect();
    let (one, other) = (&names[random.place(names.len())], &names[random.place(names.len())]);
    match random.below(8) {
        0 => drop(files.remove(one)),
        1 => {
            let bytes = files[other].clone();
            files.insert(format!("{one}{}", random.below(9)), bytes);
        }
        2 => {
            let (a, b) = (files[one].clone(), files[other].clone());
            files.insert(one.clone(), b);
            files.insert(other.clone(), a);
        }
        _ => random.bend(files.get_mut(one).unwrap()),
    }
}

#[tokio::test]
async fn every_change_of_a_bundle_is_found_by_both() {
    let evidence = Evidence::new(false).await;
    let (mut random, mut second) = (Random::new(), Second::start());
    for bytes in &evidence.bundles {
        assert_eq!(said(bundle::judge(bytes, None)), (0, None));
        assert_eq!(second.bundle(bytes, Some(&evidence.key)), (0, None));
    }
    assert_eq!(said(bundle::judge(&evidence.open, None)), (EXIT_ROLLED_BACK, None));
    assert_eq!(second.bundle(&evidence.open, None), (EXIT_ROLLED_BACK, None));
    let mut found: BTreeMap<u8, u64> = BTreeMap::new();
    let mut number = 0;
    while number < BUNDLE_CHANGES {
        let key = (number % 2 == 0).then_some(&evidence.key);
        let [mut bytes, other] = evidence.bundles.clone();
        match random.below(3) {
            0 => random.bend(&mut bytes),
            1 => {
                bytes = with_files(&bytes, &mut |files| {
                    let mut map: Map = files.iter().cloned().collect();
                    change_files(&mut map, &mut random);
                    // What stays, stays in its order.
                    files.retain(|(name, _)| map.contains_key(name));
                    for (name, bytes) in files.iter_mut() {
                        *bytes = map.remove(name).unwrap();
                    }
                    files.extend(map);
                })
            }
            _ => {
                bytes = with_files(&bytes, &mut |files| {
                    let theirs = archive::read(&other).unwrap();
                    change_entries(files, &theirs, &mut random);
                })
            }
        }
        if bytes == evidence.bundles[0] {
            continue;
        }
        let ours = said(bundle::judge(&bytes, key));
        assert_ne!(ours.0, EXIT_INTACT, "change {number} is not found");
        assert_eq!(ours, second.bundle(&bytes, key), "change {number}");
        *found.entry(ours.0).or_default() += 1;
        number += 1;
    }
    eprintln!("{found:?}");
}

/// Files in their order.
type Named = Vec<(String, Vec<u8>)>;

/// The bundle with other files in it, as an archive without a fault.
fn with_files(bytes: &[u8], change: &mut dyn FnMut(&mut Named)) -> Vec<u8> {
    let files = archive::read(bytes).unwrap();
    let mut files: Named =
        files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    change(&mut files);
    let mut writer = Writer::new(Vec::new());
    for (name, bytes) in &files {
        writer.file(name, bytes).unwrap();
    }
    writer.end().unwrap()
}

/// Removes, swaps, repeats or moves whole entries, changes a number in one, or takes a file of
/// another session's bundle.
fn change_entries(files: &mut [(String, Vec<u8>)], theirs: &[(&str, &[u8])], random: &mut Random) {
    if random.below(4) == 0 {
        let (name, bytes) = theirs[random.place(theirs.len())];
        if let Some((_, ours)) = files.iter_mut().find(|(ours, _)| ours == name) {
            *ours = bytes.to_vec();
        }
        return;
    }
    let leaves = &mut files.iter_mut().find(|(name, _)| name == "leaves.jsonl").unwrap().1;
    let text = String::from_utf8(leaves.clone()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (one, two) = (random.place(lines.len()), random.place(lines.len()));
    match random.below(5) {
        0 => drop(lines.remove(one)),
        1 => lines.swap(one, two),
        2 => lines.insert(one, lines[two].clone()),
        3 => lines.truncate(one),
        _ => {
            let digits: Vec<usize> =
                lines[one].match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).collect();
            let at = digits[random.place(digits.len())];
            lines[one].replace_range(at..=at, &random.below(10).to_string());
        }
    }
    *leaves = lines.iter().flat_map(|line| [line, "\n"]).collect::<String>().into_bytes();
}
