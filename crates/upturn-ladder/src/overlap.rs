//! Proof that evaluation items stay out of training: prompts looked up in training documents.

use std::collections::HashSet;

use crate::mixture::{Kind, Mixture, Sequence, Side};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// Documents looked through.
    pub n_documents: u64,
    /// Items or places in texts looked up.
    pub n_places: u64,
    /// Prompts found, as often as they were.
    pub n_found: u64,
    /// The first of them.
    pub example: Option<String>,
}

impl Mixture {
    /// Counts how often any of the prompts (short forms, `47+85=` or `47+85?`, or as asked in words) is the prompt of
    /// an item in the first `n` training documents of a seed, or stands in a text where no
    /// letter or digit is before it.
    #[must_use]
    pub fn overlap<'a>(
        &self,
        prompts: impl IntoIterator<Item = &'a str>,
        seed: u64,
        n: u64,
    ) -> Overlap {
        // A prompt that asks for steps is the same input.
        let input = |prompt: &'a str| prompt.strip_suffix(['=', '?']).unwrap_or(prompt);
        let prompts: HashSet<&str> = prompts.into_iter().map(input).collect();
        let mut lengths: Vec<usize> = Vec::new();
        #[expect(clippy::iter_over_hash_type, reason = "sorted below")]
        for prompt in &prompts {
            lengths.push(prompt.len());
        }
        lengths.sort_unstable();
        lengths.dedup();

        let mut found = Overlap {
            n_documents: n,
            n_places: 0,
            n_found: 0,
            example: None,
        };
        let mut look = |text: &str| {
            found.n_places += 1;
            if prompts.contains(text) {
                found.n_found += 1;
                found.example.get_or_insert_with(|| text.to_owned());
            }
        };
        let mut space = Sequence::default();
        for index in 0..n {
            self.document(seed, index, Side::Train, &mut space);
            match &self.sources[space.source].kind {
                Kind::Task { .. } => {
                    let mut from = 0;
                    for span in &space.document.spans {
                        // Items in words have an empty line between them.
                        let prompt = space.document.text[from..span.start].trim_start_matches('\n');
                        look(prompt.strip_suffix(['=', '?']).unwrap_or(prompt));
                        from = span.end;
                    }
                }
                Kind::Text { .. } => {
                    let text = self.tokenizer.tokenizer().decode(&space.tokens, true);
                    let mut before = ' ';
                    for (at, c) in text.char_indices() {
                        if !before.is_alphanumeric() {
                            for n in &lengths {
                                if let Some(part) = text.get(at..at + n)
                                    && text[at + n..].starts_with(['=', '?'])
                                {
                                    look(part);
                                }
                            }
                        }
                        before = c;
                    }
                }
            }
        }
        found
    }
}
