//! A whole log in memory, every row of every table open to random changes.

use super::super::pack::PART_HEAD_BYTES;
use std::collections::BTreeMap;

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTable};

use super::super::{
    BLOB, CKPT, EDGE, IX_SESS, LEAF, META, OPEN, SESS, StoreError, TAIL, TILE, View, failed,
};

/// The rows of every table.
#[derive(Clone, Default, PartialEq)]
pub(in crate::audit) struct Rows {
    leaf: BTreeMap<u64, Vec<u8>>,
    blob: BTreeMap<(u64, u32), Vec<u8>>,
    tile: BTreeMap<(u8, u64), Vec<u8>>,
    tail: BTreeMap<u64, Vec<u8>>,
    ckpt: BTreeMap<u64, String>,
    ix_sess: BTreeMap<(String, u64), Vec<u8>>,
    sess: BTreeMap<String, (u64, u64)>,
    open: BTreeMap<String, u64>,
    meta: BTreeMap<String, String>,
    edge: BTreeMap<u8, Vec<u8>>,
}

/// Number of tables.
pub(in crate::audit) const TABLES: u64 = 10;

macro_rules! read {
    ($view:expr, $table:expr, |$key:ident, $value:ident| $row:expr) => {
        match $view.0.open_table($table) {
            Err(_) => BTreeMap::new(),
            Ok(table) => table
                .iter()
                .unwrap()
                .map(|row| {
                    let (key, value) = row.unwrap();
                    let ($key, $value) = (key.value(), value.value());
                    $row
                })
                .collect(),
        }
    };
}

macro_rules! write {
    ($write:expr, $table:expr, $rows:expr, |$key:ident, $value:ident| $row:expr) => {{
        let mut table = $write.open_table($table).map_err(failed)?;
        for ($key, $value) in $rows {
            let (key, value) = $row;
            table.insert(key, value).map_err(failed)?;
        }
    }};
}

impl Rows {
    pub(in crate::audit) fn of(view: &View) -> Self {
        Self {
            leaf: read!(view, LEAF, |key, value| (key, value.to_vec())),
            blob: read!(view, BLOB, |key, value| (key, value.to_vec())),
            tile: read!(view, TILE, |key, value| (key, value.to_vec())),
            tail: read!(view, TAIL, |key, value| (key, value.to_vec())),
            ckpt: read!(view, CKPT, |key, value| (key, value.to_owned())),
            ix_sess: read!(view, IX_SESS, |key, value| ((key.0.to_owned(), key.1), value.to_vec())),
            sess: read!(view, SESS, |key, value| (key.to_owned(), value)),
            open: read!(view, OPEN, |key, value| (key.to_owned(), value)),
            meta: read!(view, META, |key, value| (key.to_owned(), value.to_owned())),
            edge: read!(view, EDGE, |key, value| (key, value.to_vec())),
        }
    }

    /// A store in memory with these rows; the view ends with its database.
    pub(in crate::audit) fn view(&self) -> Result<(Database, View), StoreError> {
        let builder = Database::builder();
        let database = builder.create_with_backend(InMemoryBackend::new()).map_err(failed)?;
        let mut write = database.begin_write().map_err(failed)?;
        write.set_durability(redb::Durability::None).map_err(failed)?;
        write!(write, LEAF, &self.leaf, |key, value| (*key, value.as_slice()));
        write!(write, BLOB, &self.blob, |key, value| (*key, value.as_slice()));
        write!(write, TILE, &self.tile, |key, value| (*key, value.as_slice()));
        write!(write, TAIL, &self.tail, |key, value| (*key, value.as_slice()));
        write!(write, CKPT, &self.ckpt, |key, value| (*key, value.as_str()));
        write!(write, IX_SESS, &self.ix_sess, |key, value| (
            (key.0.as_str(), key.1),
            value.as_slice()
        ));
        write!(write, SESS, &self.sess, |key, value| (key.as_str(), *value));
        write!(write, OPEN, &self.open, |key, value| (key.as_str(), *value));
        write!(write, META, &self.meta, |key, value| (key.as_str(), value.as_str()));
        write!(write, EDGE, &self.edge, |key, value| (*key, value.as_slice()));
        write.commit().map_err(failed)?;
        let view = database.begin_read().map(View).map_err(failed)?;
        Ok((database, view))
    }

    /// True when all that differs is that older checkpoints are gone.
    pub(in crate::audit) fn lacks_only_old_checkpoints(&self, whole: &Self) -> bool {
        let kept = |(size, note): (&u64, &String)| whole.ckpt.get(size) == Some(note);
        let same = Self { ckpt: whole.ckpt.clone(), ..self.clone() } == *whole;
        same && self.ckpt.iter().all(kept)
            && self.ckpt.last_key_value() == whole.ckpt.last_key_value()
    }

