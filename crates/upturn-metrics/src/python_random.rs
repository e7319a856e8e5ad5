//! CPython's random generator, draw for draw: few-shot examples and bootstraps depend on it.
//!
//! The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), seeded as `random.Random(seed)`
//! seeds it with a non-negative integer: by the array of its 32-bit words, lowest first.

/// Words of state.
const N: usize = 624;
/// Distance of the word mixed in.
const M: usize = 397;
/// Twist constant.
const MATRIX_A: u32 = 0x9908_b0df;

/// `random.Random` of CPython 3.11.
///
/// ```
/// let mut random = upturn_metrics::PyRandom::new(1234);
/// assert_eq!(random.sample(10, 3), [7, 1, 0]);
/// ```
#[derive(Clone)]
pub struct PyRandom {
    state: [u32; N],
    index: usize,
}

impl std::fmt::Debug for PyRandom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PyRandom")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl PyRandom {
    /// The generator that `random.Random(seed)` makes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let low = (seed & 0xffff_ffff) as u32;
        let high = (seed >> 32) as u32;
        if high == 0 {
            Self::from_words(&[low])
        } else {
            Self::from_words(&[low, high])
        }
    }

    /// The generator that a whole number seeds, given as its 32-bit words, lowest first;
    /// none is the word 0. Initialisation by an array, of the generator's authors.
    #[must_use]
    pub fn from_words(key: &[u32]) -> Self {
        let key = if key.is_empty() { &[0] } else { key };
        let mut state = [0u32; N];
        state[0] = 19_650_218;
        for i in 1..N {
            let previous = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = 1_812_433_253u32
                .wrapping_mul(previous)
                .wrapping_add(i as u32);
        }
        let (mut i, mut j) = (1, 0);
        for _ in 0..N.max(key.len()) {
            let previous = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = (state[i] ^ previous.wrapping_mul(1_664_525))
                .wrapping_add(key[j])
                .wrapping_add(j as u32);
            i += 1;
            j += 1;
            if i >= N {
                state[0] = state[N - 1];
                i = 1;
            }
            if j >= key.len() {
                j = 0;
            }
        }
        for _ in 0..N - 1 {
            let previous = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = (state[i] ^ previous.wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            i += 1;
            if i >= N {
                state[0] = state[N - 1];
                i = 1;
            }
        }
        state[0] = 0x8000_0000;
        PyRandom { state, index: N }
    }

    /// Makes the next 624 words.
    fn refill(&mut self) {
        let twist = |high: u32, low: u32| {
            let y = (high & 0x8000_0000) | (low & 0x7fff_ffff);
            (y >> 1) ^ if y & 1 == 0 { 0 } else { MATRIX_A }
        };
        let s = &mut self.state;
        for i in 0..N - M {
            s[i] = s[i + M] ^ twist(s[i], s[i + 1]);
        }
        for i in N - M..N - 1 {
            s[i] = s[i + M - N] ^ twist(s[i], s[i + 1]);
        }
        s[N - 1] = s[M - 1] ^ twist(s[N - 1], s[0]);
        self.index = 0;
    }

    /// The next 32 bits.
    #[inline]
    fn next_word(&mut self) -> u32 {
        if self.index >= N {
            self.refill();
        }
        let mut y = self.state[self.index];
        self.index += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// A number in \[0, 1) with 53 random bits.
    #[inline]
    pub fn random(&mut self) -> f64 {
        let high = f64::from(self.next_word() >> 5);
        let low = f64::from(self.next_word() >> 6);
        (high * 67_108_864.0 + low) * (1.0 / 9_007_199_254_740_992.0)
    }

    /// `k` random bits, 0 ≤ `k` ≤ 64 (more are cut to 64; 0 draws nothing and is 0).
    pub fn getrandbits(&mut self, k: u32) -> u64 {
        let k = k.min(64);
        match k {
            0 => 0,
            1..=32 => u64::from(self.next_word() >> (32 - k)),
            _ => {
                let low = u64::from(self.next_word());
                let high = u64::from(self.next_word() >> (64 - k));
                low | high << 32
            }
        }
    }

    /// A whole number in 0..`n`, by rejection; 0 for `n` = 0, which draws nothing.
    pub fn randbelow(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let bits = u64::BITS - n.leading_zeros();
        loop {
            let r = self.getrandbits(bits);
            if r < n {
                return r;
            }
        }
    }

    /// Index of one draw of `choices` from `n` things: the floor of `random() * n`.
    #[inline]
    pub fn choice_index(&mut self, n: usize) -> usize {
        (self.random() * n as f64) as usize
    }

    /// Indices of `k` different things out of `n_pool`, in the order drawn, as
    /// `random.sample(pool, k)`: from a shrinking list where the pool is small beside `k`,
    /// by rejection otherwise. `k` above `n_pool` is cut to it (Python raises `ValueError`).
    pub fn sample(&mut self, n_pool: usize, k: usize) -> Vec<usize> {
        let k = k.min(n_pool);
        // Sizes at which CPython takes a list of n to be smaller than a set of k.
        let mut set_size = 21.0;
        if k > 5 {
            set_size += 4f64.powf(((k * 3) as f64).log(4.0).ceil());
        }
        let mut result = Vec::with_capacity(k);
        if n_pool as f64 <= set_size {
            let mut pool: Vec<usize> = (0..n_pool).collect();
            for i in 0..k {
                let left = n_pool - i;
                let j = self.randbelow(left as u64) as usize;
                result.push(pool[j]);
                pool[j] = pool[left - 1];
            }
        } else {
            let mut taken = vec![false; n_pool];
            for _ in 0..k {
                let j = loop {
                    let j = self.randbelow(n_pool as u64) as usize;
                    if !taken[j] {
                        break j;
                    }
                };
                taken[j] = true;
                result.push(j);
            }
        }
        result
    }

    /// Indices of `k` things out of `n_pool` with replacement, as `random.choices(pool, k=k)`.
    /// Nothing for an empty pool (Python raises `IndexError`).
    pub fn choices(&mut self, n_pool: usize, k: usize) -> Vec<usize> {
        if n_pool == 0 {
            return Vec::new();
        }
        (0..k).map(|_| self.choice_index(n_pool)).collect()
    }

    /// Shuffles in place, as `random.shuffle`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.randbelow(i as u64 + 1) as usize;
            items.swap(i, j);
        }
    }
}
