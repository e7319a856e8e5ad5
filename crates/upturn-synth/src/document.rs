//! Training documents: several items of one task, with the places where the loss belongs.

use crate::generator::Generator;
use crate::item::{Form, ShortItem, Split};
use std::ops::Range;

/// Items of one task, each on a line of its own; in words, each on two, with an empty line after.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// `47+85=132\n12+30=42\n`
    pub text: String,
    /// Byte ranges of `text` that a model is to predict, one per item and in order: the
    /// answer with its newline, and before it the steps and their `=` in the form with steps,
    /// or the space in words.
    pub spans: Vec<Range<usize>>,
    /// The item being written; kept for its memory.
    item: ShortItem,
}

impl Document {
    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, &self.spans) == (&other.text, &other.spans)
    }
}

impl Eq for Document {}

impl Generator {
    /// The training document with this index: the `runs` items of the training split with
    /// indices `index·runs..(index+1)·runs`, so that documents share no draw. Of a kind whose
    /// prompts do not tell the skill (`substitution`) all items have the same one, drawn for the
    /// document.
    ///
    /// ```
    /// use upturn_synth::{Form, Generator};
    /// let addition = Generator::parse("addition:digits=2")?;
    /// let document = addition.document(7, 0, 2, Form::Steps);
    /// for span in &document.spans {
    ///     assert!(document.text[span.clone()].ends_with('\n'));
    ///     assert_eq!(&document.text[span.start - 1..span.start], "?");
    /// }
    /// # Ok::<(), upturn_synth::SynthError>(())
    /// ```
    #[must_use]
    pub fn document(&self, seed: u64, index: u64, runs: usize, form: Form) -> Document {
        let mut document = Document::default();
        self.document_into(seed, index, runs, form, &mut document);
        document
    }

    /// As [`document`](Self::document), in place of what `out` holds, using its memory again.
    pub fn document_into(
        &self,
        seed: u64,
        index: u64,
        runs: usize,
        form: Form,
        out: &mut Document,
    ) {
        out.clear();
        let first = index.wrapping_mul(runs as u64);
        let skill = self.skill_of_document(seed, index);
        for run in 0..runs as u64 {
            self.append(skill, seed, first.wrapping_add(run), form, out);
        }
    }

    fn append(&self, skill: Option<u32>, seed: u64, index: u64, form: Form, out: &mut Document) {
        if form == Form::Words {
            let item = self.item_of(skill, seed, Split::Train, index);
            out.text.push_str(&item.asked_in_words());
            let start = out.text.len();
            out.text.push(' ');
            out.text.push_str(&item.answer);
            out.text.push('\n');
            out.spans.push(start..out.text.len());
            out.text.push('\n');
            return;
        }
        let item = &mut out.item;
        self.short_item_of(skill, seed, Split::Train, index, form, item);
        let text = &mut out.text;
        if form == Form::Steps && self.has_steps() {
            text.push_str(&item.prompt[..item.prompt.len() - 1]);
            text.push('?');
            let start = text.len();
            text.push_str(&item.steps);
            text.push('=');
            text.push_str(&item.answer);
            text.push('\n');
            out.spans.push(start..text.len());
        } else {
            text.push_str(&item.prompt);
            let start = text.len();
            text.push_str(&item.answer);
            text.push('\n');
            out.spans.push(start..text.len());
        }
    }
}
