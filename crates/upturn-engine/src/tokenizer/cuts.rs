//! Where a text may be cut so that the parts are tokenized as the whole is.
//!
//! A cut stands between an ASCII character `l` that is not whitespace and a
//! following space or newline `r`. It is safe for a tokenizer when
//!
//! - no added token contains `l r`, and none that strips whitespace on its right
//!   ends in `l`, so that the search for added tokens finds the same on both sides;
//! - the normalizer is a Unicode one, which leaves `l` and `r` alone and joins
//!   nothing across them (`r` starts no composition and `l` takes no part in one
//!   with what follows `r`);
//! - no match of a splitting pattern contains `l r`. The patterns here look
//!   around at one place only, `\s+(?!\S)`, which ends in whitespace and so never
//!   at `l`: before the cut the search takes the same path with the rest as without;
//! - some splitting pattern matches `l` wherever it stands: that match ends at the
//!   cut, and whatever comes later works on each side alone.
//!
//! All of this is read off the tokenizer's own description. What is not
//! understood has no cuts, and every text is then tokenized whole.

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::Value;

/// Pairs at which a text may be cut: for each ASCII `l`, whether before a space and before a newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cuts {
    /// Bit 0: `l` before a space; bit 1: before a newline. Bytes beyond ASCII have none.
    left: [u8; 256],
}

impl Cuts {
    /// Whether the text may be cut between bytes `l` and `r`.
    #[inline]
    pub(super) fn between(&self, l: u8, r: u8) -> bool {
        let bit = u8::from(r == b' ') | u8::from(r == b'\n') << 1;
        self.left[usize::from(l)] & bit != 0
    }

    /// The pairs that are safe for a BPE without dropout, `None` without any.
    ///
    /// `normalizer` and `pre_tokenizer` are as in `tokenizer.json`. `added` are the
    /// contents of added tokens as they are matched, with whether they strip
    /// whitespace on the right and match whole words only.
    pub(super) fn of(
        normalizer: &Value,
        pre_tokenizer: &Value,
        added: &[(String, bool, bool)],
    ) -> Option<Cuts> {
        if !unicode_normalizer(normalizer) {
            return None;
        }
        let mut stages = Vec::new();
        flatten(pre_tokenizer, &mut stages)?;

        let mut open = [PRINTABLE, PRINTABLE]; // no stage has joined or decided yet
        let mut safe = [0_u128; 2];
        for stage in &stages {
            if let Stage::Pattern(pattern) = stage {
                for (i, open) in open.iter_mut().enumerate() {
                    *open &= !pattern.before[i];
                    safe[i] |= *open & pattern.alone;
                    *open &= !pattern.alone;
                }
            }
        }
        for (content, rstrip, single_word) in added {
            let bytes = content.as_bytes();
            for (i, r) in RIGHT.iter().enumerate() {
                for pair in bytes.windows(2).filter(|p| p[1] == *r) {
                    safe[i] &= !bit(pair[0]);
                }
                if *rstrip {
                    safe[i] &= bytes.last().map_or(0, |l| !bit(*l));
                }
                if *single_word && bytes.first() == Some(r) {
                    safe[i] = 0;
                }
            }
        }
        let mut left = [0; 256];
        for l in 0..128_u8 {
            left[usize::from(l)] =
                u8::from(safe[0] & bit(l) != 0) | u8::from(safe[1] & bit(l) != 0) << 1;
        }
        (safe != [0, 0]).then_some(Cuts { left })
    }
}

/// What a cut may stand before.
const RIGHT: [u8; 2] = [b' ', b'\n'];
/// `!` to `~`.
const PRINTABLE: u128 = (1 << 127) - (1 << 33);
/// The pattern of byte-level pre-tokenizers (GPT-2), as the `tokenizers` crate has it.
const BYTE_LEVEL: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

fn bit(byte: u8) -> u128 {
    if byte < 128 { 1 << byte } else { 0 }
}

enum Stage {
    /// Splits at the matches of a pattern.
    Pattern(Pattern),
    /// Splits at runs of characters that are neither a space nor a newline, or not at all.
    Neutral,
}

fn unicode_normalizer(normalizer: &Value) -> bool {
    match normalizer.get("type").and_then(Value::as_str) {
        None => normalizer.is_null(),
        Some("NFC" | "NFD" | "NFKC" | "NFKD") => true,
        Some("Sequence") => normalizer
            .get("normalizers")
            .and_then(Value::as_array)
            .is_some_and(|list| list.iter().all(unicode_normalizer)),
        Some(_) => false,
    }
}

