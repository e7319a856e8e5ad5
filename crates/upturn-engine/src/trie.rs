//! Requests as a trie over token ids: every distinct prefix once.
//!
//! The trie is never built: sorting the inputs puts it in depth-first order, and
//! the common prefix of neighbours says where each branch leaves the one before.

use rayon::prelude::*;

/// Tokens of a request, and which of them are to be scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Context and continuation. All but the last go through the model.
    pub tokens: Vec<u32>,
    /// Index of the first scored token; at least 1, less than the length.
    pub first_scored: usize,
}

impl Sequence {
    /// What goes through the model: all but the last token.
    #[must_use]
    pub fn input(&self) -> &[u32] {
        &self.tokens[..self.tokens.len() - 1]
    }
}

/// A log-probability that is asked for at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Want {
    /// Place in the order of the sequence that computes the node.
    pub at: u32,
    /// Position of the node: the index of its token.
    pub position: u32,
    /// Sequence that asks.
    pub sequence: u32,
    /// Its scored token, counted from its first.
    pub index: u32,
    /// The token whose log-probability is asked.
    pub target: u32,
}

/// Inputs in depth-first order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trie {
    /// Sequences, sorted by their inputs.
    pub order: Vec<u32>,
    /// Tokens that each shares with the one before it in the order.
    pub shared: Vec<u32>,
    /// What is asked, in depth-first order of the nodes.
    pub wants: Vec<Want>,
    /// Nodes: distinct prefixes.
    pub n_distinct: u64,
    /// Tokens of all inputs.
    pub n_requested: u64,
}

impl Trie {
    /// Plans `sequences`.
    #[must_use]
    pub fn new(sequences: &[Sequence]) -> Self {
        let mut order: Vec<u32> = (0..sequences.len() as u32).collect();
        order.par_sort_unstable_by(|&a, &b| {
            sequences[a as usize]
                .input()
                .cmp(sequences[b as usize].input())
                .then(a.cmp(&b))
        });
        let shared: Vec<u32> = order
            .par_iter()
            .enumerate()
            .map(|(i, &s)| match i {
                0 => 0,
                _ => common_prefix(
                    sequences[order[i - 1] as usize].input(),
                    sequences[s as usize].input(),
                ),
            })
            .collect();
        let mut wants = Vec::new();
        // owner[p]: the place in the order that computes position p of the current input.
        let mut owner: Vec<u32> = Vec::new();
        let (mut n_distinct, mut n_requested) = (0, 0);
        for (at, (&s, &common)) in order.iter().zip(&shared).enumerate() {
            let sequence = &sequences[s as usize];
            let len = sequence.input().len();
            n_requested += len as u64;
            n_distinct += (len - common as usize) as u64;
            owner.truncate(common as usize);
            owner.resize(len, at as u32);
            for (index, position) in (sequence.first_scored - 1..len).enumerate() {
                wants.push(Want {
                    at: owner[position],
                    position: position as u32,
                    sequence: s,
                    index: index as u32,
                    target: sequence.tokens[position + 1],
                });
            }
        }
        wants.par_sort_unstable();
        Trie {
            order,
            shared,
            wants,
            n_distinct,
            n_requested,
        }
    }
}

fn common_prefix(a: &[u32], b: &[u32]) -> u32 {
    a.iter().zip(b).take_while(|(x, y)| x == y).count() as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_prefix_is_counted_once_and_every_want_has_its_node(
            raw in prop::collection::vec((prop::collection::vec(0u32..3, 2..9), 1usize..8), 1..40)
        ) {
            let sequences: Vec<Sequence> = raw
                .into_iter()
                .map(|(tokens, first)| {
                    let first_scored = first.min(tokens.len() - 1);
                    Sequence { tokens, first_scored }
                })
                .collect();
            let trie = Trie::new(&sequences);
            let prefixes: BTreeSet<&[u32]> = sequences
                .iter()
                .flat_map(|s| (1..=s.input().len()).map(move |n| &s.input()[..n]))
                .collect();
            prop_assert_eq!(trie.n_distinct, prefixes.len() as u64);
            prop_assert_eq!(
                trie.wants.len(),
                sequences.iter().map(|s| s.tokens.len() - s.first_scored).sum::<usize>()
            );
            for w in &trie.wants {
                let asks = &sequences[w.sequence as usize];
                let owner = &sequences[trie.order[w.at as usize] as usize];
                let p = w.position as usize;
                // The owner computes this very prefix, and does not share it with its forerunner.
                prop_assert_eq!(&asks.tokens[..=p], &owner.tokens[..=p]);
                prop_assert!(p as u32 >= trie.shared[w.at as usize]);
                prop_assert_eq!(asks.tokens[p + 1], w.target);
                prop_assert_eq!(asks.first_scored + w.index as usize, p + 1);
            }
        }
    }
}
