//! Texts as tokens in memory, cut to the context.

/// Tokens of all texts of a source, one after another.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// Two bytes per token where the vocabulary allows.
    small: Vec<u16>,
    large: Vec<u32>,
    pieces: Vec<Piece>,
}

/// Part of a text.
#[derive(Debug, Clone, Copy)]
struct Piece {
    start: usize,
    n: u32,
    /// Whether the text begins here.
    first: bool,
}

impl Pieces {
    /// Adds a text of more than one token: pieces of `context` + 1 tokens that share their
    /// border, so that each token but the first is predicted once.
    pub(crate) fn add(&mut self, tokens: &[u32], vocab_size: usize, context: usize) {
        let base = self.small.len().max(self.large.len());
        if vocab_size <= 1 << 16 {
            self.small.extend(tokens.iter().map(|t| *t as u16));
        } else {
            self.large.extend(tokens);
        }
        let mut at = 0;
        while at + 1 < tokens.len() {
            let n = (tokens.len() - at).min(context + 1);
            self.pieces.push(Piece {
                start: base + at,
                n: n as u32,
                first: at == 0,
            });
            at += context;
        }
    }

    /// Number of pieces.
    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Mean tokens that a piece feeds.
    pub(crate) fn mean(&self) -> f64 {
        let sum: u64 = self.pieces.iter().map(|p| u64::from(p.n) - 1).sum();
        sum as f64 / self.pieces.len().max(1) as f64
    }

    /// Appends a piece; returns whether its text begins there.
    pub(crate) fn get(&self, i: usize, out: &mut Vec<u32>) -> bool {
        let Piece { start, n, first } = self.pieces[i];
        let range = start..start + n as usize;
        if self.large.is_empty() {
            out.extend(self.small[range].iter().map(|t| u32::from(*t)));
        } else {
            out.extend(&self.large[range]);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_but_the_first_is_predicted_once() {
        for vocab in [100, 100_000] {
            for n in 2..40u32 {
                let mut pieces = Pieces::default();
                let tokens: Vec<u32> = (0..n).collect();
                pieces.add(&[90, 91], vocab, 8);
                pieces.add(&tokens, vocab, 8);
                let mut predicted: Vec<u32> = Vec::new();
                for i in 1..pieces.len() {
                    let mut piece = Vec::new();
                    assert_eq!(pieces.get(i, &mut piece), i == 1);
                    assert!(piece.len() >= 2 && piece.len() <= 9);
                    predicted.extend(&piece[1..]);
                }
                assert_eq!(predicted, (1..n).collect::<Vec<_>>());
            }
        }
    }
}
