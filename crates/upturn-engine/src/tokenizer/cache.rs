//! A table from pieces of text to their token ids.
//!
//! One table serves one thread at a time. What it answers never depends on what
//! it holds, so it may forget at any moment. When full it keeps what it has for a
//! while, and starts anew once as many unknown pieces have come by as it holds:
//! texts of the same kind go on being looked up, and texts of another kind soon are.

/// Longest piece kept, in bytes.
pub(super) const PIECE_BYTES_MAX: usize = 256;
/// Most pieces kept.
const ENTRIES_MAX: usize = 1 << 18;
/// Most bytes of pieces kept.
const KEYS_MAX: usize = 1 << 23;
const SLOTS_MIN: usize = 1 << 10;

#[derive(Clone, Copy)]
struct Entry {
    key: u32,
    ids: u32,
    key_len: u16,
    ids_len: u16,
}

/// The table. Slots hold the high half of a hash and 1 + the index of an entry; 0 is free.
pub(super) struct PieceCache {
    slots: Vec<u64>,
    entries: Vec<Entry>,
    keys: Vec<u8>,
    ids: Vec<u32>,
    /// Pieces turned away since the table is full.
    n_refused: usize,
}

impl PieceCache {
    /// An empty table.
    pub(super) fn new() -> Self {
        PieceCache {
            slots: vec![0; SLOTS_MIN],
            entries: Vec::new(),
            keys: Vec::new(),
            ids: Vec::new(),
            n_refused: 0,
        }
    }

    /// Appends the ids of `piece` to `out`; false where it is not known.
    #[inline]
    pub(super) fn get(&self, piece: &[u8], out: &mut Vec<u32>) -> bool {
        let hash = hash(piece);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return false;
            }
            if slot >> 32 == hash >> 32 {
                let e = self.entries[(slot as u32 - 1) as usize];
                let key = e.key as usize;
                if self.keys[key..key + e.key_len as usize] == *piece {
                    let ids = e.ids as usize;
                    out.extend_from_slice(&self.ids[ids..ids + e.ids_len as usize]);
                    return true;
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Keeps the ids of a piece that is not in the table and not longer than [`PIECE_BYTES_MAX`].
    pub(super) fn put(&mut self, piece: &[u8], ids: &[u32]) {
        if piece.len() > PIECE_BYTES_MAX || ids.len() > usize::from(u16::MAX) {
            return;
        }
        if self.entries.len() >= ENTRIES_MAX || self.keys.len() + piece.len() > KEYS_MAX {
            self.n_refused += 1;
            if self.n_refused < self.entries.len() {
                return;
            }
            *self = PieceCache::new();
        }
        if (self.entries.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        self.entries.push(Entry {
            key: self.keys.len() as u32,
            ids: self.ids.len() as u32,
            key_len: piece.len() as u16,
            ids_len: ids.len() as u16,
        });
        self.keys.extend_from_slice(piece);
        self.ids.extend_from_slice(ids);
        let index = self.entries.len() as u64;
        insert(&mut self.slots, hash(piece), index);
    }

    fn grow(&mut self) {
        let mut slots = vec![0; self.slots.len() * 2];
        for (i, e) in self.entries.iter().enumerate() {
            let key = e.key as usize;
            let piece = &self.keys[key..key + e.key_len as usize];
            insert(&mut slots, hash(piece), i as u64 + 1);
        }
        self.slots = slots;
    }
}

fn insert(slots: &mut [u64], hash: u64, index: u64) {
    let mask = slots.len() - 1;
    let mut at = hash as usize & mask;
    while slots[at] != 0 {
        at = (at + 1) & mask;
    }
    slots[at] = hash >> 32 << 32 | index;
}

/// Multiply and fold, eight bytes at a time; the last eight may overlap those before.
#[inline]
fn hash(piece: &[u8]) -> u64 {
    const K0: u64 = 0x9e37_79b9_7f4a_7c15;
    const K1: u64 = 0xd6e8_feb8_6659_fd93;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let n = piece.len();
    let mut h = K0 ^ n as u64;
    if n >= 8 {
        let mut at = 0;
        while at + 8 < n {
            h = fold(h ^ word(&piece[at..]), K1);
            at += 8;
        }
        fold(h ^ word(&piece[n - 8..]), K0)
    } else if n >= 4 {
        let head = u64::from(u32::from_le_bytes([piece[0], piece[1], piece[2], piece[3]]));
        let tail = u64::from(u32::from_le_bytes([
            piece[n - 4],
            piece[n - 3],
            piece[n - 2],
            piece[n - 1],
        ]));
        fold(h ^ (head | tail << 32), K0)
    } else if n > 0 {
        let word =
            u64::from(piece[0]) | u64::from(piece[n / 2]) << 8 | u64::from(piece[n - 1]) << 16;
        fold(h ^ word, K0)
    } else {
        fold(h, K0)
    }
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    let mut w = [0; 8];
    w.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(w)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_a_map_does_while_it_grows_and_forgets() {
        let mut cache = PieceCache::new();
        let piece = |i: usize| format!("{}{i:x}", "ab".repeat(i % 9)).into_bytes();
        let ids = |i: usize| -> Vec<u32> { (0..i % 5).map(|k| (i + k) as u32).collect() };
        let (mut n_known, mut n_refused, mut n_most) = (0, 0, 0);
        // Twice the room, then once more from the start.
        for i in (0..2 * ENTRIES_MAX + 9).chain(0..1000) {
            let mut out = vec![7];
            if cache.get(&piece(i), &mut out) {
                assert_eq!(out[1..], ids(i));
                n_known += 1;
                continue;
            }
            assert_eq!(out, [7]);
            cache.put(&piece(i), &ids(i));
            out.clear();
            if cache.get(&piece(i), &mut out) {
                assert_eq!(out, ids(i));
            } else {
                n_refused += 1;
            }
            n_most = n_most.max(cache.entries.len());
        }
        assert_eq!(n_known, 0, "it forgot the first ones");
        assert!(
            n_refused > 1000 && n_most <= ENTRIES_MAX,
            "{n_refused} {n_most}"
        );
        let mut out = Vec::new();
        assert!(cache.get(&piece(999), &mut out), "it takes new ones again");
    }

    #[test]
    fn long_pieces_are_not_kept() {
        let mut cache = PieceCache::new();
        let piece = vec![b'x'; PIECE_BYTES_MAX + 1];
        cache.put(&piece, &[1]);
        assert!(!cache.get(&piece, &mut Vec::new()));
    }
}
