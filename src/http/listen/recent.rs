//! A bounded map that forgets what has not been used for longest.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// Two generations: what is used moves to the young one; when that is full the old one is forgotten, whole.
pub struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Entries of a generation.
    most: usize,
    forgotten: u64,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// Keeps at least the `most` entries that were used last, and at most twice as many.
    pub fn new(most: usize) -> Recent<K, V> {
        Recent { young: HashMap::new(), old: HashMap::new(), most, forgotten: 0 }
    }

    /// The value of a key, which counts as used.
    pub fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.most {
            self.old = mem::take(&mut self.young);
            self.forgotten += 1;
        }
        self.young.insert(key, value);
    }

    /// The value of a key, which does not count as used by this.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// How often a generation was forgotten.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_kept_and_the_rest_is_forgotten() {
        let mut recent = Recent::new(10);
        for key in 0..1000 {
            recent.insert(key, key);
            assert_eq!(recent.get(&0), Some(0), "used all the time, and forgotten after {key}");
            assert!(recent.young.len() + recent.old.len() <= 20);
        }
        assert_eq!((recent.get(&999), recent.get(&500)), (Some(999), None));
    }
}
