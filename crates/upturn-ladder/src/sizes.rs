//! From a width to a decoder's shape: the rules where a rung does not say.
//!
//! - Layers: √(width / 8), rounded, at least 1 ([`Layers::Auto`]).
//! - Heads: the widest head of an even number of features, at most `head_dim` (16), that
//!   divides the width. With one size of head at all widths, attention scores need no
//!   correction by muP.
//! - Feed-forward: 8/3 of the width, up to a multiple of 8, for gated blocks (three matrices);
//!   four times the width for GELU blocks (two matrices).

use upturn_engine::train::{Block, Shape};

use crate::config::{Layers, Rung};

impl Layers {
    /// Layers at a width.
    #[must_use]
    pub fn at(self, width: usize) -> usize {
        match self {
            Layers::Fixed(n) => n,
            Layers::Auto => ((width as f64 / 8.0).sqrt().round() as usize).max(1),
        }
    }
}

/// Heads at a width: `None` where no head of an even number of features divides it.
#[must_use]
pub fn heads(width: usize, head_dim: usize) -> Option<usize> {
    (1..=head_dim.min(width) / 2)
        .rev()
        .map(|half| 2 * half)
        .find(|dim| width.is_multiple_of(*dim))
        .map(|dim| width / dim)
}

/// Inner features of the feed-forward block.
#[must_use]
pub fn intermediate(block: Block, width: usize) -> usize {
    match block {
        Block::Gated => (8 * width).div_ceil(3).next_multiple_of(8),
        Block::Gelu => 4 * width,
    }
}

/// What all shapes of a ladder have in common.
#[derive(Debug, Clone, Copy)]
pub struct Common {
    /// Kind of block.
    pub block: Block,
    /// Whether the output table is the embedding table.
    pub tied: bool,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Longest sequence.
    pub context: usize,
    /// Rule for the depth.
    pub layers: Layers,
    /// Most features of a head.
    pub head_dim: usize,
}

impl Common {
    /// The shape of a rung; the error is one line without a place.
    ///
    /// # Errors
    /// Where no even head fits the width, or what the rung says does not fit together.
    pub fn shape(&self, rung: &Rung) -> Result<Shape, String> {
        let width = rung.width;
        let rule = || {
            heads(width, self.head_dim).ok_or_else(|| {
                format!("no head with an even number of features divides width {width}; expected an even width")
            })
        };
        let n_heads = rung.heads.map_or_else(rule, Ok)?;
        let shape = Shape {
            block: self.block,
            vocab_size: self.vocab_size,
            hidden: width,
            n_layers: rung.layers.unwrap_or_else(|| self.layers.at(width)),
            n_heads,
            n_kv_heads: rung.kv_heads.unwrap_or(n_heads),
            intermediate: rung
                .intermediate
                .unwrap_or_else(|| intermediate(self.block, width)),
            tied: self.tied,
            max_positions: self.context,
            rope_theta: 10_000.0,
            norm_eps: 1e-5,
        };
        match shape.fault() {
            Some(fault) => Err(fault),
            None => Ok(shape),
        }
    }

    /// The shape of a width by the rules alone.
    pub(crate) fn of_width(&self, width: usize) -> Result<Shape, String> {
        self.shape(&Rung {
            width,
            ..Rung::default()
        })
    }
}

/// Widths that a ladder by compute chooses from: steps of about an eighth, heads of at least
/// half of `head_dim`.
pub(crate) fn candidates(head_dim: usize) -> Vec<usize> {
    let mut widths = vec![2, 4, 6];
    let mut width: usize = 8;
    while width <= 16_384 {
        widths.push(width);
        // A power of two near an eighth.
        let step = 1usize << (width / 6).max(2).ilog2();
        width += step.min(64);
    }
    widths.retain(|w| {
        let dim = heads(*w, head_dim).map_or(0, |h| w / h);
        2 * dim >= head_dim.min(*w)
    });
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_at_some_widths() {
        let at = |w| {
            (
                Layers::Auto.at(w),
                heads(w, 16),
                intermediate(Block::Gated, w),
            )
        };
        assert_eq!(at(4), (1, Some(1), 16));
        assert_eq!(at(16), (1, Some(1), 48));
        assert_eq!(at(24), (2, Some(2), 64));
        assert_eq!(at(32), (2, Some(2), 88));
        assert_eq!(at(64), (3, Some(4), 176));
        assert_eq!(at(128), (4, Some(8), 344));
        assert_eq!(at(512), (8, Some(32), 1368));
        assert_eq!(heads(20, 16), Some(2));
        assert_eq!(heads(34, 16), Some(17));
        assert_eq!(heads(33, 16), None);
        assert_eq!(heads(2, 16), Some(1));
    }

    #[test]
    fn candidates_rise_and_fit() {
        let widths = candidates(16);
        assert!(widths.windows(2).all(|w| w[0] < w[1]), "{widths:?}");
        assert!(widths.starts_with(&[2, 4, 6, 8, 10]), "{widths:?}");
        assert!(
            widths
                .windows(2)
                .skip(5)
                .all(|w| w[1] as f64 / w[0] as f64 <= 1.34),
            "{widths:?}"
        );
        assert!(*widths.last().expect("some") > 8_000);
    }
}