    /// Each of the rows that a bent head of a value's second payload part makes, bit by bit.
    pub(in crate::audit) fn with_bent_part_heads(&self) -> Vec<Self> {
        let mut all = Vec::new();
        for (key, value) in &self.blob {
            let heads = PART_HEAD_BYTES;
            let length = value.get(heads..heads + 4).unwrap().try_into().unwrap();
            let second = heads + 4 + usize::try_from(u32::from_be_bytes(length)).unwrap();
            for bit in (0..heads * 8).filter(|_| value.len() > second) {
                let mut rows = self.clone();
                rows.blob.get_mut(key).unwrap()[second + bit / 8] ^= 1 << (bit % 8);
                all.push(rows);
            }
        }
        all
    }

    /// Changes one row of the table `number` below [`TABLES`] at random; gives the table's name.
    pub(in crate::audit) fn change(
        &mut self,
        number: u64,
        random: &mut impl FnMut(u64) -> u64,
    ) -> &'static str {
        match number {
            0 => change(&mut self.leaf, random, "leaf"),
            1 => change(&mut self.blob, random, "blob"),
            2 => change(&mut self.tile, random, "tile"),
            3 => change(&mut self.tail, random, "tail"),
            4 => change(&mut self.ckpt, random, "ckpt"),
            5 => change(&mut self.ix_sess, random, "ix_sess"),
            6 => change(&mut self.sess, random, "sess"),
            7 => change(&mut self.open, random, "open"),
            8 => change(&mut self.meta, random, "meta"),
            _ => change(&mut self.edge, random, "edge"),
        }
    }
}

/// Something that can be changed a little.
trait Bent {
    fn bend(&mut self, random: &mut impl FnMut(u64) -> u64);
}

impl Bent for u64 {
    fn bend(&mut self, random: &mut impl FnMut(u64) -> u64) {
        let bits = if random(2) == 0 { 4 } else { 64 };
        *self ^= 1 << random(bits);
    }
}

impl Bent for u32 {
    fn bend(&mut self, random: &mut impl FnMut(u64) -> u64) {
        *self ^= 1 << random(32);
    }
}

impl Bent for u8 {
    fn bend(&mut self, random: &mut impl FnMut(u64) -> u64) {
        *self ^= 1 << random(8);
    }
}

impl<A: Bent, B: Bent> Bent for (A, B) {
    fn bend(&mut self, random: &mut impl FnMut(u64) -> u64) {
        if random(2) == 0 { self.0.bend(random) } else { self.1.bend(random) }
    }
}

impl Bent for Vec<u8> {
    fn bend(&mut self, random: &mut impl FnMut(u64) -> u64) {
        let place = |random: &mut dyn FnMut(u64) -> u64, length: usize| {
            usize::try_from(random(length as u64)).unwrap()
        };
        match random(5) {
            _ if self.is_empty() => self.push(7),
            0 => {
                let at = place(random, self.len());
                self.remove(at);
            }
            1 => {
                let at = place(random, self.len() + 1);
                self.insert(at, u8::try_from(random(256)).unwrap());
            }
            2 => {
                let length = place(random, self.len());
                self.truncate(length);
            }
            _ => {
                let at = place(random, self.len());
                self[at].bend(random);
            }
        }
    }
}

impl Bent for String {
    fn bend(&mut self, random: &mut impl FnMut(u64) -> u64) {
        let mut bytes = self.as_bytes().to_vec();
        bytes.bend(random);
        *self = String::from_utf8_lossy(&bytes).into_owned();
    }
}

fn change<K: Bent + Clone + Default + Ord, V: Bent + Clone + Default + PartialEq>(
    rows: &mut BTreeMap<K, V>,
    random: &mut impl FnMut(u64) -> u64,
    name: &'static str,
) -> &'static str {
    let place = usize::try_from(random(rows.len().max(1) as u64)).unwrap();
    let Some(key) = rows.keys().nth(place).cloned() else {
        let (mut key, mut value) = (K::default(), V::default());
        key.bend(random);
        value.bend(random);
        rows.insert(key, value);
        return name;
    };
    let other = usize::try_from(random(rows.len() as u64)).unwrap();
    let other = rows.keys().nth(other).cloned().unwrap();
    match random(6) {
        0 => drop(rows.remove(&key)),
        1 => {
            let value = rows.remove(&key).unwrap();
            let mut moved = key;
            moved.bend(random);
            rows.insert(moved, value);
        }
        2 => {
            let (mut copy, value) = (key.clone(), rows[&key].clone());
            copy.bend(random);
            rows.insert(copy, value);
        }
        3 => {
            let (one, two) = (rows[&key].clone(), rows[&other].clone());
            rows.insert(key, two);
            rows.insert(other, one);
        }
        _ => rows.get_mut(&key).unwrap().bend(random),
    }
    name
}
