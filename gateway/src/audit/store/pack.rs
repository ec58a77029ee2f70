//! Values that hold many things of one commit: an insertion costs far more than the bytes of an
//! entry. Each thing is `length (u32, big-endian) || bytes`; `FORMAT.md` says where.

use crate::limits::STORE_VALUE_BYTES_MAX;

/// Gathers things into values, each keyed by its first thing, and writes them in place: a large
/// result is copied once, into the page it goes to.
pub struct Packer<'a, K, const N: usize> {
    values: Vec<Value<'a, K, N>>,
}

/// One value to write.
pub struct Value<'a, K, const N: usize> {
    /// Its first thing's.
    pub key: K,
    /// Length of the value.
    pub bytes: usize,
    things: Vec<([u8; N], &'a [u8])>,
}

impl<K, const N: usize> Default for Packer<'_, K, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, K, const N: usize> Packer<'a, K, N> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { values: Vec::new() }
    }

    /// Adds a thing with what stands before its length; the first of a value names it.
    pub fn add(&mut self, key: K, head: [u8; N], thing: &'a [u8]) {
        let bytes = N + LENGTH_BYTES + thing.len();
        match self.values.last_mut() {
            Some(last) if last.bytes + bytes <= STORE_VALUE_BYTES_MAX => {
                last.bytes += bytes;
                last.things.push((head, thing));
            }
            _ => self.values.push(Value { key, bytes, things: vec![(head, thing)] }),
        }
    }

    /// What is to be written, in order.
    pub fn values(&self) -> &[Value<'a, K, N>] {
        &self.values
    }
}

impl<K, const N: usize> Value<'_, K, N> {
    /// Writes the value over `to`, which has its length.
    pub fn write(&self, mut to: &mut [u8]) {
        for (head, thing) in &self.things {
            // Entries and parts are far below 4 GiB (`limits`).
            let length = u32::try_from(thing.len()).unwrap_or(u32::MAX).to_be_bytes();
            for piece in [head.as_slice(), &length, thing] {
                let Some((place, rest)) = to.split_at_mut_checked(piece.len()) else { return };
                place.copy_from_slice(piece);
                to = rest;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn written(&self) -> Vec<u8> {
        let mut value = vec![0; self.bytes];
        self.write(&mut value);
        value
    }
}

const LENGTH_BYTES: usize = 4;

/// Takes the things out again, with `N` bytes before each length. Bytes that are no thing come
/// out whole as a last one, with no head, so that nothing hides in them.
pub struct Things<'a, const N: usize>(&'a [u8]);

impl<'a, const N: usize> Things<'a, N> {
    /// Those of a value.
    pub fn of(value: &'a [u8]) -> Self {
        Self(value)
    }
}

impl<'a, const N: usize> Iterator for Things<'a, N> {
    type Item = (Option<[u8; N]>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let whole = std::mem::take(&mut self.0);
        let cut = whole.split_first_chunk::<N>().and_then(|(head, rest)| {
            let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (thing, rest) = rest.split_at_checked(length)?;
            Some((*head, thing, rest))
        });
        let Some((head, thing, rest)) = cut else { return Some((None, whole)) };
        self.0 = rest;
        Some((Some(head), thing))
    }
}

/// Numbers in a row, eight bytes big-endian each; what is left over comes as `None`.
pub fn numbers(value: &[u8]) -> impl Iterator<Item = Option<u64>> {
    let (numbers, rest) = value.as_chunks::<8>();
    let left = (!rest.is_empty()).then_some(None);
    numbers.iter().map(|number| Some(u64::from_be_bytes(*number))).chain(left)
}

/// The head of a payload part: index of its entry, then the part's number.
pub const PART_HEAD_BYTES: usize = 12;

/// Writes the head of a payload part.
pub fn part_head(index: u64, part: u32) -> [u8; PART_HEAD_BYTES] {
    let mut head = [0; PART_HEAD_BYTES];
    let bytes = index.to_be_bytes().into_iter().chain(part.to_be_bytes());
    head.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    head
}

/// The entry that a payload part belongs to.
pub fn part_index(head: [u8; PART_HEAD_BYTES]) -> u64 {
    head.first_chunk::<8>().map_or(u64::MAX, |index| u64::from_be_bytes(*index))
}

/// Its number among the parts of that entry's payload.
pub fn part_number(head: [u8; PART_HEAD_BYTES]) -> u32 {
    head.last_chunk::<4>().map_or(u32::MAX, |part| u32::from_be_bytes(*part))
}

#[cfg(test)]
mod tests;
