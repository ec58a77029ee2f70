//! The RFC 6962 Merkle tree over the log's entries: hashes, growth, tiles, proofs.
//!
//! Sources: RFC 6962 section 2.1 (hashes, proofs), RFC 9162 section 2.1.3.2 and 2.1.4.2 (how to
//! check proofs), C2SP tlog-tiles (tiles of 256 hashes). Pure: no store, no clock.

use aws_lc_rs::digest::{Context, SHA256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Hashes in one full tile (C2SP tlog-tiles: height 8).
pub const TILE_WIDTH: usize = 256;
/// Levels of the tree between two levels of tiles.
pub const TILE_HEIGHT: u32 = 8;

fn digest<P: AsRef<[u8]>>(parts: &[P]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part.as_ref());
    }
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    hash
}

/// SHA-256 of parts in order, for what is no part of the tree.
pub fn sha256<P: AsRef<[u8]>>(parts: &[P]) -> Hash {
    digest(parts)
}

/// RFC 6962 leaf hash: SHA-256(0x00 || bytes).
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    digest::<&[u8]>(&[&[0], bytes])
}

/// RFC 6962 node hash: SHA-256(0x01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    digest::<&[u8]>(&[&[1], left, right])
}

/// RFC 6962 root of the empty tree: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    digest::<&[u8]>(&[])
}

/// The right edge of a tree: roots of its perfect subtrees, largest (leftmost) first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Edge {
    size: u64,
    roots: Vec<Hash>,
}

impl Edge {
    /// An edge from stored parts; `None` unless there is one root for each bit set in `size`.
    pub fn from_parts(size: u64, roots: Vec<Hash>) -> Option<Self> {
        (roots.len() == size.count_ones() as usize).then_some(Self { size, roots })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the perfect subtrees, largest first.
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Adds the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut size = self.size;
        while size & 1 == 1 {
            if let Some(left) = self.roots.pop() {
                hash = node_hash(&left, &hash);
            }
            size >>= 1;
        }
        self.roots.push(hash);
        self.size += 1;
    }

    /// The root of the whole tree.
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else { return empty_root() };
        roots.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// A full tile: 256 hashes of one tile level.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tile {
    /// 0 = leaf hashes; level `n` holds roots of 256^n leaves.
    pub level: u8,
    /// Position in its level, 0 first.
    pub index: u64,
    /// The 256 hashes, one after the other.
    pub bytes: Vec<u8>,
}

/// A growing tree: its edge, and the tiles not yet full.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tree {
    edge: Edge,
    partial: Vec<Vec<Hash>>,
}

impl Tree {
    /// A tree from the partial tiles of every level, lowest first, each shorter than 256;
    /// `None` when they can't be that.
    pub fn from_partial(partial: Vec<Vec<Hash>>) -> Option<Self> {
        let mut edge = Edge::default();
        let mut size = 0_u64;
        for (level, hashes) in partial.iter().enumerate().rev() {
            if hashes.len() >= TILE_WIDTH {
                return None;
            }
            let below = TILE_HEIGHT.checked_mul(u32::try_from(level).ok()?)?;
            size =
                size.checked_add((hashes.len() as u64).checked_mul(1_u64.checked_shl(below)?)?)?;
            let mut part = Edge::default();
            for hash in hashes {
                part.push(*hash);
            }
            edge.roots.extend_from_slice(&part.roots);
        }
        edge.size = size;
        Some(Self { edge, partial })
    }

    /// The right edge.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The tiles that are begun and not full: level and hashes, lowest first.
    pub fn partial(&self) -> impl Iterator<Item = (u8, &[Hash])> {
        let begun = (0..=u8::MAX).zip(&self.partial).filter(|(_, hashes)| !hashes.is_empty());
        begun.map(|(level, hashes)| (level, hashes.as_slice()))
    }

