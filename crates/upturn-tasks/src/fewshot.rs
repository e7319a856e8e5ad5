//! Which examples stand before a question.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use upturn_metrics::PyRandom;

use crate::config::SamplerKind;
use crate::dataset::Doc;
use crate::python::equal_maps;

/// How examples are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FewshotMode {
    /// From the seed, the task's name and the item's index alone, never the item
    /// itself: the same for any number of workers, any limit and any order.
    #[default]
    PerDoc,
    /// From the seed and the task's name alone: the same examples for every item,
    /// but for an item that is one of them.
    Fixed,
    /// As lm-evaluation-harness does on one worker: one generator for the task,
    /// drawn from for each item in turn, so an item's examples depend on the
    /// items before it. When neither `fewshot_split` nor `test_split` is given, or
    /// both are the same, one example more is drawn and the item itself left out;
    /// otherwise the item may stand among its own examples.
    Parity,
}

/// Where examples come from, and how many.
#[derive(Debug)]
pub(crate) struct Drawing<'a> {
    pub(crate) mode: FewshotMode,
    pub(crate) sampler: SamplerKind,
    pub(crate) seed: u64,
    pub(crate) task: &'a str,
    pub(crate) pool: &'a [Arc<Doc>],
    /// Examples for each item.
    pub(crate) n: usize,
    /// Whether lm-evaluation-harness would leave the evaluated item out.
    pub(crate) same_split: bool,
}

/// Indices into the pool, shared among items that have the same.
pub(crate) type Shots = Arc<[usize]>;

impl Drawing<'_> {
    /// The examples of each item of `docs` (index and item), which in parity mode
    /// must be all items from the first.
    ///
    /// # Errors
    /// A fragment that says how many examples there are and how many are needed.
    pub(crate) fn draw<'d>(
        &self,
        docs: impl Iterator<Item = (u64, &'d Arc<Doc>)>,
    ) -> Result<Vec<Shots>, String> {
        let mut shared = SharedShots::default();
        let mut parity = PyRandom::new(self.seed);
        docs.map(|(doc_id, doc)| {
            if self.n == 0 {
                return Ok(shared.share(&[]));
            }
            let shots = match (self.sampler, self.mode) {
                (SamplerKind::FirstN, _) => self.first_n(doc)?,
                (SamplerKind::Default, FewshotMode::Parity) => self.parity(&mut parity, doc)?,
                (SamplerKind::Default, FewshotMode::PerDoc) => {
                    self.leaving_out(PyRandom::new(self.seed_of(&doc_id.to_le_bytes())), doc)?
                }
                (SamplerKind::Default, FewshotMode::Fixed) => {
                    self.leaving_out(PyRandom::new(self.seed_of(b"fixed")), doc)?
                }
            };
            Ok(shared.share(&shots))
        })
        .collect()
    }

    fn seed_of(&self, part: &[u8]) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        hash.update(self.task.as_bytes());
        hash.update([0]);
        hash.update(part);
        let digest = hash.finalize();
        u64::from_le_bytes(std::array::from_fn(|i| digest[i]))
    }

    fn is_item(&self, index: usize, doc: &Arc<Doc>) -> bool {
        let candidate = &self.pool[index];
        Arc::ptr_eq(candidate, doc) || equal_maps(candidate, doc)
    }

    /// Every index whose document is not the item.
    fn others(&self, doc: &Arc<Doc>) -> Vec<usize> {
        (0..self.pool.len())
            .filter(|&i| !self.is_item(i, doc))
            .collect()
    }

    fn too_few(&self, needed: usize, have: usize, what: &str) -> String {
        format!(
            "{needed} examples are needed for {} shots and {what} has {have}; ask for fewer shots",
            self.n
        )
    }

    fn first_n(&self, doc: &Arc<Doc>) -> Result<Vec<usize>, String> {
        let excludes = self.same_split || self.mode != FewshotMode::Parity;
        let found: Vec<usize> = (0..self.pool.len())
            .filter(|&i| !excludes || !self.is_item(i, doc))
            .take(self.n)
            .collect();
        if found.len() < self.n {
            return Err(self.too_few(self.n, found.len(), "the pool"));
        }
        Ok(found)
    }

    fn parity(&self, random: &mut PyRandom, doc: &Arc<Doc>) -> Result<Vec<usize>, String> {
        let size = self.pool.len();
        // An item without fields counts as none.
        let excludes = self.same_split && !doc.is_empty();
        let draws = self.n + usize::from(excludes);
        if draws > size {
            return Err(self.too_few(draws, size, "the pool"));
        }
        let mut shots = random.sample(size, draws);
        if excludes {
            shots.retain(|&i| !self.is_item(i, doc));
            shots.truncate(self.n);
        }
        if shots.len() < self.n {
            return self.resample(random, doc);
        }
        Ok(shots)
    }

    /// Draws again where copies of the item left too few.
    fn resample(&self, random: &mut PyRandom, doc: &Arc<Doc>) -> Result<Vec<usize>, String> {
        let others = self.others(doc);
        if others.len() < self.n {
            return Err(self.too_few(self.n, others.len(), "the pool without the item"));
        }
        Ok(random
            .sample(others.len(), self.n)
            .into_iter()
            .map(|i| others[i])
            .collect())
    }

    fn leaving_out(&self, mut random: PyRandom, doc: &Arc<Doc>) -> Result<Vec<usize>, String> {
        let size = self.pool.len();
        let mut shots = random.sample(size, size.min(self.n + 1));
        shots.retain(|&i| !self.is_item(i, doc));
        shots.truncate(self.n);
        if shots.len() < self.n {
            return self.resample(&mut random, doc);
        }
        Ok(shots)
    }
}