/// The stages of a pre-tokenizer in order; `None` where one is not understood.
fn flatten(pre_tokenizer: &Value, stages: &mut Vec<Stage>) -> Option<()> {
    match pre_tokenizer.get("type")?.as_str()? {
        "Sequence" => {
            for part in pre_tokenizer.get("pretokenizers")?.as_array()? {
                flatten(part, stages)?;
            }
        }
        "ByteLevel" => {
            let flag = |name: &str| pre_tokenizer.get(name).map_or(Some(true), Value::as_bool);
            if flag("add_prefix_space")? {
                return None;
            }
            if flag("use_regex")? {
                stages.push(Stage::Pattern(Pattern::parse(BYTE_LEVEL)?));
            }
            // From here on the text is in the byte alphabet, where a space is `Ġ`:
            // later patterns see other characters, and decide nothing for us. They
            // could still join what they find, so whatever is open stays unsafe.
            stages.push(Stage::Pattern(Pattern {
                before: [u128::MAX; 2],
                ..Pattern::default()
            }));
        }
        "Digits" | "Punctuation" => {
            let joins = pre_tokenizer
                .get("behavior")
                .and_then(Value::as_str)
                .is_some_and(|b| b != "Isolated" && b != "Removed");
            if joins {
                return None;
            }
            stages.push(Stage::Neutral);
        }
        "Split" => {
            let behavior = pre_tokenizer.get("behavior")?.as_str()?;
            if behavior != "Isolated" && behavior != "Removed" {
                return None;
            }
            let pattern = pre_tokenizer.get("pattern")?;
            stages.push(Stage::Pattern(match pattern.get("Regex") {
                Some(regex) => Pattern::parse(regex.as_str()?)?,
                None => Pattern::literal(pattern.get("String")?.as_str()?),
            }));
        }
        _ => return None,
    }
    Some(())
}

/// What the cuts need to know of a pattern, or of a part of one. Sets are of ASCII characters.
#[derive(Debug, Clone, Default)]
struct Pattern {
    /// Can match the empty text.
    nullable: bool,
    /// Characters a match can begin with.
    first: u128,
    /// Characters a match can end with.
    last: u128,
    /// Characters that can stand directly before a space, and before a newline, within a match.
    before: [u128; 2],
    /// Characters that are matched when they stand alone, whatever surrounds them.
    alone: u128,
    /// Takes what it can and never gives it back (`x++`).
    possessive: bool,
}

impl Pattern {
    fn literal(text: &str) -> Pattern {
        let mut pattern = Pattern {
            nullable: true,
            ..Pattern::default()
        };
        for byte in text.bytes() {
            pattern = pattern.then(&Pattern::one(bit(byte)));
        }
        pattern
    }

    fn one(set: u128) -> Pattern {
        Pattern {
            first: set,
            last: set,
            alone: set,
            ..Pattern::default()
        }
    }

    /// Reads a regular expression; `None` where it looks around elsewhere than in `\s+(?!\S)`.
    fn parse(regex: &str) -> Option<Pattern> {
        // The look-ahead only shortens runs of whitespace, and nothing asked here
        // is about what ends in whitespace.
        let plain = without_look_ahead(regex);
        let hir = regex_syntax::ParserBuilder::new()
            .nest_limit(64)
            .build()
            .parse(&plain)
            .ok()?;
        let pattern = Pattern::of(&hir)?;
        // A match of nothing would split anywhere.
        (!pattern.nullable).then_some(pattern)
    }