    /// Adds the next leaf; tiles that it completes are appended to `full`.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<Tile>) {
        self.edge.push(leaf);
        let mut hash = leaf;
        let mut count = self.edge.size;
        for level in 0..=u8::MAX {
            if self.partial.len() <= usize::from(level) {
                self.partial.push(Vec::with_capacity(TILE_WIDTH));
            }
            let Some(tile) = self.partial.get_mut(usize::from(level)) else { return };
            tile.push(hash);
            if tile.len() < TILE_WIDTH {
                return;
            }
            let mut part = Edge::default();
            for hash in tile.iter() {
                part.push(*hash);
            }
            count >>= TILE_HEIGHT;
            full.push(Tile { level, index: count.saturating_sub(1), bytes: tile.concat() });
            tile.clear();
            hash = part.root();
        }
    }
}

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProofError {
    /// An index or size that no tree has.
    #[error("the index or the sizes do not fit together")]
    Range,
    /// Too few or too many hashes.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Checks that `leaf` is number `index` of the tree with `size` leaves and `root`
/// (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// The proof is not one for this leaf, index, size and root.
pub fn check_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range);
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for step in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(step, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        at >>= 1;
        last >>= 1;
    }
    match (last == 0, hash == *root) {
        (false, _) => Err(ProofError::Length),
        (true, false) => Err(ProofError::Root),
        (true, true) => Ok(()),
    }
}

/// Checks that the tree of `size1` and `root1` is the beginning of the tree of `size2` and
/// `root2` (RFC 9162 section 2.1.4.2). An empty first tree proves nothing and is refused.
///
/// # Errors
/// The proof is not one for these sizes and roots.
pub fn check_consistency(
    size1: u64,
    size2: u64,
    root1: &Hash,
    root2: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if size1 == 0 || size1 > size2 {
        return Err(ProofError::Range);
    }
    if size1 == size2 {
        if !proof.is_empty() {
            return Err(ProofError::Length);
        }
        return if root1 == root2 { Ok(()) } else { Err(ProofError::Root) };
    }
    let mut steps = proof.iter();
    let seed = if size1.is_power_of_two() { Some(root1) } else { steps.next() };
    let Some(seed) = seed else { return Err(ProofError::Length) };
    let (mut at, mut last) = (size1 - 1, size2 - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut first, mut second) = (*seed, *seed);
    for step in steps {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at & 1 == 1 || at == last {
            first = node_hash(step, &first);
            second = node_hash(step, &second);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            second = node_hash(&second, step);
        }
        at >>= 1;
        last >>= 1;
    }
    match (last == 0, first == *root1 && second == *root2) {
        (false, _) => Err(ProofError::Length),
        (true, false) => Err(ProofError::Root),
        (true, true) => Ok(()),
    }
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros().min(63))
}

/// The root of the leaves `from..to`, out of `perfect`, which gives the roots of aligned perfect
/// subtrees by first leaf and number of leaves.
fn range_root<E>(
    from: u64,
    to: u64,
    perfect: &mut impl FnMut(u64, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let size = to - from;
    if size <= 1 || size.is_power_of_two() {
        return perfect(from, size);
    }
    let middle = from + split(size);
    let left = perfect(from, middle - from)?;
    let right = range_root(middle, to, perfect)?;
    Ok(node_hash(&left, &right))
}

/// The root of the first `size` leaves, out of the roots of perfect subtrees as in
/// [`inclusion_proof`].
///
/// # Errors
/// `perfect` failed.
pub fn root<E>(
    size: u64,
    perfect: &mut impl FnMut(u64, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    if size == 0 { Ok(empty_root()) } else { range_root(0, size, perfect) }
}

/// The inclusion proof of leaf `index` in the tree of `size` leaves (RFC 6962 section 2.1.1).
///
/// # Errors
/// `perfect` (root of the aligned perfect subtree with this first leaf and number of leaves)
/// failed. An index outside the tree gives an empty proof.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    perfect: &mut impl FnMut(u64, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut proof = Vec::new();
    let (mut from, mut to) = (0, size);
    while index < size && to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            proof.push(range_root(middle, to, perfect)?);
            to = middle;
        } else {
            proof.push(range_root(from, middle, perfect)?);
            from = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The consistency proof between the first `size1` leaves and all `size2` (RFC 6962 section
/// 2.1.2).
///
/// # Errors
/// `perfect` failed. Sizes that prove nothing (0, equal, reversed) give an empty proof.
pub fn consistency_proof<E>(
    size1: u64,
    size2: u64,
    perfect: &mut impl FnMut(u64, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut proof = Vec::new();
    if size1 == 0 || size1 >= size2 {
        return Ok(proof);
    }
    let (mut from, mut to) = (0, size2);
    while size1 != to {
        let middle = from + split(to - from);
        if size1 <= middle {
            proof.push(range_root(middle, to, perfect)?);
            to = middle;
        } else {
            proof.push(range_root(from, middle, perfect)?);
            from = middle;
        }
    }
    if from != 0 {
        proof.push(range_root(from, to, perfect)?);
    }
    proof.reverse();
    Ok(proof)
}

#[cfg(test)]
mod tests;