/// Gives equal neighbours the same allocation.
#[derive(Default)]
struct SharedShots {
    last: Option<Shots>,
}

impl SharedShots {
    fn share(&mut self, shots: &[usize]) -> Shots {
        match &self.last {
            Some(last) if **last == *shots => last.clone(),
            _ => self.last.insert(shots.into()).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pool(n: usize) -> Vec<Arc<Doc>> {
        (0..n)
            .map(|i| {
                let serde_json::Value::Object(doc) = json!({"i": i}) else {
                    unreachable!()
                };
                Arc::new(doc)
            })
            .collect()
    }

    fn drawing(pool: &[Arc<Doc>], mode: FewshotMode, n: usize, same_split: bool) -> Drawing<'_> {
        Drawing {
            mode,
            sampler: SamplerKind::Default,
            seed: 1234,
            task: "t",
            pool,
            n,
            same_split,
        }
    }

    fn ids(docs: &[Arc<Doc>]) -> impl Iterator<Item = (u64, &Arc<Doc>)> {
        (0..).zip(docs)
    }

    fn shots(drawing: &Drawing, docs: &[Arc<Doc>]) -> Vec<Vec<usize>> {
        drawing
            .draw(ids(docs))
            .expect("drawn")
            .iter()
            .map(|s| s.to_vec())
            .collect()
    }

    #[test]
    fn parity_draws_are_the_peers() {
        // Python, with lm-eval 0.4.13:
        //   from lm_eval.api.samplers import ContextSampler
        //   s = ContextSampler([{"i": i} for i in range(N)], rnd=1234)
        //   [[x["i"] for x in s.sample(n, eval_doc={"i": d} or None)] for d in range(4)]
        let small = pool(12);
        let docs = pool(4);
        assert_eq!(
            shots(&drawing(&small, FewshotMode::Parity, 3, false), &docs),
            PEER_12_3
        );
        assert_eq!(
            shots(&drawing(&small, FewshotMode::Parity, 3, true), &docs),
            PEER_12_3_EXCLUDING
        );
        let large = pool(1000);
        assert_eq!(
            shots(&drawing(&large, FewshotMode::Parity, 5, false), &docs),
            PEER_1000_5
        );
        let mut twins = pool(4);
        twins.extend([twins[0].clone(), twins[0].clone(), twins[0].clone()]);
        // Values, not positions: the pool has the first item four times.
        let drawn = shots(&drawing(&twins, FewshotMode::Parity, 3, true), &docs);
        let values: Vec<Vec<u64>> = drawn
            .iter()
            .map(|s| {
                s.iter()
                    .map(|&i| twins[i]["i"].as_u64().expect("a number"))
                    .collect()
            })
            .collect();
        assert_eq!(values, PEER_TWINS_3);
    }

    #[test]
    fn per_doc_draws_depend_on_the_doc_alone() {
        let pool = pool(50);
        for mode in [FewshotMode::PerDoc, FewshotMode::Fixed] {
            let d = drawing(&pool, mode, 5, false);
            let all = d.draw(ids(&pool)).expect("drawn");
            let tail = d.draw(ids(&pool).skip(20)).expect("drawn");
            assert_eq!(all[20..], tail);
            for (i, shots) in all.iter().enumerate() {
                assert_eq!(shots.len(), 5);
                assert!(!shots.contains(&i), "item {i} is among its own examples");
            }
            let distinct: std::collections::BTreeSet<_> = all.iter().collect();
            match mode {
                FewshotMode::Fixed => assert!(distinct.len() <= 7),
                _ => assert!(distinct.len() > 45),
            }
        }
        let other = Drawing {
            task: "u",
            ..drawing(&pool, FewshotMode::PerDoc, 5, false)
        };
        assert_ne!(
            shots(&other, &pool),
            shots(&drawing(&pool, FewshotMode::PerDoc, 5, false), &pool)
        );
    }

    #[test]
    fn first_n_leaves_the_item_out() {
        let pool = pool(4);
        let mut d = drawing(&pool, FewshotMode::Parity, 2, true);
        d.sampler = SamplerKind::FirstN;
        assert_eq!(shots(&d, &pool), [[1, 2], [0, 2], [0, 1], [0, 1]]);
        d.same_split = false;
        assert_eq!(shots(&d, &pool), [[0, 1]; 4]);
    }

    #[test]
    fn a_small_pool_is_refused() {
        let pool = pool(3);
        for (mode, same) in [
            (FewshotMode::Parity, true),
            (FewshotMode::PerDoc, false),
            (FewshotMode::Fixed, false),
        ] {
            let error = drawing(&pool, mode, 3, same)
                .draw(ids(&pool))
                .expect_err("too few");
            assert!(error.contains("ask for fewer shots"), "{error}");
        }
    }

    const PEER_12_3: [[usize; 3]; 4] = [[7, 1, 0], [1, 9, 0], [10, 1, 11], [5, 3, 0]];
    const PEER_12_3_EXCLUDING: [[usize; 3]; 4] = [[7, 1, 10], [9, 0, 11], [5, 3, 0], [0, 5, 9]];
    const PEER_1000_5: [[usize; 5]; 4] = [
        [989, 796, 451, 119, 7],
        [92, 932, 965, 961, 826],
        [596, 35, 687, 709, 85],
        [100, 784, 363, 242, 17],
    ];
    const PEER_TWINS_3: [[u64; 3]; 4] = [[1, 3, 2], [0, 2, 0], [0, 0, 3], [0, 1, 0]];
}
