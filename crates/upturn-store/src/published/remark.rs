//! What the remarks of published rows say: split, where n is from, doubts, chain of thought.

/// What a row's note and source tell besides the numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark<'a> {
    /// Split evaluated; `None` where the note gives none, or `n/a`.
    pub(super) split: Option<&'a str>,
    /// Whether the number of items is from the row's own source, not borrowed from another paper.
    pub(super) n_is_own: bool,
    /// Whether the note doubts the row.
    pub(super) doubt: bool,
    /// Whether the source prints a failure to answer in the right format instead of a score.
    pub(super) parse_failure: bool,
    /// Whether the note says that the answers were chains of thought.
    pub(super) cot: bool,
    /// Version of the model that the transcriber took it for.
    pub(super) model_version: Option<&'a str>,
}

/// Words with which transcribers express a doubt about the row itself.
const DOUBTS: [&str; 13] = [
    "CAUTION",
    "OCR",
    "presumably",
    "looks swapped",
    "misaligned",
    "aligned from the right",
    "approximate reading",
    "inferred from",
    "assumed from",
    "Assuming",
    "Seems like",
    "Couldn't find shot count",
    "Explicitly fine-tuned on it",
];

/// Reads the note of a row of `source`.
pub(super) fn read<'a>(note: &'a str, source: &str) -> Remark<'a> {
    let mut remark = Remark {
        split: None,
        n_is_own: true,
        doubt: DOUBTS.iter().any(|d| note.contains(d)),
        parse_failure: note.contains("no valid zero-shot format"),
        cot: false,
        model_version: None,
    };
    for part in note.split(';').map(str::trim) {
        if let Some(split) = part.strip_prefix("split=") {
            remark.split = (split != "n/a").then_some(split);
        } else if let Some(version) = part.strip_prefix("model_version=") {
            remark.model_version = (!version.is_empty()).then_some(version);
        } else if let Some(origin) = part.strip_prefix("n from ") {
            // `n from Wei et al. 2022b Table 12 / text`, on rows of other papers too.
            remark.n_is_own = match origin.strip_prefix("GPT-3 ") {
                Some(_) => source.starts_with("Brown et al. 2020"),
                None => origin
                    .split_once(" Table")
                    .is_some_and(|(paper, _)| source.starts_with(paper)),
            };
        } else if part == "CoT" || part.ends_with("-shot CoT") {
            remark.cot = true;
        }
    }
    remark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_where_n_is_from() {
        let brown = "Brown et al. 2020 arXiv:2005.14165 Table H.1";
        let r = read(
            "split=dev; n from GPT-3 Table C.1; two independent transcriptions agree",
            brown,
        );
        assert_eq!((r.split, r.n_is_own, r.doubt), (Some("dev"), true, false));
        let r = read("split=n/a; n = lines in openai/gpt-3 data file", brown);
        assert_eq!((r.split, r.n_is_own), (None, true));
        let wei = "n from Wei et al. 2022b Table 12 / text";
        assert!(
            read(
                wei,
                "Wei et al. 2022b (chain-of-thought) arXiv:2201.11903v6 Table 2"
            )
            .n_is_own
        );
        assert!(!read(wei, "Wang et al. 2022b (self-consistency) arXiv:2203.11171").n_is_own);
    }

    #[test]
    fn doubts_are_about_the_row_itself() {
        assert!(read("CAUTION: another paper prints the reverse", "").doubt);
        assert!(read("source copy has one stray cell; aligned from the right", "").doubt);
        let others = "Winograd/Winogrande rows omitted (labels look swapped in the source)";
        assert!(!read(others, "").doubt);
        assert!(!read("rounded in source", "").doubt);
    }

    #[test]
    fn chains_of_thought_and_versions() {
        for note in [
            "model_version=claude-2.0; 5-shot CoT",
            "model_version=x; CoT",
            "model_version=; 3-shot; CoT",
        ] {
            assert!(read(note, "").cot, "{note}");
        }
        assert!(!read("model_version=x; 5-shot top-1", "").cot);
        assert_eq!(
            read("model_version=falcon-7b; ", "").model_version,
            Some("falcon-7b")
        );
        assert_eq!(read("model_version=; ", "").model_version, None);
    }
}
