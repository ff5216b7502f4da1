//! How often each name occurred, in order of first appearance.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

struct Name {
    hash: u64,
    count: u64,
    text: Box<[u8]>,
}

/// A map of counted names in UTF-8. Its hashes are seeded at random, so that nobody can choose names that collide.
#[derive(Default)]
pub struct Names {
    hasher: DefaultHashBuilder,
    table: HashTable<u32>,
    names: Vec<Name>,
    bytes: usize,
}

impl Names {
    #[inline]
    pub fn add(&mut self, text: &[u8]) {
        let hash = self.hasher.hash_one(text);
        let names = &mut self.names;
        let is_it = |&position: &u32| {
            let name = &names[position as usize];
            name.hash == hash && *name.text == *text
        };
        if let Some(&position) = self.table.find(hash, is_it) {
            names[position as usize].count += 1;
            return;
        }
        let position = u32::try_from(names.len()).expect("a batch has fewer names than 2^32");
        names.push(Name { hash, count: 1, text: text.into() });
        self.bytes += text.len();
        self.table.insert_unique(hash, position, |&position| names[position as usize].hash);
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Of all names.
    pub fn text_bytes(&self) -> usize {
        self.bytes
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.names.iter().map(|name| (&*name.text, name.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_in_order_of_first_appearance() {
        let mut names = Names::default();
        for number in 0..3000 {
            names.add(format!("name {}", number % 1000).as_bytes());
        }
        assert_eq!(names.len(), 1000);
        assert_eq!(names.text_bytes(), 10 * 6 + 90 * 7 + 900 * 8);
        for (number, (name, count)) in names.iter().enumerate() {
            assert_eq!((name, count), (format!("name {number}").as_bytes(), 3));
        }
    }
}
