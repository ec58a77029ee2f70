//! The tree beside two other implementations: `ct-merkle` (RFC 6962) and `tlog_tiles` (Go's
//! `sumdb/tlog` in Rust, C2SP tlog-tiles).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use sha2::Sha256;
use tlog_tiles::{HashReader, Tile as TheirTile, stored_hash_index};

use super::super::*;

/// Every hash of a tree, in the order in which `tlog_tiles` stores them.
struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

/// Three trees over the same entries.
struct Trees {
    leaves: Vec<Hash>,
    tiles: Vec<Tile>,
    edges: Vec<Edge>,
    rfc: MemoryBackedTree<Sha256, Vec<u8>>,
    go: Stored,
}

fn entry(number: u64) -> Vec<u8> {
    format!("{{\"v\":1,\"number\":{number}}}").into_bytes()
}

impl Trees {
    fn of(size: u64) -> Self {
        let mut trees = Self {
            leaves: Vec::new(),
            tiles: Vec::new(),
            edges: vec![Edge::default()],
            rfc: MemoryBackedTree::new(),
            go: Stored(Vec::new()),
        };
        let mut tree = Tree::default();
        for number in 0..size {
            let bytes = entry(number);
            trees.leaves.push(leaf_hash(&bytes));
            tree.push(leaf_hash(&bytes), &mut trees.tiles);
            trees.edges.push(tree.edge().clone());
            let stored = tlog_tiles::stored_hashes(number, &bytes, &trees.go).unwrap();
            trees.go.0.extend(stored);
            trees.rfc.push(bytes);
        }
        trees
    }

    fn root(&self, size: u64) -> Hash {
        self.edges[usize::try_from(size).unwrap()].root()
    }

    fn perfect(&self, from: u64, count: u64) -> Hash {
        let level = u8::try_from(count.trailing_zeros()).unwrap();
        let index = stored_hash_index(level, from / count);
        self.go.0[usize::try_from(index).unwrap()].0
    }
}

fn theirs(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().map(|hash| tlog_tiles::Hash(*hash)).collect()
}

#[test]
fn inclusion_proofs_are_those_of_others_and_hold_for_them() {
    for size in (1..=70).chain([255, 256, 257, 511, 513]) {
        let trees = Trees::of(size);
        let root = trees.root(size);
        assert_eq!(root.as_slice(), trees.rfc.root().as_bytes().as_slice(), "size {size}");
        assert_eq!(root, tlog_tiles::tree_hash(size, &trees.go).unwrap().0, "size {size}");
        let mut perfect = |from, count| Ok::<_, ()>(trees.perfect(from, count));
        for index in 0..size {
            let place = usize::try_from(index).unwrap();
            let leaf = trees.leaves[place];
            let proof = inclusion_proof(index, size, &mut perfect).unwrap();
            assert_eq!(proof.concat(), trees.rfc.prove_inclusion(place).as_bytes());
            let go = tlog_tiles::prove_record(size, index, &trees.go).unwrap();
            assert_eq!(theirs(&proof), go, "{index} of {size}");
            check_inclusion(index, size, &leaf, &proof, &root).unwrap();
            let (rfc, ours) = (trees.rfc.root(), InclusionProof::from_bytes(proof.concat()));
            rfc.verify_inclusion(&entry(index), index, &ours).unwrap();
            let theirs = theirs(&proof);
            let root = tlog_tiles::Hash(root);
            tlog_tiles::check_record(&theirs, size, root, index, tlog_tiles::Hash(leaf)).unwrap();
        }
    }
}

#[test]
fn consistency_proofs_are_those_of_others_and_hold_for_them() {
    for size in (2..=70).chain([255, 256, 257, 511, 513]) {
        let trees = Trees::of(size);
        let (root, rfc) = (trees.root(size), trees.rfc.root());
        let mut perfect = |from, count| Ok::<_, ()>(trees.perfect(from, count));
        for first in 1..size {
            let before = trees.root(first);
            let proof = consistency_proof(first, size, &mut perfect).unwrap();
            let added = usize::try_from(size - first).unwrap();
            assert_eq!(proof.concat(), trees.rfc.prove_consistency(added).as_bytes());
            let go = tlog_tiles::prove_tree(size, first, &trees.go).unwrap();
            assert_eq!(theirs(&proof), go, "{first} of {size}");
            check_consistency(first, size, &before, &root, &proof).unwrap();
            let ours = ConsistencyProof::try_from_bytes(proof.concat()).unwrap();
            let old = ct_merkle::RootHash::new(before.into(), first);
            rfc.verify_consistency(&old, &ours).unwrap();
            let (new, old) = (tlog_tiles::Hash(root), tlog_tiles::Hash(before));
            tlog_tiles::check_tree(&theirs(&proof), size, new, first, old).unwrap();
        }
    }
}

/// Every proof with one bit changed, one hash more or less, or another place.
fn spoilt(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for at in 0..proof.len() {
        let mut bit = proof.to_vec();
        bit[at][at % 32] ^= 1;
        all.push(bit);
        let mut less = proof.to_vec();
        less.remove(at);
        all.push(less);
        let mut more = proof.to_vec();
        more.insert(at, [7; 32]);
        all.push(more);
    }
    all.push([proof, &[[0; 32]]].concat());
    all
}

#[test]
fn a_proof_that_is_spoilt_is_refused_by_all() {
    let size = 45;
    let trees = Trees::of(size);
    let root = trees.root(size);
    let (rfc, go) = (trees.rfc.root(), tlog_tiles::Hash(root));
    let mut perfect = |from, count| Ok::<_, ()>(trees.perfect(from, count));
    for index in 0..size {
        let leaf = trees.leaves[usize::try_from(index).unwrap()];
        for proof in spoilt(&inclusion_proof(index, size, &mut perfect).unwrap()) {
            check_inclusion(index, size, &leaf, &proof, &root).unwrap_err();
            let ours = InclusionProof::from_bytes(proof.concat());
            rfc.verify_inclusion(&entry(index), index, &ours).unwrap_err();
            let leaf = tlog_tiles::Hash(leaf);
            tlog_tiles::check_record(&theirs(&proof), size, go, index, leaf).unwrap_err();
        }
        let (first, before) = (index.max(1), trees.root(index.max(1)));
        for proof in spoilt(&consistency_proof(first, size, &mut perfect).unwrap()) {
            check_consistency(first, size, &before, &root, &proof).unwrap_err();
            let before = tlog_tiles::Hash(before);
            tlog_tiles::check_tree(&theirs(&proof), size, go, first, before).unwrap_err();
        }
    }
}

#[test]
fn full_tiles_are_those_of_tlog_tiles() {
    let size = 256 * 256 + 700;
    let trees = Trees::of(size);
    let full = |tile: &&TheirTile| tile.width() == 256;
    let expected = TheirTile::new_tiles(8, 0, size);
    let expected: Vec<&TheirTile> = expected.iter().filter(full).collect();
    assert_eq!(expected.len(), trees.tiles.len());
    for tile in &trees.tiles {
        let same =
            |their: &&&TheirTile| (their.level(), their.level_index()) == (tile.level, tile.index);
        let their = expected.iter().find(same).expect("they have the tile too");
        assert_eq!(their.read_data(&trees.go).unwrap(), tile.bytes);
    }
}