    fn of(hir: &Hir) -> Option<Pattern> {
        Some(match hir.kind() {
            HirKind::Empty => Pattern {
                nullable: true,
                ..Pattern::default()
            },
            HirKind::Look(_) => return None,
            HirKind::Literal(literal) => Pattern::literal(std::str::from_utf8(&literal.0).ok()?),
            HirKind::Class(class) => Pattern::one(match class {
                Class::Unicode(c) => ascii(
                    c.ranges()
                        .iter()
                        .map(|r| (r.start().into(), r.end().into())),
                ),
                Class::Bytes(c) => ascii(
                    c.ranges()
                        .iter()
                        .map(|r| (r.start().into(), r.end().into())),
                ),
            }),
            HirKind::Capture(capture) => Pattern::of(&capture.sub)?,
            HirKind::Repetition(repetition) => {
                let mut part = Pattern::of(&repetition.sub)?;
                if repetition.max != Some(1) {
                    part.before = part.joined(&part.clone());
                }
                if repetition.min > 1 && !part.nullable {
                    part.alone = 0;
                }
                part.nullable |= repetition.min == 0;
                // `x++` is read as `(x+)+`.
                part.possessive |= matches!(repetition.sub.kind(), HirKind::Repetition(_));
                part
            }
            HirKind::Concat(parts) => {
                let mut whole = Pattern {
                    nullable: true,
                    ..Pattern::default()
                };
                for part in parts {
                    whole = whole.then(&Pattern::of(part)?);
                }
                whole
            }
            HirKind::Alternation(parts) => {
                let mut whole = Pattern::default();
                for part in parts {
                    let part = Pattern::of(part)?;
                    whole.nullable |= part.nullable;
                    whole.first |= part.first;
                    whole.last |= part.last;
                    whole.before[0] |= part.before[0];
                    whole.before[1] |= part.before[1];
                    whole.alone |= part.alone;
                    whole.possessive |= part.possessive;
                }
                whole
            }
        })
    }

    /// `before` of this followed directly by `next`.
    fn joined(&self, next: &Pattern) -> [u128; 2] {
        let mut before = [0; 2];
        for (i, r) in RIGHT.iter().enumerate() {
            before[i] = self.before[i] | next.before[i];
            if next.first & bit(*r) != 0 {
                before[i] |= self.last;
            }
        }
        before
    }

    /// This, then `next`.
    fn then(&self, next: &Pattern) -> Pattern {
        let mut alone = 0;
        if next.nullable {
            alone |= self.alone;
        }
        if self.nullable {
            // What this takes and does not give back never reaches `next`.
            alone |= next.alone
                & if self.possessive {
                    !self.first
                } else {
                    u128::MAX
                };
        }
        Pattern {
            nullable: self.nullable && next.nullable,
            first: self.first | if self.nullable { next.first } else { 0 },
            last: next.last | if next.nullable { self.last } else { 0 },
            before: self.joined(next),
            alone,
            possessive: self.possessive || next.possessive,
        }
    }
}

