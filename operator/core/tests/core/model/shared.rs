//! Values that many states share, and results that are computed once.

// Results are looked up by their key alone; nothing depends on the order of a map.
#![allow(clippy::disallowed_types)]

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
    ops::Deref,
    sync::{Arc, Mutex, OnceLock},
};

/// A value that never changes, with its hash: most of a state is that of the state before it.
pub struct Shared<T>(Arc<Held<T>>);

struct Held<T> {
    hash: u64,
    names: OnceLock<u64>,
    value: T,
}

impl<T: Hash> Shared<T> {
    pub fn new(value: T) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(Arc::new(Held {
            hash: hasher.finish(),
            names: OnceLock::new(),
            value,
        }))
    }
}

impl<T> Shared<T> {
    pub fn key(&self) -> u64 {
        self.0.hash
    }
}

impl<T: fmt::Debug> Shared<T> {
    /// Which of the given names it mentions anywhere. It is always asked for the same ones.
    pub fn mentions(&self, names: &[String]) -> u64 {
        *self.0.names.get_or_init(|| {
            let text = format!("{:?}", self.0.value);
            let bit = |(n, name): (usize, &String)| u64::from(text.contains(name)) << n;
            names.iter().enumerate().map(bit).sum()
        })
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        let is_same = Arc::ptr_eq(&self.0, &other.0);
        is_same || (self.0.hash == other.0.hash && self.0.value == other.0.value)
    }
}

impl<T: Eq> Eq for Shared<T> {}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0.hash);
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

/// A key made of hashes. That two different ones are equal is as likely as that the checker takes two states for one.
pub fn key(of: &impl Hash) -> u64 {
    let mut mix = Mix(0x9e37_79b9_7f4a_7c15);
    of.hash(&mut mix);
    mix.finish()
}

/// For few numbers that are hashes already.
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, n: u64) {
        let mixed = (self.0 ^ n).wrapping_mul(0xff51_afd7_ed55_8ccd);
        self.0 = (mixed ^ (mixed >> 32)).wrapping_add(n.rotate_left(17));
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^ (mixed >> 32)
    }
}

/// Takes the key as it is.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

const PARTS: usize = 64;

type Part<V> = Mutex<HashMap<u64, V, BuildHasherDefault<AsItIs>>>;

/// What follows from what, by the key of the latter: a claim is decided about once, however many states have it like this.
pub struct Memo<V>([Part<V>; PARTS]);

impl<V> Default for Memo<V> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Part::default()))
    }
}

impl<V: Clone> Memo<V> {
    pub fn get(&self, key: u64, make: impl FnOnce() -> V) -> V {
        if let Some(known) = self.find(key) {
            return known;
        }
        let value = make();
        self.put(key, value.clone());
        value
    }

    pub fn find(&self, key: u64) -> Option<V> {
        self.part(key).lock().unwrap().get(&key).cloned()
    }

    pub fn put(&self, key: u64, value: V) {
        self.part(key).lock().unwrap().insert(key, value);
    }

    fn part(&self, key: u64) -> &Part<V> {
        &self.0[(key >> 48) as usize % PARTS]
    }
}
