//! The distinct ids of a window, as 64-bit XXH3 hashes of their UTF-8 (seed 0), the same in every process.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

static SECRET: LazyLock<[u64; 2]> =
    LazyLock::new(|| [RandomState::new().hash_one(0), RandomState::new().hash_one(1) | 1]);

/// A set of hashes. Producers choose the ids, so their places in the table depend on a secret of this process.
pub struct Ids {
    secret: [u64; 2],
    hashes: HashTable<u64>,
}

impl Default for Ids {
    fn default() -> Self {
        Self { secret: *SECRET, hashes: HashTable::new() }
    }
}

#[inline]
fn mixed(hash: u64, [add, multiply]: [u64; 2]) -> u64 {
    let product = u128::from(hash ^ add) * u128::from(multiply);
    product as u64 ^ (product >> 64) as u64
}

impl Ids {
    #[inline]
    pub fn add(&mut self, id: &[u8]) {
        let (hash, secret) = (xxh3_64(id), self.secret);
        let place = mixed(hash, secret);
        if self.hashes.find(place, |&known| known == hash).is_none() {
            self.hashes.insert_unique(place, hash, |&known| mixed(known, secret));
        }
    }

    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// The hashes in native byte order, in no order of their own.
    pub fn packed(&self) -> Vec<u8> {
        let mut packed = Vec::with_capacity(8 * self.hashes.len());
        for hash in &self.hashes {
            packed.extend_from_slice(&hash.to_ne_bytes());
        }
        packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_counts_once() {
        let mut ids = Ids::default();
        for number in 0..5000 {
            ids.add(format!("user_{}", number % 2000).as_bytes());
        }
        assert_eq!(ids.len(), 2000);
        let packed = ids.packed();
        let hash = |id: &str| xxh3_64(id.as_bytes()).to_ne_bytes();
        assert_eq!(packed.len(), 2000 * 8);
        assert!(packed.chunks(8).any(|each| each == hash("user_1999")));
    }

    #[test]
    fn hashes_are_those_of_xxh3() {
        assert_eq!(xxh3_64(b""), 0x2d06_8005_38d3_94c2);
    }
}