/// The pattern with every `\s+(?!\S)` that stands outside of a class made `\s+`.
fn without_look_ahead(regex: &str) -> String {
    const RUN: &str = r"\s+(?!\S)";
    let mut plain = String::with_capacity(regex.len());
    let mut depth = 0_i32;
    let mut at = 0;
    while let Some(c) = regex[at..].chars().next() {
        let mut step = c.len_utf8();
        match c {
            '\\' if depth == 0 && regex[at..].starts_with(RUN) => {
                plain.push_str(r"\s+");
                at += RUN.len();
                continue;
            }
            '\\' => step += regex[at + 1..].chars().next().map_or(0, char::len_utf8),
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        plain.push_str(&regex[at..at + step]);
        at += step;
    }
    plain
}

fn ascii(ranges: impl Iterator<Item = (u32, u32)>) -> u128 {
    let mut set = 0;
    for (start, end) in ranges {
        for c in start..=end.min(127) {
            set |= 1_u128 << c;
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts(pre_tokenizer: &str) -> Option<Cuts> {
        Cuts::of(
            &Value::Null,
            &serde_json::from_str(pre_tokenizer).unwrap(),
            &[],
        )
    }

    fn split(regex: &str) -> String {
        let pattern = serde_json::json!({"type": "Split", "pattern": {"Regex": regex},
            "behavior": "Isolated", "invert": false});
        pattern.to_string()
    }

    fn left(cuts: &Cuts, r: u8) -> String {
        (0..128_u8)
            .filter(|l| cuts.between(*l, r))
            .map(char::from)
            .collect()
    }

    const BYTES: &str = r#"{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}"#;

    #[test]
    fn the_pattern_of_gpt2_lets_every_printable_character_be_cut_off() {
        let cuts = cuts(BYTES).unwrap();
        let printable: String = ('!'..='~').collect();
        assert_eq!(left(&cuts, b' '), printable);
        assert_eq!(left(&cuts, b'\n'), printable);
        assert_eq!(left(&cuts, b'a'), "");
    }

    #[test]
    fn punctuation_takes_newlines_along_in_later_patterns() {
        let gpt4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        let alnum: String = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
        let cuts = cuts(&split(gpt4)).unwrap();
        assert_eq!(left(&cuts, b' ').len(), 94);
        assert_eq!(left(&cuts, b'\n'), alnum);
    }

    #[test]
    fn a_possessive_quantifier_may_keep_what_the_rest_needs() {
        // `[a-z]?+` takes the letter and leaves none for `[a-z]+`.
        assert_eq!(cuts(&split(r"[a-z]?+[a-z]+")), None);
        assert!(cuts(&split(r"[^a-z]?+[a-z]+")).is_some());
        assert!(cuts(&split(r"[a-z]?[a-z]+")).is_some());
    }

    #[test]
    fn what_joins_or_looks_around_has_no_cuts() {
        for regex in [
            r"\w+\s*",
            r"(?s).+",
            r"\b\w+",
            r"(?<=a)b|\w+",
            r"\w*",
            r"\p{Greek}+",
            r"\w{2,}",
            r"[a-z]+( |\n)x|\w",
        ] {
            let found = cuts(&split(regex));
            assert!(
                found.is_none_or(|c| !c.between(b'a', b' ') && !c.between(b'a', b'\n')),
                "{regex}"
            );
        }
        let merged = split(r"\w+").replace("Isolated", "MergedWithPrevious");
        assert_eq!(cuts(&merged), None);
        assert_eq!(cuts(&BYTES.replace("false", "true")), None);
        assert_eq!(cuts(r#"{"type": "Metaspace"}"#), None);
    }

    #[test]
    fn only_the_known_look_ahead_is_read_over() {
        let plain = |r| without_look_ahead(r);
        assert_eq!(plain(r"a|\s+(?!\S)|\s+"), r"a|\s+|\s+");
        for regex in [r"[|\s+(?!\S)]", r"\\s+(?!\S)", r"é\", r"\s+(?!\d)"] {
            assert_eq!(plain(regex), regex);
        }
        assert_eq!(cuts(&split(r"\\s+(?!\S)|\w")), None);
    }

    #[test]
    fn a_gap_is_left_to_the_next_stage() {
        let stages = format!(
            r#"{{"type": "Sequence", "pretokenizers": [{}, {{"type": "Digits", "individual_digits": true}}, {BYTES}]}}"#,
            split(r"\p{N}{1,3}")
        );
        assert_eq!(left(&cuts(&stages).unwrap(), b' ').len(), 94);
        let joined_first = format!(
            r#"{{"type": "Sequence", "pretokenizers": [{}, {BYTES}]}}"#,
            split(r"[a-c]\s|\d+")
        );
        assert!(!left(&cuts(&joined_first).unwrap(), b' ').contains('b'));
        let after_bytes = format!(
            r#"{{"type": "Sequence", "pretokenizers": [{}, {}]}}"#,
            BYTES.replace(r#""use_regex": true"#, r#""use_regex": false"#),
            split(r"\w+")
        );
        assert_eq!(cuts(&after_bytes), None);
    }

    #[test]
    fn added_tokens_take_their_pairs_away() {
        let bytes = serde_json::from_str(BYTES).unwrap();
        let of = |content: &str, rstrip, single_word| {
            Cuts::of(
                &Value::Null,
                &bytes,
                &[(content.to_owned(), rstrip, single_word)],
            )
        };
        let plain = of("<|end|>", false, false).unwrap();
        assert!(plain.between(b'>', b' '));
        let inside = of("a b\nc", false, false).unwrap();
        assert!(!inside.between(b'a', b' ') && inside.between(b'a', b'\n'));
        assert!(!inside.between(b'b', b'\n') && inside.between(b'b', b' '));
        let stripping = of("<|end|>", true, false).unwrap();
        assert!(!stripping.between(b'>', b' ') && stripping.between(b'a', b' '));
        let word = of(" the", false, true).unwrap();
        assert!(!word.between(b'a', b' ') && word.between(b'a', b'\n'));
    }

    #[test]
    fn normalizers_that_move_spaces_have_no_cuts() {
        let bytes: Value = serde_json::from_str(BYTES).unwrap();
        let of = |normalizer| Cuts::of(&normalizer, &bytes, &[]).is_some();
        use serde_json::json;
        assert!(of(json!({"type": "NFC"})));
        assert!(of(
            json!({"type": "Sequence", "normalizers": [{"type": "NFKC"}]})
        ));
        assert!(!of(json!({"type": "Prepend", "prepend": "▁"})));
        assert!(!of(
            json!({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Strip"}]})
        ));
    }
}
